package manifest

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A claim is a path: to a claim's object, to a volume, and from there, perhaps,
// to a directory of the node. Manifests can hold all three. If one is missing,
// it is unknown what is behind the claim.

// maxStorage bounds how many volumes, and how many claims, are remembered.
const maxStorage = 200_000

// storage is what manifests declare about volumes, and other objects that pods name.
type storage struct {
	volumes map[string]*persistent // PersistentVolumes by name
	// bound are volumes by the name of their claim, without the number that a StatefulSet
	// puts behind it; ordered by the volume's name once they are followed.
	bound map[string][]*persistent
	// onNode are volumes of the node that have no claim yet, by class.
	onNode map[string][]*persistent
	claims map[string][]claim // by name, without the number
	// handlers are those of RuntimeClasses, by name.
	handlers map[string]string
	full     bool // not everything was remembered
}

// persistent is a PersistentVolume.
type persistent struct {
	name                    string
	path, from              string // of the node; "" for one that is elsewhere
	claimNamespace, claimOf string // its claimRef; "" for none
	unread                  fact.Reason
	spec                    *corev1.PersistentVolumeSpec // of one that a claim may choose
	labels                  map[string]string
}

// claim is a PersistentVolumeClaim.
type claim struct {
	namespace, name string
	spec            *corev1.PersistentVolumeClaimSpec
}

// claimRef is how a pod names a claim.
type claimRef struct {
	// name is the claim's. With numbered there is one for each pod, with a number behind the
	// name.
	name     string
	numbered bool
	// template is the claim that is made for the pod; nil if the pod names one.
	template *corev1.PersistentVolumeClaimSpec
}

// claims are those of a pod spec, by the place of their volume.
type claims map[int]claimRef

func newStorage() *storage {
	return &storage{
		volumes: map[string]*persistent{}, bound: map[string][]*persistent{}, onNode: map[string][]*persistent{},
		claims: map[string][]claim{}, handlers: map[string]string{},
	}
}

// base is a name without the number of a StatefulSet's pod.
func base(name string) string {
	trimmed := strings.TrimRight(name, "0123456789")
	if len(trimmed) < len(name) && strings.HasSuffix(trimmed, "-") {
		return trimmed[:len(trimmed)-1]
	}
	return name
}

// add takes the object if it says what is behind something that pods name.
func (s *storage) add(object *unstructured.Unstructured, prefix string) {
	text := func(fields ...string) string {
		value, _, _ := unstructured.NestedString(object.Object, fields...)
		return value
	}
	name := object.GetName()
	switch {
	case object.GetKind() == "RuntimeClass" && strings.HasPrefix(object.GetAPIVersion(), "node.k8s.io/"):
		if len(s.handlers) >= maxStorage {
			s.full = true
			return
		}
		s.handlers[name] = text("handler")
	case object.GetAPIVersion() != "v1":
	case object.GetKind() == "PersistentVolume":
		if len(s.volumes) >= maxStorage {
			s.full = true
			return
		}
		v := &persistent{name: name, claimNamespace: text("spec", "claimRef", "namespace"), claimOf: text("spec", "claimRef", "name"), labels: object.GetLabels()}
		for _, source := range []string{"hostPath", "local"} {
			if path := text("spec", source, "path"); path != "" {
				v.path = path
				v.from = fmt.Sprintf("%spersistentvolume/%s spec.%s.path", prefix, name, source)
			}
		}
		if _, flex, _ := unstructured.NestedMap(object.Object, "spec", "flexVolume"); flex {
			v.unread = fact.Unsupported // only its driver knows what it mounts
		}
		s.volumes[name] = v
		switch {
		case v.claimOf != "":
			s.bound[base(v.claimOf)] = append(s.bound[base(v.claimOf)], v)
		case v.path != "":
			var spec corev1.PersistentVolumeSpec
			if convertSpec(object, &spec) {
				v.spec = &spec
				s.onNode[spec.StorageClassName] = append(s.onNode[spec.StorageClassName], v)
			}
		}
	case object.GetKind() == "PersistentVolumeClaim":
		if len(s.claims) >= maxStorage {
			s.full = true
			return
		}
		var spec corev1.PersistentVolumeClaimSpec
		if !convertSpec(object, &spec) {
			spec = corev1.PersistentVolumeClaimSpec{VolumeName: text("spec", "volumeName")}
		}
		s.claims[base(name)] = append(s.claims[base(name)], claim{object.GetNamespace(), name, &spec})
	}
}

// convertSpec reads the spec of an object; false if it has another form.
func convertSpec(object *unstructured.Unstructured, into any) bool {
	spec, ok := object.Object["spec"].(map[string]any)
	return ok && runtime.DefaultUnstructuredConverter.FromUnstructured(spec, into) == nil
}

// follow finds what is behind a claim; false if the manifests do not say. An
// object without a namespace matches any namespace: where it is applied
// decides.
func (s *storage) follow(namespace string, ref claimRef) (*persistent, bool) {
	same := func(other string) bool { return namespace == other || namespace == "" || other == "" }
	is := func(name string) bool {
		return name == ref.name && !ref.numbered || ref.numbered && name != ref.name && base(name) == ref.name
	}
	var found *persistent
	take := func(v *persistent) {
		// If two match, the one on the node counts.
		if v != nil && (found == nil || found.path == "" && v.path != "" || (found.path == "") == (v.path == "") && v.name < found.name) {
			found = v
		}
	}
	key := ref.name
	if !ref.numbered {
		key = base(key)
	}
	if ref.name != "" {
		for _, v := range s.bound[key] {
			if is(v.claimOf) && same(v.claimNamespace) {
				take(v)
			}
		}
	}
	if found != nil {
		return found, true
	}
	specs := []*corev1.PersistentVolumeClaimSpec{}
	if ref.name != "" {
		for _, c := range s.claims[key] {
			if is(c.name) && same(c.namespace) {
				specs = append(specs, c.spec)
			}
		}
	}
	if ref.template != nil {
		specs = append(specs, ref.template)
	}
	for _, spec := range specs {
		if spec.VolumeName != "" {
			take(s.volumes[spec.VolumeName])
			continue
		}
		// The cluster prefers a volume that fits to making one. A volume elsewhere is not
		// looked for: it would not show that there is none on the node.
		take(s.fitting(spec))
	}
	return found, found != nil
}

// fitting is a volume of the node that a claim may get; nil if there is none.
// (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding)
func (s *storage) fitting(spec *corev1.PersistentVolumeClaimSpec) *persistent {
	if spec.StorageClassName == nil {
		return nil // the cluster's default class decides
	}
	selector, err := metav1.LabelSelectorAsSelector(spec.Selector)
	if err != nil {
		return nil
	}
	if spec.Selector == nil {
		selector = labels.Everything()
	}
	for _, v := range s.onNode[*spec.StorageClassName] {
		asked, has := spec.Resources.Requests[corev1.ResourceStorage], v.spec.Capacity[corev1.ResourceStorage]
		if asked.Cmp(has) > 0 || !selector.Matches(labels.Set(v.labels)) || isBlock(spec.VolumeMode) != isBlock(v.spec.VolumeMode) {
			continue
		}
		if !slices.ContainsFunc(spec.AccessModes, func(m corev1.PersistentVolumeAccessMode) bool { return !slices.Contains(v.spec.AccessModes, m) }) {
			return v
		}
	}
	return nil
}

func isBlock(mode *corev1.PersistentVolumeMode) bool {
	return mode != nil && *mode == corev1.PersistentVolumeBlock
}

// openVolumes marks the volumes of a spec whose content a manifest alone does
// not show: claims, and volumes that containers mount although the spec does
// not list them (a StatefulSet's claims, or what a webhook adds).
func openVolumes(spec *fact.PodSpec) {
	listed := make(map[string]bool, len(spec.Volumes))
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		listed[v.Name] = true
		if v.Source == "persistentVolumeClaim" || v.Source == "ephemeral" {
			v.Unread = fact.NotPresent
		}
	}
	for i := range spec.Containers {
		for _, m := range spec.Containers[i].Mounts {
			if !listed[m.Volume] {
				listed[m.Volume] = true
				spec.Volumes = append(spec.Volumes, fact.Volume{
					Name: m.Volume, Field: "spec.volumes[" + m.Volume + "]", Source: fact.VolumeUnlisted, Unread: fact.NotPresent,
				})
			}
		}
	}
}

// claimsOf lists the claims of a spec.
func claimsOf(spec *corev1.PodSpec) claims {
	var out claims
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		var ref claimRef
		switch {
		case v.PersistentVolumeClaim != nil:
			ref.name = v.PersistentVolumeClaim.ClaimName
		case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
			ref.template = &v.Ephemeral.VolumeClaimTemplate.Spec
		default:
			continue
		}
		if out == nil {
			out = claims{}
		}
		out[i] = ref
	}
	return out
}

// claimTemplates adds the claims that a StatefulSet, or a kind that is like it, makes for each
// pod: spec.volumeClaimTemplates. The claim of the pod OWNER-0 has the name TEMPLATE-OWNER-0.
func claimTemplates(object *unstructured.Unstructured, w *fact.Workload, list claims) claims {
	templates, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
	for _, t := range templates {
		fields, _ := t.(map[string]any)
		template := &unstructured.Unstructured{Object: fields}
		place := slices.IndexFunc(w.Spec.Volumes, func(v fact.Volume) bool { return v.Name == template.GetName() })
		if place < 0 {
			continue
		}
		ref := claimRef{name: template.GetName() + "-" + w.Owner.Name, numbered: true}
		var spec corev1.PersistentVolumeClaimSpec
		if convertSpec(template, &spec) {
			ref.template = &spec
		}
		if list == nil {
			list = claims{}
		}
		list[place] = ref
		// The controller puts it in the place of a volume of that name.
		w.Spec.Volumes[place] = fact.Volume{
			Name: template.GetName(), Field: w.Spec.Volumes[place].Field, Source: "persistentVolumeClaim", Unread: fact.NotPresent,
		}
	}
	return list
}

// resolve fills in what other objects say about a workload: what is behind its claims, and
// which handler its class has.
func (s *storage) resolve(w *fact.Workload, list claims) {
	for volume, ref := range list {
		v := &w.Spec.Volumes[volume]
		found, known := s.follow(w.Owner.Namespace, ref)
		switch {
		case known:
			v.HostPath, v.HostPathFrom, v.Unread = found.path, found.from, found.unread
		case s.full:
			v.Unread = fact.Truncated
		}
	}
	if w.Spec.RuntimeClass != "" && w.Spec.RuntimeHandler == "" {
		w.Spec.RuntimeHandler = s.handlers[w.Spec.RuntimeClass]
	}
}
