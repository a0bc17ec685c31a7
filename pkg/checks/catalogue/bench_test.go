package catalogue

import (
	"fmt"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// large is a cluster of 100 nodes: Deployments of 20 pods, each of one container
// with five processes, all of it measured, and Secrets.
func large(deployments, secrets int) *fact.Set {
	set := clean()
	workload, worker := set.Workloads[0], set.Nodes[1]
	template := worker.Measured.Containers[0]
	set.Workloads, set.Nodes = nil, set.Nodes[:1]
	for i := range 100 {
		node := *worker.DeepCopy()
		node.Name = fmt.Sprintf("n%03d", i)
		node.Measured.Containers = nil
		set.Nodes = append(set.Nodes, node)
	}
	for i := range deployments {
		w := *workload.DeepCopy()
		w.Owner.Name = fmt.Sprintf("web-%03d", i)
		w.Pods = nil
		for j := range 20 {
			n := i*20 + j
			node := &set.Nodes[1+n%100]
			id := fmt.Sprintf("%064d", n)
			w.Pods = append(w.Pods, fact.Pod{
				Name: fmt.Sprintf("%s-%d", w.Owner.Name, j), UID: fmt.Sprint(n), Node: node.Name,
				Containers: []fact.ContainerStatus{{Name: "app", ID: id, Running: true}},
			})
			c := *template.DeepCopy()
			c.ID = id
			for k := range 4 {
				p := ft.Process()
				p.PID = n*10 + k
				c.Processes = append(c.Processes, p)
			}
			node.Measured.Containers = append(node.Measured.Containers, c)
		}
		set.Workloads = append(set.Workloads, w)
	}
	db := etcdOf(set)
	for i := range secrets {
		name := fmt.Sprintf("s%05d", i)
		set.Secrets = append(set.Secrets, fact.SecretName{Namespace: "shop", Name: name, ResourceVersion: fmt.Sprint(i + 1)})
		db.Secrets = append(db.Secrets, fact.StoredSecret{Namespace: "shop", Name: name, Revision: int64(i + 1), Class: fact.ClassAESCBC})
	}
	db.Total, db.Revision = len(db.Secrets), int64(len(db.Secrets))+1000
	return set
}

// 5,000 pods and 10,000 Secrets.
func BenchmarkRun(b *testing.B) {
	set := large(250, 10000)
	b.ReportAllocs()
	for b.Loop() {
		checks.Run(Whole(), set)
	}
}

// The large cluster is as clean as the small one.
func TestALargeCluster(t *testing.T) {
	result := checks.Run(built(), large(25, 1000))
	for _, a := range result.Answers {
		if a.Answer != "yes" {
			t.Errorf("%s: want yes, got %s (%s)", a.Question, a.Answer, a.Reason)
		}
	}
	// 14 checks of workloads, three of nodes, two of secrets.
	if want := 14*25 + 3*101 + 1002 + 1; len(result.Findings) != want {
		t.Errorf("want %d findings, one for each check and subject, got %d", want, len(result.Findings))
	}
}
