/**
 * Replaces `mailauth/lib/tools.js`. The SPF evaluator uses three small functions of it, but that file also loads Joi,
 * libmime and tldts, which take most of the time and memory that mailauth needs.
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

/**
 * Loads a private copy of `path`, a module that requires `tools.js`, with our replacement. Nothing changes for the rest
 * of the process, which may load `path` and `tools.js` earlier or later.
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
