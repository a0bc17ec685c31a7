package escape

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"stored as plaintext":   "stored as plaintext",
		"日本 é":                  "日本 é",
		"a\x1b[31mb":            "a^[[31mb",
		"a\r\nb\tc":             "a  b c",
		"a\x00\x07b":            "a\ufffd\ufffdb",
		"a\u202eb\u2066c\u200b": "a\ufffdb\ufffdc\ufffd",
		"a\u2028b\u0085c":       "a\ufffdb\ufffdc",
		"a\xffb":                "a\ufffdb",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}

func TestShort(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		limit int
		want  string
	}{
		"spaces and lines are one space":  {"a \n\n b\tc ", 10, "a b c"},
		"what fits stays":                 {"abcde", 5, "abcde"},
		"what does not is cut":            {"abcdef", 5, "abcde ..."},
		"no character is cut in its half": {"ééé", 3, "é ..."},
	} {
		if got := Short(tc.text, tc.limit); got != tc.want {
			t.Errorf("%s: want %q, got %q", name, tc.want, got)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\x1b]0;x\x07\u202e\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := Line(text)
		if !utf8.ValidString(got) || strings.IndexFunc(got, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }) >= 0 {
			t.Errorf("%q is not safe", got)
		}
		if len(got) > 3*len(text) || Line(got) != got {
			t.Errorf("%q becomes %q, then %q", text, got, Line(got))
		}
	})
}
