// Package commandline evaluates command lines: the words of a container's command, hook or
// probe, and the scripts that they give to a shell. It says which image builder they run, what
// they install or fetch when the container starts, and which files they run.
//
// It is pure: nothing is executed, nothing is read. A command line may hold anything, even a
// password, so a result has only names from the tables of this package and of package builder,
// and the fields that they were found in. Run.Path alone is text of the command line: callers
// compare it, and do not keep it.
//
// The shell's language is that of bash (https://www.gnu.org/software/bash/manual/), which
// holds that of the other shells, as mvdan.cc/sh/v3 parses it.
package commandline

import (
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
)

// Bounds of what is evaluated for one container: bytes of a script, characters in it that can
// open something, shells that start shells, simple commands, and bytes of words after
// expansion. The parser calls itself for each character that opens something, some 4 KB of
// stack each time, and a stack without end ends the process (TestDeepScripts).
const (
	maxScript   = 64 << 10
	maxOpeners  = 8192
	maxNested   = 4
	maxCalls    = 20_000
	maxExpanded = 1 << 20
	maxValue    = 4 << 10 // bytes of a variable
)

// Word is a word of a command line with the field that it is in: "command[2]".
type Word struct{ Text, Field string }

// Options say how a container's command lines are evaluated.
type Options struct {
	// Env are the container's variables with a literal value, as the shell sees them.
	Env map[string]string
	// Dir is the working directory, "" if the image sets it.
	Dir string
}

// Result is what command lines do.
type Result struct {
	// Builder is the first image builder that they run; nil for none.
	Builder *fact.DeclaredBuilder
	// Installs are what they fetch or install, in order, each rule once for each word: at most
	// fact.MaxInstalls. InstallTotal counts them.
	Installs     []fact.Install
	InstallTotal int
	// Runs are the files that they run by a path, in order, each once: at most maxRuns.
	Runs []Run
	// Unread is why something was not evaluated, "" if all was: Unsupported (no shell's
	// language, a program in another language that starts others), NotPresent (a shell runs text
	// that is not there: a variable's value, or what a program prints) or Truncated (a bound).
	Unread fact.Reason
}

// Run is a file that a command line runs.
type Run struct {
	Path        string // absolute where that is known, and clean
	Field       string
	Interpreter string // "" if the file is run itself
}

const maxRuns = 64

// Evaluation evaluates the command lines of one container. The zero value has no variables.
type Evaluation struct {
	Options
	Result Result

	quiet  bool // no builder counts
	script string
	line   string // the field of the line's first word
	calls  int
	spent  int // bytes of words after expansion

	// What the command lines have made so far, by path: who fetched it, or its text.
	fetched  map[string]archive
	unpacked map[string]archive
	written  map[string]flow
	copies   map[string]string // of files that were neither; "DIR/*" of a directory's files
}

// archive is what was unpacked, or checked out, into a directory. Loose says that the directory
// was not named: then its own files may be the image's.
type archive struct {
	by    string
	field string
	loose bool
}

// Fetch is a file that a command line fetches, or a directory that it fills with what was
// fetched.
type Fetch struct {
	Path  string // as Run.Path
	Field string
	By    string // "curl"
	Dir   bool
}

// Fetches lists what was fetched, sorted by path. Like Run.Path it is not kept: a caller
// compares it with what other containers run.
func (e *Evaluation) Fetches() []Fetch {
	var out []Fetch
	for _, file := range sortedKeys(e.fetched) {
		out = append(out, Fetch{Path: file, Field: e.fetched[file].field, By: e.fetched[file].by})
	}
	for _, dir := range sortedKeys(e.unpacked) {
		out = append(out, Fetch{Path: dir, Field: e.unpacked[dir].field, By: e.unpacked[dir].by, Dir: true})
	}
	return out
}

// Command evaluates one command line.
func (e *Evaluation) Command(words []Word) {
	if len(words) == 0 || words[0].Text == "" {
		return
	}
	e.line = words[0].Field
	// Most containers run one program that is nothing to this package.
	if !Interesting(words[0].Text) {
		e.run(e.absolute(words[0].Text), words[0].Field, "")
		return
	}
	args := make([]value, len(words))
	for i, w := range words {
		args[i] = value{text: w.Text, field: w.Field}
	}
	s := e.shell()
	s.call(args, flow{})
}

// Probe evaluates a command line of a probe: what it builds does not count, because a probe only
// asks.
func (e *Evaluation) Probe(words []Word) {
	e.quiet = true
	e.Command(words)
	e.quiet = false
}

// Script evaluates the text of a file that an interpreter runs; with interpreter "" the text's
// first line says which. Name is its name in the result (fact.Install.Script), Field the word
// that names it.
func (e *Evaluation) Script(name, text, interpreter, field string) {
	e.script = name
	defer func() { e.script = "" }()
	if interpreter == "" {
		interpreter = shebang(text)
	}
	s := e.shell()
	s.field = field
	switch {
	case slices.Contains(shells, interpreter):
		s.source(text, 1)
	case interpreter == "":
		// Neither a script nor anything that can be read as one.
		e.unread(fact.Unsupported)
	default:
		s.code(interpreter, text)
	}
}

// shebang is the name of the interpreter in the first line of a script; "" for none.
func shebang(text string) string {
	line, found := strings.CutPrefix(text, "#!")
	if !found {
		return ""
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = words[1:]
		if words[0] == "-S" && len(words) > 1 {
			words = words[1:]
		}
	}
	if len(words) == 0 {
		return ""
	}
	name := path.Base(words[0])
	if slices.Contains(shells, name) {
		return name
	}
	if language, ok := languageOf(name); ok {
		return language
	}
	return ""
}

func (e *Evaluation) shell() *shell {
	return &shell{e: e, dir: e.Dir, vars: map[string]value{}, funcs: map[string]*function{}}
}

// ofAnother reports whether a word is a variable of the container whose value is in another
// object, or not known for another reason.
func (e *Evaluation) ofAnother(text string) bool {
	for _, value := range e.Env {
		if value == text {
			return true
		}
	}
	return false
}

func (e *Evaluation) unread(reason fact.Reason) {
	if e.Result.Unread == "" {
		e.Result.Unread = reason
	}
}

// found notes an install. What is of this package's tables.
func (e *Evaluation) found(class fact.InstallClass, what, field string, raw bool) {
	i := fact.Install{Class: class, What: what, Field: field, Script: e.script, Raw: raw}
	if slices.Contains(e.Result.Installs, i) {
		return
	}
	if e.Result.InstallTotal++; len(e.Result.Installs) < fact.MaxInstalls {
		e.Result.Installs = append(e.Result.Installs, i)
	}
}

// run notes a file that is run, if it has a path.
func (e *Evaluation) run(file, field, interpreter string) {
	if !strings.Contains(file, "/") || strings.ContainsRune(file, hole) {
		return
	}
	r := Run{Path: file, Field: field, Interpreter: interpreter}
	if slices.Contains(e.Result.Runs, r) {
		return
	}
	if len(e.Result.Runs) == maxRuns {
		e.unread(fact.Truncated)
		return
	}
	e.Result.Runs = append(e.Result.Runs, r)
}

// build notes the builder that a simple command runs.
func (e *Evaluation) build(args []value) {
	if e.quiet || e.Result.Builder != nil {
		return
	}
	words := make([]string, len(args))
	for i, a := range args {
		if a.literal() && !strings.Contains(a.text, "$(") { // the kubelet puts a variable's value there
			words[i] = a.text
		}
	}
	if name := builder.Command(words); name != "" {
		e.Result.Builder = &fact.DeclaredBuilder{Name: name, Field: args[0].field}
	}
}

// absolute is a path below the working directory.
func (e *Evaluation) absolute(file string) string {
	if e.Dir != "" && strings.Contains(file, "/") && !path.IsAbs(file) {
		return path.Join(e.Dir, file)
	}
	return file
}
