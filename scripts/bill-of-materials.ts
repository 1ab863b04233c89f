/**
 * The bill of materials of what runs: every package of package-lock.json that is not for development alone, and the
 * runtime. The same lock file gives the same bytes.
 *
 *     node scripts/bill-of-materials.ts >postvouch.cdx.json
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** package-lock.json, version 3: paths below node_modules/, and the project itself under "". */
export interface LockFile {
  readonly name: string;
  readonly version: string;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  /** Hashes in the form of Subresource Integrity: `sha512-BASE64`, separated by blanks. */
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  /** Used if they are there. */
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

interface Component {
  readonly "bom-ref": string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly cpe?: string;
  readonly purl?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly object[];
}

/** CycloneDX 1.5 in JSON, in the parts that we fill. https://cyclonedx.org/docs/1.5/json/ */
export interface BillOfMaterials {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.5";
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const MODULES = "node_modules/";

/** The paths in node_modules/ of all packages that the program needs to run, in the order of the lock file. */
export function runtimePaths(lock: LockFile): string[] {
  return Object.entries(lock.packages).flatMap(([path, { dev }]) => (path === "" || dev === true ? [] : [path]));
}

/** @param lock package-lock.json */
export function billOfMaterials(lock: LockFile): BillOfMaterials {
  const paths = runtimePaths(lock);
  const self = ref(lock.name, lock.version);
  const runtime = runtimeComponent(lock.packages[`${MODULES}node`]?.version ?? "");
  const dependencies = ["", ...paths].map((path) => ({
    ref: path === "" ? self : refOf(lock, path),
    dependsOn: [
      ...needs(lock, path).map((needed) => refOf(lock, needed)),
      ...(path === `${MODULES}node` ? [runtime["bom-ref"]] : []),
    ].sort(),
  }));
  const content = {
    metadata: { component: { ...component(lock, "", self), type: "application" } },
    components: [...paths.map((path) => component(lock, path, refOf(lock, path))), runtime],
    dependencies: [...dependencies, { ref: runtime["bom-ref"], dependsOn: [] }],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(content))}`;
  return { bomFormat: "CycloneDX", specVersion: "1.5", serialNumber, version: 1, ...content };
}

function component(lock: LockFile, path: string, bomRef: string): Component {
  const { version = "", license, integrity } = lock.packages[path] ?? {};
  const name = path === "" ? lock.name : nameOf(path);
  return {
    "bom-ref": bomRef,
    type: "library",
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    ...(license === undefined ? {} : { licenses: [licenseChoice(license)] }),
    ...(integrity === undefined ? {} : { hashes: integrity.split(" ").map(hash) }),
  };
}

/** The program that the package "node" fetches for the machine at hand. A lock file does not list it. */
function runtimeComponent(version: string): Component {
  const cpe = `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`;
  return { "bom-ref": ref("Node.js", version), type: "platform", name: "Node.js", version, cpe };
}

function licenseChoice(license: string): object {
  return /[ ()]/.test(license) ? { expression: license } : { license: { id: license } };
}

function hash(integrity: string): object {
  const [, algorithm = "", base64 = ""] = /^sha(\d+)-(.+)$/.exec(integrity) ?? [];
  return { alg: `SHA-${algorithm}`, content: Buffer.from(base64, "base64").toString("hex") };
}

/** The paths of what the package at `path` uses. @throws {Error} if the lock file lacks one that it cannot do without */
function needs(lock: LockFile, path: string): string[] {
  const { dependencies, optionalDependencies, peerDependencies } = lock.packages[path] ?? {};
  const required = Object.keys(dependencies ?? {}).map((name) => {
    const found = find(lock, path, name);
    if (found === undefined) throw new Error(`Cannot find "${name}", which "${path}" needs: not in the lock file`);
    return found;
  });
  const optional = Object.keys({ ...optionalDependencies, ...peerDependencies });
  return [...required, ...optional.flatMap((name) => find(lock, path, name) ?? [])];
}

/** Where Node.js finds `name` when the package at `path` asks for it. */
function find(lock: LockFile, path: string, name: string): string | undefined {
  for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf(`/${MODULES}`)))) {
    const candidate = `${from === "" ? "" : `${from}/`}${MODULES}${name}`;
    const found = lock.packages[candidate];
    if (found !== undefined) return found.dev === true ? undefined : candidate;
    if (from === "") return undefined;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(MODULES) + MODULES.length);
}

function refOf(lock: LockFile, path: string): string {
  return ref(nameOf(path), lock.packages[path]?.version ?? "");
}

function ref(name: string, version: string): string {
  return `${name}@${version}`;
}

/** A UUID of version 8 (RFC 9562 section 5.8) from a hash of `text`. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

/** Reads package-lock.json of the folder. */
export function readLockFile(directory: string): LockFile {
  return JSON.parse(readFileSync(join(directory, "package-lock.json"), "utf8")) as LockFile;
}

if (import.meta.main) {
  const bill = billOfMaterials(readLockFile(join(import.meta.dirname, "..")));
  process.stdout.write(`${JSON.stringify(bill, null, 1)}\n`);
}
