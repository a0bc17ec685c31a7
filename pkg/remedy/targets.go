package remedy

import (
	"encoding/json"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// TargetsFile is the file that says for which object each patch is, for --what-if.
const TargetsFile = "targets.json"

// TargetsKind and TargetsVersion are the kind and the version of what is in it.
const TargetsKind = "PatchTargets"

// TargetsVersion is the API version of the plugin's own types.
var TargetsVersion = api.GroupVersion.String()

// Targets is what TargetsFile holds.
type Targets struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Patches    []Target `json:"patches"`
}

// Target names a file with a patch, with slashes, and the object that it is for.
type Target struct {
	Path       string `json:"path"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace,omitempty"`
	// File is the file that declares the object, if another file declares one of the same name.
	File string `json:"file,omitempty"`
}

// targets adds the list of the patches with all changes, one for each object.
func (d *directory) targets() {
	list := Targets{APIVersion: TargetsVersion, Kind: TargetsKind}
	written := make(map[string]bool, len(d.files))
	for i := range d.files {
		written[d.files[i].Name] = true
	}
	for _, p := range d.plans {
		if p.name == "" {
			continue
		}
		// What apply.sh applies, or else the patch for the object's manager or source.
		for _, file := range []string{"patches/" + p.name + ".all.json", "patches/" + p.name + ".safe.json", "upstream/" + p.name + ".yaml", "component/all/" + p.name + ".yaml"} {
			if written[file] {
				list.Patches = append(list.Patches, Target{file, p.APIVersion, p.Kind, p.Name, p.Owner.Namespace, p.Owner.File})
				break
			}
		}
	}
	if len(list.Patches) == 0 {
		return
	}
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		panic(err) // texts only
	}
	d.add(TargetsFile, 0o600, string(data)+"\n")
}
