#!/bin/sh
# Starts the real cluster, runs every test that needs it, and takes it down,
# whatever happened. With KEEP=1 the cluster stays. RUN narrows the tests.
#
# Tests of one package share a cluster and run one at a time: some stop a node or
# restart the API server. Without RUN or KEEP a second cluster beside the first
# one, in a network namespace of its own, runs pkg/launch's tests and the loop meanwhile, and then
# hack/atrest starts etcd and API servers alone: nearly all of the time is waiting.
set -eu
cd "$(dirname "$0")/../.."
log=$(mktemp)
second=
on_second() {
	KUBECTL_CHECKLIST_CLUSTER_PREFIX=klist2- KUBECTL_CHECKLIST_CLUSTER_STATE=/var/lib/kubectl-checklist-cluster-2 "$@"
}
down() {
	[ -z "$second" ] || { wait "$second" || :; on_second hack/cluster/run down; }
	[ "${KEEP-}" = 1 ] || hack/cluster/run down
	rm -f "$log"
}
trap down EXIT
trap 'exit 130' INT TERM
hack/cluster/run up
if [ -n "${RUN-}" ] || [ "${KEEP-}" = 1 ]; then
	go test ${GOTESTFLAGS-} -tags e2e -count=1 -p 1 -timeout 40m ${RUN:+-run "$RUN"} ./hack/e2e ./pkg/launch
	exit
fi
(
	status=0
	on_second hack/cluster/run up && on_second go test ${GOTESTFLAGS-} -tags e2e -count=1 -timeout 40m -run E2E ./pkg/launch || status=$?
	# The loop changes the control plane and all of its Secrets: it gets a new cluster.
	on_second hack/cluster/run down || status=$?
	on_second hack/cluster/run up && on_second go test ${GOTESTFLAGS-} -tags e2e -count=1 -timeout 40m -run 'TestLoop$' ./hack/e2e || status=$?
	go -C hack/atrest test ${GOTESTFLAGS-} -tags e2e -count=1 -timeout 20m -run 'TestAPIServer|TestRemains' . || status=$?
	exit "$status"
) >"$log" 2>&1 &
second=$!
status=0
go test ${GOTESTFLAGS-} -tags e2e -count=1 -timeout 40m -skip 'TestLoop$' ./hack/e2e || status=$?
wait "$second" || status=$?
cat "$log"
exit "$status"
