package privileged

import (
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// HostDevices fails a container whose /dev has device nodes that a runtime does
// not give by default. Source: the names in /dev below the container's root.
// The device cgroup, which is not read, can still refuse access to a node.
var HostDevices = checks.Check{
	ID:       "privileged/host-devices",
	Title:    "No container holds the node's devices",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Devices},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A disk device gives the node's whole file system and bypasses every permission; /dev/mem gives the kernel's memory. " +
		"A privileged container has all of them.",
	Remediation: "Remove privileged and hostPath mounts of /dev. Give the container the one device that it needs through a device plugin.",
	References: []string{
		"man:mknod(2)",
		"https://docs.kernel.org/admin-guide/devices.html",
		"https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/",
	},
	Judge: judgeHostDevices,
}

func judgeHostDevices(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Devices)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgeDevices(r)...)
	}
	return findings
}

func judgeDevices(r checks.Running) []api.Finding {
	m := r.Measured
	mount := api.Evidence{Source: r.Source("root/dev"), Value: m.DeviceFS}
	switch m.DeviceFS {
	case "":
		mount.Value = "not read"
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: r.Subject(),
			Message: "its /dev was not read", Evidence: []api.Evidence{mount},
		}}
	case "devtmpfs":
		mount.Value += ", the node's own"
		return []api.Finding{{
			Verdict: api.Fail, Severity: api.High, Subject: r.Subject(),
			Message: "its /dev is the node's", Evidence: []api.Evidence{mount},
		}}
	}
	// Devices of one grade give one finding, because a privileged container has
	// dozens.
	type group struct {
		severity api.Severity
		what     string
	}
	paths, evidence := map[group][]string{}, map[group][]api.Evidence{}
	var order []group
	for _, d := range m.Devices {
		severity, what := gradeDevice(d)
		g := group{severity, what}
		if paths[g] == nil {
			order = append(order, g)
		}
		paths[g] = append(paths[g], d.Path)
		evidence[g] = append(evidence[g], api.Evidence{
			Source: r.Source("root" + d.Path), Value: fmt.Sprintf("%s %d:%d, %s", d.Type, d.Major, d.Minor, what),
		})
	}
	if len(order) == 0 {
		mount.Value += ", no device beyond the runtime's default"
		return []api.Finding{{
			Verdict: api.Pass, Subject: r.Subject(), Message: "holds no device of the node", Evidence: []api.Evidence{mount},
		}}
	}
	findings := make([]api.Finding, 0, len(order))
	for _, g := range order {
		slices.Sort(paths[g])
		findings = append(findings, api.Finding{
			Verdict: api.Fail, Severity: g.severity, Subject: r.Subject(),
			Message: "holds " + g.what + ": " + checks.JoinWords(paths[g], 3), Evidence: evidence[g],
		})
	}
	return findings
}

// gradeDevice grades a device by its number (Linux allocated devices), because
// a device can have any name.
func gradeDevice(d fact.Device) (api.Severity, string) {
	char := func(major, minor uint32) bool { return d.Type == "c" && d.Major == major && d.Minor == minor }
	switch {
	case d.Type == "b":
		return api.High, "block devices"
	case char(1, 1), char(1, 2), char(1, 4):
		return api.High, "the kernel's memory or ports" // mem, kmem, port
	case char(1, 11):
		return api.Medium, "the kernel's log"
	case d.Type == "c" && d.Major == 195:
		return api.Low, "NVIDIA GPUs"
	}
	return api.Medium, "devices of the node"
}
