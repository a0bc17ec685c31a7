package remedy

import (
	"encoding/json"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/target"
)

// targets adds the list of the patches with all changes, one for each object.
func (d *directory) targets() {
	list := target.List{APIVersion: target.APIVersion, Kind: target.Kind}
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
				list.Patches = append(list.Patches, target.Target{
					Path: file, APIVersion: p.APIVersion, Kind: p.Kind, Name: p.Name, Namespace: p.Owner.Namespace, File: p.Owner.File,
				})
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
	d.add(target.File, 0o600, string(data)+"\n")
}
