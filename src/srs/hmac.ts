/**
 * HMAC-SHA1 (RFC 2104, RFC 3174) for the short texts of SRS. The padded key is hashed once for each secret.
 *
 * `node:crypto` sets up a key and a native object in every call, which takes longer than the hash itself (figures in
 * docs/performance.md). The tests compare this code with `node:crypto` for all lengths of key and text.
 *
 * `compress` does five rounds in one step. After them the five words are in their old places again, so no word has to
 * be moved. Eighty rounds written out would be faster, but unreadable.
 */

const BLOCK_BYTES = 64;
const BLOCK_WORDS = 16;

/** The 160-bit chaining state. */
type State = Int32Array;

const INITIAL_STATE = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);

/** The message schedule. All compressions share it, because they never overlap. */
const schedule = new Int32Array(80);

/** A secret that is ready to sign. */
export class HmacSha1 {
  readonly #inner: State;
  readonly #outer: State;
  readonly #mac: State = new Int32Array(5);

  constructor(secret: Uint8Array) {
    const key = new Uint8Array(BLOCK_BYTES);
    key.set(secret.length > BLOCK_BYTES ? sha1(secret) : secret);
    this.#inner = padState(key, 0x36);
    this.#outer = padState(key, 0x5c);
  }

  /**
   * The MAC of `text` (latin1) with its ASCII letters lower-cased.
   *
   * @returns five big-endian words, good until the next call
   */
  signLowerCase(text: string): Readonly<Int32Array> {
    const mac = this.#mac;
    copyState(this.#inner, mac);
    hashText(mac, text);
    for (let i = 0; i < 5; i++) schedule[i] = mac[i] as number;
    schedule[5] = 0x80000000;
    for (let i = 6; i < BLOCK_WORDS - 1; i++) schedule[i] = 0;
    schedule[BLOCK_WORDS - 1] = (BLOCK_BYTES + 20) * 8;
    copyState(this.#outer, mac);
    compress(mac);
    return mac;
  }
}

/** Hashes the text after one block of key, with padding. */
function hashText(state: State, text: string): void {
  const length = text.length;
  let word = 0;
  let words = 0;
  for (let i = 0; i < length; i++) {
    let byte = text.charCodeAt(i) & 0xff;
    if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
    word = (word << 8) | byte;
    if ((i & 3) !== 3) continue;
    schedule[words++] = word;
    if (words === BLOCK_WORDS) {
      compress(state);
      words = 0;
    }
  }
  const rest = length & 3;
  schedule[words++] = ((rest === 0 ? 0 : word << (32 - 8 * rest)) | (0x80 << (24 - 8 * rest))) >>> 0;
  if (words > BLOCK_WORDS - 2) {
    while (words < BLOCK_WORDS) schedule[words++] = 0;
    compress(state);
    words = 0;
  }
  while (words < BLOCK_WORDS - 1) schedule[words++] = 0;
  schedule[BLOCK_WORDS - 1] = (BLOCK_BYTES + length) * 8;
  compress(state);
}

function padState(key: Uint8Array, pad: number): State {
  for (let i = 0; i < BLOCK_WORDS; i++) schedule[i] = wordAt(key, i * 4) ^ (pad * 0x01010101);
  const state = INITIAL_STATE.slice();
  compress(state);
  return state;
}

/** SHA-1 of bytes, for secrets longer than a block. */
function sha1(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / BLOCK_BYTES) * BLOCK_BYTES);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  new DataView(padded.buffer).setUint32(padded.length - 4, bytes.length * 8);
  const state = INITIAL_STATE.slice();
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) {
    for (let i = 0; i < BLOCK_WORDS; i++) schedule[i] = wordAt(padded, at + i * 4);
    compress(state);
  }
  const digest = new Uint8Array(20);
  const view = new DataView(digest.buffer);
  state.forEach((word, i) => {
    view.setInt32(i * 4, word);
  });
  return digest;
}

function wordAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return (a << 24) | (b << 16) | (c << 8) | d;
}

/** Copies word by word, which is faster than a loop or `TypedArray.set`. */
function copyState(from: State, to: State): void {
  to[0] = from[0] as number;
  to[1] = from[1] as number;
  to[2] = from[2] as number;
  to[3] = from[3] as number;
  to[4] = from[4] as number;
}

/** The functions of RFC 3174 section 5. */
const choose = (b: number, c: number, d: number): number => d ^ (b & (c ^ d));
const parity = (b: number, c: number, d: number): number => b ^ c ^ d;
const majority = (b: number, c: number, d: number): number => (b & c) | (d & (b | c));
const rotate5 = (a: number): number => (a << 5) | (a >>> 27);
const rotate30 = (b: number): number => (b << 30) | (b >>> 2);

/** Fills `schedule[16..79]` from the block in `schedule[0..15]`. */
function expand(w: Int32Array): void {
  for (let t = BLOCK_WORDS; t < 80; t++) {
    const x = (w[t - 3] as number) ^ (w[t - 8] as number) ^ (w[t - 14] as number) ^ (w[t - 16] as number);
    w[t] = (x << 1) | (x >>> 31);
  }
}

/** Adds the block in `schedule[0..15]` to `state` (RFC 3174 section 6.1). */
function compress(state: State): void {
  const w = schedule;
  expand(w);
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let t = 0;
  for (; t < 20; t += 5) {
    e = (rotate5(a) + choose(b, c, d) + e + (w[t] as number) + 0x5a827999) | 0;
    b = rotate30(b);
    d = (rotate5(e) + choose(a, b, c) + d + (w[t + 1] as number) + 0x5a827999) | 0;
    a = rotate30(a);
    c = (rotate5(d) + choose(e, a, b) + c + (w[t + 2] as number) + 0x5a827999) | 0;
    e = rotate30(e);
    b = (rotate5(c) + choose(d, e, a) + b + (w[t + 3] as number) + 0x5a827999) | 0;
    d = rotate30(d);
    a = (rotate5(b) + choose(c, d, e) + a + (w[t + 4] as number) + 0x5a827999) | 0;
    c = rotate30(c);
  }
  for (; t < 40; t += 5) {
    e = (rotate5(a) + parity(b, c, d) + e + (w[t] as number) + 0x6ed9eba1) | 0;
    b = rotate30(b);
    d = (rotate5(e) + parity(a, b, c) + d + (w[t + 1] as number) + 0x6ed9eba1) | 0;
    a = rotate30(a);
    c = (rotate5(d) + parity(e, a, b) + c + (w[t + 2] as number) + 0x6ed9eba1) | 0;
    e = rotate30(e);
    b = (rotate5(c) + parity(d, e, a) + b + (w[t + 3] as number) + 0x6ed9eba1) | 0;
    d = rotate30(d);
    a = (rotate5(b) + parity(c, d, e) + a + (w[t + 4] as number) + 0x6ed9eba1) | 0;
    c = rotate30(c);
  }
  for (; t < 60; t += 5) {
    e = (rotate5(a) + majority(b, c, d) + e + (w[t] as number) + 0x8f1bbcdc) | 0;
    b = rotate30(b);
    d = (rotate5(e) + majority(a, b, c) + d + (w[t + 1] as number) + 0x8f1bbcdc) | 0;
    a = rotate30(a);
    c = (rotate5(d) + majority(e, a, b) + c + (w[t + 2] as number) + 0x8f1bbcdc) | 0;
    e = rotate30(e);
    b = (rotate5(c) + majority(d, e, a) + b + (w[t + 3] as number) + 0x8f1bbcdc) | 0;
    d = rotate30(d);
    a = (rotate5(b) + majority(c, d, e) + a + (w[t + 4] as number) + 0x8f1bbcdc) | 0;
    c = rotate30(c);
  }
  for (; t < 80; t += 5) {
    e = (rotate5(a) + parity(b, c, d) + e + (w[t] as number) + 0xca62c1d6) | 0;
    b = rotate30(b);
    d = (rotate5(e) + parity(a, b, c) + d + (w[t + 1] as number) + 0xca62c1d6) | 0;
    a = rotate30(a);
    c = (rotate5(d) + parity(e, a, b) + c + (w[t + 2] as number) + 0xca62c1d6) | 0;
    e = rotate30(e);
    b = (rotate5(c) + parity(d, e, a) + b + (w[t + 3] as number) + 0xca62c1d6) | 0;
    d = rotate30(d);
    a = (rotate5(b) + parity(c, d, e) + a + (w[t + 4] as number) + 0xca62c1d6) | 0;
    c = rotate30(c);
  }
  state[0] = ((state[0] as number) + a) | 0;
  state[1] = ((state[1] as number) + b) | 0;
  state[2] = ((state[2] as number) + c) | 0;
  state[3] = ((state[3] as number) + d) | 0;
  state[4] = ((state[4] as number) + e) | 0;
}
