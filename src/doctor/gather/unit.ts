/** Reads our systemd unit, from its files; and its state, from systemd. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readText } from "../../process/regular-file.ts";

/** Directories of systemd.unit(5), the one that rules first. */
const DIRECTORIES = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

const UNIT = "postvouch.service";
const SYSTEMCTL_MS = 3_000;

/** The settings of the unit and its drop-ins, in order; `undefined` without a unit. */
export function readUnit(directories: readonly string[] = DIRECTORIES): [name: string, value: string][] | undefined {
  const text = directories.map((directory) => readText(join(directory, UNIT))).find((one) => one !== undefined);
  if (text === undefined) return undefined;
  const dropIns = new Map<string, string>();
  for (const directory of directories.toReversed()) {
    for (const name of filesOf(join(directory, `${UNIT}.d`))) {
      if (name.endsWith(".conf")) dropIns.set(name, readText(join(directory, `${UNIT}.d`, name)) ?? "");
    }
  }
  const inOrder = [...dropIns].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, dropIn]) => dropIn);
  return [text, ...inOrder].flatMap(settingsOf);
}

function settingsOf(text: string): [string, string][] {
  return text
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .flatMap((line): [string, string][] => {
      const [, name, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value]];
    });
}

function filesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** What is wrong with the unit's state; `undefined` if nothing is, or systemd does not run here. */
export function unitTrouble(): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const args = ["show", UNIT, "--property=LoadState,ActiveState,Result"];
  execFile("systemctl", args, { timeout: SYSTEMCTL_MS, killSignal: "SIGKILL" }, (error, stdout) => {
    const state = new Map(stdout.split("\n").map((line) => line.split("=", 2) as [string, string]));
    const isBad = error === null && state.get("LoadState") === "loaded" && state.get("ActiveState") === "failed";
    resolve(isBad ? `failed (${state.get("Result")})` : undefined);
  });
  return promise;
}
