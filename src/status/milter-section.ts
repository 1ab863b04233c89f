/** The section of the milter on the status page. */
import type { HandledMail } from "./activity.ts";
import { foreign, type Html, html } from "./html.ts";
import { code, list, MAX_REASON_CHARS } from "./items.ts";
import { ago } from "./times.ts";
import type { MilterView, StatusView } from "./view.ts";

export function milterSection(
  { isReport, results, messages, ...keys }: MilterView,
  { clockMs, nowMs }: StatusView,
): Html {
  const rows = results.map(({ method, counts }) => {
    const told = counts.map(({ result, count: number }) => `${result} ${number.toLocaleString("en")}`).join(", ");
    return html`<div><dt>${method}</dt><dd>${told === "" ? html`<span class="empty">none yet</span>` : told}</dd></div>\n`;
  });
  const items = messages.map(
    (message) => html`<li>${ago(nowMs - (clockMs - message.clockMs), nowMs)}
${handled(message)}</li>\n`,
  );
  return html`<section aria-labelledby="milter">
<h2 id="milter">Milter</h2>
${isReport ? html`<p><strong>Report mode:</strong> nothing is rejected, held or deferred.</p>` : undefined}
<h3>Results since the start</h3>
<dl class="facts">
${rows}</dl>
<h3>DKIM keys</h3>
${dkimKeys(keys)}
<h3>Last messages</h3>
${list(items, "No message has come through the milter since the start.")}
</section>`;
}

const KEY_STATES = {
  signing: html`<strong class="good">signs</strong>`,
  waiting: html`<strong class="bad">waits for its record in DNS</strong>`,
  spare: html`a newer key signs`,
} as const;

function dkimKeys({ keys, moreKeys, brokenKeys }: Pick<MilterView, "keys" | "moreKeys" | "brokenKeys">): Html {
  if (keys.length === 0 && brokenKeys.length === 0)
    return html`<p class="empty">No key: mail of yours is not signed.</p>`;
  const broken = brokenKeys.map(
    (problem) => html`<p><strong class="bad">Broken:</strong> ${foreign(problem, MAX_REASON_CHARS)}</p>\n`,
  );
  const rows = keys.map(
    ({ domain, selector, type, state }) =>
      html`<div><dt>${foreign(domain)}</dt><dd>${KEY_STATES[state]}: ${code(selector)} (${type})</dd></div>\n`,
  );
  return html`${broken}<dl class="facts">
${rows}</dl>
${moreKeys === 0 ? undefined : html`<p>And ${moreKeys.toLocaleString("en")} more.</p>`}`;
}

/** What was done with a message, by the role of this host. */
const ROLE_WORDS: Readonly<Record<string, string>> = {
  incoming: "from outside",
  submitted: "of ours",
  forward: "that is forwarded",
  skip: "that is left alone",
};

function handled({ role, client, sender, authorDomain, action, would, results, signed, problem }: HandledMail): Html {
  const from = authorDomain === "" ? undefined : html`, author in ${code(authorDomain)}`;
  const dmarc = /\bdmarc=(\w+)/.exec(results)?.[1];
  const judged = dmarc === undefined ? undefined : html`, DMARC <strong>${dmarc}</strong>`;
  return html`<p><strong>${action}</strong>${would === "" ? "" : ` (report mode: would ${would})`} of mail ${ROLE_WORDS[role] ?? role}${judged}, sender ${code(sender === "" ? "<>" : sender)}${from}</p>
<p>Client ${code(client === "" ? "unknown" : client)}</p>
${results === "" ? undefined : html`<p>Results: ${code(results, MAX_REASON_CHARS)}</p>`}
${signed === "" ? undefined : html`<p>Signed or sealed: ${code(signed)}</p>`}
${problem === "" ? undefined : html`<p>Problem: ${foreign(problem, MAX_REASON_CHARS)}</p>`}`;
}
