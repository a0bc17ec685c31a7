package etcd

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// A run of which a later page is from another moment has sound elements that lead to
// bytes that are no row. In a copy that may be because etcd was writing.
func TestTornRun(t *testing.T) {
	const pageSize = 1024
	s := newStore(t, pageSize)
	s.put("/registry/namespaces/default", []byte("x"))
	for range 30 {
		s.put("/registry/pods/shop/a", make([]byte, 450))
	}
	file := s.bytes()
	m, err := readMetas(memory(file))
	if err != nil {
		t.Fatal(err)
	}
	torn := 0
	for p := uint64(2); p < m.newest().highWater; p++ {
		h := parsePageHeader(file[p*pageSize:])
		if h.id != p || h.flags != flagLeaf || h.overflow == 0 {
			continue
		}
		damaged := append([]byte(nil), file...)
		copy(damaged[(p+1)*pageSize:(p+2)*pageSize], storedtest.ProtobufSecret("shop", "b", make([]byte, pageSize)))
		_, gaps, err := Read(ctx, memory(damaged), Options{Path: "db", Prefix: "/registry"})
		if err != nil || len(gaps) == 0 {
			continue // not a page of the newest tree, or only a value was hit
		}
		torn++
		if last := gaps[len(gaps)-1]; !strings.Contains(last.Detail, "etcdctl snapshot save") {
			t.Errorf("page %d: %+v", p, gaps)
		}
	}
	if torn == 0 {
		t.Error("no run was torn")
	}
}
