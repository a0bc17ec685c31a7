package overlay

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
)

// fuseServer serves a file system of one program, /prog, until it is stopped: then
// it answers nothing any more. The messages are those of linux/fuse.h, version 7.31.
type fuseServer struct {
	fd      int
	program []byte
	uid     uint32
	stopped chan struct{}
}

func mountFUSE(dir string, uid uint32, program []byte) (*fuseServer, error) {
	fd := spareFUSE
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=0", fd, uid)
	if err := unix.Mount("served", dir, "fuse.served", 0, options); err != nil {
		return nil, fmt.Errorf("mounting FUSE: %w", err)
	}
	s := &fuseServer{fd: fd, program: program, uid: uid, stopped: make(chan struct{})}
	go s.serve()
	return s, nil
}

func (s *fuseServer) serve() {
	request := make([]byte, 1<<17)
	for {
		n, err := unix.Read(s.fd, request)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n < 40 {
			return
		}
		select {
		case <-s.stopped:
			return
		default:
		}
		code, answer, quiet := s.answer(request[:n])
		if quiet {
			continue
		}
		reply := make([]byte, 16, 16+len(answer))
		binary.NativeEndian.PutUint32(reply, uint32(16+len(answer)))
		binary.NativeEndian.PutUint32(reply[4:], uint32(-code))
		copy(reply[8:], request[8:16])
		_, _ = unix.Write(s.fd, append(reply, answer...))
	}
}

// answer returns an error number or what follows the header.
func (s *fuseServer) answer(request []byte) (code int32, answer []byte, quiet bool) {
	order := binary.NativeEndian
	attr := func(b []byte, node uint64) []byte {
		mode, size := uint32(unix.S_IFDIR|0o755), uint64(0)
		if node == 2 {
			mode, size = unix.S_IFREG|0o755, uint64(len(s.program))
		}
		for _, v := range []uint64{node, size, 1, 1, 1, 1} {
			b = order.AppendUint64(b, v)
		}
		for _, v := range []uint32{0, 0, 0, mode, 1, s.uid, 0, 0, 4096, 0} {
			b = order.AppendUint32(b, v)
		}
		return b
	}
	numbers := func(list ...uint64) (b []byte) {
		for _, v := range list {
			b = order.AppendUint64(b, v)
		}
		return b
	}
	switch node := order.Uint64(request[16:]); order.Uint32(request[4:]) {
	case 26: // INIT
		b := make([]byte, 64)
		order.PutUint32(b, 7)
		order.PutUint32(b[4:], 31)
		order.PutUint32(b[20:], 4096)
		return 0, b, false
	case 1: // LOOKUP: valid for no time, as of a server that wants to be asked each time
		if string(request[40:]) != "prog\x00" {
			return int32(unix.ENOENT), nil, false
		}
		return 0, attr(numbers(2, 0, 0, 0, 0), 2), false
	case 3: // GETATTR
		return 0, attr(numbers(0, 0), node), false
	case 14: // OPEN
		return 0, numbers(1, 0), false
	case 15: // READ
		off, size := order.Uint64(request[48:]), uint64(order.Uint32(request[56:]))
		if off >= uint64(len(s.program)) {
			return 0, nil, false
		}
		return 0, s.program[off:min(off+size, uint64(len(s.program)))], false
	case 18, 25: // RELEASE, FLUSH
		return 0, nil, false
	case 2, 36, 42: // FORGET, INTERRUPT, BATCH_FORGET
		return 0, nil, true
	}
	return int32(unix.ENOSYS), nil, false
}

// A program on a server in user space: one that has stopped to answer keeps nobody
// waiting, and one that refuses us is named.
func TestExecutableOnFUSE(t *testing.T) {
	needMounts(t)
	for name, tc := range map[string]struct {
		uid  uint32
		want fact.Executable
		gap  string
	}{
		"a server that does not answer any more": {want: fact.Executable{Path: "/hidden/prog", Origin: fact.OriginVolume, FSType: "fuse.served", Mount: "/hidden"}},
		"a server for one user only": {
			uid: 1000, gap: `its executable is on the fuse.served mount at "/hidden", whose server does not show it: permission denied`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, layout{image: []map[string]string{{"hidden/": ""}}})
			c.run(request{Op: "fuse", Dir: "/hidden", UID: tc.uid, Data: pauseELF("served")})
			pid := c.run(request{Op: "start", Exe: "/hidden/prog", Args: []string{"prog"}, UID: tc.uid})
			c.run(request{Op: "fuse-stop"})
			pass := passOfPIDs(t, pid)
			v := &survey{pass: pass, layers: map[*proctable.Container]*shared{pass.Containers[0]: newShared(nil)}}
			inTime(t, func() { pass.EachContainer(t.Context(), fact.Executables, v.executables, v.code) })
			m := pass.Ledger.Snapshot()
			got, gaps := m.Containers[0].Processes[0].Exe, []string{}
			for _, g := range m.Gaps {
				if g.What == fact.Executables {
					gaps = append(gaps, string(g.Reason)+" "+g.Detail)
				}
			}
			if tc.gap != "" {
				if want := fmt.Sprintf("%s pid %d: %s", fact.Unsupported, pid, tc.gap); got != nil || len(gaps) != 1 || gaps[0] != want {
					t.Errorf("executable %+v, gaps %q, want %q", got, gaps, want)
				}
				return
			}
			if got == nil || got.Path != tc.want.Path || got.Origin != tc.want.Origin || got.FSType != tc.want.FSType || got.Mount != tc.want.Mount || len(gaps) > 0 {
				t.Errorf("executable %+v, gaps %q", got, gaps)
			}
		})
	}
}
