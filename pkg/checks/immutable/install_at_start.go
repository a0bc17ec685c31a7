package immutable

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// InstallAtStart fails a container that is told to fetch or install code when it starts. Its
// command lines were evaluated by package commandline while they were collected: command and
// arguments, hooks, probes, and scripts of ConfigMaps that they run. Source: command, args,
// lifecycle and the probes' exec of the spec.
var InstallAtStart = checks.Check{
	ID:       "immutable/install-at-start",
	Title:    "No container fetches or installs code when it starts",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Code that is installed at the start was never scanned with the image, and may differ with every start: two pods of one template run " +
		"different code. If the server that it comes from is taken over, the next start of the pod runs the attacker's code; if it is down, the pod does not start.",
	Remediation: "Build what is fetched or installed into the image, with fixed versions, and start only the program. Remove the line from the command, the hook or the script.",
	References: []string{
		"https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/",
		"https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/",
		"https://docs.docker.com/build/building/best-practices/",
	},
	Judge: judgeInstallAtStart,
}

// installTexts say in a message what a class means.
var installTexts = []struct {
	class    fact.InstallClass
	severity api.Severity
	text     string
}{
	{fact.FetchAndRun, api.High, "fetches code and runs it"},
	{fact.FetchExecutable, api.High, "fetches a program or a script that it runs or makes executable"},
	{fact.PackageManager, api.Medium, "installs packages"},
	{fact.LanguageInstaller, api.Medium, "installs packages of a language or plugins"},
	{fact.SourceCheckout, api.Low, "checks out a repository"},
	{fact.Compiled, api.Low, "builds code"},
}

// mostInstalls is how many commands a finding shows.
const mostInstalls = 5

func judgeInstallAtStart(v *checks.View) []api.Finding {
	if earlier := v.FieldsUnread(); earlier != nil {
		return earlier
	}
	declared := checks.DeclaredContainers(v)
	findings := make([]api.Finding, 0, len(declared))
	for _, d := range declared {
		findings = append(findings, judgeInstalls(d))
	}
	return findings
}

// atStart reports whether a field is run when the container starts; probes and preStop are run
// later, and by custom only ask or clean up.
func atStart(field string) bool {
	return !strings.HasPrefix(field, "lifecycle.preStop.") && !strings.Contains(field, "Probe.")
}

func judgeInstalls(d checks.Declared) api.Finding {
	c := d.Container
	f := api.Finding{Subject: d.Subject()}
	has := map[fact.InstallClass]bool{}
	raw := false
	// The worst comes first, and names the finding.
	order := make([]graded, 0, len(c.Installs))
	for i := range c.Installs {
		g := graded{install: &c.Installs[i], rank: rankOf(c.Installs[i].Class)}
		if g.severity = installTexts[g.rank].severity; atStart(g.install.Field) {
			has[g.install.Class] = true
		} else {
			g.severity = api.Low
		}
		raw = raw || g.install.Raw
		order = append(order, g)
	}
	sorted.Stable(order, func(a, b graded) int {
		return cmp.Or(cmp.Compare(b.severity.Rank(), a.severity.Rank()), cmp.Compare(a.rank, b.rank))
	})
	for _, g := range order[:min(len(order), mostInstalls)] {
		value := g.install.What
		if g.install.Script != "" {
			value += " in the script " + g.install.Script + " of a ConfigMap"
		}
		if g.install.Raw {
			value += " (words alone)"
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(g.install.Field), Value: value})
	}
	switch unread := c.LinesUnread(); {
	case len(order) > 0:
		f.Verdict, f.Severity, f.Message = api.Fail, order[0].severity, installTexts[order[0].rank].text
		if !atStart(order[0].install.Field) {
			f.Message += " in a probe or before it stops"
		}
		// Sources that are built there run there.
		if has[fact.SourceCheckout] && has[fact.Compiled] && f.Severity == api.Low {
			f.Severity, f.Message = api.Medium, "checks out a repository and builds its code"
		}
		if raw {
			f.Message += "; a line is no valid shell, and only its words were compared"
		}
		if more := c.InstallTotal - mostInstalls; more > 0 {
			f.Message += fmt.Sprintf("; %d more commands", more)
		}
	case unread != "":
		f.Verdict, f.Reason = api.VerdictUnknown, unread
		f.Message, f.Evidence = "what it runs was not fully read: "+unreadText(c), unreadEvidence(d)
	case c.Program == "":
		f.Verdict = api.Pass
		f.Message = "nothing in its spec fetches or installs code; it declares no command, and what its image starts was not read"
		f.Evidence = []api.Evidence{{Source: d.Field("command"), Value: "not set"}, {Source: d.Field("args"), Value: nothing}, {Source: d.Field("lifecycle"), Value: nothing}}
	default:
		f.Verdict = api.Pass
		f.Message = "no command line in its spec fetches or installs code"
		f.Evidence = []api.Evidence{{Source: d.Field("command"), Value: nothing}, {Source: d.Field("args"), Value: nothing}, {Source: d.Field("lifecycle"), Value: nothing}}
	}
	return f
}

// graded is an install with how grave it is where it is run.
type graded struct {
	install  *fact.Install
	severity api.Severity
	rank     int // of its class in installTexts
}

const nothing = "nothing that fetches or installs code"

func rankOf(class fact.InstallClass) int {
	for i := range installTexts {
		if installTexts[i].class == class {
			return i
		}
	}
	return len(installTexts) - 1 // facts of a later version
}

// unreadText says what of a container's command lines was not evaluated.
func unreadText(c *fact.Container) string {
	if c.CommandUnread == fact.NotPresent {
		return "it gives a shell or an interpreter text that its spec does not have: a variable's value, or what a program prints"
	}
	if c.CommandUnread != "" {
		return "a script in it is too long, is not a shell script, or starts programs from another language"
	}
	for i := range c.Code {
		switch code := &c.Code[i]; {
		case code.Unread == "":
		case code.ConfigMap != "" && code.Unread == fact.NotRequested:
			return "its script is in a ConfigMap, and ConfigMaps were not read"
		case code.ConfigMap != "" && code.Unread == fact.NotPresent:
			return "its script is in a ConfigMap, and nothing that was read has that script"
		case code.ConfigMap != "" && (code.Unread == fact.Unsupported || code.Unread == fact.Truncated):
			return "its script in a ConfigMap is too long, is not a shell script, or starts programs from another language"
		case code.ConfigMap != "":
			return "its script is in a ConfigMap that could not be read"
		default:
			return "it runs a file of a volume, and nothing that was read says what is in it"
		}
	}
	return ""
}

// unreadEvidence names the fields of what was not evaluated.
func unreadEvidence(d checks.Declared) []api.Evidence {
	var out []api.Evidence
	if reason := d.Container.CommandUnread; reason != "" {
		out = append(out, api.Evidence{Source: d.Field("command"), Value: "not evaluated: " + string(reason)})
	}
	for i := range d.Container.Code {
		if code := &d.Container.Code[i]; code.Unread != "" && len(out) < mostInstalls {
			out = append(out, api.Evidence{Source: d.Field(code.Field), Value: "a file in " + codeText(d.Workload, code) + ": " + string(code.Unread)})
		}
	}
	return out
}
