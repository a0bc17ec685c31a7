//go:build linux && (amd64 || arm64)

package probe

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command is the program that package probe is the body of.
const command = "../../cmd/checklist-probe"

// The probe is small because of what it does not link, and so are its ways out.
func TestProbeLinks(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", command).Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("expected the whole import graph, found %d packages", len(deps))
	}
	for _, dep := range deps {
		for _, forbidden := range []string{"k8s.io/", "net", "os/exec", "os/signal", "os/user", "plugin", "crypto/tls", "text/template", "html/template"} {
			if dep == forbidden || strings.HasPrefix(dep, forbidden+"/") || strings.HasSuffix(forbidden, "/") && strings.HasPrefix(dep, forbidden) {
				t.Errorf("links %s", dep)
			}
		}
	}
}

// An image with nothing else stays under 5 MB compressed, and the embedded
// probe under 9 ConfigMaps of 1,000,000 bytes.
func TestProbeSize(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the probe")
	}
	const limit = 9_000_000
	file := filepath.Join(t.TempDir(), "checklist-probe")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", file, command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > limit {
		t.Errorf("expected at most %d bytes, found %d", limit, info.Size())
	}
	t.Logf("%d bytes", info.Size())
}
