//go:build live

package live

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
)

// The settings and sockets of a running etcd are those that it was started with, and a
// file written just before the start counts as the one that it has read.
func TestRunningEtcd(t *testing.T) {
	client, peer := freePort(t), freePort(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "etcd.yaml")
	text := fmt.Sprintf("data-dir: %s\nlisten-client-urls: http://127.0.0.1:%s\nadvertise-client-urls: http://127.0.0.1:%s\nlisten-peer-urls: http://127.0.0.1:%s\ninitial-advertise-peer-urls: http://127.0.0.1:%s\ninitial-cluster: default=http://127.0.0.1:%s\nlog-level: error\nlisten-metrics-urls: ''\n",
		filepath.Join(dir, "data"), client, client, peer, peer, peer)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pid := background(t, exec.Command(built(t, "etcd"), "--config-file", file))
	var got fact.Component
	for deadline := time.Now().Add(30 * time.Second); len(got.Sockets) < 2; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("etcd does not listen: %+v", got)
		}
		got = runningProgram(t, pid)
	}
	ports := []string{client, peer}
	slices.Sort(ports)
	var found []string
	for _, s := range got.Sockets {
		if s.Address != "127.0.0.1" || s.Netns != 0 || s.Inode == 0 {
			t.Errorf("socket %+v", s)
		}
		found = append(found, strconv.Itoa(s.Port))
	}
	slices.Sort(found)
	if !slices.Equal(ports, found) || !got.SocketsRead {
		t.Errorf("sockets %v (all of them: %v), want ports %v", found, got.SocketsRead, ports)
	}
	want := fact.Setting{Name: "listen-client-urls", Value: "http://127.0.0.1:" + client, From: file + " listen-client-urls"}
	if s, _ := got.Setting("listen-client-urls"); s != want {
		t.Errorf("setting %+v, want %+v; unfollowed %q", s, want, got.Unfollowed)
	}
	if got.Unfollowed != "" {
		t.Errorf("unfollowed %q; the file was written just before the start", got.Unfollowed)
	}
	// From now on the file is another one.
	if err := os.WriteFile(file, []byte(text+"# changed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = runningProgram(t, pid)
	if want := file + " changed after the process started, which reads it only then"; got.Unfollowed != want {
		t.Errorf("unfollowed %q, want %q", got.Unfollowed, want)
	}
	if s, given := got.Setting("listen-client-urls"); given {
		t.Errorf("setting %+v is of a file that changed", s)
	}
}

// runningProgram reads this machine, and returns the program of a process.
func runningProgram(t *testing.T, pid int) fact.Component {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := node.Local(ctx, node.Options{
		Level: fact.LevelFull, Node: "n", Proc: "/proc", Root: "/", Live: true,
		Kinds: []fact.Kind{fact.ServerSettings, fact.NodeSettings},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Components {
		if c.PID == pid {
			return c
		}
	}
	t.Fatalf("no component of pid %d: %+v, gaps %v", pid, m.Components, m.Gaps)
	return fact.Component{}
}

// The kubelet logs the configuration that it uses, and then finds that it is not valid and
// ends. In 300 random cases the reader finds the same.
func TestKubeletAgrees(t *testing.T) {
	kubelet := built(t, "kubelet")
	random := rand.New(rand.NewPCG(13, 4))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	// fields are random lines of a KubeletConfiguration.
	fields := func(dropIn bool) string {
		var b strings.Builder
		b.WriteString("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n")
		null := func(values ...string) string {
			if dropIn {
				values = append(values, "null")
			}
			return pick(values...)
		}
		for _, line := range []func() string{
			func() string { return "readOnlyPort: " + null("0", "10255", "99") },
			func() string { return "port: " + null("0", "10250", "77") },
			func() string { return "address: " + null("''", "127.0.0.1") },
			func() string { return "enableServer: " + null("true", "false") },
			func() string {
				return "authentication: " + null("{}", "{anonymous: {}}", "{anonymous: {enabled: true}}", "{anonymous: {enabled: false}, webhook: {enabled: false}}", "{webhook: {enabled: "+null("true", "false")+"}}", "{x509: {clientCAFile: "+pick("/ca.crt", "ca.crt", "''")+"}}")
			},
			func() string {
				return "authorization: " + null("{}", "{mode: ''}", "{mode: Webhook}", "{mode: AlwaysAllow}", "{mode: "+null("Webhook")+"}")
			},
			func() string { return "tlsCertFile: " + null("a.crt", "/a.crt", "''") },
			func() string { return "tlsPrivateKeyFile: " + null("../a.key", "''") },
			func() string { return "tlsCipherSuites: " + null("[]", "[A, B]", "[C]") },
			func() string { return "tlsMinVersion: " + null("''", "VersionTLS13", "VersionTLS10") },
			func() string { return "rotateCertificates: " + null("true", "false") },
			func() string { return "serverTLSBootstrap: " + null("true", "false") },
			func() string { return "readonlyPort: 5" }, // not a field; in a drop-in it may count
		} {
			if random.IntN(3) == 0 {
				b.WriteString(line() + "\n")
			}
		}
		return b.String()
	}
	const cases = 300
	undecided, compared := 0, 0
	for i := range cases {
		dir := t.TempDir()
		write := func(name, text string) {
			full := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// What makes it end after the log line, before it does anything.
		args := []string{"--image-gc-high-threshold=10", "--image_gc_low_threshold=80", "--root-dir=" + dir + "/root", "--cert-dir=" + dir + "/pki"}
		if random.IntN(4) > 0 {
			write("etc/config.yaml", fields(false))
			args = append(args, pick("--config="+dir+"/etc/config.yaml", "--config=etc/config.yaml"))
		}
		if random.IntN(2) > 0 {
			args = append(args, "--config-dir", dir+"/d")
			for _, name := range []string{"a.conf", "b/0.conf", "b.conf", "c.txt", "z/y/x.conf"} {
				if random.IntN(2) == 0 {
					write("d/"+name, fields(true))
				}
			}
			write("d/README", "no configuration")
		}
		for _, flag := range [][]string{
			{"--read-only-port=" + pick("0", "10255")},
			{"--anonymous-auth"},
			{"--anonymous_auth=false"},
			{"--authorization-mode", pick("Webhook", "AlwaysAllow")},
			{"--tls-cipher-suites=X,Y"},
			{"--tls-cipher-suites", "Z"},
			{"--tls-min-version=VersionTLS12"},
			{"--port", "4"},
			{"--rotate-certificates=" + pick("T", "false")},
			{"--client-ca-file=/f.crt"},
			{"--client-ca-file="},
			{"--authentication-token-webhook"},
			{"--v", "2"},
			{"-v", "2"},
		} {
			if random.IntN(6) == 0 {
				args = append(args, flag...)
			}
		}
		want := kubeletConfiguration(t, kubelet, dir, args)
		got := fakeKubelet(t, dir, args)
		if got.Unfollowed != "" {
			if undecided++; !strings.Contains(got.Unfollowed, "other letters") {
				t.Fatalf("case %d: %q: unfollowed %q", i, args, got.Unfollowed)
			}
			continue
		}
		for name, value := range want {
			s, given := got.Setting(name)
			if !given && (value == "" || value == "[]") {
				continue
			}
			if compared++; s.Value != value {
				t.Fatalf("case %d: %q: %s: the kubelet has %q, found %+v", i, args, name, value, s)
			}
		}
	}
	t.Logf("%d cases, %d of them undecided, %d settings compared", cases, undecided, compared)
	if undecided > cases/3 {
		t.Error("too many cases were undecided")
	}
}

// kubeletConfiguration is what a kubelet says that it uses, by the names of flags.
func kubeletConfiguration(t *testing.T, kubelet, dir string, args []string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, kubelet, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("imageGCLowThresholdPercent (--image-gc-low-threshold) 80 must be less than")) {
		t.Fatalf("%q: expected that it ends because of its thresholds: %v\n%s", args, err, out)
	}
	_, text, ok := bytes.Cut(out, []byte("\"Effective KubeletConfiguration\" config=<\n"))
	text, _, end := bytes.Cut(text, []byte("\n >"))
	if !ok || !end {
		t.Fatalf("%q: no configuration in its log:\n%s", args, out)
	}
	var config struct {
		EnableServer   bool   `json:"enableServer"`
		Address        string `json:"address"`
		Port           int    `json:"port"`
		ReadOnlyPort   int    `json:"readOnlyPort"`
		Authentication struct {
			X509      struct{ ClientCAFile string } `json:"x509"`
			Webhook   struct{ Enabled bool }        `json:"webhook"`
			Anonymous struct{ Enabled bool }        `json:"anonymous"`
		} `json:"authentication"`
		Authorization      struct{ Mode string } `json:"authorization"`
		TLSCertFile        string                `json:"tlsCertFile"`
		TLSPrivateKeyFile  string                `json:"tlsPrivateKeyFile"`
		TLSCipherSuites    []string              `json:"tlsCipherSuites"`
		TLSMinVersion      string                `json:"tlsMinVersion"`
		RotateCertificates bool                  `json:"rotateCertificates"`
		ServerTLSBootstrap bool                  `json:"serverTLSBootstrap"`
	}
	if err := yaml.Unmarshal(bytes.ReplaceAll(text, []byte("\t"), nil), &config); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"enable-server": fmt.Sprint(config.EnableServer), "address": config.Address, "port": fmt.Sprint(config.Port), "read-only-port": fmt.Sprint(config.ReadOnlyPort),
		"client-ca-file": config.Authentication.X509.ClientCAFile, "authentication-token-webhook": fmt.Sprint(config.Authentication.Webhook.Enabled),
		"anonymous-auth": fmt.Sprint(config.Authentication.Anonymous.Enabled), "authorization-mode": config.Authorization.Mode,
		"tls-cert-file": config.TLSCertFile, "tls-private-key-file": config.TLSPrivateKeyFile, "tls-cipher-suites": strings.Join(config.TLSCipherSuites, ","),
		"tls-min-version": config.TLSMinVersion, "rotate-certificates": fmt.Sprint(config.RotateCertificates), "rotate-server-certificates": fmt.Sprint(config.ServerTLSBootstrap),
	}
}

// fakeKubelet reads the settings of a process in a directory that looks like /proc, whose
// files are this machine's.
func fakeKubelet(t *testing.T, dir string, args []string) fact.Component {
	t.Helper()
	proc := t.TempDir()
	file := func(name, text string) {
		full := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file("stat", "cpu 1 2\nbtime 1790000000\n")
	for pid, comm := range map[int]string{1: "systemd", 9: "kubelet"} {
		at := fmt.Sprintf("%d/", pid)
		// It starts far in the future, so that its files are older.
		file(at+"stat", fmt.Sprintf("%d (%s) S 0 1 1 0 -1 0 1 0 0 0 3 4 0 0 20 0 1 0 %d 1000 10 18446744073709551615 1\n", pid, comm, 1<<31))
		file(at+"status", fmt.Sprintf("Name:\t%s\nState:\tS (x)\nTgid:\t%d\nPid:\t%d\nPPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t%d\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n", comm, pid, pid, pid))
		file(at+"cgroup", "0::/system.slice/x.service\n")
		file(at+"mountinfo", "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
		file(at+"uid_map", "0 0 4294967295\n")
		file(at+"net/tcp", "  sl  local_address rem_address\n")
		file(at+"cmdline", strings.Join(append([]string{comm}, args...), "\x00")+"\x00")
		links := map[string]string{"root": "/", "exe": "/usr/bin/" + comm, "cwd": dir}
		for _, ns := range []string{"user", "pid", "net", "ipc", "mnt"} {
			links["ns/"+ns] = ns + ":[4026531837]"
		}
		for name, text := range links {
			full := filepath.Join(proc, at+name)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(text, full); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(proc, at+"fd"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := node.Local(ctx, node.Options{Level: fact.LevelFull, Node: "n", Proc: proc, Root: "/", Kinds: []fact.Kind{fact.NodeSettings}})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Components) != 1 {
		t.Fatalf("components %v, gaps %v", m.Components, m.Gaps)
	}
	if diff := cmp.Diff([]fact.NodeGap(nil), m.Gaps); diff != "" {
		t.Fatalf("gaps (-want +got):\n%s", diff)
	}
	return m.Components[0]
}
