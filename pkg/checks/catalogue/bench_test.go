package catalogue

import (
	"fmt"
	"runtime"
	"testing"
	"time"

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
				Containers: []fact.ContainerStatus{
					{Name: "app", ID: id, Running: true}, {Name: "vault-agent-init", ID: "init" + id[4:], Terminated: true, ExitCode: ft.Ptr(int32(0))},
				},
			})
			c := *template.DeepCopy()
			c.ID = id
			for k := range 4 {
				p := ft.Process()
				ft.Bare(&p)
				p.PID = n*10 + k
				c.Processes = append(c.Processes, p)
			}
			node.Measured.Containers = append(node.Measured.Containers, c)
		}
		set.Workloads = append(set.Workloads, w)
	}
	db := etcdOf(set)
	for i := range secrets {
		name := fmt.Sprintf("s%06d", i)
		set.Secrets = append(set.Secrets, fact.SecretName{Namespace: "shop", Name: name, ResourceVersion: fmt.Sprint(i + 1)})
		db.Secrets = append(db.Secrets, fact.StoredSecret{Namespace: "shop", Name: name, Revision: int64(i + 1), Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:key1:"})
	}
	db.Total, db.Revision = len(db.Secrets), int64(len(db.Secrets))+1000
	return set
}

// 5,000 pods and 10,000 Secrets.
func BenchmarkRun(b *testing.B) {
	set := large(250, 10000)
	b.ReportAllocs()
	for b.Loop() {
		checks.JudgeSet(Whole(), set)
	}
}

// silent is a cluster of so many nodes of which none was measured, a pod on
// each, and Secrets in the etcd of the one that was.
func silent(nodes, secrets int) *fact.Set {
	set := large(0, secrets)
	worker, workload := set.Nodes[1], clean().Workloads[0]
	set.Nodes = set.Nodes[:1]
	for i := range nodes {
		node := worker
		node.Name, node.Measured = fmt.Sprintf("n%06d", i), nil
		set.Nodes = append(set.Nodes, node)
		for _, kind := range fact.Kinds() {
			set.Gaps = append(set.Gaps, fact.Gap{What: kind, Subject: fact.Subject{Kind: "Node", Name: node.Name}, Reason: fact.NotReady})
		}
		w := workload
		w.Owner.Name = fmt.Sprintf("web-%06d", i)
		w.Pods = []fact.Pod{{
			Name: w.Owner.Name + "-0", UID: fmt.Sprint(i), Node: node.Name, Phase: "Running",
			Containers: []fact.ContainerStatus{{Name: "app", ID: fmt.Sprintf("%064d", i), Running: true}},
		}}
		set.Workloads = append(set.Workloads, w)
	}
	return set
}

// crowded is a node that runs so many containers, all of one pod.
func crowded(containers int) *fact.Set {
	set := large(0, 0)
	node, template := &set.Nodes[1], clean().Nodes[1].Measured.Containers[0]
	w := clean().Workloads[0]
	declared, status := w.Spec.Containers[0], w.Pods[0].Containers[0]
	w.Spec.Containers, w.Pods[0].Containers, w.Pods[0].Node = nil, nil, node.Name
	for i := range containers {
		declared.Name, status.Name = fmt.Sprintf("c%05d", i), fmt.Sprintf("c%05d", i)
		status.ID = fmt.Sprintf("%064d", i)
		w.Spec.Containers, w.Pods[0].Containers = append(w.Spec.Containers, declared), append(w.Pods[0].Containers, status)
		c := *template.DeepCopy()
		c.ID, c.PodUID = status.ID, w.Pods[0].UID
		node.Measured.Containers = append(node.Measured.Containers, c)
	}
	set.Workloads = []fact.Workload{w}
	return set
}

// BenchmarkDoubling judges a set and one of twice its size in turn, and reports
// how many times as long the larger takes: about two where judging is linear.
func BenchmarkDoubling(b *testing.B) {
	for _, size := range []struct {
		nodes, secrets, containers int
	}{{1000, 0, 0}, {5000, 0, 0}, {10_000, 0, 0}, {0, 10_000, 0}, {0, 100_000, 0}, {2000, 10_000, 0}, {0, 0, 4000}} {
		b.Run(fmt.Sprintf("nodes=%d/secrets=%d/containers=%d", size.nodes, size.secrets, size.containers), func(b *testing.B) {
			of := func(n int) *fact.Set {
				if size.containers > 0 {
					return crowded(n * size.containers)
				}
				return silent(n*size.nodes, n*size.secrets)
			}
			plan := Whole()
			var took [2]time.Duration
			for b.Loop() {
				for i := range took {
					// One set at a time: what the other holds would set the pace of the
					// garbage collector, which goes by the size of the heap.
					set := of(i + 1)
					for range 3 {
						runtime.GC()
						start := time.Now()
						checks.JudgeSet(plan, set)
						// The fastest counts: what else the machine does only adds.
						if d := time.Since(start); took[i] == 0 || d < took[i] {
							took[i] = d
						}
					}
				}
			}
			b.ReportMetric(float64(took[0].Milliseconds()), "ms")
			b.ReportMetric(float64(took[1])/float64(took[0]), "times-for-twice")
		})
	}
}

// The large cluster is as clean as the small one.
func TestALargeCluster(t *testing.T) {
	result := checks.JudgeSet(built(), large(25, 1000))
	for _, a := range result.Answers {
		if a.Answer != "yes" {
			t.Errorf("%s: want yes, got %s (%s)", a.Question, a.Answer, a.Reason)
		}
	}
	// 45 checks of workloads, 14 of them of what a container that has ended declares, one
	// of nodes and one of namespaces too, 18 of nodes, one of Secrets, 2 of the list of Secrets, one of ConfigMaps,
	// one of the namespace that was tried, and 11 of the one node with an API server and its etcd.
	if want := (45+14)*25 + 1 + 19*101 + 1002 + 2 + 1 + 1 + 11; len(result.Findings) != want {
		t.Errorf("want %d findings, one for each check and subject, got %d", want, len(result.Findings))
	}
}
