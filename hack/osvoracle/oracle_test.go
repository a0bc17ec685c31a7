// Package osvoracle compares pkg/osv with a matcher that is made of other parts:
// encoding/json reads the records, the schema's pseudocode is written down as it is,
// and osv-scalibr orders the versions.
package osvoracle

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/osv-scalibr/semantic"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/apkversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/osv"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rpmversion"
)

// compare is osv-scalibr's order.
func compare(t testing.TB, ecosystem, a, b string) int {
	t.Helper()
	v, err := semantic.Parse(a, ecosystem)
	if err != nil {
		t.Fatalf("%q: %v", a, err)
	}
	result, err := v.CompareStr(b)
	if err != nil {
		t.Fatalf("%q, %q: %v", a, b, err)
	}
	return result
}

// version makes a version that occurs in package databases: numbers, letters, dots,
// tildes, an epoch, and a release.
func version(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(6) == 0 {
		fmt.Fprintf(&b, "%d:", r.IntN(3))
	}
	fmt.Fprint(&b, r.IntN(4))
	for range r.IntN(4) {
		b.WriteString([]string{".", ".", ".", "+", "~", ".rc", "a", "~rc", "+dfsg"}[r.IntN(9)])
		fmt.Fprint(&b, r.IntN(12))
	}
	b.WriteByte('-')
	fmt.Fprint(&b, r.IntN(4))
	for range r.IntN(3) {
		b.WriteString([]string{".", "+deb12u", "ubuntu", ".el9_", "~bpo"}[r.IntN(5)])
		fmt.Fprint(&b, r.IntN(12))
	}
	return b.String()
}

// apkVersion makes a version of apk-package(5). No number but the first begins with
// 0: there osv-scalibr follows apk 2, and we apk 3. It also has _cvs before a version
// without a suffix, where apk has it after that.
func apkVersion(r *rand.Rand) string {
	var b strings.Builder
	fmt.Fprint(&b, r.IntN(4))
	for range r.IntN(4) {
		fmt.Fprintf(&b, ".%d", 1+r.IntN(12))
	}
	if r.IntN(4) == 0 {
		b.WriteByte("abz"[r.IntN(3)])
	}
	if r.IntN(2) == 0 { // of several, without numbers, it also has another order
		b.WriteString([]string{"_alpha", "_beta", "_pre", "_rc", "_svn", "_git", "_hg", "_p"}[r.IntN(8)])
		if r.IntN(2) == 0 {
			fmt.Fprint(&b, 1+r.IntN(12))
		}
	}
	fmt.Fprintf(&b, "-r%d", r.IntN(4))
	return b.String()
}

// 10,000 pairs of versions have the same order here and there.
func TestOrders(t *testing.T) {
	apk := func(a, b string) int {
		result, known := apkversion.Compare(a, b)
		if !known {
			t.Errorf("%s and %s have no order", a, b)
		}
		return result
	}
	for ecosystem, ours := range map[string]func(a, b string) int{"Debian": debversion.Compare, "Rocky Linux": rpmversion.Compare, "Alpine": apk} {
		version := version
		if ecosystem == "Alpine" {
			version = apkVersion
		}
		t.Run(ecosystem, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			differ, equal := 0, 0
			for range 10_000 {
				a, b := version(r), version(r)
				want, got := compare(t, ecosystem, a, b), ours(a, b)
				if want == 0 {
					equal++
				}
				if want != got {
					if differ++; differ < 10 {
						t.Errorf("%s and %s: osv-scalibr says %d, we say %d", a, b, want, got)
					}
				}
			}
			t.Logf("10,000 pairs, %d equal, %d differences", equal, differ)
		})
	}
}

// The records, as the schema has them.
type (
	record struct {
		SchemaVersion string     `json:"schema_version"`
		ID            string     `json:"id"`
		Modified      string     `json:"modified"`
		Withdrawn     string     `json:"withdrawn,omitempty"`
		Affected      []affected `json:"affected"`
	}
	affected struct {
		Package  identity   `json:"package"`
		Ranges   []versions `json:"ranges,omitempty"`
		Versions []string   `json:"versions,omitempty"`
		Specific any        `json:"ecosystem_specific,omitempty"`
	}
	identity struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	}
	versions struct {
		Type   string  `json:"type"`
		Events []event `json:"events"`
	}
	event struct {
		Introduced   string `json:"introduced,omitempty"`
		Fixed        string `json:"fixed,omitempty"`
		LastAffected string `json:"last_affected,omitempty"`
		Limit        string `json:"limit,omitempty"`
	}
)

func (e event) version() string { return e.Introduced + e.Fixed + e.LastAffected + e.Limit }

// isVulnerable is the schema's pseudocode (section "Evaluation").
func isVulnerable(t testing.TB, r record, ecosystem, name, v string) bool {
	for _, a := range r.Affected {
		if r.Withdrawn == "" && a.Package == (identity{ecosystem, name}) && (includedInVersions(t, ecosystem, v, a.Versions) || includedInRanges(t, ecosystem, v, a.Ranges)) {
			return true
		}
	}
	return false
}

// includedInVersions takes equal versions that are written in another way for the
// same: "1" and "0:1".
func includedInVersions(t testing.TB, ecosystem, v string, list []string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return compare(t, ecosystem, one, v) == 0 })
}

func includedInRanges(t testing.TB, ecosystem, v string, ranges []versions) bool {
	for _, r := range ranges {
		if r.Type != "ECOSYSTEM" || !beforeLimits(t, ecosystem, v, r) {
			continue
		}
		vulnerable := false
		events := slices.Clone(r.Events)
		slices.SortStableFunc(events, func(a, b event) int {
			switch zero := func(e event) bool { return e.Introduced == "0" }; {
			case zero(a) && zero(b):
				return 0
			case zero(a):
				return -1
			case zero(b):
				return 1
			}
			return compare(t, ecosystem, a.version(), b.version())
		})
		for _, e := range events {
			switch {
			case e.Introduced == "0", e.Introduced != "" && compare(t, ecosystem, v, e.Introduced) >= 0:
				vulnerable = true
			case e.Fixed != "" && compare(t, ecosystem, v, e.Fixed) >= 0:
				vulnerable = false
			case e.LastAffected != "" && compare(t, ecosystem, v, e.LastAffected) > 0:
				vulnerable = false
			}
		}
		if vulnerable {
			return true
		}
	}
	return false
}

func beforeLimits(t testing.TB, ecosystem, v string, r versions) bool {
	limits := false
	for _, e := range r.Events {
		if e.Limit == "" {
			continue
		}
		limits = true
		if compare(t, ecosystem, v, e.Limit) < 0 {
			return true
		}
	}
	return !limits
}

// randomRecord has every form of the schema: several packages, entries of one package,
// ranges, versions, and events in any order.
func randomRecord(r *rand.Rand, version func(*rand.Rand) string, id, ecosystem string) record {
	out := record{SchemaVersion: "1.7.4", ID: id, Modified: "2026-11-20T00:00:00Z"}
	if r.IntN(15) == 0 {
		out.Withdrawn = "2026-11-21T00:00:00Z"
	}
	for range 1 + r.IntN(3) {
		a := affected{Package: identity{ecosystem, fmt.Sprintf("package-%d", r.IntN(40))}}
		if r.IntN(6) == 0 {
			a.Package.Ecosystem = []string{"Debian:11", "Ubuntu:22.04:LTS", "npm", "Rocky Linux:8"}[r.IntN(4)]
		}
		for range r.IntN(3) {
			one := versions{Type: "ECOSYSTEM", Events: []event{{Introduced: "0"}}}
			if r.IntN(2) == 0 {
				one.Events[0].Introduced = version(r)
			}
			for range r.IntN(4) {
				e := event{Fixed: version(r)}
				switch r.IntN(6) {
				case 0:
					e = event{Introduced: version(r)}
				case 1:
					e = event{LastAffected: version(r)}
				case 2:
					e = event{Limit: version(r)}
				}
				one.Events = append(one.Events, e)
			}
			r.Shuffle(len(one.Events), func(i, j int) { one.Events[i], one.Events[j] = one.Events[j], one.Events[i] })
			a.Ranges = append(a.Ranges, one)
		}
		for range r.IntN(4) {
			a.Versions = append(a.Versions, version(r))
		}
		if len(a.Ranges)+len(a.Versions) == 0 {
			a.Versions = []string{version(r)} // else nothing is decided
		}
		out.Affected = append(out.Affected, a)
	}
	return out
}

// Random databases say the same about random hosts.
func TestMatching(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for ecosystem, system := range map[string]fact.OSRelease{
		"Debian:12":     {ID: "debian", VersionID: "12"},
		"Rocky Linux:9": {ID: "rocky", VersionID: "9.3"},
		"Alpine:v3.19":  {ID: "alpine", VersionID: "3.19.1"},
	} {
		version := version
		if system.ID == "alpine" {
			version = apkVersion
		}
		t.Run(ecosystem, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			pairs, found := 0, 0
			for round := range 40 {
				host := &fact.Host{OS: system}
				for i := range 40 {
					host.Inventory = append(host.Inventory, fact.InstalledPackage{Name: fmt.Sprintf("package-%d", i), Arch: "x", Version: version(r)})
				}
				var records []record
				for i := range 250 { // few enough that all without a fix are listed
					records = append(records, randomRecord(r, version, fmt.Sprintf("X-%d", i), ecosystem))
				}
				var want []string
				for _, one := range records {
					for _, p := range host.Inventory {
						pairs++
						if isVulnerable(t, one, ecosystem, p.Name, p.Version) {
							want = append(want, one.ID+" "+p.Name)
						}
					}
				}
				query := osv.NewQuery()
				query.Add(host)
				data, err := osv.Read(t.Context(), published(t, records), query, now)
				if err != nil || data.Unreadable > 0 || data.Records != len(records) {
					t.Fatalf("%v %+v", err, data)
				}
				result := query.Of(host)
				var got []string
				for _, v := range result.Found {
					got = append(got, v.ID+" "+v.Package)
				}
				slices.Sort(want)
				slices.Sort(got)
				found += len(got)
				if !slices.Equal(want, got) || result.UndecidedCount > 0 {
					t.Fatalf("round %d: %d are vulnerable by the pseudocode, %d by us, %d undecided\nonly theirs: %v\nonly ours: %v",
						round, len(want), len(got), result.UndecidedCount, minus(want, got), minus(got, want))
				}
			}
			if found < 1000 {
				t.Errorf("only %d found", found)
			}
			t.Logf("%d pairs of a record and a package, %d vulnerable, 0 differences", pairs, found)
		})
	}
}

func minus(a, b []string) (out []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}

// published is a zip file of records.
func published(t testing.TB, records []record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "all.zip")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(file)
	for _, r := range records {
		f, err := w.Create(r.ID + ".json")
		if err == nil {
			err = json.NewEncoder(f).Encode(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
