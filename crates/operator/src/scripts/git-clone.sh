#!/bin/sh
# Checks out exactly one commit into $GIT_CLONE_ROOT/$GIT_CLONE_DEST, and says which.
#
#   GIT_REPO_URL        where from; GIT_ALLOW_PROTOCOL names the only protocols that may be used
#   GIT_COMMIT          40 hexadecimal digits, or empty: the newest commit of the branch
#   GIT_BRANCH          the branch
#   GIT_PULL_REQUEST    the pull request's number, or empty
#   GIT_CLONE_CONTEXT   a folder of the commit that has to be in it, and must not lead out of it
#   INSTALLATION_ID     where the repository may be private: see git-credential-catalyst.sh
#
# Everything arrives in the environment and is used quoted: no value is ever read as shell, as an
# option or as a refspec of its own making.
set -eu
# The volume belongs to this pod alone, and its other containers may run as any user.
umask 0

stop() {
    printf '%s\n' "$1" >&2
    exit 1
}

dir=$GIT_CLONE_ROOT/${GIT_CLONE_DEST:-.}
mkdir -p -- "$dir"
cd -- "$dir"

# No configuration but this one: neither the image's, nor the user's, nor what an earlier commit's
# code left in a volume that outlives its pod. The file is read by the other end of a file:// URL
# too, which the environment's GIT_CONFIG_COUNT is not.
config=$(mktemp)
said=$(mktemp)
trap 'rm -f -- "$config" "$said"' EXIT
export GIT_CONFIG_GLOBAL="$config" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
cat > "$config" <<'CONFIG'
[safe]
	directory = *
[core]
	hooksPath = /dev/null
	# Larger files pass through, and are not held in memory: the container has little, whatever is in the repository.
	bigFileThreshold = 1m
	packedGitWindowSize = 16m
	packedGitLimit = 64m
[pack]
	threads = 1
	windowMemory = 32m
[init]
	defaultBranch = main
[fetch]
	# A pack is there as a whole or not at all: what was fetched by half is no commit that is there.
	unpackLimit = 1
[http]
	lowSpeedLimit = 1000
	lowSpeedTime = 60
[submodule]
	recurse = false
[advice]
	detachedHead = false
CONFIG
if [ -n "${INSTALLATION_ID:-}" ]; then
    # For this very repository, and not for whatever it may lead on to.
    git config --file "$config" "credential.$GIT_REPO_URL.helper" \
        "!sh '$(dirname -- "$0")/git-credential-catalyst.sh'"
    git config --file "$config" credential.useHttpPath true
fi
rm -rf -- .git/config .git/hooks .git/index.lock .git/shallow.lock .git/HEAD.lock
git init --quiet --template=

# What git says of a command that fails is kept, as the last line is what people read first.
telling() {
    if "$@" 2> "$said"; then
        cat "$said" >&2
    else
        cat "$said" >&2
        return 1
    fi
}
fetch() {
    telling git fetch --quiet --force --no-tags --no-recurse-submodules "$@"
}
# failed WHAT: ends with that, why, and what to do about it.
failed() {
    # Without the URL, which is said already: what is too long loses its middle.
    why=$(awk '/^(fatal|error): / { sub(/^[a-z]+: /, ""); print; exit }' "$said" | sed "s/'[^']*' *//g")
    case $(cat "$said") in
        *'No space left'* | *'Out of diskspace'*)
            todo='the node has no room for the repository' ;;
        *'not found'* | *'could not read Username'* | *'Authentication failed'* | *'not appear to be a git repository'* | *'does not exist'*)
            todo='check the URL in the Project, and that Catalyst may read the repository' ;;
        *'Could not resolve host'* | *'Failed to connect'* | *'onnection refused'* | *'timed out'*)
            todo='retry once it can be reached' ;;
        *'not our ref'* | *"couldn't find remote ref"* | *'unadvertised object'*)
            todo='the commit may have been replaced: push again' ;;
        *)
            todo='' ;;
    esac
    stop "$1${why:+: $why}${todo:+; $todo}"
}
has() {
    git cat-file -e "$1^{commit}" 2>/dev/null
}

branch=${GIT_BRANCH:-main}
git check-ref-format "refs/heads/$branch" || stop "\"$branch\" is not a branch name"

commit=${GIT_COMMIT:-}
if [ -z "$commit" ]; then
    printf 'Fetching branch %s\n' "$branch"
    fetch --depth 1 -- "$GIT_REPO_URL" "refs/heads/$branch" \
        || failed "branch $branch cannot be fetched from $GIT_REPO_URL"
    commit=$(git rev-parse --verify --quiet 'FETCH_HEAD^{commit}')
else
    case $commit in
        *[!0-9a-f]*) stop "\"$commit\" is not a commit id" ;;
    esac
    printf 'Fetching commit %s\n' "$commit"
    has "$commit" || fetch --depth 1 -- "$GIT_REPO_URL" "$commit" || :
    if ! has "$commit" && [ -n "${GIT_PULL_REQUEST:-}" ]; then
        printf 'Not served by itself; fetching pull request %s\n' "$GIT_PULL_REQUEST"
        fetch -- "$GIT_REPO_URL" "refs/pull/$GIT_PULL_REQUEST/head" || :
    fi
    if ! has "$commit"; then
        printf 'Fetching branch %s\n' "$branch"
        fetch -- "$GIT_REPO_URL" "refs/heads/$branch" \
            || failed "commit $commit cannot be fetched from $GIT_REPO_URL"
        has "$commit" \
            || stop "commit $commit cannot be fetched from $GIT_REPO_URL: branch $branch does not have it (any more): push again"
    fi
fi

telling git checkout --quiet --force --detach "$commit" -- || failed "commit $commit cannot be checked out"
[ "$(git rev-parse HEAD)" = "$commit" ] || stop "HEAD is not at $commit after the checkout"
if [ -n "${GIT_CLONE_CONTEXT:-}" ]; then
    # A link may lead anywhere in the pod that uses the folder.
    top=$(pwd -P)
    folder=$(cd -P -- "./$GIT_CLONE_CONTEXT" 2>/dev/null && pwd -P) \
        || stop "the commit has no folder \"$GIT_CLONE_CONTEXT\""
    case $folder/ in
        "$top"/*) ;;
        *) stop "\"$GIT_CLONE_CONTEXT\" leads out of the repository" ;;
    esac
fi
printf 'Checked out %s\n' "$commit"
