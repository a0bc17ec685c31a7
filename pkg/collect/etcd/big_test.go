package etcd

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// bigFile writes a file like that of a large cluster: so many Secrets, and other keys in
// between, until the file has about so many bytes. With churn one object in five is
// written again and its old row compacted, so that a third of the leaves lie anywhere.
func bigFile(tb testing.TB, path string, secrets, others int, size int64, churn bool) {
	tb.Helper()
	s := openStore(tb, path, 4096)
	r := rand.New(rand.NewSource(1))
	filler := storedtest.Payload(r, 64<<10)
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	total := secrets + others
	each := int(size*100/145) / total // bbolt leaves a part of a page free
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
				if churn && i%5 == 4 {
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

// BenchmarkBig reads files of large clusters in processes of their own, in turn with
// cat FILE >/dev/null and sha256sum FILE, and reports the medians. The file is in the
// page cache. x-cat and x-sha256sum are how many times as long a read takes; of x-cat-cpu
// the processor time counts, which a busy machine changes less. "Summed" compares the
// SHA-256 meanwhile, as for a file of etcdctl.
func BenchmarkBig(b *testing.B) {
	for _, tc := range []struct {
		name            string
		secrets, others int
		size            int64
		churn           bool
		modes           []string
		most            int // MiB resident
	}{
		{"1.3GB-50kSecrets", 50_000, 500_000, 1_300_000_000, false, []string{"still", "summed", "live"}, 64},
		{"1.3GB-50kSecrets-churned", 50_000, 500_000, 1_300_000_000, true, []string{"still", "summed", "live"}, 64},
		{"200MB-50kSecrets", 50_000, 50_000, 200_000_000, true, []string{"still", "live"}, 64},
		{"2GB-50kSecrets", 50_000, 500_000, 2_000_000_000, true, []string{"still", "live"}, 64},
		{"1GB-200kSecrets", 200_000, 200_000, 1_000_000_000, true, []string{"still", "live"}, 128},
		{"500MB-resources", 1000, 1_200_000, 500_000_000, true, []string{"resources"}, 64},
	} {
		path := filepath.Join(b.TempDir(), "db")
		made := false
		for _, mode := range tc.modes {
			b.Run(tc.name+"/"+mode, func(b *testing.B) {
				if !made {
					bigFile(b, path, tc.secrets, tc.others, tc.size, tc.churn)
					made = true
				}
				info, err := os.Stat(path)
				if err != nil {
					b.Fatal(err)
				}
				var ours, cat, sum []cost
				peak := 0
				for b.Loop() {
					for range 5 {
						cat = append(cat, timed(b, exec.Command("cat", path)))
						cmd := exec.Command(os.Args[0], "-test.run", "^TestReadInOwnProcess$", "-test.v")
						cmd.Env = append(os.Environ(), "ETCD_BENCH_FILE="+path, "ETCD_BENCH_MODE="+mode)
						var out bytes.Buffer
						cmd.Stdout = &out
						ours = append(ours, timed(b, cmd))
						if mode == "summed" || mode == "still" {
							sum = append(sum, timed(b, exec.Command("sha256sum", path)))
						}
						var secrets, kib int
						line := out.String()[max(0, strings.Index(out.String(), "secrets=")):]
						if _, err := fmt.Sscanf(line, "secrets=%d peak=%dKiB", &secrets, &kib); err != nil || secrets != tc.secrets {
							b.Fatalf("%v\n%s", err, out.String())
						}
						peak = max(peak, kib)
					}
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(info.Size())/1e6, "MB-file")
				b.ReportMetric(median(ours, cost.seconds)/median(cat, cost.seconds), "x-cat")
				b.ReportMetric(median(ours, cost.processor)/median(cat, cost.processor), "x-cat-cpu")
				if len(sum) > 0 {
					b.ReportMetric(median(ours, cost.seconds)/median(sum, cost.seconds), "x-sha256sum")
				}
				b.ReportMetric(median(ours, cost.seconds)*1000, "ms")
				b.ReportMetric(float64(peak)/1024, "MiB-peak")
				if peak > tc.most<<10 {
					b.Errorf("%d KiB resident, expected at most %d MiB", peak, tc.most)
				}
			})
		}
	}
}

// cost is what a process took.
type cost struct{ wall, cpu time.Duration }

func (c cost) seconds() float64   { return c.wall.Seconds() }
func (c cost) processor() float64 { return c.cpu.Seconds() }

func timed(b *testing.B, cmd *exec.Cmd) cost {
	b.Helper()
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(cmd.Path, err)
	}
	return cost{time.Since(began), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}

func median(costs []cost, of func(cost) float64) float64 {
	all := make([]float64, 0, len(costs))
	for _, c := range costs {
		all = append(all, of(c))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// TestReadInOwnProcess is the process of BenchmarkBig.
func TestReadInOwnProcess(t *testing.T) {
	path := os.Getenv("ETCD_BENCH_FILE")
	if path == "" {
		t.Skip("run by BenchmarkBig")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opts := Options{}
	switch os.Getenv("ETCD_BENCH_MODE") {
	case "live":
		opts.Live = true
	case "resources":
		opts.Resources = true
	case "summed":
		done := make(chan []byte)
		go func() {
			h := sha256.New()
			_, _ = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{io.NewSectionReader(f, 0, 1<<62)}, make([]byte, 1<<20))
			done <- h.Sum(nil)
		}()
		opts.Summed = true
		opts.Verify = func() *fact.Gap { <-done; return nil }
	}
	began := time.Now()
	db, gaps, err := Read(ctx, fileSource{f}, opts)
	took := time.Since(began)
	if err != nil || !db.Complete || len(gaps) > 0 && !opts.Resources {
		t.Fatal(err, gaps)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib := 0
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	t.Logf("secrets=%d peak=%dKiB took=%dms %d resources", len(db.Secrets), kib, took.Milliseconds(), len(db.Resources))
}
