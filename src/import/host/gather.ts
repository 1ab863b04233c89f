/** Reads everything that an import is made of, and makes the plan. Writes nothing. */
import { EXIT, Failure } from "../../process/exit.ts";
import { type Circumstances, type Plan, planImport } from "../plan.ts";
import { type Findings, ImportError, type Key } from "../readers/finding.ts";
import { milterPorts } from "../readers/milter-socket.ts";
import { readStayingOpendmarc } from "../readers/opendmarc.ts";
import { readPolicydSpfPerl } from "../readers/policyd-spf-perl.ts";
import { type KeyCopy, type KeyPlace, placeKeys } from "./dkim-keys.ts";
import { findFormerDomains, type History } from "./history.ts";
import { hostOf, type Located, locate } from "./locate.ts";
import { isAsked, notAsked } from "./milters.ts";
import { comparePostfixDomains } from "./own-domains.ts";
import { type PostfixFacts, settingsOf } from "./postfix.ts";
import { readSecrets, type Secrets } from "./secrets.ts";

const DAY_MS = 86_400_000;

export interface Gathered extends Plan {
  /** What was imported: files, and the program that has none. */
  readonly sources: readonly string[];
  /** The peer's secrets; `undefined` if none of the peers signs. */
  readonly secrets: Secrets | undefined;
  /** Keys for DKIM that are copied, and the number of those that stay where they are. */
  readonly keyCopies: readonly KeyCopy[];
  readonly keptKeys: number;
}

/** Where things go that the configuration names. */
export interface Places {
  /** The value of `srs.secrets_file`. */
  readonly secretsFile: string;
  /** The directory of copied keys. */
  readonly keyDirectory: string;
  /** Tells if the service will be able to read a file of this host. */
  readonly isReadable: (path: string) => boolean;
}

/**
 * Reads the files of the operands, or those of this host.
 *
 * @throws {Failure} when something cannot be read, or there is nothing to import
 */
export async function gather(operands: readonly string[], places: Places, timeMs: number): Promise<Gathered> {
  const located = await locate(operands);
  const { found, sources, notes: unread } = refusing(() => readAll(located));
  const [peer] = found.flatMap((findings) => findings.secretsFile ?? []);
  const secrets = peer === undefined ? undefined : readSecrets(located.tree.at(peer.path));
  const domains = await domainCircumstances(found, located, secrets, timeMs);
  const { postfixDomains, formerDomains } = domains;
  const date = new Date(timeMs).toISOString().slice(0, 10);
  const { tree, postfix } = located;
  const isReadable = tree.isLive ? places.isReadable : (): boolean => false;
  const place: KeyPlace = { directory: places.keyDirectory, at: tree.at, isReadable };
  const keys = placeKeys(found, place);
  const circumstances: Circumstances = {
    postfixDomains,
    formerDomains,
    secretsFile: places.secretsFile,
    date,
    keys,
    milterPorts: milterPorts(postfix === undefined ? "" : settingsOf(postfix)),
    myhostname: postfix?.expanded.get("myhostname"),
  };
  const notes = [
    ...located.notes,
    ...unread,
    ...uses(found, postfix),
    ...domains.notes,
    ...databaseNotes(found),
    ...keys.notes,
  ];
  const plan = refusing(() => planImport(found, circumstances, notes));
  return { ...plan, sources, secrets, keyCopies: keys.copies, keptKeys: keys.kept };
}

/** Turns what a reader cannot read into the end of the command. */
function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ImportError) throw new Failure(EXIT.dataError, error.message.split("\n"), { cause: error });
    throw error;
  }
}

interface ReadFiles {
  readonly found: readonly Findings[];
  readonly sources: readonly string[];
  readonly notes: readonly string[];
}

/** Programs that Postfix asks as milters. */
const FILTERS: ReadonlySet<string> = new Set(["DKIM", "DMARC", "ARC"]);

function readAll(located: Located): ReadFiles {
  const host = hostOf(located);
  const read = ({ reader, source }: Located["files"][number]): Findings => reader.read(source, host);
  const isPerl = asked(located.postfix, /policyd-spf-perl$/) !== undefined;
  const files = located.files.filter(({ reader }) => reader.role === "SRS" || (reader.role === "SPF" && !isPerl));
  const found = files.map(read);
  const sources = files.map(({ source }) => source.path);
  if (isPerl) {
    found.push(readPolicydSpfPerl({ path: "master.cf", text: "" }, host));
    sources.push("postfix-policyd-spf-perl");
  }
  const notes: string[] = [];
  for (const file of located.files.filter(({ reader }) => FILTERS.has(reader.role))) {
    const findings = read(file);
    const socket = findings.milterSocket;
    if (located.areNamed || socket === undefined || isAsked(socket, located.postfix)) {
      found.push(findings);
      sources.push(file.source.path);
      continue;
    }
    notes.push(notAsked(socket, file.source.path));
    // A filter that stays and rejects adds to a policy service. It is none itself.
    const isFiltered = (located.postfix?.expanded.get("smtpd_milters") ?? "") !== "";
    if (file.reader.role === "DMARC" && isFiltered && found.some(({ parts }) => parts.has("policy"))) {
      found.push(readStayingOpendmarc(file.source, host));
    }
  }
  if (found.length === 0) {
    throw new Failure(EXIT.config, [
      "Cannot import: found no configuration of postsrsd and none of policyd-spf, OpenDKIM, OpenDMARC or OpenARC that Postfix asks; a new host needs none (docs/install.md)",
      ...notes,
    ]);
  }
  return { found, sources, notes };
}

/** The name of a service that a restriction asks and that runs such a program. */
function asked(postfix: PostfixFacts | undefined, program: RegExp): string | undefined {
  if (postfix === undefined) return undefined;
  const values = settingsOf(postfix);
  const services = [...postfix.spawned].filter(([, argv]) => argv.some((word) => program.test(word)));
  return services.map(([name]) => name).find((name) => values.includes(`private/${name}`));
}

/** Says what was set up and not used. */
function uses(found: readonly Findings[], postfix: PostfixFacts | undefined): string[] {
  if (postfix === undefined) return [];
  const notes: string[] = [];
  const isChecked =
    asked(postfix, /policyd-spf/) !== undefined || /check_policy_service\s+\{?\s*inet:/.test(settingsOf(postfix));
  if (found.some(({ parts }) => parts.has("policy")) && !isChecked) {
    notes.push("main.cf asks no policyd-spf (check_policy_service), so that SPF was not checked until now");
  }
  const maps = ["sender_canonical_maps", "canonical_maps", "recipient_canonical_maps"].map(
    (name) => postfix.expanded.get(name) ?? "",
  );
  if (found.some(({ parts }) => parts.has("srs")) && !maps.some((map) => /\b(?:tcp|socketmap):/.test(map))) {
    notes.push("main.cf asks no postsrsd (sender_canonical_maps), so that no sender was rewritten until now");
  }
  return notes;
}

function databaseNotes(found: readonly Findings[]): string[] {
  return found.flatMap(({ database }) =>
    database === undefined
      ? []
      : [
          `srs.store.url: when postsrsd has stopped, and before postvouch starts, copy its addresses: cp ${database.path} ${database.copy} && chown --reference=/var/lib/postvouch ${database.copy}`,
        ],
  );
}

type Domains = Pick<Circumstances, "postfixDomains" | "formerDomains"> & { readonly notes: readonly string[] };

/** Asks Postfix, the queue and the log about domains; nothing on a host without SRS. */
async function domainCircumstances(
  found: readonly Findings[],
  { postfix, tree }: Located,
  secrets: Secrets | undefined,
  timeMs: number,
): Promise<Domains> {
  if (secrets === undefined)
    return { postfixDomains: { isUsable: false, covered: new Set() }, formerDomains: [], notes: [] };
  const value = (key: Key): unknown =>
    found.flatMap(({ settings }) => settings).findLast((setting) => setting.key === key)?.value;
  const srsDomain = String(value("srs.domain"));
  const own = found.flatMap(({ ownDomains }) => [...ownDomains]);
  const names = ["myhostname", "myorigin"].map((name) => postfix?.expanded.get(name) ?? "");
  const always = [srsDomain, ...names].map((name) => name.toLowerCase());
  const compared = await comparePostfixDomains(postfix, own, always);
  const signing = {
    secrets: secrets.secrets,
    srsDomain,
    hashLength: Number(value("srs.hash_length") ?? 4),
    hashMinLength: Number(value("srs.hash_min_length") ?? 4),
    day: Math.floor(timeMs / DAY_MS),
  };
  // The queue is this host's own: another main.cf than Postfix's own names another one, and the program that shows it.
  const isOwn = tree.isLive && postfix?.command.configDir === undefined;
  const history: History = await findFormerDomains(signing, tree.logDir, isOwn ? postfix : undefined);
  return {
    postfixDomains: compared.domains,
    formerDomains: history.formerDomains,
    notes: [...compared.notes, ...history.notes],
  };
}
