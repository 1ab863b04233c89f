/** docs/doctor.md from the table of checks: `npm run docs` writes it, and a test compares it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { GMAIL_RULES } from "../src/doctor/gmail.ts";
import { CHECK_GROUPS } from "../src/doctor/table.ts";

const PATH = "docs/doctor.md";

/** The page. */
export function doctorMarkdown(): string {
  const groups = CHECK_GROUPS.flatMap(({ title, checks }) => [
    `## ${title}\n`,
    ["| check | right | otherwise |", "|---|---|---|"].join("\n"),
    `${checks.map(({ id, right, why }) => `| \`${id}\` | ${cell(right)} | ${cell(why)} |`).join("\n")}\n`,
  ]);
  const rules = GMAIL_RULES.map(
    ({ id, rule, checks, note = "" }) =>
      `| \`${id}\` | ${cell(rule)} | ${checks.map((check) => `\`${check}\``).join(", ") || "cannot be seen from here"} | ${cell(note)} |`,
  );
  return [INTRODUCTION, ...groups, GMAIL, rules.join("\n"), "", END].join("\n");
}

const INTRODUCTION = `# Doctor

\`\`\`sh
postvouch doctor           # all checks
postvouch doctor gmail     # Google's rules for senders and forwarders, beside what the checks have found
postvouch doctor --json
\`\`\`

It reads Postfix's configuration (\`postconf\`, and \`postmap -q\` for its tables), asks DNS, and asks the running daemon and
Postfix's other endpoints as Postfix would, out of a chroot too. It changes nothing. Each line is \`error\`, \`warning\`,
\`skipped\` or \`ok\`, with one sentence that says why, and behind \`mend:\` the command, record or edit that mends it.
It exits with 1 if there is an error, else with 0. As root it sees most: another user may not read the secrets, nor connect
to all sockets, nor see whose process has a port; such checks are then skipped, with the reason. Checks that are skipped for
the same reason share a line.

\`--json\` prints one object: \`ok\` (no error) and \`checks\`, each with \`id\`, \`status\`, \`reason\` and \`mend\` (or null). A check
that finds several things has several entries with the same id.

The daemon is asked to rewrite \`doctor@postvouch.invalid\` and to restore it, so this address may be in its log, and its
counters rise by a few. Up to 50 own domains are looked up in DNS. For a host behind a NAT, name the public address in
\`proxy_interfaces\` of main.cf: then SPF, the reverse name and the HELO name are checked for that.

This page is made from the table of checks in src/doctor (\`npm run docs\`).
`;

const GMAIL = `## Google's rules

\`postvouch doctor gmail\` gives each rule the worst status of its checks. The rules are those of Google's answers 81126, 175365
and 14229414 in March 2026.

| rule | text | checks | note |
|---|---|---|---|`;

const END = `What no forwarder can mend: mail of a domain that publishes p=quarantine or p=reject and does not sign with DKIM fails DMARC at
the next host, with SRS and without. The sender has to sign, or the mail has to be delivered here.
`;

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "..", PATH), doctorMarkdown());
