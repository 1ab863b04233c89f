/** Hands mail to an SMTP server (RFC 5321), over one connection. The only importer of nodemailer. */
import SMTPConnection from "nodemailer/lib/smtp-connection";
import { errorText } from "../process/exit.ts";

interface Limits {
  readonly connectMs: number;
  /** For the greeting: a server may look up the client first. */
  readonly greetingMs: number;
  /** Longest silence, also after the end of a message, which a server may check for long. */
  readonly silenceMs: number;
}

const LIMITS: Limits = { connectMs: 10_000, greetingMs: 60_000, silenceMs: 120_000 };

interface Server {
  /** An address. */
  readonly host: string;
  readonly port: number;
  /** Our name in EHLO. */
  readonly name: string;
}

export class Submission implements Disposable {
  readonly #server: Server;
  readonly #limits: Limits;
  #connection: Promise<SMTPConnection> | undefined;
  /** Why the server cannot be reached. It is not tried for each message. */
  #problem: string | undefined;

  constructor(server: Server, limits = LIMITS) {
    this.#server = server;
    this.#limits = limits;
  }

  /**
   * Sends one message.
   *
   * @param message whole, with CRLF
   * @throws {Error} with the reply or the trouble in its text
   */
  async send(from: string, to: string, message: Buffer): Promise<void> {
    const { host, port } = this.#server;
    if (this.#problem !== undefined) throw new Error(this.#problem);
    let connection: SMTPConnection;
    try {
      connection = await (this.#connection ??= this.#connect());
    } catch (error) {
      this.#problem = `Cannot reach SMTP server "${host}:${port}": ${errorText(error)}`;
      throw new Error(this.#problem, { cause: error });
    }
    try {
      await new Promise<void>((resolve, reject) => {
        connection.once("error", reject);
        connection.once("end", () => reject(new Error("the connection was closed")));
        connection.send({ from, to: [to], size: message.length }, message, (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      });
    } catch (error) {
      // Its state is not known: the next message gets another one.
      this.#close(connection);
      throw new Error(errorText(error), { cause: error });
    }
    for (const event of ["error", "end"]) connection.removeAllListeners(event);
    connection.on("error", () => this.#close(connection));
    connection.on("end", () => this.#close(connection));
  }

  [Symbol.dispose](): void {
    this.#connection?.then(
      (connection) => connection.quit(),
      () => {},
    );
  }

  #close(connection: SMTPConnection): void {
    this.#connection = undefined;
    for (const event of ["error", "end"]) connection.removeAllListeners(event);
    connection.on("error", () => {});
    connection.close();
  }

  async #connect(): Promise<SMTPConnection> {
    const { host, port, name } = this.#server;
    const { connectMs, greetingMs, silenceMs } = this.#limits;
    const isLoopback = host === "::1" || host.startsWith("127.");
    const connection = new SMTPConnection({
      host,
      port,
      name,
      connectionTimeout: connectMs,
      greetingTimeout: greetingMs,
      socketTimeout: silenceMs,
      // As Postfix sends mail: with TLS where it is offered, whatever the certificate, because without is no better.
      ignoreTLS: isLoopback,
      opportunisticTLS: true,
      tls: { rejectUnauthorized: false },
    });
    await new Promise<void>((resolve, reject) => {
      connection.once("error", reject);
      connection.once("end", () => reject(new Error("the connection was closed")));
      connection.connect((error) => (error ? reject(error) : resolve()));
    });
    for (const event of ["error", "end"]) connection.removeAllListeners(event);
    connection.on("error", () => this.#close(connection));
    return connection;
  }
}
