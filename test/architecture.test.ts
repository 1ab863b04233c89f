/** Tests the structure of src/ against ARCHITECTURE.md: imports, owners of packages, length of files. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** What a folder may import beside itself: folders, or single files of them; and whether it may do I/O. */
interface Rule {
  readonly imports: readonly string[];
  /** Bytes, clock and DNS come in as arguments. */
  readonly isPure?: true;
}

/**
 * The floors of src/, the upper ones last. `process` and `collections` know nothing of ours and all may import them.
 * Folders of one floor do not know each other, but where a line says so.
 */
const RULES: Readonly<Record<string, Rule>> = {
  process: { imports: [] },
  collections: { imports: [], isPure: true },

  net: { imports: ["mail/address-groups.ts"] },
  dns: { imports: ["mail/address-groups.ts"] },
  postfix: { imports: [] },
  mail: { imports: ["dns/name.ts", "dns/types.ts"], isPure: true },
  mailauth: { imports: ["dns/types.ts", "mail/ip.ts"], isPure: true },

  srs: { imports: ["mail", "net/lookup.ts"], isPure: true },
  spf: {
    imports: [
      "mailauth",
      "dns/types.ts",
      "mail/address-groups.ts",
      "mail/authentication-results.ts",
      "mail/ip.ts",
      "mail/text.ts",
    ],
    isPure: true,
  },
  dkim: {
    imports: [
      "mailauth",
      "dns/name.ts",
      "dns/types.ts",
      "mail/authentication-results.ts",
      "mail/header-field.ts",
      "mail/mailbox.ts",
    ],
    isPure: true,
  },
  dmarc: {
    imports: [
      "mailauth",
      "dns/types.ts",
      "mail/authentication-results.ts",
      "mail/header-field.ts",
      "mail/mailbox.ts",
      "mail/names.ts",
      "mail/text.ts",
    ],
    isPure: true,
  },
  history: { imports: ["dmarc"] },
  reports: {
    imports: ["dmarc", "history/database.ts", "history/entry.ts", "mail/header-field.ts"],
  },
  arc: {
    imports: ["dkim", "mailauth/dkim.ts", "dns/name.ts", "mail/authentication-results.ts", "mail/header-field.ts"],
    isPure: true,
  },
  "spf/explain": { imports: ["spf", "mailauth", "mail/ip.ts", "mail/special-use.ts"], isPure: true },

  tcptable: { imports: ["net/session.ts", "net/lookup.ts"], isPure: true },
  socketmap: { imports: ["net/session.ts", "net/lookup.ts"], isPure: true },
  milter: { imports: ["mail/text.ts", "net/session.ts"], isPure: true },
  policy: {
    imports: [
      "mail",
      "dns/types.ts",
      "net/session.ts",
      "spf/method-results.ts",
      "spf/transactions.ts",
      "spf/verdict.ts",
    ],
    isPure: true,
  },

  authentication: {
    imports: [
      "arc",
      "dkim",
      "dmarc",
      "dns/name.ts",
      "dns/types.ts",
      "mail",
      "milter/application.ts",
      "spf/checker.ts",
      "spf/method-results.ts",
      "spf/query.ts",
      "spf/transactions.ts",
      "spf/verdict.ts",
    ],
    isPure: true,
  },

  bounce: { imports: [], isPure: true },

  domains: { imports: ["mail", "postfix", "srs/seams.ts"] },
  store: { imports: ["srs/seams.ts"] },
  metrics: {
    imports: [
      "authentication/report.ts",
      "authentication/role.ts",
      "dns/types.ts",
      "net/lookup.ts",
      "net/session.ts",
      "policy/action.ts",
      "spf/verdict.ts",
    ],
  },
  status: { imports: ["metrics/plain.ts", "net/backlog.ts", "net/lookup.ts"] },
  config: {
    imports: [
      "authentication/settings.ts",
      "dkim/sign.ts",
      "dkim/verify.ts",
      "dns/resolver.ts",
      "dns/server-address.ts",
      "history/place.ts",
      "mail/address-groups.ts",
      "mail/ip.ts",
      "mail/names.ts",
      "net/endpoint.ts",
      "policy/settings.ts",
      "spf/verdict.ts",
      "store/url.ts",
    ],
    isPure: true,
  },

  "import/readers": {
    imports: [
      "config/parameters.ts",
      "dkim/usual-headers.ts",
      "domains/name.ts",
      "mail/address-groups.ts",
      "mail/ip.ts",
      "mail/names.ts",
      "policy/settings.ts",
    ],
    isPure: true,
  },
  import: { imports: ["config", "import/readers"], isPure: true },
  "import/host": {
    imports: ["dkim/private-key.ts", "domains", "import", "import/readers", "mail/names.ts", "postfix", "setup", "srs"],
  },

  connect: {
    imports: ["config/listeners.ts", "config/parameters.ts", "net/endpoint.ts", "postfix/match-list.ts"],
    isPure: true,
  },
  "connect/host": {
    imports: ["connect", "config/parameters.ts", "net/endpoint.ts", "net/port-owner.ts", "postfix"],
  },
  setup: {
    imports: [
      "authentication/relay.ts",
      "authentication/settings.ts",
      "config",
      "dkim/key-record.ts",
      "dkim/keys.ts",
      "dkim/private-key.ts",
      "dmarc/disposition.ts",
      "dns/resolver.ts",
      "dns/types.ts",
      "domains",
      "history/place.ts",
      "mail/names.ts",
      "postfix",
      "reports/make.ts",
      "spf/checker.ts",
      "srs",
      "store",
    ],
  },
  daemon: {
    imports: [
      "authentication",
      "config",
      "dkim",
      "dmarc/history.ts",
      "dns",
      "domains",
      "history",
      "mail/special-use.ts",
      "mail/text.ts",
      "metrics",
      "milter",
      "net",
      "policy",
      "setup",
      "socketmap",
      "spf",
      "spf/explain",
      "srs",
      "status",
      "store",
      "tcptable",
    ],
  },
  doctor: {
    imports: [
      "dns/types.ts",
      "doctor/checks",
      "doctor/gather",
      "mail/names.ts",
      "net/endpoint.ts",
      "net/lookup.ts",
      "postfix",
      "setup/dkim-keys.ts",
      "setup/setup.ts",
      "spf/trace.ts",
      "spf/verdict.ts",
    ],
  },
  "doctor/checks": {
    imports: [
      "config/listeners.ts",
      "config/settings.ts",
      "dkim",
      "dns/types.ts",
      "doctor",
      "mail",
      "net/endpoint.ts",
      "net/lookup.ts",
      "policy/dmarc.ts",
      "postfix/match-list.ts",
      "postfix/services.ts",
      "postfix/transport-map.ts",
      "setup/dkim-keys.ts",
      "setup/setup.ts",
      "setup/srs-domain.ts",
      "setup/written-files.ts",
      "spf",
      "spf/explain",
    ],
    isPure: true,
  },
  "doctor/gather": {
    imports: ["config/settings.ts", "dns", "doctor/facts.ts", "domains", "mail", "net", "postfix", "setup", "srs"],
  },
  commands: {
    imports: [
      "authentication",
      "bounce",
      "config",
      "connect",
      "connect/host",
      "daemon",
      "dkim",
      "dmarc",
      "dns",
      "doctor",
      "doctor/gather",
      "history",
      "import/host",
      "mail",
      "net",
      "policy",
      "reports",
      "setup",
      "spf",
      "srs",
      "store",
    ],
  },
  ".": { imports: ["commands"] },
};

/** Imported by all. */
const EVERYWHERE = ["process", "collections"];

/** Modules of Node that reach outside the process. */
const IO_MODULES = /^node:(?:fs|fs\/.*|child_process|dgram|http|https|os|process|tls|sqlite|worker_threads)$/;

/** The one file, or folder, that imports each runtime package. */
const OWNERS: Readonly<Record<string, string>> = {
  mailauth: "mailauth",
  nodemailer: "reports/submission.ts",
  "lru-cache": "collections/expiring-cache.ts",
  "prom-client": "metrics/metrics.ts",
  pino: "process/log.ts",
  "smol-toml": "config/parse.ts",
  "@redis/client": "store/redis.ts",
  tldts: "setup/public-suffix.ts",
};

const MAX_LINES = 400;

const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => /\.[jt]s$/.test(name))
  .map((name) => ({ name, text: readFileSync(join(ROOT, "src", name), "utf8") }));

function imports(text: string): string[] {
  const statements =
    /^import\s+"([^"\n]+)"|^(?:import|export)\b[^"';=]*?\bfrom\s+"([^"\n]+)"|\b(?:import|require|require\.resolve)\("([^"\n]+)"/gm;
  return [...text.matchAll(statements)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function localImports(name: string, text: string): string[] {
  return imports(text)
    .filter((path) => path.startsWith("."))
    .map((path) => normalize(join(dirname(name), path)));
}

describe("src/", () => {
  test("has a rule for every folder", () => {
    expect([...new Set(files.map(({ name }) => dirname(name)))].sort()).toEqual(Object.keys(RULES).sort());
  });

  describe.each(Object.entries(RULES))("%s", (folder, { imports: allowed, isPure }) => {
    const inFolder = files.filter(({ name }) => dirname(name) === folder);

    test("imports only what it may", () => {
      const may = (path: string): boolean =>
        [folder, ...EVERYWHERE, ...allowed].some((one) => one === path || one === dirname(path));
      const strangers = inFolder.flatMap(({ name, text }) =>
        localImports(name, text)
          .filter((path) => !may(path))
          .map((path) => `${name} imports ${path}`),
      );
      expect(strangers).toEqual([]);
    });

    test("is allowed nothing that it does not use", () => {
      const used = new Set(inFolder.flatMap(({ name, text }) => localImports(name, text)));
      const isUsed = (one: string): boolean => [...used].some((path) => path === one || dirname(path) === one);
      expect(allowed.filter((one) => !isUsed(one))).toEqual([]);
    });

    test.runIf(isPure)("does no I/O", () => {
      const reaching = inFolder.flatMap(({ name, text }) =>
        imports(text)
          .filter((path) => IO_MODULES.test(path))
          .map((path) => `${name} imports ${path}`),
      );
      expect(reaching).toEqual([]);
    });
  });

  test("imports each runtime package in one file", () => {
    const importers: Record<string, string[]> = {};
    const folders = new Set(Object.values(OWNERS));
    for (const { name, text } of files) {
      const owner = folders.has(dirname(name)) ? dirname(name) : name;
      for (const path of imports(text)) {
        if (path.startsWith(".") || path.startsWith("node:")) continue;
        const pkg = path.startsWith("@") ? path.split("/", 2).join("/") : (path.split("/")[0] ?? "");
        if (!(importers[pkg] ??= []).includes(owner)) importers[pkg]?.push(owner);
      }
    }
    expect(importers).toEqual(Object.fromEntries(Object.entries(OWNERS).map(([pkg, file]) => [pkg, [file]])));
  });

  test("declares exactly the packages that it imports, and the runtime", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    expect(Object.keys(manifest.dependencies).sort()).toEqual([...Object.keys(OWNERS), "node"].sort());
  });

  test("has no file that outgrew one job", () => {
    expect(files.filter(({ text }) => text.split("\n").length > MAX_LINES).map(({ name }) => name)).toEqual([]);
  });
});
