package node

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// field is one length-delimited field of a protobuf message, under 128 bytes.
func field(number int, content string) string {
	return string([]byte{byte(number<<3 | 2), byte(len(content))}) + content
}

// writeEtcd makes a database of etcd's with one Secret, stored as plaintext at
// revision 3.
func writeEtcd(t *testing.T, name, prefix string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(name, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	value := "k8s\x00" + field(1, field(1, "v1")+field(2, "Secret")) + field(2, field(1, field(1, "db")+field(3, "shop"))) + "\x1a\x00\x22\x00"
	rows := []string{ // from etcd's first revision on
		2: field(1, prefix+"/namespaces/default") + "\x10\x02\x18\x02\x20\x01" + field(5, "{}"),
		3: field(1, prefix+"/secrets/shop/db") + "\x10\x03\x18\x03\x20\x01" + field(5, value),
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucket([]byte("meta")); err != nil {
			return err
		}
		b, err := tx.CreateBucket([]byte("key"))
		if err != nil {
			return err
		}
		for revision := 2; revision < len(rows); revision++ {
			key := binary.BigEndian.AppendUint64(nil, uint64(revision))
			key = binary.BigEndian.AppendUint64(append(key, '_'), 0)
			if err := b.Put(key, []byte(rows[revision])); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The database is found by the descriptor that etcd has of it, and read with
// the prefix that the API server next to it was given.
func TestEtcd(t *testing.T) {
	const path = "/var/lib/etcd/member/snap/db"
	static, ordinary := "0::/kubepods/burstable/pod"+configHash+"/"+idA+"\n", "0::/kubepods/burstable/pod"+podUID+"/"+idB+"\n"
	secret := fact.StoredSecret{Namespace: "shop", Name: "db", Revision: 3, Class: fact.ClassIdentityProtobuf}
	for name, tc := range map[string]struct {
		cgroup, flags, prefix string
		want                  []fact.EtcdDB
	}{
		"the default prefix": {
			cgroup: static, flags: "kube-apiserver", prefix: "/registry",
			want: []fact.EtcdDB{{Path: path, Prefix: "/registry", PrefixFrom: "default of --etcd-prefix", Revision: 3, Complete: true, Secrets: []fact.StoredSecret{secret}, Total: 1, History: &fact.StoredHistory{Complete: true}}},
		},
		"a prefix of the flag": {
			cgroup: static, flags: "kube-apiserver --etcd-prefix=kubernetes.io", prefix: "/kubernetes.io",
			want: []fact.EtcdDB{{Path: path, Prefix: "/kubernetes.io", PrefixFrom: "--etcd-prefix", Revision: 3, Complete: true, Secrets: []fact.StoredSecret{secret}, Total: 1, History: &fact.StoredHistory{Complete: true}}},
		},
		"etcd on the host itself": {
			cgroup: "0::/system.slice/etcd.service\n", flags: "kube-apiserver", prefix: "/registry",
			want: []fact.EtcdDB{{Path: path, Prefix: "/registry", PrefixFrom: "default of --etcd-prefix", Revision: 3, Complete: true, Secrets: []fact.StoredSecret{secret}, Total: 1, History: &fact.StoredHistory{Complete: true}}},
		},
		"etcd in an ordinary pod is not this cluster's": {cgroup: ordinary, flags: "kube-apiserver", prefix: "/registry"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, []fakeProcess{
				initProcess,
				{pid: 8, comm: "kube-apiserver", cgroup: static, cmdline: tc.flags},
				{pid: 9, comm: "etcd", cgroup: tc.cgroup, root: "/e", fds: []string{"/dev/null", path, path}},
			}, "-- e/dev/null --\n")
			writeEtcd(t, dir+"/e"+path, tc.prefix)
			m := read(t, dir, fact.LevelFull, fact.Etcd)
			ignore := cmp.Options{cmpopts.IgnoreFields(fact.EtcdDB{}, "TxID", "Size"), cmpopts.IgnoreFields(fact.StoredSecret{}, "Size")}
			if diff := cmp.Diff(tc.want, m.Etcd, ignore); diff != "" {
				t.Errorf("databases (-want +got):\n%s", diff)
			}
			if len(m.Gaps) > 0 || !m.HasRead(fact.Etcd) {
				t.Errorf("gaps %v, read %v", m.Gaps, m.Read)
			}
		})
	}
}

// A worker has no etcd: it was looked for, and none is there.
func TestNoEtcdIsRead(t *testing.T) {
	m := read(t, nodeFixture(t, []fakeProcess{initProcess}, ""), fact.LevelFull, fact.Etcd, fact.EncryptionConfig)
	if !m.HasRead(fact.Etcd) || !m.HasRead(fact.EncryptionConfig) || len(m.Gaps) > 0 || len(m.Etcd) > 0 || len(m.APIServers) > 0 {
		t.Errorf("read %v, gaps %v, %d databases, %d servers", m.Read, m.Gaps, len(m.Etcd), len(m.APIServers))
	}
}

func TestAPIServer(t *testing.T) {
	const secret = "c2VjcmV0LWtleS1vZi1hZXNjYmM0NTY3ODkwMTIzNDU="
	server := func(pid int, cgroup, cmdline string) fakeProcess {
		return fakeProcess{pid: pid, comm: "kube-apiserver", start: 100, cgroup: "0::" + cgroup + "\n", cmdline: cmdline, root: "/api"}
	}
	static := "/kubepods/burstable/pod" + configHash + "/" + idA
	files := `-- api/usr/bin/kube-apiserver --
x
-- etc/enc.yaml --
the node's own file, which is not the server's
-- api/etc/enc.yaml --
-> /real/enc.yaml
-- api/real/enc.yaml --
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: key1, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}
  - identity: {}
-- api/real/broken.yaml --
apiVersion: v1
kind: Pod
secret: ` + secret + `
`
	flags := "kube-apiserver --encryption-provider-config=/etc/enc.yaml --encryption_provider_config_automatic_reload --etcd-servers=https://user:hunter2@127.0.0.1:2379,https://10.0.0.1:2379 --token-auth-file=/hunter2 --service-account-signing-key hunter2"
	for name, tc := range map[string]struct {
		process fakeProcess
		want    []fact.APIServer
		gaps    []fact.NodeGap
	}{
		"flags, and the configuration below its own root": {
			process: server(9, static, flags),
			want: []fact.APIServer{{
				PID: 9, Started: at(100), EncryptionFlag: true,
				Flags: map[string]string{"encryption-provider-config": "/etc/enc.yaml", "encryption-provider-config-automatic-reload": "true", "etcd-servers": "https://127.0.0.1:2379,https://10.0.0.1:2379"},
				Encryption: &fact.EncryptionConfiguration{Path: "/etc/enc.yaml", AutoReload: true, Entries: []fact.EncryptionEntry{{
					Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{{Type: "aescbc", Keys: []string{"key1"}}, {Type: "identity"}},
				}}},
			}},
		},
		"no flag is no configuration": {
			process: server(9, static, "kube-apiserver --etcd-prefix /x"),
			want:    []fact.APIServer{{PID: 9, Started: at(100), Flags: map[string]string{"etcd-prefix": "/x"}}},
		},
		"a file that is missing is a gap": {
			process: server(9, static, "kube-apiserver --encryption-provider-config=none.yaml"),
			want:    []fact.APIServer{{PID: 9, Started: at(100), EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "none.yaml"}}},
			gaps:    []fact.NodeGap{{What: fact.EncryptionConfig, Reason: fact.NotPresent, Detail: "kube-apiserver, pid 9: --encryption-provider-config: resolve DIR/api/none.yaml: no such file or directory"}},
		},
		"another kind of file is a gap without a word of it": {
			process: server(9, static, "kube-apiserver --encryption-provider-config=/real/broken.yaml"),
			want:    []fact.APIServer{{PID: 9, Started: at(100), EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "/real/broken.yaml"}}},
			gaps:    []fact.NodeGap{{What: fact.EncryptionConfig, Reason: fact.Corrupt}},
		},
		"an API server in an ordinary pod is another cluster's": {
			process: server(9, "/kubepods/burstable/pod"+podUID+"/"+idA, flags),
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, []fakeProcess{initProcess, tc.process}, files)
			m := read(t, dir, fact.LevelFull, fact.EncryptionConfig)
			if diff := cmp.Diff(tc.want, m.APIServers, cmpopts.IgnoreFields(fact.EncryptionConfiguration{}, "Changed", "Hash")); diff != "" {
				t.Errorf("API servers (-want +got):\n%s", diff)
			}
			for i := range m.Gaps {
				m.Gaps[i].Detail = strings.ReplaceAll(m.Gaps[i].Detail, dir, "DIR")
				if m.Gaps[i].Reason == fact.Corrupt {
					if text := fmt.Sprint(m.Gaps[i]); strings.Contains(text, secret) || strings.Contains(text, "Pod") {
						t.Errorf("the gap quotes the file: %s", text)
					}
					m.Gaps[i].Detail = ""
				}
			}
			if diff := cmp.Diff(tc.gaps, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if !m.HasRead(fact.EncryptionConfig) {
				t.Error("the kind was looked for, and is not among those read")
			}
			if text := fmt.Sprintf("%+v", m); strings.Contains(text, "hunter2") || strings.Contains(text, secret) {
				t.Error("a secret got out")
			}
		})
	}
}

// writeKine makes a database as kine does: a Secret in plaintext, then encrypted, so that
// its row holds both values.
func writeKine(t *testing.T, name string) {
	t.Helper()
	sqlite := needTool(t, "sqlite3", "sqlite3")
	m := kinetest.New()
	m.Put("/registry/namespaces/default", []byte("{}"))
	m.Put("/registry/secrets/shop/db", storedtest.ProtobufSecret("shop", "db", []byte("CANARYVALUE")))
	m.Put("/registry/secrets/shop/db", storedtest.AESCBC(rand.New(rand.NewSource(1)), "key1", 2))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sqlite, "-batch", "-bail", name)
	cmd.Stdin = strings.NewReader(m.SQL())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
}

// k3s keeps its objects in SQLite, and leaves that file where it moves to etcd.
func TestKine(t *testing.T) {
	const db = "/var/lib/rancher/k3s/server/db/"
	k3s := func(fd string) fakeProcess {
		return fakeProcess{pid: 9, comm: "k3s-server", cmdline: "/usr/local/bin/k3s server", fds: []string{"/etc/x", fd}}
	}
	all := []fact.Kind{fact.Etcd, fact.Residue}
	places := func(m *fact.Measurement) map[string]int {
		found := map[string]int{}
		for _, r := range m.Etcd[0].Remains {
			found[string(r.Place)+" "+strings.TrimPrefix(r.Path, db)] += r.Values
		}
		return found
	}
	t.Run("a database, and an old one", func(t *testing.T) {
		dir := nodeFixture(t, []fakeProcess{initProcess, k3s(db + "state.db")}, "-- etc/x --\n-- usr/bin/k3s-server --\n")
		writeKine(t, filepath.Join(dir, db, "state.db"))
		writeKine(t, filepath.Join(dir, db, "state.db.migrated"))
		m := read(t, dir, fact.LevelFull, all...)
		if len(m.Etcd) != 1 || len(m.Gaps) > 0 || !m.HasRead(fact.Etcd) || !m.HasRead(fact.Residue) {
			t.Fatalf("databases %v, gaps %v, read %v", m.Etcd, m.Gaps, m.Read)
		}
		e := m.Etcd[0]
		if e.Path != db+"state.db" || e.Format != fact.FormatKine || !e.Complete || len(e.Secrets) != 1 || e.Secrets[0].Class != fact.ClassAESCBC || !e.Secrets[0].OldValue {
			t.Errorf("database %+v", e)
		}
		// The row in plaintext, and its copy in the next one.
		if got := places(m); got["old database state.db.migrated"] != 2 {
			t.Errorf("remains %v", got)
		}
		if strings.Contains(fmt.Sprintf("%+v", m), "CANARYVALUE") {
			t.Error("a value got out")
		}
	})
	t.Run("no database of SQLite", func(t *testing.T) {
		dir := nodeFixture(t, []fakeProcess{initProcess, k3s(db + "state.db")}, "-- etc/x --\n-- usr/bin/k3s-server --\n-- var/lib/rancher/k3s/server/db/state.db --\nCANARYVALUE\n")
		m := read(t, dir, fact.LevelFull, all...)
		if len(m.Etcd) != 0 || len(m.Gaps) != 2 || m.Gaps[0].Reason != fact.Corrupt || m.HasRead(fact.Etcd) || m.HasRead(fact.Residue) {
			t.Errorf("databases %v, gaps %v, read %v", m.Etcd, m.Gaps, m.Read)
		}
		if strings.Contains(fmt.Sprintf("%+v", m), "CANARYVALUE") {
			t.Error("a gap quotes the file")
		}
	})
	t.Run("etcd with what was there before", func(t *testing.T) {
		dir := nodeFixture(t, []fakeProcess{initProcess, k3s(db + "etcd/member/snap/db")}, "-- etc/x --\n-- usr/bin/k3s-server --\n")
		writeEtcd(t, filepath.Join(dir, db, "etcd/member/snap/db"), "/registry")
		writeEtcd(t, filepath.Join(dir, db, "etcd-old-1700000000/member/snap/db"), "/registry")
		writeKine(t, filepath.Join(dir, db, "state.db.migrated"))
		log := filepath.Join(dir, db, "etcd-old-1700000000/member/wal/0000000000000000-0000000000000000.wal")
		if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(log, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		m := read(t, dir, fact.LevelFull, all...)
		if len(m.Etcd) != 1 || len(m.Gaps) > 0 || !m.HasRead(fact.Residue) {
			t.Fatalf("databases %v, gaps %v, read %v", m.Etcd, m.Gaps, m.Read)
		}
		got := places(m)
		if got["old database state.db.migrated"] != 2 || got["old database etcd-old-1700000000/member/snap/db"] != 1 {
			t.Errorf("remains %v", got)
		}
		for _, r := range m.Etcd[0].Remains {
			if strings.Contains(r.Path, "etcd-old-") && r.Place != fact.InOldStore {
				t.Errorf("of an old store: %+v", r)
			}
			if !r.Complete {
				t.Errorf("not complete: %+v", r)
			}
		}
	})
}

// Values in the log next to a member's database are found, and only where that is wanted.
func TestMemberRemains(t *testing.T) {
	const db = "/var/lib/etcd/member/snap/db"
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 9, comm: "etcd", cgroup: staticCgroup, fds: []string{db}}}, "-- usr/bin/etcd --\n")
	writeEtcd(t, filepath.Join(dir, db), "/registry")
	wal := filepath.Join(dir, "var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal")
	if err := os.MkdirAll(filepath.Dir(wal), 0o700); err != nil {
		t.Fatal(err)
	}
	// A log without its frames: what it holds is found all the same, and it is not
	// complete. A copy of the database's own rows is nothing that is left over.
	if err := os.WriteFile(wal, append([]byte("noise"), storedtest.ProtobufSecret("shop", "gone", []byte("CANARYVALUE"))...), 0o600); err != nil {
		t.Fatal(err)
	}
	writeEtcd(t, filepath.Join(dir, "var/lib/etcd/member/snap/0000000000000001.snap.db"), "/registry")
	m := read(t, dir, fact.LevelFull, fact.Etcd, fact.Residue)
	if len(m.Etcd) != 1 || !m.HasRead(fact.Residue) {
		t.Fatalf("databases %v, gaps %v", m.Etcd, m.Gaps)
	}
	found := map[fact.RemainsPlace]int{}
	for _, r := range m.Etcd[0].Remains {
		found[r.Place] += r.Values
	}
	if _, free := found[fact.InFreePages]; !free || found[fact.InLog] != 1 || found[fact.InSnapFile] != 0 {
		t.Errorf("remains %+v", m.Etcd[0].Remains)
	}
	if m = read(t, dir, fact.LevelFull, fact.Etcd); m.HasRead(fact.Residue) || len(m.Etcd[0].Remains) > 0 {
		t.Errorf("nobody asked for remains: %+v", m.Etcd[0].Remains)
	}
}

// A log that etcd has open elsewhere is not read, and what is left in the usual place is
// not taken for it.
func TestLogElsewhere(t *testing.T) {
	const db, name = "/var/lib/etcd/member/snap/db", "0000000000000000-0000000000000000.wal"
	for at, elsewhere := range map[string]bool{"/var/lib/etcd/member/wal": false, "/fast/wal": true} {
		dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 9, comm: "etcd", cgroup: staticCgroup, fds: []string{db, at + "/" + name}}},
			"-- usr/bin/etcd --\n-- var/lib/etcd/member/wal/"+name+" --\n-- fast/wal/"+name+" --\n")
		writeEtcd(t, filepath.Join(dir, db), "/registry")
		m := read(t, dir, fact.LevelFull, fact.Etcd, fact.Residue)
		if len(m.Etcd) != 1 {
			t.Fatalf("%v, gaps %v", m.Etcd, m.Gaps)
		}
		found := false
		for _, r := range m.Etcd[0].Remains {
			found = found || r.Place == fact.InLog && r.Path == at && !r.Complete && r.Reason == fact.Unsupported
		}
		if found != elsewhere {
			t.Errorf("%s: %+v", at, m.Etcd[0].Remains)
		}
	}
}

// A descriptor that ends like etcd's database and is none is a gap, not "no
// plaintext here".
func TestNotADatabase(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 9, comm: "etcd", fds: []string{"/var/lib/etcd/member/snap/db"}}},
		"-- var/lib/etcd/member/snap/db --\nnot bbolt\n-- usr/bin/etcd --\n")
	m := read(t, dir, fact.LevelFull, fact.Etcd)
	if len(m.Gaps) != 1 || m.Gaps[0].What != fact.Etcd || m.HasRead(fact.Etcd) || len(m.Etcd) != 0 {
		t.Errorf("gaps %v, read %v, databases %v; want one gap and nothing read", m.Gaps, m.Read, m.Etcd)
	}
}
