//go:build e2e

package atrest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// server is a real etcd and a real API server, plain processes on the loopback address.
type server struct {
	t      *testing.T
	dir    string
	bin    string
	plugin *plugin
	etcd   *clientv3.Client
	url    string // etcd's
	db     string // etcd's file

	compacted int64 // revision

	api   *process
	at    string // the API server's URL
	http  http.Client
	files []string // its flags for keys and certificates
}

// binaries is where hack/cluster has built Kubernetes and etcd.
func binaries(t *testing.T) string {
	t.Helper()
	home, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(home, "kubectl-checklist", "cluster", "*", "bin", "kube-apiserver"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no kube-apiserver below %s: hack/cluster/run up builds it (%v)", home, err)
	}
	modified := func(path string) time.Time {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return modified(a).Compare(modified(b)) }))
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// process is one that was started here.
type process struct {
	*exec.Cmd
	ended chan struct{}
}

func (p *process) stop() {
	_ = p.Process.Kill()
	<-p.ended
}

// run starts a process that ends with the test, or when it is stopped before.
func (s *server) run(name string, args ...string) *process {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &process{cmd, make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.ended) }()
	s.t.Cleanup(p.stop)
	return p
}

// fail ends the test with the last lines of a log.
func (s *server) fail(name, format string, args ...any) {
	s.t.Helper()
	log, _ := os.ReadFile(filepath.Join(s.dir, name+".log"))
	s.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), log[max(0, len(log)-3000):])
}

// startEtcd starts etcd with an empty directory. It makes a snapshot, and leaves old logs,
// after that many entries.
func startEtcd(t *testing.T, entries int) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), bin: binaries(t)}
	s.plugin = startPlugin(t, s.dir)
	s.url = "http://127.0.0.1:" + freePort(t)
	peer := "http://127.0.0.1:" + freePort(t)
	data := filepath.Join(s.dir, "etcd")
	s.db = filepath.Join(data, "member", "snap", "db")
	s.run("etcd", "--data-dir", data, "--listen-client-urls", s.url, "--advertise-client-urls", s.url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
		"--snapshot-count", strconv.Itoa(entries), "--log-level", "warn", "--unsafe-no-fsync")
	var err error
	if s.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{s.url}, DialTimeout: 30 * time.Second, Logger: zap.NewNop()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.etcd.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := s.etcd.Get(ctx, "x"); err != nil {
		s.fail("etcd", "etcd is not ready: %v", err)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	account, accountPublic, tokens := filepath.Join(s.dir, "sa.key"), filepath.Join(s.dir, "sa.pub"), filepath.Join(s.dir, "tokens.csv")
	s.write(accountPublic, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	s.write(account, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	s.write(tokens, []byte("token,admin,admin,system:masters\n"))
	s.files = []string{
		"--service-account-key-file", accountPublic, "--service-account-signing-key-file", account,
		"--service-account-issuer", "https://kubernetes.default.svc", "--token-auth-file", tokens,
	}
	s.http = http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 16,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // ours, with a certificate of its own
	}}
	return s
}

func (s *server) write(path string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start replaces the API server by one with this configuration, "" for none.
func (s *server) start(config string, more ...string) {
	s.t.Helper()
	if s.api != nil {
		s.api.stop()
	}
	port := freePort(s.t)
	s.at = "https://127.0.0.1:" + port
	args := append([]string{
		"--etcd-servers", s.url, "--secure-port", port, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
		"--cert-dir", filepath.Join(s.dir, "certs"), "--authorization-mode", "AlwaysAllow", "--endpoint-reconciler-type", "none",
		"--enable-priority-and-fairness=false", "--service-cluster-ip-range", "10.96.0.0/16",
		"--disable-admission-plugins", "NamespaceLifecycle,ServiceAccount,Priority,DefaultStorageClass,RuntimeClass,ValidatingAdmissionPolicy,MutatingAdmissionPolicy,MutatingAdmissionWebhook,ValidatingAdmissionWebhook",
	}, s.files...)
	if config != "" {
		file := filepath.Join(s.dir, "enc.yaml")
		s.write(file, []byte(config))
		args = append(args, "--encryption-provider-config", file)
	}
	s.api = s.run("kube-apiserver", append(args, more...)...)
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		status, body, err := s.call(http.MethodGet, "/readyz", nil)
		if err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-s.api.ended:
			s.fail("kube-apiserver", "the API server ended")
		default:
		}
		if time.Now().After(deadline) {
			s.fail("kube-apiserver", "the API server is not ready: %d %s, %v", status, body, err)
		}
	}
}

func (s *server) call(method, path string, body any) (int, []byte, error) {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		text = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.at+path, text)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer token")
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := s.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// each calls do for 0 to n-1, a few at a time, and wants its answers to be successes.
func (s *server) each(n int, do func(i int) (method, path string, body any)) {
	s.t.Helper()
	var workers sync.WaitGroup
	errs := make([]error, n)
	next := make(chan int)
	for range 8 {
		workers.Go(func() {
			for i := range next {
				method, path, body := do(i)
				status, answer, err := s.call(method, path, body)
				if err == nil && status/100 != 2 {
					err = fmt.Errorf("%s %s: %d %s", method, path, status, answer)
				}
				errs[i] = err
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			s.fail("kube-apiserver", "%v", err)
		}
	}
}

func secretName(i int) string { return fmt.Sprintf("s%03d", i) }

// canary is the value of one Secret at one time. No other value has it.
func canary(ns string, i, version int) string {
	return fmt.Sprintf("%s-%s-%03d-%d", marker, ns, i, version)
}

// create writes n new Secrets.
func (s *server) create(ns string, n int) {
	s.t.Helper()
	s.each(n, func(i int) (string, string, any) {
		return http.MethodPost, "/api/v1/namespaces/" + ns + "/secrets", map[string]any{
			"metadata": map[string]any{"name": secretName(i)},
			"data":     map[string]any{"password": base64.StdEncoding.EncodeToString([]byte(canary(ns, i, 0)))},
		}
	})
}

// change gives Secrets from one index to another a new value, and with it the form that
// is configured now.
func (s *server) change(ns string, from, to, version int) {
	s.t.Helper()
	s.each(to-from, func(i int) (string, string, any) {
		return http.MethodPatch, "/api/v1/namespaces/" + ns + "/secrets/" + secretName(from+i), map[string]any{
			"data": map[string]any{"password": base64.StdEncoding.EncodeToString([]byte(canary(ns, from+i, version)))},
		}
	})
}

func (s *server) remove(ns string, from, to int) {
	s.t.Helper()
	s.each(to-from, func(i int) (string, string, any) {
		return http.MethodDelete, "/api/v1/namespaces/" + ns + "/secrets/" + secretName(from+i), nil
	})
}
