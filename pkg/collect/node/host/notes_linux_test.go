package host

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

func TestAutomaticUpdates(t *testing.T) {
	const (
		program = "usr/bin/unattended-upgrade"
		auto    = "etc/apt/apt.conf.d/20auto-upgrades"
		on      = "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n"
		wants   = "etc/systemd/system/timers.target.wants/"
		engine  = "usr/lib/systemd/system/update-engine.service"
	)
	unattended := func(enabled bool, source string) *fact.AutomaticUpdates {
		return &fact.AutomaticUpdates{Tool: "unattended-upgrades", Enabled: enabled, Source: source}
	}
	for name, tc := range map[string]struct {
		id    string
		files hosttest.Files
		want  *fact.AutomaticUpdates
	}{
		"nothing":                        {"debian", hosttest.Files{"etc/": ""}, &fact.AutomaticUpdates{}},
		"configured and not installed":   {"debian", hosttest.Files{auto: on}, &fact.AutomaticUpdates{}},
		"installed and configured":       {"ubuntu", hosttest.Files{program: "", auto: on}, unattended(true, "/"+auto)},
		"installed and not configured":   {"debian", hosttest.Files{program: ""}, unattended(false, "/"+program)},
		"switched off":                   {"debian", hosttest.Files{program: "", auto: strings.ReplaceAll(on, `"1"`, `"0"`)}, unattended(false, "/"+auto)},
		"a later file wins":              {"debian", hosttest.Files{program: "", auto: on, "etc/apt/apt.conf.d/99local": "APT { Periodic { Unattended-Upgrade \"0\"; }; };\n"}, unattended(false, "/etc/apt/apt.conf.d/99local")},
		"apt.conf wins":                  {"debian", hosttest.Files{program: "", auto: on, "etc/apt/apt.conf": "APT::Periodic::Unattended-Upgrade \"0\";\n"}, unattended(false, "/etc/apt/apt.conf")},
		"the timer is masked":            {"debian", hosttest.Files{program: "", auto: on, "etc/systemd/system/apt-daily-upgrade.timer": "link: /dev/null"}, unattended(false, "/etc/systemd/system/apt-daily-upgrade.timer")},
		"a file that cannot be parsed":   {"debian", hosttest.Files{program: "", auto: on + "APT {"}, nil},
		"dnf-automatic downloads":        {"rocky", hosttest.Files{wants + "dnf-automatic.timer": "link: x", "etc/dnf/automatic.conf": "[commands]\napply_updates = no\n"}, &fact.AutomaticUpdates{Tool: "dnf-automatic", Source: "/etc/dnf/automatic.conf"}},
		"dnf-automatic without a file":   {"rocky", hosttest.Files{wants + "dnf-automatic.timer": "link: x"}, &fact.AutomaticUpdates{Tool: "dnf-automatic", Source: "/etc/dnf/automatic.conf"}},
		"dnf-automatic installs":         {"rocky", hosttest.Files{wants + "dnf-automatic.timer": "link: x", "etc/dnf/automatic.conf": "[commands]\napply_updates = Yes\n"}, &fact.AutomaticUpdates{Tool: "dnf-automatic", Enabled: true, Source: "/" + wants + "dnf-automatic.timer"}},
		"dnf-automatic's own timer":      {"rocky", hosttest.Files{wants + "dnf-automatic-install.timer": "link: x"}, &fact.AutomaticUpdates{Tool: "dnf-automatic", Enabled: true, Source: "/" + wants + "dnf-automatic-install.timer"}},
		"transactional-update":           {"opensuse-microos", hosttest.Files{wants + "transactional-update.timer": "link: x"}, &fact.AutomaticUpdates{Tool: "transactional-update", Enabled: true, Source: "/" + wants + "transactional-update.timer"}},
		"transactional-update is masked": {"opensuse-microos", hosttest.Files{wants + "transactional-update.timer": "link: x", "etc/systemd/system/transactional-update.timer": "link: /dev/null"}, &fact.AutomaticUpdates{}},
		"update-engine":                  {"flatcar", hosttest.Files{engine: ""}, &fact.AutomaticUpdates{Tool: "update-engine", Enabled: true, Source: "/" + engine}},
		"update-engine is masked":        {"flatcar", hosttest.Files{engine: "", "etc/systemd/system/update-engine.service": "link: /dev/null"}, &fact.AutomaticUpdates{Tool: "update-engine", Source: "/etc/systemd/system/update-engine.service"}},
		"update-engine has no server":    {"flatcar", hosttest.Files{engine: "", "etc/flatcar/update.conf": "GROUP=stable\nSERVER=disabled\n"}, &fact.AutomaticUpdates{Tool: "update-engine", Source: "/etc/flatcar/update.conf"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := readAutomaticUpdates(hosttest.OpenRoot(t, tc.files.Write(t)), fact.OSRelease{ID: tc.id})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("automatic updates (-want +got):\n%s", diff)
			}
		})
	}
	if got := readAutomaticUpdates(nil, fact.OSRelease{}); got != nil {
		t.Errorf("without a root: %+v", got)
	}
}

// A directory that is a loop of links leaves it open, and costs nothing else.
func TestAutomaticUpdatesUnreadable(t *testing.T) {
	dir := hosttest.Files{"etc/": ""}.Write(t)
	if err := unix.Symlink("systemd", dir+"/etc/systemd"); err != nil {
		t.Fatal(err)
	}
	if got := readAutomaticUpdates(hosttest.OpenRoot(t, dir), fact.OSRelease{ID: "debian"}); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestCgroupVersion(t *testing.T) {
	const (
		unified = "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
		tmpfs   = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
		memory  = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		hybrid  = "36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		root    = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	)
	for name, tc := range map[string]struct {
		table string
		want  int
	}{
		"version 2": {root + unified, 2}, "version 1": {root + tmpfs + memory, 1}, "hybrid is 1": {root + tmpfs + hybrid + memory, 1},
		"none": {root, 0}, "unread": {"", 0}, "1 with 2 mounted above": {root + tmpfs + memory + unified, 2}, "only an empty tmpfs": {root + tmpfs, 0},
	} {
		mounts, err := procfs.ParseMountInfo([]byte(tc.table))
		if err != nil {
			t.Fatal(err)
		}
		if got := cgroupVersion(mounts); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
