package launch

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// An Outline is what a run means to create, as far as it is known before anything was created
// or tried.
type Outline struct {
	Namespace string
	// Nodes counts the nodes that get a pod, Pods the pods of each level, in their order. A node
	// can get one of each. Both are zero if nothing would be created.
	Nodes int
	Pods  []OutlinePods
}

// OutlinePods are the pods of one level.
type OutlinePods struct {
	Level fact.Level
	Pods  int
}

// NewOutline returns what Measure with these options means to create on these nodes. The error
// is that of bad options.
func NewOutline(opts Options, nodes []fact.Node) (Outline, error) {
	opts, err := opts.complete()
	if err != nil {
		return Outline{}, err
	}
	plan, _ := opts.plan(nodes)
	s := newSession(opts, plan)
	s.programs()
	out := Outline{Namespace: opts.Namespace}
	counted := make(map[string]bool)
	for _, level := range s.levels() {
		pods := s.podsOf(level)
		if len(pods) > 0 {
			out.Pods = append(out.Pods, OutlinePods{level, len(pods)})
		}
		for _, t := range pods {
			counted[t.Node] = true
		}
	}
	out.Nodes = len(counted)
	return out, nil
}

// String is one line for somebody who expects no pods: how many, where, and with which rights.
func (o Outline) String() string {
	all := 0
	rights := make([]string, len(o.Pods))
	for i, of := range o.Pods {
		all += of.Pods
		rights[i] = fmt.Sprintf("%d with %s", of.Pods, rightsOf(of.Level))
	}
	return fmt.Sprintf("To measure %s, this run creates %s in namespace %s: %s. Not privileged, no host mount, no token; removed at the end.",
		plural(o.Nodes, "node", "nodes"), plural(all, "short-lived pod", "short-lived pods"), o.Namespace, strings.Join(rights, ", and "))
}

// rightsOf is what the pod of a level has beyond any other pod.
func rightsOf(level fact.Level) string {
	switch level {
	case fact.LevelNet:
		return "the host's network, uid 65534, no capability"
	case fact.LevelProc:
		return "hostPID, uid 65534, no capability"
	}
	return "hostPID, uid 0, SYS_PTRACE, DAC_READ_SEARCH"
}
