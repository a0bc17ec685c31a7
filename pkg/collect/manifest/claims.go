package manifest

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A claim is a path: to a claim's object, to a volume, and from there, perhaps,
// to a directory of the node. Manifests can hold all three. If one is missing,
// it is unknown what is behind the claim.

// storage is what manifests declare about volumes.
type storage struct {
	volumes map[string]persistent // PersistentVolumes by name
	claims  []claim
}

func newStorage() *storage { return &storage{} }

// persistent is a PersistentVolume.
type persistent struct {
	path, from              string // of the node; "" for one that is elsewhere
	claimNamespace, claimOf string // its claimRef; "" for none
	unread                  fact.Reason
}

// claim is a PersistentVolumeClaim; volume is "" if a provisioner makes the
// volume or the cluster chooses it.
type claim struct{ namespace, name, volume string }

// add takes the object if it is a storage object.
func (s *storage) add(object *unstructured.Unstructured, prefix string) {
	text := func(fields ...string) string {
		value, _, _ := unstructured.NestedString(object.Object, fields...)
		return value
	}
	if object.GetAPIVersion() != "v1" {
		return
	}
	switch object.GetKind() {
	case "PersistentVolume":
		v := persistent{claimNamespace: text("spec", "claimRef", "namespace"), claimOf: text("spec", "claimRef", "name")}
		for _, source := range []string{"hostPath", "local"} {
			if path := text("spec", source, "path"); path != "" {
				v.path = path
				v.from = fmt.Sprintf("%spersistentvolume/%s spec.%s.path", prefix, object.GetName(), source)
			}
		}
		if _, flex, _ := unstructured.NestedMap(object.Object, "spec", "flexVolume"); flex {
			v.unread = fact.Unsupported // only its driver knows what it mounts
		}
		if s.volumes == nil {
			s.volumes = map[string]persistent{}
		}
		s.volumes[object.GetName()] = v
	case "PersistentVolumeClaim":
		s.claims = append(s.claims, claim{object.GetNamespace(), object.GetName(), text("spec", "volumeName")})
	}
}

// follow finds what is behind a claim; false if the manifests do not say. An
// object without a namespace matches any namespace: where it is applied
// decides.
func (s *storage) follow(namespace, name string) (persistent, bool) {
	same := func(other string) bool { return namespace == other || namespace == "" || other == "" }
	var found persistent
	known := false
	for _, volume := range slices.Sorted(maps.Keys(s.volumes)) {
		// If two match, the one on the node counts.
		if v := s.volumes[volume]; v.claimOf == name && same(v.claimNamespace) && (!known || found.path == "" && v.path != "") {
			found, known = v, true
		}
	}
	if known {
		return found, true
	}
	for _, c := range s.claims {
		if c.name == name && same(c.namespace) && c.volume != "" {
			v, found := s.volumes[c.volume]
			return v, found
		}
	}
	return persistent{}, false
}

// openVolumes marks the volumes of a spec whose content a manifest alone does
// not show: claims, and volumes that containers mount although the spec does
// not list them (a StatefulSet's claims, or what a webhook adds).
func openVolumes(spec *fact.PodSpec) {
	for i := range spec.Volumes {
		if v := &spec.Volumes[i]; v.Source == "persistentVolumeClaim" || v.Source == "ephemeral" {
			v.Unread = fact.NotPresent
		}
	}
	for i := range spec.Containers {
		for _, m := range spec.Containers[i].Mounts {
			if !slices.ContainsFunc(spec.Volumes, func(v fact.Volume) bool { return v.Name == m.Volume }) {
				spec.Volumes = append(spec.Volumes, fact.Volume{
					Name: m.Volume, Field: "spec.volumes[" + m.Volume + "]", Source: notListed, Unread: fact.NotPresent,
				})
			}
		}
	}
}

// notListed is the source of a volume that a spec does not list.
const notListed = "unlisted"

// claimsOf lists the claims of a spec by the place of their volume.
func claimsOf(spec *corev1.PodSpec) map[int]string {
	claims := map[int]string{}
	for i := range spec.Volumes {
		if pvc := spec.Volumes[i].PersistentVolumeClaim; pvc != nil {
			claims[i] = pvc.ClaimName
		}
	}
	return claims
}

// resolve fills in what is behind the claims of a workload.
func (s *storage) resolve(w *fact.Workload, claims map[int]string) {
	for volume, name := range claims {
		found, known := s.follow(w.Owner.Namespace, name)
		if !known {
			continue
		}
		v := &w.Spec.Volumes[volume]
		v.HostPath, v.HostPathFrom, v.Unread = found.path, found.from, found.unread
	}
}
