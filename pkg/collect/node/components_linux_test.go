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

// oneProgram is a row of a test: one program with what it shows.
type oneProgram struct {
	comm, exe string
	cmdline   string // words separated by blanks
	environ   string // variables separated by blanks
	files     string // the program's root is /p
	start     int
	cgroup    string
	ns        string           // number of its namespaces, if they are not the node's
	want      []fact.Component // without pid
	gaps      []fact.NodeGap
}

func (tc oneProgram) run(t *testing.T) {
	t.Helper()
	p := fakeProcess{pid: 9, comm: tc.comm, start: tc.start, root: "/p", exe: tc.exe, cmdline: tc.cmdline, cgroup: tc.cgroup, ns: tc.ns}
	if p.start == 0 {
		p.start = later
	}
	exe := tc.exe
	if exe == "" {
		exe = "/usr/bin/" + tc.comm
	}
	files := "-- p" + exe + " --\n" + tc.files
	if tc.environ != "" {
		files += "-- proc/9/environ --\n" + strings.ReplaceAll(tc.environ, " ", "\x00") + "\x00\n"
	}
	got, gaps := programs(t, []fakeProcess{initProcess, p}, files)
	for i := range tc.want {
		tc.want[i].PID = 9
	}
	if diff := cmp.Diff(tc.want, got); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tc.gaps, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// etcd takes flags over variables, and a file over both.
func TestEtcdSettings(t *testing.T) {
	const (
		d      = " < default of etcd"
		file   = "/etc/etcd.yaml"
		inFile = " < " + file + " "
	)
	etcd := func(unfollowed string, configs []string, lines ...string) []fact.Component {
		return []fact.Component{{Program: fact.ProgramEtcd, Settings: settings(lines...), ConfigFiles: configs, Unfollowed: unfollowed}}
	}
	plain := []string{
		"auto-tls=false" + d, "client-cert-auth=false" + d, "listen-client-urls=http://localhost:2379" + d, "listen-peer-urls=http://localhost:2380" + d,
		"peer-auto-tls=false" + d, "peer-client-cert-auth=false" + d,
	}
	for name, tc := range map[string]oneProgram{
		"nothing given": {comm: "etcd", cmdline: "etcd", want: etcd("", nil, plain...)},
		"flags in every spelling": {
			comm: "etcd", cmdline: "etcd -name m1 --client-cert-auth -peer-client-cert-auth=1 --listen-client-urls=http://a:1 -listen-client-urls https://u:hunter2@10.0.0.1:2379,https://127.0.0.1:2379 --cert_file=/no -cert-file /s.crt --trusted-ca-file=/ca.crt --initial-cluster-token hunter2 -auto-tls=F",
			want: etcd(
				"", nil, "auto-tls=false < --auto-tls", "cert-file=/s.crt < --cert-file", "client-cert-auth=true < --client-cert-auth",
				"listen-client-urls=https://10.0.0.1:2379,https://127.0.0.1:2379 < --listen-client-urls", "listen-peer-urls=http://localhost:2380"+d, "peer-auto-tls=false"+d,
				"peer-client-cert-auth=true < --peer-client-cert-auth", "trusted-ca-file=/ca.crt < --trusted-ca-file",
			),
		},
		"variables, of which a flag wins": {
			comm: "etcd", cmdline: "etcd --cert-file=/flag.crt",
			environ: "ETCD_CERT_FILE=/var.crt ETCD_CLIENT_CERT_AUTH=true ETCD_CLIENT_CERT_AUTH=false ETCD_KEY_FILE= ETCD_INITIAL_CLUSTER_TOKEN=hunter2 ETCD_Peer_Auto_TLS=true ETCDCTL_USER=hunter2 ETCD_LISTEN_PEER_URLS=http://0.0.0.0:2380",
			want: etcd(
				"", nil, "auto-tls=false"+d, "cert-file=/flag.crt < --cert-file", "client-cert-auth=true < ETCD_CLIENT_CERT_AUTH", "listen-client-urls=http://localhost:2379"+d,
				"listen-peer-urls=http://0.0.0.0:2380 < ETCD_LISTEN_PEER_URLS", "peer-auto-tls=false"+d, "peer-client-cert-auth=false"+d,
			),
		},
		"a file, which makes the rest count for nothing": {
			comm: "etcd", cmdline: "etcd --config-file " + file + " --client-cert-auth --cert-file=/no", environ: "ETCD_AUTO_TLS=true",
			files: "-- p" + file + " --\nname: hunter2\nListen-Client-Urls: 'https://u:hunter2@0.0.0.0:2379'\nclient-transport-security:\n  cert-file: /c.crt\n  trusted-ca-file: /ca.crt\n  client-cert-auth: true\npeer-transport-security: {auto-tls: true, allowed-cn: [a, b]}\ntls-min-version: TLS1.3\ncipher-suites: [A, B]\ninitial-cluster-token: hunter2\n",
			want: etcd(
				"", []string{file}, "auto-tls=false"+d, "cert-file=/c.crt"+inFile+"client-transport-security.cert-file", "cipher-suites=A,B"+inFile+"cipher-suites",
				"client-cert-auth=true"+inFile+"client-transport-security.client-cert-auth", "config-file="+file+" < --config-file", "listen-client-urls=https://0.0.0.0:2379"+inFile+"listen-client-urls",
				"listen-peer-urls=http://localhost:2380"+d, "peer-auto-tls=true"+inFile+"peer-transport-security.auto-tls", "peer-cert-allowed-cn=a,b"+inFile+"peer-transport-security.allowed-cn",
				"peer-client-cert-auth=false"+d, "tls-min-version=TLS1.3"+inFile+"tls-min-version", "trusted-ca-file=/ca.crt"+inFile+"client-transport-security.trusted-ca-file",
			),
		},
		"a file that a variable names": {
			comm: "etcd", cmdline: "etcd", environ: "ETCD_CONFIG_FILE=" + file, files: "-- p" + file + " --\n{}\n",
			want: etcd("", []string{file}, append([]string{plain[0], plain[1], "config-file=" + file + " < ETCD_CONFIG_FILE"}, plain[2:]...)...),
		},
		"a file that changed later": {
			comm: "etcd", cmdline: "etcd --config-file=" + file, start: 100, files: "-- p" + file + " --\nclient-transport-security: {client-cert-auth: true}\n",
			want: etcd(file+" changed after the process started, which reads it only then", []string{file}, "config-file="+file+" < --config-file"),
		},
		"a file of another kind": {
			comm: "etcd", cmdline: "etcd --config-file=" + file, files: "-- p" + file + " --\ncipher-suites: hunter2\n",
			want: etcd(file+" was not read: expected an object with etcd's settings, found a field of another type", []string{file}, "config-file="+file+" < --config-file"),
		},
		"a URL that may hold a password is not shown": {
			comm: "etcd", cmdline: "etcd --listen-client-urls=hunter2@10.0.0.1",
			want: etcd("--listen-client-urls: expected URLs, found another text with an at sign, which may be a password", nil),
		},
		"another program in the same file": {comm: "etcd", cmdline: "etcd grpc-proxy start --endpoints=https://a:1"},
	} {
		t.Run(name, tc.run)
	}
}

func TestAPIServerSettings(t *testing.T) {
	const (
		d      = " < default of kube-apiserver"
		file   = "/etc/o/config.yaml"
		inFile = " < " + file + " "
	)
	server := func(unfollowed string, configs []string, lines ...string) []fact.Component {
		return []fact.Component{{Program: fact.ProgramAPIServer, Container: idA, Settings: settings(lines...), ConfigFiles: configs, Unfollowed: unfollowed}}
	}
	for name, tc := range map[string]oneProgram{
		"as kubeadm starts it": {
			comm:    "kube-apiserver",
			cmdline: "kube-apiserver --advertise-address=10.0.0.1 --authorization-mode=Node,RBAC --client-ca-file=/pki/ca.crt --etcd-servers=https://127.0.0.1:2379 --etcd-cafile=/pki/etcd/ca.crt --secure-port=6443 --tls-cert-file=/pki/apiserver.crt --service-account-signing-key-file=/hunter2",
			want: server(
				"", nil, "advertise-address=10.0.0.1 < --advertise-address", "anonymous-auth=true"+d, "authorization-mode=Node,RBAC < --authorization-mode", "bind-address=0.0.0.0"+d,
				"client-ca-file=/pki/ca.crt < --client-ca-file", "etcd-cafile=/pki/etcd/ca.crt < --etcd-cafile", "etcd-servers=https://127.0.0.1:2379 < --etcd-servers",
				"secure-port=6443 < --secure-port", "tls-cert-file=/pki/apiserver.crt < --tls-cert-file",
			),
		},
		"lists add up, others are replaced": {
			comm:    "kube-apiserver",
			cmdline: "kube-apiserver --etcd_servers http://u:hunter2@a:1 --etcd-servers=https://b:2 --tls-min-version=VersionTLS10 --tls-min-version VersionTLS12 --anonymous-auth=false --authorization-mode RBAC",
			want: server(
				"", nil, "anonymous-auth=false < --anonymous-auth", "authorization-mode=RBAC < --authorization-mode", "bind-address=0.0.0.0"+d,
				"etcd-servers=http://a:1,https://b:2 < --etcd-servers", "secure-port=6443"+d, "tls-min-version=VersionTLS12 < --tls-min-version",
			),
		},
		"files that decide about requests": {
			comm: "kube-apiserver", cmdline: "kube-apiserver --authentication-config=/a --authorization-config=/b",
			want: server("", nil, "authentication-config=/a < --authentication-config", "authorization-config=/b < --authorization-config", "bind-address=0.0.0.0"+d, "secure-port=6443"+d),
		},
		"without authorization anonymous requests are off": {
			comm: "kube-apiserver", cmdline: "kube-apiserver", want: server("", nil, "authorization-mode=AlwaysAllow"+d, "bind-address=0.0.0.0"+d, "secure-port=6443"+d),
		},
		"OpenShift's file wins": {
			comm: "kube-apiserver", cmdline: "kube-apiserver --openshift-config=" + file + " --tls-min-version=VersionTLS10",
			files: "-- p" + file + " --\n" + `{"apiVersion":"kubecontrolplane.config.openshift.io/v1","kind":"KubeAPIServerConfig","apiServerArguments":{"tls-min-version":["VersionTLS12"],"etcd-servers":["https://u:hunter2@a:1","https://b:2"],"authorization-mode":["RBAC","Node"],"anonymous-auth":[true]},"servingInfo":{"bindAddress":"0.0.0.0:6443","certFile":"s.crt","minTLSVersion":"VersionTLS11"},"x":"hunter2"}` + "\n",
			want: server(
				"", []string{file}, "anonymous-auth=true"+inFile+"apiServerArguments.anonymous-auth", "authorization-mode=RBAC,Node"+inFile+"apiServerArguments.authorization-mode",
				"bind-address=0.0.0.0"+inFile+"servingInfo.bindAddress", "etcd-servers=https://a:1,https://b:2"+inFile+"apiServerArguments.etcd-servers",
				"openshift-config="+file+" < --openshift-config", "secure-port=6443"+inFile+"servingInfo.bindAddress", "tls-cert-file=/etc/o/s.crt"+inFile+"servingInfo.certFile",
				"tls-min-version=VersionTLS12"+inFile+"apiServerArguments.tls-min-version",
			),
		},
		"a file that is not read": {
			comm: "kube-apiserver", cmdline: "kube-apiserver --openshift-config=" + file,
			want: server(file+" was not read: open DIR/p"+file+": no such file or directory", []string{file}, "openshift-config="+file+" < --openshift-config"),
		},
		"hyperkube": {
			comm: "hyperkube", cmdline: "/hyperkube apiserver --secure-port=443 --authorization-mode=RBAC",
			want: server("", nil, "anonymous-auth=true"+d, "authorization-mode=RBAC < --authorization-mode", "bind-address=0.0.0.0"+d, "secure-port=443 < --secure-port"),
		},
		"hyperkube as something else": {comm: "hyperkube", cmdline: "/hyperkube kubectl get pods"},
	} {
		tc.cgroup = staticCgroup
		t.Run(name, tc.run)
	}
}

func TestOtherPrograms(t *testing.T) {
	one := func(is fact.ComponentProgram, unfollowed string, configs []string, lines ...string) []fact.Component {
		return []fact.Component{{Program: is, Settings: settings(lines...), ConfigFiles: configs, Unfollowed: unfollowed}}
	}
	const (
		paths   = "authorization-always-allow-paths=/healthz,/readyz,/livez < default of "
		crioEnv = "its CONTAINER_* variables are not read"
		kineEnv = "kine's variables are not read"
		toml    = "/etc/containerd/config.toml"
		streams = "stream_server_port=0 < default of containerd"
	)
	for name, tc := range map[string]oneProgram{
		"controller manager, whose name the kernel cuts": {
			comm: "kube-controller", exe: "/usr/local/bin/kube-controller-manager", cmdline: "kube-controller-manager --bind-address=127.0.0.1 --client-ca-file /ca.crt",
			want: one(fact.ProgramControllerManager, "", nil, paths+"kube-controller-manager", "bind-address=127.0.0.1 < --bind-address", "client-ca-file=/ca.crt < --client-ca-file", "secure-port=10257 < default of kube-controller-manager"),
		},
		"scheduler": {
			comm: "kube-scheduler", cmdline: "kube-scheduler --config=/s.yaml --tls-min-version=VersionTLS10 --authorization-always-allow-paths=/a --authorization-always-allow-paths=/b",
			want: one(
				fact.ProgramScheduler, "", nil, "authorization-always-allow-paths=/a,/b < --authorization-always-allow-paths", "bind-address=0.0.0.0 < default of kube-scheduler", "config=/s.yaml < --config",
				"secure-port=10259 < default of kube-scheduler", "tls-min-version=VersionTLS10 < --tls-min-version",
			),
		},
		"a cloud's controller manager": {
			comm: "aws-cloud-contro", exe: "/bin/aws-cloud-controller-manager", cmdline: "aws-cloud-controller-manager --secure-port=10260",
			want: one(fact.ProgramCloudController, "", nil, paths+"cloud-controller-manager", "bind-address=0.0.0.0 < default of cloud-controller-manager", "secure-port=10260 < --secure-port"),
		},
		"kine, without its password": {
			comm: "kine", cmdline: "kine -endpoint mysql://u:hunter2@tcp(h:3306)/k --listen-address=tcp://0.0.0.0:2379 --server-cert-file=/s.crt",
			want: one(fact.ProgramKine, kineEnv, nil, "endpoint=mysql < --endpoint", "listen-address=tcp://0.0.0.0:2379 < --listen-address", "server-cert-file=/s.crt < --server-cert-file"),
		},
		"konnectivity": {
			comm: "proxy-server", cmdline: "/proxy-server --mode=grpc --agent-port=8132 --cluster-cert=/c.crt --cluster-ca-cert=",
			want: one(fact.ProgramKonnectivity, "", nil, "agent-port=8132 < --agent-port", "cluster-ca-cert= < --cluster-ca-cert", "cluster-cert=/c.crt < --cluster-cert", "mode=grpc < --mode", "server-port=8090 < default of konnectivity-server"),
		},
		"another proxy-server": {comm: "proxy-server", cmdline: "/proxy-server --mode=fast"},
		"containerd without a file": {
			comm: "containerd", cmdline: "/usr/bin/containerd",
			want: one(fact.ProgramContainerd, "", nil, "enable_tls_streaming=false < default of containerd", "stream_server_address=127.0.0.1 < default of containerd", streams),
		},
		"containerd with a file": {
			comm: "containerd", cmdline: "/usr/bin/containerd -c /c.toml",
			files: "-- p/c.toml --\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  stream_server_address = \"0.0.0.0\" # all\n  stream_server_port = '10010'\n  enable_tls_streaming = false\n  password = \"hunter2\"\n",
			want: one(
				fact.ProgramContainerd, "", []string{"/c.toml"}, "config=/c.toml < --config", "enable_tls_streaming=false < /c.toml enable_tls_streaming",
				"stream_server_address=0.0.0.0 < /c.toml stream_server_address", "stream_server_port=10010 < /c.toml stream_server_port",
			),
		},
		"containerd with a file that names others": {
			comm: "containerd", cmdline: "containerd", files: "-- p" + toml + " --\nimports = [\"/etc/hunter2.toml\"]\n",
			want: one(fact.ProgramContainerd, toml+" was not read: the files that it imports are not read", nil),
		},
		"CRI-O": {
			comm: "crio", cmdline: "crio --stream-port=10010",
			files: "-- p/etc/crio/crio.conf --\n[crio.api]\nstream_address = \"10.0.0.1\"\nstream_port = \"1\"\n-- p/etc/crio/crio.conf.d/a.conf --\nstream_enable_tls = true\n",
			want: one(
				fact.ProgramCRIO, crioEnv, []string{"/etc/crio/crio.conf", "/etc/crio/crio.conf.d/a.conf"}, "stream-address=10.0.0.1 < /etc/crio/crio.conf stream_address",
				"stream-enable-tls=true < /etc/crio/crio.conf.d/a.conf stream_enable_tls", "stream-port=10010 < --stream-port",
			),
		},
		"MicroK8s is not read": {
			comm: "kubelite", cmdline: "kubelite",
			gaps: []fact.NodeGap{
				{What: fact.NodeSettings, Reason: fact.Unsupported, Detail: "kubelite, pid 9: MicroK8s runs API server, kubelet and others in one process, whose settings are not read"},
				{What: fact.ServerSettings, Reason: fact.Unsupported, Detail: "kubelite, pid 9: MicroK8s runs API server, kubelet and others in one process, whose settings are not read"},
			},
		},
		"a cloud's controller manager in an ordinary pod with the node's network": {
			comm: "cloud-controlle", exe: "/bin/cloud-controller-manager", cmdline: "cloud-controller-manager", cgroup: "0::/kubepods/burstable/pod" + podUID + "/" + idB + "\n",
			want: []fact.Component{{Program: fact.ProgramCloudController, Container: idB, Settings: settings(paths+"cloud-controller-manager", "bind-address=0.0.0.0 < default of cloud-controller-manager", "secure-port=10258 < default of cloud-controller-manager")}},
		},
		"one with a network of its own is another cluster's": {
			comm: "cloud-controlle", exe: "/bin/cloud-controller-manager", cmdline: "cloud-controller-manager", cgroup: "0::/kubepods/burstable/pod" + podUID + "/" + idB + "\n", ns: "2222",
		},
		"a kubelet in an ordinary pod is another cluster's": {comm: "kubelet", cmdline: "kubelet", cgroup: "0::/kubepods/burstable/pod" + podUID + "/" + idB + "\n"},
	} {
		t.Run(name, tc.run)
	}
}

// k3s is several programs in one process.
func TestK3sSettings(t *testing.T) {
	const (
		file = "/etc/rancher/k3s/config.yaml"
		sets = "k3s sets flags of its own for the programs inside it"

		hidden = "k3s hides its command line, so flags that were given there are unknown"
	)
	for name, tc := range map[string]oneProgram{
		"a server that hides its command line": {
			comm: "k3s-server", exe: "/usr/bin/k3s", cmdline: "HIDDEN",
			files: "-- p" + file + " --\ntoken: hunter2\nhttps-listen-port: 7443\ndatastore-endpoint: mysql://u:hunter2@tcp(h)/k3s\nkube-apiserver-arg: [tls-min-version=VersionTLS10, service-account-signing-key-file=hunter2]\nkubelet-arg: [--read-only-port=10255]\netcd-arg: [listen-client-urls=http://u:hunter2@a:1]\ndisable-scheduler: true\nkube-scheduler-arg: [secure-port=1]\n",
			want: []fact.Component{
				{Program: fact.ProgramEtcd, ConfigFiles: []string{file}, Unfollowed: hidden + "; " + sets, Settings: settings("listen-client-urls=http://a:1 < " + file + " etcd-arg listen-client-urls")},
				{Program: fact.ProgramK3s, ConfigFiles: []string{file}, Unfollowed: hidden + "; " + sets, Settings: settings(
					"datastore-endpoint=mysql < "+file+" datastore-endpoint", "disable-scheduler=true < "+file+" disable-scheduler", "https-listen-port=7443 < "+file+" https-listen-port",
					"tls-min-version=VersionTLS10 < "+file+" kube-apiserver-arg tls-min-version",
				)},
				{Program: fact.ProgramKubelet, ConfigFiles: []string{file}, Unfollowed: hidden + "; " + sets, Settings: settings("read-only-port=10255 < " + file + " kubelet-arg read-only-port")},
			},
		},
		"an agent with a command line": {
			comm: "k3s-agent", exe: "/usr/bin/k3s", cmdline: "/usr/bin/k3s agent --kubelet-arg=anonymous-auth --kubelet-arg tls-cipher-suites=A --kubelet-arg tls-cipher-suites=B --token hunter2",
			want: []fact.Component{
				{Program: fact.ProgramK3s, Unfollowed: sets},
				{Program: fact.ProgramKubelet, Unfollowed: sets, Settings: settings("anonymous-auth=true < --kubelet-arg anonymous-auth", "tls-cipher-suites=A,B < --kubelet-arg tls-cipher-suites")},
			},
		},
		"another command in the same file": {comm: "kubectl", exe: "/usr/bin/k3s", cmdline: "k3s kubectl get pods"},
		"a configuration that changed later": {
			comm: "k3s-agent", exe: "/usr/bin/k3s", cmdline: "k3s agent", start: 100, files: "-- p" + file + " --\nkubelet-arg: [read-only-port=10255]\n",
			want: []fact.Component{
				{Program: fact.ProgramK3s, ConfigFiles: []string{file}, Unfollowed: file + " was not read: " + file + ": it changed after the process started, which reads it only then; " + sets},
				{Program: fact.ProgramKubelet, ConfigFiles: []string{file}, Unfollowed: file + " was not read: " + file + ": it changed after the process started, which reads it only then; " + sets},
			},
		},
		"RKE2's supervisor": {
			comm: "rke2", cmdline: "/usr/local/bin/rke2 server", files: "-- p/etc/rancher/rke2/config.yaml --\ntoken: hunter2\nbind-address: 10.0.0.1\n",
			want: []fact.Component{{Program: fact.ProgramRKE2, ConfigFiles: []string{"/etc/rancher/rke2/config.yaml"}, Unfollowed: "RKE2's variables are not read", Settings: settings("bind-address=10.0.0.1 < /etc/rancher/rke2/config.yaml bind-address")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.cmdline == "HIDDEN" { // two words in one
				tc.files += "-- proc/9/cmdline --\n/usr/local/bin/k3s server\x00\n"
			}
			tc.run(t)
		})
	}
}

// A program's sockets are those of its network namespace that are among its descriptors.
func TestComponentSockets(t *testing.T) {
	etcd := fakeProcess{pid: 9, comm: "etcd", start: later, cmdline: "etcd", fds: []string{"socket:[101]", "/dev/null", "socket:[103]", "socket:[9999]", "pipe:[102]", "socket:[104]"}}
	tcp := tcpTable("0100007F:094B 101", "020012AC:094C 102", "00000000:094C 103")
	tcp6 := tcpHeader + "   0: 00000000000000000000000001000000:094D 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 104 1 0\n"
	plain := []fact.Socket{{Address: "127.0.0.1", Port: 2379, Inode: 101}, {Address: "0.0.0.0", Port: 2380, Inode: 103}, {Address: "::1", Port: 2381, Inode: 104}}
	elsewhere := slices.Clone(plain)
	for i := range elsewhere {
		elsewhere[i].Netns = 4026532222
	}
	for name, tc := range map[string]struct {
		change func(*fakeProcess)
		files  string
		want   []fact.Socket
		read   bool
		gap    string
	}{
		"in the node's network namespace": {files: withTCP(9, tcp, tcp6), want: plain, read: true},
		"in another one":                  {change: func(p *fakeProcess) { p.ns = "2222" }, files: withTCP(9, tcp, tcp6), want: elsewhere, read: true},
		"no IPv6":                         {files: "-- proc/9/net/tcp --\n" + tcp, want: plain[:2], read: true},
		"a table that is cut":             {files: withTCP(9, tcp+"  9: 01", tcp6), want: plain[:2], gap: "etcd, pid 9: its listening sockets: pid 9: net/tcp line 5: expected 10 fields, found 4"},
		"no table":                        {gap: "etcd, pid 9: its listening sockets: open tcp: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			p := etcd
			if tc.change != nil {
				tc.change(&p)
			}
			dir := nodeFixture(t, []fakeProcess{initProcess, p}, "-- usr/bin/etcd --\n"+tc.files+"-- proc/9/environ --\n\n")
			m := read(t, dir, fact.LevelFull, fact.ServerSettings)
			if len(m.Components) != 1 {
				t.Fatalf("components %v", m.Components)
			}
			if diff := cmp.Diff(tc.want, m.Components[0].Sockets); diff != "" {
				t.Errorf("sockets (-want +got):\n%s", diff)
			}
			if m.Components[0].SocketsRead != tc.read {
				t.Errorf("sockets read: %v", m.Components[0].SocketsRead)
			}
			gap := ""
			for _, g := range m.Gaps {
				gap += strings.ReplaceAll(g.Detail, dir+"/proc/9/net/", "")
			}
			if gap != tc.gap {
				t.Errorf("gap %q, want %q", gap, tc.gap)
			}
		})
	}
}

// A proxy counts if the kubelet reaches the API server through it.
func TestProxySettings(t *testing.T) {
	const config = "/etc/kubernetes/kubelet.conf"
	kubeconfig := func(server string) string {
		return "-- " + config[1:] + " --\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: '" + server + "'}}]\n"
	}
	kubelet := fakeProcess{pid: 8, comm: "kubelet", start: later, cmdline: "kubelet --kubeconfig=" + config}
	haproxy := fakeProcess{pid: 9, comm: "haproxy", start: later, cmdline: "haproxy", fds: []string{"socket:[101]"}}
	worker := haproxy
	worker.pid, worker.ppid = 10, 9
	server := fakeProcess{pid: 11, comm: "kube-apiserver", start: later, cgroup: staticCgroup, cmdline: "kube-apiserver", fds: []string{"socket:[201]"}}
	for name, tc := range map[string]struct {
		server, socket string
		apiServer      bool
		ordinary       string // its network namespace, if it is in an ordinary pod
		want           bool
	}{
		"on loopback":                                        {server: "https://127.0.0.1:7443", socket: "0100007F:1D13 101", want: true},
		"by the name of loopback":                            {server: "https://localhost:7443/", socket: "00000000:1D13 101", want: true},
		"another port":                                       {server: "https://127.0.0.1:7444", socket: "0100007F:1D13 101"},
		"another address":                                    {server: "https://10.0.0.9:7443", socket: "0100007F:1D13 101"},
		"on the very address":                                {server: "https://172.18.0.2:7443", socket: "020012AC:1D13 101", want: true},
		"an address that may be another machine's":           {server: "https://10.0.0.9:7443", socket: "00000000:1D13 101"},
		"the same next to an API server":                     {server: "https://10.0.0.9:7443", socket: "00000000:1D13 101", apiServer: true, want: true},
		"the API server's own port":                          {server: "https://10.0.0.9:6443", socket: "00000000:192B 101", apiServer: true},
		"in an ordinary pod with the node's network":         {server: "https://127.0.0.1:7443", socket: "0100007F:1D13 101", ordinary: "1837", want: true},
		"in an ordinary pod with a network of its own":       {server: "https://127.0.0.1:7443", socket: "0100007F:1D13 101", ordinary: "2222"},
		"a port that the URL leaves out, and another socket": {server: "https://127.0.0.1", socket: "0100007F:1D13 101"},
	} {
		t.Run(name, func(t *testing.T) {
			proxies := []fakeProcess{haproxy, worker}
			if tc.ordinary != "" {
				for i := range proxies {
					proxies[i].ns, proxies[i].cgroup = tc.ordinary, "0::/kubepods/burstable/pod"+podUID+"/"+idB+"\n"
				}
			}
			all := append([]fakeProcess{initProcess, kubelet}, proxies...)
			table := tcpTable(tc.socket, "00000000:192B 201")
			files := "-- usr/bin/kubelet --\n-- usr/bin/haproxy --\n-- usr/bin/kube-apiserver --\n" + kubeconfig(tc.server) + withTCP(8, table, tcpHeader) + withTCP(9, table, tcpHeader) + withTCP(10, table, tcpHeader) + withTCP(11, table, tcpHeader)
			if tc.apiServer {
				all = append(all, server)
			}
			got, _ := programs(t, all, files)
			got = slices.DeleteFunc(got, func(c fact.Component) bool { return c.Program != fact.ProgramProxy })
			if !tc.want {
				if len(got) > 0 {
					t.Errorf("proxies %+v, want none", got)
				}
				return
			}
			if len(got) != 1 || got[0].PID != 9 || len(got[0].Sockets) != 1 || got[0].Sockets[0].Inode != 101 {
				t.Fatalf("proxies %+v, want one with its socket: the workers have the same", got)
			}
			want := fact.Setting{Name: "proxies", Value: tc.server, From: config + " clusters.cluster.server"}
			if s, _ := got[0].Setting("proxies"); s != want {
				t.Errorf("setting %+v, want %+v", s, want)
			}
		})
	}
}
