package etcd

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// bigFile writes a file like that of a large cluster: so many Secrets, and other keys in
// between, until the file has about so many bytes. One object in five is written again
// and its old row compacted, so that new leaves lie between old ones.
func bigFile(tb testing.TB, path string, secrets, others int, size int64) {
	tb.Helper()
	s := openStore(tb, path, 4096)
	r := rand.New(rand.NewSource(1))
	filler := storedtest.Payload(r, 64<<10)
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	total := secrets + others
	each := int(size*100/150) / total // bbolt leaves a tenth of a page free
	lastRow := make([][]byte, total)
	write := func(tx *bolt.Tx, i int) {
		if old := lastRow[i]; old != nil {
			s.check(tx.Bucket([]byte("key")).Delete(old))
		}
		var o op
		if (i+1)*secrets/total > i*secrets/total { // evenly
			n := fmt.Sprintf("db-password-of-team-%06d", i)
			o = op{key: "/registry/secrets/shop/" + n, value: storedtest.AnySecret(r, "shop", n)}
		} else {
			n := r.Intn(2 * each * total / others)
			at := r.Intn(len(filler) - n)
			o = op{key: fmt.Sprintf("/registry/pods/shop/app-%06d", i), value: storedtest.Protobuf("v1", "Pod", filler[at:at+n])}
		}
		s.txn(tx, o)
		lastRow[i] = revisionKey(s.rev, 0, false)
	}
	for i := 0; i < total; {
		s.update(func(tx *bolt.Tx) {
			for range 500 {
				if i == total {
					break
				}
				write(tx, i)
				if i%5 == 4 {
					write(tx, r.Intn(i))
				}
				i++
			}
			s.check(tx.Bucket([]byte("meta")).Put([]byte("finishedCompactRev"), revisionKey(s.rev, 0, false)))
		})
		s.rows = nil
	}
	s.check(s.db.Close())
}

// TestBigFile writes a file for the benchmark of a whole read, which takes a while.
func TestBigFile(t *testing.T) {
	spec := os.Getenv("ETCD_BIG_FILE") // PATH,SECRETS,OTHERS,BYTES
	if spec == "" {
		t.Skip("run by BenchmarkBig")
	}
	var secrets, others int
	var size int64
	path, rest, _ := strings.Cut(spec, ",")
	if _, err := fmt.Sscanf(rest, "%d,%d,%d", &secrets, &others, &size); err != nil {
		t.Fatal(err)
	}
	bigFile(t, path, secrets, others, size)
}
