//go:build linux && (amd64 || arm64)

package attempt

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// netAllows names the attempts that the net lock does not refuse by itself. Making a TCP
// socket and binding it is what it is for. Writing is not refused: nothing is open for it
// (lock.InstallNet sees to that, and the test of it is TestInstallNet).
var netAllows = []string{"socket-inet", "bind", "write-elsewhere", "write-stderr", "write-upper-half"}

// netTries are tried in addition under the net lock. All that is read under the other lock
// must be refused, too.
func netTries() []try {
	var out []try
	for _, a := range append(tries, archTries...) {
		if !slices.Contains(netAllows, a.name) {
			out = append(out, a)
		}
	}
	for _, a := range reads {
		out = append(out, try{"read-" + a.name, true, a.do})
	}
	return append(
		out,
		try{"listen", true, func(*env) error { return onSocket(func(fd int) error { return unix.Listen(fd, 1) }) }},
		try{"accept4", false, func(*env) error {
			return onSocket(func(fd int) error { return call(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, 0) })
		}},
		try{"accept", false, func(*env) error {
			return onSocket(func(fd int) error { return call(unix.SYS_ACCEPT, uintptr(fd), 0, 0) })
		}},
		try{"socket-udp", true, func(*env) error { return made(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)) }},
		try{"socket-udp6", false, func(*env) error { return made(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)) }},
		try{"socket-icmp", false, func(*env) error {
			return made(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP))
		}},
		try{"socket-raw", false, func(*env) error {
			return made(unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP))
		}},
		try{"socket-mptcp", false, func(*env) error {
			return made(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP))
		}},
		try{"socket-sctp", false, func(*env) error {
			return made(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP))
		}},
		try{"socket-vsock", false, func(*env) error { return made(unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)) }},
		try{"socket-alg", false, func(*env) error { return made(unix.Socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)) }},
		try{"socket-upper-half", false, func(*env) error {
			return call(unix.SYS_SOCKET, 1<<32|unix.AF_UNIX, unix.SOCK_STREAM, 0)
		}},
		try{"connect-unix-on-tcp", false, func(*env) error {
			return onSocket(func(fd int) error { return unix.Connect(fd, &unix.SockaddrUnix{Name: "/run/x.sock"}) })
		}},
		try{"bind-unix-on-tcp", false, func(*env) error {
			return onSocket(func(fd int) error { return unix.Bind(fd, &unix.SockaddrUnix{Name: "/nonexistent/x"}) })
		}},
		try{"sendto-fast-open", false, func(*env) error {
			return onSocket(func(fd int) error {
				return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 1})
			})
		}},
		try{"sendmsg", false, func(*env) error { return call(unix.SYS_SENDMSG, noFD, 0, 0) }},
		try{"sendmmsg", false, func(*env) error { return call(unix.SYS_SENDMMSG, noFD, 0, 0, 0) }},
		try{"recvmsg", false, func(*env) error { return call(unix.SYS_RECVMSG, noFD, 0, 0) }},
		try{"setsockopt-reuseport", true, func(*env) error {
			return onSocket(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		}},
		try{"setsockopt-bindtodevice", false, func(*env) error {
			return onSocket(func(fd int) error { return unix.BindToDevice(fd, "lo") })
		}},
		try{"setsockopt-attach-filter", false, func(*env) error {
			return onSocket(func(fd int) error {
				pass := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1}
				return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &pass})
			})
		}},
		try{"setsockopt-fast-open", true, func(*env) error {
			return onSocket(func(fd int) error {
				return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
			})
		}},
		try{"setsockopt-upper-half", false, func(*env) error {
			return onSocket(func(fd int) error {
				return call(unix.SYS_SETSOCKOPT, uintptr(fd), 1<<32|unix.SOL_SOCKET, unix.TCP_NODELAY, 0, 0)
			})
		}},
		try{"getsockopt-type", true, func(*env) error {
			return onSocket(func(fd int) error { _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); return err })
		}},
	)
}

// onSocket does something with a new TCP socket, which every lock but the net lock refuses.
func onSocket(do func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("no-socket-%d", err) // not EPERM: nothing was tried
	}
	defer unix.Close(fd)
	return do(fd)
}

// netUses are what the net probe needs, tried with the servers that Main started.
func netUses(servers []string) []try {
	var out []try
	for i, server := range servers {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			out = append(out, try{name: fmt.Sprintf("handshake-%d-%x", i, version), do: func(*env) error { return handshake(server, version) }})
		}
		out = append(out, try{name: fmt.Sprintf("deadline-%d", i), do: func(*env) error {
			conn, err := dial(server)
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				return err
			}
			var timeout net.Error
			if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
				return fmt.Errorf("expected a timeout, found %w", err)
			}
			return nil
		}})
	}
	return append(out, try{name: "refused-connection", do: func(*env) error {
		conn, err := dial("127.0.0.1:1")
		if err == nil {
			return conn.Close()
		}
		if errors.Is(err, unix.ECONNREFUSED) {
			return nil
		}
		return err
	}})
}

// dial connects as package transit does: from an address and a port that it chose.
func dial(server string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}, KeepAlive: -1, Timeout: 20 * time.Second}
	d.SetMultipathTCP(false)
	return d.DialContext(context.Background(), "tcp", server)
}

func handshake(server string, version uint16) error {
	conn, err := dial(server)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}) //nolint:gosec // a handshake with a test's own server
	if err := c.Handshake(); err != nil {
		return err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return err
}

// netStress shakes hands, so many times, while the runtime does everything that needs a
// system call.
func netStress(rounds int, servers []string) error {
	debug.SetGCPercent(1)
	for range rounds {
		var wg sync.WaitGroup
		errs := make(chan error, 16)
		for range 4 {
			wg.Go(func() {
				runtime.LockOSThread() // the thread ends with the goroutine
				time.Sleep(time.Millisecond)
			})
		}
		for _, server := range servers {
			wg.Go(func() {
				if err := handshake(server, tls.VersionTLS13); err != nil {
					errs <- err
				}
			})
		}
		runtime.GC()
		wg.Wait()
		select {
		case err := <-errs:
			return err
		default:
		}
	}
	debug.FreeOSMemory()
	return nil
}

// serve starts servers for netUses, at loopback of IPv4, and of IPv6 where the machine has
// it. Each sends back the first byte that it gets.
func serve() (servers []string, stop func(), err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	var listeners []net.Listener
	stop = func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := tls.Listen("tcp", address, config)
		if err != nil && len(listeners) > 0 {
			break // no IPv6
		}
		if err != nil {
			return nil, nil, err
		}
		listeners, servers = append(listeners, l), append(servers, l.Addr().String())
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					_, _ = io.CopyN(conn, conn, 1)
				}()
			}
		}()
	}
	return servers, stop, nil
}
