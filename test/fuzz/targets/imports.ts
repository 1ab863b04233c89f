/** Fuzzes the readers of other programs' files, and the configuration that is made of them. */
import { parseConfig } from "../../../src/config/parse.ts";
import { planImport } from "../../../src/import/plan.ts";
import { type Findings, type Host, ImportError, type TableSetting } from "../../../src/import/readers/finding.ts";
import { READERS, type Reader } from "../../../src/import/readers/table.ts";
import { must, type Target } from "../target.ts";

const WORDS = [
  ..."SRS_DOMAIN=|SRS_EXCLUDE_DOMAINS=|SRS_HASHLENGTH=|SRS_HASHMIN=|SRS_SEPARATOR=|SRS_EXTRA_OPTIONS=|-X|-A".split("|"),
  ..."export |unset |$(|)|`|\"|'|\x24{A:-|$SRS_DOMAIN|}|cat /f|tr a b|&&|;|#|\\|<|[ -r /f ]|\n|\r\n|a.example|*.b".split(
    "|",
  ),
  ..."srs-domain|domains|hash-length|socketmap|original-envelope|envelope-database|=|+=|{|,|/*|//|inet:|unix:/x|0x9".split(
    "|",
  ),
  ..."HELO_reject|Mail_From_reject|Fail|Null|SPF_Not_Pass|No_Check|Whitelist|192.0.2.0/24|::1|Reason_Message".split(
    "|",
  ),
  ..."Reject_Not_Pass_Domains|Per_User = text,/f|TestOnly|Void_Limit|Lookup_Time|Header_Type|AR|True|RejectFailures yes".split(
    "|",
  ),
  "x".repeat(300),
  "é",
];

/** The files that values are made of; `/f` is the input itself, so that files can name each other. */
function hostWith(input: string): Host {
  const readFile = (path: string): string | undefined => (path === "/f" ? input : undefined);
  const list = (): string[] => input.split(/[\0/]/).slice(0, 20);
  const exists = (path: string): boolean => path.length % 2 === 0;
  return { readFile, list, exists, postconf: () => "my.example", hostname: "mx.my.example", postsrsdVersion: "2.4.0" };
}

export const importTarget: Target = {
  name: "import",
  modules: ["import/readers", "import/plan.ts", "import/toml.ts"],
  words: WORDS,
  seeds: [
    "SRS_DOMAIN=a.example\nSRS_EXCLUDE_DOMAINS=\"$(cat /f)\" SRS_SEPARATOR='+'\n",
    'srs-domain = a.example domains = {"b.example", c.example} hash-length = 5\nsocketmap = inet:127.0.0.1:10003\n',
    "HELO_reject = Null\nReject_Not_Pass_Domains = a.example\nWhitelist = 192.0.2.1, ::1\nPer_User = text,/f\n",
    "bob@x.example,Mail_From_reject=False|Header_Type=AR\n",
  ],
  maxBytes: 4000,
  run: (input) => outcomes(input, ["SRS", "SPF"]),
};

const FILTER_WORDS = [
  ..."KeyTable|SigningTable|refile:/f|file:/f|csl:|/f|Domain|Selector|KeyFile|SubDomains yes|MultipleSignatures yes|Mode s".split(
    "|",
  ),
  ..."InternalHosts|PeerList|!|192.0.2.0/24|0.0.0.0/0|::1|10.0.0.1|MacroList|{daemon_name}|ORIGINATING|MTA|Include /f|Socket".split(
    "|",
  ),
  ..."SignHeaders|OmitHeaders|OversignHeaders|*,+x,-date|Canonicalization relaxed/simple|SignatureTTL|On-Default|RemoveARFrom".split(
    "|",
  ),
  ..."RejectFailures yes|HoldQuarantinedMessages yes|RejectString|IgnoreHosts /f|TrustedAuthservIDs|DomainWhitelist|inet:8891@x".split(
    "|",
  ),
  ..."a.example|b.a.example|u@a.example|*@a.example|*@*.a.example|.a.example|*|%|:|=|,|;|k|k:s:/k|a.example:s:/k/%/s|\n|\t| |#|\r|\0".split(
    "|",
  ),
  ..."AuthservID HOSTNAME|MinimumKeyBits 0x400|MaximumHeaders|Nameservers|local:/run/x|Mode sv|Mode|-1|99999999999".split(
    "|",
  ),
  "x".repeat(300),
  "é",
];

/** OpenDKIM, OpenDMARC and OpenARC; the input is each of their files, and each table. */
export const filterImportTarget: Target = {
  name: "import-filters",
  modules: ["import/readers", "import/plan.ts", "import/milter-plan.ts", "import/toml.ts"],
  words: FILTER_WORDS,
  seeds: [
    "KeyTable /f\nSigningTable refile:/f\n*@a.example k\nk a.example:s:/k\n",
    "Domain a.example, b.example\nSelector s\nKeyFile /k\nInternalHosts 192.0.2.0/24,!192.0.2.1\n",
    "KeyTable csl:k=%:s:/k/%/s\nSigningTable csl:*=k,u@a.example=k\nOn-Default t\n",
    "RejectFailures true\nTrustedAuthservIDs a.example, b.example\nIgnoreHosts /f\n10.0.0.0/8\n",
    "Mode sv\nDomain a.example\nSelector s\nKeyFile /k\nSocket inet:8891@localhost\n",
  ],
  maxBytes: 4000,
  run: (input) => outcomes(input, ["DKIM", "DMARC", "ARC"]),
};

function outcomes(input: string, roles: readonly Reader["role"][]): string {
  const text = Buffer.from(input, "latin1").toString("utf8");
  const readers = READERS.filter(({ role }) => roles.includes(role));
  return readers.map((reader) => outcome(reader, text)).join(" ");
}

function outcome(reader: Reader, text: string): string {
  try {
    const findings = reader.read({ path: "a file", text }, hostWith(text));
    mustBeConfiguration(findings);
    const { settings, notes, overrides, signingKeys } = findings;
    return `${settings.length}/${notes.length}/${overrides.length}/${signingKeys.length}`;
  } catch (error) {
    if (error instanceof ImportError) return "refused";
    throw error;
  }
}

function mustBeConfiguration(findings: Findings): void {
  const postfixDomains = { isUsable: true, covered: new Set<string>() };
  const more = { postfixDomains, formerDomains: [], secretsFile: "/s", date: "2026-01-01" };
  const keys = { tables: tablesOf(findings), settings: [] };
  const { toml } = planImport([findings], { ...more, keys, milterPorts: [8891], myhostname: "mx.my.example" });
  const { problems } = parseConfig(toml, "made");
  must(problems.length === 0, "a configuration that is refused", problems);
}

/** The keys as if each could be used where it is. */
function tablesOf({ signingKeys }: Findings): TableSetting[] {
  return signingKeys.map(({ domain, selector, from, where }) => ({
    values: { domain, selector, file: "/k", from },
    from: where,
  }));
}
