package packages

import (
	"cmp"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/apt"
)

// Whatever is in the list can be told apart, and has an order.
func TestManagers(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Managers() {
		if m.Name() == "" || m.Database() == "" || seen[m.Name()] {
			t.Errorf("%q with its database in %q: no name, no place, or twice in the list", m.Name(), m.Database())
		}
		seen[m.Name()] = true
		for _, pair := range [][2]string{{"1.0", "1.1"}, {"1.1", "1.0"}, {"1.0", "1.0"}} {
			want := cmp.Compare(pair[0], pair[1])
			if got := m.Compare(pair[0], pair[1]); got != want || m.Compare(pair[1], pair[0]) != -want {
				t.Errorf("%s: %v compare as %d, want %d", m.Name(), pair, got, want)
			}
		}
	}
	if got := Managers()[0].Compare("1.0~rc1", "1.0"); got != -1 {
		t.Errorf("apt's order of a tilde is %d: not deb-version(7)'s", got)
	}
}

// backwards is a manager whose order no other has.
type backwards struct{ apt.Manager }

func (backwards) Name() string { return "back" }

func (backwards) Compare(a, b string) int { return cmp.Compare(b, a) }

// Updates are sorted by the manager's own order, and no byte of a database gets
// out that is no text.
func TestFinish(t *testing.T) {
	state := &fact.PackageState{Pending: []fact.PendingUpdate{
		{Name: "b", Candidate: "1"}, {Name: "a\xff", Arch: "z", Candidate: "1"}, {Name: "a\xff", Arch: "y", Candidate: "1"}, {Name: "a\xff", Arch: "y", Candidate: "2\xfe"},
	}}
	finish(backwards{}, state)
	want := &fact.PackageState{Manager: "back", Pending: []fact.PendingUpdate{
		{Name: `a\xff`, Arch: "y", Candidate: `2\xfe`}, {Name: `a\xff`, Arch: "y", Candidate: "1"}, {Name: `a\xff`, Arch: "z", Candidate: "1"}, {Name: "b", Candidate: "1"},
	}}
	if diff := gocmp.Diff(want, state); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
