package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Containers describes the containers of a node in short words, sorted, at most
// api.MaxNodeContainers, and counts all of them. Sandboxes and the probe are left out. A
// container that the API calls running and of which nothing was seen has no words. Drift
// says the state of a container for question 6; nil if nobody can say it. Containers is
// pure.
func Containers(set *fact.Set, node string, drift func(*checks.View, checks.Running) string) (list []api.NodeContainer, count int) {
	v := checks.NewView(set)
	seen, unseen := checks.RunningContainers(v, fact.Processes)
	for _, r := range slices.Concat(seen, unseen) {
		if r.Node.Name == node {
			c := nodeContainer(r)
			if drift != nil && r.Measured != nil {
				c.Drift = escape.Line(drift(v, r))
			}
			list = append(list, c)
		}
	}
	sorted.Func(list, func(a, b api.NodeContainer) int {
		known := func(c *api.NodeContainer) int {
			if c.Pod == "" {
				return 1
			}
			return 0
		}
		return cmp.Or(
			cmp.Compare(known(&a), known(&b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod),
			cmp.Compare(a.Container, b.Container), cmp.Compare(a.Engine, b.Engine), cmp.Compare(a.ID, b.ID),
		)
	})
	return slices.Clip(list[:min(len(list), api.MaxNodeContainers)]), len(list)
}

func nodeContainer(r checks.Running) api.NodeContainer {
	var c api.NodeContainer
	if r.Pod != nil {
		c.Namespace, c.Pod = escape.Line(r.Workload.Owner.Namespace), escape.Line(r.Pod.Name)
	}
	if r.Declared != nil {
		c.Container = escape.Line(r.Declared.Name)
	}
	m := r.Measured
	if m == nil {
		return c
	}
	c.ID, c.Engine, c.Processes = escape.Line(checks.ShortID(m.ID)), escape.Line(m.Runtime), len(m.Processes)
	s := sumOf(r)
	c.User, c.Capabilities, c.Seccomp, c.NoNewPrivs = s.user(), s.capabilities(r.Node.Measured), s.seccomp(), s.noNewPrivs()
	if r.Node.Measured.HasRead(fact.Mounts) && m.Root != nil {
		c.Root = "rw"
		if m.Root.ReadOnly {
			c.Root = "ro"
		}
	}
	if r.Node.Measured.HasRead(fact.Devices) {
		c.Devices = escape.Line(devices(m))
	}
	return c
}

// rights are what the processes and threads of a container hold together.
type rights struct {
	uids      map[string]bool
	mask      uint64 // of those that are not in a user namespace of their own
	inside    uint64 // of the others: it counts only for what their namespace owns
	unread    bool   // some mask
	outside   bool   // some process is not in a user namespace of its own
	off, open bool   // seccomp is off, or was not read, in some process
	strict    bool   // strict mode in all of them
	gains     bool   // some process without NoNewPrivs
	nnpUnread bool
	any       bool
}

func sumOf(r checks.Running) rights {
	s := rights{uids: map[string]bool{}, strict: true}
	host := r.Node.Measured.HostUserNS
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		if r.MayBeRuntime(p) && len(r.Measured.Processes) > 1 {
			continue // gone in a moment
		}
		own := p.RootUID != nil && *p.RootUID != 0 && (p.UserNS == 0 || host == 0 || p.UserNS != host)
		// A namespace whose root is the node's root owns nothing of the node either.
		apart := own || p.UserNS != 0 && host != 0 && p.UserNS != host
		s.outside = s.outside || !apart
		s.add(p.UID[1], own, apart, p.RootUID, p.CapEff, p.CapPrm, p.Seccomp, p.NoNewPrivs)
		if p.Threads == nil {
			continue
		}
		for j := range p.Threads.Differing {
			t := &p.Threads.Differing[j]
			s.add(t.UID[1], own, apart, p.RootUID, t.CapEff, t.CapPrm, t.Seccomp, t.NoNewPrivs)
		}
	}
	return s
}

func (s *rights) add(uid int64, own, apart bool, root *int64, effective, permitted fact.CapMask, seccomp *int, noNewPrivs *bool) {
	s.any = true
	name := strconv.FormatInt(uid, 10)
	if own && uid == *root {
		name = "0 (userns)"
	}
	s.uids[name] = true
	eff, effRead := effective.Bits()
	prm, prmRead := permitted.Bits()
	if apart {
		s.inside |= eff | prm
	} else {
		s.mask |= eff | prm
	}
	s.unread = s.unread || !effRead || !prmRead
	switch {
	case seccomp == nil:
		s.open = true
	case *seccomp == 0:
		s.off = true
	case *seccomp != 1:
		s.strict = false
	}
	switch {
	case noNewPrivs == nil:
		s.nnpUnread = true
	case !*noNewPrivs:
		s.gains = true
	}
}

// maxUsers bounds the uids that are listed of a container.
const maxUsers = 8

func (s *rights) user() string {
	var names []string
	for name := range s.uids {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	if extra := len(names) - maxUsers; extra > 0 {
		names = append(names[:maxUsers], fmt.Sprintf("and %d more", extra))
	}
	return strings.Join(names, " ")
}

func (s *rights) capabilities(m *fact.Measurement) string {
	all := uint64(0)
	if mask, read := m.HostCapBnd.Bits(); read {
		all = mask
	} else if m.CapLastCap != nil {
		all = capability.UpTo(*m.CapLastCap)
	}
	// What one process holds is a lower bound for the container, unless it counts only
	// in its own user namespace.
	if !s.any || s.unread && (all == 0 || s.mask&all != all) {
		return ""
	}
	words, inside := capability.Short(s.mask, all), capability.Short(s.inside, all)+" (userns)"
	switch {
	case s.inside != 0 && !s.outside:
		return inside
	case s.inside&^s.mask != 0:
		return words + "; " + inside
	}
	return words
}

func (s *rights) seccomp() string {
	switch {
	case s.off:
		return "off"
	case s.open || !s.any:
		return ""
	case s.strict:
		return "strict"
	}
	return "filter"
}

func (s *rights) noNewPrivs() string {
	switch {
	case s.gains:
		return "no"
	case s.nnpUnread || !s.any:
		return ""
	}
	return "yes"
}

// devices names the devices of a container that a runtime does not give by default.
func devices(m *fact.MeasuredContainer) string {
	everything := slices.ContainsFunc(m.DeviceRules, func(rule string) bool { return strings.HasPrefix(rule, "a ") && strings.ContainsAny(rule[1:], "rw") })
	switch {
	case everything, m.DeviceFS == "devtmpfs":
		return "all"
	case m.DeviceFS == "":
		return ""
	case len(m.Devices) == 0:
		return "none"
	}
	var names []string
	for _, d := range m.Devices {
		names = append(names, strings.TrimPrefix(d.Path, "/dev/"))
	}
	slices.Sort(names)
	return checks.JoinWords(names, maxDevices)
}

// maxDevices bounds the devices that are named of a container.
const maxDevices = 4

// containers prints the containers of a node that was named alone.
func (p *tablePrinter) containers(out io.Writer, report *api.ChecklistReport) error {
	for i := range report.Nodes {
		if err := p.containersOf(out, &report.Nodes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *tablePrinter) containersOf(out io.Writer, node *api.ReportNode) error {
	if len(node.Containers) == 0 {
		return nil
	}
	t := p.containerTable(node, false)
	if width := p.width(); width > 0 && t.Width() > width {
		t = p.containerTable(node, true)
	}
	if !p.opts.NoHeaders {
		text := fmt.Sprintf("CONTAINERS of node %s: %s.", escape.Line(node.Name), count(node.ContainerCount, "container"))
		if extra := node.ContainerCount - len(node.Containers); extra > 0 {
			text += fmt.Sprintf(" The first %s.", thousands(len(node.Containers)))
		}
		text += " USER: uids of the node."
		if slices.Contains(t.Shown(p.width()), "NNP") {
			text += " NNP: no_new_privs."
		}
		text += " ROOT: its root file system. -: not read."
		if err := p.dimmed(out, text); err != nil {
			return err
		}
	}
	if err := t.Write(out, p.width()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// containerTable makes a row for each container. If narrow, the pod's name has a line
// of its own below it, so that it need not be cut.
func (p *tablePrinter) containerTable(node *api.ReportNode, narrow bool) *screen.Table {
	t := &screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders, NoteIndent: 2, Columns: []screen.Column{
		{Header: "CONTAINER", Fold: screen.CutInside, Min: 16, Give: 1},
		{Header: "USER", Fold: screen.Wrapping, Min: 8, Give: 2},
		{Header: "CAPABILITIES", Fold: screen.Wrapping, Min: 12, Give: 1},
		{Header: "SECCOMP", Drop: 2},
		{Header: "NNP", Drop: 3},
		{Header: "ROOT"},
		{Header: "DEVICES", Fold: screen.Wrapping, Min: 7, Give: 2, Drop: 1},
	}}
	drift := slices.ContainsFunc(node.Containers, func(c api.NodeContainer) bool { return c.Drift != "" })
	if drift {
		t.Columns = append(t.Columns, screen.Column{Header: "DRIFT"})
	}
	for i := range node.Containers {
		c := &node.Containers[i]
		pod, name := containerName(c)
		row := screen.Row{}
		switch {
		case narrow:
			row.Note = pod
		case pod != "":
			name = pod + " " + name
		}
		row.Cells = []screen.Cell{
			{Text: name},
			unread(c.User, screen.Plain), capabilitiesCell(c.Capabilities),
			unread(c.Seccomp, paintOf(c.Seccomp, "off", screen.Yellow)), unread(c.NoNewPrivs, paintOf(c.NoNewPrivs, "no", screen.Yellow)),
			unread(c.Root, paintOf(c.Root, "rw", screen.Yellow)), unread(c.Devices, paintOf(c.Devices, "all", screen.Red)),
		}
		if drift {
			row.Cells = append(row.Cells, driftCell(c.Drift))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// containerName is the pod as NAMESPACE/POD and the container's name; engine and id
// stand for a name that the API does not know.
func containerName(c *api.NodeContainer) (pod, name string) {
	if c.Pod != "" {
		pod = c.Namespace + "/" + c.Pod
	}
	name = c.Container
	if name == "" {
		name = strings.TrimSpace(c.Engine + " " + c.ID)
	}
	return escape.Line(pod), escape.Line(name)
}

func unread(text string, paint screen.Paint) screen.Cell {
	if text == "" {
		return screen.Cell{Text: "-", Paint: screen.Dim}
	}
	return screen.Cell{Text: escape.Line(text), Paint: paint}
}

func paintOf(text, bad string, paint screen.Paint) screen.Paint {
	if text == bad {
		return paint
	}
	return screen.Plain
}

func capabilitiesCell(text string) screen.Cell {
	outside, _, _ := strings.Cut(text, ";")
	switch {
	case strings.HasPrefix(outside, "all") && !strings.HasSuffix(outside, "(userns)"):
		return unread(text, screen.Red)
	case strings.Contains(outside, "+"):
		return unread(text, screen.Yellow)
	}
	return unread(text, screen.Plain)
}

func driftCell(state string) screen.Cell {
	switch state {
	case "PREVENTED":
		return screen.Cell{Text: state, Paint: screen.Green}
	case "DETECTED":
		return screen.Cell{Text: state, Paint: screen.Red}
	}
	return unread(state, screen.Yellow)
}
