package procfs

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestParseThread(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		want  Rights
		state byte
		comm  string
		err   string
	}{
		"all fields": {
			text: statusText, state: 'S', comm: "sleep",
			want: Rights{UID: [4]int64{1000, 1001, 1002, 1003}, CapPrm: fact.NewCapMask(0xa80425fb), CapEff: fact.NewCapMask(0xa80425fb), CapBnd: fact.NewCapMask(0xa80425fb), NoNewPrivs: 1, Seccomp: 2},
		},
		"an old kernel": {
			text: "Name:\ta\\nb\nState:\tR (running)\nUid:\t0\t0\t0\t0\n", state: 'R', comm: "a\nb",
			want: Rights{NoNewPrivs: -1, Seccomp: -1},
		},
		"a mask of 15 digits": {text: strings.Replace(statusText, "CapEff:	0", "CapEff:	", 1), err: `status line 19: expected 16 hex digits, found "CapEff:\t0000000a80425fb"`},
		"three uids":          {text: strings.Replace(statusText, "	1003", "", 1), err: `status line 9: expected four ids, found "Uid:\t1000\t1001\t1002"`},
		"two digits":          {text: strings.Replace(statusText, "NoNewPrivs:	1", "NoNewPrivs:	10", 1), err: `status line 22: expected a digit, found "NoNewPrivs:\t10"`},
		"no Uid":              {text: "Name:\tx\nState:\tS\n", err: "status: no line State, or no line Uid"},
		"no State":            {text: "Name:\tx\nUid:\t0\t0\t0\t0\n", err: "status: no line State, or no line Uid"},
		"cut inside a line":   {text: statusText[:len(statusText)-5], err: `status line 24: cut short: "Seccomp_filter"`},
		"empty":               {text: "", err: "status: no line State, or no line Uid"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseThread([]byte(tc.text))
			if text := errText(err); text != tc.err {
				t.Fatalf("error %s\nwant  %s", text, tc.err)
			}
			if err == nil && (got.Rights != tc.want || got.State != tc.state || got.Name() != tc.comm) {
				t.Errorf("got  %+v\nwant %+v, state %c, name %q", got, tc.want, tc.state, tc.comm)
			}
		})
	}
	text := []byte(statusText)
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseThread(text) }); n != 0 {
		t.Errorf("%v allocations for a thread", n)
	}
}

func TestBeyond(t *testing.T) {
	base := Rights{UID: [4]int64{1000, 1000, 1000, 1000}, CapPrm: fact.NewCapMask(3), CapEff: fact.NewCapMask(3), CapBnd: fact.NewCapMask(7), NoNewPrivs: 1, Seccomp: 2}
	for name, tc := range map[string]struct {
		change func(*Rights)
		want   bool
	}{
		"the same":              {func(*Rights) {}, false},
		"fewer capabilities":    {func(r *Rights) { r.CapPrm, r.CapEff = fact.NewCapMask(1), fact.NewCapMask(0) }, false},
		"another one permitted": {func(r *Rights) { r.CapPrm = fact.NewCapMask(5) }, true},
		"another one effective": {func(r *Rights) { r.CapEff = fact.NewCapMask(7) }, true},
		"another one bounding":  {func(r *Rights) { r.CapBnd = fact.NewCapMask(8) }, true},
		"root":                  {func(r *Rights) { r.UID[1] = 0 }, true},
		"another user":          {func(r *Rights) { r.UID[1] = 5 }, false},
		"may gain":              {func(r *Rights) { r.NoNewPrivs = 0 }, true},
		"no filter":             {func(r *Rights) { r.Seccomp = 0 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := base
			tc.change(&r)
			if got := r.Beyond(&base); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestParseLabel(t *testing.T) {
	for text, want := range map[string]string{
		"cri-containerd.apparmor.d (enforce)\n":      "cri-containerd.apparmor.d (enforce)",
		"unconfined\n":                               "unconfined",
		"system_u:system_r:container_t:s0:c1,c2\x00": "system_u:system_r:container_t:s0:c1,c2",
		"":                                    "",
		"a name (with) brackets (complain)\n": "a name (with) brackets (complain)",
		"unconfined" + strings.Repeat("x", 1200) + " (x)\n": "unconfined" + strings.Repeat("x", MaxLabel-10) + "…",
	} {
		if got := ParseLabel([]byte(text)); got != want {
			t.Errorf("%.60q: got %q, want %q", text, got, want)
		}
	}
}
