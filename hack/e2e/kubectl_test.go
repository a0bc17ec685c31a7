//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A real kubectl finds the plugin, and completes its commands and checks. The usage says
// how the plugin was called.
func TestThroughKubectl(t *testing.T) {
	ctx := testContext(t, 2*time.Minute)
	dir := t.TempDir()
	for _, name := range []string{"kubectl-checklist", "kubectl_complete-checklist"} {
		must(t, os.Symlink(cluster.Plugin, filepath.Join(dir, name)))
	}
	for name, tc := range map[string]struct{ command, want string }{
		"the plugin is listed":  {"kubectl plugin list", filepath.Join(dir, "kubectl-checklist")},
		"usage":                 {"kubectl checklist --help", "  kubectl checklist COMMAND"},
		"usage of a command":    {"kubectl checklist nodes --help", "  kubectl checklist nodes [NAME ...] [flags]"},
		"an answer":             {"kubectl checklist pods -A --check privileged/host-path -o name", "fail privileged/host-path pod/kube-system/etcd-cp1:etcd"},
		"completes commands":    {"kubectl __complete checklist sec", "secrets\t"},
		"completes checks":      {"kubectl __complete checklist explain drift/w", "drift/writable-root"},
		"a wrong flag is ours":  {"kubectl checklist --nonsense 2>&1 || echo status $?", "status 2"},
		"nothing but one error": {"kubectl checklist --nonsense 2>&1 || true", "error: unknown flag: --nonsense; see: kubectl checklist --help"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := cluster.Exec(ctx, nil, "bash", "-c", "export PATH="+dir+":$PATH; "+tc.command)
			must(t, err)
			if !strings.Contains(string(result.Stdout), tc.want) {
				t.Errorf("%s prints %q %q, want %q in it", tc.command, result.Stdout, result.Stderr, tc.want)
			}
		})
	}
}
