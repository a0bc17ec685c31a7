package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestCPUVulnerabilities(t *testing.T) {
	const dir = "node/n1 /sys/devices/system/cpu/vulnerabilities/"
	set := func(states ...string) *fact.Set {
		cpu := &fact.CPUState{Path: "/sys/devices/system/cpu/vulnerabilities"}
		for i := 0; i < len(states); i += 2 {
			cpu.Vulnerabilities = append(cpu.Vulnerabilities, fact.CPUVulnerability{Name: states[i], State: states[i+1]})
		}
		return host(fact.Host{CPU: cpu})
	}
	finding := func(verdict api.Verdict, severity api.Severity, message string, evidence ...string) api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.Unsupported
		}
		return f
	}
	const (
		pass     = "the kernel mitigates every vulnerability of the processor that it knows"
		open     = "the kernel calls the processor vulnerable: "
		threads  = "the kernel does not protect against the other thread of a core: "
		guests   = "the kernel does not protect against virtual machines on this node: "
		partly   = "the kernel mitigates only in part: "
		unclear  = "the kernel does not know whether all is mitigated: "
		clear    = "Mitigation: Clear CPU buffers; SMT "
		inferred = "Mitigation: PTE Inversion; VMX: "
	)
	ft.Judge(t, checks.OfSet(judgeCPUVulnerabilities), map[string]row{
		"not affected and mitigated pass": {
			set("meltdown", "Not affected", "spectre_v1", "Mitigation: usercopy/swapgs barriers and __user pointer sanitization", "mds", clear+"disabled"),
			ft.One(finding(api.Pass, "", pass, dir+"meltdown", "Not affected",
				dir+"spectre_v1", "Mitigation: usercopy/swapgs barriers and __user pointer sanitization", dir+"mds", clear+"disabled")),
		},
		"vulnerable fails, and only what is vulnerable is evidence": {
			set("retbleed", "Vulnerable", "srbds", "Vulnerable: No microcode", "mds", "Vulnerable; SMT vulnerable", "x", "Not affected"),
			ft.One(finding(api.Fail, api.Medium, open+"retbleed, srbds, mds",
				dir+"retbleed", "Vulnerable", dir+"srbds", "Vulnerable: No microcode", dir+"mds", "Vulnerable; SMT vulnerable")),
		},
		"Meltdown is worse": {set("meltdown", "Vulnerable"), ft.One(finding(api.Fail, api.High, open+"meltdown", dir+"meltdown", "Vulnerable"))},
		"Meltdown is not worse where it is mitigated": {
			set("meltdown", "Mitigation: PTI", "retbleed", "Vulnerable"), ft.One(finding(api.Fail, api.Medium, open+"retbleed", dir+"retbleed", "Vulnerable")),
		},
		"powerpc's vulnerable":            {set("l1tf", "Vulnerable, L1D private per thread"), ft.One(finding(api.Fail, api.Medium, open+"l1tf", dir+"l1tf", "Vulnerable, L1D private per thread"))},
		"a processor without KVM's help":  {set("itlb_multihit", "Processor vulnerable"), ft.One(finding(api.Fail, api.Medium, open+"itlb_multihit", dir+"itlb_multihit", "Processor vulnerable"))},
		"KVM is mitigated":                {set("itlb_multihit", "KVM: Mitigation: VMX disabled"), ft.One(finding(api.Pass, "", pass, dir+"itlb_multihit", "KVM: Mitigation: VMX disabled"))},
		"KVM is vulnerable":               {set("itlb_multihit", "KVM: Vulnerable"), ft.One(finding(api.Fail, api.Low, guests+"itlb_multihit", dir+"itlb_multihit", "KVM: Vulnerable"))},
		"guests alone":                    {set("l1tf", inferred+"vulnerable"), ft.One(finding(api.Fail, api.Low, guests+"l1tf", dir+"l1tf", inferred+"vulnerable"))},
		"between threads of a core":       {set("mds", clear+"vulnerable"), ft.One(finding(api.Fail, api.Low, threads+"mds", dir+"mds", clear+"vulnerable"))},
		"of guests between threads":       {set("l1tf", inferred+"conditional cache flushes, SMT vulnerable"), ft.One(finding(api.Fail, api.Low, threads+"l1tf", dir+"l1tf", inferred+"conditional cache flushes, SMT vulnerable"))},
		"one part of a mitigation":        {set("spectre_v2", "Mitigation: Retpolines; BHI: Vulnerable, KVM: SW loop"), ft.One(finding(api.Fail, api.Medium, partly+"spectre_v2", dir+"spectre_v2", "Mitigation: Retpolines; BHI: Vulnerable, KVM: SW loop"))},
		"arm64's history":                 {set("spectre_v2", "Mitigation: CSV2, but not BHB"), ft.One(finding(api.Fail, api.Medium, partly+"spectre_v2", dir+"spectre_v2", "Mitigation: CSV2, but not BHB"))},
		"a part that is not affected":     {set("spectre_v2", "Mitigation: IBRS; PBRSB-eIBRS: Not affected; BHI: Not affected"), ft.One(finding(api.Pass, "", pass, dir+"spectre_v2", "Mitigation: IBRS; PBRSB-eIBRS: Not affected; BHI: Not affected"))},
		"a guest that cannot know":        {set("mds", clear+"Host state unknown"), ft.One(finding(api.VerdictUnknown, "", unclear+"mds", dir+"mds", clear+"Host state unknown"))},
		"unknown, as the kernel says":     {set("srbds", "Unknown: Dependent on hypervisor status"), ft.One(finding(api.VerdictUnknown, "", unclear+"srbds", dir+"srbds", "Unknown: Dependent on hypervisor status"))},
		"Xen, in brackets":                {set("meltdown", "Unknown (XEN PV detected, hypervisor mitigation required)"), ft.One(finding(api.VerdictUnknown, "", unclear+"meltdown", dir+"meltdown", "Unknown (XEN PV detected, hypervisor mitigation required)"))},
		"words that nobody knows":         {set("x", "Fine"), ft.One(finding(api.VerdictUnknown, "", unclear+"x", dir+"x", "Fine"))},
		"a word that only begins like it": {set("x", "Not affected at all", "y", "Vulnerableish", "z", "Mitigation"), ft.One(finding(api.VerdictUnknown, "", unclear+"x, y, z", dir+"x", "Not affected at all", dir+"y", "Vulnerableish", dir+"z", "Mitigation"))},
		"no file":                         {host(fact.Host{CPU: &fact.CPUState{}}), ft.One(api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.NodeSubject(), Message: "the kernel names no vulnerability of processors", Evidence: ft.Evidence("node/n1 /sys/devices/system/cpu/vulnerabilities", "no file")})},
		"facts of a version without it":   {ft.Edit(set(), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil},
		"each class has its own finding": {
			set("a", "Vulnerable", "b", clear+"vulnerable", "c", "Unknown: No mitigations", "d", "Not affected"),
			[]api.Finding{
				finding(api.Fail, api.Medium, open+"a", dir+"a", "Vulnerable"),
				finding(api.Fail, api.Low, threads+"b", dir+"b", clear+"vulnerable"),
				finding(api.VerdictUnknown, "", unclear+"c", dir+"c", "Unknown: No mitigations"),
			},
		},
	})
}
