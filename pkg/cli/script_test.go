package cli_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/cli"
)

func TestMain(m *testing.M) {
	cli.QuietLibraries()
	// The plugin starts itself for this, and here it is a test.
	if len(os.Args) > 1 && os.Args[1] == "kustomize" {
		os.Exit(cli.Main(context.Background(), cli.NewEnv("kubectl-checklist", "v0.0.0-test", ""), os.Args[1:]))
	}
	testscript.Main(m, map[string]func(){
		"kubectl-checklist": func() {
			env := cli.NewEnv("kubectl-checklist", "v0.0.0-test", "")
			if now, err := time.Parse(time.RFC3339, os.Getenv("TEST_NOW")); err == nil {
				env.Now = func() time.Time { return now }
			}
			os.Exit(cli.Main(context.Background(), env, os.Args[1:]))
		},
	})
}

// Command lines with their exit status, stdout and stderr. None of them needs a cluster.
// Tests that need one are in hack/e2e.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// Nobody's kubeconfig: HOME is the script's own directory.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("KUBECONFIG", "")
			return nil
		},
	})
}
