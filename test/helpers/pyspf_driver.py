"""Runs pyspf over zones that come as JSON, one case per line on stdin, one result per line on stdout.

A case: {"zone": {"name|TYPE": [value, ...] or "SERVFAIL"}, "ip", "sender", "helo", "lookups", "voids"}. TXT values are
latin1 text, MX values [preference, name]; names are in lower case without a trailing dot.
"""
import json
import sys

import spf


def lookup_in(zone):
    def lookup(name, qtype, strict=True, timeout=None):
        name = str(name).lower()
        for kind in (qtype, "CNAME"):
            values = zone.get(name + "|" + kind, [])
            if values == "SERVFAIL":
                raise spf.TempError("DNS servfail")
            if values:
                return [((name, kind), decode(kind, value)) for value in values]
        return []

    return lookup


def decode(kind, value):
    if kind == "TXT":
        return (value.encode("latin1"),)
    if kind == "MX":
        return (value[0], value[1])
    return value


for line in sys.stdin:
    case = json.loads(line)
    spf.DNSLookup = lookup_in(case["zone"])
    spf.MAX_LOOKUP = case["lookups"]
    spf.MAX_VOID_LOOKUPS = case["voids"]
    try:
        query = spf.query(i=case["ip"], s=case["sender"], h=case["helo"], receiver="mx.example.net", strict=True)
        result, _, text = query.check()
    except Exception as problem:  # what it crashes on is a result, too
        result, text = "crash", repr(problem)
    print(json.dumps([result, str(text)]), flush=True)
