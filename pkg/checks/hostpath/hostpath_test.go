package hostpath

import "testing"

func TestSocket(t *testing.T) {
	for name, tc := range map[string]struct {
		path   string
		socket string
		direct bool
		ok     bool
	}{
		"the socket itself":                        {"/run/docker.sock", "/run/docker.sock", true, true},
		"by its name below /var/run":               {"/var/run/docker.sock", "/run/docker.sock", true, true},
		"the directory of its own":                 {"/run/containerd/", "/run/containerd/containerd.sock", true, true},
		"k3s's":                                    {"/run/k3s/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock", true, true},
		"a user's":                                 {"/run/user/1000/podman/podman.sock", "/run/user/1000/podman/podman.sock", true, true},
		"/run holds them all":                      {"/run", "/run/docker.sock", false, true},
		"/var/run is /run":                         {"/var/run/", "/run/docker.sock", false, true},
		"/ holds them all":                         {"/", "/run/docker.sock", false, true},
		"a directory further up":                   {"/run/k3s", "/run/k3s/containerd/containerd.sock", false, true},
		"dots are resolved":                        {"/run/lock/../docker.sock", "/run/docker.sock", true, true},
		"Docker's containerd":                      {"/run/docker", "/run/docker/containerd/containerd.sock", false, true},
		"MicroK8s's directory":                     {"/var/snap/microk8s/common/run", "/var/snap/microk8s/common/run/containerd.sock", true, true},
		"far above what few nodes have":            {"/var/snap", "", false, false},
		"another file in /run":                     {"/run/xtables.lock", "", false, false},
		"another directory in /run":                {"/run/netns", "", false, false},
		"a name that only begins alike":            {"/run/containerd-stress", "", false, false},
		"/var holds a link alone, which leads out": {"/var", "", false, false},
		"through pid 1's root":                     {"/proc/1/root/run/containerd/containerd.sock", "/run/containerd/containerd.sock", true, true},
		"through the root of whoever mounts":       {"/proc/self/root/var/run", "/run/docker.sock", false, true},
		"through a thread's":                       {"/proc/thread-self/root/run/crio/crio.sock", "/run/crio/crio.sock", true, true},
		"through a task's":                         {"/proc/1/task/1/root", "/run/docker.sock", false, true},
		"through a working directory":              {"/proc/1/cwd/run/docker.sock", "/run/docker.sock", true, true},
		"through one root after another":           {"/proc/1/root/proc/self/root/proc/2/cwd/run/docker.sock", "/run/docker.sock", true, true},
		"/var/run below a root":                    {"/proc/1/root/var/run/docker.sock", "/run/docker.sock", true, true},
		"through a root to elsewhere":              {"/proc/1/root/data", "", false, false},
		"/proc, which node agents mount":           {"/proc", "", false, false},
		"a process's directory holds its root":     {"/proc/7", "/proc/7/root/run/docker.sock", false, true},
		"another file of /proc":                    {"/proc/meminfo", "", false, false},
		"another directory of /proc":               {"/proc/sys", "", false, false},
		"a name that only begins like root":        {"/proc/1/rooted/run/docker.sock", "", false, false},
		"elsewhere":                                {"/data", "", false, false},
		"Docker's pipe on Windows":                 {`\\.\pipe\docker_engine`, "//./pipe/docker_engine", true, true},
		"containerd's, with other slashes":         {"//./Pipe/containerd-containerd", "//./pipe/containerd-containerd", true, true},
		"every pipe of Windows":                    {`\\.\pipe\`, "//./pipe/docker_engine", false, true},
		"another pipe of Windows":                  {`\\.\pipe\app`, "", false, false},
		"a directory of Windows":                   {`C:\ProgramData\docker`, "", false, false},
		"a disk of Windows, which holds no pipe":   {`C:\`, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			socket, direct, ok := Socket(Clean(tc.path))
			if socket != tc.socket || direct != tc.direct || ok != tc.ok {
				t.Errorf("%q: want %q, %v, %v; got %q, %v, %v", tc.path, tc.socket, tc.direct, tc.ok, socket, direct, ok)
			}
		})
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"/var/run/x/..": "/run", "": "/", "a": "/a", `C:\`: "c:", `c:/Windows\System32\..`: "c:/windows", "C:": "c:",
		`\\.\pipe\A`: "//./pipe/a", `//./pipe/../../a`: "//./pipe/a", `/c:/x`: "/c:/x", `1:\x`: `/1:\x`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

func TestCovers(t *testing.T) {
	for name, tc := range map[string]struct {
		dir, target string
		want        bool
	}{
		"itself":                        {"/etc", "/etc", true},
		"above":                         {"/var", "/var/lib/kubelet", true},
		"root":                          {"/", "/etc", true},
		"below does not":                {"/etc/ssl", "/etc", false},
		"a name that only begins alike": {"/et", "/etc", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Covers(tc.dir, tc.target); got != tc.want {
				t.Errorf("want %v, got %v", tc.want, got)
			}
		})
	}
}
