/** Finds the files to import: those of the operands, or those in the places of Debian and other distributions. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { PostfixCommand } from "../../postfix/run.ts";
import { EXIT, errorCode, Failure, fileTrouble } from "../../process/exit.ts";
import { readRegularFile } from "../../process/regular-file.ts";
import type { Host, Source } from "../readers/finding.ts";
import { READERS, type Reader } from "../readers/table.ts";
import { type PostfixFacts, readPostfix } from "./postfix.ts";

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** The tree that paths in the files are looked up in. */
interface Tree {
  /** The real path of one that a file names. */
  readonly at: (path: string) => string;
  /** True for the files of this running host. */
  readonly isLive: boolean;
  /** The directory of the mail log; `undefined` if it is not among the files. */
  readonly logDir: string | undefined;
}

const LIVE: Tree = { at: (path) => path, isLive: true, logDir: "/var/log" };

export interface Located {
  readonly files: readonly { readonly reader: Reader; readonly source: Source }[];
  /** True if operands name them, each by itself. */
  readonly areNamed: boolean;
  readonly postfix: PostfixFacts | undefined;
  readonly tree: Tree;
  readonly notes: readonly string[];
}

/** What the operands name. */
interface Named {
  tree: Tree;
  postfixDir: string | undefined;
  readonly files: { reader: Reader; source: Source }[];
}

/** Parameters of main.cf by which it is known, and a line of master.cf. */
const MAIN_CF =
  /^(?:myhostname|mydestination|mydomain|myorigin|inet_interfaces|compatibility_level|smtpd_[a-z_]+)[ \t]*=/m;
const MASTER_CF = /^(?:smtp|pickup|cleanup)[ \t]+(?:inet|unix|pass|fifo)[ \t]/m;

/**
 * Finds and reads the files.
 *
 * @throws {Failure} for an operand that cannot be read or is not known, and for a Postfix that cannot read its files
 */
export async function locate(operands: readonly string[]): Promise<Located> {
  const named: Named = { tree: LIVE, postfixDir: undefined, files: [] };
  for (const operand of operands) takeOperand(resolve(operand), named);
  const notes: string[] = [];
  const postfix = await askPostfix(named, operands.length > 0, notes);
  // Files in their usual places are read if no file was named.
  const files = named.files.length > 0 ? named.files : standardFiles(named.tree, postfix);
  const areNamed = named.files.length > 0;
  return { files: inOrder(onePerRole(files, postfix)), areNamed, postfix, tree: named.tree, notes };
}

function takeOperand(path: string, named: Named): void {
  if (isDirectory(path)) {
    takeDirectory(path, named);
    return;
  }
  const text = readText(path);
  const reader = READERS.find(({ recognizes }) => recognizes(text));
  if (MAIN_CF.test(text) || (reader === undefined && MASTER_CF.test(text))) {
    if (!/^(?:main|master)\.cf$/.test(basename(path)))
      throw refused(
        path,
        "it is one of Postfix, which postconf reads only as main.cf and master.cf in their directory",
      );
    named.postfixDir = dirname(path);
  } else if (reader !== undefined) named.files.push({ reader, source: { path, text } });
  else throw refused(path, `want a file of ${READERS.map(({ name }) => name).join(", ")} or Postfix`);
}

function refused(path: string, wish: string): Failure {
  return new Failure(EXIT.dataError, [`Cannot import "${path}": ${wish}`]);
}

/** Names by which a copy of /etc is known. */
const USUAL_NAMES = [
  "default",
  "postsrsd.conf",
  "postfix",
  "postfix-policyd-spf-python",
  "opendkim.conf",
  "opendmarc.conf",
  "openarc.conf",
];

function takeDirectory(path: string, named: Named): void {
  const isThere = (name: string): boolean => statSync(join(path, name), { throwIfNoEntry: false }) !== undefined;
  if (isThere("main.cf")) {
    named.postfixDir = path;
    return;
  }
  const isRoot = isThere("etc");
  if (!isRoot && !USUAL_NAMES.some(isThere)) {
    throw refused(path, "want a directory with main.cf, or one like / or /etc");
  }
  if (path === "/" || path === "/etc") return;
  // In a copy of /etc, a path elsewhere is that of this host.
  const at = (file: string): string => {
    if (isRoot) return join(path, file);
    return file.startsWith("/etc/") ? join(path, file.slice("/etc".length)) : file;
  };
  named.tree = { at, isLive: false, logDir: isRoot ? join(path, "var/log") : undefined };
  if (isThere(isRoot ? "etc/postfix/main.cf" : "postfix/main.cf")) named.postfixDir = at("/etc/postfix");
}

/** Asks Postfix: that of the operands, or the one of this host if the files are of this host. */
async function askPostfix(named: Named, isNamed: boolean, notes: string[]): Promise<PostfixFacts | undefined> {
  if (named.postfixDir === undefined && !named.tree.isLive) {
    notes.push("Postfix was not asked: there is no etc/postfix/main.cf among the files");
    return undefined;
  }
  const { postfixDir } = named;
  const asked = await readPostfix(postfixDir === undefined ? {} : { configDir: postfixDir });
  if (!("absent" in asked)) {
    return postfixDir === undefined ? asked : { ...asked, command: { ...asked.command, ...asNobody() } };
  }
  if (!isNamed || named.postfixDir !== undefined) {
    throw new Failure(EXIT.unavailable, [`${asked.absent} For another host, name its files: postvouch import FILE...`]);
  }
  notes.push(`Postfix was not asked: ${asked.absent}`);
  return undefined;
}

/** The user "nobody" of every Unix. */
const NOBODY = 65_534;

/**
 * The rights for asking tables of a main.cf that an operand names: it names libraries too, which postmap loads. postconf only
 * reads.
 */
function asNobody(): Pick<PostfixCommand, "user"> {
  return process.getuid?.() === 0 ? { user: { uid: NOBODY, gid: NOBODY } } : {};
}

function standardFiles(tree: Tree, postfix: PostfixFacts | undefined): { reader: Reader; source: Source }[] {
  return READERS.flatMap((reader) => {
    const paths = reader.name === "policyd-spf" ? [...configOfSpawned(postfix), ...reader.paths] : reader.paths;
    for (const path of paths) {
      const text = textIfThere(tree.at(path));
      if (text !== undefined) return [{ reader, source: { path, text } }];
    }
    return [];
  });
}

/** The file that master.cf gives to policyd-spf as its argument. */
function configOfSpawned(postfix: PostfixFacts | undefined): string[] {
  return [...(postfix?.spawned.values() ?? [])].flatMap(([program = "", config]) =>
    /\/policyd-spf$/.test(program) && config !== undefined ? [config] : [],
  );
}

/** Of two programs of one role only one runs. main.cf tells which of postsrsd 1.x and 2.x it is. */
function onePerRole(files: Located["files"], postfix: PostfixFacts | undefined): Located["files"] {
  const chosen: { reader: Reader; source: Source }[] = [];
  for (const file of files) {
    const other = chosen.findIndex(({ reader }) => reader.role === file.reader.role);
    if (other === -1) chosen.push(file);
    else if (asksPostsrsd(postfix) === file.reader.name) chosen[other] = file;
    else if (asksPostsrsd(postfix) !== chosen[other]?.reader.name) {
      const [one, two] = [chosen[other]?.source.path, file.source.path];
      throw new Failure(EXIT.dataError, [
        `Cannot import both "${one}" and "${two}": name the one that is in use (postvouch import FILE)`,
      ]);
    }
  }
  return chosen;
}

function asksPostsrsd(postfix: PostfixFacts | undefined): string | undefined {
  const maps = ["sender_canonical_maps", "recipient_canonical_maps"]
    .map((name) => postfix?.expanded.get(name) ?? "")
    .join();
  if (/\btcp:/.test(maps) === /\bsocketmap:/.test(maps)) return undefined;
  return maps.includes("socketmap:") ? "postsrsd 2.x" : "postsrsd 1.x";
}

function inOrder(files: Located["files"]): Located["files"] {
  return READERS.flatMap((reader) => files.filter((file) => file.reader === reader));
}

/** What readers may ask of the host. */
export function hostOf({ tree, postfix }: Pick<Located, "tree" | "postfix">): Host {
  return {
    readFile: (path) => {
      try {
        return readRegularFile(tree.at(path), MAX_FILE_BYTES).bytes.toString("utf8");
      } catch {
        return undefined;
      }
    },
    list: (path) => {
      try {
        return readdirSync(tree.at(path));
      } catch {
        return [];
      }
    },
    exists: (path) => {
      try {
        return statSync(tree.at(path)).isFile();
      } catch {
        return false;
      }
    },
    postconf: (name) => postfix?.written.get(name),
    hostname: tree.isLive ? hostname() : (textIfThere(tree.at("/etc/hostname")) ?? "").trim(),
    postsrsdVersion: packageVersion(tree),
  };
}

/** The version of the package postsrsd, by dpkg's list of packages. */
function packageVersion(tree: Tree): string | undefined {
  let status: string;
  try {
    status = readFileSync(tree.at("/var/lib/dpkg/status"), "latin1");
  } catch {
    return undefined;
  }
  const start = /^Package: postsrsd$/m.exec(status)?.index;
  if (start === undefined) return undefined;
  const [entry = ""] = status.slice(start).split("\n\n", 1);
  return /^Version: (\S+)$/m.exec(entry)?.[1];
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
}

function textIfThere(path: string): string | undefined {
  try {
    return readRegularFile(path, MAX_FILE_BYTES).bytes.toString("utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return undefined;
    throw unreadable(path, error);
  }
}

function readText(path: string): string {
  try {
    return readRegularFile(path, MAX_FILE_BYTES).bytes.toString("utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Failure {
  const isForbidden = ["EACCES", "EPERM"].includes(errorCode(error));
  const code = isForbidden ? EXIT.noPermission : EXIT.dataError;
  return new Failure(code, [`Cannot read "${path}": ${fileTrouble(error)}${isForbidden ? "; run it as root" : ""}`], {
    cause: error,
  });
}
