// Package storetest makes small stores for tests, as etcd leaves them on a disk.
package storetest

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// Row is a key of etcd and a value; nil deletes the key.
type Row struct {
	Key   string
	Value []byte
}

// Canary is what the values of Secrets hold here. It must never come out again.
const Canary = "CANARY-hunter2-c2VjcmV0"

// Secret is a Secret in plaintext.
func Secret(namespace, name string) Row {
	return Row{"/registry/secrets/" + namespace + "/" + name, storedtest.ProtobufSecret(namespace, name, []byte(Canary))}
}

// Encrypted is a Secret under aescbc.
func Encrypted(namespace, name string) Row {
	return Row{"/registry/secrets/" + namespace + "/" + name, append([]byte("k8s:enc:aescbc:v1:key1:"), make([]byte, 64)...)}
}

// Default is the key by which the prefix is known.
var Default = Row{"/registry/namespaces/default", []byte("{}")}

// Filler makes a store as large as one that is in use.
var Filler = Row{"/registry/configmaps/shop/filler", make([]byte, 40<<10)}

// WriteEtcd writes a bbolt file of etcd's with these rows, one revision each from 2 on.
// They are written one after another, so that bbolt leaves free pages behind.
func WriteEtcd(t testing.TB, path string, rows ...Row) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: 4096, NoFreelistSync: true, NoSync: true, NoGrowSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket([]byte("meta"))
		if err == nil {
			err = meta.Put([]byte("consistent_index"), make([]byte, 8))
		}
		if err != nil {
			return err
		}
		_, err = tx.CreateBucket([]byte("key"))
		return err
	})
	created, versions := map[string]int64{}, map[string]int64{}
	for i, row := range rows {
		if err != nil {
			break
		}
		revision := int64(i + 2)
		key := binary.BigEndian.AppendUint64(nil, uint64(revision))
		key = binary.BigEndian.AppendUint64(append(key, '_'), 0)
		value := storedtest.Field(nil, 1, []byte(row.Key))
		if row.Value == nil {
			key = append(key, 't')
			delete(created, row.Key)
			delete(versions, row.Key)
		} else {
			if created[row.Key] == 0 {
				created[row.Key] = revision
			}
			versions[row.Key]++
			value = storedtest.VarintField(value, 2, created[row.Key])
			value = storedtest.VarintField(value, 3, revision)
			value = storedtest.VarintField(value, 4, versions[row.Key])
			value = storedtest.Field(value, 5, row.Value)
		}
		err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("key")).Put(key, value) })
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Etcd is such a file's content.
func Etcd(t testing.TB, rows ...Row) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	WriteEtcd(t, path, rows...)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Snapshot is what etcdctl snapshot save writes of such a file: the pages in use and
// their SHA-256.
func Snapshot(t testing.TB, rows ...Row) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	WriteEtcd(t, path, rows...)
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	var out writer
	if err := db.View(func(tx *bolt.Tx) error { _, err := tx.WriteTo(&out); return err }); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) { *w = append(*w, p...); return len(p), nil }
