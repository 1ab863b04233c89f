import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { errorCode } from "../../src/process/exit.ts";
import { LineOutput } from "../../src/process/line-output.ts";

const directory = mkdtempSync(join(tmpdir(), "postvouch-line-output-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string): { path: string; fd: number } {
  const path = join(directory, name);
  return { path, fd: openSync(path, "w") };
}

/** A pipe with both its ends, neither of which ever waits. */
function pipe(name: string): { readEnd: number; writeEnd: number } {
  const path = join(directory, name);
  execFileSync("mkfifo", [path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { readEnd, writeEnd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) };
}

/** What the pipe holds now. */
function drain(readEnd: number): string {
  const chunk = Buffer.alloc(1 << 20);
  let text = "";
  for (;;) {
    try {
      const length = readSync(readEnd, chunk);
      if (length === 0) return text;
      text += chunk.toString("latin1", 0, length);
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
      return text;
    }
  }
}

const noLoss = (): void => expect.unreachable("lines were lost");

test("LineOutput lets a line wait for company", () => {
  const { path, fd } = file("wait");
  const out = new LineOutput(fd, noLoss);
  out.write("one\n");
  expect(readFileSync(path, "utf8")).toBe("");
  out.flush();
  expect(readFileSync(path, "utf8")).toBe("one\n");
});

test("LineOutput writes a lone line after a while", async () => {
  const { path, fd } = file("alone");
  new LineOutput(fd, noLoss).write("alone é\n");
  await vi.waitFor(() => expect(readFileSync(path, "utf8")).toBe("alone é\n"), { timeout: 10_000 });
});

test("LineOutput writes a lone line that came while others were being written", async () => {
  const { path, fd } = file("meanwhile");
  const out = new LineOutput(fd, noLoss);
  const first = `${"x".repeat(99_999)}\n`;
  out.write(first);
  out.write("second\n");
  await vi.waitFor(() => expect(readFileSync(path, "utf8")).toBe(`${first}second\n`), { timeout: 10_000 });
});

test("LineOutput keeps the order of lines that are written in several goes", async () => {
  const { path, fd } = file("order");
  const out = new LineOutput(fd, noLoss);
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`);
  for (const line of lines) out.write(line);
  await vi.waitFor(() => expect(readFileSync(path, "utf8")).toBe(lines.join("")), { timeout: 10_000 });
});

test("LineOutput waits for a slow reader, loses the lines that do not fit, and says how many", async () => {
  const { readEnd, writeEnd } = pipe("slow");
  let lost = 0;
  const out = new LineOutput(writeEnd, (lines) => {
    lost += lines;
  });
  const line = `${"x".repeat(999)}\n`;
  const written = 10_000;
  for (let i = 0; i < written; i++) out.write(line);
  let got = "";
  await vi.waitFor(
    () => {
      got += drain(readEnd);
      expect(lost).toBeGreaterThan(0);
      expect(got.length / line.length + lost).toBe(written);
    },
    { timeout: 10_000, interval: 5 },
  );
  expect(got).toBe(line.repeat(written - lost));
});

test("LineOutput goes on when its reader is gone", async () => {
  const { readEnd, writeEnd } = pipe("gone");
  const out = new LineOutput(writeEnd, noLoss);
  closeSync(readEnd);
  for (let i = 0; i < 100; i++) out.write(`${"y".repeat(999)}\n`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  out.write("z\n");
  expect(() => out.flush()).not.toThrow();
});

test("LineOutput begins its last words with what a full pipe has kept back", async () => {
  const { readEnd, writeEnd } = pipe("last");
  const out = new LineOutput(writeEnd, noLoss);
  const line = `${"x".repeat(999)}\n`;
  const written = 200;
  for (let i = 0; i < written; i++) out.write(line);
  await new Promise((resolve) => setTimeout(resolve, 200));
  let got = drain(readEnd);
  out.flush();
  got += drain(readEnd);
  expect(got.length).toBeGreaterThan(100_000);
  expect(line.repeat(written).startsWith(got)).toBe(true);
});
