package secrets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// PlaintextResidue fails a store in whose files values of Secrets lie in plaintext
// beside its rows: in pages that are free, in logs, in files that it left behind. It
// is as grave as history: who has the files has the values. Source: the raw bytes,
// searched for what the API server writes for a Secret.
var PlaintextResidue = checks.Check{
	ID:       "secrets/plaintext-residue",
	Title:    "No value of a Secret is left in plaintext in the store's files",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Etcd, fact.Secrets, fact.Residue},
	Excuse:   excuseSnapshot,
	Scope:    checks.ScopeSecret,
	Evidence: 24,
	Why: "A database does not wipe what it no longer needs: after every Secret was rewritten and old revisions were compacted, the old " +
		"values still lie in free pages and in the write-ahead log. A copy of the files, or of the disk, has them.",
	Remediation: residueOfEtcd,
	References: []string{
		"https://etcd.io/docs/v3.6/op-guide/maintenance/",
		"https://www.sqlite.org/pragma.html",
	},
	Judge: judgePlaintextResidue,
}

const (
	residueOfEtcd = "Compact etcd, then defragment every member (etcdctl defrag --cluster), which rewrites its database. " + rotate
	residueOfLog  = "etcd deletes old log files by itself: it keeps 5 (--max-wals), and needs a new one after each snapshot of its log " +
		"(--snapshot-count writes). To be rid of them now, remove one member after the other (etcdctl member remove), delete its data " +
		"directory, and add it again. " + rotate
	residueOfKine = "Restart k3s, and once it runs, stop or restart it once more: kine rewrites its database in its log when it starts, and " +
		"only the next clean stop puts that into the file, whose old pages have the values until then. " + rotate
	residueOfFile = "Delete the file (shred -u FILE), once you know that nothing needs it. " + rotate
)

// remedyOf is what clears a kind of place.
func remedyOf(s *checks.Store, place fact.RemainsPlace) string {
	switch {
	case place == fact.InOldStore || place == fact.InSnapFile:
		return residueOfFile
	case s.Kine():
		return residueOfKine
	case place == fact.InLog:
		return residueOfLog
	}
	return residueOfEtcd
}

func judgePlaintextResidue(v *checks.View) []api.Finding {
	stores := v.Stores()
	findings := append(unclearCopies(stores, "what lies in its files"), unreadMembers(v, stores)...)
	for i := range stores.Ours {
		findings = append(findings, judgeResidue(&stores.Ours[i])...)
	}
	return findings
}

// judgeResidue judges each place of a store. The order of places is that of the
// facts, so that messages do not depend on what was found in them.
func judgeResidue(s *checks.Store) []api.Finding {
	finding := func(verdict api.Verdict, reason fact.Reason, message string, evidence ...api.Evidence) api.Finding {
		return api.Finding{Verdict: verdict, Reason: reason, Subject: s.Subject(), Message: message, Evidence: evidence}
	}
	if s.Node != nil && len(s.DB.Remains) == 0 && !s.Node.Measured.HasRead(fact.Residue) {
		return nil // a gap says so
	}
	var findings []api.Finding
	var clean []api.Evidence
	for i := range s.DB.Remains {
		r := &s.DB.Remains[i]
		place := placeOf(s, r.Place)
		e := api.Evidence{Source: s.Source + " " + string(r.Place), Value: fmt.Sprintf("%d bytes searched", r.Scanned)}
		if r.Path != "" && r.Path != s.DB.Path {
			e.Source = r.Path + " (" + string(r.Place) + ")"
			if s.Node != nil {
				e.Source = checks.NodeSource(s.Node, "%s", e.Source)
			}
		}
		switch {
		case r.Values > 0:
			e.Value = describeValues(r.Values, r.Unnamed, r.Secrets, r.SecretsTotal, r.Complete)
			f := finding(api.Fail, "", "values of Secrets lie in plaintext in "+place, e)
			f.Remediation.Text = remedyOf(s, r.Place)
			findings = append(findings, f)
		case !r.Complete:
			if r.Detail != "" {
				e.Value += ": " + r.Detail
			}
			findings = append(findings, finding(api.VerdictUnknown, cmp.Or(r.Reason, fact.Truncated), "the search for values in "+place+" was not completed", e))
		default:
			e.Value = "no value in plaintext in " + e.Value
			clean = append(clean, e)
		}
	}
	if missing := missingPlaces(s); len(missing) > 0 {
		findings = append(findings, finding(api.VerdictUnknown, fact.NotPresent, "values were not searched for in every place of "+s.File(),
			api.Evidence{Source: s.Source, Value: "the facts say nothing of " + strings.Join(missing, ", ")}))
	}
	if len(findings) == 0 {
		findings = append(findings, finding(api.Pass, "", "no value of a Secret was found in plaintext beside the rows of "+s.In(), clean...))
	}
	return findings
}

// missingPlaces are the places that every such store has and the facts do not name.
// etcd always has a log; a snapshot is a database alone, and a clean SQLite file has no
// log.
func missingPlaces(s *checks.Store) []string {
	needed := []fact.RemainsPlace{fact.InFreePages, fact.InPageSlack, fact.BehindEnd}
	switch {
	case s.Kine():
		needed = append(needed, fact.InShadowed)
	case s.Node != nil:
		needed = append(needed, fact.InLog)
	}
	var out []string
	for _, place := range needed {
		if !slices.ContainsFunc(s.DB.Remains, func(r fact.Remains) bool { return r.Place == place }) {
			out = append(out, string(place))
		}
	}
	return out
}

// placeOf is a place in words: "the free pages of etcd's file".
func placeOf(s *checks.Store, place fact.RemainsPlace) string {
	switch place {
	case fact.InFreePages, fact.InPageSlack, fact.InShadowed:
		return string(place) + " of " + s.File()
	case fact.BehindEnd:
		return "what lies behind the end of " + s.File()
	case fact.InLog:
		return "the " + string(place) + " of " + s.In()
	case fact.InSnapFile:
		return "a " + string(place) + " next to " + s.File()
	case fact.InOldStore:
		return "an " + string(place) + " next to " + s.File()
	}
	return "a place of an unknown kind"
}
