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
  const forwardMap = map(socketmap, "forward") ?? tcp(forward);
  const reverseMap = map(socketmap, "reverse") ?? tcp(reverse);
  if (forwardMap !== undefined) {
    lines.push(`sender_canonical_maps = ${forwardMap}`, "sender_canonical_classes = envelope_sender");
  }
  if (reverseMap !== undefined) {
    lines.push(
      `recipient_canonical_maps = ${reverseMap}`,
      "recipient_canonical_classes = envelope_recipient, header_recipient",
    );
  }
  if (policy !== undefined) {
    lines.push(
      "# behind reject_unauth_destination in smtpd_recipient_restrictions:",
      `#   check_policy_service { ${inet(policy)}, timeout = 30s, default_action = DUNNO }`,
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
