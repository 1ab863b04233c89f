/** Builds the example lines of the tables: lines of Postfix's log on what a receiver has replied. */

/** A line for a reply (or several lines of one, as Postfix joins them) to a command of SMTP. */
type Line = (dsn: string, reply: string, command?: string) => string;

/** A line for a greeting that refuses all mail. Postfix tries again (smtp_skip_5xx_greeting). */
type GreetingLine = (greeting: string) => string;

/** @param host the receiver's host, with its address in brackets */
export function logLines(
  host: string,
  recipient: string,
): { readonly bounced: Line; readonly deferred: Line; readonly refused: GreetingLine } {
  const line =
    (status: string): Line =>
    (dsn, reply, command = "end of DATA") =>
      `postfix/smtp[2917]: 4fX1cW2kQ0z1: to=<${recipient}>, relay=${host}:25, delay=1.2, delays=0.1/0/0.4/0.7, ` +
      `dsn=${dsn}, status=${status} (host ${host} said: ${reply} (in reply to ${command} command))`;
  return {
    bounced: line("bounced"),
    deferred: line("deferred"),
    refused: (greeting) =>
      `postfix/smtp[2917]: 4fX1cW2kQ0z1: to=<${recipient}>, relay=${host}:25, delay=1.2, delays=0.1/0/1.1/0, ` +
      `dsn=4.0.0, status=deferred (host ${host} refused to talk to me: ${greeting})`,
  };
}
