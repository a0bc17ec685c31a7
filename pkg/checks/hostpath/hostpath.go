// Package hostpath finds which directories and files of the node a container
// mounts, and whether they hold a container runtime's socket.
package hostpath

import (
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/runtimesocket"
)

// Mount is a path of the node in a container.
type Mount struct {
	Volume *fact.Volume
	Mount  *fact.VolumeMount
	// Path is the node's, cleaned: the volume's, and its subPath where that is
	// plain text. "/var/run" is written "/run", because it is a link to "/run".
	Path string
}

// Of lists what a container mounts of the node: hostPath volumes, and claims
// whose volume is a directory of the node.
func Of(w *fact.Workload, c *fact.Container) []Mount {
	var out []Mount
	for i := range c.Mounts {
		for j := range w.Spec.Volumes {
			v := &w.Spec.Volumes[j]
			if v.Name != c.Mounts[i].Volume || v.HostPath == "" {
				continue
			}
			p := v.HostPath
			// A subPath with $(VAR) is known only at run time, so the whole
			// volume counts.
			if sub := c.Mounts[i].SubPath; sub != "" && !strings.Contains(sub, "$(") {
				p = path.Join(p, sub)
			}
			out = append(out, Mount{Volume: v, Mount: &c.Mounts[i], Path: Clean(p)})
		}
	}
	return out
}

// Unread lists the claims of a container whose volumes are unknown: they may be
// directories of the node.
func Unread(w *fact.Workload, c *fact.Container) []*fact.Volume {
	var out []*fact.Volume
	for i := range c.Mounts {
		for j := range w.Spec.Volumes {
			if v := &w.Spec.Volumes[j]; v.Name == c.Mounts[i].Volume && v.Unread != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

// UnknownBehind is the finding about claims whose volumes are unknown.
func UnknownBehind(d checks.Declared, unread []*fact.Volume) api.Finding {
	f := api.Finding{
		Verdict: api.VerdictUnknown, Reason: unread[0].Unread, Subject: d.Subject(),
		Message:     "the volumes behind its claims are unknown: a volume can be a directory of the node",
		Remediation: "grant list on persistentvolumes",
	}
	switch f.Reason {
	case fact.NotPresent:
		f.Remediation = "give the manifests of the claim and its volume too, or check the pods on the cluster"
	case fact.Unsupported:
		f.Message = "only its flexVolume's driver knows what is mounted: it can be a directory of the node"
		f.Remediation = "use a CSI driver: flexVolumes are deprecated"
	}
	for _, v := range unread {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: checks.PodField(d.Workload, strings.TrimPrefix(v.Field, "spec.")+"."+v.Source),
			Value:  "its volume was not read: " + string(v.Unread),
		})
	}
	return f
}

// pipes is where Windows has its named pipes, as Clean writes it.
const pipes = "//./pipe/"

// Clean is path.Clean for a path of the node, with /var/run written as /run,
// and without the links of procfs that lead back to the node's root: the runtime
// follows them when it mounts. On Windows, whose names have no case, a named pipe
// is written //./pipe/NAME, and a directory c:/name; c: is the whole disk.
func Clean(p string) string {
	switch windows := strings.ToLower(strings.ReplaceAll(p, `\`, "/")); {
	case strings.HasPrefix(windows, pipes):
		return pipes + strings.TrimPrefix(path.Clean("/"+windows[len(pipes):]), "/")
	case len(windows) > 1 && windows[0] >= 'a' && windows[0] <= 'z' && windows[1] == ':':
		return windows[:2] + strings.TrimSuffix(path.Clean("/"+windows[2:]), "/")
	}
	p = path.Clean("/" + p)
	for {
		if p == "/var/run" || strings.HasPrefix(p, "/var/run/") {
			p = strings.TrimPrefix(p, "/var")
		}
		below, ok := ofProcess(p)
		if !ok {
			return p
		}
		link, rest, _ := strings.Cut(below, "/")
		// A cwd can be any directory; a daemon's is usually the root.
		if link != "root" && link != "cwd" {
			return p
		}
		p = "/" + rest
	}
}

// ofProcess reports whether a clean path is a process's or thread's directory
// in procfs, or below one, and returns the rest.
func ofProcess(p string) (below string, ok bool) {
	rest, ok := strings.CutPrefix(p, "/proc/")
	if !ok {
		return "", false
	}
	id, below, _ := strings.Cut(rest, "/")
	if id != "self" && id != "thread-self" && !isNumber(id) {
		return "", false
	}
	if task, ok := strings.CutPrefix(below, "task/"); ok {
		if id, rest, _ := strings.Cut(task, "/"); isNumber(id) {
			return rest, true
		}
	}
	return below, true
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Covers reports whether a mount of dir gives target: dir is target, or above
// it.
func Covers(dir, target string) bool {
	return dir == target || dir == "/" || strings.HasPrefix(target, dir+"/")
}

// Field names the volume's path for evidence.
func (m Mount) Field(w *fact.Workload) string {
	field := strings.TrimPrefix(m.Volume.Field, "spec.") + "." + m.Volume.Source
	if m.Volume.HostPathFrom == "" {
		field += ".path"
	}
	return checks.PodField(w, field)
}

// Value describes the mount for evidence: the volume's path as declared, where
// it comes from, where it is mounted.
func (m Mount) Value() string {
	value := m.Volume.HostPath
	if m.Volume.HostPathFrom != "" {
		value += " of " + m.Volume.HostPathFrom
	}
	if m.Mount.SubPath != "" {
		value += ", subPath " + m.Mount.SubPath
	}
	value += " at " + m.Mount.Path
	if m.Mount.ReadOnly {
		value += ", read-only"
	}
	return value
}

// sockets are those of package runtimesocket, and Windows' named pipes.
var sockets = append(slices.Clone(runtimesocket.Paths()),
	pipes+"docker_engine",
	pipes+"containerd-containerd",
	pipes+"cri-dockerd",
	pipes+"dockershim",
	pipes+"buildkitd",
)

// Socket reports whether a mount of p gives a runtime's socket, and which.
// Direct is true for the socket itself and for the runtime's own directory that
// holds it. It is false for a directory further up, and for those of procfs,
// which lead to the root of every process.
func Socket(p string) (socket string, direct, ok bool) {
	// All of /proc also holds every process's root. But following one takes the
	// right to trace the process, and node agents mount /proc for its numbers,
	// so privileged/host-path judges it.
	if below, ok := ofProcess(p); ok && (below == "" || below == "task") {
		return strings.TrimSuffix(p, "/task") + "/root" + sockets[0], false, true
	}
	for _, s := range sockets {
		if runtimesocket.Match(s, p) || !strings.HasPrefix(s, pipes) && runtimesocket.Match(runtimesocket.Own(s), p) {
			return s, true, true
		}
	}
	for _, s := range sockets {
		if strings.HasPrefix(s, pipes) {
			if p+"/" == pipes || p == pipes {
				return s, false, true
			}
			continue
		}
		if !runtimesocket.Usual(s) {
			continue
		}
		for dir := path.Dir(s); ; dir = path.Dir(dir) {
			if runtimesocket.Match(dir, p) {
				return s, false, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return "", false, false
}
