package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// What the processes and threads of a container hold together, in short words.
func TestContainers(t *testing.T) {
	second := func(edits ...func(*fact.Process)) func(*fact.MeasuredContainer) {
		return func(c *fact.MeasuredContainer) {
			p := ft.Process()
			p.PID = 101
			for _, edit := range append([]func(*fact.Process){ft.Bare}, edits...) {
				edit(&p)
			}
			c.Processes = append(c.Processes, p)
		}
	}
	caps := func(mask uint64) func(*fact.Process) {
		return func(p *fact.Process) { p.CapEff, p.CapPrm = fact.NewCapMask(mask), fact.NewCapMask(mask) }
	}
	inside := func(p *fact.Process) { p.UserNS, p.RootUID = 4026532999, ft.Ptr(int64(65536)) }
	edit := func(edits ...func(*fact.Process)) func(*fact.MeasuredContainer) {
		return func(c *fact.MeasuredContainer) {
			for _, e := range edits {
				e(&c.Processes[0])
			}
		}
	}
	// row is the container of ft.Measured, changed.
	row := func(change func(*api.NodeContainer)) api.NodeContainer {
		c := api.NodeContainer{
			Namespace: "shop", Pod: "web-1", Container: "app", ID: "aaaaaaaaaaaa", Processes: 1,
			User: "1000", Capabilities: "none", Seccomp: "filter", NoNewPrivs: "yes", Root: "ro", Devices: "none",
		}
		change(&c)
		return c
	}
	for name, tc := range map[string]struct {
		change func(*fact.MeasuredContainer)
		want   func(*api.NodeContainer)
	}{
		"nothing to see": {func(*fact.MeasuredContainer) {}, func(*api.NodeContainer) {}},
		"all of its processes count": {second(caps(1<<13), func(p *fact.Process) {
			p.UID, p.Seccomp, p.NoNewPrivs = [4]int64{}, ft.Ptr(0), ft.Ptr(false)
		}), func(c *api.NodeContainer) {
			c.Processes, c.User, c.Capabilities, c.Seccomp, c.NoNewPrivs = 2, "0 1000", "NET_RAW", "off", "no"
		}},
		"threads count": {edit(func(p *fact.Process) {
			p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{
				CapEff: fact.NewCapMask(ft.AllCaps), CapPrm: fact.NewCapMask(ft.AllCaps), Seccomp: ft.Ptr(1), NoNewPrivs: ft.Ptr(true),
			}}}
		}), func(c *api.NodeContainer) { c.User, c.Capabilities = "0 1000", "all" }},
		"the default": {edit(caps(ft.DefaultCaps)), func(c *api.NodeContainer) { c.Capabilities = "default" }},
		"the default and more": {edit(caps(ft.DefaultCaps | 1<<21)), func(c *api.NodeContainer) {
			c.Capabilities = "default +SYS_ADMIN"
		}},
		"its own user namespace": {edit(inside, caps(ft.AllCaps), func(p *fact.Process) { p.UID = [4]int64{65536, 65536, 65536, 65536} }), func(c *api.NodeContainer) {
			c.User, c.Capabilities = "0 (userns)", "all (userns)"
		}},
		"one process outside the user namespace": {func(c *fact.MeasuredContainer) {
			edit(inside, caps(1<<21))(c)
			second()(c)
		}, func(c *api.NodeContainer) { c.Processes, c.Capabilities = 2, "none; SYS_ADMIN (userns)" }},
		"a sandbox that it makes itself in user namespaces is not its own rights": {func(c *fact.MeasuredContainer) {
			edit(caps(ft.DefaultCaps))(c)
			second(caps(ft.AllCaps), func(p *fact.Process) { p.UserNS = 4026532999 })(c) // unshare -r as root: its root is the node's
		}, func(c *api.NodeContainer) { c.Processes, c.Capabilities = 2, "default; all (userns)" }},
		"strict":          {edit(func(p *fact.Process) { p.Seccomp = ft.Ptr(1) }), func(c *api.NodeContainer) { c.Seccomp = "strict" }},
		"a writable root": {func(c *fact.MeasuredContainer) { c.Root.ReadOnly = false }, func(c *api.NodeContainer) { c.Root = "rw" }},
		"devices": {func(c *fact.MeasuredContainer) {
			for _, name := range []string{"sdb", "sda", "kvm\x1b[31m", "fuse", "mem"} {
				c.Devices = append(c.Devices, fact.Device{Path: "/dev/" + name, Type: "b"})
			}
		}, func(c *api.NodeContainer) { c.Devices = "fuse, kvm^[[31m, mem, sda and 1 more" }},
		"the node's /dev":    {func(c *fact.MeasuredContainer) { c.DeviceFS = "devtmpfs" }, func(c *api.NodeContainer) { c.Devices = "all" }},
		"open device rules":  {func(c *fact.MeasuredContainer) { c.DeviceRules = []string{"a *:* rwm"} }, func(c *api.NodeContainer) { c.Devices = "all" }},
		"rules to make only": {func(c *fact.MeasuredContainer) { c.DeviceRules = []string{"a *:* m"} }, func(*api.NodeContainer) {}},
		"nothing was read": {func(c *fact.MeasuredContainer) { c.Processes, c.Root, c.DeviceFS = nil, nil, "" }, func(c *api.NodeContainer) {
			*c = api.NodeContainer{Namespace: "shop", Pod: "web-1", Container: "app", ID: "aaaaaaaaaaaa"}
		}},
		"words that were not read": {second(func(p *fact.Process) {
			p.Seccomp, p.NoNewPrivs, p.CapEff = nil, nil, fact.CapMask{}
		}), func(c *api.NodeContainer) {
			c.Processes, c.Seccomp, c.NoNewPrivs, c.Capabilities = 2, "", "", ""
		}},
		"what was read of one process is enough for the worst": {func(c *fact.MeasuredContainer) {
			edit(caps(ft.AllCaps), func(p *fact.Process) { p.Seccomp, p.NoNewPrivs = ft.Ptr(0), ft.Ptr(false) })(c)
			second(func(p *fact.Process) { p.Seccomp, p.NoNewPrivs, p.CapEff = nil, nil, fact.CapMask{} })(c)
		}, func(c *api.NodeContainer) {
			c.Processes, c.Seccomp, c.NoNewPrivs, c.Capabilities = 2, "off", "no", "all"
		}},
		"the runtime on its way in does not count": {second(caps(ft.AllCaps), func(p *fact.Process) {
			p.Exe, p.Started = nil, fact.NewTime(ft.Time.Add(-time.Second))
		}), func(c *api.NodeContainer) { c.Processes = 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			m := ft.With(ft.Bare)
			m.Root, m.DeviceFS = &fact.Mount{Path: "/", FSType: "overlay", ReadOnly: true}, "tmpfs"
			tc.change(&m)
			got, count := Containers(ft.Measured(m, fact.Container{}), ft.Node, nil)
			if diff := cmp.Diff([]api.NodeContainer{row(tc.want)}, got); diff != "" || count != 1 {
				t.Errorf("%d containers (-want +got):\n%s", count, diff)
			}
		})
	}
}

// Which containers are listed, and in which order: those that the API does not know
// come last.
func TestContainersOfANode(t *testing.T) {
	set := ft.Measured(ft.With(), fact.Container{})
	m := set.Nodes[0].Measured
	add := func(id string, edit func(*fact.MeasuredContainer)) {
		c := ft.With()
		c.ID = strings.Repeat(id, 64)
		edit(&c)
		m.Containers = append(m.Containers, c)
	}
	add("b", func(c *fact.MeasuredContainer) { c.Runtime = "podman" })
	add("c", func(c *fact.MeasuredContainer) { c.Runtime = "docker" })
	add("d", func(c *fact.MeasuredContainer) {
		c.Kubernetes, c.PodUID, c.Sandbox = true, set.Workloads[0].Pods[0].UID, true
	})
	add("e", func(c *fact.MeasuredContainer) { c.Self = true })
	add("f", func(c *fact.MeasuredContainer) {
		c.Kubernetes, c.PodUID, c.Runtime = true, set.Workloads[0].Pods[0].UID, "containerd"
	})
	pod := &set.Workloads[0].Pods[0]
	pod.Containers = append(pod.Containers, fact.ContainerStatus{Name: "app", ID: strings.Repeat("9", 64), Running: true}) // not seen
	other := *set.Nodes[0].DeepCopy()
	other.Name = "n2"
	set.Nodes = append(set.Nodes, other)

	list, count := Containers(set, ft.Node, nil)
	var got []string
	for i := range list {
		pod, name := containerName(&list[i])
		got = append(got, strings.TrimSpace(pod+" "+name+" "+list[i].User))
	}
	want := []string{"shop/web-1 containerd ffffffffffff 0", "shop/web-1 app", "shop/web-1 app 0", "docker cccccccccccc 0", "podman bbbbbbbbbbbb 0"}
	if diff := cmp.Diff(want, got); diff != "" || count != len(want) {
		t.Errorf("%d containers (-want +got):\n%s", count, diff)
	}

	seen := 0
	list, _ = Containers(set, ft.Node, func(_ *checks.View, r checks.Running) string { seen++; return "OPEN\n" + r.Node.Name })
	if seen != 4 || list[1].Drift != "" || list[2].Drift != "OPEN n1" {
		t.Errorf("the state was asked %d times: %+v", seen, list)
	}

	for i := range 2 * api.MaxNodeContainers {
		add("7", func(c *fact.MeasuredContainer) { c.ID = fmt.Sprintf("%064d", i) })
	}
	if list, count = Containers(set, ft.Node, nil); len(list) != api.MaxNodeContainers || count != len(want)+2*api.MaxNodeContainers {
		t.Errorf("%d of %d containers", len(list), count)
	}
}

// The table fits its screen, whatever names it has.
func TestContainersTable(t *testing.T) {
	report := &api.ChecklistReport{Spec: api.ReportSpec{Command: "nodes"}, Nodes: []api.ReportNode{{Name: "n1", ContainerCount: 1002}}}
	for i, name := range []string{"web", strings.Repeat("very-long-", 12) + "name", "日本語" + strings.Repeat("本", 60)} {
		report.Nodes[0].Containers = append(report.Nodes[0].Containers, api.NodeContainer{
			Namespace: "shop", Pod: name, Container: name, User: "0 101 65534 (userns)", Capabilities: "default +SYS_ADMIN +NET_ADMIN +CHECKPOINT_RESTORE (userns)",
			Seccomp: "filter", NoNewPrivs: "yes", Root: "rw", Devices: "nvidia0, nvidia1, " + name, Drift: []string{"PREVENTED", "unknown", ""}[i],
		})
	}
	for _, width := range []int{40, 60, 80, 120, 200} {
		got := printed(t, "table", Options{Width: width}, report)
		narrower(t, got, width)
		if width < 60 {
			continue // names and words are cut
		}
		for _, word := range []string{"CONTAINER ", "DRIFT", "PREVENTED", "1,002", "first 3.", "+SYS_ADMIN"} {
			if !strings.Contains(got, word) {
				t.Errorf("%d columns: %q is missing:\n%s", width, word, got)
			}
		}
	}
}
