package whatif

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/kustomize/api/konfig"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/target"
)

// Bounds of a directory. The API server takes objects of up to 3 MiB.
var (
	maxFile    = int64(16 << 20)
	maxTotal   = int64(256 << 20)
	maxPatches = 20_000
	maxWholes  = 20_000
)

// Options say how a directory is read.
type Options struct {
	// Namespace is that of objects that name none; "" leaves them as they are.
	Namespace string
	// Builder is as manifest.Files.Builder.
	Builder []string
}

// Load reads the changes in a directory. It is, in this order:
//
//   - a directory that --write-patches wrote: it has the file targets.json;
//   - a kustomization (or component) that has only patches: they are for the objects that are
//     judged;
//   - another kustomization: it is built, and what it makes is whole objects;
//   - manifests, *.json, *.yaml and *.yml, not those in directories of it: whole objects.
//
// What cannot be read or understood is an error, which names the file and never quotes it. Then
// nothing may be applied.
func Load(ctx context.Context, dir string, opts Options) (*Changes, error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %q: %w", dir, cause(err))
	case !info.IsDir():
		return nil, fmt.Errorf("%q: expected a directory, found a file", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", dir, cause(err))
	}
	defer root.Close() //nolint:errcheck // only read
	l := loader{root: root, dir: dir, opts: opts, out: &Changes{Name: dir}, left: maxTotal}
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	if l.out.Empty() {
		return nil, fmt.Errorf("%q: expected patches or objects, found none", dir)
	}
	l.out.index()
	return l.out, nil
}

type loader struct {
	root *os.Root
	dir  string
	opts Options
	out  *Changes
	left int64 // bytes that may still be read
}

func (l *loader) load(ctx context.Context) error {
	if _, err := l.root.Lstat(target.File); err == nil {
		return l.targets()
	}
	var found []string
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if _, err := l.root.Lstat(name); err == nil {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		files, err := l.files()
		if err != nil {
			return err
		}
		return l.manifests(ctx, manifest.Files{Filenames: files})
	case 1:
		return l.kustomization(ctx, found[0])
	}
	return fmt.Errorf("%q: expected one kustomization, found %s", l.dir, strings.Join(found, " and "))
}

// files are the manifests of the directory, by the ends of their names.
func (l *loader) files() ([]string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", l.dir, cause(err))
	}
	var out []string
	for _, entry := range entries {
		name := entry.Name()
		if !slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name)) {
			continue
		}
		info, err := l.root.Stat(name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", l.shown(name), cause(err))
		case info.IsDir():
			continue
		case !info.Mode().IsRegular(): // a pipe would wait for ever
			return nil, fmt.Errorf("%s: expected a file, found something else", l.shown(name))
		}
		if l.left -= info.Size(); l.left < 0 {
			return nil, fmt.Errorf("%q: expected manifests of at most %d MiB, found more", l.dir, maxTotal>>20)
		}
		out = append(out, filepath.Join(l.dir, name))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q: expected what --write-patches wrote, a kustomization or manifests, found none of them", l.dir)
	}
	return out, nil
}

// shown is a file of the directory in errors.
func (l *loader) shown(name string) string {
	return escape.Short(filepath.Join(l.dir, filepath.FromSlash(name)), maxShown)
}

// read reads a file in the directory, also through a link that stays in it.
func (l *loader) read(name string) ([]byte, error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return nil, errors.New("expected a path in this directory")
	}
	info, err := l.root.Stat(local)
	switch {
	case err != nil:
		return nil, cause(err)
	case !info.Mode().IsRegular(): // a pipe would wait for ever
		return nil, errors.New("expected a file, found something else")
	}
	file, err := l.root.Open(local)
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close() //nolint:errcheck // only read
	limit := min(maxFile, l.left)
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("expected at most %d MiB in a file and %d MiB in all, found more", maxFile>>20, maxTotal>>20)
	}
	l.left -= int64(len(data))
	return data, nil
}

// cause removes the path from an operating system's error.
func cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// targets reads a directory that --write-patches wrote.
func (l *loader) targets() error {
	data, err := l.read(target.File)
	if err != nil {
		return fmt.Errorf("%s: %w", l.shown(target.File), err)
	}
	var list target.List
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&list) != nil || list.Kind != target.Kind || list.APIVersion != target.APIVersion {
		return fmt.Errorf("%s: expected the list that --write-patches wrote (%s, kind %s), found something else", l.shown(target.File), target.APIVersion, target.Kind)
	}
	if len(list.Patches) > maxPatches {
		return fmt.Errorf("%s: expected at most %d patches, found %d", l.shown(target.File), maxPatches, len(list.Patches))
	}
	for i := range list.Patches {
		t := &list.Patches[i]
		version, err := schema.ParseGroupVersion(t.APIVersion)
		if err != nil || t.Kind == "" || t.Name == "" || version.Version == "" {
			return fmt.Errorf("%s: patches[%d]: expected the apiVersion, the kind and the name of an object", l.shown(target.File), i)
		}
		data, err := l.read(t.Path)
		if err != nil {
			return fmt.Errorf("%s: patches[%d].path: %w", l.shown(target.File), i, err)
		}
		p := patch{name: l.shown(t.Path), target: exactly(Identity{version.Group, version.Version, t.Kind, t.Namespace, t.Name, t.File})}
		if err := p.parse(data); err != nil {
			return fmt.Errorf("%s: %w", l.shown(t.Path), err)
		}
		l.out.patches = append(l.out.patches, &p)
	}
	return nil
}

// kustomizationFile is what is read of a kustomization.
type kustomizationFile struct {
	APIVersion json.RawMessage `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   json.RawMessage `json:"metadata"`
	Patches    []struct {
		Path    string          `json:"path"`
		Patch   string          `json:"patch"`
		Target  *Target         `json:"target"`
		Options map[string]bool `json:"options"`
	} `json:"patches"`
}

// onlyPatches are the fields of a kustomization that has only patches.
var onlyPatches = []string{"apiVersion", "kind", "metadata", "patches"}

// kustomization reads the patches of a kustomization that has only patches, or builds it.
func (l *loader) kustomization(ctx context.Context, name string) error {
	data, err := l.read(name)
	if err != nil {
		return fmt.Errorf("%s: %w", l.shown(name), err)
	}
	values, err := manifest.Decode(l.shown(name), data)
	if err != nil {
		return err
	}
	if len(values) != 1 {
		return fmt.Errorf("%s: expected one document, found %d", l.shown(name), len(values))
	}
	fields, isMap := values[0].(map[string]any)
	if !isMap {
		return fmt.Errorf("%s: expected a kustomization, found no map", l.shown(name))
	}
	var others []string
	for field := range fields {
		if !slices.Contains(onlyPatches, field) {
			others = append(others, escape.Short(field, 60))
		}
	}
	slices.Sort(others)
	switch {
	case len(others) > 0 && fields["kind"] == "Component":
		return fmt.Errorf("%s: a component with %s needs its base: make a kustomization of both, and name its directory", l.shown(name), strings.Join(others[:min(len(others), 10)], ", "))
	case len(others) > 0:
		return l.manifests(ctx, manifest.Files{Kustomize: l.dir, Builder: l.opts.Builder})
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("%s: expected a kustomization", l.shown(name))
	}
	var k kustomizationFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&k) != nil {
		return fmt.Errorf("%s: patches: expected a list of patches with path or patch, target and options, found something else", l.shown(name))
	}
	if len(k.Patches) > maxPatches {
		return fmt.Errorf("%s: expected at most %d patches, found %d", l.shown(name), maxPatches, len(k.Patches))
	}
	for i := range k.Patches {
		from := &k.Patches[i]
		at := fmt.Sprintf("%s: patches[%d]", l.shown(name), i)
		data := []byte(from.Patch)
		switch {
		case (from.Path == "") == (from.Patch == ""):
			return fmt.Errorf("%s: expected path or patch", at)
		case from.Path != "":
			if data, err = l.read(path.Clean(from.Path)); err != nil {
				return fmt.Errorf("%s.path: %w", at, err)
			}
			at = l.shown(path.Clean(from.Path))
		}
		if err := l.patches(at, data, from.Target); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

// patches reads the patches in one text: a JSON patch, or strategic merge patches. Without a
// target, these are for the object that they name.
func (l *loader) patches(name string, data []byte, of *Target) error {
	parts, err := parse(data)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return errors.New("expected a patch, found nothing")
	}
	for i := range parts {
		p := parts[i]
		p.name = name
		switch {
		case of != nil:
			if p.target, err = newSelector(of); err != nil {
				return err
			}
		case p.operations != nil:
			return errors.New("expected a target: a JSON patch does not say which object it is for")
		default:
			if p.names.Kind == "" || p.names.Name == "" || p.names.Version == "" {
				return errors.New("expected a target, or the apiVersion, the kind and the name of the object that it is for")
			}
			p.target = exactly(p.names)
		}
		if len(l.out.patches) == maxPatches {
			return fmt.Errorf("expected at most %d patches, found more", maxPatches)
		}
		l.out.patches = append(l.out.patches, &p)
	}
	return nil
}

// parse reads the one patch in a text.
func (p *patch) parse(data []byte) error {
	parts, err := parse(data)
	switch {
	case err != nil:
		return err
	case len(parts) != 1:
		return fmt.Errorf("expected one patch, found %d", len(parts))
	}
	p.operations, p.paths, p.fields = parts[0].operations, parts[0].paths, parts[0].fields
	return nil
}

// maxOperations bounds the operations of one patch.
const maxOperations = 10_000

// parse reads patches, YAML or JSON. A list is a JSON patch, a map a strategic merge patch.
func parse(data []byte) ([]patch, error) {
	values, err := manifest.Decode("", data)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), ": ")) // the caller names the source
	}
	var out []patch
	for _, value := range values {
		switch v := value.(type) {
		case map[string]any:
			p := patch{names: unname(v)}
			if p.fields, err = json.Marshal(v); err != nil {
				return nil, errors.New("expected a patch")
			}
			out = append(out, p)
		case []any:
			text, err := json.Marshal(v)
			if err != nil {
				return nil, errors.New("expected a patch")
			}
			p, err := operations(text, len(v))
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		default:
			return nil, errors.New("expected a list of operations or a map, found something else")
		}
	}
	return out, nil
}

// unname removes from a strategic merge patch which object it is for, and returns that: the target
// decides, as in kustomize.
func unname(fields map[string]any) Identity {
	o := unstructured.Unstructured{Object: map[string]any{}}
	metadata, _ := fields["metadata"].(map[string]any)
	copied := map[string]any{}
	for _, field := range []string{"name", "namespace"} {
		if text, isText := metadata[field].(string); isText {
			copied[field] = text
			delete(metadata, field)
		}
	}
	o.Object["metadata"] = copied
	for _, field := range []string{"apiVersion", "kind"} {
		if text, isText := fields[field].(string); isText {
			o.Object[field] = text
			delete(fields, field)
		}
	}
	return IdentityOf(&o, "")
}

// operations reads a JSON patch with so many operations.
func operations(text []byte, count int) (patch, error) {
	var p patch
	if count == 0 || count > maxOperations {
		return p, fmt.Errorf("expected 1 to %d operations, found %d", maxOperations, count)
	}
	list, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return p, errors.New("expected a list of operations with op, path and value, found something else")
	}
	p.operations = list
	for i, o := range list {
		at, err := o.Path()
		kind := o.Kind()
		_, hasValue := o["value"]
		switch {
		case err != nil || !slices.Contains([]string{"add", "remove", "replace", "move", "copy", "test"}, kind):
			return p, fmt.Errorf("operation %d: expected op (add, remove, replace, move, copy or test) and path", i+1)
		case at != "" && !strings.HasPrefix(at, "/"):
			return p, fmt.Errorf("operation %d: path: expected a JSON pointer, which begins with /", i+1)
		case at == "" && kind != "test":
			return p, fmt.Errorf("operation %d: path: expected a field of the object, found the object as a whole", i+1)
		case !hasValue && (kind == "add" || kind == "replace" || kind == "test"):
			return p, fmt.Errorf("operation %d: expected a value", i+1)
		}
		if _, err := o.From(); err != nil && (kind == "move" || kind == "copy") {
			return p, fmt.Errorf("operation %d: expected from", i+1)
		}
		p.paths = append(p.paths, at)
	}
	return p, nil
}

// manifests reads whole objects.
func (l *loader) manifests(ctx context.Context, files manifest.Files) error {
	objects, err := manifest.Objects(ctx, files, "")
	if err != nil {
		return err
	}
	if len(objects) > maxWholes {
		return fmt.Errorf("%q: expected at most %d objects, found %d", l.dir, maxWholes, len(objects))
	}
	seen := map[Identity]string{}
	for _, o := range objects {
		if o.Object.GetNamespace() == "" && l.opts.Namespace != "" && inNamespace(o.Object) {
			o.Object.SetNamespace(l.opts.Namespace)
		}
		id := IdentityOf(o.Object, "")
		if problem := notWhole(o.Object); problem != "" {
			return fmt.Errorf("%s: %s: expected a whole object, %s; put a patch into a kustomization with patches", o.Source, id, problem)
		}
		key := Identity{Group: id.Group, Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}
		if before, twice := seen[key]; twice {
			return fmt.Errorf("%s: %s: %s has it, too", o.Source, id, before)
		}
		seen[key] = o.Source
		l.out.wholes = append(l.out.wholes, &whole{source: o.Source, id: id, object: o.Object.Object})
	}
	return nil
}

// inNamespace reports whether objects of this kind are in a namespace: of those that run pods, all
// are. Of the API's own other kinds, it is not looked up.
func inNamespace(object *unstructured.Unstructured) bool {
	group := object.GroupVersionKind().Group
	_, runs := templates[object.GetAPIVersion()+" "+object.GetKind()]
	return runs || strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io")
}

// notWhole says why an object is only a part of one, "" if nothing shows it. A patch that was
// taken for the object would hide every finding of what it does not have.
func notWhole(object *unstructured.Unstructured) string {
	if object.GetName() == "" || len(validation.IsDNS1123Subdomain(object.GetName())) > 0 && object.GetGenerateName() == "" && strategic[object.GetAPIVersion()+" "+object.GetKind()] != nil {
		return "found one without a name"
	}
	if directive(object.Object, 0) {
		return "found a patch directive"
	}
	at, known := templates[object.GetAPIVersion()+" "+object.GetKind()]
	if !known {
		return ""
	}
	if strings.HasPrefix(object.GetAPIVersion(), "apps/") {
		if _, found, _ := unstructured.NestedMap(object.Object, "spec", "selector"); !found {
			return "found none of the required field spec.selector"
		}
	}
	spec, _, _ := unstructured.NestedMap(object.Object, append(slices.Clone(at), "spec")...)
	containers, _ := spec["containers"].([]any)
	if len(containers) == 0 {
		return "found none of the required field " + strings.Join(at, ".") + ".spec.containers"
	}
	for i, c := range containers {
		fields, _ := c.(map[string]any)
		for _, field := range []string{"name", "image"} {
			if text, _ := fields[field].(string); text == "" {
				return fmt.Sprintf("found none of the required field %s of containers[%d]", field, i)
			}
		}
	}
	return ""
}

// templates say where the kinds with pods have their pod template.
var templates = map[string][]string{
	"v1 Pod":             nil,
	"apps/v1 Deployment": {"spec", "template"}, "apps/v1 DaemonSet": {"spec", "template"},
	"apps/v1 StatefulSet": {"spec", "template"}, "apps/v1 ReplicaSet": {"spec", "template"},
	"batch/v1 Job": {"spec", "template"}, "batch/v1 CronJob": {"spec", "jobTemplate", "spec", "template"},
}

// directive reports whether an object has a directive of a strategic merge patch ("$patch").
func directive(value any, depth int) bool {
	if depth > 100 {
		return false
	}
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if strings.HasPrefix(key, "$patch") || strings.HasPrefix(key, "$deleteFromPrimitiveList") || strings.HasPrefix(key, "$setElementOrder") || strings.HasPrefix(key, "$retainKeys") || directive(inner, depth+1) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return directive(inner, depth+1) })
	}
	return false
}
