# Where things are, for the scripts of this folder. Sourced, never run.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# What is kept between runs: programs, images, certificates, the registry's blobs.
cache=${CATALYST_KUBERNETES_CACHE:-$HOME/.cache/catalyst-kubernetes}
# What one run leaves behind, and `down` removes.
state=${CATALYST_KUBERNETES_STATE:-/tmp/catalyst-kubernetes}
run=/run/catalyst-kubernetes
bin=$cache/bin
pki=$cache/pki
network=$run/network
socket=$run/containerd.sock
# The node, the pods of this one node, and Services. None of them leaves the network namespace.
node=10.245.0.1 pods=10.244.0.0/16 services=10.96.0.0/16
registry=localhost:5000
# The same registry, as pods reach it.
registry_service=registry.default.svc.cluster.local:5000
dashboard=dashboard.catalyst.dev previews=preview.catalyst.dev github=github.catalyst.dev

fail() { echo "$*" >&2; exit 1; }

# In the cluster's network.
inside() { nsenter --net="$network" "$@"; }

# until_ok SECONDS COMMAND…: asks again until it succeeds, and shows its last words if it never does.
until_ok() {
  local deadline=$((SECONDS + $1)) said; shift
  until said=$("$@" 2>&1); do
    [ $SECONDS -lt $deadline ] || fail "gave up waiting for: $* ($said)"
    sleep 0.2
  done
}
