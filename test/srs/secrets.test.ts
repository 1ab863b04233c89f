import { describe, expect, test } from "vitest";
import { parseSecrets } from "../../src/srs/secrets.ts";
import { forwardTable } from "../../src/srs/table.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { startPostsrsd } from "./postsrsd-process.ts";
import { srsTables } from "./tables.ts";

const missing = requirePrograms("postsrsd", "faketime");

test.each([
  { name: "one line", file: "tops3cr3t\n", secrets: ["tops3cr3t"] },
  { name: "a line without its end", file: "tops3cr3t", secrets: ["tops3cr3t"] },
  { name: "several, the first first", file: "new\nold\noldest\n", secrets: ["new", "old", "oldest"] },
  { name: "no empty lines", file: "\n\r\n\na\n\n\nb\n\n", secrets: ["a", "b"] },
  { name: "CR LF", file: "a\r\nb\r\n", secrets: ["a", "b"] },
  { name: "CR around", file: "\r\ra\r\r\n", secrets: ["a"] },
  { name: "CR within as the end", file: "\r\ra\rb\r\r\nc\n", secrets: ["a", "c"], cut: [1] },
  { name: "NUL as the end", file: "x\ntops\0ecret\n", secrets: ["x", "tops"], cut: [2] },
  { name: "NUL first as no secret", file: "\0x\n\r\0x\nb\n", secrets: ["b"], cut: [1, 2] },
  { name: "NUL last", file: "a\0\n", secrets: ["a"], cut: [1] },
  { name: "blanks as part of the secret", file: " a b \n\t\n", secrets: [" a b ", "\t"] },
  {
    name: "# as part of the secret",
    file: "# not a comment\na # neither\n",
    secrets: ["# not a comment", "a # neither"],
  },
  { name: "bytes over 127", file: "gehe\xefm\xff\x80x\n", secrets: ["gehe\xefm\xff\x80x"] },
  { name: "1,023 bytes as one", file: `${"x".repeat(1023)}\ny\n`, secrets: ["x".repeat(1023), "y"] },
  { name: "1,024 bytes as two", file: `${"x".repeat(1024)}\ny\n`, secrets: ["x".repeat(1023), "x", "y"] },
  {
    name: "a NUL beyond 1,023 bytes as the end of the second part",
    file: `${"x".repeat(1024)}y\0z\nb\n`,
    secrets: ["x".repeat(1023), "xy", "b"],
    cut: [1],
  },
  {
    name: "3,000 bytes as three",
    file: `${"x".repeat(3000)}`,
    secrets: ["x".repeat(1023), "x".repeat(1023), "x".repeat(954)],
  },
  { name: "nothing", file: "", secrets: [] },
  { name: "line ends alone", file: "\n\r\n\r\r\n", secrets: [] },
] as readonly { name: string; file: string; secrets: string[]; cut?: number[] }[])(
  "parseSecrets reads $name",
  ({ file, secrets, cut = [] }) => {
    const parsed = parseSecrets(Buffer.from(file, "latin1"));
    expect(parsed.secrets.map((secret) => Buffer.from(secret).toString("latin1"))).toEqual(secrets);
    expect(parsed.cutLines).toEqual(cut);
  },
);

describe.skipIf(missing !== undefined)(`A real postsrsd 1.x ${missing ?? ""}`, () => {
  test.each([
    { name: "a NUL within", file: "tops\0ecret\n" },
    { name: "a NUL first, then a secret", file: "\0x\nsecond\n" },
    { name: "CR within", file: "tops\recret\n" },
    { name: "CR LF and CR around", file: "\r\rtops\r\r\n" },
    { name: "a line in two parts, with a NUL", file: `${"x".repeat(1030)}\0y\nb\n` },
    { name: "a byte order mark of UTF-8", file: "\xef\xbb\xbftops3cr3t\n" },
  ])("signs as we do with $name", async ({ file }) => {
    await using theirs = await startPostsrsd(Buffer.from(file, "latin1"), "example.com", "2020-01-01 00:01:00", []);
    const [reply] = await theirs.ask("forward", ["get alice@example.org\n"]);
    const { secrets } = parseSecrets(Buffer.from(file, "latin1"));
    const ours = forwardTable(srsTables({ secrets, hashAlphabet: "standard" })).get("alice@example.org");
    expect(reply).toBe(`200 ${(ours as { value?: string }).value}`);
  });
});
