package hosts

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// CPUVulnerabilities fails a node whose kernel says that its processor has a
// vulnerability that is not mitigated. Source: the files of
// /sys/devices/system/cpu/vulnerabilities, whose words the kernel documents in
// Documentation/admin-guide/hw-vuln.
var CPUVulnerabilities = checks.Check{
	ID:       "hosts/cpu-vulnerabilities",
	Title:    "The kernel mitigates each known vulnerability of the processor",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.CPU},
	Scope:    checks.ScopeNode,
	Evidence: fact.MaxCPUVulnerabilities,
	Why: "A process in a container can use such a vulnerability to read memory of the kernel or of other containers. " +
		"The kernel knows only what was published before it was built. In a virtual machine it knows only what the hypervisor shows it: " +
		"the words are then about the guest, and whether the host itself is protected is unknown.",
	Remediation: "Update the kernel and the processor's microcode (in a virtual machine: its host, or the machine type), and boot without mitigations=off. " +
		"Where the kernel says SMT vulnerable, turn SMT off, or run workloads that do not trust each other on different nodes.",
	References: []string{
		"https://docs.kernel.org/admin-guide/hw-vuln/index.html",
		"https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-devices-system-cpu",
	},
	Judge: judgeCPUVulnerabilities,
}

// Values of a vulnerability's state, from the best.
type mitigation int

const (
	mitigated     mitigation = iota // "Not affected", or all of "Mitigation: ..."
	notUnderstood                   // "Unknown: ...", a part that the guest cannot know, or other words
	exceptSMT                       // "Mitigation: ...; SMT vulnerable"
	exceptGuests                    // "Mitigation: ...; VMX: vulnerable"
	inPart                          // "Mitigation: ...; BHI: Vulnerable"
	vulnerable                      // "Vulnerable..."
)

// mitigationOf reads the kernel's words.
func mitigationOf(state string) mitigation {
	state, kvm := strings.CutPrefix(state, "KVM: ") // itlb_multihit
	if state == "Not affected" {
		return mitigated
	}
	if state == "Processor vulnerable" {
		return vulnerable
	}
	if rest, ok := strings.CutPrefix(state, "Vulnerable"); ok && (rest == "" || strings.ContainsRune(":;,", rune(rest[0]))) {
		if kvm {
			return exceptGuests
		}
		return vulnerable
	}
	rest, ok := strings.CutPrefix(state, "Mitigation: ")
	if !ok {
		return notUnderstood
	}
	worst := mitigated
	for part := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == ';' || r == ',' }) {
		part = strings.ToLower(strings.TrimSpace(part))
		of := mitigated
		switch {
		case strings.HasSuffix(part, "smt vulnerable"): // also "vmx: smt vulnerable"
			of = exceptSMT
		case strings.Contains(part, "vulnerable") && (strings.HasPrefix(part, "vmx") || strings.HasPrefix(part, "kvm")):
			of = exceptGuests
		case strings.Contains(part, "vulnerable"), strings.HasPrefix(part, "but not"): // arm64: "CSV2, but not BHB"
			of = inPart
		case strings.Contains(part, "unknown"): // "SMT Host state unknown"
			of = notUnderstood
		}
		worst = max(worst, of)
	}
	return worst
}

// severe are vulnerabilities by which a process reads any memory of the kernel
// without help from the kernel's own code.
var severe = map[string]bool{"meltdown": true}

func judgeCPUVulnerabilities(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if node := &v.Nodes[i]; node.Measured.HasRead(fact.CPU) {
			findings = append(findings, judgeCPU(node)...)
		}
	}
	return findings
}

// judgeCPU gives one finding for each class of states, or a pass.
func judgeCPU(node *fact.Node) []api.Finding {
	subject := fact.Subject{Kind: fact.SubjectNode, Name: node.Name}
	cpu := node.Measured.Host.CPU
	if cpu == nil || len(cpu.Vulnerabilities) == 0 {
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: subject, Message: "the kernel names no vulnerability of processors",
			Evidence: []api.Evidence{{Source: checks.NodeSource(node, "/sys/devices/system/cpu/vulnerabilities"), Value: "no file"}},
		}}
	}
	var findings []api.Finding
	var all []api.Evidence
	found := map[mitigation][]string{}
	evidence := map[mitigation][]api.Evidence{}
	high := false
	for _, vulnerability := range cpu.Vulnerabilities {
		m := mitigationOf(vulnerability.State)
		e := api.Evidence{Source: checks.NodeSource(node, "%s/%s", cpu.Path, vulnerability.Name), Value: vulnerability.State}
		all = append(all, e)
		found[m], evidence[m] = append(found[m], vulnerability.Name), append(evidence[m], e)
		high = high || m == vulnerable && severe[vulnerability.Name]
	}
	add := func(m mitigation, verdict api.Verdict, severity api.Severity, message string) {
		if len(found[m]) == 0 {
			return
		}
		f := api.Finding{Verdict: verdict, Subject: subject, Severity: severity, Evidence: evidence[m]}
		f.Message = message + ": " + checks.JoinWords(found[m], namesMessage)
		if verdict == api.VerdictUnknown {
			f.Reason = fact.Unsupported
		}
		findings = append(findings, f)
	}
	worst := api.Medium
	if high {
		worst = api.High
	}
	add(vulnerable, api.Fail, worst, "the kernel calls the processor vulnerable")
	add(inPart, api.Fail, api.Medium, "the kernel mitigates only in part")
	add(exceptGuests, api.Fail, api.Low, "the kernel does not protect against virtual machines on this node")
	add(exceptSMT, api.Fail, api.Low, "the kernel does not protect against the other thread of a core")
	add(notUnderstood, api.VerdictUnknown, "", "the kernel does not know whether all is mitigated")
	if len(findings) == 0 {
		findings = append(findings, api.Finding{
			Verdict: api.Pass, Subject: subject, Message: "the kernel mitigates every vulnerability of the processor that it knows", Evidence: all,
		})
	}
	return findings
}
