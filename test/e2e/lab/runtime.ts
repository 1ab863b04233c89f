/** Paths of the package and its runtime. */
import { join } from "node:path";

/** The folder of package.json. */
export const PACKAGE = join(import.meta.dirname, "..", "..", "..");

/** The runtime that the package brings along, which may not be the machine's own. */
export const NODE = join(PACKAGE, "node_modules", ".bin", "node");
