package apkversion

import (
	"cmp"
	"strings"
	"testing"
)

// Each line rises strictly; the pairs within it follow from that. The first has all
// forms of apk-package(5).
func TestRisingVersions(t *testing.T) {
	for _, line := range []string{
		"1.0_alpha_pre1 1.0_alpha 1.0_alpha-r5 1.0_beta 1.0_pre 1.0_rc 1.0_rc1 1.0_rc1_p1 1.0_rc9 1.0_rc10 1.0 1.0-r0 1.0-r9 1.0-r10 1.0~abc 1.0~abc-r1 " +
			"1.0_cvs 1.0_svn 1.0_git 1.0_git1 1.0_git1~abc 1.0_git20240101 1.0_hg 1.0_p 1.0_p1 1.0_p1_p2 1.0a 1.0a-r0 1.0b 1.0.0 1.0.1 1.0.9 1.0.10 " +
			"1.01 1.09 1.1 1.9 1.10 9.9-r0 9.9_p1-r2 10.0",
		"1.010 1.09", // one has a leading zero: as text
		"6.6.58-r0 6.6.58-r1 6.6.60-r0 6.6.100-r0 6.12.1-r0",
		"3.20.3-r0 3.20.3-r1 3.21.0_alpha20240807-r0 3.21.0-r0",
		"0.9 1 1.0 01.1 2", // the first number is always a number
		"18446744073709551615 18446744073709551616",
		"1_p9 1_p10 1_p10~0 1_p10~1 1_p10~1a",
	} {
		versions := strings.Fields(line)
		for i := range versions {
			for j := range versions {
				if got, known := Compare(versions[i], versions[j]); !known || got != cmp.Compare(i, j) {
					t.Errorf("Compare(%q, %q): want %d, got %d, known %v", versions[i], versions[j], cmp.Compare(i, j), got, known)
				}
			}
		}
	}
}

func TestEqualVersions(t *testing.T) {
	for _, pair := range [][2]string{{"1.0", "1.0"}, {"01.2", "1.2"}, {"1_p01", "1_p1"}, {"1-r01", "1-r1"}} {
		if got, known := Compare(pair[0], pair[1]); got != 0 || !known {
			t.Errorf("Compare(%q, %q): want 0, got %d, known %v", pair[0], pair[1], got, known)
		}
	}
}

func TestInvalidVersions(t *testing.T) {
	for _, version := range []string{
		"", "a", ".1", "1.", "1.a", "1..2", "1.0aa", "1.0a.1", "1.0A", "1_", "1_foo", "1_1", "1_rc1a", "1_P1", "1~", "1~xyz", "1~ABC", "1~a~b", "1~a_p1",
		"1-r", "1-1", "1-ra", "1-r1-r2", "1-r1_p1", "1.0 ", "1:2", "1.0+git", "v1.0", "1.0-r0\n",
	} {
		if Valid(version) {
			t.Errorf("%q is taken for a version", version)
		}
		for _, pair := range [][2]string{{version, "1.0"}, {"1.0", version}, {version, version}} {
			if order, known := Compare(pair[0], pair[1]); known || order != 0 {
				t.Errorf("Compare(%q, %q): %d, known %v", pair[0], pair[1], order, known)
			}
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		version, prefix string
		want            bool
	}{
		{"1.6.3-r0", "1.6", true},
		{"1.6-r1", "1.6", true},
		{"1.6", "1.6", true},
		{"1.60-r0", "1.6", false},
		{"1.7.0", "1.6", false},
		{"1", "1.6", false},
		{"1.6_rc1", "1.6", true},
		{"1.6-r1", "1.6-r2", false},
		{"x", "1", false},
		{"1", "x", false},
	} {
		if got := Matches(tc.version, tc.prefix); got != tc.want {
			t.Errorf("Matches(%q, %q) is %v", tc.version, tc.prefix, got)
		}
	}
}

// The order is one: a comparison the other way round has the other sign, a version
// equals itself, two steps up are up. Text comparison of some numbers breaks the last
// (1.010 < 1.09, 1.09 < 1.9, but see the pairs), so it is held without leading zeros.
func FuzzCompare(f *testing.F) {
	f.Add("1.0_rc1-r0", "1.0", "1.0a_p1~abc-r2")
	f.Add("1.0.1", "1.1", "1_alpha_pre1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, v := range []string{a, b, c} {
			if order, known := Compare(v, v); order != 0 || known != Valid(v) {
				t.Errorf("%q and itself: %d, known %v", v, order, known)
			}
		}
		x, known := Compare(a, b)
		if known != (Valid(a) && Valid(b)) {
			t.Errorf("Compare(%q, %q): known is %v", a, b, known)
		}
		if y, _ := Compare(b, a); x != -y {
			t.Errorf("Compare(%q, %q) is %d, and %d the other way round", a, b, x, y)
		}
		y, _ := Compare(b, c)
		if z, _ := Compare(a, c); x < 0 && y < 0 && z >= 0 && !leadingZero(a+" "+b+" "+c) {
			t.Errorf("%q < %q < %q, but not the first and the last", a, b, c)
		}
		if Valid(a) && !Matches(a, a) {
			t.Errorf("%q does not match itself", a)
		}
	})
}

func leadingZero(s string) bool { return strings.Contains(s, ".0") }

func BenchmarkCompare(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Compare("3.21.0_alpha20240807-r0", "3.21.0-r0")
	}
}
