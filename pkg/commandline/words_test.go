package commandline

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// Words without anything unknown become what mvdan.cc/sh/v3/expand makes of them, which is
// tested against bash. (It also expands braces, which the evaluation leaves as they are.)
func TestExpansionIsTheLibrarys(t *testing.T) {
	env := map[string]string{"A": "one two", "B": "x", "E": "", "T": " lead trail "}
	var pairs []string
	for name, text := range env {
		pairs = append(pairs, name+"="+text)
	}
	pieces := []string{
		"a", "b c", " ", `"`, `'`, `\`, "$A", "${B}", "$E", "$T", "${A:-z}", "${E:-z}", "${E-z}", "${B:+y}", "${E:+y}", `\n`, `\"`, `\$`, "$'\\x41\\n'", "*", "?", "=", "-", "/", "~", "#", "é", "\t", `"$A"`, `'$A'`, `"\a\\"`, `\\`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range 60_000 {
		var b strings.Builder
		for range 1 + random.IntN(6) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		file, err := parse("x " + b.String())
		if err != nil || len(file.Stmts) != 1 {
			continue
		}
		call, ok := file.Stmts[0].Cmd.(*syntax.CallExpr)
		if !ok || len(file.Stmts[0].Redirs) > 0 {
			continue
		}
		want, err := expand.Fields(&expand.Config{Env: expand.ListEnviron(pairs...)}, call.Args...)
		if err != nil || strings.Contains(b.String(), "~") { // of a home the evaluation knows nothing
			continue
		}
		e := Evaluation{Options: Options{Env: env}}
		s := e.shell()
		var got []string
		for _, w := range call.Args {
			for _, v := range s.fields(w) {
				got = append(got, v.text)
			}
		}
		if slices.ContainsFunc(got, func(text string) bool { return strings.ContainsRune(text, hole) }) {
			continue // another variable's name, which the library takes to be empty
		}
		compared++
		// bash has an empty field for "" before a blank, as the evaluation; the library has not.
		got = slices.DeleteFunc(got, func(text string) bool { return text == "" })
		want = slices.DeleteFunc(want, func(text string) bool { return text == "" })
		if !slices.Equal(got, want) {
			t.Fatalf("%q: want %q, got %q", b.String(), want, got)
		}
	}
	if compared < 20_000 {
		t.Errorf("only %d words were compared", compared)
	}
}
