import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../cases.ts";

const PACKAGE = join(import.meta.dirname, "../../..");
const RECIPE_FILE = "deploy/postfix/forward-only.master.cf";
const RECIPE = readFileSync(join(PACKAGE, RECIPE_FILE), "utf8");

const FORWARD = "sender_dependent_default_transport_maps = socketmap:inet:127.0.0.1:10003:forward-transport\n";
const transport = (table: string) => ({
  mainCf: `${FORWARD}virtual_mailbox_domains = here.test\ntransport_maps = ${table}\n`,
});

/** The recipe as installed, with edits of master.cf and main.cf. */
const pass = (masterCf: string, mainCf = "") => ({
  mainCf: FORWARD + mainCf,
  masterCf,
  host: { packageDir: "/opt/postvouch" },
  hostFiles: { [`/opt/postvouch/${RECIPE_FILE}`]: RECIPE },
});
const without = (line: string): string => {
  if (!RECIPE.includes(line)) throw new Error(`Cannot take out "${line}": it is not in the recipe`);
  return RECIPE.replace(`${line}\n`, "");
};

export const FORWARD_ONLY_CASES: readonly Case[] = [
  {
    id: "transport-maps",
    name: "a big receiver",
    wrong: transport("inline:{ {gmail.com = slow:} {here.test = lmtp:x} }"),
    says: "sends mail to gmail.com past the second pass",
  },
  {
    id: "transport-maps",
    name: "several receivers, in any order",
    wrong: transport("inline:{ {c.test = slow:} {a.test = slow:} {d.test = slow:} {b.test = slow:} }"),
    says: "sends mail to a.test, b.test, c.test and 1 more past the second pass",
  },
  {
    id: "transport-maps",
    name: "the next hop alone",
    wrong: transport("inline:{ {a.test = :[192.0.2.1]} }"),
    says: "mail to a.test",
  },
  {
    id: "transport-maps",
    name: "everything",
    wrong: transport("inline:{ {* = smtp:[relay.test]:587} }"),
    says: "sends all mail past",
  },
  {
    id: "transport-maps",
    name: "a pattern",
    wrong: { ...transport("regexp:DIR/t"), files: { t: "/@gmail\\.com$/ slow:\n/./ smtp:relay.test\n" } },
    says: "sends all mail past",
  },
  {
    id: "transport-maps",
    name: "own domains, and entries that change nothing",
    right: transport("inline:{ {here.test = lmtp:unix:x} {.gmail.com = :} }"),
  },
  { id: "transport-maps", name: "the classic set-up", skips: {}, says: "no forward-only" },

  { id: "second-pass", name: "no second pass", wrong: pass(""), says: "srs is missing" },
  {
    id: "second-pass",
    name: "main.cf's milters and filters",
    wrong: pass(without("  -o content_filter="), "content_filter = smtp:127.0.0.1:10024\n"),
    says: "has not the recipe's content_filter",
  },
  {
    id: "second-pass",
    name: "From: of the default classes",
    wrong: pass(without("  -o sender_canonical_classes=envelope_sender")),
    says: "sender_canonical_classes",
  },
  {
    id: "second-pass",
    name: "the usual cleanup",
    wrong: pass(without("  -o cleanup_service_name=srs-cleanup")),
    says: "cleanup_service_name",
  },
  {
    id: "second-pass",
    name: "line lengths of the default",
    wrong: pass(without("  -o smtp_line_length_limit=0")),
    status: "warning",
    says: "inherits smtp_line_length_limit",
  },
  {
    id: "second-pass",
    name: "TLS for the relay",
    wrong: pass(without("  -o smtp_tls_security_level=none"), "smtp_tls_security_level = encrypt\n"),
    status: "warning",
    says: "srs inherits smtp_tls_security_level",
  },
  {
    id: "second-pass",
    name: "every address",
    wrong: pass(RECIPE.replace("127.0.0.1:12526 inet", "12526 inet")),
    status: "warning",
    says: "listens on every address",
  },
  {
    id: "second-pass",
    name: "the recipe",
    right: pass(RECIPE, "content_filter = smtp:127.0.0.1:10024\nsmtpd_milters = inet:127.0.0.1:8891\n"),
  },
  {
    id: "second-pass",
    name: "the recipe with a milter that seals",
    right: pass(
      RECIPE.replace(
        ",no_milters\n",
        "\n  -o smtpd_milters=inet:127.0.0.1:8891\n  -o milter_macro_daemon_name=FORWARD\n",
      ),
    ),
  },
  {
    id: "second-pass",
    name: "the milters of the first pass",
    wrong: pass(RECIPE.replace(",no_milters", ""), "smtpd_milters = inet:127.0.0.1:8893\n"),
    says: "has not the recipe's receive_override_options",
  },
  {
    id: "second-pass",
    name: "the recipe on IPv6",
    right: {
      ...pass(
        RECIPE.replace("smtp_bind_address=127.0.0.1", "smtp_bind_address6=::1")
          .replaceAll("127.0.0.0/8", "[::1]/128")
          .replaceAll("127.0.0.1", "[::1]"),
      ),
      toml: '[srs]\nforward_transport = "srs:[::1]:12526"\n',
    },
  },
  {
    id: "second-pass",
    name: "another transport of main.cf's own",
    skips: { ...pass(RECIPE), toml: '[srs]\nforward_transport = "pipe:"\n' },
    says: "not installed here",
  },

  { id: "second-pass-port", name: "nothing there", wrong: { mainCf: FORWARD }, says: "port 12526" },
  {
    id: "second-pass-port",
    name: "a server that refuses",
    wrong: { mainCf: FORWARD, answers: { "127.0.0.1:12526": { status: "found", value: "421 busy" } } },
    says: "421 busy",
  },
  {
    id: "second-pass-port",
    name: "an SMTP server",
    right: { mainCf: FORWARD, answers: { "127.0.0.1:12526": { status: "found", value: "220 mail.example.org" } } },
  },
];
