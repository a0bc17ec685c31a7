package podspec

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// Where a variable comes from is kept, and what it holds is not.
func TestVariables(t *testing.T) {
	secretKey := func(name, key string, optional *bool) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key, Optional: optional,
		}}
	}
	yes := true
	c := corev1.Container{
		Name: "app",
		Env: []corev1.EnvVar{
			{Name: "PLAIN", Value: "canary-plain"},
			{Name: "PASSWORD", ValueFrom: secretKey("db", "password", nil)},
			{Name: "MAYBE", ValueFrom: secretKey("db", "user", &yes)},
			{Name: "CONFIG", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{Key: "a"}}},
			{Name: "NODE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}},
			{Name: "STORED", Value: "vault:secret/data/canary-path#canary-key"},
			{Name: "GITHUB", Value: "ghp_" + "canary1Kw9Lx4Tz8Bn3Mc6Yd1Hf5Jp0GsXaE"[:36]},
			{Name: "DB_PASSWORD", Value: "canary-Rk29xQmVd81Lz"},
			{Name: "DB_URL", Value: "postgres://app:canary29xQ@db/app"},
			{Name: "DB_PASSWORD", Value: "$(PASSWORD)"},
			{Name: "URL", Value: "postgres://app:$(PASSWORD)@db/app"},
		},
		EnvFrom: []corev1.EnvFromSource{
			{ConfigMapRef: &corev1.ConfigMapEnvSource{}},
			{Prefix: "DB_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Optional: &yes}},
		},
	}
	spec := From("pod/shop/web", "spec", nil, nil, &corev1.PodSpec{Containers: []corev1.Container{c}})
	got := spec.Containers[0]
	want := []fact.Variable{
		{Name: "PASSWORD", Field: "env[1]", Secret: "db", Key: "password"},
		{Name: "MAYBE", Field: "env[2]", Secret: "db", Key: "user", Optional: true},
		{Name: "STORED", Field: "env[5]", Store: "bank-vaults"},
		{Name: "GITHUB", Field: "env[6]", Rule: "github-token"},
		{Name: "DB_PASSWORD", Field: "env[7]", Rule: credential.TellingName},
		{Name: "DB_URL", Field: "env[8]", Rule: credential.DatabaseURL},
		{Field: "envFrom[1]", Secret: "db", Optional: true},
	}
	if diff := cmp.Diff(want, got.Variables); diff != "" || got.VariableTotal != len(want) {
		t.Errorf("%d variables (-want +got):\n%s", got.VariableTotal, diff)
	}
	if body, err := json.Marshal(spec); err != nil || strings.Contains(string(body), "canary") {
		t.Errorf("a value is in the facts: %s, %v", body, err)
	}
}

// What somebody wrote where a name belongs is not kept, if it can be a value.
func TestNamesThatAreValues(t *testing.T) {
	const token, password = "ghp_" + "canary1Kw9Lx4Tz8Bn3Mc6Yd1Hf5Jp0GsXaEuK", "canaryRk29xQmVd81LzW7t"
	secret := func(name, key string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}}
	}
	spec := From("pod/shop/web", "spec", nil, nil, &corev1.PodSpec{
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: token}},
		Volumes: []corev1.Volume{{Name: "a", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{
			Driver: token, VolumeAttributes: map[string]string{"secretProviderClass": "https://app:" + password + "@vault"},
		}}}},
		Containers: []corev1.Container{{Name: "app", Env: []corev1.EnvVar{
			{Name: "DB_PASSWORD=canary", Value: password},
			{Name: token, Value: token},
			{Name: password, Value: token},
			{Name: "A", ValueFrom: secret(token, "password")},
			{Name: "B", ValueFrom: secret("db", password)},
			{Name: strings.Repeat("canary ", 1<<17), Value: token},
			{Name: "REFERENCE", Value: "vault:secret/db#" + token},
		}, EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: token}}}}}},
	})
	const none = credential.Withheld
	want := []fact.Variable{
		{Name: "DB_PASSWORD", Field: "env[0]", Rule: credential.TellingName},
		{Name: none, Field: "env[1]", Rule: "github-token"},
		{Name: none, Field: "env[2]", Rule: "github-token"},
		{Name: "A", Field: "env[3]", Secret: none, Key: "password"},
		{Name: "B", Field: "env[4]", Secret: "db", Key: none},
		{Name: none, Field: "env[5]", Rule: "github-token"},
		{Name: "REFERENCE", Field: "env[6]", Rule: "github-token", Store: "bank-vaults"},
		{Field: "envFrom[0]", Secret: none},
	}
	if diff := cmp.Diff(want, spec.Containers[0].Variables); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	if body, err := json.Marshal(spec); err != nil || strings.Contains(string(body), "canary") {
		t.Errorf("a value is in the facts: %.400s, %v", body, err)
	}
}

func TestVariablesAreBounded(t *testing.T) {
	var c corev1.Container
	for i := range fact.MaxVariables + 50 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprint("V", i), ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "k"}}})
	}
	list, total := variables(&c)
	if len(list) != fact.MaxVariables || total != fact.MaxVariables+50 || list[0].Name != "V0" {
		t.Errorf("%d of %d", len(list), total)
	}
}

// What a pod asks of external stores, and the Secrets for its images.
func TestStoresOfAPod(t *testing.T) {
	spec := From("pod/shop/web", "spec", nil, map[string]string{"vault.hashicorp.com/agent-inject": "true", "note": "canary"}, &corev1.PodSpec{
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}, {Name: ""}, {Name: "mirror"}},
		Volumes: []corev1.Volume{
			{Name: "a", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{
				Driver: "secrets-store.csi.k8s.io", VolumeAttributes: map[string]string{"secretProviderClass": "db", "other": "canary"},
			}}},
			{Name: "b", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "csi.cert-manager.io"}}},
		},
	})
	want := fact.PodSpec{
		Origin: "pod/shop/web", Path: "spec",
		Annotations: []string{"note", "vault.hashicorp.com/agent-inject"},
		PullSecrets: []string{"registry", "mirror"},
		Injectors:   []string{"vault-agent vault.hashicorp.com/agent-inject"},
		Volumes: []fact.Volume{
			{Name: "a", Field: "spec.volumes[0]", Source: "csi", Driver: "secrets-store.csi.k8s.io", Class: "db"},
			{Name: "b", Field: "spec.volumes[1]", Source: "csi", Driver: "csi.cert-manager.io"},
		},
	}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}
