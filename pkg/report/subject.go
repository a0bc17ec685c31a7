package report

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// shortKinds are kubectl's short names.
var shortKinds = map[string]string{
	"Pod":                   "pod",
	"Deployment":            "deploy",
	"ReplicaSet":            "rs",
	"DaemonSet":             "ds",
	"StatefulSet":           "sts",
	"Job":                   "job",
	"CronJob":               "cj",
	"ReplicationController": "rc",
	"Node":                  "node",
	"Secret":                "secret",
	"Cluster":               "cluster",
	"Container":             "container",
	"File":                  "file",
}

// SubjectName names a subject in one word: "ds/kube-system/legacy-cni:agent",
// "secret/shop/db-password", "node/cp1", "container/3f2a... on w1".
func SubjectName(s fact.Subject) string {
	kind, known := shortKinds[s.Kind]
	if !known {
		kind = strings.ToLower(s.Kind)
	}
	name := kind
	for _, part := range []string{s.Namespace, s.Name} {
		if part != "" {
			name += "/" + part
		}
	}
	if s.Container != "" {
		name += ":" + s.Container
	}
	if s.Node != "" {
		name += " on " + s.Node
	}
	return name
}
