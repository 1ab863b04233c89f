/** Renders a verdict for a terminal, as a tree: what was found, where, and why it came to the result. */
import { asciiLine, shorten } from "../mail/text.ts";
import type { Author } from "./align.ts";
import { alignmentOf, isDecisive } from "./conclude.ts";
import type { WalkStep } from "./lookups.ts";
import type { AppliedPolicy, DmarcVerdict, JudgedIdentifier } from "./verdict.ts";

const INDENT = "  ";
const MAX_RECORD_CHARS = 300;

/** A line, and the lines below it. */
interface Branch {
  readonly text: string;
  readonly children: readonly Branch[];
}

/** Lines of printable ASCII, each with its line end. */
export function explainDmarc(verdict: DmarcVerdict): string {
  const { result, domain, orgDomain, fromFault, walk, policy, identifiers, reason, mend } = verdict;
  const author = { domain, orgDomain };
  const results = identifiers.map((identifier) => describeIdentifier(identifier, author));
  const found =
    fromFault === undefined
      ? [
          branch("tree walk", walk.map(describeStep)),
          ...(orgDomain === undefined ? [] : [branch(`organizational domain: ${orgDomain}`)]),
          ...(policy === undefined ? [] : [describePolicy(policy)]),
        ]
      : [];
  const from = branch(`From: ${fromFault === undefined ? domain : `${fromFault}, ${reason}`}`, [...found, ...results]);
  const end = [branch(`dmarc=${result}: ${reason}`), ...(mend === undefined ? [] : [branch(mend)])];
  return [from, ...end].map((one) => render(one, "")).join("");
}

function describeStep({ domain, outcome, record, faults }: WalkStep): Branch {
  const found = record === undefined ? OUTCOMES[outcome] : shorten(asciiLine(record.text), MAX_RECORD_CHARS);
  return branch(
    `_dmarc.${domain}: ${found}`,
    faults.map((fault) => branch(fault)),
  );
}

const OUTCOMES: Readonly<Record<WalkStep["outcome"], string>> = {
  record: "a record",
  none: "no record",
  several: "several records",
  broken: "a record that cannot be used",
  error: "no answer",
};

function describePolicy({ domain, tag, requested, applied, trouble }: AppliedPolicy): Branch {
  const testing = applied === requested ? "" : `, and ${applied} is applied because of t=y`;
  const faults = trouble === undefined ? [] : [branch(trouble)];
  return branch(`policy: ${tag}=${requested} of ${domain}${testing}`, faults);
}

function describeIdentifier(identifier: JudgedIdentifier, author: Author): Branch {
  const { method, domain, result, selector, cause, mode, isAligned, walk } = identifier;
  const why = cause === undefined ? "" : ` (${cause})`;
  const name = `${method}=${result}${why} ${domain}${selector === undefined ? "" : ` selector ${selector}`}`;
  const decides = isDecisive(identifier) ? ", which makes the message pass" : "";
  const alignment = isAligned === "unchecked" ? "" : `: ${alignmentOf(identifier, author)} (${mode})${decides}`;
  return branch(asciiLine(name + alignment), walk.map(describeStep));
}

function branch(text: string, children: readonly Branch[] = []): Branch {
  return { text, children };
}

function render({ text, children }: Branch, indent: string): string {
  return `${indent}${text}\n${children.map((child) => render(child, `${indent}${INDENT}`)).join("")}`;
}
