/** The status page as one HTML document. Works without JavaScript, and changes nothing. */
import { foreign, type Html, html, visible } from "./html.ts";
import { code, list, MAX_REASON_CHARS } from "./items.ts";
import { milterSection } from "./milter-section.ts";
import { grouped, plot } from "./plot.ts";
import { ago, duration, utc } from "./times.ts";
import type { SpfAnswer, StatusView, TrafficGroup } from "./view.ts";

/** @param answer what the form was asked, if it was */
export function statusPage(view: StatusView, answer?: SpfAnswer): string {
  const { hostname, notReady, version } = view;
  const document = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>postvouch on ${hostname}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>postvouch <small>on ${foreign(hostname)}</small></h1>
<p>${
    notReady === undefined
      ? html`<strong class="good">Serving</strong>`
      : html`<strong class="bad">Not ready: ${foreign(notReady)}</strong>`
  }. Version ${version}, Node.js ${view.node}, running for ${duration(view.nowMs - view.startedMs)}.
As of ${utc(view.nowMs)}. <a href="/">Reload</a></p>
<nav aria-label="On this page"><ul>
<li><a href="#traffic">Traffic</a></li>
${view.milter === undefined ? undefined : html`<li><a href="#milter">Milter</a></li>\n`}<li><a href="#refused">Last refusals</a></li>
<li><a href="#parts">Parts</a></li>
<li><a href="#domains">Own domains</a></li>
<li><a href="#spf">Explain an SPF check</a></li>
</ul></nav>
</header>
<main id="main">
${asked(view)}
${traffic(view.traffic)}
${view.milter === undefined ? undefined : milterSection(view.milter, view)}
${refused(view)}
${parts(view)}
${ownDomains(view)}
${spfForm(answer)}
</main>
<footer><p>The same numbers for Prometheus are at <a href="/metrics">/metrics</a>.
Nothing on this page changes anything.</p></footer>
</body>
</html>
`;
  return document.text;
}

function asked({ asked: services, nowMs }: StatusView): Html {
  const rows = services.map(({ name, lastMs }) => {
    const when =
      lastMs === "off"
        ? html`off`
        : lastMs === undefined
          ? html`<span class="empty">not since the start</span>`
          : ago(lastMs, nowMs);
    return html`<div><dt>${name}</dt><dd>${when}</dd></div>\n`;
  });
  const isUnasked = services.every(({ lastMs }) => typeof lastMs !== "number");
  return html`<section aria-labelledby="asked-title">
<h2 id="asked-title">When Postfix last asked</h2>
${isUnasked ? html`<p><strong class="bad">Nothing has asked yet.</strong> If mail has come since the start, main.cf does not name postvouch.</p>` : undefined}
<dl class="facts">
${rows}</dl>
</section>`;
}

/** Minutes in one bar of the plot of a day. */
const BAR_MINUTES = 20;

function traffic(groups: readonly TrafficGroup[]): Html {
  const bodies = groups.map(({ title, rows }) => {
    const lines = rows.map(({ name, hour, day }) => {
      const bars = grouped(day, BAR_MINUTES);
      return html`<tr><th scope="row">${name}</th>
<td>${count(hour)} ${plot(hour, `${name}, last hour: ${describe(hour, "a minute")}`)}</td>
<td>${count(day)} ${plot(bars, `${name}, last day: ${describe(bars, `${BAR_MINUTES} minutes`)}`)}</td></tr>\n`;
    });
    return html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="3">${title}</th></tr>
${lines}</tbody>\n`;
  });
  return html`<section aria-labelledby="traffic">
<h2 id="traffic">Traffic</h2>
<table>
<caption>Each plot has a scale of its own. A bar is a minute, or ${BAR_MINUTES} minutes in the plot of a day; now is at the right.</caption>
<thead><tr><th scope="col">What</th><th scope="col">Last hour</th><th scope="col">Last day</th></tr></thead>
${bodies}</table>
</section>`;
}

function count(values: readonly number[]): Html {
  const sum = total(values);
  return html`<span class="count${sum === 0 ? " none" : ""}">${sum.toLocaleString("en")}</span>`;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function describe(values: readonly number[], period: string): string {
  const sum = total(values);
  if (sum === 0) return "none";
  const most = Math.max(...values);
  return `${sum.toLocaleString("en")}, at most ${most.toLocaleString("en")} in ${period}`;
}

function refused({ refusedMails, refusedLookups, clockMs, nowMs }: StatusView): Html {
  const when = (thenMs: number): Html => ago(nowMs - (clockMs - thenMs), nowMs);
  const mails = refusedMails.map(
    ({ clockMs: thenMs, action, isReport, sender, recipient, client, helo, reason, reply }) => html`<li>${when(thenMs)}
<p><strong>${action}</strong>${isReport ? " (report mode: it passed)" : ""} of mail from ${code(sender === "" ? "<>" : sender)} to ${code(recipient)}</p>
<p>Client ${code(client)}, HELO ${code(helo)}</p>
${reason === "" || reply.includes(reason) ? undefined : html`<p>Reason: ${foreign(reason, MAX_REASON_CHARS)}</p>`}
${reply === "" ? undefined : html`<p>Answer: ${code(reply, MAX_REASON_CHARS)}</p>`}</li>\n`,
  );
  const lookups = refusedLookups.map(
    ({ clockMs: thenMs, outcome, map, key, reason }) => html`<li>${when(thenMs)}
<p><strong>${outcome}</strong> in the map ${map} for ${code(key)}</p>
<p>Reason: ${foreign(reason, MAX_REASON_CHARS)}</p></li>\n`,
  );
  return html`<section aria-labelledby="refused">
<h2 id="refused">Last refusals</h2>
<h3>Mail</h3>
${list(mails, "No mail was refused or deferred since the start.")}
<h3>SRS addresses</h3>
${list(lookups, "No address was refused for its hash or age since the start, and every part has answered.")}
</section>`;
}

const SERVER_STATES = {
  answering: html`<strong class="good">answers</strong>`,
  silent: html`<strong class="bad">was silent</strong>`,
  unasked: html`<span class="empty">was not asked yet</span>`,
} as const;

function parts(view: StatusView): Html {
  const { config, secrets, store, dns, connections, nowMs } = view;
  const asks = dns.cacheHits + dns.cacheMisses;
  const share =
    asks === 0
      ? ""
      : `, ${((100 * dns.cacheHits) / asks).toFixed(1)} % of ${asks.toLocaleString("en")} queries answered from it`;
  const servers = dns.servers.map(({ name, state }) => html`<li>${name} ${SERVER_STATES[state]}</li>`);
  const open = [...connections].map(([name, number]) => html`<li>${name}: ${number}</li>`);
  return html`<section aria-labelledby="parts">
<h2 id="parts">Parts</h2>
<dl class="facts">
<div><dt>Configuration</dt><dd>${
    config.isCurrent
      ? html`<strong class="good">in force</strong>`
      : html`<strong class="bad">the last reload failed, the old one is in force</strong>`
  }, read ${ago(config.readMs, nowMs)}<br>${config.file === undefined ? "no file, defaults run" : foreign(config.file)}</dd></div>
<div><dt>SRS domain</dt><dd>${foreign(view.srsDomain)}</dd></div>
<div><dt>Secrets</dt><dd>${secrets.count}, the same since ${ago(secrets.sinceMs, nowMs)}</dd></div>
<div><dt>Store of long addresses</dt><dd>${
    store === undefined
      ? "none"
      : html`${store.kind}, ${store.isUp ? html`<strong class="good">answers</strong>` : html`<strong class="bad">does not answer: mail that needs it waits</strong>`}`
  }</dd></div>
<div><dt>DNS servers</dt><dd><ul>${servers}</ul></dd></div>
<div><dt>DNS cache</dt><dd>${dns.cacheEntries.toLocaleString("en")} answers${share}</dd></div>
<div><dt>Open connections</dt><dd><ul>${open}</ul></dd></div>
</dl>
</section>`;
}

function ownDomains({ ownDomains: sources, nowMs }: StatusView): Html {
  const rows = sources.map(
    ({ source, count: number, lastMs }) =>
      html`<div><dt>${source}</dt><dd>${number.toLocaleString("en")} ${number === 1 ? "domain" : "domains"}${
        lastMs === undefined
          ? undefined
          : lastMs === 0
            ? html`, <strong class="bad">never answered</strong>`
            : html`, good as of ${ago(lastMs, nowMs)}`
      }</dd></div>\n`,
  );
  return html`<section aria-labelledby="domains">
<h2 id="domains">Own domains</h2>
<dl class="facts">
${rows}</dl>
</section>`;
}

function spfForm(answer: SpfAnswer | undefined): Html {
  const { ip = "", helo = "", sender = "" } = answer?.asked ?? {};
  const problem = answer?.problem;
  return html`<section aria-labelledby="spf">
<h2 id="spf">Explain an SPF check</h2>
<form action="/#spf" method="get">
<p><label for="ip">Client address</label> <input id="ip" name="ip" value="${visible(ip)}" required maxlength="45" autocomplete="off" spellcheck="false" placeholder="192.0.2.1"${
    problem === undefined ? undefined : html` aria-describedby="spf-problem"`
  }></p>
<p><label for="helo">HELO name</label> <input id="helo" name="helo" value="${visible(helo)}" maxlength="255" autocomplete="off" spellcheck="false" placeholder="mail.example.org"></p>
<p><label for="sender">Sender <small>(empty for a bounce)</small></label> <input id="sender" name="sender" value="${visible(sender)}" maxlength="320" autocomplete="off" spellcheck="false" placeholder="someone@example.org"></p>
<p><button type="submit">Explain</button></p>
</form>
${problem === undefined ? undefined : html`<p id="spf-problem" class="bad" role="alert"><strong>${foreign(problem)}</strong></p>`}
${
  answer?.lines === undefined
    ? undefined
    : html`<h3>What the policy service would say</h3>
<pre>${answer.lines.map(visible).join("\n")}</pre>`
}
</section>`;
}
