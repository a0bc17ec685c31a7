package procfs

import (
	"bytes"
	"fmt"
	"strings"
)

// Cgroup is one line of /proc/PID/cgroup (cgroups(7)):
//
//	hierarchy:controllers:path
//
// Version 2 has the one line "0::/path". The path is relative to the reader's
// cgroup namespace: a path outside it begins with "/..".
type Cgroup struct {
	Controllers string // "cpu,cpuacct", "name=systemd", "" for version 2
	Path        string // without the " (deleted)" of a removed one
	V2          bool
}

// Has reports whether it is the hierarchy of a controller.
func (c *Cgroup) Has(controller string) bool { return hasOption(c.Controllers, controller) }

// ParseCgroup parses a whole file.
func ParseCgroup(data []byte) ([]Cgroup, error) {
	var lines []Cgroup
	for number := 1; len(data) > 0; number++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		hierarchy, rest, ok := strings.Cut(string(line), ":")
		controllers, path, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 || !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("cgroup line %d: expected hierarchy:controllers:/path, found %.200q", number, line)
		}
		for _, c := range hierarchy {
			if c < '0' || c > '9' {
				return nil, fmt.Errorf("cgroup line %d: expected a number before the first colon, found %.200q", number, line)
			}
		}
		lines = append(lines, Cgroup{
			Controllers: controllers, Path: strings.TrimSuffix(path, " (deleted)"),
			V2: hierarchy == "0" && controllers == "",
		})
		if len(lines) > 64 {
			return nil, fmt.Errorf("cgroup: expected at most 64 hierarchies")
		}
	}
	return lines, nil
}

// Identity is the container that a cgroup path names.
type Identity struct {
	// ID is the container's: 64 hex digits, or the name that LXC and ctr use.
	// Empty means that the path names no container: it is a process of the
	// host.
	ID string
	// PodUID is the pod's UID with dashes, or a static pod's config hash (32
	// hex digits, the mirror pod's annotation kubernetes.io/config.hash).
	PodUID     string
	Kubernetes bool
	Runtime    string // containerd, crio, docker, podman, lxc; "" if the path does not show it
	// Named is true where ID is no id but a name, which a cgroup of the host could
	// have, too.
	Named bool
	// SamePod is true where the path is relative to the reader's own cgroup
	// namespace in a way that only containers of the reader's own pod have, so
	// that the pod's segment is missing.
	SamePod bool
	Path    string
}

// Identify finds the container in the lines of one process. Version 2 is asked
// first, then name=systemd, pids, memory and the rest: on a hybrid machine the
// line "0::" may say "/" while the others name the container.
func Identify(lines []Cgroup) Identity {
	rank := func(c Cgroup) int {
		switch {
		case c.V2:
			return 0
		case c.Controllers == "name=systemd":
			return 1
		case hasOption(c.Controllers, "pids"):
			return 2
		case hasOption(c.Controllers, "memory"):
			return 3
		}
		return 4
	}
	var first Identity
	for want := 0; want <= 4; want++ {
		for _, c := range lines {
			if rank(c) != want {
				continue
			}
			id := IdentifyPath(c.Path)
			if id.ID != "" {
				return id
			}
			if first.Path == "" || first.Path == "/" {
				first = id
			}
		}
	}
	return first
}

// IdentifyPath finds the container in one path. The first container id after a
// pod's segment is the container. Deeper ids were started inside, or made there
// to look like something else. The last segment with a pod's UID before it is
// the pod. An id before any pod is that of a node that is itself a container
// (kind). Without a pod, the first id counts.
func IdentifyPath(path string) Identity {
	id := Identity{Path: path}
	// A driver mismatch leaves "SLICE:cri-containerd:ID" as one segment.
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == ':' })
	pod := -1
	inKubepods := false
	above := len(parts) > 0 && parts[0] == ".." // nothing but ".." so far
	for i, part := range parts {
		if uid, ok := podUID(part, inKubepods); ok {
			id.PodUID, id.Kubernetes, pod = uid, true, i
		}
		if isKubepods(part) {
			inKubepods = true
		}
		if cid, _, _ := containerID(part); cid != "" && (pod >= 0 || above) {
			// The container itself chooses what lies below, so a name there of
			// another pod or a monitor must not take its processes away.
			parts = parts[:i+1]
			break
		}
		above = above && part == ".."
	}
	for i, part := range parts[pod+1:] {
		cid, runtime, host := containerID(part)
		if host {
			// The monitor of a container is the runtime's, not the container's.
			id.PodUID, id.Kubernetes = "", false
			return id
		}
		if cid == "" {
			continue
		}
		if runtime == "" && pod+i >= 0 {
			runtime = runtimeAbove(parts[pod+i])
		}
		id.ID, id.Runtime = cid, runtime
		break
	}
	switch {
	case id.ID != "" && pod < 0:
		id.SamePod = aboveOnly(parts)
		id.Kubernetes = strings.Contains(path, "cri-containerd-") || strings.Contains(path, "cri-containerd:") || inKubepods
	case id.ID == "" && pod < 0:
		id.ID, id.Runtime = namedContainer(path)
		id.Named = id.ID != ""
	}
	return id
}

// IdentifyBelow finds the container in the part of a path that comes after an id: that
// of a node which is itself a container.
func IdentifyBelow(path, id string) Identity {
	_, below, _ := strings.Cut(path, id)
	if i := strings.IndexByte(below, '/'); i >= 0 {
		below = below[i:]
	} else {
		below = "/"
	}
	found := IdentifyPath(below)
	found.Path = path
	return found
}

// aboveOnly reports whether only ".." comes before the container's id.
func aboveOnly(parts []string) bool {
	for i, part := range parts {
		if part == ".." {
			continue
		}
		cid, _, _ := containerID(part)
		return i > 0 && cid != ""
	}
	return false
}

// isKubepods matches the kubelet's top cgroup in all its spellings:
// "kubepods", "kubepods.slice", "kubelet-kubepods.slice".
func isKubepods(part string) bool {
	part = strings.TrimSuffix(part, ".slice")
	return part == "kubepods" || strings.HasSuffix(part, "-kubepods")
}

// podUID finds a pod's UID in a segment: "podUID" or
// "…kubepods-burstable-podUID.slice" with '_' for '-'. A UID of another shape
// (a static pod's manifest may set any) counts only below kubepods.
func podUID(part string, inKubepods bool) (string, bool) {
	slice, isSlice := strings.CutSuffix(part, ".slice")
	for i := strings.LastIndex(slice, "pod"); i >= 0; i = strings.LastIndex(slice[:i], "pod") {
		if i > 0 && slice[i-1] != '-' {
			continue
		}
		uid := slice[i+len("pod"):]
		if dashed := strings.ReplaceAll(uid, "_", "-"); IsUID(dashed) {
			return dashed, true
		}
		if isHex(uid, 32) {
			return uid, true
		}
	}
	if !inKubepods {
		return "", false
	}
	if rest, ok := strings.CutPrefix(part, "pod"); ok && !isSlice && rest != "" && rest != "s" {
		return rest, true
	}
	if i := strings.Index(slice, "kubepods"); isSlice && i >= 0 {
		rest := strings.TrimPrefix(slice[i:], "kubepods")
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "-burstable"), "-besteffort")
		if uid, ok := strings.CutPrefix(rest, "-pod"); ok && uid != "" {
			return strings.ReplaceAll(uid, "_", "-"), true
		}
	}
	return "", false
}

// containerID finds a container's id in a segment: alone, or as
// "RUNTIME-ID.scope". host is true for a monitor's scope (crio-conmon-ID).
func containerID(part string) (id, runtime string, host bool) {
	if isHex(part, 64) {
		return part, "", false
	}
	part = strings.TrimSuffix(strings.TrimSuffix(part, ".scope"), ".service")
	i := len(part) - 64
	if i < 1 || part[i-1] != '-' || !isHex(part[i:], 64) {
		return "", "", false
	}
	id = part[i:]
	switch prefix := part[:i-1]; prefix {
	case "cri-containerd", "nerdctl":
		return id, "containerd", false
	case "crio":
		return id, "crio", false
	case "docker":
		return id, "docker", false
	case "libpod", "libpod-payload":
		return id, "podman", false
	case "crio-conmon", "libpod-conmon":
		return "", "", true
	case "machine-libpod_pod", "user-libpod_pod": // a podman pod's slice; the container follows
		return "", "", false
	default:
		return id, "", false
	}
}

// runtimeAbove finds the runtime from the segment above a bare id.
func runtimeAbove(part string) string {
	switch part {
	case "cri-containerd", "k8s.io", "default", "moby":
		return "containerd"
	case "crio":
		return "crio"
	case "docker":
		return "docker"
	case "libpod_parent":
		return "podman"
	}
	return ""
}

// namedContainer finds containers whose id is a name: "/lxc/NAME",
// "/lxc.payload.NAME", and ctr's "/NAMESPACE/NAME" in containerd's default
// namespace.
func namedContainer(path string) (id, runtime string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, "lxc.payload."); ok && name != "" {
			return name, "lxc"
		}
		if part == "lxc" && i+1 < len(parts) && parts[i+1] != "" {
			return parts[i+1], "lxc"
		}
	}
	if len(parts) >= 2 && (parts[0] == "default" || parts[0] == "k8s.io" || parts[0] == "moby") && parts[1] != "" {
		return parts[1], "containerd"
	}
	return "", ""
}

// IsContainerID reports whether a text has the form of an engine's id: 64 hex digits.
func IsContainerID(text string) bool { return isHex(text, 64) }

// EngineOf finds the engine of a container whose cgroup path has no id, by how engines
// name such cgroups; "" if none is recognized. It is a label: a path proves nothing.
func EngineOf(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		switch {
		case part == "nomad" || part == "nomad.slice":
			return "nomad"
		case part == "garden":
			return "garden"
		case part == "buildkit" || strings.HasPrefix(part, "buildkit-") || strings.Contains(part, ":buildkit:"):
			return "buildkit"
		case strings.HasPrefix(part, "systemd-nspawn@"), part == "machine.slice" && i+1 < len(parts) && strings.HasPrefix(parts[i+1], "machine-"):
			return "systemd-nspawn"
		}
	}
	return ""
}
