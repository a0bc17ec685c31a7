package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// read does with a measurement that is one value what Decode does with each
// record.
func read(text []byte, limit int) (m *fact.Measurement, cost int, err error) {
	whole := layout().whole
	r := newReader(nil, limit)
	r.text = text
	pass := func(v reflect.Value) *fault {
		if f := r.take(block(whole.size)); f != nil {
			return f
		}
		if f := r.value(whole, v); f != nil {
			return f
		}
		return r.end()
	}
	if f := pass(reflect.Value{}); f != nil {
		return nil, 0, f
	}
	cost = r.cost
	r.rewind()
	m = new(fact.Measurement)
	if f := pass(reflect.ValueOf(m).Elem()); f != nil {
		return nil, cost, f
	}
	return m, cost, nil
}

// streamOf is the text that Encode compresses.
func streamOf(t testing.TB, m *fact.Measurement) []byte {
	t.Helper()
	var out bytes.Buffer
	lines := newLines(&out)
	if err := records(m, func(_ section, r record) error { return lines.write(r) }); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readStream is what Decode does with a stream.
func readStream(text []byte, limit int) (m *fact.Measurement, cost int, err error) {
	r, f := scan(text, limit)
	if f != nil {
		return nil, 0, f
	}
	cost = r.cost
	if m, f = r.measurement(); f != nil {
		return nil, cost, f
	}
	return m, cost, nil
}

// reference reads with encoding/json, and refuses what it can.
func reference(text []byte) (*fact.Measurement, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	m := new(fact.Measurement)
	if err := decoder.Decode(m); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("expected the end")
	}
	return m, nil
}

// allocated is what f allocates in bytes, garbage included. What the runtime
// allocates now and then is not f's, so where it is more than expected f runs
// again. No test of this package may be parallel.
func allocated(expected int, f func()) int {
	least := math.MaxInt
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, int(after.TotalAlloc-before.TotalAlloc)); least <= expected {
			break
		}
	}
	return least
}

// held is the live heap in bytes.
func held() int {
	runtime.GC()
	runtime.GC() // empties sync.Pools too
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// overhead is what reading allocates beyond what it counts: the reader itself.
const overhead = 16 << 10

// walker measures what a value takes in memory: each block once, rounded up as
// the runtime does, which it is asked about. It shares nothing with cost.
type walker struct {
	classes []int
	seen    map[unsafe.Pointer]bool
}

func size(m *fact.Measurement) int {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	w := walker{seen: make(map[unsafe.Pointer]bool)}
	for _, class := range stats.BySize[1:] {
		w.classes = append(w.classes, int(class.Size))
	}
	return w.of(reflect.ValueOf(m))
}

func (w *walker) block(n int) int {
	if n == 0 {
		return 0
	}
	for _, class := range w.classes {
		if n <= class {
			return class
		}
	}
	return (n + 8191) / 8192 * 8192
}

func (w *walker) once(p unsafe.Pointer) bool {
	first := !w.seen[p]
	w.seen[p] = true
	return first
}

// of is what v refers to; v itself lies in a block that was counted before.
func (w *walker) of(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && w.once(v.UnsafePointer()) {
			n = w.block(int(v.Type().Elem().Size())) + w.of(v.Elem())
		}
	case reflect.String:
		if s := v.String(); s != "" && w.once(unsafe.Pointer(unsafe.StringData(s))) {
			n = w.block(len(s))
		}
	case reflect.Slice:
		n = w.block(v.Cap() * int(v.Type().Elem().Size()))
		for i := range v.Len() {
			n += w.of(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			n += w.of(v.Index(i))
		}
	case reflect.Map:
		if !v.IsNil() {
			n = 48 // and a slot for each entry, at least
		}
		for entries := v.MapRange(); entries.Next(); {
			n += 33 + w.of(entries.Key()) + w.of(entries.Value())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += w.of(v.Field(i))
		}
	}
	return n
}

// random fills a value with what a collector could have read: any text, any
// number, lists of any length up to most.
func random(r *rand.Rand, v reflect.Value, most int) {
	switch v.Interface().(type) {
	case fact.Time:
		if r.IntN(3) > 0 {
			v.Set(reflect.ValueOf(fact.NewTime(time.Unix(r.Int64N(1<<36)-1<<34, r.Int64N(1e9)))))
		}
		return
	case fact.CapMask:
		if r.IntN(3) > 0 {
			v.Set(reflect.ValueOf(fact.NewCapMask(r.Uint64() >> r.IntN(64))))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			random(r, v.Field(i), most)
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			random(r, v.Elem(), most)
		}
	case reflect.Slice:
		if n := r.IntN(most + 1); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				random(r, v.Index(i), most/2)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			random(r, v.Index(i), most)
		}
	case reflect.Map:
		if n := r.IntN(4 * (most + 1)); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				v.SetMapIndex(reflect.ValueOf(text(r)), reflect.ValueOf(text(r)))
			}
		}
	case reflect.String:
		v.SetString(text(r))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> r.IntN(64)) // what does not fit is cut off
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64))
	default:
		panic("a kind that no field had so far: " + v.Kind().String())
	}
}

// text has every form that JSON has for a character.
func text(r *rand.Rand) string {
	characters := []string{"a", "/", "7", "é", "\u2028", "<", "&", `"`, `\`, "\n", "\x00", "\x7f", "\U0001f512", "\ufffd", "xyz0123456789"}
	var out strings.Builder
	n := r.IntN(8)
	if r.IntN(20) == 0 {
		n = r.IntN(400)
	}
	for range n {
		out.WriteString(characters[r.IntN(len(characters))])
	}
	return out.String()
}

// However a measurement looks, it is read as encoding/json reads it, and what
// was counted is at least what it takes: in its blocks, and in all that was
// allocated on the way.
func TestReadCountsWhatIsAllocated(t *testing.T) {
	// Once without being counted: the shapes are made, once for the process.
	if _, _, err := read([]byte("{}"), MaxMemory); err != nil {
		t.Fatal(err)
	}
	seeds := uint64(400)
	if testing.Short() {
		seeds = 100
	}
	close := 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		m := new(fact.Measurement)
		random(r, reflect.ValueOf(m).Elem(), 1+r.IntN(9))
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, counted, err := read(text, MaxMemory)
		if err != nil {
			t.Fatalf("seed %d: expected an honest measurement to be read, found %v", seed, err)
		}
		want, err := reference(text)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("seed %d: measurement (-encoding/json +read):\n%s", seed, cmp.Diff(want, got, masks))
		}
		again, _, err := readStream(streamOf(t, m), MaxMemory)
		if err != nil || !reflect.DeepEqual(want, again) {
			t.Fatalf("seed %d: measurement of records, %v (-want +got):\n%s", seed, err, cmp.Diff(want, again, masks))
		}
		real, used := size(got), allocated(counted+overhead, func() { _, _, _ = read(text, MaxMemory) })
		switch {
		case real > counted:
			t.Errorf("seed %d: expected at least its %d bytes counted, found %d", seed, real, counted)
		case used > counted+overhead:
			t.Errorf("seed %d: expected at most %d bytes allocated, found %d", seed, counted+overhead, used)
		case cost(m) < counted:
			t.Errorf("seed %d: expected the sender to count at least the %d bytes that the receiver counts, found %d", seed, counted, cost(m))
		}
		if real > counted*2/3 {
			close++
		}
	}
	// A count far above would refuse what is honest.
	if close < int(seeds)/2 {
		t.Errorf("expected most counts within 3/2 of the real size, found %d of %d", close, seeds)
	}
}

// honest is a node in the sizes that real ones have.
type honest struct {
	containers, processes, mounts, files, secrets, pending int // processes, mounts and files of each container
}

// typical is a node of many small pods: 200 containers, 400 processes.
var typical = honest{containers: 200, processes: 2, mounts: 4, files: 1, pending: 30}

func (h honest) node(seed uint64) *fact.Measurement {
	r := rand.New(rand.NewPCG(seed, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0123456789abcdef"[r.IntN(16)]
		}
		return string(b)
	}
	when := func() fact.Time { return fact.NewTime(time.Unix(1_790_000_000+r.Int64N(1e7), r.Int64N(1e9))) }
	masks := []uint64{0, 0xa80425fb, 0x1ffffffffff}
	users := []int64{0, 1000, 65534}
	m := &fact.Measurement{
		Level: fact.LevelFull, At: when(), HostCapBnd: fact.NewCapMask(masks[2]), CapLastCap: new(40), Read: fact.Kinds(),
		Host: fact.Host{
			Hostname: "node-" + word(5), Arch: "amd64", BootTime: when(),
			OS:       fact.OSRelease{Path: "/etc/os-release", ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)"},
			Running:  &fact.RunningKernel{Release: "6.1.0-41-amd64", Build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.158-1 (2025-11-09)", ModulesPresent: new(true)},
			Packages: &fact.PackageState{Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 600, Checked: when()},
		},
	}
	for i := range h.containers {
		pod, id := word(8)+"-"+word(4)+"-"+word(4)+"-"+word(4)+"-"+word(12), word(64)
		upper := fmt.Sprintf("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/%d/fs", r.IntN(9999))
		c := fact.MeasuredContainer{
			ID: id, PodUID: pod, Kubernetes: true, Runtime: "containerd", DeviceFS: "tmpfs",
			Cgroup: "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + pod + ".slice/cri-containerd-" + id + ".scope",
			Root:   &fact.Mount{Path: "/", FSType: "overlay", Upperdir: upper},
			Upper:  &fact.UpperWalk{Path: upper, Entries: r.IntN(100), Total: h.files},
		}
		for j := range h.processes {
			mask, user := fact.NewCapMask(masks[r.IntN(3)]), users[r.IntN(3)]
			c.Processes = append(c.Processes, fact.Process{
				PID: 1000 + i*h.processes + j, InnerPID: 1 + j, Comm: word(8), Started: when(),
				UID: [4]int64{user, user, user, user}, GID: [4]int64{user, user, user, user},
				CapInh: fact.NewCapMask(0), CapPrm: mask, CapEff: mask, CapBnd: mask, CapAmb: fact.NewCapMask(0),
				NoNewPrivs: new(r.IntN(2) == 0), Seccomp: new(2), RootUID: new(int64(0)),
				UserNS: 4026531837, PIDNS: 4026530000 + r.Uint64N(9999), NetNS: 4026530000 + r.Uint64N(9999), IPCNS: 4026530000 + r.Uint64N(9999),
				Exe: &fact.Executable{Path: "/usr/local/bin/" + word(10), Origin: fact.OriginImage, FSType: "overlay", Mount: "/", Size: r.Int64N(1 << 25), Changed: when()},
			})
		}
		for range h.mounts {
			c.Mounts = append(c.Mounts, fact.Mount{Path: "/var/run/" + word(12), FSType: "tmpfs", Source: "/dev/sda1", NoExec: true, Volume: "emptyDir/" + word(6)})
		}
		for range h.files {
			c.Upper.Files = append(c.Upper.Files, fact.UpperFile{Path: "/usr/lib/python3/" + word(12) + ".so", Kind: "library", Origin: fact.OriginAdded, Size: r.Int64N(1 << 20), Mode: 0o755, Changed: when(), SHA256: word(64)})
		}
		m.Containers = append(m.Containers, c)
	}
	for range h.pending {
		m.Host.Packages.Pending = append(m.Host.Packages.Pending, fact.PendingUpdate{Name: "lib" + word(8), Arch: "amd64", Installed: "1.2.3-4+deb12u1", Candidate: "1.2.3-4+deb12u2", Security: "1.2.3-4+deb12u2", Archive: "Debian-Security:12/stable-security", Source: word(8)})
	}
	if h.secrets > 0 {
		db := fact.EtcdDB{Path: "/var/lib/etcd/member/snap/db", Prefix: "/registry", Complete: true, Total: h.secrets}
		for i := range h.secrets {
			db.Secrets = append(db.Secrets, fact.StoredSecret{Namespace: fmt.Sprintf("team-%d", i/40), Name: word(20), Revision: r.Int64N(1e8), Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:key1:", Size: r.IntN(4000)})
		}
		m.Etcd = []fact.EtcdDB{db}
	}
	purposes, programs := []fact.ListenerPurpose{fact.KubeletAPI, fact.RuntimeStreaming}, []fact.ComponentProgram{fact.ProgramKubelet, fact.ProgramContainerd}
	if h.secrets > 0 {
		purposes = []fact.ListenerPurpose{fact.EtcdClient, fact.EtcdPeer, fact.KubeAPI, fact.KubeletAPI, fact.ControllerManager, fact.Scheduler}
		programs = []fact.ComponentProgram{fact.ProgramEtcd, fact.ProgramAPIServer, fact.ProgramKubelet, fact.ProgramControllerManager, fact.ProgramScheduler, fact.ProgramContainerd}
	}
	certificate := func() fact.Certificate {
		return fact.Certificate{
			Subject: "CN=system:node:" + word(8) + ",O=system:nodes", Issuer: "CN=kubernetes", SHA256: word(64), KeyType: "RSA", KeyBits: 2048,
			Signature: "SHA256-RSA", NotBefore: when(), NotAfter: when(), Names: []string{"10.0.0." + word(2), "127.0.0.1", "localhost", "node-" + word(5)}, NameTotal: 4,
		}
	}
	for i, purpose := range purposes {
		l := fact.Listener{
			Address: "0.0.0.0", Port: 2379 + i, Inode: r.Uint64N(1 << 20), Purpose: purpose, Target: "10.0.0.7", Connections: 7,
			Protocol: fact.SpeaksTLS, ProtocolFrom: "ServerHello", ClientAuth: fact.ClientCertDemanded, ClientAuthFrom: "alert certificate required",
			ClientCAs: []string{"CN=kubernetes"}, ClientCATotal: 1, Chain: []fact.Certificate{certificate()},
		}
		for _, offer := range fact.Offers() {
			l.Offers = append(l.Offers, fact.TLSOffer{Offer: offer, Outcome: fact.OfferAccepted, Version: "TLS 1.2", Suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", From: "ServerHello"})
		}
		m.Listeners = append(m.Listeners, l)
	}
	for _, program := range programs {
		c := fact.Component{Program: program, PID: 100 + r.IntN(900), Started: when(), Container: word(64), SocketsRead: true}
		for i := range 8 {
			c.Settings = append(c.Settings, fact.Setting{Name: "tls-setting-" + word(6), Value: "/etc/kubernetes/pki/" + word(8), From: "--tls-setting"})
			c.Sockets = append(c.Sockets, fact.Socket{Address: "127.0.0.1", Port: 10_000 + i, Inode: r.Uint64N(1 << 20)})
		}
		m.Components = append(m.Components, c)
	}
	for range 4 * len(programs) {
		path := "/etc/kubernetes/pki/" + word(10)
		m.Certificates = append(m.Certificates, fact.CertificateFile{
			Path: path + ".crt", Use: "kube-apiserver serving", By: "--tls-cert-file", Total: 1, Certificates: []fact.Certificate{certificate()},
			Key: &fact.FileAccess{Path: path + ".key", Mode: 0o600},
		})
	}
	return m
}

func (msg Message) frames() [][]byte { return slices.Collect(msg.Frames()) }

// log gives the frames of a message as a log.
func (msg Message) log() []byte { return slices.Concat(slices.Collect(msg.Frames())...) }

// Honest nodes, also the largest that the wire can carry, are far from the
// limit, and what they take is what the documentation of Budget says.
func TestHonestNodesFit(t *testing.T) {
	tests := map[string]struct {
		node honest
		most int // bytes
		cut  bool
	}{
		"a typical node":                    {typical, 768 << 10, false},
		"a control plane, 3,000 Secrets":    {honest{containers: 60, processes: 2, mounts: 4, files: 1, secrets: 3000, pending: 30}, 768 << 10, false},
		"20,000 Secrets":                    {honest{containers: 60, processes: 2, mounts: 4, files: 1, secrets: 20_000}, 4 << 20, false},
		"20,000 processes":                  {honest{containers: 250, processes: 80, mounts: 4}, 8 << 20, true},
		"200 files in every container":      {honest{containers: 100, files: 200, processes: 1}, 4 << 20, true},
		"30,000 mounts in 1,000 containers": {honest{containers: 1000, processes: 1, mounts: 30}, 8 << 20, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			msg, trailer := encode(t, tt.node.node(1), Options{})
			log := msg.log()
			text, err := decompress(payloadOf(t, log, trailer), trailer.JSONSize)
			if err != nil {
				t.Fatal(err)
			}
			r, f := scan(text, MaxMemory)
			if f != nil {
				t.Fatal(f)
			}
			m, err := Decode(bytes.NewReader(log), trailer)
			if err != nil {
				t.Fatal(err)
			}
			if cut := len(m.Gaps) > 0; cut != tt.cut {
				t.Errorf("expected the answer cut %v, found gaps %v", tt.cut, m.Gaps)
			}
			t.Logf("log %d, JSON %d, counted %d, in memory %d bytes", len(log), len(text), r.cost, size(m))
			if r.cost > tt.most {
				t.Errorf("expected at most %d bytes, found %d", tt.most, r.cost)
			}
			if real := size(m); r.cost < real || r.cost > real*5/4 {
				t.Errorf("expected the count within a quarter above the %d bytes that it takes, found %d", real, r.cost)
			}
		})
	}
}

func payloadOf(t testing.TB, log []byte, trailer Trailer) []byte {
	t.Helper()
	payload, err := receive(bytes.NewReader(log), trailer)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// bomb is a text that is small on the wire and large in memory. Its error begins
// with where it was refused, and says what was expected: "" for one that is read.
type bomb struct{ text, where, expected string }

func bombs() map[string]bomb {
	list := func(open, item string, n int, end string) string {
		return open + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + end
	}
	numbered := func(open, format string, n int, end string) string {
		var out strings.Builder
		out.WriteString(open)
		for i := range n {
			if i > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(&out, format, i)
		}
		return out.String() + end
	}
	const begin = `{"host":{}}` + "\n"
	// record is a stream whose second record has a list with n times item.
	record := func(open, item string, n int, end string) string {
		return begin + list(open, item, n, end) + "\n"
	}
	// many is a stream of n records, and an end that says so.
	many := func(item string, n int, end string) string {
		return begin + strings.Repeat(item+"\n", n) + `{"end":{` + end + "}}\n"
	}
	// As many containers as fit, less what the measurement itself takes.
	most := (MaxMemory - 16<<10) / int(reflect.TypeFor[fact.MeasuredContainer]().Size())
	const (
		tooMuch = "expected a measurement that takes at most 33554432 bytes in memory, found more at byte "
		unknown = "expected a known field at byte "
		other   = "expected a known record at byte 1, found another: use a probe of this plugin's version"
		tooLong = "expected at most 2097152 bytes, found more"
		whole   = "expected a whole number (int) at byte 25, found another"
		full    = 349_000 // of 6 bytes, in a record
	)
	return map[string]bomb{
		"processes that are null":            {record(`{"container":{"processes":[`, "null", full, "]}}"), "record 2: container.processes[0]: ", "expected an object at byte 27, found null"},
		"processes that are empty":           {record(`{"container":{"processes":[`, "{}", full, "]}}"), "record 2: container.processes[", tooMuch},
		"records that are empty":             {many(`{"container":{}}`, 900_000, `"containers":900000`), "record ", tooMuch},
		"as many containers as there may be": {many(`{"container":{}}`, most, fmt.Sprintf(`"containers":%d`, most)), "", ""},
		"as many again in what they hold":    {many(`{"container":{"root":{}}}`, most, fmt.Sprintf(`"containers":%d`, most)), "record ", tooMuch},
		"lists in lists":                     {record(`{"container":{"processes":[`, `{"scripts":[{},{},{},{}]}`, 80_000, "]}}"), "record 2: container.processes[", tooMuch},
		"lists that are empty":               {many(`{"container":{"processes":[],"mounts":[],"devices":[]}}`, 250_000, `"containers":250000`), "record ", tooMuch},
		"Secrets in pages":                   {begin + `{"etcd":{}}` + "\n" + strings.Repeat(list(`{"secrets":[`, "{}", MaxPage, "]}")+"\n", 10_000), "record ", tooMuch},
		"databases that are empty":           {many(`{"etcd":{}}`, 1_200_000, `"etcd":1200000`), "record ", tooMuch},
		"gaps that are empty":                {many(`{"gap":{}}`, 1_300_000, `"gaps":1300000`), "record ", tooMuch},
		"API servers that are empty":         {many(`{"apiServer":{}}`, 900_000, `"apiServers":900000`), "record ", tooMuch},
		"listeners that are empty":           {many(`{"listener":{}}`, 900_000, `"listeners":900000`), "record ", tooMuch},
		"a chain without an end":             {record(`{"listener":{"chain":[`, "{}", full, "]}}"), "record 2: listener.chain[", tooMuch},
		"names of certificates":              {begin + strings.Repeat(list(`{"certificate":{"certificates":[`, `{"names":["a","b","a","b"]}`, 50_000, "]}}")+"\n", 3), "record ", tooMuch},
		"components with settings":           {many(list(`{"component":{"settings":[`, "{}", 20_000, "]}}"), 40, `"components":40`), "record ", tooMuch},
		"strings that are empty":             {list(`{"host":{"read":[`, `""`, full*2, "]}}") + "\n" + `{"end":{}}` + "\n", "", ""},
		"strings of one byte":                {list(`{"host":{"read":[`, `"a","b"`, full/2, "]}}") + "\n" + `{"end":{}}` + "\n", "", ""},
		"one string again and again":         {list(`{"host":{"read":[`, `"etcd"`, full*5/6, "]}}") + "\n" + `{"end":{}}` + "\n", "", ""},
		"a map of many":                      {begin + numbered(`{"apiServer":{"flags":{`, `"%d":""`, 180_000, "}}}") + "\n" + `{"end":{"apiServers":1}}` + "\n", "", ""},
		"maps of many":                       {begin + strings.Repeat(numbered(`{"apiServer":{"flags":{`, `"%d":""`, 180_000, "}}}")+"\n", 2), "record 3: apiServer.flags[", tooMuch},
		"many maps":                          {many(`{"apiServer":{"flags":{}}}`, 500_000, `"apiServers":500000`), "record ", tooMuch},
		"a map with one key again and again": {record(`{"apiServer":{"flags":{`, `"a":""`, 200_000, "}}}") + `{"end":{"apiServers":1}}` + "\n", "record 2: apiServer.flags[1]: ", "expected each key once, found one again before byte "},
		"a long string":                      {`{"host":{"host":{"hostname":"` + strings.Repeat("x", MaxRecord-100) + "\"}}}\n" + `{"end":{}}` + "\n", "", ""},
		"a long string of escapes":           {`{"host":{"host":{"hostname":"` + strings.Repeat(`\u0041`, full) + "\"}}}\n" + `{"end":{}}` + "\n", "", ""},
		"a long string of wide escapes":      {`{"host":{"host":{"hostname":"` + strings.Repeat(`\ud83d\udd12`, full/2) + "\"}}}\n" + `{"end":{}}` + "\n", "", ""},
		"a string without an end":            {`{"host":{"host":{"hostname":"` + strings.Repeat("x", 2_000_000) + "\n", "record 1: host.host.hostname: ", "expected the end of the string that begins at byte 28, found the end of the text"},
		"a record without an end":            {`{"host":{"host":{"hostname":"` + strings.Repeat("x", 15<<20), "record 1: ", tooLong},
		"a record that is too long":          {`{"host":{"host":{"hostname":"` + strings.Repeat("x", MaxRecord) + "\"}}}\n", "record 1: ", tooLong},
		"lists nested deeply":                {begin + strings.Repeat("[", 2_000_000) + "\n", "record 2: ", "expected an object at byte 0, found a list"},
		"lists nested deeply where one is":   {begin + `{"container":{"mounts":` + strings.Repeat("[", 2_000_000) + "\n", "record 2: container.mounts[0]: ", "expected an object at byte 24, found a list"},
		"objects nested deeply":              {strings.Repeat(`{"host":`, 200_000) + "\n", "record 1: host.host: ", unknown},
		"an unknown record with much in it":  {record(`{"hunter2":[`, "{}", full, "]}"), "record 2: ", other},
		"an unknown field with much in it":   {list(`{"host":{"hunter2":[`, "{}", full, "]}}") + "\n", "record 1: host: ", unknown},
		"a number of many digits":            {`{"host":{"hostProcesses":` + strings.Repeat("7", 1_000_000) + "}}\n", "record 1: host.hostProcesses: ", whole},
		"a number of many zeros":             {`{"host":{"hostProcesses":0.` + strings.Repeat("0", 1_000_000) + "1}}\n", "record 1: host.hostProcesses: ", whole},
		"an exponent":                        {`{"host":{"hostProcesses":1e999999999}}` + "\n", "record 1: host.hostProcesses: ", whole},
		"a mask of many digits":              {`{"host":{"hostCapBnd":"` + strings.Repeat("0", 1_000_000) + "\"}}\n", "record 1: host.hostCapBnd: ", "expected up to 16 hex digits at byte 22, found another string"},
		"a time with a zone":                 {`{"host":{"at":"2026-01-01T00:00:00+05:01"}}` + "\n", "record 1: host.at: ", "expected a time in UTC as in RFC 3339 at byte 14, found another string"},
		"white space":                        {"{" + strings.Repeat(" \t", MaxRecord/2-20) + `"host":{}}` + "\n" + `{"end":{}}` + "\n", "", ""},
		"nothing but a bracket":              {"{\n", "record 1: ", "expected a record's name at byte 1, found the end"},
		"lines that are empty":               {strings.Repeat("\n", MaxJSON), "record 1: ", "expected an object at byte 0, found the end"},
		"more than one measurement":          {begin + `{"end":{}}` + "\n" + strings.Repeat(begin, 1_000_000), "record 2: ", "expected nothing after the end, found 12000000 bytes"},
		"more than one host":                 {strings.Repeat(begin, 1_000_000), "record 2: host: ", "expected one such record, found a second"},
		"nulls where lists may be":           {many(`{"container":{"processes":null,"root":null}}`, 350_000, `"containers":350000`), "record ", tooMuch},
		"numbers where an array has few":     {record(`{"container":{"processes":[{"uid":[`, "0", 1_000_000, "]}]}}"), "record 2: container.processes[0].uid: ", "expected the list's end at byte "},
	}
}

// What a hostile probe can make the plugin allocate is bounded, garbage included:
// by what its measurement may take, and by its text.
func TestBombsStayWithinTheLimit(t *testing.T) {
	for name, tt := range bombs() {
		t.Run(name, func(t *testing.T) {
			text := []byte(tt.text)
			if len(text) > MaxJSON {
				t.Fatalf("expected at most %d bytes of text, found %d", MaxJSON, len(text))
			}
			sent := sealed(zipped(text), len(text))
			var m *fact.Measurement
			var err error
			// What it takes, its text, and what decompressing takes (46 KiB).
			limit := MaxMemory + len(text) + 64<<10
			switch {
			case strings.Contains(tt.expected, "in memory"):
				limit = 9<<20 + len(text) + 64<<10 // nothing but the lengths of lists
			case tt.expected != "" && !strings.Contains(tt.expected, "each key once"):
				limit = len(text) + 64<<10
			}
			used := allocated(limit, func() { m, err = Decode(nil, sent) })
			if used > limit {
				t.Errorf("expected at most %d bytes allocated, found %d", limit, used)
			}
			t.Logf("%d bytes compressed, %d of text, %d allocated", len(sent.Payload), len(text), used)
			if tt.expected == "" {
				if err != nil {
					t.Fatalf("expected it to be read, found %v", err)
				}
				if n := size(m); n > MaxMemory {
					t.Errorf("expected at most %d bytes, found %d", MaxMemory, n)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "payload: "+tt.where) || !strings.Contains(err.Error(), tt.expected) {
				t.Fatalf("expected an error that begins %q and has %q, found %v", "payload: "+tt.where, tt.expected, err)
			}
			checkError(t, err)
		})
	}
}

// errorText is what errors about a text are made of: words of this package,
// fields' names and numbers.
var errorText = regexp.MustCompile(`^[a-zA-Z0-9 \[\].,:()'"-]{1,300}$`)

// checkError fails where an error may quote its input.
func checkError(t *testing.T, err error) {
	t.Helper()
	if !errorText.MatchString(err.Error()) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("expected an error of our own words, found %q", err)
	}
}

// What encoding/json would let pass or repair is refused here, and the error says
// where it is and nothing of what was found there.
func TestReadRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"nothing":                          {"", "expected an object at byte 0, found the end"},
		"white space only":                 {" \n", "expected an object at byte 2, found the end"},
		"null":                             {"null", "expected an object at byte 0, found null"},
		"a string":                         {`"hunter2"`, "expected an object at byte 0, found a string"},
		"words":                            {"hunter2", "expected an object at byte 0, found something else"},
		"text after the end":               {"{} hunter2", "expected the end at byte 3, found something else"},
		"a field twice":                    {`{"host":{"hostname":"hunter2","hostname":"hunter2"}}`, "host.hostname: expected it once, found it again at byte 30"},
		"a field in capitals":              {`{"Level":"full"}`, "expected a known field at byte 1, found another: use a probe of this plugin's version"},
		"a field that folds to a known":    {`{"ho` + "\u017f" + `t":{}}`, "expected a known field at byte 1, found another: use a probe of this plugin's version"},
		"a field in escapes":               {`{"\u006cevel":"full"}`, "expected a known field at byte 1, found another: use a probe of this plugin's version"},
		"a field of a later version":       {`{"host":{"hunter2":1}}`, "host: expected a known field at byte 9, found another: use a probe of this plugin's version"},
		"a name that is no string":         {`{level:"full"}`, "expected a field's name at byte 1, found something else"},
		"a comma at the end of an object":  {`{"level":"full",}`, "expected a field's name at byte 16, found an end of an object or a list"},
		"a comma at the end of a list":     {`{"read":["etcd",]}`, "read[1]: expected a string at byte 16, found an end of an object or a list"},
		"a comma at the start":             {`{"read":[,"etcd"]}`, "read[0]: expected a string at byte 9, found something else"},
		"no comma in an object":            {`{"level":"full" "read":[]}`, "expected a comma or the object's end at byte 16, found a string"},
		"no comma in a list":               {`{"read":["a" "b"]}`, "read: expected a comma or the list's end at byte 13, found a string"},
		"no comma in an array":             {`{"containers":[{"processes":[{"uid":[1 2]}]}]}`, "containers[0].processes[0].uid: expected a comma at byte 39, found a number"},
		"no comma in a map":                {`{"apiServers":[{"flags":{"a":"b" "c":"d"}}]}`, "apiServers[0].flags: expected a comma or the object's end at byte 33, found a string"},
		"no colon":                         {`{"level" "full"}`, "expected a colon at byte 9, found a string"},
		"no colon in a map":                {`{"apiServers":[{"flags":{"a" "b"}}]}`, "apiServers[0].flags[0]: expected a colon at byte 29, found a string"},
		"an object that ends as a list":    {`{"host":{]}`, "host: expected a field's name at byte 9, found an end of an object or a list"},
		"a list that ends as an object":    {`{"read":["a"}`, "read: expected a comma or the list's end at byte 12, found an end of an object or a list"},
		"a list that is an object":         {`{"read":{}}`, "read: expected a list at byte 8, found an object"},
		"a map that is a list":             {`{"apiServers":[{"flags":[]}]}`, "apiServers[0].flags: expected an object at byte 24, found a list"},
		"an array that is null":            {`{"containers":[{"processes":[{"uid":null}]}]}`, "containers[0].processes[0].uid: expected a list at byte 36, found null"},
		"an array that is short":           {`{"containers":[{"processes":[{"uid":[1,2,3]}]}]}`, "containers[0].processes[0].uid: expected a comma at byte 42, found an end of an object or a list"},
		"an array that is long":            {`{"containers":[{"processes":[{"uid":[1,2,3,4,5]}]}]}`, "containers[0].processes[0].uid: expected the list's end at byte 44, found something else"},
		"a string that is null":            {`{"level":null}`, "level: expected a string at byte 9, found null"},
		"a string that is a number":        {`{"level":7}`, "level: expected a string at byte 9, found a number"},
		"a list's string that is null":     {`{"read":[null]}`, "read[0]: expected a string at byte 9, found null"},
		"a map's value that is null":       {`{"apiServers":[{"flags":{"a":null}}]}`, "apiServers[0].flags[0]: expected a string at byte 29, found null"},
		"a number that is null":            {`{"hostProcesses":null}`, "hostProcesses: expected a number at byte 17, found null"},
		"a number that is a string":        {`{"hostProcesses":"7"}`, "hostProcesses: expected a number at byte 17, found a string"},
		"a number with a fraction":         {`{"hostProcesses":7.0}`, "hostProcesses: expected a whole number (int) at byte 17, found another"},
		"a number with a zero in front":    {`{"hostProcesses":07}`, "hostProcesses: expected a whole number (int) at byte 17, found another"},
		"a number of a sign":               {`{"hostProcesses":-}`, "hostProcesses: expected a whole number (int) at byte 17, found another"},
		"a number with a plus":             {`{"hostProcesses":+7}`, "hostProcesses: expected a number at byte 17, found something else"},
		"a number beyond 64 bits":          {`{"hostUserNS":18446744073709551616}`, "hostUserNS: expected a whole number (uint64) at byte 14, found another"},
		"a negative number without sign":   {`{"hostUserNS":-1}`, "hostUserNS: expected a whole number (uint64) at byte 14, found another"},
		"a number beyond its 63 bits":      {`{"hostProcesses":9223372036854775808}`, "hostProcesses: expected a whole number (int) at byte 17, found another"},
		"a number below its 63 bits":       {`{"hostProcesses":-9223372036854775809}`, "hostProcesses: expected a whole number (int) at byte 17, found another"},
		"a number beyond its 32 bits":      {`{"containers":[{"devices":[{"major":4294967296}]}]}`, "containers[0].devices[0].major: expected a whole number (uint32) at byte 36, found another"},
		"a truth that is a number":         {`{"containers":[{"self":1}]}`, "containers[0].self: expected true or false at byte 23, found a number"},
		"a truth that is cut":              {`{"containers":[{"self":tru`, "containers[0].self: expected true or false at byte 23, found true or false"},
		"a truth that goes on":             {`{"containers":[{"self":truehunter2}]}`, "containers[0]: expected a comma or the object's end at byte 27, found something else"},
		"a null that goes on":              {`{"containers":nullhunter2}`, "expected a comma or the object's end at byte 18, found something else"},
		"a mask that is none":              {`{"hostCapBnd":"hunter2"}`, "hostCapBnd: expected up to 16 hex digits at byte 14, found another string"},
		"a mask that is empty":             {`{"hostCapBnd":""}`, "hostCapBnd: expected up to 16 hex digits at byte 14, found another string"},
		"a mask that is a number":          {`{"hostCapBnd":7}`, "hostCapBnd: expected a string of hex digits at byte 14, found a number"},
		"a mask with a sign":               {`{"hostCapBnd":"+7"}`, "hostCapBnd: expected up to 16 hex digits at byte 14, found another string"},
		"a time that is none":              {`{"at":"hunter2Z"}`, "at: expected a time in UTC as in RFC 3339 at byte 6, found another string"},
		"a time that is null":              {`{"at":null}`, "at: expected a time at byte 6, found null"},
		"a time beyond the calendar":       {`{"at":"2026-02-30T00:00:00Z"}`, "at: expected a time in UTC as in RFC 3339 at byte 6, found another string"},
		"a time in escapes":                {`{"at":"2026-01-01T00:00:00\u005a"}`, "at: expected a time in UTC as in RFC 3339 at byte 6, found another string"},
		"a control character":              {"{\"level\":\"a\nb\"}", "level: expected printable text at byte 11, found a control character"},
		"an unknown escape":                {`{"level":"a\x41"}`, "level: expected an escape of JSON at byte 11, found another"},
		"an escape that is cut":            {`{"level":"a\`, "level: expected an escape of JSON at byte 11, found another"},
		"a \\u that is cut":                {`{"level":"\u00`, "level: expected an escape of JSON at byte 10, found another"},
		"a \\u of other digits":            {`{"level":"\u00zz"}`, "level: expected an escape of JSON at byte 10, found another"},
		"a \\u with a sign":                {`{"level":"\u+123"}`, "level: expected an escape of JSON at byte 10, found another"},
		"half of a surrogate pair":         {`{"level":"\ud83d"}`, "level: expected an escape of JSON at byte 10, found another"},
		"the other half alone":             {`{"level":"\udd12"}`, "level: expected an escape of JSON at byte 10, found another"},
		"half of a pair before another":    {`{"level":"\ud83d\u0041"}`, "level: expected an escape of JSON at byte 10, found another"},
		"invalid UTF-8":                    {"{\"level\":\"a\xff\"}", "level: expected valid UTF-8 at byte 11, found another byte"},
		"a surrogate in UTF-8":             {"{\"level\":\"\xed\xa0\x80\"}", "level: expected valid UTF-8 at byte 10, found another byte"},
		"UTF-8 that is cut":                {"{\"level\":\"\xc3", "level: expected valid UTF-8 at byte 10, found another byte"},
		"a byte order mark":                {"\ufeff{}", "expected an object at byte 0, found something else"},
		"a comment":                        {"{/*hunter2*/}", "expected a field's name at byte 1, found something else"},
		"a zero byte":                      {"{}\x00", "expected the end at byte 2, found something else"},
		"a fault in the second of a field": {`{"containers":[{},{"mounts":[{},{"path":7}]}]}`, "containers[1].mounts[1].path: expected a string at byte 40, found a number"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, _, err := read([]byte(tt.text), MaxMemory)
			if err == nil || err.Error() != tt.want {
				t.Fatalf("expected %q, found %v", tt.want, err)
			}
			if m != nil {
				t.Error("expected no measurement with an error")
			}
			checkError(t, err)
		})
	}
}

// What is read is what encoding/json reads.
func TestReadAgreesWithEncodingJSON(t *testing.T) {
	every, err := json.Marshal(filled())
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"empty":                        "{}",
		"every field":                  string(every),
		"white space":                  " {\t\"read\" :\r[ \"etcd\"\n, \"kernel\" ] , \"hostProcesses\": 7 } \n",
		"null where Go has nil":        `{"containers":null,"capLastCap":null,"apiServers":[{"flags":null,"encryption":null}],"hostCapBnd":null}`,
		"empty where Go has nil":       `{"containers":[],"apiServers":[{"flags":{}}],"host":{"running":{}}}`,
		"the ends of numbers":          `{"hostProcesses":-9223372036854775808,"hostUserNS":18446744073709551615,"capLastCap":9223372036854775807,"cost":{"wallMillis":-0,"cpuMillis":0}}`,
		"every escape":                 `{"level":"\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\udd12\uffff"}`,
		"wide characters":              "{\"level\":\"é\u2028\U0001f512\"}",
		"a string again in escapes":    `{"read":["etcd","etcd","\u0065tcd","etcd",""]}`,
		"times":                        `{"at":"0000-01-01T00:00:00Z","host":{"bootTime":"9999-12-31T23:59:59.999999999Z"}}`,
		"masks":                        `{"hostCapBnd":"0","containers":[{"processes":[{"capEff":"ffffffffffffffff","capBnd":"A80425fb"}]}]}`,
		"a map":                        `{"apiServers":[{"flags":{"a":"1","b":"2","":""}}]}`,
		"a field again in another one": `{"etcd":[{"total":1},{"total":2}]}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			want, err := reference([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := read([]byte(text), MaxMemory)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(want, got) {
				t.Errorf("measurement (-encoding/json +read):\n%s", cmp.Diff(want, got, masks))
			}
		})
	}
}

// The limit is exact: what was counted is enough, and a byte less is not.
func TestReadHeedsTheLimit(t *testing.T) {
	text, err := json.Marshal(typical.node(1))
	if err != nil {
		t.Fatal(err)
	}
	_, counted, err := read(text, MaxMemory)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(text, counted); err != nil {
		t.Errorf("expected %d bytes to be enough, found %v", counted, err)
	}
	if _, _, err := read(text, counted-1); err == nil {
		t.Errorf("expected %d bytes to be too few", counted-1)
	}
}

// Text counts wherever it is, and for the sender as much as for the receiver,
// whose text is valid: U+FFFD takes 3 bytes for one that is not.
func TestReadCountsText(t *testing.T) {
	const long = 1 << 16
	tests := map[string]func(text string) *fact.Measurement{
		"in a field":      func(text string) *fact.Measurement { return &fact.Measurement{Host: fact.Host{Hostname: text}} },
		"in a list":       func(text string) *fact.Measurement { return &fact.Measurement{Read: []fact.Kind{fact.Kind(text)}} },
		"as a map's key":  func(text string) *fact.Measurement { return withFlag(text, "") },
		"as a map's text": func(text string) *fact.Measurement { return withFlag("", text) },
	}
	for name, with := range tests {
		t.Run(name, func(t *testing.T) {
			count := func(text string) int {
				m := with(text)
				data, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				_, counted, err := read(data, MaxMemory)
				if err != nil {
					t.Fatal(err)
				}
				if cost(m) < counted {
					t.Errorf("expected the sender to count at least %d bytes, found %d", counted, cost(m))
				}
				return counted
			}
			short := count("")
			if n := count(strings.Repeat("x", long)); n < short+long {
				t.Errorf("expected %d bytes more than %d, found %d", long, short, n)
			}
			if n := count(strings.Repeat("\xff", long)); n < short+3*long {
				t.Errorf("expected %d bytes more than %d, found %d", 3*long, short, n)
			}
		})
	}
}

func withFlag(key, value string) *fact.Measurement {
	return &fact.Measurement{APIServers: []fact.APIServer{{Flags: map[string]string{key: value}}}}
}

// Each cost is at least what the runtime allocates.
func TestCosts(t *testing.T) {
	var sink any
	t.Run("blocks", func(t *testing.T) {
		most := 0.0
		for n := 1; n < 100_000; n += 1 + n/100 {
			// Both take the slice's header too, as an interface does.
			const header = 24
			want, wantPointers := block(n)+header, block((n+7)/8*8)+header
			bytes := allocated(want, func() { sink = make([]byte, n) })
			pointers := allocated(wantPointers, func() { sink = make([]*int, (n+7)/8) })
			if bytes > want || pointers > wantPointers {
				t.Fatalf("%d bytes: expected at most %d allocated, found %d, with pointers %d and %d", n, want, bytes, wantPointers, pointers)
			}
			if n > 128 {
				most = max(most, float64(block(n))/float64(n))
			}
		}
		if most > 1.45 {
			t.Errorf("expected costs within 1.45 of the bytes, found %f", most)
		}
	})
	t.Run("maps", func(t *testing.T) {
		lengths := []int{1600, 1600, 1668, 1668, 1668, 1760, 1760, 1792, 3500, 3584, 7100, 7168, 14_336} // nearly full
		for n := 0; n < 40_000; n += 1 + n/50 {
			lengths = append(lengths, n)
		}
		for _, n := range lengths {
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprint(i)
			}
			want := perMap + n*perEntry
			used := allocated(want, func() {
				m := make(map[string]string, n)
				for _, key := range keys {
					m[key] = ""
				}
				sink = m
			})
			if used > want {
				t.Fatalf("%d entries: expected at most %d bytes allocated, found %d", n, want, used)
			}
		}
	})
	runtime.KeepAlive(sink)
}

// A fact of a type that the reader does not know is refused when the shapes are
// made, which every test does.
func TestShapesRefuseWhatTheyDoNotKnow(t *testing.T) {
	type recursive struct {
		Next []recursive `json:"next"` //nolint:unused // by reflection
	}
	tests := map[string]any{
		"a float": struct {
			A float64 `json:"a"`
		}{},
		"bytes": struct {
			A []byte `json:"a"`
		}{},
		"any": struct {
			A any `json:"a"`
		}{},
		"another map": struct {
			A map[string]int `json:"a"`
		}{},
		"a name that is missing": struct{ A int }{},
		"a name twice": reflect.Zero(reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"a"`},
			{Name: "B", Type: reflect.TypeFor[int](), Tag: `json:"a"`},
		})).Interface(),
		"a number in a string": struct {
			A int `json:"a,string"`
		}{},
		"an embedded struct":           struct{ fact.Cost }{},
		"a type that decodes itself":   struct{ A time.Time }{},
		"a pointer to such a type":     struct{ A *time.Time }{},
		"a type that holds itself":     recursive{},
		"a field that is not exported": struct{ a int }{}, //nolint:unused // by reflection
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("expected a panic")
				}
			}()
			b := shapes{structs: make(map[reflect.Type]*shape)}
			b.of(reflect.TypeOf(value))
		})
	}
}

// A field that encoding/json leaves out is not read either.
func TestShapesLeaveOutWhatIsNeverSent(t *testing.T) {
	b := shapes{structs: make(map[reflect.Type]*shape)}
	s := b.of(reflect.TypeFor[struct {
		A int `json:"a"`
		B int `json:"-"`
	}]())
	if len(s.fields) != 1 || s.fields[0].name != "a" {
		t.Errorf("fields %+v", s.fields)
	}
}

// What is small as JSON and large in memory is cut before it is sent, so that
// the receiver never refuses an honest answer.
func TestEncodeCutsToTheMemoryOfTheReceiver(t *testing.T) {
	m := &fact.Measurement{Containers: make([]fact.MeasuredContainer, MaxMemory/int(reflect.TypeFor[fact.MeasuredContainer]().Size())*5/4)}
	msg, trailer := encode(t, m, Options{})
	got, err := Decode(bytes.NewReader(msg.log()), trailer)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Containers); n >= len(m.Containers) || n < MaxMemory/1200 {
		t.Errorf("expected a part of %d containers, found %d", len(m.Containers), n)
	}
	if len(got.Gaps) == 0 {
		t.Error("expected gaps for what was cut")
	}
}

// FuzzRead gives the reader any text: what it accepts is what encoding/json
// accepts, takes no more than was counted, and can be sent again.
func FuzzRead(f *testing.F) {
	for _, m := range []*fact.Measurement{{}, filled(), honest{containers: 2, processes: 1, mounts: 1, files: 1, secrets: 3, pending: 1}.node(1)} {
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for seed := range uint64(20) {
		m := new(fact.Measurement)
		random(rand.New(rand.NewPCG(seed, 3)), reflect.ValueOf(m).Elem(), 2)
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, b := range bombs() {
		f.Add([]byte(b.text[:min(len(b.text), 300)]))
	}
	f.Add([]byte(`{"containers":null,"apiServers":[{"flags":null,"encryption":null}],"read":["\ud83d\udd12","\u0065tcd"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		// Low enough for a fuzzer to reach it.
		const limit = 64 << 10
		got, counted, err := read(text, limit)
		if (got == nil) == (err == nil) {
			t.Fatalf("expected a measurement or an error, found %v, %v", got, err)
		}
		if err != nil {
			checkError(t, err)
			return
		}
		if real := size(got); real > counted || counted > limit {
			t.Errorf("expected its %d bytes counted and at most %d, found %d", real, limit, counted)
		}
		want, err := reference(text)
		if err != nil {
			t.Fatalf("expected encoding/json to accept it, found %v", err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("measurement (-encoding/json +read):\n%s", cmp.Diff(want, got, masks))
		}
		if n := cost(got); n < counted {
			t.Errorf("expected the sender to count at least %d bytes, found %d", counted, n)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := read(again, math.MaxInt32); err != nil {
			t.Errorf("expected what was read to be read again, found %v", err)
		}
	})
}

// BenchmarkRead compares the two passes over the records with encoding/json over
// the same measurement as one value.
func BenchmarkRead(b *testing.B) {
	for name, h := range map[string]honest{
		"typical":        typical,
		"20000-secrets":  {containers: 60, processes: 2, secrets: 20_000},
		"5000-processes": {containers: 100, processes: 50, mounts: 4},
	} {
		m := h.node(1)
		whole, err := json.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		text := streamOf(b, m)
		b.Run(name+"/scan", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, f := scan(text, MaxMemory); f != nil {
					b.Fatal(f)
				}
			}
		})
		b.Run(name+"/scan-and-read", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := readStream(text, MaxMemory); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(whole)))
			b.ReportAllocs()
			for b.Loop() {
				if err := json.Unmarshal(whole, new(fact.Measurement)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
