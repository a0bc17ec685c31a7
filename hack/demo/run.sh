#!/bin/sh
# Starts the real cluster, plants a fault for each question, shows the tool
# finding them, and takes workloads from no to yes. Then everything is taken down.
# With KEEP=1 the cluster stays.
set -eu
cd "$(dirname "$0")/../.."
down() { [ "${KEEP-}" = 1 ] || hack/cluster/run down; }
trap down EXIT
trap 'exit 130' INT TERM
hack/cluster/run up
go run ./hack/demo
