/** The part of dns-packet that the tests' DNS server uses; the package brings no types. */
declare module "dns-packet" {
  namespace dnsPacket {
    interface PacketQuestion {
      name: string;
      type: string;
      class?: string;
    }

    interface PacketRecord {
      name: string;
      type: string;
      ttl?: number;
      data?: unknown;
      udpPayloadSize?: number;
      extendedRcode?: number;
      options?: { code: number; data: Buffer }[];
    }

    interface Packet {
      id?: number;
      type?: "query" | "response";
      flags?: number;
      questions?: PacketQuestion[];
      answers?: PacketRecord[];
      authorities?: PacketRecord[];
      additionals?: PacketRecord[];
    }

    interface NameCodec {
      encode: { (name: string, bytes?: Buffer, offset?: number): Buffer; bytes: number };
      decode: { (bytes: Buffer, offset?: number): string; bytes: number };
      encodingLength: (name: string) => number;
    }
  }

  const dnsPacket: {
    readonly name: dnsPacket.NameCodec;
    readonly TRUNCATED_RESPONSE: number;
    readonly RECURSION_DESIRED: number;
    readonly RECURSION_AVAILABLE: number;
    encode(packet: dnsPacket.Packet): Buffer;
    decode(bytes: Buffer): Required<dnsPacket.Packet>;
  };
  export = dnsPacket;
}
