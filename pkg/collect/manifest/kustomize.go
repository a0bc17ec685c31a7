package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// BuildKustomization writes what kustomize builds from a directory, with the
// options that kubectl has. It is for a separate process: kustomize ends the
// process on some errors, writes to stderr, quotes values in both, starts git
// for remote bases, and cannot be interrupted. The error never quotes
// kustomize.
func BuildKustomization(dir string, out io.Writer) error {
	log.SetOutput(io.Discard)
	opts := krusty.MakeDefaultOptions()
	opts.Reorder = krusty.ReorderOptionLegacy
	resources, err := krusty.MakeKustomizer(opts).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return errors.New(notBuilt)
	}
	built, err := resources.AsYaml()
	if err != nil {
		return errors.New(notBuilt)
	}
	_, err = out.Write(built)
	return err
}

const notBuilt = "kustomize cannot build it"

// kustomize runs BuildKustomization in a separate process.
func (f Files) kustomize(ctx context.Context) ([]byte, error) {
	if problem := f.localProblem(); problem != "" {
		return nil, errors.New(problem)
	}
	if len(f.Builder) == 0 {
		return nil, errors.New("kustomize is not available to build it")
	}
	// Remote bases are cloned into a temporary directory, which kustomize does
	// not remove when it is stopped.
	temporary, err := os.MkdirTemp("", "kubectl-checklist-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for kustomize: %w", cause(err))
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // nowhere to report it
	cmd := exec.CommandContext(ctx, f.Builder[0], append(slices.Clone(f.Builder[1:]), f.Kustomize)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary, "TMP="+temporary, "TEMP="+temporary)
	cmd.WaitDelay = time.Second
	ownGroup(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting kustomize: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting kustomize: %w", cause(err))
	}
	built, readErr := limited(out)
	if readErr != nil {
		_ = cmd.Cancel()
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case readErr != nil:
		return nil, readErr
	case err != nil:
		return nil, errors.New(notBuilt)
	}
	return built, nil
}

// localProblem says what is wrong with the directory, "" where it looks right
// or is not a local one.
func (f Files) localProblem() string {
	info, err := os.Stat(f.Kustomize)
	switch {
	case err != nil && isRemote(f.Kustomize):
		return ""
	case err != nil:
		return cause(err).Error()
	case !info.IsDir():
		return "expected a directory with a kustomization.yaml, found a file"
	}
	found, err := kustomizationIn(f.Kustomize)
	if err != nil {
		return err.Error()
	}
	if found == "" {
		return "expected a directory with a kustomization.yaml, found none"
	}
	return ""
}

// isRemote reports whether git fetches the kustomization. Both a URL and SSH's
// short form have a colon in the first part.
func isRemote(name string) bool {
	first, _, _ := strings.Cut(filepath.ToSlash(name), "/")
	return strings.Contains(first, ":") || strings.HasPrefix(first, "github.com")
}

// kustomizationIn finds the file in a directory; "" for none.
func kustomizationIn(dir string) (string, error) {
	found := ""
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("expected one kustomization, found %s and %s", filepath.Base(found), name)
		}
		found = path
	}
	return found, nil
}

// explain looks in the files for the reason why kustomize could not build a
// local directory, because kustomize's own words are not shown. It finds text
// that is not YAML, and files that do not exist.
func (f Files) explain() []error {
	if _, err := os.Stat(f.Kustomize); err != nil && isRemote(f.Kustomize) {
		return []error{errors.New("kustomize cannot fetch it, or cannot build it")}
	}
	look := lookout{seen: map[string]bool{}}
	look.directory(f.Kustomize, 0)
	if len(look.problems) > 0 {
		return look.problems
	}
	return []error{errors.New(notBuilt + "; kubectl kustomize shows the reason, but it may also show values")}
}

// lookout checks a kustomization and what it names.
type lookout struct {
	seen     map[string]bool
	problems []error
}

// maxBases bounds how deep bases are followed, and how many files are read.
const (
	maxBases = 20
	maxFiles = 1000
)

func (l *lookout) directory(dir string, depth int) {
	path, err := kustomizationIn(dir)
	switch {
	case err != nil:
		l.problems = append(l.problems, Problem{Source: dir, Text: err.Error()})
		return
	case path == "":
		l.problems = append(l.problems, Problem{Source: dir, Text: "expected a directory with a kustomization.yaml, found none"})
		return
	case depth > maxBases || l.seen[path] || len(l.seen) > maxFiles:
		return
	}
	data, ok := l.file(path)
	if !ok {
		return
	}
	var fields map[string]any
	if yaml.Unmarshal(data, &fields) != nil {
		l.problems = append(l.problems, Problem{Source: path, Line: 1, Text: "expected a kustomization, found another kind of YAML"})
		return
	}
	wrong := func(at []any, text string) {
		l.problems = append(l.problems, Problem{Source: path, Line: lineOf(data, at), Text: pathText(at) + ": " + text})
	}
	// What each entry can be: a path, or YAML in the kustomization itself.
	entry := func(at []any, value any, inline bool) {
		text, isText := value.(string)
		switch {
		case value == nil:
		case !isText:
			wrong(at, "expected a string, found "+typeName(value))
		case strings.Contains(text, "\n") && inline:
			if problems := check("", []byte(strings.TrimRight(text, "\n"))); len(problems) > 0 {
				wrong(at, fmt.Sprintf("line %d of it: %s", problems[0].Line, problems[0].Text))
			}
		case isRemote(text):
		default:
			l.named(dir, text, depth, func(problem string) { wrong(at, problem) })
		}
	}
	for _, list := range []struct {
		name   string
		inline bool
	}{
		{"resources", false},
		{"bases", false},
		{"components", false},
		{"crds", false},
		{"configurations", false},
		{"patchesStrategicMerge", true},
		{"generators", true},
		{"transformers", true},
		{"validators", true},
	} {
		items, isList := fields[list.name].([]any)
		if !isList && fields[list.name] != nil {
			wrong([]any{list.name}, "expected a list, found "+typeName(fields[list.name]))
		}
		for i, item := range items {
			entry([]any{list.name, i}, item, list.inline)
		}
	}
	for _, list := range []string{"patches", "patchesJson6902", "replacements"} {
		items, _ := fields[list].([]any)
		for i, item := range items {
			patch, isMap := item.(map[string]any)
			if !isMap {
				wrong([]any{list, i}, "expected a map, found "+typeName(item))
				continue
			}
			entry([]any{list, i, "path"}, patch["path"], false)
			if text, isText := patch["patch"].(string); isText {
				entry([]any{list, i, "patch"}, text+"\n", true)
			}
		}
	}
}

// named checks a path that a kustomization names. The path is shown only if it
// exists, because other text can be anything.
func (l *lookout) named(dir, name string, depth int, wrong func(string)) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(dir, name)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		wrong("no such file or directory")
	case info.IsDir():
		l.directory(path, depth+1)
	case len(l.seen) <= maxFiles && !l.seen[path]:
		l.file(path)
	}
}

// file reads a file and checks whether all its documents are YAML.
func (l *lookout) file(path string) (data []byte, ok bool) {
	l.seen[path], ok = true, true
	data, err := readFile(path)
	if err != nil {
		l.problems = append(l.problems, Problem{Source: path, Text: err.Error()})
		return nil, false
	}
	for _, p := range check(path, data) {
		l.problems, ok = append(l.problems, p), false
	}
	return data, ok
}

// check says what is wrong with the documents in a text.
func check(name string, text []byte) (problems []Problem) {
	add := func(p Problem) { problems = append(problems, p) }
	s := splitter{
		in: newInput(bytes.NewReader(text)), source: name, problem: add,
		whole: func(d *document) error {
			_, err := d.decode()
			var p Problem
			if errors.As(err, &p) {
				add(p)
			}
			return nil
		},
		item:   func(*document, string, string) error { return nil },
		listed: func(*document, head, int) error { return nil },
	}
	_ = s.run() // a text in memory can be read, and nothing here returns an error
	if s.number == 1 {
		for i := range problems {
			problems[i].Document = 0
		}
	}
	return problems
}
