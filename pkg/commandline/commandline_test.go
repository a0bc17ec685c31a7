package commandline

import (
	"encoding/json"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// The deepest scripts that are parsed need a stack far below the limit at which
// Go ends a process (1 GB).
func TestDeepScripts(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(128 << 20))
	for _, opener := range []string{
		"(", "$(", "{ ", "if ", "a=(", "\"$(", "${a:-", "$((", "[[ ! ", "a | ", "while ", "! ", "case a in a) ", "f() ", "<(", "x && ", "((", "[[ ( ",
		"$[", "for i in a; do ", "coproc ", "time ", "a[", "((-", "((!", "((a?", "((a=", "((a,", "until ", "if a; then ", "((++",
	} {
		times := min(maxScript/len(opener), maxOpeners/max(1, strings.Count(opener, "(")+strings.Count(opener, "{")+
			strings.Count(opener, "[")+strings.Count(opener, "$")+strings.Count(opener, "!")))
		if !strings.ContainsAny(opener, "({[`$!") {
			times = maxScript / len(opener)
		}
		script := strings.Repeat(opener, times)
		if tooMuch(script) {
			t.Fatalf("%q: %d times are too many to be parsed", opener, times)
		}
		var e Evaluation
		e.Command([]Word{{"sh", "f"}, {"-c", "f"}, {script, "f"}})
	}
	if !tooMuch(strings.Repeat("(", maxOpeners+1)) {
		t.Error("more openers than the limit are not too many")
	}
}

// names are all texts that a result may have.
func names() []string {
	return nil
}

var (
	_ = json.Marshal
	_ = slices.Contains[[]string]
	_ fact.Reason
)
