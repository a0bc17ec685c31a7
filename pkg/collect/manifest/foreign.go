package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A directory holds more than manifests: values of charts, workflows, packages, templates
// that are not rendered yet. What is no object of Kubernetes is counted. What may become one
// is a gap.

// unrendered matches what a template has and YAML has not: a line that begins with an action,
// an action that is a value without quotes, one that removes white space.
var unrendered = regexp.MustCompile(`(?m)^\s*(?:- +)?\{\{|:\s+\{\{|\{\{-|-\}\}`)

// action matches any action of a template.
var action = []byte("{{")

// notRendered returns the problem of a template; false for other text.
func (r *reader) notRendered(d *document, broken bool) (Problem, bool) {
	if !bytes.Contains(d.text, action) {
		return Problem{}, false
	}
	chart := r.chartOf(r.source.path)
	if chart == "" && !(broken && unrendered.Match(d.text)) {
		return Problem{}, false
	}
	at := bytes.Index(d.text, action)
	if match := unrendered.FindIndex(d.text); match != nil {
		at = match[1]
	}
	p := d.problem(1+bytes.Count(d.text[:at], []byte("\n")), fact.Unsupported, "a Helm template that was not rendered")
	p.Hint = renderHint(cmp.Or(chart, "CHART"))
	if chart == "" && !helm.Match(d.text) {
		p.Text, p.Hint = "a template that was not rendered", "render it first, and check what comes out: kubectl checklist pods -f -"
	}
	return p, true
}

// helm matches what Helm's templates have and others have not.
var helm = regexp.MustCompile(`\{\{-? *(?:if |with |range |toYaml |include |template |tpl |quote |default .*)?\(?(?:not |and |or |eq )?\(?\$?\.(?:Values|Release|Chart|Capabilities|Files)\b|\{\{-? *(?:include|template|define) "`)

func renderHint(chart string) string {
	return "render it first: helm template " + chart + " | kubectl checklist pods -f -"
}

// countTemplates adds one gap for each chart whose templates were found.
func (r *reader) countTemplates() {
	for _, chart := range slices.Sorted(maps.Keys(r.templates)) {
		r.problem(Problem{
			Source: chart, Reason: fact.Unsupported, Hint: renderHint(chart),
			Text: fmt.Sprintf("a Helm chart whose templates were not rendered: %d", r.templates[chart]),
		})
	}
}

// chartOf returns the directory of the chart that has the file as a template; "" if no chart
// has.
func (r *reader) chartOf(name string) string {
	dir := filepath.Dir(name)
	if name == "" {
		return ""
	}
	if chart, known := r.charts[dir]; known {
		return chart
	}
	chart := ""
	for at := dir; chart == ""; at = filepath.Dir(at) {
		parent := filepath.Dir(at)
		if parent == at {
			break
		}
		if filepath.Base(at) != "templates" {
			continue
		}
		if _, err := os.Stat(filepath.Join(parent, "Chart.yaml")); err == nil {
			chart = parent
		}
	}
	if r.charts == nil || len(r.charts) > 10000 {
		r.charts = map[string]string{}
	}
	r.charts[dir] = chart
	return chart
}

// isKustomization reports whether a file has the name of a kustomization.
func isKustomization(name string) bool {
	return slices.Contains(konfig.RecognizedKustomizationFileNames(), filepath.Base(name))
}

// ofKustomize reports whether a document, if it can be read, is for kustomize.
func ofKustomize(raw []byte) bool {
	h := headOf(raw, true)
	return h.apiVersion == "" || strings.HasPrefix(h.apiVersion, "kustomize.config.k8s.io/")
}

// kustomization is the gap of a kustomization that is read as a file.
func (r *reader) kustomization(d *document) Problem {
	p := Problem{Source: d.source, Reason: fact.NotRequested}
	p.Text = "a kustomization, which is not built: its files are read as they are, without its patches, generators and remote bases"
	p.Hint = "kubectl checklist pods -k " + filepath.Dir(r.source.path)
	return p
}

// keptKustomizations is how many are named in the gap about all of them.
const keptKustomizations = 3

// countKustomization counts a kustomization that was found.
func (r *reader) countKustomization(p Problem) {
	if p.Source == r.lastKustomization {
		return // another document of the same one
	}
	r.lastKustomization = p.Source
	r.kustomized++
	if len(r.kustomizations) < keptKustomizations {
		r.kustomizations = append(r.kustomizations, p)
	}
}

// countKustomizations adds the gap of kustomizations that were found: one for all of them.
func (r *reader) countKustomizations() {
	if r.kustomized < 2 {
		for _, p := range r.kustomizations {
			r.problem(p)
		}
		return
	}
	var dirs []string
	for _, p := range r.kustomizations {
		dirs = append(dirs, filepath.Dir(p.Source))
	}
	if r.kustomized > len(dirs) {
		dirs = append(dirs, "...")
	}
	r.problem(Problem{
		Source: strings.Join(r.files.Names(), ", "), Reason: fact.NotRequested, Hint: "for each that is applied: kubectl checklist pods -k DIR",
		Text: fmt.Sprintf("kustomizations that were not built: %d (%s): their files are read as they are, without patches, generators and remote bases", r.kustomized, strings.Join(dirs, ", ")),
	})
}

// mayDeclare reports whether text that cannot be read as YAML may be meant as an object.
func mayDeclare(d *document, name string) bool {
	return !strings.HasSuffix(name, ".json") || bytes.Contains(d.text, []byte(`"apiVersion"`))
}

// foreign reports whether a document that was found in a directory is no object of
// Kubernetes: it has no kind and no apiVersion, or what it has belongs to other tools.
func foreign(raw []byte) bool {
	if h := headOf(raw, true); h.kind != "" && h.apiVersion != "" {
		return false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return true // a list, a text
	}
	var kind, version string
	hasKind := json.Unmarshal(fields["kind"], &kind) == nil && kind != ""
	hasVersion := json.Unmarshal(fields["apiVersion"], &version) == nil && version != ""
	switch {
	case hasKind && hasVersion:
		return false
	case hasKind: // "kind: pipeline" of Drone is none, "kind: Pod" is an object with an error
		return !isKind(kind)
	case fields["kind"] != nil: // it is no text
		return fields["apiVersion"] == nil
	case hasVersion: // Chart.yaml has a version, and is none
		return fields["spec"] == nil && fields["metadata"] == nil
	}
	return true
}
