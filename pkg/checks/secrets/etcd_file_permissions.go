package secrets

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// EtcdFilePermissions fails a store whose files somebody besides root and the store's
// own user can get at. A file counts as open only to those whom the directories on its
// path let through: kine's state.db is 0644 in a directory of 0700. Source: owners and
// modes below the data directory, on the node.
var EtcdFilePermissions = checks.Check{
	ID:       "secrets/etcd-file-permissions",
	Title:    "Only root and etcd's user can get at the store's files",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Etcd, fact.Secrets, fact.StorageFiles},
	Excuse:   excuseSnapshot,
	Scope:    checks.ScopeSecret,
	Why: "The files of etcd hold everything that the API server stores. A user of the node who can read them needs no access to the API, " +
		"and one who can write them can become anybody in the cluster.",
	Remediation: "Run chmod 0700 DIR and chmod -R go-rwx DIR on etcd's data directory (k3s: server/db), and give it to the user that runs etcd.",
	References: []string{
		"https://etcd.io/docs/v3.6/op-guide/security/",
		"https://www.cisecurity.org/benchmark/kubernetes",
	},
	Judge: judgeEtcdFilePermissions,
}

func judgeEtcdFilePermissions(v *checks.View) []api.Finding {
	if v.Snapshot != nil {
		return nil // a copy's mode says nothing of the store
	}
	stores := v.Stores()
	findings := unreadMembers(v, stores)
	for _, list := range [][]checks.Store{stores.Ours, stores.Unclear} {
		for i := range list {
			findings = append(findings, judgeStoreFiles(&list[i])...)
		}
	}
	return findings
}

func judgeStoreFiles(s *checks.Store) []api.Finding {
	unknown := func(reason fact.Reason, message string, evidence ...api.Evidence) []api.Finding {
		return []api.Finding{{Verdict: api.VerdictUnknown, Reason: reason, Subject: s.Subject(), Message: message, Evidence: evidence}}
	}
	files := s.DB.Files
	if files == nil && !s.Node.Measured.HasRead(fact.StorageFiles) {
		return nil // a gap says so
	}
	if files == nil {
		return unknown(fact.NotPresent, "it was not read who can get at the files of "+s.In(), api.Evidence{Source: s.Source, Value: "no owners and modes in the facts"})
	}
	at := func(a *fact.FileAccess) api.Evidence {
		return api.Evidence{Source: checks.NodeSource(s.Node, "%s", a.Path), Value: describeAccess(a)}
	}
	var fails []api.Finding
	fail := func(severity api.Severity, message string, a *fact.FileAccess) {
		fails = append(fails, api.Finding{Verdict: api.Fail, Severity: severity, Subject: s.Subject(), Message: message, Evidence: []api.Evidence{at(a)}})
	}
	dir, hidden := &files.Dir, hiddenEntries(&files.Dir)
	switch {
	case writers(dir) != "":
		fail(api.High, writers(dir)+" can write to the data directory of "+s.In(), dir)
	case dir.WritableParent != "":
		fail(api.High, "a user other than root and the store's own can replace the data directory of "+s.In(), dir)
	case openTo(dir, groupAny, othersAny) != "":
		fail(api.Medium, openTo(dir, groupAny, othersAny)+" can enter or list the data directory of "+s.In(), dir)
	}
	if dir.Owner != 0 && dir.Owner != files.UID {
		fail(api.Medium, fmt.Sprintf("the data directory of %s belongs to user %d, and %s runs as %d", s.In(), dir.Owner, s.In(), files.UID), dir)
	}
	for i := range files.Open {
		a := &files.Open[i]
		hidden = hidden || hiddenEntries(a)
		switch {
		case writers(a) != "":
			fail(api.High, writers(a)+" can write files of "+s.In(), a)
		case a.WritableParent != "":
			fail(api.High, "a user other than root and the store's own can replace files of "+s.In(), a)
		case readers(a) != "":
			fail(api.High, readers(a)+" can read files of "+s.In(), a)
		}
	}
	evidence := at(dir)
	evidence.Value += fmt.Sprintf("; %s below it, %d with a mode that lets others in", checks.Count(files.Files, "file"), max(files.OpenTotal, len(files.Open)))
	switch {
	case len(fails) > 0:
		return fails
	case hidden:
		return unknown(fact.Unsupported, "files of "+s.In()+" have an ACL, whose entries were not read", evidence)
	case files.OpenTotal > len(files.Open):
		return unknown(fact.Truncated, "not every file of "+s.In()+" that has an open mode is in the facts", evidence)
	case files.Files <= 0:
		return unknown(fact.NotPresent, "no file was found in the data directory of "+s.In(), evidence)
	}
	return []api.Finding{{
		Verdict: api.Pass, Subject: s.Subject(), Message: "only root and the store's own user can get at the files of " + s.In(), Evidence: []api.Evidence{evidence},
	}}
}
