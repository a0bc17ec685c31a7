package rpmdb

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// wanted are the provides that are asked for.
var wanted = []string{"installonlypkg(kernel)", "kernel-uname-r", "system-release(releasever)"}

// base is a header with what every package has.
func base(more ...rpmtest.Entry) []byte {
	return rpmtest.Header(append([]rpmtest.Entry{{Tag: tagName, Data: "a"}, {Tag: tagVersion, Data: "1"}, {Tag: tagRelease, Data: "2"}}, more...)...)
}

// edited returns a copy with another number at a place.
func edited(b []byte, at int, n uint32) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint32(b[at:], n)
	return b
}

func TestHeader(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	many := make([]string, maxProvides+1)
	for i := range many {
		many[i] = "kernel-uname-r"
	}
	far := make([]string, 3000) // beyond any window
	for i := range far {
		far[i] = "kmod(some-module-or-other.ko)"
	}
	far[2999] = "kernel-uname-r"
	farVersions := make([]string, 3000)
	farVersions[2998], farVersions[2999] = "wrong", "5.14"
	plain := Package{Name: "a", Version: "1", Release: "2"}
	with := func(edit func(*Package)) Package { p := plain; edit(&p); return p }
	for name, tc := range map[string]struct {
		blob []byte
		want Package
		err  string
	}{
		"the least": {blob: base(), want: plain},
		"an epoch": {
			blob: base(rpmtest.Entry{Tag: tagEpoch, Data: uint32(7)}), want: with(func(p *Package) { p.Epoch = 7 }),
		},
		"a later entry of the same tag counts": {
			blob: base(rpmtest.Entry{Tag: tagName, Data: "b"}), want: with(func(p *Package) { p.Name = "b" }),
		},
		"texts in languages: the first": {
			blob: base(rpmtest.Entry{Tag: tagVendor, Data: []string{"V", "W"}}), want: with(func(p *Package) { p.Vendor = "V" }),
		},
		"provides beyond what is read at a time": {
			blob: base(rpmtest.Entry{Tag: tagProvideName, Data: far}, rpmtest.Entry{Tag: tagProvideVersion, Data: farVersions}),
			want: with(func(p *Package) { p.Provides = []Provide{{"kernel-uname-r", "5.14"}} }),
		},
		"versions before names": {
			blob: base(rpmtest.Entry{Tag: tagProvideVersion, Data: []string{"1", "2"}}, rpmtest.Entry{Tag: tagProvideName, Data: []string{"x", "kernel-uname-r"}}),
			want: with(func(p *Package) { p.Provides = []Provide{{"kernel-uname-r", "2"}} }),
		},
		"a long provide that is not asked for": {
			blob: base(rpmtest.Entry{Tag: tagProvideName, Data: []string{long, "kernel-uname-r"}}),
			want: with(func(p *Package) { p.Provides = []Provide{{"kernel-uname-r", ""}} }),
		},
		"nothing":            {blob: nil, err: "ends too early: expected a header of at least 8 bytes, found 0"},
		"no entry":           {blob: make([]byte, 8), err: "expected a header of 1 to 65535 entries and at most 268435455 bytes of data, found 0 and 0"},
		"too many entries":   {blob: edited(base(), 0, 1<<20), err: "expected a header of 1 to 65535 entries and at most 268435455 bytes of data, found 1048576 and 6"},
		"too much data":      {blob: edited(base(), 4, 1<<31), err: "expected a header of 1 to 65535 entries and at most 268435455 bytes of data, found 3 and 2147483648"},
		"cut":                {blob: base()[:60], err: "expected 62 bytes by the header's own account, found 60"},
		"bytes after it":     {blob: append(base(), 0), err: "expected 62 bytes by the header's own account, found 63"},
		"no name":            {blob: rpmtest.Header(rpmtest.Entry{Tag: tagVersion, Data: "1"}), err: "expected a name, a version and a release, found a header that lacks one of them"},
		"a name of no text":  {blob: edited(base(), 12, 4), err: "name (tag 1000): expected type 6, 8 or 9, found 4"},
		"an epoch of a text": {blob: base(rpmtest.Entry{Tag: tagEpoch, Data: "1234"}), err: "epoch (tag 1003): expected type 4, found 6"},
		"an offset outside":  {blob: edited(base(), 16, 6), err: "name (tag 1000): expected 1 item or more within 6 bytes of data, found 1 at byte 6"},
		"a huge offset":      {blob: edited(base(), 16, 1<<32-1), err: "name (tag 1000): expected 1 item or more within 6 bytes of data, found 1 at byte 4294967295"},
		"a huge count":       {blob: edited(base(), 20, 1<<32-1), err: "name (tag 1000): expected 1 item or more within 6 bytes of data, found 4294967295 at byte 0"},
		"no end":             {blob: append(bytes.Clone(base()[:61]), 'x'), err: "release (tag 1002): ends too early: string 0 has no end"},
		"a name too long": {
			blob: base(rpmtest.Entry{Tag: tagName, Data: long}), err: "name (tag 1000): expected a text of at most 1024 bytes, found a longer one",
		},
		"too many provides": {
			blob: base(rpmtest.Entry{Tag: tagProvideName, Data: many}), err: "provides (tag 1047): expected at most 64 of those that matter, found more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newHeaderReader(wanted, int64(len(tc.blob))).read(bytes.NewReader(tc.blob), int64(len(tc.blob)))
			if text := errorText(err); text != tc.err {
				t.Fatalf("want error %q, got %q", tc.err, text)
			}
			if err == nil {
				if diff := cmp.Diff(&tc.want, got); diff != "" {
					t.Errorf("package (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestEVR(t *testing.T) {
	for want, p := range map[string]Package{"1-2": {Version: "1", Release: "2"}, "3:1-2": {Version: "1", Release: "2", Epoch: 3}} {
		if got := p.EVR(); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}

// A header's file names, between what is wanted, are not read.
func TestHeaderReadsLittle(t *testing.T) {
	blob := rpmtest.Generated(1, 20_000)[0]
	blob = append(blob[:0:0], blob...)
	counting := &countingReader{r: bytes.NewReader(blob)}
	if _, err := newHeaderReader(wanted, int64(len(blob))).read(counting, int64(len(blob))); err != nil {
		t.Fatal(err)
	}
	if counting.bytes > 2*windowSize {
		t.Errorf("read %d bytes of a header of %d", counting.bytes, len(blob))
	}
}

type countingReader struct {
	r     *bytes.Reader
	bytes int
}

func (c *countingReader) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(b, at)
	c.bytes += n
	return n, err
}

func FuzzHeader(f *testing.F) {
	f.Add(base(rpmtest.Entry{Tag: tagEpoch, Data: uint32(7)}, rpmtest.Entry{Tag: tagProvideName, Data: []string{"kernel-uname-r"}}, rpmtest.Entry{Tag: tagProvideVersion, Data: []string{"1"}}))
	f.Add(rpmtest.Generated(1, 3)[0])
	f.Fuzz(func(t *testing.T, blob []byte) {
		counting := &countingReader{r: bytes.NewReader(blob)}
		p, err := newHeaderReader(wanted, int64(len(blob))).read(counting, int64(len(blob)))
		if err == nil && (p.Name == "" || p.Version == "" || p.Release == "" || len(p.Provides) > maxProvides) {
			t.Errorf("%+v", p)
		}
		if counting.bytes > 2*len(blob)+1<<20 {
			t.Errorf("read %d bytes of %d", counting.bytes, len(blob))
		}
	})
}
