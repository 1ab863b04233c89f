import { expect, test } from "vitest";
import { filterDestinations } from "../../src/postfix/filter-actions.ts";

const FILES: Readonly<Record<string, string>> = {
  "/etc/postfix/access": "192.0.2.1 FILTER smtp-amavis:[127.0.0.1]:10024\n203.0.113.0/24 filter scan:\n",
  "/etc/postfix/headers": "#/^Old:/ FILTER old:here\n  # FILTER old:too\n/^X-Scan:/\tFILTER  scan:[::1]:10025\n",
  "/etc/postfix/talk":
    "example.com REJECT the mail FILTERs x:y\nb.example REJECT NO-FILTER x:y\nc.example FILTER scan\n",
};

const VALUES: readonly { name: string; value: string; destinations: string[] }[] = [
  { name: "nothing", value: "", destinations: [] },
  {
    name: "a file of access(5), small letters, and no next hop",
    value: "permit_mynetworks, check_client_access cidr:/etc/postfix/access, permit",
    destinations: ["smtp-amavis:[127.0.0.1]:10024", "scan:"],
  },
  {
    name: "a table by proxymap(8), and its comments",
    value: "proxy:pcre:/etc/postfix/headers",
    destinations: ["scan:[::1]:10025"],
  },
  {
    name: "tables in the value itself",
    value: "check_client_access static:{FILTER scan:[127.0.0.1]:1}, check_sender_access inline:{a.test=FILTER scan:b}",
    destinations: ["scan:[127.0.0.1]:1", "scan:b"],
  },
  { name: "words that are no action", value: "hash:/etc/postfix/talk", destinations: [] },
  { name: "a file that is not there", value: "hash:/etc/postfix/gone", destinations: [] },
];

test.each(VALUES)("finds FILTER in $name", ({ value, destinations }) => {
  expect(filterDestinations(value, (path) => FILES[path])).toEqual(destinations);
});
