package host

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// rocky is a node of Rocky Linux 9.4 that runs a kernel and has these installed.
// os-release is as rocky-release installs it, and what the packages provide as in
// the distribution's kernel.spec.
func rocky(running string, installed ...string) hosttest.Files {
	header := func(name, release, provides, of string) []byte {
		version, release, _ := strings.Cut(release, "-")
		release, arch, _ := cutLast(release, ".")
		return rpmtest.Header(rpmtest.Entry{Tag: 1000, Data: name}, rpmtest.Entry{Tag: 1001, Data: version}, rpmtest.Entry{Tag: 1002, Data: release},
			rpmtest.Entry{Tag: 1011, Data: "Rocky Enterprise Software Foundation"}, rpmtest.Entry{Tag: 1022, Data: arch},
			rpmtest.Entry{Tag: 1047, Data: []string{name, provides}}, rpmtest.Entry{Tag: 1113, Data: []string{version + "-" + release, of}})
	}
	blobs := [][]byte{header("bash", "5.1.8-9.el9.x86_64", "/bin/sh", ""), header("rocky-release", "9.4-1.7.el9.noarch", "system-release(releasever)", "9")}
	for _, release := range installed {
		blobs = append(blobs, header("kernel", release, "installonlypkg(kernel)", ""), header("kernel-core", release, "kernel-uname-r", release),
			header("kernel-modules", release, "kernel-modules-uname-r", release))
	}
	f := hosttest.Files{
		"etc/os-release":            "NAME=\"Rocky Linux\"\nVERSION=\"9.4 (Blue Onyx)\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"\n",
		"proc/sys/kernel/osrelease": running + "\n",
		"proc/version":              "Linux version " + running + " (mockbuild@iad1-prod-build001.bld.equ.rockylinux.org) (gcc (GCC) 11.4.1) " + build(running) + "\n",
		"proc/stat":                 "btime 1700000000\n",
		"var/lib/rpm/Packages.db":   string(rpmtest.NDB(blobs)),
	}
	for _, release := range installed {
		f["boot/vmlinuz-"+release] = "bzImage: " + release + " (mockbuild@iad1-prod-build001.bld.equ.rockylinux.org) " + build(release) + "\n"
		f["lib/modules/"+release+"/modules.dep"] = ""
	}
	return f
}

func build(release string) string { return "#1 SMP PREEMPT_DYNAMIC of " + release }

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// TestRocky answers the two questions about a node of RHEL's family from its
// files: its kernel by rpm's order, and its updates, which nobody has read yet.
func TestRocky(t *testing.T) {
	const first, update = "5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64"
	unmounted := func(f hosttest.Files) hosttest.Files {
		f = maps.Clone(f)
		maps.DeleteFunc(f, func(name, _ string) bool { return strings.HasPrefix(name, "boot/") })
		return f
	}
	for name, tc := range map[string]struct {
		files   hosttest.Files
		verdict api.Verdict
		message string
	}{
		"updated, not rebooted": {rocky(first, first, update), api.Fail, "runs kernel " + first + ", but " + update + " is installed"},
		"rebooted":              {rocky(update, first, update), api.Pass, "runs the newest installed kernel"},
		"updated, not rebooted, and /boot is not mounted": {
			unmounted(rocky(first, first, update)), api.Fail, "runs kernel " + first + ", but " + update + " is installed",
		},
		"rebooted, and /boot is not mounted": {unmounted(rocky(update, first, update)), api.Pass, "runs the newest installed kernel"},
		"the update's image is only in the database": {
			rocky(first, first, update).Without("boot/vmlinuz-" + update), api.Fail, "runs kernel " + first + ", but " + update + " is installed",
		},
		"a kernel that is not its own": {
			rocky("6.1.0-1.el9.x86_64", first, update), api.VerdictUnknown,
			"runs kernel 6.1.0-1.el9.x86_64, which is not installed and not older than any that is: nothing here says whether a newer one exists",
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, read, gaps := readAll(t, tc.files)
			if diff := cmp.Diff([]fact.Kind{fact.Kernel, fact.Packages}, read); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if len(gaps) != 1 || gaps[0].What != fact.Packages || gaps[0].Reason != fact.NotPresent {
				t.Errorf("gaps: %+v", gaps)
			}
			view := checks.NewView(&fact.Set{Nodes: []fact.Node{{Name: "n1", Measured: &fact.Measurement{Level: fact.LevelFull, Read: read, Gaps: gaps, Host: host}}}})
			findings := hosts.KernelOutdated.Judge(view)
			if len(findings) != 1 || findings[0].Verdict != tc.verdict || findings[0].Message != tc.message {
				t.Errorf("want %s: %s, got %+v", tc.verdict, tc.message, findings)
			}
			findings = hosts.PendingSecurityUpdates.Judge(view)
			if len(findings) != 1 || findings[0].Verdict != api.VerdictUnknown {
				t.Errorf("pending updates: %+v", findings)
			}
		})
	}
}
