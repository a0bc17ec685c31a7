package etcd

import (
	"encoding/binary"
	"math/rand"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// shorten takes the last element out of a leaf, as bbolt would write the page without
// it. The bytes behind the elements stay as they are.
func shorten(page []byte) {
	h := parsePageHeader(page)
	n := h.count - 1
	old := append([]byte(nil), page...)
	binary.LittleEndian.PutUint16(page[10:], uint16(n))
	at := pageHeaderSize + n*elementSize
	r := run{header: h, table: old[pageHeaderSize:]}
	for i := range n {
		e := r.element(i)
		binary.LittleEndian.PutUint32(page[pageHeaderSize+i*elementSize+4:], uint32(at-pageHeaderSize-i*elementSize))
		at += copy(page[at:], old[e.key:e.end])
	}
}

// TestShortenedPage: the last row of a leaf is gone, and the page is sound without it.
// Above the compaction its revision is missing; below, only the bytes show it.
func TestShortenedPage(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	s := newStore(t, 1024)
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		s.put("/registry/secrets/shop/"+name, storedtest.AESCBC(r, "key1", 3))
		s.put("/registry/secrets/shop/"+name, storedtest.ProtobufSecret("shop", name, []byte("CANARY")))
		s.put("/registry/secrets/shop/"+name, storedtest.AESCBC(r, "key1", 5))
	}
	s.compact(s.rev - 2)
	file := s.bytes()
	mustRead(t, file, Options{Prefix: "/registry"})
	used := usedPages(t, file, 1024)
	tried := 0
	for p := range used {
		page := file[p*1024 : (p+1)*1024]
		if h := parsePageHeader(page); p < 2 || !used[p] || h.flags != flagLeaf || h.count < 2 || !strings.Contains(string(page), "/registry/secrets/") {
			continue
		}
		tried++
		damaged := append([]byte(nil), file...)
		shorten(damaged[p*1024 : (p+1)*1024])
		for _, live := range []bool{false, true} {
			db, gaps, err := Read(ctx, memory(damaged), Options{Live: live, Prefix: "/registry"})
			if err != nil || db.Complete || len(gaps) == 0 {
				t.Errorf("page %d, live %v: complete with %d Secrets: %v", p, live, len(db.Secrets), err)
				continue
			}
			if !strings.Contains(gaps[0].Detail, "behind its last element") {
				t.Errorf("page %d, live %v: %v", p, live, gaps)
			}
			for _, s := range db.Secrets {
				// Only those that come later are certain.
				if s.Class != fact.ClassUnknown && strings.Contains(string(page), "/registry/secrets/shop/"+s.Name) {
					t.Errorf("page %d, live %v: %+v", p, live, s)
				}
			}
		}
	}
	if tried < 2 {
		t.Errorf("%d pages tried", tried)
	}
}
