package procfs

import (
	"bytes"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Status is /proc/PID/status (proc_pid_status(5)), of the main thread where it
// differs between threads, as capabilities do. IDs are in the reader's user
// namespace, which is the host's.
type Status struct {
	Name  string // comm, decoded; raw bytes
	State byte   // 'Z' is a zombie
	TGID  int
	PID   int
	PPID  int
	UID   [4]int64 // real, effective, saved, file system
	GID   [4]int64
	// InnerPID is the last number of NSpid: the pid in its own pid namespace.
	// Levels counts the pid namespaces, from the reader's on; 0 if the kernel
	// has no such line.
	InnerPID int
	Levels   int

	CapInh, CapPrm, CapEff, CapBnd, CapAmb fact.CapMask

	NoNewPrivs *bool // nil before Linux 4.10
	Seccomp    *int  // nil without CONFIG_SECCOMP
	// Groups are supplementary ones, at most fact.MaxGroups.
	Groups []int64
	// Threads is 0 if unread.
	Threads int
	// PeakRSS is VmHWM in KiB: 0 for kernel threads and zombies.
	PeakRSS int64
}

// ParseStatus parses a whole file. Name, State, Pid, Uid and Gid must be there:
// without them it was cut short, or is another file. Unknown lines are skipped.
func ParseStatus(data []byte) (Status, error) {
	var s Status
	var seen struct{ name, state, pid, uid, gid bool }
	for number := 1; len(data) > 0; number++ {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, data = data[:i], data[i+1:]
		} else {
			// The kernel ends every line; a piece of one could be a piece of a mask.
			return Status{}, fmt.Errorf("status line %d: cut short: %.80q", number, line)
		}
		key, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			return Status{}, fmt.Errorf("status line %d: expected a name and a colon, found %.80q", number, line)
		}
		value = bytes.TrimSpace(value)
		var err error
		switch string(key) {
		case "Name":
			// Not trimmed: a comm may end in spaces.
			_, name, _ := bytes.Cut(line, []byte(":\t"))
			s.Name, seen.name = unescapeComm(string(name)), true
		case "State":
			if len(value) == 0 {
				err = fmt.Errorf("expected a letter")
			} else {
				s.State, seen.state = value[0], true
			}
		case "Tgid":
			s.TGID, err = number32(value)
		case "Pid":
			s.PID, err = number32(value)
			seen.pid = true
		case "PPid":
			s.PPID, err = number32(value)
		case "Uid":
			s.UID, err = fourIDs(value)
			seen.uid = true
		case "Gid":
			s.GID, err = fourIDs(value)
			seen.gid = true
		case "Groups":
			s.Groups, err = groups(value)
		case "NSpid":
			s.InnerPID, s.Levels, err = lastNumber(value)
		case "CapInh":
			s.CapInh, err = capMask(value)
		case "CapPrm":
			s.CapPrm, err = capMask(value)
		case "CapEff":
			s.CapEff, err = capMask(value)
		case "CapBnd":
			s.CapBnd, err = capMask(value)
		case "CapAmb":
			s.CapAmb, err = capMask(value)
		case "NoNewPrivs":
			var n int
			if n, err = number32(value); err == nil {
				s.NoNewPrivs = &noNewPrivs[min(n, 1)]
			}
		case "Seccomp":
			var n int
			if n, err = number32(value); err == nil {
				s.Seccomp = seccompMode(n)
			}
		case "Threads":
			s.Threads, err = number32(value)
		case "VmHWM":
			text, unit, _ := strings.Cut(string(value), " ")
			if s.PeakRSS, err = strconv.ParseInt(text, 10, 64); err != nil || unit != "kB" {
				err = fmt.Errorf("expected a number of kB")
			}
		}
		if err != nil {
			return Status{}, fmt.Errorf("status line %d: %w, found %.80q", number, err, line)
		}
	}
	for _, must := range []struct {
		name string
		seen bool
	}{{"Name", seen.name}, {"State", seen.state}, {"Pid", seen.pid}, {"Uid", seen.uid}, {"Gid", seen.gid}} {
		if !must.seen {
			return Status{}, fmt.Errorf("status: no line %s", must.name)
		}
	}
	return s, nil
}

// Values that are the same for all processes, which would otherwise be two
// allocations for each. Nothing changes them.
var (
	noNewPrivs   = [2]bool{false, true}
	seccompModes = [3]int{0, 1, 2}
)

func seccompMode(n int) *int {
	if n < len(seccompModes) {
		return &seccompModes[n]
	}
	return &n
}

// capMask parses 16 hex digits: fewer would be a line that was cut.
func capMask(value []byte) (fact.CapMask, error) {
	if len(value) != 16 {
		return fact.CapMask{}, fmt.Errorf("expected 16 hex digits")
	}
	bits, err := strconv.ParseUint(string(value), 16, 64)
	if err != nil {
		return fact.CapMask{}, fmt.Errorf("expected 16 hex digits")
	}
	return fact.NewCapMask(bits), nil
}

func number32(value []byte) (int, error) {
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("expected a number")
	}
	return int(n), nil
}

func fourIDs(value []byte) (ids [4]int64, err error) {
	n := 0
	for word := range words(value) {
		id, err := strconv.ParseUint(string(word), 10, 32)
		if err != nil || n == len(ids) {
			return [4]int64{}, fmt.Errorf("expected four ids")
		}
		ids[n] = int64(id)
		n++
	}
	if n < len(ids) {
		return [4]int64{}, fmt.Errorf("expected four ids")
	}
	return ids, nil
}

func groups(value []byte) ([]int64, error) {
	var ids []int64
	for word := range words(value) {
		id, err := strconv.ParseUint(string(word), 10, 32)
		switch {
		case err != nil:
			return nil, fmt.Errorf("expected ids")
		case len(ids) == fact.MaxGroups:
			return ids, nil
		}
		ids = append(ids, int64(id))
	}
	return ids, nil
}

func lastNumber(value []byte) (last, count int, err error) {
	var word []byte
	for word = range words(value) {
		count++
	}
	if count == 0 {
		return 0, 0, fmt.Errorf("expected pids")
	}
	last, err = number32(word)
	return last, count, err
}

// words are what lies between blanks and tabs. Unlike bytes.Fields it allocates
// nothing: these lines are read of every thread.
func words(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			value = bytes.TrimLeft(value, " \t")
			if len(value) == 0 {
				return
			}
			end := bytes.IndexAny(value, " \t")
			if end < 0 {
				end = len(value)
			}
			if !yield(value[:end]) {
				return
			}
			value = value[end:]
		}
	}
}

// unescapeComm undoes what status does to a comm: \n and \\ only.
func unescapeComm(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return strings.NewReplacer(`\n`, "\n", `\\`, `\`).Replace(s)
}
