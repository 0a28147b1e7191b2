#!/bin/sh
# Reports what the checkout in $GIT_CLONE_ROOT holds: its commit, the names of its files, and the
# beginning-to-end content of those that say how it is run, on standard output, as
#
#   catalyst-inspection 2
#   <base64 of gzip of: "commit SHA", "name PATH", "link PATH", "file BYTES PATH" and the bytes>
#   end
#
# What lies in $INSPECT_PATH comes first, if there is not room for all. The files are a stranger's:
# they are copied, never run, and symbolic links are named, not followed.
set -u
LC_ALL=C
export LC_ALL
cd -- "$GIT_CLONE_ROOT" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT

# At most this many bytes once compressed: the report is kept in a ConfigMap.
most=700000
INSPECT_PATH=${INSPECT_PATH:-}
export INSPECT_PATH

find . \( -name .git -o -name node_modules -o -name .venv -o -name venv -o -name __pycache__ -o -name target \
    -o -name .next -o -name .nuxt -o -name .svelte-kit -o -name .terraform -o -name .gradle -o -name .idea \
    -o -name .tox -o -name .mypy_cache -o -name .pytest_cache -o -name bower_components -o -name .pnpm-store \
    -o -name .yarn -o -name _build \) -prune \
    -o \( -type f -o -type l \) -print 2>/dev/null \
    | sed 's|^\./||' | awk '
        BEGIN { first = ENVIRON["INSPECT_PATH"] }
        # In the order of their weight, like the reader of a folder does; at most eight levels deep.
        /[\001-\037\177]/ { next }
        {
            depth = gsub("/", "/"); if (depth > 8) next
            name = tolower($0); sub(".*/", "", name)
            rank = 3
            if (name ~ /compose/ || name ~ /^kustomization/ || name ~ /^\.env/) rank = 0
            else if (name ~ /(\.lock|-lock\.json|-lock\.yaml|\.lockb|\.sum|\.svg|\.csv|\.map|\.min\.js|\.md|\.ipynb)$/) rank = 4
            else if (name ~ /\.ya?ml$/ || name == "package.json" || name ~ /dockerfile/) rank = 1
            else if (name ~ /(\.json|\.toml|\.env|\.conf|\.cnf|\.ini|\.cfg|\.properties|\.sql|\.sh|\.txt)$/ || name !~ /\./) rank = 2
            else if (name ~ /\.(png|jpe?g|gif|webp|ico|pdf|zip|gz|tgz|jar|woff2?|ttf|eot|mp[34]|mov|avif|wasm|so|exe|bin|db|sqlite)$/) rank = 9
            if (first != "" && ($0 == first || substr($0, 1, length(first) + 1) == first "/")) rank = rank == 9 ? 9 : 0
            printf "%d %02d %s\n", rank, depth, $0
        }' | sort | head -n 20000 > "$work/list"

report() {
    printf 'commit %s\n' "$(GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' git rev-parse HEAD)"
    left=$1
    count=0
    while IFS= read -r line; do
        path=${line#? ?? }
        if [ -h "$path" ]; then
            printf 'link %s\n' "$path"
            continue
        fi
        if ! [ -f "$path" ]; then continue; fi
        case $line in
            9*) ;;
            *)
                count=$((count + 1))
                if [ "$count" -le 3000 ] && size=$(wc -c < "$path" 2>/dev/null) && [ "$size" -le 524288 ] && [ "$size" -le "$left" ]; then
                    left=$((left - size))
                    printf 'file %d %s\n' "$size" "$path"
                    cat -- "$path"
                    echo
                    continue
                fi
                ;;
        esac
        printf 'name %s\n' "$path"
    done < "$work/list"
}

for room in 8388608 2097152 614400; do
    report "$room" | gzip -c > "$work/report"
    if [ "$(wc -c < "$work/report")" -le "$most" ]; then break; fi
done
echo 'catalyst-inspection 2'
base64 < "$work/report"
echo end
