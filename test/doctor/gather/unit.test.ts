import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readUnit } from "../../../src/doctor/gather/unit.ts";
import { temporaryDirectory } from "../../helpers/postfix-config.ts";

test("the unit in /etc rules, and drop-ins of all directories come in the order of their names", () => {
  using dir = temporaryDirectory();
  const [etc, lib] = [join(dir.path, "etc"), join(dir.path, "lib")];
  for (const path of [etc, lib]) mkdirSync(join(path, "postvouch.service.d"), { recursive: true });
  dir.write(
    "etc/postvouch.service",
    "[Service]\n# User=nobody\nExecStart=/x/node \\\n  /x/main.js serve\nDynamicUser=yes\n",
  );
  dir.write("lib/postvouch.service", "[Service]\nUser=root\n");
  dir.write("lib/postvouch.service.d/20.conf", "[Service]\nUMask=0022\n");
  dir.write("lib/postvouch.service.d/10.conf", "[Service]\nLoadCredential=srs.secrets:/old\n");
  dir.write("etc/postvouch.service.d/10.conf", "[Service]\nLoadCredential=srs.secrets:/new\n");
  expect(readUnit([etc, lib])).toEqual([
    ["ExecStart", "/x/node    /x/main.js serve"],
    ["DynamicUser", "yes"],
    ["LoadCredential", "srs.secrets:/new"],
    ["UMask", "0022"],
  ]);
});

test("there may be no unit", () => {
  expect(readUnit(["/nonexistent"])).toBeUndefined();
});
