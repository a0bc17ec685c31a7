package builder

import "testing"

func TestProcesses(t *testing.T) {
	type want struct {
		what   string
		builds bool
	}
	for exe, w := range map[string]want{
		"/usr/bin/dockerd":         {"dockerd", true},
		"/usr/bin/img (deleted)":   {"img", true},
		"/kaniko//executor":        {"the kaniko executor", true},
		"/usr/bin/executor":        {},
		"/usr/local/bin/img":       {"img", true},
		"/usr/bin/podman":          {"a nested runtime (podman)", true},
		"/usr/bin/runc":            {"a nested runtime (runc)", false},
		"/usr/bin/containerd-shim": {"a nested containerd", false},
		"/usr/sbin/nginx":          {},
		"":                         {},
	} {
		if what, builds := Running(exe); what != w.what || builds != w.builds {
			t.Errorf("%q: want %+v, got %q, %t", exe, w, what, builds)
		}
	}
	for comm, w := range map[string]want{
		"dockerd":         {"dockerd", true},
		"containerd-shim": {"a nested containerd", false}, // both shims, cut
		"executor":        {},
		"/kaniko/executo": {},
		"":                {},
	} {
		if what, builds := Named(comm); what != w.what || builds != w.builds {
			t.Errorf("comm %q: want %+v, got %q, %t", comm, w, what, builds)
		}
	}
}
