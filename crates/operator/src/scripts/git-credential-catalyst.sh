#!/bin/sh
# Tells git how to read a private repository: a git credential helper, which git asks only when the
# repository is not open to everyone.
#
#   INSTALLATION_ID      the GitHub App's installation that reaches the repository, or "pat"
#   CATALYST_WEB_URL     whom to ask
#   CATALYST_TOKEN_FILE  who we are: a token of this pod's, for Catalyst alone
#
# What is answered reads this one repository, for an hour. It goes to git and nowhere else.
set -eu
[ "${1:-}" = get ] || exit 0
cat > /dev/null

url=${CATALYST_WEB_URL%/}/api/git-token/$INSTALLATION_ID
ask() {
    token=$(cat -- "$CATALYST_TOKEN_FILE")
    if command -v curl > /dev/null; then
        printf 'header = "Authorization: Bearer %s"\n' "$token" \
            | curl --silent --show-error --fail --noproxy '*' --max-time 30 --config - -- "$url"
    elif command -v wget > /dev/null; then
        wget -q -T 30 -O - --header "Authorization: Bearer $token" "$url"
    else
        printf 'this image has neither curl nor wget, one of which reading a private repository takes\n' >&2
        return 1
    fi
}

# The web side may just be starting anew.
for pause in 1 3 ''; do
    if answer=$(ask) && [ -n "$answer" ]; then
        printf 'username=x-access-token\npassword=%s\n' "$answer"
        exit 0
    fi
    [ -z "$pause" ] || sleep "$pause"
done
printf 'Catalyst gave no credentials for %s (installation %s)\n' "${GIT_REPO_URL:-the repository}" "$INSTALLATION_ID" >&2
printf 'quit=1\n'
