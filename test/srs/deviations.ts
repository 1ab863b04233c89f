/**
 * Where we answer otherwise than postsrsd on purpose, by class. Every recorded answer that we do not give must be in
 * one of them, and our answer must be the one that the class says; a class that nothing falls into is a mistake too.
 */
import { isOwn, modelForward, modelReverse, modelStamp, normalForm, readMailbox } from "./model.ts";
import type { SrsOptions } from "./tables.ts";

/** What a lookup came to, whatever the protocol calls it. `permanent` is socketmap's PERM, `temporary` TEMP and 400. */
export type Reply =
  | { readonly status: "found"; readonly value: string }
  | { readonly status: "notFound" | "temporary" | "permanent"; readonly value?: never };

/** One recorded answer that is not ours. */
export interface Divergence {
  readonly program: 1 | 2;
  readonly options: SrsOptions;
  readonly map: "forward" | "reverse";
  readonly key: string;
  readonly theirs: Reply;
  readonly ours: Reply;
}

export interface DeviationClass {
  readonly name: string;
  /** Why ours is right, for docs/from-postsrsd.md. */
  readonly reason: string;
  /** Recorded answers in this class: of 1.10 and of 2.4.0. The recordings do not change, so neither may these. */
  readonly vectors: readonly [number, number];
  has(divergence: Divergence): boolean;
}

const ALIAS = /^[0-9A-V]{32}@1$/i;
const SRS_LOCAL = /^"?srs[01][=+-]/i;

/** In this order: a vector belongs to the first class that has it. */
export const DEVIATIONS: readonly DeviationClass[] = [
  {
    name: "no PERM for data",
    reason: "Postfix keeps mail for ever over a PERM that is about one address. It is found or not found.",
    vectors: [0, 246],
    has: (d) => d.theirs.status === "permanent" && !isStoredKey(d) && isModelled(d),
  },
  {
    name: "stored address, and no store",
    reason: "An alias of a database is no address. Until srs.store.url names the database, its bounces wait.",
    vectors: [1, 1],
    has: (d) => isStoredKey(d) && d.options.store === undefined && d.ours.status === "temporary",
  },
  {
    name: "stored address, signed SRS1",
    reason: "A foreign SRS0 address whose SRS1 form is over 64 bytes goes to the store, as every address that long.",
    vectors: [0, 18],
    has: (d) => isLongSrs1(d.theirs) && isStored(d),
  },
  {
    name: "always_rewrite has no exceptions",
    reason: "With -A, 1.10 still heeds -X. always_rewrite is 2.4's always-rewrite: it looks at no domain.",
    vectors: [19, 0],
    has: (d) => d.program === 1 && d.options.alwaysRewrite && endsInExcluded(d) && isRewritten(d),
  },
  {
    name: "own domain, read right",
    reason: "A trailing dot is the same domain, and the last @ is the one that counts.",
    vectors: [8, 7],
    has: (d) => d.map === "forward" && isOwnSender(d) && isRefused(d),
  },
  {
    name: "own SRS address is never wrapped",
    reason: "Postfix asks the map again for its own answer: wrapping it hides the sender behind two layers.",
    vectors: [15, 138],
    has: (d) => d.map === "forward" && isSignedByUs(d) && isRefused(d) && startsSrs1(d.theirs),
  },
  {
    name: "SRS1 that leads nowhere is not signed",
    reason: "Without a host or a separator behind it there is nobody who would take the bounce back.",
    vectors: [30, 31],
    has: (d) => d.map === "forward" && /^srs1/i.test(d.key) && isRefused(d) && isModelled(d),
  },
  {
    name: "domain that cannot be carried",
    reason: 'A domain with "=", a blank or a control character (1.10 cuts at a NUL) does not come back as it went.',
    vectors: [39, 37],
    has: (d) => d.map === "forward" && /[\0-\x20\x7f=@"]/.test(domainOf(d.key)) && isRefused(d),
  },
  {
    name: "no control character in the store",
    reason: "What the store holds is given out as it is, and an LF could end a reply: such an address is signed whole.",
    vectors: [0, 2],
    has: (d) => d.map === "forward" && /[\0-\x1f\x7f]/.test(d.key) && isStoredReply(d.theirs, d) && isRewritten(d),
  },
  {
    name: "long lines are read to their end",
    reason: "1.10 takes no request line over 1,021 bytes and cuts its answers at 1,023; tcp_table(5) allows 4,096.",
    vectors: [2, 0],
    has: (d) => d.program === 1 && d.map === "forward" && d.key.length > 330 && /^(.)\1+@/.test(d.key) && isCut(d),
  },
  {
    name: "sender in quotes",
    reason: 'The local part is what stands in the quotes: "john doe" and john doe are one mailbox, and have one hash.',
    vectors: [44, 42],
    has: (d) => d.map === "forward" && d.key.startsWith('"') && isRewritten(d),
  },
  {
    name: "sender with several @",
    reason: "1.10 and 2.4 split at the first one and never take the result back.",
    vectors: [11, 12],
    has: (d) => d.map === "forward" && /@.*@/s.test(d.key) && isRewritten(d),
  },
  {
    name: "answer without a local part",
    reason: 'canonical(5) takes "@domain" for the same user in that domain: the bounce would go astray.',
    vectors: [93, 106],
    has: (d) => d.ours.value === `""${d.theirs.value}` && isRewritten(d),
  },
  {
    name: "answer in quotes",
    reason: "Postfix reads answers as RFC 5321 writes them; without quotes it takes blanks and commas for separators.",
    vectors: [147, 147],
    has: (d) => isQuotedForm(d.ours.value, d.theirs.value) && isRewritten(d),
  },
  {
    name: "SRS recipient in quotes",
    reason: "Postfix asks in quotes for local parts that need them, our own among them.",
    vectors: [141, 180],
    has: (d) => d.map === "reverse" && /^"srs/i.test(d.key) && d.theirs.status === "notFound" && isRewritten(d),
  },
  {
    name: "a stamp of tomorrow",
    reason: "A host whose clock is a day behind that of the host which signed would lose the bounce.",
    vectors: [46, 46],
    has: (d) => d.map === "reverse" && d.theirs.status === "notFound" && isOfTomorrow(d) && isRewritten(d),
  },
  {
    name: "both alphabets",
    reason: "1.10 does not know the hashes of 2.4 that have - or _. Secrets outlive a change of program.",
    vectors: [261, 0],
    has: (d) => d.program === 1 && d.map === "reverse" && /^srs[01][=+-][^=]*[-_]/i.test(d.key) && isRewritten(d),
  },
];

/**
 * Nothing of this was recorded, but real programs meet it: what 1.10 and 2.4 made of `"a@b"@example.org`, they cannot
 * read any more. We can.
 */
export const CUT_AT_THE_FIRST_AT: DeviationClass = {
  name: "their address that they cannot read",
  reason: "The host has the @ at which they cut; user, @ and host together are the address as it was.",
  vectors: [0, 0],
  has: (d) => d.map === "reverse" && /@.*@/s.test(d.key) && d.theirs.status === "notFound" && isRewritten(d),
};

/** Whether our answer is what the model says, found or not. */
function isModelled(divergence: Divergence): boolean {
  const { map, key, options, ours } = divergence;
  if (map === "forward") return ours.value === modelForward(key, options) || isStored(divergence);
  const address = modelReverse(key, options);
  const isAlias = ALIAS.test(address ?? "") && options.store !== undefined;
  return ours.value === (isAlias ? normalForm(stored(address, options) ?? "") : address);
}

/** Whether we answer an address, and it is the model's. */
function isRewritten(divergence: Divergence): boolean {
  return divergence.ours.status === "found" && isModelled(divergence);
}

function isRefused({ theirs, ours }: Divergence): boolean {
  return theirs.status === "found" && ours.status === "notFound";
}

/** Whether the reverse map is asked for an address that a database holds. */
function isStoredKey({ map, key, options }: Divergence): boolean {
  return map === "reverse" && ALIAS.test(modelReverse(key, options) ?? "");
}

function isLongSrs1(reply: Reply): boolean {
  return startsSrs1(reply) && (reply.value ?? "").indexOf("@") > 64;
}

/** Whether we answer an address that leads to the store, and the key lies there. */
function isStored({ key, ours, options }: Divergence): boolean {
  return stored(modelReverse(ours.value ?? "", options), options) === key;
}

function stored(alias: string | undefined, { store }: SrsOptions): string | undefined {
  const address = ALIAS.test(alias ?? "") ? store?.get(alias?.slice(0, -2) ?? "") : undefined;
  return typeof address === "string" ? address : undefined;
}

function endsInExcluded({ key, options, theirs }: Divergence): boolean {
  return (
    theirs.status === "notFound" &&
    options.ownDomains.some((domain) => domain !== "" && key.toLowerCase().endsWith(domain))
  );
}

function isOwnSender({ key, options }: Divergence): boolean {
  return !options.alwaysRewrite && isOwn(domainOf(key), options);
}

function isSignedByUs({ key, options }: Divergence): boolean {
  return SRS_LOCAL.test(key) && modelReverse(key, options) !== undefined;
}

/** Whether the address is refused on its day and taken on the next. */
function isOfTomorrow({ key, options }: Divergence): boolean {
  const stamp = /^"?srs0[=+-][^=]*=([^=]{2})=/i.exec(key)?.[1];
  return stamp?.toUpperCase() === modelStamp(options.nowMs + 86_400_000);
}

/** Whether the answer leads to a database. */
function isStoredReply({ value = "" }: Reply, { options }: Divergence): boolean {
  return ALIAS.test(modelReverse(value, options) ?? "");
}

function startsSrs1(reply: Reply): boolean {
  return /^"?SRS1/.test(reply.value ?? "");
}

/** Whether ours is in quotes and, without them, theirs: a mailbox that theirs does not write as RFC 5321 does. */
function isQuotedForm(ours = "", theirs = ""): boolean {
  const bare = readMailbox(ours);
  return ours.startsWith('"') && normalForm(ours) === ours && `${bare?.local}@${bare?.domain}` === theirs;
}

/** Whether 1.10 refused the line for its length or gave the beginning of the answer. */
function isCut(divergence: Divergence): boolean {
  const { theirs, ours } = divergence;
  const cut = theirs.value === undefined || (ours.value ?? "").startsWith(theirs.value.replace(/%.?$/, ""));
  return cut && isRewritten(divergence);
}

function domainOf(key: string): string {
  return readMailbox(key)?.domain ?? "";
}
