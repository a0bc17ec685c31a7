package sarif

import (
	"cmp"
	"net/url"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// place is where a finding is. exact reports whether it is a line of a file.
func (w *writer) place(f *api.Finding) (at location, exact bool) {
	if w.report.Place != nil {
		if p, ok := w.report.Place(f); ok && p.Line > 0 {
			at.Physical = physical{artifact{fileURI(p.File)}, regionOf(p)}
			at.Logical = []logical{w.logical(&f.Subject)}
			return at, true
		}
	}
	uri := ""
	if len(w.report.Head.Spec.Scope.Files) > 0 {
		uri = fileURI(fileOf(f))
	}
	at.Physical = physical{artifact{cmp.Or(uri, w.made(&f.Subject))}, region{1, 1, 1, 1}}
	at.Logical = []logical{w.logical(&f.Subject)}
	return at, false
}

func regionOf(p report.Place) region {
	r := region{p.Line, max(p.Column, 1), max(p.EndLine, p.Line), p.EndColumn}
	if r.EndLine == r.StartLine {
		r.EndColumn = max(r.EndColumn, r.StartColumn)
	}
	r.EndColumn = max(r.EndColumn, 1)
	return r
}

// fileOf finds the file that declares a subject, "" if no file is known: "FILE kind/NS/NAME ..." is
// how its evidence begins.
func fileOf(f *api.Finding) string {
	s := &f.Subject
	switch {
	case s.File != "":
		return s.File
	case s.Kind == fact.SubjectFile:
		return s.Name
	case s.Kind == "" || s.Name == "":
		return ""
	}
	object := " " + strings.ToLower(s.Kind) + "/"
	if s.Namespace != "" {
		object += s.Namespace + "/"
	}
	object += s.Name + " "
	for i := range f.Evidence {
		if file, _, found := strings.Cut(f.Evidence[i].Source, object); found {
			return file
		}
	}
	return ""
}

// fileURI is the URI of a file: relative as it was named, or of the scheme file. Names are those of
// the system that printed the report. A URL becomes a relative URI, because GitHub takes no other;
// "" for "".
func fileURI(name string) string {
	const most = 50 // segments
	drive := len(name) > 2 && name[1] == ':' && (name[2] == '/' || name[2] == '\\') && (name[0]|0x20) >= 'a' && (name[0]|0x20) <= 'z'
	if drive || strings.HasPrefix(name, `\\`) || report.Windows {
		name = strings.ReplaceAll(name, `\`, "/")
	}
	if name == "" {
		return ""
	}
	scheme, rest, isURL := strings.Cut(name, "://")
	if isURL {
		name = scheme + "/" + rest
	}
	name = path.Clean(name)
	prefix := ""
	switch {
	case drive:
		prefix, name = "file:///"+name[:2]+"/", name[2:]
	case strings.HasPrefix(name, "/"):
		prefix = "file:///"
	}
	segments := strings.Split(strings.Trim(name, "/"), "/")
	if len(segments) > most {
		segments = append(segments[:most:most], digits(name))
	}
	for i, s := range segments {
		if s != ".." && s != "." {
			segments[i] = segment(s)
		}
	}
	return prefix + strings.Join(segments, "/")
}

// root begins the made-up paths.
func (w *writer) root() string {
	if len(w.report.Head.Spec.Scope.Files) > 0 {
		return "manifests"
	}
	return "kubernetes/" + segment(cmp.Or(w.cluster, "cluster"))
}

// made is the made-up path of a subject: kubernetes/CLUSTER/NAMESPACE/KIND/NAME. "_" stands for no
// namespace, which no namespace is called.
func (w *writer) made(s *fact.Subject) string {
	root := w.root()
	if s.Cluster != "" {
		root = "kubernetes/" + segment(s.Cluster)
	}
	return root + "/" + segment(cmp.Or(s.Namespace, "_")) + "/" + segment(cmp.Or(strings.ToLower(s.Kind), "_")) + "/" + segment(cmp.Or(s.Name, "_"))
}

// logical names a subject.
func (w *writer) logical(s *fact.Subject) logical {
	words := []string{cmp.Or(s.Cluster, w.cluster), s.Namespace, s.Kind, s.Name, s.Container}
	if s.Node != "" {
		words = append(words, "on "+s.Node)
	}
	var full []string
	for _, word := range words {
		if word = text(word, mostProperty); word != "" {
			full = append(full, word)
		}
	}
	return logical{Name: text(cmp.Or(s.Name, s.Kind), mostProperty), Full: cmp.Or(strings.Join(full, "/"), "_"), Kind: "resource"}
}

// segment is one segment of a URI's path, cut with a hash if it is long. It is never empty, "." or
// "..".
func segment(s string) string {
	shown := text(s, mostSegment)
	switch {
	case shown == "":
		shown = "_"
	case len(s) > mostSegment:
		shown = strings.TrimSuffix(shown, " ...") + "~" + digits(s)
	}
	switch shown {
	case ".", "..":
		return strings.ReplaceAll(shown, ".", "%2E")
	}
	// PathEscape leaves characters that are fine in a segment, but a colon in the first segment of a
	// relative URI would end a scheme.
	return strings.ReplaceAll(url.PathEscape(shown), ":", "%3A")
}
