package sqlite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkRows compares scans of a file with reading its bytes page by page
// and doing nothing with them, all in one run. The metric x-read is how many
// times as long ours takes: with every byte of every value read, and with only
// the first 64 of them.
func BenchmarkRows(b *testing.B) {
	for _, shape := range []struct{ name, size string }{
		{"rpm", "10000"}, // a package's header
		{"kine", "i%8000"},
		{"short rows", "40"},
	} {
		path := filepath.Join(b.TempDir(), "db")
		cli(b, path, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF; CREATE TABLE t(hnum INTEGER PRIMARY KEY, blob BLOB);\n"+
			fmt.Sprintf("INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<8000) SELECT i, randomblob(%s) FROM n;\n", shape.size))
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			b.Fatal(err)
		}
		read := func() time.Duration {
			began := time.Now()
			page := make([]byte, 4096)
			for off := int64(0); off < info.Size(); off += 4096 {
				if _, err := f.ReadAt(page, off); err != nil {
					b.Fatal(err)
				}
			}
			return time.Since(began)
		}
		for _, whole := range []bool{true, false} {
			b.Run(shape.name+map[bool]string{true: "/whole values", false: "/first bytes"}[whole], func(b *testing.B) {
				var ours, plain time.Duration
				buf := make([]byte, 16<<10)
				read()
				for b.Loop() {
					plain += read()
					began := time.Now()
					db, err := Open(f, info.Size(), nil, 0)
					if err != nil {
						b.Fatal(err)
					}
					rows := 0
					for row, err := range table(b, db, "t").Rows(0) {
						if err != nil {
							b.Fatal(err)
						}
						rows++
						v, err := row.Value(1)
						if err != nil {
							b.Fatal(err)
						}
						if !whole {
							_, err = v.First(64)
						} else if v.Len > 0 {
							_, err = v.ReadAt(buf[:v.Len], 0)
						}
						if err != nil {
							b.Fatal(err)
						}
					}
					if rows != 8000 {
						b.Fatal(rows)
					}
					ours += time.Since(began)
				}
				b.ReportMetric(float64(ours)/float64(plain), "x-read")
				b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/1000, "ms-ours")
				b.ReportMetric(float64(plain.Microseconds())/float64(b.N)/1000, "ms-read")
				b.ReportMetric(float64(info.Size())/(1<<20), "MB-file")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkOpen compares opening a log, which checks each frame, with reading
// its bytes.
func BenchmarkOpen(b *testing.B) {
	f := build(b, "PRAGMA synchronous=OFF; PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a);\nINSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<8000) SELECT randomblob(4000) FROM n;\n")
	log, err := os.Open(f.path + "-wal")
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	size := int64(len(f.log))
	var ours, plain time.Duration
	frame := make([]byte, 4096+frameHeaderSize)
	for b.Loop() {
		began := time.Now()
		for off := int64(logHeaderSize); off < size; off += int64(len(frame)) {
			if _, err := log.ReadAt(frame, off); err != nil {
				b.Fatal(err)
			}
		}
		plain += time.Since(began)
		began = time.Now()
		db, err := Open(bytes.NewReader(f.main), int64(len(f.main)), log, size)
		if err != nil || db.Log().Frames < 8000 {
			b.Fatal(db, err)
		}
		ours += time.Since(began)
	}
	b.ReportMetric(float64(ours)/float64(plain), "x-read")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/1000, "ms-ours")
	b.ReportMetric(float64(size)/(1<<20), "MB-log")
	b.ReportMetric(0, "ns/op")
}
