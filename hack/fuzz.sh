#!/bin/sh
# Runs every fuzz target for the given time, one after another.
set -eu
cd "$(dirname "$0")/.."
time=${1:-10s}
for package in $(go list ./pkg/...); do
	for target in $(go test -list '^Fuzz' "$package" 2>/dev/null | grep '^Fuzz' || true); do
		echo "$package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" | tail -1
	done
done
