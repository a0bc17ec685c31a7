package credential_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// random is a text of letters and digits, from a fixed seed.
func random(n int) string { return fill(rand.New(rand.NewPCG(1, 1)), strings.Repeat("{a1}", n)) }

func TestFind(t *testing.T) {
	token := "ghp_" + random(36)
	password := random(24)
	for name, tc := range map[string]struct {
		name, text string
		want       []string
	}{
		"nothing":                             {"a", "", nil},
		"a form, wherever it is":              {"a", "x " + token + " y", []string{"github-token"}},
		"one letter less is another form":     {"a", token[:len(token)-1], nil},
		"letters before it are another word":  {"a", "x" + token, nil},
		"an escape of JSON is no letter":      {"a", `{"a":"x\n` + token + `"}`, []string{"github-token"}},
		"two in the order of Rules":           {"a", token + " AKIA" + strings.ToUpper(random(40))[:0] + fill(rand.New(rand.NewPCG(1, 2)), "{U16}"), []string{"aws-access-key", "github-token"}},
		"the same twice is one":               {"a", token + " " + token, []string{"github-token"}},
		"a form under a telling name is both": {"API_TOKEN", token, []string{"github-token", credential.TellingName}},
		"the name of the text tells":          {"DB_PASSWORD", password, []string{credential.TellingName}},
		"with a newline at its end":           {"password", password + "\n", []string{credential.TellingName}},
		"in quotes":                           {"password", `"` + password + `"`, []string{credential.TellingName}},
		"no name":                             {"", password, nil},
		"a name that does not tell":           {"DATA", password, nil},
		"bytes that are no text":              {"password", "\x00\x01" + password, nil},
		"a form among bytes":                  {"data", "\x00\xff " + token + "\x00", []string{"github-token"}},
		"at the very end of the text":         {"a", "password=" + password, []string{credential.TellingName}},
		"a name without a value":              {"a", "password=", nil},
		"an anchor at the very end":           {"a", "AKIA", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := credential.IDs(credential.Find(tc.name, []byte(tc.text))); !slices.Equal(got, tc.want) {
				t.Errorf("found %q, want %q", got, tc.want)
			}
		})
	}
}

// A rule never says what it found.
func TestLookup(t *testing.T) {
	r, ok := credential.Lookup(credential.PrivateKey)
	if !ok || r.Weight != credential.Key {
		t.Errorf("private key: %+v, %v", r, ok)
	}
	if r, ok := credential.Lookup("no-such-rule"); ok {
		t.Errorf("an unknown rule: %+v", r)
	}
}

// Of a text without credentials nothing is copied: the probe has little memory, and no
// value remains in it. The one allocation is the search itself.
func TestFindCopiesNothing(t *testing.T) {
	text := []byte(strings.Repeat("password: ${DB_PASSWORD}\nurl: postgres://app@db/app\ntoken: "+strings.Repeat("word-", 5)+
		"\n-----BEGIN CERTIFICATE-----\neyJhbGciOiJIUzI1NiJ9.x.y\n", 20))
	if n := testing.AllocsPerRun(100, func() { credential.Find("password", text) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkHostile reads text that is made to be slow.
func BenchmarkHostile(b *testing.B) {
	for name, part := range map[string]string{
		"names":         "password=",
		"names without": "password ",
		"one long name": "password",
		"URLs":          "a://b:",
		"users":         "a://b:c@",
		"tokens":        "eyJ",
		"dots":          "eyJhbGciOiJub25lIn0.",
		"keys":          "-----BEGIN RSA PRIVATE KEY-----\n",
		"base64":        "LS0tLS1CRUdJTi",
		"auths":         `"auths" "auth":"`,
		"forms":         "ghp_AKIA",
		"quotes":        `password="`,
		"placeholders":  "password=${aaaaaaaaaaaaaaaaaaa} ",
		"queries":       "sig=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&",
		"authorization": "Authorization: Basic ",
	} {
		b.Run(name, func(b *testing.B) {
			text := bytes.Repeat([]byte(part), (512<<10)/len(part))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				credential.Find("", text)
			}
		})
	}
}

// FuzzFind: any bytes are read without a panic, and what is found are rules of the list.
func FuzzFind(f *testing.F) {
	for _, l := range readLabelled(f, "testdata/labelled.txt") {
		f.Add(l.name, []byte(l.text))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		before := bytes.Clone(text)
		found := credential.Find(name, text)
		if !bytes.Equal(before, text) {
			t.Error("the text was changed")
		}
		for i, r := range found {
			if known, ok := credential.Lookup(r.ID); !ok || known != r {
				t.Errorf("rule %+v is not on the list", r)
			}
			if i > 0 && found[i-1] == r {
				t.Errorf("rule %s twice", r.ID)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	set := readLabelled(b, "testdata/labelled.txt")
	var config []byte
	for len(config) < 1<<20 {
		for _, l := range set {
			if l.rules == nil {
				config = append(append(config, l.text...), '\n')
			}
		}
	}
	for name, text := range map[string][]byte{
		"configuration": config,
		"prose":         bytes.Repeat([]byte("The quick brown fox keeps to the secret path, and authors take credit for tokens. "), 12<<10),
		"base64":        []byte(random(4 << 10)),
	} {
		for len(text) < 1<<20 {
			text = append(text, text...)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				credential.Find("config", text)
			}
		})
	}
}
