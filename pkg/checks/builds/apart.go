package builds

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// setApart recognises builders on nodes of their own and says so in their findings. Of is
// the workload of each finding, builds says which workloads build.
//
// A node is set apart if a taint keeps other pods off it (NoSchedule or NoExecute, and not
// a taint that Kubernetes itself sets) and no pod of a workload that does not build runs
// there now; DaemonSets and the platform's own pods run everywhere and do not count. This
// needs all pods and the nodes of the cluster. A name, such as a pool called "build", shows
// nothing. A finding about builders on such nodes is one grade milder, but at least medium: a
// build still shares the API server, the network and the credentials of the cluster, and
// a toleration is all it takes to share its nodes. So this alone never makes the answer yes.
//
// Where no pod runs (files, templates without pods), a node selector and a toleration are
// what the pod asks for. That is said, and changes nothing.
func setApart(v *checks.View, findings []api.Finding, of []int, builds []bool) {
	if !slices.Contains(builds, true) {
		return
	}
	var shared map[string]bool // filled when first needed
	known := map[int]*apartness{}
	for i := range findings {
		f := &findings[i]
		if f.Verdict != api.Fail {
			continue
		}
		a := known[of[i]]
		if a == nil {
			if shared == nil {
				shared = sharedNodes(v, builds)
			}
			a = apartOf(v, &v.Workloads[of[i]], shared)
			known[of[i]] = a
		}
		if a.message == "" {
			continue
		}
		f.Message += "; " + a.message
		f.Evidence = append(f.Evidence, a.evidence...)
		if a.shown {
			switch f.Severity {
			case api.Critical:
				f.Severity = api.High
			case api.High:
				f.Severity = api.Medium
			}
		}
	}
}

// apartness is what is known of a workload's nodes.
type apartness struct {
	shown    bool // by nodes, not only asked for
	message  string
	evidence []api.Evidence
}

// sharedNodes are the nodes on which a pod runs that does not build.
func sharedNodes(v *checks.View, builds []bool) map[string]bool {
	shared := map[string]bool{}
	for i := range v.Workloads {
		w := &v.Workloads[i]
		if builds[i] || w.Owner.Kind == fact.SubjectDaemonSet || v.Platform(w.Owner.Namespace) {
			continue
		}
		for k := range w.Pods {
			if p := &w.Pods[k]; p.Node != "" && !finished(p) {
				shared[p.Node] = true
			}
		}
	}
	return shared
}

func finished(p *fact.Pod) bool { return p.Phase == "Succeeded" || p.Phase == "Failed" }

// mostNodes bounds the nodes that evidence names.
const mostNodes = 3

func apartOf(v *checks.View, w *fact.Workload, shared map[string]bool) *apartness {
	var nodes []string
	for i := range w.Pods {
		if p := &w.Pods[i]; p.Node != "" && !finished(p) && !slices.Contains(nodes, p.Node) {
			nodes = append(nodes, p.Node)
		}
	}
	if len(nodes) == 0 {
		return asksForNodes(w)
	}
	if v.PodScope != fact.PodsAll {
		return &apartness{} // other pods may run there
	}
	slices.Sort(nodes)
	out := &apartness{shown: true}
	var taints []string
	for i, name := range nodes {
		node := v.Node(name)
		if node == nil || !node.Listed || node.ControlPlane || shared[name] {
			return &apartness{}
		}
		at := slices.IndexFunc(node.Taints, keepsOff)
		if at < 0 {
			return &apartness{}
		}
		if !slices.Contains(taints, node.Taints[at]) {
			taints = append(taints, node.Taints[at])
		}
		if i < mostNodes {
			out.evidence = append(out.evidence, api.Evidence{Source: "node/" + name + " spec.taints", Value: node.Taints[at]})
		}
	}
	out.message = fmt.Sprintf("on nodes set apart: taint %s, %s; no other workload runs there",
		checks.JoinWords(taints, mostNodes), checks.Count(len(nodes), "node"))
	return out
}

// keepsOthersOff reports whether a taint, "key=value:effect", keeps pods off that do not
// tolerate it.
func keepsOthersOff(taint string) bool {
	return strings.HasSuffix(taint, ":NoSchedule") || strings.HasSuffix(taint, ":NoExecute")
}

// chosen reports whether a person chose a taint's key. Kubernetes and cloud providers set
// the others, for a condition of the node or for the control plane.
func chosen(taint string) bool {
	key := taint[:strings.IndexAny(taint+":", "=:")]
	domain, _, _ := strings.Cut(key, "/")
	return key != "" && key != "*" && domain != "node.kubernetes.io" && domain != "node.cloudprovider.kubernetes.io" && domain != "node-role.kubernetes.io"
}

// keepsOff reports whether a node's taint is chosen and keeps pods off.
func keepsOff(taint string) bool { return keepsOthersOff(taint) && chosen(taint) }

// tolerates reports whether a toleration is of such a taint. Without an effect it is of all
// effects.
func tolerates(toleration string) bool {
	return chosen(toleration) && (keepsOthersOff(toleration) || !strings.Contains(toleration, ":"))
}

// asksForNodes is what a pod that is on no node asks for.
func asksForNodes(w *fact.Workload) *apartness {
	var selector []string
	for key := range w.Spec.NodeSelector {
		if key != "kubernetes.io/os" && key != "kubernetes.io/arch" && key != "beta.kubernetes.io/os" && key != "beta.kubernetes.io/arch" {
			selector = append(selector, key)
		}
	}
	at := slices.IndexFunc(w.Spec.Tolerations, tolerates)
	if len(selector) == 0 || at < 0 {
		return &apartness{}
	}
	slices.Sort(selector)
	return &apartness{
		message: "asks for nodes set apart (declared)",
		evidence: []api.Evidence{
			{Source: checks.PodField(w, "nodeSelector["+selector[0]+"]"), Value: w.Spec.NodeSelector[selector[0]]},
			{Source: checks.PodField(w, fmt.Sprintf("tolerations[%d]", at)), Value: w.Spec.Tolerations[at]},
		},
	}
}
