package devices

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

func TestBelow(t *testing.T) {
	id := strings.Repeat("ab", 32)
	for name, tc := range map[string]struct {
		root, lines, id, want string
	}{
		"cgroupfs":                       {"/", "5:devices:/kubepods/pod1/" + id, id, "/sys/fs/cgroup/devices/kubepods/pod1/" + id},
		"systemd":                        {"/", "5:pids:/x\n6:cpu,devices:/kubepods.slice/cri-containerd-" + id + ".scope", id, "/sys/fs/cgroup/devices/kubepods.slice/cri-containerd-" + id + ".scope"},
		"a cgroup that a process made":   {"/", "5:devices:/kubepods/" + id + "/inner/x", id, "/sys/fs/cgroup/devices/kubepods/" + id},
		"the node is a container":        {"/docker/x", "5:devices:/docker/x/kubepods/" + id, id, "/sys/fs/cgroup/devices/kubepods/" + id},
		"outside what is mounted":        {"/docker/x", "5:devices:/docker/xy/" + id, id, ""},
		"outside the caller's namespace": {"/", "5:devices:/../" + id, id, ""},
		"another container's":            {"/", "5:devices:/kubepods/" + strings.Repeat("cd", 32), id, ""},
		"no id, the root":                {"/", "5:devices:/", "", "/sys/fs/cgroup/devices"},
		"no id, a service":               {"/", "5:devices:/system.slice/x.service", "", "/sys/fs/cgroup/devices/system.slice/x.service"},
		"version 2":                      {"/", "0::/kubepods/" + id, id, ""},
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := procfs.ParseCgroup([]byte(tc.lines))
			if err != nil {
				t.Fatal(err)
			}
			m := &procfs.MountInfo{Root: tc.root, Point: "/sys/fs/cgroup/devices"}
			if got := below(m, lines, tc.id); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
