package mend

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// fails are failing findings of the container app, one for each check.
func fails(checks ...string) []api.Finding {
	var out []api.Finding
	for _, check := range checks {
		out = append(out, api.Finding{Check: check, Verdict: api.Fail, Subject: ft.Subject()})
	}
	return out
}

// find is the mend of a path, by its text.
func find(mends []Mend, path string) *Mend {
	for i := range mends {
		if mends[i].Path.String() == path {
			return &mends[i]
		}
	}
	return nil
}

const digest = "sha256:2222222222222222222222222222222222222222222222222222222222222222"

// second adds a pod on another node, which runs the same, changed by edit.
func second(s *fact.Set, edit func(*fact.Pod, *fact.MeasuredContainer)) {
	w := &s.Workloads[0]
	pod := *w.Pods[0].DeepCopy()
	pod.Name, pod.UID, pod.Node = "web-2", "22222222-2222-2222-2222-222222222222", "n2"
	pod.Containers[0].ID = strings.Repeat("2", 64)
	node := *s.Nodes[0].DeepCopy()
	node.Name = "n2"
	m := &node.Measured.Containers[0]
	m.ID, m.PodUID = pod.Containers[0].ID, pod.UID
	edit(&pod, m)
	s.Nodes, w.Pods = append(s.Nodes, node), append(w.Pods, pod)
}

func asUser(uid int64) func(*fact.Process) {
	return func(p *fact.Process) { p.UID = [4]int64{uid, uid, uid, uid} }
}

func TestSafeOnlyByMeasurement(t *testing.T) {
	const (
		drop     = "securityContext.capabilities.drop"
		gains    = "securityContext.allowPrivilegeEscalation"
		nonRoot  = "securityContext.runAsNonRoot"
		user     = "securityContext.runAsUser"
		readOnly = "securityContext.readOnlyRootFilesystem"
		image    = "image"
	)
	bareUser := ft.With(ft.Bare, asUser(1000))
	tests := map[string]struct {
		checks string
		path   string
		c      fact.Container
		m      fact.MeasuredContainer
		edit   func(*fact.Set)
		safe   bool
		none   bool // no such mend
	}{
		"no thread holds anything, and it starts as a user":    {"privileged/effective-capabilities", drop, fact.Container{RunAsUser: ft.Ptr(int64(1000))}, bareUser, nil, true, false},
		"it may have used capabilities before it gave them up": {"privileged/effective-capabilities", drop, fact.Container{}, bareUser, nil, false, false},
		"a process holds the default": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			ft.With(asUser(1000), func(p *fact.Process) { p.NoNewPrivs = ft.Ptr(true) }), nil, false, false,
		},
		"a process may permit itself one": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			ft.With(ft.Bare, func(p *fact.Process) { p.CapPrm = fact.NewCapMask(1) }), nil, false, false,
		},
		"no masks were read": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			ft.With(ft.Bare, func(p *fact.Process) { p.CapPrm = fact.CapMask{} }), nil, false, false,
		},
		"a program may still gain some": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			ft.With(ft.Bare, func(p *fact.Process) { p.NoNewPrivs = ft.Ptr(false) }), nil, false, false,
		},
		"one thread holds one": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			ft.With(ft.Bare, func(p *fact.Process) {
				p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{
					TID: 3, CapPrm: fact.NewCapMask(1), CapEff: fact.NewCapMask(0), NoNewPrivs: ft.Ptr(true),
				}}}
			}), nil, false, false,
		},
		"not every thread was listed": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			ft.With(ft.Bare, func(p *fact.Process) { p.Threads = &fact.Threads{Count: 99, DifferingCount: 50} }), nil, false, false,
		},
		"another pod holds something": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) {
				second(s, func(_ *fact.Pod, m *fact.MeasuredContainer) { m.Processes[0].CapEff = fact.NewCapMask(1) })
			}, false, false,
		},
		"another pod holds nothing either": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) { second(s, func(*fact.Pod, *fact.MeasuredContainer) {}) }, true, false,
		},
		"another pod was not measured": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) { second(s, func(p *fact.Pod, _ *fact.MeasuredContainer) { p.Node = "n3" }) }, false, false,
		},
		"another pod does not run yet": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) { second(s, func(p *fact.Pod, _ *fact.MeasuredContainer) { p.Containers = nil }) }, false, false,
		},
		"a process of it was not read": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Container: ft.ID, Reason: fact.Unreadable}}
			}, false, false,
		},
		"its pods have other specs": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) { s.Workloads[0].Differs = []string{"spec.containers[0]"} }, false, false,
		},
		"a rollout is under way": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) { s.Workloads = append(s.Workloads, *s.Workloads[0].DeepCopy()) }, false, false,
		},
		"a job's next pods run later": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) { s.Workloads[0].Owner.Kind = fact.SubjectCronJob }, false, false,
		},
		"an init container has ended": {
			"privileged/effective-capabilities", drop,
			fact.Container{RunAsUser: ft.Ptr(int64(1000))},
			bareUser,
			func(s *fact.Set) { s.Workloads[0].Spec.Containers[0].Type = fact.InitContainer }, false, false,
		},

		"the program can have set it":     {"privileged/privilege-escalation", gains, fact.Container{}, ft.With(ft.Bare), nil, false, false},
		"NoNewPrivs is not set":           {"privileged/privilege-escalation", gains, fact.Container{}, ft.With(), nil, false, false},
		"NoNewPrivs was not read":         {"privileged/privilege-escalation", gains, fact.Container{}, ft.With(func(p *fact.Process) { p.NoNewPrivs = nil }), nil, false, false},
		"it starts as a user by its spec": {"privileged/runs-as-root", nonRoot, fact.Container{RunAsUser: ft.Ptr(int64(7))}, ft.With(), nil, true, false},
		"pods that differ from the template say nothing of its user": {
			"privileged/runs-as-root", nonRoot,
			fact.Container{RunAsUser: ft.Ptr(int64(7))},
			ft.With(),
			func(s *fact.Set) { s.Workloads[0].Differs = []string{"spec.containers[0].securityContext.runAsUser"} }, false, false,
		},
		"a user that was measured is not the image's":    {"privileged/runs-as-root", nonRoot, fact.Container{}, bareUser, nil, false, false},
		"the user that was measured is tried":            {"privileged/runs-as-root", user, fact.Container{}, bareUser, nil, false, false},
		"a user that has root saved is none":             {"privileged/runs-as-root", user, fact.Container{}, ft.With(func(p *fact.Process) { p.UID = [4]int64{7, 7, 0, 7} }), nil, false, true},
		"what all runs as root needs a user to start as": {"privileged/runs-as-root", user, fact.Container{}, ft.With(asUser(0)), nil, false, false},
		"a pod that was not measured gets no user": {
			"privileged/runs-as-root", user,
			fact.Container{},
			ft.With(asUser(0)),
			func(s *fact.Set) { second(s, func(p *fact.Pod, _ *fact.MeasuredContainer) { p.Node = "n3" }) }, false, true,
		},
		"root in one pod and a user in the other is no user": {
			"privileged/runs-as-root", user,
			fact.Container{},
			ft.With(asUser(0)),
			func(s *fact.Set) {
				second(s, func(_ *fact.Pod, m *fact.MeasuredContainer) { asUser(8)(&m.Processes[0]) })
			}, false, true,
		},
		"two users are none": {
			"privileged/runs-as-root", user,
			fact.Container{},
			bareUser,
			func(s *fact.Set) {
				second(s, func(_ *fact.Pod, m *fact.MeasuredContainer) { asUser(8)(&m.Processes[0]) })
			}, false, true,
		},
		"a user of an own user namespace is another in it": {
			"privileged/runs-as-root", user, fact.Container{}, ft.With(asUser(1000), func(p *fact.Process) { p.UserNS = 77 }), nil, false, true,
		},

		"all pods run one digest": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
			}, true, false,
		},
		"dockershim's words are understood": {
			"immutable/mutable-image", image,
			fact.Container{Image: "nginx"},
			ft.With(),
			func(s *fact.Set) { s.Workloads[0].Pods[0].Containers[0].ImageID = "docker-pullable://nginx@" + digest }, true, false,
		},
		"a digest of another repository may not exist in this one": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) { s.Workloads[0].Pods[0].Containers[0].ImageID = "mirror.example/shop/web@" + digest }, false, true,
		},
		"the digest of a configuration is no image's": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) { s.Workloads[0].Pods[0].Containers[0].ImageID = digest }, false, true,
		},
		"two pods run different images": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
				second(s, func(p *fact.Pod, _ *fact.MeasuredContainer) {
					p.Containers[0].ImageID = "registry.example/shop/web@sha256:" + strings.Repeat("3", 64)
				})
			}, false, true,
		},
		"a pod has not pulled its image": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
				second(s, func(p *fact.Pod, _ *fact.MeasuredContainer) { p.Containers[0].ImageID = "" })
			}, false, true,
		},
		"pods that differ from the template are no proof": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
				s.Workloads[0].Differs = []string{"spec.containers[0].securityContext.privileged"}
			}, false, false,
		},

		"a node of another architecture has no pod of it": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
				s.Nodes[0].Arch = "amd64"
				s.Nodes = append(s.Nodes, fact.Node{Name: "n2", Arch: "arm64"})
			}, false, false,
		},
		"pods on both architectures run one digest": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
				s.Nodes[0].Arch = "amd64"
				second(s, func(*fact.Pod, *fact.MeasuredContainer) {})
				s.Nodes[1].Arch = "arm64"
			}, true, false,
		},
		"the template has another image than the pods": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
				s.Workloads[0].Differs = []string{"spec.containers[0].image"}
			}, false, true,
		},
		"the template may have another image, among more differences than are kept": {
			"immutable/mutable-image", image,
			fact.Container{Image: "registry.example/shop/web:v1"},
			ft.With(),
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers[0].ImageID = "registry.example/shop/web@" + digest
				s.Workloads[0].Differs = []string{"spec.a", "…"}
			}, false, true,
		},

		"the root is read-only already": {
			"drift/writable-root", readOnly,
			fact.Container{},
			fact.MeasuredContainer{Root: &fact.Mount{Path: "/", ReadOnly: true}, Processes: ft.With().Processes},
			nil, true, false,
		},
		"nothing written until now is no proof": {
			"drift/writable-root", readOnly,
			fact.Container{},
			fact.MeasuredContainer{Root: &fact.Mount{Path: "/"}, Processes: ft.With().Processes, Upper: &fact.UpperWalk{DataCounts: &fact.DataCounts{}}},
			nil, false, false,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			set := ft.Measured(tc.m, tc.c)
			if tc.edit != nil {
				tc.edit(set)
			}
			findings := fails(tc.checks)
			findings[0].Subject.Kind = set.Workloads[0].Owner.Kind
			mends, notes := New(set).For(&set.Workloads[0], findings)
			m := find(mends, tc.path)
			switch {
			case m == nil && !tc.none:
				t.Fatalf("no mend of %s: %v %v", tc.path, mends, notes)
			case m == nil:
				if tc.path == image && len(notes) != 1 {
					t.Errorf("notes %v, want one that says why", notes)
				}
				return
			case tc.none:
				t.Fatalf("a mend: %+v", *m)
			}
			if m.Safe != tc.safe || m.Safe == (m.Breaks != "") {
				t.Errorf("safe %t, want %t: because %q, breaks %q", m.Safe, tc.safe, m.Because, m.Breaks)
			}
		})
	}
}

// A run on one pod of three knows nothing of the other two.
func TestSomePodsAreNoProof(t *testing.T) {
	set := ft.Measured(ft.With(ft.Bare, asUser(1000)), fact.Container{Image: "nginx", RunAsUser: ft.Ptr(int64(1000))})
	set.Workloads[0].Pods[0].Containers[0].ImageID = "nginx@" + digest
	findings := fails("privileged/effective-capabilities", "immutable/mutable-image")
	m := New(set)
	for _, some := range []bool{false, true} {
		m.SomePods(some)
		mends, _ := m.For(&set.Workloads[0], findings)
		if len(mends) < 2 {
			t.Fatalf("mends: %+v", mends)
		}
		for i := range mends {
			if mends[i].Safe == some || some == (mends[i].Breaks == "") {
				t.Errorf("some pods %t: %s is safe: %t, breaks %q", some, mends[i].Path, mends[i].Safe, mends[i].Breaks)
			}
		}
	}
}

func TestImageKeepsItsTag(t *testing.T) {
	for image, want := range map[string]string{
		"registry.example:5000/shop/web:v1": "registry.example:5000/shop/web:v1@" + digest,
		"nginx":                             "nginx@" + digest,
	} {
		set := ft.Measured(ft.With(), fact.Container{Image: image})
		repository, _, _ := strings.Cut(image, ":v1")
		set.Workloads[0].Pods[0].Containers[0].ImageID = repository + "@" + digest
		mends := For(&set.Workloads[0], fails("immutable/mutable-image"), set)
		if len(mends) != 1 || mends[0].Value != want || !mends[0].Safe {
			t.Errorf("%s: %+v, want %s", image, mends, want)
		}
	}
}

func TestEmptyDirsWhereItHasWritten(t *testing.T) {
	at := func(path string, origin fact.Origin) fact.UpperFile {
		return fact.UpperFile{Path: path, Kind: "data", Origin: origin}
	}
	tests := map[string]struct {
		data, code []fact.UpperFile
		counts     fact.DataCounts
		written    *fact.WrittenDirs
		dirs       []string
		breaks     string // a part of it
	}{
		"nothing written":                    {breaks: "seldom"},
		"files in a directory of data":       {data: []fact.UpperFile{at("/data/a/x", fact.OriginAdded), at("/data/a/y", fact.OriginAdded)}, counts: fact.DataCounts{Added: 2}, dirs: []string{"/data/a"}, breaks: "seldom"},
		"a directory below another":          {data: []fact.UpperFile{at("/data/x", fact.OriginAdded), at("/data/a/y", fact.OriginAdded)}, counts: fact.DataCounts{Added: 2}, dirs: []string{"/data"}, breaks: "seldom"},
		"names that only begin alike":        {data: []fact.UpperFile{at("/data/x", fact.OriginAdded), at("/data2/y", fact.OriginAdded)}, counts: fact.DataCounts{Added: 2}, dirs: []string{"/data", "/data2"}, breaks: "seldom"},
		"a directory of the system":          {data: []fact.UpperFile{at("/etc/x", fact.OriginAdded), at("/x", fact.OriginAdded)}, counts: fact.DataCounts{Added: 2}, breaks: "where no emptyDir can be laid: /, /etc"},
		"a file of the image":                {data: []fact.UpperFile{at("/app/conf", fact.OriginChanged)}, counts: fact.DataCounts{Changed: 1}, breaks: "changed or removed files of its image: /app/conf"},
		"code":                               {code: []fact.UpperFile{at("/tmp/miner", fact.OriginAdded)}, breaks: "added programs or code, which belong into the image: /tmp/miner"},
		"volatile files without their paths": {counts: fact.DataCounts{Volatile: 3}, breaks: "3 files whose paths are not in the facts"},
		"volatile files in known directories": {
			counts: fact.DataCounts{Volatile: 9},
			written: &fact.WrittenDirs{Total: 4, Dirs: []fact.WrittenDir{
				{Path: "/run", Files: true},
				{Path: "/var/cache/nginx", Made: []string{"/var/cache/nginx/client_temp"}, MadeTotal: 1},
				{Path: "/var/lib", Made: []string{"/var/lib/app"}, MadeTotal: 1},
				{Path: "/var/log", Files: true},
			}},
			dirs: []string{"/run", "/var/cache/nginx", "/var/lib/app", "/var/log"}, breaks: "seldom",
		},
		"files in a directory of the system": {
			counts: fact.DataCounts{Volatile: 1}, written: &fact.WrittenDirs{Total: 1, Dirs: []fact.WrittenDir{{Path: "/var/lib", Files: true, Made: []string{"/var/lib/app"}, MadeTotal: 1}}},
			breaks: "where no emptyDir can be laid: /var/lib",
		},
		"more directories than were listed": {
			counts: fact.DataCounts{Volatile: 1}, written: &fact.WrittenDirs{Total: 99, Dirs: []fact.WrittenDir{{Path: "/run", Files: true}}},
			dirs: []string{"/run"}, breaks: "not all directories",
		},
		"more than were listed":        {data: []fact.UpperFile{at("/data/x", fact.OriginAdded)}, counts: fact.DataCounts{Added: 9}, dirs: []string{"/data"}, breaks: "not all files"},
		"a path that is no mount path": {data: []fact.UpperFile{at("/data:1/x", fact.OriginAdded), at("/a\x1b[1m/x", fact.OriginAdded)}, counts: fact.DataCounts{Added: 2}, breaks: `"/a\x1b[1m"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := ft.With()
			m.Root = &fact.Mount{Path: "/"}
			m.Upper = &fact.UpperWalk{Data: tc.data, DataCounts: &tc.counts, Files: tc.code, Total: len(tc.code), Written: tc.written}
			set := ft.Measured(m, fact.Container{})
			mends := For(&set.Workloads[0], fails("drift/writable-root", "immutable/writable-root"), set)
			root := find(mends, "securityContext.readOnlyRootFilesystem")
			if root == nil || root.Safe || !strings.Contains(root.Breaks, tc.breaks) {
				t.Fatalf("%+v, want it to break %q", root, tc.breaks)
			}
			if want := []string{"drift/writable-root", "immutable/writable-root"}; !slices.Equal(root.Checks, want) {
				t.Errorf("it answers %v, want %v", root.Checks, want)
			}
			var dirs []string
			volumes := map[any]bool{}
			for _, m := range mends {
				value, _ := m.Value.(map[string]any)
				switch m.Path.String() {
				case "volumes":
					volumes[value["name"]] = true
				case "volumeMounts":
					dirs = append(dirs, value["mountPath"].(string))
					if m.Container != "app" || !volumes[value["name"]] || !strings.Contains(m.Leaves, "OPEN") {
						t.Errorf("a mount without its volume, or that says nothing of what stays open: %+v", m)
					}
				}
			}
			if !slices.Equal(dirs, tc.dirs) || len(volumes) != len(dirs) {
				t.Errorf("emptyDirs at %q, want %q", dirs, tc.dirs)
			}
			loopOf(t, set.Workloads[0], mends)
		})
	}
}

// loopOf checks that the API server's rules, as far as they are known here, accept mends.
func loopOf(t *testing.T, w fact.Workload, mends []Mend) {
	t.Helper()
	if _, out := settle(&w.Spec, mends); len(out) > 0 {
		t.Errorf("refused: %+v", out)
	}
}

// What was declared is never safe by itself: without a pod nothing is measured.
func TestNothingIsSafeWithoutPods(t *testing.T) {
	set := ft.Declared(fact.Container{Image: "registry.example/shop/web:v1"})
	set.Workloads[0].Pods = nil
	var checks []string
	for i := range Table {
		checks = append(checks, Table[i].Check)
	}
	for _, m := range For(&set.Workloads[0], fails(checks...), set) {
		if m.Safe {
			t.Errorf("safe without a pod: %+v", m)
		}
	}
}

func TestSafeNeedsNothingUnsafe(t *testing.T) {
	// If allowPrivilegeEscalation false of a privileged container were safe: the API server
	// refuses it as long as the container is privileged.
	set := ft.Measured(ft.With(ft.Bare), fact.Container{Privileged: ft.Ptr(true)})
	w := &set.Workloads[0]
	mends := For(w, fails("privileged/privilege-escalation", "privileged/privileged-container"), set)
	i := slices.IndexFunc(mends, func(m Mend) bool { return m.Path.String() == "securityContext.allowPrivilegeEscalation" })
	if i < 0 || mends[i].Safe {
		t.Fatalf("%+v", mends)
	}
	mends[i].Safe, mends[i].Because, mends[i].Breaks = true, "for this test", ""
	if safe := Safe(w, mends); len(safe) != 0 {
		t.Errorf("safe alone: %+v", safe)
	}
	if accepted := For(w, fails("privileged/privilege-escalation"), set); find(accepted, "securityContext.privileged") == nil {
		t.Errorf("allowPrivilegeEscalation false without privileged false: %+v", accepted)
	}
}

// What a waiver covers stays, also where another check fails for the same field.
func TestAcceptedFieldsStay(t *testing.T) {
	set := ft.Declared(fact.Container{Privileged: ft.Ptr(true), CapAdd: []string{"NET_ADMIN"}}, func(s *fact.PodSpec) { s.HostPID = true })
	w := &set.Workloads[0]
	findings := append(fails("privileged/privilege-escalation", "privileged/seccomp"), api.Finding{Check: "privileged/pod-security-level", Verdict: api.Fail, Subject: ft.PodSubject()})
	paths := []string{"securityContext.privileged", "securityContext.capabilities.add", "hostPID"}
	mends := For(w, findings, set)
	for _, path := range paths {
		if find(mends, path) == nil {
			t.Fatalf("no mend of %s without a waiver: %+v", path, mends)
		}
	}
	for _, f := range append(fails("privileged/privileged-container", "privileged/added-capabilities"), api.Finding{Check: "privileged/host-namespaces", Subject: ft.PodSubject()}) {
		f.Verdict = api.Accepted
		findings = append(findings, f)
	}
	mends, notes := New(set).For(w, findings)
	for _, path := range paths {
		if m := find(mends, path); m != nil {
			t.Errorf("a mend of an accepted field: %+v", m)
		}
	}
	if find(mends, "securityContext.allowPrivilegeEscalation") != nil {
		t.Error("allowPrivilegeEscalation false beside privileged, which stays")
	}
	if !slices.ContainsFunc(notes, func(n Note) bool {
		return n.Check == "privileged/privilege-escalation" && strings.Contains(n.Text, "privileged, which stays")
	}) {
		t.Errorf("no note says why: %+v", notes)
	}
}

// A finding of the pod about a volume that no container mounts leaves the mounted ones alone.
func TestUnmountedVolumeIsRemovedAlone(t *testing.T) {
	volume := func(name, path string) fact.Volume {
		return fact.Volume{Name: name, Field: "spec.volumes[0]", Source: "hostPath", HostPath: path}
	}
	set := ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "used", Path: "/data"}}}, func(s *fact.PodSpec) {
		s.Volumes = []fact.Volume{volume("used", "/data"), volume("unused", "/var/log")}
	})
	w := &set.Workloads[0]
	ofPod := api.Finding{Check: "privileged/host-path", Verdict: api.Fail, Subject: ft.PodSubject()}
	mends := For(w, []api.Finding{ofPod}, set)
	if len(mends) != 1 || mends[0].Path.String() != "volumes[name=unused]" || mends[0].Op != Remove {
		t.Errorf("%+v", mends)
	}
	// The container writes to the other one: an empty directory takes its place.
	mends = For(w, fails("privileged/host-path"), set)
	if m := find(mends, "volumes[name=used]"); len(mends) != 1 || m == nil || m.Op != Set || !strings.Contains(m.Leaves, "noexec") {
		t.Errorf("%+v", mends)
	}
	// A socket's place is of no use without the socket.
	w.Spec.Volumes[0].HostPath = "/run/docker.sock"
	mends = For(w, fails("builds/runtime-socket", "privileged/host-path"), set)
	if m, n := find(mends, "volumes[name=used]"), find(mends, "volumeMounts[mountPath=/data]"); m == nil || n == nil || m.Op != Remove || n.Op != Remove || len(m.Checks) != 2 {
		t.Errorf("%+v", mends)
	}
}
