package cli

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// client-go sleeps between two errors that it logs, by when the last one was: in
// a bubble of fake time until the machine's own.
func init() { utilruntime.ErrorHandlers = nil }

// memoryServer is a server whose connections are in memory: of sockets
// testing/synctest does not know that nothing will come, so that its clock would
// stand still. Start or StartTLS it.
type memoryServer struct {
	*httptest.Server
	*pipeListener
}

func newMemoryServer(t *testing.T, handler http.HandlerFunc) *memoryServer {
	t.Helper()
	s := &memoryServer{httptest.NewUnstartedServer(handler), &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}}
	_ = s.Listener.Close()
	s.Listener = s.pipeListener
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Server.Close)
	return s
}

// pipeListener listens for connections in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

// dial connects to the listener. Elsewhere nobody listens.
func (l *pipeListener) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if address != l.Addr().String() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "127.0.0.1:6443" } // one for which httptest has a certificate
