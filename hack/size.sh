#!/bin/sh
# Fails if the plugin for linux/amd64 is larger than its limit: sh hack/size.sh FILE
set -eu
file=$1
limit=64000000
if [ "$(${GO:-go} env GOOS)/$(${GO:-go} env GOARCH)" != linux/amd64 ]; then
	exit 0
fi
size=$(($(wc -c <"$file")))
if [ "$size" -gt "$limit" ]; then
	echo "$file: expected at most $limit bytes, found $size: $((size - limit)) too many." >&2
	echo "What to look at: docs/dependencies.md, \"The plugin's size\". A dependency that looks up" >&2
	echo "methods by name adds 12 MB: go test ./cmd/kubectl-checklist -run TestNoMethodByName" >&2
	exit 1
fi
