#!/bin/sh
# Writes what is needed to tell how this repository is run into the container's termination
# message: at most 4096 bytes, one fact a line, as  <fact> TAB <directory> TAB <value>.
#
# The files are a stranger's: they are searched, never run; values are cut, and lose whatever
# could end a line early.
set -u
LC_ALL=C
export LC_ALL
cd -- "$GIT_CLONE_ROOT" || exit 1
facts=$(mktemp)
trap 'rm -f -- "$facts"' EXIT

clean() {
    tr '\t\r' '  ' | tr -d '\000-\010\013\014\016-\037\177' | cut -c "1-${1:-200}"
}
fact() {
    printf '%s\t%s\t%s\n' "$1" "$2" "$3"
}
# Each line of the input as a fact.
facts_of() {
    clean "${3:-200}" | while IFS= read -r line; do
        if [ -n "$line" ]; then fact "$1" "$2" "$line"; fi
    done
}
# The beginning of a regular file; nothing for anything else.
text() {
    if [ -f "$1" ]; then head -c 262144 -- "$1" 2>/dev/null; fi
}

# The keys of a package.json that matter. A small reader of JSON: strings keep their escapes.
package_json() {
    text "$1/package.json" | awk '
        { json = json $0 "\n" }
        function say(fact, value) { gsub(/[\t\r\n]/, " ", value); printf "%s\t%s\t%s\n", fact, dir, substr(value, 1, 300) }
        function string(value) {
            if (depth == 1 && key[1] ~ /^(packageManager|main)$/) say(key[1], value)
            if (depth == 2 && key[1] == "engines" && key[2] == "node") say("node", value)
            if (depth == 2 && key[1] == "scripts" && key[2] ~ /^(dev|develop|start:dev|serve|start|preview|build)$/) say("script", key[2] "=" value)
            if (depth == 2 && key[1] ~ /^(devDependencies|dependencies)$/) dependencies++
        }
        END {
            dir = ENVIRON["DIRECTORY"]
            n = length(json); i = 1; depth = 0; dependencies = 0
            while (i <= n) {
                c = substr(json, i, 1)
                if (c == "\"") {
                    start = ++i
                    while (i <= n && (c = substr(json, i, 1)) != "\"") i += (c == "\\") ? 2 : 1
                    word = substr(json, start, i - start)
                    if (object[depth] && !valued[depth]) key[depth] = word
                    else string(word)
                }
                else if (c == "{" || c == "[") {
                    if (depth == 1 && key[1] == "workspaces") workspaces = 1
                    depth++; object[depth] = (c == "{"); valued[depth] = 0; key[depth] = ""
                }
                else if (c == "}" || c == "]") depth--
                else if (c == ":") valued[depth] = 1
                else if (c == ",") valued[depth] = 0
                i++
            }
            say("dependencies", dependencies)
            if (workspaces) say("workspaces", "yes")
        }'
}

# Where a program listens: from the environment, or on a port of its own.
listens() {
    for file in "$@"; do
        [ -f "$file" ] || continue
        if text "$file" | grep -qE "(env|environ|getenv|Getenv|var|env_var|LookupEnv)(\.|\[['\"]|\.get\(['\"]|\(['\"])PORT"; then
            fact port "$dir" environment
            return
        fi
    done
    for file in "$@"; do
        port=$(text "$file" | grep -oiE "(listen(_and_serve)?\( *|port['\"]? *[:=]+ *|['\"(:]:|0\.0\.0\.0:|127\.0\.0\.1:|localhost:|\[[0-9., ]+\], *)[0-9]{4,5}([^0-9]|\$)" \
            | grep -oE '[0-9]{4,5}' | head -n 1)
        if [ -n "$port" ]; then
            fact port "$dir" "$port"
            return
        fi
    done
}

python() {
    for file in requirements.txt pyproject.toml Pipfile setup.py setup.cfg; do text "$dir/$file"; done \
        | tr 'A-Z' 'a-z' | grep -oE '[a-z0-9_.-]+' \
        | grep -xE 'flask|django|fastapi|standard|uvicorn|streamlit|starlette|quart|gradio|poetry-core|tool.poetry' \
        | sort -u | facts_of python "$dir"
    left=50
    for file in "$dir"/app.py "$dir"/main.py "$dir"/wsgi.py "$dir"/asgi.py "$dir"/server.py "$dir"/run.py \
        "$dir"/application.py "$dir"/*.py "$dir"/*/__init__.py "$dir"/*/app.py "$dir"/*/main.py \
        "$dir"/src/*/__init__.py "$dir"/src/*/app.py "$dir"/src/*/main.py; do
        case $file in */test*) continue ;; esac
        if ! [ -f "$file" ]; then continue; fi
        left=$((left - 1))
        if [ "$left" -lt 0 ]; then break; fi
        name=${file#"$dir"/}
        text "$file" | grep -oE '^([A-Za-z_][A-Za-z0-9_]*)( *: *[A-Za-z_.]+)? *= *([A-Za-z_]+\.)?(Flask|FastAPI|Starlette|Quart)\(' \
            | sed -E 's/^([A-Za-z0-9_]+).*[ =.](Flask|FastAPI|Starlette|Quart)\($/\1 \2/' \
            | head -n 1 | while read -r variable framework; do printf '%s:%s:%s\n' "$name" "$variable" "$framework"; done
        if text "$file" | grep -qE '^def (create|make)_app *\('; then printf '%s:factory:Flask\n' "$name"; fi
        if text "$file" | grep -qE '^(import streamlit|from streamlit)'; then printf '%s:-:Streamlit\n' "$name"; fi
    done 2>/dev/null | awk '!seen[$0]++' | head -n 4 | facts_of application "$dir"
    listens "$dir"/app.py "$dir"/main.py "$dir"/server.py "$dir"/run.py
}

makefile() {
    for name in GNUmakefile makefile Makefile; do
        [ -f "$dir/$name" ] || continue
        text "$dir/$name" | awk '
            /^[A-Za-z0-9_-]+[ \t]*:([^=]|$)/ { split($0, part, /[ \t]*:/); target = part[1]; if (target ~ /^(dev|run|serve|start)$/) seen[++targets] = target }
            /^\t/ { if (/docker|podman|kubectl/) container[target] = 1 }
            END { for (i = 1; i <= targets; i++) print seen[i] (container[seen[i]] ? "=container" : "=") }' | facts_of make "$dir"
        return
    done
}

examine() {
    dir=$1
    DIRECTORY=$dir
    export DIRECTORY
    ls -A1 -- "$dir" 2>/dev/null \
        | grep -ixE 'package\.json|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lockb?|deno\.jsonc?|\.nvmrc|\.node-version|\.python-version|requirements\.txt|pyproject\.toml|pipfile(\.lock)?|poetry\.lock|uv\.lock|setup\.py|manage\.py|(app|main|server|run|wsgi|asgi)\.py|go\.mod|main\.go|cargo\.toml|gnumakefile|makefile|procfile|index\.html|dockerfile(\..*)?|(docker-)?compose\.ya?ml|gemfile|composer\.json|pom\.xml|build\.gradle(\.kts)?|mix\.exs|(server|index|app|main)\.(js|mjs|cjs|ts)' \
        | head -n 40 | while IFS= read -r name; do
            if [ -f "$dir/$name" ]; then printf '%s\n' "$name"; fi
        done | facts_of file "$dir" 60

    if [ -f "$dir/package.json" ]; then
        package_json "$dir"
        text "$dir/pnpm-lock.yaml" | head -n 5 | grep -oE "^lockfileVersion: *['\"]?[0-9]+" | grep -oE '[0-9]+$' | facts_of pnpm-lock "$dir"
        if text "$dir/yarn.lock" | head -n 12 | grep -q '^__metadata:'; then fact yarn "$dir" berry; fi
        listens "$dir"/server.js "$dir"/app.js "$dir"/index.js "$dir"/main.js "$dir"/server.mjs "$dir"/index.mjs \
            "$dir"/server.cjs "$dir"/server.ts "$dir"/index.ts "$dir"/app.ts "$dir"/bin/www \
            "$dir"/src/server.js "$dir"/src/app.js "$dir"/src/index.js "$dir"/src/main.js \
            "$dir"/src/server.ts "$dir"/src/app.ts "$dir"/src/index.ts "$dir"/src/main.ts
    fi
    for name in .nvmrc .node-version; do text "$dir/$name"; done | head -n 1 | facts_of node-version "$dir" 20
    text "$dir/.python-version" | head -n 1 | facts_of python-version "$dir" 20
    for name in requirements.txt pyproject.toml Pipfile setup.py manage.py app.py main.py; do
        if [ -f "$dir/$name" ]; then python; break; fi
    done
    if [ -f "$dir/go.mod" ]; then
        if text "$dir/main.go" | grep -q '^package main' || cat -- "$dir"/*.go 2>/dev/null | head -c 262144 | grep -q '^package main'; then
            fact go "$dir" .
        fi
        for name in "$dir"/cmd/*/main.go; do
            if [ -f "$name" ]; then name=${name#"$dir"/}; fact go "$dir" "./${name%/main.go}"; fi
        done | head -n 3
        listens "$dir"/*.go "$dir"/cmd/*/main.go
    fi
    if [ -f "$dir/Cargo.toml" ]; then
        for name in "$dir"/src/main.rs "$dir"/src/bin/*.rs; do
            if [ -f "$name" ]; then fact rust "$dir" "${name#"$dir"/}"; break; fi
        done
        listens "$dir"/src/main.rs "$dir"/src/bin/*.rs
    fi
    makefile
    text "$dir/Procfile" | grep -E '^web:' | head -n 1 | sed -E 's/^web: *//' | facts_of procfile "$dir" 300
    for name in "$dir" "$dir/public" "$dir/dist" "$dir/docs" "$dir/site" "$dir/www" "$dir/static" "$dir/_site"; do
        if [ -f "$name/index.html" ]; then fact site "$dir" "${name#"$dir"/}"; fi
    done
}

{
    fact version . 1
    fact commit . "$(GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' git rev-parse HEAD)"
    examine .
    ls -A1 | grep -vx .git | head -n 12 | facts_of name . 40
    room=12
    for directory in web app frontend backend packages/*; do
        case $directory in *[!A-Za-z0-9._/@-]*) continue ;; esac
        if [ -d "$directory" ] && [ "$room" -gt 0 ]; then
            room=$((room - 1))
            examine "$directory"
        fi
    done
} > "$facts"
# An awk: whole lines only, and a last one that says whether all of them are here.
awk '
    { size += length($0) + 1; if (size > 4000) { cut = 1; exit } print }
    END { print (cut ? "cut" : "end") "\t.\t" }' "$facts" | tee "${TERMINATION_LOG:-/dev/termination-log}"
