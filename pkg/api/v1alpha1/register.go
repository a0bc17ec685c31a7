package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API version of everything in this package.
var GroupVersion = schema.GroupVersion{Group: "kubectl-checklist.github.io", Version: "v1alpha1"}

// The kinds.
const (
	ReportKind = "ChecklistReport"
	FactsKind  = "ChecklistFacts"
	DiffKind   = "ChecklistDiff"
)

// AddToScheme registers the kinds.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &ChecklistReport{}, &ChecklistFacts{}, &ChecklistDiff{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

// NewScheme returns a scheme that knows only these kinds.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		panic(err) // cannot happen: AddToScheme never fails
	}
	return scheme
}
