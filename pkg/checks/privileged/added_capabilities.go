package privileged

import (
	"cmp"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// AddedCapabilities fails a container that asks for more than the runtime's
// default set. Adding a default capability back after drop ALL is fine, except for
// NET_RAW: the baseline of the Pod Security Standards refuses it (policy
// capabilities_baseline).
var AddedCapabilities = checks.Check{
	ID:       "privileged/added-capabilities",
	Title:    "No container adds capabilities beyond the runtime's default",
	Severity: api.Critical,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "Capabilities split root's power into pieces, but some pieces give all of it: SYS_ADMIN mounts file systems, SYS_MODULE " +
		"loads code into the kernel, DAC_READ_SEARCH reads every file of the node. With NET_RAW a pod answers for the addresses of others.",
	Remediation: "Drop ALL, and add back only capabilities that the program was observed to use. Most services need none, or only NET_BIND_SERVICE.",
	References: []string{
		"man:capabilities(7)",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: judgeAddedCapabilities,
}

func judgeAddedCapabilities(v *checks.View) []api.Finding {
	declared := checks.DeclaredContainers(v)
	findings := make([]api.Finding, 0, len(declared))
	for _, d := range declared {
		if windows, _ := d.Windows(); windows {
			continue
		}
		findings = append(findings, judgeAdded(d))
	}
	return findings
}

func judgeAdded(d checks.Declared) api.Finding {
	spec, c := &d.Workload.Spec, d.Container
	value := "not set"
	if len(c.CapAdd) > 0 {
		value = strings.Join(c.CapAdd, ", ")
	}
	f := api.Finding{
		Verdict: api.Pass, Subject: d.Subject(), Message: "adds no capability beyond the runtime's default",
		Evidence: []api.Evidence{{Source: d.Field("securityContext.capabilities.add"), Value: value}},
	}
	var mask uint64
	var unknown []string
	everything := false
	for _, name := range c.CapAdd {
		if isAll(name) {
			everything = true
		} else if n, ok := capability.Parse(name); ok {
			mask |= n.Mask()
		} else {
			unknown = append(unknown, name)
		}
	}
	severity := gradeCapabilities(mask, spec.HostPID, spec.HostNetwork)
	extra := capability.Names(mask &^ capability.RuntimeDefault)
	switch {
	case everything:
		f.Verdict, f.Severity, f.Message = api.Fail, api.Critical, "adds every capability"
		// Each runtime drops by name what it has added by ALL.
		if dropped := namedMask(c.CapDrop) &^ mask; dropped != 0 {
			every := uint64(1)<<(capability.Last+1) - 1
			f.Severity = cmp.Or(gradeCapabilities(every&^dropped, spec.HostPID, spec.HostNetwork), api.Low)
			f.Message += " except " + strings.Join(capability.Names(dropped), ", ")
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field("securityContext.capabilities.drop"), Value: strings.Join(c.CapDrop, ", ")})
		}
	case len(extra) > 0:
		f.Verdict, f.Severity, f.Message = api.Fail, severity, "adds "+strings.Join(extra, ", ")
	case mask&capability.NetRaw.Mask() != 0:
		// It is in the default of containerd and Docker, but a spec that asks for it
		// gets it from CRI-O too, and the baseline of Pod Security refuses that.
		f.Verdict, f.Severity = api.Fail, api.Medium
		f.Message = "adds NET_RAW, which the Pod Security baseline refuses"
	case len(unknown) > 0:
		// Either the runtime refuses the name, or the name is newer than this
		// list.
		f.Verdict, f.Reason = api.VerdictUnknown, fact.Unsupported
		f.Message = "adds a capability that this version does not know: " + strings.Join(kubernetesNames(unknown), ", ")
		return f
	default:
		return f
	}
	if spec.HostUsers != nil && !*spec.HostUsers {
		// They count only for what its own user namespace owns, not for the
		// host.
		f.Severity = api.Low
		f.Message += ", in its own user namespace"
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.PodField(d.Workload, "hostUsers"), Value: "false"})
		return f
	}
	if !everything {
		f.Message += sayDanger(mask &^ (capability.RuntimeDefault &^ capability.NetRaw.Mask()))
	}
	return f
}
