/**
 * Loads parts of mailauth without the packages that its `lib/tools.js` needs for little: Joi, libmime and tldts take
 * most of the time and memory that mailauth needs.
 *
 * - The SPF evaluator uses three small functions of `tools.js`: it gets a replacement of that file.
 * - DKIM and ARC use more of it: they get `tools.js` itself, with replacements of the three packages.
 */
import { createRequire } from "node:module";
import { parseAddress, reverseName } from "../mail/ip.ts";

const require = createRequire(import.meta.url);
const TOOLS = require.resolve("mailauth/lib/tools.js");

/** An address as mailauth's parser gives it. */
interface Printable {
  toString(): string;
}

/** The functions of `tools.js` that `spf-verify.js` uses. */
const STAND_IN = {
  /** The name of the client's PTR records (RFC 7208 section 5.5). */
  getPtrHostname(client: Printable): string {
    const address = parseAddress(client.toString());
    return address === undefined ? "" : reverseName(address);
  },
  /** The form in which names are compared. */
  formatDomain(name: string): string {
    return name.toLowerCase().replace(/\.+$/, "");
  },
  /** Returns the name as it is: mailauth gets A-labels, and macros add bytes that cannot become an A-label. */
  toALabel(name: string): string {
    return name;
  },
};

/** What `tools.js` calls of the three packages when it is loaded. What we use of it calls nothing else of them. */
const PACKAGES: Readonly<Record<string, object>> = {
  joi: { string: () => ({ base64: () => undefined }) },
  libmime: {},
  tldts: {},
};

/**
 * Loads a private copy of `path`, a module that requires `tools.js`, with our replacement. Nothing changes for the rest
 * of the process, which may load `path` and `tools.js` earlier or later.
 */
export function requireWithoutTools(path: string): unknown {
  return requirePrivately(require.resolve(path), { [TOOLS]: STAND_IN });
}

/** Loads a private copy of `tools.js` itself without its packages. */
export function requireTools(): unknown {
  const { resolve } = createRequire(TOOLS);
  const replaced = Object.entries(PACKAGES).map(([name, exports]) => [resolve(name), exports]);
  return requirePrivately(TOOLS, Object.fromEntries(replaced) as Record<string, object>);
}

/** Loads a copy of a file while others are replaced, and leaves the cache of modules as it was. */
function requirePrivately(copy: string, replaced: Readonly<Record<string, object>>): unknown {
  const others = [copy, ...Object.keys(replaced)].map((file) => [file, require.cache[file]] as const);
  delete require.cache[copy];
  for (const [file, exports] of Object.entries(replaced)) {
    require.cache[file] = { exports, filename: file, id: file, loaded: true } as unknown as NodeJS.Module;
  }
  try {
    return require(copy);
  } finally {
    for (const [file, module] of others) {
      if (module === undefined) delete require.cache[file];
      else require.cache[file] = module;
    }
  }
}
