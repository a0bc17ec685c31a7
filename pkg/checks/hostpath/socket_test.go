package hostpath

import (
	"fmt"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/runtimesocket"
)

func TestSocketIn(t *testing.T) {
	for path, want := range map[string]struct {
		socket string
		reach  Reach
	}{
		"/var/run/docker.sock":                      {"/run/docker.sock", Direct},
		"/run/docker/containerd":                    {"/run/docker/containerd/containerd.sock", Direct},
		"/run/docker":                               {"/run/docker/containerd/containerd.sock", Above},
		"/run/host-containerd":                      {"/run/host-containerd/containerd.sock", Direct},
		"/run/host-containerd/host-containerd.sock": {"/run/host-containerd/host-containerd.sock", Direct},
		"/run/k0s/containerd.sock":                  {"/run/k0s/containerd.sock", Direct},
		"/run/k0s":                                  {"/run/k0s/containerd.sock", Direct},
		"/var/run/isulad.sock":                      {"/run/isulad.sock", Direct},
		"/var/run/nri/nri.sock":                     {"/run/nri/nri.sock", Direct},
		"/run/podman":                               {"/run/podman/podman.sock", Direct},
		"/run/user/1000":                            {"/run/user/*/docker.sock", Above},
		"/run/user/1000/buildkit/buildkitd.sock":    {"/run/user/1000/buildkit/buildkitd.sock", Direct},
		"/run/containerd/containerd.sock.ttrpc":     {"/run/containerd/containerd.sock.ttrpc", Internal},
		"/run/containerd/debug.sock":                {"/run/containerd/debug.sock", Internal},
		"/run/containerd":                           {"/run/containerd/containerd.sock", Direct},
		"/run":                                      {"/run/docker.sock", Above},
		"/":                                         {"/run/docker.sock", Above},
		"/var":                                      {"/var/snap/microk8s/common/run/containerd.sock", Elsewhere},
		"/var/snap":                                 {"/var/snap/microk8s/common/run/containerd.sock", Elsewhere},
		"/var/snap/microk8s":                        {"/var/snap/microk8s/common/run/containerd.sock", Above},
		"/var/snap/microk8s/common/run":             {"/var/snap/microk8s/common/run/containerd.sock", Direct},
		"/var/snap/microk8s/common/run/containerd.sock": {"/var/snap/microk8s/common/run/containerd.sock", Direct},
		"/system":                           {"/system/run/containerd/containerd.sock", Above},
		"/system/run/machined/machine.sock": {"/system/run/machined/machine.sock", Direct},
		"/system/run/apid":                  {"/system/run/apid/*.sock", Direct},
		"/system/run/machined/other":        {"", NoSocket},
		"/var/lib/kubelet/pods":             {"", NoSocket},
		"/etc/ssl":                          {"", NoSocket},
		"/run/docker.sock.d":                {"", NoSocket},
		`\\.\pipe\csi-proxy-disk-v1`:        {"//./pipe/csi-proxy-disk-v1", Direct},
		`\\.\pipe`:                          {"//./pipe/docker_engine", Above},
		`\\.\pipe\app`:                      {"", NoSocket},
		"/proc/1/root/run/isulad.sock":      {"/run/isulad.sock", Direct},
		"/proc/1/root/var":                  {"/var/snap/microk8s/common/run/containerd.sock", Elsewhere},
	} {
		socket, of, reach := SocketIn(Clean(path))
		if socket != want.socket || reach != want.reach {
			t.Errorf("%s: want %q, %d; got %q, %d", path, want.socket, want.reach, socket, reach)
		}
		if (of == "") != (reach == NoSocket) {
			t.Errorf("%s: of %q with reach %d", path, of, reach)
		}
	}
}

// Each row is found by its own path, and every directory above it at least as one that may
// hold it.
func TestEverySocketIsFound(t *testing.T) {
	for _, s := range runtimesocket.Sockets() {
		if s.Of == "" || s.Source == "" || s.Only != "" && !Covers(s.Only, s.Path) {
			t.Errorf("%s: a row without its program or source, or with a wrong directory: %+v", s.Path, s)
		}
		if _, _, reach := SocketIn(s.Path); reach != Direct && !(s.Internal && reach == Internal) {
			t.Errorf("%s: reach %d", s.Path, reach)
		}
		for i := range s.Path {
			if s.Path[i] != '/' || i == 0 {
				continue
			}
			if _, _, reach := SocketIn(s.Path[:i]); reach == NoSocket || reach == Internal {
				t.Errorf("%s, above %s: reach %d", s.Path[:i], s.Path, reach)
			}
		}
	}
}

// Both ways to find a container's volumes give the same.
func TestManyVolumes(t *testing.T) {
	var w fact.Workload
	var c fact.Container
	for i := range 3000 {
		w.Spec.Volumes = append(w.Spec.Volumes, fact.Volume{Name: fmt.Sprint("v", i), Source: "hostPath", HostPath: fmt.Sprint("/data/", i)})
		c.Mounts = append(c.Mounts, fact.VolumeMount{Volume: fmt.Sprint("v", i), Path: "/m"})
	}
	w.Spec.Volumes = append(w.Spec.Volumes, fact.Volume{Name: "v7", Source: "hostPath", HostPath: "/run/docker.sock"}, fact.Volume{Name: "v8", Source: "persistentVolumeClaim", Unread: fact.NotPresent})
	got := Of(&w, &c)
	if len(got) != 3001 || got[7].Path != "/data/7" || got[8].Path != "/run/docker.sock" || got[9].Path != "/data/8" {
		t.Errorf("%d mounts; the 8th to 10th: %+v", len(got), got[7:10])
	}
	if unread := Unread(&w, &c); len(unread) != 1 || unread[0].Name != "v8" {
		t.Errorf("unread: %+v", unread)
	}
	small := fact.Workload{Spec: fact.PodSpec{Volumes: append(w.Spec.Volumes[7:9:9], w.Spec.Volumes[3000:]...)}}
	few := fact.Container{Mounts: c.Mounts[7:9]}
	if got := Of(&small, &few); len(got) != 3 || got[1].Path != "/run/docker.sock" {
		t.Errorf("a few: %+v", got)
	}
}

func TestSubPath(t *testing.T) {
	for sub, want := range map[string]struct {
		path string
		some bool
	}{
		"":               {"/run", false},
		"docker.sock":    {"/run/docker.sock", false},
		"$(POD)/x":       {"/run", true},
		"log/$(POD)":     {"/run/log", true},
		"log/a$(POD)/b":  {"/run/log", true},
		"a/b/$(X)/$(Y)":  {"/run/a/b", true},
		"cost$/x":        {"/run/cost$/x", false},
		"../docker.sock": {"/docker.sock", false}, // the API refuses it
	} {
		w := fact.Workload{Spec: fact.PodSpec{Volumes: []fact.Volume{{Name: "v", Source: "hostPath", HostPath: "/var/run"}}}}
		if sub == "../docker.sock" {
			w.Spec.Volumes[0].HostPath = "/x"
		}
		got := Of(&w, &fact.Container{Mounts: []fact.VolumeMount{{Volume: "v", Path: "/s", SubPath: sub}}})
		if len(got) != 1 || got[0].Path != want.path || got[0].Some != want.some {
			t.Errorf("%q: want %+v, got %+v", sub, want, got)
		}
	}
}

func FuzzSocketIn(f *testing.F) {
	for _, s := range runtimesocket.Sockets() {
		f.Add(s.Path)
	}
	f.Add(`\\.\pipe\x`)
	f.Add("//./pipe/../../a")
	f.Add("/proc/1/task/1/root/proc/self/cwd")
	f.Fuzz(func(t *testing.T, p string) {
		p = Clean(p)
		if again := Clean(p); again != p {
			t.Fatalf("%q is cleaned again to %q", p, again)
		}
		socket, of, reach := SocketIn(p)
		if (reach == NoSocket) != (socket == "") || (of == "") != (socket == "") {
			t.Fatalf("%q: %q of %q, reach %d", p, socket, of, reach)
		}
	})
}
