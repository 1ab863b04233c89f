/**
 * The documents that come from tables: docs/config.md and deploy/postvouch.toml from that of the parameters,
 * docs/troubleshooting.md from those of bounces. `npm run docs` writes them, and a test compares what stands there with
 * what would be written.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Parameter } from "../src/config/parameter.ts";
import { PARAMETERS } from "../src/config/parameters.ts";
import { troubleshootingMarkdown } from "./troubleshooting-docs.ts";

const ROOT = join(import.meta.dirname, "..");

/** The files that come from tables, and their contents. */
export function documents(): Record<string, string> {
  return {
    "docs/config.md": configMarkdown(),
    "deploy/postvouch.toml": exampleToml(),
    "docs/troubleshooting.md": troubleshootingMarkdown(),
  };
}

/** Keys by section, in the order of the table; the keys before the first section come under "". */
export function sections(): Map<string, [string, Parameter<unknown>][]> {
  const bySection = new Map<string, [string, Parameter<unknown>][]>();
  for (const [name, parameter] of Object.entries<Parameter<unknown>>(PARAMETERS)) {
    const dot = name.lastIndexOf(".");
    const section = dot === -1 ? "" : name.slice(0, dot);
    const rows = bySection.get(section) ?? [];
    rows.push([name.slice(dot + 1), parameter]);
    bySection.set(section, rows);
  }
  return bySection;
}

function configMarkdown(): string {
  const parts = [
    `# Configuration

TOML, in \`/etc/postvouch/postvouch.toml\` unless \`--config\` says otherwise. Without a file the defaults run. Unknown
keys and wrong values are errors that name the key, what it got and what it wants; \`postvouch check-config\` tells them
all. Durations are strings (\`"20s"\`, \`"5m"\`, \`"21d"\`), endpoints are \`"127.0.0.1:10001"\`, \`"[::1]:10001"\` or
\`"unix:/path"\`, or \`"fd:NAME"\` for a socket of systemd's. A list of endpoints may be empty: that service is then off.

SIGHUP reads the file, the secrets and the domain lists again. On any error the old state stays and the error is
logged; on success no connection is dropped, and DNS answers and SPF verdicts are forgotten: to have a record that was
mended seen at once, reload. \`socket_mode\` and \`reuse_port\` hold for endpoints that are opened from then on.

This page is made from the table in src/config/parameters.ts (\`npm run docs\`).
`,
  ];
  for (const [section, rows] of sections()) {
    parts.push(`## ${section === "" ? "Top level" : `[${section}]`}\n`);
    const table = rows.map(
      ([key, { help, default: value, kind }]) =>
        `| \`${key}\` | \`${cell(toml(value))}\` | ${cell(help)} Wants ${cell(kind.want)}. |`,
    );
    parts.push(["| key | default | meaning |", "|---|---|---|", ...table, ""].join("\n"));
  }
  return parts.join("\n");
}

function exampleToml(): string {
  const lines = [
    "# Every key of postvouch with its default. Uncomment what you change; docs/config.md says more.",
    "# postvouch check-config tells what is wrong with this file.",
  ];
  for (const [section, rows] of sections()) {
    if (section !== "") lines.push("", `[${section}]`);
    for (const [key, { help, default: value }] of rows) {
      lines.push("", ...wrap(help, 96).map((line) => `# ${line}`));
      if (key === "override") lines.push(...OVERRIDE_EXAMPLE);
      else lines.push(`#${key} = ${toml(value)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const OVERRIDE_EXAMPLE = [
  "#[[policy.override]]",
  '#recipient = "user@example.org"',
  '#mode = "report"',
  '#mail_from = { softfail = "reject" }',
];

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

/** A value as TOML has it. */
export function toml(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(toml).join(", ")}]` : JSON.stringify(value);
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(documents())) writeFileSync(join(ROOT, path), text);
}
