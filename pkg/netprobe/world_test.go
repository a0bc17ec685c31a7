//go:build linux && (amd64 || arm64)

package netprobe

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// worldEnv makes this test binary a world: it runs in a network namespace of its own, in
// which it starts servers, and then the net probe. So the tables that the probe reads, and
// the addresses that it finds, are the same on every machine.
const worldEnv = "CHECKLIST_NETPROBE_WORLD"

var builds struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	if os.Getenv(worldEnv) != "" {
		if err := world(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if builds.dir != "" {
		_ = os.RemoveAll(builds.dir)
	}
	os.Exit(code)
}

// built builds the program, as it is released, where every user can run it.
func built(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the probe")
	}
	builds.Do(func() {
		if builds.dir, builds.err = os.MkdirTemp("", "checklist-net-test-"); builds.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", filepath.Join(builds.dir, program), command)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			builds.err = fmt.Errorf("%w: %s", err, out)
			return
		}
		builds.err = os.Chmod(builds.dir, 0o755)
	})
	if builds.err != nil {
		t.Fatal(builds.err)
	}
	return filepath.Join(builds.dir, program)
}

// Where the servers of a world are. own is the node's; the probe is not told of the other.
const (
	own     = "10.9.0.1"
	foreign = "10.9.0.2"

	kubelet   = "0.0.0.0:10250"
	apiServer = own + ":6443"
	stranger  = foreign + ":2379"
	silent    = "127.0.0.1:10257"
	flooding  = "127.0.0.1:10259"
	unknown   = "127.0.0.1:12345"
)

// outcome is what a world saw of a probe.
type outcome struct {
	Status       int
	Log, Message []byte
	Stderr       string
	NetNS        string // the link of the world's own
	// Seen are the addresses from which each server was connected.
	Seen map[string][]string
	// Live is what /proc said of the process while it waited for the silent server; Files
	// what its descriptors were.
	Live  map[string]string
	Files []string
}

// inWorld runs a program in a new world. "MESSAGE" in an argument stands for the
// termination log.
func inWorld(t *testing.T, servers string, command ...string) outcome {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "root, to make a network namespace")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		missing(t, "setpriv (Debian: util-linux)")
	}
	cmd := exec.Command("/proc/self/exe", append([]string{servers}, command...)...)
	cmd.Env = append(os.Environ(), worldEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var o outcome
	if err := json.Unmarshal(stdout.Bytes(), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// missing skips a test, or fails it where everything is said to be installed.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

func world(args []string) error {
	w := &servers{seen: map[string][]string{}, waited: make(chan struct{})}
	if err := addresses("lo", "lo:1="+own, "lo:2="+foreign); err != nil {
		return err
	}
	if args[0] == "servers" {
		if err := w.start(); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "checklist-net-world-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	message := filepath.Join(dir, "termination-log")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(message, nil, 0o600), os.Chown(message, 65534, 65534)); err != nil {
		return err
	}
	var command []string
	for _, arg := range args[1:] {
		command = append(command, strings.ReplaceAll(arg, "MESSAGE", message))
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOTRACEBACK=crash", "KUBERNETES_SERVICE_HOST=10.0.0.1"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	o := outcome{Live: map[string]string{}}
	looked := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		select {
		case <-w.waited:
			looked <- o.look(cmd.Process.Pid)
		case <-ended:
			looked <- nil
		}
	}()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	close(ended)
	if err := <-looked; err != nil {
		return err
	}
	o.Status, o.Log, o.Stderr = cmd.ProcessState.ExitCode(), stdout.Bytes(), stderr.String()
	if o.Message, err = os.ReadFile(message); err != nil {
		return err
	}
	if o.NetNS, err = os.Readlink("/proc/self/ns/net"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	o.Seen = w.seen
	return json.NewEncoder(os.Stdout).Encode(o)
}

// look reads what the kernel says about the probe.
func (o *outcome) look(pid int) error {
	dir := fmt.Sprintf("/proc/%d/", pid)
	for _, name := range []string{"comm", "limits", "status", "environ"} {
		text, err := os.ReadFile(dir + name)
		if err != nil {
			return err
		}
		o.Live[name] = string(text)
	}
	var info unix.Stat_t
	if err := unix.Stat(dir+"status", &info); err != nil {
		return err
	}
	o.Live["owner"] = fmt.Sprint(info.Uid)
	entries, err := os.ReadDir(dir + "fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		link, err := os.Readlink(dir + "fd/" + e.Name())
		if err != nil {
			return err
		}
		text, err := os.ReadFile(dir + "fdinfo/" + e.Name())
		if err != nil {
			return err
		}
		kind := strings.TrimRight(link, ":[]0123456789") // without the inode
		access := "?"
		for line := range strings.Lines(string(text)) {
			var flags int
			if n, _ := fmt.Sscanf(line, "flags:\t%o", &flags); n == 1 {
				access = []string{"read", "write", "both", "none"}[flags&unix.O_ACCMODE]
				if flags&unix.O_PATH != 0 {
					access = "path"
				}
			}
		}
		o.Files = append(o.Files, access+" "+kind)
	}
	return nil
}

// addresses sets interfaces up, and adds addresses as aliases (netdevice(7)).
func addresses(words ...string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, word := range words {
		name, address, _ := strings.Cut(word, "=")
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		request := uint(unix.SIOCSIFFLAGS)
		if address != "" {
			request = unix.SIOCSIFADDR
			err = ifr.SetInet4Addr(net.ParseIP(address).To4())
		} else {
			ifr.SetUint16(unix.IFF_UP)
		}
		if err := errors.Join(err, unix.IoctlIfreq(fd, request, ifr)); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

// servers are those of a world.
type servers struct {
	mu     sync.Mutex
	seen   map[string][]string
	once   sync.Once
	waited chan struct{} // closed once the silent server has a connection
}

// counted remembers who connects to a listener.
type counted struct {
	net.Listener
	name string
	w    *servers
}

func (l counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.w.mu.Lock()
		l.w.seen[l.name] = append(l.w.seen[l.name], conn.RemoteAddr().String())
		l.w.mu.Unlock()
	}
	return conn, err
}

func (w *servers) start() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(own)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	refuse := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) })
	web := func(l net.Listener) {
		server := &http.Server{Handler: refuse, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
		_ = server.ServeTLS(l, "", "")
	}
	each := func(serve func(conn net.Conn)) func(l net.Listener) {
		return func(l net.Listener) {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go serve(conn)
			}
		}
	}
	for address, serve := range map[string]func(net.Listener){
		kubelet: web, apiServer: web, stranger: web, unknown: web,
		silent: each(func(net.Conn) { w.once.Do(func() { close(w.waited) }) }),
		flooding: each(func(conn net.Conn) {
			defer conn.Close()
			for zeros := make([]byte, 1<<20); ; {
				if _, err := conn.Write(zeros); err != nil {
					return
				}
			}
		}),
	} {
		l, err := net.Listen("tcp4", address)
		if err != nil {
			return err
		}
		go serve(counted{l, address, w})
	}
	return nil
}
