/** Tells which filters Postfix asks. */
import type { Findings } from "../readers/finding.ts";
import { namesSocket, readSocket } from "../readers/milter-socket.ts";
import { type PostfixFacts, settingsOf } from "./postfix.ts";

type Socket = NonNullable<Findings["milterSocket"]>;

/** Tells if main.cf or master.cf names a socket of the filter. Without Postfix it is taken for granted. */
export function isAsked({ sockets }: Socket, postfix: PostfixFacts | undefined): boolean {
  if (postfix === undefined) return true;
  return sockets
    .flatMap((socket) => readSocket(socket) ?? [])
    .some((socket) => namesSocket(settingsOf(postfix), socket));
}

/** Says that a file is left out. */
export function notAsked({ program, sockets }: Socket, path: string): string {
  const place = sockets.length === 0 ? "which has no Socket" : `at ${sockets.join(" or ")}`;
  return `${path}: main.cf does not ask ${program} ${place}, so it is left out; name the file to take it over (postvouch import FILE...)`;
}
