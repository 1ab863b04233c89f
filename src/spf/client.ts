import { isIPv4 } from "node:net";
import { type ClientAddress, parseClient } from "../mailauth/spf.ts";
import { type AddressGroups, readAddress } from "./network.ts";

/** The client of one check. */
export class Client {
  /** In canonical text, without a zone; IPv4-mapped IPv6 has become IPv4. */
  readonly text: string;
  readonly groups: AddressGroups;
  #address: ClientAddress | undefined;

  constructor(text: string, address: ClientAddress | undefined) {
    this.text = text;
    this.groups = readAddress(text) ?? [];
    this.#address = address;
  }

  /** As mailauth wants it. To make one takes longer than to evaluate most records, and most do without. */
  get address(): ClientAddress | undefined {
    this.#address ??= parseClient(this.text);
    return this.#address;
  }

  get isIPv4(): boolean {
    return this.groups.length === 2;
  }
}

/** The client with this address; `undefined` if the text is not an address, as in Postfix's `unknown`. */
export function readClient(clientAddress: string): Client | undefined {
  // There is one way to write an IPv4 address, so it is canonical already.
  if (isIPv4(clientAddress)) return new Client(clientAddress, undefined);
  const address = parseClient(clientAddress);
  return address === undefined ? undefined : new Client(address.toString(), address);
}
