package kine

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// small is a database with Secrets in every form, history, tombstones and free pages.
func small(t testing.TB, size int, end string) (fixture, *fact.EtcdDB) {
	m := kinetest.New()
	r := rand.New(rand.NewSource(1))
	m.Run(r, 60, 900)
	m.Compact(m.Last - 30)
	for i := range 8 {
		m.Put(fmt.Sprintf("/registry/secrets/shop/p%d", i), storedtest.ProtobufSecret("shop", fmt.Sprintf("p%d", i), []byte("CANARY")))
		m.Put(fmt.Sprintf("/registry/secrets/shop/e%d", i), storedtest.AESCBC(r, "key1", 2))
	}
	f := build(t, fmt.Sprintf("PRAGMA page_size=%d; PRAGMA synchronous=OFF; PRAGMA journal_mode=DELETE;\n%s\n%s\n", size, m.SQL(), end))
	db := f.whole(t, Options{})
	agrees(t, m, db)
	return f, db
}

// silent says what a damaged file hides without a gap: a Secret whose current revision is
// plaintext and is not shown as that, or one that is encrypted and is shown under another
// name or not at all.
func silent(t testing.TB, f fixture, truth *fact.EtcdDB) (plaintext, name string) {
	t.Helper()
	db, gaps, err := Read(context.Background(), f.files(), Options{Path: "state.db"})
	if err != nil {
		if strings.Contains(err.Error(), "CANARY") {
			t.Fatal(err)
		}
		return "", ""
	}
	for _, g := range gaps {
		if strings.Contains(g.Detail, "CANARY") {
			t.Fatal(g)
		}
	}
	if len(gaps) > 0 {
		return "", ""
	}
	now := map[string]fact.StoredSecret{}
	for _, s := range db.Secrets {
		now[s.Namespace+"/"+s.Name] = s
	}
	for _, s := range truth.Secrets {
		key := s.Namespace + "/" + s.Name
		switch got := now[key]; {
		case s.Class.Plaintext() && !got.Class.Plaintext():
			plaintext = key
		case s.Class != got.Class, s.Older > 0 && got.Older == 0:
			name = key
		}
	}
	if len(db.Secrets) != len(truth.Secrets) && name == "" {
		name = "another number"
	}
	return plaintext, name
}

// TestFlippedBit flips one bit of each tenth byte, or every bit with KINE_FLIP_ALL=1.
func TestFlippedBit(t *testing.T) {
	bits, step := 1, 10
	if os.Getenv("KINE_FLIP_ALL") == "1" {
		bits, step = 8, 1
	}
	for _, size := range []int{512, 4096} {
		f, truth := small(t, size, "")
		names := map[string]int{}
		tried := 0
		for at := 0; at < len(f.main); at += step {
			for bit := range bits {
				mask := byte(1) << ((at*7 + bit) % 8)
				f.main[at] ^= mask
				plaintext, name := silent(t, f, truth)
				if plaintext != "" {
					t.Errorf("page size %d: byte %d (page %d), bit %08b: %s is no longer plaintext, and no gap says so", size, at, at/size+1, mask, plaintext)
				}
				if name != "" {
					names[name]++
					if testing.Verbose() {
						t.Logf("byte %d (page %d) bit %08b: %s: near %q", at, at/size+1, mask, name, f.main[max(0, at-24):min(len(f.main), at+8)])
					}
				}
				tried++
				f.main[at] ^= mask
			}
		}
		if len(names) > 0 {
			t.Errorf("page size %d: some of %d flips changed the name, class or history of Secrets without a gap: %v", size, tried, names)
		}
	}
}

// TestBurst overwrites, clears and swaps parts of a file at random.
func TestBurst(t *testing.T) {
	tries := 400
	if testing.Short() {
		tries = 50
	}
	for _, size := range []int{512, 1024, 4096} {
		f, truth := small(t, size, "")
		good := append([]byte(nil), f.main...)
		r := rand.New(rand.NewSource(int64(size)))
		damage := map[string]func(){
			"a burst": func() {
				at := r.Intn(len(f.main))
				r.Read(f.main[at:min(len(f.main), at+1+r.Intn(40))])
			},
			"a page of zeros": func() {
				page := r.Intn(len(f.main) / size)
				clear(f.main[page*size:][:size])
			},
			"two pages swapped": func() {
				a, b := r.Intn(len(f.main)/size), r.Intn(len(f.main)/size)
				copy(f.main[a*size:], good[b*size:][:size])
				copy(f.main[b*size:], good[a*size:][:size])
			},
			"a page of another": func() {
				a, b := r.Intn(len(f.main)/size), r.Intn(len(f.main)/size)
				copy(f.main[a*size:], good[b*size:][:size])
			},
			"zeros": func() {
				at := r.Intn(len(f.main))
				clear(f.main[at:min(len(f.main), at+1+r.Intn(300))])
			},
			"an end": func() { f.main = f.main[:r.Intn(len(f.main))] },
		}
		hidden := 0
		for what, do := range damage {
			for range tries {
				f.main = append([]byte(nil), good...)
				do()
				plaintext, name := silent(t, f, truth)
				if plaintext != "" {
					t.Errorf("page size %d, %s: %s is no longer plaintext, and no gap says so", size, what, plaintext)
				}
				if name != "" {
					hidden++
					t.Logf("page size %d, %s: %s", size, what, name)
				}
			}
		}
		t.Logf("page size %d: %d of %d changed something else without a gap", size, hidden, tries*len(damage))
	}
}
