/** One resource record of a test zone. Names are latin1, one character per byte, without a trailing dot. */
export interface ZoneRecord {
  readonly name: string;
  readonly type: "A" | "AAAA" | "MX" | "TXT" | "PTR" | "CNAME" | "DNAME" | "SOA" | "NS";
  readonly ttl: number;
  /** A/AAAA: text. MX: { preference, exchange }. TXT: character-strings, one character per byte. Others: a name; SOA: its minimum in seconds. */
  readonly data: string | readonly string[] | { readonly preference: number; readonly exchange: string } | number;
}

/** What an authority says to one query: an answer as it stands in a DNS message (chains in order), or silence. */
export type AuthorityAnswer =
  | { readonly rcode: number; readonly answers: readonly ZoneRecord[]; readonly authority: readonly ZoneRecord[] }
  | "drop";

/** The model behind the tests' DNS server and their in-memory resolver alike. */
export interface Authority {
  answer(name: string, type: string): AuthorityAnswer;
}
