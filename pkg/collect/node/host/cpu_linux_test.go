package host

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const cpuDir = "sys/devices/system/cpu/vulnerabilities/"

func TestReadCPU(t *testing.T) {
	many := hosttest.Files{}
	for i := range fact.MaxCPUVulnerabilities + 1 {
		many[fmt.Sprintf("%sv%02d", cpuDir, i)] = "Not affected\n"
	}
	gap := func(reason fact.Reason, detail string) []fact.NodeGap {
		return []fact.NodeGap{{What: fact.CPU, Reason: reason, Detail: detail}}
	}
	const missing = "/sys/devices/system/cpu/vulnerabilities does not exist: a kernel before 4.15, one of an architecture that has none, or no sysfs"
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  string // "NAME=STATE", joined by " | "
		gaps  []fact.NodeGap
	}{
		"the kernel's words": {
			hosttest.Files{cpuDir + "mds": "Mitigation: Clear CPU buffers; SMT vulnerable\n", cpuDir + "l1tf": "Not affected\n"},
			"l1tf=Not affected | mds=Mitigation: Clear CPU buffers; SMT vulnerable", nil,
		},
		"no directory":    {hosttest.Files{"sys/devices/system/cpu/": ""}, "", gap(fact.NotPresent, missing)},
		"no sysfs":        {hosttest.Files{"etc/": ""}, "", gap(fact.NotPresent, missing)},
		"an empty one":    {hosttest.Files{cpuDir: ""}, "", gap(fact.NotPresent, "/sys/devices/system/cpu/vulnerabilities: expected a file for each vulnerability, found none")},
		"a file is there": {hosttest.Files{strings.TrimSuffix(cpuDir, "/"): "x"}, "", gap(fact.NotPresent, "ROOT/sys/devices/system/cpu/vulnerabilities: not a directory")},
		"a file without words costs itself": {
			hosttest.Files{cpuDir + "mds": "\n", cpuDir + "l1tf": "Not affected\n"},
			"l1tf=Not affected",
			gap(fact.Corrupt, `/sys/devices/system/cpu/vulnerabilities/mds: expected one line, found ""`),
		},
		"two lines are not understood": {
			hosttest.Files{cpuDir + "mds": "Not affected\nVulnerable\n"},
			"",
			gap(fact.Corrupt, `/sys/devices/system/cpu/vulnerabilities/mds: expected one line, found "Not affected\nVulnerable"`),
		},
		"a text that is too long is not cut": {
			hosttest.Files{cpuDir + "mds": "Mitigation: " + strings.Repeat("x", maxCPUText)},
			"",
			gap(fact.Corrupt, `/sys/devices/system/cpu/vulnerabilities/mds: expected at most 512 bytes, found "Mitigation: `+strings.Repeat("x", 48)+`…"`),
		},
		"a link out of the root stays inside": {
			hosttest.Files{cpuDir + "mds": "link: /etc/hostname"},
			"",
			gap(fact.NotPresent, "ROOT/sys/devices/system/cpu/vulnerabilities/mds: no such file or directory"),
		},
		"a long name": {
			hosttest.Files{cpuDir + strings.Repeat("x", 65): "Not affected"},
			"",
			gap(fact.Corrupt, `/sys/devices/system/cpu/vulnerabilities: expected a name of at most 64 bytes, found "`+strings.Repeat("x", 60)+`…"`),
		},
		"more than the bound": {
			many, "", gap(fact.Truncated, "/sys/devices/system/cpu/vulnerabilities: more than 64 files"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.Write(t)
			state, gaps := readCPU(hosttest.OpenRoot(t, dir), nil)
			gaps = hosttest.Placed(gaps, dir)
			for i := range gaps {
				for _, op := range []string{"open ", "readdir "} {
					gaps[i].Detail = strings.TrimPrefix(gaps[i].Detail, op)
				}
				gaps[i].Detail = strings.TrimPrefix(gaps[i].Detail, "read ")
			}
			if diff := cmp.Diff(tc.gaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if name == "more than the bound" {
				if len(state.Vulnerabilities) != fact.MaxCPUVulnerabilities {
					t.Errorf("%d files", len(state.Vulnerabilities))
				}
				return
			}
			if diff := cmp.Diff(tc.want, words(state)); diff != "" {
				t.Errorf("words (-want +got):\n%s", diff)
			}
		})
	}
}

func words(state *fact.CPUState) string {
	var out []string
	if state != nil {
		for _, v := range state.Vulnerabilities {
			out = append(out, v.Name+"="+v.State)
		}
	}
	return strings.Join(out, " | ")
}

// A FIFO in the place of a file is not opened, and costs itself.
func TestReadCPUFIFO(t *testing.T) {
	dir := hosttest.Files{cpuDir + "l1tf": "Not affected\n"}.Write(t)
	if err := unix.Mkfifo(dir+"/"+cpuDir+"mds", 0o644); err != nil {
		t.Fatal(err)
	}
	state, gaps := readCPU(hosttest.OpenRoot(t, dir), nil)
	if words(state) != "l1tf=Not affected" || len(gaps) != 1 || gaps[0].Reason != fact.Unreadable {
		t.Errorf("%s, gaps %+v", words(state), gaps)
	}
}

// The kernel's own files, whose size is that of a page: none is a gap.
func TestReadCPUOfThisMachine(t *testing.T) {
	if _, err := os.Stat("/" + cpuDir); err != nil {
		t.Skip("this kernel has no such directory: ", err)
	}
	want, err := os.ReadDir("/" + cpuDir)
	if err != nil {
		t.Fatal(err)
	}
	state, gaps := readCPU(hosttest.OpenRoot(t, "/"), nil)
	if len(gaps) > 0 || state == nil || len(state.Vulnerabilities) != len(want) {
		t.Errorf("%d files, state %+v, gaps %+v", len(want), state, gaps)
	}
}

// Without the node's root the caller's own /sys is read, and the path says so.
func TestReadCPUOfTheProbe(t *testing.T) {
	dir := hosttest.Files{cpuDir + "mds": "Not affected\n"}.Write(t)
	state, gaps := readCPU(nil, hosttest.OpenRoot(t, dir+"/sys"))
	if len(gaps) > 0 || state == nil || state.Path != "/sys/devices/system/cpu/vulnerabilities (in the probe)" || words(state) != "mds=Not affected" {
		t.Errorf("state %+v, gaps %+v", state, gaps)
	}
	var none *rootfs.Root
	if state, gaps = readCPU(none, none); state != nil || len(gaps) != 1 || gaps[0].Reason != fact.Unreadable {
		t.Errorf("state %+v, gaps %+v", state, gaps)
	}
}
