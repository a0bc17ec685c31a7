// Package node reads one node into a fact.Measurement: its processes, grouped
// into containers, their mounts, devices and executables, the host's kernel and
// packages, the API server's configuration and etcd's stored bytes.
//
// It serves the probe (/proc and /proc/1/root), --local (/proc and /), --root
// and test fixtures (DIR/proc and DIR) alike: everything is read through
// handles of package rootfs. It judges nothing, writes nothing, and uses no
// system call but those that the probe's seccomp filter allows.
//
// The order is what the kernel answers without waiting, first: status, stat,
// cgroup and mountinfo of every process, then links, then files. A Collector
// can be asked for what it has at any moment, since a dead file system blocks
// a thread for ever and nothing but a watchdog ends that.
//
//	collector_linux.go    Options, Collector, Local
//	proc_linux.go         /proc: the kernel's, or a directory that looks like it
//	processes_linux.go    one pass over all processes
//	containers_linux.go   processes to containers, mounts, devices
//	executables_linux.go  origins of executables and the walk of upperdirs
//	storage_linux.go      API servers and etcd
package node
