#!/bin/sh
# Runs every fuzz target for the given time, one after another. New inputs are
# minimized in only a few steps. By default that takes a minute for each input, in
# which nothing else is tried, and a database of 27 KB never finishes.
set -eu
cd "$(dirname "$0")/.."
time=${1:-10s}
for package in $(go list ./pkg/...); do
	for target in $(go test -list '^Fuzz' "$package" 2>/dev/null | grep '^Fuzz' || true); do
		echo "$package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x "$package" | tail -1
	done
done
