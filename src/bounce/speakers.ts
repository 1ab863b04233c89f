/** The table of those whose replies are explained, and how they are recognised: by host names and by their words. */

interface SpeakerRow {
  readonly name: string;
  /** Names of their MX hosts, in lower case. */
  readonly hosts?: RegExp;
  /** Words that only they write. */
  readonly words?: RegExp;
}

export const SPEAKERS = {
  gmail: {
    name: "Gmail",
    hosts: /(?:^|\.)(?:google|googlemail|gmail)\.com$/,
    words: /\bg(?:smtp|cdp)\b|support\.google\.com|\bGmail (?:requires|has detected)/,
  },
  microsoft: {
    name: "Microsoft",
    hosts: /(?:^|\.)(?:outlook|hotmail|live|msn)\.com$|(?:^|\.)mx\.microsoft$/,
    words: /\.prod\.outlook\.com|\.protection\.outlook\.com|\bpostmaster\.live\.com|\bS(?:3140|3150|77[45])\)/,
  },
  yahoo: {
    name: "Yahoo",
    hosts: /(?:^|\.)(?:yahoodns\.net|yahoo\.com|aol\.com)$/,
    words: /(?:postmaster|senders)\.(?:yahooinc|yahoo)\.com|\bYahoo requires|\[(?:TSS?\d\d|PH\d\d|BL2\d)\]/,
  },
  apple: {
    name: "Apple",
    hosts: /(?:^|\.)(?:icloud|me|mac|apple)\.com$/,
    words: /support\.apple\.com|\[(?:CS0\d|HM0\d|HME1)\]/,
  },
  gmx: {
    name: "GMX, WEB.DE and IONOS",
    hosts: /(?:^|\.)(?:gmx\.net|web\.de|kundenserver\.de|1und1\.de|ionos\.(?:com|de|es|fr|it|co\.uk)|mail\.com)$/,
    words: /\bNemesis ESMTP\b|\bpostmaster\.(?:gmx|web|1und1)\.|gmx\.net\/mail\/senderguidelines/,
  },
  tOnline: {
    name: "T-Online",
    hosts: /(?:^|\.)t-online\.de$/,
    words: /@rx\.t-online\.de|\b554 IP=[\d.]+ - /,
  },
  postvouch: { name: "postvouch" },
  postsrsd: { name: "postsrsd" },
  postfix: { name: "Postfix" },
} as const satisfies Readonly<Record<string, SpeakerRow>>;

export type Speaker = keyof typeof SPEAKERS;

/** The receiver with this host name, or else the one with these words; `undefined` for another one. */
export function recogniseReceiver(host: string | undefined, text: string): Speaker | undefined {
  const rows: [Speaker, SpeakerRow][] = Object.entries(SPEAKERS) as [Speaker, SpeakerRow][];
  const byHost = host === undefined ? undefined : rows.find(([, { hosts }]) => hosts?.test(host.toLowerCase()));
  return (byHost ?? rows.find(([, { words }]) => words?.test(text)))?.[0];
}
