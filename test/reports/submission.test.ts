/** Handing mail to an SMTP server that behaves in any way. */
import { describe, expect, test } from "vitest";
import { Submission } from "../../src/reports/submission.ts";
import { type Fault, startSmtpSink } from "../helpers/smtp-sink.ts";

const LIMITS = { connectMs: 500, greetingMs: 500, silenceMs: 500 };
const MESSAGE = Buffer.from("Subject: x\r\n\r\n.\r\n..two dots\r\nlast\r\n");

test("A message arrives as it is, and the next one over the same connection", async () => {
  await using sink = await startSmtpSink();
  using submission = new Submission({ host: "127.0.0.1", port: sink.port, name: "mx.example.org" });
  await submission.send("a@b.example", "c@d.example", MESSAGE);
  await submission.send("a@b.example", "e@d.example", MESSAGE);
  expect(sink.taken).toEqual([
    { sender: "a@b.example", recipient: "c@d.example", message: MESSAGE.toString() },
    { sender: "a@b.example", recipient: "e@d.example", message: MESSAGE.toString() },
  ]);
  expect(sink.connections).toBe(1);
});

test("A mailbox cannot bring commands along", async () => {
  await using sink = await startSmtpSink();
  using submission = new Submission({ host: "127.0.0.1", port: sink.port, name: "mx.example.org" });
  await submission.send("a@b.example", "c@d.example>\r\nRCPT TO:<v@w.example", MESSAGE).catch(() => {});
  expect(sink.commands.filter((command) => command.startsWith("RCPT TO:<v@w.example"))).toEqual([]);
});

describe("A server that is silent costs only as long as it may:", () => {
  test.each<[string, Fault]>([
    ["at the greeting", (command) => (command === "connect" ? "hang" : undefined)],
    ["at EHLO", (command) => (command.startsWith("EHLO") ? "hang" : undefined)],
    ["at MAIL", (command) => (command.startsWith("MAIL") ? "hang" : undefined)],
    ["after the message", (command) => (command === "message" ? "hang" : undefined)],
  ])("%s", async (_where, fault) => {
    await using sink = await startSmtpSink(fault);
    using submission = new Submission({ host: "127.0.0.1", port: sink.port, name: "mx.example.org" }, LIMITS);
    await expect(submission.send("a@b.example", "c@d.example", MESSAGE)).rejects.toThrow(/timeout|time/i);
  });
});

test("A server that refuses one mailbox takes the next message", async () => {
  await using sink = await startSmtpSink((command) =>
    command.includes("<no@") ? "550 5.1.1 no such user" : undefined,
  );
  using submission = new Submission({ host: "127.0.0.1", port: sink.port, name: "mx.example.org" });
  await expect(submission.send("a@b.example", "no@d.example", MESSAGE)).rejects.toThrow("550 5.1.1 no such user");
  await submission.send("a@b.example", "c@d.example", MESSAGE);
  expect(sink.taken).toHaveLength(1);
});

test("A server that cannot be reached is tried once", async () => {
  await using sink = await startSmtpSink((command) => (command === "connect" ? "close" : undefined));
  using submission = new Submission({ host: "127.0.0.1", port: sink.port, name: "mx.example.org" });
  for (let i = 0; i < 3; i++) {
    await expect(submission.send("a@b.example", "c@d.example", MESSAGE)).rejects.toThrow(
      `Cannot reach SMTP server "127.0.0.1:${sink.port}": `,
    );
  }
  expect(sink.connections).toBe(1);
});
