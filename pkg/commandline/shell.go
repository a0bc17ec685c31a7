package commandline

import (
	"errors"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const truncated = fact.Truncated

// shell is one shell's state while its script is evaluated. Every branch is evaluated, in the
// order of the text, because which of them runs is not known.
type shell struct {
	e      *Evaluation
	field  string
	dir    string // "" if it is not known
	vars   map[string]value
	params []value // $0, $1, ...; nil if they are not known
	funcs  map[string]*function
	nested int
	loops  int
	calls  bool // a program was called whose name is not known
}

// function is a shell's function, which is evaluated when it is called first.
type function struct {
	body   *syntax.Stmt
	called bool
}

func tooMuch(script string) bool {
	if len(script) > maxScript {
		return true
	}
	openers := 0
	for i := range len(script) {
		if strings.IndexByte("({[`$!", script[i]) >= 0 {
			openers++
		}
	}
	return openers > maxOpeners
}

// parse reads a script as bash does.
func parse(script string) (file *syntax.File, err error) {
	defer func() {
		if recover() != nil { // a fault of the parser costs this script alone
			err = errors.New("not parsed")
		}
	}()
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
}

// source evaluates a script in this shell.
func (s *shell) source(text string, nested int) flow {
	if nested > maxNested || tooMuch(text) {
		s.e.unread(fact.Unsupported)
		return flow{}
	}
	if (value{text: strings.TrimSpace(text)}).isHole() { // a variable of another object, or a program's output
		s.e.unread(fact.NotPresent)
		return flow{}
	}
	file, err := parse(text)
	if err != nil {
		s.e.unread(fact.Unsupported)
		s.raw(text)
		return flow{}
	}
	above := s.nested
	s.nested = nested
	out := s.statements(file.Stmts, flow{})
	s.nested = above
	if s.calls {
		for _, name := range sortedNames(s.funcs) {
			s.callFunction(s.funcs[name])
		}
	}
	return out
}

func sortedNames(m map[string]*function) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// inner evaluates a script in a shell that this one starts.
func (s *shell) inner(text string, params []value) flow {
	inner := &shell{e: s.e, field: s.field, dir: s.dir, vars: s.vars, funcs: s.funcs, params: params, loops: s.loops}
	return inner.source(text, s.nested+1)
}

func (s *shell) callFunction(f *function) flow {
	if f.called { // once: a function may call itself
		return flow{}
	}
	f.called = true
	return s.statement(f.body, flow{})
}

func (s *shell) statements(list []*syntax.Stmt, in flow) flow {
	var out flow
	for i, st := range list {
		got := s.statement(st, in)
		if i == 0 {
			out = got
		} else {
			out = join(out, got)
		}
	}
	return out
}

func (s *shell) statement(st *syntax.Stmt, in flow) flow {
	if st == nil {
		return flow{}
	}
	for _, r := range st.Redirs {
		switch r.Op {
		case syntax.Hdoc, syntax.DashHdoc:
			in = s.here(r.Hdoc)
		case syntax.WordHdoc:
			v := s.word(r.Word)
			in = flow{text: v.text, known: true, fetch: v.from.fetch}
		case syntax.RdrIn, syntax.RdrInOut:
			v := s.word(r.Word)
			in = s.file(v)
		}
	}
	var out flow
	if st.Cmd == nil {
		out = in // $(<file)
	} else {
		out = s.command(st.Cmd, in)
	}
	for _, r := range st.Redirs {
		switch r.Op {
		case syntax.RdrOut, syntax.AppOut, syntax.RdrAll, syntax.AppAll, syntax.RdrClob:
			v := s.word(r.Word)
			if r.N == nil || r.N.Value == "1" {
				s.write(v, out)
				out = flow{}
			}
		}
	}
	return out
}

// here is the text of a here-document.
func (s *shell) here(w *syntax.Word) flow {
	if w == nil {
		return flow{known: true}
	}
	x := expansion{s: s, v: value{field: s.field}}
	for _, part := range w.Parts {
		x.part(part, true)
	}
	x.end()
	var out flow
	for i, v := range x.out {
		if i == 0 {
			out = flow{text: v.text, known: true, fetch: v.from.fetch}
			continue
		}
		out.text += " " + v.text
	}
	return out
}

// file is what a file holds, as far as this is known.
func (s *shell) file(v value) flow {
	if v.from.fetch != "" || v.from.known {
		return v.from
	}
	if text, ok := s.e.written[s.path(v.text)]; ok {
		return text
	}
	if by := s.fetchedFile(v.text); by != "" {
		return flow{fetch: by}
	}
	return flow{file: s.original(s.path(v.text))}
}

// write notes what is written to a file.
func (s *shell) write(v value, what flow) {
	if v.text == "/dev/null" || v.text == "" {
		return
	}
	file := s.path(v.text)
	switch {
	case what.fetch != "":
		s.fetch(file, what.fetch)
	case what.file != "":
		s.copy(file, what.file)
	case what.known && len(s.e.written) < maxRuns:
		if s.e.written == nil {
			s.e.written = map[string]flow{}
		}
		before, found := s.e.written[file]
		if before.known && len(before.text)+len(what.text) <= maxScript {
			what.text = before.text + what.text
		}
		if found && !before.known {
			what = before // a part of it is not known
		}
		s.e.written[file] = what
	case len(s.e.written) < maxRuns:
		// What a program that is not known has printed. It matters only if it is run.
		if s.e.written == nil {
			s.e.written = map[string]flow{}
		}
		s.e.written[file] = flow{}
	}
}

func (s *shell) command(cmd syntax.Command, in flow) flow {
	switch c := cmd.(type) {
	case *syntax.CallExpr:
		return s.simple(c, in)
	case *syntax.BinaryCmd:
		left := s.statement(c.X, in)
		if c.Op == syntax.Pipe || c.Op == syntax.PipeAll {
			if left == (flow{}) {
				left.piped = true
			}
			return s.statement(c.Y, left)
		}
		return join(left, s.statement(c.Y, in))
	case *syntax.Block:
		return s.statements(c.Stmts, in)
	case *syntax.Subshell:
		dir := s.dir
		out := s.statements(c.Stmts, in)
		s.dir = dir
		return out
	case *syntax.IfClause:
		var out flow
		for branch := c; branch != nil; branch = branch.Else {
			s.statements(branch.Cond, in)
			out = join(out, s.statements(branch.Then, in))
		}
		return out
	case *syntax.WhileClause:
		s.statements(c.Cond, in)
		s.loops++
		out := s.statements(c.Do, in)
		s.loops--
		return out
	case *syntax.ForClause:
		return s.loop(c, in)
	case *syntax.CaseClause:
		s.word(c.Word)
		var out flow
		for _, item := range c.Items {
			out = join(out, s.statements(item.Stmts, in))
		}
		return out
	case *syntax.FuncDecl:
		if c.Name != nil {
			s.funcs[c.Name.Value] = &function{body: c.Body}
		}
	case *syntax.DeclClause:
		for _, a := range c.Args {
			if a.Naked && a.Value != nil {
				if v := s.word(a.Value); v.text == "-f" {
					s.calls = true // a function for shells that are started
				}
				continue
			}
			s.assign(a)
		}
	case *syntax.TimeClause:
		return s.statement(c.Stmt, in)
	case *syntax.CoprocClause:
		return s.statement(c.Stmt, in)
	default:
		s.substitutions(cmd)
	}
	return flow{}
}

// perLoop is how many words of a loop are tried one by one.
const perLoop = 8

func (s *shell) loop(c *syntax.ForClause, in flow) flow {
	iter, ok := c.Loop.(*syntax.WordIter)
	if !ok {
		s.substitutions(c.Loop)
		return s.statements(c.Do, in)
	}
	var items []value
	for _, w := range iter.Items {
		items = append(items, s.fields(w)...)
	}
	if len(items) == 0 || len(items) > perLoop || s.loops > 0 {
		v := value{text: unknown(iter.Name.Value), field: s.field}
		for _, item := range items {
			v.from = join(v.from, flow{fetch: item.from.fetch})
		}
		items = []value{v}
	}
	s.loops++
	var out flow
	for _, item := range items {
		s.vars[iter.Name.Value] = item
		out = join(out, s.statements(c.Do, in))
	}
	s.loops--
	return out
}

// substitutions evaluates the commands in whatever is no command itself: tests, arithmetic.
func (s *shell) substitutions(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch c := n.(type) {
		case *syntax.CmdSubst:
			s.statements(c.Stmts, flow{})
			return false
		case *syntax.ProcSubst:
			s.statements(c.Stmts, flow{})
			return false
		}
		return true
	})
}

func (s *shell) assign(a *syntax.Assign) {
	if a.Name == nil {
		return
	}
	name := a.Name.Value
	v := value{text: unknown(name), field: s.field}
	switch {
	case a.Array != nil:
		v.text = ""
		for i, element := range a.Array.Elems {
			if element.Value != nil {
				one := s.word(element.Value)
				if i > 0 {
					v.text += " "
				}
				v.text += one.text
				v.from = join(v.from, flow{fetch: one.from.fetch})
			}
		}
	case a.Naked:
		return
	case a.Value != nil:
		v = s.word(a.Value)
	default:
		v.text = ""
	}
	if a.Append {
		before := s.vars[name]
		v.text = before.text + v.text
		v.from = join(before.from, v.from)
	}
	// What is not known at all is known by the variable's name from here on.
	if v.isHole() || len(v.text) > maxValue {
		v.text = unknown(name)
	}
	s.vars[name] = v
}

func (s *shell) simple(c *syntax.CallExpr, in flow) flow {
	for _, a := range c.Assigns {
		s.assign(a)
	}
	args := make([]value, 0, len(c.Args))
	for _, w := range c.Args {
		args = append(args, s.fields(w)...)
	}
	return s.call(args, in)
}

// path is a path below the shell's directory, as it is compared.
func (s *shell) path(file string) string {
	switch {
	case file == "":
		return ""
	case path.IsAbs(file) || s.dir == "" || strings.HasPrefix(file, "~") || strings.HasPrefix(file, string(hole)):
		return path.Clean(file)
	}
	return path.Join(s.dir, file)
}

// execute evaluates a file that is run: one that was fetched or written before, or another.
// It returns false if nothing is known of it.
func (s *shell) execute(v value, interpreter string) {
	with := interpreter
	if with == "" {
		with = "run"
	}
	switch {
	case v.from.fetch != "":
		s.e.found(fact.FetchAndRun, with+" <("+v.from.fetch+")", v.field, false)
		return
	case v.from.known && slices.Contains(shells, interpreter):
		s.inner(v.from.text, nil)
		return
	case v.from.known && interpreter != "":
		s.code(interpreter, v.from.text)
		return
	}
	file := s.path(v.text)
	if by := s.fetchedFile(v.text); by != "" {
		s.e.found(fact.FetchExecutable, by+", then "+with, v.field, false)
		return
	}
	if a := s.e.unpacked[path.Dir(file)]; a.by != "" && strings.Contains(v.text, "/") {
		s.e.unread(fact.NotPresent) // it is the image's, or what was unpacked beside it
		return
	}
	if text, ok := s.e.written[file]; ok {
		delete(s.e.written, file) // once: a script may call itself
		if !text.known {
			s.e.unread(fact.NotPresent)
			return
		}
		if interpreter == "" {
			interpreter = shebang(text.text)
		}
		switch {
		case interpreter == "" || slices.Contains(shells, interpreter):
			s.inner(text.text, nil)
		default:
			s.code(interpreter, text.text)
		}
		return
	}
	s.e.run(s.original(file), v.field, interpreter)
}

// copy notes that a file, or the files of a directory, have those of another.
func (s *shell) copy(to, from string) {
	if s.e.copies == nil {
		s.e.copies = map[string]string{}
	}
	if len(s.e.copies) < maxRuns {
		s.e.copies[to] = from
	}
}

// original is the file that a file is a copy of, or the file itself.
func (s *shell) original(file string) string {
	if from, ok := s.e.copies[file]; ok {
		return from
	}
	dir := path.Dir(file)
	if from, ok := s.e.copies[dir+"/*"]; ok {
		return path.Join(from, path.Base(file))
	}
	return file
}
