package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile/storetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// snapshotCanaries is how many Secrets hold a canary.
const snapshotCanaries = 1000

// pieces finds pieces of canaries, as they are, reversed, in hex and in base64. They are
// by length: a text is searched once for all of a length.
type pieces map[int]map[string]bool

func (p pieces) add(text string, length int) {
	if p[length] == nil {
		p[length] = map[string]bool{}
	}
	for i := 0; i+length <= len(text); i++ {
		p[length][text[i:i+length]] = true
	}
}

func piecesOf(canaries []string) pieces {
	p := pieces{}
	for _, c := range canaries {
		p.add(c, leakWindow)
		reversed := []byte(c)
		slices.Reverse(reversed)
		p.add(string(reversed), leakWindow)
		p.add(hex.EncodeToString([]byte(c)), 2*leakWindow)
		p.add(strings.ToUpper(hex.EncodeToString([]byte(c))), 2*leakWindow)
		for shift := range 3 { // a value can begin at any place of a group
			text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), c...))
			p.add(strings.TrimRight(text[4:len(text)-4], "="), 12)
		}
	}
	return p
}

// in returns a piece in a text, "" if there is none.
func (p pieces) in(text []byte) string {
	for length, of := range p {
		for i := 0; i+length <= len(text); i++ {
			if of[string(text[i:i+length])] {
				return string(text[i : i+length])
			}
		}
	}
	return ""
}

// canaryRows are Secrets whose values are canaries, in every form of plaintext. Most were
// encrypted or deleted since, so that the canary is in the history.
func canaryRows(r *rand.Rand) (rows []storetest.Row, canaries []string) {
	rows = append(rows, storetest.Default)
	name := func(i int) (ns, name string) { return fmt.Sprintf("team-%d", i%7), fmt.Sprintf("s%04d", i) }
	for i := range snapshotCanaries {
		c := canary(r)
		canaries = append(canaries, c)
		ns, name := name(i)
		row := storetest.Row{Key: "/registry/secrets/" + ns + "/" + name}
		switch i % 4 {
		case 0:
			row.Value = storedtest.ProtobufSecret(ns, name, []byte(c))
		case 1:
			row.Value = storedtest.JSONSecret(ns, name, c)
		case 2:
			row.Value = storedtest.YAMLSecret(ns, name, c)
		case 3:
			row.Value = storedtest.CBORSecret(ns, name, c)
		}
		rows = append(rows, row)
	}
	for i := range snapshotCanaries {
		switch ns, name := name(i); {
		case i%5 < 3:
			rows = append(rows, storetest.Encrypted(ns, name))
		case i%5 == 3:
			rows = append(rows, storetest.Row{Key: "/registry/secrets/" + ns + "/" + name})
		}
	}
	return rows, canaries
}

// Databases full of Secrets in plaintext, whole and damaged, in every format, in saved
// facts, and in what a probe would send: no value comes out, in no form.
func TestSnapshotsLeakNothing(t *testing.T) {
	r := rand.New(rand.NewSource(12))
	rows, canaries := canaryRows(r)
	find := piecesOf(canaries)
	etcd := storetest.Etcd(t, rows...)
	kine := storetest.Kine(rows[:8]...) // as many as one page holds
	if find.in(etcd) == "" || find.in(kine) == "" ||
		find.in([]byte(hex.EncodeToString([]byte("x"+canaries[7])))) == "" || find.in([]byte(base64.StdEncoding.EncodeToString([]byte("password="+canaries[8])))) == "" {
		t.Fatal("the search finds no canary where one is")
	}

	dir := t.TempDir()
	inputs, intact := map[string][]byte{"etcd": etcd, "kine": kine}, map[string]bool{"etcd": true, "kine": true, "gzip": true}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(etcd); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	inputs["gzip"] = packed.Bytes()
	for i := range 12 {
		of := []string{"etcd", "kine", "gzip"}[i%3]
		damaged := slices.Clone(inputs[of])
		switch i % 4 {
		case 0:
			damaged = damaged[:r.Intn(len(damaged))]
		case 1: // text in place of a header
			copy(damaged, canaries[r.Intn(len(canaries))])
		default:
			for range 1 + r.Intn(200) {
				damaged[r.Intn(len(damaged))] ^= 1 << r.Intn(8)
			}
		}
		inputs[fmt.Sprintf("damaged-%d-%s", i, of)] = damaged
	}
	formats := []string{
		"table", "wide", "json", "yaml", "name", "jsonpath={.findings}", "go-template={{.findings}}{{.gaps}}",
		"custom-columns=A:.subject,B:.message,C:.evidence",
	}
	printed := 0
	for name, data := range inputs {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		facts := filepath.Join(dir, name+".json")
		for i, format := range formats {
			if i > 2 && !intact[name] {
				break
			}
			env, out, errOut := testEnv()
			args := []string{"secrets", "--snapshot", path, "-o", format, "--show-passes", "--save-facts", facts}
			if format != "wide" {
				args = slices.DeleteFunc(args, func(a string) bool { return a == "--show-passes" })
			}
			code := Main(t.Context(), env, args)
			for where, text := range map[string][]byte{"stdout": out.Bytes(), "stderr": errOut.Bytes()} {
				if found := find.in(text); found != "" {
					t.Fatalf("%v: %q is on %s", args, found, where)
				}
			}
			if intact[name] && (code != ExitOK || out.Len() == 0) || strings.Contains(errOut.String(), "a bug in this program") {
				t.Fatalf("%v: exit status %d, stderr %q", args, code, errOut)
			}
			printed += out.Len()
		}
		saved, err := os.ReadFile(facts)
		switch {
		case err != nil && intact[name]:
			t.Fatal(err)
		case err != nil:
			continue // the file is no database any more
		}
		if found := find.in(saved); found != "" {
			t.Fatalf("%s: %q is in the saved facts", name, found)
		}
		var of api.ChecklistFacts
		if err := json.Unmarshal(saved, &of); err != nil {
			t.Fatal(err)
		}
		if of.Facts.Snapshot == nil {
			continue
		}
		if intact[name] && len(of.Facts.Snapshot.Secrets) == 0 {
			t.Errorf("%s: no Secret was read", name)
		}
		m := &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Etcd}, Etcd: []fact.EtcdDB{*of.Facts.Snapshot}}
		message, err := wire.Encode(m, wire.Options{Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range framesOf(t, message) {
			if found := find.in(text); found != "" {
				t.Fatalf("%s: %q is in what a probe sends", name, found)
			}
		}
	}
	if printed < 100_000 {
		t.Errorf("only %d bytes were printed", printed)
	}
}

// framesOf is what a probe writes, as it is and unpacked.
func framesOf(t *testing.T, m wire.Message) [][]byte {
	t.Helper()
	texts := [][]byte{m.Trailer}
	var payload []byte
	for frame := range m.Frames() {
		texts = append(texts, slices.Clone(frame))
		words := strings.Fields(string(frame))
		piece, err := base64.StdEncoding.DecodeString(words[len(words)-1])
		if err != nil {
			t.Fatal(err)
		}
		payload = append(payload, piece...)
	}
	if len(payload) == 0 {
		var trailer wire.Trailer
		if err := json.Unmarshal(m.Trailer, &trailer); err != nil {
			t.Fatal(err)
		}
		payload = trailer.Payload
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil || len(text) == 0 {
		t.Fatalf("%d bytes unpacked: %v", len(text), err)
	}
	return append(texts, text)
}
