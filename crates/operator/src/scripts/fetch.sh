#!/bin/sh
# Fetches a dump from an address, over https alone, with whichever program there is.
#
#   DUMP_URL    the address
#   DUMP_FILE   where it goes
set -eu
case $DUMP_URL in
https://*) ;;
*)
    echo "fetch: $DUMP_URL is no https:// address" >&2
    exit 2
    ;;
esac
# What it writes to stderr becomes the reason that people read; an address may be signed.
shown=${DUMP_URL%%\?*}
if command -v curl > /dev/null 2>&1; then
    set -- curl --fail --silent --show-error --location --proto =https --proto-redir =https --output "$DUMP_FILE" -- "$DUMP_URL"
elif command -v wget > /dev/null 2>&1; then
    set -- wget -q -O "$DUMP_FILE" -- "$DUMP_URL"
else
    echo "fetch: there is neither curl nor wget in this image" >&2
    exit 127
fi
if "$@"; then
    echo "fetched $shown ($(wc -c < "$DUMP_FILE") bytes)"
else
    echo "fetch: $shown cannot be fetched" >&2
    exit 1
fi
