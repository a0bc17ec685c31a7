#!/bin/sh
# Runs every fuzz target for the given time, one after another. Inputs that are
# new are made smaller in a few steps only: by default that takes a minute for
# each, in which nothing else is tried, and a database of 27 KB is never done.
set -eu
cd "$(dirname "$0")/.."
time=${1:-10s}
for package in $(go list ./pkg/...); do
	for target in $(go test -list '^Fuzz' "$package" 2>/dev/null | grep '^Fuzz' || true); do
		echo "$package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x "$package" | tail -1
	done
done
