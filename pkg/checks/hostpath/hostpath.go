// Package hostpath finds which directories and files of the node a container
// mounts, and whether they hold a container runtime's socket.
package hostpath

import (
	"path"
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
	// Some is true if the container gets a part of Path, and only the pod that runs shows
	// which: its subPath has a variable.
	Some bool
}

// Of lists what a container mounts of the node: hostPath volumes, and claims
// whose volume is a directory of the node. A volume that the container does not
// mount, and one that pods make for themselves (an emptyDir in which a sidecar's
// Docker has its socket), is not the node's.
func Of(w *fact.Workload, c *fact.Container) []Mount {
	var out []Mount
	each(w, c, func(v *fact.Volume, mount *fact.VolumeMount) {
		if v.HostPath == "" && v.Source != "hostPath" { // an empty path is at worst the root
			return
		}
		m := Mount{Volume: v, Mount: mount}
		p := v.HostPath
		if sub := mount.SubPath; sub != "" {
			// Only the elements before the first variable are known. A value
			// cannot lead out of the volume: the kubelet refuses "..".
			known, _, some := strings.Cut(sub, "$(")
			if some {
				m.Some = true
				known = known[:strings.LastIndexByte(known, '/')+1]
			}
			p = path.Join(p, known)
		}
		m.Path = Clean(p)
		out = append(out, m)
	})
	return out
}

// each calls f with every mount of a container and its volume.
func each(w *fact.Workload, c *fact.Container, f func(*fact.Volume, *fact.VolumeMount)) {
	// Up to so many comparisons a search is faster than a map.
	const few = 1024
	if len(c.Mounts)*len(w.Spec.Volumes) <= few {
		for i := range c.Mounts {
			for j := range w.Spec.Volumes {
				if v := &w.Spec.Volumes[j]; v.Name == c.Mounts[i].Volume {
					f(v, &c.Mounts[i])
				}
			}
		}
		return
	}
	// The API refuses two volumes with one name, but a file can have them: the first of a
	// name leads to the next.
	first, next := make(map[string]int, len(w.Spec.Volumes)), make([]int, len(w.Spec.Volumes))
	for j := len(w.Spec.Volumes) - 1; j >= 0; j-- {
		name := w.Spec.Volumes[j].Name
		next[j] = first[name] // one more than the index; 0 ends the chain
		first[name] = j + 1
	}
	for i := range c.Mounts {
		for j := first[c.Mounts[i].Volume]; j > 0; j = next[j-1] {
			f(&w.Spec.Volumes[j-1], &c.Mounts[i])
		}
	}
}

// Unread lists the claims of a container whose volumes are unknown: they may be
// directories of the node.
func Unread(w *fact.Workload, c *fact.Container) []*fact.Volume {
	var out []*fact.Volume
	each(w, c, func(v *fact.Volume, _ *fact.VolumeMount) {
		if v.Unread != "" {
			out = append(out, v)
		}
	})
	return out
}

// UnknownBehind is the finding about claims whose volumes are unknown.
func UnknownBehind(d checks.Declared, unread []*fact.Volume) api.Finding {
	f := api.Finding{
		Verdict: api.VerdictUnknown, Reason: unread[0].Unread, Subject: d.Subject(),
		Message:     "the volumes behind its claims are unknown: a volume can be a directory of the node",
		Remediation: api.Remediation{Text: "grant list on persistentvolumes"},
	}
	switch f.Reason {
	case fact.NotPresent:
		f.Remediation.Text = "give the manifests of the claim and its volume too, or check the pods on the cluster"
	case fact.Unsupported:
		f.Message = "only its flexVolume's driver knows what is mounted: it can be a directory of the node"
		f.Remediation.Text = "use a CSI driver: flexVolumes are deprecated"
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
const pipes = runtimesocket.Pipes

// Clean is path.Clean for a path of the node, with /var/run written as /run,
// and without the links of procfs that lead back to the node's root: the runtime
// follows them when it mounts. On Windows, whose names have no case, a named pipe
// is written //./pipe/NAME, and a directory c:/name; c: is the whole disk.
func Clean(p string) string {
	switch windows := strings.ToLower(strings.ReplaceAll(p, `\`, "/")); {
	case windows+"/" == pipes:
		return pipes
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
	if n := len(dir); n < len(target) {
		return dir == "/" || target[n] == '/' && target[:n] == dir
	}
	return dir == target
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
// it comes from, where it is mounted, and how.
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
		if hasMountsBelow(m.Path) && m.Mount.RecursiveReadOnly != "Enabled" {
			value += " (what is mounted below it stays writable)"
		}
	}
	if m.Mount.Propagation != "" {
		value += ", mountPropagation " + m.Mount.Propagation
	}
	return value
}

// Later says that a mount also shows what the node mounts there after the container has
// started, "" for one that does not: a runtime's directory, a disk, another pod's volume.
func (m Mount) Later() string {
	if m.Mount.Propagation == "" || m.Mount.Device {
		return ""
	}
	return ", and what the node mounts there later (mountPropagation " + m.Mount.Propagation + ")"
}
