// Package target has the list that says for which object each patch is that package remedy makes.
// Package whatif reads it.
package target

import api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"

// File is the file that says for which object each patch is, for --what-if.
const File = "targets.json"

// Kind is the kind of what is in it.
const Kind = "PatchTargets"

// APIVersion is that of the plugin's own types.
var APIVersion = api.GroupVersion.String()

// List is what File holds.
type List struct {
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
