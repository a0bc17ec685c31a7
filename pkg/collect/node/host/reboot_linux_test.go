package host

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

func TestReadReboot(t *testing.T) {
	const pkgs = "run/reboot-required.pkgs"
	many := ""
	for i := range 100 {
		many += fmt.Sprintf("p%02d\n", i)
	}
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  fact.RebootState
	}{
		"nothing asks, and nothing would": {hosttest.Files{"run/": ""}, fact.RebootState{}},
		"files alone, where nobody would write while the host runs": {
			hosttest.Files{"usr/share/update-notifier/notify-reboot-required": "#!/bin/sh\n", "run/": ""}, fact.RebootState{},
		},
		"packages ask, one of them twice": {
			hosttest.Files{"run/reboot-required": "*** System restart required ***\n", pkgs: "linux-image-x\nlibc6\nlibc6\n"},
			fact.RebootState{Required: "/run/reboot-required", Packages: []string{"libc6", "linux-image-x"}},
		},
		"nothing says which": {
			hosttest.Files{"run/reboot-required": ""}, fact.RebootState{Required: "/run/reboot-required"},
		},
		"libzypp asks": {
			hosttest.Files{"run/reboot-needed": ""}, fact.RebootState{Required: "/run/reboot-needed"},
		},
		"a list of packages alone asks for nothing": {hosttest.Files{pkgs: "libc6\n"}, fact.RebootState{}},
		"a long list is cut": {
			hosttest.Files{"run/reboot-required": "", pkgs: many},
			fact.RebootState{Required: "/run/reboot-required", Packages: strings.Fields(many)[:fact.MaxRebootPackages]},
		},
		"a list that is a directory costs only the names": {
			hosttest.Files{"run/reboot-required": "", pkgs + "/x": ""}, fact.RebootState{Required: "/run/reboot-required"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, gaps := readReboot(hosttest.OpenRoot(t, tc.files.Write(t)))
			if len(gaps) > 0 || state == nil {
				t.Fatalf("state %v, gaps %+v", state, gaps)
			}
			if asks := state.Required != ""; asks != !state.Since.IsZero() || asks && state.Since.After(time.Now()) {
				t.Errorf("since %v", state.Since)
			}
			state.Since = fact.Time{}
			if diff := cmp.Diff(tc.want, *state); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
}

// Where the file cannot be looked at, nothing is said, and a gap says why.
func TestReadRebootUnreadable(t *testing.T) {
	dir := hosttest.Files{"a/": ""}.Write(t)
	if err := unix.Symlink("run", dir+"/run"); err != nil { // a loop
		t.Fatal(err)
	}
	state, gaps := readReboot(hosttest.OpenRoot(t, dir))
	if state != nil || len(gaps) != 1 || gaps[0].What != fact.Kernel || gaps[0].Reason == "" {
		t.Errorf("state %+v, gaps %+v", state, gaps)
	}
}

// Where the host runs, /run is a file system of its own. Then its packages would say
// that a reboot is due.
func TestReadRebootOfARunningHost(t *testing.T) {
	dir := hosttest.Files{"usr/share/update-notifier/notify-reboot-required": "#!/bin/sh\n", "run/": ""}.Write(t)
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and its mounts with it
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skip("no mount namespace may be made here: ", err)
	}
	for _, err := range []error{
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("run", dir+"/run", "tmpfs", 0, "size=64k"),
	} {
		if err != nil {
			t.Skip("nothing may be mounted here: ", err)
		}
	}
	defer func() { _ = unix.Unmount(dir+"/run", unix.MNT_DETACH) }()
	state, gaps := readReboot(hosttest.OpenRoot(t, dir))
	want := &fact.RebootState{Announcer: "/usr/share/update-notifier/notify-reboot-required"}
	if diff := cmp.Diff(want, state); diff != "" || len(gaps) > 0 {
		t.Errorf("gaps %+v, state (-want +got):\n%s", gaps, diff)
	}
}
