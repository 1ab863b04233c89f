/** The intended differences from policyd-spf, by class, with the reason. There are no others. */

export interface Deviation {
  readonly reason: string;
  /** Our decisions by case. */
  readonly cases: Readonly<Record<string, readonly string[]>>;
}

const NONE = ["tag none mailfrom"];
const UNTOLD = ["dunno"];
const REJECTED = ["550 5.7.23"];
const PASS = ["tag pass mailfrom"];

export const DEVIATIONS: Readonly<Record<string, Deviation>> = {
  "HELO's result never stands in for MAIL FROM's": {
    reason:
      "Where MAIL FROM is none, policyd-spf puts HELO's result into the header; read by a DMARC filter, that lets anybody with an SPF record of their own pass for a domain that has none (CVE-2019-20790).",
    cases: {
      "matrix-075": NONE,
      "matrix-113": NONE,
      "helo_reject-127": NONE,
      "helo_reject-132": NONE,
      "helo_reject-142": NONE,
      "helo_reject-147": NONE,
      "helo_reject-149": NONE,
      "helo_reject-151": NONE,
      "helo_reject-157": NONE,
      "helo_reject-162": NONE,
      "helo_reject-166": NONE,
      "helo_reject-168": NONE,
      "helo_reject-177": NONE,
      "mfrom_reject-216": NONE,
      "mfrom_reject-243": NONE,
      "tag_only-264": NONE,
      "header-334": NONE,
      "passres-471": NONE,
      "multi-529": ["tag none mailfrom", "dunno"],
    },
  },
  "SERVFAIL and REFUSED are temperror": {
    reason: "RFC 7208 section 5. With py3dns, policyd-spf takes them for names without records.",
    cases: {
      "mfrom-032": ["tag temperror mailfrom"],
      "mfrom-033": ["tag temperror mailfrom"],
      "mfrom2-692": ["tag temperror mailfrom"],
      "errors-288": ["defer_if_permit 4.7.24"],
      "errors-289": ["defer_if_permit 4.7.24"],
      "errors-290": ["defer_if_permit 4.7.24"],
    },
  },
  "the null sender is checked whenever MAIL FROM is": {
    reason:
      "It is postmaster@HELO (RFC 7208 2.4), which has to be checked. HELO_reject = No_Check speaks of the HELO identity; policyd-spf then checks a null sender not at all.",
    cases: {
      "helo_reject-193": ["tag softfail helo"],
      "helo_reject-195": ["tag neutral helo"],
      "helo_reject-199": ["tag none helo"],
      "mfrom_reject-255": REJECTED,
    },
  },
  "nothing is told of clients that are ours": {
    reason:
      "skip_addresses and authenticated clients get no X-Comment: what users send goes out to others, and a content filter that hands mail back over loopback would get it on top of the true result. A user's exemption for an address (per-user Whitelist) is an override without checks.",
    cases: {
      "header-336": UNTOLD,
      "header-350": UNTOLD,
      "receiver-385": UNTOLD,
      "skip-399": UNTOLD,
      "skip-400": UNTOLD,
      "skip-401": UNTOLD,
      "skip-411": UNTOLD,
      "order-708": UNTOLD,
      "multi-524": ["dunno", "dunno", "dunno"],
      "peruser-629": UNTOLD,
      "perl-041": UNTOLD,
    },
  },
  "authenticated clients are not checked": {
    reason: "Their addresses are in no sender's SPF record. skip_authenticated = false checks them.",
    cases: { "perl-053": UNTOLD },
  },
  "lists are read as they are meant": {
    reason:
      "Host bits in a CIDR do not matter, blanks separate nothing, and one bad entry does not silently end the list: it is an error of the configuration.",
    cases: { "skip-408": UNTOLD, "whitelist-420": ["tag unchecked"], "whitelist-424": ["tag unchecked"] },
  },
  "reverse names are confirmed, at label boundaries": {
    reason:
      "Whoever holds a reverse zone can write any name into it: its address must be the client's. policyd-spf compares the name's end only, with no look at the address.",
    cases: { "whitelist-428": REJECTED, "whitelist-433": REJECTED },
  },
  "a policy without mail is known by its meaning": {
    reason:
      "reject-no-mail takes v=spf1 -all in any case and beside other TXT records. It says nothing of permerror, which has its own disposition.",
    cases: { "nomail-459": REJECTED, "nomail-460": REJECTED, "nomail-466": ["550 5.7.24"] },
  },
  "an action for a HELO that passes comes last": {
    reason:
      "It is answered, where policyd-spf answers None, which Postfix takes for a broken configuration. And it does not let in what MAIL FROM refuses: a HELO name of one's own is easily had.",
    cases: { "passres-480": ["helo_passed_spf"], "passres-492": REJECTED },
  },
  "no Mock": {
    reason:
      "It was for Postfix before 3.0, which hid the first header from milters. policyd-spf takes any value for true.",
    cases: {
      "mock-502": REJECTED,
      "mock-503": REJECTED,
      "mock-505": REJECTED,
      "mock-506": ["tag pass mailfrom", "dunno"],
      "order-712": UNTOLD,
    },
  },
  "report mode tags": {
    reason:
      'mode = "report" gives the header and logs the refusal that it would have been; TestOnly = 0 gives neither.',
    cases: {
      "testonly-509": ["tag fail helo"],
      "testonly-510": ["tag permerror mailfrom"],
      "testonly-514": ["tag fail mailfrom"],
      "testonly-517": PASS,
      "multi-531": ["tag fail mailfrom", "dunno"],
    },
  },
  "every recipient gets the same code": {
    reason: "policyd-spf forgets that it was a permerror.",
    cases: { "multi-523": ["550 5.7.24", "550 5.7.24"] },
  },
  "headers only where Postfix takes them": {
    reason: "PREPEND is ignored with a warning at HELO and END-OF-MESSAGE, and there is no message at VRFY.",
    cases: { "state-540": UNTOLD, "state-544": UNTOLD, "state-546": UNTOLD },
  },
  "no crash": {
    reason: "What ends policyd-spf is an error of the configuration that is told at once, or a value that can be had.",
    cases: {
      "header-368": PASS,
      "header-369": PASS,
      "reason-396": REJECTED,
      "testonly-518": PASS,
      "config-674": PASS,
      "odd-551": PASS,
      "odd-553": ["tag none helo"],
      "odd-587": NONE,
    },
  },
  "the domain stands behind the last @": {
    reason: 'RFC 5321: a quoted local part such as "a@b" may hold others.',
    cases: { "odd-557": PASS },
  },
  "attribute names are taken as they are": {
    reason: 'Postfix writes no blanks around them, so that " client_address " is another name, and there is no client.',
    cases: { "odd-596": UNTOLD },
  },
  "an explanation does not end the reply": {
    reason: "Line ends in a domain's exp= text are put into the reply by policyd-spf, which ends it there.",
    cases: { "explain-620": ["tag fail helo"], "explain-623": ["tag fail mailfrom"] },
  },
  "MAIL FROM is checked without a HELO": {
    reason: "The Perl program gives up; RFC 7208 2.4 needs HELO for the null sender only.",
    cases: { "perl-047": PASS },
  },
};
