/** Debian's Chromium without a window, driven over the DevTools protocol by the WebSocket of Node.js. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How pages are shown. */
export interface Screen {
  readonly width: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
  /** False for a browser without JavaScript. */
  readonly runsScripts?: boolean;
}

interface AxNode {
  readonly role?: { readonly value: string };
  readonly name?: { readonly value: string };
  readonly ignored?: boolean;
}

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
  "--hide-scrollbars",
  // Frames of other sites are then frames of the page, and not targets of their own.
  "--disable-site-isolation-trials",
  "--disable-features=IsolateOrigins,site-per-process",
  "--remote-debugging-port=0",
];

export class Chromium implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #session: string;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  readonly #loads: (() => void)[] = [];
  /** What the browser complained of: violated policies, failed loads, errors. */
  readonly complaints: string[] = [];
  #lastId = 0;

  /** @param hosts names that lead to 127.0.0.1 in this browser */
  static async start(hosts: readonly string[] = []): Promise<Chromium> {
    const profile = mkdtempSync(join(tmpdir(), "postvouch-chromium-"));
    const rules = hosts.map((host) => `MAP ${host} 127.0.0.1`).join(",");
    const child = spawn("chromium", [...FLAGS, `--user-data-dir=${profile}`, `--host-resolver-rules=${rules}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const url = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        const [, found] = /listening on (ws:\S+)/.exec(said) ?? [];
        if (found !== undefined) resolve(found);
      });
      child.once("exit", () => reject(new Error(`Cannot start chromium:\n${said}`)));
    });
    const socket = new WebSocket(url);
    await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
    const ask = (id: number, method: string, params: Record<string, unknown>): Promise<Record<string, string>> =>
      new Promise((resolve) => {
        socket.addEventListener("message", function listen({ data }) {
          const reply = JSON.parse(String(data)) as { id?: number; result?: Record<string, string> };
          if (reply.id !== id) return;
          socket.removeEventListener("message", listen);
          resolve(reply.result ?? {});
        });
        socket.send(JSON.stringify({ id, method, params }));
      });
    const { targetId } = await ask(-1, "Target.createTarget", { url: "about:blank" });
    const { sessionId = "" } = await ask(-2, "Target.attachToTarget", { targetId, flatten: true });
    const browser = new Chromium(child, profile, socket, sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Accessibility"]) await browser.#send(`${domain}.enable`);
    return browser;
  }

  private constructor(child: ChildProcess, profile: string, socket: WebSocket, session: string) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    this.#session = session;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data))));
  }

  async show({ width, height = 800, scheme = "light", runsScripts = true }: Screen): Promise<void> {
    const mobile = width < 600;
    await this.#send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
    await this.#send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await this.#send("Emulation.setScriptExecutionDisabled", { value: !runsScripts });
  }

  /** Opens a page, and waits until it has loaded. */
  async open(url: string): Promise<void> {
    await this.#loading(() => this.#send("Page.navigate", { url }));
  }

  /** The value of an expression, which may be a promise. It runs beside the page, and no policy of the page holds for it. */
  async evaluate<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = (await this.#send("Runtime.evaluate", options)) as {
      result: { value: T };
      exceptionDetails?: unknown;
    };
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  /** Presses a key, as `key` of KeyboardEvent names it, or types one character. */
  async press(key: string): Promise<void> {
    const text = key === "Enter" ? "\r" : key.length === 1 ? key : undefined;
    const codes: Record<string, number> = { Tab: 9, Enter: 13 };
    const event = { key, windowsVirtualKeyCode: codes[key] ?? 0, ...(text === undefined ? {} : { text }) };
    await this.#send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.#send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Presses Enter, and waits for the page that this opens. */
  async submit(): Promise<void> {
    await this.#loading(() => this.press("Enter"));
  }

  /** What a screen reader would be told: roles and names, in the order of the page. */
  async spoken(): Promise<string[]> {
    const { nodes } = (await this.#send("Accessibility.getFullAXTree")) as unknown as { nodes: AxNode[] };
    return nodes.flatMap(({ role, name, ignored }) =>
      ignored === true ? [] : [`${role?.value ?? ""} ${name?.value ?? ""}`.trim()],
    );
  }

  /** The addresses of the page and its frames. One that was refused has none of ours. */
  async frames(): Promise<string[]> {
    const { frameTree } = (await this.#send("Page.getFrameTree")) as unknown as {
      frameTree: { frame: { url: string }; childFrames?: { frame: { url: string } }[] };
    };
    return [frameTree, ...(frameTree.childFrames ?? [])].map(({ frame }) => frame.url);
  }

  /** Writes a picture of the whole page, for a person to look at. */
  async picture(path: string): Promise<void> {
    const { data } = await this.#send("Page.captureScreenshot", { captureBeyondViewport: true });
    writeFileSync(path, Buffer.from(String(data), "base64"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await closed;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  async #loading(act: () => Promise<unknown>): Promise<void> {
    const loaded = new Promise<void>((resolve) => this.#loads.push(resolve));
    await act();
    await loaded;
  }

  #send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    const reply = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, reply);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    return reply.promise;
  }

  #take(message: {
    id?: number;
    method?: string;
    result?: Record<string, unknown>;
    error?: unknown;
    params?: unknown;
  }) {
    if (message.id !== undefined) {
      const waiting = this.#waiting.get(message.id);
      if (message.error === undefined) waiting?.resolve(message.result ?? {});
      else waiting?.reject(new Error(JSON.stringify(message.error)));
    } else if (message.method === "Page.loadEventFired") this.#loads.shift()?.();
    else if (message.method === "Log.entryAdded" || message.method === "Runtime.exceptionThrown")
      this.complaints.push(JSON.stringify(message.params));
  }
}
