/** The name of a filter in Authentication-Results. */
import { isDomainName } from "../../mail/names.ts";
import type { Findings, Host } from "./finding.ts";
import type { MilterOptions } from "./milter-options.ts";

/** `HOSTNAME` stands for what hostname(1) prints. */
export function idOf(text: string, { hostname }: Host): string {
  return text.toUpperCase() === "HOSTNAME" ? hostname : text;
}

/** Takes over AuthservID. Without it the name is that of the MTA, as it is here. */
export function authservId(options: MilterOptions, host: Host, findings: Findings): void {
  const text = options.text("AuthservID");
  if (text === undefined) return;
  const id = idOf(text, host);
  if (isDomainName(id)) {
    const meaning = id === text ? "" : "HOSTNAME is what hostname(1) prints: ";
    findings.set("milter.authserv_id", id, meaning + options.origin("AuthservID"));
  } else findings.note(options.where("AuthservID"), `AuthservID: "${id}" is no name of a host, and is left out`);
}
