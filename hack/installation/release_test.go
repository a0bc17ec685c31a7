package installation

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

// release returns the directory with the archive and the bills of materials for this
// machine, and the version.
var release = sync.OnceValues(func() (made struct{ dir, version string }, err error) {
	if dir := os.Getenv("CHECKLIST_RELEASE"); dir != "" {
		made.dir = dir
		return made, nil
	}
	made.version = "v0.9.9"
	if made.dir, err = os.MkdirTemp("", "installation-"); err != nil {
		return made, err
	}
	plugin := filepath.Join(made.dir, "plugin")
	// The flags of make build, so that only the linker has something to do.
	err = run(root, "go", "build", "-trimpath", "-ldflags", "-s -w -buildid= -X main.version="+made.version+" -X main.releaseImage=", "-o", plugin, "./cmd/kubectl-checklist")
	if err != nil {
		return made, err
	}
	return made, run(root, "go", "run", "./hack/release", "-version", made.version,
		"-only", runtime.GOOS+"/"+runtime.GOARCH, "-pack", plugin, "-out", made.dir)
})

// kubectl returns the path of a kubectl that was built from its own module.
var kubectl = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "installation-kubectl-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "kubectl")
	return file, run(".", "go", "build", "-ldflags", "-s -w", "-o", file, "./kubectl")
})

func TestMain(m *testing.M) {
	code := m.Run()
	if made, err := release(); err == nil && made.version != "" {
		_ = os.RemoveAll(made.dir)
	}
	if file, err := kubectl(); err == nil {
		_ = os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

type failure struct {
	command string
	err     error
	output  string
}

func (f *failure) Error() string { return f.command + ": " + f.err.Error() + "\n" + f.output }

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+cmp.Or(os.Getenv("GOFLAGS"), "-buildvcs=false"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return &failure{strings.Join(cmd.Args, " "), err, string(bytes.TrimSpace(out))}
	}
	return nil
}

func made(t *testing.T) (dir, version string) {
	t.Helper()
	r, err := release()
	if err != nil {
		t.Fatal(err)
	}
	return r.dir, r.version
}
