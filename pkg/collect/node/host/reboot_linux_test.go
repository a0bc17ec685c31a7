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
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
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
		"/var/run is a directory of its own": {
			hosttest.Files{"run/": "", "var/run/reboot-required": "", "var/run/reboot-required.pkgs": "libc6\n"},
			fact.RebootState{Required: "/var/run/reboot-required", Packages: []string{"libc6"}},
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
			state, gaps := readReboot(t.Context(), hosttest.OpenRoot(t, tc.files.Write(t)), fact.OSRelease{ID: "debian"}, fact.NewTime(time.Unix(1000, 0)))
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
	state, gaps := readReboot(t.Context(), hosttest.OpenRoot(t, dir), fact.OSRelease{}, fact.Time{})
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
	state, gaps := readReboot(t.Context(), hosttest.OpenRoot(t, dir), fact.OSRelease{}, fact.Time{})
	want := &fact.RebootState{Announcer: "/usr/share/update-notifier/notify-reboot-required"}
	if diff := cmp.Diff(want, state); diff != "" || len(gaps) > 0 {
		t.Errorf("gaps %+v, state (-want +got):\n%s", gaps, diff)
	}
}

// On RHEL's family the times at which core packages were installed tell.
func TestRebootByPackages(t *testing.T) {
	header := func(name string, installed uint32) []byte {
		return rpmtest.Header(rpmtest.Entry{Tag: 1000, Data: name}, rpmtest.Entry{Tag: 1001, Data: "1"}, rpmtest.Entry{Tag: 1002, Data: "1"},
			rpmtest.Entry{Tag: 1008, Data: installed}, rpmtest.Entry{Tag: 1022, Data: "x86_64"})
	}
	const path = "/var/lib/rpm/Packages.db"
	database := func(headers ...[]byte) hosttest.Files {
		return hosttest.Files{path[1:]: string(rpmtest.NDB(headers)), "run/": ""}
	}
	rocky := fact.OSRelease{ID: "rocky", IDLike: "rhel centos fedora"}
	at := func(seconds int64) fact.Time { return fact.NewTime(time.Unix(seconds, 0)) }
	none := fact.RebootState{Database: path}
	for name, tc := range map[string]struct {
		files hosttest.Files
		os    fact.OSRelease
		boot  fact.Time
		want  fact.RebootState
	}{
		"core packages from before the boot": {database(header("kernel-core", 900), header("glibc", 1000), header("bash", 5000)), rocky, at(1000), none},
		"some from after it, the first counts": {
			database(header("systemd", 3000), header("glibc", 2000), header("kernel-core", 900), header("kernel-core", 4000), header("bash", 1500)), rocky, at(1000),
			fact.RebootState{Required: path, Database: path, Since: at(2000), Packages: []string{"glibc", "kernel-core", "systemd"}},
		},
		"a name that the host adds": {
			database(header("glibc", 900), header("openssl-libs", 2000)).With(hosttest.Files{"etc/dnf/plugins/needs-restarting.d/x.conf": "# mine\n\nopenssl-libs\n"}), rocky, at(1000),
			fact.RebootState{Required: path, Database: path, Since: at(2000), Packages: []string{"openssl-libs"}},
		},
		"more names of yum 3": {
			database(header("glibc", 900), header("openssl-libs", 2000)).With(hosttest.Files{"usr/share/yum-cli/utils.py": ""}), rocky, at(1000),
			fact.RebootState{Required: path, Database: path, Since: at(2000), Packages: []string{"openssl-libs"}},
		},
		"a file of another name adds nothing": {
			database(header("glibc", 900), header("openssl-libs", 2000)).With(hosttest.Files{"etc/dnf/plugins/needs-restarting.d/x.conf.rpmnew": "openssl-libs\n"}), rocky, at(1000), none,
		},
		"no core package has no rule":  {database(header("bash", 2000)), rocky, at(1000), fact.RebootState{}},
		"an unknown time of the boot":  {database(header("glibc", 2000)), rocky, fact.Time{}, fact.RebootState{}},
		"SUSE has another rule":        {database(header("glibc", 2000)), fact.OSRelease{ID: "opensuse-leap", IDLike: "suse opensuse"}, at(1000), fact.RebootState{}},
		"Debian with a stray database": {database(header("glibc", 2000)), fact.OSRelease{ID: "debian"}, at(1000), fact.RebootState{}},
		"no database":                  {hosttest.Files{"run/": ""}, rocky, at(1000), fact.RebootState{}},
		"a file that asks comes first": {
			database(header("glibc", 900)).With(hosttest.Files{"run/reboot-needed": ""}), rocky, at(1000), fact.RebootState{Required: "/run/reboot-needed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, gaps := readReboot(t.Context(), hosttest.OpenRoot(t, tc.files.Write(t)), tc.os, tc.boot)
			if len(gaps) > 0 || state == nil {
				t.Fatalf("state %v, gaps %+v", state, gaps)
			}
			if state.Required == "/run/reboot-needed" {
				state.Since = fact.Time{}
			}
			if diff := cmp.Diff(tc.want, *state); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}

	// A package that could not be read may be one of them.
	damaged := database(header("glibc", 900), rpmtest.Header(rpmtest.Entry{Tag: 1001, Data: "1"}))
	state, gaps := readReboot(t.Context(), hosttest.OpenRoot(t, damaged.Write(t)), rocky, at(1000))
	if state != nil || len(gaps) != 1 || gaps[0].Reason != fact.Corrupt {
		t.Errorf("state %+v, gaps %+v", state, gaps)
	}
}
