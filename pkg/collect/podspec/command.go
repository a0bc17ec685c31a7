package podspec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
)

// A command line may hold anything, even a password, so facts hold none of its
// words. It is evaluated here, where it is complete, and only the results are
// facts.

// Bounds of what is evaluated of one command line: bytes of a script, characters
// in it that can open something, and shells that start shells. The parser calls
// itself for each that is opened, some 4 KB of stack each time, and a stack
// without end ends the process (TestDeepScripts).
const (
	maxScript  = 64 << 10
	maxOpeners = 8192
	maxNested  = 4
)

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

// evaluate sets what a container's command lines run: its own, and those of its
// hooks.
func evaluate(out *fact.Container, c *corev1.Container) {
	var e evaluation
	switch {
	case len(c.Command) > 0:
		words := make([]word, 0, len(c.Command)+len(c.Args))
		words = append(words, wordsOf("command", c.Command)...)
		e.command(append(words, wordsOf("args", c.Args)...), 0)
	default:
		// The image's own entry point runs, of which nothing is known. By custom
		// it runs its arguments, if they are a program.
		e.command(wordsOf("args", c.Args), 0)
	}
	if hooks := c.Lifecycle; hooks != nil {
		for _, hook := range []struct {
			field   string
			handler *corev1.LifecycleHandler
		}{{"lifecycle.postStart.exec.command", hooks.PostStart}, {"lifecycle.preStop.exec.command", hooks.PreStop}} {
			if hook.handler != nil && hook.handler.Exec != nil {
				e.command(wordsOf(hook.field, hook.handler.Exec.Command), 0)
			}
		}
	}
	out.Builder, out.CommandUnread = e.builder, e.unread
}

// word is a word of a command line with the field that it is in. A word that is
// not literal is empty.
type word struct{ text, field string }

func wordsOf(field string, list []string) []word {
	out := make([]word, len(list))
	for i, text := range list {
		out[i] = word{text, fmt.Sprintf("%s[%d]", field, i)}
	}
	return out
}

// evaluation is what was found so far. The first builder stays.
type evaluation struct {
	builder *fact.DeclaredBuilder
	unread  fact.Reason
}

// command evaluates one command. Programs that run another in their place are
// followed to that one.
func (e *evaluation) command(words []word, nested int) {
	for len(words) > 0 {
		name := path.Base(words[0].text)
		if script, ok := shellScript(name, words[1:]); ok {
			e.script(script, nested+1)
			return
		}
		skip, ok := wrappers[name]
		if !ok {
			break
		}
		words = skip.rest(words[1:])
	}
	literal := make([]string, len(words))
	for i, w := range words {
		if !strings.Contains(w.text, "$(") { // the kubelet puts a variable's value there
			literal[i] = w.text
		}
	}
	if name := builder.Command(literal); name != "" && e.builder == nil {
		e.builder = &fact.DeclaredBuilder{Name: name, Field: words[0].field}
	}
}

// script evaluates every command of a shell's script, in whatever branch or
// function it is.
func (e *evaluation) script(script word, nested int) {
	if nested > maxNested || tooMuch(script.text) {
		e.unread = fact.Unsupported
		return
	}
	file, err := parse(script.text)
	if err != nil {
		e.unread = fact.Unsupported
		return
	}
	syntax.Walk(file, func(node syntax.Node) bool {
		if call, ok := node.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			words := make([]word, len(call.Args))
			for i, arg := range call.Args {
				words[i] = word{literal(arg), script.field}
			}
			e.command(words, nested)
		}
		return true
	})
}

// parse reads a script as bash does, whose language holds that of other shells.
func parse(script string) (file *syntax.File, err error) {
	defer func() {
		if recover() != nil { // a fault of the parser costs this script alone
			err = fmt.Errorf("not parsed")
		}
	}()
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
}

// literal is a word's text where it has no expansion, with its quotes and escapes
// taken off.
func literal(w *syntax.Word) string {
	for _, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit, *syntax.SglQuoted:
		case *syntax.DblQuoted:
			for _, inner := range p.Parts {
				if _, ok := inner.(*syntax.Lit); !ok {
					return ""
				}
			}
		default:
			return ""
		}
	}
	// Without a way to read directories nothing is globbed. What braces make many
	// of is not literal, and may have no end.
	text := ""
	for field, err := range expand.FieldsSeq(&expand.Config{Env: expand.ListEnviron()}, w) {
		if err != nil || text != "" {
			return ""
		}
		text = field
	}
	return text
}

var shells = []string{"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"}

// shellScript is the script that a shell is given with -c.
func shellScript(name string, args []word) (word, bool) {
	if name == "busybox" && len(args) > 0 {
		name, args = args[0].text, args[1:]
	}
	if !slices.Contains(shells, name) {
		return word{}, false
	}
	for i, arg := range args {
		switch {
		case arg.text == "-o" || arg.text == "+o": // its value is not the script
		case i > 0 && (args[i-1].text == "-o" || args[i-1].text == "+o"):
		case strings.HasPrefix(arg.text, "--"):
		case strings.HasPrefix(arg.text, "-"):
			if strings.Contains(arg.text, "c") {
				return scriptAfter(args[i+1:])
			}
		default:
			return word{}, false // a file
		}
	}
	return word{}, false
}

// scriptAfter is the first word that is no option: the script follows the last
// of them ("sh -c -e SCRIPT").
func scriptAfter(args []word) (word, bool) {
	for _, arg := range args {
		if !strings.HasPrefix(arg.text, "-") || strings.ContainsAny(arg.text, " \n") {
			return arg, true
		}
	}
	return word{}, false
}

// wrapper is a program that runs another: how many of its arguments come before
// that, options aside, and which options take a value.
type wrapper struct {
	arguments int
	valued    []string
}

var wrappers = map[string]wrapper{
	"env": {0, []string{"-u", "-C", "--unset", "--chdir"}}, "exec": {}, "command": {}, "nohup": {}, "setsid": {}, "time": {}, "stdbuf": {},
	"tini": {0, []string{"-p", "-e"}}, "dumb-init": {0, []string{"-r", "--rewrite"}}, "catatonit": {},
	"nice": {0, []string{"-n"}}, "ionice": {0, []string{"-c", "-n"}}, "timeout": {1, []string{"-k", "-s", "--kill-after", "--signal"}},
	"su-exec": {1, nil}, "gosu": {1, nil}, "chroot": {1, nil}, "sudo": {0, []string{"-u", "-g"}},
	"xargs": {0, []string{"-n", "-P", "-I", "-d", "-a"}},
}

// rest is the command that the wrapper runs.
func (w wrapper) rest(args []word) []word {
	before := w.arguments
	for i := 0; i < len(args); i++ {
		text := args[i].text
		switch {
		case text == "--":
		case slices.Contains(w.valued, text):
			i++
		case strings.HasPrefix(text, "-"):
		case isAssignment(text): // env's
		case before > 0:
			before--
		default:
			return args[i:]
		}
	}
	return nil
}

// isAssignment reports whether a word is NAME=value.
func isAssignment(text string) bool {
	name, _, ok := strings.Cut(text, "=")
	return ok && name != "" && !strings.ContainsAny(name, "/ .-:")
}
