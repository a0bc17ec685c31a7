package sorted

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// The order is that of package slices, of equal elements too.
func TestIsThatOfSlices(t *testing.T) {
	type element struct {
		key   int
		place int
		text  string
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := r.IntN(200)
		var given []element
		for i := range n {
			given = append(given, element{r.IntN(1 + n/3), i, string(rune('a' + r.IntN(26)))})
		}
		if r.IntN(4) == 0 {
			slices.SortFunc(given, func(a, b element) int { return cmp.Compare(b.key, a.key) })
		}
		compare := func(a, b element) int { return cmp.Compare(a.key, b.key) }

		want, got := slices.Clone(given), slices.Clone(given)
		slices.SortFunc(want, compare)
		Func(got, compare)
		if !slices.Equal(want, got) {
			t.Fatalf("Func of %v: expected %v, found %v", given, want, got)
		}

		want, got = slices.Clone(given), slices.Clone(given)
		slices.SortStableFunc(want, compare)
		Stable(got, compare)
		if !slices.Equal(want, got) {
			t.Fatalf("Stable of %v: expected %v, found %v", given, want, got)
		}
	}
}
