/** Checks that our systemd unit lets the service write where the configuration wants it to (systemd.exec(5)). */
import { type WrittenFile, writtenFiles } from "../../setup/written-files.ts";
import { type AdviceFacts, type Check, type Finding, skipped, warning } from "../check.ts";
import type { HostFacts } from "../facts.ts";

type Unit = NonNullable<HostFacts["unit"]>;

/** Settings that name directories below a fixed one. */
const OWN_DIRECTORIES: readonly (readonly [setting: string, above: string])[] = [
  ["StateDirectory", "/var/lib"],
  ["RuntimeDirectory", "/run"],
  ["CacheDirectory", "/var/cache"],
  ["LogsDirectory", "/var/log"],
];

export const UNIT_PATHS: readonly Check<AdviceFacts>[] = [
  {
    id: "unit-paths",
    right: "the unit lets the service write where postvouch.toml wants it to",
    why: "With `ProtectSystem=strict` only the unit's own directories can be written, whoever owns the others. As root `check-config` can write them all.",
    run: ({ setup: { config }, host: { unit } }) => {
      if (unit === undefined) return [skipped("there is no unit postvouch.service")];
      const writable = writableIn(unit);
      if (writable === undefined) return [];
      return writtenFiles(config)
        .filter(({ path }) => path.startsWith("/") && !writable.some((above) => isBelow(path, above)))
        .map((file) => finding(file, writable));
    },
  },
];

function finding({ key, path, kind }: WrittenFile, writable: readonly string[]): Finding {
  const [state = "/var/lib/postvouch"] = writable;
  const folder = kind === "directory" ? path : path.replace(/\/[^/]*$/, "") || "/";
  const allow = `systemctl edit postvouch: [Service] ReadWritePaths=${folder}`;
  const move = kind === "file" ? `${state}/${path.replace(/^.*\//, "")} in ${key}, or ` : "";
  return warning(
    `${key}: the unit lets the service write only below ${writable.join(", ")}, and ${path} is elsewhere`,
    `${move}${allow}`,
  );
}

/** The directories that a unit may write, that of the state first; `undefined` without `ProtectSystem=strict`. */
function writableIn(unit: Unit): string[] | undefined {
  if (wordsOf("ProtectSystem", unit).at(-1) !== "strict") return undefined;
  const own = OWN_DIRECTORIES.flatMap(([setting, above]) =>
    wordsOf(setting, unit).map((name) => `${above}/${name.replace(/:.*$/, "")}`),
  );
  const more = ["ReadWritePaths", "BindPaths"].flatMap((setting) =>
    wordsOf(setting, unit).map((path) => path.replace(/^[-+]+/, "").split(":")[1] ?? path.replace(/^[-+]+/, "")),
  );
  return [...own, ...more];
}

/** The words of a setting, as systemd adds them up: an empty one takes all before it away. */
function wordsOf(setting: string, unit: Unit): string[] {
  const values = unit.filter(([name]) => name === setting).map(([, value]) => value);
  return values.slice(values.lastIndexOf("") + 1).flatMap((value) => value.split(/\s+/));
}

/** Tells if a path is a directory, or below it. A dynamic user's state lies in /var/lib/private, behind a link. */
function isBelow(path: string, directory: string): boolean {
  const seen = path.replace(/^(\/var\/(?:lib|cache|log)|\/run)\/private\//, "$1/").replace(/^\/var\/run\//, "/run/");
  return seen === directory || seen.startsWith(directory === "/" ? "/" : `${directory.replace(/\/+$/, "")}/`);
}
