package sandbox

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestSandboxOf(t *testing.T) {
	id := strings.Repeat("a1", 32)
	for root, want := range map[string]string{
		"/run/containerd/io.containerd.grpc.v1.cri/sandboxes/" + id + "/resolv.conf": id,
		"/sandboxes/" + id + "/shm":      id,
		"/sandboxes/" + id:               "", // nothing of it is below
		"/sandboxes/" + id[2:] + "/shm":  "",
		"/sandboxes/" + id + "ff" + "/x": "",
		"/pods/" + id + "/resolv.conf":   "",
	} {
		if got := sandboxOf(root); got != want {
			t.Errorf("%s: %q, want %q", root, got, want)
		}
	}
}

func TestIsPause(t *testing.T) {
	for name, tc := range map[string]struct {
		exe  fact.Executable
		want bool
	}{
		"of the image":                        {fact.Executable{Path: "/pause", Origin: fact.OriginImage}, true},
		"added":                               {fact.Executable{Path: "/pause", Origin: fact.OriginAdded}, false},
		"unknown, and the root no overlay":    {fact.Executable{Path: "/pause", Origin: fact.OriginUnknown, FSType: "btrfs"}, true},
		"unknown, on an overlay":              {fact.Executable{Path: "/pause", Origin: fact.OriginUnknown, FSType: "overlay"}, false},
		"another program, though the image's": {fact.Executable{Path: "/bin/pause", Origin: fact.OriginImage}, false},
	} {
		if got := IsPause(&tc.exe); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}
