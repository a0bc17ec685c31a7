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
	fails := func(severity api.Severity, message string, evidence ...string) []api.Finding {
		out := finding(api.Fail, "", message, evidence...)
		out[0].Severity = severity
		return out
	}
	mode := func(f fact.UpperFile, mode uint32) fact.UpperFile {
		f.Mode = mode
		return f
	}
	gains := func(edit func(*fact.MeasuredContainer)) *fact.Set {
		f := file("/bin/find", "elf", fact.OriginMetadata)
		f.Mode, f.Gained = 0o104755, "set-user-ID"
		return ft.Edit(walk(nil, f), func(s *fact.Set) {
			if edit != nil {
				edit(&s.Nodes[0].Measured.Containers[0])
			}
		})
	}
	gained := []string{upper + "/bin/find", "elf, origin metadata, mode 4755, uid 1000, 4096 bytes, gained set-user-ID", upper, "30 entries, 1 executables"}
	const rights = "programs of the image that got more rights in the container (set-user-ID, set-group-ID or file capabilities): /bin/find"
	truncated := func(u *fact.UpperWalk) { u.Truncated = true }
	detailed := file("/usr/bin/x", "elf", fact.OriginAdded)
	detailed.SHA256, detailed.Detail = "abcd", "sparse"

	ft.Judge(t, checks.OfSet(judgeAddedExecutables), map[string]row{
		"none passes": {walk(nil), finding(api.Pass, "", "no executable in its writable layer", upper, "30 entries, 0 executables")},
		"an added program fails": {
			walk(nil, detailed),
			fails(api.High, "added to the container or changed in it: /usr/bin/x",
				upper+"/usr/bin/x", value("elf", "added")+", sha256:abcd, sparse", upper, "30 entries, 1 executables"),
		},
		"a changed script fails": {
			walk(nil, file("/start.sh", "script", fact.OriginChanged)),
			fails(api.High, "added to the container or changed in it: /start.sh",
				upper+"/start.sh", value("script", "changed"), upper, "30 entries, 1 executables"),
		},
		"paths beyond three are counted": {
			walk(nil, file("/a", "elf", fact.OriginAdded), file("/b", "elf", fact.OriginAdded), file("/c", "elf", fact.OriginAdded), file("/d", "elf", fact.OriginAdded)),
			fails(api.High, "added to the container or changed in it: /a, /b, /c and 1 more",
				upper+"/a", value("elf", "added"), upper+"/b", value("elf", "added"), upper+"/c", value("elf", "added"), upper+"/d", value("elf", "added"),
				upper, "30 entries, 4 executables"),
		},
		"an ELF file without the x bit is high: ld.so runs it": {
			walk(nil, mode(file("/tmp/x", "elf", fact.OriginAdded), 0o644)),
			fails(api.High, "added to the container or changed in it: /tmp/x",
				upper+"/tmp/x", "elf, origin added, mode 0644, uid 1000, 4096 bytes", upper, "30 entries, 1 executables"),
		},
		"a script without the x bit is medium": {
			walk(nil, mode(file("/tmp/x", "script", fact.OriginAdded), 0o644)),
			fails(api.Medium, "added to the container or changed in it: /tmp/x",
				upper+"/tmp/x", "script, origin added, mode 0644, uid 1000, 4096 bytes", upper, "30 entries, 1 executables"),
		},
		"the loader's configuration is high": {
			walk(nil, mode(file("/etc/ld.so.preload", "loader", fact.OriginAdded), 0o644)),
			fails(api.High, "added to the container or changed in it: /etc/ld.so.preload",
				upper+"/etc/ld.so.preload", "loader, origin added, mode 0644, uid 1000, 4096 bytes", upper, "30 entries, 1 executables"),
		},
		"the loader's cache is medium: ldconfig writes it": {
			walk(nil, mode(file("/etc/ld.so.cache", "loader", fact.OriginChanged), 0o644)),
			fails(api.Medium, "added to the container or changed in it: /etc/ld.so.cache",
				upper+"/etc/ld.so.cache", "loader, origin changed, mode 0644, uid 1000, 4096 bytes", upper, "30 entries, 1 executables"),
		},
		"a link where programs are looked up is medium": {
			walk(nil, file("/usr/bin/x", "link", fact.OriginAdded)),
			fails(api.Medium, "added to the container or changed in it: /usr/bin/x", upper+"/usr/bin/x", value("link", "added"), upper, "30 entries, 1 executables"),
		},
		"an archive of code is medium": {
			walk(nil, file("/app/x.jar", "code", fact.OriginAdded)),
			fails(api.Medium, "added to the container or changed in it: /app/x.jar", upper+"/app/x.jar", value("code", "added"), upper, "30 entries, 1 executables"),
		},
		"byte code that Python writes itself is low": {
			walk(nil, file("/app/__pycache__/x.pyc", "code", fact.OriginAdded)),
			fails(api.Low, "added to the container or changed in it: /app/__pycache__/x.pyc",
				upper+"/app/__pycache__/x.pyc", value("code", "added"), upper, "30 entries, 1 executables"),
		},
		"byte code in a walk that was cut short leaves the rest unknown": {
			walk(truncated, file("/app/__pycache__/x.pyc", "code", fact.OriginAdded)), append(
				fails(api.Low, "added to the container or changed in it: /app/__pycache__/x.pyc",
					upper+"/app/__pycache__/x.pyc", value("code", "added"), upper, "30 entries, 1 executables, not walked to the end"),
				finding(api.VerdictUnknown, fact.Truncated, "its writable layer was not walked to the end",
					upper, "30 entries, 1 executables, not walked to the end")...),
		},
		"each grade is a finding": {
			walk(nil, file("/a", "elf", fact.OriginAdded), file("/b", "code", fact.OriginAdded)), append(
				fails(api.High, "added to the container or changed in it: /a", upper+"/a", value("elf", "added"), upper, "30 entries, 2 executables"),
				fails(api.Medium, "added to the container or changed in it: /b", upper+"/b", value("code", "added"), upper, "30 entries, 2 executables")...),
		},
		"a program of the image that became set-user-ID is high": {gains(nil), fails(api.High, rights, gained...)},
		"with no_new_privs everywhere it is medium": {
			gains(func(m *fact.MeasuredContainer) { m.Processes[0].NoNewPrivs = ft.Ptr(true) }), fails(api.Medium, rights, gained...),
		},
		"on a root with nosuid it is medium": {
			gains(func(m *fact.MeasuredContainer) { m.Root = &fact.Mount{Path: "/", NoSuid: true} }), fails(api.Medium, rights, gained...),
		},
		"without a process that was read it is high": {
			gains(func(m *fact.MeasuredContainer) { m.Processes = nil }), fails(api.High, rights, gained...),
		},
		"a removed program is not added": {
			walk(nil, file("/bin/x", "elf", fact.OriginRemoved)),
			finding(api.Pass, "", "executables in its writable layer have the image's content", upper, "30 entries, 1 executables", upper+"/bin/x", value("elf", "removed")),
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
			fails(api.High, "added to the container or changed in it: /y", upper+"/y", value("elf", "added"), upper, "30 entries, 2 executables"),
		},
		"a walk that was cut short and found none is unknown": {
			walk(truncated), finding(api.VerdictUnknown, fact.Truncated, "its writable layer was not walked to the end",
				upper, "30 entries, 0 executables, not walked to the end"),
		},
		"a walk that was cut short and found one fails": {
			walk(truncated, file("/x", "elf", fact.OriginAdded)),
			fails(api.High, "added to the container or changed in it: /x", upper+"/x", value("elf", "added"),
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
