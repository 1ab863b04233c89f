/** Checks of the programs beside us: what the old daemons left, and OpenDKIM and OpenDMARC. */
import { AddressSet, parseAddress, parseCidr } from "../../mail/ip.ts";
import { specialUse } from "../../mail/special-use.ts";
import { splitItems } from "../../postfix/match-list.ts";
import { type Check, error, type Finding, shellWord, skipped, someOf, warning, withPostfix } from "../check.ts";
import type { ConfigText, Facts } from "../facts.ts";
import { mayAsk, PEER_NAMES } from "../milter-peers.ts";
import { settingOf } from "../setting.ts";
import { openDkimKeyFindings } from "./dkim-keys.ts";
import { ourCalls, rejectsByDmarc } from "./policy.ts";

export const NEIGHBOURS: readonly Check[] = [
  {
    id: "postsrsd",
    right: "no process of postsrsd answers Postfix any more",
    why: "After postsrsd was stopped its children go on answering on open connections, and refuse bounces to addresses that we signed.",
    run: ({ host }) => {
      const pids = host.processes("postsrsd");
      if (pids.length === 0) return [];
      const owner = host.owner({ type: "inet", host: "127.0.0.1", port: 10_001 }) ?? "";
      if (owner.startsWith("postsrsd")) {
        return [
          warning(
            `postsrsd still listens on port 10001 (${owner})`,
            "systemctl disable --now postsrsd; systemctl start postvouch; postfix reload",
          ),
        ];
      }
      return [
        error(
          `postsrsd was stopped, but ${pids.length} of its processes still answer Postfix (pid ${someOf(pids.map(String))})`,
          "postfix reload",
        ),
      ];
    },
  },
  {
    id: "postsrsd-secret",
    right: "we know postsrsd's secret",
    why: "Bounces to the addresses that it signed in the last 22 days come back only with its secret.",
    run: ({ setup, neighbours: { postsrsdSecrets, postsrsd } }) => {
      if ("unknown" in postsrsdSecrets) return [skipped(postsrsdSecrets.unknown)];
      if (setup.secrets.length === 0) return [skipped("this command has no secrets to compare")];
      const ours = new Set(setup.secrets.map((secret) => Buffer.from(secret).toString("latin1")));
      const missing = postsrsdSecrets.known.filter((secret) => !ours.has(secret));
      if (missing.length === 0) return [];
      const path = /^\s*SRS_SECRET=["']?([^"'\s]+)/m.exec(postsrsd?.text ?? "")?.[1] ?? "/etc/postsrsd.secret";
      return [
        warning(
          `${setup.secretsFile} has not the secret of ${path}: bounces to what postsrsd signed are refused`,
          `cat ${shellWord(path)} >>${shellWord(setup.secretsFile)}; systemctl restart postvouch`,
        ),
      ];
    },
  },
  {
    id: "opendmarc-headers",
    right: "OpenDMARC reads the results that we add",
    why: "It trusts only the names in TrustedAuthservIDs, and up to 1.4.2 misreads a Received-SPF with `=` in a long sender.",
    run: withPostfix((postfix, facts) => {
      const {
        setup,
        neighbours: { opendmarc },
      } = facts;
      if (opendmarc === undefined) return [skipped("there is no OpenDMARC here")];
      if (!mayAsk("opendmarc", postfix, facts)) return [skipped(notAsked("opendmarc"))];
      if (ourCalls(postfix, setup).length === 0) return [skipped("Postfix does not use both")];
      if (isOn(opendmarc, "SPFIgnoreResults")) return [skipped("OpenDMARC ignores our results (SPFIgnoreResults)")];
      if (!setup.config["policy.headers"].includes("authentication-results")) {
        if (!rejectsByDmarc(facts.neighbours)) return [];
        return [
          warning(
            `${opendmarc.path} rejects, and reads SPF from Received-SPF alone: up to 1.4.2 it refuses good mail of senders with "=" (VERP)`,
            'in postvouch.toml: [policy] headers = ["authentication-results", "received-spf"] (docs/opendmarc.md)',
          ),
        ];
      }
      const id = setup.config["policy.authserv_id"] || setup.hostname;
      const trusted = ["AuthservID", "TrustedAuthservIDs"].flatMap((name) =>
        splitItems(settingOf(opendmarc, name) ?? ""),
      );
      const names = trusted.map((name) => (name === "HOSTNAME" ? postfix.value("myhostname") : name).toLowerCase());
      if (names.includes(id.toLowerCase())) return [];
      return [
        error(
          `${opendmarc.path} does not trust ${id}, the name in our Authentication-Results: it takes no SPF result from us`,
          `in ${opendmarc.path}: TrustedAuthservIDs ${[...trusted.filter(Boolean), id].join(", ")}; then restart OpenDMARC`,
        ),
      ];
    }),
  },
  {
    id: "opendmarc-bounces",
    right: "no filter refuses bounces for their From:",
    why: "OpenDMARC takes no SPF result for the null sender: bounces of p=reject domains without DKIM are refused by RejectFailures.",
    run: withPostfix((postfix, facts) => {
      const { neighbours } = facts;
      if (!rejectsByDmarc(neighbours)) return [];
      if (!mayAsk("opendmarc", postfix, facts)) return [skipped(notAsked("opendmarc"))];
      return [
        warning(
          `${neighbours.opendmarc?.path} rejects (RejectFailures): bounces of p=reject domains that do not sign with DKIM are refused`,
          `in ${neighbours.opendmarc?.path}: RejectFailures false, or accept that loss`,
        ),
      ];
    }),
  },
  {
    id: "opendkim-internal-hosts",
    right: "OpenDKIM takes only our own clients for internal",
    why: "With 0.0.0.0/0 all mail is internal: it is never verified, and forged mail gets your signature.",
    run: (facts) => {
      const {
        neighbours: { opendkim },
        host,
      } = facts;
      if (opendkim === undefined) return [skipped("there is no OpenDKIM here")];
      if (isUnasked("opendkim", facts)) return [skipped(notAsked("opendkim"))];
      const written = settingOf(opendkim, "InternalHosts") ?? settingOf(opendkim, "PeerList") ?? "";
      const path = /^(?:refile:|file:)?(\/.*)$/.exec(written)?.[1];
      const text = path === undefined ? written : `${host.read(path) ?? ""}`;
      const all = /(?:^|[\s,])(0\.0\.0\.0\/0|::\/0|\*)(?=$|[\s,])/m.exec(text)?.[1];
      return all === undefined
        ? []
        : [
            error(
              `${opendkim.path}: InternalHosts has ${all}: mail from everywhere is signed as yours and never verified`,
              `in ${path ?? opendkim.path}: only 127.0.0.1, ::1 and your own networks; then restart OpenDKIM`,
            ),
          ];
    },
  },
  {
    id: "opendkim-keys",
    right: "the keys of OpenDKIM are published, and long enough",
    why: "A signature whose key is missing, revoked or another's fails at every receiver. Gmail refuses RSA below 1024 bits and recommends 2048.",
    run: (facts) => {
      const { opendkim } = facts.neighbours;
      if (opendkim === undefined) return [skipped("there is no OpenDKIM here")];
      if (isUnasked("opendkim", facts)) return [skipped(notAsked("opendkim"))];
      if (!(settingOf(opendkim, "Mode") ?? "sv").includes("s")) return [skipped("OpenDKIM does not sign")];
      return openDkimKeyFindings((name) => settingOf(opendkim, name), opendkim, facts);
    },
  },
  {
    id: "opendkim-mode",
    right: "OpenDKIM verifies where OpenDMARC needs it",
    why: "Without DKIM results OpenDMARC fails mail that was forwarded to you.",
    run: (facts) => {
      const { opendkim, opendmarc } = facts.neighbours;
      if (opendkim === undefined || opendmarc === undefined)
        return [skipped("OpenDKIM and OpenDMARC are not both here")];
      const unasked = (["opendkim", "opendmarc"] as const).find((peer) => isUnasked(peer, facts));
      if (unasked !== undefined) return [skipped(notAsked(unasked))];
      const mode = settingOf(opendkim, "Mode") ?? "sv";
      return mode.includes("v")
        ? []
        : [
            error(
              `${opendkim.path}: Mode ${mode} does not verify, so OpenDMARC has no DKIM result`,
              `in ${opendkim.path}: Mode sv; then restart OpenDKIM`,
            ),
          ];
    },
  },
  {
    id: "private-clients",
    right: "clients arrive with their own addresses",
    why: "Behind a NAT, a proxy or a container's bridge every client has the same private address, which no SPF record names.",
    run: withPostfix((postfix, facts) => {
      if (ourCalls(postfix, facts.setup).length === 0) return [skipped("Postfix does not ask our policy service")];
      if ("unknown" in facts.mailLog) return [skipped(facts.mailLog.unknown)];
      return privateClients(facts, postfix.value("mynetworks"));
    }),
  },
];

/** Tells if Postfix is known not to ask a program, whose files may be left from before. */
function isUnasked(peer: "opendkim" | "opendmarc", facts: Facts): boolean {
  return "known" in facts.postfix && !mayAsk(peer, facts.postfix.known, facts);
}

function notAsked(peer: keyof typeof PEER_NAMES): string {
  return `Postfix does not ask ${PEER_NAMES[peer]}`;
}

function privateClients({ setup: { config }, mailLog }: Facts, mynetworks: string): Finding[] {
  if ("unknown" in mailLog) return [];
  const { clients, path } = mailLog.known;
  const networks = splitItems(mynetworks).flatMap((item) => parseCidr(item.replace(/\[(.*)\]/, "$1")) ?? []);
  const skips = new AddressSet([...config["policy.skip_addresses"], ...config["policy.allow.addresses"], ...networks]);
  const hidden = [...clients].filter(([text]) => {
    const address = parseAddress(text);
    return address !== undefined && specialUse(address) !== undefined && !skips.has(address);
  });
  if (hidden.length === 0) return [];
  const names = someOf(hidden.map(([address]) => address));
  if (hidden.length === clients.size && hidden.length <= MAX_PROXIES) {
    return [
      error(
        `all clients in ${path} have private addresses (${names}): SPF is checked against a proxy or a NAT`,
        "let the proxy pass the client's address on: smtpd_upstream_proxy_protocol = haproxy; or publish the port without a NAT (docs/containers.md)",
      ),
    ];
  }
  return [
    warning(
      `${path} has clients with private addresses (${names}), which no SPF record can name`,
      `in postvouch.toml: [policy] skip_addresses = ["127.0.0.0/8", "::1", ${hidden
        .slice(0, 3)
        .map(([address]) => `"${address}"`)
        .join(", ")}]`,
    ),
  ];
}

/** More private clients than this are a network of ours, not a proxy. */
const MAX_PROXIES = 4;

function isOn(config: ConfigText, name: string): boolean {
  return /^(?:true|yes|1)$/i.test(settingOf(config, name) ?? "");
}
