package osv

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/modversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// languages are the ecosystems of modules.
var languages = map[string]system{
	"Go":       {name: "Go", order: modversion.Semver},
	"npm":      {name: "npm", order: modversion.Semver},
	"PyPI":     {name: "PyPI", order: modversion.PEP440, normal: pythonName},
	"RubyGems": {name: "RubyGems", order: modversion.Gem},
}

// languageOf returns the system of a module's ecosystem.
func languageOf(ecosystem string) (s system, known bool) {
	s, known = languages[ecosystem]
	s.language = true
	_, s.role = only(ecosystem)
	return s, known
}

// pythonName is a name as the index of Python packages compares it: in lower case, with
// one hyphen for each run of separators.
func pythonName(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' }), "-")
}

// goStandard is the name that the Go vulnerability database gives the standard library.
const goStandard = "stdlib"

// versionOf is a module's version as records have it, "" if it is unknown.
func versionOf(m *fact.Module) string {
	switch {
	case m.Version == fact.UnknownVersion:
		return ""
	case m.Ecosystem == "Go" && m.Name == goStandard:
		return modversion.Go(m.Version)
	case m.Ecosystem == "Go":
		return strings.TrimPrefix(m.Version, "v")
	}
	return m.Version
}

// modulesOf are the modules of one ecosystem as packages, each once, with the names of
// those whose version is unknown.
func modulesOf(s system, modules []fact.Module) (packages []fact.InstalledPackage, unknown []string) {
	for i := range modules {
		m := &modules[i]
		if m.Ecosystem != s.name {
			continue
		}
		p := fact.InstalledPackage{Name: m.Name, Version: versionOf(m)}
		if s.normal != nil {
			p.Name = s.normal(p.Name)
		}
		if p.Version == "" {
			unknown = append(unknown, p.Name)
		} else {
			packages = append(packages, p)
		}
	}
	byName := func(a, b fact.InstalledPackage) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	}
	sorted.Func(packages, byName)
	slices.Sort(unknown)
	return slices.Compact(packages), slices.Compact(unknown)
}

// imageSystem is the distribution of an image's packages, or why there is none.
func imageSystem(image *fact.ImageInventory) (s system, unsupported string) {
	s, unsupported = systemOf(image.OS)
	if unsupported == "" && s.manager != image.Manager {
		return system{}, "its packages are " + image.Manager + "'s, those of " + s.name + " are " + s.manager + "'s"
	}
	return s, unsupported
}

// AddImage adds what an image has installed. It must not be called after Read.
func (q *Query) AddImage(image *fact.ImageInventory) {
	if image.Manager != "" {
		if s, unsupported := imageSystem(image); unsupported == "" {
			q.add(s, image.Packages)
		}
	}
	for _, ecosystem := range ecosystemsOf(image) {
		if s, known := languageOf(ecosystem); known {
			packages, _ := modulesOf(s, image.Modules)
			q.add(s, packages)
		}
	}
}

// ecosystemsOf are those of an image's modules, in order.
func ecosystemsOf(image *fact.ImageInventory) (list []string) {
	for i := range image.Modules {
		if !slices.Contains(list, image.Modules[i].Ecosystem) && len(list) < fact.MaxImageParts-1 {
			list = append(list, image.Modules[i].Ecosystem)
		}
	}
	slices.Sort(list)
	return list
}

var ofImage = bounds{fact.MaxImageVulnerabilities, fact.MaxImageUnfixed, fact.MaxImageTexts, fact.MaxImageTexts}

// OfImage returns what the database says about an image of the query: one part for its
// distribution's packages, and one for each language.
func (q *Query) OfImage(image *fact.ImageInventory) fact.ImageVulnerabilities {
	var out fact.ImageVulnerabilities
	if image.Manager != "" {
		s, unsupported := imageSystem(image)
		out.Parts = append(out.Parts, q.part(s, unsupported, image.Packages, nil))
	}
	for _, ecosystem := range ecosystemsOf(image) {
		s, known := languageOf(ecosystem)
		if !known {
			out.Parts = append(out.Parts, q.part(s, "modules of an ecosystem that is not known here were not compared", nil, nil))
			continue
		}
		packages, unknown := modulesOf(s, image.Modules)
		out.Parts = append(out.Parts, q.part(s, "", packages, unknown))
	}
	return out
}

// part is what the database says about packages of one system. unknown are those
// without a version.
func (q *Query) part(s system, unsupported string, packages []fact.InstalledPackage, unknown []string) fact.HostVulnerabilities {
	var out fact.HostVulnerabilities
	t := q.targets[s.name]
	if unsupported != "" || t == nil {
		out.Unsupported = unsupported
		return out
	}
	t.describe(&out)
	h := &hostReport{query: q, target: t, out: &out, names: newNames(q), most: ofImage}
	for i := range packages {
		h.add(&packages[i])
	}
	for _, name := range unknown {
		out.NotCoveredCount++
		if len(out.NotCovered) < h.most.notCovered {
			out.NotCovered = append(out.NotCovered, name)
		}
	}
	h.finish()
	return out
}
