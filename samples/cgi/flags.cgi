#!/bin/sh
# Which flags are up: what follows in the address names a mast, and a form posted here hoists one.
set -eu

if [ "$REQUEST_METHOD" = POST ]; then
    flag=$(head -c "$CONTENT_LENGTH" | tr -cd 'A-Za-z')
    # "See Other", so that reloading the page does not hoist it twice.
    printf 'Status: 303 See Other\nLocation: %s/%s\n\n' "$SCRIPT_NAME" "$flag"
    exit
fi

case ${PATH_INFO#/} in
    '') printf 'Status: 404 Not Found\nContent-Type: text/plain\n\nWhich mast? Say flags.cgi/north\n' ;;
    home) printf 'Location: %s/south\n\n' "${SCRIPT_NAME%/*}/flags.cgi" ;;
    *[!A-Za-z]*) printf 'Status: 400 Bad Request\nContent-Type: text/plain\n\nA mast has letters only.\n' ;;
    *) printf 'Content-Type: text/plain\n\nThe flag of %s is up.\n' "${PATH_INFO#/}" ;;
esac
