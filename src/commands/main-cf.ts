import { type Endpoint, formatEndpoint } from "../net/endpoint.ts";
import type { Setup } from "../setup/setup.ts";

/** The main.cf lines that use the listeners of a setup, as text to paste. */
export function mainCfLines(setup: Setup): string {
  const { config } = setup;
  const [forward] = config["tcptable.forward"];
  const [reverse] = config["tcptable.reverse"];
  const [socketmap] = config["socketmap.listen"];
  const [policy] = config["policy.listen"];
  const lines: string[] = [];
  const maps = [
    ["sender_canonical", "envelope_sender", map(socketmap, "forward"), tcp(forward)],
    ["recipient_canonical", "envelope_recipient, header_recipient", map(socketmap, "reverse"), tcp(reverse)],
  ] as const;
  for (const [parameter, classes, overSocketmap, overTcp] of maps) {
    const best = overSocketmap ?? overTcp;
    if (best === undefined) continue;
    lines.push(`${parameter}_maps = ${best}`);
    if (overTcp !== undefined && overTcp !== best)
      lines.push(`#   or as for postsrsd 1.x: ${parameter}_maps = ${overTcp}`);
    lines.push(`${parameter}_classes = ${classes}`);
  }
  if (policy !== undefined) {
    lines.push(
      "# behind reject_unauth_destination in smtpd_recipient_restrictions:",
      // No blank around "=": Postfix would end smtpd with "malformed option" at every connection.
      `#   check_policy_service { ${inet(policy)}, timeout=30s }`,
    );
  }
  if (lines.length === 0) return "";
  const title = "# main.cf (all mail; docs/postfix.md has the set-up that rewrites only what is forwarded)";
  return `${[title, ...lines].join("\n")}\n`;
}

/** Postfix's own notation: `inet:host:port`, `unix:path`. */
function inet(endpoint: Endpoint): string {
  return endpoint.type === "unix" ? formatEndpoint(endpoint) : `inet:${formatEndpoint(endpoint)}`;
}

function map(endpoint: Endpoint | undefined, name: string): string | undefined {
  return endpoint === undefined ? undefined : `socketmap:${inet(endpoint)}:${name}`;
}

function tcp(endpoint: Endpoint | undefined): string | undefined {
  return endpoint?.type === "inet" ? `tcp:${formatEndpoint(endpoint)}` : undefined;
}
