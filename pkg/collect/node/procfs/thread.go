package procfs

import (
	"bytes"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Rights are what the threads of one process can have different, although they
// share its memory: capabilities(7) and credentials(7) belong to a thread. They
// can be compared with ==.
type Rights struct {
	UID                    [4]int64 // real, effective, saved, file system
	CapPrm, CapEff, CapBnd fact.CapMask
	NoNewPrivs, Seccomp    int8 // -1: the kernel has no such line
}

// Beyond reports whether they permit something that others do not.
func (r *Rights) Beyond(other *Rights) bool {
	more := func(a, b fact.CapMask) bool {
		x, _ := a.Bits()
		y, read := b.Bits()
		return !read || x&^y != 0
	}
	return more(r.CapPrm, other.CapPrm) || more(r.CapEff, other.CapEff) || more(r.CapBnd, other.CapBnd) ||
		r.UID[1] == 0 && other.UID[1] != 0 || r.NoNewPrivs < other.NoNewPrivs || r.Seccomp < other.Seccomp
}

// Thread is /proc/PID/task/TID/status, as far as threads differ.
type Thread struct {
	Rights
	State byte
	name  []byte // escaped; a part of the file's text
}

// Name is its comm, decoded: raw bytes.
func (t *Thread) Name() string { return unescapeComm(string(t.name)) }

// ParseThread parses a whole file as ParseStatus does, but allocates nothing
// unless there is an error: a node has more threads than processes, and hardly
// any differs from its process. The thread is valid as long as data.
func ParseThread(data []byte) (Thread, error) {
	t := Thread{Rights: Rights{NoNewPrivs: -1, Seccomp: -1}}
	uid := false
	for number := 1; len(data) > 0; number++ {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return Thread{}, fmt.Errorf("status line %d: cut short: %.80q", number, data)
		}
		line := data[:i]
		data = data[i+1:]
		key, value, _ := bytes.Cut(line, []byte{':'})
		var err error
		switch string(key) {
		case "Name":
			t.name = bytes.TrimPrefix(value, []byte{'\t'})
		case "State":
			if value = bytes.TrimSpace(value); len(value) > 0 {
				t.State = value[0]
			}
		case "Uid":
			t.UID, err = fourIDs(value)
			uid = true
		case "CapPrm":
			t.CapPrm, err = capMask(bytes.TrimSpace(value))
		case "CapEff":
			t.CapEff, err = capMask(bytes.TrimSpace(value))
		case "CapBnd":
			t.CapBnd, err = capMask(bytes.TrimSpace(value))
		case "NoNewPrivs":
			t.NoNewPrivs, err = digit(bytes.TrimSpace(value))
		case "Seccomp":
			t.Seccomp, err = digit(bytes.TrimSpace(value))
		}
		if err != nil {
			return Thread{}, fmt.Errorf("status line %d: %w, found %.80q", number, err, line)
		}
	}
	if t.State == 0 || !uid {
		return Thread{}, fmt.Errorf("status: no line State, or no line Uid")
	}
	return t, nil
}

func digit(value []byte) (int8, error) {
	if len(value) != 1 || value[0] < '0' || value[0] > '9' {
		return 0, fmt.Errorf("expected a digit")
	}
	return int8(value[0] - '0'), nil
}

// ParseLabel reads attr/current (proc_pid_attr(5)): an AppArmor profile with its
// mode, or a SELinux context, which may end in a NUL. Text beyond MaxLabel bytes
// is cut, with "…" in its place, so that no end of it can be mistaken for a mode.
func ParseLabel(data []byte) string {
	data = bytes.TrimRight(data, "\n\x00")
	if len(data) > MaxLabel {
		return string(data[:MaxLabel]) + "…"
	}
	return string(data)
}

// MaxLabel bounds a label, in bytes.
const MaxLabel = 1024
