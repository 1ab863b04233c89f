/** Converts the options of postsrsd 1.10 and 2.4.0 to ours: docs/from-postsrsd.md as code. */
import { parseSecrets } from "../../src/srs/secrets.ts";
import type { RecordedConfig } from "./recorded.ts";
import { DEFAULTS, type SrsOptions } from "./tables.ts";

/** The settings that stand for command line flags of postsrsd 1.10. */
export function optionsFor1(config: RecordedConfig): SrsOptions {
  const args = config.args ?? [];
  const value = (flag: string): string | undefined => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
  const excluded = args.filter((arg) => arg.startsWith("-X")).flatMap((arg) => arg.slice(2).split(/[\s,;]+/));
  const domain = config.domain ?? "";
  return {
    ...common(config),
    srsDomain: domain.slice(domain.lastIndexOf("@") + 1),
    ownDomains: excluded,
    separator: value("-a") ?? "=",
    hashLength: Number(value("-n") ?? 4),
    hashMinLength: Number(value("-N") ?? 4),
    hashAlphabet: "standard",
    alwaysRewrite: args.includes("-A"),
  };
}

/** The settings that stand for a postsrsd.conf of postsrsd 2.4. The store, if it had one, is the caller's to add. */
export function optionsFor2(config: RecordedConfig): SrsOptions {
  const options = config.options ?? {};
  const text = (key: string, otherwise: string): string => String(options[key] ?? otherwise);
  const lines = (config.domains_file ?? "").split("\n").map((line) => line.replace(/#.*/, "").trim());
  const domains = [...(Array.isArray(options.domains) ? options.domains.map(String) : []), ...lines.filter(Boolean)];
  return {
    ...common(config),
    srsDomain: text("srs-domain", domains[0] ?? "").replace(/^\./, ""),
    ownDomains: domains,
    separator: text("separator", "="),
    hashLength: Number(options["hash-length"] ?? 4),
    hashMinLength: Number(options["hash-minimum"] ?? 4),
    hashAlphabet: "url-safe",
    alwaysRewrite: options["always-rewrite"] === true,
  };
}

/** Whether a postsrsd 2.4 kept its addresses in a database. */
export function hasDatabase(config: RecordedConfig): boolean {
  return config.options?.["original-envelope"] === "database";
}

function common(config: RecordedConfig): SrsOptions {
  const { secrets } = parseSecrets(Buffer.from(config.secret_file, "latin1"));
  return { ...DEFAULTS, secrets, nowMs: config.time * 1000 };
}
