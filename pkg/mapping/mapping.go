// Package mapping relates checks to the controls of benchmarks and guides. It is data and pure
// functions. A check gives evidence for a control. No number of passes shows that one is met.
package mapping

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Names of the mappings, as in Control.Mapping.
const (
	CIS    = "cis"          // CIS Kubernetes Benchmark: numbers, by version
	NIST   = "nist-800-190" // NIST SP 800-190, section 4: numbers
	PSS    = "pss"          // Pod Security Standards: IDs of pod-security-admission
	ATTACK = "attack"       // MITRE ATT&CK: technique IDs only, since names change
	NSA    = "nsa"          // NSA/CISA Kubernetes Hardening Guide: headings, since it has no numbers
)

// Info says where a mapping's identifiers come from.
type Info struct {
	Name    string
	Title   string
	Version string // "1.12"; "" if it is not versioned here
	Source  string // what the identifiers were compared with
	Date    string // yyyy-mm: when they were compared
	Unsure  string // what no source confirmed, a sentence; "" if all of it was
	Note    string // what is to be known about the relations, a sentence; ""
}

// All lists the mappings, each version of CIS by itself, oldest first.
func All() []Info { return slices.Clone(infos) }

// Row relates checks to controls of one mapping and version.
type Row struct {
	Checks []string
	Info   Info
	IDs    []string
	Same   bool   // the control asks what the check asks
	Note   string // what the checks do not ask of the controls, or ask more: sentences; ""
}

// Rows returns the whole table, in the order of All.
func Rows() []Row {
	var rows []Row
	for _, info := range infos {
		for _, e := range entries {
			ids := e.ids
			if e.mapping != info.Name {
				continue
			}
			if moved, ok := e.moved[info.Version]; ok {
				ids = moved
			}
			if len(ids) > 0 {
				rows = append(rows, Row{Checks: e.checks, Info: info, IDs: ids, Same: e.same, Note: e.note})
			}
		}
	}
	return rows
}

// Of returns the controls that a check gives evidence for, of every mapping and version, in the
// order of All. nil if there is none.
func Of(check string) []api.Control {
	var controls []api.Control
	for _, row := range Rows() {
		if !slices.Contains(row.Checks, check) {
			continue
		}
		for _, id := range row.IDs {
			controls = append(controls, api.Control{Mapping: row.Info.Name, Version: row.Info.Version, ID: id, Same: row.Same})
		}
	}
	return controls
}

// Notes says what a check does not ask of the controls that it gives evidence for, or asks more:
// a line for each note, of the newest benchmark that has it. nil if nothing is to be said.
func Notes(check string) []string {
	type note struct{ mapping, text string }
	var order []note
	of := map[note]string{}
	for _, row := range Rows() {
		if row.Note == "" || !slices.Contains(row.Checks, check) {
			continue
		}
		key := note{row.Info.Name, row.Note}
		if of[key] == "" {
			order = append(order, key)
		}
		of[key] = Word(row.Info) + " " + strings.Join(row.IDs, ", ")
	}
	var lines []string
	for _, key := range order {
		lines = append(lines, of[key]+": "+key.text)
	}
	return lines
}

// NewestCIS returns the newest CIS benchmark for a Kubernetes version, such as "v1.31.4". note
// says what is not exact about it, or is "". 1.34 is in the scope of 1.12 and of 2.0.
func NewestCIS(kubernetes string) (benchmark, note string) {
	v, err := version.ParseGeneric(kubernetes)
	switch {
	case err != nil:
		return "2.0", "the version of Kubernetes is not known: this is the newest benchmark known here"
	case v.Major() < 1 || v.Major() == 1 && v.Minor() < 28:
		return "1.10", "it is made for Kubernetes 1.28: the cluster is older, so numbers may differ"
	case v.Major() > 1 || v.Minor() > 35:
		return "2.0", "it is made for Kubernetes 1.34 and 1.35: the cluster is newer, so numbers may differ"
	case v.Minor() == 28:
		return "1.10", ""
	case v.Minor() <= 31:
		return "1.11", ""
	case v.Minor() <= 33:
		return "1.12", ""
	}
	return "2.0", ""
}

// Managed says why CIS is not mapped for a provider, whose clusters have a benchmark of their
// own. "" if the CIS Kubernetes Benchmark is the one for it.
func Managed(provider string) string {
	name, own := map[string]string{
		"eks": "EKS", "gke": "GKE", "aks": "AKS", "openshift": "OpenShift", "k3s": "k3s", "rke2": "RKE2",
	}[strings.ToLower(provider)]
	if !own {
		return ""
	}
	return name + " has a benchmark of its own, which is not mapped here. The CIS Kubernetes Benchmark is not for it."
}

// Uncovered returns the controls of a mapping that no check gives evidence for, in the order of
// the mapping. version is CIS's, else "". all reports whether every control of the mapping is known
// here. If it is not, the list holds only those that are known, and what prints it must say so.
func Uncovered(name, version string) (ids []string, all bool) {
	covered := map[string]bool{}
	for _, row := range Rows() {
		if row.Info.Name == name && row.Info.Version == version {
			for _, id := range row.IDs {
				covered[id] = true
			}
		}
	}
	for _, id := range known[name+version] {
		if !covered[id] {
			ids = append(ids, id)
		}
	}
	return ids, slices.Contains(complete, name)
}

// Concerns reports whether a finding gives evidence for a control that its check relates to. A
// failing one does not if all of its evidence is about another control.
func Concerns(f *api.Finding, id string) bool {
	concerns := filters[f.Check][id]
	if concerns == nil || len(f.Evidence) == 0 || f.Verdict != api.Fail && f.Verdict != api.Accepted {
		return true
	}
	return slices.ContainsFunc(f.Evidence, func(e api.Evidence) bool { return concerns(&e) })
}

// Order returns the controls of a mapping that are known here, in its own order.
func Order(name, version string) []string { return slices.Clone(known[name+version]) }

// Heading is the text of a control; "" if its source may not be copied, or if the ID is the text.
func Heading(name, id string) string {
	if name == NIST {
		return headings[id]
	}
	return ""
}

// Names lists the words by which a user names a mapping: cis is the version for the cluster.
func Names() []string {
	names := []string{CIS}
	for _, info := range infos {
		names = append(names, Word(info))
	}
	return names
}

// Word is how a user names a mapping and version: "cis-1.12", "pss".
func Word(info Info) string {
	if info.Version != "" {
		return info.Name + "-" + info.Version
	}
	return info.Name
}

// others are words that also name a mapping.
var others = map[string]string{"nsa-cisa": NSA, "nist": NIST}

// Known reports whether a word names a mapping.
func Known(name string) bool { return others[name] != "" || slices.Contains(Names(), name) }

// Choice is a mapping for one cluster.
type Choice struct {
	Info
	// Notes say in full sentences what is assumed or may not fit.
	Notes []string
	// Refused says why nothing is mapped; "" if it is.
	Refused string
}

// Choose returns the mapping that a word names, for a cluster of this version and provider, each ""
// or "unknown" if that is not known. It returns false for a word that Known does not know.
func Choose(name, kubernetes, provider string) (Choice, bool) {
	if other := others[name]; other != "" {
		name = other
	}
	if name == CIS {
		newest, note := NewestCIS(kubernetes)
		choice, ok := Choose(CIS+"-"+newest, "", provider)
		if note != "" {
			choice.Notes = append([]string{"CIS " + newest + ": " + note + "."}, choice.Notes...)
		}
		return choice, ok
	}
	i := slices.IndexFunc(infos, func(info Info) bool { return Word(info) == name })
	if i < 0 {
		return Choice{}, false
	}
	choice := Choice{Info: infos[i]}
	if choice.Name != CIS {
		return choice, true
	}
	choice.Refused = Managed(provider)
	if newest, _ := NewestCIS(kubernetes); kubernetes != "" && newest != choice.Version {
		choice.Notes = append(choice.Notes, "CIS "+newest+" is the one for this cluster's version of Kubernetes: numbers of CIS "+choice.Version+" may not fit.")
	}
	if provider == "" || strings.EqualFold(provider, "unknown") {
		choice.Notes = append(choice.Notes, "Who runs the control plane is not known. Managed clusters have benchmarks of their own, with other numbers.")
	}
	return choice, true
}

// Without lists the checks that no control of a mapping asks for.
func Without() []string { return slices.Clone(without) }
