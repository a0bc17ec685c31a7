#!/bin/sh
# Starts the real cluster, runs every test that needs it, and takes it down,
# whatever happened. With KEEP=1 the cluster stays. RUN narrows the tests.
set -eu
cd "$(dirname "$0")/../.."
down() { [ "${KEEP-}" = 1 ] || hack/cluster/run down; }
trap down EXIT
trap 'exit 130' INT TERM
hack/cluster/run up
# One test at a time: they share the cluster.
go test ${GOTESTFLAGS-} -tags e2e -count=1 -p 1 -timeout 40m ${RUN:+-run "$RUN"} ./hack/e2e ./pkg/launch
