package screen

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
)

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "node/w1": 7, "日本": 4, "é": 1, "e\u0301": 1, "👩‍👩‍👧": 2, "\ufffd": 1, "a\u200bb": 2,
	} {
		if got := Width(text); got != want {
			t.Errorf("%q: want %d, got %d", text, want, got)
		}
	}
}

func TestCut(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		width int
		want  string
	}{
		"what fits stays":                      {"stored in etcd", 14, "stored in etcd"},
		"between words":                        {"stored in etcd as plaintext", 20, "stored in etcd as..."},
		"a word that ends where it is cut":     {"stored in etcd as plaintext", 17, "stored in etcd..."},
		"punctuation at the cut is left out":   {"privileged, as root; and more", 24, "privileged, as root..."},
		"a long name is cut inside":            {"/var/lib/containerd/x", 12, "/var/lib/..."},
		"a long name behind a short word, too": {"at /var/lib/containerd/x", 15, "at /var/lib/..."},
		"no half of an ideograph":              {"日本語日本語", 8, "日本..."},
		"an accent stays with its letter":      {"e\u0301e\u0301e\u0301e\u0301e\u0301", 4, "e\u0301..."},
		"no room for a character and the dots": {"stored", 3, "..."},
		"no room":                              {"stored", 0, ""},
		"a negative width counts as 0":         {"stored", -2, ""},
	} {
		if got := Cut(tc.text, tc.width); got != tc.want {
			t.Errorf("%s: want %q, got %q", name, tc.want, got)
		}
	}
}

func TestCutMiddle(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		width int
		want  string
	}{
		"what fits stays":          {"pod/shop/web", 12, "pod/shop/web"},
		"both ends stay":           {"pod/gitlab/runner-abc-00022", 16, "pod/gitla...0022"},
		"too little room for both": {"pod/gitlab/runner", 4, "p..."},
		"ideographs":               {"日本語日本語", 9, "日本...語"},
	} {
		if got := CutMiddle(tc.text, tc.width); got != tc.want {
			t.Errorf("%s: want %q, got %q", name, tc.want, got)
		}
	}
}

func TestWrap(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		width int
		want  []string
	}{
		"nothing":                     {"", 10, []string{""}},
		"between words":               {"are builds running separately", 12, []string{"are builds", "running", "separately"}},
		"a line may be full":          {"are builds", 10, []string{"are builds"}},
		"a word that is too wide":     {"at /var/lib/containerd/x now", 12, []string{"at", "/var/l...d/x", "now"}},
		"widths are those of screens": {"日本 日本 日本", 9, []string{"日本 日本", "日本"}},
	} {
		if diff := cmp.Diff(tc.want, Wrap(tc.text, tc.width)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"run", "kubectl-checklist", "now"}, WrapWhole("run kubectl-checklist now", 8)); diff != "" {
		t.Errorf("a command's word stays whole (-want +got):\n%s", diff)
	}
}

func TestIndent(t *testing.T) {
	got := Indent("one two three\n\n  kept as it is, however long\nfour", "> ", 11)
	want := "> one two\n> three\n\n>   kept as it is, however long\n> four"
	if got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

// No line is wider than requested, no character is cut in two, and everything that was not
// cut is there.
func FuzzText(f *testing.F) {
	f.Add("runs /tmp/.x/xmrig, which was added", 20)
	f.Add("日本語 e\u0301 👩‍👩‍👧 \u202e", 5)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if width < 0 || width > 300 {
			return
		}
		for _, got := range []string{Cut(text, width), CutMiddle(text, width)} {
			if uniseg.StringWidth(got) > width {
				t.Errorf("%q is wider than %d", got, width)
			}
			if uniseg.StringWidth(text) <= width && got != text {
				t.Errorf("%q is cut to %q, and fits in %d", text, got, width)
			}
		}
		if width < 4 {
			return
		}
		lines := Wrap(text, width)
		for _, line := range lines {
			if uniseg.StringWidth(line) > width {
				t.Errorf("line %q is wider than %d", line, width)
			}
		}
		words := strings.Fields(text)
		if !slices.ContainsFunc(words, func(w string) bool { return Width(w) > width }) && strings.Join(words, " ") != strings.Join(lines, " ") {
			t.Errorf("%q is wrapped to %q", text, lines)
		}
		if got := strings.Join(WrapWhole(text, width), " "); got != strings.Join(words, " ") {
			t.Errorf("%q is wrapped whole to %q", text, got)
		}
	})
}
