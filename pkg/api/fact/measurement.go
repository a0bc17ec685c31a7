package fact

// Level is how much a probe may read, least first.
type Level string

// The levels.
const (
	LevelAPI  Level = "api"  // no pod
	LevelProc Level = "proc" // hostPID, uid 65534, no capability
	LevelFull Level = "full" // uid 0, SYS_PTRACE and DAC_READ_SEARCH
)

// Levels lists them, least first.
func Levels() []Level { return []Level{LevelAPI, LevelProc, LevelFull} }

// Measurement is what one probe, or --local, read on one node.
type Measurement struct {
	Level Level `json:"level"`
	At    Time  `json:"at,omitzero"`
	Host  Host  `json:"host"`

	// CapLastCap is /proc/sys/kernel/cap_last_cap; nil if unread.
	CapLastCap *int `json:"capLastCap,omitempty"`
	// HostCapBnd is CapBnd of the host's pid 1: what "all capabilities" means
	// on this node.
	HostCapBnd CapMask `json:"hostCapBnd,omitzero"`
	// HostUserNS is the inode of pid 1's ns/user, 0 if unread.
	HostUserNS uint64 `json:"hostUserNS,omitempty"`
	HostPIDNS  uint64 `json:"hostPIDNS,omitempty"`
	HostNetNS  uint64 `json:"hostNetNS,omitempty"`
	HostIPCNS  uint64 `json:"hostIPCNS,omitempty"`

	// Containers are sorted by id. Processes of the host itself are only counted.
	Containers    []MeasuredContainer `json:"containers,omitempty"`
	HostProcesses int                 `json:"hostProcesses,omitempty"`

	// Etcd and APIServers are what serves the cluster's storage on this node.
	Etcd       []EtcdDB    `json:"etcd,omitempty"`
	APIServers []APIServer `json:"apiServers,omitempty"`

	// Read lists the kinds that were read here, so that "none found" differs from
	// "not looked". A kind may be read and still have gaps for some subjects.
	Read []Kind    `json:"read,omitempty"`
	Gaps []NodeGap `json:"gaps,omitempty"`
	Cost Cost      `json:"cost"`
}

// HasRead reports whether facts of this kind were read.
func (m *Measurement) HasRead(kind Kind) bool {
	if m == nil {
		return false
	}
	for _, k := range m.Read {
		if k == kind {
			return true
		}
	}
	return false
}

// Cost is what the measurement itself used.
type Cost struct {
	WallMillis int64 `json:"wallMillis"`
	CPUMillis  int64 `json:"cpuMillis"`
	MaxRSSKiB  int64 `json:"maxRSSKiB"`
	Processes  int   `json:"processes"`
}

// MeasuredContainer is one container as the kernel shows it.
type MeasuredContainer struct {
	// ID is the 64 hex digits in its cgroup path. PodUID is the pod's UID (with
	// dashes), or a static pod's config hash. Kubernetes is false for a container of
	// anything else (docker run, podman, nerdctl).
	ID         string `json:"id"`
	PodUID     string `json:"podUID,omitempty"`
	Kubernetes bool   `json:"kubernetes,omitempty"`
	Runtime    string `json:"runtime,omitempty"` // containerd, crio, docker, podman, "" if the path does not say
	Cgroup     string `json:"cgroup,omitempty"`
	// Sandbox is true for a pod's pause container.
	Sandbox bool `json:"sandbox,omitempty"`
	// Self is true for the probe's own container.
	Self bool `json:"self,omitempty"`

	Processes []Process `json:"processes,omitempty"`
	Root      *Mount    `json:"root,omitempty"`   // what is mounted at /
	Mounts    []Mount   `json:"mounts,omitempty"` // other writable ones, without proc, sysfs, cgroup, mqueue, devpts
	// Devices are those that a runtime does not provide by default. DeviceFS is the
	// type of the mount at /dev ("tmpfs", "devtmpfs"), or "" if unread.
	Devices  []Device `json:"devices,omitempty"`
	DeviceFS string   `json:"deviceFS,omitempty"`

	// Upper is the walk of its writable layer; nil if nothing was walked.
	Upper *UpperWalk `json:"upper,omitempty"`
}

// Process is one process of a container, from /proc/PID. PIDs are the host's.
type Process struct {
	PID      int      `json:"pid"`
	InnerPID int      `json:"innerPid,omitempty"` // last number of NSpid
	Comm     string   `json:"comm,omitempty"`     // chosen by the process itself: evidence, never a key
	Started  Time     `json:"started,omitzero"`
	UID      [4]int64 `json:"uid"` // real, effective, saved, file system; the host's view
	GID      [4]int64 `json:"gid"`

	CapInh CapMask `json:"capInh,omitzero"`
	CapPrm CapMask `json:"capPrm,omitzero"`
	CapEff CapMask `json:"capEff,omitzero"`
	CapBnd CapMask `json:"capBnd,omitzero"`
	CapAmb CapMask `json:"capAmb,omitzero"`

	NoNewPrivs *bool `json:"noNewPrivs,omitempty"`
	Seccomp    *int  `json:"seccomp,omitempty"` // 0 off, 1 strict, 2 filter

	// Namespace inodes, 0 if unread (level proc cannot read them).
	UserNS uint64 `json:"userNS,omitempty"`
	PIDNS  uint64 `json:"pidNS,omitempty"`
	NetNS  uint64 `json:"netNS,omitempty"`
	IPCNS  uint64 `json:"ipcNS,omitempty"`
	// RootUID is the host uid that the namespace's root maps to; nil if unread.
	RootUID *int64 `json:"rootUID,omitempty"`

	Exe *Executable `json:"exe,omitempty"`
	// Scripts are scripts from outside the image that it runs, if Exe is an
	// interpreter. They come from its command line and descriptors, so the list may
	// be incomplete.
	Scripts []Executable `json:"scripts,omitempty"`
}

// Origin is where the file of an executable comes from.
type Origin string

// The origins (techniques: origin of an executable).
const (
	OriginImage        Origin = "image"         // in a lower layer, no entry in upper
	OriginMetadata     Origin = "metadata"      // copied up, content equal to the lower file
	OriginChanged      Origin = "changed"       // in upper and lower, content differs
	OriginAdded        Origin = "added"         // in upper only
	OriginDeletedImage Origin = "deleted-image" // removed; a lower layer still has it
	OriginDeletedAdded Origin = "deleted-added" // removed; no layer has it
	OriginMemfd        Origin = "memfd"
	OriginVolume       Origin = "volume"   // on another writable mount
	OriginReadOnly     Origin = "readonly" // on another, read-only mount
	OriginForeign      Origin = "foreign"  // on a mount that is not in the process's mount table
	OriginUnknown      Origin = "unknown"  // no upperdir to compare with, or unreadable; see Detail
)

// Executable is what /proc/PID/exe names, or a script that its interpreter runs.
type Executable struct {
	Path   string `json:"path"` // inside the container
	Origin Origin `json:"origin"`
	// Script is true if Path is a script and the process is its interpreter.
	Script bool   `json:"script,omitempty"`
	FSType string `json:"fsType,omitempty"`
	Mount  string `json:"mount,omitempty"`  // mount point that holds it
	Volume string `json:"volume,omitempty"` // kind/name of a Kubernetes volume: "emptyDir/work"
	// HostPath is the file's path on the node, for evidence: in upperdir.
	HostPath string `json:"hostPath,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Changed  Time   `json:"changed,omitzero"` // ctime of the file
	// Stale is true if the file changed after the process started. Then the code in
	// memory may be older.
	Stale  bool   `json:"stale,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Mount is one line of mountinfo (proc_pid_mountinfo(5)), decoded.
type Mount struct {
	Path     string `json:"path"` // inside the container
	FSType   string `json:"fsType"`
	Source   string `json:"source,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"` // per-mount or super block
	NoExec   bool   `json:"noExec,omitempty"`
	NoSuid   bool   `json:"noSuid,omitempty"`
	NoDev    bool   `json:"noDev,omitempty"`
	Volume   string `json:"volume,omitempty"` // kind/name of a Kubernetes volume
	// Upperdir of an overlay, decoded, as the runtime mounted it.
	Upperdir string `json:"upperdir,omitempty"`
}

// Device is a device node in a container's /dev.
type Device struct {
	Path  string `json:"path"`
	Type  string `json:"type"` // "b" or "c"
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
}

// UpperWalk is the result of walking an upperdir for executables.
type UpperWalk struct {
	Path    string `json:"path"` // on the node
	Entries int    `json:"entries"`
	// Files are the executables found, sorted by path, at most MaxUpperFiles. If
	// there are more, those with the image's content (OriginMetadata) are left out
	// first. Total counts all of them, Copies only those with the image's content.
	Files  []UpperFile `json:"files,omitempty"`
	Total  int         `json:"total"`
	Copies int         `json:"copies,omitempty"`
	// Truncated means that a limit ended the walk. Then Total is a lower bound.
	Truncated bool `json:"truncated,omitempty"`
}

// MaxUpperFiles bounds UpperWalk.Files.
const MaxUpperFiles = 200

// UpperFile is an executable in an upperdir.
type UpperFile struct {
	Path    string `json:"path"` // inside the container
	Kind    string `json:"kind"` // "elf", "script", "library"
	Origin  Origin `json:"origin"`
	Size    int64  `json:"size"`
	Mode    uint32 `json:"mode"`
	UID     uint32 `json:"uid"`
	Changed Time   `json:"changed,omitzero"` // ctime
	SHA256  string `json:"sha256,omitempty"`
	Detail  string `json:"detail,omitempty"`
}
