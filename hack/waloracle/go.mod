// Compares our reader of etcd's write-ahead log with etcd's own, in tests only.
module github.com/kubectl-checklist/kubectl-checklist/hack/waloracle

go 1.26.8

require (
	github.com/google/go-cmp v0.7.0
	github.com/kubectl-checklist/kubectl-checklist v0.0.0
	go.etcd.io/etcd/api/v3 v3.7.0
	go.etcd.io/etcd/server/v3 v3.7.0
	go.etcd.io/raft/v3 v3.7.0
	go.uber.org/zap v1.27.1
	google.golang.org/protobuf v1.36.12-0.20260120151049-f2248ac996af
)

replace github.com/kubectl-checklist/kubectl-checklist => ../..
