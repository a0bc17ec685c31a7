package fact

// Level is how much a probe may read, least first.
type Level string

// The levels.
const (
	LevelAPI  Level = "api"  // no pod
	LevelNet  Level = "net"  // host network, uid 65534, no capability: a second pod, beside any other level
	LevelProc Level = "proc" // hostPID, uid 65534, no capability
	LevelFull Level = "full" // uid 0, SYS_PTRACE and DAC_READ_SEARCH
)

// Levels lists them, least first. A joined measurement has the highest of those that it
// is made of.
func Levels() []Level { return []Level{LevelAPI, LevelNet, LevelProc, LevelFull} }

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
	// Labels reports whether a security module labels processes: whether the kernel
	// has attr/current for pid 1 (Process.Label). Nil if unread.
	Labels *bool `json:"labels,omitempty"`

	// Containers are sorted by id. Processes of the host itself are only counted.
	Containers    []MeasuredContainer `json:"containers,omitempty"`
	HostProcesses int                 `json:"hostProcesses,omitempty"`

	// Images are what is installed in the containers, sorted by key: one for all
	// containers in which the same is installed (kind Images).
	Images []ImageInventory `json:"images,omitempty"`

	// Etcd and APIServers are what serves the cluster's storage on this node.
	Etcd       []EtcdDB    `json:"etcd,omitempty"`
	APIServers []APIServer `json:"apiServers,omitempty"`

	// Backups are files that look like copies of a store, sorted by path, at most
	// MaxBackups (kind Backups).
	Backups []Backup `json:"backups,omitempty"`

	// Listeners are the listening sockets that were dialed, sorted by port and address, at
	// most MaxListeners (kinds ServerTLS and NodeTLS, by Purpose).
	Listeners []Listener `json:"listeners,omitempty"`
	// Components are the programs of the cluster that run here (kinds ServerSettings and
	// NodeSettings, by Program), sorted by program and pid.
	Components []Component `json:"components,omitempty"`
	// Certificates are files that hold certificates, sorted by path, at most
	// MaxCertificates (kind Certificates).
	Certificates []CertificateFile `json:"certificates,omitempty"`

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
	// FoundBy says what shows that this is a container, where no id in a cgroup
	// path does. Its ID is then made of its root directory.
	FoundBy FoundBy `json:"foundBy,omitempty"`
	// Sandbox is true for a pod's pause container.
	Sandbox bool `json:"sandbox,omitempty"`
	// Self is true for the probe's own container.
	Self bool `json:"self,omitempty"`

	Processes []Process `json:"processes,omitempty"`
	Root      *Mount    `json:"root,omitempty"`   // what is mounted at /
	Mounts    []Mount   `json:"mounts,omitempty"` // other writable ones, without proc, sysfs, cgroup, mqueue, devpts
	// Sockets are the sockets of container runtimes and build daemons that its mounts
	// show, as paths on the node, sorted (kind Mounts).
	Sockets []string `json:"sockets,omitempty"`
	// Devices are those that a runtime does not provide by default. DeviceFS is the
	// type of the mount at /dev ("tmpfs", "devtmpfs"), or "" if unread.
	Devices  []Device `json:"devices,omitempty"`
	DeviceFS string   `json:"deviceFS,omitempty"`
	// DeviceRules are the lines of devices.list of its cgroup ("c 1:3 rwm"); nil if
	// unread: cgroup v2 keeps them in a BPF program.
	DeviceRules []string `json:"deviceRules,omitempty"`

	// Upper is the walk of its writable layer; nil if nothing was walked.
	Upper *UpperWalk `json:"upper,omitempty"`
	// Packages is how the package database in its writable layer differs from the
	// image's; nil if the writable layer has none (kind Upperdir).
	Packages *PackageChange `json:"packages,omitempty"`
	// Image is the Key of what is installed in it, "" if that was not read (kind
	// Images).
	Image string `json:"image,omitempty"`
	// Environment are the variables that hold credentials, sorted by name and rule, at most
	// MaxEnvironment (kind Environment). EnvironmentTotal counts them.
	Environment      []EnvironmentCredential `json:"environment,omitempty"`
	EnvironmentTotal int                     `json:"environmentTotal,omitempty"`
}

// FoundBy is what shows that processes are in a container.
type FoundBy string

// What shows it.
const (
	FoundByCgroup   FoundBy = ""          // an id in the cgroup path
	FoundByRoot     FoundBy = "root"      // a root directory, mounts and process ids of their own
	FoundByHostPIDs FoundBy = "host-pids" // a root directory and mounts of their own, in the host's pid namespace
)

// PackageChange compares two states of a package database by package names.
type PackageChange struct {
	Manager string   `json:"manager"` // dpkg, apk, rpm
	Path    string   `json:"path"`    // inside the container
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []string `json:"changed,omitempty"` // of another version
	// Total counts all differences; the lists have at most MaxPackageChanges names
	// together.
	Total int `json:"total"`
	// At is the ctime of the database in the writable layer.
	At Time `json:"at,omitzero"`
	// Reason and Detail say why a database could not be compared, with no harm to
	// other facts of the layer; Manager and Path may then be "".
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// MaxPackageChanges bounds the names of a PackageChange.
const MaxPackageChanges = 60

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
	// Label is attr/current: an AppArmor profile with its mode ("name (enforce)",
	// "unconfined") or a SELinux context ("user:role:type:level"); "" if there is
	// none or it is unread.
	Label string `json:"label,omitempty"`
	// Groups are the supplementary groups, at most MaxGroups.
	Groups []int64 `json:"groups,omitempty"`

	// Threads is nil if they were not read, and if it has only one.
	Threads *Threads `json:"threads,omitempty"`

	// Moved is the container id in its cgroup path, where its root directory shows
	// that it belongs to another container than that.
	Moved string `json:"moved,omitempty"`

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
	// Mapped are the other files that it has mapped executable: libraries, and
	// programs that ld.so runs (kind Executables); nil if unread.
	Mapped *Mapped `json:"mapped,omitempty"`
}

// Threads are the threads of a process.
type Threads struct {
	Count int `json:"count"`
	// Differing are those whose masks, user, NoNewPrivs or seccomp mode are not the
	// leader's, at most MaxThreads; DifferingCount counts all of them.
	Differing      []Thread `json:"differing,omitempty"`
	DifferingCount int      `json:"differingCount,omitempty"`
}

// Mapped are files that are mapped executable, without the process's own executable.
type Mapped struct {
	Count int `json:"count"`
	// Files are those that the image does not hold, at most MaxMapped; FileCount
	// counts all of them. What lies on a read-only mount is left out, unless that is a
	// volume which another container may write.
	Files     []Executable `json:"files,omitempty"`
	FileCount int          `json:"fileCount,omitempty"`
}

// Bounds of what is listed of one process.
const (
	MaxGroups  = 64
	MaxThreads = 16
	MaxMapped  = 32
)

// Thread is one thread of a process, from /proc/PID/task/TID/status.
type Thread struct {
	TID        int      `json:"tid"`
	Comm       string   `json:"comm,omitempty"`
	UID        [4]int64 `json:"uid"`
	CapPrm     CapMask  `json:"capPrm,omitzero"`
	CapEff     CapMask  `json:"capEff,omitzero"`
	CapBnd     CapMask  `json:"capBnd,omitzero"`
	NoNewPrivs *bool    `json:"noNewPrivs,omitempty"`
	Seccomp    *int     `json:"seccomp,omitempty"`
}

// FileOwner is who owns a file or directory, and its mode: permission, set-user-ID,
// set-group-ID and sticky bit as chmod(2) has them. Uids are the node's.
type FileOwner struct {
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Mode uint32 `json:"mode"`
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
	OriginRemoved      Origin = "removed"  // a lower layer has it, and upper hides it
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
	// Gained is what the file can give to its caller and the image's cannot: a
	// set-user-ID or set-group-ID bit, file capabilities.
	Gained string `json:"gained,omitempty"`
	// Owner is the file's, Dir that of the directory that holds its name; nil if
	// unread.
	Owner *FileOwner `json:"owner,omitempty"`
	Dir   *FileOwner `json:"dir,omitempty"`
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
	// File is true if a file is mounted there, not a directory. Owner is that of
	// what is mounted. Nil if unread (level proc).
	File  *bool      `json:"file,omitempty"`
	Owner *FileOwner `json:"owner,omitempty"`
}

// Device is a device node in a container's /dev.
type Device struct {
	Path  string `json:"path"`
	Type  string `json:"type"` // "b" or "c"
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
}

// UpperWalk is the result of walking an upperdir.
type UpperWalk struct {
	Path    string `json:"path"` // on the node
	Entries int    `json:"entries"`
	// Files are those with code, whatever their mode, and those that have gained
	// something, sorted by path, at most MaxUpperFiles. If there are more, those with the
	// image's content (OriginMetadata) that have gained nothing are left out first. Total
	// counts all of them, Copies only those with the image's content.
	Files  []UpperFile `json:"files,omitempty"`
	Total  int         `json:"total"`
	Copies int         `json:"copies,omitempty"`
	// Truncated means that a limit ended the walk. Then all counts are lower bounds.
	Truncated bool `json:"truncated,omitempty"`

	// Data are files without code that were added or changed (in content), and all
	// that were removed, sorted by path, at most MaxUpperData: changed and removed ones
	// before added ones. DataCounts counts all of them; nil means that the walk did not
	// look at them. Files at paths where programs keep logs, caches and state
	// (pkg/volatile) are only counted.
	Data       []UpperFile `json:"data,omitempty"`
	DataCounts *DataCounts `json:"dataCounts,omitempty"`
	// Written says in which directories something was made that is only counted; nil if the walk
	// did not look at that (facts of earlier versions, an image that could not be read).
	Written *WrittenDirs `json:"written,omitempty"`
}

// WrittenDirs are the directories of an image in which the container has made volatile files,
// sockets, pipes or directories. What the runtime makes does not count.
type WrittenDirs struct {
	// Dirs are sorted by path, at most MaxWrittenDirs; Total counts them.
	Dirs  []WrittenDir `json:"dirs,omitempty"`
	Total int          `json:"total,omitempty"`
}

// MaxWrittenDirs bounds WrittenDirs.Dirs, MaxMadeDirs WrittenDir.Made.
const (
	MaxWrittenDirs = 32
	MaxMadeDirs    = 8
)

// WrittenDir is the nearest directory that the image has of something that was made.
type WrittenDir struct {
	Path string `json:"path"` // inside the container
	// Made are the directories that were made in it, sorted, at most MaxMadeDirs; MadeTotal
	// counts them. Files reports whether something else was made in it.
	Made      []string `json:"made,omitempty"`
	MadeTotal int      `json:"madeTotal,omitempty"`
	Files     bool     `json:"files,omitempty"`
}

// DataCounts counts the files of a writable layer that hold no code.
type DataCounts struct {
	Added    int `json:"added"`
	Changed  int `json:"changed"`
	Removed  int `json:"removed"`
	Volatile int `json:"volatile"`
	// Unknown are those that could not be compared.
	Unknown int `json:"unknown"`
	// Copies have the image's content: only their owner, mode or times changed.
	Copies int `json:"copies,omitempty"`
	// Special are FIFOs, sockets and device nodes, which are not compared.
	Special int `json:"special,omitempty"`
}

// MaxUpperData bounds UpperWalk.Data.
const MaxUpperData = 50

// MaxUpperFiles bounds UpperWalk.Files.
const MaxUpperFiles = 200

// UpperFile is a file in an upperdir, or one that upperdir hides.
//
// Kinds of Files: "elf", "script", "library", "code" (what an interpreter or a virtual
// machine runs: an archive, byte code, source), "loader" (ld.so's configuration), "link"
// (a symbolic link where programs or libraries are looked up), "data" (no code, but a
// Gained bit). Kinds of Data: "data", "link", "directory", and, where Origin is
// OriginRemoved, any kind that the image's file has.
type UpperFile struct {
	Path    string `json:"path"` // inside the container
	Kind    string `json:"kind"`
	Origin  Origin `json:"origin"`
	Size    int64  `json:"size"`
	Mode    uint32 `json:"mode"`
	UID     uint32 `json:"uid"`
	Changed Time   `json:"changed,omitzero"` // ctime
	SHA256  string `json:"sha256,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// Gained is as in Executable.
	Gained string `json:"gained,omitempty"`
}
