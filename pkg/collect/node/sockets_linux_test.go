package node

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestSockets(t *testing.T) {
	const (
		nodeMounts = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:25 / /run rw - tmpfs tmpfs rw\n22 21 0:30 / /run/user/1000 rw - tmpfs tmpfs rw\n23 20 0:5 / /proc rw - proc proc rw\n24 20 8:2 / /var rw - ext4 /dev/sda2 rw\n"
		root       = "100 1 0:50 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w\n"
		header     = "Num       RefCount Protocol Flags    Type St Inode Path\n"
		listening  = header + "0000: 00000002 00000000 00010000 0001 01 15 /run/containerd/containerd.sock\n0000: 00000002 00000000 00010000 0001 01 16 @/run/crio/crio.sock\n0000: 00000002 00000000 00010000 0001 01 17 /var/run/docker.sock\n0000: 00000003 00000000 00000000 0001 03 18\n0000: 2 0 0 1 1 19 /tmp/x\n"
		containerd = "/run/containerd/containerd.sock"
		docker     = "/run/docker.sock"
	)
	usual := []string{
		"/run/buildkit/buildkitd.sock", containerd, "/run/cri-dockerd.sock", "/run/crio/crio.sock", docker, "/run/docker/containerd/containerd.sock", "/run/dockershim.sock",
		"/run/host-containerd/containerd.sock", "/run/host-containerd/host-containerd.sock", "/run/isulad.sock", "/run/k0s/containerd.sock", "/run/k3s/containerd/containerd.sock", "/run/nri/nri.sock", "/run/podman/podman.sock",
	}
	slices.Sort(usual)
	for name, tc := range map[string]struct {
		mounts string
		unix   string
		want   []string
	}{
		"none":                {mounts: "", unix: listening},
		"the socket itself":   {mounts: "101 100 0:25 /docker.sock /var/run/docker.sock rw - tmpfs tmpfs rw\n", unix: listening, want: []string{docker}},
		"read-only is enough": {mounts: "101 100 0:25 /docker.sock /x ro - tmpfs tmpfs ro\n", unix: listening, want: []string{docker}},
		"the socket of a daemon that listens not":  {mounts: "101 100 0:25 /crio/crio.sock /x rw - tmpfs tmpfs rw\n", unix: listening, want: []string{"/run/crio/crio.sock"}},
		"removed and made again":                   {mounts: "101 100 0:25 /docker.sock//deleted /var/run/docker.sock rw - tmpfs tmpfs rw\n", unix: listening},
		"the runtime's own directory":              {mounts: "101 100 0:25 /crio /x rw - tmpfs tmpfs rw\n", unix: listening, want: []string{"/run/crio/crio.sock"}},
		"all of /run, with the node's list":        {mounts: "101 100 0:25 / /host/run rw - tmpfs tmpfs rw\n", unix: listening, want: []string{containerd, docker}},
		"all of /run, without the list":            {mounts: "101 100 0:25 / /host/run rw - tmpfs tmpfs rw\n", want: usual},
		"all of /run, where the list has no known": {mounts: "101 100 0:25 / /host/run rw - tmpfs tmpfs rw\n", unix: header, want: usual},
		"the root without what is mounted there":   {mounts: "101 100 8:1 / /host rw - ext4 /dev/sda1 rw\n", unix: listening},
		"the root with what is mounted there":      {mounts: "101 100 8:1 / /host rw - ext4 /dev/sda1 rw\n102 101 0:25 / /host/run rw - tmpfs tmpfs rw\n", unix: listening, want: []string{containerd, docker}},
		"another tmpfs":                            {mounts: "101 100 0:26 / /run rw - tmpfs tmpfs rw\n", unix: listening},
		"another directory of /run":                {mounts: "101 100 0:25 /netns /x rw - tmpfs tmpfs rw\n", unix: listening},
		"a name that begins alike":                 {mounts: "101 100 0:25 /docker.sock2 /x rw - tmpfs tmpfs rw\n", unix: listening},
		"/var, where MicroK8s could be":            {mounts: "101 100 8:2 / /x rw - ext4 /dev/sda2 rw\n"},
		"MicroK8s's own directory":                 {mounts: "101 100 8:2 /snap/microk8s/common/run /x rw - ext4 /dev/sda2 rw\n", unix: listening, want: []string{"/var/snap/microk8s/common/run/containerd.sock"}},
		"/var, where MicroK8s is":                  {mounts: "101 100 8:2 / /x rw - ext4 /dev/sda2 rw\n", unix: listening + "0000: 2 0 10000 1 1 19 /var/snap/microk8s/common/run/containerd.sock\n", want: []string{"/var/snap/microk8s/common/run/containerd.sock"}},
		"a user's":                                 {mounts: "101 100 0:30 /podman/podman.sock /x rw - tmpfs tmpfs rw\n", unix: listening, want: []string{"/run/user/1000/podman/podman.sock"}},
		"a user's directory":                       {mounts: "101 100 0:30 /buildkit /x rw - tmpfs tmpfs rw\n", unix: listening, want: []string{"/run/user/1000/buildkit/buildkitd.sock"}},
		"all of a user's":                          {mounts: "101 100 0:30 / /x rw - tmpfs tmpfs rw\n", unix: listening},
		"all of a user's, who listens":             {mounts: "101 100 0:30 / /x rw - tmpfs tmpfs rw\n", unix: listening + "0000: 2 0 10000 1 1 19 /run/user/1000/docker.sock\n", want: []string{"/run/user/1000/docker.sock"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := ""
			if tc.unix != "" {
				files = "-- proc/1/net/unix --\n" + tc.unix
			}
			init := initProcess
			init.mounts = nodeMounts
			dir := nodeFixture(t, []fakeProcess{init, {pid: 20, ppid: 1, comm: "app", cgroup: "0::/kubepods/pod" + podUID + "/" + idA + "\n", mounts: root + tc.mounts}}, files)
			m := read(t, dir, fact.LevelProc, fact.Mounts)
			if gaps := ownGaps(m); len(gaps) > 0 {
				t.Errorf("gaps %+v", gaps)
			}
			if diff := cmp.Diff(tc.want, m.Containers[0].Sockets); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
