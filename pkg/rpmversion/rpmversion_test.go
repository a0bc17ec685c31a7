package rpmversion

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

// Each line rises strictly; the pairs within it follow from that.
func TestRisingVersions(t *testing.T) {
	for _, line := range []string{
		"1.0~rc1 1.0~rc2 1.0 1.0^20200101 1.0^20200102 1.0.1",
		"1.0^~git1 1.0^ 1.0^1 1.0.a 1.0.1",
		"1.0a 1.0b 1.0.1 1.1 1.9 1.10",
		"9 10 1:1 2:0.1",
		"5.14.0-427.el9 5.14.0-427.13.1.el9_4 5.14.0-427.16.1.el9_4 5.14.0-503.11.1.el9_5",
		"4.18.0-553.el8_10 4.18.0-553.5.1.el8_10 4.18.0-553.16.1.el8_10",
		"5.15.0-206.153.7.el9uek 5.15.0-300.163.18.el9uek 5.15.0-302.167.6.el9uek",
		"6.1.112-122.189.amzn2023 6.1.115-126.197.amzn2023 6.12.5-1.amzn2023",
		"5.3.18-150300.59.93.1 5.3.18-150300.59.101.1 5.14.21-150400.24.100.2",
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
		{"4.el9_1", "4.el9.1"}, {"1.05", "1.5"}, {"0:1-1", "1-1"}, {"1..0", "1.0"}, {"a+b", "a_b"}, {"", ""}, {"00", "0"},
	} {
		if got := Compare(pair[0], pair[1]); got != 0 {
			t.Errorf("Compare(%q, %q): want 0, got %d", pair[0], pair[1], got)
		}
	}
}

func TestSplit(t *testing.T) {
	for evr, want := range map[string][3]string{
		"1:2-3": {"1", "2", "3"}, "2-3": {"", "2", "3"}, "2": {"", "2", ""}, "x:2-3": {"", "x:2", "3"}, "1:2-3-4": {"1", "2-3", "4"}, ":1-2": {"", "1", "2"}, "": {},
	} {
		epoch, version, release := Split(evr)
		if got := [3]string{epoch, version, release}; got != want {
			t.Errorf("Split(%q): want %q, got %q", evr, want, got)
		}
	}
}

// randomVersion is made of what versions and releases are made of.
func randomVersion(r *rand.Rand) string {
	pieces := []string{"0", "1", "2", "9", "10", "007", "20240101", ".", ".", "_", "+", "~", "^", "a", "b", "rc", "el9", "git", "Z"}
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// 10,000 generated pairs, against rpm itself (its Lua function rpm.vercmp).
func TestAgainstRPM(t *testing.T) {
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("rpm is not installed")
	}
	const pairs = 10_000
	r := rand.New(rand.NewPCG(1, 2))
	list := make([][2]string, pairs)
	for i := range list {
		list[i] = [2]string{randomVersion(r), randomVersion(r)}
		if i%3 == 0 { // neighbours: one piece more, or another separator
			list[i][1] = list[i][0] + randomVersion(r)
		}
	}
	out, err := rpmLua(rpm, list)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != pairs {
		t.Fatalf("rpm answered %d of %d pairs", len(lines), pairs)
	}
	for i, line := range lines {
		want, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := Part(list[i][0], list[i][1]); got != want {
			t.Errorf("Part(%q, %q): rpm says %d, we say %d", list[i][0], list[i][1], want, got)
		}
	}
}

// rpmLua asks rpm in portions, since a macro's text is bounded.
func rpmLua(rpm string, list [][2]string) ([]byte, error) {
	var all bytes.Buffer
	for len(list) > 0 {
		n := min(len(list), 200)
		var lua strings.Builder
		lua.WriteString("%{lua:")
		for _, p := range list[:n] {
			fmt.Fprintf(&lua, "print(rpm.vercmp('%s','%s')..' ')", p[0], p[1])
		}
		lua.WriteString("}")
		out, err := exec.Command(rpm, "--eval", lua.String()).Output()
		if err != nil {
			return nil, fmt.Errorf("rpm --eval: %w", err)
		}
		all.Write(out)
		list = list[n:]
	}
	return all.Bytes(), nil
}

// The order is one: a comparison the other way round has the other sign, and a
// version equals itself.
func FuzzCompare(f *testing.F) {
	f.Add("1:1.0-1.el9", "1.0~rc1-1")
	f.Add("1.0^git", "1.0")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Compare(a, a) != 0 {
			t.Errorf("%q is not equal to itself", a)
		}
		if x, y := Compare(a, b), Compare(b, a); x != -y {
			t.Errorf("Compare(%q, %q) is %d, and %d the other way round", a, b, x, y)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Compare("5.14.0-427.13.1.el9_4", "5.14.0-427.16.1.el9_4")
	}
}
