/**
 * Fills in the snippets of deploy/postfix. They have the names of docs/postfix.md: `srs.example.org` is the SRS domain,
 * `/etc/postfix` the directory of main.cf, and each endpoint has its default.
 */
import { parameterUnits, parameterValue } from "./logical-lines.ts";
import { exampleAddress, type Wiring } from "./wiring.ts";

/** The snippets that are written into Postfix's files. */
export const SNIPPETS = [
  "canonical-socketmap.main.cf",
  "canonical-srs-domain.main.cf",
  "canonical-tcp.main.cf",
  "forward-only.main.cf",
  "forward-only.master.cf",
  "milter-second-pass.master.cf",
  "milter.main.cf",
  "policy.main.cf",
  "srs-recipients.regexp",
] as const;

export type SnippetName = (typeof SNIPPETS)[number];

/** The texts of all snippets. */
export type Snippets = Readonly<Record<SnippetName, string>>;

const DOMAIN = "srs.example.org";
const CONFIG_DIR = "/etc/postfix";
const TIMEOUT = "timeout=30s";

/** The second pass: the transport to it, and the address of the service that takes its mail back. */
export interface SecondPass {
  readonly transport: string;
  readonly host: string;
  readonly port: string;
}

const SECOND_PASS: SecondPass = { transport: "srs", host: "127.0.0.1", port: "12526" };

/**
 * Reads srs.forward_transport, such as `srs:[127.0.0.1]:12526`.
 *
 * @returns `undefined` if it names no service on this host
 */
export function parseSecondPass(transport: string): SecondPass | undefined {
  const [, name, host, port] = /^([a-z][\w-]*):\[(127\.0\.0\.1|::1)\]:(\d{1,5})$/.exec(transport) ?? [];
  return name === undefined || host === undefined || port === undefined ? undefined : { transport: name, host, port };
}

/** The parameters that a snippet of main.cf sets, filled in. */
export function parametersOf(text: string, wiring: Wiring, configDir: string): ReadonlyMap<string, string> {
  const filled = withAddresses(text, wiring)
    .replaceAll(DOMAIN, wiring.srsDomain)
    .replaceAll(`regexp:${CONFIG_DIR}/`, `regexp:${configDir}/`)
    .replaceAll(TIMEOUT, `timeout=${wiring.policyTimeoutS}s`);
  const second = parseSecondPass(wiring.forwardTransport) ?? SECOND_PASS;
  const ownPrefix = new RegExp(`^${SECOND_PASS.transport}_`);
  return new Map(
    parameterUnits(filled)
      .filter(({ key }) => !key.startsWith("#"))
      .map((unit) => [unit.key.replace(ownPrefix, `${second.transport}_`), parameterValue(unit.text)]),
  );
}

/** Puts the addresses of our endpoints in the place of the examples, in one pass: what was put in is not looked at again. */
function withAddresses(text: string, { addresses }: Wiring): string {
  const pairs = [...addresses].map(([key, address]) => {
    // tcp_table(5) has the address without "inet:" in front.
    const inTable = (whole: string): string => `tcp:${whole.slice("inet:".length)}`;
    const example = exampleAddress(key);
    return key.startsWith("tcptable.") ? [inTable(example), inTable(address)] : [example, address];
  });
  const byExample = new Map(pairs.map(([example = "", address = ""]) => [example, address]));
  return text.replace(/\b(?:inet|tcp):127\.0\.0\.1:\d+/g, (example) => byExample.get(example) ?? example);
}

/** The services of a snippet of master.cf, filled in. */
export function servicesOf(text: string, wiring: Wiring): string {
  const second = parseSecondPass(wiring.forwardTransport) ?? SECOND_PASS;
  const own = `${SECOND_PASS.host}:${SECOND_PASS.port} inet `;
  const filled = withAddresses(text, wiring)
    .replaceAll(own, `${second.host.includes(":") ? `[${second.host}]` : second.host}:${second.port} inet `)
    .replace(new RegExp(`^${SECOND_PASS.transport} `, "m"), `${second.transport} `)
    .replaceAll(`port ${SECOND_PASS.port}`, `port ${second.port}`);
  if (!second.host.includes(":")) return filled;
  // Where only IPv6 is spoken, Postfix knows no 127.0.0.1.
  return filled
    .replaceAll(`smtp_bind_address=${SECOND_PASS.host}`, `smtp_bind_address6=${second.host}`)
    .replaceAll("127.0.0.0/8", `[${second.host}]/128`);
}

/** The table that tells SRS addresses of these domains. */
export function recipientTable(text: string, domains: readonly string[], configDir: string): string {
  const escaped = domains.map((domain) => domain.replaceAll(".", "\\."));
  const pattern = escaped.length === 1 ? (escaped[0] ?? "") : `(${escaped.join("|")})`;
  return text.replaceAll(DOMAIN.replaceAll(".", "\\."), pattern).replaceAll(CONFIG_DIR, configDir);
}
