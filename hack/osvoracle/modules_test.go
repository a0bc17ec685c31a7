package osvoracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/modversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/osv"
)

// semverVersion and pep440Version make versions of their ecosystems.
func semverVersion(r *rand.Rand) string {
	v := fmt.Sprintf("%d.%d.%d", r.IntN(3), r.IntN(3), r.IntN(12))
	switch r.IntN(4) {
	case 0:
		v += "-" + []string{"alpha", "beta", "rc", "0.20200101000000-abcdefabcdef"}[r.IntN(4)]
		for range r.IntN(3) {
			v += "." + []string{"1", "2", "11", "x", "beta"}[r.IntN(5)]
		}
	case 1:
		v += []string{"+incompatible", "+build.1"}[r.IntN(2)]
	}
	return v
}

func pep440Version(r *rand.Rand) string {
	v := ""
	if r.IntN(8) == 0 {
		v = fmt.Sprintf("%d!", r.IntN(2))
	}
	v += fmt.Sprint(r.IntN(3))
	for range r.IntN(3) {
		v += fmt.Sprintf(".%d", r.IntN(11))
	}
	if r.IntN(3) == 0 {
		v += []string{"", ".", "-", "_"}[r.IntN(4)] + []string{"a", "b", "rc", "alpha", "beta", "c", "pre", "preview"}[r.IntN(8)] + fmt.Sprint(r.IntN(3))
	}
	if r.IntN(4) == 0 {
		v += []string{".post", "post", "-", ".rev", "-r"}[r.IntN(5)] + fmt.Sprint(r.IntN(3))
	}
	if r.IntN(4) == 0 {
		v += []string{".dev", "dev", "-dev"}[r.IntN(3)] + fmt.Sprint(r.IntN(3))
	}
	if r.IntN(6) == 0 {
		v += "+" + []string{"local", "1", "ubuntu.2", "2.a", "a"}[r.IntN(5)]
	}
	return v
}

// gemVersion has no minus, which RubyGems reads as .pre. and osv-scalibr does not.
func gemVersion(r *rand.Rand) string {
	words := []string{fmt.Sprint(r.IntN(3))}
	for range r.IntN(4) {
		words = append(words, []string{"0", "1", "2", "10", "a", "pre", "rc1", "beta2"}[r.IntN(8)])
	}
	return strings.Join(words, ".")
}

// 10,000 pairs of versions of each language's ecosystem have the same order here and
// there.
func TestModuleOrders(t *testing.T) {
	for ecosystem, tc := range map[string]struct {
		version func(*rand.Rand) string
		ours    func(a, b string) (int, bool)
	}{
		"npm": {semverVersion, modversion.Semver}, "Go": {semverVersion, modversion.Semver},
		"PyPI": {pep440Version, modversion.PEP440}, "RubyGems": {gemVersion, modversion.Gem},
	} {
		t.Run(ecosystem, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			differ, equal := 0, 0
			for range 10_000 {
				a, b := tc.version(r), tc.version(r)
				got, known := tc.ours(a, b)
				want := compare(t, ecosystem, a, b)
				if want == 0 {
					equal++
				}
				if !known || want != got {
					if differ++; differ < 10 {
						t.Errorf("%s and %s: osv-scalibr says %d, we say %d (%t)", a, b, want, got, known)
					}
				}
			}
			t.Logf("10,000 pairs, %d equal, %d differences", equal, differ)
		})
	}
}

// Random databases say the same about random modules.
func TestModuleMatching(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for ecosystem, version := range map[string]func(*rand.Rand) string{"Go": semverVersion, "npm": semverVersion, "PyPI": pep440Version, "RubyGems": gemVersion} {
		t.Run(ecosystem, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 8))
			pairs, found := 0, 0
			for round := range 40 {
				image := &fact.ImageInventory{}
				for i := range 10 {
					v := version(r)
					if ecosystem == "Go" {
						v = "v" + v
					}
					image.Modules = append(image.Modules, fact.Module{Ecosystem: ecosystem, Name: fmt.Sprintf("package-%d", i), Version: v})
				}
				var records []record
				var want []string
				for i := range 15 { // few enough that all are listed
					one := randomRecord(r, version, fmt.Sprintf("X-%d", i), ecosystem)
					for _, m := range image.Modules {
						pairs++
						if isVulnerable(t, one, ecosystem, m.Name, strings.TrimPrefix(m.Version, "v")) {
							want = append(want, one.ID+" "+m.Name)
						}
					}
					if ecosystem == "Go" || ecosystem == "npm" {
						for j := range one.Affected {
							for k := range one.Affected[j].Ranges {
								one.Affected[j].Ranges[k].Type = "SEMVER"
							}
						}
					}
					records = append(records, one)
				}
				query := osv.NewQuery()
				query.AddImage(image)
				data, err := osv.Read(t.Context(), published(t, records), query, now)
				if err != nil || data.Unreadable > 0 || data.Records != len(records) {
					t.Fatalf("%v %+v", err, data)
				}
				part := query.OfImage(image).Parts[0]
				var got []string
				for _, v := range part.Found {
					got = append(got, v.ID+" "+v.Package)
				}
				slices.Sort(want)
				slices.Sort(got)
				found += len(got)
				if !slices.Equal(want, got) || part.UndecidedCount > 0 {
					t.Fatalf("round %d: %d are vulnerable by the pseudocode, %d by us, %d undecided\nonly theirs: %v\nonly ours: %v",
						round, len(want), len(got), part.UndecidedCount, minus(want, got), minus(got, want))
				}
			}
			if found < 40 {
				t.Errorf("only %d found", found)
			}
			t.Logf("%d pairs of a record and a module, %d vulnerable, 0 differences", pairs, found)
		})
	}
}
