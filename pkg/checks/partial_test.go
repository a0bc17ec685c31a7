package checks

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestPartialPodSpecs(t *testing.T) {
	task := fact.Subject{Kind: "Task", Namespace: "ci", Name: "build"}
	cluster := fact.Subject{Kind: "RayCluster", Namespace: "ml", Name: "ray"}
	const adds = "Tekton makes the pod and adds to what is declared here"
	set := &fact.Set{PodScope: fact.PodsAll, Workloads: []fact.Workload{
		{Owner: task, Spec: fact.PodSpec{
			Origin: "task/ci/build", Path: "spec", Partial: adds, Fields: map[string]string{"containers[0]": "spec.steps[0]"},
			Containers: []fact.Container{{Name: "step", Field: "spec.containers[0]"}},
		}},
		{Owner: cluster, Spec: fact.PodSpec{
			Origin: "raycluster/ml/ray", Path: "spec.headGroupSpec.template.spec", Containers: []fact.Container{{Name: "head", Field: "spec.containers[0]"}},
		}},
		{Owner: cluster, Spec: fact.PodSpec{
			Origin: "raycluster/ml/ray", Path: "spec.autoscalerOptions", Partial: "KubeRay adds to it", Fields: map[string]string{"containers[0]": "spec.autoscalerOptions"},
			Containers: []fact.Container{{Name: "autoscaler", Field: "spec.containers[0]"}},
		}},
	}}
	value := NotSet
	verdict := func(v api.Verdict, basis api.Basis) Check {
		return Check{ID: "privileged/test", Severity: api.High, Basis: basis, Needs: []fact.Kind{fact.Pods}, Judge: func(view *View) []api.Finding {
			var out []api.Finding
			for _, d := range DeclaredContainers(view) {
				out = append(out, api.Finding{
					Verdict: v, Subject: d.Subject(), Message: "not set", Evidence: []api.Evidence{{Source: d.Field("securityContext.privileged"), Value: value}},
				})
			}
			return out
		}}
	}
	judged := func(c Check) map[string]api.Finding {
		out := map[string]api.Finding{}
		for _, f := range JudgeSet(Plan{Checks: []Check{c}}, set).Findings {
			out[f.Subject.Container] = f
		}
		return out
	}

	const misspelt = "spec.HostPID: " + fact.NoSuchField + ": is it hostPID?"
	set.Workloads[0].Spec.Partial = misspelt
	if f := judged(verdict(api.Pass, api.Declared))["step"]; f.Verdict != api.VerdictUnknown || f.Message != "a field is misspelt, and what the pod is meant to be is unknown: "+misspelt {
		t.Errorf("a pass about a pod spec with a misspelt field is %s: %s", f.Verdict, f.Message)
	}
	set.Workloads[0].Spec.Partial = adds
	got := judged(verdict(api.Pass, api.Declared))
	if f := got["step"]; f.Verdict != api.VerdictUnknown || f.Reason != fact.NotPresent || !strings.HasSuffix(f.Message, adds) {
		t.Errorf("a pass about a partial pod spec is %s (%s): %s", f.Verdict, f.Reason, f.Message)
	}
	if want, f := "task/ci/build spec.steps[0].securityContext.privileged", got["step"]; f.Evidence[0].Source != want {
		t.Errorf("evidence at %s, want %s", f.Evidence[0].Source, want)
	}
	if f := got["autoscaler"]; f.Verdict != api.VerdictUnknown {
		t.Errorf("a pass about a partial pod spec of an owner is %s", f.Verdict)
	}
	if f := got["head"]; f.Verdict != api.Pass {
		t.Errorf("a pass about a whole pod spec of the same owner is %s: %s", f.Verdict, f.Message)
	}
	if f := judged(verdict(api.Fail, api.Declared))["step"]; f.Verdict != api.VerdictUnknown {
		t.Errorf("a fail by an absent field of a partial pod spec is %s", f.Verdict)
	}
	if f := judged(verdict(api.Fail, api.Declared))["head"]; f.Verdict != api.Fail {
		t.Errorf("a fail by an absent field of a whole pod spec is %s", f.Verdict)
	}
	value = "true"
	if f := judged(verdict(api.Fail, api.Declared))["step"]; f.Verdict != api.Fail {
		t.Errorf("a fail by a field of a partial pod spec is %s", f.Verdict)
	}
	measured := verdict(api.Pass, api.Measured)
	if f := judged(measured)["step"]; f.Verdict != api.Pass {
		t.Errorf("a measured pass is %s: %s", f.Verdict, f.Message)
	}
}

func TestFieldsElsewhere(t *testing.T) {
	w := &fact.Workload{Spec: fact.PodSpec{Origin: "f.yaml taskrun/ci/run", Path: "spec.taskSpec", Fields: map[string]string{
		"containers[0]": "spec.taskSpec.steps[0]", "containers[0].command[2]": "spec.taskSpec.steps[0].script",
		"hostNetwork": "spec.podTemplate.hostNetwork", "volumes[1]": "spec.podTemplate.volumes[0]", "metadata": "spec.podMetadata",
	}}}
	for field, want := range map[string]string{
		"containers[0].image":      "spec.taskSpec.steps[0].image",
		"containers[0].command[2]": "spec.taskSpec.steps[0].script",
		"containers[0].command[1]": "spec.taskSpec.steps[0].command[1]",
		"volumes[1].hostPath.path": "spec.podTemplate.volumes[0].hostPath.path",
		"volumes[10].hostPath":     "spec.taskSpec.volumes[10].hostPath",
		"hostNetwork":              "spec.podTemplate.hostNetwork",
		"hostPID":                  "spec.taskSpec.hostPID",
	} {
		if got := PodField(w, field); got != "f.yaml taskrun/ci/run "+want {
			t.Errorf("%s is at %q, want %q", field, got, want)
		}
	}
	if got, want := MetadataField(w, "annotations[a/b]"), "f.yaml taskrun/ci/run spec.podMetadata.annotations[a/b]"; got != want {
		t.Errorf("metadata is at %q, want %q", got, want)
	}
	plain := &fact.Workload{Spec: fact.PodSpec{Origin: "deployment/d/web", Path: "spec.template.spec"}}
	if got, want := MetadataField(plain, "labels[x]"), "deployment/d/web spec.template.metadata.labels[x]"; got != want {
		t.Errorf("metadata is at %q, want %q", got, want)
	}
	pod := &fact.Workload{Spec: fact.PodSpec{Origin: "pod/d/web", Path: "spec"}}
	if got, want := MetadataField(pod, "labels[x]"), "pod/d/web metadata.labels[x]"; got != want {
		t.Errorf("metadata is at %q, want %q", got, want)
	}
}
