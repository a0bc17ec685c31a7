package manifest

import (
	"bytes"
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Object is an object, and where it was read: the name of a file.
type Object struct {
	Source string
	Object *unstructured.Unstructured
}

// added takes what Files.Added returns.
func (r *reader) added() error {
	if r.files.Added == nil {
		return nil
	}
	objects, err := r.files.Added()
	if err != nil {
		return &stopped{err}
	}
	r.files.Change, r.single = nil, false
	for i := range objects {
		o := &objects[i]
		// Its text is not kept: an error names the object, and no line.
		d := &document{source: o.Source, built: true}
		r.source = source{name: o.Source, built: true}
		r.sources++
		problems := len(r.problems)
		if err := r.guarded(d, func() error { return r.generic(d, o.Object, nil, nil) }); err != nil {
			return err
		}
		if len(r.problems) > problems {
			return &stopped{r.problems[problems]}
		}
	}
	return nil
}

// Objects reads all objects that manifests declare, as they are. What cannot be read or is no
// object is an error: nothing is left out. No pod has to be declared.
func Objects(ctx context.Context, files Files, namespace string) ([]Object, error) {
	var out []Object
	files.Change = func(object *unstructured.Unstructured, source string) (*unstructured.Unstructured, string, error) {
		out = append(out, Object{source, object.DeepCopy()})
		return nil, "", nil
	}
	summary, err := Stream(ctx, files, namespace, bytes.NewReader(nil), func(Item) error { return nil })
	switch {
	case errors.Is(err, ErrNoWorkload): // a policy runs none
	case err != nil:
		return nil, err
	default:
		for i := range summary.Gaps {
			if g := &summary.Gaps[i]; g.Subject.Kind == fact.SubjectFile {
				return nil, errors.New(g.Subject.Name + ": " + g.Detail)
			}
		}
	}
	return out, nil
}

// Decode reads the documents of a text, YAML or JSON, whatever they hold. Documents that are
// empty are left out. Its errors name the source and the line, and never quote the text.
func Decode(source string, text []byte) ([]any, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{') {
		var value any
		if twice, err := kjson.UnmarshalStrict(trimmed, &value, kjson.DisallowDuplicateFields); err == nil && len(twice) == 0 {
			return []any{value}, nil
		}
	}
	var (
		values []any
		first  error
	)
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	s := splitter{
		in: newInput(bytes.NewReader(text)), source: source, problem: func(p Problem) { keep(p) },
		whole: func(d *document) error {
			value, err := d.decode()
			if err != nil {
				keep(err)
			} else if value != nil {
				values = append(values, value)
			}
			return nil
		},
		item: func(d *document, _, _ string) error {
			keep(d.problem(0, fact.Unsupported, "expected one object, found a List"))
			return nil
		},
		listed: func(*document, head, int) error { return nil },
	}
	if err := s.run(); err != nil {
		keep(Problem{Source: source, Text: "it cannot be read"})
	}
	if first != nil {
		return nil, first
	}
	return values, nil
}

// Taken is what one object declares.
type Taken struct {
	// Workloads are its pod specs. They have no pods.
	Workloads []fact.Workload
	// Namespace is what a Namespace's labels say; nil for other objects.
	Namespace *fact.Namespace
	// Gaps are what it does not show of the pods that it runs.
	Gaps []fact.Gap
}

// Take takes what an object declares. Source is where it was read; "" for an object of a
// cluster, which has no misspelt field.
func Take(object *unstructured.Unstructured, source string) (Taken, error) {
	prefix := ""
	if source != "" {
		prefix = source + " "
	}
	out := Taken{Namespace: namespaceOf(object, prefix)}
	if err := out.take(object, prefix, within{served: source == "", objects: true}); err != nil {
		return Taken{}, named(object, err)
	}
	return out, nil
}

// take takes an object, and those in it.
func (t *Taken) take(object *unstructured.Unstructured, prefix string, in within) error {
	found := take(object, prefix, in)
	if len(found.errs) > 0 {
		return found.errs[0]
	}
	for i := range found.workloads {
		t.Workloads = append(t.Workloads, found.workloads[i].workload)
	}
	t.Gaps = append(t.Gaps, found.gaps...)
	for i := range found.unknown {
		u := &found.unknown[i]
		t.Gaps = append(t.Gaps, fact.Gap{
			What: fact.Pods, Subject: subjectOf(object), Reason: fact.Corrupt, Detail: u.place() + ": " + u.text(),
			Hint: "write the field as the API has it",
		})
	}
	for _, o := range found.objects {
		if err := t.take(o.object, prefix, o.within); err != nil {
			return err
		}
	}
	return nil
}
