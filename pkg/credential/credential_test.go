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

// What a telling name may have and is no credential, one line for each rule of package
// value. The labelled set allows some errors, this table none.
func TestNoCredential(t *testing.T) {
	token := random(32)
	for name, line := range map[string]string{
		"an alias of YAML":         "password: *defaultPassword1",
		"an anchor of YAML":        "password: &defaultPassword1",
		"a UUID":                   "token: 3f2a91c4-7be0-4d15-a9c2-61f0b87d3e5a",
		"a variable":               "password: ${Rk29xQmVd81Lz}",
		"a template":               "password: {{Rk29xQmVd81Lz}}",
		"an expression":            "password: lookup(Rk29xQmVd81Lz)",
		"a path":                   "token: /run/secrets/Rk29xQmVd81Lz7t",
		"a URL":                    "token: https://id.shop.test/Rk29xQmVd81Lz7t",
		"a digest":                 "token: sha256:" + token,
		"words":                    "secret: shop-database-credentials",
		"a resource's random end":  "secret: shop-credentials-7d9f8c6b5",
		"a name of a file":         "password: Rk29xQmVd81Lz.pem",
		"the alphabet":             "token: abcdefghijklmnopqrstuvwxyz0123456789",
		"one letter":               "token: " + strings.Repeat("k", 40),
		"a date":                   "token: 2026-11-28T10:00:00.123456Z",
		"a documented key of AWS":  "AKIAIOSFODNN7EXAMPLE",
		"not the last word":        "passwordFile: " + token,
		"a public one":             "public_token: " + token,
		"a hash":                   "token_hash: " + token,
		"a part of an ARN":         "arn:aws:secretsmanager:eu-west-1:123:secret:Rk29xQmVd81Lz7t",
		"a certificate":            "api_key: MIIDBTCCAe2gAwIBAgII" + token,
		"a URL without a password": "postgres://app@db/" + token,
	} {
		t.Run(name, func(t *testing.T) {
			if got := credential.IDs(credential.Find("", []byte(line))); len(got) > 0 {
				t.Errorf("%q: found %q", line, got)
			}
		})
	}
}

// Hexadecimal digits have less entropy than letters, and count from 32 on.
func TestHexadecimal(t *testing.T) {
	for text, want := range map[string]bool{
		"token: 9a50f8a8e9bb8bdb5eba456bf92d5d98": true, // between 3.2 and 3.4 bits
		"token: 90d64460d14870c0":                 false,
	} {
		if got := credential.Find("", []byte(text)); (len(got) > 0) != want {
			t.Errorf("%s: found %v", text, got)
		}
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
		"bodies":        "-----BEGIN PRIVATE KEY-----" + strings.Repeat("A", 485),
		"quotes of two": `password='secret="`,
		"quoted names":  `password "secret "`,
		"directives":    "password " + strings.Repeat("a", 250) + "\n",
		"identified":    "IDENTIFIED BY '",
		"accounts":      "c2VydmljZV9hY2NvdW50",
		"commas":        "password=" + strings.Repeat(",", 500) + " ",
		"examples":      strings.Repeat("glpat-", 38) + "exampleQWRTYUIOP ",
		"sealed":        "password: Ag" + strings.Repeat("aB3dE", 20) + "\n",
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
