import { expect, test } from "vitest";
import { clientOf, envelopeAddress } from "../../src/milter/smtp-session.ts";

test.each([
  { family: "4", address: "192.0.2.1", client: { family: "inet", address: "192.0.2.1" } },
  { family: "6", address: "2001:db8::1", client: { family: "inet6", address: "2001:db8::1" } },
  { family: "6", address: "IPv6:2001:db8::1", client: { family: "inet6", address: "2001:db8::1" } },
  { family: "L", address: "IPv6:/run/x", client: { family: "unix", address: "IPv6:/run/x" } },
  { family: "U", address: "", client: { family: "unknown", address: "" } },
])("The client of family $family at $address is $client", ({ family, address, client }) => {
  const packet = { command: "C", hostname: "a.example", family, address, port: 25 } as const;
  expect(clientOf(packet)).toEqual({ hostname: "a.example", port: 25, ...client });
});

test.each([
  {
    strings: ["<a@b.example>", "SIZE=1", "BODY=8BITMIME"],
    address: "a@b.example",
    parameters: ["SIZE=1", "BODY=8BITMIME"],
  },
  { strings: ["root@b.example"], address: "root@b.example", parameters: [] },
  { strings: ["<>"], address: "", parameters: [] },
  { strings: [""], address: "", parameters: [] },
  { strings: ['<"a>b <c"@b.example>'], address: '"a>b <c"@b.example', parameters: [] },
  { strings: ["<a@b.example"], address: "<a@b.example", parameters: [] },
  { strings: ["<"], address: "<", parameters: [] },
])("An envelope address has no brackets around it: $strings", ({ strings, address, parameters }) => {
  expect(envelopeAddress(strings)).toEqual({ address, parameters });
});
