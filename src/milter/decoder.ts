/** Cuts the bytes from an MTA into packets. */
import { detached } from "../collections/detached.ts";
import { type Decoder, ProtocolError } from "../net/session.ts";
import { type Packet, readPacket, uint32 } from "./packet.ts";
import { COMMANDS, type CommandByte, MAX_PACKET_BYTES } from "./wire.ts";

const LENGTH_BYTES = 4;

/** The length and the command byte. */
const HEAD_BYTES = LENGTH_BYTES + 1;

/**
 * Yields packets. A body is never held: each part of a chunk is a packet of its own, as it comes. Any other packet is
 * held until it is whole.
 *
 * @throws {ProtocolError} from `next()`, for a length that no packet has, for an unknown command (nobody knows if the
 *   MTA waits for a reply to it), for an OPTNEG that cannot be read, and for a packet that is cut off by the end
 */
export class MilterDecoder implements Decoder<Packet> {
  /** Received bytes, read up to `#at`. */
  #text = "";
  #at = 0;
  /** The command of the packet that has begun. */
  #command: CommandByte | undefined;
  /** Bytes of its data that were not read yet. */
  #left = 0;
  #gathered: Gathered | undefined;
  /** True if the data of the packet that has begun were given up. */
  #isShed = false;
  #ended = false;
  /** The last macros for a field or a chunk. */
  #repeated: { readonly bytes: string; readonly packet: Packet } | undefined;

  feed(chunk: string): void {
    this.#text = this.#at === this.#text.length ? chunk : this.#text.slice(this.#at) + chunk;
    this.#at = 0;
  }

  next(): Packet | undefined {
    const repeated = this.#takeRepeated();
    if (repeated !== undefined) return repeated;
    const command = this.#command ?? this.#begin();
    if (command === undefined) return this.#wait();
    if (command === "B") return this.#takeBody();
    if (command === "E") return this.#takeEnd();
    const data = this.#takeData();
    if (data === undefined) return this.#wait();
    const packet = readPacket(command, this.#isShed ? undefined : data);
    this.#command = undefined;
    this.#isShed = false;
    if (packet?.command === "D") this.#noteRepeated(packet, data);
    if (packet !== undefined) return packet;
    throw new ProtocolError(`Cannot read OPTNEG of ${data.length} bytes: want version, actions and protocol`);
  }

  get heldBytes(): number {
    return this.#text.length - this.#at + (this.#gathered?.length ?? 0);
  }

  end(): void {
    this.#ended = true;
  }

  /** Gives up the bytes of a half packet. The rest of it is skipped, and then it counts as broken. */
  shed(): void {
    if (this.#gathered === undefined) return;
    this.#gathered = undefined;
    this.#isShed = true;
  }

  /** Takes macros that are those before the last field or chunk, byte for byte, which Postfix sends before each. */
  #takeRepeated(): Packet | undefined {
    const repeated = this.#repeated;
    if (repeated === undefined || this.#command !== undefined) return undefined;
    if (!this.#text.startsWith(repeated.bytes, this.#at)) return undefined;
    this.#at += repeated.bytes.length;
    return repeated.packet;
  }

  #noteRepeated(packet: Packet & { readonly command: "D" }, data: string): void {
    if (!REPEATED_STEPS.has(packet.step) || data.length > MAX_REPEATED_BYTES) return;
    const length = data.length + 1;
    this.#repeated = {
      bytes: `${String.fromCharCode(0, 0, length >> 8, length & 0xff)}D${data}`,
      packet,
    };
  }

  /** Reads length and command. */
  #begin(): CommandByte | undefined {
    if (this.#text.length - this.#at < HEAD_BYTES) return undefined;
    const length = uint32(this.#text, this.#at);
    const byte = this.#text.charAt(this.#at + LENGTH_BYTES);
    if (length === 0 || length > MAX_PACKET_BYTES) {
      throw new ProtocolError(`Cannot read packet of ${length} bytes: want 1 to ${MAX_PACKET_BYTES}`);
    }
    if (!isCommand(byte)) throw new ProtocolError(`Cannot read packet ${JSON.stringify(byte)}: no such command`);
    this.#at += HEAD_BYTES;
    this.#command = byte;
    this.#left = length - 1;
    return byte;
  }

  /** Takes as much of the packet as has come, up to its end. */
  #take(): string {
    const start = this.#at;
    this.#at = Math.min(this.#text.length, start + this.#left);
    this.#left -= this.#at - start;
    return this.#text.slice(start, this.#at);
  }

  #takeBody(): Packet | undefined {
    const isEmpty = this.#left === 0;
    const bytes = this.#take();
    if (bytes === "" && !isEmpty) return this.#wait();
    const ends = this.#left === 0;
    if (ends) this.#command = undefined;
    return { command: "B", bytes, ends };
  }

  /** Reads the end of the message. What stands in it belongs to the body. */
  #takeEnd(): Packet | undefined {
    if (this.#left === 0) {
      this.#command = undefined;
      return { command: "E" };
    }
    const bytes = this.#take();
    return bytes === "" ? this.#wait() : { command: "B", bytes, ends: false };
  }

  /** All data of the packet; `undefined` while more must come. */
  #takeData(): string | undefined {
    const part = this.#take();
    // Copied, because what is kept of a packet must not keep all that was read with it.
    if (this.#left === 0 && this.#gathered === undefined) return detached(part);
    if (this.#isShed) return this.#left === 0 ? "" : undefined;
    this.#gathered ??= new Gathered();
    this.#gathered.add(part);
    if (this.#left > 0) return undefined;
    const data = this.#gathered.text();
    this.#gathered = undefined;
    return data;
  }

  /** Keeps the few bytes of a half head, and nothing else of what was read. */
  #wait(): undefined {
    const rest = this.#text.length - this.#at;
    this.#text = rest === 0 ? "" : detached(this.#text.slice(this.#at));
    this.#at = 0;
    if (!this.#ended || (rest === 0 && this.#command === undefined)) return;
    const what = this.#command === undefined ? "packet" : COMMANDS[this.#command].name;
    throw new ProtocolError(`Cannot read ${what}: the connection ended within it`);
  }
}

/** The steps that come again and again in a message. */
const REPEATED_STEPS: ReadonlySet<string> = new Set(["L", "B"]);

/** Most bytes of macros that are kept to know them again. Postfix sends some dozens. */
const MAX_REPEATED_BYTES = 512;

const FIRST_CAPACITY = 256;

/** Collects the parts of a packet. Parts may be single bytes, so they are copied into a buffer that grows. */
class Gathered {
  #bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  length = 0;

  add(part: string): void {
    const length = this.length + part.length;
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
    }
    this.#bytes.write(part, this.length, "latin1");
    this.length = length;
  }

  text(): string {
    return this.#bytes.toString("latin1", 0, this.length);
  }
}

function isCommand(byte: string): byte is CommandByte {
  return Object.hasOwn(COMMANDS, byte);
}
