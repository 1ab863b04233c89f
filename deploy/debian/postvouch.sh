#!/bin/sh
# The program with the runtime that this package has.
exec /usr/lib/postvouch/node /usr/lib/postvouch/dist/main.js "$@"
