package immutable

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestAddedExecutables(t *testing.T) {
	const upper = "node/n1 /var/lib/containerd/u"
	file := func(path, kind string, origin fact.Origin) fact.UpperFile {
		return fact.UpperFile{Path: path, Kind: kind, Origin: origin, Size: 4096, Mode: 0o100755, UID: 1000}
	}
	value := func(kind, origin string) string {
		return kind + ", origin " + origin + ", mode 0755, uid 1000, 4096 bytes"
	}
	walk := func(edit func(*fact.UpperWalk), files ...fact.UpperFile) *fact.Set {
		m := ft.With()
		m.Upper = &fact.UpperWalk{Path: "/var/lib/containerd/u", Entries: 30, Files: files, Total: len(files)}
		if edit != nil {
			edit(m.Upper)
		}
		return ft.Measured(m, fact.Container{})
	}
	finding := func(verdict api.Verdict, reason fact.Reason, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: verdict, Reason: reason, Basis: api.Measured, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...),
		})
	}
	truncated := func(u *fact.UpperWalk) { u.Truncated = true }
	detailed := file("/usr/bin/x", "elf", fact.OriginAdded)
	detailed.SHA256, detailed.Detail = "abcd", "sparse"

	ft.Judge(t, checks.OfSet(judgeAddedExecutables), map[string]row{
		"none passes": {walk(nil), finding(api.Pass, "", "no executable in its writable layer", upper, "30 entries, 0 executables")},
		"an added program fails": {
			walk(nil, detailed),
			finding(api.Fail, "", "added to the container or changed in it: /usr/bin/x",
				upper+"/usr/bin/x", value("elf", "added")+", sha256:abcd, sparse", upper, "30 entries, 1 executables"),
		},
		"a changed script fails": {
			walk(nil, file("/start.sh", "script", fact.OriginChanged)),
			finding(api.Fail, "", "added to the container or changed in it: /start.sh",
				upper+"/start.sh", value("script", "changed"), upper, "30 entries, 1 executables"),
		},
		"paths beyond three are counted": {
			walk(nil, file("/a", "elf", fact.OriginAdded), file("/b", "elf", fact.OriginAdded), file("/c", "elf", fact.OriginAdded), file("/d", "elf", fact.OriginAdded)),
			finding(api.Fail, "", "added to the container or changed in it: /a, /b, /c and 1 more",
				upper+"/a", value("elf", "added"), upper+"/b", value("elf", "added"), upper+"/c", value("elf", "added"), upper+"/d", value("elf", "added"),
				upper, "30 entries, 4 executables"),
		},
		"only touched passes with a note": {
			walk(nil, file("/web", "elf", fact.OriginMetadata)),
			finding(api.Pass, "", "executables in its writable layer have the image's content",
				upper, "30 entries, 1 executables", upper+"/web", value("elf", "metadata")),
		},
		"an unknown origin is unknown": {
			walk(nil, file("/x", "elf", fact.OriginUnknown)),
			finding(api.VerdictUnknown, fact.Unsupported, "of unknown origin: /x",
				upper, "30 entries, 1 executables", upper+"/x", value("elf", "unknown")),
		},
		"an added one next to an unknown one fails": {
			walk(nil, file("/x", "elf", fact.OriginUnknown), file("/y", "elf", fact.OriginAdded)),
			finding(api.Fail, "", "added to the container or changed in it: /y", upper+"/y", value("elf", "added"), upper, "30 entries, 2 executables"),
		},
		"a walk that was cut short and found none is unknown": {
			walk(truncated), finding(api.VerdictUnknown, fact.Truncated, "its writable layer was not walked to the end",
				upper, "30 entries, 0 executables, not walked to the end"),
		},
		"a walk that was cut short and found one fails": {
			walk(truncated, file("/x", "elf", fact.OriginAdded)),
			finding(api.Fail, "", "added to the container or changed in it: /x", upper+"/x", value("elf", "added"),
				upper, "30 entries, 1 executables, not walked to the end"),
		},
		"a list that was cut is unknown": {
			walk(func(u *fact.UpperWalk) { u.Total = 300 }, file("/web", "elf", fact.OriginMetadata)),
			finding(api.VerdictUnknown, fact.Truncated, "not every executable in its writable layer is in the facts",
				upper, "30 entries, 300 executables", upper+"/web", value("elf", "metadata")),
		},
		"no writable layer to walk is unknown": {
			ft.Measured(ft.With(), fact.Container{}),
			finding(api.VerdictUnknown, fact.NotPresent, "it has no writable layer that could be walked", "node/n1 /proc/100/mountinfo /", "not read"),
		},
		"declared running but not seen is unknown": {ft.Edit(walk(nil), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}
