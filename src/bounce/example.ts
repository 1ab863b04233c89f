/** Builds the example lines of the tables: lines of Postfix's log on what a receiver has replied. */

/** A line for a reply (or several lines of one, as Postfix joins them) to a command of SMTP. */
type Line = (dsn: string, reply: string, command?: string) => string;

/** @param host the receiver's host, with its address in brackets */
export function logLines(host: string, recipient: string): { readonly bounced: Line; readonly deferred: Line } {
  const line =
    (status: string): Line =>
    (dsn, reply, command = "end of DATA") =>
      `postfix/smtp[2917]: 4fX1cW2kQ0z1: to=<${recipient}>, relay=${host}:25, delay=1.2, delays=0.1/0/0.4/0.7, ` +
      `dsn=${dsn}, status=${status} (host ${host} said: ${reply} (in reply to ${command} command))`;
  return { bounced: line("bounced"), deferred: line("deferred") };
}
