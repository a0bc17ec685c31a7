package escape

import (
	"math/rand/v2"
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

		"a ##vso[task.setvariable variable=a]b": "a #\ufffdvso[task.setvariable variable=a]b",
		"##[error]x ###[a] ##teamcity[":         "#\ufffd[error]x ##\ufffd[a] #\ufffdteamcity[",
		"# a ## b [c] ##a-[ ##":                 "# a ## b [c] ##a-[ ##",
		"::error file=a::x":                     "\ufffd:error file=a::x",
		"\n\t::set-output name=a::x":            "  \ufffd:set-output name=a::x",
		"::":                                    "::",
		"::1":                                   "::1",
		"::ffff:192.0.2.1":                      "::ffff:192.0.2.1",
		"a::error::b":                           "a::error::b",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}

// Each Unicode character that makes a line look like another one is shown as a mark. Normal
// text does not change.
func TestEachCharacterThatIsNotSeen(t *testing.T) {
	bad := []rune{0x7f, 0x85, 0x9b, 0xad, 0x61c, 0x180e, 0x2028, 0x2029, 0xfeff, 0xe0001, 0xe0041}
	for r := rune(0x200b); r <= 0x200f; r++ { // zero-width ones and marks
		bad = append(bad, r)
	}
	for r := rune(0x202a); r <= 0x202e; r++ { // embeddings and overrides
		bad = append(bad, r)
	}
	for r := rune(0x2060); r <= 0x206f; r++ {
		bad = append(bad, r)
	}
	bad = append(bad, 0x34f, 0x115f, 0x1160, 0x17b4, 0x3164, 0xffa0, 0xfe00, 0xfe0f, 0xe0100) // fillers, variation selectors
	for _, r := range bad {
		if got := Line("a" + string(r) + "b"); got != "a\ufffdb" {
			t.Errorf("%U: got %q", r, got)
		}
	}
	for _, r := range []rune{0xe000, 0xf8ff, 0xf0000, 0x10fffd, 0xfdd0, 0xfdef, 0xfffe, 0xffff, 0x1fffe, 0x10ffff} { // private use, noncharacters
		if got := Line("a" + string(r) + "b"); got != "a\ufffdb" {
			t.Errorf("%U: got %q", r, got)
		}
	}
	for text, want := range map[string]string{
		"plain ~": "plain ~", "caf\u00e9 \u65e5\u672c \u0639": "caf\u00e9 \u65e5\u672c \u0639", "a\nb\tc": "a b c", "a\x1b[31m": "a^[[31m", "": "",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}

// A very long text is cut before it is escaped. What is printed is the same.
func TestCutBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", " ", "\n", "\t", "\x1b", "é", "\u00a0", "\u0085", "\u2028", "\u202e", "\xff", "\xe2\x80", "日", "  ", "\v"}
	for range 20_000 {
		text := ""
		for range r.IntN(20) {
			text += parts[r.IntN(len(parts))]
		}
		limit := r.IntN(12)
		bounded := func(text string) string {
			text = strings.TrimSpace(Line(text))
			n := min(limit, len(text))
			for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
				n--
			}
			return text[:n]
		}
		if want, got := bounded(text), Bounded(text, limit); got != want {
			t.Fatalf("Bounded(%q, %d): want %q, got %q", text, limit, want, got)
		}
		want := Line(strings.Join(strings.Fields(text), " "))
		if cut := bounded(want); cut != want {
			want = cut + " ..."
		}
		if got := Short(text, limit); got != want {
			t.Fatalf("Short(%q, %d): want %q, got %q", text, limit, want, got)
		}
	}
	long := strings.Repeat(" é\u202e", 1<<20)
	if n := testing.AllocsPerRun(1, func() { Short(long, 100) }); n > 30 {
		t.Errorf("%v allocations", n)
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

// Bounded obeys its limit and never cuts inside a character.
func TestBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		limit int
		want  string
	}{
		"short":                     {" a b\n", 10, "a b"},
		"as long as the limit":      {"abc", 3, "abc"},
		"longer":                    {"abcd", 3, "abc"},
		"in the middle of a rune":   {"aé", 2, "a"},
		"of what is not seen":       {"a\u202e", 4, "a\ufffd"},
		"where that is cut":         {"a\u202e", 3, "a"},
		"nothing fits":              {"é", 1, ""},
		"inner white space stays":   {"a  b", 10, "a  b"},
		"what is escaped is longer": {"\x1b", 1, "^"},
	} {
		if got := Bounded(tc.text, tc.limit); got != tc.want {
			t.Errorf("%s: want %q, got %q", name, tc.want, got)
		}
	}
}

// No text of commands costs more than one pass, and nothing of a command is left after it.
func TestManyCommands(t *testing.T) {
	const n = 200_000
	got := Line(strings.Repeat("##vso[", n) + strings.Repeat("#", n) + "[")
	if strings.Count(got, "#\ufffdvso[") != n || strings.Contains(got, "##vso[") || strings.Contains(got, "##[") || Line(got) != got {
		t.Errorf("%d bytes: %.100q ... %q", len(got), got, got[len(got)-20:])
	}
}
