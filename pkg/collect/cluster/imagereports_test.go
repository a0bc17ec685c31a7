package cluster

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	trivyPath     = "/apis/aquasecurity.github.io/v1alpha1/vulnerabilityreports"
	summariesPath = "/apis/spdx.softwarecomposition.kubescape.io/v1beta1/vulnerabilitymanifestsummaries"
	manifestsPath = "/apis/spdx.softwarecomposition.kubescape.io/v1beta1/vulnerabilitymanifests"
)

// scanned are reports of both scanners about one Deployment.
func scanned(s *server) {
	s.resources = map[string][]metav1.APIResource{
		"aquasecurity.github.io/v1alpha1": {resourceOf("vulnerabilityreports", "VulnerabilityReport", true)},
		"spdx.softwarecomposition.kubescape.io/v1beta1": {
			resourceOf("vulnerabilitymanifests", "VulnerabilityManifest", true), resourceOf("vulnerabilitymanifestsummaries", "VulnerabilityManifestSummary", true),
		},
	}
	s.objects = map[string][]string{
		trivyPath: {`{"metadata":{"namespace":"shop","name":"replicaset-web-abc-app","labels":{"trivy-operator.resource.kind":"ReplicaSet","trivy-operator.resource.name":"web-abc","trivy-operator.container.name":"app"}},
			"report":{"updateTimestamp":"2026-11-27T10:00:00Z","scanner":{"name":"Trivy"},"registry":{"server":"registry.example"},
			"artifact":{"repository":"team/app","tag":"v1","digest":"sha256:aa"},"summary":{"criticalCount":2,"highCount":3},
			"vulnerabilities":[{"vulnerabilityID":"CANARY"}]}}`},
		summariesPath: {`{"metadata":{"namespace":"shop","name":"deployment-web-app","creationTimestamp":"2026-11-26T10:00:00Z",
			"labels":{"kubescape.io/workload-kind":"Deployment","kubescape.io/workload-name":"web","kubescape.io/workload-namespace":"shop","kubescape.io/workload-container-name":"app"},
			"annotations":{"kubescape.io/image-id":"docker-pullable://registry.example/team/app@sha256:aa","kubescape.io/image-tag":"registry.example:5000/team/app:v1"}},
			"spec":{"severities":{"critical":{"all":1,"relevant":0},"high":{"all":4}}}}`},
		manifestsPath: {`{"metadata":{"namespace":"kubescape","name":"app-aa","annotations":{"kubescape.io/image-id":"registry.example/team/app@sha256:aa"},"labels":{"kubescape.io/workload-namespace":"shop","kubescape.io/workload-name":"web"}},"spec":{"payload":"CANARY"}}`},
	}
}

func TestImageReports(t *testing.T) {
	s := newServer(t)
	scanned(s)
	result := collect(t, Options{Config: s.config(), Pods: true, ImageReports: true})
	at := func(day int) fact.Time { return fact.NewTime(time.Date(2026, 11, day, 10, 0, 0, 0, time.UTC)) }
	want := &fact.ImageScan{Reports: []fact.ImageReport{
		{Kind: "VulnerabilityManifest", Namespace: "kubescape", Name: "app-aa", Repository: "registry.example/team/app", Digest: "sha256:aa", Scanner: "Kubescape"},
		{
			Kind: "VulnerabilityManifestSummary", Namespace: "shop", Name: "deployment-web-app", OwnerKind: "Deployment", Owner: "web", Container: "app",
			Repository: "registry.example:5000/team/app", Tag: "v1", Digest: "sha256:aa", Scanner: "Kubescape", Updated: at(26), Critical: 1, High: 4,
		},
		{
			Kind: "VulnerabilityReport", Namespace: "shop", Name: "replicaset-web-abc-app", OwnerKind: "ReplicaSet", Owner: "web-abc", Container: "app",
			Repository: "registry.example/team/app", Tag: "v1", Digest: "sha256:aa", Scanner: "Trivy", Updated: at(27), Critical: 2, High: 3,
		},
	}}
	if diff := cmp.Diff(want, result.ImageScan); diff != "" || len(result.Gaps) > 0 {
		t.Errorf("gaps %+v, reports (-want +got):\n%s", result.Gaps, diff)
	}
	if text, _ := json.Marshal(result.ImageScan); strings.Contains(string(text), "CANARY") {
		t.Errorf("vulnerabilities are kept: %s", text)
	}
	// The vulnerabilities of a manifest are never asked for.
	for _, r := range s.asked(manifestsPath) {
		if !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
			t.Errorf("asked for %q", r.Header.Get("Accept"))
		}
	}
	if n := len(s.asked("/apis")); n != 1 {
		t.Errorf("%d requests for the groups", n)
	}
}

// Reports are asked for only where their resource exists and the run looks, and what is
// refused is a gap and costs nothing else.
func TestImageReportsThatAreNotRead(t *testing.T) {
	none := newServer(t)
	result := collect(t, Options{Config: none.config(), Pods: true, ImageReports: true})
	if diff := cmp.Diff(&fact.ImageScan{}, result.ImageScan); diff != "" || len(result.Gaps) > 0 || len(none.asked(trivyPath)) > 0 {
		t.Errorf("gaps %+v, scan (-want +got):\n%s", result.Gaps, diff)
	}
	s := newServer(t)
	scanned(s)
	s.refuse = refuseAll(trivyPath, forbidden)
	result = collect(t, Options{Config: s.config(), Pods: true, ImageReports: true, Namespace: ""})
	want := []fact.Gap{{
		What: fact.ImageReports, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden,
		Detail: "no right to list vulnerabilityreports.aquasecurity.github.io", Hint: "grant list on vulnerabilityreports.aquasecurity.github.io",
	}}
	if diff := cmp.Diff(want, result.Gaps); diff != "" || len(result.ImageScan.Reports) != 2 {
		t.Errorf("%d reports, gaps (-want +got):\n%s", len(result.ImageScan.Reports), diff)
	}
	s = newServer(t)
	scanned(s)
	s.refuse = refuseAll("/apis", forbidden)
	if result = collect(t, Options{Config: s.config(), Pods: true, ImageReports: true}); result.ImageScan != nil || len(result.Gaps) != 1 {
		t.Errorf("scan %+v, gaps %+v", result.ImageScan, result.Gaps)
	}
	if result = collect(t, Options{Config: s.config(), Pods: true}); result.ImageScan != nil || len(result.Gaps) > 0 {
		t.Errorf("nobody asked: scan %+v, gaps %+v", result.ImageScan, result.Gaps)
	}
}

func TestImagePolicies(t *testing.T) {
	const sigstoreWhere = ", in namespaces with the label policy.sigstore.dev/include=true"
	for name, tc := range map[string]struct {
		resource, kind, gv string
		spec               string
		enforces           bool
		detail             string
		none               bool
	}{
		"Sigstore's default enforces":         {"clusterimagepolicies", "ClusterImagePolicy", "policy.sigstore.dev/v1beta1", `{}`, true, "spec.mode: enforce" + sigstoreWhere, false},
		"Sigstore that warns":                 {"clusterimagepolicies", "ClusterImagePolicy", "policy.sigstore.dev/v1beta1", `{"mode":"warn"}`, false, "spec.mode: warn" + sigstoreWhere, false},
		"a mode that nobody knows":            {"clusterimagepolicies", "ClusterImagePolicy", "policy.sigstore.dev/v1beta1", `{"mode":"x"}`, false, "spec.mode is neither enforce nor warn", false},
		"Kyverno without a rule for images":   {"clusterpolicies", "ClusterPolicy", "kyverno.io/v1", `{"rules":[{"validate":{}}],"validationFailureAction":"Enforce"}`, false, "", true},
		"Kyverno's default audits":            {"clusterpolicies", "ClusterPolicy", "kyverno.io/v1", `{"rules":[{"verifyImages":[{}]}]}`, false, "no rule of verifyImages has failureAction Enforce", false},
		"Kyverno, the rule enforces":          {"clusterpolicies", "ClusterPolicy", "kyverno.io/v1", `{"rules":[{"verifyImages":[{"failureAction":"Enforce"}]}]}`, true, "spec.rules[].verifyImages[].failureAction: Enforce", false},
		"Kyverno, the policy enforces":        {"policies", "Policy", "kyverno.io/v1", `{"validationFailureAction":"enforce","validationFailureActionOverrides":[{"action":"audit"}],"rules":[{"verifyImages":[{}]}]}`, true, "spec.validationFailureAction: Enforce, with other actions for some namespaces", false},
		"Kyverno, the rule only audits":       {"policies", "Policy", "kyverno.io/v1", `{"validationFailureAction":"enforce","rules":[{"verifyImages":[{"failureAction":"Audit"}]}]}`, false, "no rule of verifyImages has failureAction Enforce", false},
		"Kyverno, not at admission":           {"policies", "Policy", "kyverno.io/v1", `{"admission":false,"validationFailureAction":"enforce","rules":[{"verifyImages":[{}]}]}`, false, "spec.admission: false", false},
		"Kyverno's CEL denies":                {"imagevalidatingpolicies", "ImageValidatingPolicy", "policies.kyverno.io/v1", `{"validationActions":["Audit","Deny"]}`, true, "spec.validationActions: Deny", false},
		"Kyverno's CEL audits":                {"imagevalidatingpolicies", "ImageValidatingPolicy", "policies.kyverno.io/v1", `{"validationActions":["Audit"]}`, false, "spec.validationActions has no Deny", false},
		"Kyverno's CEL, not at admission":     {"imagevalidatingpolicies", "ImageValidatingPolicy", "policies.kyverno.io/v1", `{"validationActions":["Deny"],"evaluation":{"admission":{"enabled":false}}}`, false, "spec.evaluation.admission.enabled: false", false},
		"Ratify leaves it to Gatekeeper":      {"verifiers", "Verifier", "config.ratify.deislabs.io/v1beta1", `{}`, false, "Ratify verifies, and a constraint of Gatekeeper decides: it was not read", false},
		"Portieris with a policy":             {"imagepolicies", "ImagePolicy", "portieris.cloud.ibm.com/v1", `{"repositories":[{"name":"*","policy":{"trust":{"enabled":true}}}]}`, true, "spec.repositories[].policy is set", false},
		"Portieris that allows everything":    {"imagepolicies", "ImagePolicy", "portieris.cloud.ibm.com/v1", `{"repositories":[{"name":"*","policy":null}]}`, false, "no entry of spec.repositories has a policy", false},
		"Connaisseur is known by its webhook": {"", "MutatingWebhookConfiguration", "", "", false, "Connaisseur verifies; its setting DETECTION_MODE, which was not read, decides whether it refuses", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			policy := fact.ImagePolicy{Kind: tc.kind, Namespace: "shop", Name: "p", Enforces: tc.enforces, Detail: tc.detail}
			if tc.gv == "" {
				s.metadata[webhooksPath] = []metav1.PartialObjectMetadata{partial("", "other"), partial("", "connaisseur-webhook")}
				policy.Namespace, policy.Name = "", "connaisseur-webhook"
			} else {
				s.resources = map[string][]metav1.APIResource{tc.gv: {resourceOf(tc.resource, tc.kind, true)}}
				s.objects = map[string][]string{"/apis/" + tc.gv + "/" + tc.resource: {custom("p", "", tc.spec)}}
			}
			want := &fact.ImageScan{Policies: []fact.ImagePolicy{policy}}
			if tc.none {
				want.Policies = nil
			}
			result := collect(t, Options{Config: s.config(), Pods: true, ImageReports: true})
			if diff := cmp.Diff(want, result.ImageScan); diff != "" || len(result.Gaps) > 0 {
				t.Errorf("gaps %+v, policies (-want +got):\n%s", result.Gaps, diff)
			}
		})
	}
}

// Reports are large: answers become smaller until they fit.
func TestLargeReports(t *testing.T) {
	s := newServer(t)
	s.resources = map[string][]metav1.APIResource{"aquasecurity.github.io/v1alpha1": {resourceOf("vulnerabilityreports", "VulnerabilityReport", true)}}
	var objects []string
	for i := range 30 {
		objects = append(objects, fmt.Sprintf(`{"metadata":{"namespace":"shop","name":"r%02d"},"report":{"vulnerabilities":["%s"]}}`, i, strings.Repeat("x", 1<<20)))
	}
	s.objects = map[string][]string{trivyPath: objects}
	result := collect(t, Options{Config: s.config(), Pods: true, ImageReports: true})
	if len(result.Gaps) > 0 || len(result.ImageScan.Reports) != 30 {
		t.Errorf("%d reports, gaps %+v", len(result.ImageScan.Reports), result.Gaps)
	}
}
