/** An address, however it was copied. */

/**
 * `from=<a@b>,` of Postfix's log, `from="a@b"` of ours. Brackets or quotes tell it from a local part such as `from=a`.
 */
const LOGGED = /^(?:from|to|orig_to|sender|recipient)=(?:<(.+)>|"(.+)"),?$/;
const BRACKETED = /^<(.+)>,?$/;

/** Each `=` of an SRS address, as quoted-printable has it in the source of a bounce (RFC 2045 section 6.7). */
const QUOTED_PRINTABLE = /^srs[01](?:=3d[^=@]*)+@[^=]+$/i;

/** The address itself, without what logs, headers and quoted-printable put around it or into it. */
export function bareAddress(text: string): string {
  const trimmed = text.trim();
  const logged = LOGGED.exec(trimmed);
  const address = logged?.[1] ?? logged?.[2]?.replace(/\\(["\\])/g, "$1") ?? BRACKETED.exec(trimmed)?.[1] ?? trimmed;
  return QUOTED_PRINTABLE.test(address) ? address.replace(/=3d/gi, "=") : address;
}
