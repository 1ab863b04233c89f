/** Tests the status page of a running daemon in Debian's Chromium. SCREENSHOTS=DIR keeps pictures of it. */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testKey, zoneOf } from "../doctor/keys.ts";
import { Chromium } from "../helpers/chromium.ts";
import { freePorts, Peer, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { zoneAuthority } from "../helpers/zone.ts";
import { mta, POSTFIX_OFFER } from "../milter/mta.ts";
import { HOSTILE } from "./views.ts";

const missing = requirePrograms("chromium");

/** The headers of rows and columns that have a single word, and more than one line. */
const BROKEN_WORDS = `[...document.querySelectorAll("th")].filter((header) => {
  const range = document.createRange();
  range.selectNodeContents(header);
  return !/\\s/.test(header.innerText.trim()) && range.getClientRects().length > 1;
}).map((header) => header.innerText)`;

const PUBLISHED = testKey("example.org", "s1");
const WAITING = testKey("example.net", "s2", { bits: 0 });

/** The contrast of each text with what is behind it (WCAG 2.2, 1.4.3), of those below 4.5. */
const LOW_CONTRAST = `(() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = numbers(getComputedStyle(one).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [numbers(getComputedStyle(element).color), behind(element)].map(light).sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) low.push(element.outerHTML.slice(0, 80) + " " + contrast.toFixed(1));
  }
  return low;
})()`;

describe.skipIf(missing !== undefined)(`The status page in a browser ${missing ?? ""}`, () => {
  const cleanups = new AsyncDisposableStack();
  let browser: Chromium;
  let url = "";

  beforeAll(async () => {
    const dns = cleanups.use(
      await startDnsServer(
        zoneAuthority({
          "sender.test": [{ TXT: "v=spf1 ip4:192.0.2.0/24 -all" }],
          "_dmarc.sender.test": [{ TXT: "v=DMARC1; p=reject" }],
          ...zoneOf(PUBLISHED),
          "tricky.test": [{ TXT: "v=spf1 exists:%{i}.<b>x</b>.test ?all" }],
        }),
      ),
    );
    const dir = cleanups.use(scratch());
    const [forward = 0, reverse = 0, policy = 0, milter = 0, metrics = 0] = await freePorts(5);
    for (const { domain, selector, privateKey } of [PUBLISHED, WAITING]) {
      const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
      mkdirSync(join(dir.path, "dkim", domain), { recursive: true });
      dir.write(join("dkim", domain, `${selector}.key`), pem);
    }
    dir.write("secrets", "tops3cr3t-of-the-test\n");
    const config = dir.write(
      "postvouch.toml",
      `hostname = "mx.example.org"
[srs]
domain = "srs.example.org"
secrets_file = "${join(dir.path, "secrets")}"
[srs.own_domains]
domains = ["example.org"]
[tcptable]
forward = ["127.0.0.1:${forward}"]
reverse = ["127.0.0.1:${reverse}"]
[socketmap]
listen = []
[policy]
listen = ["127.0.0.1:${policy}"]
[milter]
listen = ["127.0.0.1:${milter}"]
mode = "report"
[dkim.sign]
key_directory = "${join(dir.path, "dkim")}"
[dmarc]
reject = true
[metrics]
listen = ["127.0.0.1:${metrics}"]
[dns]
servers = ["${dns.address}"]
`,
    );
    const daemon = cleanups.use(new RunningDaemon(["--config", config]));
    await daemon.said("listening", 5);
    await daemon.said("published, may sign");
    url = `http://127.0.0.1:${metrics}`;
    await askAsPostfixDoes(forward, reverse, policy);
    await sendThroughMilter(milter);
    browser = cleanups.use(await Chromium.start(["rebound.test"]));
  });
  afterAll(() => cleanups.disposeAsync());

  /** Mail that passes, a rewritten sender, and refusals with all that strangers may send. */
  async function askAsPostfixDoes(forward: number, reverse: number, policy: number): Promise<void> {
    using peer = new Peer(policy);
    const request = (client: string, helo: string, sender: string): Promise<string> =>
      peer.ask(
        `request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=${client}\nhelo_name=${helo}\nsender=${sender}\nrecipient=bob@example.org\n\n`,
        "\n\n",
      );
    await request("192.0.2.1", "mail.sender.test", "joe@sender.test");
    for (const text of HOSTILE) {
      const name = text.replaceAll(/[\n\0]/g, "");
      expect(await request("198.51.100.9", name, `${name.replaceAll("@", "")}@sender.test`)).toContain("action=550 ");
    }
    using signer = new Peer(forward);
    const [, signed = ""] = (await signer.ask("get alice@elsewhere.example\n")).split(/[ \n]/);
    using reader = new Peer(reverse);
    expect(await reader.ask(`get ${signed}\n`)).toBe("200 alice@elsewhere.example\n");
    for (const text of HOSTILE) {
      const quoted = Buffer.from(text, "latin1").toString("hex").replaceAll(/../g, "%$&");
      await reader.ask(`get SRS0=Ab1d=${signed.split("=")[2]}=elsewhere.example=${quoted}@srs.example.org\n`);
    }
  }

  /** A forgery, mail of ours, and mail with all that strangers may send. */
  async function sendThroughMilter(port: number): Promise<void> {
    using postfix = new Peer(port);
    const send = (address: string, sender: string, from: string): Promise<string> => {
      const [connection, message] = [mta.connect("client.test", address), mta.mail(`<${sender}>`)];
      const content = [mta.rcpt("<bob@example.org>"), mta.data(), mta.field("From", ` ${from}`), mta.eoh()];
      return postfix.ask(
        [
          mta.abort(),
          connection,
          mta.helo("mail.sender.test"),
          message,
          ...content,
          mta.body("Hi\r\n"),
          mta.eom(),
        ].join(""),
        "c",
      );
    };
    await postfix.ask(mta.options(...POSTFIX_OFFER), "\0");
    await send("198.51.100.9", "joe@sender.test", "<joe@sender.test>");
    await send("127.0.0.1", "alice@example.org", "<alice@example.org>");
    for (const hostile of HOSTILE) {
      const name = hostile.replaceAll(/[\n\0<>@]/g, "");
      await send("198.51.100.9", `${name}@sender.test`, `<x@${name}.test>`);
    }
  }

  const text = (selector: string): Promise<string> =>
    browser.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);

  test("shows what has happened", async () => {
    await browser.show({ width: 1100 });
    await browser.open(`${url}/`);
    const main = await text("main");
    expect(main).toMatch(/policy service\s+\d+ seconds? ago/);
    expect(main).toMatch(/map forward-transport\s+off/);
    expect(main).toMatch(/\npass\t1/);
    expect(main).toMatch(new RegExp(`\\nfail\\t${HOSTILE.length}`));
    expect(main).toMatch(/sender rewritten\t1/);
    expect(main).toMatch(/Secrets\s+1, the same since/);
    expect(main).not.toContain("tops3cr3t");
    expect(main).toContain("198.51.100.9 is not authorized to send mail of sender.test");
    expect(main).toContain("hash invalid");
  });

  test("shows what the milter has found, its keys and its last messages", async () => {
    await browser.show({ width: 1100 });
    await browser.open(`${url}/`);
    const section = await text("section[aria-labelledby=milter]");
    expect(section).toContain("Report mode: nothing is rejected, held or deferred.");
    expect(section).toMatch(/\ndmarc\nfail 1, /);
    expect(section).toMatch(/example\.org\nsigns: s1 \(RSA, 2048 bits\)/);
    expect(section).toMatch(/example\.net\nwaits for its record in DNS: s2 \(ed25519\)/);
    expect(section).toContain(
      "accept (report mode: would reject) of mail from outside, DMARC fail, sender joe@sender.test",
    );
    expect(section).toContain("author in sender.test");
    expect(section).toMatch(/Results: spf=fail .*dmarc=fail/);
    expect(section).toContain("Signed or sealed: s1._domainkey.example.org");
    expect(await text("main")).toMatch(/suppressed by report mode\t1/);
    expect(await text("main")).toMatch(/milter\s+\d+ seconds? ago/);
  });

  test("runs nothing, loads nothing but its style, and shows what strangers sent as text", async () => {
    await browser.open(`${url}/`);
    expect(browser.complaints).toEqual([]);
    expect(await browser.evaluate("document.title")).toBe("postvouch on mx.example.org");
    expect(await browser.evaluate("document.querySelectorAll('script,img,iframe,object,embed,style').length")).toBe(0);
    expect(await browser.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")).toEqual([
      `${url}/style.css`,
    ]);
    const main = await text("main");
    expect(main).toContain("<script>document.title='owned'</script>");
    expect(main).toContain("\\u{202e}gnp.exe \\u{2066}\\u{200b}\\u{feff}");
    expect(main).toContain("\\x1b[31mred\\x1b]0;title\\x07");
    expect(main.replaceAll(/[\n\t]/g, "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  describe.each([
    { width: 1100, scheme: "light" },
    { width: 1100, scheme: "dark" },
    { width: 360, scheme: "light" },
    { width: 360, scheme: "dark" },
  ] as const)("at $width pixels, $scheme", (screen) => {
    test("fits the screen, and every text can be read", async () => {
      await browser.show(screen);
      await browser.open(`${url}/?ip=192.0.2.1&sender=joe@sender.test`);
      if (process.env.SCREENSHOTS !== undefined) {
        await browser.picture(join(process.env.SCREENSHOTS, `status-${screen.width}-${screen.scheme}.png`));
      }
      expect(await browser.evaluate("document.documentElement.scrollWidth")).toBe(screen.width);
      expect(await browser.evaluate(LOW_CONTRAST)).toEqual([]);
      expect(await browser.evaluate(BROKEN_WORDS)).toEqual([]);
      const back = await browser.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      expect(back).toBe(screen.scheme === "dark" ? "rgb(13, 17, 23)" : "rgb(255, 255, 255)");
    });
  });

  test("tells a screen reader what each part and plot is", async () => {
    await browser.show({ width: 1100 });
    await browser.open(`${url}/`);
    const spoken = await browser.spoken();
    for (const one of [
      "heading postvouch on mx.example.org",
      "navigation On this page",
      "main",
      "heading When Postfix last asked",
      "region Traffic",
      "columnheader Last hour",
      "rowheader pass",
      "image pass, last hour: 1, at most 1 in a minute",
      "image neutral, last day: none",
      "textbox Client address",
      "textbox Sender (empty for a bounce)",
      "button Explain",
    ])
      expect(spoken).toContain(one);
    expect(spoken.filter((one) => /^(?:image|textbox|button|link|region)$/.test(one))).toEqual([]);
  });

  test("is used by keyboard alone and without JavaScript: from the form to the explanation", async () => {
    await browser.show({ width: 1100 });
    await browser.open(`${url}/`);
    const focused = (): Promise<string> =>
      browser.evaluate("document.activeElement.id || document.activeElement.textContent");
    const seen: string[] = [];
    for (let i = 0; i < 20 && seen.at(-1) !== "sender"; i++) {
      await browser.press("Tab");
      seen.push(await focused());
      expect(await browser.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
      if (seen.at(-1) === "ip") for (const key of "198.51.100.9") await browser.press(key);
    }
    expect(seen).toEqual([
      "Skip to the content",
      "Reload",
      ...["Traffic", "Milter", "Last refusals", "Parts", "Own domains", "Explain an SPF check"],
      ...["ip", "helo", "sender"],
    ]);
    await browser.show({ width: 1100, runsScripts: false });
    for (const key of "joe@sender.test") await browser.press(key);
    await browser.submit();
    expect(await text("pre")).toContain("fail");
    expect(await text("pre")).toContain("ip4:192.0.2.0/24");
    expect(await text("pre")).toContain("Postfix is answered: 550 5.7.23");
    expect(await browser.evaluate("location.hash")).toBe("#spf");
  });

  test("explains a record that holds markup, and an address that is none", async () => {
    await browser.show({ width: 1100 });
    await browser.open(`${url}/?ip=192.0.2.1&sender=a@tricky.test`);
    expect(await text("pre")).toContain("<b>x</b>.test");
    expect(await browser.evaluate("document.querySelectorAll('pre b').length")).toBe(0);
    await browser.open(`${url}/?ip=%3Cscript%3E&sender=%22onfocus=alert(1)%20x=%22`);
    expect(await text("#spf-problem")).toBe('Cannot check client address "<script>": want an IPv4 or IPv6 address');
    expect(await browser.evaluate("document.querySelector('#sender').value")).toBe('"onfocus=alert(1) x="');
  });

  test("is not shown under a stranger's name that leads here, nor in a frame of a stranger's", async () => {
    const { port } = new URL(url);
    await browser.open(`http://rebound.test:${port}/`);
    expect(await text("body")).toContain("want this host's address, localhost or mx.example.org as Host");
    const stranger = createServer((request, response) =>
      response.setHeader("content-type", "text/html").end(`<iframe src="${url}${request.url}"></iframe>`),
    );
    await once(stranger.listen(0, "127.0.0.1"), "listening");
    const framed = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    // The text for scrapers may be framed, which shows that a frame works.
    await browser.open(`${framed}/metrics`);
    expect(await browser.frames()).toEqual([`${framed}/metrics`, `${url}/metrics`]);
    await browser.open(`${framed}/`);
    expect(await browser.frames()).toEqual([`${framed}/`, "chrome-error://chromewebdata/"]);
    stranger.close();
  });
});
