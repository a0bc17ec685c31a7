package builds

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
)

// RuntimeSocket fails a container that mounts the socket of the node's
// container runtime or image builder, or a directory that holds one. A
// read-only mount changes nothing: it does not stop connect(2). Source: the spec, and
// /proc/PID/mountinfo of the container compared with that of the node.
var RuntimeSocket = checks.Check{
	ID:       "builds/runtime-socket",
	Title:    "No container mounts a container runtime's socket",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods},
	Uses:     []fact.Kind{fact.Mounts},
	Scope:    checks.ScopeWorkload,
	Evidence: 64, // a patch needs each field
	Why: "Anyone who can reach the runtime's socket can start any container with any right on the node, outside of Kubernetes. It is the usual " +
		"way to build images in a cluster, and it gives root on the node. A spec does not show every way to it (a link, a claim, a mount that was " +
		"made later); the mount table does.",
	Remediation: "Build images on separate machines. If a pod only needs information about containers, give it the Kubernetes API " +
		"or the kubelet's API instead of the socket, and mount no directory above the socket.",
	References: []string{
		"https://docs.docker.com/engine/security/#docker-daemon-attack-surface",
		"https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
	},
	Judge: judgeRuntimeSocket,
}

func judgeRuntimeSocket(v *checks.View) []api.Finding {
	return checks.MeasuredElseDeclared(v, fact.Mounts,
		func(r checks.Running) ([]api.Finding, bool) {
			_, unread := v.Unread(r, fact.Mounts)
			switch unread = unread || r.Measured.Root == nil; {
			case unread && r.Declared != nil && len(r.Measured.Sockets) == 0:
				return nil, false
			case unread && len(r.Measured.Sockets) == 0:
				return []api.Finding{{
					Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: r.Subject(),
					Message:  "its mounts, or those of its node, were not read",
					Evidence: []api.Evidence{{Source: r.Source("mountinfo"), Value: "not read"}},
				}}, false
			}
			return judgeSocketsOf(r), !unread && r.Declared != nil
		},
		func(d checks.Declared, pods []*fact.Pod) []api.Finding {
			findings := judgeDeclaredSockets(d)
			for i := range findings {
				findings[i].Subject = checks.PodsSubject(d.Workload, pods)
				findings[i].Subject.Container = d.Container.Name
			}
			return findings
		})
}

// judgeSocketsOf judges a container by the sockets that its mount table shows, next
// to what it declares.
func judgeSocketsOf(r checks.Running) []api.Finding {
	shown := api.Evidence{Source: r.Source("mountinfo"), Value: "shows no socket of a container runtime", Basis: api.Measured}
	if len(r.Measured.Sockets) > 0 {
		shown.Value = "shows " + checks.JoinWords(r.Measured.Sockets, mostNames)
	}
	var findings []api.Finding
	var mounts []hostpath.Mount
	if r.Declared != nil {
		d := checks.Declared{Workload: r.Workload, Container: r.Declared}
		mounts = hostpath.Of(d.Workload, d.Container)
		for _, f := range judgeDeclaredSockets(d) {
			// What was not read about a claim is in the mount table. So is whether the node is
			// of the distribution that a low one names (hostpath.Elsewhere).
			if f.Verdict == api.Fail && f.Severity != api.Low {
				f.Subject, f.Basis = r.Subject(), api.Declared
				for i := range f.Evidence {
					f.Evidence[i].Basis = api.Declared
				}
				f.Evidence = append(f.Evidence, shown)
				findings = append(findings, f)
			}
		}
	}
	var more []string
	for _, socket := range r.Measured.Sockets {
		declares := func(m hostpath.Mount) bool { return hostpath.Covers(m.Path, hostpath.Clean(socket)) }
		if !slices.ContainsFunc(mounts, declares) {
			more = append(more, socket)
		}
	}
	switch {
	case len(more) > 0:
		f := api.Finding{
			Verdict: api.Fail, Severity: api.High, Basis: api.Measured, Subject: r.Subject(),
			Message:  "has " + checks.JoinWords(more, mostNames) + " of the node in its mount table, which it does not declare",
			Evidence: []api.Evidence{shown},
		}
		if r.Declared != nil {
			f.Evidence = append(f.Evidence, declaredMounts(r, mounts)...)
		}
		findings = append(findings, f)
	case len(findings) == 0:
		f := api.Finding{
			Verdict: api.Pass, Basis: api.Measured, Subject: r.Subject(), Message: passesSocket, Evidence: []api.Evidence{shown},
		}
		if r.Declared != nil {
			f.Evidence = append(f.Evidence, declaredMounts(r, mounts)...)
		}
		findings = append(findings, f)
	}
	return findings
}

const passesSocket = "mounts nothing of the node that holds a runtime's socket"

// declaredMounts is what a container declares of the node, as evidence next to what
// was measured.
func declaredMounts(r checks.Running, mounts []hostpath.Mount) []api.Evidence {
	out := mountEvidence(checks.Declared{Workload: r.Workload, Container: r.Declared}, mounts)
	for i := range out {
		out[i].Basis = api.Declared
	}
	return out
}

func mountEvidence(d checks.Declared, mounts []hostpath.Mount) []api.Evidence {
	if len(mounts) == 0 {
		return []api.Evidence{{Source: d.Field("volumeMounts"), Value: "no hostPath"}}
	}
	var out []api.Evidence
	for _, m := range mounts {
		out = append(out, api.Evidence{Source: m.Field(d.Workload), Value: m.Value()})
	}
	return out
}

// gradeSocket grades a mount by the socket that it gives, "" if it gives none that is known.
// Read-only changes nothing. A directory that every node has (/var) counts low for a socket
// that one distribution puts there: whether this node is of that distribution is unknown.
func gradeSocket(m hostpath.Mount) (severity api.Severity, message string) {
	socket, of, reach := hostpath.SocketIn(m.Path)
	what := "mounts " + m.Path + " of the node"
	if m.Some && (reach == hostpath.Direct || reach == hostpath.Above || reach == hostpath.Internal) {
		return api.Medium, "mounts a part of " + m.Path + " of the node that only the running pod shows (its subPath has a variable): it can hold " + socket
	}
	switch reach {
	case hostpath.Direct:
		if m.Path != socket {
			what += ", which is or holds " + socket
		}
		return api.High, what
	case hostpath.Internal:
		return api.Medium, what + ", a socket of " + of
	case hostpath.Above:
		return api.Medium, what + ", a directory that can hold " + socket
	case hostpath.Elsewhere:
		return api.Low, what + ", a directory that holds " + socket + " if the node runs " + of
	}
	return "", ""
}

// judgeDeclaredSockets judges what a container declares.
func judgeDeclaredSockets(d checks.Declared) []api.Finding {
	var findings []api.Finding
	if hostProcess, process := d.HostProcess(); hostProcess {
		findings = append(findings, api.Finding{
			Verdict: api.Fail, Severity: api.High, Subject: d.Subject(),
			Message: "reaches every pipe of its Windows node, including a runtime's (hostProcess)", Evidence: []api.Evidence{process},
		})
	}
	mounts := hostpath.Of(d.Workload, d.Container)
	for _, m := range mounts {
		severity, message := gradeSocket(m)
		if severity == "" {
			continue
		}
		findings = append(findings, api.Finding{
			Verdict: api.Fail, Severity: severity, Subject: d.Subject(), Message: message + m.Later(),
			Evidence: []api.Evidence{{Source: m.Field(d.Workload), Value: m.Value()}},
		})
	}
	if unread := hostpath.Unread(d.Workload, d.Container); len(unread) > 0 {
		findings = append(findings, hostpath.UnknownBehind(d, unread))
	} else if len(findings) == 0 {
		findings = append(findings, api.Finding{
			Verdict: api.Pass, Subject: d.Subject(), Message: passesSocket, Evidence: mountEvidence(d, mounts),
		})
	}
	for i := range findings {
		findings[i].Basis = api.Declared
	}
	return findings
}
