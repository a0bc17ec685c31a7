package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Credentials in the environment of the processes in containers: names, and no values.
// Processes of the host are left alone.
func TestEnvironment(t *testing.T) {
	const token, password = "ghp_" + "q7Rk2Vw9Lx4Tz8Bn3Mc6Yd1Hf5Jp0GsXaEuK", "Rk29xQmVd81LzW7t"
	in := func(id string) string { return "0::/kubepods/pod" + podUID + "/" + id + "\n" }
	dir := nodeFixture(t, []fakeProcess{
		initProcess,
		{pid: 9, comm: "sshd", environ: "HOST_TOKEN=" + token + "\x00"},
		{pid: 20, comm: "web", cgroup: in(idA), environ: "GH=" + token + "\x00DB_PASSWORD=" + password + "\x00PATH=/bin\x00"},
		{pid: 21, comm: "worker", cgroup: in(idA), start: 5, environ: "GH=" + token + "\x00"},
		{pid: 30, comm: "big", cgroup: in(idB), environ: "GH=" + token + "\x00" + strings.Repeat("A=b\x00", 20_000) + "LATE=" + token + "\x00"},
		{pid: 40, comm: "gone", cgroup: in(idC)},
		{pid: 50, comm: "bare", cgroup: in(idD)},
	}, "")
	if err := os.Remove(filepath.Join(dir, "proc/40/environ")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "proc/50/environ"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := read(t, dir, fact.LevelFull, fact.Environment)
	if !m.HasRead(fact.Environment) {
		t.Error("not read")
	}
	got := map[string][]fact.EnvironmentCredential{}
	for _, c := range m.Containers {
		got[c.ID] = c.Environment
		if c.EnvironmentTotal != len(c.Environment) {
			t.Errorf("%s: %d of %d", c.ID[:4], len(c.Environment), c.EnvironmentTotal)
		}
	}
	want := map[string][]fact.EnvironmentCredential{
		idA: {
			{Name: "DB_PASSWORD", Rule: "telling-name", PID: 20, Comm: "web", Processes: 1},
			{Name: "GH", Rule: "github-token", PID: 20, Comm: "web", Processes: 2},
		},
		idB: {{Name: "GH", Rule: "github-token", PID: 30, Comm: "big", Processes: 1}},
		idC: nil, idD: nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	var gaps []string
	for _, g := range m.Gaps {
		if g.What == fact.Environment {
			gaps = append(gaps, g.Container[:4]+" "+string(g.Reason)+" "+strings.ReplaceAll(g.Detail, dir, ""))
		}
	}
	if diff := cmp.Diff([]string{
		idB[:4] + " Truncated environment of 1 of 1 processes not read, or not all of it: pid 30: environ: larger than the limit",
		idC[:4] + " NotPresent environment of 1 of 1 processes not read, or not all of it: pid 40: open /proc/40/environ: no such file or directory",
		idD[:4] + " NotPresent the environment of all 1 processes is empty, or they ended before it was read",
	}, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	data, err := json.Marshal(m)
	if err != nil || strings.Contains(string(data), token[4:20]) || strings.Contains(string(data), password) || strings.Contains(string(data), "HOST_TOKEN") {
		t.Errorf("%v, or a value is in the facts: %s", err, data)
	}
}
