package etcd

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// plainForms are a Secret in plaintext in every form that some client may have written,
// also those that the reader of rows does not understand.
func plainForms(ns, name string, size int) map[string][]byte {
	data := strings.Repeat("CANARY", size/6+1)
	return map[string][]byte{
		"protobuf":     storedtest.ProtobufSecret(ns, name, []byte(data)),
		"JSON":         storedtest.JSONSecret(ns, name, data),
		"CBOR":         storedtest.CBORSecret(ns, name, data),
		"YAML":         storedtest.YAMLSecret(ns, name, data),
		"sorted JSON":  fmt.Appendf(nil, `{"apiVersion":"v1","data":{"password":%q},"kind":"Secret","metadata":{"name":%q,"namespace":%q},"type":"Opaque"}`, data, name, ns),
		"JSON by kind": fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Secret","data":{"password":%q},"metadata":{"name":%q,"namespace":%q},"type":"Opaque"}`, data, name, ns),
	}
}

// A Secret in plaintext in one place alone is found there, whatever its form, its size and
// the size of pages, and the places without one are clean.
func TestEveryFormInEveryPlace(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, size := range []int{1, 600, 9_000, 1 << 20} {
		for form, value := range plainForms("shop", "a", size) {
			for place, key := range map[string]string{"": "/registry/secrets/shop/a", " below another prefix": "/other/secrets/shop/a"} {
				if form == "sorted JSON" && place != "" {
					continue // that is JSON like any other
				}
				t.Run(fmt.Sprintf("%s of %d bytes%s", form, size, place), func(t *testing.T) {
					w := newWAL(0)
					w.txn(key, value)
					w.txn("/registry/secrets/shop/b", storedtest.AESCBC(r, "k", 4))
					if got := walOf(t, map[string][]byte{firstWAL: w.padded(len(w.b) + 4096)}, nil); !got.Complete || got.Values != 1 {
						t.Errorf("log: %+v", got)
					}

					for _, pageSize := range []int{1 << 10, 4 << 10, 64 << 10} {
						s := newStore(t, pageSize)
						s.put("/registry/namespaces/default", []byte("x"))
						s.put("/registry/pods/shop/a", storedtest.Payload(r, 20_000)) // no inline bucket
						s.put("/registry/secrets/shop/b", storedtest.AESCBC(r, "k", 4))
						s.put(key, value)
						if place != "" {
							s.delete(key)
							s.put("/registry/pods/shop/last", []byte("x"))
						} else {
							s.put(key, storedtest.AESCBC(r, "k", 4))
							var known Known
							db, _, err := Read(ctx, memory(s.snapshot()), Options{Prefix: "/registry", Residue: true, Known: &known})
							if err != nil || db.Total != 2 || db.History.Plaintext+db.History.Unknown != 1 {
								t.Fatalf("pages of %d: history %+v, %v", pageSize, db.History, err)
							}
							for _, r := range db.Remains {
								if db.History.Plaintext == 1 && (r.Values > 0 || !r.Complete) {
									t.Errorf("pages of %d: a row counts as residue: %+v", pageSize, r)
								}
							}
						}
						s.compact(s.rev)
						file := s.bytes()
						db, gaps, err := Read(ctx, memory(file), Options{Prefix: "/registry", Residue: true})
						if err != nil || len(gaps) > 0 || !db.Complete || db.History.Plaintext+db.History.Unknown != 0 {
							t.Fatalf("pages of %d: %+v %v %v", pageSize, db, gaps, err)
						}
						values := 0
						for _, r := range db.Remains {
							values += r.Values
							if !r.Complete {
								t.Errorf("pages of %d: %+v", pageSize, r)
							}
						}
						if values == 0 && strings.Contains(string(file), string(value[:min(len(value), pageSize/2)])) {
							t.Errorf("pages of %d: not found in free pages", pageSize)
						}
					}
				})
			}
		}
	}
}
