package builder

import (
	"path"
	"strings"
)

// processes are programs as processes show them: by path or, without a slash, by
// name. Those that build make images; the others run containers.
var processes = map[string]struct {
	what   string
	builds bool
}{
	"dockerd":                 {"dockerd", true},
	"buildkitd":               {"buildkitd", true},
	"buildkit-runc":           {"buildkit-runc", true},
	"buildah":                 {"buildah", true},
	"img":                     {"img", true},
	"/kaniko/executor":        {"the kaniko executor", true},
	"/cnb/lifecycle/creator":  {"the buildpacks lifecycle", true},
	"/cnb/lifecycle/builder":  {"the buildpacks lifecycle", true},
	"/cnb/lifecycle/exporter": {"the buildpacks lifecycle", true},
	"containerd":              {"a nested containerd", false},
	"containerd-shim":         {"a nested containerd", false},
	"containerd-shim-runc-v2": {"a nested containerd", false},
	"crio":                    {"a nested CRI-O", false},
	"conmon":                  {"a nested runtime (conmon)", false},
	"podman":                  {"a nested runtime (podman)", true},
	"runc":                    {"a nested runtime (runc)", false},
	"crun":                    {"a nested runtime (crun)", false},
}

// commLength is how many bytes of a name the kernel keeps (TASK_COMM_LEN - 1).
const commLength = 15

// byComm has the names that comm can be compared with.
var byComm = func() map[string]string {
	out := map[string]string{}
	for name := range processes {
		if path.Base(name) == name {
			out[name[:min(len(name), commLength)]] = name
		}
	}
	return out
}()

// Running returns what a process with this executable (the text of /proc/PID/exe) is
// inside a container, in words: an image builder or a container runtime; "" if neither. Builds is true if it
// makes images, which a process of the host must not do either.
func Running(exe string) (what string, builds bool) {
	if exe == "" {
		return "", false
	}
	exe = path.Clean(strings.TrimSuffix(exe, " (deleted)"))
	p, ok := processes[exe]
	if !ok {
		p = processes[path.Base(exe)]
	}
	return p.what, p.builds
}

// Named is Running for a process of which only the name is known (comm), which it
// chooses itself and the kernel cuts at 15 bytes.
func Named(comm string) (what string, builds bool) {
	p := processes[byComm[comm]]
	return p.what, p.builds
}
