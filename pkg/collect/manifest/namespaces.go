package manifest

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// podSecurityLabel is the beginning of the labels of Pod Security admission.
const podSecurityLabel = "pod-security.kubernetes.io/"

// namespaceOf takes the labels of Pod Security admission from a Namespace; nil if the object
// is none. A label that is not a text is an error of the API's, and here as if it were not set.
func namespaceOf(object *unstructured.Unstructured, prefix string) *fact.Namespace {
	if object.GetAPIVersion() != "v1" || object.GetKind() != fact.SubjectNamespace || object.GetName() == "" {
		return nil
	}
	labels := texts(object.Object, []string{"metadata", "labels"})
	value := func(mode string) string { return credential.KeptName(labels[podSecurityLabel+mode]) }
	return &fact.Namespace{
		Name:    object.GetName(),
		Enforce: value("enforce"), EnforceVersion: value("enforce-version"),
		Audit: value("audit"), AuditVersion: value("audit-version"),
		Warn: value("warn"), WarnVersion: value("warn-version"),
		Origin: prefix + "namespace/" + object.GetName(),
	}
}
