package commandline

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// labelled are the lines of a file of command lines, with their labels.
func labelled(t testing.TB, file string) (lines []labelledLine) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		label, text, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("%s:%d: expected LABEL, a tab and a line", file, i+1)
		}
		l := labelledLine{number: i + 1, text: text, want: strings.Split(label, ",")}
		slices.Sort(l.want)
		if label == "none" {
			l.want = nil
		}
		if strings.HasPrefix(text, `["`) {
			if err := json.Unmarshal([]byte(text), &l.argv); err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
		} else {
			l.argv = []string{"sh", "-c", strings.NewReplacer(`\\\n`, "\\\n", `\n`, "\n", `\t`, "\t").Replace(text)}
		}
		lines = append(lines, l)
	}
	return lines
}

type labelledLine struct {
	number int
	text   string
	argv   []string
	want   []string // sorted; none for nothing
}

func (l labelledLine) evaluate() Result {
	var e Evaluation
	words := make([]Word, len(l.argv))
	for i, text := range l.argv {
		words[i] = Word{text, "command"}
	}
	e.Command(words)
	return e.Result
}

// Every labelled line gives the classes of its label, and no other.
func TestLabelledLines(t *testing.T) {
	for _, file := range []string{"testdata/lines.txt", "testdata/after.txt"} {
		lines := labelled(t, file)
		wrong := 0
		for _, l := range lines {
			result := l.evaluate()
			var got []string
			for _, i := range result.Installs {
				if !slices.Contains(got, string(i.Class)) {
					got = append(got, string(i.Class))
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, l.want) {
				wrong++
				t.Errorf("%s:%d: %s\n\twant %v, got %+v (unread %q)", file, l.number, l.text, l.want, result.Installs, result.Unread)
			}
		}
		t.Logf("%s: %d of %d right", file, len(lines)-wrong, len(lines))
	}
}
