import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseResolvConf, readResolvConf, watchResolvConf } from "../../src/dns/resolv-conf.ts";
import { formatServer } from "../../src/dns/server-address.ts";

describe("parseResolvConf", () => {
  test.each([
    { what: "one server", text: "nameserver 192.0.2.1\n", hosts: ["192.0.2.1"] },
    { what: "no LF at the end", text: "nameserver 192.0.2.1", hosts: ["192.0.2.1"] },
    { what: "CR LF", text: "nameserver 192.0.2.1\r\n", hosts: ["192.0.2.1"] },
    { what: "tabs and a remark", text: "nameserver\t192.0.2.1 # first\n", hosts: ["192.0.2.1"] },
    {
      what: "IPv6 with and without a zone",
      text: "nameserver ::1\nnameserver fe80::1%lo\n",
      hosts: ["::1", "fe80::1%lo"],
    },
    {
      what: "other lines",
      text: "# nameserver 192.0.2.9\n;nameserver 192.0.2.9\nsearch example\noptions edns0\nnameserver 192.0.2.1\n nameserver 192.0.2.9\n",
      hosts: ["192.0.2.1"],
    },
    {
      what: "a name instead of an address",
      text: "nameserver dns.example\nnameserver 192.0.2.1\n",
      hosts: ["192.0.2.1"],
    },
    {
      what: "more than three",
      text: [1, 2, 3, 4].map((n) => `nameserver 192.0.2.${n}\n`).join(""),
      hosts: ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    },
    { what: "nothing", text: "search example\n", hosts: [] },
  ])("reads $what", ({ text, hosts }) => {
    expect(parseResolvConf(text)).toEqual(hosts.map((host) => ({ host, port: 53 })));
  });
});

describe("with a resolv.conf", () => {
  let folder = "";
  let path = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "resolv-"));
    path = join(folder, "resolv.conf");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("readResolvConf asks the local server when the file is missing, unreadable, or names none", () => {
    const local = [{ host: "127.0.0.1", port: 53 }];
    expect(readResolvConf(path)).toEqual(local);
    expect(readResolvConf(folder)).toEqual(local);
    writeFileSync(path, "search example\n");
    expect(readResolvConf(path)).toEqual(local);
  });

  const CHANGES = [
    {
      how: "is written in two steps",
      change: async () => {
        writeFileSync(path, "");
        await new Promise((done) => setTimeout(done, 50));
        writeFileSync(path, "nameserver 192.0.2.2\n");
      },
    },
    { how: "is written", change: () => writeFileSync(path, "nameserver 192.0.2.2\n") },
    {
      how: "is replaced by a symbolic link",
      change: () => {
        writeFileSync(`${path}.new`, "nameserver 192.0.2.2\n");
        unlinkSync(path);
        symlinkSync(`${path}.new`, path);
      },
    },
    {
      how: "comes after it was gone for some looks",
      change: async () => {
        unlinkSync(path);
        await new Promise((done) => setTimeout(done, 50));
        writeFileSync(path, "nameserver 192.0.2.2\n");
      },
    },
  ];

  test.each(CHANGES)("watchResolvConf tells when the file $how", async ({ change }) => {
    writeFileSync(path, "nameserver 192.0.2.1\n");
    const seen: string[] = [];
    const end = watchResolvConf(path, (servers) => seen.push(servers.map(formatServer).join()), 5);
    await vi.waitFor(() => expect(seen).toEqual(["192.0.2.1:53"]), { timeout: 5000 });
    await change();
    await vi.waitFor(() => expect(seen).toEqual(["192.0.2.1:53", "192.0.2.2:53"]), { timeout: 5000 });
    end();
  });
});
