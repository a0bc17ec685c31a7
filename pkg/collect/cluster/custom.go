package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/workloadkind"
)

// Bounds of what is read of custom resources.
const (
	customPage    = 100    // objects in one answer
	maxCustom     = 20_000 // objects of one resource
	crdPage       = 25     // definitions in one answer: a schema can have megabytes
	maxCRDs       = 5000
	maxOpenAPIs   = 200 // documents, of one version of a group each
	maxUndeclared = 10_000
	maxMadeGaps   = 20
)

// undeclared is an object that does not say what its pods are.
type undeclared struct {
	object   objectKey
	resource string
	gap      workloadkind.Gap
}

// custom reads the templates of custom resources: of the kinds that the table of package
// workloadkind has, and of those whose schema says that they can hold pods.
func (l *templateLister) custom(ctx context.Context) error {
	resources, stale, err := l.resources(ctx)
	if err != nil {
		return l.note(ctx, "API groups", err)
	}
	if len(stale) > 0 {
		l.gaps = append(l.gaps, staleGap(stale))
	}
	l.tree.resources = make(map[schema.GroupKind]served, len(resources))
	var wanted, unknown []*discovered
	for i := range resources {
		r := &resources[i]
		kind := r.groupKind()
		if _, twice := l.tree.resources[kind]; !twice {
			l.tree.resources[kind] = r.served
		}
		switch holds, known := workloadkind.OnCluster(kind.Group, kind.Kind); {
		case l.opts.Namespace != "" && !r.namespaced:
		case holds:
			wanted = append(wanted, r)
		case !known:
			unknown = append(unknown, r)
		}
	}
	if len(unknown) > 0 {
		found, err := l.bySchema(ctx, unknown)
		if err != nil {
			return err
		}
		wanted = append(wanted, found...)
	}
	for _, r := range wanted {
		if err := l.read(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// bySchema returns the resources whose schema says that they can hold pods. Those without one are
// a gap. Definitions are listed once. Without the right to, and for what an
// aggregated API server serves, the schemas that the API server publishes say it.
func (l *templateLister) bySchema(ctx context.Context, of []*discovered) ([]*discovered, error) {
	byKind := map[schema.GroupKind]*discovered{}
	for _, r := range of {
		byKind[r.groupKind()] = r
	}
	var found []*discovered
	defined := map[*discovered]bool{}
	const resource = "customresourcedefinitions.apiextensions.k8s.io"
	err := l.definitions(ctx, func(kind schema.GroupKind, version string, properties map[string]any) {
		r := byKind[kind]
		if r == nil || r.Version != version {
			return
		}
		defined[r] = true
		if properties == nil || len(workloadkind.InSchema(properties)) > 0 {
			found = append(found, r)
		}
	})
	forbidden := apierrors.IsForbidden(err)
	if err != nil && !forbidden {
		return found, l.note(ctx, resource, err)
	}
	of = slices.DeleteFunc(slices.Clone(of), func(r *discovered) bool { return defined[r] })
	if len(of) == 0 {
		return found, nil
	}
	more, unread, err := l.byOpenAPI(ctx, of)
	if err != nil {
		return nil, err
	}
	found = append(found, more...)
	if len(unread) > 0 {
		var groups []string
		for _, r := range unread {
			groups = append(groups, r.Group)
		}
		gap := fact.Gap{What: fact.Templates, Subject: fact.Subject{Kind: fact.SubjectCluster}}
		if forbidden {
			gap.Reason, gap.Hint = fact.Forbidden, "grant list on "+resource
			gap.Detail = "no right to list " + resource + ", and it is unknown whether resources of these groups run pods: " + some(groups, 5)
		} else {
			// Their objects are not read to see it: nobody knows what they hold.
			gap.Reason = fact.NotPresent
			gap.Detail = "no schema is published for these groups, and it is unknown whether their resources run pods: " + some(groups, 5)
		}
		l.gaps = append(l.gaps, gap)
	}
	slices.SortFunc(found, func(a, b *discovered) int { return strings.Compare(a.name(), b.name()) })
	return found, nil
}

// definitions gives the schema of each served version of each CustomResourceDefinition; nil if
// it does not say what objects may have.
func (l *templateLister) definitions(ctx context.Context, give func(schema.GroupKind, string, map[string]any)) error {
	count := 0
	return l.pages(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crdPage, func(item json.RawMessage) error {
		if count++; count > maxCRDs {
			return errTooMany
		}
		var definition struct {
			Spec struct {
				Group    string `json:"group"`
				KeepsAll bool   `json:"preserveUnknownFields"` // of old definitions
				Names    struct {
					Kind string `json:"kind"`
				} `json:"names"`
				Versions []struct {
					Name   string `json:"name"`
					Served bool   `json:"served"`
					Schema struct {
						OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}
		if json.Unmarshal(item, &definition) != nil {
			return errMalformed
		}
		kind := schema.GroupKind{Group: definition.Spec.Group, Kind: definition.Spec.Names.Kind}
		for _, v := range definition.Spec.Versions {
			if !v.Served {
				continue
			}
			properties := v.Schema.OpenAPIV3Schema
			if definition.Spec.KeepsAll {
				properties = nil
			}
			give(kind, v.Name, properties)
		}
		return nil
	})
}

// byOpenAPI does what bySchema does by the published schemas, which every user may read. Unread
// are the resources for which there is none.
func (l *templateLister) byOpenAPI(ctx context.Context, of []*discovered) (found, unread []*discovered, err error) {
	var versions []schema.GroupVersion
	for _, r := range of {
		if gv := r.GroupVersion(); !slices.Contains(versions, gv) {
			versions = append(versions, gv)
		}
	}
	for i, gv := range versions {
		holds := map[schema.GroupKind]bool{} // of the kinds that have a schema
		if i < maxOpenAPIs {
			if holds, err = l.published(ctx, gv); err != nil && ctx.Err() != nil {
				return nil, nil, err
			}
		}
		for _, r := range of {
			if r.GroupVersion() != gv {
				continue
			}
			switch can, known := holds[r.groupKind()]; {
			case !known:
				unread = append(unread, r)
			case can:
				found = append(found, r)
			}
		}
	}
	return found, unread, nil
}

// published says of each kind of a group's version that has a published schema whether objects
// can hold pods.
func (l *templateLister) published(ctx context.Context, gv schema.GroupVersion) (map[schema.GroupKind]bool, error) {
	var body json.RawMessage
	if err := l.getJSON(ctx, "/openapi/v3/apis/"+gv.Group+"/"+gv.Version, nil, &body); err != nil {
		return nil, err
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Kinds []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
			} `json:"schemas"`
		} `json:"components"`
	}
	var raw struct {
		Components struct {
			Schemas map[string]map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if json.Unmarshal(body, &document) != nil || json.Unmarshal(body, &raw) != nil {
		return nil, errMalformed
	}
	out := map[schema.GroupKind]bool{}
	for name, s := range document.Components.Schemas {
		for _, kind := range s.Kinds {
			if kind.GroupVersion() == gv {
				out[kind.GroupKind()] = out[kind.GroupKind()] || len(workloadkind.InOpenAPI(raw.Components.Schemas[name], raw.Components.Schemas)) > 0
			}
		}
	}
	return out, nil
}

// some lists the first few words, and how many more there are.
func some(words []string, most int) string {
	words = slices.Compact(slices.Clone(words))
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
}

// pages lists a resource as JSON, page by page, and gives each object. The pages become
// smaller while an answer is too large. A page that the server has forgotten is an error:
// what was given stays.
func (c *clients) pages(ctx context.Context, path string, size int, give func(json.RawMessage) error) error {
	return c.selected(ctx, path, nil, size, give)
}

// selected is pages for the objects that a selector selects: the parameters of a list.
func (c *clients) selected(ctx context.Context, path string, selector map[string]string, size int, give func(json.RawMessage) error) error {
	next := ""
	for expired := 0; ; {
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []json.RawMessage `json:"items"`
		}
		params := map[string]string{"limit": strconv.Itoa(size)}
		maps.Copy(params, selector)
		if next != "" {
			params["continue"] = next
		}
		err := c.getJSON(ctx, path, params, &page)
		switch {
		case errors.Is(err, errTooLarge) && size > 1:
			size = max(size/5, 1)
			continue
		case isExpired(err) && nextOf(err) != "" && expired < maxExpired:
			expired++
			next = nextOf(err)
			continue
		case err != nil:
			return err
		}
		for _, item := range page.Items {
			if err := give(item); err != nil {
				return err
			}
		}
		switch page.Metadata.Continue {
		case "":
			return nil
		case next:
			return errMalformed // the same page again
		}
		next, expired = page.Metadata.Continue, 0
	}
}

// read reads the templates in the objects of a resource.
func (l *templateLister) read(ctx context.Context, r *discovered) error {
	path := "/apis/" + r.Group + "/" + r.Version + "/"
	if l.opts.Namespace != "" {
		path += "namespaces/" + l.opts.Namespace + "/"
	}
	l.tree.read[r.groupKind()] = true
	count, bad := 0, 0
	err := l.pages(ctx, path+r.Resource, customPage, func(item json.RawMessage) error {
		if count++; count > maxCustom || len(l.list) >= l.mostTemplates() {
			return errTooMany
		}
		var fields map[string]any
		if utiljson.Unmarshal(item, &fields) != nil || fields == nil {
			bad++
			return nil
		}
		// Items of a list need not say what they are.
		fields["apiVersion"], fields["kind"] = r.GroupVersion().String(), r.kind
		if !l.object(r, &unstructured.Unstructured{Object: fields}) {
			bad++
		}
		return nil
	})
	if bad > 0 {
		l.gaps = append(l.gaps, fact.Gap{
			What: fact.Templates, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Corrupt,
			Detail: fmt.Sprintf("%d of %d objects of %s are not as that resource should be", bad, count, r.name()),
		})
	}
	if err != nil {
		return l.note(ctx, r.name(), err)
	}
	return nil
}

// object takes what an object declares. It reports whether the object is in order.
func (l *templateLister) object(r *discovered, object *unstructured.Unstructured) bool {
	kind := r.groupKind()
	l.tree.note(kind, object)
	key := objectKey{kind.Group, kind.Kind, object.GetNamespace(), object.GetName()}
	origin := strings.ToLower(kind.Kind) + "/"
	if key.namespace != "" {
		origin += key.namespace + "/"
	}
	var change *fact.Object
	if l.opts.Objects {
		change = changes(object, r.name(), "spec", "")
		change.APIVersion = r.GroupVersion().String()
	}
	return l.found(key, r.name(), origin+key.name, object.Object, nil, "", 0, change)
}

// found takes what is in an object, or in an object in it. At is where that is, partial why
// it may be changed before it is created, change how the outermost object can be changed.
func (l *templateLister) found(key objectKey, resource, origin string, object map[string]any, at workloadkind.Path, partial string, depth int, change *fact.Object) bool {
	ok := true
	result := workloadkind.Find(object)
	for i := range result.Pods {
		p := &result.Pods[i]
		p.Settle()
		p.Partial = cmp.Or(partial, p.Partial)
		var spec corev1.PodSpec
		// The error may quote a value.
		if runtime.DefaultUnstructuredConverter.FromUnstructured(p.Spec, &spec) != nil {
			if p.Partial == "" {
				ok = false
				continue
			}
			l.leave(key, resource, workloadkind.Gap{
				Path: slices.Concat(at, p.Path), Reason: fact.Unsupported, Detail: slices.Concat(at, p.Path).String() + " has values of other types than a pod spec",
			})
			continue
		}
		var metadata map[string]any
		if p.Metadata != nil {
			metadata, _ = workloadkind.Lookup(object, p.Metadata).(map[string]any)
		}
		declared := podspec.From(origin, slices.Concat(at, p.Path).String(), texts(metadata["labels"]), texts(metadata["annotations"]), &spec)
		declared.Partial = p.Partial
		for field, place := range p.Fields {
			if declared.Fields == nil {
				declared.Fields = make(map[string]string, len(p.Fields))
			}
			declared.Fields[field] = slices.Concat(at, place).String()
		}
		unlisted(&declared)
		l.add(key, declared, &spec, part(change, &declared, texts(metadata["annotations"]), &spec))
	}
	for _, gap := range result.Gaps {
		if !strings.HasSuffix(gap.Hint, " too") { // what it names is read as well
			l.leave(key, resource, gap)
		}
	}
	for _, o := range result.Objects {
		if depth >= workloadkind.MaxObjects {
			return false
		}
		of := change
		if o.Text {
			of = nil // a patch of a part of a text is none
		}
		if !l.found(key, resource, origin, o.Object, slices.Concat(at, o.Path), cmp.Or(partial, o.Partial), depth+1, of) {
			ok = false
		}
	}
	return ok
}

// leave keeps a gap of an object until it is known whether the object has pods.
func (l *templateLister) leave(key objectKey, resource string, gap workloadkind.Gap) {
	if len(l.undeclared) >= maxUndeclared {
		l.unnamed++
		return
	}
	l.undeclared = append(l.undeclared, undeclared{key, resource, gap})
}

// unlisted adds the volumes that a template mounts and does not list: the controller adds
// them.
func unlisted(spec *fact.PodSpec) {
	for i := range spec.Containers {
		for _, m := range spec.Containers[i].Mounts {
			if volumeOf(spec, m.Volume) == nil {
				spec.Volumes = append(spec.Volumes, fact.Volume{Name: m.Volume, Field: "spec.volumes[" + m.Volume + "]", Source: fact.VolumeUnlisted, Unread: fact.NotPresent})
			}
		}
	}
}

// texts returns the strings of a map.
func texts(value any) map[string]string {
	fields, _ := value.(map[string]any)
	if len(fields) == 0 {
		return nil
	}
	out := make(map[string]string, len(fields))
	for key, v := range fields {
		if text, isText := v.(string); isText {
			out[key] = text
		}
	}
	return out
}

// undeclaredGaps are the gaps of objects that do not say what their pods are, of one resource and
// reason together, and of templates that were not kept or compared. Where all of an object is
// unknown, its pods say it, if it has some. Where a part of it is, or not all of it was looked
// at, its pods may be those of another part.
func (l *templateLister) undeclaredGaps() []fact.Gap {
	type key struct {
		resource, detail string
		live             bool
	}
	type group struct {
		first undeclared
		count int
	}
	groups := map[key]*group{}
	var order []key
	for _, u := range l.undeclared {
		live := l.tree.live[u.object]
		if live && (u.gap.Reason == fact.NotPresent || len(u.gap.Path) == 0 && u.gap.Reason == fact.Unsupported) {
			continue
		}
		k := key{u.resource, u.gap.Detail, live}
		if groups[k] == nil {
			groups[k] = &group{first: u}
			order = append(order, k)
		}
		groups[k].count++
	}
	slices.SortFunc(order, func(a, b key) int {
		if of := cmp.Or(strings.Compare(a.resource, b.resource), strings.Compare(a.detail, b.detail)); of != 0 || a.live == b.live {
			return of
		}
		if b.live {
			return -1
		}
		return 1
	})
	var out []fact.Gap
	say := func(reason fact.Reason, detail, hint string) {
		out = append(out, fact.Gap{
			What: fact.Templates, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: escape.Short(detail, maxDetail), Hint: hint,
		})
	}
	for i, k := range order {
		if i == maxMadeGaps {
			say(fact.Truncated, fmt.Sprintf("%d more reasons why objects do not say what they run", len(order)-i), "")
			break
		}
		g := groups[k]
		name := strings.TrimPrefix(g.first.object.namespace+"/"+g.first.object.name, "/")
		what := k.resource + " " + name
		switch {
		case k.live && g.count > 1:
			what += fmt.Sprintf(" and %d more have pods, which are judged, and it is unknown what they run besides them: ", g.count-1)
		case k.live:
			what += " has pods, which are judged, and it is unknown what it runs besides them: "
		case g.count > 1:
			what += fmt.Sprintf(" and %d more have no pods, and it is unknown what they would run: ", g.count-1)
		default:
			what += " has no pods, and it is unknown what it would run: "
		}
		say(g.first.gap.Reason, what+k.detail, g.first.gap.Hint)
	}
	if l.unnamed > 0 {
		say(fact.Truncated, fmt.Sprintf("%d more parts of objects do not say what they run", l.unnamed), "")
	}
	if l.dropped > 0 {
		say(fact.Truncated, fmt.Sprintf("%d templates were not judged: there are more than %d", l.dropped, l.mostTemplates()), "narrow the run with -n")
	}
	out = append(out, l.large.gaps(fact.Templates)...)
	if len(l.uncompared) > 0 {
		say(fact.Truncated, "these have too many templates and pods to compare all of them, and what of their templates has changed since their pods were made is unknown: "+some(l.uncompared, 5), "")
	}
	return out
}
