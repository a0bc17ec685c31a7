package credential_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// labelled is a line of the labelled set.
type labelled struct {
	line  int
	rules []string // nil: no credential
	name  string
	text  string
}

// hole is a random part of a line: {a36} is 36 letters and digits.
var hole = regexp.MustCompile(`\{(?:([a-z0-9A-Z]+?)(\d+)|(b64|b64url|pem|jwt|block):([^}]*))\}`)

var alphabets = map[string]string{
	"a": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
	"l": "abcdefghijklmnopqrstuvwxyz0123456789",
	"h": "0123456789abcdef",
	"H": "0123456789ABCDEF",
	"d": "123456789",
	"U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
	"B": "023456789ACDEFGHJKLMNPQRSTUVWXYZ",
	"b": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/",
	"u": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
	"p": "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!?+^=.:", // of a password generator
}

// fill replaces the random parts. No line holds anybody's credential: the values are
// made here, from a fixed seed.
func fill(r *rand.Rand, text string) string {
	random := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	for hole.MatchString(text) { // the inner ones first
		at := innermost(text)
		m := hole.FindStringSubmatch(text[at[0]:at[1]])
		var value string
		switch m[3] {
		case "b64":
			value = base64.StdEncoding.EncodeToString([]byte(unescape(m[4])))
		case "b64url":
			value = base64.RawURLEncoding.EncodeToString([]byte(m[4]))
		case "pem", "block":
			lines := []string{"-----BEGIN " + m[4] + "-----"}
			if m[3] == "block" {
				lines = append(lines, "Version: 1", "")
			}
			for range 6 {
				lines = append(lines, random(alphabets["b"], 64))
			}
			value = strings.Join(append(lines, "-----END "+m[4]+"-----"), `\n`)
		case "jwt":
			value = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+m[4]+`","typ":"JWT"}`)) + "." +
				base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"`+random(alphabets["l"], 12)+`","iat":1700000000}`)) + "." + random(alphabets["u"], 43)
		default:
			n, _ := strconv.Atoi(m[2])
			value = random(alphabets[m[1]], n)
		}
		text = text[:at[0]] + value + text[at[1]:]
	}
	return unescape(text)
}

func innermost(text string) []int { return hole.FindStringIndex(text) }

func unescape(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t").Replace(text)
}

// readLabelled reads a set: "+ rule,rule | name | text" is true, "- | name | text" is
// false.
func readLabelled(t testing.TB, path string) []labelled {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(13, 2026))
	var list []labelled
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, " | ", 3)
		if len(parts) != 3 || parts[0][0] != '+' && parts[0] != "-" {
			t.Fatalf("%s:%d: expected \"+ rule | name | text\" or \"- | name | text\"", path, i+1)
		}
		l := labelled{line: i + 1, name: strings.TrimSpace(parts[1]), text: fill(r, parts[2])}
		if rules, ok := strings.CutPrefix(parts[0], "+ "); ok {
			l.rules = strings.Split(rules, ",")
			for _, id := range l.rules {
				if _, known := credential.Lookup(id); !known {
					t.Fatalf("%s:%d: no rule %q", path, i+1, id)
				}
			}
		}
		list = append(list, l)
	}
	return list
}

// The set is written for this test: 600 lines and more. Precision is the share of the
// lines found that are true, recall the share of the true lines that are found.
func TestLabelledSet(t *testing.T) {
	set := readLabelled(t, "testdata/labelled.txt")
	var found, right, positive, otherRule int
	for _, l := range set {
		got := credential.IDs(credential.Find(l.name, []byte(l.text)))
		if l.rules != nil {
			positive++
		}
		switch {
		case len(got) > 0 && l.rules == nil:
			found++
			t.Logf("line %d: no credential, found %q", l.line, got)
		case len(got) > 0:
			found++
			right++
			for _, want := range l.rules {
				if !slices.Contains(got, want) {
					otherRule++
					t.Logf("line %d: want rule %s, found %q", l.line, want, got)
				}
			}
		case l.rules != nil:
			t.Logf("line %d: a credential, not found (%s)", l.line, l.rules)
		}
	}
	precision, recall := float64(right)/float64(found), float64(right)/float64(positive)
	fmt.Printf("labelled set: %d lines, %d true; precision %.3f, recall %.3f\n", len(set), positive, precision, recall)
	if len(set) < 600 || positive < 200 || len(set)-positive < 200 {
		t.Errorf("%d lines, %d true: too few", len(set), positive)
	}
	if precision <= 0.98 || recall <= 0.95 {
		t.Errorf("precision %.3f, want above 0.98; recall %.3f, want above 0.95", precision, recall)
	}
	if otherRule > 0 {
		t.Errorf("%d lines were found by other rules than labelled", otherRule)
	}
}

// Every rule finds a line of the set.
func TestRules(t *testing.T) {
	used := map[string]bool{}
	for _, l := range readLabelled(t, "testdata/labelled.txt") {
		for _, id := range l.rules {
			used[id] = true
		}
	}
	seen := map[string]bool{}
	for _, r := range credential.Rules() {
		if seen[r.ID] || r.Title == "" {
			t.Errorf("rule %q: twice, or without a title", r.ID)
		}
		seen[r.ID] = true
		if !used[r.ID] {
			t.Errorf("rule %s: no line of the labelled set has it", r.ID)
		}
	}
	if n := len(seen); n > 64 {
		t.Errorf("%d rules do not fit", n)
	}
}
