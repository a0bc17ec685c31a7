package remedy

import (
	"slices"
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

// mergeKeys are the lists of a pod's spec that a strategic merge patch merges, with the key of
// their entries (k8s.io/api core/v1, the tag patchMergeKey). It replaces all others as a whole.
var mergeKeys = map[string]string{"containers": "name", "initContainers": "name", "volumes": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}

// strategicKinds are the kinds of which kustomize and kubectl know the merge keys.
var strategicKinds = map[string][]string{
	"v1":       {fact.SubjectPod, fact.SubjectReplicationController, "PodTemplate"},
	"apps/v1":  {fact.SubjectDeployment, fact.SubjectDaemonSet, fact.SubjectStatefulSet, fact.SubjectReplicaSet},
	"batch/v1": {fact.SubjectJob, fact.SubjectCronJob},
}

// ordered is a list of a strategic merge patch. Entries keep their order.
type ordered struct {
	key     string
	entries []map[string]any
}

// entry is the entry with a value of the list's key, which is made if it is not there.
func (o *ordered) entry(value string) map[string]any {
	for _, e := range o.entries {
		if e[o.key] == value {
			return e
		}
	}
	e := map[string]any{o.key: value}
	o.entries = append(o.entries, e)
	return e
}

// strategic makes a strategic merge patch of mends: the fields that change, in lists whose
// entries have names. It returns nil if a mend cannot be written in that way, or the kind is
// one of whose lists nobody knows the keys.
func (p *Plan) strategic(mends []mend.Mend) map[string]any {
	steps, known := tokens(p.Object.Template)
	if !known || len(steps) == 0 || !slices.Contains(strategicKinds[p.APIVersion], p.Kind) {
		return nil
	}
	root := map[string]any{"apiVersion": p.APIVersion, "kind": p.Kind, "metadata": map[string]any{"name": p.Name}}
	for i := range mends {
		if !p.merge(root, steps, &mends[i]) {
			return nil
		}
	}
	// kustomize puts the entries of the patch first, in their order, which is that in which init
	// containers run.
	place := map[string]int{}
	for i, c := range p.Object.Containers {
		place[c.Name] = i
	}
	sortContainers(root, place)
	return plainLists(root).(map[string]any) //nolint:errcheck // a map stays one
}

// sortContainers puts containers into the order of the template.
func sortContainers(fields map[string]any, place map[string]int) {
	for name, value := range fields {
		switch v := value.(type) {
		case map[string]any:
			sortContainers(v, place)
		case *ordered:
			if name != "containers" && name != "initContainers" {
				continue
			}
			slices.SortStableFunc(v.entries, func(a, b map[string]any) int {
				nameA, _ := a["name"].(string)
				nameB, _ := b["name"].(string)
				return place[nameA] - place[nameB]
			})
		}
	}
}

// merge adds a mend to a strategic merge patch.
func (p *Plan) merge(root map[string]any, steps []string, m *mend.Mend) bool {
	below := m.Path
	if len(below) > 0 && below[0].Name == "metadata" {
		if m.Op == mend.Remove {
			return false // kustomize 5.7 makes an annotation "null" of one that is to be removed
		}
		steps = steps[:len(steps)-1]
	}
	at := root
	for _, step := range steps {
		at = inner(at, step)
	}
	if m.Container != "" {
		for _, c := range p.Object.Containers {
			if c.Name != m.Container {
				continue
			}
			list, _, _ := cutEntry(c.Field)
			at = listOf(at, list).entry(m.Container)
		}
	}
	for i, s := range below {
		last := i == len(below)-1
		switch {
		case s.Item != nil && (s.Item.Key == "" || mergeKeys[s.Name] != s.Item.Key):
			return false
		case s.Item != nil:
			at = listOf(at, s.Name).entry(s.Item.Value)
			if last && m.Op == mend.Remove {
				at["$patch"] = "delete"
			} else if last {
				return false
			}
		case last && m.Op == mend.Remove:
			at[s.Name] = nil
		case last && m.Op == mend.Set:
			at[s.Name] = m.Value
		case last:
			fields, isMap := m.Value.(map[string]any)
			value, isText := fields[mergeKeys[s.Name]].(string)
			if !isMap || !isText {
				return false
			}
			e := listOf(at, s.Name).entry(value)
			for k, v := range fields {
				e[k] = v
			}
		default:
			at = inner(at, s.Name)
		}
	}
	return true
}

// inner is the object in a field, which is made if it is not there.
func inner(at map[string]any, field string) map[string]any {
	next, isMap := at[field].(map[string]any)
	if !isMap {
		next = map[string]any{}
		at[field] = next
	}
	return next
}

func listOf(at map[string]any, field string) *ordered {
	list, isList := at[field].(*ordered)
	if !isList {
		list = &ordered{key: mergeKeys[field]}
		at[field] = list
	}
	return list
}

// plainLists replaces the lists with those of JSON.
func plainLists(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plainLists(v[k])
		}
	case *ordered:
		list := make([]any, len(v.entries))
		for i := range v.entries {
			list[i] = plainLists(v.entries[i])
		}
		return list
	}
	return value
}

// forBase is the JSON patch for the files that the object comes from: they have no uid, and may
// have other fields than the object on the cluster, which the API server completes.
func (p *Plan) forBase(mends []mend.Mend) []api.PatchOperation {
	object := *p.Object
	object.UID = ""
	mends = slices.Clone(mends)
	for i := range mends {
		mends[i].Tests = nil // kustomize may change images and paths itself, after the patch
	}
	operations, _ := operations(&object, mends)
	return slices.DeleteFunc(operations, func(o api.PatchOperation) bool { return o.Op == "test" && string(o.Value) == "null" })
}

// fileName is the name of the files about a plan, without a suffix: no name of an object has "_".
func (p *Plan) fileName(n int) string {
	name := p.Owner.Namespace + "_" + p.Target()
	if p.Owner.Namespace == "" {
		name = p.Target()
	}
	name = slashes.Replace(name)
	if len(name) > maxFileName {
		name = name[:maxFileName] + "_" + strconv.Itoa(n)
	}
	return name
}

// maxFileName leaves room for a number and a suffix in the 255 bytes that file systems take.
const maxFileName = 200
