/** Texts of the Debian package: control, changelog, copyright, and the unit for its paths. */
import type { Packaged } from "./runtime-packages.ts";

export interface PackageFacts {
  /** Debian's version, `0.1.0-1`. */
  readonly version: string;
  /** Debian's architecture, `amd64`. */
  readonly architecture: string;
  readonly installedKilobytes: number;
  /** `Name <address>`. */
  readonly maintainer: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

/** What node of the npm package needs: its builds are made for this C library and any later one. */
const DEPENDS =
  "libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 9), systemd | systemd-standalone-sysusers | systemd-sysusers";

export function control(facts: PackageFacts): string {
  return `Package: postvouch
Version: ${facts.version}
Architecture: ${facts.architecture}
Maintainer: ${facts.maintainer}
Installed-Size: ${facts.installedKilobytes}
Depends: ${DEPENDS}
Recommends: postfix
Suggests: fail2ban
Section: mail
Priority: optional
Description: SPF, SRS, DKIM, DMARC and ARC for Postfix
 postvouch checks SPF, DKIM, ARC and DMARC on incoming mail, signs the mail of
 your users, and rewrites the envelope sender of forwarded mail (SRS), so that
 SPF still passes at the next host. It takes the place of
 postfix-policyd-spf-python and postsrsd, with the same protocols, ports,
 secrets and addresses, and of opendkim, opendmarc and openarc.
 .
 One process does it all, with its own DNS cache, metrics and one log line for
 each decision. The package brings its own Node.js.
`;
}

/** @see deb-changelog(5) */
export function debianChangelog({ version, maintainer, timeMs }: PackageFacts): string {
  const date = new Date(timeMs).toUTCString().replace("GMT", "+0000");
  return `postvouch (${version}) unstable; urgency=medium

  * Built by "npm run deb"; changelog.gz has the changes.

 -- ${maintainer}  ${date}
`;
}

const HEAD = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: postvouch
Comment: Files below node_modules are packages from npm, in the versions that
 postvouch.cdx.json lists.
`;

/** @param mit the text of our licence */
export function copyright(mit: string, packages: readonly Packaged[]): string {
  const stanza = (files: string, copyrightLines: string, name: string, text: string): string =>
    `\nFiles: ${files}\nCopyright: ${copyrightLines}\nLicense: ${name}\n${folded(text)}\n`;
  return [
    HEAD,
    stanza("*", copyrightOf(mit), "Expat", mit),
    ...packages.map(({ path, license, licenseText }) =>
      stanza(
        `usr/lib/postvouch/${path}/*`,
        copyrightOf(licenseText),
        nameFor(license, path),
        shortened(licenseText, license),
      ),
    ),
    stanza(
      "usr/lib/postvouch/node",
      "Node.js contributors, and others",
      "Node.js",
      "See LICENSE.node.gz beside this file.",
    ),
  ].join("");
}

/** A name of its own for each text, because they differ in names and years. */
function nameFor(license: string, path: string): string {
  return `${license}-${path.replace(/.*node_modules\//, "").replaceAll(/[^a-z0-9.]+/gi, "-")}`;
}

/** Debian has the text of this licence; packages must not repeat it. */
function shortened(text: string, license: string): string {
  return license === "Apache-2.0" ? "On Debian systems the text is in /usr/share/common-licenses/Apache-2.0." : text;
}

function copyrightOf(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const found = lines.filter((line) => /^copyright .*\d{4}|^\(c\) \d{4}|^Copyright \(c\)/i.test(line)).slice(0, 3);
  return found.length === 0 ? "see the licence" : found.map((line) => line.replace(/^copyright:? */i, "")).join("\n ");
}

/** A continued field of deb822(5). */
function folded(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => (line.trim() === "" ? " ." : ` ${line.trimEnd()}`))
    .join("\n");
}

type Change = readonly [RegExp, string];

/** What in the units for an installation by hand differs in the package. */
const UNIT_CHANGES: Readonly<Record<PackagedUnit, readonly Change[]>> = {
  "postvouch.service": [
    [/^# postvouch beside Postfix\..*$/m, "# postvouch beside Postfix."],
    [/^Documentation=.*$/m, "Documentation=man:postvouch(8) man:postvouch.toml(5)"],
    [/^# The runtime that npm ci brought along.*\nExecStart=.*$/m, "ExecStart=/usr/bin/postvouch serve"],
    [/^DynamicUser=yes$/m, "User=postvouch\nGroup=postvouch"],
  ],
  "postvouch-report.service": [
    [/^Documentation=.*$/m, "Documentation=man:postvouch-dmarc-report(1)"],
    [/^ExecStart=.* dmarc /m, "ExecStart=/usr/bin/postvouch dmarc "],
    [/^DynamicUser=yes\nUser=postvouch$/m, "User=postvouch\nGroup=postvouch"],
  ],
  "postvouch-report.timer": [[/^Documentation=.*$/m, "Documentation=man:postvouch-dmarc-report(1)"]],
};

export type PackagedUnit = "postvouch.service" | "postvouch-report.service" | "postvouch-report.timer";

/** A unit for the paths and the user of the package. @throws {Error} if it lacks a line that differs there */
export function packagedUnit(name: PackagedUnit, unit: string): string {
  return UNIT_CHANGES[name].reduce((text, [pattern, replacement]) => {
    if (!pattern.test(text)) throw new Error(`Cannot change ${name}: want a line like ${pattern.source}`);
    return text.replace(pattern, replacement);
  }, unit);
}
