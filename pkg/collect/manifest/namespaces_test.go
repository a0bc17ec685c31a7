package manifest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestNamespaceLabels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all.yaml")
	const text = `apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {pod-security.kubernetes.io/enforce: baseline, pod-security.kubernetes.io/enforce-version: v1.30, pod-security.kubernetes.io/audit: Restricted}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: ci, labels: {pod-security.kubernetes.io/warn: restricted, pod-security.kubernetes.io/warn-version: latest, pod-security.kubernetes.io/audit-version: v1.2}}}
---
apiVersion: example.com/v1
kind: Namespace
metadata: {name: other, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: app, image: web}]}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	declared, err := Read(context.Background(), Files{Filenames: []string{path}}, "default", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []fact.Namespace{
		{Name: "ci", AuditVersion: "v1.2", Warn: "restricted", WarnVersion: "latest", Origin: path + " namespace/ci"},
		{Name: "shop", Enforce: "baseline", EnforceVersion: "v1.30", Audit: "Restricted", Origin: path + " namespace/shop"},
	}
	if diff := cmp.Diff(want, declared.Namespaces); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	if len(declared.Gaps) != 0 || declared.Count.Objects != 4 {
		t.Errorf("gaps %v, %d objects", declared.Gaps, declared.Count.Objects)
	}
}
