package drift

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// places are where the processes of a container can write, besides its root.
type places struct {
	// code are directories in which they can create files and execute or map them.
	code []place
	// open are mounts of which this is unknown.
	open []place
	// files are single files that they can write, and execute or map.
	files []place
	// scripts are directories with noexec in which they can create files: an
	// interpreter of the image still reads a script from there.
	scripts []place
	// mounts is who can mount file systems, and so make another such place.
	mounts *writer
	// userNS is true if a process without a seccomp filter may make a user namespace,
	// in which it can mount a file system of its own.
	userNS bool
	// unread is true if it is unknown who all the processes are.
	unread bool
}

// place is a mount, and who can write to it.
type place struct {
	mount *fact.Mount
	who   *writer // nil if unknown
	kind  string  // of the volume
}

// kubeletFiles are mounted as single files by kubelet and container runtimes.
var kubeletFiles = map[string]bool{"/dev/termination-log": true, "/etc/hosts": true, "/etc/hostname": true, "/etc/resolv.conf": true}

// isFile reports whether a single file is mounted; not known if nothing shows it.
func isFile(m *fact.Mount) (file, known bool) {
	switch {
	case m.File != nil:
		return *m.File, true
	case kubeletFiles[m.Path]:
		return true, true
	}
	return false, m.Path == "/dev" || strings.HasPrefix(m.Volume, "emptyDir/")
}

// placesOf looks at all writable mounts of a container but its root.
func placesOf(r checks.Running) places {
	writers, complete := writersOf(r)
	out := places{unread: !complete}
	for i := range writers {
		if w := &writers[i]; w.caps&(1<<capability.SysAdmin) != 0 && out.mounts == nil {
			out.mounts = w
		}
	}
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		if !r.MayBeRuntime(p) && (p.Seccomp == nil || *p.Seccomp == 0) {
			out.userNS = true
		}
	}
	for i := range r.Measured.Mounts {
		m := &r.Measured.Mounts[i]
		if m.ReadOnly {
			continue
		}
		p := place{mount: m, kind: volumeKind(r, m.Volume, m.Path)}
		file, known := isFile(m)
		if file {
			if !m.NoExec && onFile(writers, complete, m) != cannot {
				out.files = append(out.files, p)
			}
			continue
		}
		c, who := onMount(writers, m)
		if c == yes {
			p.who = who
		}
		switch {
		case c == cannot:
		case m.NoExec:
			if c == yes || m.Owner == nil {
				out.scripts = append(out.scripts, p)
			}
		case c == yes && known:
			out.code = append(out.code, p)
		default:
			out.open = append(out.open, p)
		}
	}
	return out
}

// name names a place for a message: "/cache (emptyDir)".
func (p place) name() string {
	switch {
	case p.kind != "":
		return p.mount.Path + " (" + p.kind + ")"
	case p.mount.FSType == "tmpfs":
		return p.mount.Path + " (tmpfs)"
	}
	return p.mount.Path
}

func names(list []place) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].name()
	}
	return out
}

// describe is the evidence for a place.
func (p place) describe() string {
	m := p.mount
	value := m.FSType + " rw"
	if m.NoExec {
		value += ", noexec"
	} else {
		value += ", exec"
	}
	if m.Volume != "" {
		value += ", volume " + m.Volume
	}
	if o := m.Owner; o != nil {
		value += fmt.Sprintf(", owner %d:%d, mode %04o", o.UID, o.GID, o.Mode&0o7777)
	} else {
		value += ", owner not read"
	}
	if p.who != nil {
		value += ", writable for " + p.who.String()
	}
	return value
}
