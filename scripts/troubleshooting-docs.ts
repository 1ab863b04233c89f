/** docs/troubleshooting.md from the tables of src/bounce/: `npm run docs` writes it. */
import { RULES } from "../src/bounce/explain.ts";
import { fill, MENDERS, type Rule } from "../src/bounce/rule.ts";
import { SPEAKERS } from "../src/bounce/speakers.ts";

const INTRODUCTION = `# Troubleshooting

Most trouble leaves a line in the log of Postfix or of postvouch, or a reply in a bounce. \`postvouch explain-bounce\` says
what such a line means and what to do. It takes a line, a reply or a whole notification:

\`\`\`sh
postvouch explain-bounce '550 5.7.25 Reverse DNS validation failed'
grep status=bounced /var/log/mail.log | tail | postvouch explain-bounce
\`\`\`

It exits 1 for a reply that it does not know, and then says only what the status code means (RFC 3463).

## What no forwarder can mend

SRS keeps SPF green for *your* domain. What the receiver does with the domain in From: is another matter:

| the sender | at the receiver |
|---|---|
| signs with DKIM, and nobody changed the message | DMARC passes, delivered, also with p=reject |
| has SPF only, and DMARC with p=none or no DMARC | SPF passes for your domain, DMARC does not: normally delivered |
| has SPF only, and DMARC with p=reject or p=quarantine | refused or put aside, with or without SRS. The sender must sign, or you deliver to a mailbox here |
| signs, and the message was changed on the way | as with SPF only: change nothing in subject, body and MIME structure |
| is null (a bounce) | SRS does not apply: the HELO name needs an SPF record |
| is a spammer | forwarded spam is your spam: filter first |

## Without a line in the log

| symptom | cause and cure |
|---|---|
| Bounces never come back, and postvouch logs nothing | Postfix refuses them without asking: the SRS domain is in no list of Postfix, or the map reverse is not asked for it. Look for \`SRS0\` in Postfix's log |
| From: shows \`SRS0=...\` | \`sender_canonical_classes = envelope_sender\` is missing in main.cf |
| Mail that is delivered here has \`SRS0=\` in Return-Path, with the forward-only set-up | \`sender_canonical_maps\` of the classic set-up is still there |
| Nothing is rewritten | The status page (http://127.0.0.1:9797/) says when Postfix last asked each map. If it asks: the sender's domain is an own domain, or the mail does not leave this host |
| Mail has no \`Authentication-Results\` of ours, or is not signed | \`postvouch doctor\` says who asks the milter, and which keys wait for their records |
| Forged mail from us that fetchmail or getmail has fetched is signed with our key | It came in by localhost:25 or sendmail(1), as mail of your own users does. Give it a service of its own ([milter.md](milter.md#fetched-mail)) |
| SPF fails for all mail | The clients have private addresses (\`hidden_client\` in the log): a proxy or a container hides the real ones |
| The daemon ends at once | Its last line names the cause. Exit code 78: the configuration (\`postvouch check-config\`), 69: a port is taken, 77: a permission |
`;

/** The sections, by who says it. */
const SECTIONS: readonly { readonly title: string; readonly holds: (rule: Rule) => boolean }[] = [
  {
    title: "Lines of this host",
    holds: ({ by }) => by === "postfix" || by === "postvouch" || by === "postsrsd",
  },
  ...(["gmail", "microsoft", "yahoo", "apple", "gmx", "tOnline"] as const).map((speaker) => ({
    title: SPEAKERS[speaker].name,
    holds: ({ by }: Rule) => by === speaker,
  })),
  { title: "Any receiver", holds: ({ by }) => by === "any" },
];

export function troubleshootingMarkdown(): string {
  const sections = SECTIONS.flatMap(({ title, holds }) => [`## ${title}\n`, ...RULES.filter(holds).map(entry)]);
  const end = "This page is made from the tables in src/bounce (`npm run docs`).\n";
  return [INTRODUCTION, ...sections, end].join("\n");
}

function entry(rule: Rule): string {
  const values = rule.text?.exec(rule.line.replace(/ [245]\d\d-[245]\.\d+\.\d+/g, ""))?.groups ?? {};
  const [means, todo] = [rule.means, rule.todo].map((sentence) => prose(fill(sentence, values)));
  return `\`\`\`\n${rule.line}\n\`\`\`\n\n- ${means}\n- **Do:** ${todo}\n- *${MENDERS[rule.mends]}*\n`;
}

/** Text in which Markdown finds no markup. */
function prose(text: string): string {
  return text.replace(/[*_<>[\]]/g, "\\$&");
}
