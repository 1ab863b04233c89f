/** The milter service: a session for each connection of an MTA. */
import type { Service } from "../net/session.ts";
import type { Application } from "./application.ts";
import type { MilterObserver } from "./observer.ts";
import type { Packet } from "./packet.ts";
import { MilterSession } from "./session.ts";

/**
 * Creates the service.
 *
 * @param application the one in force: asked at each message, so that open connections follow a change. What an
 *   application wants holds for a connection from its beginning.
 */
export function createMilterService(application: () => Application, observe: MilterObserver): Service<Packet> {
  return { protocol: "milter", open: () => new MilterSession(application, observe) };
}
