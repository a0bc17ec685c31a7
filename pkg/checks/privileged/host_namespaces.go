package privileged

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// HostNamespaces fails a pod that shares the node's process, network or IPC
// namespace. Source: the inodes of /proc/PID/ns/{pid,net,ipc}, compared with
// those of the node's pid 1, and the spec. What the spec grants still counts
// when a process left the namespace (unshare(2)), because another process can
// be started in it.
var HostNamespaces = checks.Check{
	ID:       "privileged/host-namespaces",
	Title:    "No pod shares the node's namespaces",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods},
	Uses:     []fact.Kind{fact.Processes},
	Scope:    checks.ScopeWorkload,
	Why: "In the node's process namespace a container sees every process and, with the same user, its memory and environment. In the " +
		"network namespace it reaches what listens on localhost and bypasses network policies. In the IPC namespace it reaches shared memory.",
	Remediation: "Remove hostPID, hostNetwork and hostIPC. If a node agent needs one, give it only that one, and no capabilities.",
	References: []string{
		"man:namespaces(7)",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: judgeHostNamespaces,
}

// hostNamespaces are the three kinds, and how each is read.
var hostNamespaces = []struct {
	name, field, file string
	severity          api.Severity
	declared          func(*fact.PodSpec) bool
	process           func(*fact.Process) uint64
	host              func(*fact.Measurement) uint64
}{
	{
		"process", "hostPID", "pid", api.High,
		func(s *fact.PodSpec) bool { return s.HostPID },
		func(p *fact.Process) uint64 { return p.PIDNS },
		func(m *fact.Measurement) uint64 { return m.HostPIDNS },
	},
	{
		"network", "hostNetwork", "net", api.Medium,
		func(s *fact.PodSpec) bool { return s.HostNetwork },
		func(p *fact.Process) uint64 { return p.NetNS },
		func(m *fact.Measurement) uint64 { return m.HostNetNS },
	},
	{
		"IPC", "hostIPC", "ipc", api.Medium,
		func(s *fact.PodSpec) bool { return s.HostIPC },
		func(p *fact.Process) uint64 { return p.IPCNS },
		func(m *fact.Measurement) uint64 { return m.HostIPCNS },
	},
}

func judgeHostNamespaces(v *checks.View) []api.Finding {
	gaps := incomplete{}
	return checks.PodsMeasuredElseDeclared(v, fact.Processes, func(r checks.Running) ([]api.Finding, bool) {
		findings, complete := judgeMeasuredNamespaces(r)
		reason, some := gaps.of(r)
		if some && r.Pod == nil && complete {
			f := partly(r, reason)
			f.Subject = r.PodSubject()
			findings = append(findings, f)
		}
		return findings, complete && !some
	}, judgeDeclaredNamespaces)
}

// judgeMeasuredNamespaces judges a container by its processes. Complete is
// false where not all inodes were read. Then the declaration is judged.
func judgeMeasuredNamespaces(r checks.Running) (findings []api.Finding, complete bool) {
	complete = len(r.Measured.Processes) > 0
	var evidence []api.Evidence
	for _, ns := range hostNamespaces {
		host := ns.host(r.Node.Measured)
		var shared, runtimes *fact.Process
		read := host != 0
		for i := range r.Measured.Processes {
			p := &r.Measured.Processes[i]
			inode := ns.process(p)
			read = read && inode != 0
			switch {
			case inode == 0 || inode != host:
			case r.MayBeRuntime(p): // it joins the container's namespaces one by one
				runtimes = p
			case shared == nil:
				shared = p
			}
		}
		if shared == nil && runtimes != nil {
			findings = append(findings, ofRuntime(r, runtimes, api.Finding{
				Verdict: api.Fail, Basis: api.Measured, Subject: r.PodSubject(), Message: "shares the node's " + ns.name + " namespace",
				Evidence: []api.Evidence{{Source: checks.NodeSource(r.Node, "/proc/%d/ns/%s", runtimes.PID, ns.file), Value: fmt.Sprintf("%d, as pid 1", host)}},
			}))
			complete = false
			continue
		}
		declared := r.Workload != nil && ns.declared(&r.Workload.Spec)
		if shared == nil {
			if !read {
				complete = false
				continue
			}
			if len(r.Measured.Processes) == 0 {
				continue
			}
			p := &r.Measured.Processes[0]
			own := api.Evidence{
				Source: checks.NodeSource(r.Node, "/proc/%d/ns/%s", p.PID, ns.file),
				Value:  fmt.Sprintf("%d, the node's is %d", ns.process(p), host),
			}
			if !declared {
				evidence = append(evidence, own)
				continue
			}
			own.Basis = api.Measured
			findings = append(findings, api.Finding{
				Verdict: api.Fail, Severity: ns.severity, Basis: api.Declared, Subject: r.PodSubject(),
				Message:  "declares the node's " + ns.name + " namespace, but its processes were measured in another",
				Evidence: []api.Evidence{declaredNamespace(r.Workload, ns.field, declared), own},
			})
			continue
		}
		f := api.Finding{
			Verdict: api.Fail, Severity: ns.severity, Basis: api.Measured, Subject: r.PodSubject(),
			Message: "shares the node's " + ns.name + " namespace",
			Evidence: []api.Evidence{{
				Source: checks.NodeSource(r.Node, "/proc/%d/ns/%s", shared.PID, ns.file), Value: fmt.Sprintf("%d, as pid 1", host),
			}},
		}
		if r.Workload != nil {
			f.Evidence = append(f.Evidence, declaredNamespace(r.Workload, ns.field, declared))
			if !declared {
				f.Message += ", though " + ns.field + " is not declared"
			}
		}
		findings = append(findings, f)
	}
	if len(findings) > 0 {
		return findings, complete
	}
	switch {
	case complete:
		return []api.Finding{{
			Verdict: api.Pass, Basis: api.Measured, Subject: r.PodSubject(),
			Message: "shares none of the node's namespaces", Evidence: evidence,
		}}, true
	case r.Pod == nil:
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: r.PodSubject(),
			Message:  "its namespaces were not read, and its declaration is unknown",
			Evidence: []api.Evidence{{Source: r.Source("ns"), Value: "not read"}},
		}}, false
	}
	return nil, false
}

func judgeDeclaredNamespaces(w *fact.Workload, pods []*fact.Pod) []api.Finding {
	subject := checks.PodsSubject(w, pods)
	var findings []api.Finding
	pass := api.Finding{Verdict: api.Pass, Basis: api.Declared, Subject: subject, Message: "declares none of the node's namespaces"}
	for _, ns := range hostNamespaces {
		declared := ns.declared(&w.Spec)
		evidence := declaredNamespace(w, ns.field, declared)
		if !declared {
			pass.Evidence = append(pass.Evidence, evidence)
			continue
		}
		findings = append(findings, api.Finding{
			Verdict: api.Fail, Severity: ns.severity, Basis: api.Declared, Subject: subject,
			Message: "declares the node's " + ns.name + " namespace", Evidence: []api.Evidence{evidence},
		})
	}
	for i := range w.Spec.Containers {
		d := checks.Declared{Workload: w, Container: &w.Spec.Containers[i]}
		if on, process := d.HostProcess(); on {
			process.Basis = api.Declared
			findings = append(findings, api.Finding{
				Verdict: api.Fail, Severity: api.High, Basis: api.Declared, Subject: subject,
				Message: "runs outside any container, as processes of its Windows node (hostProcess)", Evidence: []api.Evidence{process},
			})
			break
		}
	}
	if len(findings) == 0 {
		return []api.Finding{pass}
	}
	return findings
}

func declaredNamespace(w *fact.Workload, field string, declared bool) api.Evidence {
	value := "not set"
	if declared {
		value = "true"
	}
	return api.Evidence{Source: checks.PodField(w, field), Value: value, Basis: api.Declared}
}
