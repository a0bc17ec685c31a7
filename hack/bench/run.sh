#!/bin/sh
# Prints the figures of the built programs. Then runs the benchmarks of the readers, each
# with a second implementation in the same run.
set -eu
cd "$(dirname "$0")/../.."
go run ./hack/bench
echo
go run ./hack/bench/files
echo
go test -run '^$' -bench . -benchtime 1s ./pkg/collect/... ./pkg/debversion ./pkg/checks/... ./pkg/probe/wire 2>&1 | grep -E '^(Benchmark|pkg:|ok|FAIL)' | grep -v '^ok'
