//go:build live

package live

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

const (
	secrets = 2000
	others  = 20_000
	rate    = 500 // puts a second
)

// member is a real etcd with a directory of its own. The test talks to it through its
// gateway for JSON, so that no client library is needed.
type member struct {
	t    *testing.T
	url  string
	db   string // path
	http http.Client
}

// built returns the path of a program that hack/cluster has built.
func built(t *testing.T, name string) string {
	t.Helper()
	home, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(home, "kubectl-checklist", "cluster", "*", "bin", name))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s below %s: hack/cluster/run up builds it (%v)", name, home, err)
	}
	return slices.MaxFunc(found, func(a, b string) int {
		return modified(t, a).Compare(modified(t, b))
	})
}

// background starts a program that ends with the test.
func background(t *testing.T, cmd *exec.Cmd) (pid int) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// start runs the etcd that hack/cluster has built.
func start(t *testing.T) *member {
	t.Helper()
	newest := built(t, "etcd")
	m := &member{t: t, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	client, peer := freePort(t), freePort(t)
	m.url = "http://127.0.0.1:" + client
	dir := t.TempDir()
	m.db = filepath.Join(dir, "member", "snap", "db")
	cmd := exec.Command(newest, "--data-dir", dir, "--listen-client-urls", m.url, "--advertise-client-urls", m.url,
		"--listen-peer-urls", "http://127.0.0.1:"+peer, "--initial-advertise-peer-urls", "http://127.0.0.1:"+peer,
		"--initial-cluster", "default=http://127.0.0.1:"+peer, "--log-level", "error", "--quota-backend-bytes", "4294967296")
	background(t, cmd)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		response, err := m.http.Get(m.url + "/health")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return m
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("etcd is not ready: %v", err)
		}
	}
}

func modified(t *testing.T, path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// call sends one request and returns the answer's fields.
func (m *member) call(path string, body map[string]any) (map[string]any, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	response, err := m.http.Post(m.url+"/v3/"+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	var out map[string]any
	return out, json.Unmarshal(answer, &out)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// revision is that of an answer's header.
func revision(answer map[string]any) int64 {
	header, _ := answer["header"].(map[string]any)
	text, _ := header["revision"].(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func (m *member) put(key string, value []byte, lease string) (int64, error) {
	body := map[string]any{"key": b64([]byte(key)), "value": b64(value)}
	if lease != "" {
		body["lease"] = lease
	}
	answer, err := m.call("kv/put", body)
	return revision(answer), err
}

// change is one write of a Secret: between sent and acked it may or may not be there.
type change struct {
	revision    int64 // 0 for a deletion
	size        int
	plain       bool
	sent, acked time.Time
}

// writer writes and remembers what it wrote.
type writer struct {
	*member
	mu      sync.Mutex
	changes map[string][]change // by the Secret's name, in order
	busy    map[string]bool
	last    atomic.Int64 // revision
	puts    atomic.Int64
	failed  atomic.Pointer[error]
}

func secretName(i int) string { return fmt.Sprintf("s%04d", i) }

// write changes one Secret, unless another goroutine is just doing so.
func (w *writer) write(r *rand.Rand, name string, remove bool) {
	w.mu.Lock()
	if w.busy[name] {
		w.mu.Unlock()
		return
	}
	w.busy[name] = true
	w.mu.Unlock()
	key := "/registry/secrets/shop/" + name
	c := change{sent: time.Now()}
	var err error
	if remove {
		var answer map[string]any
		if answer, err = w.call("kv/deleterange", map[string]any{"key": b64([]byte(key))}); err == nil {
			w.last.Store(revision(answer))
		}
	} else {
		value := storedtest.ProtobufSecret("shop", name, make([]byte, r.IntN(2000)))
		if c.plain = r.IntN(2) == 0; !c.plain {
			value = append([]byte("k8s:enc:aescbc:v1:key1:"), bytes.Repeat([]byte{7}, 16*(2+r.IntN(100)))...)
		}
		c.size = len(value)
		if c.revision, err = w.put(key, value, ""); err == nil {
			w.last.Store(c.revision)
		}
	}
	c.acked = time.Now()
	w.mu.Lock()
	w.changes[name] = append(w.changes[name], c)
	delete(w.busy, name)
	w.mu.Unlock()
	if err != nil {
		w.failed.Store(&err)
	}
	w.puts.Add(1)
}

// other writes what is no Secret: ordinary keys, empty values, leases, locks.
func (w *writer) other(r *rand.Rand) {
	var err error
	switch n := r.IntN(100); {
	case n == 0:
		var lease, lock map[string]any
		if lease, err = w.call("lease/grant", map[string]any{"TTL": "30"}); err == nil {
			id, _ := lease["ID"].(string)
			name := b64([]byte("locks/" + strconv.Itoa(r.IntN(8))))
			if _, err = w.put("/registry/events/shop/e"+id, []byte("k8s\x00event"), id); err == nil && r.IntN(4) == 0 {
				if lock, err = w.call("lock/lock", map[string]any{"name": name, "lease": id}); err == nil {
					_, err = w.call("lock/unlock", map[string]any{"key": lock["key"]})
				}
			}
		}
	case n < 5:
		_, err = w.put(fmt.Sprintf("/registry/empty/%d", r.IntN(50)), nil, "")
	default:
		_, err = w.put(fmt.Sprintf("/registry/leases/kube-node-lease/n%04d", r.IntN(others)), storedtest.Protobuf("coordination.k8s.io/v1", "Lease", make([]byte, r.IntN(3000))), "")
	}
	if err != nil {
		w.failed.Store(&err)
	}
	w.puts.Add(1)
}

// run writes at the given rate until the context is done.
func (w *writer) run(ctx context.Context, seed uint64) {
	var wait sync.WaitGroup
	const writers = 16
	for i := range writers {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			tick := time.NewTicker(time.Second * writers / rate)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				if r.IntN(2) == 0 {
					w.other(r)
					continue
				}
				n := r.IntN(secrets)
				w.write(r, secretName(n), n >= secrets/2 && r.IntN(3) == 0) // the first half always exists
			}
		})
	}
	wait.Wait()
}

func newWriter(t *testing.T, m *member) *writer {
	w := &writer{member: m, changes: map[string][]change{}, busy: map[string]bool{}}
	r := rand.New(rand.NewPCG(1, 1))
	if _, err := m.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil), ""); err != nil {
		t.Fatal(err)
	}
	for i := range secrets {
		w.write(r, secretName(i), false)
	}
	for i := range others {
		if _, err := m.put(fmt.Sprintf("/registry/leases/kube-node-lease/n%04d", i), make([]byte, 1000+r.IntN(3000)), ""); err != nil {
			t.Fatal(err)
		}
	}
	w.puts.Store(0)
	return w
}

var errSwapped = errors.New("another file took its place")

type source struct{ *os.File }

func (s source) Size() (int64, error) {
	info, err := s.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// read reads the database once, as the probe does: again, if a defragmentation has put
// another file in its place.
func (m *member) read(ctx context.Context) (*fact.EtcdDB, []fact.Gap, error) {
	f, err := os.Open(m.db)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	db, gaps, err := etcd.Read(ctx, source{f}, etcd.Options{Live: true, Prefix: "/registry", Path: m.db})
	before, statErr := f.Stat()
	after, pathErr := os.Stat(m.db)
	if statErr != nil || pathErr != nil || !os.SameFile(before, after) {
		return nil, nil, errSwapped
	}
	return db, gaps, err
}

// commitDelay is how long etcd can keep an acknowledged write out of its file: its
// batch interval is 100 ms.
const commitDelay = time.Second

// verify compares what was read with what may have been there between two moments.
func (w *writer) verify(db *fact.EtcdDB, from, to time.Time) (problems []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := map[string]*fact.StoredSecret{}
	for i := range db.Secrets {
		held[db.Secrets[i].Name] = &db.Secrets[i]
	}
	for i := range secrets {
		name := secretName(i)
		changes := w.changes[name]
		// Any state from the last one that was surely in the file at the start up to
		// the last that was begun before the end is right.
		first := 0
		for j, c := range changes {
			if c.acked.Before(from.Add(-commitDelay)) {
				first = j
			}
		}
		s, ok := held[name], w.busy[name]
		var states []string
		for _, c := range changes[first:] {
			if c.sent.After(to) {
				break
			}
			states = append(states, fmt.Sprintf("%d", c.revision))
			if s == nil && c.revision == 0 || s != nil && s.Revision == c.revision && s.Size == c.size && s.Class.Plaintext() == c.plain {
				ok = true
			}
		}
		if !ok {
			problems = append(problems, fmt.Sprintf("%s: found %+v, expected one of revisions %v", name, s, states))
		}
	}
	return problems
}

// TestReads reads a live database 1,000 times, while 500 puts a second, locks, leases,
// compactions and one defragmentation go on. Each read is a state that was there.
func TestReads(t *testing.T) {
	reads := 1000
	if n, err := strconv.Atoi(os.Getenv("READS")); err == nil {
		reads = n
	}
	m := start(t)
	w := newWriter(t, m)
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { w.run(ctx, 2) })
	wait.Go(func() {
		tick := time.NewTicker(3 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, err := m.call("kv/compaction", map[string]any{"revision": strconv.FormatInt(w.last.Load()-1000, 10)}); err != nil && ctx.Err() == nil {
					t.Logf("compaction: %v", err)
				}
			}
		}
	})
	begun := time.Now()
	swapped, incomplete := 0, 0
	var took []time.Duration
	for n := range reads {
		if n == reads/2 {
			wait.Go(func() {
				if _, err := m.call("maintenance/defragment", map[string]any{}); err != nil {
					t.Errorf("defragmentation: %v", err)
				}
			})
		}
		from := time.Now()
		db, gaps, err := m.read(ctx)
		to := time.Now()
		switch {
		case errors.Is(err, errSwapped):
			swapped++
			continue
		case err != nil:
			t.Fatal(err)
		case !db.Complete:
			incomplete++
			t.Logf("read %d: %+v", n, gaps)
			continue
		}
		took = append(took, to.Sub(from))
		if problems := w.verify(db, from, to); len(problems) > 0 {
			t.Fatalf("read %d: %d Secrets were never so: %s", n, len(problems), strings.Join(problems[:min(3, len(problems))], "; "))
		}
	}
	stop()
	wait.Wait()
	if err := w.failed.Load(); err != nil {
		t.Errorf("a write failed: %v", *err)
	}
	slices.Sort(took)
	info, _ := os.Stat(m.db)
	t.Logf("%d reads of %d MiB, median %v, longest %v; %d incomplete, %d while the file was swapped; %.0f writes a second",
		reads, info.Size()>>20, took[len(took)/2], took[len(took)-1], incomplete, swapped, float64(w.puts.Load())/time.Since(begun).Seconds())
	if incomplete > 0 {
		t.Errorf("%d of %d reads were not complete", incomplete, reads)
	}
}

// TestLatency measures what a read costs etcd: the latency of its puts in windows with a
// read and in windows without, interleaved in pairs, next to pairs without any read.
func TestLatency(t *testing.T) {
	pairs := 40
	if n, err := strconv.Atoi(os.Getenv("PAIRS")); err == nil {
		pairs = n
	}
	m := start(t)
	w := newWriter(t, m)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wait sync.WaitGroup
	wait.Go(func() { w.run(ctx, 3) })
	r := rand.New(rand.NewPCG(4, 4))
	window := func(read bool) float64 {
		if read {
			go func() { _, _, _ = m.read(ctx) }()
		}
		var latencies []float64
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			from := time.Now()
			if _, err := m.put("/registry/latency/"+strconv.Itoa(r.IntN(100)), []byte("k8s\x00"), ""); err != nil {
				t.Fatal(err)
			}
			latencies = append(latencies, time.Since(from).Seconds())
		}
		return median(latencies)
	}
	var same, with []float64
	for i := range pairs {
		// Both orders, so that a drift has no side.
		a, b := window(false), window(false)
		c, d := window(i%2 == 0), window(i%2 != 0)
		if i%2 == 0 {
			c, d = d, c
		}
		same, with = append(same, b/a), append(with, d/c)
	}
	stop()
	wait.Wait()
	low, high := interval(r, same)
	readLow, readHigh := interval(r, with)
	t.Logf("latency of a put, median of %d pairs: without reads %.3f (95%%: %.3f to %.3f), with a read in each second %.3f (95%%: %.3f to %.3f)",
		pairs, median(same), low, high, median(with), readLow, readHigh)
	if median(with) > high*1.05 {
		t.Errorf("expected at most 5 %% beyond %.3f, found %.3f", high, median(with))
	}
}

func median(list []float64) float64 {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, cmp.Compare[float64])
	return sorted[len(sorted)/2]
}

// interval is the 95 % interval of the median, by bootstrap.
func interval(r *rand.Rand, list []float64) (low, high float64) {
	medians := make([]float64, 2000)
	for i := range medians {
		sample := make([]float64, len(list))
		for j := range sample {
			sample[j] = list[r.IntN(len(list))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	return medians[len(medians)/40], medians[len(medians)*39/40]
}
