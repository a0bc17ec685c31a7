package immutable

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/vulnerabilities"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/modversion"
)

// VulnerablePackages fails a container in which something with a known vulnerability is
// installed. Source: the package database in the container's root directory, and what
// its running programs say about their modules, against the database that the user
// gives with --vulnerabilities (package osv compares them). The severity is the worst of
// those that have a fix, medium where it is unknown. Without a fix there is nothing to
// install: low.
var VulnerablePackages = checks.Check{
	ID:       "immutable/vulnerable-packages",
	Title:    "No known vulnerability in running containers",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Images},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Evidence: maxVulnerable + 2*fact.MaxImageParts + 1,
	Database: func(set *fact.Set) bool { return set.Vulnerabilities != nil },
	Why: "An image does not change, so what is found in it after the build stays in every container of it until it is built " +
		"again. A scan in the registry sees images, not what runs: an old image can run for years.",
	Remediation: "Build the image again from a base image with the fixed versions, and roll it out. Do not upgrade packages in the " +
		"running container. For a vulnerability without a fix, read the distribution's advice, and leave out what nothing needs.",
	References: []string{
		"https://ossf.github.io/osv-schema/",
		"https://google.github.io/osv.dev/data/",
		"https://pkg.go.dev/debug/buildinfo",
	},
	Judge: judgeVulnerablePackages,
}

// maxVulnerable is how many vulnerabilities are evidence, of all parts of an image.
const maxVulnerable = 20

func judgeVulnerablePackages(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Images)
	findings := checks.Unseen(unseen)
	judged := map[*fact.Node]map[string][]api.Finding{} // containers of one image on a node have the same
	for _, r := range seen {
		of := judged[r.Node]
		if of == nil {
			of = map[string][]api.Finding{}
			for i := range r.Node.Measured.Images {
				image := &r.Node.Measured.Images[i]
				of[image.Key] = judgeImage(v.Set, r.Node, image)
			}
			judged[r.Node] = of
		}
		key := r.Measured.Image
		if key == "" || of[key] == nil {
			findings = append(findings, api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: r.Subject(),
				Message:  "what is installed in it was not read",
				Evidence: []api.Evidence{{Source: r.Source("root"), Value: "no inventory", Basis: api.Measured}},
			})
			continue
		}
		for _, f := range of[key] {
			f.Subject = r.Subject()
			findings = append(findings, f)
		}
	}
	return findings
}

// judgeImage judges one inventory: its findings have no subject yet. What is known to be
// vulnerable is one finding, and what is unknown beside it is another.
func judgeImage(set *fact.Set, node *fact.Node, image *fact.ImageInventory) []api.Finding {
	base := api.Finding{Basis: api.Measured}
	at, compared := node.VulnerableImages[image.Key]
	data := set.Vulnerabilities
	if data == nil || !compared || at < 0 || at >= len(set.VulnerableImages) {
		base.Verdict, base.Reason = api.VerdictUnknown, fact.NotPresent
		base.Message = "what is installed in it was not compared with a database of vulnerabilities: give one with --vulnerabilities"
		base.Evidence = []api.Evidence{measured(checks.NodeSource(node, "root of the container"), installedWords(image))}
		return []api.Finding{base}
	}
	parts := set.VulnerableImages[at].Parts
	type hit struct {
		part *fact.HostVulnerabilities
		*fact.Vulnerability
	}
	var hits []hit
	var found, compares []api.Evidence
	var unknown []string
	reason := fact.Reason("")
	worst := api.Low
	total, fixable, unlisted := 0, 0, 0
	for i := range parts {
		p := &parts[i]
		noun := "module"
		if i == 0 && image.Manager != "" {
			noun = "package"
		}
		compares = append(compares, measured(checks.NodeSource(node, "root of the container"), comparedWords(p, noun)))
		for _, text := range p.Undecided {
			compares = append(compares, measured("database "+data.Name, "not comparable: "+text))
			break // the others are counted
		}
		switch verdict, why, message := vulnerabilities.Judge(data, p); verdict {
		case api.Fail:
			total, fixable, unlisted = total+p.Total, fixable+p.Fixable, unlisted+p.Unlisted
			if severity := vulnerabilities.Severity(p); severity.Rank() > worst.Rank() {
				worst = severity
			}
			for j := range p.Found {
				hits = append(hits, hit{p, &p.Found[j]})
			}
		case api.VerdictUnknown:
			if reason == "" {
				reason = why
			}
			unknown = append(unknown, message)
		}
	}
	compares = append(compares, measured("database "+data.Name, vulnerabilities.Database(data)))
	// Each part has its worst first.
	slices.SortStableFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(asNumber(a.Fixed == ""), asNumber(b.Fixed == "")), cmp.Compare(api.Severity(b.Severity).Rank(), api.Severity(a.Severity).Rank()))
	})
	var names []string
	for _, h := range hits[:min(len(hits), maxVulnerable)] {
		if len(names) < vulnerabilities.Names {
			names = append(names, nameOf(h.Vulnerability))
		}
		found = append(found, measured(checks.NodeSource(node, "%s", sourceOf(image, h.part, h.Vulnerability)), vulnerabilities.Describe(h.Vulnerability)))
	}
	switch {
	case len(parts) == 0:
		reason, unknown = fact.NotPresent, []string{"it has no package database, and no running program says what it was built from"}
	case image.Manager == "" && image.OpaqueCount > 0:
		if reason == "" {
			reason = fact.Unsupported
		}
		unknown = append(unknown, fmt.Sprintf("it has no package database, and %s not say what it was built from: %s",
			programs(image.OpaqueCount), checks.JoinWords(image.Opaque, vulnerabilities.Names)))
	}
	var out []api.Finding
	if total > 0 {
		f := base
		f.Verdict, f.Severity, f.Evidence = api.Fail, worst, append(found, compares...)
		f.Message = vulnerabilities.Count(total, fixable) + ": " + strings.Join(names, ", ")
		if more := len(hits) + unlisted - len(names); more > 0 {
			f.Message += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, f)
	}
	if len(unknown) > 0 {
		f := base
		f.Verdict, f.Reason, f.Message, f.Evidence = api.VerdictUnknown, reason, strings.Join(unknown, "; "), compares
		out = append(out, f)
	}
	if len(out) == 0 {
		f := base
		f.Verdict, f.Message, f.Evidence = api.Pass, vulnerabilities.None, compares
		if n := notCovered(parts); n > 0 {
			f.Message += fmt.Sprintf(", without the %d that the database cannot know", n)
		}
		out = append(out, f)
	}
	return out
}

func asNumber(b bool) int {
	if b {
		return 1
	}
	return 0
}

func measured(source, value string) api.Evidence {
	return api.Evidence{Source: source, Value: value, Basis: api.Measured}
}

func programs(n int) string {
	if n == 1 {
		return "a running program does"
	}
	return fmt.Sprintf("%d running programs do", n)
}

// nameOf names a vulnerability in a message.
func nameOf(v *fact.Vulnerability) string {
	text := v.Package + " " + v.Installed + " " + v.ID
	if v.Fixed != "" {
		text += " (fixed in " + v.Fixed + ")"
	}
	return text
}

// sourceOf says where a package is: the program that has the module, or the source
// package.
func sourceOf(image *fact.ImageInventory, p *fact.HostVulnerabilities, v *fact.Vulnerability) string {
	for i := range image.Modules {
		m := &image.Modules[i]
		if m.Ecosystem == p.Ecosystem && m.Path != "" && strings.EqualFold(plain.Replace(m.Name), plain.Replace(v.Package)) &&
			(strings.TrimPrefix(m.Version, "v") == v.Installed || modversion.Go(m.Version) == v.Installed) {
			return m.Path + " module " + v.Package
		}
	}
	return "root of the container, package " + v.Package
}

// plain makes one of the separators in names of Python packages.
var plain = strings.NewReplacer("_", "-", ".", "-")

// comparedWords say what was compared of one part.
func comparedWords(p *fact.HostVulnerabilities, noun string) string {
	if p.Unsupported != "" {
		return p.Unsupported
	}
	text := checks.Count(p.Packages, noun) + " compared with records of " + p.Ecosystem
	if p.NotCoveredCount > 0 {
		text += fmt.Sprintf("; %d that the database cannot know: %s", p.NotCoveredCount, strings.Join(p.NotCovered, ", "))
	}
	if p.Unlisted > 0 {
		text += fmt.Sprintf("; %d vulnerabilities more than are listed", p.Unlisted)
	}
	return text
}

func notCovered(parts []fact.HostVulnerabilities) (n int) {
	for i := range parts {
		n += parts[i].NotCoveredCount
	}
	return n
}

// installedWords say what an inventory has.
func installedWords(image *fact.ImageInventory) string {
	text := checks.Count(len(image.Packages), "package")
	if image.Manager != "" {
		text += " of " + image.Manager
	}
	return text + ", " + checks.Count(len(image.Modules), "module")
}
