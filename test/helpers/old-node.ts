/** An old Node.js, if one can be found. */
import { spawnSync } from "node:child_process";

/** A Node.js of the system's that is too old for us; `undefined` without one. */
export const OLD_NODE = ["/usr/local/bin/node", "/usr/bin/node"].find((path) => {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  return /^v(?:1[4-9]|2[0-3])\./.test(stdout ?? "");
});
