package rpmdb

import (
	"encoding/binary"
	"os"
	"runtime"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// TestMemory holds that memory does not grow with the database: while 20,000
// packages with 30 files each are read (34 to 78 MB), the heap grows by less than 8
// MB, and most of that is garbage between two collections.
func TestMemory(t *testing.T) {
	const packages, limit = 20_000, 8 << 20
	for name, build := range map[string]func([][]byte) []byte{
		fileNDB:    rpmtest.NDB,
		fileBDB:    func(blobs [][]byte) []byte { return rpmtest.BDB(t, blobs, 4096, binary.LittleEndian) },
		fileSQLite: func(blobs [][]byte) []byte { return rpmtest.SQLite(t, blobs) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := root(t, "var/lib/rpm/"+name, build(rpmtest.Generated(packages, 30)))
			info, err := os.Stat(dir + "/var/lib/rpm/" + name)
			if err != nil {
				t.Fatal(err)
			}
			opened := hosttest.OpenRoot(t, dir)
			var before, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			peak, count := uint64(0), 0
			result, err := Read(t.Context(), opened, wanted, func() {}, func(*Package) {
				if count++; count%100 == 0 {
					runtime.ReadMemStats(&now)
					peak = max(peak, now.HeapAlloc)
				}
			})
			if err != nil || result.Packages != packages || result.Damaged != 0 {
				t.Fatalf("%+v, %v", result, err)
			}
			grown := int64(peak) - int64(before.HeapAlloc)
			t.Logf("%d packages in %d MB: the heap grew by %d kB at most", packages, info.Size()>>20, grown>>10)
			if grown > limit {
				t.Errorf("the heap grew by %d bytes, at most %d are expected", grown, limit)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	blobs := rpmtest.Generated(2000, 30)
	for name, data := range map[string][]byte{
		fileNDB: rpmtest.NDB(blobs), fileBDB: rpmtest.BDB(b, blobs, 4096, binary.LittleEndian), fileSQLite: rpmtest.SQLite(b, blobs),
	} {
		b.Run(name, func(b *testing.B) {
			opened := hosttest.OpenRoot(b, root(b, "var/lib/rpm/"+name, data))
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if result, err := Read(b.Context(), opened, wanted, func() {}, func(*Package) {}); err != nil || result.Packages != len(blobs) {
					b.Fatal(result, err)
				}
			}
		})
	}
}
