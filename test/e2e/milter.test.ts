/** Has a real Postfix send its mail through a filter made of src/milter: test/milter/filter.ts. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServerProcess, startServer } from "../helpers/server-process.ts";
import type { Seen } from "../milter/filter.ts";
import { eventually } from "./lab/eventually.ts";
import { origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag, type StoredMessage } from "./lab/mail.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { MailHost } from "./lab/postfix-files.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { NODE, PACKAGE } from "./lab/runtime.ts";

const missing = requireLab();

const ADDRESS = "10.77.0.30";

/** Where smtpd listens, with the filter or the protocol version that is behind it. */
const PORTS = { answering: 2525, silent: 2526, unix: 2527, version2: 2528, version4: 2530, hasty: 2531 } as const;

function smtpd(port: number, ...settings: readonly string[]): string {
  return `${port} inet n - n - - smtpd ${settings.map((setting) => `-o ${setting}`).join(" ")}\n`;
}

/** alice and carol have mailboxes. */
const DEST: MailHost = {
  name: "dest",
  address: ADDRESS,
  mainCf: `virtual_mailbox_domains = dest.test
virtual_mailbox_maps = inline:{ {alice@dest.test = alice/} {carol@dest.test = carol/} {refused@dest.test = refused/} }
message_size_limit = 50000000
milter_default_action = tempfail
smtpd_milters = inet:127.0.0.1:8892
non_smtpd_milters = inet:127.0.0.1:8892
`,
  masterCf: [
    smtpd(PORTS.answering, "smtpd_milters=inet:127.0.0.1:8891"),
    smtpd(PORTS.silent),
    smtpd(PORTS.unix, "smtpd_milters=unix:filter/filter.sock"),
    smtpd(PORTS.version2, "milter_protocol=2"),
    smtpd(PORTS.version4, "milter_protocol=4"),
    smtpd(PORTS.hasty, "milter_content_timeout=2s", "milter_command_timeout=2s"),
  ].join(""),
};

const EDITED = ["X-Edit: a", "X-Edit: b", "X-Edit:c"];

/** A line of the filter's log. */
type Line = Partial<Omit<Seen, "event">> & { readonly event: string };

class Filter implements AsyncDisposable {
  readonly #process: ServerProcess;
  readonly #log: string;

  private constructor(process: ServerProcess, log: string) {
    this.#process = process;
    this.#log = log;
  }

  static async start(lab: Lab, name: string): Promise<Filter> {
    const log = join(lab.directory, `${name}.log`);
    const program = join(PACKAGE, "test", "milter", "filter.ts");
    const folder = join(lab.host("dest").directory, "queue", "filter");
    mkdirSync(folder, { recursive: true });
    const [command = "", ...args] = lab.on("dest", [
      NODE,
      program,
      log,
      "127.0.0.1:8891",
      "127.0.0.1:8892",
      `unix:${folder}/filter.sock`,
    ]);
    const started = await startServer(command, args, { isReady: () => existsSync(log) });
    return lab.use(new Filter(started, log));
  }

  events(event: string): Line[] {
    const lines = readFileSync(this.#log, "latin1").split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Line).filter((line) => line.event === event);
  }

  /** What it saw of the message of a tag. */
  async saw(tag: string): Promise<Seen> {
    const isWanted = ({ fields = [] }: Line): boolean =>
      fields.some(([name, value]) => name === "Subject" && value.trim() === tag);
    return eventually(`what the filter saw of ${tag}`, () => this.events("message").find(isWanted) as Seen | undefined);
  }

  stop(): void {
    this.#process.signal("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

describe.skipIf(missing !== undefined)(`A filter behind a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let filter: Filter;
  let dest: Postfix;
  let client: Postfix;

  beforeAll(async () => {
    lab = await Lab.start([origin(), DEST]);
    [dest, client] = [lab.host("dest"), lab.host("origin")];
    filter = await Filter.start(lab, "filter");
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** A message that has these words in X-Do:. */
  const text = (tag: string, does: string, lines: readonly string[] = [], body = "hello"): string =>
    [`From: <bob@origin.test>`, `Subject: ${tag}`, `X-Do: ${does}`, ...lines, "", body, "."].join("\r\n");
  const ENVELOPE = ["MAIL FROM:<bob@origin.test>", "RCPT TO:<alice@dest.test>", "DATA"];

  /** Sends one message by SMTP. @returns its tag, and the reply to its end */
  async function deliver(
    port: number,
    does: string,
    lines: readonly string[] = [],
    body = "hello",
  ): Promise<[string, string]> {
    const tag = newTag();
    const replies = await client.smtp(
      ADDRESS,
      port,
      "EHLO mail.origin.test",
      ...ENVELOPE,
      text(tag, does, lines, body),
      "QUIT",
    );
    return [tag, replies.at(-2) ?? ""];
  }

  /** The lines of the header that are not of a delivery. */
  function headerOf(message: StoredMessage): string[] {
    const lines = message.text.slice(0, message.text.indexOf("\n\n")).split("\n");
    const start = lines.findIndex((line) => line.startsWith("X-Top:") || line.startsWith("Received:"));
    return lines.slice(start).filter((line) => !line.startsWith("\t") || line === "\tX-Forged: yes");
  }

  describe.each([
    { how: "which answers every step", port: PORTS.answering },
    { how: "which answers the end of a message", port: PORTS.silent },
  ])("$how", ({ port }) => {
    test("sees who sends what, byte by byte", async () => {
      const lines = ["X-Fold: a\r\n b\r\n\tc", "X-None:x", "X-Tab:\ty", "X-Empty:", "X-Bytes: \xff\xc3\xb6"];
      const [tag, reply] = await deliver(port, "", lines, "one\r\n..two\r\n\xfe\r\n");
      expect(reply).toMatch(/^250 /);
      const seen = await filter.saw(tag);
      expect(seen).toMatchObject({
        client: "mail.origin.test inet 10.77.0.10",
        helo: "mail.origin.test",
        from: "bob@origin.test",
        to: ["alice@dest.test"],
        bodyBytes: "one\r\n.two\r\n\xfe\r\n\r\n".length,
        bodySha256: sha256("one\r\n.two\r\n\xfe\r\n\r\n"),
        daemonName: "mail.dest.test",
      });
      expect(seen.fields.slice(0, 8)).toEqual([
        ["From", " <bob@origin.test>"],
        ["Subject", ` ${tag}`],
        ["X-Do", " "],
        ["X-Fold", " a\n b\n\tc"],
        ["X-None", "x"],
        ["X-Tab", "\ty"],
        ["X-Empty", ""],
        ["X-Bytes", " \xff\xc3\xb6"],
      ]);
      const stored = await dest.arrived("alice", tag);
      expect(stored.text).toContain(`id ${seen.queueId}`);
    });

    test("adds, changes and deletes fields, each in its place", async () => {
      const [tag] = await deliver(port, "edit", EDITED);
      const header = headerOf(await dest.arrived("alice", tag));
      expect(header).toEqual([
        ...["X-Top: one", "X-Top:two", expect.stringMatching(/^Received: from mail\.origin\.test/)],
        ...["X-Below: one", "X-Below:  two", "\tX-Forged: yes"],
        ...["From: <bob@origin.test>", `Subject: ${tag}`, "X-Do: edit", "x-edit: changed", " folded"],
        ...header.slice(11, -1).map(() => expect.stringMatching(/^(?:Message-Id|Date): /)),
        "X-End: one",
      ]);
    });

    test("filters several messages of a session, with RSET and a second EHLO between them", async () => {
      const [first, second] = [newTag(), newTag()];
      const aborts = filter.events("abort").length;
      const replies = await client.smtp(
        ADDRESS,
        port,
        ...[
          "EHLO one.test",
          ...ENVELOPE,
          text(first, "edit", EDITED),
          ...ENVELOPE.slice(0, 2),
          "RSET",
          "EHLO two.test",
        ],
        ...[
          "MAIL FROM:<>",
          "RCPT TO:<refused@dest.test>",
          "RCPT TO:<alice@dest.test>",
          "DATA",
          text(second, "edit", EDITED),
        ],
        "QUIT",
      );
      expect(replies.filter((reply) => reply.startsWith("250 2.0.0 Ok: queued"))).toHaveLength(2);
      for (const tag of [first, second]) {
        const stored = await dest.arrived("alice", tag);
        expect([stored.headers("X-Top"), stored.headers("X-Edit")]).toEqual([["one", "two"], ["changed folded"]]);
      }
      expect(await filter.saw(first)).toMatchObject({ helo: "one.test", from: "bob@origin.test" });
      expect(await filter.saw(second)).toMatchObject({ helo: "two.test", from: "" });
      expect(filter.events("abort")).toHaveLength(aborts + 1);
      const isAnswered = port === PORTS.answering;
      expect(replies.some((reply) => reply.startsWith("550 5.1.1 100% unwanted"))).toBe(isAnswered);
    });

    test("sees every byte of a message of 8 MB", async () => {
      const body = `${"0123456789abcde\r\n".repeat(480_000)}end`;
      const [tag, reply] = await deliver(port, "edit", EDITED, body);
      expect(reply).toMatch(/^250 /);
      const { bodyBytes, bodySha256 } = await filter.saw(tag);
      expect({ bodyBytes, bodySha256 }).toEqual({ bodyBytes: body.length + 2, bodySha256: sha256(`${body}\r\n`) });
      expect((await dest.arrived("alice", tag)).headers("X-Top")).toEqual(["one", "two"]);
    });

    test.each([
      { does: "reject", reply: /^550 5\.7\.1 / },
      { does: "tempfail", reply: /^451 4\.7\.1 / },
      { does: "reply", reply: /^550 5\.7\.1 no 100% of\?\?250 this$/ },
      { does: "throw", reply: /^451 4\.7\.1 / },
    ])("has the client told what it says: $does", async ({ does, reply }) => {
      const tags = [newTag(), newTag()];
      const [bad = "", good = ""] = tags;
      const replies = await client.smtp(
        ADDRESS,
        port,
        ...["EHLO mail.origin.test", ...ENVELOPE, text(bad, does)],
        ...[...ENVELOPE, text(good, ""), "QUIT"],
      );
      expect(replies[5]).toMatch(reply);
      expect(replies[9]).toMatch(/^250 2\.0\.0 Ok: queued/);
      await dest.arrived("alice", good);
      expect(dest.mailbox("alice").some((message) => message.text.includes(bad))).toBe(false);
    });

    test("throws a message away", async () => {
      const [tag, reply] = await deliver(port, "discard");
      expect(reply).toMatch(/^250 /);
      await dest.logged(new RegExp(`${(await filter.saw(tag)).queueId}: milter-discard: `));
      expect(dest.mailbox("alice").some((message) => message.text.includes(tag))).toBe(false);
    });

    test("has a message held, with its edits", async () => {
      const [tag, reply] = await deliver(port, "edit quarantine", EDITED);
      expect(reply).toMatch(/^250 /);
      const { queueId = "" } = await filter.saw(tag);
      expect(await dest.run(["ls", join(dest.directory, "queue", "hold")])).toContain(queueId);
      expect(await dest.command("postcat", "-qh", queueId)).toMatch(/^X-Top: one\nX-Top:two\n/);
      await dest.command("postsuper", "-d", queueId);
    });

    test("is told when a client goes away, and serves the next one", async () => {
      const aborts = filter.events("abort").length;
      await client.smtp(ADDRESS, port, "EHLO gone.test", ...ENVELOPE.slice(0, 2));
      await eventually("an abort", () => (filter.events("abort").length > aborts ? true : undefined));
      expect(filter.events("abort").at(-1)).toMatchObject({ helo: "gone.test" });
      const [tag] = await deliver(port, "");
      await dest.arrived("alice", tag);
    });
  });

  test("filters mail of sendmail(1)", async () => {
    const headers = ["X-Do: edit", ...EDITED];
    const tag = await dest.send({ from: "root@dest.test", to: "carol@dest.test", headers });
    const stored = await dest.arrived("carol", tag);
    expect([stored.headers("X-Top"), stored.headers("X-Edit")]).toEqual([["one", "two"], ["changed folded"]]);
    expect(await filter.saw(tag)).toMatchObject({ client: "localhost inet 127.0.0.1", from: "root@dest.test" });
  });

  test("which answers every step skips a body, and rejects before it", async () => {
    const [tag, reply] = await deliver(PORTS.answering, "skip edit", EDITED, "x\r\n".repeat(100_000));
    expect(reply).toMatch(/^250 /);
    // Postfix's first chunk came in a few parts.
    expect((await filter.saw(tag)).bodyBytes).toBeLessThanOrEqual(65_535);
    expect((await dest.arrived("alice", tag)).headers("X-Top")).toEqual(["one", "two"]);
    expect((await deliver(PORTS.answering, "reject-early"))[1]).toMatch(/^550 5\.7\.1 /);
  });

  test("on a unix socket filters too", async () => {
    const [tag] = await deliver(PORTS.unix, "edit", EDITED);
    expect((await dest.arrived("alice", tag)).headers("X-Top")).toEqual(["one", "two"]);
  });

  test.each([
    { does: "edit", reply: /^250 / },
    { does: "edit quarantine", reply: /^250 / },
    { does: "reject", reply: /^550 5\.7\.1 / },
    { does: "tempfail", reply: /^451 4\.7\.1 / },
    { does: "reply", reply: /^550 5\.7\.1 no 100% of/ },
    { does: "discard", reply: /^250 / },
    { does: "throw", reply: /^451 4\.7\.1 / },
  ])("which takes longer than Postfix waits is waited for, whatever it decides: $does", async ({ does, reply }) => {
    const tags = [newTag(), newTag()];
    const [slow = "", next = ""] = tags;
    const replies = await client.smtp(
      ADDRESS,
      PORTS.hasty,
      ...["EHLO mail.origin.test", ...ENVELOPE, text(slow, `wait-long ${does}`, EDITED)],
      ...[...ENVELOPE, text(next, "edit", EDITED), "QUIT"],
    );
    expect([replies[5], replies[9]]).toEqual([expect.stringMatching(reply), expect.stringMatching(/^250 /)]);
    // The answers of the two are not mixed up.
    expect((await dest.arrived("alice", next)).headers("X-Edit")).toEqual(["changed folded"]);
    const { queueId = "" } = await filter.saw(slow);
    if (does === "edit") expect((await dest.arrived("alice", slow)).headers("X-Edit")).toEqual(["changed folded"]);
    if (does === "edit quarantine") await dest.command("postsuper", "-d", queueId);
    if (does === "discard") await dest.logged(new RegExp(`${queueId}: milter-discard: `));
  });

  test("with an older protocol version does the same", async () => {
    for (const port of [PORTS.version2, PORTS.version4]) {
      const [tag, reply] = await deliver(port, "edit", ["X-Edit: a", "X-Edit: b", "X-Edit: c"]);
      expect(reply).toMatch(/^250 /);
      const stored = await dest.arrived("alice", tag);
      expect([stored.headers("X-Top"), stored.headers("X-Edit")]).toEqual([["one", "two"], ["changed folded"]]);
      expect((await filter.saw(tag)).fields.slice(0, 2)).toEqual([
        ["From", " <bob@origin.test>"],
        ["Subject", ` ${tag}`],
      ]);
    }
  });

  test("had no problem with anything that Postfix sent", () => {
    expect(["problem", "protocol", "internal", "dropped"].flatMap((event) => filter.events(event))).toEqual([]);
    expect(filter.events("failed")).toHaveLength(3);
  });

  test("that is stopped amid a message ends it, and only then itself", async () => {
    const delivery = deliver(PORTS.silent, "edit wait", EDITED);
    const before = filter.events("message").length;
    await eventually("a message at its end", () => (filter.events("message").length > before ? true : undefined));
    filter.stop();
    const [tag, reply] = await delivery;
    expect(reply).toMatch(/^250 /);
    expect((await dest.arrived("alice", tag)).headers("X-Edit")).toEqual(["changed folded"]);
    await eventually("the end of the filter", () => filter.events("stopped")[0]);
    const again = await client.smtp(ADDRESS, PORTS.silent, "EHLO mail.origin.test", ENVELOPE[0] ?? "", "QUIT");
    expect(again.at(-2)).toMatch(/^451 4\.7\.1 /);
    await Filter.start(lab, "second");
    const [next] = await deliver(PORTS.silent, "edit", EDITED);
    expect((await dest.arrived("alice", next)).headers("X-Top")).toEqual(["one", "two"]);
  });
});

function sha256(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}
