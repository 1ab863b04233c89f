/**
 * A stand-in for `mailauth/lib/tools.js`. The SPF evaluator uses three small functions of it, yet Joi, libmime and tldts
 * come with it, which take most of the time and memory that loading mailauth costs.
 */
import { createRequire } from "node:module";
import { parseAddress, reverseName } from "../mail/ip.ts";

const require = createRequire(import.meta.url);
const TOOLS = require.resolve("mailauth/lib/tools.js");

/** An address as mailauth's parser gives it. */
interface Printable {
  toString(): string;
}

/** What `spf-verify.js` takes from `tools.js`. */
const STAND_IN = {
  /** The name whose PTR records name the client (RFC 7208 section 5.5). */
  getPtrHostname(client: Printable): string {
    const address = parseAddress(client.toString());
    return address === undefined ? "" : reverseName(address);
  },
  /** The form in which names are compared. */
  formatDomain(name: string): string {
    return name.toLowerCase().replace(/\.+$/, "");
  },
  /** Names reach mailauth as A-labels; what a macro adds to them is bytes, and no A-label can be made of those. */
  toALabel(name: string): string {
    return name;
  },
};

/**
 * The exports of `path`, a module that requires `tools.js`, in a copy of our own that got the stand-in. For all others
 * in the process `path` and `tools.js` stay what they are, whether they were loaded before or are loaded later.
 */
export function requireWithoutTools(path: string): unknown {
  const copy = require.resolve(path);
  const others = [copy, TOOLS].map((file) => [file, require.cache[file]] as const);
  delete require.cache[copy];
  require.cache[TOOLS] = { exports: STAND_IN, filename: TOOLS, id: TOOLS, loaded: true } as unknown as NodeJS.Module;
  try {
    return require(path);
  } finally {
    for (const [file, module] of others) {
      if (module === undefined) delete require.cache[file];
      else require.cache[file] = module;
    }
  }
}
