#!/bin/sh
# Loads a dump into a database, with the client that the database's own image has.
#
#   RESTORE_CLIENT              postgres or mysql
#   DUMP_FILE, DUMP_NAME        the dump, and what people call it
#   DUMP_SPACE                  a folder to unpack into
#   RESTORE_HOST, RESTORE_PORT  where the database is; the client's own variables say the rest
set -eu

# Files are what they begin with, whatever they are called.
begins_with() {
    [ "$(od -An -tx1 -N"$2" "$1" | tr -d ' \n')" = "$3" ]
}

fail() {
    echo "restore: $1" >&2
    exit 1
}

file=$DUMP_FILE
[ -f "$file" ] || fail "there is no file $DUMP_NAME"
if begins_with "$file" 2 1f8b; then
    # Unpacked before anything is loaded: half a dump must not pass for a whole one.
    gzip -dc < "$file" > "$DUMP_SPACE/unpacked" || fail "$DUMP_NAME cannot be unpacked"
    file=$DUMP_SPACE/unpacked
fi

case $RESTORE_CLIENT in
postgres)
    export PGHOST="$RESTORE_HOST" PGPORT="$RESTORE_PORT" PGUSER="${PGUSER:-postgres}"
    export PGDATABASE="${PGDATABASE:-$PGUSER}"
    # In one transaction: what fails half-way leaves nothing, and can be tried again.
    if begins_with "$file" 5 5047444d50; then
        pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname "$PGDATABASE" "$file"
    else
        psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --single-transaction --file "$file"
    fi
    ;;
mysql)
    client=mysql
    command -v mysql > /dev/null 2>&1 || client=mariadb
    "$client" --host="$RESTORE_HOST" --port="$RESTORE_PORT" --user=root "$RESTORE_DATABASE" < "$file"
    ;;
*)
    fail "$RESTORE_CLIENT is no client that is known here"
    ;;
esac
echo "loaded $DUMP_NAME"
