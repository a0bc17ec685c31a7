package procfs

import (
	"bytes"
	"fmt"
	"strconv"
)

// Mapping is what is needed of one line of /proc/PID/maps (proc_pid_maps(5)):
//
//	7f3a4c000000-7f3a4c021000 r-xp 00001000 08:01 2360 /usr/lib/libm.so.6
//	addresses perms offset major:minor inode           path
//
// The path is that of the mapped file as the reader sees it, and ends in
// " (deleted)" if it has no name any more. The kernel writes a newline in it as
// "\012".
type Mapping struct {
	Exec         bool
	Major, Minor uint32
	Inode        uint64 // 0 where no file is mapped
	Path         []byte // a part of the line, "" where no file is mapped
}

// ParseMapping parses a line without its newline. It keeps none of it but Path.
func ParseMapping(line []byte) (Mapping, error) {
	bad := func(what string) (Mapping, error) {
		return Mapping{}, fmt.Errorf("maps: expected %s in %.100q", what, line)
	}
	rest := line
	field := func() (f []byte) {
		f, rest, _ = bytes.Cut(rest, []byte{' '})
		return f
	}
	var m Mapping
	if from, to, ok := bytes.Cut(field(), []byte{'-'}); !ok || len(from) == 0 || len(to) == 0 {
		return bad("two addresses as field 1")
	}
	perms := field()
	if len(perms) != 4 {
		return bad("four letters as field 2")
	}
	m.Exec = perms[2] == 'x'
	if len(field()) == 0 {
		return bad("an offset as field 3")
	}
	major, minor, ok := bytes.Cut(field(), []byte{':'})
	a, errA := strconv.ParseUint(string(major), 16, 32)
	b, errB := strconv.ParseUint(string(minor), 16, 32)
	if !ok || errA != nil || errB != nil {
		return bad("major:minor as field 4")
	}
	m.Major, m.Minor = uint32(a), uint32(b)
	var err error
	if m.Inode, err = strconv.ParseUint(string(field()), 10, 64); err != nil {
		return bad("an inode as field 5")
	}
	m.Path = bytes.TrimLeft(rest, " ")
	return m, nil
}
