import { expect, test } from "vitest";
import { parseSecrets } from "../../src/srs/secrets.ts";

test.each([
  { name: "one line", file: "tops3cr3t\n", secrets: ["tops3cr3t"] },
  { name: "a line without its end", file: "tops3cr3t", secrets: ["tops3cr3t"] },
  { name: "several, the first first", file: "new\nold\noldest\n", secrets: ["new", "old", "oldest"] },
  { name: "no empty lines", file: "\n\r\n\na\n\n\nb\n\n", secrets: ["a", "b"] },
  { name: "CR LF", file: "a\r\nb\r\n", secrets: ["a", "b"] },
  { name: "CR around, not within", file: "\r\ra\rb\r\r\n", secrets: ["a\rb"] },
  { name: "blanks as part of the secret", file: " a b \n\t\n", secrets: [" a b ", "\t"] },
  {
    name: "# as part of the secret",
    file: "# not a comment\na # neither\n",
    secrets: ["# not a comment", "a # neither"],
  },
  { name: "bytes over 127 and NUL", file: "gehe\xefm\xff\x80\0x\n", secrets: ["gehe\xefm\xff\x80\0x"] },
  { name: "1,023 bytes as one", file: `${"x".repeat(1023)}\ny\n`, secrets: ["x".repeat(1023), "y"] },
  { name: "1,024 bytes as two", file: `${"x".repeat(1024)}\ny\n`, secrets: ["x".repeat(1023), "x", "y"] },
  {
    name: "3,000 bytes as three",
    file: `${"x".repeat(3000)}`,
    secrets: ["x".repeat(1023), "x".repeat(1023), "x".repeat(954)],
  },
  { name: "nothing", file: "", secrets: [] },
  { name: "line ends alone", file: "\n\r\n\r\r\n", secrets: [] },
])("parseSecrets reads $name", ({ file, secrets }) => {
  expect(parseSecrets(Buffer.from(file, "latin1")).map((secret) => Buffer.from(secret).toString("latin1"))).toEqual(
    secrets,
  );
});
