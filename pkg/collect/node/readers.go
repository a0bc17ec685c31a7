package node

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/backups"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/certificates"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/components"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/devices"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/environment"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/images"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/libraries"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/mountpoints"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/processes"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/sandbox"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/storage"
)

// The readers, the safest first. A reader of another kind of facts is one more
// line here. The more easily it can hang, the later it comes.

// safe are those of what the kernel answers without waiting: files and links of
// /proc, of all processes. Each builds on those before it.
var safe = []reader.Reader{
	processes.Table{},  // stat, status, cgroup, uid_map; then root, ns; then mountinfo
	sandbox.Reader{},   // exe, as a link
	processes.Facts{},  // settles processes
	processes.Mounts{}, // settles mounts
}

// slow are those of files and directories, any of which can lie on a file system
// that never answers, and of what takes a process's lock. The two lists are read
// at once, each in its order. A hang costs one container, or the node's kinds
// of one reader. Packages and etcd are in one list, so that they do not need
// their memory at the same time.
var slow = [2][]reader.Reader{
	{
		devices.Reader{},     // names in a tmpfs
		mountpoints.Reader{}, // what is mounted in a container, without what can wait for a server
		overlay.Reader{},     // links to executables, the layers of containers, cmdline of interpreters
		environment.Reader{}, // environ of processes in containers: their memory
		libraries.Reader{},   // maps of the host's processes
	},
	{
		host.Reader{},         // the node's own files
		components.Reader{},   // cmdline, descriptors, sockets and configuration of the cluster's programs
		certificates.Reader{}, // small files, some of which the settings of those programs name
		storage.Reader{},      // cmdline and descriptors of servers, their configuration, etcd's database
		images.Reader{},       // package databases in containers
		backups.Reader{},      // files in the usual places of backups: the slowest
	},
}
