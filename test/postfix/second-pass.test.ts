/**
 * The gate of the recipe forward-only: every parameter that the programs of its second pass read is overridden in
 * deploy/postfix, or second-pass.txt says why main.cf's value is right. A parameter that a newer Postfix brings fails.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const missing = requirePrograms("postconf");

const ROOT = join(import.meta.dirname, "../..");
const MASTER_CF = readFileSync(join(ROOT, "deploy/postfix/forward-only.master.cf"), "utf8");
const MAIN_CF = readFileSync(join(ROOT, "deploy/postfix/forward-only.main.cf"), "utf8");

const EVERY = "every program";

/** The service of master.cf that a program runs in. */
const PROGRAMS: Readonly<Record<string, string>> = {
  srs: "smtp",
  smtpd: "smtpd",
  cleanup: "cleanup",
  qmgr: "qmgr",
  rewrite: "trivial-rewrite",
};

const LIBRARIES = ["global", "master", "tls", "util", "dns"];

/** The parameters with a reason, by section. A name may end in "*". */
function readReasons(text: string): Map<string, string[]> {
  const reasons = new Map<string, string[]>();
  let section = "";
  for (const line of text.split("\n")) {
    section = /^\[(.*)\]$/.exec(line)?.[1] ?? section;
    if (!line.startsWith("  ")) continue;
    reasons.set(section, [...(reasons.get(section) ?? []), ...line.trim().split(" ")]);
  }
  return reasons;
}

/** What the recipe sets, by program: -o in master.cf, and main.cf for what the whole Postfix reads. */
function readOverrides(): Map<string, string[]> {
  const overrides = new Map<string, string[]>();
  let program = "";
  for (const line of MASTER_CF.split("\n")) {
    const service = /^(\S+) (?:unix|inet) .* (\S+)$/.exec(line);
    if (service !== null) program = service[1] === "srs" ? "srs" : (service[2] ?? "");
    const name = /^ {2}-o (\w+)=/.exec(line)?.[1];
    if (name !== undefined) overrides.set(program, [...(overrides.get(program) ?? []), name]);
  }
  const main = [...MAIN_CF.matchAll(/^(\w+) =/gm)].map((match) => match[1] ?? "");
  overrides.set(
    "qmgr",
    main.filter((name) => name.startsWith("srs_")),
  );
  overrides.set("rewrite", ["sender_dependent_default_transport_maps"]);
  return overrides;
}

/** Every parameter of this Postfix, those included that the transport srs has by its name. */
function parameterNames(): string[] {
  using config = postfixConfig("");
  config.write("master.cf", MASTER_CF);
  const lines = runProgram("postconf", ["-c", config.path, "-d"]).split("\n");
  return lines.map((line) => line.split(" = ")[0]?.replace(/ =$/, "") ?? "").filter(Boolean);
}

/** The parameters whose names a file contains, as C strings or at the end of one: linkers merge those. */
function namesIn(file: string, names: readonly string[]): string[] {
  const program = readFileSync(file, "latin1");
  return names.filter((name) => program.includes(`${name}\0`));
}

function parametersRead(): Map<string, string[]> {
  const names = parameterNames();
  const directory = (name: string): string => runProgram("postconf", ["-xh", name]).trim();
  const [programs, libraries] = [directory("daemon_directory"), directory("shlib_directory")];
  const read = new Map<string, string[]>();
  for (const [service, program] of Object.entries(PROGRAMS)) read.set(service, namesIn(join(programs, program), names));
  // qmgr puts the names of a transport's own parameters together.
  read.set("qmgr", [...(read.get("qmgr") ?? []), ...names.filter((name) => name.startsWith("srs_"))]);
  // Where Postfix is built without shared libraries, their parameters are in the programs.
  const shared = libraries === "no" ? [] : LIBRARIES.map((name) => join(libraries, `libpostfix-${name}.so`));
  read.set(EVERY, [...new Set(shared.flatMap((file) => namesIn(file, names)))]);
  return read;
}

const reasons = readReasons(readFileSync(join(import.meta.dirname, "second-pass.txt"), "utf8"));
const overrides = readOverrides();

function isListed(name: string, ...sections: readonly string[]): boolean {
  const listed = sections.flatMap((section) => reasons.get(section) ?? []);
  return listed.some((entry) => (entry.endsWith("*") ? name.startsWith(entry.slice(0, -1)) : name === entry));
}

describe.skipIf(missing !== undefined)(`the second pass ${missing ?? ""}`, () => {
  const read = missing === undefined ? parametersRead() : new Map<string, string[]>();

  test.each([...Object.keys(PROGRAMS), EVERY])("%s reads no parameter that nobody has thought about", (service) => {
    const names = read.get(service) ?? [];
    expect(names.length).toBeGreaterThan(30);
    const set = overrides.get(service) ?? [];
    expect(names.filter((name) => !set.includes(name) && !isListed(name, service, EVERY))).toEqual([]);
  });

  test.each(Object.keys(PROGRAMS))("no override of %s is for nothing", (service) => {
    const names = [...(read.get(service) ?? []), ...(read.get(EVERY) ?? [])];
    expect((overrides.get(service) ?? []).filter((name) => !names.includes(name))).toEqual([]);
  });

  test.each(Object.keys(PROGRAMS))("no parameter of %s is both overridden and inherited for a reason", (service) => {
    expect((overrides.get(service) ?? []).filter((name) => isListed(name, service))).toEqual([]);
  });

  test.each([...Object.keys(PROGRAMS), EVERY])("no reason is given twice, or for what %s does not read", (service) => {
    const listed = (reasons.get(service) ?? []).filter((name) => !name.endsWith("*"));
    expect(listed.filter((name, index) => listed.indexOf(name) !== index)).toEqual([]);
    const known = parameterNames();
    expect(listed.filter((name) => known.includes(name) && !(read.get(service) ?? []).includes(name))).toEqual([]);
  });

  test("a parameter that nobody knows is seen", () => {
    expect(isListed("smtpd_new_parameter", "smtpd", EVERY)).toBe(false);
    expect(namesIn(process.execPath, ["no_such_parameter_of_postfix"])).toEqual([]);
  });
});
