package procfs

import (
	"fmt"
	"strconv"
	"strings"
)

// MountInfo is one line of /proc/PID/mountinfo (proc_pid_mountinfo(5)):
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//	ID parent dev root point options optional… - fstype source super-options
//
// Root, Point, FSType and Source are decoded: a backslash and three octal
// digits stand for a space, tab, newline, backslash or '#'. They are raw bytes
// otherwise. A process sees only the mounts below its own root.
type MountInfo struct {
	ID     uint64
	Parent uint64
	Major  uint32
	Minor  uint32
	Root   string // path in the file system that is mounted here
	Point  string // where, seen from the process's root
	// Options are the mount's own: "rw,nosuid,relatime".
	Options string
	FSType  string
	Source  string
	// SuperOptions are the file system's, raw: overlay encodes its own twice.
	SuperOptions string
}

// ParseMountInfo parses a whole file, in its order. An unmounted and remounted
// point appears twice; the later line is on top.
func ParseMountInfo(data []byte) ([]MountInfo, error) {
	// All fields are parts of one string, so a file costs two allocations.
	text := string(data)
	mounts := make([]MountInfo, 0, strings.Count(text, "\n"))
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		m, err := parseMount(line)
		if err != nil {
			return nil, fmt.Errorf("mountinfo line %d: %w in %.200q", number, err, line)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

func parseMount(line string) (m MountInfo, err error) {
	rest := line
	field := func() string {
		var f string
		f, rest, _ = strings.Cut(rest, " ")
		return f
	}
	if m.ID, err = strconv.ParseUint(field(), 10, 64); err != nil {
		return m, fmt.Errorf("expected a mount id as field 1")
	}
	if m.Parent, err = strconv.ParseUint(field(), 10, 64); err != nil {
		return m, fmt.Errorf("expected a mount id as field 2")
	}
	major, minor, ok := strings.Cut(field(), ":")
	a, errA := strconv.ParseUint(major, 10, 32)
	b, errB := strconv.ParseUint(minor, 10, 32)
	if !ok || errA != nil || errB != nil {
		return m, fmt.Errorf("expected major:minor as field 3")
	}
	m.Major, m.Minor = uint32(a), uint32(b)
	if m.Root = unescape(field()); m.Root == "" {
		return m, fmt.Errorf("expected a path as field 4")
	}
	if m.Point = unescape(field()); m.Point == "" {
		return m, fmt.Errorf("expected a path as field 5")
	}
	if m.Options = field(); m.Options == "" {
		return m, fmt.Errorf("expected mount options as field 6")
	}
	for {
		f := field()
		if f == "-" {
			break
		}
		if f == "" && rest == "" {
			return m, fmt.Errorf("expected a single hyphen after the optional fields")
		}
	}
	if m.FSType = unescape(field()); m.FSType == "" {
		return m, fmt.Errorf("expected a file system type after the hyphen")
	}
	// A source may be empty: two spaces then.
	m.Source = unescape(field())
	if m.SuperOptions = rest; m.SuperOptions == "" {
		return m, fmt.Errorf("expected super options as last field")
	}
	return m, nil
}

// unescape undoes the kernel's seq_escape: \ooo is a byte.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	octal := func(c byte) bool { return '0' <= c && c <= '7' }
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] <= '3' && octal(s[i+1]) && octal(s[i+2]) && octal(s[i+3]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Has reports whether the mount's own options hold this word.
func (m *MountInfo) Has(option string) bool { return hasOption(m.Options, option) }

// HasSuper reports whether the file system's options hold this word.
func (m *MountInfo) HasSuper(option string) bool { return hasOption(m.SuperOptions, option) }

// ReadOnly reports whether nothing can be written through this mount. runc sets
// it on the mount only, others on the file system (the super block).
func (m *MountInfo) ReadOnly() bool {
	return hasOption(m.Options, "ro") || hasOption(m.SuperOptions, "ro")
}

func hasOption(options, word string) bool {
	for options != "" {
		var option string
		option, options, _ = strings.Cut(options, ",")
		if option == word {
			return true
		}
	}
	return false
}

// Hazardous reports whether a lookup inside a mount of this type may wait
// forever for a server or a program, or mount something: FUSE, network file
// systems, automounts. Nothing must be looked up there.
func (m *MountInfo) Hazardous() bool {
	switch m.FSType {
	case "fuse", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "autofs", "afs", "ncpfs", "coda", "glusterfs", "lustre", "virtiofs", "gfs2", "ocfs2", "beegfs", "gpfs":
		return true
	}
	return strings.HasPrefix(m.FSType, "fuse.")
}

// Pseudo reports whether this type of file system holds only the kernel's
// objects and no files that anybody could add.
func (m *MountInfo) Pseudo() bool {
	switch m.FSType {
	case "proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "securityfs", "debugfs", "tracefs", "bpf", "pstore",
		"configfs", "efivarfs", "selinuxfs", "binfmt_misc", "nsfs", "fusectl", "rpc_pipefs", "hugetlbfs":
		return true
	}
	return false
}

// Masks reports the binds of /dev/null with which runtimes hide files of /proc and
// /sys: they show as a writable mount of a device node.
func (m *MountInfo) Masks() bool {
	return m.Root == "/null" && (m.FSType == "tmpfs" || m.FSType == "devtmpfs") &&
		(strings.HasPrefix(m.Point, "/proc/") || strings.HasPrefix(m.Point, "/sys/"))
}

// Find returns the mount with this id, nil if it is not in the list.
func Find(mounts []MountInfo, id uint64) *MountInfo {
	for i := range mounts {
		if mounts[i].ID == id {
			return &mounts[i]
		}
	}
	return nil
}

// Volume is a Kubernetes volume of a pod.
type Volume struct {
	PodUID string
	Kind   string // as in the pod's spec: "emptyDir", "configMap", "csi"
	Name   string // the volume's; for csi and other persistent ones the PersistentVolume's
}

// String gives "kind/name", or "" for none.
func (v Volume) String() string {
	if v == (Volume{}) {
		return ""
	}
	return v.Kind + "/" + v.Name
}

// ParseVolumePath finds the volume that a path below the kubelet's directory
// belongs to:
//
//	…/pods/UID/volumes/kubernetes.io~empty-dir/NAME/…
//	…/pods/UID/volume-subpaths/NAME/CONTAINER/INDEX
//	…/pods/UID/etc-hosts, …/pods/UID/containers/CONTAINER/HASH
//
// The path may be relative to the file system that holds it, as the fourth
// field of mountinfo is. A subPath's volume has the kind "subPath", because its
// path does not show the kind; a file that the kubelet makes has the kind
// "kubelet".
func ParseVolumePath(path string) (Volume, bool) {
	for rest := path; ; {
		i := strings.Index(rest, "/pods/")
		if i < 0 {
			return Volume{}, false
		}
		rest = rest[i+len("/pods/"):]
		uid, below, ok := strings.Cut(rest, "/")
		if !ok || !IsUID(uid) && !isHex(uid, 32) {
			continue
		}
		parts := strings.SplitN(below, "/", 4)
		switch {
		case parts[0] == "volumes" && len(parts) >= 3 && parts[2] != "":
			return Volume{PodUID: uid, Kind: volumeKind(parts[1]), Name: parts[2]}, true
		case parts[0] == "volume-subpaths" && len(parts) >= 2 && parts[1] != "":
			return Volume{PodUID: uid, Kind: "subPath", Name: parts[1]}, true
		case parts[0] == "etc-hosts" && len(parts) == 1:
			return Volume{PodUID: uid, Kind: "kubelet", Name: "etc-hosts"}, true
		case parts[0] == "containers" && len(parts) == 3:
			return Volume{PodUID: uid, Kind: "kubelet", Name: "termination-log"}, true
		}
	}
}

// volumeKind turns the kubelet's escaped plugin name (kubernetes.io~empty-dir)
// into the field of a pod's volume.
func volumeKind(plugin string) string {
	_, name, ok := strings.Cut(plugin, "~")
	if !ok {
		return plugin
	}
	switch name {
	case "empty-dir":
		return "emptyDir"
	case "configmap":
		return "configMap"
	case "downward-api":
		return "downwardAPI"
	case "host-path":
		return "hostPath"
	case "local-volume":
		return "local"
	case "git-repo":
		return "gitRepo"
	}
	return name
}

// isHex reports whether s is n lower case hex digits.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

// IsUID reports whether s is a UUID, 8-4-4-4-12 lower case hex digits.
func IsUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		isHex(s[:8], 8) && isHex(s[9:13], 4) && isHex(s[14:18], 4) && isHex(s[19:23], 4) && isHex(s[24:], 12)
}
