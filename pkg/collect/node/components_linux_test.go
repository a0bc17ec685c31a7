package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const tcpHeader = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// tcpTable is a net/tcp with listening sockets, each "ADDRESS:PORT INODE" in hex and decimal.
func tcpTable(sockets ...string) string {
	var b strings.Builder
	b.WriteString(tcpHeader)
	for i, s := range sockets {
		address, inode, _ := strings.Cut(s, " ")
		fmt.Fprintf(&b, "%4d: %s 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 %s 1 0\n", i, address, inode)
	}
	return b.String()
}

// withTCP adds the tables of a network namespace to a fixture's files.
func withTCP(pid int, tcp, tcp6 string) string {
	return fmt.Sprintf("-- proc/%d/net/tcp --\n%s-- proc/%d/net/tcp6 --\n%s", pid, tcp, pid, tcp6)
}

// programs reads the settings of a fixture, without what is the same in all rows.
func programs(t *testing.T, processes []fakeProcess, files string) ([]fact.Component, []fact.NodeGap) {
	t.Helper()
	for _, p := range processes {
		if !strings.Contains(files, fmt.Sprintf("-- proc/%d/net/tcp --", p.pid)) {
			files += withTCP(p.pid, tcpHeader, tcpHeader)
		}
		if !strings.Contains(files, fmt.Sprintf("-- proc/%d/environ --", p.pid)) {
			files += fmt.Sprintf("-- proc/%d/environ --\nPATH=/bin\x00\n", p.pid)
		}
	}
	dir := nodeFixture(t, processes, files)
	m := read(t, dir, fact.LevelFull, fact.NodeSettings, fact.ServerSettings)
	if text := fmt.Sprintf("%+v", m); strings.Contains(text, "hunter2") {
		t.Errorf("a secret got out: %s", text)
	}
	if !m.HasRead(fact.NodeSettings) || !m.HasRead(fact.ServerSettings) {
		t.Errorf("read %v", m.Read)
	}
	for i := range m.Components {
		c := &m.Components[i]
		if !c.SocketsRead {
			t.Errorf("%s: its sockets were not read", c.Program)
		}
		c.Started, c.SocketsRead = fact.Time{}, false
		c.Unfollowed = strings.ReplaceAll(c.Unfollowed, dir, "DIR")
	}
	return m.Components, m.Gaps
}

// setting is one in a table of a test: "name=value < from".
func setting(text string) fact.Setting {
	name, rest, _ := strings.Cut(text, "=")
	value, from, _ := strings.Cut(rest, " < ")
	return fact.Setting{Name: name, Value: value, From: from}
}

func settings(lines ...string) []fact.Setting {
	var all []fact.Setting
	for _, l := range lines {
		all = append(all, setting(l))
	}
	return all
}

// What the kubelet does depends on where its settings come from.
func TestKubeletSettings(t *testing.T) {
	const (
		head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
		file = "/var/lib/kubelet/config.yaml"
	)
	legacy := settings(
		"address=0.0.0.0 < default (no configuration file)",
		"anonymous-auth=true < default (no configuration file)",
		"authentication-token-webhook=false < default (no configuration file)",
		"authorization-mode=AlwaysAllow < default (no configuration file)",
		"cert-dir=/var/lib/kubelet/pki < default of kubelet",
		"enable-server=true < default (no configuration file)",
		"port=10250 < default (no configuration file)",
		"read-only-port=10255 < default (no configuration file)",
		"rotate-certificates=false < default (no configuration file)",
		"rotate-server-certificates=false < default (no configuration file)",
	)
	v1beta1 := settings(
		"address=0.0.0.0 < default of KubeletConfiguration",
		"anonymous-auth=false < default of KubeletConfiguration",
		"authentication-token-webhook=true < default of KubeletConfiguration",
		"authorization-mode=Webhook < default of KubeletConfiguration",
		"cert-dir=/var/lib/kubelet/pki < default of kubelet",
		"config="+file+" < --config",
		"enable-server=true < default of KubeletConfiguration",
		"port=10250 < default of KubeletConfiguration",
		"read-only-port=0 < default of KubeletConfiguration",
		"rotate-certificates=false < default of KubeletConfiguration",
		"rotate-server-certificates=false < default of KubeletConfiguration",
	)
	// with replaces or adds settings.
	with := func(base []fact.Setting, lines ...string) []fact.Setting {
		all := map[string]fact.Setting{}
		for _, s := range append(append([]fact.Setting{}, base...), settings(lines...)...) {
			all[s.Name] = s
		}
		return sortedSettings(all)
	}
	for name, tc := range map[string]struct {
		cmdline, files string
		start          int
		want           []fact.Setting
		configs        []string
		unfollowed     string
	}{
		"no file":                     {cmdline: "kubelet", want: legacy},
		"an empty file but its kind":  {cmdline: "kubelet --config=" + file, files: "-- k" + file + " --\n" + head, want: v1beta1, configs: []string{file}},
		"flags win, without a file":   {cmdline: "kubelet --anonymous_auth=false --read-only-port 0", want: with(legacy, "anonymous-auth=false < --anonymous-auth", "read-only-port=0 < --read-only-port")},
		"a switch alone means true":   {cmdline: "kubelet --rotate-certificates --authorization-mode=Webhook", want: with(legacy, "rotate-certificates=true < --rotate-certificates", "authorization-mode=Webhook < --authorization-mode")},
		"suites add up in repetition": {cmdline: "kubelet --tls-cipher-suites=A,B --tls-cipher-suites=C", want: with(legacy, "tls-cipher-suites=A,B,C < --tls-cipher-suites")},
		"a file, and flags that win": {
			cmdline: "kubelet --config " + file + " --read-only-port=10255", configs: []string{file},
			files: "-- k" + file + " --\n" + head + "readOnlyPort: 0\nauthentication:\n  anonymous: {enabled: true}\n  x509: {clientCAFile: ca.crt}\nauthorization: {mode: AlwaysAllow}\ntlsMinVersion: VersionTLS13\ntlsCipherSuites: [A, B]\nstaticPodURLHeader: {Authorization: [hunter2]}\nserverTLSBootstrap: true\n",
			want: with(
				v1beta1, "read-only-port=10255 < --read-only-port", "anonymous-auth=true < "+file+" authentication.anonymous.enabled", "client-ca-file=/var/lib/kubelet/ca.crt < "+file+" authentication.x509.clientCAFile",
				"authorization-mode=AlwaysAllow < "+file+" authorization.mode", "tls-min-version=VersionTLS13 < "+file+" tlsMinVersion", "tls-cipher-suites=A,B < "+file+" tlsCipherSuites", "rotate-server-certificates=true < "+file+" serverTLSBootstrap",
			),
		},
		"drop-ins by name, below directories too": {
			cmdline: "kubelet --config=" + file + " --config-dir=/d", configs: []string{file, "/d/10-a.conf", "/d/20/b.conf"},
			files: "-- k" + file + " --\n" + head + "readOnlyPort: 10255\ntlsMinVersion: VersionTLS12\n" +
				"-- k/d/20/b.conf --\n" + head + "tlsMinVersion: VersionTLS13\nauthentication: null\n-- k/d/10-a.conf --\n" + head + "readOnlyPort: null\ntlsMinVersion: VersionTLS11\nauthentication: {anonymous: {enabled: true}}\ntlsCertFile: here.crt\n-- k/d/99.txt --\nhunter2\n",
			want: with(v1beta1, "config-dir=/d < --config-dir", "tls-min-version=VersionTLS13 < /d/20/b.conf tlsMinVersion", "tls-cert-file=here.crt < /d/10-a.conf tlsCertFile"),
		},
		"drop-ins alone keep the defaults of no file": {
			cmdline: "kubelet --config-dir=/d", configs: []string{"/d/a.conf"},
			files: "-- k/d/a.conf --\n" + head + "authorization: {mode: Webhook}\nauthentication: {webhook: {enabled: null}}\n",
			want:  with(legacy, "config-dir=/d < --config-dir", "authorization-mode=Webhook < /d/a.conf authorization.mode", "authentication-token-webhook=true < default of KubeletConfiguration"),
		},
		"a file that changed later": {
			cmdline: "kubelet --anonymous-auth=false --config=" + file, start: 100, files: "-- k" + file + " --\n" + head + "readOnlyPort: 10255\n", configs: []string{file},
			want:       settings("anonymous-auth=false < --anonymous-auth", "config="+file+" < --config"),
			unfollowed: file + " changed after the process started, which reads it only then",
		},
		"no such file": {
			cmdline: "kubelet --config=" + file, configs: []string{file},
			want:       settings("config=" + file + " < --config"),
			unfollowed: file + " was not read: open DIR/k" + file + ": no such file or directory",
		},
		"a file of another kind": {
			cmdline: "kubelet --config=" + file, files: "-- k" + file + " --\nhunter2: hunter2\n", configs: []string{file},
			want:       settings("config=" + file + " < --config"),
			unfollowed: file + " was not read: expected apiVersion kubelet.config.k8s.io/v1beta1 and kind KubeletConfiguration, found another kind of file",
		},
		"a drop-in that is broken costs the file too": {
			cmdline: "kubelet --config=" + file + " --config-dir=/d", configs: []string{file, "/d/a.conf"},
			files:      "-- k" + file + " --\n" + head + "-- k/d/a.conf --\n" + head + "readOnlyPort: hunter2\n",
			want:       settings("config="+file+" < --config", "config-dir=/d < --config-dir"),
			unfollowed: "/d/a.conf was not read: readOnlyPort: expected a whole number",
		},
		"the server of its kubeconfig": {
			cmdline: "kubelet --kubeconfig=/etc/kubernetes/kubelet.conf",
			files:   "-- k/etc/kubernetes/kubelet.conf --\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: k, user: u}}]\nclusters: [{name: other, cluster: {server: 'https://no:1'}}, {name: k, cluster: {server: 'https://u:hunter2@10.0.0.1:6443', insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {token: hunter2}}]\n",
			want: with(legacy, "kubeconfig=/etc/kubernetes/kubelet.conf < --kubeconfig", "kubeconfig-server=https://10.0.0.1:6443 < /etc/kubernetes/kubelet.conf clusters.cluster.server",
				"kubeconfig-insecure-skip-tls-verify=true < /etc/kubernetes/kubelet.conf clusters.cluster.insecure-skip-tls-verify"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := tc.start
			if start == 0 {
				start = later
			}
			got, gaps := programs(t, []fakeProcess{initProcess, {pid: 9, comm: "kubelet", start: start, root: "/k", cmdline: tc.cmdline}}, "-- k/usr/bin/kubelet --\n"+tc.files)
			want := []fact.Component{{Program: fact.ProgramKubelet, PID: 9, Settings: tc.want, ConfigFiles: tc.configs, Unfollowed: tc.unfollowed}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("components (-want +got):\n%s", diff)
			}
			if len(gaps) > 0 {
				t.Errorf("gaps %v", gaps)
			}
		})
	}
}

func sortedSettings(all map[string]fact.Setting) []fact.Setting {
	var list []fact.Setting
	for _, s := range all {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b fact.Setting) int { return strings.Compare(a.Name, b.Name) })
	return list
}
