package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A stream has one order, one host and one end, and what the end counts.
func TestRecordsHaveOneOrder(t *testing.T) {
	const (
		host      = `{"host":{}}`
		server    = `{"apiServer":{}}`
		etcd      = `{"etcd":{}}`
		page      = `{"secrets":[{},{}]}`
		backup    = `{"backup":{}}`
		listener  = `{"listener":{}}`
		component = `{"component":{}}`
		container = `{"container":{}}`

		certificate = `{"certificate":{}}`
		image       = `{"image":{}}`
		gap         = `{"gap":{}}`
	)
	end := func(servers, etcd, secrets, containers, gaps int) string {
		return fmt.Sprintf(`{"end":{"apiServers":%d,"etcd":%d,"secrets":%d,"containers":%d,"gaps":%d}}`, servers, etcd, secrets, containers, gaps)
	}
	pageOf := func(n int) string {
		return `{"secrets":[` + strings.TrimSuffix(strings.Repeat("{},", n), ",") + "]}"
	}
	none := end(0, 0, 0, 0, 0)
	tests := map[string]struct {
		records []string
		want    string // "" for a stream that is read
	}{
		"all of them":                   {[]string{host, server, server, etcd, page, page, etcd, etcd, page, container, gap, end(2, 3, 6, 1, 1)}, ""},
		"images":                        {[]string{host, container, image, image, gap, `{"end":{"containers":1,"images":2,"gaps":1}}`}, ""},
		"an image behind a gap":         {[]string{host, gap, image, none}, "record 3: image: expected it before others"},
		"a container behind an image":   {[]string{host, image, container, none}, "record 3: container: expected it before others"},
		"an image too few":              {[]string{host, image, none}, "record 3: end: expected 0 API servers, 0 databases, 0 Secrets, 0 backups, 0 listeners, 0 components, 0 certificate files, 0 containers, 1 images and 0 gaps, as were found, found other numbers"},
		"a host that has images":        {[]string{`{"host":{"images":null}}`, none}, "record 1: host: expected a known field at byte 9, found another: use a probe of this plugin's version"},
		"listeners and others":          {[]string{host, etcd, backup, listener, listener, component, certificate, container, `{"end":{"etcd":1,"backups":1,"listeners":2,"components":1,"certificates":1,"containers":1}}`}, ""},
		"a listener behind a component": {[]string{host, component, listener, none}, "record 3: listener: expected it before others"},
		"a component behind a file":     {[]string{host, certificate, component, none}, "record 3: component: expected it before others"},
		"a file behind a container":     {[]string{host, container, certificate, none}, "record 3: certificate: expected it before others"},
		"a listener too many":           {[]string{host, listener, none}, "record 3: end: expected 0 API servers, 0 databases, 0 Secrets, 0 backups, 1 listeners, 0 components, 0 certificate files, 0 containers, 0 images and 0 gaps, as were found, found other numbers"},
		"a host that has listeners":     {[]string{`{"host":{"listeners":null}}`, none}, "record 1: host: expected a known field at byte 9, found another: use a probe of this plugin's version"},
		"an inode that is negative":     {[]string{host, `{"listener":{"inode":-1}}`, none}, "record 2: listener.inode: expected a whole number (uint64) at byte 21, found another"},
		"a listener of another version": {[]string{host, `{"listener":{"hunter2":1}}`, none}, "record 2: listener: expected a known field at byte 13, found another: use a probe of this plugin's version"},
		"as few as may be":              {[]string{host, `{"end":{}}`}, ""},
		"a full page":                   {[]string{host, etcd, pageOf(MaxPage), end(0, 1, MaxPage, 0, 0)}, ""},
		"no record":                     {nil, "expected an end after 0 records, found none"},
		"no host":                       {[]string{none}, "record 1: end: expected the host's record first"},
		"a container before the host":   {[]string{container, host, none}, "record 1: container: expected the host's record first"},
		"a second host":                 {[]string{host, host, none}, "record 2: host: expected one such record, found a second"},
		"a second host behind others":   {[]string{host, gap, host, none}, "record 3: host: expected one such record, found a second"},
		"a container behind a gap":      {[]string{host, gap, container, none}, "record 3: container: expected it before others"},
		"an API server behind etcd":     {[]string{host, etcd, server, none}, "record 3: apiServer: expected it before others"},
		"a page without a database":     {[]string{host, page, none}, "record 2: secrets: expected a database before it"},
		"a page behind a container":     {[]string{host, etcd, container, page, none}, "record 4: secrets: expected it before others"},
		"a page over 500":               {[]string{host, etcd, pageOf(MaxPage + 1), none}, "record 3: secrets: expected at most 500 Secrets, found more"},
		"a page of nothing":             {[]string{host, etcd, `{"secrets":[]}`, none}, "record 3: secrets[0]: expected an object at byte 12, found an end of an object or a list"},
		"a page that is null":           {[]string{host, etcd, `{"secrets":null}`, none}, "record 3: secrets: expected a list at byte 11, found null"},
		"a Secret that is null":         {[]string{host, etcd, `{"secrets":[{},null]}`, none}, "record 3: secrets[1]: expected an object at byte 15, found null"},
		"no end":                        {[]string{host, container}, "expected an end after 2 records, found none"},
		"a second end":                  {[]string{host, none, none}, "record 2: expected nothing after the end, found 70 bytes"},
		"a record behind the end":       {[]string{host, none, container}, "record 2: expected nothing after the end, found 17 bytes"},
		"a container too few":           {[]string{host, container, end(0, 0, 0, 2, 0)}, "record 3: end: expected 0 API servers, 0 databases, 0 Secrets, 0 backups, 0 listeners, 0 components, 0 certificate files, 1 containers, 0 images and 0 gaps, as were found, found other numbers"},
		"a gap too few":                 {[]string{host, gap, end(0, 0, 0, 0, 2)}, "record 3: end: expected 0 API servers, 0 databases, 0 Secrets, 0 backups, 0 listeners, 0 components, 0 certificate files, 0 containers, 0 images and 1 gaps, as were found, found other numbers"},
		"a Secret too many":             {[]string{host, etcd, page, end(0, 1, 1, 0, 0)}, "record 4: end: expected 0 API servers, 1 databases, 2 Secrets, 0 backups, 0 listeners, 0 components, 0 certificate files, 0 containers, 0 images and 0 gaps, as were found, found other numbers"},
		"two records in a line":         {[]string{host + container, none}, "record 1: expected the end at byte 11, found an object"},
		"two kinds in a record":         {[]string{`{"host":{},"end":{}}`}, "record 1: expected the record's end at byte 10, found something else"},
		"a record of no kind":           {[]string{host, `{}`, none}, "record 2: expected a record's name at byte 1, found an end of an object or a list"},
		"a record of an unknown kind":   {[]string{host, `{"hunter2":{}}`, none}, "record 2: expected a known record at byte 1, found another: use a probe of this plugin's version"},
		"a record that is null":         {[]string{host, `null`, none}, "record 2: expected an object at byte 0, found null"},
		"a container that is null":      {[]string{host, `{"container":null}`, none}, "record 2: container: expected an object at byte 13, found null"},
		"a host that has containers":    {[]string{`{"host":{"containers":[{}]}}`, none}, "record 1: host: expected a known field at byte 9, found another: use a probe of this plugin's version"},
		"a host that has gaps":          {[]string{`{"host":{"gaps":null}}`, none}, "record 1: host: expected a known field at byte 9, found another: use a probe of this plugin's version"},
		"a database that has Secrets":   {[]string{host, `{"etcd":{"secrets":[]}}`, none}, "record 2: etcd: expected a known field at byte 9, found another: use a probe of this plugin's version"},
		"an empty line":                 {[]string{host, "", none}, "record 2: expected an object at byte 0, found the end"},
		"a line of white space":         {[]string{host, " ", none}, "record 2: expected an object at byte 1, found the end"},
		"an end with a negative number": {[]string{host, end(0, 0, 0, -1, 0)}, "record 2: end: expected 0 API servers, 0 databases, 0 Secrets, 0 backups, 0 listeners, 0 components, 0 certificate files, 0 containers, 0 images and 0 gaps, as were found, found other numbers"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := ""
			for _, r := range tt.records {
				text += r + "\n"
			}
			m, err := Decode(nil, sealed(zipped([]byte(text)), len(text)))
			if tt.want == "" {
				if err != nil || !reflect.DeepEqual(m, joined(t, []byte(text))) {
					t.Fatalf("expected the records joined, found %+v, %v", m, err)
				}
				return
			}
			if err == nil || err.Error() != "payload: "+tt.want {
				t.Fatalf("expected %q, found %v", "payload: "+tt.want, err)
			}
			checkError(t, err)
		})
	}
}

// The first part of a stream is no partial answer, wherever it ends.
func TestAStreamThatEndsEarlyIsRefused(t *testing.T) {
	text := streamOf(t, honest{containers: 2, processes: 1, secrets: 3, pending: 1}.node(1))
	for n := range len(text) {
		if m, _, err := readStream(text[:n], MaxMemory); err == nil || m != nil {
			t.Fatalf("expected the first %d of %d bytes refused, found %v", n, len(text), m)
		}
	}
}

// busy is a container as large ones are: much that is as it should be, and here
// and there something that is not.
func busy(r *rand.Rand, processes int) fact.MeasuredContainer {
	word := func(n int) string { return fmt.Sprintf("%0*x", n, r.Uint64()) }
	c := fact.MeasuredContainer{
		ID: word(64), PodUID: word(36), Kubernetes: true,
		Root: &fact.Mount{Path: "/", FSType: "overlay"}, Upper: &fact.UpperWalk{Path: "/up/" + word(16)}, // a total that says too little
		Devices: []fact.Device{{Path: "/dev/" + word(16), Type: "c"}},
	}
	for i := range processes {
		p := fact.Process{PID: i + 1, Comm: word(8), CapEff: fact.NewCapMask(r.Uint64()), Exe: &fact.Executable{Path: "/usr/bin/" + word(16), Origin: fact.OriginImage}}
		f := fact.UpperFile{Path: "/var/" + word(16), Kind: "script", Origin: fact.OriginMetadata}
		if i == processes/2 {
			p.Exe.Origin, f.Origin = fact.OriginAdded, fact.OriginAdded
		}
		c.Processes, c.Upper.Files = append(c.Processes, p), append(c.Upper.Files, f)
		c.Mounts = append(c.Mounts, fact.Mount{Path: "/mnt/" + word(16), FSType: "ext4"})
	}
	return c
}

// 500 large containers do not push out etcd, nor anything else: each section has
// its share, and what is left out is counted.
func TestEachSectionHasItsShare(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	m := honest{containers: 0, pending: 50, secrets: 5000}.node(1)
	for i := range m.Etcd[0].Secrets {
		if i%1000 == 999 {
			m.Etcd[0].Secrets[i].Class = fact.ClassIdentityJSON
		}
	}
	m.APIServers = []fact.APIServer{{PID: 7, EncryptionFlag: true}}
	for range 500 {
		m.Containers = append(m.Containers, busy(r, 60))
	}
	m.Gaps = []fact.NodeGap{{What: fact.Kernel, Reason: fact.Unreadable}}
	msg, trailer := encode(t, m, Options{})
	got, err := Decode(bytes.NewReader(msg.log()), trailer)
	if err != nil {
		t.Fatal(err)
	}
	if trailer.LogSize < MaxLog*3/4 {
		t.Errorf("expected most of %d bytes used, found %d", MaxLog, trailer.LogSize)
	}
	// What fits in its share is whole.
	if !reflect.DeepEqual(m.Etcd, got.Etcd) {
		t.Errorf("expected all %d Secrets, found %d", len(m.Etcd[0].Secrets), len(got.Etcd[0].Secrets))
	}
	if !reflect.DeepEqual(m.Host, got.Host) || !reflect.DeepEqual(m.APIServers, got.APIServers) || got.Gaps[0] != m.Gaps[0] {
		t.Error("expected host, API servers and gaps whole")
	}
	if len(got.Containers) != len(m.Containers) {
		t.Fatalf("expected all %d containers, found %d", len(m.Containers), len(got.Containers))
	}
	sent := map[string]int{}
	for i, c := range got.Containers {
		// Whatever was cut, what is not the image's stayed.
		if !slices.ContainsFunc(c.Processes, func(p fact.Process) bool { return p.Exe.Origin == fact.OriginAdded }) ||
			!slices.ContainsFunc(c.Upper.Files, func(f fact.UpperFile) bool { return f.Origin == fact.OriginAdded }) {
			t.Fatalf("container %d: expected its drift, found %d processes and %d files", i, len(c.Processes), len(c.Upper.Files))
		}
		if len(c.Mounts) == 0 || len(c.Devices) == 0 || c.Upper.Total != 60 {
			t.Fatalf("container %d: expected some of every list, found %+v", i, c)
		}
		sent["processes"] += len(c.Processes)
		sent["mounts"] += len(c.Mounts)
		sent["executables in writable layers"] += len(c.Upper.Files)
	}
	for name, kinds := range map[string][]fact.Kind{
		"processes": {fact.Processes, fact.Executables}, "mounts": {fact.Mounts}, "executables in writable layers": {fact.Upperdir},
	} {
		for _, kind := range kinds {
			want := fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: fmt.Sprintf("%d of %d %s of 500 containers sent: there was no room for more in the node's answer", sent[name], 500*60, name)}
			if !slices.Contains(got.Gaps, want) {
				t.Errorf("expected the gap %+v, found %+v", want, got.Gaps)
			}
		}
	}
	t.Logf("%d bytes of log, JSON %d, sent %v", trailer.LogSize, trailer.JSONSize, sent)
}

// The other way round: an etcd that is too large leaves containers whole, and
// keeps what is in plaintext.
func TestEtcdPushesOutNobody(t *testing.T) {
	m := honest{containers: 100, processes: 3, mounts: 2, files: 1, secrets: 60_000}.node(1)
	for i := range m.Etcd[0].Secrets {
		if i%60 == 59 {
			m.Etcd[0].Secrets[i].Class = fact.ClassIdentityProtobuf
		}
	}
	msg, trailer := encode(t, m, Options{})
	got, err := Decode(bytes.NewReader(msg.log()), trailer)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Containers, got.Containers) {
		t.Errorf("expected all %d containers whole, found %d", len(m.Containers), len(got.Containers))
	}
	db, plain := got.Etcd[0], 0
	for _, s := range db.Secrets {
		if s.Class.Plaintext() {
			plain++
		}
	}
	if plain != 1000 || db.Complete || db.Total != 60_000 || len(db.Secrets) < 5000 {
		t.Errorf("expected 1000 plaintext Secrets among many, found %d of %d, complete %v, total %d", plain, len(db.Secrets), db.Complete, db.Total)
	}
	want := []fact.NodeGap{{What: fact.Etcd, Reason: fact.Truncated, Detail: fmt.Sprintf("%d of 60000 Secrets in etcd sent: there was no room for more in the node's answer", len(db.Secrets))}}
	if diff := cmp.Diff(want, got.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// One record that is too large loses elements, and costs no other: its gaps name
// the container.
func TestARecordIsBounded(t *testing.T) {
	m := honest{containers: 3, processes: 2, mounts: 1}.node(1)
	huge := &m.Containers[1]
	one := huge.Processes[0]
	huge.Processes = nil
	for i := range 8000 {
		p := one
		if p.PID = i; i%100 == 99 {
			p.Exe = &fact.Executable{Path: "/tmp/miner", Origin: fact.OriginMemfd}
		}
		huge.Processes = append(huge.Processes, p)
	}
	if !newCutter(m).oversized() || newCutter(typical.node(1)).oversized() {
		t.Error("expected such a record found before it is made, and no other")
	}
	msg, trailer := encode(t, m, Options{})
	got, err := Decode(bytes.NewReader(msg.log()), trailer)
	if err != nil {
		t.Fatal(err)
	}
	processes := got.Containers[1].Processes
	miners := 0
	for _, p := range processes {
		if p.Exe.Origin == fact.OriginMemfd {
			miners++
		}
	}
	if miners != 80 || len(processes) < 2000 || len(processes) >= 8000 || !slices.IsSortedFunc(processes, func(a, b fact.Process) int { return a.PID - b.PID }) {
		t.Errorf("expected a part of 8000 processes in order, all 80 that drifted among them, found %d, %d", len(processes), miners)
	}
	if n := len(streamOf(t, got)); n < MaxRecord*9/10 {
		t.Errorf("expected most of a record used, found %d bytes in all", n)
	}
	detail := fmt.Sprintf("%d of 8000 processes sent: there was no room for more in the node's answer", len(processes))
	want := []fact.NodeGap{
		{What: fact.Processes, Container: huge.ID, Reason: fact.Truncated, Detail: detail},
		{What: fact.Executables, Container: huge.ID, Reason: fact.Truncated, Detail: detail},
	}
	if diff := cmp.Diff(want, got.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	got.Containers[1].Processes, huge.Processes = nil, nil
	if diff := cmp.Diff(m.Containers, got.Containers, masks); diff != "" {
		t.Errorf("the rest (-sent +received):\n%s", diff)
	}
}

// Where not all listeners and programs fit, those of etcd and the API server stay.
func TestServersAreSentFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	m := &fact.Measurement{}
	for range 200 {
		m.Listeners = append(m.Listeners, fact.Listener{Purpose: fact.KubeletAPI, Detail: text(r) + fmt.Sprint(r.Uint64(), r.Uint64(), r.Uint64())})
		m.Components = append(m.Components, fact.Component{Program: fact.ProgramKubelet, Unfollowed: text(r) + fmt.Sprint(r.Uint64(), r.Uint64(), r.Uint64())})
	}
	etcd, server := fact.Listener{Purpose: fact.EtcdClient, Port: 2379}, fact.Component{Program: fact.ProgramAPIServer, PID: 7}
	m.Listeners, m.Components = append(m.Listeners, etcd), append(m.Components, server)
	msg, trailer := encode(t, m, Options{Limit: 6 << 10})
	got, err := Decode(bytes.NewReader(msg.log()), trailer)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Listeners) == 0 || len(got.Listeners) > 200 || !reflect.DeepEqual(got.Listeners[len(got.Listeners)-1], etcd) {
		t.Errorf("expected etcd's among fewer listeners, found %d", len(got.Listeners))
	}
	if len(got.Components) == 0 || len(got.Components) > 200 || !reflect.DeepEqual(got.Components[len(got.Components)-1], server) {
		t.Errorf("expected the API server among fewer programs, found %d", len(got.Components))
	}
	for _, gap := range got.Gaps {
		if gap.What != fact.NodeTLS && gap.What != fact.NodeSettings || gap.Reason != fact.Truncated {
			t.Errorf("gap %+v", gap)
		}
	}
	if len(got.Gaps) != 2 {
		t.Errorf("expected 2 gaps, found %+v", got.Gaps)
	}
}

// So it is with every kind of record: what is too large goes, and nothing else.
func TestOtherRecordsAreBounded(t *testing.T) {
	long := strings.Repeat("x", MaxRecord)
	m := honest{containers: 2, secrets: 1200, pending: 3}.node(1)
	secrets := slices.Clone(m.Etcd[0].Secrets)
	for i := range m.Etcd[0].Secrets[:MaxPage] {
		m.Etcd[0].Secrets[i].Name = long[:5000]
	}
	pending := slices.Clone(m.Host.Packages.Pending)
	m.Host.Packages.Pending[1].Candidate = long
	m.APIServers = []fact.APIServer{{PID: 1, Flags: map[string]string{"a": long}}, {PID: 2}}
	gaps := []fact.NodeGap{{What: fact.Kernel, Reason: fact.Unreadable, Detail: "short"}, {What: fact.Devices, Reason: fact.Unreadable, Detail: long}}
	m.Gaps = gaps
	m.Backups = []fact.Backup{{Path: long}, {Path: "/var/backups/etcd.db", Values: 3}}
	m.Listeners = []fact.Listener{{Purpose: fact.KubeletAPI, Detail: long}, {Purpose: fact.EtcdClient, Port: 2379}, {Purpose: fact.EtcdPeer, Detail: long}}
	m.Components = []fact.Component{{Program: fact.ProgramEtcd, Unfollowed: long}, {Program: fact.ProgramKubelet}, {Program: fact.ProgramScheduler, Unfollowed: long}}
	m.Certificates = []fact.CertificateFile{{Path: long}, {Path: "/etc/kubernetes/pki/ca.crt"}}
	m.Containers[0].Environment = []fact.EnvironmentCredential{{Name: long}, {Name: "PASSWORD"}, {Name: "TOKEN"}}
	// The numbers of a store stay, whatever becomes of its names.
	history := &fact.StoredHistory{Complete: true, DeletedTotal: 400}
	for range history.DeletedTotal {
		history.Deleted = append(history.Deleted, fact.DeletedSecret{Namespace: "shop", Name: long[:6000], Plaintext: 1})
	}
	m.Etcd[0].History = history
	m.Etcd[0].Remains = []fact.Remains{{Place: fact.InLog, Path: "/wal", Values: 201, SecretsTotal: 201, Secrets: make([]fact.RemainingSecret, 201)}}
	msg, trailer := encode(t, m, Options{})
	got, err := Decode(bytes.NewReader(msg.log()), trailer)
	if err != nil {
		t.Fatal(err)
	}
	lost := func(kind fact.Kind, what string) fact.NodeGap {
		return fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: what + " sent: there was no room for more in the node's answer"}
	}
	environment := lost(fact.Environment, "2 of 3 variables with credentials")
	environment.Container = m.Containers[0].ID
	want := []fact.NodeGap{
		gaps[0], lost(fact.Packages, "2 of 3 pending updates"), lost(fact.EncryptionConfig, "1 of 2 API servers"),
		lost(fact.Etcd, "700 of 1200 Secrets in etcd"), lost(fact.Backups, "1 of 2 backups"),
		lost(fact.ServerTLS, "1 of 2 listeners"), lost(fact.NodeTLS, "0 of 1 listeners"),
		lost(fact.ServerSettings, "0 of 1 programs of the cluster"), lost(fact.NodeSettings, "1 of 2 programs of the cluster"),
		lost(fact.Certificates, "1 of 2 files with certificates"), environment, lost(fact.Devices, "0 of 1 gaps"),
	}
	if diff := cmp.Diff(want, got.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if h, rest := got.Etcd[0].History, got.Etcd[0].Remains; h == nil || h.DeletedTotal != 400 || len(h.Deleted) != 0 || len(rest) != 1 || rest[0].Values != 201 || len(rest[0].Secrets) != 0 {
		t.Errorf("expected the numbers of history and remains without names, found %+v and %+v", h, rest)
	}
	if !reflect.DeepEqual(got.Backups, m.Backups[1:]) {
		t.Errorf("expected the second backup, found %+v", got.Backups)
	}
	if !reflect.DeepEqual(got.Listeners, m.Listeners[1:2]) || !reflect.DeepEqual(got.Components, m.Components[1:2]) || !reflect.DeepEqual(got.Certificates, m.Certificates[1:]) {
		t.Errorf("expected one listener, component and file, found %+v, %+v, %+v", got.Listeners, got.Components, got.Certificates)
	}
	if c := got.Containers[0]; len(c.Environment) != 2 || c.EnvironmentTotal != 3 {
		t.Errorf("expected 2 of 3 variables, found %+v of %d", c.Environment, c.EnvironmentTotal)
	}
	m.Containers[0].Environment, got.Containers[0].Environment, got.Containers[0].EnvironmentTotal = nil, nil, 0
	if !reflect.DeepEqual(got.Etcd[0].Secrets, secrets[MaxPage:]) || !reflect.DeepEqual(got.APIServers, m.APIServers[1:]) ||
		!reflect.DeepEqual(got.Containers, m.Containers) || !slices.Equal(got.Host.Packages.Pending, []fact.PendingUpdate{pending[0], pending[2]}) {
		t.Error("expected everything else as it was sent")
	}
}

// However small the limit, what arrives is a part of what was read, and for every
// kind that lost something there is a gap.
func TestWhatIsCutIsAGap(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		m := honest{containers: r.IntN(40), processes: r.IntN(8), mounts: r.IntN(4), files: r.IntN(4), secrets: r.IntN(2000), pending: r.IntN(50)}.node(seed)
		for range r.IntN(30) {
			m.Gaps = append(m.Gaps, fact.NodeGap{What: fact.Devices, Container: fmt.Sprint(r.IntN(30)), Reason: fact.Unreadable})
		}
		msg, trailer := encode(t, m, Options{Limit: 4<<10 + r.IntN(60<<10)})
		got, err := Decode(bytes.NewReader(msg.log()), trailer)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		lost := func(kind fact.Kind, container string) bool {
			return slices.ContainsFunc(got.Gaps, func(g fact.NodeGap) bool {
				return g.What == kind && g.Reason == fact.Truncated && (g.Container == "" || g.Container == container)
			})
		}
		for _, c := range m.Containers {
			i := slices.IndexFunc(got.Containers, func(o fact.MeasuredContainer) bool { return o.ID == c.ID })
			o := fact.MeasuredContainer{Upper: &fact.UpperWalk{}}
			if i >= 0 {
				o = got.Containers[i]
			}
			for kind, less := range map[fact.Kind]bool{
				fact.Processes: i < 0 || len(o.Processes) < len(c.Processes), fact.Mounts: i < 0 || len(o.Mounts) < len(c.Mounts),
				fact.Upperdir: i < 0 || len(o.Upper.Files) < len(c.Upper.Files), fact.Devices: i < 0,
			} {
				if less && !lost(kind, c.ID) {
					t.Errorf("seed %d: container %s: expected a gap of %s", seed, c.ID, kind)
				}
			}
		}
		if len(m.Etcd) > 0 && (len(got.Etcd) == 0 || len(got.Etcd[0].Secrets) < len(m.Etcd[0].Secrets)) && !lost(fact.Etcd, "") {
			t.Errorf("seed %d: expected a gap of etcd", seed)
		}
		if len(got.Host.Packages.Pending) < len(m.Host.Packages.Pending) && !lost(fact.Packages, "") {
			t.Errorf("seed %d: expected a gap of packages", seed)
		}
		for _, gap := range m.Gaps {
			if !slices.Contains(got.Gaps, gap) && !lost(gap.What, "") {
				t.Errorf("seed %d: expected a gap for the gap %+v", seed, gap)
			}
		}
	}
}

func TestAllot(t *testing.T) {
	sum := 0
	for s := range sections {
		sum += shares[s]
	}
	if sum != 32 {
		t.Errorf("expected shares of 32 in all, found %d", sum)
	}
	of := func(host, servers, etcd, backups, containers, images, gaps, listeners, components, certificates int) [sections]int {
		return [sections]int{
			hostSection: host, serverSection: servers, etcdSection: etcd, backupSection: backups, containerSection: containers,
			imageSection: images, gapSection: gaps, listenerSection: listeners, componentSection: components, certificateSection: certificates,
		}
	}
	tests := map[string]struct {
		total      int
		need, want [sections]int
	}{
		"enough for all":          {320, of(1, 2, 100, 5, 90, 9, 3, 7, 8, 9), of(1, 2, 100, 5, 90, 9, 3, 7, 8, 9)},
		"shares where all want":   {320, of(999, 999, 999, 999, 999, 999, 999, 999, 999, 999), of(20, 10, 90, 20, 80, 40, 30, 10, 10, 10)},
		"what is left is shared":  {320, of(0, 0, 30, 0, 999, 0, 999, 0, 0, 0), of(0, 0, 30, 0, 210, 0, 79, 0, 0, 0)},
		"one takes all that is":   {320, of(0, 0, 0, 0, 999, 0, 0, 0, 0, 0), of(0, 0, 0, 0, 320, 0, 0, 0, 0, 0)},
		"nothing":                 {0, of(1, 1, 1, 1, 1, 1, 1, 1, 1, 1), [sections]int{}},
		"what is left over again": {3200, of(0, 150, 700, 0, 9999, 0, 0, 0, 0, 0), of(0, 150, 700, 0, 2350, 0, 0, 0, 0, 0)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := allot(tt.total, tt.need); got != tt.want {
				t.Errorf("expected %v, found %v", tt.want, got)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	of := func(wanted string, sizes ...int32) list {
		l := list{sizes: sizes, wanted: make([]bool, len(sizes)), most: 100}
		for i := range sizes {
			l.wanted[i] = wanted[i] == '!'
		}
		return l
	}
	tests := map[string]struct {
		total int
		lists []list
		want  string
	}{
		"all":                             {60, []list{of("...", 10, 20, 30)}, "+++"},
		"the first that fit":              {59, []list{of("...", 10, 20, 30)}, "++-"},
		"a smaller one behind":            {15, []list{of("...", 10, 20, 5)}, "+-+"},
		"those that are wanted":           {30, []list{of("..!.!", 10, 10, 10, 10, 10)}, "+-+-+"},
		"as many as fit of these":         {15, []list{of("..!.!", 10, 10, 10, 10, 10)}, "--+--"},
		"each list has an equal part":     {40, []list{of("....", 10, 10, 10, 10), of("....", 10, 10, 10, 10)}, "++-- ++--"},
		"a list gets what others leave":   {40, []list{of("....", 10, 10, 10, 10), of(".", 10)}, "+++- +"},
		"wanted before others everywhere": {30, []list{of("..", 10, 10), of("!!!", 10, 10, 10)}, "-- +++"},
		"none that is too large":          {999, []list{of("!.", 101, 100)}, "-+"},
		"nothing":                         {0, []list{of("!.", 1, 1), of("")}, "-- "},
		"less than nothing":               {-5, []list{of("!.", 1, 1)}, "--"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var words []string
			for _, keep := range choose(tt.total, tt.lists...) {
				word := ""
				for _, k := range keep {
					word += map[bool]string{true: "+", false: "-"}[k]
				}
				words = append(words, word)
			}
			if got := strings.Join(words, " "); got != tt.want {
				t.Errorf("expected %q, found %q", tt.want, got)
			}
		})
	}
}

// FuzzStream gives the reader any stream of records: what it accepts is what
// encoding/json accepts, takes no more than was counted, and can be sent again.
func FuzzStream(f *testing.F) {
	f.Add(streamOf(f, filled()))
	f.Add(streamOf(f, &fact.Measurement{}))
	for seed := range uint64(10) {
		m := new(fact.Measurement)
		random(rand.New(rand.NewPCG(seed, 6)), reflect.ValueOf(m).Elem(), 2)
		f.Add(streamOf(f, m))
	}
	f.Add([]byte("{\"host\":{}}\n{\"etcd\":{}}\n{\"secrets\":[{},{}]}\n{\"secrets\":[{}]}\n{\"end\":{\"etcd\":1,\"secrets\":3}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		const limit = 64 << 10
		got, counted, err := readStream(text, limit)
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
		if want := joined(t, text); !reflect.DeepEqual(want, got) {
			t.Errorf("measurement (-encoding/json +reader):\n%s", cmp.Diff(want, got, masks))
		}
		again, _, err := readStream(streamOf(t, got), MaxMemory)
		if err != nil {
			t.Fatalf("expected what was read to be read again, found %v", err)
		}
		if a, b := string(streamOf(t, got)), string(streamOf(t, again)); a != b {
			t.Errorf("expected the same stream again, found\n%s\n%s", a, b)
		}
	})
}

// A list of packages arrives whole from an ordinary host, also beside everything else
// that a node has. Of more than fits, what is cut is a gap, and of nothing else.
func TestInventory(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	list := func(n int) (out []fact.InstalledPackage) {
		for i := range n {
			out = append(out, fact.InstalledPackage{
				Name: fmt.Sprintf("package%05d-%x", i, r.Uint32()), Arch: "amd64", Version: fmt.Sprintf("%d.%d.%d-%d", r.IntN(9), r.IntN(99), r.IntN(99), r.IntN(9)),
				Source: fmt.Sprintf("source-%x", r.Uint32()),
			})
		}
		return out
	}
	for name, tc := range map[string]struct {
		packages, limit int
		whole           bool
	}{
		"a desktop":             {5000, MaxLog, true},
		"as many as are listed": {fact.MaxInventory, MaxLog, true},
		"more than fits":        {fact.MaxInventory, 300 << 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := honest{containers: 100, processes: 5, secrets: 1000, pending: 300}.node(1)
			m.Gaps = nil
			m.Host.Inventory = list(tc.packages)
			msg, trailer := encode(t, m, Options{Limit: tc.limit})
			got, err := Decode(bytes.NewReader(msg.log()), trailer)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d of %d packages in an answer of %d bytes", len(got.Host.Inventory), tc.packages, trailer.Size)
			var want []fact.NodeGap
			if !tc.whole {
				want = []fact.NodeGap{{What: fact.Inventory, Reason: fact.Truncated, Detail: fmt.Sprintf(
					"%d of %d installed packages sent: there was no room for more in the node's answer", len(got.Host.Inventory), tc.packages)}}
			}
			if diff := cmp.Diff(want, got.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if n := len(got.Host.Inventory); tc.whole != (n == tc.packages) || n < 5000 {
				t.Errorf("%d of %d packages", n, tc.packages)
			}
			m.Host.Inventory, got.Host.Inventory, got.Gaps = nil, nil, nil
			if diff := cmp.Diff(m, got, masks); diff != "" {
				t.Errorf("the rest (-sent +received):\n%s", diff)
			}
		})
	}
}

// Inventories of images arrive whole from an ordinary node. Where they do not fit, the
// largest go, each with a gap of the containers that it is of, which then refer to none.
func TestImages(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 10))
	image := func(i, packages int) fact.ImageInventory {
		one := fact.ImageInventory{Key: fmt.Sprintf("%032x", i), OS: fact.OSRelease{ID: "debian", VersionID: "12"}, Manager: "dpkg"}
		for j := range packages {
			one.Packages = append(one.Packages, fact.InstalledPackage{
				Name: fmt.Sprintf("package%05d", j), Arch: "amd64", Version: fmt.Sprintf("%d.%d.%d-%d", r.IntN(9), r.IntN(99), r.IntN(99), r.IntN(9)),
				Source: fmt.Sprintf("source-%d", j/3),
			})
		}
		one.Modules = []fact.Module{{Ecosystem: "Go", Name: "stdlib", Version: "1.26.8", Path: "/app"}}
		return one
	}
	for name, tc := range map[string]struct {
		images int
		sizes  func(i int) int // packages
		each   int             // containers of an image
		limit  int
		lost   []int // images
		gaps   int
	}{
		"50 images of 250 containers":          {50, func(int) int { return 400 }, 5, MaxLog, nil, 0},
		"one that is larger than a record":     {5, func(i int) int { return 100 + i/4*fact.MaxInventory*2 }, 2, MaxLog, []int{4}, 2},
		"one that takes the room of others":    {30, func(i int) int { return 200 + i/29*fact.MaxInventory }, 1, 100 << 10, []int{29}, 1},
		"so many containers that it is a node": {2, func(i int) int { return 10 + i*fact.MaxInventory }, 40, 40 << 10, []int{1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := honest{containers: 0, secrets: 10, pending: 3}.node(1)
			m.Gaps = nil
			for i := range tc.images {
				m.Images = append(m.Images, image(i, tc.sizes(i)))
				for range tc.each {
					m.Containers = append(m.Containers, fact.MeasuredContainer{ID: fmt.Sprintf("%064x", len(m.Containers)), Image: m.Images[i].Key})
				}
			}
			whole := m.DeepCopy()
			msg, trailer := encode(t, m, Options{Limit: tc.limit})
			if diff := cmp.Diff(whole, m, masks); diff != "" {
				t.Fatalf("Encode has changed the measurement:\n%s", diff)
			}
			got, err := Decode(bytes.NewReader(msg.log()), trailer)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d of %d images in an answer of %d bytes", len(got.Images), tc.images, trailer.Size)
			var want []fact.ImageInventory
			for i := range whole.Images {
				if !slices.Contains(tc.lost, i) {
					want = append(want, whole.Images[i])
				}
			}
			if diff := cmp.Diff(want, got.Images); diff != "" {
				t.Fatalf("images (-want +got):\n%.2000s", diff)
			}
			for i := range got.Containers {
				key := whole.Images[i/tc.each].Key
				if slices.Contains(tc.lost, i/tc.each) {
					key = ""
				}
				if got.Containers[i].Image != key {
					t.Errorf("container %d has the image %q, want %q", i, got.Containers[i].Image, key)
				}
			}
			if len(got.Gaps) != tc.gaps {
				t.Errorf("gaps %v", got.Gaps)
			}
			for _, gap := range got.Gaps {
				if gap.What != fact.Images || gap.Reason != fact.Truncated || (gap.Container == "") != (tc.each > maxContainerGaps) {
					t.Errorf("gap %+v", gap)
				}
			}
		})
	}
}
