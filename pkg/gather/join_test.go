package gather

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// fill sets every field to a value that is not zero, so that the test sees a field that Join
// forgets.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth-1)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[fact.Time]() {
			v.Set(reflect.ValueOf(fact.NewTime(time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC))))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), depth)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth)
		}
	}
}

var equalMasks = cmp.Comparer(func(a, b fact.CapMask) bool { return a == b })

// Joined with a measurement that read nothing, every field is kept, and neither measurement
// changes. This finds a new field that Join does not know.
func TestJoinKeepsEveryField(t *testing.T) {
	whole := new(fact.Measurement)
	fill(reflect.ValueOf(whole).Elem(), 4)
	whole.Level, whole.Read = fact.LevelFull, fact.NodeKinds()
	whole.HostCapBnd = fact.NewCapMask(7)
	p := &whole.Containers[0].Processes[0]
	for _, mask := range []*fact.CapMask{&p.CapInh, &p.CapPrm, &p.CapEff, &p.CapBnd, &p.CapAmb} {
		*mask = fact.NewCapMask(7)
	}
	nothing := &fact.Measurement{Level: fact.LevelProc}
	before := whole.DeepCopy()
	for name, got := range map[string]*fact.Measurement{"first": Join(whole, nothing), "last": Join(nothing, nil, whole)} {
		if diff := cmp.Diff(before, got, equalMasks); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(before, whole, equalMasks); diff != "" {
		t.Errorf("the measurement was changed (-want +got):\n%s", diff)
	}
	if Join() != nil || Join(nil, nil) != nil || Join(nil, whole) != whole {
		t.Error("nothing is nothing, and one alone is itself")
	}
}

func TestJoin(t *testing.T) {
	at := func(second int) fact.Time { return fact.NewTime(time.Date(2026, 11, 28, 1, 2, second, 0, time.UTC)) }
	kinds := func(kinds ...fact.Kind) []fact.Kind { return kinds }
	exe := func(path string) *fact.Executable { return &fact.Executable{Path: path, Origin: fact.OriginImage} }
	process := func(pid, start int, comm string, e *fact.Executable) fact.Process {
		return fact.Process{PID: pid, Started: at(start), Comm: comm, Exe: e}
	}
	box := func(id string, processes ...fact.Process) fact.MeasuredContainer {
		return fact.MeasuredContainer{ID: id, Processes: processes}
	}
	gap := func(kind fact.Kind, container string, reason fact.Reason) fact.NodeGap {
		return fact.NodeGap{What: kind, Container: container, Reason: reason}
	}
	oneOfTwo := func(kind fact.Kind, container string) fact.NodeGap {
		return fact.NodeGap{What: kind, Container: container, Reason: fact.Changing, Detail: "only one of two probes saw the container"}
	}
	upper := box("a")
	upper.Upper = &fact.UpperWalk{Path: "/upper"}
	self := box("a")
	self.Self = true
	listener := func(purpose fact.ListenerPurpose, port int) fact.Listener {
		return fact.Listener{Purpose: purpose, Port: port}
	}
	stale := box("b") // of a kind that was not read to the end
	stale.Environment, stale.EnvironmentTotal = []fact.EnvironmentCredential{{Name: "OLD"}}, 1
	environment := box("a")
	environment.Environment, environment.EnvironmentTotal = []fact.EnvironmentCredential{{Name: "TOKEN", Rule: "jwt"}}, 1
	for name, tc := range map[string]struct{ a, b, want fact.Measurement }{
		"each kind from the one that read it": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Etcd), Etcd: []fact.EtcdDB{{Path: "a"}}, APIServers: []fact.APIServer{{PID: 1}}, Gaps: []fact.NodeGap{gap(fact.EncryptionConfig, "", fact.Timeout)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.EncryptionConfig), Etcd: []fact.EtcdDB{{Path: "b"}}, APIServers: []fact.APIServer{{PID: 2}}, Gaps: []fact.NodeGap{gap(fact.Etcd, "", fact.NotRequested)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Etcd, fact.EncryptionConfig), Etcd: []fact.EtcdDB{{Path: "a"}}, APIServers: []fact.APIServer{{PID: 2}}},
		},
		"of two that read it, the higher level": {
			fact.Measurement{Level: fact.LevelProc, Read: kinds(fact.Processes), HostProcesses: 1, Containers: []fact.MeasuredContainer{box("a", process(1, 1, "proc", nil))}, Gaps: []fact.NodeGap{gap(fact.Processes, "", fact.Truncated)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), HostProcesses: 2, Containers: []fact.MeasuredContainer{box("a", process(1, 1, "full", nil))}, Gaps: []fact.NodeGap{gap(fact.Processes, "a", fact.Timeout), gap(fact.Processes, "", fact.Changing)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), HostProcesses: 2, Containers: []fact.MeasuredContainer{box("a", process(1, 1, "full", nil))}, Gaps: []fact.NodeGap{gap(fact.Processes, "a", fact.Timeout), gap(fact.Processes, "", fact.Changing)}},
		},
		"of two of one level, the one with fewer gaps of the kind": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Etcd), Etcd: []fact.EtcdDB{{Path: "a"}}, Gaps: []fact.NodeGap{gap(fact.Etcd, "", fact.Truncated)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Etcd), Etcd: []fact.EtcdDB{{Path: "b"}}, Gaps: []fact.NodeGap{gap(fact.Kernel, "", fact.Timeout), gap(fact.Kernel, "", fact.Unreadable)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Etcd), Etcd: []fact.EtcdDB{{Path: "b"}}, Gaps: []fact.NodeGap{gap(fact.Kernel, "", fact.Timeout), gap(fact.Kernel, "", fact.Unreadable)}},
		},
		"of two alike, the first": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Kernel), Host: fact.Host{Running: &fact.RunningKernel{Release: "a"}}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Kernel), Host: fact.Host{Running: &fact.RunningKernel{Release: "b"}}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Kernel), Host: fact.Host{Running: &fact.RunningKernel{Release: "a"}}},
		},
		"a kind that none read has the gaps of both, each once": {
			fact.Measurement{Level: fact.LevelFull, Gaps: []fact.NodeGap{gap(fact.Packages, "", fact.Timeout), gap(fact.Packages, "", fact.Timeout)}},
			fact.Measurement{Level: fact.LevelFull, Gaps: []fact.NodeGap{gap(fact.Packages, "", fact.Timeout), gap(fact.Packages, "", fact.Unsupported)}},
			fact.Measurement{Level: fact.LevelFull, Gaps: []fact.NodeGap{gap(fact.Packages, "", fact.Timeout), gap(fact.Packages, "", fact.Unsupported)}},
		},
		"a gap about no kind of a node stays, to be refused": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Kernel), Gaps: []fact.NodeGap{gap(fact.Pods, "", fact.Timeout)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Kernel)},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Kernel), Gaps: []fact.NodeGap{gap(fact.Pods, "", fact.Timeout)}},
		},
		"a container that started between the two is unread where only one looked": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes, fact.Mounts, fact.Upperdir), Containers: []fact.MeasuredContainer{box("b")}},
			fact.Measurement{Level: fact.LevelProc, Read: kinds(fact.Processes, fact.Mounts), Containers: []fact.MeasuredContainer{upper, box("b")}, Gaps: []fact.NodeGap{gap(fact.Mounts, "a", fact.Unreadable), gap(fact.Mounts, "b", fact.Unreadable)}},
			fact.Measurement{
				Level: fact.LevelFull, Read: kinds(fact.Processes, fact.Mounts, fact.Upperdir), Containers: []fact.MeasuredContainer{box("a"), box("b")},
				Gaps: []fact.NodeGap{gap(fact.Mounts, "a", fact.Unreadable), oneOfTwo(fact.Upperdir, "a")},
			},
		},
		"a container of a kind that none read needs no gap of its own": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{box("b")}, Gaps: []fact.NodeGap{gap(fact.Upperdir, "", fact.Timeout)}},
			fact.Measurement{Level: fact.LevelProc, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{box("a")}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{box("a"), box("b")}, Gaps: []fact.NodeGap{gap(fact.Upperdir, "", fact.Timeout)}},
		},
		"executables of another look join their processes": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{box("a", process(1, 1, "x", nil), process(2, 2, "y", exe("/stale")))}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Executables), Containers: []fact.MeasuredContainer{box("a", process(2, 2, "-", exe("/y")), process(1, 1, "-", exe("/x")))}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes, fact.Executables), Containers: []fact.MeasuredContainer{box("a", process(1, 1, "x", exe("/x")), process(2, 2, "y", exe("/y")))}},
		},
		"a process id that was used again is another process": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{box("a", process(1, 1, "x", nil))}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Executables), Containers: []fact.MeasuredContainer{box("a", process(1, 9, "-", exe("/x")))}},
			fact.Measurement{
				Level: fact.LevelFull, Read: kinds(fact.Processes, fact.Executables), Containers: []fact.MeasuredContainer{box("a", process(1, 1, "x", nil))},
				Gaps: []fact.NodeGap{{What: fact.Executables, Container: "a", Reason: fact.Changing, Detail: "only one of two probes saw a process"}},
			},
		},
		"executables come with their processes where one look read both": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes, fact.Executables), Containers: []fact.MeasuredContainer{box("a", process(1, 1, "x", exe("/a")))}, Gaps: []fact.NodeGap{gap(fact.Executables, "", fact.Truncated)}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Executables), Containers: []fact.MeasuredContainer{box("a", process(1, 1, "x", exe("/b")))}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes, fact.Executables), Containers: []fact.MeasuredContainer{box("a", process(1, 1, "x", exe("/a")))}, Gaps: []fact.NodeGap{gap(fact.Executables, "", fact.Truncated)}},
		},
		"listeners by their purpose, from the probe that read that kind": {
			fact.Measurement{Level: fact.LevelNet, Read: kinds(fact.NodeTLS, fact.ServerTLS), Listeners: []fact.Listener{listener(fact.EtcdClient, 2379), listener(fact.KubeletAPI, 10250)}},
			fact.Measurement{Level: fact.LevelNet, Read: kinds(fact.ServerTLS), Listeners: []fact.Listener{listener(fact.KubeAPI, 6443), listener(fact.Scheduler, 10259)}, Gaps: []fact.NodeGap{gap(fact.ServerTLS, "", fact.Timeout)}},
			fact.Measurement{Level: fact.LevelNet, Read: kinds(fact.NodeTLS, fact.ServerTLS), Listeners: []fact.Listener{listener(fact.EtcdClient, 2379), listener(fact.KubeletAPI, 10250)}},
		},
		"listeners of two probes, each of which read one kind": {
			fact.Measurement{Level: fact.LevelNet, Read: kinds(fact.NodeTLS), Listeners: []fact.Listener{listener(fact.EtcdClient, 2379), listener(fact.KubeletAPI, 10250), listener("novel", 1)}},
			fact.Measurement{Level: fact.LevelNet, Read: kinds(fact.ServerTLS), Listeners: []fact.Listener{listener(fact.KubeAPI, 6443), listener(fact.Scheduler, 10259), listener("other", 2)}},
			fact.Measurement{Level: fact.LevelNet, Read: kinds(fact.NodeTLS, fact.ServerTLS), Listeners: []fact.Listener{listener("novel", 1), listener(fact.KubeAPI, 6443), listener(fact.KubeletAPI, 10250)}},
		},
		"the net probe's listeners beside everything of the full one": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes, fact.ServerSettings, fact.NodeSettings), Components: []fact.Component{{Program: fact.ProgramEtcd}}, Containers: []fact.MeasuredContainer{box("a")}, Gaps: []fact.NodeGap{gap(fact.ServerSettings, "", fact.Timeout)}},
			fact.Measurement{Level: fact.LevelNet, Read: kinds(fact.NodeTLS), Listeners: []fact.Listener{listener(fact.KubeletAPI, 10250), listener(fact.EtcdClient, 2379)}, Gaps: []fact.NodeGap{gap(fact.ServerTLS, "", fact.Timeout)}},
			fact.Measurement{
				Level: fact.LevelFull, Read: kinds(fact.Processes, fact.NodeTLS, fact.NodeSettings, fact.ServerSettings),
				Components: []fact.Component{{Program: fact.ProgramEtcd}}, Containers: []fact.MeasuredContainer{box("a")},
				Listeners: []fact.Listener{listener(fact.KubeletAPI, 10250), listener(fact.EtcdClient, 2379)},
				Gaps:      []fact.NodeGap{gap(fact.ServerSettings, "", fact.Timeout), gap(fact.ServerTLS, "", fact.Timeout)},
			},
		},
		"programs by what they are": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.NodeSettings), Components: []fact.Component{{Program: fact.ProgramEtcd, PID: 1}, {Program: fact.ProgramKubelet, PID: 2}}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.ServerSettings), Components: []fact.Component{{Program: fact.ProgramEtcd, PID: 3}, {Program: fact.ProgramKubelet, PID: 4}}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.NodeSettings, fact.ServerSettings), Components: []fact.Component{{Program: fact.ProgramEtcd, PID: 3}, {Program: fact.ProgramKubelet, PID: 2}}},
		},
		"credentials of a container that only one probe looked into": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{box("a"), stale}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Environment), Containers: []fact.MeasuredContainer{environment}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes, fact.Environment), Containers: []fact.MeasuredContainer{environment, box("b")}, Gaps: []fact.NodeGap{oneOfTwo(fact.Environment, "b")}},
		},
		"a probe that another one saw is known as one": {
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{box("a")}},
			fact.Measurement{Level: fact.LevelProc, Containers: []fact.MeasuredContainer{self}},
			fact.Measurement{Level: fact.LevelFull, Read: kinds(fact.Processes), Containers: []fact.MeasuredContainer{self}},
		},
		"the age is the oldest one's, the cost that of both": {
			fact.Measurement{Level: fact.LevelProc, At: at(2), Cost: fact.Cost{WallMillis: 1, CPUMillis: 2, MaxRSSKiB: 3, Processes: 4}, Host: fact.Host{Hostname: "h", Arch: "amd64"}},
			fact.Measurement{Level: fact.LevelFull, At: at(5), Cost: fact.Cost{WallMillis: 10, CPUMillis: 20, MaxRSSKiB: 2, Processes: 5}, Host: fact.Host{OS: fact.OSRelease{ID: "debian"}}},
			fact.Measurement{Level: fact.LevelFull, At: at(2), Cost: fact.Cost{WallMillis: 11, CPUMillis: 22, MaxRSSKiB: 3, Processes: 5}, Host: fact.Host{Hostname: "h", Arch: "amd64", OS: fact.OSRelease{ID: "debian"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, *Join(&tc.a, &tc.b), equalMasks); diff != "" {
				t.Errorf("joined (-want +got):\n%s", diff)
			}
		})
	}
}

// Inventories and the keys that containers have come from one measurement: a key means
// nothing beside the inventories of another. A container that it did not see is a gap.
func TestJoinImages(t *testing.T) {
	of := func(image string, ids ...string) *fact.Measurement {
		m := &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Processes, fact.Images}, Images: []fact.ImageInventory{{Key: image, Manager: "dpkg"}}}
		for _, id := range ids {
			m.Containers = append(m.Containers, fact.MeasuredContainer{ID: id, Image: image})
		}
		return m
	}
	got := Join(of("a", "c1"), of("b", "c1", "c2"))
	if len(got.Images) != 1 || got.Images[0].Key != "a" || len(got.Containers) != 2 || got.Containers[0].Image != "a" || got.Containers[1].Image != "" {
		t.Errorf("images %+v, containers %+v", got.Images, got.Containers)
	}
	gap := fact.NodeGap{What: fact.Images, Container: "c2", Reason: fact.Changing, Detail: "only one of two probes saw the container"}
	if !slices.Contains(got.Gaps, gap) {
		t.Errorf("gaps %+v", got.Gaps)
	}
}
