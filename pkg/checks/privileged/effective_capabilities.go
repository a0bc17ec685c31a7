package privileged

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// EffectiveCapabilities fails a container whose processes hold, or could gain,
// more than the runtime's default, or more than its spec grants. Source: CapEff,
// CapPrm and CapBnd in /proc/PID/status and /proc/PID/task/TID/status, 64-bit hex
// masks of each thread (capabilities(7)). A mask counts fully only in the user
// namespace of the host's pid 1.
//
// NET_RAW is in the default of containerd and Docker and not in CRI-O's. Where it is
// inherited, that is a finding of low severity.
var EffectiveCapabilities = checks.Check{
	ID:       "privileged/effective-capabilities",
	Title:    "Processes hold no capability beyond the runtime's default",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Processes},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A spec says what was requested; the kernel's mask shows what was granted. With all capabilities, or with one such as " +
		"SYS_ADMIN, SYS_MODULE or BPF, a process in a container can take over its node.",
	Remediation: "Drop ALL and add back only what the program was observed to use. Set allowPrivilegeEscalation to false, " +
		"or hostUsers to false if a program needs more.",
	References: []string{
		"man:capabilities(7)",
		"man:user_namespaces(7)",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#set-capabilities-for-a-container",
		"https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/",
	},
	Glossary: capabilityGlossary(),
	Judge:    judgeEffectiveCapabilities,
}

// capabilityGlossary says what an attacker does with each capability.
func capabilityGlossary() *checks.Glossary {
	terms := make([]checks.Term, 0, capability.Last+1)
	for n := capability.Number(0); n <= capability.Last; n++ {
		terms = append(terms, checks.Term{Name: n.String(), Text: n.Danger()})
	}
	return &checks.Glossary{Title: "What an attacker does with a capability", Terms: terms}
}

func judgeEffectiveCapabilities(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Processes)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		if len(r.Measured.Processes) == 0 {
			findings = append(findings, noProcess(r))
			continue
		}
		if f, some := unlisted(r); some {
			findings = append(findings, f)
		}
		// Most processes of a container hold the same masks. The first task of each
		// state is the evidence, so that each state is named once.
		type state struct {
			eff, prm, bnd fact.CapMask
			noNewPrivs    string
			around        surroundings
			rootUID       int64
			runtime       bool
		}
		for _, t := range distinct(r.Measured, func(t task) state {
			s := state{
				eff: t.CapEff, prm: t.CapPrm, bnd: t.CapBnd, noNewPrivs: setOrNot(t.NoNewPrivs), rootUID: -1,
				around: around(r, t.Process), runtime: r.MayBeRuntime(t.Process),
			}
			if t.RootUID != nil {
				s.rootUID = *t.RootUID
			}
			return s
		}) {
			findings = append(findings, ofRuntime(r, t.Process, judgeMasks(r, t, around(r, t.Process))))
		}
	}
	return findings
}

// surroundings are the namespaces of a process, as far as they decide what its
// capabilities reach.
type surroundings struct {
	userNS           nsRelation
	hostPID, hostNet bool
}

func around(r checks.Running, p *fact.Process) surroundings {
	return surroundings{
		userNS:  userNamespace(r.Node.Measured, p),
		hostPID: inHostNamespace(p.PIDNS, r.Node.Measured.HostPIDNS, r, func(s *fact.PodSpec) bool { return s.HostPID }),
		hostNet: inHostNamespace(p.NetNS, r.Node.Measured.HostNetNS, r, func(s *fact.PodSpec) bool { return s.HostNetwork }),
	}
}

// judgeMasks judges a process or thread.
func judgeMasks(r checks.Running, t task, around surroundings) api.Finding {
	p, userNS, hostPID, hostNet := t.Process, around.userNS, around.hostPID, around.hostNet
	f := api.Finding{Subject: r.Subject(), Basis: api.Measured}
	status := func(field string) string { return t.source(r.Node, field) }
	eff, effRead := p.CapEff.Bits()
	prm, prmRead := p.CapPrm.Bits()
	bnd, bndRead := p.CapBnd.Bits()
	all, allKnown := hostMask(r.Node.Measured)

	for _, m := range []struct {
		name string
		mask fact.CapMask
		show bool
	}{
		{"CapEff", p.CapEff, true},
		{"CapPrm", p.CapPrm, !prmRead || prm != eff},
	} {
		if !m.show {
			continue
		}
		value := m.mask.String()
		if mask, read := m.mask.Bits(); read {
			value += " " + capability.Format(mask, all)
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: status(m.name), Value: value})
	}
	if r.Declared != nil {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: r.Field("securityContext.capabilities"), Value: sayDeclared(r.Declared), Basis: api.Declared,
		})
	}
	if userNS == nsOther {
		value := "not the node's; which uid of the node its root is was not read"
		if p.RootUID != nil {
			value = fmt.Sprintf("not the node's; its root is uid %d of the node", *p.RootUID)
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(r.Node, "/proc/%d/uid_map", p.PID), Value: value})
	}
	if userNS == nsUnread {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: checks.NodeSource(r.Node, "/proc/%d/ns/user", p.PID), Value: "not read: treated as the node's",
		})
	}

	mask := eff | prm
	severity := gradeCapabilities(mask, hostPID, hostNet)
	extra := mask &^ capability.RuntimeDefault
	switch {
	case !effRead:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unreadable, "its effective capabilities (CapEff) were not read"
		return f
	case extra == 0 && !prmRead:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unreadable, "its permitted capabilities (CapPrm) were not read"
		return f
	case userNS == nsOther && extra != 0:
		// The mask counts only for what this user namespace owns.
		f.Verdict, f.Severity = api.Fail, api.Low
		f.Message = "holds " + capability.Format(extra, all) + " beyond the runtime's default, but only in its own user namespace"
		switch {
		case p.RootUID == nil:
			f.Severity = api.Medium
			f.Message += ", whose root may be the node's root"
		case *p.RootUID == 0:
			f.Severity = api.Medium
			f.Message += ", whose root is still the node's root"
		}
		f.Message += "; " + sayDeclared(r.Declared)
		return f
	case allKnown && all != 0 && mask&all == all:
		f.Verdict, f.Severity = api.Fail, api.Critical
		f.Message = "holds every capability that the node has, as with --privileged; " + compareDeclared(r.Declared, mask, all)
		f.Evidence = append(f.Evidence, hostMaskEvidence(r.Node))
		return f
	case extra != 0:
		f.Verdict, f.Severity = api.Fail, severity
		f.Message = "holds " + capability.Format(extra, all) + " beyond the runtime's default" + sayDanger(extra) + "; " + compareDeclared(r.Declared, mask, all)
		return f
	}
	// The masks may be ordinary, and still not what the spec says.
	beyond := beyondDeclared(r.Declared, mask, all)
	if beyond != 0 {
		f.Verdict, f.Severity = api.Fail, api.Medium
		f.Message = "holds more than its spec grants: " + capability.Format(beyond, all) + sayDanger(beyond) + "; " + sayDeclared(r.Declared)
		if userNS == nsOther {
			f.Severity = api.Low
			f.Message += "; only in its own user namespace"
		}
		return f
	}

	// What it holds is fine. What it could gain, by executing a program that
	// is set-user-ID root or has file capabilities, is bounded by CapBnd.
	gain := bnd&^capability.RuntimeDefault | beyondDeclared(r.Declared, bnd, all)
	noNewPrivs := p.NoNewPrivs != nil && *p.NoNewPrivs
	if !noNewPrivs && userNS != nsOther {
		bndEvidence := api.Evidence{Source: status("CapBnd"), Value: p.CapBnd.String()}
		if bndRead {
			bndEvidence.Value += " " + capability.Format(bnd, all)
		}
		noNewPrivsEvidence := api.Evidence{Source: status("NoNewPrivs"), Value: setOrNot(p.NoNewPrivs)}
		switch {
		case bndRead && gain != 0 && p.NoNewPrivs != nil:
			f.Verdict, f.Severity = api.Fail, api.Low
			if gradeCapabilities(bnd, hostPID, hostNet).Rank() > api.Medium.Rank() {
				f.Severity = api.Medium
			}
			f.Message = "can gain " + capability.Format(gain, all) +
				" through a set-user-ID program (CapBnd, and NoNewPrivs is 0); " + compareDeclared(r.Declared, mask, all)
			f.Evidence = append(f.Evidence, bndEvidence, noNewPrivsEvidence)
			return f
		case bndRead && gain != 0, !bndRead:
			f.Verdict, f.Reason = api.VerdictUnknown, fact.Unreadable
			f.Message = "the capabilities that it can gain (CapBnd, NoNewPrivs) were not read"
			f.Evidence = append(f.Evidence, bndEvidence, noNewPrivsEvidence)
			return f
		}
	}
	if mask&capability.NetRaw.Mask() != 0 {
		f.Verdict, f.Severity = api.Fail, api.Low
		f.Message = "holds NET_RAW, " + sayWhoGave(r) + sayDanger(capability.NetRaw.Mask())
		f.Remediation.Text = dropNetRaw
		return f
	}
	f.Verdict = api.Pass
	f.Message = "holds nothing beyond the runtime's default"
	if mask == 0 {
		f.Message = "holds no capability"
	}
	return f
}

// dropNetRaw is what to do about NET_RAW alone.
const dropNetRaw = "Drop ALL or NET_RAW: few programs need it, and ping works without it where net.ipv4.ping_group_range allows it."

// sayDanger says what an attacker does with the gravest of some capabilities.
func sayDanger(mask uint64) string {
	n, ok := capability.Gravest(mask)
	if !ok {
		return ""
	}
	return "; with " + n.String() + " an attacker " + n.Danger()
}

// sayWhoGave says from where a container has NET_RAW.
func sayWhoGave(r checks.Running) string {
	if r.Declared != nil && slices.ContainsFunc(r.Declared.CapAdd, func(name string) bool {
		n, ok := capability.Parse(name)
		return ok && n == capability.NetRaw
	}) {
		return "as its spec asks"
	}
	runtime := r.Measured.Runtime
	if name, _, ok := strings.Cut(r.Node.ContainerRuntime, "://"); ok && (runtime == "" || r.Measured.Kubernetes) {
		runtime = name // the kubelet's, where the cgroup's words may be any runtime's
	}
	switch runtime {
	case "containerd":
		return "which containerd gives by default and CRI-O does not"
	case "docker":
		return "which Docker gives by default and CRI-O does not"
	case "crio", "cri-o":
		return "which this node's CRI-O must be configured to give: its default has none"
	}
	return "which is in the default of containerd and Docker and not in CRI-O's"
}

// beyondDeclared is what of a mask a container's spec does not grant; 0 if the spec is
// unknown. A declared name that is no known capability can be any of those without a
// name.
func beyondDeclared(c *fact.Container, mask, all uint64) uint64 {
	if c == nil {
		return 0
	}
	asked, unknown := declaredMask(c, all)
	switch {
	case c.Privileged != nil && *c.Privileged:
		return 0
	case slices.ContainsFunc(c.CapAdd, func(name string) bool { return strings.EqualFold(name, "ALL") }):
		return 0 // whatever a runtime takes ALL for: more than pid 1 may gain, or than was read
	}
	if len(unknown) > 0 {
		mask &= capability.UpTo(int(capability.Last))
	}
	return mask &^ asked
}

// compareDeclared says what is declared, and which part of the mask goes beyond
// it.
func compareDeclared(c *fact.Container, mask, all uint64) string {
	say := sayDeclared(c)
	if c == nil {
		return say
	}
	if beyond := beyondDeclared(c, mask, all); beyond != 0 {
		say += "; not declared: " + capability.Format(beyond, all)
	}
	return say
}

// hostMask is what "all capabilities" means on a node: CapBnd of the host's pid
// 1, else everything up to cap_last_cap.
func hostMask(m *fact.Measurement) (mask uint64, known bool) {
	if mask, read := m.HostCapBnd.Bits(); read {
		return mask, true
	}
	if m.CapLastCap != nil {
		return capability.UpTo(*m.CapLastCap), true
	}
	return 0, false
}

func hostMaskEvidence(node *fact.Node) api.Evidence {
	mask, _ := hostMask(node.Measured)
	if node.Measured.HostCapBnd.IsZero() {
		return api.Evidence{
			Source: checks.NodeSource(node, "/proc/sys/kernel/cap_last_cap"),
			Value:  fmt.Sprintf("%d", *node.Measured.CapLastCap),
		}
	}
	return api.Evidence{
		Source: checks.NodeSource(node, "/proc/1/status CapBnd"),
		Value:  fmt.Sprintf("%s (%d capabilities)", node.Measured.HostCapBnd, bits.OnesCount64(mask)),
	}
}

// nsRelation compares a process's user namespace with that of the host's pid 1.
type nsRelation int

const (
	nsUnread nsRelation = iota // judged as the node's own
	nsHost
	nsOther
)

// userNamespace compares namespace inodes. Where they were not read (level
// proc) it looks at the uid map: if root is another uid outside, the namespace
// is another one.
func userNamespace(m *fact.Measurement, p *fact.Process) nsRelation {
	switch {
	case p.UserNS != 0 && m.HostUserNS != 0 && p.UserNS == m.HostUserNS:
		return nsHost
	case p.UserNS != 0 && m.HostUserNS != 0:
		return nsOther
	case p.RootUID != nil && *p.RootUID != 0:
		return nsOther
	}
	return nsUnread
}

// inHostNamespace compares the inodes. Where they were not read, what is
// declared decides.
func inHostNamespace(process, host uint64, r checks.Running, declared func(*fact.PodSpec) bool) bool {
	if process != 0 && host != 0 {
		return process == host
	}
	return r.Workload != nil && declared(&r.Workload.Spec)
}
