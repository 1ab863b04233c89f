import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PARAMETERS } from "../../src/config/parameters.ts";
import { CUT_AT_THE_FIRST_AT, DEVIATIONS } from "./deviations.ts";
import { postsrsd1, postsrsd2 } from "./replay.ts";
import { TRANSCRIPT_DEVIATIONS } from "./transcripts.ts";

const DOCUMENT = readFileSync(new URL("../../docs/from-postsrsd.md", import.meta.url), "utf8");
/** The text without its code blocks: their fences are backquotes too. */
const TEXT = DOCUMENT.replaceAll(/^```[\s\S]*?^```$/gm, "");
/** What stands in backquotes, words of it. */
const WORDS = new Set([...TEXT.matchAll(/`([^`]+)`/g)].flatMap(([, code = ""]) => code.split(/[\s,;=]+/)));

const FLAGS_1 = [..."sdanNlfr46ptcuXAeDhv"].map((flag) => `-${flag}`);
const VARIABLES_1 = ["DOMAIN", "SECRET", "EXCLUDE_DOMAINS", "SEPARATOR", "HASHLENGTH", "HASHMIN", "FORWARD_PORT"]
  .concat("REVERSE_PORT", "LISTEN_ADDR", "PID_FILE", "EXTRA_OPTIONS")
  .map((name) => `SRS_${name}`)
  .concat("RUN_AS", "CHROOT");
const OPTIONS_2 = [
  "srs-domain",
  "domains",
  "domains-file",
  "domains-file-watch",
  "socketmap",
  "milter",
  "keep-alive",
].concat(
  [
    "connection-limit",
    "secrets-file",
    "separator",
    "hash-length",
    "hash-minimum",
    "always-rewrite",
    "original-envelope",
  ],
  ["envelope-database", "milter-rewrite-local", "milter-recipient-limit", "unprivileged-user", "chroot-dir", "seccomp"],
  ["daemonize", "pid-file", "syslog", "debug"],
);

describe("docs/from-postsrsd.md", () => {
  test.each([
    { program: "flag of 1.10", names: FLAGS_1 },
    { program: "variable of 1.10", names: VARIABLES_1 },
    { program: "option of 2.4", names: OPTIONS_2 },
  ])("names every $program", ({ names }) => {
    expect(names.filter((name) => !WORDS.has(name))).toEqual([]);
  });

  test("names no key that is none", () => {
    const keys = [...DOCUMENT.matchAll(/`\[([a-z_.]+)\] ([a-z_]+)/g)].map(([, section, key]) => `${section}.${key}`);
    expect(keys.length).toBeGreaterThan(15);
    expect(keys.filter((key) => !(key in PARAMETERS))).toEqual([]);
  });

  test("has every class of deviations", () => {
    const names = [...DEVIATIONS, CUT_AT_THE_FIRST_AT].map(({ name }) => name);
    expect(names.filter((name) => !DOCUMENT.includes(`| ${name} |`))).toEqual([]);
  });

  test("counts what is replayed", () => {
    const conversations = postsrsd1.recording.wire.length + postsrsd2.recording.wire.length;
    const otherwise = Object.keys(TRANSCRIPT_DEVIATIONS).length;
    expect(DOCUMENT).toContain("replays 27,532 recorded answers");
    expect(DOCUMENT).toContain(
      `has ${conversations} recorded conversations, and our different behaviour in ${otherwise} of`,
    );
  });
});
