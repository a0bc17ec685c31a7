package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const encryptionFile = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: key1, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}
  - identity: {}
`

// later is when a process of a fixture starts, in ticks, if the fixture's files are to be
// older.
const later = 1<<31 - 1

var staticCgroup = "0::/kubepods/burstable/pod" + configHash + "/" + idA + "\n"

// OpenShift's API server takes its flags from a file, below its own root.
func TestOpenShift(t *testing.T) {
	config := "-- api/etc/c.yaml --\n" + `{"apiVersion":"kubecontrolplane.config.openshift.io/v1","kind":"KubeAPIServerConfig","apiServerArguments":{"encryption-provider-config":["/etc/enc"],"etcd-prefix":["kubernetes.io"],"etcd-servers":["https://u:hunter2@localhost:2379"]}}` + "\n"
	for name, tc := range map[string]struct {
		files, cmdline, flag string
		want                 fact.APIServer
	}{
		"a file": {
			config + "-- api/etc/enc --\n" + encryptionFile, "", "--openshift-config",
			fact.APIServer{ConfigFile: "/etc/c.yaml", EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "/etc/enc", "etcd-prefix": "kubernetes.io", "etcd-servers": "https://localhost:2379"}},
		},
		"the file wins": {
			config + "-- api/etc/enc --\n" + encryptionFile, " --encryption-provider-config=/other", "--openshift-config",
			fact.APIServer{ConfigFile: "/etc/c.yaml", EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "/etc/enc", "etcd-prefix": "kubernetes.io", "etcd-servers": "https://localhost:2379"}},
		},
		"a file that changed later": {
			config + "-- api/etc/enc --\n" + encryptionFile, "", "--openshift-config",
			fact.APIServer{
				ConfigFile: "/etc/c.yaml", EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "/etc/enc", "etcd-prefix": "kubernetes.io", "etcd-servers": "https://localhost:2379"},
				Unfollowed: "--openshift-config=/etc/c.yaml changed after the process started, which reads it only then",
			},
		},
		"no file": {
			"", "", "--openshift-config",
			fact.APIServer{ConfigFile: "/etc/c.yaml", Flags: map[string]string{}, Unfollowed: "--openshift-config=/etc/c.yaml was not read: resolve: no such file"},
		},
		"a file of another kind": {
			"-- api/etc/c.yaml --\nhunter2: hunter2\n", "", "--config",
			fact.APIServer{ConfigFile: "/etc/c.yaml", Flags: map[string]string{}, Unfollowed: "--config=/etc/c.yaml was not read: expected apiVersion"},
		},
		"a file of another kind, and a flag before it": {
			"-- api/etc/c.yaml --\nhunter2: hunter2\n-- api/etc/enc --\n" + encryptionFile, " --encryption-provider-config=/etc/enc", "--config",
			fact.APIServer{ConfigFile: "/etc/c.yaml", EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "/etc/enc"}, Unfollowed: "--config=/etc/c.yaml was not read: expected apiVersion"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := later
			if strings.HasSuffix(name, "changed later") {
				start = 100
			}
			dir := nodeFixture(t, []fakeProcess{initProcess, {
				pid: 9, comm: "kube-apiserver", start: start, cgroup: staticCgroup, root: "/api", cmdline: "kube-apiserver " + tc.flag + "=/etc/c.yaml" + tc.cmdline,
			}}, "-- api/usr/bin/kube-apiserver --\n"+tc.files)
			m := read(t, dir, fact.LevelFull, fact.EncryptionConfig, fact.AuditPolicies)
			if len(m.APIServers) != 1 {
				t.Fatalf("API servers %v", m.APIServers)
			}
			got := m.APIServers[0]
			if (got.Encryption != nil) != tc.want.EncryptionFlag {
				t.Errorf("encryption configuration %v", got.Encryption)
			}
			// What was not followed may name another file, so the time proves nothing.
			if e := got.Encryption; e != nil && (e.Changed.IsZero() != (got.Unfollowed != "") || e.Hash == "") {
				t.Errorf("changed %v, hash %q", e.Changed, e.Hash)
			}
			reason, _, _ := strings.Cut(tc.want.Unfollowed, ": resolve")
			if !strings.HasPrefix(got.Unfollowed, reason) || (reason == "") != (got.Unfollowed == "") {
				t.Errorf("unfollowed %q, want %q", got.Unfollowed, reason)
			}
			// Then a missing audit policy shows nothing either.
			if gap := slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool { return g.What == fact.AuditPolicies }); gap != (reason != "") {
				t.Errorf("gaps %v", m.Gaps)
			}
			got.PID, got.Started, got.Encryption, got.Unfollowed, tc.want.Unfollowed = 0, fact.Time{}, nil, "", ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("API server (-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprintf("%+v", m), "hunter2") {
				t.Error("a secret got out")
			}
		})
	}
}

// k3s has its API server inside, and hides its command line.
func TestK3s(t *testing.T) {
	const (
		enc    = "-- var/lib/rancher/k3s/server/cred/encryption-config.json --\n" + encryptionFile
		state  = "-- var/lib/rancher/k3s/server/db/state.db --\nSQLite format 3\n"
		hidden = "k3s hides its command line, so flags that were given there are unknown"
		path   = "/var/lib/rancher/k3s/server/cred/encryption-config.json"
	)
	for name, tc := range map[string]struct {
		files, cmdline string
		fds            []string
		want           *fact.APIServer
		dated          bool // the time of the configuration counts
		config         bool
	}{
		"hidden, without encryption": {
			files: state, cmdline: "HIDDEN", fds: []string{"/var/lib/rancher/k3s/server/db/state.db"},
			want: &fact.APIServer{Unfollowed: hidden, Flags: map[string]string{}},
		},
		"hidden, with a configuration that may be in use": {
			files: state + enc, cmdline: "HIDDEN", fds: []string{"/var/lib/rancher/k3s/server/db/state.db"}, config: true,
			want: &fact.APIServer{Unfollowed: hidden, Flags: map[string]string{}},
		},
		"hidden, and a configuration file": {
			files:   enc + "-- etc/rancher/k3s/config.yaml --\ntoken: hunter2\nsecrets-encryption: true\ndatastore-endpoint: mysql://u:hunter2@tcp(h)/k3s\n",
			cmdline: "HIDDEN", config: true,
			want: &fact.APIServer{Unfollowed: hidden, EncryptionFlag: true, ConfigFile: "/etc/rancher/k3s/config.yaml", Flags: map[string]string{"secrets-encryption": "true", "encryption-provider-config": path, "datastore-endpoint": "mysql"}},
		},
		"a command line, without encryption": {
			cmdline: "/usr/local/bin/k3s server --token hunter2 --kube-apiserver-arg=etcd-prefix=/x",
			want:    &fact.APIServer{Flags: map[string]string{"etcd-prefix": "/x"}},
		},
		"a command line, with encryption": {
			files: strings.ReplaceAll(enc, "var/lib/rancher/k3s", "data"), cmdline: "/usr/local/bin/k3s server -d /data --secrets-encryption", config: true, dated: true,
			want: &fact.APIServer{EncryptionFlag: true, Flags: map[string]string{"secrets-encryption": "true", "data-dir": "/data", "encryption-provider-config": "/data/server/cred/encryption-config.json"}},
		},
		"a configuration file that changed later": {
			files: enc + "-- etc/rancher/k3s/config.yaml --\nsecrets-encryption: true\n", cmdline: "/usr/local/bin/k3s server", config: true,
			want: &fact.APIServer{
				EncryptionFlag: true, ConfigFile: "/etc/rancher/k3s/config.yaml", Flags: map[string]string{"secrets-encryption": "true", "encryption-provider-config": path},
				Unfollowed: "/etc/rancher/k3s/config.yaml changed after the process started, which reads it only then",
			},
		},
		"drop-ins": {
			files:   "-- etc/rancher/k3s/config.yaml --\nkube-apiserver-arg: [etcd-prefix=/a]\n-- etc/rancher/k3s/config.yaml.d/b.yaml --\nkube-apiserver-arg+: [audit-log-path=/log]\n-- etc/rancher/k3s/config.yaml.d/c.txt --\nx\n",
			cmdline: "/usr/local/bin/k3s server",
			want:    &fact.APIServer{ConfigFile: "/etc/rancher/k3s/config.yaml", Flags: map[string]string{"etcd-prefix": "/a", "audit-log-path": "/log"}},
		},
		"a file that cannot be parsed": {
			files: "-- etc/rancher/k3s/config.yaml --\n- hunter2\n", cmdline: "/usr/local/bin/k3s server",
			want: &fact.APIServer{ConfigFile: "/etc/rancher/k3s/config.yaml", Unfollowed: "/etc/rancher/k3s/config.yaml was not read: /etc/rancher/k3s/config.yaml: expected an object with flags", Flags: map[string]string{}},
		},
		"no API server inside": {cmdline: "/usr/local/bin/k3s server --disable-apiserver"},
	} {
		t.Run(name, func(t *testing.T) {
			start := later
			if strings.HasSuffix(name, "changed later") {
				start = 100
			}
			dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 9, comm: "k3s-server", start: start, cmdline: tc.cmdline, fds: tc.fds}}, "-- usr/bin/k3s-server --\n"+tc.files)
			if tc.cmdline == "HIDDEN" {
				if err := os.WriteFile(filepath.Join(dir, "proc/9/cmdline"), []byte("/usr/local/bin/k3s server\x00\x00\x00\x00\x00"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			m := read(t, dir, fact.LevelFull, fact.EncryptionConfig)
			if tc.want == nil {
				if len(m.APIServers) > 0 {
					t.Errorf("API servers %v, want none", m.APIServers)
				}
				return
			}
			if len(m.APIServers) != 1 || len(m.Gaps) > 0 {
				t.Fatalf("API servers %v, gaps %v", m.APIServers, m.Gaps)
			}
			got := m.APIServers[0]
			if e := got.Encryption; (e != nil) != tc.config || e != nil && (e.Changed.IsZero() == tc.dated || e.Hash == "" || !e.AutoReload) {
				t.Errorf("encryption configuration %+v", e)
			}
			got.Encryption = nil
			tc.want.PID, tc.want.Started, tc.want.Program = 9, at(start), "k3s"
			tc.want.Flags["encryption-provider-config-automatic-reload"] = "true"
			if diff := cmp.Diff(*tc.want, got); diff != "" {
				t.Errorf("API server (-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprintf("%+v", m), "hunter2") {
				t.Error("a secret got out")
			}
		})
	}
}

// Stores of a kind that is not read are gaps with their reason, and never "no store here".
func TestOtherStores(t *testing.T) {
	k3s := fakeProcess{pid: 9, comm: "k3s-server", cmdline: "/usr/local/bin/k3s server"}
	with := func(p fakeProcess, change func(*fakeProcess)) fakeProcess { change(&p); return p }
	for name, tc := range map[string]struct {
		process fakeProcess
		want    string // the gap's end, "" for none
	}{
		"an SQL server":          {with(k3s, func(p *fakeProcess) { p.cmdline += " --datastore-endpoint mysql://u:hunter2@tcp(h)/k3s" }), "a datastore of scheme mysql, which is not supported"},
		"etcd on other machines": {with(k3s, func(p *fakeProcess) { p.cmdline += " --datastore-endpoint=https://h:2379" }), ""},
		"nothing that says":      {k3s, "its configuration does not say where the cluster's objects are"},
		"dqlite":                 {fakeProcess{pid: 9, comm: "k8s-dqlite"}, "the cluster's objects are in dqlite (MicroK8s), which is not supported"},
		"kine on its own":        {fakeProcess{pid: 9, comm: "kine", cmdline: "kine --endpoint=postgres://u:hunter2@h/k"}, "a datastore of scheme postgres, which is not supported"},
		"an agent":               {fakeProcess{pid: 9, comm: "k3s-agent", cmdline: "/usr/local/bin/k3s agent"}, ""},
		"another program":        {fakeProcess{pid: 9, comm: "grafana", fds: []string{"/var/lib/grafana/db/state.db"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, []fakeProcess{initProcess, tc.process}, "-- usr/bin/x --\n-- usr/bin/"+tc.process.comm+" --\n-- var/lib/grafana/db/state.db --\nx\n")
			m := read(t, dir, fact.LevelFull, fact.Etcd, fact.Residue)
			if (len(m.Gaps) == 0) != (tc.want == "") || m.HasRead(fact.Etcd) != (tc.want == "") || m.HasRead(fact.Residue) != (tc.want == "") {
				t.Fatalf("gaps %v, read %v; want %q", m.Gaps, m.Read, tc.want)
			}
			for _, g := range m.Gaps {
				if g.Reason != fact.Unsupported || !strings.HasSuffix(g.Detail, tc.want) || strings.Contains(g.Detail, "hunter2") {
					t.Errorf("gap %v, want one that ends in %q", g, tc.want)
				}
			}
		})
	}
}

// The policy decides what the log holds; the log itself is only looked at.
func TestAuditPolicies(t *testing.T) {
	const policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: None, verbs: [get]}\n- {level: Request, resources: [{resources: [secrets]}]}\n"
	files := "-- usr/bin/kube-apiserver --\n-- etc/policy.yaml --\n" + policy + "-- etc/bad.yaml --\nhunter2\n-- var/log/audit.log --\nhunter2\n"
	log := &fact.FileAccess{Path: "/var/log/audit.log", Mode: 0o640, Group: 4, GroupReaches: true, OthersReach: true}
	for name, tc := range map[string]struct {
		cmdline string
		want    *fact.AuditPolicy
		gap     string
	}{
		"a log file": {
			"--audit-policy-file=/etc/policy.yaml --audit-log-path=/var/log/audit.log",
			&fact.AuditPolicy{Path: "/etc/policy.yaml", Level: "Request", Rule: 2, LogPath: "/var/log/audit.log", Log: log}, "",
		},
		"standard output and a webhook": {
			"--audit-policy-file=/etc/policy.yaml --audit-log-path=- --audit-webhook-config-file=/etc/hook.yaml",
			&fact.AuditPolicy{Path: "/etc/policy.yaml", Level: "Request", Rule: 2, Stdout: true, Webhook: true}, "",
		},
		"a policy that changed later": {
			"--audit-policy-file=/etc/policy.yaml", &fact.AuditPolicy{Path: "/etc/policy.yaml", Level: "Request", Rule: 2}, "it changed after the process started",
		},
		"nowhere to log":           {"--audit-policy-file=/etc/policy.yaml", &fact.AuditPolicy{Path: "/etc/policy.yaml", Level: "Request", Rule: 2}, ""},
		"no policy":                {"--audit-log-path=/var/log/audit.log", nil, ""},
		"a policy that is missing": {"--audit-policy-file=/etc/none.yaml", nil, "--audit-policy-file: open"},
		"a file of another kind":   {"--audit-policy-file=/etc/bad.yaml", nil, "--audit-policy-file: /etc/bad.yaml: expected apiVersion"},
		"a log that is missing": {
			"--audit-policy-file=/etc/policy.yaml --audit-log-path=/var/log/none.log",
			&fact.AuditPolicy{Path: "/etc/policy.yaml", Level: "Request", Rule: 2, LogPath: "/var/log/none.log"}, "--audit-log-path: resolve",
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := later
			if strings.HasSuffix(name, "changed later") {
				start = 100
			}
			dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 9, comm: "kube-apiserver", start: start, cgroup: "0::/system.slice/k.service\n", cmdline: "kube-apiserver " + tc.cmdline}}, files)
			owned(t, filepath.Join(dir, "var/log/audit.log"), 0o640, 4)
			m := read(t, dir, fact.LevelFull, fact.AuditPolicies)
			if len(m.APIServers) != 1 || !m.HasRead(fact.AuditPolicies) {
				t.Fatalf("API servers %v, read %v", m.APIServers, m.Read)
			}
			if diff := cmp.Diff(tc.want, m.APIServers[0].Audit); diff != "" {
				t.Errorf("audit policy (-want +got):\n%s", diff)
			}
			if (len(m.Gaps) == 1) != (tc.gap != "") || len(m.Gaps) > 1 {
				t.Fatalf("gaps %v, want %q", m.Gaps, tc.gap)
			}
			if tc.gap != "" && (m.Gaps[0].What != fact.AuditPolicies || !strings.Contains(m.Gaps[0].Detail, tc.gap)) {
				t.Errorf("gap %v, want %q", m.Gaps[0], tc.gap)
			}
			if strings.Contains(fmt.Sprintf("%+v", m), "hunter2") {
				t.Error("a secret got out")
			}
		})
	}
}

// owned gives a file a mode and a group, and all directories above it to root.
func owned(t *testing.T, name string, mode os.FileMode, group int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the files' owner must be root")
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(name, 0, group); err != nil {
		t.Fatal(err)
	}
}

// Who can read a store's files is judged on the node, above the directory that is mounted
// into etcd's container.
func TestStorageFiles(t *testing.T) {
	mounts := func(dir string) string {
		return "20 1 0:30 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n21 20 0:5 / /proc rw - proc proc rw\n22 20 8:1 " + dir + " /data rw - ext4 /dev/sda1 rw\n"
	}
	const db = "/srv/etcd/member/snap/db"
	etcd := fakeProcess{pid: 9, comm: "etcd", uid: "52\t52\t52\t52", cgroup: staticCgroup, root: "/c", exe: "/usr/bin/etcd", fds: []string{"/data/member/snap/db"}, mounts: mounts("/srv/etcd")}
	for name, tc := range map[string]struct {
		process fakeProcess
		prepare func(t *testing.T, dir string)
		want    *fact.StoreFiles
		gap     string
	}{
		"a directory of mode 0700": {
			process: etcd, prepare: func(t *testing.T, dir string) { owned(t, filepath.Join(dir, "srv/etcd"), 0o700, 0) },
			want: &fact.StoreFiles{Dir: fact.FileAccess{Path: "/srv/etcd", Dir: true, Mode: 0o700, GroupReaches: true, OthersReach: true}, UID: 52, Files: 1},
		},
		"a directory that others can enter": {
			process: etcd,
			prepare: func(t *testing.T, dir string) {
				for _, name := range []string{"srv/etcd", "srv/etcd/member", "srv/etcd/member/snap"} {
					owned(t, filepath.Join(dir, name), 0o755, 0)
				}
				owned(t, filepath.Join(dir, db), 0o644, 0)
			},
			want: &fact.StoreFiles{
				Dir: fact.FileAccess{Path: "/srv/etcd", Dir: true, Mode: 0o755, GroupReaches: true, OthersReach: true}, UID: 52, Files: 1, OpenTotal: 1,
				Open: []fact.FileAccess{{Path: db, Mode: 0o644, GroupReaches: true, OthersReach: true}},
			},
		},
		"a mount of another file system": {
			process: func() fakeProcess {
				p := etcd
				p.mounts = strings.Replace(mounts("/srv/etcd"), "8:1", "8:9", 1)
				return p
			}(),
			prepare: func(*testing.T, string) {}, gap: "its path on the node was not found",
		},
		"a mount of another directory": {
			process: func() fakeProcess { p := etcd; p.mounts = mounts("/other"); return p }(),
			prepare: func(*testing.T, string) {}, gap: "its path on the node was not found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, []fakeProcess{initProcess, tc.process}, "-- other/x --\n-- c/usr/bin/etcd --\n")
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			writeEtcd(t, filepath.Join(dir, db), "/registry")
			if err := os.Chmod(filepath.Join(dir, "srv"), 0o755); err != nil {
				t.Fatal(err)
			}
			// What the container sees at /data is the node's directory.
			bind(t, filepath.Join(dir, "srv/etcd"), filepath.Join(dir, "c/data"))
			tc.prepare(t, dir)
			m := read(t, dir, fact.LevelFull, fact.Etcd, fact.StorageFiles)
			if len(m.Etcd) != 1 || !m.HasRead(fact.Etcd) {
				t.Fatalf("databases %v, gaps %v", m.Etcd, m.Gaps)
			}
			if diff := cmp.Diff(tc.want, m.Etcd[0].Files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if (len(m.Gaps) == 1) != (tc.gap != "") || m.HasRead(fact.StorageFiles) != (tc.gap == "") {
				t.Fatalf("gaps %v, read %v; want %q", m.Gaps, m.Read, tc.gap)
			}
			if tc.gap != "" && (m.Gaps[0].What != fact.StorageFiles || !strings.Contains(m.Gaps[0].Detail, tc.gap)) {
				t.Errorf("gap %v, want %q", m.Gaps[0], tc.gap)
			}
		})
	}
}

// bind mounts a directory at another place.
func bind(t *testing.T, source, target string) {
	t.Helper()
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mounting needs more rights: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestSwap(t *testing.T) {
	volume := func(id int, kind, name, options string) string {
		return fmt.Sprintf("%d 20 0:%d / /var/lib/kubelet/pods/%s/volumes/kubernetes.io~%s/%s rw,relatime shared:9 - tmpfs tmpfs %s\n", id, id, podUID, kind, name, options)
	}
	host := initProcess
	host.mounts = hostMounts + volume(40, "secret", "a", "rw,size=1k,noswap") + volume(41, "projected", "b", "rw,size=1k") + volume(42, "empty-dir", "c", "rw") +
		"43 20 0:43 / /run rw - tmpfs tmpfs rw\n"
	const header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for name, tc := range map[string]struct {
		swaps string
		want  *fact.SwapState
		gap   fact.Reason
	}{
		"no swap":       {header, &fact.SwapState{SecretVolumes: 2, Swappable: 1}, ""},
		"a disk":        {header + "/dev/sda2 partition\t1000\t\t10\t\t-2\n", &fact.SwapState{Areas: 1, Used: 10 << 10, SecretVolumes: 2, Swappable: 1}, ""},
		"zram":          {header + "/dev/zram0 partition\t1000\t\t10\t\t-2\n", &fact.SwapState{SecretVolumes: 2, Swappable: 1}, ""},
		"a broken file": {header + "/dev/sda2\n", nil, fact.Corrupt},
		"no file":       {"", nil, fact.NotPresent},
	} {
		t.Run(name, func(t *testing.T) {
			files := ""
			if tc.swaps != "" {
				files = "-- proc/swaps --\n" + tc.swaps
			}
			m := read(t, nodeFixture(t, []fakeProcess{host}, files), fact.LevelFull, fact.Swap)
			if diff := cmp.Diff(tc.want, m.Host.Swap); diff != "" {
				t.Errorf("swap (-want +got):\n%s", diff)
			}
			if m.HasRead(fact.Swap) != (tc.gap == "") || (len(m.Gaps) == 1) != (tc.gap != "") || tc.gap != "" && m.Gaps[0].Reason != tc.gap {
				t.Errorf("read %v, gaps %v", m.Read, m.Gaps)
			}
		})
	}
}
