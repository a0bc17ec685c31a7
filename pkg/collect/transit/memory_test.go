package transit

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// network is a listener in memory. Unlike net.Pipe it buffers, as TCP does, and unlike TCP
// it can be waited for in a bubble of testing/synctest, where time is not real.
type network struct {
	address  netip.AddrPort
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newNetwork(address netip.AddrPort) *network {
	return &network{address: address, incoming: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.incoming:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return net.TCPAddrFromAddrPort(n.address) }

func (n *network) dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	if remote != n.address {
		return nil, syscall.ECONNREFUSED
	}
	a, b := newStream(), newStream()
	client := &memoryConn{in: a, out: b, local: local, remote: remote}
	select {
	case n.incoming <- &memoryConn{in: b, out: a, local: remote, remote: local}:
		return client, nil
	case <-n.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stream is one direction of a connection.
type stream struct {
	mu   sync.Mutex
	cond *sync.Cond
	data []byte
	end  error // what Read returns after the data, nil while it is open
}

func newStream() *stream {
	s := &stream{}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *stream) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = err
	}
	s.cond.Broadcast()
}

type memoryConn struct {
	in, out       *stream
	local, remote netip.AddrPort
	read, write   deadline
}

type deadline struct {
	timer *time.Timer
	past  bool // guarded by the stream's mutex
}

func (c *memoryConn) Read(p []byte) (int, error) {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case c.read.past:
			return 0, os.ErrDeadlineExceeded
		case len(s.data) > 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			s.cond.Broadcast()
			return n, nil
		case s.end != nil:
			return 0, s.end
		}
		s.cond.Wait()
	}
}

func (c *memoryConn) Write(p []byte) (int, error) {
	const window = 256 << 10
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.data) > window && s.end == nil && !c.write.past {
		s.cond.Wait()
	}
	switch {
	case c.write.past:
		return 0, os.ErrDeadlineExceeded
	case s.end != nil:
		return 0, syscall.EPIPE
	}
	s.data = append(s.data, p...)
	s.cond.Broadcast()
	return len(p), nil
}

func (c *memoryConn) Close() error { return c.end(io.EOF) }

// reset does what TCP does with SetLinger(0).
func (c *memoryConn) reset() { _ = c.end(syscall.ECONNRESET) }

func (c *memoryConn) end(err error) error {
	c.out.close(err)
	c.in.close(net.ErrClosed)
	return nil
}

func (c *memoryConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *memoryConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *memoryConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.read.set(c.in, t)
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.write.set(c.out, t)
	return nil
}

func (d *deadline) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	left := time.Until(t)
	d.past = !t.IsZero() && left <= 0
	if t.IsZero() || d.past {
		s.cond.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.timer == timer {
			d.past = true
			s.cond.Broadcast()
		}
	})
	d.timer = timer
}
