package node

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
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
// the prefix that the API server beside it was given.
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
			want: []fact.EtcdDB{{Path: path, Prefix: "/registry", PrefixFrom: "default of --etcd-prefix", Revision: 3, Complete: true, Secrets: []fact.StoredSecret{secret}, Total: 1}},
		},
		"a prefix of the flag": {
			cgroup: static, flags: "kube-apiserver --etcd-prefix=kubernetes.io", prefix: "/kubernetes.io",
			want: []fact.EtcdDB{{Path: path, Prefix: "/kubernetes.io", PrefixFrom: "--etcd-prefix", Revision: 3, Complete: true, Secrets: []fact.StoredSecret{secret}, Total: 1}},
		},
		"etcd on the host itself": {
			cgroup: "0::/system.slice/etcd.service\n", flags: "kube-apiserver", prefix: "/registry",
			want: []fact.EtcdDB{{Path: path, Prefix: "/registry", PrefixFrom: "default of --etcd-prefix", Revision: 3, Complete: true, Secrets: []fact.StoredSecret{secret}, Total: 1}},
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
