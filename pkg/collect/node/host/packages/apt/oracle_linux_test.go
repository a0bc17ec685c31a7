package apt

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// TestListNames compares the names of lists with "apt-get indextargets".
func TestListNames(t *testing.T) {
	dir := hosttest.Fixture(t, "sources").Write(t)
	config := hosttest.AptConfig(t, dir, "amd64", "i386")
	command := exec.Command(hosttest.Tool(t, "apt-get"), "indextargets", "--no-release-info",
		"--format", "$(METAKEY) $(FILENAME)", "Created-By: Packages")
	command.Env = append(os.Environ(), "LC_ALL=C", "APT_CONFIG="+config)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", command.Args, err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		want = append(want, strings.ReplaceAll(strings.TrimSpace(line), dir+aptLists+"/", ""))
	}

	a := &aptReader{ctx: context.Background(), root: hosttest.OpenRoot(t, dir), db: &database{nativeArch: "amd64", archs: []string{"amd64", "i386"}}}
	a.readConfig()
	if len(a.gaps) > 0 {
		t.Fatalf("gaps: %+v", a.gaps)
	}
	var got []string
	for _, src := range a.sources {
		for _, target := range src.targets(a.db.archs) {
			got = append(got, target.metaKey+" "+target.list)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	want, got = slices.Compact(want), slices.Compact(got)
	if len(want) == 0 {
		t.Fatalf("apt names no list: %s", out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists (-apt +ours):\n%s", diff)
	}
}
