package rpm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/rpmdb"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Updates are bounded by their number and by their texts, so that a repository cannot
// take the probe's memory.
func TestOffersAreBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		packages int
		evr      string
		want     bool
	}{
		"as many as are kept":    {maxOffers, "2-1", false},
		"one more":               {maxOffers + 1, "2-1", true},
		"few with long versions": {maxOfferTexts/4000 + 1, strings.Repeat("2", 4000), true},
	} {
		db := newDatabase()
		o := newOffers(db)
		for i := range tc.packages {
			db.add(&rpmdb.Package{Name: fmt.Sprintf("p%d", i), Version: "1", Release: "1", Arch: "x86_64"})
		}
		var err error
		db.each(func(p *installed) {
			if err == nil {
				err = o.offer(p, version{evr: tc.evr, repo: &repository{}}, false)
			}
		})
		if errors.Is(err, rootfs.ErrTooLarge) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
