package kine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
)

type onDisk struct{ *os.File }

func (f onDisk) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// big makes a database of so many MB with so many Secrets and other keys of 2.5 to 3.4 kB.
func big(b testing.TB, mb, secrets int) string {
	path := filepath.Join(b.TempDir(), "state.db")
	head := "'k8s:enc:aescbc:v1:key1:'"
	cli(b, path, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000;\n"+strings.Split(kinetest.Schema, ";\n")[0]+";\n"+fmt.Sprintf(`
INSERT INTO kine(name, created, deleted, prev_revision, lease, value) VALUES('compact_rev_key', 1, 0, %[1]d, 0, X'');
INSERT INTO kine(name, created, deleted, prev_revision, lease, value) VALUES('/registry/namespaces/default', 1, 0, 0, 0, X'00');
INSERT INTO kine(name, created, deleted, prev_revision, lease, value) WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%[2]d)
 SELECT printf('/registry/secrets/ns-%%d/secret-%%06d-of-an-application', i%%100, i), 1, 0, 0, 0, CAST(%[3]s || hex(randomblob(400)) AS BLOB) FROM n;
INSERT INTO kine(name, created, deleted, prev_revision, lease, value) WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%[4]d)
 SELECT printf('/registry/configmaps/ns-%%d/configmap-%%07d', i%%100, i), 1, 0, 0, 0, zeroblob(2500 + i%%900) FROM n;
`, int64(1)<<40, secrets, head, mb*1000000/3600)+strings.Join(strings.Split(kinetest.Schema, ";\n")[1:], ";\n"))
	return path
}

// BenchmarkBig compares reading with cat, in turn and warm, without and with the search
// for residue. The metrics are how many times as long ours takes and how much memory.
//
//	KINE_BENCH_MB=1000 KINE_BENCH_SECRETS=50000 go test -run '^$' -bench Big -benchtime 5x
func BenchmarkBig(b *testing.B) {
	mb, secrets := 100, 5000
	if text := os.Getenv("KINE_BENCH_MB"); text != "" {
		fmt.Sscan(text, &mb)
	}
	if text := os.Getenv("KINE_BENCH_SECRETS"); text != "" {
		fmt.Sscan(text, &secrets)
	}
	path := big(b, mb, secrets)
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	size, _ := onDisk{f}.Size()
	cat := func() time.Duration {
		began := time.Now()
		if err := exec.Command("sh", "-c", "cat "+path+" > /dev/null").Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	for _, residue := range []bool{false, true} {
		b.Run(fmt.Sprintf("residue=%v", residue), func(b *testing.B) {
			cat()
			var ours, theirs time.Duration
			var stats runtime.MemStats
			peak, total := uint64(0), 0
			for b.Loop() {
				theirs += cat()
				began := time.Now()
				db, gaps, err := Read(context.Background(), Given(onDisk{f}, nil), Options{Path: "state.db", Residue: residue})
				ours += time.Since(began)
				if err != nil || len(gaps) > 0 || db.Total != secrets {
					b.Fatal(err, gaps, db.Total)
				}
				runtime.ReadMemStats(&stats)
				peak = max(peak, stats.HeapSys-stats.HeapReleased)
				total = db.Total
				runtime.KeepAlive(db)
			}
			b.ReportMetric(float64(ours)/float64(theirs), "x-cat")
			b.ReportMetric(float64(size)*float64(b.N)/ours.Seconds()/1e6, "MB/s")
			b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms-ours")
			b.ReportMetric(float64(peak)/(1<<20), "MB-heap")
			b.ReportMetric(float64(size)/1e6, "MB-file")
			b.ReportMetric(float64(total), "secrets")
			b.ReportMetric(0, "ns/op")
		})
	}
}
