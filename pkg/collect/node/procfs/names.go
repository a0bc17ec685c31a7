package procfs

import (
	"fmt"
	"strconv"
	"strings"
)

// Name is a path below /proc/PID.
type Name string

// What is read of a process: files with text from the kernel or (comm, cmdline,
// environ) from the process itself, and links. Nothing here is the rest of a process's
// memory (mem, map_files), which the probe's capabilities would give it too: a seccomp
// filter cannot see names, so only this list keeps the probe away from them. A test
// runs the collector under strace and compares it with the list.
const (
	NameStatus    Name = "status"
	NameStat      Name = "stat"
	NameCgroup    Name = "cgroup"
	NameMountInfo Name = "mountinfo"
	NameUIDMap    Name = "uid_map"
	NameCmdline   Name = "cmdline" // programs of the cluster and interpreters only; of arguments only flags on a list and names of files are kept
	NameMaps      Name = "maps"    // the names of the files that are mapped executable
	NameExe       Name = "exe"
	NameRoot      Name = "root" // and files below it, as package rootfs resolves them
	NameCwd       Name = "cwd"  // the link's text only
	NameNSUser    Name = "ns/user"
	NameNSPID     Name = "ns/pid"
	NameNSNet     Name = "ns/net"
	NameNSIPC     Name = "ns/ipc"
	NameNSMnt     Name = "ns/mnt"
	NameFD        Name = "fd"     // the links' texts; the files of etcd's database and of scripts too
	NameFDInfo    Name = "fdinfo" // of the probe itself, where the kernel is older than 5.8
	NameTask      Name = "task"   // the thread ids; below task/TID the same names as here
	NameLabel     Name = "attr/current"
	NameNetUnix   Name = "net/unix" // of pid 1: which known sockets somebody listens on
	NameNetTCP    Name = "net/tcp"  // of the cluster's own programs: on which addresses they listen
	NameNetTCP6   Name = "net/tcp6"
	// NameEnviron is the environment that a process was started with: of etcd the ETCD_*
	// variables on a list of settings, none of which holds a secret; of processes in
	// containers the names of variables whose values look like credentials, and no value.
	NameEnviron Name = "environ"
)

// Names lists every Name.
func Names() []Name {
	return []Name{
		NameStatus, NameStat, NameCgroup, NameMountInfo, NameUIDMap, NameCmdline, NameMaps, NameExe, NameRoot, NameCwd,
		NameNSUser, NameNSPID, NameNSNet, NameNSIPC, NameNSMnt, NameFD, NameFDInfo,
		NameTask, NameLabel, NameNetUnix, NameNetTCP, NameNetTCP6, NameEnviron,
	}
}

// ParseNamespace reads the inode from a namespace link's text (namespaces(7)):
// "user:[4026531837]".
func ParseNamespace(text string) (uint64, error) {
	_, rest, ok := strings.Cut(text, ":[")
	digits, closed := strings.CutSuffix(rest, "]")
	inode, err := strconv.ParseUint(digits, 10, 64)
	if !ok || !closed || err != nil || inode == 0 {
		return 0, fmt.Errorf("namespace link: expected a type and an inode in brackets, found %.80q", text)
	}
	return inode, nil
}

// NodeNames lists the paths below /proc that are read of the node as a whole.
func NodeNames() []string {
	return []string{
		"stat", "swaps", "uptime", "version", "version_signature",
		"sys/kernel/arch", "sys/kernel/cap_last_cap", "sys/kernel/osrelease",
	}
}
