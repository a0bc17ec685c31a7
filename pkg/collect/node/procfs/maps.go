package procfs

import (
	"bytes"
	"fmt"
)

// Mapping is what is needed of one line of /proc/PID/maps (proc_pid_maps(5)):
//
//	7f3a4c000000-7f3a4c021000 r-xp 00001000 08:01 2360 /usr/lib/libm.so.6
//	addresses perms offset major:minor inode           path
//
// The path is that of the mapped file as the reader sees it, and ends in
// " (deleted)" if it has no name any more. The kernel writes a newline in it as
// "\012", and nothing else is escaped.
//
// On an overlay, device and inode are those of the merged view since Linux 6.8,
// where a copied-up file keeps the inode of the lower one. Before, they are those
// of the layer's own file.
type Mapping struct {
	Exec bool
	// Private says that writes to the mapping do not reach the file (MAP_PRIVATE),
	// as a loader maps code.
	Private      bool
	Major, Minor uint32
	Inode        uint64 // 0 where no file is mapped
	Path         []byte // a part of the line, "" where no file is mapped
	// File is the part of the line that names the file: device, inode and path.
	File []byte
}

// ParseMapping parses a line without its newline. It keeps none of it but Path and
// File.
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
	m.Exec, m.Private = perms[2] == 'x', perms[3] == 'p'
	if len(field()) == 0 {
		return bad("an offset as field 3")
	}
	m.File = rest
	major, minor, _ := bytes.Cut(field(), []byte{':'})
	a, okA := parseUint(major, 16, 1<<32-1)
	b, okB := parseUint(minor, 16, 1<<32-1)
	if !okA || !okB {
		return bad("major:minor as field 4")
	}
	m.Major, m.Minor = uint32(a), uint32(b)
	var ok bool
	if m.Inode, ok = parseUint(field(), 10, 1<<64-1); !ok {
		return bad("an inode as field 5")
	}
	m.Path = bytes.TrimLeft(rest, " ")
	return m, nil
}

// MayExecute reports whether a line of maps may be that of an executable mapping,
// without parsing it: most lines are not.
func MayExecute(line []byte) bool {
	i := bytes.IndexByte(line, ' ')
	return i < 0 || len(line) < i+4 || line[i+3] == 'x'
}

// parseUint is strconv.ParseUint without its allocation. A process may have 65,530
// lines.
func parseUint(digits []byte, base, most uint64) (uint64, bool) {
	if len(digits) == 0 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		var d uint64
		switch {
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case base == 16 && 'a' <= c && c <= 'f':
			d = uint64(c-'a') + 10
		default:
			return 0, false
		}
		if n > (most-d)/base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}
