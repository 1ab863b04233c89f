"""Parses configurations of postsrsd 2 with libconfuse itself: JSON lines on stdin, the first with the types of options.

A result is the object of the options that were set, or the text of the first error.
"""
import ctypes
import json
import os
import sys

library = ctypes.CDLL("libconfuse.so.2")
TYPES = {"integer": 1, "string": 3, "list": 3, "flag": 4}
LIST, NODEFAULT, MODIFIED = 1 << 1, 1 << 4, 1 << 12


class Default(ctypes.Structure):
    _fields_ = [("number", ctypes.c_long), ("fpnumber", ctypes.c_double), ("boolean", ctypes.c_int),
                ("string", ctypes.c_char_p), ("parsed", ctypes.c_char_p)]


class Option(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("comment", ctypes.c_char_p), ("type", ctypes.c_int),
                ("nvalues", ctypes.c_uint), ("values", ctypes.c_void_p), ("flags", ctypes.c_int),
                ("subopts", ctypes.c_void_p), ("default", Default), ("func", ctypes.c_void_p),
                ("simple", ctypes.c_void_p), ("parsecb", ctypes.c_void_p), ("validcb", ctypes.c_void_p),
                ("validcb2", ctypes.c_void_p), ("pf", ctypes.c_void_p), ("freecb", ctypes.c_void_p)]


ERROR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
library.cfg_init.restype = ctypes.c_void_p
library.cfg_init.argtypes = [ctypes.c_void_p, ctypes.c_int]
library.cfg_set_error_function.argtypes = [ctypes.c_void_p, ERROR]
library.cfg_parse_buf.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
library.cfg_getopt.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
library.cfg_getopt.restype = ctypes.POINTER(Option)
for name, kind in (("str", ctypes.c_char_p), ("int", ctypes.c_long), ("bool", ctypes.c_int)):
    function = getattr(library, "cfg_opt_getn" + name)
    function.argtypes = [ctypes.POINTER(Option), ctypes.c_uint]
    function.restype = kind


def parse(text, types):
    options = (Option * (len(types) + 1))()
    for option, (name, kind) in zip(options, types.items()):
        option.name, option.type = name.encode(), TYPES[kind]
        option.flags = LIST if kind == "list" else NODEFAULT
        option.default.parsed = b"{}" if kind == "list" else None
    errors = []
    note = ERROR(lambda cfg, form, args: errors.append(form.decode()))
    cfg = library.cfg_init(options, 0)
    library.cfg_set_error_function(cfg, note)
    if library.cfg_parse_buf(cfg, text.encode()) != 0:
        return errors[0] if errors else "refused"
    found = {}
    for name, kind in types.items():
        option = library.cfg_getopt(cfg, name.encode())
        if not option.contents.flags & MODIFIED:
            continue
        get = {"integer": library.cfg_opt_getnint, "flag": library.cfg_opt_getnbool}.get(kind, library.cfg_opt_getnstr)
        values = [get(option, index) for index in range(option.contents.nvalues)]
        values = [value.decode("latin1") if isinstance(value, bytes) else value for value in values]
        found[name] = values if kind == "list" else bool(values[0]) if kind == "flag" else values[0]
    return found


types = json.loads(sys.stdin.readline())
for line in sys.stdin:
    # In a process of its own: after a string without end, the scanner of libconfuse goes on in it.
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        print(json.dumps(parse(json.loads(line), types)), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
