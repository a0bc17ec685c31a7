package whatif

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// Target says which objects a patch is for, as the target of a patch in a kustomization
// (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/): "" is any.
// Name and Namespace are regular expressions of the whole name.
type Target struct {
	Group              string `json:"group,omitempty"`
	Version            string `json:"version,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Name               string `json:"name,omitempty"`
	Namespace          string `json:"namespace,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
}

// selector is a target that was understood.
type selector struct {
	group, version, kind  string
	name, namespace       *regexp.Regexp // nil is any
	labels, annotations   labels.Selector
	file                  string    // "" is any
	core                  bool      // the group is that of the core API, and not any
	one                   *Identity // the one object that is meant; nil for a pattern
	shownName, shownSpace string
}

// maxPattern bounds a regular expression, bytes.
const maxPattern = 1000

func newSelector(t *Target) (selector, error) {
	s := selector{group: t.Group, version: t.Version, kind: t.Kind, shownName: t.Name, shownSpace: t.Namespace}
	if *t == (Target{}) {
		return s, errors.New("expected a target with a kind or a name, found an empty one: it would hit every object")
	}
	var err error
	for _, p := range []struct {
		field, text string
		to          **regexp.Regexp
	}{{"name", t.Name, &s.name}, {"namespace", t.Namespace, &s.namespace}} {
		if p.text == "" {
			continue
		}
		if *p.to, err = regexp.Compile("^(?:" + p.text + ")$"); err != nil || len(p.text) > maxPattern {
			return s, fmt.Errorf("target.%s: expected a regular expression of at most %d bytes", p.field, maxPattern)
		}
	}
	for _, p := range []struct {
		field, text string
		to          *labels.Selector
	}{{"labelSelector", t.LabelSelector, &s.labels}, {"annotationSelector", t.AnnotationSelector, &s.annotations}} {
		if p.text == "" {
			continue
		}
		if *p.to, err = labels.Parse(p.text); err != nil {
			return s, fmt.Errorf("target.%s: expected a selector such as app=web", p.field)
		}
	}
	return s, nil
}

// exactly selects one object by its names.
func exactly(id Identity) selector {
	s := selector{group: id.Group, version: id.Version, kind: id.Kind, file: id.File, core: id.Group == "", one: &id, shownName: id.Name, shownSpace: id.Namespace}
	s.name = regexp.MustCompile("^" + regexp.QuoteMeta(id.Name) + "$")
	if id.Namespace != "" {
		s.namespace = regexp.MustCompile("^" + regexp.QuoteMeta(id.Namespace) + "$")
	}
	return s
}

// mayMatch compares all but labels and annotations.
func (s *selector) mayMatch(id Identity) bool {
	return (s.group == "" && !s.core || s.group == id.Group) && (s.version == "" || s.version == id.Version) && (s.kind == "" || s.kind == id.Kind) &&
		(s.file == "" || s.file == id.File) &&
		(s.name == nil || s.name.MatchString(id.Name)) &&
		(s.namespace == nil || s.namespace.MatchString(id.Namespace) || id.Namespace == "" && s.namespace.MatchString(defaultNamespace))
}

func (s *selector) matches(id Identity, object *unstructured.Unstructured) bool {
	return s.mayMatch(id) &&
		(s.labels == nil || s.labels.Matches(labels.Set(object.GetLabels()))) &&
		(s.annotations == nil || s.annotations.Matches(labels.Set(object.GetAnnotations())))
}

// String names what is selected in a few words.
func (s *selector) String() string {
	words := []string{"object"}
	if s.kind != "" {
		words[0] = s.kind
	}
	name := s.shownName
	if s.shownSpace != "" {
		name = s.shownSpace + "/" + name
	}
	if name != "" {
		words = append(words, name)
	}
	if s.labels != nil || s.annotations != nil {
		words = append(words, "with these labels or annotations")
	}
	if s.file != "" {
		words = append(words, "of "+s.file)
	}
	return escape.Short(strings.Join(words, " "), maxShown)
}
