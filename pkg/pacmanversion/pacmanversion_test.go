package pacmanversion

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Each line rises strictly; the pairs within it follow from that. The first three
// are those of vercmp(8).
func TestRisingVersions(t *testing.T) {
	for _, line := range []string{
		"1.0a 1.0b 1.0beta 1.0p 1.0pre 1.0rc 1.0 1.0.a 1.0.1",
		"1 1.0 1.1 1.1.1 1.2 2.0 3.0.0",
		"2.0-13 1:1.0-1 1:1.0-2 2:0.1-1",
		"9 10 0:11 1:1",
		"1.0 1.0~1", // not a pre-release, as it is for rpm and dpkg
		"1.0 1..0",
		"6.11.5.arch1-1 6.11.5.arch1-2 6.11.6.arch1-1 6.11.10.arch1-1 6.12.arch1-1 6.12.1.arch1-1",
		"6.11-arch1-1 6.11.1-arch1-1 6.11.10-arch1-1",
		"r99.abc-1 r100.abc-1",
	} {
		versions := strings.Fields(line)
		for i := range versions {
			for j := range versions {
				if got, want := Compare(versions[i], versions[j]), cmp.Compare(i, j); got != want {
					t.Errorf("Compare(%q, %q): want %d, got %d", versions[i], versions[j], want, got)
				}
			}
		}
	}
}

func TestEqualVersions(t *testing.T) {
	for _, pair := range [][2]string{
		{"1.5-1", "1.5"},
		{"1.05", "1.5"},
		{"0:1-1", "1-1"},
		{"1_0", "1.0"},
		{"", ""},
		{"00", "0"},
		{":1-1", "1-1"},
		{"6.11.5-arch1-1", "6.11.5.arch1-1"}, // a kernel's release and its package's version
	} {
		if got := Compare(pair[0], pair[1]); got != 0 {
			t.Errorf("Compare(%q, %q): want 0, got %d", pair[0], pair[1], got)
		}
	}
}

func TestSplit(t *testing.T) {
	type parts struct {
		epoch, version, release string
		has                     bool
	}
	for evr, want := range map[string]parts{
		"1:2-3": {"1", "2", "3", true}, "2-3": {"0", "2", "3", true}, "2": {"0", "2", "", false}, "x:2-3": {"0", "x:2", "3", true},
		"1:2-3-4": {"1", "2-3", "4", true}, ":1-2": {"0", "1", "2", true}, "": {"0", "", "", false}, "2-": {"0", "2", "", true},
	} {
		epoch, version, release, has := Split(evr)
		if got := (parts{epoch, version, release, has}); got != want {
			t.Errorf("Split(%q): want %+v, got %+v", evr, want, got)
		}
	}
}

// randomVersion is made of what versions are made of, epochs and releases included.
func randomVersion(r *rand.Rand) string {
	pieces := []string{"0", "1", "2", "9", "10", "007", "20240101", ".", ".", ".", "_", "+", "~", "^", "a", "b", "rc", "arch", "git", "Z", ".."}
	var b strings.Builder
	if r.IntN(5) == 0 {
		fmt.Fprintf(&b, "%d:", r.IntN(3))
	}
	for range 1 + r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	if r.IntN(3) > 0 {
		fmt.Fprintf(&b, "-%d", 1+r.IntN(11))
		if r.IntN(5) == 0 {
			fmt.Fprintf(&b, ".%d", r.IntN(3))
		}
	}
	return b.String()
}

// 1,500 generated pairs against pacman's own vercmp, which compares one pair a call:
// 10,000 with CHECKLIST_ALL_PAIRS=1.
func TestAgainstVercmp(t *testing.T) {
	vercmp, err := exec.LookPath("vercmp")
	if err != nil {
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("vercmp is not installed")
	}
	pairs := 1500
	if os.Getenv("CHECKLIST_ALL_PAIRS") == "1" {
		pairs = 10_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	list := make([][2]string, pairs)
	var input bytes.Buffer
	for i := range list {
		list[i] = [2]string{randomVersion(r), randomVersion(r)}
		switch i % 3 {
		case 0: // neighbours: one piece more, or another separator
			list[i][1] = list[i][0] + randomVersion(r)
		case 1:
			list[i][1] = strings.Replace(list[i][0], ".", []string{"..", "_", "", ".0"}[r.IntN(4)], 1)
		}
		fmt.Fprintf(&input, "%s %s\n", list[i][0], list[i][1])
	}
	loop := exec.Command("sh", "-c", `while read -r a b; do "$0" "$a" "$b"; done`, vercmp)
	loop.Stdin = &input
	out, err := loop.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != pairs {
		t.Fatalf("vercmp answered %d of %d pairs", len(lines), pairs)
	}
	answers := map[int]int{}
	for i, line := range lines {
		want, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		answers[want]++
		if got := Compare(list[i][0], list[i][1]); got != want {
			t.Errorf("Compare(%q, %q): vercmp says %d, we say %d", list[i][0], list[i][1], want, got)
		}
	}
	t.Logf("%d pairs, by answer: %v", pairs, answers)
}

// A comparison the other way round has the other sign, a version equals itself, and
// where all three have a release and no separators at an end, the order is transitive.
func FuzzCompare(f *testing.F) {
	f.Add("1:1.0-1", "1.0~rc1-1", "1.0-2")
	f.Add("1.0", "1.0.a", "1.0a")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if Compare(a, a) != 0 {
			t.Errorf("%q is not equal to itself", a)
		}
		x, y := Compare(a, b), Compare(b, a)
		if x != -y {
			t.Errorf("Compare(%q, %q) is %d, and %d the other way round", a, b, x, y)
		}
		if z := Compare(b, c); x < 0 && z < 0 && packaged(a) && packaged(b) && packaged(c) && Compare(a, c) >= 0 {
			t.Errorf("%q < %q < %q, but not the first and the last", a, b, c)
		}
	})
}

// packaged reports whether makepkg(8) would give a package this version: single
// separators between digits and letters, and a release that is a number.
func packaged(version string) bool {
	_, v, release, has := Split(version)
	if !has || v == "" || strings.Trim(release, "0123456789") != "" || release == "" {
		return false
	}
	for i := range len(v) {
		if isDigit(v[i]) || isLetter(v[i]) {
			continue
		}
		if v[i] != '.' && v[i] != '_' && v[i] != '+' || i == 0 || i == len(v)-1 || separators(v[i:]) != 1 {
			return false
		}
	}
	return true
}

func BenchmarkCompare(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Compare("1:6.11.5.arch1-1", "1:6.11.10.arch1-1")
	}
}
