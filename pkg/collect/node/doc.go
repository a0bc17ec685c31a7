// Package node reads one node into a fact.Measurement: its processes, grouped
// into containers, their mounts, devices and executables, the host's kernel and
// packages, the API server's configuration and etcd's stored bytes.
//
// It serves the probe (/proc and /proc/1/root), --local (/proc and /), --root
// and test fixtures (DIR/proc and DIR) alike: everything is read through
// handles of package rootfs, the only package that knows an operating system.
// It judges nothing, writes nothing, and uses only system calls that the
// probe's seccomp filter allows.
//
// What the kernel answers without waiting comes first: status, stat, cgroup and
// mountinfo of every process, then links, then files. A Reading can return what
// it has at any moment, because a dead file system blocks a thread forever and
// only a watchdog ends that.
//
//	node.go               Options, Reading, Local
//	readers.go            the list of readers, in their order
//	ledger/               what is read, what is settled, what is a gap
//	internal/proctable/   handles of /proc, processes, containers
//	internal/reader/      what a reader is; how one that hangs is left behind
//	processes/ sandbox/ devices/ overlay/ host/ storage/ components/   the readers
//	procfs/               the formats of /proc
package node
