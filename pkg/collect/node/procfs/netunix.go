package procfs

import (
	"bytes"
	"fmt"
)

// EachUnixSocket calls do with the path of every socket in /proc/PID/net/unix
// (proc_pid_net(5), unix(7)), as its owner bound it:
//
//	Num RefCount Protocol Flags Type St Inode Path
//
// Those without a name, and abstract ones ("@name"), are left out. A path is raw
// bytes, so one can hold a newline: what follows then is no line, and is skipped.
func EachUnixSocket(data []byte, do func(path []byte)) error {
	header, data, ok := bytes.Cut(data, []byte{'\n'})
	if !ok || !bytes.HasPrefix(bytes.TrimSpace(header), []byte("Num")) {
		return fmt.Errorf("net/unix: expected a line that begins with Num, found %.80q", header)
	}
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		field := 0
		for field < 7 {
			line = bytes.TrimLeft(line, " ")
			i := bytes.IndexByte(line, ' ')
			if i < 0 {
				break
			}
			if field == 0 && line[i-1] != ':' {
				break
			}
			line = line[i:]
			field++
		}
		if field == 7 && len(line) > 1 && line[1] == '/' {
			do(line[1:])
		}
	}
	return nil
}
