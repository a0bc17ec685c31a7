package secrets

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// ImagePullSecret notes a workload whose images are pulled with a password that is kept in
// a Secret, and names Secrets that do not exist. Source: imagePullSecrets of the spec, to
// which the API server adds those of the service account, and the list of Secrets.
var ImagePullSecret = checks.Check{
	ID:       "secrets/image-pull-secret",
	Title:    "No registry password is kept in a Secret",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A registry's password in a Secret lies in each namespace that uses the registry, rarely changes, and is often the same everywhere. A " +
		"credential provider of the kubelet gets a short-lived password when an image is pulled, and no Secret holds one.",
	Remediation: "Configure a kubelet credential provider for the registry (the cloud providers have them), or give the nodes access to a registry " +
		"mirror. Remove names of Secrets that do not exist.",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider/",
		"https://kubernetes.io/docs/concepts/containers/images/#specifying-imagepullsecrets-on-a-pod",
	},
	Judge: judgeImagePullSecret,
}

func judgeImagePullSecret(v *checks.View) []api.Finding {
	if earlier := earlierFacts(v); earlier != nil {
		return earlier
	}
	var listed map[string]bool
	if v.SecretsListed {
		listed = make(map[string]bool, len(v.Secrets))
		for i := range v.Secrets {
			listed[v.Secrets[i].Namespace+"/"+v.Secrets[i].Name] = true
		}
	}
	findings := make([]api.Finding, 0, len(v.Workloads))
	for i := range v.Workloads {
		findings = append(findings, judgePullSecrets(&v.Workloads[i], listed))
	}
	return findings
}

// judgePullSecrets judges one workload. Listed are the Secrets that exist, nil if they
// were not listed.
func judgePullSecrets(w *fact.Workload, listed map[string]bool) api.Finding {
	const most = 5
	f := api.Finding{Subject: checks.WorkloadSubject(w), Evidence: []api.Evidence{{Source: checks.PodField(w, "imagePullSecrets")}}}
	names := slices.Clone(w.Spec.PullSecrets)
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		f.Verdict, f.Message, f.Evidence[0].Value = api.Pass, "its spec names no Secret for its images", "none"
		return f
	}
	f.Verdict, f.Evidence[0].Value = api.Fail, checks.JoinWords(names, most)
	var missing []string
	if listed != nil {
		missing = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return listed[w.Owner.Namespace+"/"+name] })
	}
	f.Message = "its images are pulled with a password in a Secret: " + checks.JoinWords(names, most)
	if len(missing) == len(names) {
		f.Message = "names a Secret for its images that does not exist: " + checks.JoinWords(missing, most)
	} else if len(missing) > 0 {
		f.Message += "; not found: " + checks.JoinWords(missing, most)
	}
	if len(missing) > 0 {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: "list of Secrets in namespace " + w.Owner.Namespace, Value: "without " + strings.Join(missing[:min(len(missing), most)], ", "),
		})
	}
	return f
}
