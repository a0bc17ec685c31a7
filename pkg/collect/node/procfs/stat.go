package procfs

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Stat is what is needed of /proc/PID/stat (proc_pid_stat(5)).
type Stat struct {
	PID   int
	Comm  string // raw bytes
	State byte   // 'Z' is a zombie
	PPID  int
	Flags uint32 // PF_* of the kernel
	UTime uint64 // clock ticks in user mode; TicksPerSecond a second
	STime uint64 // clock ticks in kernel mode
	// Threads counts those that have not been waited for: a leader that has ended
	// stays a zombie as long as others run.
	Threads int
	// StartTime counts clock ticks from boot to start. exec does not change it.
	StartTime uint64
}

// TicksPerSecond is USER_HZ, which is 100 on every architecture that
// Kubernetes runs on (sysconf(_SC_CLK_TCK)).
const TicksPerSecond = 100

// kernelThread is PF_KTHREAD of linux/sched.h.
const kernelThread = 0x200000

// KernelThread reports whether the process is the kernel's own: no executable,
// no user memory.
func (s *Stat) KernelThread() bool { return s.Flags&kernelThread != 0 }

// ParseStat parses a whole file. The name in field 2 may hold spaces and
// parentheses, so fields are counted after the last ')'.
func ParseStat(data []byte) (Stat, error) {
	bad := func(what string) (Stat, error) {
		return Stat{}, fmt.Errorf("stat: expected %s in %.200q", what, data)
	}
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 1 || end < open {
		return bad("a pid and a name in parentheses")
	}
	var s Stat
	pid, err := strconv.ParseInt(strings.TrimSpace(string(data[:open])), 10, 32)
	if err != nil || pid < 0 {
		return bad("a pid as field 1")
	}
	s.PID, s.Comm = int(pid), string(data[open+1:end])
	rest := data[end+1:]
	for field := 3; field <= 22; field++ {
		rest = bytes.TrimLeft(rest, " ")
		var f []byte
		if i := bytes.IndexByte(rest, ' '); i >= 0 {
			f, rest = rest[:i], rest[i:]
		} else {
			// Field 22 is followed by 30 more: one that ends the data may be cut.
			return bad("more than " + strconv.Itoa(field) + " fields")
		}
		number := func(bits int) uint64 {
			var n uint64
			if n, err = strconv.ParseUint(string(f), 10, bits); err != nil {
				err = fmt.Errorf("stat: expected a number as field %d in %.200q", field, data)
			}
			return n
		}
		switch field {
		case 3:
			if len(f) != 1 || f[0] < 'A' || f[0] > 'z' {
				return bad("a letter as field 3")
			}
			s.State = f[0]
		case 4:
			s.PPID = int(number(31))
		case 9:
			s.Flags = uint32(number(32))
		case 14:
			s.UTime = number(64)
		case 15:
			s.STime = number(64)
		case 20:
			s.Threads = int(number(31))
		case 22:
			s.StartTime = number(64)
		}
		if err != nil {
			return Stat{}, err
		}
	}
	return s, nil
}

// ParseBootTime finds btime in /proc/stat: when the machine was booted.
func ParseBootTime(data []byte) (time.Time, error) {
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		value, ok := bytes.CutPrefix(line, []byte("btime "))
		if !ok {
			continue
		}
		seconds, err := strconv.ParseInt(string(value), 10, 40)
		if err != nil || seconds <= 0 {
			return time.Time{}, fmt.Errorf("/proc/stat: expected seconds since 1970 after btime, found %.40q", value)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("/proc/stat: no line btime")
}

// ParseUptime reads the first number of /proc/uptime: for how long the machine has been
// up, in hundredths of a second.
func ParseUptime(data []byte) (time.Duration, error) {
	word, _, _ := bytes.Cut(data, []byte{' '})
	seconds, parts, ok := bytes.Cut(word, []byte{'.'})
	whole, err := strconv.ParseUint(string(seconds), 10, 32)
	hundredths, partErr := strconv.ParseUint(string(parts), 10, 8)
	if !ok || len(parts) != 2 || err != nil || partErr != nil {
		return 0, fmt.Errorf("/proc/uptime: expected seconds with two decimals, found %.40q", word)
	}
	return time.Duration(whole)*time.Second + time.Duration(hundredths)*10*time.Millisecond, nil
}

// Started converts StartTime. It is exact to a second, as btime is.
func (s *Stat) Started(boot time.Time) time.Time {
	if boot.IsZero() || s.StartTime > 1<<40 {
		return time.Time{}
	}
	return boot.Add(time.Duration(s.StartTime) * (time.Second / TicksPerSecond))
}
