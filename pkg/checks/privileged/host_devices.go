package privileged

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// HostDevices fails a container whose /dev has device nodes that a runtime does
// not give by default, and one whose device rules open more to it. Source: the names
// in /dev below the container's root, and devices.list of its cgroup (the kernel's
// admin-guide/cgroup-v1/devices.rst). Cgroup v2 keeps the rules in a BPF program, which
// cannot be read: there a device in /dev counts as open.
var HostDevices = checks.Check{
	ID:       "privileged/host-devices",
	Title:    "No container holds the node's devices",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Devices},
	Uses:     []fact.Kind{fact.Pods, fact.Processes},
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
	rules := rulesOf(r)
	mount := api.Evidence{Source: r.Source("root/dev"), Value: m.DeviceFS}
	var findings []api.Finding
	if rules.read {
		findings = judgeRules(r, rules)
	}
	switch m.DeviceFS {
	case "":
		mount.Value = "not read"
		return append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: r.Subject(),
			Message: "its /dev was not read", Evidence: []api.Evidence{mount},
		})
	case "devtmpfs":
		mount.Value += ", the node's own"
		f := api.Finding{
			Verdict: api.Fail, Severity: api.High, Subject: r.Subject(), Message: "its /dev is the node's", Evidence: []api.Evidence{mount, rules.evidence},
		}
		if rules.read && !rules.open {
			f.Severity = api.Medium // what is there, and under which names, it sees
			f.Message += ", but its device rules refuse most devices"
		}
		return append(findings, f)
	}
	// Devices of one grade give one finding, because a privileged container has
	// dozens.
	type group struct {
		severity api.Severity
		what     string
		refused  bool
	}
	paths, evidence := map[group][]string{}, map[group][]api.Evidence{}
	var order []group
	for _, d := range m.Devices {
		severity, what := gradeDevice(d)
		g := group{severity, what, rules.refuse(d)}
		if g.refused {
			g.severity = api.Low
		}
		if paths[g] == nil {
			order = append(order, g)
		}
		paths[g] = append(paths[g], d.Path)
		evidence[g] = append(evidence[g], api.Evidence{
			Source: r.Source("root" + d.Path), Value: fmt.Sprintf("%s %d:%d, %s", d.Type, d.Major, d.Minor, what),
		})
	}
	for _, g := range order {
		slices.Sort(paths[g])
		f := api.Finding{
			Verdict: api.Fail, Severity: g.severity, Subject: r.Subject(),
			Message: "holds " + g.what + ": " + checks.JoinWords(paths[g], 3), Evidence: append(evidence[g], rules.evidence),
		}
		if g.refused {
			f.Message += ", which its device rules refuse"
		}
		findings = append(findings, f)
	}
	if len(findings) == 0 {
		mount.Value += ", no device beyond the runtime's default"
		return []api.Finding{{
			Verdict: api.Pass, Subject: r.Subject(), Message: "holds no device of the node", Evidence: []api.Evidence{mount, rules.evidence},
		}}
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

// deviceRule is a line of devices.list: "c 1:3 rwm".
type deviceRule struct {
	kind         string // a (all), b, c
	major, minor string // a number, or "*"
	access       string // of r, w, m
}

func parseRule(line string) (deviceRule, bool) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return deviceRule{}, false
	}
	major, minor, ok := strings.Cut(fields[1], ":")
	return deviceRule{fields[0], major, minor, fields[2]}, ok
}

// opens reports whether reading or writing is allowed, not only making a node.
func (d deviceRule) opens() bool { return strings.ContainsAny(d.access, "rw") }

// all reports whether the rule is about every device of its kinds.
func (d deviceRule) all() bool { return d.kind == "a" || d.major == "*" && d.minor == "*" }

func (d deviceRule) matches(device fact.Device) bool {
	number := func(pattern string, n uint32) bool {
		return pattern == "*" || pattern == strconv.FormatUint(uint64(n), 10)
	}
	return (d.kind == "a" || d.kind == device.Type) && number(d.major, device.Major) && number(d.minor, device.Minor)
}

// defaultRules are those that runc gives to every container (specconv.AllowedDevices),
// and 10:200 (tun), which it gave until version 1.2.
var defaultRules = []string{
	"c 1:3", "c 1:5", "c 1:7", "c 1:8", "c 1:9", "c 5:0", "c 5:1", "c 5:2", "c 136:*", "c 10:200",
}

// deviceRules are what a container's device cgroup allows.
type deviceRules struct {
	read     bool
	open     bool // every device, or every one of a kind
	list     []deviceRule
	evidence api.Evidence
	mknod    bool // whether a process of it can make device nodes
}

func rulesOf(r checks.Running) deviceRules {
	out := deviceRules{evidence: api.Evidence{Source: r.Source("cgroup devices.list"), Value: "not read: on cgroup v2 device rules are a BPF program"}}
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		eff, _ := p.CapEff.Bits()
		prm, _ := p.CapPrm.Bits()
		// mknod(2) of a device needs the capability in the first user namespace.
		out.mknod = out.mknod || (eff|prm)&capability.Mknod.Mask() != 0 && userNamespace(r.Node.Measured, p) != nsOther
	}
	if r.Measured.DeviceRules == nil {
		return out
	}
	out.read = true
	for _, line := range r.Measured.DeviceRules {
		rule, ok := parseRule(line)
		if !ok || !rule.opens() {
			continue
		}
		out.list = append(out.list, rule)
		out.open = out.open || rule.all()
	}
	out.evidence.Value = checks.JoinWords(r.Measured.DeviceRules, 6)
	return out
}

// refuse reports whether the rules are known and allow neither reading nor writing a
// device.
func (d deviceRules) refuse(device fact.Device) bool {
	return d.read && !slices.ContainsFunc(d.list, func(rule deviceRule) bool { return rule.matches(device) })
}

// judgeRules judges what the rules allow beyond the runtime's default. With MKNOD a
// process makes itself the device node that it lacks.
func judgeRules(r checks.Running, rules deviceRules) []api.Finding {
	var beyond []string
	worst, all := api.Severity(""), map[string]bool{}
	for _, rule := range rules.list {
		what := rule.kind + " " + rule.major + ":" + rule.minor
		shown := slices.ContainsFunc(r.Measured.Devices, func(d fact.Device) bool { return rule.matches(d) && !rule.all() })
		if slices.Contains(defaultRules, what) || shown { // a device in /dev has a finding of its own
			continue
		}
		beyond = append(beyond, what+" "+rule.access)
		if rule.all() {
			all[rule.kind] = true
		}
		severity := api.Medium
		switch {
		case rule.all(), rule.kind == "b":
			severity = api.High
		}
		if severity.Rank() > worst.Rank() {
			worst = severity
		}
	}
	if len(beyond) == 0 {
		return nil
	}
	f := api.Finding{
		Verdict: api.Fail, Severity: worst, Subject: r.Subject(), Message: "its device rules allow " + checks.JoinWords(beyond, 3), Evidence: []api.Evidence{rules.evidence},
	}
	switch {
	case all["a"], all["b"] && all["c"]:
		f.Message = "every device of the node is open to it"
	case all["b"]:
		f.Message = "every block device of the node is open to it"
	case all["c"]:
		f.Message = "every character device of the node is open to it"
	}
	if rules.mknod {
		f.Message += ", and it can make the nodes itself (MKNOD)"
		return []api.Finding{f}
	}
	// Without the capability it needs a node that somebody puts there.
	f.Severity = api.Low
	if len(all) > 0 {
		f.Severity = api.Medium
	}
	return []api.Finding{f}
}
