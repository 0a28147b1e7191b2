#!/bin/sh
# Renders the chart in the checkout in $GIT_CLONE_ROOT, and reports what helm makes of it on standard
# output, in the form in which inspect.sh reports a checkout:
#
#   catalyst-inspection 2
#   <base64 of gzip of: "commit SHA", then "file BYTES rendered/N.yaml" and the bytes>
#   end
#
# If rendering it once more gives something else, that is there too, as again/N.yaml; if helm refuses
# the chart, what it says, as error. What may be otherwise a minute later ends the container with an
# exit code instead.
#
#   CHART_PATH           where the chart is, relative to the checkout
#   CHART_RELEASE        the release's name
#   CHART_NAMESPACE      the namespace that it is for
#   CHART_VALUES         the file with its values
#   CHART_REPOSITORIES   addresses of repositories that its dependencies are in, separated by spaces
#   CHART_KUBERNETES     the version of Kubernetes that it is for
#
# The chart is a stranger's. It has no cluster to look into, and finds in this pod nothing but itself.
set -u
LC_ALL=C
export LC_ALL
cd -- "$GIT_CLONE_ROOT" || exit 1
top=$(pwd -P)
export top
work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT
mkdir "$work/parts" "$work/parts/rendered" "$work/parts/again" "$work/none"

command -v helm > /dev/null || { echo 'there is no helm here; CATALYST_HELM_IMAGE names the image' >&2; exit 1; }

# At most this many bytes once compressed: the report comes by way of a log.
most=700000
commit=$(cat .git/HEAD) || exit 1
chart=./${CHART_PATH:-.}

# Neither settings nor plugins nor a cluster of the image's or of anybody else's.
export HOME="$work" HELM_CACHE_HOME="$work/cache" HELM_CONFIG_HOME="$work/config" HELM_DATA_HOME="$work/data"
export HELM_PLUGINS="$work/none"
unset KUBECONFIG KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT HELM_REPOSITORY_CONFIG HELM_REPOSITORY_CACHE HELM_REGISTRY_CONFIG

report() {
    {
        printf 'commit %s\n' "$commit"
        cd "$work/parts" || exit 1
        for file in rendered/* again/* error; do
            [ -f "$file" ] || continue
            printf 'file %d %s\n' "$(wc -c < "$file")" "$file"
            cat -- "$file"
            echo
        done
    } | gzip -c > "$work/report"
    echo 'catalyst-inspection 2'
    base64 < "$work/report"
    echo end
}

# What only another commit, other values or another template changes: these words, or helm's own.
refuse() {
    rm -rf "$work/parts/rendered" "$work/parts/again"
    [ -z "${1:-}" ] || printf '%s\n' "$1" > "$work/said"
    head -c 8000 "$work/said" > "$work/parts/error"
    report
    exit 0
}

# helm follows links, and they may lead out of the checkout: then there is nothing where they lead.
find . -path ./.git -prune -o -type l -exec sh -c '
    for link; do
        case $(readlink -f "$link") in
            "$top"/*) ;;
            *) rm -f "$link" ;;
        esac
    done' sh {} +

# Charts that are in charts/ already are not fetched again.
helm dependency list "$chart" > "$work/needed" 2> "$work/said" || refuse
if awk '/^WARNING:/ { next } NR > 1 && NF && $NF !~ /^(ok|unpacked)$/ { found = 1 } END { exit !found }' "$work/needed"; then
    count=0
    for repository in ${CHART_REPOSITORIES:-}; do
        count=$((count + 1))
        helm repo add "repository-$count" "$repository" > /dev/null || exit 1
    done
    if ! timeout 120 helm dependency build "$chart" > /dev/null 2> "$work/said"; then
        grep -q 'out of sync' "$work/said" && refuse
        echo "its dependencies cannot be fetched: $(tail -n 1 "$work/said" | head -c 400)" >&2
        exit 1
    fi
fi

render() {
    (
        # A chart can render to anything.
        ulimit -f 16384
        timeout 60 helm template "$CHART_RELEASE" "$chart" --namespace "$CHART_NAMESPACE" \
            --values "$CHART_VALUES" --kube-version "$CHART_KUBERNETES" --skip-tests > "$1" 2> "$work/said"
    )
}

# Cut between lines, into pieces of a size that is read.
pieces() {
    awk -v place="$work/parts/$1" '
        BEGIN { number = 1000; file = place "/" number ".yaml" }
        {
            if (size > 0 && size + length($0) > 400000) { close(file); number++; size = 0; file = place "/" number ".yaml" }
            print > file
            size += length($0) + 1
        }' "$2"
}

render "$work/first"
code=$?
case $code in
    0) ;;
    124 | 143) refuse 'it is not done after 60 seconds; does a template go round in circles?' ;;
    137) refuse 'it needs more memory than there is for it; does a template go round in circles?' ;;
    153) refuse 'it renders to more than 8 MiB' ;;
    *) refuse ;;
esac
pieces rendered "$work/first"
if render "$work/second" && ! cmp -s "$work/first" "$work/second"; then
    pieces again "$work/second"
fi
report > "$work/whole"
if [ "$(wc -c < "$work/report")" -gt "$most" ]; then
    refuse 'it renders to more than can be kept of it (700 kB compressed)'
fi
cat "$work/whole"
