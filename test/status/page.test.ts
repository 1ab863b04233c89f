import { describe, expect, test } from "vitest";
import { foreign, html } from "../../src/status/html.ts";
import { statusPage } from "../../src/status/page.ts";
import { grouped, plot } from "../../src/status/plot.ts";
import { ago, duration } from "../../src/status/times.ts";
import { busyView, HOSTILE, quietView } from "./views.ts";

describe("Text on the page", () => {
  test.each([
    ["<script>", "<bdi>&lt;script&gt;</bdi>"],
    [`a"b'c&d`, "<bdi>a&quot;b&#39;c&amp;d</bdi>"],
    ["\x1b[31m\r\n\0", "<bdi>\\x1b[31m\\x0d\\x0a\\x00</bdi>"],
    ["\u202e\u2066\u200b\ufeff", "<bdi>\\u{202e}\\u{2066}\\u{200b}\\u{feff}</bdi>"],
    ["\ud800", "<bdi>\\u{fffd}</bdi>"],
    [Buffer.from("b\u00fccher@\u05d0", "utf8").toString("latin1"), "<bdi>b\u00fccher@\u05d0</bdi>"],
    ["\xff\xfe", "<bdi>\xff\xfe</bdi>"],
    ["x".repeat(161), `<bdi>${"x".repeat(160)}\u2026</bdi>`],
  ])("%j is shown as %s", (text, shown) => {
    expect(foreign(text).text).toBe(shown);
  });

  test("in a template is escaped, and HTML is not escaped again", () => {
    const items = ["<", "&"].map((text) => html`<li>${text}</li>`);
    expect(html`<ul>${items}</ul>${undefined}${3}`.text).toBe("<ul><li>&lt;</li><li>&amp;</li></ul>3");
  });
});

describe("A page of hostile text", () => {
  const page = statusPage(busyView(), {
    asked: { ip: HOSTILE[0], helo: HOSTILE[1], sender: HOSTILE[4] },
    problem: HOSTILE[0],
    lines: [HOSTILE[2], HOSTILE[3]],
  });

  test("has only the tags of the page itself", () => {
    const tags = new Set([...page.matchAll(/<(\w+)/g)].map(([, tag]) => tag));
    for (const tag of ["script", "img", "iframe", "style", "object", "base"]) expect(tags).not.toContain(tag);
    expect([...page.matchAll(/ (on\w+|style)="/g)]).toEqual([]);
  });

  test("has no character that does not show", () => {
    expect(page.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
  });
});

describe("The page", () => {
  test("says in words what is wrong", () => {
    const page = statusPage(busyView());
    for (const text of [
      "Not ready: ",
      "the last reload failed, the old one is in force",
      "does not answer: mail that needs it waits",
      "was silent",
      "never answered",
      "(report mode: it passed)",
      "88.0 % of 102,555 queries answered from it",
      "<strong>Report mode:</strong> nothing is rejected, held or deferred.",
      "<dt>dkim</dt><dd>pass 12,345, fail 67</dd>",
      '<strong class="bad">waits for its record in DNS</strong>: <code><bdi>s2027</bdi></code> (RSA, 2048 bits)',
      '<strong class="good">signs</strong>: <code><bdi>s2026</bdi></code>',
      "a newer key signs: <code><bdi>ed</bdi></code> (ed25519)",
      "And 1,950 more.",
      '<strong class="bad">Broken:</strong>',
      "<strong>accept</strong> (report mode: would hold) of mail of ours, DMARC <strong>fail</strong>, sender",
      "Results: <code><bdi>spf=fail dkim=none arc=none dmarc=fail iprev=pass</bdi></code>",
      "Signed or sealed: <code><bdi>s2026._domainkey.example.org</bdi></code>",
    ])
      expect(page).toContain(text);
    expect(page).not.toContain("Nothing has asked yet");
  });

  test("of a new daemon says that nothing has asked and nothing was refused", () => {
    const page = statusPage(quietView());
    for (const text of ["Serving", "Nothing has asked yet", "No mail was refused", "no file, defaults run"])
      expect(page).toContain(text);
    expect(page).not.toContain("<pre>");
    expect(page).toContain('<li>127.0.0.1:53 <span class="empty">was not asked yet</span></li>');
  });

  test("shows nothing of a milter that is off", () => {
    expect(statusPage(quietView())).not.toMatch(/milter|DKIM/i);
  });

  test("of a milter without keys and mail says so", () => {
    const milter = { isReport: false, results: [], keys: [], moreKeys: 0, brokenKeys: [], messages: [] };
    const page = statusPage(quietView({ milter }));
    expect(page).toContain('<h2 id="milter">Milter</h2>');
    for (const text of ["No key: mail of yours is not signed.", "No message has come through the milter"])
      expect(page).toContain(text);
    expect(page).not.toContain("Report mode");
  });

  test("shows what the form was asked in its fields", () => {
    const asked = { ip: "192.0.2.1", helo: "a.example", sender: "joe@b.example" };
    const page = statusPage(quietView(), { asked, lines: ["fail: <why>"] });
    for (const value of Object.values(asked)) expect(page).toContain(`value="${value}"`);
    expect(page).toContain("<pre>fail: &lt;why&gt;</pre>");
  });
});

describe("A plot", () => {
  test("has a bar for each value, the largest full, the smallest visible, and its text", () => {
    const { text } = plot([0, 1, 100, 50], "a <label>");
    expect(text).toContain('aria-label="a &lt;label&gt;"');
    expect(text).toContain('d="M3 28v-2h2v2zM6 28v-28h2v28zM9 28v-14h2v14z"');
    expect(plot([0, 0], "none").text).not.toContain("bars");
  });

  test("groups neighbours", () => {
    expect(grouped([1, 2, 3, 4, 5], 2)).toEqual([3, 7, 5]);
  });
});

describe("A time", () => {
  test.each([
    [0, "0 seconds"],
    [999, "0 seconds"],
    [1_000, "1 second"],
    [59_000, "59 seconds"],
    [61_000, "1 minute 1 second"],
    [60_000, "1 minute"],
    [150_000, "2 minutes"],
    [3_600_000 + 1_260_000, "1 hour 21 minutes"],
    [86_400_000 * 400, "400 days"],
    [-5, "0 seconds"],
  ])("of %i ms is %s", (ms, words) => {
    expect(duration(ms)).toBe(words);
  });

  test("is said in UTC too, and a future one is now", () => {
    const nowMs = Date.UTC(2026, 10, 26, 8);
    expect(ago(nowMs - 5_000, nowMs).text).toContain('<time datetime="2026-11-26T07:59:55.000Z">5 seconds ago');
    expect(ago(nowMs + 5_000, nowMs).text).toContain('datetime="2026-11-26T08:00:00.000Z">0 seconds ago');
  });
});
