package manifest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manager"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/workloadkind"
)

// template is where a kind keeps its pod template: the fields above metadata
// and spec; none for a Pod itself.
var (
	inTemplate    = []string{"spec", "template"}
	inJobTemplate = []string{"spec", "jobTemplate", "spec", "template"}
	inPodTemplate = []string{"template"}
)

// builtin has the templates of Kubernetes' own kinds ("GROUP Kind"). One of
// these without a pod spec is an error.
var builtin = map[string][]string{
	" Pod":                   {},
	" ReplicationController": inTemplate,
	" PodTemplate":           inPodTemplate,
	"apps Deployment":        inTemplate,
	"apps DaemonSet":         inTemplate,
	"apps StatefulSet":       inTemplate,
	"apps ReplicaSet":        inTemplate,
	"batch Job":              inTemplate,
	"batch CronJob":          inJobTemplate,
}

// taken is what one object declares.
type taken struct {
	workloads []takenWorkload
	objects   []inner
	gaps      []fact.Gap
	unknown   []unknownField
	errs      []error // each about a field of the object
}

// takenWorkload is a workload and its claims by volume: the object does not say what
// is behind them.
type takenWorkload struct {
	workload fact.Workload
	claims   claims
}

// inner is a whole object in another one.
type inner struct {
	object *unstructured.Unstructured
	path   workloadkind.Path // in the object that holds it
	within within            // for its own take
}

// within says in which object another one is. The zero value is for an object that is in none.
type within struct {
	depth   int
	owner   fact.Subject      // of the outermost object
	origin  string            // of the outermost object
	path    workloadkind.Path // from the outermost object
	partial string            // why the object may be changed before it is created
	// served says that an API server gave the object: it has no misspelt field then, but
	// perhaps those of a newer version.
	served  bool
	objects bool // as Files.Objects
}

// take finds the pod specs in an object, whatever its kind: at the places that are known of the
// kind, and by shape. Objects in it are for the caller to take. What runs a pod and does not show
// it is a gap.
func take(object *unstructured.Unstructured, prefix string, in within) taken {
	var t taken
	if err := unknownKind(object); err != nil {
		t.errs = append(t.errs, err)
		return t
	}
	if value, found := object.Object["metadata"]; found {
		if wrong := misfit(value, metadataType, []any{"metadata"}); wrong != nil {
			t.errs = append(t.errs, wrong)
			return t
		}
	}
	owner, from := subjectOf(object), in.origin
	switch {
	case in.depth == 0:
		from = origin(prefix, owner.Kind, owner.Namespace, owner.Name)
	case owner.Name == "":
		owner = in.owner
	}
	gvk := object.GroupVersionKind()
	fields, own := builtin[gvk.Group+" "+gvk.Kind]
	if own && in.depth == 0 {
		t.builtin(object, fields, owner, from, in)
		return t
	}
	found := workloadkind.Find(object.Object)
	if own && len(found.Pods)+len(found.Gaps) == 0 {
		_, err := podSpec(object.Object, fields)
		t.add(err)
	}
	for i := range found.Pods {
		t.pod(object, &found.Pods[i], owner, from, in)
	}
	for _, gap := range found.Gaps {
		t.gap(owner, from, in, gap.Reason, gap.Detail, gap.Hint)
	}
	outermost := in.owner
	if in.depth == 0 {
		outermost = owner
	}
	for i := range found.Objects {
		o := &found.Objects[i]
		if in.depth == workloadkind.MaxObjects {
			t.gap(owner, from, in, fact.Truncated, fmt.Sprintf("objects in objects, more than %d levels", workloadkind.MaxObjects), "")
			break
		}
		t.objects = append(t.objects, inner{&unstructured.Unstructured{Object: o.Object}, o.Path, within{
			depth: in.depth + 1, owner: outermost, origin: from, path: slices.Concat(in.path, o.Path), partial: cmp.Or(in.partial, o.Partial),
			objects: in.objects && !o.Text,
		}})
	}
	return t
}

// unknownKind is the error for an object that no API server takes: it has a kind that Kubernetes'
// own groups do not have. kubectl says the same.
func unknownKind(object *unstructured.Unstructured) error {
	kind, version := object.GetKind(), object.GetAPIVersion()
	if meant := workloadkind.Meant(kind); version == "" && meant != "" {
		return &fieldError{[]any{"apiVersion"}, "expected " + meant + ", found nothing"}
	}
	meant, none := workloadkind.NoMatch(version, kind)
	switch {
	case none && meant != "":
		return &fieldError{[]any{"kind"}, "no such kind in this apiVersion: expected " + meant}
	case none:
		return &fieldError{[]any{"kind"}, "no such kind in this apiVersion"}
	}
	if _, found := object.Object["items"]; !found && kind == "List" && version == "v1" {
		return &fieldError{[]any{"items"}, "expected a list of objects, found nothing"}
	}
	return nil
}

// subjectOf is the subject of findings about an object.
func subjectOf(object *unstructured.Unstructured) fact.Subject {
	namespace, name := object.GetNamespace(), object.GetName()
	if name == "" {
		name = object.GetGenerateName()
	}
	return fact.Subject{Kind: object.GetKind(), Namespace: namespace, Name: name, Platform: fact.PlatformNamespace("", namespace)}
}

func (t *taken) add(err error) {
	if err != nil {
		t.errs = append(t.errs, err)
	}
}

func (t *taken) gap(owner fact.Subject, from string, in within, reason fact.Reason, detail, hint string) {
	if len(in.path) > 0 {
		from += " " + in.path.String()
	}
	t.gaps = append(t.gaps, fact.Gap{What: fact.Pods, Subject: owner, Reason: reason, Detail: from + ": " + detail, Hint: hint})
}

// builtin takes the pod spec of a built-in kind. It is an error if there is none.
func (t *taken) builtin(object *unstructured.Unstructured, fields []string, owner fact.Subject, from string, in within) {
	if value, found := lookup(object.Object, append(slices.Clone(fields), "metadata")); found {
		if wrong := misfit(value, metadataType, append(anyPath(fields), "metadata")); wrong != nil {
			t.add(wrong)
			return
		}
	}
	spec, err := podSpec(object.Object, fields)
	if err != nil {
		t.add(err)
		return
	}
	path := strings.Join(append(slices.Clone(fields), "spec"), ".")
	if text := podspec.TooLarge(spec); text != "" {
		t.gap(owner, from, within{}, fact.Truncated, path+": "+text, "")
		return
	}
	if len(spec.Containers) == 0 {
		t.gap(owner, from, within{}, fact.NotPresent, path+" has initContainers and no containers: the API refuses such a pod, so something adds them", "")
	}
	labels := texts(object.Object, append(slices.Clone(fields), "metadata", "labels"))
	annotations := texts(object.Object, append(slices.Clone(fields), "metadata", "annotations"))
	w := fact.Workload{Owner: owner, Spec: podspec.From(from, path, labels, annotations, spec)}
	if !in.served {
		w.Spec.Partial = t.misspelt(object, anyPath(fields))
	}
	openVolumes(&w.Spec)
	if in.objects {
		w.Object = changes(object.GetAPIVersion(), object.GetLabels(), object.GetAnnotations(), &w.Spec, annotations, spec)
	}
	t.workloads = append(t.workloads, takenWorkload{w, claimsOf(spec)})
}

// pod takes a pod spec that was found in an object.
func (t *taken) pod(object *unstructured.Unstructured, p *workloadkind.Pod, owner fact.Subject, from string, in within) {
	if before := p.Partial; p.Settle() && before == "" && len(in.path) > 0 {
		p.Partial = in.path.String() + "." + p.Partial // it begins with a field
	}
	p.Partial = cmp.Or(p.Partial, in.partial)
	wrong := misfit(p.Spec, podSpecType, nil)
	if wrong != nil {
		wrong.path = p.At(wrong.path)
	}
	var labels, annotations map[string]string
	if wrong == nil && p.Metadata != nil {
		metadata := workloadkind.Lookup(object.Object, p.Metadata)
		if wrong = misfit(metadata, metadataType, p.Metadata); wrong == nil {
			at, _ := metadata.(map[string]any)
			labels, annotations = texts(at, []string{"labels"}), texts(at, []string{"annotations"})
		}
	}
	var spec corev1.PodSpec
	if wrong == nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(p.Spec, &spec); err != nil {
			// This is what misfit does not find. The error may quote a value.
			wrong = &fieldError{p.At(nil), "expected a pod spec, found a value of another type in it"}
		}
	}
	if text := podspec.TooLarge(&spec); wrong == nil && text != "" {
		t.gap(owner, from, in, fact.Truncated, p.Path.String()+": "+text, "")
		return
	}
	switch {
	case wrong != nil && p.Partial != "":
		// It only looks like a pod spec, or is none yet.
		t.gap(owner, from, in, fact.Unsupported, wrong.Error(), "")
		return
	case wrong != nil:
		t.add(wrong)
		return
	}
	w := fact.Workload{Owner: owner, Spec: podspec.From(from, slices.Concat(in.path, p.Path).String(), labels, annotations, &spec)}
	w.Spec.Partial = p.Partial
	if p.Partial == "" && !in.served {
		w.Spec.Partial = t.misspeltIn(p)
	}
	if len(p.Fields) > 0 {
		w.Spec.Fields = make(map[string]string, len(p.Fields))
		for field, at := range p.Fields {
			w.Spec.Fields[field] = slices.Concat(in.path, at).String()
		}
	}
	openVolumes(&w.Spec)
	if in.objects && in.depth == 0 { // an object in another one has no place of its own
		w.Object = changes(object.GetAPIVersion(), object.GetLabels(), object.GetAnnotations(), &w.Spec, annotations, &spec)
	}
	t.workloads = append(t.workloads, takenWorkload{w, claimsOf(&spec)})
}

// changes says how an object in a file can be changed. Of is the annotations of its template,
// spec its pod spec.
func changes(apiVersion string, labels, annotations map[string]string, declared *fact.PodSpec, of map[string]string, spec *corev1.PodSpec) *fact.Object {
	out := &fact.Object{APIVersion: apiVersion, Template: declared.Path, Fields: declared.Fields, Managers: manager.Marks(labels, annotations)}
	if !isVersion(apiVersion) { // nobody has checked it
		out.APIVersion, out.Template = "", ""
	}
	if !podspec.Outline(out, of, spec) {
		out.Template = ""
	}
	return out
}

// isVersion reports whether text has the letters of an apiVersion.
func isVersion(text string) bool {
	return len(text) <= 253 && credential.KeptName(text) == text && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789./-") == "" && strings.Count(text, "/") <= 1
}

// origin names an object as the place where something was read.
func origin(prefix, kind, namespace, name string) string {
	text := prefix + strings.ToLower(kind) + "/"
	if namespace != "" {
		text += namespace + "/"
	}
	return text + name
}

// objectMeta are the fields of metadata that are read.
type objectMeta struct {
	Name         string            `json:"name"`
	GenerateName string            `json:"generateName"`
	Namespace    string            `json:"namespace"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`

	UID                        ignored `json:"uid"`
	ResourceVersion            ignored `json:"resourceVersion"`
	Generation                 ignored `json:"generation"`
	CreationTimestamp          ignored `json:"creationTimestamp"`
	DeletionTimestamp          ignored `json:"deletionTimestamp"`
	DeletionGracePeriodSeconds ignored `json:"deletionGracePeriodSeconds"`
	Finalizers                 ignored `json:"finalizers"`
	OwnerReferences            ignored `json:"ownerReferences"`
	ManagedFields              ignored `json:"managedFields"`
	SelfLink                   ignored `json:"selfLink"`
}

var (
	metadataType = reflect.TypeFor[objectMeta]()
	podSpecType  = reflect.TypeFor[corev1.PodSpec]()
)

func anyPath(fields []string) []any {
	path := make([]any, len(fields))
	for i, field := range fields {
		path[i] = field
	}
	return path
}

// podSpec converts the spec below fields. It is strict about types and lenient
// about unknown fields, for which the API server only warns. Its errors name
// the field, never a value.
func podSpec(object map[string]any, fields []string) (*corev1.PodSpec, error) {
	at := append(anyPath(fields), "spec")
	value, _ := lookup(object, append(slices.Clone(fields), "spec"))
	raw, ok := value.(map[string]any)
	if !ok {
		return nil, &fieldError{at, "expected a pod spec, found " + typeName(value)}
	}
	init, _ := raw["initContainers"].([]any)
	if list, ok := raw["containers"].([]any); !ok && raw["containers"] != nil || len(list)+len(init) == 0 {
		return nil, &fieldError{append(at, "containers"), "expected a list of at least one container, found " + typeName(raw["containers"])}
	}
	if wrong := misfit(raw, podSpecType, at); wrong != nil {
		return nil, wrong
	}
	var spec corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &spec); err != nil {
		// This is what misfit does not find. The error may quote a value.
		return nil, &fieldError{at, "expected a pod spec, found a value of another type in it"}
	}
	return &spec, nil
}

// lookup finds a value by its fields; false if one of them is missing.
func lookup(object map[string]any, fields []string) (any, bool) {
	var value any = object
	for _, field := range fields {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = inner[field]; !ok {
			return nil, false
		}
	}
	return value, true
}

// texts finds a map of strings, whose type misfit has checked; nil if there is
// none.
func texts(object map[string]any, fields []string) map[string]string {
	value, _ := lookup(object, fields)
	raw, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(raw))
	for key, v := range raw {
		out[key], _ = v.(string)
	}
	return out
}
