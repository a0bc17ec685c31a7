#!/bin/sh
# Runs real image builders in pods of the real cluster and checks that each is seen:
# buildah and podman of this Debian, and BuildKit built from its Go module. It takes
# minutes and the network, so that it is no part of the tests.
#
# usage: hack/builders/run.sh
set -eu
cd "$(dirname "$0")/../.."
buildkit=v0.24.0
missing=
for tool in buildah podman crun conmon; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || apt-get install -y --no-install-recommends $missing
cache="${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-checklist/builders-$buildkit"
if [ ! -x "$cache/buildkitd" ]; then
	mkdir -p "$cache"
	GOBIN="$cache" CGO_ENABLED=0 GOFLAGS= go install -trimpath -ldflags '-s -w' "github.com/moby/buildkit/cmd/buildkitd@$buildkit"
fi
KUBECTL_CHECKLIST_BUILDKITD="$cache/buildkitd" RUN='TestRealBuilders' sh hack/e2e/run.sh
