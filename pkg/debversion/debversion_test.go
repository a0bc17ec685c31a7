package debversion

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestCompare(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b string
		want int
	}{
		"equal":                                     {"1.2-3", "1.2-3", 0},
		"the epoch comes first":                     {"1:1.0", "2.0", 1},
		"a missing epoch is 0":                      {"0:1.0", "1.0", 0},
		"a missing revision is 0":                   {"1.0-0", "1.0", 0},
		"the last hyphen starts the revision":       {"1-2-3", "1-2-4", -1},
		"numbers compare as numbers":                {"1.9", "1.10", -1},
		"leading zeros do not count":                {"1.002", "1.2", 0},
		"a tilde sorts before the end":              {"1.0~rc1", "1.0", -1},
		"two tildes sort before one":                {"1.0~~", "1.0~", -1},
		"a letter sorts before other signs":         {"1.0a", "1.0+", -1},
		"a longer run of letters is newer":          {"1.0ab", "1.0a", 1},
		"a plus is newer than the end":              {"1.0+deb12u1", "1.0", 1},
		"numbers beyond 64 bits":                    {"1.99999999999999999999999", "1.100000000000000000000000", -1},
		"a security revision next to a point one":   {"3.0.19-1~deb12u2", "3.0.22-1~deb12u2", -1},
		"ABI numbers of kernel releases":            {"6.1.0-9", "6.1.0-10", -1},
		"an Ubuntu backport":                        {"5.15.0-91.101~20.04.1", "5.15.0-91.101", -1},
		"a word before the colon is not an epoch":   {"a:1", "a:2", -1},
		"the revision decides when upstream is one": {"2.36-9+deb12u10", "2.36-9+deb12u9", 1},
		"empty is the oldest":                       {"", "0.0.1", -1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Compare(tc.a, tc.b); got != tc.want {
				t.Errorf("Compare(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
			}
			if got := Compare(tc.b, tc.a); got != -tc.want {
				t.Errorf("Compare(%q, %q) = %d, want %d", tc.b, tc.a, got, -tc.want)
			}
		})
	}
}

func TestUpstream(t *testing.T) {
	for version, want := range map[string]string{
		"1:6.1.192-2": "6.1.192", "6.1.192": "6.1.192", "1-2-3": "1-2", "": "",
	} {
		if got := Upstream(version); got != want {
			t.Errorf("Upstream(%q) = %q, want %q", version, got, want)
		}
	}
}

// TestCompareAgreesWithDpkg asks dpkg itself about neighbours in the order of
// all versions that this machine's package lists know.
func TestCompareAgreesWithDpkg(t *testing.T) {
	if testing.Short() {
		t.Skip("starts dpkg thousands of times")
	}
	dpkg := requireTool(t, "dpkg")
	versions := knownVersions(t)
	slices.SortFunc(versions, Compare)

	const wanted = 3000
	var pairs []pair
	step := max(1, len(versions)/(wanted/2)) // spread over the whole order
	for i := 0; i+2 < len(versions) && len(pairs) < wanted; i += step {
		pairs = append(pairs, pair{versions[i+1], versions[i]}, pair{versions[i], versions[i+2]})
	}
	if len(pairs) < wanted {
		message := "only %d pairs of versions; run apt-get update for %d"
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
			t.Fatalf(message, len(pairs), wanted)
		}
		t.Skipf(message, len(pairs), wanted)
	}

	askDpkg(t, dpkg, pairs)
	t.Logf("%d pairs of %d versions", len(pairs), len(versions))
}

type pair struct{ a, b string }

// askDpkg compares each pair with dpkg's answer.
func askDpkg(t *testing.T, dpkg string, pairs []pair) {
	t.Helper()
	operators := map[int]string{-1: "lt", 0: "eq", 1: "gt"}
	work := make(chan pair)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for p := range work {
				operator := operators[Compare(p.a, p.b)]
				err := exec.Command(dpkg, "--compare-versions", p.a, operator, p.b).Run()
				var exit *exec.ExitError
				if errors.As(err, &exit) && exit.ExitCode() == 1 {
					t.Errorf("we say %q %s %q, dpkg does not", p.a, operator, p.b)
				} else if err != nil {
					t.Errorf("dpkg --compare-versions %q %s %q: %v", p.a, operator, p.b, err)
				}
			}
		})
	}
	for _, p := range pairs {
		work <- p
	}
	close(work)
	group.Wait()
}

// TestGeneratedVersionsAgreeWithDpkg asks dpkg about versions of every form that
// deb-version(7) permits: 500 pairs, or 10,000 with CHECKLIST_ALL_PAIRS=1.
func TestGeneratedVersionsAgreeWithDpkg(t *testing.T) {
	if testing.Short() {
		t.Skip("starts dpkg hundreds of times")
	}
	dpkg := requireTool(t, "dpkg")
	count := 500
	if os.Getenv("CHECKLIST_ALL_PAIRS") == "1" {
		count = 10_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	part := func(extra ...string) string {
		out := ""
		for range 1 + r.IntN(6) {
			out += pick(append([]string{"0", "00", "1", "01", "9", "10", "99999999999999999999", ".", "+", "~", "~~", "a", "Z", "rc", "deb12u", "+b"}, extra...)...)
		}
		return out
	}
	version := func() string {
		epoch, revision := pick("", "", "", "0:", "1:", "10:"), ""
		if r.IntN(3) > 0 {
			revision = "-" + part()
		}
		upstream := pick("0", "1", "10") + part()
		if epoch != "" && r.IntN(4) == 0 {
			upstream += ":" + part() // with an epoch, colons are allowed
		}
		if revision != "" && r.IntN(4) == 0 {
			upstream += "-" + part()
		}
		return epoch + upstream + revision
	}
	pairs := make([]pair, count)
	for i := range pairs {
		a := version()
		b := version()
		if r.IntN(3) > 0 { // a neighbour
			b = a
			for range 1 + r.IntN(2) {
				at := r.IntN(len(b) + 1)
				b = b[:at] + pick("0", "1", "~", ".", "a", "+") + b[at:]
			}
			if b[0] < '0' || b[0] > '9' {
				b = "0" + b
			}
			if epoch, _, found := strings.Cut(b, ":"); found && strings.Trim(epoch, "0123456789") != "" {
				b = strings.ReplaceAll(b, ":", ".")
			}
		}
		if r.IntN(2) == 0 {
			a, b = b, a
		}
		pairs[i] = pair{a, b}
	}
	askDpkg(t, dpkg, pairs)
	t.Logf("%d pairs", len(pairs))
}

// requireTool finds a program, or ends the test: skipped on a machine without
// it, failed where CHECKLIST_REQUIRE_TOOLS=1 says that everything is installed.
func requireTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// knownVersions returns the distinct versions in apt's lists (decompressed by
// apt's own helper) and in dpkg's database.
func knownVersions(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	collect := func(data []byte) {
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if version, found := strings.CutPrefix(lines.Text(), "Version: "); found {
				seen[version] = true
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	status, err := os.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		t.Skip(err)
	}
	collect(status)
	lists, err := filepath.Glob("/var/lib/apt/lists/*_Packages*")
	if err != nil {
		t.Fatal(err)
	}
	const helper = "/usr/lib/apt/apt-helper"
	for _, list := range lists {
		data, err := exec.Command(helper, "cat-file", list).Output()
		if err != nil {
			t.Fatalf("%s cat-file %s: %v", helper, list, err)
		}
		collect(data)
	}
	versions := make([]string, 0, len(seen))
	for version := range seen {
		versions = append(versions, version)
	}
	slices.Sort(versions)
	return versions
}

// FuzzCompare holds the laws of an order: reflexive, antisymmetric, transitive.
func FuzzCompare(f *testing.F) {
	f.Add("1.0-1", "1.0-1+b1", "1:0.9")
	f.Add("1.0~rc1", "1.0", "1.0a")
	f.Add("6.1.0-9", "6.1.0-10", "6.1.0-10~bpo11+1")
	f.Add("", "~", "~~")
	f.Add("00:1", ":1", "a:1")
	f.Add("1.2", "1.02", "1.2-0")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, bc, ac := Compare(a, b), Compare(b, c), Compare(a, c)
		if got := Compare(a, a); got != 0 {
			t.Errorf("Compare(%q, itself) = %d", a, got)
		}
		if got := Compare(b, a); got != -ab {
			t.Errorf("Compare(%q, %q) = %d, the other way %d", a, b, ab, got)
		}
		switch {
		case ab == 0 && ac != bc:
			t.Errorf("%q equals %q, but %d and %d against %q", a, b, ac, bc, c)
		case bc == 0 && ab != ac:
			t.Errorf("%q equals %q, but %d and %d for %q", b, c, ab, ac, a)
		case ab == bc && ac != ab:
			t.Errorf("%q, %q, %q: %d, %d, but %d", a, b, c, ab, bc, ac)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Compare("1:2.66-4+deb12u2+b2", "1:2.66-4+deb12u3+b1")
	}
}
