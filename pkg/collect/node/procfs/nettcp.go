package procfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// TCPListener is a listening socket, one line of /proc/PID/net/tcp or tcp6.
type TCPListener struct {
	// IP is the address: of IPv6 all 16 bytes, of IPv4 the first 4. In tcp6 a socket
	// bound to an IPv4 address has it mapped (::ffff:a.b.c.d).
	IP    [16]byte
	V6    bool
	Port  int
	UID   uint32
	Inode uint64
}

// Address is the IP address as text (RFC 5952): "127.0.0.1", "::", "::ffff:192.0.2.1".
func (l TCPListener) Address() string {
	if !l.V6 {
		return dotted(l.IP[:4])
	}
	if bytes.HasPrefix(l.IP[:], mappedPrefix) {
		return "::ffff:" + dotted(l.IP[12:])
	}
	return colons(l.IP)
}

// Loopback reports whether only this machine can reach the address.
func (l TCPListener) Loopback() bool {
	switch {
	case !l.V6:
		return l.IP[0] == 127
	case bytes.HasPrefix(l.IP[:], mappedPrefix):
		return l.IP[12] == 127
	}
	return l.IP == [16]byte{15: 1}
}

// Unspecified reports whether the socket takes connections to every address.
func (l TCPListener) Unspecified() bool {
	return l.IP == [16]byte{} || l.V6 && l.IP == [16]byte{10: 0xff, 11: 0xff}
}

var mappedPrefix = []byte{10: 0xff, 11: 0xff}

func dotted(ip []byte) string {
	var text []byte
	for i, b := range ip {
		if i > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendUint(text, uint64(b), 10)
	}
	return string(text)
}

// colons leaves out the longest run of at least two zero groups, the first of equal ones.
// Package net/netip would do, but the probe links nothing of net.
func colons(ip [16]byte) string {
	const groups = 8
	group := func(i int) uint16 { return binary.BigEndian.Uint16(ip[2*i:]) }
	from, to := -1, -1
	for i := 0; i < groups; i++ {
		j := i
		for j < groups && group(j) == 0 {
			j++
		}
		if j-i >= 2 && j-i > to-from {
			from, to = i, j
		}
		i = max(i, j-1)
	}
	var text strings.Builder
	for i := 0; i < groups; i++ {
		if i == from {
			text.WriteString("::")
			if i = to; i == groups {
				break
			}
		} else if i > 0 {
			text.WriteByte(':')
		}
		text.WriteString(strconv.FormatUint(uint64(group(i)), 16))
	}
	return text.String()
}

const (
	// MaxTCPListeners bounds the sockets of one table.
	MaxTCPListeners = 4096
	// maxTCPTable bounds the bytes of a table. A connection takes 150 in tcp and about
	// 180 in tcp6.
	maxTCPTable = 128 << 20

	tcpListen = 0x0A // TCP_LISTEN in the kernel's net/tcp_states.h
)

// ErrTCPTable says that a table is longer than what is read of it.
var ErrTCPTable = errors.New("net/tcp: longer than 128 MiB, or more than 4,096 listening sockets")

// ReadTCPListeners reads the listening sockets of /proc/PID/net/tcp, or of tcp6 if v6
// (proc_pid_net(5)), in their order, each inode once. It holds no more than one piece of
// the file in memory. Connections are skipped:
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//	 0: 0100007F:0CEB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20145 ...
//
// Address words are in the byte order of the machine, the port is not. With an error the
// sockets that were read before are returned, too.
func ReadTCPListeners(r io.Reader, v6 bool) ([]TCPListener, error) {
	var (
		all    []TCPListener
		buf    = make([]byte, 8<<10)
		kept   int
		total  int64
		number int
		seen   = map[uint64]bool{}
	)
	for {
		n, err := r.Read(buf[kept:])
		total += int64(n)
		data := buf[:kept+n]
		for {
			line, rest, whole := bytes.Cut(data, []byte{'\n'})
			if !whole {
				break
			}
			data = rest
			number++
			if number == 1 {
				if !bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("sl ")) {
					return nil, fmt.Errorf("net/tcp line 1: expected the names of columns, found %.40q", line)
				}
				continue
			}
			l, listens, err := parseTCPLine(line, v6)
			if err != nil {
				return all, fmt.Errorf("net/tcp line %d: %w", number, err)
			}
			if !listens || seen[l.Inode] {
				continue
			}
			if len(all) == MaxTCPListeners {
				return all, ErrTCPTable
			}
			seen[l.Inode] = true
			all = append(all, l)
		}
		switch kept = copy(buf, data); {
		case errors.Is(err, io.EOF) && number == 0:
			return nil, errors.New("net/tcp: expected a line with the names of columns, found none")
		case errors.Is(err, io.EOF) && kept > 0:
			return all, errors.New("net/tcp: expected a newline at the end")
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return all, err
		case kept == len(buf):
			return all, fmt.Errorf("net/tcp line %d: longer than %d bytes", number+1, len(buf))
		case total > maxTCPTable:
			return all, ErrTCPTable
		}
	}
}

// parseTCPLine reads one socket; of one that does not listen it looks at the state only.
func parseTCPLine(line []byte, v6 bool) (l TCPListener, listens bool, err error) {
	const used = 10
	var field [used][]byte
	for i := range field {
		line = bytes.TrimLeft(line, " ")
		end := bytes.IndexByte(line, ' ')
		if end < 0 {
			end = len(line)
		}
		field[i], line = line[:end], line[end:]
		if end == 0 {
			return l, false, fmt.Errorf("expected %d fields, found %d", used, i)
		}
	}
	state, err := strconv.ParseUint(string(field[3]), 16, 8)
	if err != nil {
		return l, false, fmt.Errorf("expected a state in hex, found %.20q", field[3])
	}
	if state != tcpListen {
		return l, false, nil
	}
	address, port, _ := bytes.Cut(field[1], []byte{':'})
	words := 1
	if v6 {
		words = 4
	}
	if len(address) != 8*words || len(port) != 4 {
		return l, false, fmt.Errorf("expected an address of %d hex digits and a port of 4, found %.60q", 8*words, field[1])
	}
	for i := range words {
		word, err := strconv.ParseUint(string(address[8*i:8*i+8]), 16, 32)
		if err != nil {
			return l, false, fmt.Errorf("expected an address in hex, found %.60q", field[1])
		}
		binary.NativeEndian.PutUint32(l.IP[4*i:], uint32(word))
	}
	number, errPort := strconv.ParseUint(string(port), 16, 16)
	uid, errUID := strconv.ParseUint(string(field[7]), 10, 32)
	inode, errInode := strconv.ParseUint(string(field[9]), 10, 64)
	if errPort != nil || errUID != nil || errInode != nil {
		return l, false, fmt.Errorf("expected a port, a user and an inode, found %.10q, %.20q and %.20q", port, field[7], field[9])
	}
	l.V6, l.Port, l.UID, l.Inode = v6, int(number), uint32(uid), inode
	return l, true, nil
}
