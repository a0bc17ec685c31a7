package gather

import (
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/whatif"
)

// change lets the changes be applied to what the files declare.
func (s *Manifests) change(files *manifest.Files) {
	if s.Changes == nil {
		return
	}
	files.Change = s.Changes.Apply
	files.Added = func() ([]manifest.Object, error) {
		if err := s.Changes.Missed(); err != nil {
			return nil, err
		}
		return s.Changes.Rest(), nil
	}
}

// whatIf says in the report what was applied.
func whatIf(c *whatif.Changes) *api.WhatIf {
	if c == nil {
		return nil
	}
	n := c.Counted()
	return &api.WhatIf{Directory: c.Name, Patches: n.Patches, Patched: n.Objects, Replaced: n.Replaced, Added: n.Added}
}
