"""Reads files of policyd-spf with its own reader: one JSON string per line on stdin, one result per line.

A result is the object of the options that the file sets, or null if the program does not start with it.
"""
import json
import sys
import tempfile

import spf_engine.policydspfsupp as supp

for line in sys.stdin:
    with tempfile.NamedTemporaryFile("w", encoding="utf8", newline="") as file:
        file.write(json.loads(line))
        file.flush()
        try:
            read = supp._readConfigFile(file.name, {}, {"debugLevel": -1})
        except ValueError:
            read = None
    print(json.dumps(read), flush=True)
