package osv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// everyday is a record of the size and form of a published one: a CVE of an upstream,
// in three releases, with the versions that osv.dev fills in.
func everyday(i int, name string) string {
	versions := everydayVersions[i%7]
	var affected []string
	for _, release := range []string{"11", "12", "13"} {
		affected = append(affected, fmt.Sprintf(
			`{"package":{"name":%q,"ecosystem":"Debian:%s","purl":"pkg:deb/debian/%s?arch=source"},"ranges":[{"type":"ECOSYSTEM",`+
				`"events":[{"introduced":"0"},{"fixed":"1.%d.%d-1"}]}],"versions":[%s"0"],"ecosystem_specific":{"urgency":"not yet assigned"}}`,
			name, release, name, i%7, i%40, versions))
	}
	return fmt.Sprintf(`{"schema_version":"1.7.3","id":"DEBIAN-CVE-2026-%d","published":"2026-10-01T10:15:10.327Z","modified":"2026-11-20T11:00:05.986201214Z",`+
		`"upstream":["CVE-2026-%d"],"details":%q,"affected":[%s],"references":[{"type":"ADVISORY","url":"https://tracker.example/CVE-2026-%d"}],`+
		`"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]}`,
		i, i, strings.Repeat("A flaw in the handling of \"quoted\" names. ", 8), strings.Join(affected, ","), i)
}

var everydayVersions = func() (texts [7]string) {
	for i := range texts {
		for v := range 40 {
			texts[i] += fmt.Sprintf(`"1.%d.%d-1",`, i, v)
		}
	}
	return texts
}()

func asked(names ...string) *Query {
	host := &fact.Host{OS: debian}
	for _, name := range names {
		host.Inventory = append(host.Inventory, pkg(name, "1.3.20-1"))
	}
	q := NewQuery()
	q.Add(host)
	return q
}

// BenchmarkRecord reads records of packages that no host has, as nearly all of a
// database are, and of one that a host has.
func BenchmarkRecord(b *testing.B) {
	for name, of := range map[string]string{"of another package": "other", "of an installed package": "openssl"} {
		b.Run(name, func(b *testing.B) {
			text := []byte(everyday(17, of))
			q := asked("openssl", "zlib", "bash")
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := q.record(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// For comparison: the standard library, into structs with only these fields.
	b.Run("by encoding/json", func(b *testing.B) {
		text := []byte(everyday(17, "other"))
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			var r schemaRecord
			if err := json.Unmarshal(text, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// schemaRecord is what the schema says of a record, as far as the tests' own matcher
// needs it.
type schemaRecord struct {
	ID        string   `json:"id"`
	Modified  string   `json:"modified"`
	Withdrawn *string  `json:"withdrawn"`
	Upstream  []string `json:"upstream"`
	Affected  []struct {
		Package struct {
			Ecosystem string `json:"ecosystem"`
			Name      string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Type   string              `json:"type"`
			Events []map[string]string `json:"events"`
		} `json:"ranges"`
		Versions []string `json:"versions"`
	} `json:"affected"`
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(everyday(1, "openssl")))
	f.Add([]byte(both("1~esm1")))
	f.Add([]byte(record("A-1", "Debian:12", "openssl", `{"introduced":"0"},{"last_affected":"2"},{"limit":"*"}`, `,"aliases":["CVE-1","B-1"],"withdrawn":""`)))
	f.Add([]byte(`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"SEMVER","events":[{}]}],"versions":["\ud800"]}]}`))
	f.Add([]byte(`[[[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		host := &fact.Host{OS: debian, Inventory: []fact.InstalledPackage{pkg("openssl", "1.3.20-1")}}
		q := NewQuery()
		q.Add(host)
		_, err := q.record(text)
		if !bytes.Equal(before, text) {
			t.Error("the text was changed")
		}
		got := q.Of(host)
		if err != nil && (got.Total > 0 || got.UndecidedCount > 0 || got.Covered && !json.Valid(text)) {
			t.Errorf("a record that was refused (%v) says %+v", err, got)
		}
		if err == nil && !json.Valid(text) {
			t.Error("what is no JSON was accepted")
		}
		for _, v := range got.Found {
			if v.ID == "" || v.Installed == "" || len(v.Records) == 0 {
				t.Errorf("a vulnerability without a name: %+v", v)
			}
		}
	})
}
