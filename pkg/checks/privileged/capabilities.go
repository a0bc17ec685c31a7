package privileged

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
)

// The capabilities by which a process takes over the host from inside a
// container, if it holds them in the host's user namespace. PtraceTakeover also
// needs the host's PID namespace, netTakeover its network namespace.
var (
	criticalTakeover = capability.SysAdmin.Mask() | capability.SysModule.Mask()
	takeover         = criticalTakeover | capability.SysRawIO.Mask() | capability.BPF.Mask() |
		capability.DACReadSearch.Mask() // open_by_handle_at(2) reads any file of the host
	ptraceTakeover = capability.SysPtrace.Mask()
	netTakeover    = capability.NetAdmin.Mask()
)

// gradeCapabilities grades what goes beyond the runtime's default, "" if
// nothing does.
func gradeCapabilities(mask uint64, hostPID, hostNetwork bool) api.Severity {
	extra := mask &^ capability.RuntimeDefault
	dangerous := takeover
	if hostPID {
		dangerous |= ptraceTakeover
	}
	if hostNetwork {
		dangerous |= netTakeover
	}
	switch {
	case extra == 0:
		return ""
	case extra&criticalTakeover != 0:
		return api.Critical
	case extra&dangerous != 0:
		return api.High
	}
	return api.Medium
}

// declaredMask is what a container asks for: the runtime's default without what
// it drops, plus what it adds. Unknown lists names that are not capabilities. The order is
// containerd's (WithCapabilities of its CRI plugin): add ALL, drop ALL, the adds by name, the
// drops by name. Docker's differs where one name is both added and dropped: it adds it.
func declaredMask(c *fact.Container, all uint64) (mask uint64, unknown []string) {
	if c.Privileged != nil && *c.Privileged {
		return all, nil
	}
	mask = capability.RuntimeDefault
	if hasAll(c.CapAdd) {
		mask = all
	}
	if hasAll(c.CapDrop) {
		mask = 0
	}
	for _, name := range c.CapAdd {
		if n, ok := capability.Parse(name); ok {
			mask |= n.Mask()
		} else if !isAll(name) {
			unknown = append(unknown, name)
		}
	}
	return mask &^ namedMask(c.CapDrop), unknown
}

// namedMask are the capabilities in a list, without ALL and without names that are none.
func namedMask(names []string) (mask uint64) {
	for _, name := range names {
		if n, ok := capability.Parse(name); ok {
			mask |= n.Mask()
		}
	}
	return mask
}

func isAll(name string) bool { return strings.EqualFold(name, "ALL") }

func hasAll(names []string) bool { return slices.ContainsFunc(names, isAll) }

// sayDeclared says in a few words which capabilities a container declares.
func sayDeclared(c *fact.Container) string {
	if c == nil {
		return "its declaration is unknown"
	}
	if c.Privileged != nil && *c.Privileged {
		return "declared: privileged"
	}
	var parts []string
	if len(c.CapAdd) > 0 {
		parts = append(parts, "add "+strings.Join(kubernetesNames(c.CapAdd), ","))
	}
	if len(c.CapDrop) > 0 {
		parts = append(parts, "drop "+strings.Join(kubernetesNames(c.CapDrop), ","))
	}
	if len(parts) == 0 {
		return "declared: the runtime's default"
	}
	return "declared: " + strings.Join(parts, ", ")
}

// kubernetesNames sorts names and writes them as Kubernetes does.
func kubernetesNames(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = name
		if n, ok := capability.Parse(name); ok {
			out[i] = n.String()
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func setOrNot(b *bool) string {
	switch {
	case b == nil:
		return "not set"
	case *b:
		return "true"
	}
	return "false"
}
