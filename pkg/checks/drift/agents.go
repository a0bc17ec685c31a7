package drift

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/enforcer"
)

// stop is an agent that stops new programs in a container, with what shows it.
type stop struct{ evidence []api.Evidence }

// stopOf finds the agent that stops new programs in a container; nil if none is shown to. An
// image name, a DaemonSet, labels and a policy are claims. All of this is needed:
//   - the agent's own process, measured on the container's node, in a ready pod of its DaemonSet;
//   - a policy of it that blocks all new programs, without a doubt, and holds for the pod;
//   - the AppArmor profile that the agent gives to containers, if it gives one, enforced for each
//     process of the container: the kernel says so (attr/current).
//
// A container that can mount file systems can get around it.
func stopOf(v *checks.View, r checks.Running) *stop {
	if v.Enforcement == nil || len(v.Enforcement.Engines) == 0 || r.Workload == nil || r.Declared == nil {
		return nil
	}
	if at := placesOf(r); at.mounts != nil || at.unread {
		return nil
	}
	for i := range v.Enforcement.Engines {
		e := &v.Enforcement.Engines[i]
		tool := enforcer.Named(e.Name)
		if tool == nil || !tool.Agent {
			continue
		}
		mark, marked := markOf(r, tool)
		if !marked {
			continue
		}
		at := slices.IndexFunc(e.Programs, func(p fact.EnginePolicy) bool {
			return p.Blocks && p.Doubt == "" && enforcer.Holds(&p, r.Workload.Owner.Namespace, r.Workload.Spec.Labels)
		})
		if at < 0 {
			continue
		}
		agent := agentOn(r.Node, e, tool)
		if agent == nil {
			continue
		}
		s := &stop{evidence: []api.Evidence{
			{Source: sourceOf(e, &e.Programs[at]), Value: "blocks new programs", Basis: api.Declared},
			{Source: checks.NodeSource(r.Node, "/proc/%d/exe", agent.PID), Value: "process of " + e.Name + exeOf(agent)},
		}}
		if tool.Mark != "" {
			s.evidence = append(s.evidence, api.Evidence{Source: checks.NodeSource(r.Node, "/proc/%d/attr/current", mark.PID), Value: mark.Label})
		}
		return s
	}
	return nil
}

// markOf reports whether each process of a container has the AppArmor profile that a tool gives
// it, enforced, with one of them; or whether the tool gives none.
func markOf(r checks.Running, tool *enforcer.Tool) (one *fact.Process, marked bool) {
	if tool.Mark == "" {
		return nil, true
	}
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		enforced := strings.HasSuffix(p.Label, " (enforce)") || strings.HasSuffix(p.Label, " (kill)")
		if !enforced || !strings.HasPrefix(p.Label, tool.Mark) {
			return nil, false
		}
		one = p
	}
	return one, one != nil
}

// agentOn finds an agent's process that was measured on a node: in the container that the API
// server names as that of a ready pod there. Nil if there is none, or if another program runs.
func agentOn(node *fact.Node, e *fact.Engine, tool *enforcer.Tool) *fact.Process {
	if node == nil || node.Measured == nil {
		return nil
	}
	from, _ := slices.BinarySearchFunc(e.Pods, node.Name, func(p fact.EnginePod, name string) int { return strings.Compare(p.Node, name) })
	for _, pod := range e.Pods[from:] {
		if pod.Node != node.Name {
			break
		}
		if pod.UID == "" || pod.Container == "" {
			continue
		}
		for i := range node.Measured.Containers {
			c := &node.Measured.Containers[i]
			if c.ID != pod.Container || c.PodUID != pod.UID || c.Sandbox || c.Self {
				continue
			}
			for j := range c.Processes {
				if p := &c.Processes[j]; len(tool.Programs) == 0 || p.Exe != nil && slices.Contains(tool.Programs, path.Base(p.Exe.Path)) {
					return p
				}
			}
		}
	}
	return nil
}

func exeOf(p *fact.Process) string {
	if p.Exe == nil {
		return ""
	}
	return ": " + p.Exe.Path
}

// sourceOf names a policy for evidence: "KubeArmor KubeArmorPolicy shop/no-new-programs".
func sourceOf(e *fact.Engine, p *fact.EnginePolicy) string {
	kind, name, _ := strings.Cut(p.Name, " ")
	if p.Namespace != "" {
		name = p.Namespace + "/" + name
	}
	return e.Name + " " + kind + " " + name
}

// claims is what engines and agents say that they do in a namespace. Nothing of it is measured
// but on how many nodes an agent's process was seen.
func (e *enforcement) claims(namespace string) (evidence []api.Evidence, blocks []string) {
	if e.view.Enforcement == nil {
		return nil, nil
	}
	for i := range e.view.Enforcement.Engines {
		engine := &e.view.Enforcement.Engines[i]
		nodes := e.presence(i, engine)
		said := false
		for _, list := range []struct {
			policies []fact.EnginePolicy
			what     string
		}{{engine.WritableRoot, "pods with a writable root"}, {engine.Programs, "new programs"}} {
			p := strongest(list.policies, namespace)
			if p == nil {
				continue
			}
			said = true
			value := "reports " + list.what
			if p.Blocks {
				value = "claims to block " + list.what
				if claim := engine.Name + " claims to block " + list.what; !slices.Contains(blocks, claim) {
					blocks = append(blocks, claim)
				}
			}
			if p.Doubt != "" {
				value += ", but " + p.Doubt
			}
			evidence = append(evidence, api.Evidence{Source: sourceOf(engine, p), Value: value + nodes, Basis: api.Declared})
		}
		if !said && len(engine.Seen) > 0 {
			evidence = append(evidence, api.Evidence{Source: engine.Name + " " + engine.Seen[0], Value: modeOf(engine) + nodes, Basis: api.Declared})
		}
	}
	return evidence, blocks
}

// modeOf says what an engine without a policy for a namespace does.
func modeOf(e *fact.Engine) string {
	switch e.Mode {
	case fact.EngineBlocks:
		return "none of its policies holds there"
	case fact.EngineDetects:
		return "claims to detect, and blocks nothing: " + e.Why
	case fact.EngineOff:
		return "blocks nothing: " + e.Why
	}
	return "what it blocks is unknown: " + e.Why
}

// strongest is a policy that holds in a namespace for some pods: one that blocks without a doubt,
// else one that blocks, else one that reports.
func strongest(policies []fact.EnginePolicy, namespace string) (best *fact.EnginePolicy) {
	rank := func(p *fact.EnginePolicy) int {
		switch {
		case p == nil:
			return 0
		case !p.Blocks:
			return 1
		case p.Doubt != "":
			return 2
		}
		return 3
	}
	for i := range policies {
		if p := &policies[i]; rank(p) > rank(best) && enforcer.Holds(p, namespace, p.Labels) {
			best = p
		}
	}
	return best
}

// presence says on how many nodes an agent is; "" for what answers at admission.
func (e *enforcement) presence(i int, engine *fact.Engine) string {
	if words, known := e.present[i]; known {
		return words
	}
	words := ""
	if tool := enforcer.Named(engine.Name); tool != nil && tool.Agent {
		ready := map[string]bool{}
		for _, p := range engine.Pods {
			ready[p.Node] = true
		}
		read, seen := 0, 0
		for k := range e.view.Nodes {
			node := &e.view.Nodes[k]
			if !node.Measured.HasRead(fact.Processes) {
				continue
			}
			read++
			if agentOn(node, engine, tool) != nil {
				seen++
			}
		}
		words = fmt.Sprintf("; ready on %d of %s", len(ready), checks.Count(max(engine.Desired, len(ready)), "node"))
		switch {
		case read == 0:
			words += ", and its process was looked for on none"
		default:
			words += fmt.Sprintf(", and its process was measured on %d of %s", seen, checks.Count(read, "node"))
		}
	}
	if e.present == nil {
		e.present = map[int]string{}
	}
	e.present[i] = words
	return words
}
