package catalogue

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Checks are pure: facts in, findings out. What could read the world is
// imported neither by them nor, but for the API types' own needs, by what they
// import.
func TestChecksDoNoIO(t *testing.T) {
	const module = "github.com/kubectl-checklist/kubectl-checklist/"
	// facttest is for tests alone.
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"pkg/checks/...", module+"pkg/capability", module+"pkg/debversion", module+"pkg/rpmversion", module+"pkg/pacmanversion", module+"pkg/apkversion", module+"pkg/builder", module+"pkg/runtimesocket", module+"pkg/credential", module+"pkg/secretstore", module+"pkg/speckey", module+"pkg/podsecurity", module+"pkg/enforcer", module+"pkg/mapping").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	allowed := []string{
		"crypto/sha256", "encoding/binary", "reflect",
		"bytes", "cmp", "encoding/base64", "fmt", "iter", "maps", "math", "math/bits", "net/netip", "path", "slices", "sort", "strconv", "strings", "time", "unicode/utf8",
		"github.com/distribution/reference", "k8s.io/apimachinery/pkg/util/version",
		module + "pkg/api/fact", module + "pkg/api/v1alpha1", module + "pkg/capability", module + "pkg/debversion", module + "pkg/rpmversion", module + "pkg/pacmanversion", module + "pkg/apkversion", module + "pkg/modversion", module + "pkg/builder", module + "pkg/endoflife", module + "pkg/runtimesocket", module + "pkg/credential", module + "pkg/secretstore", module + "pkg/speckey", module + "pkg/spool", module + "pkg/podsecurity", module + "pkg/waiver", module + "pkg/enforcer", module + "pkg/sorted", module + "pkg/mapping",
	}
	// The official evaluator of Pod Security takes the API's types.
	evaluator := []string{"sync", "k8s.io/api/core/v1", "k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io/pod-security-admission/api", "k8s.io/pod-security-admission/policy"}
	packages := 0
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath    string
			Imports, Deps []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(p.ImportPath, "/facttest") {
			continue
		}
		packages++
		for _, name := range p.Imports {
			if p.ImportPath == module+"pkg/podsecurity" && slices.Contains(evaluator, name) {
				continue
			}
			if !slices.Contains(allowed, name) && !strings.HasPrefix(name, module+"pkg/checks") || strings.HasSuffix(name, "/facttest") {
				t.Errorf("%s imports %s", p.ImportPath, name)
			}
		}
		for _, name := range p.Deps {
			if strings.HasPrefix(name, "k8s.io/client-go") || strings.HasPrefix(name, module+"pkg/collect") ||
				strings.HasPrefix(name, module+"pkg/probe") || strings.HasPrefix(name, module+"pkg/launch") || name == "os/exec" {
				t.Errorf("%s depends on %s", p.ImportPath, name)
			}
		}
	}
	if packages < 10 {
		t.Errorf("only %d packages were looked at", packages)
	}
}
