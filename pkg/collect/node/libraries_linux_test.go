package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	mapsOfSSH = "55d0c8a00000-55d0c8a20000 r--p 00000000 08:01 11 /usr/sbin/sshd\n" +
		"55d0c8a20000-55d0c8b00000 r-xp 00020000 08:01 11 /usr/sbin/sshd\n" +
		"7f00a0000000-7f00a0100000 r-xp 00001000 08:01 12 /usr/lib/libssl.so.3;65f0a1b2 (deleted)\n" +
		"7f00a0100000-7f00a0200000 r-xp 00001000 08:01 13 /usr/lib/libssl.so.3;65f0a1b3 (deleted)\n" +
		"7f00a0200000-7f00a0300000 r--p 00001000 08:01 14 /usr/lib/libold.so (deleted)\n" +
		"7f00a0300000-7f00a0400000 r-xp 00000000 00:01 15 /memfd:jit (deleted)\n" +
		"7f00a0400000-7f00a0500000 r-xp 00000000 00:00 0 \n" +
		"7f00a0500000-7f00a0600000 r-xp 00000000 00:00 0 [vdso]\n"
	mapsOfKubelet = "400000-500000 r-xp 00000000 08:01 21 /usr/bin/kubelet (deleted)\n"
	mapsOfMine    = "400000-500000 r-xp 00000000 08:01 31 /usr/lib/libc.so.6 (deleted)\n"
)

// A process is the host's if its cgroup names no container and its root directory is
// the host's.
func TestLibrariesOfTheHost(t *testing.T) {
	id := strings.Repeat("a1", 32)
	in := func(p fakeProcess, maps string) fakeProcess {
		p.maps = maps
		return p
	}
	host := []fakeProcess{
		in(initProcess, "400000-500000 r-xp 00000000 08:01 5 /usr/lib/systemd/systemd\n"),
		{pid: 20, ppid: 1, comm: "sshd", exe: "/usr/sbin/sshd", cgroup: "0::/system.slice/ssh.service\n", maps: mapsOfSSH},
		{pid: 21, ppid: 20, comm: "sshd", exe: "/usr/sbin/sshd", cgroup: "0::/system.slice/ssh.service\n", maps: mapsOfSSH},
		{pid: 22, ppid: 1, comm: "kubelet", exe: "/usr/bin/kubelet (deleted)", cgroup: "0::/system.slice/kubelet.service\n", maps: mapsOfKubelet},
	}
	want := &fact.LibraryState{Processes: 4, OutdatedCount: 2, Outdated: []fact.OutdatedFile{
		{Path: "/usr/bin/kubelet", Unit: "kubelet.service", Program: true, Processes: 1, Comm: "kubelet"},
		{Path: "/usr/lib/libssl.so.3", Unit: "ssh.service", Processes: 2, Comm: "sshd"},
	}}
	elsewhere := *want
	elsewhere.Elsewhere = 1
	kubepods := "0::/kubepods/burstable/pod12345678-9abc-def0-1234-56789abcdef0/" + id + "\n"
	for name, tc := range map[string]struct {
		other fakeProcess
		want  *fact.LibraryState
	}{
		"a container's process":                      {fakeProcess{pid: 30, ppid: 1, comm: "app", cgroup: kubepods, root: "/var/lib/c", maps: mapsOfMine}, want},
		"a container's process with the host's root": {fakeProcess{pid: 30, ppid: 1, comm: "app", cgroup: kubepods, maps: mapsOfMine}, want},
		"docker's":                                        {fakeProcess{pid: 30, ppid: 1, comm: "app", cgroup: "0::/system.slice/docker-" + id + ".scope\n", root: "/var/lib/c", maps: mapsOfMine}, want},
		"an unknown engine's, in a plain cgroup":          {fakeProcess{pid: 30, ppid: 1, comm: "app", cgroup: "0::/mine\n", root: "/var/lib/c", maps: mapsOfMine}, &elsewhere},
		"an unknown engine's, in the cgroup of a service": {fakeProcess{pid: 30, ppid: 1, comm: "app", cgroup: "0::/system.slice/ssh.service\n", root: "/var/lib/c", maps: mapsOfMine}, &elsewhere},
		"a kernel thread":                                 {fakeProcess{pid: 30, ppid: 2, comm: "kworker", flags: 0x200000, maps: mapsOfMine}, want},
		"a zombie":                                        {fakeProcess{pid: 30, ppid: 1, comm: "sh", state: "Z", maps: mapsOfMine}, want},
		"a shim in the cgroup of its pod": {
			fakeProcess{pid: 30, ppid: 1, comm: "shim", cgroup: strings.TrimSuffix(kubepods, "/"+id+"\n") + "\n", maps: mapsOfMine},
			&fact.LibraryState{Processes: 5, OutdatedCount: 3, Outdated: []fact.OutdatedFile{
				want.Outdated[0], {Path: "/usr/lib/libc.so.6", Processes: 1, Comm: "shim"}, want.Outdated[1],
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := read(t, nodeFixture(t, append(slices.Clone(host), tc.other), "-- var/lib/c/ --\n"), fact.LevelFull, fact.Libraries)
			if len(m.Gaps) > 0 || !m.HasRead(fact.Libraries) {
				t.Errorf("read %v, gaps %+v", m.Read, m.Gaps)
			}
			if diff := cmp.Diff(tc.want, m.Host.Libraries); diff != "" {
				t.Errorf("libraries (-want +got):\n%s", diff)
			}
		})
	}
}

// A process that cannot be read is a gap, and does not cost the others.
func TestLibrariesUnread(t *testing.T) {
	first := initProcess
	first.maps = "400000-500000 r-xp 00000000 08:01 5 /usr/lib/systemd/systemd\n"
	for name, tc := range map[string]struct {
		maps string
		want fact.NodeGap
	}{
		"not a line of maps": {
			"nonsense\n", fact.NodeGap{What: fact.Libraries, Reason: fact.Corrupt, Detail: `1 of 2 processes that are in no container could not be read: pid 30: maps: expected two addresses as field 1 in "nonsense"`},
		},
		"a line without an end": {
			strings.Repeat("4", 40<<10) + "\n", fact.NodeGap{
				What: fact.Libraries, Reason: fact.Truncated,
				Detail: "1 of 2 processes that are in no container could not be read: pid 30: maps, or a line of it: larger than the limit",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := read(t, nodeFixture(t, []fakeProcess{first, {pid: 30, ppid: 1, comm: "x", maps: tc.maps}}, ""), fact.LevelFull, fact.Libraries)
			if diff := cmp.Diff([]fact.NodeGap{tc.want}, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&fact.LibraryState{Processes: 1}, m.Host.Libraries); diff != "" {
				t.Errorf("libraries (-want +got):\n%s", diff)
			}
		})
	}
	// A process of which nothing is known may be the host's.
	broken := read(t, nodeFixture(t, []fakeProcess{first, {pid: 30, ppid: 1, comm: "x", cgroup: "nonsense\n", maps: mapsOfMine}}, ""), fact.LevelFull, fact.Libraries)
	if len(broken.Gaps) != 1 || broken.Gaps[0].What != fact.Libraries || broken.Gaps[0].Reason != fact.Corrupt || broken.Host.Libraries.Processes != 1 {
		t.Errorf("with a cgroup that cannot be parsed: %+v, gaps %+v", broken.Host.Libraries, broken.Gaps)
	}
	m := read(t, nodeFixture(t, []fakeProcess{{pid: 1, comm: "init"}}, ""), fact.LevelFull, fact.Libraries)
	if m.HasRead(fact.Libraries) || len(m.Gaps) != 0 && m.Gaps[0].What != fact.Libraries || m.Host.Libraries != nil && m.Host.Libraries.Processes > 0 {
		t.Errorf("without any maps: %+v, gaps %+v", m.Host.Libraries, m.Gaps)
	}
}

// A list that is too long keeps the programs, and counts the rest.
func TestManyLibraries(t *testing.T) {
	first := initProcess
	first.exe = "/usr/lib/systemd/systemd (deleted)"
	first.maps = "400000-500000 r-xp 00000000 08:01 5 /usr/lib/systemd/systemd (deleted)\n"
	for i := range 300 {
		first.maps += fmt.Sprintf("%x000-%x000 r-xp 00000000 08:01 %d /usr/lib/lib%03d.so (deleted)\n", 0x600+i, 0x601+i, 100+i, i)
	}
	state := read(t, nodeFixture(t, []fakeProcess{first}, ""), fact.LevelFull, fact.Libraries).Host.Libraries
	if state == nil || state.OutdatedCount != 301 || len(state.Outdated) != fact.MaxOutdatedFiles ||
		!slices.ContainsFunc(state.Outdated, func(f fact.OutdatedFile) bool { return f.Program }) {
		t.Errorf("%+v", state)
	}
}

// A program and a library of our own making, on this machine: as installed, then
// replaced by rename as package managers do, then only named as if deleted.
func TestPlantedLibrary(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the maps of other processes need root")
	}
	libraries, _ := filepath.Glob("/lib*/*/libm.so.6")
	if len(libraries) == 0 {
		libraries, _ = filepath.Glob("/lib*/libm.so.6")
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil || len(libraries) == 0 {
		t.Skip("neither sleep nor libm.so.6 to copy: ", err)
	}
	// What lies below /tmp is ignored, where a checkout may be.
	base, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(base, "/tmp/") {
		base = "/var/lib"
	}
	dir, err := os.MkdirTemp(base, "planted")
	if err != nil {
		t.Skip("no directory outside of /tmp: ", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	place := func(from, name string) {
		t.Helper()
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(dir+"/new", data, 0o755)
		}
		if err == nil {
			err = os.Rename(dir+"/new", filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	start := func(program string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, program), "300")
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+dir+"/libm.so.6")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		if !eventually(func() bool {
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", cmd.Process.Pid))
			return err == nil && bytes.Contains(data, []byte("libm")) && bytes.Contains(data, []byte("libc.so"))
		}) {
			t.Fatal("the library was not loaded")
		}
	}
	found := func() (out []string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), tooLong)
		defer cancel()
		m, err := Local(ctx, Options{Level: fact.LevelFull, Proc: "/proc", Root: "/", Live: true, Kinds: []fact.Kind{fact.Libraries}})
		if err != nil {
			t.Fatal(err)
		}
		if m.Host.Libraries == nil {
			t.Fatalf("no libraries were read: %+v", m.Gaps)
		}
		for _, f := range m.Host.Libraries.Outdated {
			if name, ok := strings.CutPrefix(f.Path, dir+"/"); ok {
				out = append(out, fmt.Sprintf("%s program=%t replaced=%t processes=%d", name, f.Program, f.Replaced, f.Processes))
			}
		}
		return out
	}
	place(sleep, "program")
	place(libraries[0], "libm.so.6")
	place(sleep, "named (deleted)")
	start("program")
	start("named (deleted)")
	if got := found(); got != nil {
		t.Errorf("as installed: %q", got)
	}
	place(libraries[0], "libm.so.6")
	if diff := cmp.Diff([]string{"libm.so.6 program=false replaced=false processes=2"}, found()); diff != "" {
		t.Errorf("with the library replaced (-want +got):\n%s", diff)
	}
	place(sleep, "program")
	place(sleep, "named (deleted)")
	want := []string{
		"libm.so.6 program=false replaced=false processes=2", "named (deleted) program=true replaced=false processes=1", "program program=true replaced=false processes=1",
	}
	if diff := cmp.Diff(want, found()); diff != "" {
		t.Errorf("with both replaced (-want +got):\n%s", diff)
	}
}
