package privileged

import (
	"fmt"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// UndeclaredContainer fails a container that runs on a node and that the API does not
// know, and a process that sits in another container's cgroup. Source: the ids in
// /proc/PID/cgroup, and the root directories, namespaces and cgroups of all processes,
// compared with the container ids and UIDs of all pods. It judges only if all pods of
// the nodes were listed.
//
// A node that is itself a container (kind, minikube) is not one of its own containers,
// and the probe's is left out. A container that is younger than undeclaredAge, or that
// was not looked for again after the measurement, is unknown: pods come and go.
var UndeclaredContainer = checks.Check{
	ID:       "privileged/undeclared-container",
	Title:    "The API knows every container that runs on a node",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods, fact.Processes},
	Scope:    checks.ScopeNode,
	// What could not be read of a container that the API knows leaves nothing open.
	Excuse: func(_ *checks.View, gap fact.Gap) bool {
		return gap.What == fact.Processes && gap.Subject.Namespace != ""
	},
	NoWaiver: "its subject is the id of one container, and no other container ever has that: declare the container, or stop it",
	Why: "What runs on a node without Kubernetes has no admission, no quota, no network policy and no owner: nobody sees it with kubectl, " +
		"and it stays when its pod is deleted. Intruders run their containers so, and so do build jobs and forgotten experiments.",
	Remediation: "Find out on the node who started it (crictl ps, docker ps, podman ps, systemctl status PID). " +
		"Run what is needed as a pod; stop the rest.",
	References: []string{
		"man:cgroups(7)",
		"https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/",
		"https://attack.mitre.org/techniques/T1610/",
	},
	Judge: judgeUndeclared,
}

// undeclaredAge is how old a container has to be: a kubelet reports what it started
// within seconds, and tries again if the API server does not answer.
const undeclaredAge = 30 * time.Second

func judgeUndeclared(v *checks.View) []api.Finding {
	var findings []api.Finding
	if v.PodScope == fact.PodsSome {
		return nil // the API may know what this run did not list
	}
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if !node.Measured.HasRead(fact.Processes) {
			continue
		}
		if v.PodScope != fact.PodsAll {
			findings = append(findings, api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: nodeSubject(node),
				Message:  "the API was not asked for all pods, so it is unknown which of the node's containers it knows",
				Evidence: []api.Evidence{{Source: checks.NodeSource(node, "/proc/*/cgroup"), Value: containers(len(node.Measured.Containers))}},
			})
			continue
		}
		findings = append(findings, undeclaredOn(v, node)...)
	}
	return findings
}

func nodeSubject(node *fact.Node) fact.Subject {
	return fact.Subject{Kind: fact.SubjectNode, Name: node.Name}
}

func containers(n int) string { return checks.Count(n, "container") }

// undeclaredOn judges the containers of one node. If all of them are known, that is one
// finding about the node.
func undeclaredOn(v *checks.View, node *fact.Node) []api.Finding {
	var findings []api.Finding
	m := node.Measured
	known, own, sandboxes := 0, 0, 0
	// A pod that the API does not know is named by its containers; by its sandbox only
	// if it has no others.
	withContainers := map[string]bool{}
	for i := range m.Containers {
		if c := &m.Containers[i]; !c.Sandbox && c.PodUID != "" {
			withContainers[c.PodUID] = true
		}
	}
	for i := range m.Containers {
		c := &m.Containers[i]
		r, by := v.Known(node, c)
		findings = append(findings, moved(r)...)
		switch {
		case by == checks.KnownByID, by == checks.KnownPod && c.Sandbox:
			known++
		case c.Self, isNode(c):
			own++
		case c.Sandbox && withContainers[c.PodUID]:
			sandboxes++
		default:
			findings = append(findings, judgeUnknownContainer(v, r, by))
		}
	}
	if len(findings) == 0 {
		value := fmt.Sprintf("%d of %s known to the API", known, containers(len(m.Containers)))
		if own > 0 {
			value += ", the others are the node itself or the probe"
		}
		findings = append(findings, api.Finding{
			Verdict: api.Pass, Subject: nodeSubject(node), Message: "the API knows every container that was found on the node",
			Evidence: []api.Evidence{{Source: checks.NodeSource(node, "/proc/*/cgroup"), Value: value}},
		})
	}
	return findings
}

// isNode reports whether the "container" is the node itself: it has the first process
// of the node.
func isNode(c *fact.MeasuredContainer) bool {
	if c.PodUID != "" {
		return false
	}
	for i := range c.Processes {
		if c.Processes[i].PID == 1 {
			return true
		}
	}
	return false
}

// judgeUnknownContainer judges a container that the API does not know.
func judgeUnknownContainer(v *checks.View, r checks.Running, by checks.KnownBy) api.Finding {
	c := r.Measured
	f := api.Finding{
		Verdict: api.Fail, Severity: api.High, Subject: r.Subject(), Message: sayUndeclared(c, by),
		Evidence: []api.Evidence{{Source: r.Source("cgroup"), Value: orNot(c.Cgroup)}},
	}
	switch c.FoundBy {
	case fact.FoundByCgroup:
		if by == checks.Unknown && staticPod(c) {
			f.Evidence = append(f.Evidence, api.Evidence{Source: "config hash of mirror pods on node " + r.Node.Name, Value: "none is " + c.PodUID})
		}
	case fact.FoundByRoot:
		f.Evidence = append(f.Evidence, api.Evidence{Source: r.Source("root"), Value: "a root directory, mounts and process ids of its own"})
	case fact.FoundByHostPIDs:
		f.Evidence = append(f.Evidence, api.Evidence{Source: r.Source("root"), Value: "a root directory and mounts of its own, among the node's processes"})
	}
	oldest, some := start(c)
	at := r.Node.Measured.At
	switch {
	case len(c.Processes) == 0:
		f.Verdict, f.Severity, f.Reason, f.Message = api.VerdictUnknown, "", fact.NotPresent, "the API does not know it, and none of its processes was read"
		return f
	case !some || at.IsZero():
		f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", fact.Unreadable
		f.Message = "the API does not know it, but since when it runs was not read"
		return f
	}
	age := at.Sub(oldest.Time)
	f.Evidence = append(f.Evidence, api.Evidence{Source: r.Source("stat"), Value: fmt.Sprintf("started %s before it was measured", age.Round(time.Second))})
	switch {
	case age <= undeclaredAge:
		f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", fact.Changing
		f.Message = fmt.Sprintf("the API does not know it, but it had been started less than %d s before", int(undeclaredAge.Seconds()))
		return f
	case c.FoundBy != fact.FoundByCgroup: // no pod's status can have such an id
	case v.Relisted == nil:
		f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", fact.Changing
		f.Message = "the API did not know it before the measurement, and was not asked again after it"
		return f
	case v.Relisted.Reason != "":
		f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", v.Relisted.Reason
		f.Message = "the API did not know it before the measurement, and did not answer when it was asked again after it"
		if v.Relisted.Detail != "" {
			f.Evidence = append(f.Evidence, api.Evidence{Source: "second list of pods", Value: v.Relisted.Detail})
		}
		return f
	}
	all, allKnown := hostMask(r.Node.Measured)
	for i := range c.Processes {
		p := &c.Processes[i]
		eff, _ := p.CapEff.Bits()
		prm, _ := p.CapPrm.Bits()
		if mask := eff | prm; allKnown && all != 0 && mask&all == all && userNamespace(r.Node.Measured, p) != nsOther {
			f.Severity = api.Critical
			f.Message += ", and holds every capability that the node has"
			f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(r.Node, "/proc/%d/status CapEff", p.PID), Value: p.CapEff.String()})
			break
		}
	}
	if f.Severity == api.High && apart(r) {
		f.Severity = api.Medium
		f.Message += ", but only in its own user namespace"
	}
	return f
}

// apart reports whether all processes are in user namespaces whose root is not the
// node's.
func apart(r checks.Running) bool {
	for i := range r.Measured.Processes {
		if _, own := inOwnUserNamespace(r.Node, &r.Measured.Processes[i]); !own {
			return false
		}
	}
	return true
}

func sayUndeclared(c *fact.MeasuredContainer, by checks.KnownBy) string {
	engine := map[string]string{"docker": "Docker", "podman": "Podman", "lxc": "LXC", "containerd": "containerd", "crio": "CRI-O"}[c.Runtime]
	switch {
	case by == checks.KnownPod:
		return "runs in the cgroup of this pod, but the API knows no such container of it"
	case c.PodUID != "" && c.Sandbox:
		return "is the sandbox of a pod that the API does not know"
	case staticPod(c):
		return "belongs to a static pod that the API does not know: it has no mirror pod"
	case c.PodUID != "":
		return "belongs to a pod that the API does not know"
	case c.FoundBy != fact.FoundByCgroup:
		return "was started by an engine that is not the kubelet's, and the API does not know it"
	case engine != "":
		return "was started with " + engine + " and not by the kubelet, and the API does not know it"
	}
	return "was not started by the kubelet, and the API does not know it"
}

// staticPod reports whether the pod's part of the cgroup is a config hash: 32 hex
// digits, where a UID has dashes. The kubelet names static pods so.
func staticPod(c *fact.MeasuredContainer) bool { return len(c.PodUID) == 32 }

// start is when the oldest of a container's processes was started; false if that is
// unknown of all of them.
func start(c *fact.MeasuredContainer) (oldest fact.Time, some bool) {
	for i := range c.Processes {
		if s := c.Processes[i].Started; !s.IsZero() && (!some || s.Before(oldest.Time)) {
			oldest, some = s, true
		}
	}
	return oldest, some
}

// moved are the processes of a container that sit in another container's cgroup: they
// use up its limits, and tools that go by cgroups take them for its own.
func moved(r checks.Running) []api.Finding {
	var first *fact.Process
	count := 0
	for i := range r.Measured.Processes {
		if p := &r.Measured.Processes[i]; p.Moved != "" {
			if count++; first == nil {
				first = p
			}
		}
	}
	if first == nil {
		return nil
	}
	return []api.Finding{{
		Verdict: api.Fail, Severity: api.High, Subject: r.Subject(),
		Message: "has a process in the cgroup of another container, where it passes for a process of that",
		Evidence: []api.Evidence{{
			Source: checks.NodeSource(r.Node, "/proc/%d/cgroup", first.PID),
			Value:  fmt.Sprintf("container %s, but its root directory is this container's (%s)", checks.ShortID(first.Moved), countProcesses(count)),
		}},
	}}
}

func orNot(text string) string {
	if text == "" {
		return "not read"
	}
	return text
}
