package waloracle

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/pkg/v3/flags"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
)

// etcdNode is a directory that looks like a node on which etcd runs.
type etcdNode struct {
	t   *testing.T
	dir string
}

func newEtcdNode(t *testing.T) *etcdNode {
	n := &etcdNode{t, t.TempDir()}
	n.write("proc/stat", "cpu 1 2\nbtime 1790000000\n")
	for pid, comm := range map[int]string{1: "systemd", 9: "etcd"} {
		at := fmt.Sprintf("proc/%d/", pid)
		// It starts far in the future, so that its file is older.
		n.write(at+"stat", fmt.Sprintf("%d (%s) S 0 1 1 0 -1 0 1 0 0 0 3 4 0 0 20 0 1 0 %d 1000 10 18446744073709551615 1\n", pid, comm, 1<<31))
		n.write(at+"status", fmt.Sprintf("Name:\t%s\nState:\tS (x)\nTgid:\t%d\nPid:\t%d\nPPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t%d\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n", comm, pid, pid, pid))
		n.write(at+"cgroup", "0::/system.slice/x.service\n")
		n.write(at+"mountinfo", "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
		n.write(at+"uid_map", "0 0 4294967295\n")
		n.write(at+"net/tcp", "  sl  local_address rem_address\n")
		n.write(at+"net/tcp6", "  sl  local_address rem_address\n")
		links := map[string]string{"root": "/", "exe": "/usr/bin/" + comm, "cwd": "/"}
		for _, ns := range []string{"user", "pid", "net", "ipc", "mnt"} {
			links["ns/"+ns] = ns + ":[4026531837]"
		}
		for name, text := range links {
			full := filepath.Join(n.dir, at+name)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(text, full); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(n.dir, at+"fd"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n.write("usr/bin/etcd", "")
	return n
}

func (n *etcdNode) write(name, text string) {
	n.t.Helper()
	full := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

// read returns etcd's settings as the reader of nodes finds them.
func (n *etcdNode) read(args, environ []string) fact.Component {
	n.t.Helper()
	n.write("proc/9/cmdline", strings.Join(append([]string{"etcd"}, args...), "\x00")+"\x00")
	n.write("proc/9/environ", strings.Join(append(environ, "PATH=/bin"), "\x00")+"\x00")
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	m, err := node.Local(ctx, node.Options{Level: fact.LevelFull, Node: "n", Root: n.dir, Kinds: []fact.Kind{fact.ServerSettings}})
	if err != nil {
		n.t.Fatal(err)
	}
	if len(m.Components) != 1 {
		n.t.Fatalf("components %v, gaps %v", m.Components, m.Gaps)
	}
	return m.Components[0]
}

// The settings of etcd's that the reader keeps, and what kind of value each takes.
var (
	etcdURLs  = []string{"listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls", "listen-metrics-urls", "listen-client-http-urls"}
	etcdBools = []string{"client-cert-auth", "auto-tls", "peer-client-cert-auth", "peer-auto-tls", "peer-skip-client-san-verification"}
	etcdTexts = []string{
		"cert-file", "key-file", "trusted-ca-file", "client-cert-file", "client-key-file", "client-crl-file", "peer-cert-file", "peer-key-file", "peer-trusted-ca-file",
		"peer-client-cert-file", "peer-client-key-file", "peer-crl-file", "client-cert-allowed-hostname", "peer-cert-allowed-cn", "peer-cert-allowed-hostname",
		"tls-min-version", "tls-max-version", "cipher-suites", "data-dir",
	}
	// Flags that the reader does not keep, and which take a value or none.
	otherTexts = []string{"name", "initial-cluster", "initial-cluster-token", "log-level", "heartbeat-interval"}
	otherBools = []string{"pre-vote", "enable-pprof", "strict-reconfig-check"}
)

// sameSetting compares two values: etcd sorts URLs.
func sameSetting(name, value string) string {
	if !slices.Contains(etcdURLs, name) {
		return value
	}
	list := strings.Split(value, ",")
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ",")
}

// etcd's own parser of flags and variables agrees, in 3,000 random cases.
func TestEtcdFlags(t *testing.T) {
	n := newEtcdNode(t)
	random := rand.New(rand.NewPCG(13, 2))
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	urls := func() string {
		var all []string
		for range 1 + random.IntN(3) {
			all = append(all, fmt.Sprintf("%s://%s:%d", pick([]string{"http", "https", "unix"}), pick([]string{"localhost", "127.0.0.1", "10.0.0.1", "[::1]"}), 1+random.IntN(9)))
		}
		return strings.Join(all, ",")
	}
	text := func(name string) string {
		if name == "heartbeat-interval" {
			return fmt.Sprint(100 + random.IntN(9))
		}
		values := []string{"/a.crt", "/b/c.pem", "x=y", "", "-", "TLS1.2", "a,b"}
		if slices.Contains(etcdTexts, name) {
			// As the value of a flag that it does not know, the reader takes it for a flag.
			values = append(values, "--client-cert-auth")
		}
		return pick(values)
	}
	const cases = 3000
	given, skipped := 0, 0
	for range cases {
		var args, environ []string
		byFlag := map[string]bool{}
		for range random.IntN(8) {
			dash := pick([]string{"-", "--"})
			var name, value string
			isBool := false
			switch random.IntN(5) {
			case 0:
				name = pick(etcdURLs)
				value = urls()
			case 1, 2:
				name = pick(append(slices.Clone(etcdTexts), otherTexts...))
				value = text(name)
			default:
				name, isBool = pick(append(slices.Clone(etcdBools), otherBools...)), true
				value = pick([]string{"true", "false", "1", "0", "T", "F", "TRUE", "False"})
			}
			byFlag[name] = true
			switch {
			case isBool && random.IntN(2) == 0:
				args = append(args, dash+name)
			case isBool || random.IntN(2) == 0:
				args = append(args, dash+name+"="+value)
			default:
				args = append(args, dash+name, value)
			}
		}
		for range random.IntN(4) {
			name, value := pick(etcdTexts), "/env"
			if random.IntN(2) == 0 {
				name, value = pick(etcdBools), "true"
			}
			if !byFlag[name] { // both is an error for etcd
				byFlag[name] = true
				environ = append(environ, flags.FlagToEnv("ETCD", name)+"="+value)
			}
		}
		cfg := embed.NewConfig()
		fs := flag.NewFlagSet("etcd", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		cfg.AddFlags(fs)
		if err := fs.Parse(args); err != nil || len(fs.Args()) > 0 {
			skipped++
			continue // etcd does not start with these
		}
		for _, v := range environ {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		err := flags.SetFlagsFromEnv(nil, "ETCD", fs)
		for _, v := range environ {
			name, _, _ := strings.Cut(v, "=")
			_ = os.Unsetenv(name)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		fs.Visit(func(f *flag.Flag) {
			if slices.Contains(etcdURLs, f.Name) || slices.Contains(etcdBools, f.Name) || slices.Contains(etcdTexts, f.Name) {
				want[f.Name] = sameSetting(f.Name, f.Value.String())
			}
		})
		component := n.read(args, environ)
		got := map[string]string{}
		for _, s := range component.Settings {
			value := sameSetting(s.Name, s.Value)
			if s.From == "default of etcd" {
				if f := fs.Lookup(s.Name); f == nil || value != f.DefValue || want[s.Name] != "" {
					t.Fatalf("%q %q: a default %+v, etcd's is %+v", args, environ, s, f)
				}
				continue
			}
			got[s.Name] = value
		}
		if diff := cmp.Diff(want, got); diff != "" || component.Unfollowed != "" {
			t.Fatalf("%q %q: settings (-etcd +got), unfollowed %q:\n%s", args, environ, component.Unfollowed, diff)
		}
		given += len(want)
	}
	t.Logf("%d cases, %d of them refused by etcd, %d settings compared", cases, skipped, given)
	if skipped > cases/2 || given < cases {
		t.Error("too few cases were compared")
	}
}

// etcd's own loader of its configuration file agrees, in 1,000 random cases.
func TestEtcdFile(t *testing.T) {
	n := newEtcdNode(t)
	random := rand.New(rand.NewPCG(13, 3))
	maybe := func(b *strings.Builder, chance int, line string) {
		if random.IntN(chance) > 0 {
			b.WriteString(line)
		}
	}
	file := filepath.Join(n.dir, "etc", "etcd.yaml")
	word := func() string { return []string{"true", "false"}[random.IntN(2)] }
	const cases = 1000
	refused, compared := 0, 0
	for range cases {
		var b strings.Builder
		b.WriteString("name: m1\nlog-level: error\n")
		port := 1 + random.IntN(9)
		maybe(&b, 2, fmt.Sprintf("listen-client-urls: 'https://10.0.0.1:%d,http://127.0.0.1:%d'\nadvertise-client-urls: https://10.0.0.1:1\n", port, port))
		maybe(&b, 2, fmt.Sprintf("Listen-Peer-Urls: https://10.0.0.1:%d\n", port))
		maybe(&b, 2, "listen-metrics-urls: http://127.0.0.1:2381\n")
		maybe(&b, 2, "cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n")
		maybe(&b, 2, "tls-min-version: "+[]string{"TLS1.2", "TLS1.3", "''"}[random.IntN(3)]+"\n")
		maybe(&b, 2, "data-dir: /var/lib/etcd\n")
		for _, section := range []string{"client-transport-security", "peer-transport-security"} {
			switch random.IntN(5) {
			case 0:
				continue
			case 1:
				b.WriteString(section + ": {}\n")
				continue
			}
			b.WriteString(section + ":\n  x: y\n")
			maybe(&b, 2, "  cert-file: /a.crt\n")
			maybe(&b, 2, "  key-file: /a.key\n")
			maybe(&b, 2, "  trusted-ca-file: /ca.crt\n")
			maybe(&b, 2, "  client-cert-auth: "+word()+"\n")
			maybe(&b, 2, "  auto-tls: "+word()+"\n")
			maybe(&b, 2, "  client-cert-file: /c.crt\n  client-key-file: /c.key\n")
			maybe(&b, 2, "  allowed-cn: [a, b]\n")
			maybe(&b, 3, "  skip-client-san-verification: "+word()+"\n")
		}
		n.write("etc/etcd.yaml", b.String())
		cfg, err := embed.ConfigFromFile(file)
		if err != nil {
			if refused++; refused == cases/2 {
				t.Log(err)
			}
			continue
		}
		join := func(urls []url.URL) string {
			var all []string
			for i := range urls {
				all = append(all, urls[i].String())
			}
			return sameSetting("listen-client-urls", strings.Join(all, ","))
		}
		want := map[string]string{
			"listen-client-urls": join(cfg.ListenClientUrls), "listen-peer-urls": join(cfg.ListenPeerUrls), "listen-metrics-urls": join(cfg.ListenMetricsUrls),
			"tls-min-version": cfg.TlsMinVersion, "cipher-suites": strings.Join(cfg.CipherSuites, ","), "data-dir": cfg.Dir,
			"cert-file": cfg.ClientTLSInfo.CertFile, "key-file": cfg.ClientTLSInfo.KeyFile, "trusted-ca-file": cfg.ClientTLSInfo.TrustedCAFile,
			"client-cert-auth": fmt.Sprint(cfg.ClientTLSInfo.ClientCertAuth), "auto-tls": fmt.Sprint(cfg.ClientAutoTLS),
			"client-cert-file": cfg.ClientTLSInfo.ClientCertFile, "client-key-file": cfg.ClientTLSInfo.ClientKeyFile,
			"peer-cert-file": cfg.PeerTLSInfo.CertFile, "peer-key-file": cfg.PeerTLSInfo.KeyFile, "peer-trusted-ca-file": cfg.PeerTLSInfo.TrustedCAFile,
			"peer-client-cert-auth": fmt.Sprint(cfg.PeerTLSInfo.ClientCertAuth), "peer-auto-tls": fmt.Sprint(cfg.PeerAutoTLS),
			"peer-client-cert-file": cfg.PeerTLSInfo.ClientCertFile, "peer-client-key-file": cfg.PeerTLSInfo.ClientKeyFile,
			"peer-cert-allowed-cn": strings.Join(cfg.PeerTLSInfo.AllowedCNs, ","), "peer-skip-client-san-verification": fmt.Sprint(cfg.PeerTLSInfo.SkipClientSANVerify),
		}
		// The command line and the variables count for nothing.
		component := n.read([]string{"--config-file=/etc/etcd.yaml", "--client-cert-auth", "--cert-file=/no"}, []string{"ETCD_PEER_AUTO_TLS=true"})
		if component.Unfollowed != "" {
			t.Fatalf("%s\nunfollowed: %s", b.String(), component.Unfollowed)
		}
		for name, value := range want {
			s, given := component.Setting(name)
			got := sameSetting(name, s.Value)
			if !given && (value == "" || value == "false" || name == "data-dir" || name == "tls-min-version") {
				continue // what etcd does without it
			}
			if compared++; got != value {
				t.Fatalf("%s\n%s: etcd has %q, found %+v", b.String(), name, value, s)
			}
		}
	}
	t.Logf("%d cases, %d of them refused by etcd, %d settings compared", cases, refused, compared)
	if refused > cases/2 || compared < cases {
		t.Error("too few cases were compared")
	}
}
