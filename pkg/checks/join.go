package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// MeasuredElseDeclared judges each container by what was measured. For the pods
// in which it was not measured, it judges what is declared.
//
// Measured returns the findings for one container, and whether they are
// complete. If not, what is declared is judged too.
func MeasuredElseDeclared(v *View, kind fact.Kind,
	measured func(Running) (findings []api.Finding, all bool),
	declared func(d Declared, pods []*fact.Pod) []api.Finding,
) []api.Finding {
	type key struct {
		pod       *fact.Pod
		container *fact.Container
	}
	done := map[key]bool{}
	seen, _ := RunningContainers(v, kind)
	out := make([]api.Finding, 0, len(seen))
	for _, r := range seen {
		findings, all := measured(r)
		out = append(out, findings...)
		if all && r.Pod != nil {
			done[key{r.Pod, r.Declared}] = true
		}
	}
	containers := DeclaredContainers(v)
	out = slices.Grow(out, len(containers))
	for _, d := range containers {
		pods, some := podsWithout(d.Workload, func(p *fact.Pod) bool { return done[key{p, d.Container}] })
		if some {
			out = append(out, declared(d, pods)...)
		}
	}
	return out
}

// PodsMeasuredElseDeclared is MeasuredElseDeclared for what a pod's containers
// have in common: one measured container answers for its pod.
func PodsMeasuredElseDeclared(v *View, kind fact.Kind,
	measured func(Running) (findings []api.Finding, all bool),
	declared func(w *fact.Workload, pods []*fact.Pod) []api.Finding,
) []api.Finding {
	done := map[*fact.Pod]bool{}
	seen, _ := RunningContainers(v, kind)
	out := make([]api.Finding, 0, len(seen))
	for _, r := range seen {
		findings, all := measured(r)
		out = append(out, findings...)
		if all && r.Pod != nil {
			done[r.Pod] = true
		}
	}
	out = slices.Grow(out, len(v.Workloads))
	for i := range v.Workloads {
		w := &v.Workloads[i]
		pods, some := podsWithout(w, func(p *fact.Pod) bool { return done[p] })
		if some {
			out = append(out, declared(w, pods)...)
		}
	}
	return out
}

// podsWithout are the pods of a workload that are not done. Some is also true
// for a template without pods: a declaration is all that it has.
func podsWithout(w *fact.Workload, done func(*fact.Pod) bool) (pods []*fact.Pod, some bool) {
	for i := range w.Pods {
		if !done(&w.Pods[i]) {
			pods = append(pods, &w.Pods[i])
		}
	}
	return pods, len(pods) > 0 || len(w.Pods) == 0
}

// JoinWords writes a list for people: at most n entries, and how many more
// there are.
func JoinWords(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:n], ", "), len(words)-n)
}

// Count writes "1 node", "3 nodes": only regular plurals.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
