package fact

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseCapMask(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want CapMask
		err  string
	}{
		"none is read, and empty":          {in: "0000000000000000", want: NewCapMask(0)},
		"a runtime's default":              {in: "00000000a80425fb", want: NewCapMask(0xa80425fb)},
		"all bits":                         {in: "ffffffffffffffff", want: NewCapMask(math.MaxUint64)},
		"as a status line has it":          {in: "\t000001ffffffffff\n", want: NewCapMask(0x1ffffffffff)},
		"nothing is an error":              {in: "", err: `capability mask: expected up to 16 hex digits, found ""`},
		"17 digits are an error":           {in: "10000000000000000", err: `capability mask: expected up to 16 hex digits, found "10000000000000000"`},
		"a prefix is an error":             {in: "0x1", err: `capability mask: expected up to 16 hex digits, found "0x1"`},
		"a sign is an error":               {in: "-1", err: `capability mask: expected up to 16 hex digits, found "-1"`},
		"other letters are an error":       {in: "00g0", err: `capability mask: expected up to 16 hex digits, found "00g0"`},
		"several words are an error":       {in: "0 0", err: `capability mask: expected up to 16 hex digits, found "0 0"`},
		"an underscore is not a hex digit": {in: "1_0", err: `capability mask: expected up to 16 hex digits, found "1_0"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCapMask(tc.in)
			if got != tc.want {
				t.Errorf("want %v, got %v", tc.want, got)
			}
			if (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
				t.Errorf("want error %q, got %v", tc.err, err)
			}
		})
	}
}

// The zero mask means "not read" and never "none": in text, in JSON, and for a single
// capability.
func TestCapMaskNotRead(t *testing.T) {
	var unread CapMask
	none := NewCapMask(0)
	if !unread.IsZero() || none.IsZero() || unread == none {
		t.Errorf("not read and none are alike: %#v, %#v", unread, none)
	}
	if _, read := unread.Bits(); read {
		t.Error("a mask that was not read says that it was")
	}
	if bits, read := none.Bits(); bits != 0 || !read {
		t.Errorf("an empty mask: %x, %v", bits, read)
	}
	if unread.String() != "not read" || none.String() != "0000000000000000" {
		t.Errorf("text: %q, %q", unread, none)
	}
	all := NewCapMask(math.MaxUint64)
	for n := uint(0); n < 70; n++ {
		if unread.Has(n) || none.Has(n) || all.Has(n) != (n < 64) {
			t.Errorf("capability %d: %v, %v, %v", n, unread.Has(n), none.Has(n), all.Has(n))
		}
	}
}

func TestProcessJSON(t *testing.T) {
	processes := []Process{
		{PID: 1, CapEff: NewCapMask(0), CapBnd: NewCapMask(math.MaxUint64), Started: NewTime(time.Date(2026, 11, 24, 1, 2, 3, 4, time.UTC))},
		{PID: 2},
	}
	data, err := json.Marshal(processes)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"pid":1,"started":"2026-11-24T01:02:03.000000004Z","uid":[0,0,0,0],"gid":[0,0,0,0],"capEff":"0000000000000000","capBnd":"ffffffffffffffff"},` +
		`{"pid":2,"uid":[0,0,0,0],"gid":[0,0,0,0]}]`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	var back []Process
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(processes, back, cmp.AllowUnexported(CapMask{})); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestCapMaskUnmarshal(t *testing.T) {
	for name, tc := range map[string]struct {
		in, err string
		want    CapMask
	}{
		"null is not read":            {in: `null`},
		"digits":                      {in: `"1f"`, want: NewCapMask(0x1f)},
		"an empty text is not a mask": {in: `""`, err: `capability mask: expected up to 16 hex digits, found ""`},
		"a number is not a mask":      {in: `0`, err: `capability mask: expected a string of hex digits: `},
		"a list is not a mask":        {in: `[]`, err: `capability mask: expected a string of hex digits: `},
	} {
		t.Run(name, func(t *testing.T) {
			got := NewCapMask(7) // what was there before does not stay
			err := json.Unmarshal([]byte(tc.in), &got)
			if tc.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tc.err) {
					t.Errorf("want error %q, got %v", tc.err, err)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("want %v, got %v, %v", tc.want, got, err)
			}
		})
	}
}

// A foreign file system can give any time to a file. A time that RFC 3339 cannot express
// becomes "not read". It does not break the whole report.
func TestTime(t *testing.T) {
	zone := time.FixedZone("x", 2*60*60)
	for name, tc := range map[string]struct {
		in   time.Time
		want string
	}{
		"UTC":                      {time.Date(2026, 1, 2, 3, 4, 5, 0, zone), `{"changed":"2026-01-02T01:04:05Z"}`},
		"the zero time":            {time.Time{}, `{}`},
		"1970 was read":            {time.Unix(0, 0), `{"changed":"1970-01-01T00:00:00Z"}`},
		"the last that is written": {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), `{"changed":"9999-12-31T23:59:59Z"}`},
		"the year 10000":           {time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("y", -60*60)), `{}`},
		"a FUSE file's":            {time.Unix(math.MaxInt64>>1, 0), `{}`},
		"before the year 0":        {time.Unix(math.MinInt64>>1, 0), `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			file := struct {
				Changed Time `json:"changed,omitzero"`
			}{NewTime(tc.in)}
			data, err := json.Marshal(file)
			if err != nil || string(data) != tc.want {
				t.Errorf("want %s, got %s, %v", tc.want, data, err)
			}
			before := file
			if err := json.Unmarshal(data, &file); err != nil || !file.Changed.Equal(before.Changed.Time) {
				t.Errorf("read back: want %v, got %v, %v", before.Changed, file.Changed, err)
			}
		})
	}
}

// Different subjects have different keys. Fields that only describe a subject are not
// part of its key.
func TestSubjectKey(t *testing.T) {
	subjects := []Subject{
		{Kind: "Pod", Name: "a"}, {Kind: "Pod", Namespace: "a"}, {Kind: "Pod", Container: "a"}, {Kind: "Pod", Node: "a"}, {Kind: "Pod"},
	}
	seen := map[string]Subject{}
	for _, s := range subjects {
		if other, ok := seen[s.Key()]; ok {
			t.Errorf("%+v and %+v have one key", s, other)
		}
		seen[s.Key()] = s
		described := s
		described.Platform, described.PodCount, described.Pods = true, 3, []string{"x"}
		if described.Key() != s.Key() {
			t.Errorf("%+v: its description changes its key", s)
		}
	}
}

func TestHasRead(t *testing.T) {
	var none *Measurement
	if none.HasRead(Processes) || (&Measurement{}).HasRead(Processes) {
		t.Error("nothing was read")
	}
	if m := (&Measurement{Read: []Kind{Processes}}); !m.HasRead(Processes) || m.HasRead(Mounts) {
		t.Error("processes were read, mounts were not")
	}
}

func TestStorageClass(t *testing.T) {
	for _, c := range []StorageClass{ClassUnknownEncrypted, ClassEmpty, ClassUnknown, ""} {
		if c.Plaintext() || c.Encrypted() {
			t.Errorf("%q is neither plaintext nor known to be encrypted", c)
		}
	}
	for _, c := range []StorageClass{ClassIdentityProtobuf, ClassIdentityJSON, ClassIdentityCBOR} {
		if !c.Plaintext() || c.Encrypted() {
			t.Errorf("%q is plaintext", c)
		}
	}
	for _, c := range []StorageClass{ClassAESCBC, ClassAESGCM, ClassSecretbox, ClassKMSv1, ClassKMSv2} {
		if c.Plaintext() || !c.Encrypted() {
			t.Errorf("%q is encrypted", c)
		}
	}
}

// A node's gap names the node or one of its containers. Gaps of the first
// version, which have a subject, are read, and what they are about is kept.
func TestNodeGapJSON(t *testing.T) {
	for name, tc := range map[string]struct {
		text      string
		want      NodeGap
		elsewhere bool
	}{
		"of the node":      {`{"what":"kernel","reason":"Corrupt","detail":"x"}`, NodeGap{What: Kernel, Reason: Corrupt, Detail: "x"}, false},
		"of a container":   {`{"what":"kernel","container":"abc","reason":"Corrupt"}`, NodeGap{What: Kernel, Container: "abc", Reason: Corrupt}, false},
		"an empty subject": {`{"what":"kernel","subject":{"kind":""},"reason":"Corrupt","hint":"rm -rf /","affects":["a/b"]}`, NodeGap{What: Kernel, Reason: Corrupt, About: &Subject{}}, false},
		"the node as its subject": {
			`{"what":"kernel","subject":{"kind":"Node","name":"n1"},"reason":"Corrupt"}`,
			NodeGap{What: Kernel, Reason: Corrupt, About: &Subject{Kind: "Node", Name: "n1"}},
			false,
		},
		"another node": {
			`{"what":"kernel","subject":{"kind":"Node","name":"n2"},"reason":"Corrupt"}`,
			NodeGap{What: Kernel, Reason: Corrupt, About: &Subject{Kind: "Node", Name: "n2"}},
			true,
		},
		"a container as its subject": {
			`{"what":"kernel","subject":{"kind":"Container","name":"abc","node":"n1"},"reason":"Corrupt"}`,
			NodeGap{What: Kernel, Container: "abc", Reason: Corrupt, About: &Subject{Kind: "Container", Name: "abc", Node: "n1"}},
			false,
		},
		"a container on another node": {
			`{"what":"kernel","subject":{"kind":"Container","name":"abc","node":"n2"},"reason":"Corrupt"}`,
			NodeGap{What: Kernel, Container: "abc", Reason: Corrupt, About: &Subject{Kind: "Container", Name: "abc", Node: "n2"}},
			true,
		},
		"the cluster": {
			`{"what":"kernel","subject":{"kind":"Cluster"},"reason":"Corrupt"}`,
			NodeGap{What: Kernel, Reason: Corrupt, About: &Subject{Kind: "Cluster"}},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got NodeGap
			if err := json.Unmarshal([]byte(tc.text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			saved, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var again NodeGap
			if err := json.Unmarshal(saved, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("saved and read again (-want +got):\n%s", diff)
			}
			if got.Elsewhere("n1") != tc.elsewhere {
				t.Errorf("elsewhere: want %v", tc.elsewhere)
			}
		})
	}
	var gap NodeGap
	if err := json.Unmarshal([]byte(`{"what":"kernel","why":"x"}`), &gap); err == nil {
		t.Error("an unknown field is read")
	}
}

func TestHasRole(t *testing.T) {
	for label, want := range map[string]bool{
		"node-role.kubernetes.io/control-plane": true, "node-role.kubernetes.io/master": true, "node-role.kubernetes.io/etcd": true,
		"node-role.kubernetes.io/worker": false, "node-role.kubernetes.io/": false, "control-plane": false, "x.node-role.kubernetes.io/master": false,
	} {
		if got := InControlPlane(map[string]string{label: ""}); got != want {
			t.Errorf("%s: want %v, got %v", label, want, got)
		}
	}
	if HasRole(map[string]string{"node-role.kubernetes.io/etcd": ""}, RoleControlPlane, RoleMaster) {
		t.Error("a node of etcd alone has the role of an API server")
	}
}

// A subject's cluster identifies it, and without one nothing changes.
func TestSubjectOfACluster(t *testing.T) {
	a := Subject{Kind: "Pod", Namespace: "shop", Name: "web"}
	b := a
	b.Cluster = "prod"
	if a.Key() != "Pod/shop/web//" || b.Key() != "Pod/shop/web///prod" {
		t.Errorf("keys %q and %q", a.Key(), b.Key())
	}
	if a.Identity() == b.Identity() || a.Compare(&b) >= 0 || b.Compare(&a) <= 0 {
		t.Errorf("the same: %v, compared %d", a.Identity() == b.Identity(), a.Compare(&b))
	}
	gap := NodeGap{What: Kernel, About: &Subject{Kind: "Node", Name: "w1", Cluster: "prod"}}
	if !gap.Elsewhere("w1") {
		t.Error("a node answers for a node of a named cluster")
	}
}
