import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { egressOf } from "../../../src/doctor/gather/egress.ts";
import { missingRoot } from "../../helpers/postfix-server.ts";
import { requirePrograms, runProgram } from "../../helpers/requires.ts";

const HOST = {
  addresses: [
    { address: "198.51.100.20", device: "eth0" },
    { address: "198.51.100.21", device: "eth0" },
    { address: "2001:db8:5::20", device: "eth0" },
    { address: "fe80::1", device: "eth0" },
    { address: "10.0.0.5", device: "docker0" },
  ],
  routed: ["198.51.100.20", "2001:db8:5::20"],
};

const smtp = (overrides: Readonly<Record<string, string>>) => ({
  ...{ name: "x", type: "unix", chroot: "n", program: "smtp", args: "" },
  overrides: new Map(Object.entries(overrides)),
});

const CASES: readonly {
  name: string;
  mainCf: Readonly<Record<string, string>>;
  client?: ReturnType<typeof smtp>;
  used: string[];
  unused?: string[];
}[] = [
  {
    name: "the route",
    mainCf: {},
    used: ["198.51.100.20 the route", "2001:db8:5::20 the route"],
    unused: ["198.51.100.21 eth0", "10.0.0.5 docker0"],
  },
  { name: "inet_protocols", mainCf: { inet_protocols: "ipv6" }, used: ["2001:db8:5::20 the route"] },
  {
    name: "smtp_bind_address",
    mainCf: { inet_protocols: "ipv4", smtp_bind_address: "198.51.100.21" },
    used: ["198.51.100.21 smtp_bind_address"],
  },
  {
    name: "smtp_bind_address6 of a transport",
    mainCf: { inet_protocols: "ipv6" },
    client: smtp({ smtp_bind_address6: "2001:db8:5::99" }),
    used: ["2001:db8:5::99 smtp_bind_address"],
  },
  {
    name: "the route, beside a second pass on loopback",
    mainCf: { inet_protocols: "ipv4" },
    client: smtp({ smtp_bind_address: "127.0.0.1" }),
    used: ["198.51.100.20 the route"],
    unused: ["198.51.100.21 eth0", "10.0.0.5 docker0"],
  },
  {
    name: "one address in inet_interfaces",
    mainCf: { inet_protocols: "ipv4", inet_interfaces: "127.0.0.1, 198.51.100.21" },
    used: ["198.51.100.21 inet_interfaces"],
  },
  {
    name: "the route, where every address is in inet_interfaces",
    mainCf: { inet_interfaces: "0.0.0.0, [::]" },
    used: ["198.51.100.20 the route", "2001:db8:5::20 the route"],
    unused: ["198.51.100.21 eth0", "10.0.0.5 docker0"],
  },
  {
    name: "proxy_interfaces",
    mainCf: { inet_protocols: "ipv4", proxy_interfaces: "203.0.113.9" },
    used: ["203.0.113.9 proxy_interfaces"],
  },
];

describe("mail leaves from", () => {
  test.each(CASES)("$name", ({ mainCf, client, used, unused = [] }) => {
    const value = (name: string): string => mainCf[name] ?? (name === "inet_protocols" ? "all" : "");
    const egress = egressOf({ value, services: client === undefined ? [] : [client] }, HOST);
    const text = (isUsed: boolean) =>
      egress.filter((one) => one.isUsed === isUsed).map(({ address, source }) => `${address} ${source}`);
    expect({ used: text(true), unused: text(false) }).toEqual({ used, unused });
  });

  test("every address of the host, without a route and without Postfix", () => {
    const egress = egressOf(undefined, { ...HOST, routed: [] });
    expect(egress.map(({ address, isUsed }) => `${address} ${isUsed}`)).toEqual([
      "198.51.100.20 true",
      "198.51.100.21 true",
      "10.0.0.5 true",
      "2001:db8:5::20 true",
    ]);
    expect(egress.map(({ hidden }) => hidden).filter(Boolean)).toEqual(["a private address (RFC 1918)"]);
  });
});

const missing = requirePrograms("unshare", "ip") ?? missingRoot();

const UP = "ip link add x type veth peer name y && ip link set x up && ip link set y up";
const HOSTS = [
  { name: "no network", setUp: "true", routed: [] },
  {
    name: "IPv4 alone",
    setUp: `${UP} && ip addr add 198.51.100.20/24 dev x && ip route add default dev x`,
    routed: ["198.51.100.20"],
  },
  {
    name: "IPv6 alone",
    setUp: `${UP} && ip addr add 2001:db8:5::20/64 dev x nodad && ip -6 route add default dev x`,
    routed: ["2001:db8:5::20"],
  },
];

describe.skipIf(missing !== undefined)(`the route to the Internet ${missing ?? ""}`, () => {
  test.each(HOSTS)("of a host with $name", ({ setUp, routed }) => {
    const egress = join(import.meta.dirname, "../../../src/doctor/gather/egress.ts");
    const script = `import { hostAddresses } from ${JSON.stringify(egress)}; console.log(JSON.stringify((await hostAddresses()).routed))`;
    const command = `${setUp} && exec "$1" --input-type=module -e "$2"`;
    const text = runProgram("unshare", ["--net", "sh", "-ec", command, "sh", process.execPath, script]);
    expect(JSON.parse(text)).toEqual(routed);
  });
});
