package osv_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/osv"
)

// This machine's packages, and random vulnerabilities of them in two forms: as records
// of ours, and as the data that debsecan(1) downloads. Both name the same
// vulnerabilities of the same packages, from the same dpkg database.
func TestAgainstDebsecan(t *testing.T) {
	tool := hosttest.Tool(t, "debsecan")
	status, err := os.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		hosttest.Absent(t, "no dpkg database on this machine")
	}
	release := fact.OSRelease{ID: "debian", VersionID: "12", PrettyName: "Debian 12"}
	dir := hosttest.Files{"var/lib/dpkg/status": string(status)}.Write(t)
	list, gaps := packages.Inventory(t.Context(), hosttest.OpenRoot(t, dir), release)
	if len(list) < 50 || len(gaps) > 0 {
		t.Fatalf("%d packages, gaps %v", len(list), gaps)
	}
	host := &fact.Host{OS: release, Inventory: list}

	type source struct{ name, version string }
	binaries := map[source][]string{}
	for i := range list {
		name, version := list[i].SourcePackage()
		if strings.HasPrefix(name, "linux-signed") {
			continue // debsecan goes by the name of that source
		}
		binaries[source{name, version}] = append(binaries[source{name, version}], list[i].Name)
	}
	var sources []source
	for s := range binaries {
		sources = append(sources, s)
	}
	slices.SortFunc(sources, func(a, b source) int { return strings.Compare(a.name+" "+a.version, b.name+" "+b.version) })

	r := rand.New(rand.NewPCG(5, 6))
	database := t.TempDir()
	var names, lines strings.Builder
	unfixed := 0
	for i := range 3000 {
		s := sources[r.IntN(len(sources))]
		fix := ""
		switch r.IntN(6) {
		case 0:
			// Without a fix. Only so many of these are listed.
			if unfixed++; unfixed > fact.MaxUnfixed/2 {
				fix = s.version + "+b1"
			}
		case 1:
			fix = s.version
		case 2:
			fix = s.version + "+deb12u1"
		case 3:
			fix = s.version + "~bpo12+1"
		default:
			fix = sources[r.IntN(len(sources))].version
		}
		id := fmt.Sprintf("CVE-2026-%d", 1000+i)
		fmt.Fprintf(&names, "%s,,a flaw\n", id)
		available := " "
		events := `{"introduced":"0"}`
		if fix != "" {
			available = "F"
			events += fmt.Sprintf(`,{"fixed":%q}`, fix)
		}
		fmt.Fprintf(&lines, "%s,%d,S ?%s,%s,\n", s.name, i, available, fix)
		record := fmt.Sprintf(`{"schema_version":"1.7.0","id":"DEBIAN-%s","modified":"2026-11-20T00:00:00Z","upstream":[%q],"affected":[`+
			`{"package":{"ecosystem":"Debian:12","name":%q},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}]}`, id, id, s.name, events)
		if err := os.WriteFile(filepath.Join(database, id+".json"), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	query := osv.NewQuery()
	query.Add(host)
	data, err := osv.Read(t.Context(), database, query, time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
	if err != nil || data.Records != 3000 || data.Unreadable > 0 {
		t.Fatalf("%v %+v", err, data)
	}
	var ours []string
	for _, v := range query.Of(host).Found {
		of := binaries[source{v.Package, v.Installed}]
		if len(of) != v.Binaries {
			t.Errorf("%s %s: %d binary packages, want %q", v.Package, v.Installed, v.Binaries, of)
		}
		for _, name := range of {
			ours = append(ours, v.ID+" "+name)
		}
	}

	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	fmt.Fprintf(z, "VERSION 1\n%s\n%s\n\n", names.String(), lines.String()) //nolint:errcheck // to memory
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	theirData := t.TempDir()
	if err := os.WriteFile(filepath.Join(theirData, "bookworm"), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "--config=/dev/null", "--suite=bookworm", "--source=file://"+theirData, "--status="+filepath.Join(dir, "var/lib/dpkg/status"), "--format=simple").CombinedOutput()
	if err != nil {
		t.Fatalf("debsecan: %v\n%s", err, out)
	}
	theirs := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, l := range []*[]string{&ours, &theirs} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	if len(theirs) < 500 {
		t.Errorf("debsecan names only %d", len(theirs))
	}
	if !slices.Equal(ours, theirs) {
		only := func(a, b []string) []string {
			a = slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
			return a[:min(len(a), 10)]
		}
		t.Errorf("only debsecan: %q\nonly ours: %q", only(theirs, ours), only(ours, theirs))
	}
	t.Logf("%d installed packages, 3000 vulnerabilities: %d pairs by both", len(list), len(theirs))
}
