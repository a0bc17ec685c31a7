// Package manager tells who made an object of Kubernetes and would undo a change of it, by the
// object's own metadata. It is pure. Of labels and annotations it keeps only names of releases
// and applications.
package manager

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// mark is a label or an annotation by which a manager marks what it makes.
type mark struct {
	by         string
	annotation bool
	key        string
	value      string // that it must have; "" for any
	namespace  string // the key, in the same map, of the namespace of what the value names
}

// marks are in the order of what they say. The documentation of each names them:
//   - Helm: https://helm.sh/docs/chart_best_practices/labels/ and, for annotations,
//     https://helm.sh/docs/topics/charts_hooks/ and pkg/action/validate.go of Helm 3
//   - Argo CD: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
//   - Flux: https://fluxcd.io/flux/components/kustomize/kustomizations/ and
//     https://fluxcd.io/flux/components/helm/helmreleases/
//   - Operator Lifecycle Manager: https://olm.operatorframework.io/docs/
//   - add-on manager: kubernetes/cluster/addons/addon-manager/README.md
var marks = []mark{
	{by: fact.ByHelm, annotation: true, key: "meta.helm.sh/release-name", namespace: "meta.helm.sh/release-namespace"},
	{by: fact.ByHelm, key: "app.kubernetes.io/managed-by", value: "Helm"},
	{by: fact.ByHelm, key: "heritage", value: "Helm"},
	{by: fact.ByArgoCD, annotation: true, key: "argocd.argoproj.io/tracking-id"},
	{by: fact.ByArgoCD, key: "argocd.argoproj.io/instance"},
	{by: fact.ByArgoCD, annotation: true, key: "argocd.argoproj.io/instance"},
	{by: fact.ByFlux, key: "kustomize.toolkit.fluxcd.io/name", namespace: "kustomize.toolkit.fluxcd.io/namespace"},
	{by: fact.ByFlux, key: "helm.toolkit.fluxcd.io/name", namespace: "helm.toolkit.fluxcd.io/namespace"},
	{by: fact.ByOLM, key: "olm.owner", namespace: "olm.owner.namespace"},
	{by: fact.ByAddonManager, key: "addonmanager.kubernetes.io/mode"},
}

// olmPrefix begins the label that OLM puts on what belongs to an operator:
// "operators.coreos.com/PACKAGE.NAMESPACE".
const olmPrefix = "operators.coreos.com/"

// Of returns who manages an object, in a fixed order, at most fact.MaxObjectManagers. Template
// is the field of the pod's spec in it: who wrote something else of it is not in the list.
func Of(meta metav1.Object, template string) []fact.Manager {
	out := Marks(meta.GetLabels(), meta.GetAnnotations())
	for i, ref := range meta.GetOwnerReferences() {
		if i == fact.MaxObjectManagers {
			break
		}
		out = append(out, fact.Manager{By: fact.ByOwner, Name: kept(ref.Kind + "/" + ref.Name), Field: "metadata.ownerReferences"})
	}
	out = append(out, writers(meta.GetManagedFields(), template)...)
	return out[:min(len(out), fact.MaxObjectManagers)]
}

// Marks returns the managers that labels and annotations of an object name.
func Marks(labels, annotations map[string]string) []fact.Manager {
	var out []fact.Manager
	for _, m := range marks {
		from, field := labels, "metadata.labels["
		if m.annotation {
			from, field = annotations, "metadata.annotations["
		}
		value, found := from[m.key]
		if !found || m.value != "" && value != m.value || slices.ContainsFunc(out, func(known fact.Manager) bool { return known.By == m.by }) {
			continue
		}
		name := value
		switch {
		case m.value != "", m.by == fact.ByAddonManager:
			name = ""
		case m.by == fact.ByArgoCD: // "APPLICATION:GROUP/KIND:NAMESPACE/NAME"
			name, _, _ = strings.Cut(value, ":")
		}
		if namespace := from[m.namespace]; m.namespace != "" && namespace != "" && name != "" {
			name = namespace + "/" + name
		}
		out = append(out, fact.Manager{By: m.by, Name: kept(name), Field: field + m.key + "]"})
	}
	if !slices.ContainsFunc(out, func(known fact.Manager) bool { return known.By == fact.ByOLM }) {
		least := ""
		for key := range labels {
			if strings.HasPrefix(key, olmPrefix) && (least == "" || key < least) {
				least = key
			}
		}
		if least != "" {
			out = append(out, fact.Manager{By: fact.ByOLM, Name: kept(strings.TrimPrefix(least, olmPrefix)), Field: "metadata.labels[" + credential.KeptName(least) + "]"})
		}
	}
	return out
}

// kept is the name of a release, an application or a program. A name has no other letters, so
// another text is not kept.
func kept(name string) string {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_./:@+ ", c) >= 0:
		default:
			return credential.Withheld
		}
	}
	return credential.KeptName(name)
}

// writers are the programs that wrote fields of the pod's spec. See
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
func writers(entries []metav1.ManagedFieldsEntry, template string) []fact.Manager {
	var out []fact.Manager
	for i := range entries {
		e := &entries[i]
		if e.Subresource != "" || ofUser(e.Manager) || e.FieldsV1 == nil || !wrote(e.FieldsV1.GetRawBytes(), template) {
			continue
		}
		m := fact.Manager{By: fact.ByFieldManager, Name: kept(e.Manager), Field: "metadata.managedFields"}
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b fact.Manager) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// ofUser reports whether a field manager is kubectl, whose user made the change, or what
// kubectl calls that which was there before the first apply.
func ofUser(manager string) bool {
	return manager == "kubectl" || strings.HasPrefix(manager, "kubectl-") || manager == "before-first-apply"
}

// wrote reports whether a set of fields has something at or below a field such as
// "spec.template.spec", or all above it.
func wrote(raw []byte, template string) bool {
	for _, step := range strings.Split(template, ".") {
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil {
			return true // it is not known what was written
		}
		name, _, isItem := strings.Cut(step, "[")
		next, found := fields["f:"+name]
		if !found {
			return false
		}
		if raw = next; isItem || bytes.Equal(bytes.TrimSpace(raw), []byte("{}")) {
			return true
		}
	}
	return true
}
