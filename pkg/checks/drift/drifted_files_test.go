package drift

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestDriftedFiles(t *testing.T) {
	const upper = "node/n1 /var/lib/containerd/u"
	file := func(path, kind string, origin fact.Origin) fact.UpperFile {
		return fact.UpperFile{Path: path, Kind: kind, Origin: origin, Size: 10, Mode: 0o644}
	}
	value := func(kind, origin string) string { return kind + ", origin " + origin + ", mode 0644, uid 0, 10 bytes" }
	// walk counts what it lists.
	walk := func(edit func(*fact.MeasuredContainer), data ...fact.UpperFile) *fact.Set {
		m := ft.With()
		m.Upper = &fact.UpperWalk{Path: "/var/lib/containerd/u", Entries: 30, Data: data, DataCounts: &fact.DataCounts{}}
		for _, f := range data {
			switch c := m.Upper.DataCounts; f.Origin {
			case fact.OriginAdded:
				c.Added++
			case fact.OriginChanged:
				c.Changed++
			case fact.OriginRemoved:
				c.Removed++
			default:
				c.Unknown++
			}
		}
		if edit != nil {
			edit(&m)
		}
		return ft.Measured(m, fact.Container{})
	}
	layerOf := func(executables, counts string) string {
		return "30 entries, " + executables + " executables; without code: " + counts
	}
	finding := func(verdict api.Verdict, severity api.Severity, reason fact.Reason, message string, evidence ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Severity: severity, Reason: reason, Basis: api.Measured, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...),
		}
	}
	passes := func(message, counts string) []api.Finding {
		return ft.One(finding(api.Pass, "", "", message, upper, layerOf("0", counts)))
	}
	fails := func(severity api.Severity, message, path, kind, origin, counts string) []api.Finding {
		return ft.One(finding(api.Fail, severity, "", message, upper+path, value(kind, origin), upper, layerOf("0", counts)))
	}
	const (
		none     = "0 added, 0 changed, 0 removed, 0 volatile"
		oneAdded = "1 added, 0 changed, 0 removed, 0 volatile"
		oneOther = "0 added, 1 changed, 0 removed, 0 volatile"
		oneGone  = "0 added, 0 changed, 1 removed, 0 volatile"
		code     = "its writable layer has code that its image does not hold: see immutable/added-executables"
	)
	added := func(path string) *fact.Set { return walk(nil, file(path, "data", fact.OriginAdded)) }
	empty := func(path string) *fact.Set {
		f := file(path, "data", fact.OriginAdded)
		f.Size = 0
		return walk(nil, f)
	}
	returning := func(path string) []api.Finding {
		return fails(api.High, "accounts, keys or start-up files were added or changed: "+path, path, "data", "added", oneAdded)
	}
	removed := func(path, kind string) *fact.Set { return walk(nil, file(path, kind, fact.OriginRemoved)) }
	unchanged := passes("its writable layer changes no file of the image and adds none", oneAdded)

	ft.Judge(t, checks.OfSet(judgeDriftedFiles), map[string]row{
		"an empty layer passes": {walk(nil), passes("its writable layer changes no file of the image and adds none", none)},
		"logs and caches pass": {
			walk(func(m *fact.MeasuredContainer) { m.Upper.DataCounts.Volatile = 7 }),
			passes("its writable layer holds logs, caches and state only", "0 added, 0 changed, 0 removed, 7 volatile"),
		},
		"an overlay without a writable layer passes": {
			walk(func(m *fact.MeasuredContainer) { m.Upper.Path, m.Upper.Entries = "", 0 }),
			ft.One(finding(api.Pass, "", "", "it has no writable layer", "node/n1 /proc/100/mountinfo / upperdir",
				"none: nothing can be written to its root; without code: "+none)),
		},
		"a changed file is medium": {
			walk(nil, file("/etc/nginx/nginx.conf", "data", fact.OriginChanged)),
			fails(api.Medium, "files of the image were changed: /etc/nginx/nginx.conf", "/etc/nginx/nginx.conf", "data", "changed", oneOther),
		},
		"an added file is low":   {added("/srv/data.bin"), fails(api.Low, "files were added: /srv/data.bin", "/srv/data.bin", "data", "added", oneAdded)},
		"a removed file is low":  {removed("/usr/share/x", "data"), fails(api.Low, "files of the image were removed: /usr/share/x", "/usr/share/x", "data", "removed", oneGone)},
		"an added user is high":  {added("/etc/passwd"), returning("/etc/passwd")},
		"an added key is high":   {added("/root/.ssh/authorized_keys"), returning("/root/.ssh/authorized_keys")},
		"another's key is high":  {added("/srv/git/.ssh/authorized_keys2"), returning("/srv/git/.ssh/authorized_keys2")},
		"a cron job is high":     {added("/etc/cron.d/x"), returning("/etc/cron.d/x")},
		"a profile is high":      {added("/etc/profile.d/x.sh"), returning("/etc/profile.d/x.sh")},
		"a user's bashrc":        {added("/home/dev/.bashrc"), returning("/home/dev/.bashrc")},
		"ld.so's paths are high": {added("/etc/ld.so.conf.d/x.conf"), returning("/etc/ld.so.conf.d/x.conf")},
		"sudo rights are high":   {added("/etc/sudoers.d/x"), returning("/etc/sudoers.d/x")},
		"known hosts are low":    {added("/root/.ssh/known_hosts"), fails(api.Low, "files were added: /root/.ssh/known_hosts", "/root/.ssh/known_hosts", "data", "added", oneAdded)},
		"a name that only begins like passwd is low": {
			added("/etc/passwd.bak"), fails(api.Low, "files were added: /etc/passwd.bak", "/etc/passwd.bak", "data", "added", oneAdded),
		},
		"a changed shadow file is high": {
			walk(nil, file("/etc/shadow", "data", fact.OriginChanged)),
			fails(api.High, "accounts, keys or start-up files were added or changed: /etc/shadow", "/etc/shadow", "data", "changed", oneOther),
		},
		"a removed program is medium": {
			removed("/usr/bin/su", "elf"), fails(api.Medium, "programs of the image were removed: /usr/bin/su", "/usr/bin/su", "elf", "removed", oneGone),
		},
		"a removed program among the code is medium": {
			walk(func(m *fact.MeasuredContainer) {
				m.Upper.Files, m.Upper.Total = []fact.UpperFile{file("/usr/bin/su", "elf", fact.OriginRemoved)}, 1
			}),
			ft.One(finding(api.Fail, api.Medium, "", "programs of the image were removed: /usr/bin/su",
				upper+"/usr/bin/su", value("elf", "removed"), upper, layerOf("1", none))),
		},
		"a removed directory of programs is medium": {
			removed("/opt/x/bin", "directory"), fails(api.Medium, "programs of the image were removed: /opt/x/bin", "/opt/x/bin", "directory", "removed", oneGone),
		},
		"another removed directory is low": {
			removed("/opt/x/doc", "directory"), fails(api.Low, "files of the image were removed: /opt/x/doc", "/opt/x/doc", "directory", "removed", oneGone),
		},
		"a removed CA is medium": {
			removed("/etc/ssl/certs/ca.crt", "data"),
			fails(api.Medium, "certificates, security settings, accounts or start-up files of the image were removed: /etc/ssl/certs/ca.crt", "/etc/ssl/certs/ca.crt", "data", "removed", oneGone),
		},
		"the empty file where a runtime mounts hosts passes": {empty("/etc/hosts"), unchanged},
		"the empty file where a volume is mounted passes": {
			ft.Edit(empty("/app/config.yaml"), func(s *fact.Set) {
				s.Workloads[0].Spec.Containers[0].Mounts = []fact.VolumeMount{{Volume: "c", Path: "/app/config.yaml"}}
			}), unchanged,
		},
		"a file with content where a runtime mounts hosts is low": {
			added("/etc/hosts"), fails(api.Low, "files were added: /etc/hosts", "/etc/hosts", "data", "added", oneAdded),
		},
		"any other empty file is low": {
			empty("/srv/x"), ft.One(finding(api.Fail, api.Low, "", "files were added: /srv/x",
				upper+"/srv/x", "data, origin added, mode 0644, uid 0, 0 bytes", upper, layerOf("0", oneAdded))),
		},
		"a changed hosts file with content is drift": {
			walk(nil, file("/etc/hosts", "data", fact.OriginChanged)),
			fails(api.Medium, "files of the image were changed: /etc/hosts", "/etc/hosts", "data", "changed", oneOther),
		},
		"each grade is a finding, the gravest first": {
			walk(nil, file("/etc/passwd", "data", fact.OriginChanged), file("/srv/a", "data", fact.OriginAdded), file("/srv/b", "data", fact.OriginAdded)),
			[]api.Finding{
				finding(api.Fail, api.High, "", "accounts, keys or start-up files were added or changed: /etc/passwd",
					upper+"/etc/passwd", value("data", "changed"), upper, layerOf("0", "2 added, 1 changed, 0 removed, 0 volatile")),
				finding(api.Fail, api.Low, "", "files were added: /srv/a, /srv/b",
					upper+"/srv/a", value("data", "added"), upper+"/srv/b", value("data", "added"), upper, layerOf("0", "2 added, 1 changed, 0 removed, 0 volatile")),
			},
		},
		"added code does not pass here": {
			walk(func(m *fact.MeasuredContainer) {
				m.Upper.Files, m.Upper.Total = []fact.UpperFile{file("/usr/bin/x", "elf", fact.OriginAdded)}, 1
			}),
			ft.One(finding(api.Fail, api.Medium, "", code, upper+"/usr/bin/x", value("elf", "added"))),
		},
		"Python's own byte code is low": {
			walk(func(m *fact.MeasuredContainer) {
				m.Upper.Files, m.Upper.Total = []fact.UpperFile{file("/app/__pycache__/x.pyc", "code", fact.OriginAdded)}, 1
			}),
			ft.One(finding(api.Fail, api.Low, "", code, upper+"/app/__pycache__/x.pyc", value("code", "added"))),
		},
		"copies of the image's programs pass": {
			walk(func(m *fact.MeasuredContainer) {
				m.Upper.Files, m.Upper.Total = []fact.UpperFile{file("/usr/bin/x", "elf", fact.OriginMetadata)}, 1
			}),
			ft.One(finding(api.Pass, "", "", "its writable layer changes no file of the image and adds none", upper, layerOf("1", none))),
		},
		"changes beyond the list are medium": {
			walk(func(m *fact.MeasuredContainer) { m.Upper.DataCounts.Changed = 3 }),
			[]api.Finding{
				finding(api.Fail, api.Medium, "", "more files of the image were changed than the facts list", upper, layerOf("0", "0 added, 3 changed, 0 removed, 0 volatile")),
				finding(api.VerdictUnknown, "", fact.Truncated, "not every file in its writable layer is in the facts", upper, layerOf("0", "0 added, 3 changed, 0 removed, 0 volatile")),
			},
		},
		"added files beyond the list leave it unknown": {
			walk(func(m *fact.MeasuredContainer) { m.Upper.DataCounts.Added = 3 }),
			ft.One(finding(api.VerdictUnknown, "", fact.Truncated, "not every file in its writable layer is in the facts",
				upper, layerOf("0", "3 added, 0 changed, 0 removed, 0 volatile"))),
		},
		"a file that could not be compared is unknown": {
			walk(nil, file("/etc/x", "data", fact.OriginUnknown)),
			ft.One(finding(api.VerdictUnknown, "", fact.Unsupported, "some files in its writable layer could not be compared with the image",
				upper, layerOf("0", none+", 1 not compared"))),
		},
		"an origin of a newer facts file is unknown": {
			walk(func(m *fact.MeasuredContainer) { m.Upper.DataCounts.Unknown = 0 }, file("/etc/x", "data", "teleported")),
			ft.One(finding(api.VerdictUnknown, "", fact.Unsupported, "some files in its writable layer could not be compared with the image",
				upper, layerOf("0", none))),
		},
		"data that was not compared is unknown": {
			walk(func(m *fact.MeasuredContainer) { m.Upper.DataCounts = nil }),
			ft.One(finding(api.VerdictUnknown, "", fact.NotPresent, "the files without code in its writable layer were not compared", upper, "30 entries, 0 executables")),
		},
		"a walk that was cut short is unknown": {
			walk(func(m *fact.MeasuredContainer) { m.Upper.Truncated = true }),
			ft.One(finding(api.VerdictUnknown, "", fact.Truncated, "its writable layer was not walked to the end",
				upper, "30 entries, 0 executables, not walked to the end; without code: "+none)),
		},
		"no writable layer to walk is unknown": {
			ft.Measured(ft.With(), fact.Container{}),
			ft.One(finding(api.VerdictUnknown, "", fact.NotPresent, "it has no writable layer that could be walked", "node/n1 /proc/100/mountinfo /", "not read")),
		},
		"declared running but not seen is unknown": {ft.Edit(walk(nil), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}
