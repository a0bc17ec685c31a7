package commandline

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// A hole is what is not known of a word: the value of a variable, or a command's output. It is
// written as a name between two characters of Unicode's private use area, so that two words
// with the same variable are equal.
const (
	hole    = '\uE000'
	holeEnd = '\uE001'
)

func unknown(name string) string { return string(hole) + name + string(holeEnd) }

// Hole is the text of a variable whose value is not known, for callers that put variables into
// words as the kubelet does.
func Hole(name string) string {
	return unknown(strings.Map(func(r rune) rune {
		if r == hole || r == holeEnd || r == '/' {
			return -1
		}
		return r
	}, name))
}

// value is a word after its expansion.
type value struct {
	text  string // with holes
	field string
	// from is what a command's output in it, or the file that it stands for (<(...)), holds.
	from flow
}

func (v value) literal() bool { return !strings.ContainsRune(v.text, hole) }

// isHole reports whether nothing of it is known.
func (v value) isHole() bool {
	rest, found := strings.CutPrefix(v.text, string(hole))
	return found && strings.Index(rest, string(holeEnd)) == len(rest)-len(string(holeEnd))
}

// program is the name of the program that it names, "" if that is not known.
func (v value) program() string {
	name := strings.TrimSuffix(path.Base(v.text), ".exe")
	if strings.ContainsRune(name, hole) || name == "." && v.text != "." {
		return ""
	}
	return name
}

// flow is what goes through a pipe, into a file or out of a substitution.
type flow struct {
	fetch string // the program that fetched it, "" if none did
	text  string // what it is, if known is true
	known bool
	file  string // the path of the file that it comes from, "" if that is not known
	piped bool   // a program prints it, and nothing else is known of it
}

func join(a, b flow) flow {
	switch {
	case a.fetch == "" && b.fetch == "" && a.file != "":
		return flow{file: a.file}
	case a.fetch == "" && b.fetch == "" && b.file != "":
		return flow{file: b.file}
	case a.fetch == "" && b.fetch == "" && a.known && b.known:
		return flow{text: a.text + b.text, known: true}
	case a.fetch == "" && !b.known && b.fetch == "":
		return a
	case a.fetch != "":
		return flow{fetch: a.fetch}
	case b.fetch != "":
		return flow{fetch: b.fetch}
	}
	return b
}

// fields expands a word. An expansion outside of quotes can make several of one.
func (s *shell) fields(w *syntax.Word) []value {
	if len(w.Parts) == 1 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && !strings.Contains(lit.Value, `\`) {
			return []value{s.spend(value{text: lit.Value, field: s.field})}
		}
	}
	x := expansion{s: s, v: value{field: s.field}}
	for _, part := range w.Parts {
		x.part(part, false)
	}
	if x.any {
		x.end()
	}
	return x.out
}

// word expands a word to one value.
func (s *shell) word(w *syntax.Word) value {
	if w == nil {
		return value{field: s.field}
	}
	list := s.fields(w)
	if len(list) == 0 {
		return value{field: s.field}
	}
	one := list[0]
	for _, more := range list[1:] {
		one.text += " " + more.text
		one.from = join(one.from, more.from)
	}
	return one
}

// spend counts the bytes of a word. Beyond the bound words are holes.
func (s *shell) spend(v value) value {
	if s.e.spent += len(v.text); s.e.spent > maxExpanded {
		s.e.unread(truncated)
		v.text = unknown("")
	}
	return v
}

type expansion struct {
	s   *shell
	out []value
	v   value
	b   strings.Builder
	any bool // something of the current word is there, even if it is empty
}

func (x *expansion) end() {
	x.v.text = x.b.String()
	x.out = append(x.out, x.s.spend(x.v))
	x.v, x.any = value{field: x.s.field}, false
	x.b.Reset()
}

func (x *expansion) part(part syntax.WordPart, quoted bool) {
	switch p := part.(type) {
	case *syntax.Lit:
		x.any = true
		x.b.WriteString(unescape(p.Value, quoted))
	case *syntax.SglQuoted:
		x.any = true
		text := p.Value
		if p.Dollar {
			var err error
			if text, err = expand.Literal(&expand.Config{Env: expand.ListEnviron()}, &syntax.Word{Parts: []syntax.WordPart{p}}); err != nil {
				text = unknown("")
			}
		}
		x.b.WriteString(text)
	case *syntax.DblQuoted:
		x.any = true
		for _, inner := range p.Parts {
			x.part(inner, true)
		}
	case *syntax.ParamExp:
		list := x.s.param(p)
		for i, v := range list {
			if i > 0 {
				x.end()
			}
			x.put(v, quoted || len(list) > 1)
		}
	case *syntax.CmdSubst:
		out := x.s.statements(p.Stmts, flow{})
		v := value{text: unknown("()"), from: flow{fetch: out.fetch, file: out.file}}
		if out.known {
			v.text = strings.TrimRight(out.text, "\n")
		}
		x.put(v, quoted)
	case *syntax.ProcSubst:
		x.any = true
		out := x.s.statements(p.Stmts, flow{})
		x.b.WriteString(unknown("<()"))
		x.v.from = join(x.v.from, out)
	case *syntax.ExtGlob:
		x.any = true
		x.b.WriteString(p.Pattern.Value)
	default:
		x.any = true
		x.s.substitutions(part)
		x.b.WriteString(unknown("(())"))
	}
}

// put adds an expansion: outside of quotes it is split at blanks.
func (x *expansion) put(v value, quoted bool) {
	x.v.from = join(x.v.from, v.from)
	if quoted || !strings.ContainsAny(v.text, " \t\n") {
		x.any = x.any || quoted || v.text != ""
		x.b.WriteString(v.text)
		return
	}
	// A blank at its begin or end ends the word before or after it.
	const blanks = " \t\n"
	if x.any && strings.IndexByte(blanks, v.text[0]) >= 0 {
		x.end()
	}
	for i, word := range strings.Fields(v.text) {
		if i > 0 {
			x.end()
		}
		x.any = true
		x.b.WriteString(word)
	}
	if x.any && strings.IndexByte(blanks, v.text[len(v.text)-1]) >= 0 {
		x.end()
	}
}

// unescape takes the backslashes off. In double quotes a backslash stands for itself before
// most characters.
func unescape(text string, quoted bool) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		next := text[i+1]
		switch {
		case next == '\n':
			i++
		case !quoted || strings.IndexByte("$`\"\\", next) >= 0:
			b.WriteByte(next)
			i++
		default:
			b.WriteByte('\\')
		}
	}
	return b.String()
}

// param is the value of a variable; several for $@ and $*.
func (s *shell) param(p *syntax.ParamExp) []value {
	name := ""
	if p.Param != nil {
		name = p.Param.Value
	}
	// A word that is not taken is only looked at for commands, and one that is taken is not looked
	// at twice: they can be nested.
	untaken := func() {
		if p.Exp != nil && p.Exp.Word != nil {
			s.substitutions(p.Exp.Word)
		}
	}
	none := []value{{text: unknown(name), field: s.field}}
	if p.Excl || p.Length || p.Width || p.IsSet || p.Names != 0 || p.Slice != nil || p.Repl != nil || p.Index != nil || p.NestedParam != nil {
		v := s.vars[name]
		none[0].from = flow{fetch: v.from.fetch}
		return none
	}
	if name == "@" || name == "*" {
		if s.params == nil {
			return none
		}
		return s.params[min(1, len(s.params)):]
	}
	if s.e.spent > maxExpanded {
		s.e.unread(truncated)
		untaken()
		return none
	}
	v, known := s.vars[name]
	if !known {
		v.text, known = s.e.Env[name]
		if v.field = s.field; len(v.text) > maxValue {
			s.e.unread(truncated)
			v.text = unknown(name)
		}
	}
	if i := position(name); i >= 0 && i < len(s.params) {
		v, known = s.params[i], true
	}
	if p.Exp != nil {
		null := known && v.text == "" && v.from == (flow{})
		switch p.Exp.Op {
		case syntax.DefaultUnset, syntax.AssignUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnsetOrNull:
			orNull := p.Exp.Op == syntax.DefaultUnsetOrNull || p.Exp.Op == syntax.AssignUnsetOrNull
			if (!known || null && orNull) && p.Exp.Word != nil {
				return []value{s.word(p.Exp.Word)}
			}
			untaken()
		case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
			if null && p.Exp.Op == syntax.AlternateUnsetOrNull || p.Exp.Word == nil {
				untaken()
				return []value{{field: s.field}}
			}
			return []value{s.word(p.Exp.Word)} // of one that is not known it is taken
		case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
			untaken()
		default:
			untaken()
			none[0].from = flow{fetch: v.from.fetch}
			return none
		}
	}
	if !known {
		return none
	}
	return []value{v}
}

// position is the number of a positional parameter, -1 for other names.
func position(name string) int {
	if len(name) != 1 || name[0] < '0' || name[0] > '9' {
		return -1
	}
	return int(name[0] - '0')
}
