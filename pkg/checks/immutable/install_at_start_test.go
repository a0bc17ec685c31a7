package immutable

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestInstallAtStart(t *testing.T) {
	with := func(installs ...fact.Install) *fact.Set {
		return ft.Declared(fact.Container{Program: "sh", Installs: installs, InstallTotal: len(installs)})
	}
	fail := func(severity api.Severity, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: api.Fail, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)})
	}
	unknown := func(reason fact.Reason, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: api.VerdictUnknown, Reason: reason, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)})
	}
	read := []string{ft.App + "command", nothing, ft.App + "args", nothing, ft.App + "lifecycle", nothing}
	const start = "command[2]"
	ft.Judge(t, checks.OfSet(judgeInstallAtStart), map[string]row{
		"a program that installs nothing passes": {
			Set: with(),
			Want: ft.One(api.Finding{
				Verdict: api.Pass, Subject: ft.Subject(), Message: "no command line in its spec fetches or installs code", Evidence: ft.Evidence(read...),
			}),
		},
		"no command passes for what the spec says alone": {
			Set: ft.Declared(fact.Container{}),
			Want: ft.One(api.Finding{
				Verdict: api.Pass, Subject: ft.Subject(), Message: "nothing in its spec fetches or installs code; it declares no command, and what its image starts was not read",
				Evidence: ft.Evidence(append([]string{ft.App + "command", "not set"}, read[2:]...)...),
			}),
		},
		"code that is fetched and run is high": {
			Set:  with(fact.Install{Class: fact.FetchAndRun, What: "curl | sh", Field: start}),
			Want: fail(api.High, "fetches code and runs it", ft.App+start, "curl | sh"),
		},
		"a download that is made executable is high": {
			Set:  with(fact.Install{Class: fact.FetchExecutable, What: "curl, then chmod +x", Field: start}),
			Want: fail(api.High, "fetches a program or a script that it runs or makes executable", ft.App+start, "curl, then chmod +x"),
		},
		"packages are medium": {
			Set:  with(fact.Install{Class: fact.PackageManager, What: "apk add", Field: "lifecycle.postStart.exec.command[0]"}),
			Want: fail(api.Medium, "installs packages", ft.App+"lifecycle.postStart.exec.command[0]", "apk add"),
		},
		"the worst names the finding": {
			Set: with(
				fact.Install{Class: fact.LanguageInstaller, What: "npm ci", Field: start},
				fact.Install{Class: fact.FetchAndRun, What: "curl | sh", Field: start},
			),
			Want: fail(api.High, "fetches code and runs it", ft.App+start, "curl | sh", ft.App+start, "npm ci"),
		},
		"a checkout alone is low": {
			Set:  with(fact.Install{Class: fact.SourceCheckout, What: "git clone", Field: start}),
			Want: fail(api.Low, "checks out a repository", ft.App+start, "git clone"),
		},
		"a checkout that is built is medium": {
			Set: with(fact.Install{Class: fact.SourceCheckout, What: "git clone", Field: start}, fact.Install{Class: fact.Compiled, What: "make", Field: start}),
			Want: fail(api.Medium, "checks out a repository and builds its code",
				ft.App+start, "git clone", ft.App+start, "make"),
		},
		"a probe is low": {
			Set:  with(fact.Install{Class: fact.FetchAndRun, What: "curl | sh", Field: "livenessProbe.exec.command[2]"}),
			Want: fail(api.Low, "fetches code and runs it in a probe or before it stops", ft.App+"livenessProbe.exec.command[2]", "curl | sh"),
		},
		"what runs at the start comes before a probe": {
			Set: with(
				fact.Install{Class: fact.FetchAndRun, What: "curl | sh", Field: "livenessProbe.exec.command[2]"},
				fact.Install{Class: fact.PackageManager, What: "apk add", Field: start},
			),
			Want: fail(api.Medium, "installs packages", ft.App+start, "apk add", ft.App+"livenessProbe.exec.command[2]", "curl | sh"),
		},
		"preStop is low": {
			Set:  with(fact.Install{Class: fact.PackageManager, What: "apk add", Field: "lifecycle.preStop.exec.command[0]"}),
			Want: fail(api.Low, "installs packages in a probe or before it stops", ft.App+"lifecycle.preStop.exec.command[0]", "apk add"),
		},
		"a script of a ConfigMap is named": {
			Set: with(fact.Install{Class: fact.PackageManager, What: "apk add", Field: "command[1]", Script: "web[start.sh]"}),
			Want: fail(api.Medium, "installs packages",
				ft.App+"command[1]", "apk add in the script web[start.sh] of a ConfigMap"),
		},
		"words of no shell are marked": {
			Set: with(fact.Install{Class: fact.PackageManager, What: "apk add", Field: start, Raw: true}),
			Want: fail(api.Medium, "installs packages; a line is no valid shell, and only its words were compared",
				ft.App+start, "apk add (words alone)"),
		},
		"what lies beyond the list is counted": {
			Set: ft.Edit(with(fact.Install{Class: fact.PackageManager, What: "apk add", Field: start}), func(s *fact.Set) {
				s.Workloads[0].Spec.Containers[0].InstallTotal = 20
			}),
			Want: fail(api.Medium, "installs packages; 15 more commands", ft.App+start, "apk add"),
		},
		"a line that was not read is unknown": {
			Set: ft.Declared(fact.Container{Program: "sh", CommandUnread: fact.Unsupported}),
			Want: unknown(fact.Unsupported, "what it runs was not fully read: a script in it is too long, is not a shell script, or starts programs from another language",
				ft.App+"command", "not evaluated: Unsupported"),
		},
		"so is a script of a ConfigMap that was not read": {
			Set: ft.Declared(fact.Container{Program: "sh", Code: []fact.MountedCode{{
				Volume: "scripts", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", ConfigMap: "web", Key: "start.sh", Unread: fact.NotRequested,
			}}}),
			Want: unknown(fact.NotRequested, "what it runs was not fully read: its script is in a ConfigMap, and ConfigMaps were not read",
				ft.App+"command[1]", "a file in the ConfigMap web[start.sh], mounted at /scripts, with sh: NotRequested"),
		},
		"and a file of another volume": {
			Set: ft.Declared(fact.Container{Program: "/data/run", Code: []fact.MountedCode{{Volume: "data", Mount: "/data", Field: "command[0]", Unread: fact.NotPresent}}}),
			Want: unknown(fact.NotPresent, "what it runs was not fully read: it runs a file of a volume, and nothing that was read says what is in it",
				ft.App+"command[0]", "a file in the volume data, mounted at /data: NotPresent"),
		},
		"what was found beats what was not read": {
			Set: ft.Edit(with(fact.Install{Class: fact.PackageManager, What: "apk add", Field: start}), func(s *fact.Set) {
				s.Workloads[0].Spec.Containers[0].CommandUnread = fact.Truncated
			}),
			Want: fail(api.Medium, "installs packages", ft.App+start, "apk add"),
		},
		"facts of an earlier version are unknown": {
			Set: ft.Edit(with(), func(s *fact.Set) { s.FieldsRead = false }),
			Want: ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: fact.Subject{Kind: fact.SubjectCluster},
				Message: "these facts were saved by an earlier version, which did not read it", Evidence: ft.Evidence("facts fieldsRead", "not set"),
			}),
		},
	})
}
