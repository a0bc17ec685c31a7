#!/bin/sh
# Runs gofumpt, go vet and staticcheck over the plugin's module, go vet over the other modules,
# and actionlint over workflows. Checks that generated code is up to date.
set -eu
cd "$(dirname "$0")/.."
tool() { go tool -modfile=hack/tools/go.mod "$@"; }

unformatted=$(tool gofumpt -l cmd pkg hack examples)
if [ -n "$unformatted" ]; then
	echo "not formatted (make generate fixes it):" >&2
	echo "$unformatted" >&2
	exit 1
fi
go vet -tags e2e ./...
go vet -tags 'e2e transit' ./hack/e2e
tool staticcheck -tags e2e ./...
tool actionlint .github/workflows/*.yml examples/ci/github/*.yaml
# The plugin is built for these platforms, but not tested on them: check only types.
for os in darwin windows; do
	GOOS=$os GOARCH=arm64 go vet ./pkg/api/... ./pkg/rootfs/... ./pkg/checks/... ./pkg/collect/node/... ./pkg/collect/stored/...
done
# 32 bits: a constant that does not fit into an int breaks the build. Tests too, because
# they show what 32 bits do: GOARCH=386 go test.
GOARCH=arm go vet ./cmd/kubectl-checklist ./pkg/...
for module in hack/atrest hack/browser hack/cluster hack/image hack/installation hack/kine hack/mendoracle hack/osvoracle hack/psaoracle hack/schema hack/vaporacle hack/waloracle; do
	go -C "$module" vet -tags 'e2e speed axe' ./...
done

before=$(cat pkg/api/*/zz_generated.deepcopy.go | sha256sum)
tool deepcopy-gen --output-file zz_generated.deepcopy.go --go-header-file hack/boilerplate.go.txt ./pkg/api/fact ./pkg/api/v1alpha1
after=$(cat pkg/api/*/zz_generated.deepcopy.go | sha256sum)
if [ "$before" != "$after" ]; then
	echo "deep copies were out of date and are updated now: commit pkg/api/*/zz_generated.deepcopy.go" >&2
	exit 1
fi
