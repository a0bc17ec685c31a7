package procfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	uid        = "12345678-9abc-def0-1234-56789abcdef0"
	uidSystemd = "12345678_9abc_def0_1234_56789abcdef0"
	hash       = "0123456789abcdef0123456789abcdef"
)

var (
	idA = strings.Repeat("a1", 32)
	idB = strings.Repeat("b2", 32)
)

func TestIdentifyPath(t *testing.T) {
	for name, tc := range map[string]struct {
		path string
		want Identity // Path is filled in
	}{
		"containerd, systemd, burstable": {
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidSystemd + ".slice/cri-containerd-" + idA + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd"},
		},
		"containerd, systemd, guaranteed": {
			"/kubepods.slice/kubepods-pod" + uidSystemd + ".slice/cri-containerd-" + idA + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd"},
		},
		"containerd, cgroupfs, burstable": {
			"/kubepods/burstable/pod" + uid + "/" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"containerd, cgroupfs, guaranteed has no QoS level": {
			"/kubepods/pod" + uid + "/" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"cgroupfs below a cgroupRoot": {
			"/worker1/kubepods/besteffort/pod" + uid + "/" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"CRI-O, systemd": {
			"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidSystemd + ".slice/crio-" + idA + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "crio"},
		},
		"CRI-O with crun: the child cgroup is the same container": {
			"/kubepods.slice/kubepods-pod" + uidSystemd + ".slice/crio-" + idA + ".scope/container",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "crio"},
		},
		"CRI-O, cgroupfs": {
			"/kubepods/besteffort/pod" + uid + "/crio-" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "crio"},
		},
		"CRI-O's conmon is code of the host": {
			"/kubepods.slice/kubepods-pod" + uidSystemd + ".slice/crio-conmon-" + idA + ".scope",
			Identity{},
		},
		"cri-dockerd, systemd": {
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidSystemd + ".slice/docker-" + idA + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "docker"},
		},
		"cri-dockerd, cgroupfs": {
			"/kubepods/burstable/pod" + uid + "/" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"driver mismatch: the systemd name as one directory": {
			"/system.slice/kubepods-burstable-pod" + uidSystemd + ".slice:cri-containerd:" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd"},
		},
		"k3s": {
			"/kubepods/burstable/pod" + uid + "/" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"kind, cgroupfs: prefix kubelet": {
			"/kubelet/kubepods/besteffort/pod" + uid + "/" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"kind, systemd: prefix kubelet in every slice": {
			"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uidSystemd + ".slice/cri-containerd-" + idA + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd"},
		},
		"kind seen from its host: the node's own id comes before the pod": {
			"/docker/" + idB + "/kubelet/kubepods/besteffort/pod" + uid + "/" + idA,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"a process of a kind node itself is a docker container": {
			"/docker/" + idB + "/system.slice/kubelet.service",
			Identity{ID: idB, Runtime: "docker"},
		},
		"a container started inside a container belongs to the outer one": {
			"/kubepods/burstable/pod" + uid + "/" + idA + "/docker/" + idB,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"a monitor's scope that a container made below its own is no host's": {
			"/kubepods/burstable/pod" + uid + "/" + idA + "/crio-conmon-" + idB + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"a pod and a monitor that a container made below its own": {
			"/kubepods.slice/kubepods-pod" + uidSystemd + ".slice/cri-containerd-" + idA + ".scope/kubepods-pod" + hash + ".slice/crio-conmon-" + idB + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd"},
		},
		"a pod and a container that a container made below its own": {
			"/kubepods/pod" + uid + "/" + idA + "/kubepods/pod" + hash + "/" + idB,
			Identity{ID: idA, PodUID: uid, Kubernetes: true},
		},
		"private cgroup namespace: a pod and a monitor below another pod's container": {
			"/../../kubepods-pod" + uidSystemd + ".slice/cri-containerd-" + idA + ".scope/x-pod" + hash + ".slice/crio-conmon-" + idB + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd"},
		},
		"private cgroup namespace: a pod and a monitor below a container of the reader's pod": {
			"/../cri-containerd-" + idA + ".scope/x-pod" + hash + ".slice/crio-conmon-" + idB + ".scope",
			Identity{ID: idA, Kubernetes: true, Runtime: "containerd", SamePod: true},
		},
		"a static pod's config hash": {
			"/kubepods/burstable/pod" + hash + "/" + idA,
			Identity{ID: idA, PodUID: hash, Kubernetes: true},
		},
		"a static pod's config hash, systemd": {
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + hash + ".slice/cri-containerd-" + idA + ".scope",
			Identity{ID: idA, PodUID: hash, Kubernetes: true, Runtime: "containerd"},
		},
		"a static pod whose manifest sets the UID": {
			"/kubepods/burstable/podmine/" + idA,
			Identity{ID: idA, PodUID: "mine", Kubernetes: true},
		},
		"a static pod whose manifest sets the UID, systemd": {
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podmine.slice/cri-containerd-" + idA + ".scope",
			Identity{ID: idA, PodUID: "mine", Kubernetes: true, Runtime: "containerd"},
		},
		"the pod's own cgroup holds no container": {
			"/kubepods/burstable/pod" + uid,
			Identity{PodUID: uid, Kubernetes: true},
		},
		"private cgroup namespace: a service of the host": {
			"/../../../../system.slice/ssh.service",
			Identity{},
		},
		"private cgroup namespace: another pod keeps its segment": {
			"/../../kubepods-burstable-pod" + uidSystemd + ".slice/cri-containerd-" + idA + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd"},
		},
		"private cgroup namespace: a container of the reader's pod loses it": {
			"/../cri-containerd-" + idA + ".scope",
			Identity{ID: idA, Kubernetes: true, Runtime: "containerd", SamePod: true},
		},
		"private cgroup namespace, cgroupfs: the same": {
			"/../" + idA,
			Identity{ID: idA, SamePod: true},
		},
		"private cgroup namespace: the reader itself": {"/", Identity{}},
		"docker, systemd":            {"/system.slice/docker-" + idA + ".scope", Identity{ID: idA, Runtime: "docker"}},
		"docker, cgroupfs":           {"/docker/" + idA, Identity{ID: idA, Runtime: "docker"}},
		"podman":                     {"/machine.slice/libpod-" + idA + ".scope", Identity{ID: idA, Runtime: "podman"}},
		"podman with a child cgroup": {"/machine.slice/libpod-" + idA + ".scope/container", Identity{ID: idA, Runtime: "podman"}},
		"podman in a pod of its own": {
			"/machine.slice/machine-libpod_pod_" + idB + ".slice/libpod-" + idA + ".scope",
			Identity{ID: idA, Runtime: "podman"},
		},
		"rootless podman": {
			"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope",
			Identity{ID: idA, Runtime: "podman"},
		},
		"podman's conmon is code of the host": {"/machine.slice/libpod-conmon-" + idA + ".scope", Identity{}},
		"nerdctl":                             {"/system.slice/nerdctl-" + idA + ".scope", Identity{ID: idA, Runtime: "containerd"}},
		"ctr with an id":                      {"/k8s.io/" + idA, Identity{ID: idA, Runtime: "containerd"}},
		"ctr with a name":                     {"/default/redis", Identity{ID: "redis", Runtime: "containerd", Named: true}},
		"lxc 4":                               {"/lxc.payload.web/system.slice/x.service", Identity{ID: "web", Runtime: "lxc", Named: true}},
		"lxc 3":                               {"/lxc/web/init.scope", Identity{ID: "web", Runtime: "lxc", Named: true}},
		"Docker's name for a build, which is no id": {"/docker/buildkit/y2k0v9xq3m5n7p1r8s6t4u2w0", Identity{}},
		"a monitor of LXC":                          {"/lxc.monitor.web", Identity{}},
		"a task of nomad":                           {"/nomad.slice/share.slice/5f1f0b5e.web.scope", Identity{}},
		"minikube in Docker: CRI-O below the id of the node": {
			"/docker/" + idB + "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidSystemd + ".slice/crio-" + idA + ".scope",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "crio"},
		},
		"a service":                 {"/system.slice/containerd.service", Identity{}},
		"a user's shell":            {"/user.slice/user-0.slice/session-1.scope", Identity{}},
		"63 digits are no id":       {"/docker/" + idA[1:], Identity{}},
		"65 digits are no id":       {"/docker/" + idA + "0", Identity{}},
		"capitals are no id":        {"/docker/" + strings.ToUpper(idA), Identity{}},
		"pods, the word, is no pod": {"/kubepods/pods/x", Identity{}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Path = tc.path
			if diff := cmp.Diff(tc.want, IdentifyPath(tc.path)); diff != "" {
				t.Errorf("IdentifyPath(%q) (-want +got):\n%s", tc.path, diff)
			}
		})
	}
}

func TestIdentifyBelow(t *testing.T) {
	for path, want := range map[string]Identity{
		"/docker/" + idB: {},
		"/docker/" + idB + "/system.slice/kubelet.service":                            {},
		"/system.slice/docker-" + idB + ".scope/init.scope":                           {},
		"/docker/" + idB + "/docker/" + idA:                                           {ID: idA, Runtime: "docker"},
		"/docker/" + idB + "/kubelet/kubepods/burstable/pod" + uid + "/" + idA:        {ID: idA, PodUID: uid, Kubernetes: true},
		"/kubepods/pod" + hash + "/" + idB + "/kubepods/pod" + uid + "/" + idA + "/x": {ID: idA, PodUID: uid, Kubernetes: true},
	} {
		want.Path = path
		if diff := cmp.Diff(want, IdentifyBelow(path, idB)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestEngineOf(t *testing.T) {
	for path, want := range map[string]string{
		"/nomad.slice/share.slice/5f1f0b5e.web.scope":       "nomad",
		"/nomad/5f1f0b5e-7d7c":                              "nomad",
		"/system.slice/garden.service/garden/0d2e4f5a":      "garden",
		"/buildkit/y2k0v9xq3m5n7p":                          "buildkit",
		"/system.slice:buildkit:y2k0v9xq3m5n7p":             "buildkit",
		"/system.slice/buildkit-y2k0v9xq3m5n7p.scope":       "buildkit",
		"/machine.slice/systemd-nspawn@web.service/payload": "systemd-nspawn",
		"/machine.slice/machine-web.scope":                  "systemd-nspawn",
		"/machine.slice":                                    "",
		"/system.slice/nomad.service":                       "",
		"/system.slice/buildkit.service":                    "",
		"/mine":                                             "",
		"":                                                  "",
	} {
		if got := EngineOf(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestIdentify(t *testing.T) {
	pod := "/kubepods/burstable/pod" + uid + "/"
	for name, tc := range map[string]struct {
		text string
		want Identity
	}{
		"version 2": {
			"0::" + pod + idA + "\n",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Path: pod + idA},
		},
		"hybrid: the unified line says nothing": {
			"3:memory:" + pod + idA + "\n1:name=systemd:/system.slice/containerd.service\n0::/\n",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Path: pod + idA},
		},
		"version 1: name=systemd before pids before memory": {
			"5:memory:" + pod + idB + "\n4:cpu,pids:" + pod + idB + "\n1:name=systemd:" + pod + idA + "\n",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Path: pod + idA},
		},
		"a deleted cgroup": {
			"0::" + pod + idA + " (deleted)\n",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Path: pod + idA},
		},
		"a path with a colon": {
			"0::/kubepods-pod" + uidSystemd + ".slice:cri-containerd:" + idA + "\n",
			Identity{ID: idA, PodUID: uid, Kubernetes: true, Runtime: "containerd", Path: "/kubepods-pod" + uidSystemd + ".slice:cri-containerd:" + idA},
		},
		"a process of the host keeps a path that says where": {
			"4:pids:/system.slice/ssh.service\n0::/\n",
			Identity{Path: "/system.slice/ssh.service"},
		},
		"no line": {"", Identity{}},
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := ParseCgroup([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, Identify(lines)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseCgroupErrors(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no colon":           {"hello\n", `cgroup line 1: expected hierarchy:controllers:/path, found "hello"`},
		"no path":            {"0::\n", `cgroup line 1: expected hierarchy:controllers:/path, found "0::"`},
		"no number":          {"0::/\nx:pids:/\n", `cgroup line 2: expected a number before the first colon, found "x:pids:/"`},
		"too many":           {strings.Repeat("1:a:/\n", 65), "cgroup: expected at most 64 hierarchies"},
		"an empty line":      {"\n", `cgroup line 1: expected hierarchy:controllers:/path, found ""`},
		"cut inside a field": {"12:pi", `cgroup line 1: expected hierarchy:controllers:/path, found "12:pi"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseCgroup([]byte(tc.text)); err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}
