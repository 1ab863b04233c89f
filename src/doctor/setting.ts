/** Reads the files of OpenDKIM and OpenDMARC: a key and its value on each line. */
import type { ConfigText } from "./facts.ts";

/** The value of a key. */
export function settingOf({ text }: ConfigText, name: string): string | undefined {
  return new RegExp(`^[ \\t]*${name}[ \\t]+(.*?)[ \\t]*(?:#.*)?$`, "im").exec(text)?.[1];
}
