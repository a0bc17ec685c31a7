package wire

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

var masks = cmp.AllowUnexported(fact.CapMask{})

// fill sets every field that reflection reaches to something that is not zero,
// so that a field which gets lost on the way shows as a difference.
func fill(v reflect.Value, depth int) {
	switch v.Interface().(type) {
	case fact.Time:
		v.Set(reflect.ValueOf(fact.NewTime(time.Unix(1_700_000_000, 123))))
		return
	case fact.CapMask:
		v.Set(reflect.ValueOf(fact.NewCapMask(0xa80425fb)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" { // never on the wire
				fill(v.Field(i), depth)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth)
		fill(value, depth)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text, {\"quoted\"}\n<é>")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(9)
	default:
		panic("a kind that no field had so far: " + v.Kind().String())
	}
}

func filled() *fact.Measurement {
	m := new(fact.Measurement)
	fill(reflect.ValueOf(m).Elem(), 0)
	return m
}

// joined reads a stream as encoding/json does, and joins the records.
func joined(t *testing.T, text []byte) *fact.Measurement {
	t.Helper()
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	m := new(fact.Measurement)
	var end *ending
	for {
		var r record
		if err := strict.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch {
		case end != nil:
			t.Fatal("a record after the end")
		case r.Host != nil:
			m = r.Host
		case r.APIServer != nil:
			m.APIServers = append(m.APIServers, *r.APIServer)
		case r.Etcd != nil:
			m.Etcd = append(m.Etcd, *r.Etcd)
		case r.Secrets != nil:
			db := &m.Etcd[len(m.Etcd)-1]
			if db.Secrets = append(db.Secrets, r.Secrets...); len(r.Secrets) > MaxPage {
				t.Fatalf("expected at most %d Secrets in a page, found %d", MaxPage, len(r.Secrets))
			}
		case r.Container != nil:
			m.Containers = append(m.Containers, *r.Container)
		case r.Image != nil:
			m.Images = append(m.Images, *r.Image)
		case r.Backup != nil:
			m.Backups = append(m.Backups, *r.Backup)
		case r.Listener != nil:
			m.Listeners = append(m.Listeners, *r.Listener)
		case r.Component != nil:
			m.Components = append(m.Components, *r.Component)
		case r.Certificate != nil:
			m.Certificates = append(m.Certificates, *r.Certificate)
		case r.Gap != nil:
			m.Gaps = append(m.Gaps, *r.Gap)
		default:
			end = r.End
		}
	}
	secrets := 0
	for _, db := range m.Etcd {
		secrets += len(db.Secrets)
	}
	want := ending{
		len(m.APIServers), len(m.Etcd), secrets, len(m.Backups), len(m.Listeners), len(m.Components), len(m.Certificates),
		len(m.Containers), len(m.Images), len(m.Gaps),
	}
	if end == nil || *end != want {
		t.Fatalf("end: expected %s, found %v", want, end)
	}
	return m
}

// The records say what json.Marshal says of the whole: the same measurement comes
// out, and no field that the type does not know.
func TestRecordsAgreeWithMarshal(t *testing.T) {
	tests := map[string]*fact.Measurement{
		"every field set": filled(),
		"empty":           {},
		"an empty container and an empty database": {
			Containers: []fact.MeasuredContainer{{}}, Etcd: []fact.EtcdDB{{}},
		},
		"a page, and one more":   {Etcd: []fact.EtcdDB{{Secrets: make([]fact.StoredSecret, MaxPage)}, {}, {Secrets: make([]fact.StoredSecret, MaxPage+1)}}},
		"pages and much besides": large(2100, 3, 3),
	}
	for seed := range uint64(50) {
		m := new(fact.Measurement)
		r := rand.New(rand.NewPCG(seed, 4))
		random(r, reflect.ValueOf(m).Elem(), 1+r.IntN(9))
		tests[fmt.Sprintf("seed %d", seed)] = m
	}
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			want, err := reference(text)
			if err != nil {
				t.Fatal(err)
			}
			records := streamOf(t, m)
			if diff := cmp.Diff(want, joined(t, records), masks); diff != "" {
				t.Errorf("by encoding/json (-whole +records):\n%s", diff)
			}
			got, _, err := readStream(records, MaxMemory)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(want, got) {
				t.Errorf("by the reader (-whole +records):\n%s", cmp.Diff(want, got, masks))
			}
		})
	}
}

// large makes a measurement of about this many Secrets and processes, with names
// that compress badly.
func large(secrets, containers, processes int) *fact.Measurement {
	random := rand.New(rand.NewPCG(3, 4))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0123456789abcdefghijklmnopqrstuvwxyz-"[random.IntN(37)]
		}
		return string(b)
	}
	m := &fact.Measurement{
		Level: fact.LevelFull,
		Host:  fact.Host{Hostname: "node-1", Packages: &fact.PackageState{Manager: "apt"}},
		Read:  []fact.Kind{fact.Processes, fact.Etcd},
	}
	db := fact.EtcdDB{Path: "/var/lib/etcd/member/snap/db", Complete: true, Total: secrets}
	for i := range secrets {
		s := fact.StoredSecret{Namespace: "ns", Name: fmt.Sprintf("%08d-%s", i, word(30)), Revision: int64(i), Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:key1:"}
		if i%100 == 99 {
			s.Class, s.Provider = fact.ClassIdentityProtobuf, ""
		}
		db.Secrets = append(db.Secrets, s)
	}
	m.Etcd = []fact.EtcdDB{db}
	for range containers {
		c := fact.MeasuredContainer{ID: word(64), Upper: &fact.UpperWalk{Path: "/up"}}
		for i := range processes {
			c.Processes = append(c.Processes, fact.Process{
				PID: i + 1, Comm: word(8), CapEff: fact.NewCapMask(random.Uint64()),
				Exe: &fact.Executable{Path: "/usr/bin/" + word(20), SHA256: word(64)},
			})
		}
		m.Containers = append(m.Containers, c)
	}
	return m
}

func encode(t *testing.T, m *fact.Measurement, o Options) (Message, Trailer) {
	t.Helper()
	msg, err := Encode(m, o)
	if err != nil {
		t.Fatal(err)
	}
	trailer, err := ParseTrailer(msg.Trailer)
	if err != nil {
		t.Fatal(err)
	}
	return msg, trailer
}

func TestRoundTrip(t *testing.T) {
	tests := map[string]struct {
		m      *fact.Measurement
		inline bool
	}{
		"small results need no log": {&fact.Measurement{Level: fact.LevelProc, HostProcesses: 3}, true},
		"every field set":           {filled(), false},
		"frames":                    {large(200, 10, 20), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			msg, trailer := encode(t, tt.m, Options{Version: "v1.2.3", Partial: true, Error: "some thing"})
			if trailer.NeedsLog() == tt.inline {
				t.Errorf("expected inline %v, found %d frames", tt.inline, trailer.Frames)
			}
			if trailer.Version != "v1.2.3" || !trailer.Partial || trailer.Error != "some thing" || !trailer.HasMeasurement() {
				t.Errorf("trailer: found %+v", trailer)
			}
			total := 0
			for i, frame := range msg.frames() {
				total += len(frame)
				if len(frame) > MaxLine || frame[len(frame)-1] != '\n' || bytes.Count(frame, []byte("\n")) != 1 {
					t.Errorf("frame %d: expected one line of at most %d bytes, found %d", i+1, MaxLine, len(frame))
				}
			}
			if total != trailer.LogSize {
				t.Errorf("logSize: expected %d, found %d", total, trailer.LogSize)
			}
			got, err := Decode(iotest.HalfReader(bytes.NewReader(msg.log())), trailer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.m, got, masks); diff != "" {
				t.Errorf("measurement (-sent +received):\n%s", diff)
			}
			again, _ := encode(t, tt.m, Options{Version: "v1.2.3", Partial: true, Error: "some thing"})
			if !bytes.Equal(msg.log(), again.log()) || !bytes.Equal(msg.Trailer, again.Trailer) {
				t.Error("expected the same message twice")
			}
		})
	}
}

// Beyond the limit lists are cut: what arrives is a part of what was read, has
// the counts, and has a gap for each kind that lost something.
func TestEncodeCutsToTheLimit(t *testing.T) {
	tests := map[string]struct {
		m        *fact.Measurement
		limit    int
		wantGaps []fact.Kind
	}{
		"many Secrets":                 {large(4000, 2, 2), 64 << 10, []fact.Kind{fact.Etcd}},
		"many processes":               {large(10, 10, 300), 64 << 10, []fact.Kind{fact.Processes, fact.Executables}},
		"many of both":                 {large(2000, 20, 100), 64 << 10, []fact.Kind{fact.Processes, fact.Executables, fact.Etcd}},
		"hardly anything fits":         {large(50, 50, 5), 4 << 10, []fact.Kind{fact.Processes, fact.Mounts, fact.Executables, fact.Upperdir, fact.Devices, fact.Images, fact.Environment, fact.Etcd}},
		"nothing to cut at the limits": {large(10, 1, 2), 64 << 10, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before, err := json.Marshal(tt.m)
			if err != nil {
				t.Fatal(err)
			}
			msg, trailer := encode(t, tt.m, Options{Limit: tt.limit})
			after, err := json.Marshal(tt.m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Error("expected Encode to leave the measurement as it was")
			}
			if trailer.LogSize > tt.limit {
				t.Errorf("expected at most %d bytes of log, found %d", tt.limit, trailer.LogSize)
			}
			if trailer.LogSize < tt.limit/4 && tt.wantGaps != nil && tt.limit > 8<<10 {
				t.Errorf("expected a quarter of %d bytes used at least, found %d", tt.limit, trailer.LogSize)
			}
			got, err := Decode(bytes.NewReader(msg.log()), trailer)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []fact.Kind
			for _, gap := range got.Gaps {
				if !slices.Contains(kinds, gap.What) {
					kinds = append(kinds, gap.What)
				}
				if gap.Reason != fact.Truncated || gap.Detail == "" {
					t.Errorf("gap: expected Truncated with detail, found %+v", gap)
				}
			}
			order := fact.Kinds()
			slices.SortFunc(kinds, func(a, b fact.Kind) int { return slices.Index(order, a) - slices.Index(order, b) })
			if diff := cmp.Diff(tt.wantGaps, kinds); diff != "" {
				t.Errorf("kinds with a gap (-want +got):\n%s", diff)
			}
			if slices.Contains(kinds, fact.Etcd) && len(got.Etcd) > 0 {
				db := got.Etcd[0]
				if db.Complete || db.Total != len(tt.m.Etcd[0].Secrets) {
					t.Errorf("database: expected it incomplete with total %d, found complete %v, total %d", len(tt.m.Etcd[0].Secrets), db.Complete, db.Total)
				}
				for _, s := range db.Secrets {
					if !slices.Contains(tt.m.Etcd[0].Secrets, s) {
						t.Errorf("found a Secret that was not read: %s", s.Name)
					}
				}
				if !slices.IsSortedFunc(db.Secrets, func(a, b fact.StoredSecret) int { return strings.Compare(a.Name, b.Name) }) {
					t.Error("expected the Secrets in order")
				}
				plain := 0
				for _, s := range db.Secrets {
					if s.Class.Plaintext() {
						plain++
					}
				}
				if want := min(len(tt.m.Etcd[0].Secrets)/100, len(db.Secrets)); plain != want {
					t.Errorf("expected all %d plaintext Secrets kept, found %d", want, plain)
				}
			}
		})
	}
}

// A gap that did not fit is replaced by one that says so, for its kind.
func TestEncodeNeverLosesAGap(t *testing.T) {
	m := &fact.Measurement{}
	random := rand.New(rand.NewPCG(5, 6))
	kinds := []fact.Kind{fact.Upperdir, fact.Etcd, fact.Kernel}
	for i := range 3000 {
		m.Gaps = append(m.Gaps, fact.NodeGap{
			What: kinds[i%3], Reason: fact.Unreadable,
			Container: fmt.Sprintf("%x%x", random.Uint64(), random.Uint64()),
		})
	}
	msg, trailer := encode(t, m, Options{Limit: 8 << 10})
	got, err := Decode(bytes.NewReader(msg.log()), trailer)
	if err != nil {
		t.Fatal(err)
	}
	onNode := map[fact.Kind]int{}
	for _, gap := range got.Gaps {
		if gap.Container == "" && gap.Reason == fact.Truncated {
			onNode[gap.What]++
		}
	}
	want := map[fact.Kind]int{fact.Upperdir: 1, fact.Etcd: 1, fact.Kernel: 1}
	if diff := cmp.Diff(want, onNode); diff != "" {
		t.Errorf("gaps of the whole node by kind (-want +got):\n%s", diff)
	}
}

func TestEncodeSaysWhenNothingHelps(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	var name strings.Builder
	for range 10_000 {
		fmt.Fprintf(&name, "%x", random.Uint64())
	}
	_, err := Encode(&fact.Measurement{Host: fact.Host{Hostname: name.String()}}, Options{Limit: 4096})
	if want := "encoding the measurement: expected at most 4096 bytes, found more although every list is empty"; err == nil || err.Error() != want {
		t.Errorf("expected %q, found %v", want, err)
	}
}

// However a limit falls, the frames stay below it.
func TestPayloadLimit(t *testing.T) {
	for limit := 100; limit <= MaxLog; limit += 9973 {
		n := 0
		for frame := range (Message{payload: make([]byte, payloadLimit(limit))}).Frames() {
			n += len(frame)
		}
		if n > limit || n < limit-400 {
			t.Fatalf("limit %d: expected nearly as many bytes, found %d", limit, n)
		}
	}
	if n := frames(payloadLimit(MaxLog)); n > maxFrames {
		t.Errorf("expected at most %d frames, found %d", maxFrames, n)
	}
}

func TestDecodeErrors(t *testing.T) {
	msg, trailer := encode(t, large(300, 10, 20), Options{})
	n := trailer.Frames
	if n < 4 {
		t.Fatalf("expected at least 4 frames, found %d", n)
	}
	join := func(frames ...[]byte) string { return string(bytes.Join(frames, nil)) }
	change := func(f func(frames [][]byte) [][]byte) string { return join(f(slices.Clone(msg.frames()))...) }
	flip := slices.Clone(msg.frames()[2])
	at := bytes.LastIndexByte(flip, ' ') + 5
	flip[at] = map[bool]byte{true: 'B', false: 'A'}[flip[at] == 'A']
	other, _ := encode(t, large(300, 10, 21), Options{})

	tests := map[string]struct {
		log  string
		want string
	}{
		"no frame at all":           {"", fmt.Sprintf("log: expected %d frames, found 0: 1/%d and what follows is missing", n, n)},
		"cut after the first":       {join(msg.frames()[0]), fmt.Sprintf("log: expected %d frames, found 1: 2/%d and what follows is missing", n, n)},
		"cut in the middle":         {join(msg.frames()...)[:9000], fmt.Sprintf("log line 2: frame 2/%d: expected ", n)},
		"a frame is missing":        {change(func(f [][]byte) [][]byte { return slices.Delete(f, 1, 2) }), fmt.Sprintf("log line 2: expected frame 2/%d, found 3/%d: 1 missing", n, n)},
		"a frame twice":             {change(func(f [][]byte) [][]byte { return slices.Insert(f, 2, f[1]) }), fmt.Sprintf("log line 3: expected frame 3/%d, found 2/%d: a duplicate", n, n)},
		"frames swapped":            {change(func(f [][]byte) [][]byte { f[0], f[1] = f[1], f[0]; return f }), fmt.Sprintf("log line 1: expected frame 1/%d, found 2/%d: 1 missing", n, n)},
		"a foreign line":            {change(func(f [][]byte) [][]byte { return slices.Insert(f, 1, []byte("panic: hunter2\n")) }), fmt.Sprintf("log line 2: expected frame 2/%d (CKL2 ...), found 14 bytes of something else", n)},
		"an empty line":             {change(func(f [][]byte) [][]byte { return slices.Insert(f, 1, []byte("\n")) }), fmt.Sprintf("log line 2: expected frame 2/%d (CKL2 ...), found 0 bytes of something else", n)},
		"a line after the end":      {join(msg.frames()...) + "x\n", fmt.Sprintf("log line %d: expected the end after %d frames, found 2 bytes more", n+1, n)},
		"a line that is too long":   {strings.Repeat("x", MaxLine+1), "log line 1: expected at most 8192 bytes, found more"},
		"a flipped bit":             {change(func(f [][]byte) [][]byte { f[2] = flip; return f }), fmt.Sprintf("log line 3: frame 3/%d: expected checksum ", n)},
		"a frame of another answer": {change(func(f [][]byte) [][]byte { f[1] = other.frames()[1]; return f }), "payload: expected sha256 "},
		"another total":             {strings.Replace(join(msg.frames()...), fmt.Sprintf("1/%d", n), "1/99", 1), fmt.Sprintf("log line 1: expected frame 1/%d, found 1/99", n)},
		"a position with zeros":     {strings.Replace(join(msg.frames()...), "1/", "01/", 1), fmt.Sprintf("log line 1: expected frame 1/%d, found a position of another form", n)},
		"a short checksum":          {strings.Replace(join(msg.frames()...), " ", "", 2), "log line 1: expected frame"},
		"base64 with a newline":     {strings.Replace(join(msg.frames()...), "CKL2", "CKL2\n", 1), "log line 1: expected frame"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(strings.NewReader(tt.log), trailer)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("expected an error that begins %q, found %v", tt.want, err)
			}
			if got != nil {
				t.Error("expected no measurement with an error")
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("expected nothing of a foreign line in the error, found %q", err)
			}
		})
	}
	t.Run("more than announced", func(t *testing.T) {
		small := trailer
		small.Size = 2 * pieceSize
		_, err := Decode(strings.NewReader(join(msg.frames()...)), small)
		if want := fmt.Sprintf("log line 3: expected %d bytes in all, found %d more", 2*pieceSize, pieceSize); err == nil || err.Error() != want {
			t.Errorf("expected %q, found %v", want, err)
		}
	})
	t.Run("no log", func(t *testing.T) {
		if _, err := Decode(nil, trailer); err == nil || err.Error() != fmt.Sprintf("log: expected %d frames, found no log", n) {
			t.Errorf("found %v", err)
		}
	})
	t.Run("a log that breaks", func(t *testing.T) {
		broken := errors.New("connection reset")
		_, err := Decode(io.MultiReader(bytes.NewReader(msg.frames()[0]), iotest.ErrReader(broken)), trailer)
		if !errors.Is(err, broken) || err.Error() != "reading log line 2: connection reset" {
			t.Errorf("found %v", err)
		}
	})
}

// sealed makes a trailer whose payload is whatever is given.
func sealed(payload []byte, jsonSize int) Trailer {
	digest := sha256.Sum256(payload)
	return Trailer{Format: magic, SHA256: hex.EncodeToString(digest[:]), Size: len(payload), JSONSize: jsonSize, Payload: payload}
}

func zipped(text []byte) []byte { return zippedAt(gzip.BestSpeed, text) }

func zippedAt(level int, text []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
	_ = w.Close()
	return out.Bytes()
}

func TestDecodePayloadErrors(t *testing.T) {
	bomb := zipped(make([]byte, 8<<20))
	tests := map[string]struct {
		t    Trailer
		want string
	}{
		"not gzip":                    {sealed([]byte("hello"), 5), "payload: expected gzip: unexpected EOF"},
		"more than announced":         {sealed(bomb, 100), "payload: expected 100 bytes decompressed, found more"},
		"less than announced":         {sealed(zipped([]byte("{}")), 3), "payload: expected 3 bytes decompressed, found 2"},
		"bytes after the stream":      {sealed(append(zipped([]byte("{}")), 'x'), 2), "payload: expected its end after the gzip stream, found 1 bytes more"},
		"a second stream":             {sealed(append(zipped([]byte("{}")), zipped(nil)...), 2), "payload: expected its end after the gzip stream, found 23 bytes more"},
		"not JSON":                    {sealed(zipped([]byte("[\n")), 2), "payload: record 1: expected an object at byte 0, found a list"},
		"another type":                {sealed(zipped([]byte("{\"host\":\"hunter2\"}\n")), 19), "payload: record 1: host: expected an object at byte 8, found a string"},
		"a mask that is none":         {sealed(zipped([]byte("{\"host\":{\"hostCapBnd\":\"hunter2\"}}\n")), 34), "payload: record 1: host.hostCapBnd: expected up to 16 hex digits at byte 22, found another string"},
		"another digest":              {Trailer{SHA256: "00", Size: 2, Payload: []byte("{}")}, "payload: expected sha256 00, found 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
		"another size":                {Trailer{Size: 3, Payload: []byte("{}")}, "payload: expected 3 bytes, found 2"},
		"only an error":               {Trailer{Error: "the lock did not hold"}, "the probe sent no measurement: the lock did not hold"},
		"nothing":                     {Trailer{}, "the probe sent no measurement"},
		"numbers beyond their limits": {Trailer{Size: MaxLog + 1}, "trailer: a number is beyond the format's limits"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(nil, tt.t)
			if err == nil || err.Error() != tt.want {
				t.Errorf("expected %q, found %v", tt.want, err)
			}
		})
	}
}

// What a hostile probe can make the plugin allocate before there is any JSON is
// bounded by what it sends, not by what it announces.
func TestDecodeBoundsAllocation(t *testing.T) {
	tests := map[string]struct {
		t     Trailer
		bound int // bytes
	}{
		"a gzip bomb":         {sealed(zipped(make([]byte, 64<<20)), 1000), 64 << 10},
		"a larger gzip bomb":  {sealed(zipped(make([]byte, 64<<20)), MaxJSON), MaxJSON + 64<<10},
		"a trailer that lies": {Trailer{SHA256: strings.Repeat("0", 64), Frames: maxFrames, Size: MaxLog, JSONSize: MaxJSON}, 64 << 10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var err error
			used := allocated(tt.bound, func() { _, err = Decode(strings.NewReader(""), tt.t) })
			if err == nil {
				t.Fatal("expected an error")
			}
			if used > tt.bound {
				t.Errorf("expected at most %d bytes allocated, found %d (%v)", tt.bound, used, err)
			}
		})
	}
}

func TestParseTrailer(t *testing.T) {
	digest := strings.Repeat("a", 64)
	tests := map[string]struct {
		message string
		want    Trailer
		wantErr string
	}{
		"frames": {
			`{"format":"CKL2","version":"v1","sha256":"` + digest + `","frames":2,"logSize":9000,"size":7000,"jsonSize":90000}`,
			Trailer{Format: "CKL2", Version: "v1", SHA256: digest, Frames: 2, LogSize: 9000, Size: 7000, JSONSize: 90000},
			"",
		},
		"an error alone":                {`{"format":"CKL2","version":"v1","error":"no\u001b[31m lock\n"}`, Trailer{Format: "CKL2", Version: "v1", Error: "no^[[31m lock"}, ""},
		"a field of a later version":    {`{"format":"CKL2","error":"x","later":1}`, Trailer{Format: "CKL2", Error: "x"}, ""},
		"empty":                         {" \n", Trailer{}, "termination message: expected a line of JSON, found nothing"},
		"text of a crash":               {"OOMKilled", Trailer{}, `termination message: expected one line of JSON with format "CKL2", found a syntax error at byte 1`},
		"cut short":                     {`{"format":"CKL2","ver`, Trailer{}, `termination message: expected one line of JSON with format "CKL2", found a syntax error at byte 21`},
		"the format of an older probe":  {`{"format":"CKL1","size":10}`, Trailer{}, `termination message: expected format "CKL2", found another: the probe and this plugin are of different versions`},
		"another type":                  {`{"format":"CKL2","version":{"hunter2":1}}`, Trailer{}, `termination message: expected one line of JSON with format "CKL2", found a value of another type in field version at byte 28`},
		"a number that is none":         {`{"format":"CKL2","frames":1e400}`, Trailer{}, `termination message: expected one line of JSON with format "CKL2", found a value of another type in field frames at byte 31`},
		"a payload that is not base64":  {`{"format":"CKL2","payload":"hunter2"}`, Trailer{}, `termination message: expected one line of JSON with format "CKL2", found a value of another form`},
		"neither measurement nor error": {`{"format":"CKL2"}`, Trailer{}, "termination message: expected a measurement or an error, found neither"},
		"too many frames":               {`{"format":"CKL2","frames":1000000}`, Trailer{}, "termination message: frames: expected 0 to 175, found 1000000"},
		"a negative size":               {`{"format":"CKL2","size":-1}`, Trailer{}, "termination message: size: expected 0 to 1048576, found -1"},
		"a digest that is none":         {`{"format":"CKL2","size":10,"frames":1,"sha256":"xyz"}`, Trailer{}, `termination message: sha256: expected 64 hex digits, found 3 bytes of something else`},
		"neither frames nor payload":    {`{"format":"CKL2","size":10,"sha256":"` + digest + `"}`, Trailer{}, "termination message: expected either frames or a payload, found 0 frames and 0 bytes"},
		"frames of nothing":             {`{"format":"CKL2","frames":3,"error":"x"}`, Trailer{}, "termination message: expected no frames, payload or digest where size is 0"},
		"a payload of another size":     {`{"format":"CKL2","size":10,"sha256":"` + digest + `","payload":"AAAA"}`, Trailer{}, "termination message: payload: expected 10 bytes, found 3"},
		"too long":                      {strings.Repeat(" ", 5000), Trailer{}, "termination message: expected at most 4096 bytes, found 5000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseTrailer([]byte(tt.message))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.wantErr {
				t.Fatalf("expected error %q, found %q", tt.wantErr, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("trailer (-want +got):\n%s", diff)
			}
		})
	}
}

// An error is one printable line that fits, whatever it was made of.
func TestFailureTrailer(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"plain":              {"the lock did not hold", "the lock did not hold"},
		"control characters": {"a\x1b[2Jb\nc\x00d", "a^[[2Jb c\ufffdd"},
		"bad UTF-8":          {"a\xff\xfeb", "a\ufffd\ufffdb"},
		"bidirectional":      {"a\u202eb", "a\ufffdb"},
		"long":               {strings.Repeat("x", 100_000), strings.Repeat("x", maxError)},
		"long, all quotes":   {strings.Repeat(`"`, 100_000), strings.Repeat(`"`, maxError)},
		"long, wide":         {strings.Repeat("é", 100_000), strings.Repeat("é", maxError/2)},
		// encoding/json writes 6 bytes for each of these, if it is not told.
		"long, as in HTML": {strings.Repeat("<", 100_000), strings.Repeat("<", maxError)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			message := FailureTrailer("v1", tt.text)
			if len(message) > MaxTrailer {
				t.Fatalf("expected at most %d bytes, found %d", MaxTrailer, len(message))
			}
			got, err := ParseTrailer(message)
			if err != nil {
				t.Fatal(err)
			}
			if got.Error != tt.want {
				t.Errorf("expected %q, found %q", tt.want, got.Error)
			}
		})
	}
}

func FuzzParseTrailer(f *testing.F) {
	msg, err := Encode(filled(), Options{Version: "v1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg.Trailer)
	f.Add(FailureTrailer("v1", "x"))
	f.Add([]byte(`{"format":"CKL2","frames":3}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		trailer, err := ParseTrailer(message)
		if err != nil {
			checkError(t, err)
			return
		}
		if trailer.Frames > maxFrames || trailer.Size > MaxLog || trailer.JSONSize > MaxJSON {
			t.Errorf("expected numbers within the limits, found %+v", trailer)
		}
		if trailer.HasMeasurement() && !trailer.NeedsLog() {
			_, _ = Decode(nil, trailer)
		}
	})
}

// FuzzDecode gives a log to a trailer that is honest about another one: nothing
// but the log that was sent may come out as a measurement.
func FuzzDecode(f *testing.F) {
	m := large(60, 2, 5)
	msg, err := Encode(m, Options{})
	if err != nil {
		f.Fatal(err)
	}
	trailer, err := ParseTrailer(msg.Trailer)
	if err != nil || trailer.Frames == 0 {
		f.Fatal(err, trailer.Frames)
	}
	sent := msg.log()
	f.Add(sent)
	f.Add(sent[:len(sent)/2])
	f.Add([]byte("CKL2 1/1 00000000 \n"))
	f.Add([]byte("CKL2 1/2 00000000 AAAA\nCKL2 2/2 00000000 AAAA\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		got, err := Decode(bytes.NewReader(log), trailer)
		if (got == nil) == (err == nil) {
			t.Fatalf("expected a measurement or an error, found %v, %v", got, err)
		}
		if err == nil && !bytes.Equal(bytes.TrimSuffix(log, []byte("\n")), bytes.TrimSuffix(sent, []byte("\n"))) {
			t.Error("another log than the one that was sent was accepted")
		}
	})
}

// FuzzPayload seals whatever bytes in an honest envelope, as a hostile probe can.
func FuzzPayload(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte(`{"containers":[{"processes":[{}]}],"etcd":[{"secrets":[{}]}]}`))
	f.Add([]byte(`{"hostCapBnd":"00000000a80425fb","at":"2026-11-24T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		payload := zipped(text)
		digest := sha256.Sum256(payload)
		frame := fmt.Sprintf("CKL2 1/1 %08x %s\n", crc32.ChecksumIEEE(payload), base64.StdEncoding.EncodeToString(payload))
		trailer := Trailer{Format: magic, SHA256: hex.EncodeToString(digest[:]), Frames: 1, Size: len(payload), JSONSize: len(text)}
		got, err := Decode(strings.NewReader(frame), trailer)
		if len(frame) > MaxLine {
			return
		}
		if (got == nil) == (err == nil) {
			t.Fatalf("expected a measurement or an error, found %v, %v", got, err)
		}
		if err == nil {
			if n := size(got); n > MaxMemory {
				t.Errorf("expected at most %d bytes in memory, found %d", MaxMemory, n)
			}
			if _, err := Encode(got, Options{}); err != nil {
				t.Errorf("encoding what was decoded: %v", err)
			}
		}
	})
}

// BenchmarkEncode compares the records with encoding/json and gzip over the whole,
// which cuts nothing.
func BenchmarkEncode(b *testing.B) {
	for name, m := range map[string]*fact.Measurement{
		"500-processes":   large(300, 100, 5),
		"20000-secrets":   large(20_000, 100, 5),
		"cut-60k-secrets": large(60_000, 100, 5),
	} {
		b.Run(name+"/records", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				msg, err := Encode(m, Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(msg.log())), "log-bytes")
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				text, err := json.Marshal(m)
				if err != nil {
					b.Fatal(err)
				}
				msg := Message{payload: zippedAt(gzip.DefaultCompression, text)}
				b.ReportMetric(float64(len(msg.log())), "log-bytes")
			}
		})
	}
}
