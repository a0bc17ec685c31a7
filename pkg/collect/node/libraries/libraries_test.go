package libraries

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestIgnored(t *testing.T) {
	for name, want := range map[string]bool{
		"/usr/lib/x86_64-linux-gnu/libm.so.6": false, "/usr/bin/kubelet": false, "/opt/app/#x": false, "/usr/lib/jna.so": false, "/home/tmp/x": false,
		"/memfd:runc_cloned:/proc/self/exe": true, "/SYSV00000000": true, "/dev/zero": true, "/[aio]": true, "/drm mm object": true,
		"/anon_hugepage": true, "/tmp/x.so": true, "/var/tmp/x.so": true, "/run/user/0/orcexec.a": true, "/home/u/orcexec.a": true,
		"/home/u/#1234": true, "/opt/jna-1/jna12.tmp": true,
	} {
		if got := ignored(name); got != want {
			t.Errorf("%s: ignored %t, want %t", name, got, want)
		}
	}
}

func TestWithoutRPM(t *testing.T) {
	for name, want := range map[string]string{
		"/usr/lib64/libssl.so.3;65f0a1b2": "/usr/lib64/libssl.so.3", "/usr/lib64/a;0123456789abcdef": "/usr/lib64/a",
		"/usr/lib64/a;65f0a1b": "/usr/lib64/a;65f0a1b", "/usr/lib64/a;65f0a1bg": "/usr/lib64/a;65f0a1bg", "/usr/lib64/a": "/usr/lib64/a", ";12345678": "",
	} {
		if got := withoutRPM(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestUnitOf(t *testing.T) {
	id := "4b0cf5d5ff0cb1d1e1c2a3d4e5f60718293a4b5c6d7e8f901122334455667788"
	for cgroup, want := range map[string]string{
		"/system.slice/ssh.service":                                        "ssh.service",
		"/../../system.slice/containerd.service":                           "containerd.service",
		"/system.slice/docker.service/worker":                              "docker.service",
		"/user.slice/user-0.slice/session-3.scope":                         "session-*.scope",
		"/user.slice/user-0.slice/user@0.service/app.slice/a.service":      "a.service",
		"/user.slice/user-0.slice/user@0.service/init.scope":               "init.scope",
		"/kubepods.slice/kubepods-pod1.slice/crio-conmon-" + id + ".scope": "crio-conmon-*.scope",
		"/kubepods/burstable/pod1":                                         "",
		"/":                                                                "",
		"":                                                                 "",
	} {
		if got := unitOf(cgroup); got != want {
			t.Errorf("%s: %q, want %q", cgroup, got, want)
		}
	}
}

// A process that has not come back is a gap, and what it brings later does not count.
func TestAProcessThatHangs(t *testing.T) {
	s := &search{open: []bool{false, true}, processes: 1, files: map[key]*fact.OutdatedFile{}}
	state, gaps := s.finish(2)
	if diff := cmp.Diff(&fact.LibraryState{Processes: 1}, state); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	want := []fact.NodeGap{{What: fact.Libraries, Reason: fact.Timeout, Detail: "1 of 2 processes that are in no container do not answer: a file system may hang"}}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	s.do(func() { t.Error("it was counted after the end") })
}
