/** Converts the settings of policyd-spf to ours as `postvouch import` does: the recorded sessions test it, too. */
import { policySettings } from "../../src/config/settings.ts";
import type { Findings } from "../../src/import/readers/finding.ts";
import { readPolicydSpf } from "../../src/import/readers/policyd-spf.ts";
import { readPolicydSpfPerl } from "../../src/import/readers/policyd-spf-perl.ts";
import type { PolicySettings } from "../../src/policy/settings.ts";
import { hostWith, readBack } from "../import/fixtures.ts";

/** The host of the recording. */
const HOSTNAME = "mx.local.test";

/** The settings that are written and read again. `perUser` is the file of `Per_User`. */
export function importedSettings(lines: readonly string[], perUser: readonly string[] = []): PolicySettings {
  const host = hostWith({ "/etc/policyd-spf/peruser.txt": perUser.join("\n") }, { hostname: HOSTNAME });
  return toSettings(readPolicydSpf({ path: "policyd-spf.conf", text: lines.join("\n") }, host));
}

/** postfix-policyd-spf-perl has no options, but two lists in files. */
export function perlSettings(files: Readonly<Record<string, string>> = {}): PolicySettings {
  const paths = Object.entries(files).map(([name, text]) => [`/etc/postfix/${name}`, text] as const);
  return toSettings(readPolicydSpfPerl({ path: "master.cf", text: "" }, hostWith(Object.fromEntries(paths))));
}

function toSettings(findings: Findings): PolicySettings {
  const { config, problems } = readBack([findings]);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return policySettings(config, HOSTNAME);
}
