/** Fuzzes the readers of other programs' files, and the configuration that is made of them. */
import { parseConfig } from "../../../src/config/parse.ts";
import { planImport } from "../../../src/import/plan.ts";
import { type Findings, type Host, ImportError } from "../../../src/import/readers/finding.ts";
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
  return { readFile, postconf: () => "my.example", hostname: "mx.my.example", postsrsdVersion: "2.4.0" };
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
  run(input) {
    const text = Buffer.from(input, "latin1").toString("utf8");
    return READERS.map((reader) => outcome(reader, text)).join(" ");
  },
};

function outcome(reader: Reader, text: string): string {
  try {
    const findings = reader.read({ path: "a file", text }, hostWith(text));
    mustBeConfiguration(findings);
    return `${findings.settings.length}/${findings.notes.length}/${findings.overrides.length}`;
  } catch (error) {
    if (error instanceof ImportError) return "refused";
    throw error;
  }
}

function mustBeConfiguration(findings: Findings): void {
  const postfixDomains = { isUsable: true, covered: new Set<string>() };
  const { toml } = planImport([findings], { postfixDomains, formerDomains: [], secretsFile: "/s", date: "2026-01-01" });
  const { problems } = parseConfig(toml, "made");
  must(problems.length === 0, "a configuration that is refused", problems);
}
