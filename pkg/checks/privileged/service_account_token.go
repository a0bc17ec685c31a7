package privileged

import (
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// ServiceAccountToken notes a pod that gets a token of the Kubernetes API. Source:
// automountServiceAccountToken, and the mount that the API server adds to a pod as it is
// created: a pod of the cluster without it has no token. What its service account may do is
// not judged.
var ServiceAccountToken = checks.Check{
	ID:       "privileged/service-account-token",
	Title:    "No pod gets a token of the API that it did not ask for",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Unless it is turned off, every container finds a token of its service account. Whoever gets into the container may then do what the account may, and " +
		"most programs never call the API.",
	Remediation: "Set automountServiceAccountToken to false in the pod's spec, or in the service account. If a program calls the API, give it an account of its own with few rights.",
	References: []string{
		"https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting",
	},
	Judge: serviceAccountTokenRule.judgeAll,
}

// tokenPath is where the API server's admission plugin ServiceAccount mounts the token.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

var serviceAccountTokenRule = fieldRule{
	passes: "gets no token of the API", fields: "automountServiceAccountToken", value: "false, or no token is mounted",
	judge: func(w *fact.Workload) []api.Finding {
		const field = "automountServiceAccountToken"
		var mounted []api.Evidence
		for i := range w.Spec.Containers {
			d := checks.Declared{Workload: w, Container: &w.Spec.Containers[i]}
			eachMount(d, false, func(m *fact.VolumeMount, at string) {
				if path.Clean(m.Path) == tokenPath {
					mounted = append(mounted, api.Evidence{Source: d.Field(at + "mountPath"), Value: m.Path})
				}
			})
		}
		auto := w.Spec.AutomountToken
		off, admitted := auto != nil && !*auto, strings.HasPrefix(w.Spec.Origin, "pod/")
		if len(mounted) == 0 && (off || admitted) {
			return nil
		}
		f := podFails(w, api.Low, "gets a token of the API", field, setOrNot(auto))
		f.Evidence = append(f.Evidence, mounted...)
		switch {
		case len(mounted) > 0:
			f.Message = "its containers have a token of the API"
		case auto == nil:
			f.Message = "gets a token of the API, unless its service account turns that off"
		}
		return []api.Finding{f}
	},
}
