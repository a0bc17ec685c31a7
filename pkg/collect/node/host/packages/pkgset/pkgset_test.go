package pkgset

import "testing"

func TestSum(t *testing.T) {
	sum := func(packages ...[3]string) string {
		var s Set
		s.Add("left", "over", "1")
		s.Reset()
		for _, p := range packages {
			s.Add(p[0], p[1], p[2])
		}
		return s.Sum()
	}
	a, b := [3]string{"a", "amd64", "1"}, [3]string{"b", "amd64", "1"}
	if got := sum(); got != "" {
		t.Errorf("an empty set: %q", got)
	}
	if got := sum(a, b); len(got) != 64 || got != sum(b, a) {
		t.Errorf("the order counts: %s, %s", got, sum(b, a))
	}
	for name, other := range map[string]string{
		"fewer": sum(a), "twice": sum(a, b, b), "another version": sum(a, [3]string{"b", "amd64", "2"}),
		"another architecture": sum(a, [3]string{"b", "arm64", "1"}), "shifted": sum(a, [3]string{"b", "amd641", ""}),
	} {
		if other == sum(a, b) {
			t.Errorf("%s: the same sum", name)
		}
	}
}
