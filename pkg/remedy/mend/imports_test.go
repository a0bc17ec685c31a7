package mend

import (
	"os/exec"
	"strings"
	"testing"
)

// Mends are pure: nothing that reads the world is below them.
func TestMendsDoNoIO(t *testing.T) {
	const module = "github.com/kubectl-checklist/kubectl-checklist/"
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("only %d packages", len(deps))
	}
	for _, dep := range deps {
		for _, no := range []string{"k8s.io/client-go", "k8s.io/cli-runtime", "k8s.io/kubernetes", module + "pkg/collect", module + "pkg/cli", module + "pkg/gather", module + "pkg/probe"} {
			if dep == no || strings.HasPrefix(dep, no+"/") {
				t.Errorf("it is built with %s", dep)
			}
		}
	}
	out, err = exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		switch name {
		case "os", "os/exec", "net", "net/http", "io", "time", "syscall", "math/rand", "math/rand/v2":
			t.Errorf("it imports %s", name)
		}
	}
}
