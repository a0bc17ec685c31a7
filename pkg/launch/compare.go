package launch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/distribution/reference"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// A tree is a JSON object as the server sent it, with json.Number for numbers. Go
// types would drop the fields that they do not know, and such fields of a later server
// may change what runs.
type tree = map[string]any

// A difference is a field of an object that the server did not return as it was sent.
// Every field counts, except those that are listed below as free to differ.
type difference struct {
	path     string // "spec.containers[probe].image", for people
	pattern  string // "spec.containers[].image", for rules
	sent     string // bounded, one line; "nothing" if the field is absent
	returned string
	unknown  bool // the Go types of this version have no such field
	value    any  // the returned value of an unknown field
}

func (d *difference) String() string {
	return fmt.Sprintf("%s: sent %s, returned %s", d.path, d.sent, d.returned)
}

// A rule accepts a difference in one field. key is the field's name, or the key in a
// map. sent or returned is nil if the field is absent. Fields that no rule accepts must
// be equal.
type rule func(key string, sent, returned any) bool

// may accepts everything: the field changes nothing about what runs.
func may(string, any, any) bool { return true }

// byDefault accepts what the API server fills in if nothing was sent.
func byDefault(values ...any) rule {
	return func(_ string, sent, returned any) bool {
		return sent == nil && slices.ContainsFunc(values, func(v any) bool { return reflect.DeepEqual(v, returned) })
	}
}

// added accepts a field that was not sent, whatever its value.
func added(_ string, sent, _ any) bool { return sent == nil }

// A shape is how objects of one kind are compared.
type shape struct {
	kind  reflect.Type
	rules map[string]rule // by pattern
	// unknown accepts a field that this version does not know.
	unknown func(pattern string) bool
}

// metaRules returns the rules for every kind's metadata. Names and owners must be
// equal, because the cluster removes an object through its owner. A finalizer is
// refused, because it would keep the object. A new metadata field of a later server is
// accepted, because a kubelet does not run metadata.
func metaRules() map[string]rule {
	return map[string]rule{
		"metadata.labels.*":                   may,
		"metadata.annotations.*":              func(key string, _, _ any) bool { return !obeyed(key) },
		"metadata.uid":                        added,
		"metadata.resourceVersion":            added,
		"metadata.generation":                 added,
		"metadata.creationTimestamp":          added,
		"metadata.selfLink":                   added,
		"metadata.managedFields":              may,
		"metadata.deletionTimestamp":          may, // somebody deletes it; that does not change what ran
		"metadata.deletionGracePeriodSeconds": may,
		"status":                              may, // never taken from what a create returns
	}
}

// obeyed reports whether a kubelet or a runtime takes an annotation as an instruction.
// kubernetes.io/config.* makes a pod the mirror of a static pod. The annotations of CDI
// and CRI-O give a container devices, mounts and hooks. Others are for people and
// controllers.
func obeyed(annotation string) bool {
	return slices.ContainsFunc([]string{"kubernetes.io/config.", "cdi.k8s.io/", "io.kubernetes.cri-o."}, func(prefix string) bool {
		return strings.HasPrefix(annotation, prefix)
	})
}

func metaOrNothing(pattern string) bool { return strings.HasPrefix(pattern, "metadata.") }

// podShape returns how the probe's pod is compared. embedded means that nothing of the
// image runs.
//
// Fields that only say where and when a pod is placed may differ, because spec.nodeName
// has already placed it. If they contradict it, the kubelet refuses the pod, and the
// run sees that. Network fields except hostNetwork may differ too: the probe has no
// sockets, and that of level net looks up no names. All other fields must be equal. They can bring other code
// (containers, commands, environment, volumes, hooks), other rights, or another machine
// (runtimeClassName: a virtual machine would be measured). Defaults are those of
// pkg/apis/core/v1/defaults.go in k8s.io/kubernetes 1.37.2 and, if they were different,
// of versions back to 1.21.
func podShape(embedded bool) *shape {
	rules := metaRules()
	maps.Copy(rules, map[string]rule{
		// Where and when.
		"spec.tolerations":               may,
		"spec.priority":                  may,
		"spec.priorityClassName":         may,
		"spec.preemptionPolicy":          may,
		"spec.schedulerName":             may,
		"spec.nodeSelector":              may, // admission plugin PodNodeSelector
		"spec.affinity":                  may,
		"spec.topologySpreadConstraints": may,
		// A shorter deadline ends the probe early. The run sees that.
		"spec.activeDeadlineSeconds": lower,

		// Names and accounts. automountServiceAccountToken and the volumes must be
		// equal, so that no account's token is mounted.
		"spec.dnsPolicy":          may,
		"spec.dnsConfig":          may,
		"spec.serviceAccountName": may,
		"spec.serviceAccount":     may,
		"spec.imagePullSecrets":   may,

		// OpenShift's constraints and similar policies add these.
		"spec.securityContext":                          empty,
		"spec.securityContext.fsGroup":                  added,
		"spec.securityContext.fsGroupChangePolicy":      added,
		"spec.securityContext.supplementalGroups":       added,
		"spec.securityContext.supplementalGroupsPolicy": added,
		"spec.securityContext.seLinuxOptions.level":     added,

		"spec.containers[].image":                sameImage,
		"spec.containers[].imagePullPolicy":      may, // admission plugin AlwaysPullImages
		"spec.containers[].resources":            empty,
		"spec.containers[].resources.requests.*": request,
		"spec.containers[].resources.limits.*":   limit,

		// Defaults of fields that the probe's pod leaves out.
		"spec.containers[].terminationMessagePath":              byDefault(corev1.TerminationMessagePathDefault),
		"spec.containers[].terminationMessagePolicy":            byDefault(string(corev1.TerminationMessageReadFile)),
		"spec.containers[].env[].valueFrom.fieldRef.apiVersion": byDefault("v1"),
		"spec.containers[].securityContext.procMount":           byDefault(string(corev1.DefaultProcMount)),
		"spec.containers[].resizePolicy":                        byDefault(resizePolicy("cpu", "memory")),
	})
	if embedded {
		rules["spec.containers[].image"] = may
	}
	return &shape{kind: reflect.TypeFor[corev1.Pod](), rules: rules, unknown: metaOrNothing}
}

// jobShape returns how the dead man's switch is compared. It runs nothing while its
// completions are 0, so its template may differ, and a later server may add fields. It
// must end (suspend, managedBy) and then be deleted (ttlSecondsAfterFinished).
func jobShape() *shape {
	rules := metaRules()
	rules["metadata.annotations.*"] = may
	maps.Copy(rules, map[string]rule{
		"spec.template":             may,
		"spec.selector":             added, // made by the server: manualSelector is not true
		"spec.manualSelector":       byDefault(false),
		"spec.parallelism":          byDefault(json.Number("1")),
		"spec.completionMode":       byDefault(string(batchv1.NonIndexedCompletion)),
		"spec.suspend":              byDefault(false),
		"spec.podReplacementPolicy": byDefault(string(batchv1.TerminatingOrFailed)),
	})
	return &shape{kind: reflect.TypeFor[batchv1.Job](), rules: rules, unknown: func(string) bool { return true }}
}

// configMapShape returns how a part of the probe is compared: everything except
// metadata.
func configMapShape() *shape {
	rules := metaRules()
	rules["metadata.annotations.*"] = may
	return &shape{kind: reflect.TypeFor[corev1.ConfigMap](), rules: rules, unknown: metaOrNothing}
}

// empty accepts {} for nothing: the server writes {} for an absent field.
func empty(_ string, sent, returned any) bool {
	return isEmpty(sent) && isEmpty(returned)
}

func isEmpty(v any) bool {
	m, ok := v.(tree)
	return v == nil || ok && len(m) == 0
}

// lower accepts a smaller number.
func lower(_ string, sent, returned any) bool {
	a, errA := strconv.ParseInt(fmt.Sprint(sent), 10, 64)
	b, errB := strconv.ParseInt(fmt.Sprint(returned), 10, 64)
	return errA == nil && errB == nil && 0 < b && b <= a
}

// native reports whether every node has a resource. Others are devices and huge pages:
// a request for one changes what the container gets.
func native(name string) bool {
	return slices.Contains([]string{"cpu", "memory", "ephemeral-storage"}, name)
}

func request(key string, _, _ any) bool { return native(key) }

// limit accepts values that give the probe no less than it asked for. A limit on
// ephemeral storage may be added (LimitRange, GKE Autopilot). It says when a kubelet
// evicts the pod, and the run sees that.
func limit(key string, sent, returned any) bool {
	switch {
	case !native(key):
		return false
	case returned == nil:
		return true
	case sent == nil:
		return key == "ephemeral-storage"
	}
	a, errA := resource.ParseQuantity(fmt.Sprint(sent))
	b, errB := resource.ParseQuantity(fmt.Sprint(returned))
	return errA == nil && errB == nil && a.Cmp(b) <= 0
}

// resizePolicy returns what servers with in-place resizing fill in (1.27 to 1.32).
func resizePolicy(resources ...string) []any {
	list := make([]any, 0, len(resources))
	for _, name := range resources {
		list = append(list, tree{"resourceName": name, "restartPolicy": string(corev1.NotRequired)})
	}
	return list
}

// sameImage accepts another name for the same image: any registry, repository and tag
// with the requested digest, or the same name written in full ("busybox:1" for
// "docker.io/library/busybox:1"). Without a digest nothing shows that another name
// means the same image.
func sameImage(_ string, sent, returned any) bool {
	a, ok := parseImage(sent)
	if !ok {
		return false
	}
	b, ok := parseImage(returned)
	if !ok {
		return false
	}
	digestA, okA := a.(reference.Digested)
	digestB, okB := b.(reference.Digested)
	if okA || okB {
		return okA && okB && digestA.Digest() == digestB.Digest()
	}
	return reference.TagNameOnly(a).String() == reference.TagNameOnly(b).String()
}

func parseImage(v any) (reference.Named, bool) {
	name, ok := v.(string)
	if !ok {
		return nil, false
	}
	named, err := reference.ParseNormalizedNamed(name)
	return named, err == nil
}

// byName are the lists whose elements are found by name, not by place, because an
// injector may put its container first.
var byName = []string{"spec.containers", "spec.initContainers", "spec.ephemeralContainers", "spec.volumes"}

// compare returns the differences between an object as it was sent and as it was
// returned, sorted by path.
func compare(s *shape, sent, returned tree) []difference {
	c := comparison{shape: s}
	for _, key := range keysOf(sent, returned) {
		c.field(step{path: key, pattern: key, key: key, in: s.kind}, sent[key], returned[key])
	}
	sorted.Func(c.found, func(a, b difference) int { return strings.Compare(a.path, b.path) })
	return c.found
}

type comparison struct {
	*shape
	found []difference
}

// A step is the place in an object that is being compared.
type step struct {
	path, pattern string
	key           string
	in            reflect.Type // the type that holds the key
}

func (s step) field(key string, in reflect.Type) step {
	return step{path: s.path + "." + key, pattern: s.pattern + "." + key, key: key, in: in}
}

// field compares one field of a Go struct. The field is unknown if the struct does not
// have it.
func (c *comparison) field(at step, sent, returned any) {
	kind, known := fieldsOf(at.in)[at.key]
	if !known {
		if !equal(sent, returned) && !c.unknown(at.pattern) {
			c.add(at, sent, returned, true)
		}
		return
	}
	c.value(at, kind, sent, returned)
}

func (c *comparison) value(at step, kind reflect.Type, sent, returned any) {
	sent, returned = present(sent), present(returned)
	if sent == nil && returned == nil {
		return
	}
	if accept := c.rules[at.pattern]; accept != nil && accept(at.key, sent, returned) {
		return
	}
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch {
	case kind == reflect.TypeFor[resource.Quantity]() && sameQuantity(sent, returned):
		return
	case kind.Kind() == reflect.Struct && !marshals(kind) && c.inside(at.pattern+".", sent, returned):
		a, b := asTree(sent), asTree(returned)
		for _, key := range keysOf(a, b) {
			c.field(at.field(key, kind), a[key], b[key])
		}
	case kind.Kind() == reflect.Map && (sent == nil || isTree(sent)) && (returned == nil || isTree(returned)):
		a, b := asTree(sent), asTree(returned)
		for _, key := range keysOf(a, b) {
			c.value(step{path: at.path + "[" + key + "]", pattern: at.pattern + ".*", key: key}, kind.Elem(), a[key], b[key])
		}
	case kind.Kind() == reflect.Slice && kind.Elem().Kind() != reflect.Uint8 && isList(sent) && isList(returned):
		c.list(at, kind.Elem(), asList(sent), asList(returned))
	case !equal(sent, returned):
		c.add(at, sent, returned, false)
	}
}

// inside reports whether two values are compared field by field: both are objects, or
// one is absent and a rule is about a field of the other.
func (c *comparison) inside(prefix string, sent, returned any) bool {
	if isTree(sent) && isTree(returned) {
		return true
	}
	if !(sent == nil && isTree(returned) || returned == nil && isTree(sent)) || isEmpty(sent) && isEmpty(returned) {
		return false
	}
	for pattern := range c.rules {
		if strings.HasPrefix(pattern, prefix) {
			return true
		}
	}
	return false
}

func (c *comparison) list(at step, kind reflect.Type, sent, returned []any) {
	if !slices.Contains(byName, at.pattern) {
		for i := range max(len(sent), len(returned)) {
			var a, b any
			if i < len(sent) {
				a = sent[i]
			}
			if i < len(returned) {
				b = returned[i]
			}
			c.element(at, strconv.Itoa(i), kind, a, b)
		}
		return
	}
	used := make([]bool, len(returned))
	for i, a := range sent {
		name := nameOf(a, i)
		j := slices.IndexFunc(returned, func(b any) bool { return nameOf(b, -1) == name })
		if j < 0 || used[j] {
			c.element(at, name, kind, a, nil)
			continue
		}
		used[j] = true
		c.element(at, name, kind, a, returned[j])
	}
	for j, b := range returned {
		if !used[j] {
			c.element(at, nameOf(b, j), kind, nil, b)
		}
	}
}

func (c *comparison) element(at step, key string, kind reflect.Type, sent, returned any) {
	at = step{path: at.path + "[" + key + "]", pattern: at.pattern + "[]", key: key}
	if sent == nil || returned == nil { // one more or one less, whatever its content
		c.add(at, sent, returned, false)
		return
	}
	c.value(at, kind, sent, returned)
}

func (c *comparison) add(at step, sent, returned any, unknown bool) {
	d := difference{path: oneLine(at.path), pattern: at.pattern, sent: show(at, sent), returned: show(at, returned)}
	if unknown {
		d.unknown, d.value = true, returned
	}
	c.found = append(c.found, d)
}

// maxShown bounds what is repeated of one value, in bytes.
const maxShown = 120

// show formats a value for people. It does not show what may hold a secret: injectors
// add values to the environment and to commands. It does not show a part of the probe
// either, because that is long.
func show(at step, v any) string {
	if v == nil {
		return "nothing"
	}
	secret := strings.HasPrefix(at.pattern, "data") || strings.HasPrefix(at.pattern, "binaryData")
	for _, inside := range []string{"].args[]", "].command[]", "].env[]", "].envFrom[]"} {
		secret = secret || strings.Contains(at.pattern, inside)
	}
	if strings.HasSuffix(at.pattern, "].command[]") && at.key == "0" { // the program's path
		secret = false
	}
	if m, ok := v.(tree); ok && m["name"] != nil {
		return fmt.Sprintf("one named %q", bounded(fmt.Sprint(m["name"])))
	}
	if secret {
		return "a value (not shown)"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "a value that is not JSON"
	}
	return bounded(string(text))
}

func bounded(text string) string {
	text = oneLine(text)
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + " ..."
	}
	return text
}

// fields caches fieldsOf: reading tags is most of a comparison's time.
var fields sync.Map // reflect.Type to map[string]reflect.Type

// fieldsOf returns the types of a struct's fields by their JSON names, with those of
// embedded structs.
func fieldsOf(in reflect.Type) map[string]reflect.Type {
	if cached, ok := fields.Load(in); ok {
		return cached.(map[string]reflect.Type)
	}
	types := make(map[string]reflect.Type)
	for i := range in.NumField() {
		field := in.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name != "" && name != "-":
			types[name] = field.Type
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			maps.Copy(types, fieldsOf(field.Type))
		}
	}
	fields.Store(in, types)
	return types
}

// marshals reports whether a type writes its own JSON. Such a type is compared as a
// whole.
func marshals(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]())
}

// present turns null and an empty list into nil, which is what they mean.
func present(v any) any {
	if list, ok := v.([]any); ok && len(list) == 0 {
		return nil
	}
	return v
}

func equal(a, b any) bool { return reflect.DeepEqual(present(a), present(b)) }

func sameQuantity(a, b any) bool {
	textA, okA := a.(string)
	textB, okB := b.(string)
	if !okA || !okB {
		return false
	}
	quantityA, errA := resource.ParseQuantity(textA)
	quantityB, errB := resource.ParseQuantity(textB)
	return errA == nil && errB == nil && quantityA.Cmp(quantityB) == 0
}

func isTree(v any) bool { _, ok := v.(tree); return ok }

func asTree(v any) tree { m, _ := v.(tree); return m }

func isList(v any) bool { _, ok := v.([]any); return ok || v == nil }

func asList(v any) []any { l, _ := v.([]any); return l }

// nameOf returns an element's name, or its place if it has no name.
func nameOf(v any, place int) string {
	if name, ok := asTree(v)["name"].(string); ok {
		return name
	}
	return strconv.Itoa(place)
}

func keysOf(a, b tree) []string {
	keys := slices.Collect(maps.Keys(a))
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// treeOf returns an object as it is sent.
func treeOf(object any) (tree, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return parseTree(data)
}

func parseTree(data []byte) (tree, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var t tree
	if err := decoder.Decode(&t); err != nil {
		return nil, err
	}
	return t, nil
}
