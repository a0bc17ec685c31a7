package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// treeOf reads processes from a file of testdata/trees. Its comment says where they
// are from. Each file in it is one process: "PID PPID COMM ROOT NAMESPACES" ("host", the
// end of the numbers of all its namespaces, or "mnt=" and that of its mount namespace
// alone), with the lines of its cgroup, an empty line and its mount table. The last one
// is what is expected: "PID host", "PID host WHY", or "PID CONTAINER" with "pod=UID",
// the runtime and "sandbox"; for unknown engines "PID FOUNDBY root-" and the engine.
func treeOf(t *testing.T, name string) (processes []fakeProcess, files string, want map[int]string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(archive.Comment), "Origin: ") {
		t.Fatalf("%s does not name its origin", name)
	}
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	want = map[int]string{}
	for _, f := range archive.Files {
		if f.Name == "want" {
			for line := range strings.Lines(string(f.Data)) {
				pid, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
				want[number(pid)] = rest
			}
			continue
		}
		words := strings.Fields(f.Name)
		cgroup, mounts, _ := strings.Cut(string(f.Data), "\n\n")
		p := fakeProcess{
			pid: number(words[0]), ppid: number(words[1]), comm: words[2], root: words[3],
			cgroup: strings.TrimSuffix(cgroup, "\n") + "\n", mounts: mounts, start: number(words[0]),
		}
		if mnt, only := strings.CutPrefix(words[4], "mnt="); only {
			p.mnt = mnt
		} else if words[4] != "host" {
			p.ns = words[4]
		}
		if p.comm == "pause" {
			p.exe = "/pause"
			files += "-- " + strings.TrimPrefix(p.root, "/") + "/pause --\nx\n"
		}
		processes = append(processes, p)
		files += "-- " + strings.TrimPrefix(p.root, "/") + "/usr/bin/" + p.comm + " --\nx\n"
	}
	if !slices.ContainsFunc(processes, func(p fakeProcess) bool { return p.pid == 1 }) {
		processes = append(processes, initProcess)
	}
	return processes, strings.ReplaceAll(files, "-- /", "-- "), want
}

// whose says for each process what a measurement made of it, in the words of treeOf.
func whose(m *fact.Measurement, processes []fakeProcess) map[int]string {
	out := map[int]string{}
	for _, p := range processes {
		if p.pid != 1 {
			out[p.pid] = "host"
		}
	}
	for _, a := range m.Host.Apart {
		out[a.PID] += " " + a.Why
	}
	for _, ct := range m.Containers {
		words := []string{ct.ID}
		if ct.FoundBy != fact.FoundByCgroup {
			words = []string{string(ct.FoundBy), ct.ID[:len("root-")]}
		}
		if ct.PodUID != "" {
			words = append(words, "pod="+ct.PodUID)
		}
		if ct.Runtime != "" {
			words = append(words, ct.Runtime)
		}
		if ct.Sandbox {
			words = append(words, "sandbox")
		}
		for _, p := range ct.Processes {
			out[p.PID] = strings.Join(words, " ")
		}
	}
	return out
}

// Nodes of other distributions, runtimes and cgroup hierarchies than this machine's.
func TestTrees(t *testing.T) {
	names, err := filepath.Glob("testdata/trees/*.txtar")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d trees, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			processes, files, want := treeOf(t, name)
			dir := nodeFixture(t, processes, files)
			m := read(t, dir, fact.LevelFull, fact.Processes)
			if len(m.Gaps) > 0 {
				t.Errorf("gaps %+v", m.Gaps)
			}
			if diff := cmp.Diff(want, whose(m, processes)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// At level proc containers of unknown engines look like the host's, which is
			// a gap.
			for pid, whose := range want {
				if strings.Contains(whose, "root-") || strings.HasPrefix(whose, "host ") {
					want[pid] = "host"
				}
			}
			m = read(t, dir, fact.LevelProc, fact.Processes)
			if diff := cmp.Diff(want, whose(m, processes)); diff != "" {
				t.Errorf("at level proc (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(levelProcGaps(fact.Processes), m.Gaps); diff != "" {
				t.Errorf("gaps at level proc (-want +got):\n%s", diff)
			}
		})
	}
}

// Of the host's processes those are listed that build images, and those with a root of
// their own.
func TestHostProcesses(t *testing.T) {
	const service = "20 1 8:1 /srv / rw - ext4 /dev/sda1 rw\n"
	processes := []fakeProcess{
		initProcess,
		{pid: 10, comm: "dockerd", start: 5, cgroup: "0::/system.slice/docker.service\n", exe: "/usr/bin/dockerd", caps: "000001ffffffffff"},
		{pid: 11, comm: "renamed", cgroup: "0::/user.slice/session-1.scope\n", exe: "/usr/bin/buildah (deleted)", uid: "0\t1000\t0\t0"},
		{pid: 12, comm: "dockerd", cgroup: "0::/x\n", exe: "/usr/bin/liar"},
		{pid: 13, comm: "podman", cgroup: "0::/docker/" + idA + "\n", exe: "/usr/bin/podman", root: "/c", ns: "1001"},
		{pid: 20, comm: "haproxy", cgroup: "0::/system.slice/haproxy.service\n", root: "/srv/haproxy", exe: "/haproxy"},
		{pid: 21, comm: "buildkitd", cgroup: "0::/system.slice/confined.service\n", root: "/srv", exe: "/buildkitd", mnt: "1002", mounts: service},
	}
	for i := range fact.MaxHostProcesses + 5 {
		processes = append(processes, fakeProcess{pid: 100 + i, comm: "postfix", root: "/srv/haproxy", exe: "/haproxy"})
	}
	dir := nodeFixture(t, processes, "-- usr/bin/x --\n-- c/usr/bin/podman --\n-- srv/haproxy/haproxy --\n-- srv/buildkitd --\n")
	m := read(t, dir, fact.LevelFull, fact.Processes)
	mask := fact.NewCapMask(0xa80425fb)
	dockerd := fact.HostProcess{PID: 10, Comm: "dockerd", Exe: "/usr/bin/dockerd", Unit: "docker.service", CapEff: fact.NewCapMask(0x1ffffffffff), Started: at(5), Why: "same-root"}
	buildkitd := fact.HostProcess{PID: 21, Comm: "buildkitd", Exe: "/buildkitd", Unit: "confined.service", CapEff: mask, Started: at(0), Why: "service", Root: "/srv"}
	want := []fact.HostProcess{
		dockerd, {PID: 11, Comm: "renamed", Exe: "/usr/bin/buildah (deleted)", Unit: "session-1.scope", UID: 1000, CapEff: mask, Started: at(0), Why: "same-root"}, buildkitd,
	}
	if diff := cmp.Diff(want, m.Host.Builders, masks); diff != "" {
		t.Errorf("builders (-want +got):\n%s", diff)
	}
	want = []fact.HostProcess{
		{PID: 20, Comm: "haproxy", Exe: "/haproxy", Unit: "haproxy.service", CapEff: mask, Started: at(0), Why: "chroot", Root: "/srv/haproxy"}, buildkitd,
	}
	if diff := cmp.Diff(want, m.Host.Apart[:2], masks); diff != "" || len(m.Host.Apart) != fact.MaxHostProcesses {
		t.Errorf("apart: %d, (-want +got):\n%s", len(m.Host.Apart), diff)
	}
	if want := len(processes) - 1; m.HostProcesses != want {
		t.Errorf("%d processes of the host, want %d", m.HostProcesses, want)
	}
	// At level proc there is only the name that a process gives itself.
	m = read(t, dir, fact.LevelProc, fact.Processes)
	dockerd.Exe, dockerd.Why = "", ""
	liar := dockerd
	liar.PID, liar.Unit, liar.CapEff, liar.Started = 12, "x", mask, at(0)
	buildkitd.Exe, buildkitd.Why, buildkitd.Root = "", "", ""
	if diff := cmp.Diff([]fact.HostProcess{dockerd, liar, buildkitd}, m.Host.Builders, masks); diff != "" || len(m.Host.Apart) > 0 {
		t.Errorf("at level proc: builders (-want +got):\n%s apart %v", diff, m.Host.Apart)
	}
}

// What cannot be decided is a gap: never a process of the host.
func TestUndecidedProcesses(t *testing.T) {
	for name, tc := range map[string]struct {
		other fakeProcess
		spoil func(dir string) error
		want  string
	}{
		"no root": {
			fakeProcess{pid: 5, comm: "a", cgroup: "0::/mine\n", noLinks: true},
			nil,
			"1 of 2 processes could not be assigned to a container or to the host: readlink DIR/proc/5/root: no such file or directory",
		},
		"no mount namespace": {
			fakeProcess{pid: 5, comm: "a", cgroup: "0::/mine\n", root: "/c", ns: "1001"},
			func(dir string) error { return os.Remove(dir + "/proc/5/ns/mnt") },
			"1 of 2 processes could not be assigned to a container or to the host",
		},
		"a service, and what its root is cannot be read": {
			fakeProcess{pid: 5, comm: "a", cgroup: "0::/system.slice/a.service\n", root: "/c", mnt: "1001"},
			func(dir string) error { return os.WriteFile(dir+"/proc/5/mountinfo", []byte("x\n"), 0o600) },
			"1 of 2 processes could not be assigned to a container or to the host",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, []fakeProcess{initProcess, tc.other}, "-- c/usr/bin/a --\n")
			if tc.spoil != nil {
				if err := tc.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			m := read(t, dir, fact.LevelFull, fact.Processes, fact.Libraries, fact.Upperdir)
			var got []string
			for _, g := range m.Gaps {
				if strings.Contains(g.Detail, "could not be assigned") {
					got = append(got, fmt.Sprintf("%s: %s", g.What, strings.ReplaceAll(g.Detail, dir, "DIR")))
				}
			}
			want := []string{"processes: " + tc.want, "upperdir: " + tc.want, "libraries: " + tc.want}
			if diff := cmp.Diff(want, got); diff != "" || m.HostProcesses != 1 || len(m.Containers) > 0 {
				t.Errorf("gaps (-want +got):\n%s; %d processes of the host, containers %v", diff, m.HostProcesses, m.Containers)
			}
		})
	}
}

// In a pod's cgroup without an id of its own, a program that calls itself pause is no
// sandbox, which nobody would judge.
func TestNoSandboxWithoutID(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{
		initProcess, {pid: 5, comm: "pause", cgroup: "0::/kubepods/pod" + podUID + "/x\n", root: "/c", ns: "1001", exe: "/pause"},
	}, "-- c/pause --\nx\n")
	m := read(t, dir, fact.LevelFull, fact.Processes, fact.Executables)
	if len(m.Containers) != 1 || m.Containers[0].Sandbox || m.Containers[0].PodUID != podUID || m.Containers[0].FoundBy != fact.FoundByRoot {
		t.Errorf("containers %+v", m.Containers)
	}
}

// A builder of a node that is itself a container is the node's.
func TestBuilderOfAContainedNode(t *testing.T) {
	const node = "0::/docker/d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4"
	first := initProcess
	first.cgroup = node + "/init.scope\n"
	dir := nodeFixture(t, []fakeProcess{first, {pid: 5, comm: "dockerd", cgroup: node + "/system.slice/docker.service\n"}}, "-- usr/bin/dockerd --\nx\n")
	for _, level := range []fact.Level{fact.LevelProc, fact.LevelFull} {
		m := read(t, dir, level, fact.Processes)
		if len(m.Host.Builders) != 1 || m.Host.Builders[0].PID != 5 || len(m.Containers) > 0 || m.HostProcesses != 2 {
			t.Errorf("%s: builders %+v, containers %+v, %d processes of the host", level, m.Host.Builders, m.Containers, m.HostProcesses)
		}
	}
}
