package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestBudgetShares(t *testing.T) {
	type step struct {
		need int64
		want bool
	}
	tests := map[string]struct {
		bytes int64
		nodes int
		steps []step
	}{
		"few nodes have all that a node may have": {1 << 30, 20, []step{{MaxMemory, true}, {MaxMemory, true}}},
		"three quarters are shared out":           {4000, 10, []step{{300, true}, {301, true}, {1299, true}, {301, false}, {300, true}}},
		"what is too much takes nothing":          {4000, 10, []step{{1301, false}, {1300, true}}},
		"a run without nodes has no shares":       {4000, 0, []step{{4001 + 3000, false}}},
		"shares hold however many need more":      {4000, 10, []step{{1300, true}, {1300, false}, {1300, false}, {300, true}, {300, true}, {1, true}}},
		"the default of a large run":              {MaxRun, 5000, []step{{805_306, true}, {MaxMemory, true}}},
		"more nodes than bytes":                   {100, 1000, []step{{100, true}, {1, false}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := NewBudget(tt.bytes, tt.nodes)
			for i, step := range tt.steps {
				if got := b.take(step.need); got != step.want {
					t.Errorf("step %d: %d bytes: expected %v, found %v", i+1, step.need, step.want, got)
				}
			}
		})
	}
	t.Run("together no more than there is", func(t *testing.T) {
		for nodes := 1; nodes < 10_000; nodes += 97 {
			if b := NewBudget(MaxRun, nodes); b.share*int64(nodes)+b.pool != MaxRun || b.pool < MaxRun/4 {
				t.Fatalf("%d nodes: expected shares and pool to make %d bytes, found %d and %d", nodes, MaxRun, b.share, b.pool)
			}
		}
	})
}

// heavy is an answer that takes about this many bytes in memory, and hardly any
// on the wire.
func heavy(size int) Trailer {
	n := size / int(reflect.TypeFor[fact.MeasuredContainer]().Size())
	text := []byte("{\"host\":{}}\n" + strings.Repeat("{\"container\":{}}\n", n) + fmt.Sprintf("{\"end\":{\"containers\":%d}}\n", n))
	return sealed(zipped(text), len(text))
}

// Half of the nodes answer as much as they can. The others are read as if there
// were none of them, and the run holds no more than its budget.
func TestHostileNodesCostNoOther(t *testing.T) {
	const bytes = 64 << 20
	msg, trailer := encode(t, typical.node(1), Options{})
	log := msg.log()
	want, err := Decode(strings.NewReader(string(log)), trailer)
	if err != nil {
		t.Fatal(err)
	}
	hostile := heavy(8 << 20)
	before := held()
	b := NewBudget(bytes, 50)
	results := make([]*fact.Measurement, 50)
	errs := make([]error, 50)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			if i%2 == 0 {
				results[i], errs[i] = b.Decode(nil, hostile)
			} else {
				results[i], errs[i] = b.Decode(strings.NewReader(string(log)), trailer)
			}
		})
	}
	all.Wait()
	if used := held() - before; used > bytes {
		t.Errorf("expected at most %d bytes held, found %d", bytes, used)
	}
	full := 0
	for i, m := range results {
		switch {
		case i%2 == 1:
			if errs[i] != nil || !reflect.DeepEqual(m, want) {
				t.Errorf("node %d: expected an honest answer to be read, found %v", i, errs[i])
			}
		case errs[i] == nil:
		case !errors.Is(errs[i], ErrRunFull) || m != nil:
			t.Errorf("node %d: expected %v, found %v", i, ErrRunFull, errs[i])
		default:
			full++
		}
	}
	if full < 20 || full > 24 {
		t.Errorf("expected one to five of 25 hostile answers read, found %d refused", full)
	}
	runtime.KeepAlive(results)
}

// An answer that is found wrong after its memory was set aside gives it back.
func TestBudgetTakesBackWhatIsNotUsed(t *testing.T) {
	text := []byte(`{"host":{}}` + "\n" + `{"apiServer":{"flags":{"a":"","a":""}}}` + "\n" + `{"end":{"apiServers":1}}` + "\n")
	bad := sealed(zipped(text), len(text))
	b := NewBudget(8000, 10)
	for range 10 {
		if _, err := b.Decode(nil, bad); err == nil || errors.Is(err, ErrRunFull) {
			t.Fatalf("expected an error about the key, found %v", err)
		}
	}
	if b.pool != 2000 {
		t.Errorf("expected 2000 bytes left, found %d", b.pool)
	}
	_, err := b.Decode(nil, heavy(8000))
	if !errors.Is(err, ErrRunFull) {
		t.Fatalf("expected %v, found %v", ErrRunFull, err)
	}
	checkError(t, err)
}

// A node whose log is slow keeps no other from being unpacked: it needs a slot
// after its log has ended.
func TestBudgetReadsLogsOutsideOfItsSlots(t *testing.T) {
	msg, trailer := encode(t, typical.node(1), Options{})
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(MaxRun, 1)
		for range decoders {
			b.slots <- struct{}{}
		}
		log := bytes.NewReader(msg.log())
		done := make(chan error)
		go func() {
			_, err := b.Decode(log, trailer)
			done <- err
		}()
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("expected the log to be read without a slot, found %d bytes left", log.Len())
		}
		select {
		case err := <-done:
			t.Fatalf("expected it to wait for a slot, found %v", err)
		default:
		}
		<-b.slots
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n := len(b.slots); n != decoders-1 {
			t.Errorf("expected its slot given back, found %d taken", n)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A log that never ends is left after what one answer may have.
func TestDecodeLeavesEndlessLogs(t *testing.T) {
	msg, trailer := encode(t, large(300, 10, 20), Options{})
	tests := map[string]struct {
		begin, again string
		want         string
		most         int // bytes read
	}{
		"a line without an end":     {"", "x", "log line 1: expected at most 8192 bytes, found more", MaxLine},
		"a frame without an end":    {"CKL2 1/4 00000000 ", "A", "log line 1: expected at most 8192 bytes, found more", MaxLine},
		"lines that are empty":      {"", "\n", "log line 1: expected frame 1/", MaxLine},
		"one frame again and again": {"", string(msg.frames()[0]), "log line 2: expected frame 2/", 2 * MaxLine},
		"frames of nothing":         {"", fmt.Sprintf("CKL2 1/%d 00000000 \n", trailer.Frames), "log line 1: expected a piece of the payload, found none", MaxLine},
		"text after all frames":     {string(msg.log()), "x", fmt.Sprintf("log line %d: expected at most 8192 bytes, found more", trailer.Frames+1), trailer.LogSize + 2*MaxLine},
		"a line after all frames":   {string(msg.log()), "x\n", fmt.Sprintf("log line %d: expected the end after %d frames, found 2 bytes more", trailer.Frames+1, trailer.Frames), trailer.LogSize + 2*MaxLine},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			read := 0
			begin := strings.NewReader(tt.begin)
			endless := bytes.Repeat([]byte(tt.again), max(1, 4096/len(tt.again)))
			at := 0
			log := readerFunc(func(p []byte) (n int, err error) {
				if begin.Len() > 0 {
					n, err = begin.Read(p)
				} else {
					n = copy(p, endless[at:])
					at = (at + n) % len(endless)
				}
				read += n
				return n, err
			})
			var err error
			used := allocated(math.MaxInt, func() { _, err = Decode(log, trailer) })
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("expected an error that begins %q, found %v", tt.want, err)
			}
			if read > tt.most || used > 4*MaxLine+trailer.Size {
				t.Errorf("expected at most %d bytes read, found %d, and %d allocated", tt.most, read, used)
			}
		})
	}
}

// There is one way to write a frame: another that means the same is refused, so
// that what arrives is what was sent.
func TestFramesHaveOneForm(t *testing.T) {
	msg, trailer := encode(t, large(300, 10, 20), Options{})
	if trailer.Frames < 2 {
		t.Fatalf("expected at least 2 frames, found %d", trailer.Frames)
	}
	fields := strings.Split(strings.TrimSuffix(string(msg.frames()[0]), "\n"), " ")
	frame := func(edit func(f []string)) string {
		f := slices.Clone(fields)
		edit(f)
		return strings.Join(f, " ") + "\n" + string(bytes.Join(msg.frames()[1:], nil))
	}
	// A checksum with a letter in it is needed for the case of capitals.
	if strings.ToUpper(fields[2]) == fields[2] {
		t.Fatalf("expected a checksum with a letter, found %s: choose another measurement", fields[2])
	}
	n := trailer.Frames
	tests := map[string]struct{ log, want string }{
		"a checksum in capitals":            {frame(func(f []string) { f[2] = strings.ToUpper(f[2]) }), fmt.Sprintf("log line 1: frame 1/%d: expected a checksum of 8 hex digits", n)},
		"a carriage return":                 {frame(func(f []string) { f[3] += "\r" }), fmt.Sprintf("log line 1: frame 1/%d: expected base64, found a carriage return", n)},
		"a carriage return inside":          {frame(func(f []string) { f[3] = f[3][:4] + "\r" + f[3][4:] }), fmt.Sprintf("log line 1: frame 1/%d: expected base64, found a carriage return", n)},
		"a field more":                      {frame(func(f []string) { f[3] += " hunter2" }), fmt.Sprintf("log line 1: expected frame 1/%d (CKL2 ...), found ", n)},
		"many spaces":                       {frame(func(f []string) { f[3] += strings.Repeat(" ", 100) }), fmt.Sprintf("log line 1: expected frame 1/%d (CKL2 ...), found ", n)},
		"bits after the end of base64":      {frame(func(f []string) { f[3] = "AB==" }), fmt.Sprintf("log line 1: frame 1/%d: expected base64: illegal base64 data at input byte ", n)},
		"a position with a plus":            {frame(func(f []string) { f[1] = "+" + f[1] }), fmt.Sprintf("log line 1: expected frame 1/%d, found a position of another form", n)},
		"a position beyond what int can do": {frame(func(f []string) { f[1] = "99999999999999999999/4" }), fmt.Sprintf("log line 1: expected frame 1/%d, found a position of another form", n)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(strings.NewReader(tt.log), trailer)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("expected an error that begins %q, found %v", tt.want, err)
			}
		})
	}
}

// A trailer that lies about sizes costs what is there, not what it announces.
func TestLyingSizes(t *testing.T) {
	text := []byte(`{"hostProcesses":7}`)
	tests := map[string]struct {
		edit func(*Trailer)
		want string
	}{
		"the JSON is larger":         {func(t *Trailer) { t.JSONSize = 5 }, "payload: expected 5 bytes decompressed, found more"},
		"the JSON is larger by one":  {func(t *Trailer) { t.JSONSize-- }, "payload: expected 18 bytes decompressed, found more"},
		"the JSON is smaller by one": {func(t *Trailer) { t.JSONSize++ }, "payload: expected 20 bytes decompressed, found 19"},
		"the JSON is far smaller":    {func(t *Trailer) { t.JSONSize = MaxJSON }, "payload: expected 16777216 bytes decompressed, found 19"},
		"no JSON":                    {func(t *Trailer) { t.JSONSize = 0 }, "payload: expected 0 bytes decompressed, found more"},
		"the payload is smaller":     {func(t *Trailer) { t.Size = MaxLog }, "payload: expected 1048576 bytes, found "},
		"the payload is larger":      {func(t *Trailer) { t.Size = 1 }, "payload: expected 1 bytes, found "},
		"JSON beyond its limit":      {func(t *Trailer) { t.JSONSize = MaxJSON + 1 }, "trailer: a number is beyond the format's limits"},
		"a negative size":            {func(t *Trailer) { t.JSONSize = -1 }, "trailer: a number is beyond the format's limits"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			trailer := sealed(zipped(text), len(text))
			tt.edit(&trailer)
			var err error
			// What decompressing takes, and what so few bytes can become.
			limit := 64<<10 + maxRatio*len(trailer.Payload)
			used := allocated(limit, func() { _, err = Decode(nil, trailer) })
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("expected an error that begins %q, found %v", tt.want, err)
			}
			if used > limit {
				t.Errorf("expected at most %d bytes allocated, found %d", limit, used)
			}
		})
	}
}

// maxRatio holds for the payload that compresses best.
func TestMaxRatio(t *testing.T) {
	for _, n := range []int{1, 100, 10_000, 1_000_000, MaxJSON} {
		text := bytes.Repeat([]byte(" "), n)
		payload := zippedAt(gzip.BestCompression, text)
		got, err := decompress(payload, n)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes of white space in %d: expected them back, found %d bytes, %v", n, len(payload), len(got), err)
		}
	}
}

// BenchmarkRun holds the answers of many typical nodes, as a run does until it
// has judged them. 5,000 at once are 10 times the last.
func BenchmarkRun(b *testing.B) {
	var trailers []Trailer
	var logs [][]byte
	for seed := range uint64(10) {
		msg, err := Encode(typical.node(seed), Options{})
		if err != nil {
			b.Fatal(err)
		}
		trailer, err := ParseTrailer(msg.Trailer)
		if err != nil {
			b.Fatal(err)
		}
		trailers, logs = append(trailers, trailer), append(logs, msg.log())
	}
	for _, nodes := range []int{1, 50, 500} {
		b.Run(fmt.Sprintf("%d-nodes", nodes), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				before := held()
				b.StartTimer()
				budget := NewBudget(MaxRun, nodes)
				run := make([]*fact.Measurement, nodes)
				for i := range run {
					m, err := budget.Decode(bytes.NewReader(logs[i%len(logs)]), trailers[i%len(logs)])
					if err != nil {
						b.Fatal(err)
					}
					run[i] = m
				}
				b.StopTimer()
				b.ReportMetric(float64(held()-before)/float64(nodes), "held-bytes/node")
				runtime.KeepAlive(run)
				b.StartTimer()
			}
		})
	}
}

// Nodes that run the same images hold their packages once: a run that could not hold a
// tenth of them holds all, as they were sent, and a list that differs in one text stays.
func TestBudgetSharesImages(t *testing.T) {
	const nodes, images, packages = 60, 10, 400
	of := func(node int) *fact.Measurement {
		m := &fact.Measurement{Level: fact.LevelFull, Host: fact.Host{Hostname: fmt.Sprint(node)}, Read: []fact.Kind{fact.Images}}
		for i := range images {
			image := fact.ImageInventory{Key: fmt.Sprintf("%d-%d", node, i), Manager: "dpkg"}
			for j := range packages {
				image.Packages = append(image.Packages, fact.InstalledPackage{Name: fmt.Sprintf("package-%d", j), Version: fmt.Sprintf("1.%d-%d", i, j), Arch: "amd64"})
			}
			m.Images = append(m.Images, image)
		}
		m.Images[0].Packages[7].Vendor = fmt.Sprint(node)
		return m
	}
	one := cost(of(0))
	b := NewBudget(int64(8*one), nodes)
	run := make([]*fact.Measurement, nodes)
	before := held()
	for i := range run {
		msg, trailer := encode(t, of(i), Options{})
		var err error
		if run[i], err = b.Decode(bytes.NewReader(msg.log()), trailer); err != nil {
			t.Fatalf("node %d of %d, each of %d bytes: %v", i, nodes, one, err)
		}
	}
	used := held() - before
	for i, m := range run {
		if !reflect.DeepEqual(m, of(i)) {
			t.Fatalf("node %d: expected what was sent", i)
		}
	}
	if &run[0].Images[1].Packages[0] != &run[9].Images[1].Packages[0] || &run[0].Images[0].Packages[0] == &run[9].Images[0].Packages[0] {
		t.Error("expected equal lists held once, and others not")
	}
	if used > 16*one {
		t.Errorf("%d nodes hold %d bytes, one takes %d", nodes, used, one)
	}
	t.Logf("%d nodes hold %d bytes, one alone takes %d", nodes, used, one)
	runtime.KeepAlive(run)
}
