import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOwnDomainSources } from "../../src/domains/sources.ts";
import { missingRoot, type PostfixServer, startPostfix } from "../helpers/postfix-server.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { read } from "./reading.ts";

const missing = requirePrograms("postfix", "postmap", "postconf") ?? missingRoot();

/** Lists with everything in them that a list may hold, and whether subdomains of relay_domains count. */
const CONFIGURATIONS = [
  { name: "as Postfix comes, subdomains of relay_domains included", parents: "" },
  { name: "without subdomains", parents: "parent_domain_matches_subdomains =\n" },
  {
    name: "with subdomains excluded for relay_domains",
    parents: "parent_domain_matches_subdomains = !relay_domains, mynetworks\n",
  },
];

function mainCf(directory: string, parents: string): string {
  writeFileSync(
    `${directory}/hosted`,
    "hosted.test, !not-hosted.test\n# comment.test\nnot-hosted.test\n  more-hosted.test\n",
  );
  writeFileSync(`${directory}/excluded`, "gone.test !back.test\n");
  return `${parents}
myhostname = mx.own.test
mydomain = own.test
mydestination = $myhostname, localhost.$mydomain,
    .dotted-dest.test inline:{ { inline-dest.test = x }, other-dest.test=y }
virtual_alias_domains = alias.test !not-alias.test not-alias.test, $virtual_alias_maps
virtual_alias_maps = inline:{ map-alias.test=x }
virtual_mailbox_domains = ${directory}/hosted, !${directory}/excluded gone.test back.test, regexp:{ {/^re[0-9]+\\.test$$/ OK} }
relay_domains = relay.test, .dotted-relay.test, !no.relay2.test, relay2.test,
    inline:{ relay-map.test=x, .dotted-map.test=x }, regexp:{ {/^rx\\.relay\\.example$$/ OK} }
`;
}

const DOMAINS = [
  "mx.own.test",
  "own.test",
  "localhost.own.test",
  "MX.Own.Test",
  "dotted-dest.test",
  "x.dotted-dest.test",
  "inline-dest.test",
  "x.inline-dest.test",
  "other-dest.test",
  "alias.test",
  "x.alias.test",
  "not-alias.test",
  "map-alias.test",
  "x.map-alias.test",
  "hosted.test",
  "not-hosted.test",
  "comment.test",
  "more-hosted.test",
  "gone.test",
  "back.test",
  "re1.test",
  "re.test",
  "x.re1.test",
  "relay.test",
  "x.relay.test",
  "y.x.relay.test",
  "xrelay.test",
  "dotted-relay.test",
  "x.dotted-relay.test",
  "no.relay2.test",
  "x.no.relay2.test",
  "relay2.test",
  "yes.relay2.test",
  "relay-map.test",
  "x.relay-map.test",
  "y.x.relay-map.test",
  "dotted-map.test",
  "x.dotted-map.test",
  "rx.relay.example",
  "x.rx.relay.example",
  "elsewhere.test",
  "test",
];

describe.skipIf(missing !== undefined).each(CONFIGURATIONS)(`Postfix, $name ${missing ?? ""}`, ({ parents }) => {
  let postfix: PostfixServer;

  beforeAll(async () => {
    postfix = await startPostfix((directory) => mainCf(directory, parents));
  });

  afterAll(async () => {
    await postfix?.[Symbol.asyncDispose]();
  });

  test("takes mail for the domains that we call own, and for no others", async () => {
    const sources = createOwnDomainSources({ onEvent: () => {}, postfix: { configDir: postfix.configDir } });
    expect(await read(sources, { postfixClasses: true })).toEqual({ errors: [], warnings: [] });
    const replies = await postfix.rcptReplies(DOMAINS.map((domain) => `user@${domain}`));
    expect(replies.filter((reply) => !/^(?:250 2\.1\.5|554 5\.7\.1 .*Relay access denied)/.test(reply))).toEqual([]);
    const theirs = DOMAINS.filter((_, index) => replies[index]?.startsWith("250"));
    const ours: string[] = [];
    for (const domain of DOMAINS) if (await sources.has(domain)) ours.push(domain);
    expect(ours).toEqual(theirs);
    expect(theirs.length).toBeGreaterThan(10);
    sources.close();
  });
});
