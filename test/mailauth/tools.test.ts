/** Tests the replacement of mailauth's tools.js, in separate processes, because loaded modules stay loaded. */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";

const SPF = new URL("../../src/mailauth/spf.ts", import.meta.url).href;
const SERVICES = new URL("../../src/daemon/services.ts", import.meta.url).href;

/** Runs statements in a module that may `require` from here, and gives what they print as JSON. */
function run(...statements: readonly string[]): unknown {
  const script = [
    `import { createRequire } from "node:module"; const require = createRequire("${import.meta.filename}");`,
    'const loaded = (part) => Object.keys(require.cache).filter((path) => path.includes("/node_modules/" + part));',
    ...statements,
  ].join("\n");
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }));
}

const LOAD_OURS = `const ours = (await import("${SPF}")).loadMailauth();`;
/** Joi, libmime and tldts come with tools.js alone. */
const PRINT_LOADED =
  'console.log(JSON.stringify(["joi", "libmime", "tldts"].map((part) => loaded(part + "/").length)));';

test("mailauth's evaluator still loads Joi, libmime and tldts, which ours does not", () => {
  const bare = run('require("mailauth/lib/spf/spf-verify.js");', PRINT_LOADED) as number[];
  expect(Math.min(...bare)).toBeGreaterThan(0);
  expect(run(LOAD_OURS, PRINT_LOADED)).toEqual([0, 0, 0]);
});

test("mailauth is loaded when SPF is first checked, not with the daemon's services", () => {
  expect(run(`await import("${SERVICES}");`, 'console.log(loaded("mailauth/").length);')).toBe(0);
  expect(run(LOAD_OURS, 'console.log(loaded("mailauth/").length);')).toBeGreaterThan(0);
});

const DKIM = new URL("../../src/mailauth/dkim.ts", import.meta.url).href;
const LOAD_DKIM = `const dkim = await import("${DKIM}"); dkim.parseTagList("a=b", "refuse");`;

test("mailauth's tools.js still loads them too; with ours it is the same file without them", () => {
  const bare = run('require("mailauth/lib/tools.js");', PRINT_LOADED) as number[];
  expect(Math.min(...bare)).toBeGreaterThan(0);
  expect(run(LOAD_DKIM, PRINT_LOADED)).toEqual([0, 0, 0]);
  const theirs = (order: readonly string[]): unknown =>
    run(
      ...order,
      `console.log(JSON.stringify([typeof tools.getAlignment("a.example", ["a.example"]),
      dkim.toALabel("b\\u00fccher.example"), tools === require("mailauth/lib/tools.js")]));`,
    );
  const load = 'const tools = require("mailauth/lib/tools.js");';
  for (const order of [
    [load, LOAD_DKIM],
    [LOAD_DKIM, load],
  ]) {
    expect(theirs(order)).toEqual(["object", "xn--bcher-kva.example", true]);
  }
});

describe.each([
  ["before", (others: string) => [others, LOAD_OURS]],
  ["after", (others: string) => [LOAD_OURS, others]],
] as const)("With the rest of mailauth loaded %s ours", (_order, inOrder) => {
  const others = `
    const { dkimVerify } = require("mailauth/lib/dkim/verify.js");
    const { arc } = require("mailauth/lib/arc/index.js");
    const dmarc = (await import("mailauth/lib/dmarc/index.js")).default;
    const bare = require("mailauth/lib/spf/spf-verify.js");
    const tools = require("mailauth/lib/tools.js");`.replace(
    'import("mailauth/lib/dmarc/index.js")',
    `import("${import.meta.resolve("mailauth/lib/dmarc/index.js")}")`,
  );

  test("the others get the real tools.js, each part once", () => {
    expect(
      run(
        ...inOrder(others),
        `console.log(JSON.stringify({
          tools: Object.keys(tools).length > 20,
          dkim: typeof dkimVerify, arc: typeof arc, dmarc: typeof dmarc.dmarc,
          sameTools: require.cache[require.resolve("mailauth/lib/tools.js")].exports === tools,
          sameSpf: require.cache[require.resolve("mailauth/lib/spf/spf-verify.js")].exports === bare,
          apart: bare.spfVerify !== ours.spfVerify,
          oneOurs: (await import("${SPF}")).loadMailauth() === ours,
        }));`,
      ),
    ).toEqual({
      tools: true,
      dkim: "function",
      arc: "function",
      dmarc: "function",
      sameTools: true,
      sameSpf: true,
      apart: true,
      oneOurs: true,
    });
  });

  // toALabel of tools.js makes "xn--..." of a name that is not ASCII, the stand-in leaves it.
  test("each evaluator asks for names as its own tools have them", () => {
    const ask = (evaluator: string) => `
      asked = [];
      await ${evaluator}.spfVerify("b\\u00fccher.example", {
        strict: true, ip: "192.0.2.1", sender: "a@b.example", helo: "h.example",
        resolver: async (name) => { asked.push(name); return [["v=spf1 -all"]]; },
      });
      names.push(asked[0]);`;
    expect(
      run(
        "let asked; const names = [];",
        ...inOrder(others),
        ask("ours"),
        ask("bare"),
        "console.log(JSON.stringify(names));",
      ),
    ).toEqual(["b\u00fccher.example", "xn--bcher-kva.example"]);
  });

  test("the client's PTR name is the same by both", () => {
    const ask = (evaluator: string, ip: string) => `
      await ${evaluator}.spfVerify("b.example", {
        strict: true, ip: "${ip}", sender: "a@b.example", helo: "h.example",
        resolver: async (name, type) => { if (type === "PTR") asked.push(name); return type === "TXT" ? [["v=spf1 ptr -all"]] : []; },
      });`;
    const asks = ["192.0.2.1", "2001:db8::1:0", "::1", "64:ff9b::192.0.2.1"].flatMap((ip) => [
      ask("ours", ip),
      ask("bare", ip),
    ]);
    const asked = run(
      "const asked = [];",
      ...inOrder(others),
      ...asks,
      "console.log(JSON.stringify(asked));",
    ) as string[];
    expect(asked).toHaveLength(8);
    expect(asked.filter((_name, i) => i % 2 === 0)).toEqual(asked.filter((_name, i) => i % 2 === 1));
  });
});
