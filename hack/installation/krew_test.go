package installation

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// plugin is the part of krew's manifest that an installation needs.
type plugin struct {
	Metadata struct{ Name string }
	Spec     struct {
		Version   string
		Platforms []platform
	}
}

type platform struct {
	URI, SHA256, Bin string
	Selector         struct{ MatchLabels map[string]string }
	Files            []struct{ From, To string }
}

// installed is a plugin in a scratch folder, laid out as krew does it:
// store/NAME/VERSION/ with the files, and bin/ with a link to the program.
type installed struct {
	name, version string
	krew          string // KREW_ROOT
	files         []string
}

// install does what krew install --manifest --archive does.
func install(t *testing.T, krew string) installed {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var m plugin
	if err := yaml.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.Spec.Platforms, func(p platform) bool {
		return p.Selector.MatchLabels["os"] == runtime.GOOS && p.Selector.MatchLabels["arch"] == runtime.GOARCH
	})
	if i < 0 {
		t.Skipf("the manifest has nothing for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	p := m.Spec.Platforms[i]
	dir, version := made(t)
	archive, err := os.ReadFile(filepath.Join(dir, path.Base(p.URI)))
	if err != nil {
		t.Fatal(err)
	}
	if version == "" { // a whole release: its manifest has checksums
		version = m.Spec.Version
		if sum := fmt.Sprintf("%x", sha256.Sum256(archive)); sum != p.SHA256 {
			t.Fatalf("%s has the SHA-256 %s, the manifest says %s", path.Base(p.URI), sum, p.SHA256)
		}
	}
	unpacked := unpack(t, archive)
	store := filepath.Join(krew, "store", m.Metadata.Name, version)
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	result := installed{name: m.Metadata.Name, version: version, krew: krew}
	for _, f := range p.Files {
		if f.To != filepath.Clean(f.To) {
			t.Fatalf("to %q: krew refuses what is not clean", f.To)
		}
		found, err := filepath.Glob(filepath.Join(unpacked, f.From))
		if err != nil || len(found) == 0 {
			t.Fatalf("from %q: found nothing in the archive, %v", f.From, err)
		}
		for _, file := range found {
			if err := os.Rename(file, filepath.Join(store, f.To, filepath.Base(file))); err != nil {
				t.Fatal(err)
			}
			result.files = append(result.files, filepath.Base(file))
		}
	}
	result.link(t, filepath.Join(store, p.Bin))
	return result
}

// program is where krew links a plugin: a dash in its name becomes an underscore.
func (i *installed) program() string {
	return filepath.Join(i.krew, "bin", "kubectl-"+strings.ReplaceAll(i.name, "-", "_"))
}

// link points the link to a program, as an installation and an upgrade do.
func (i *installed) link(t *testing.T, program string) {
	t.Helper()
	info, err := os.Stat(program)
	if err == nil && info.Mode()&0o111 == 0 {
		err = fmt.Errorf("%s: mode %s cannot be run", program, info.Mode())
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(i.krew, "bin"), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(i.program())
	if err := os.Symlink(program, i.program()); err != nil {
		t.Fatal(err)
	}
}

// unpack writes the files of a tar.gz, and refuses what krew refuses.
func unpack(t *testing.T, archive []byte) string {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for in := tar.NewReader(unzipped); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg || strings.Contains(header.Name, "..") || strings.HasPrefix(header.Name, "/") || strings.HasPrefix(header.Name, `\`) {
			t.Fatalf("%q of type %q: krew refuses it", header.Name, header.Typeflag)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, header.Name), data, header.FileInfo().Mode()); err != nil {
			t.Fatal(err)
		}
	}
}

// shell runs a command with the plugin and a real kubectl on the PATH, and no cluster.
func (i *installed) shell(t *testing.T, command ...string) (stdout, stderr string, code int) {
	t.Helper()
	kubectl, err := kubectl()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(kubectl), "kubectl"), command...)
	cmd.Env = []string{
		"PATH=" + filepath.Dir(i.program()) + ":" + filepath.Dir(kubectl), "HOME=" + t.TempDir(),
		"KUBECONFIG=/dev/null",
	}
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// A user installs the archive by krew, runs it by kubectl, and gets completion.
func TestInstallation(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights there")
	}
	i := install(t, t.TempDir())
	if want := []string{"kubectl-checklist", "LICENSE"}; !slices.Equal(i.files, want) {
		t.Errorf("installed %v, want %v", i.files, want)
	}
	says := func(want string, command ...string) {
		t.Helper()
		out, errOut, code := i.shell(t, command...)
		if code != 0 || errOut != "" || !strings.Contains(out, want) {
			t.Errorf("kubectl %s: status %d, stdout %q, stderr %q: want 0 and %q", strings.Join(command, " "), code, out, errOut, want)
		}
	}
	says("version: "+i.version+"\n", i.name, "version")
	says("embedded probe linux/arm64: ", i.name, "version")
	says("  kubectl "+i.name+" COMMAND", i.name, "--help")
	// Status 1 would be a warning: not executable, or in the shadow of another.
	says(i.program()+"\n", "plugin", "list")
	if out, errOut, code := i.shell(t, i.name, "--nonsense"); code != 2 || out != "" || !strings.HasPrefix(errOut, "error: unknown flag: --nonsense") {
		t.Errorf("a wrong flag: status %d, stdout %q, stderr %q: want the plugin's own 2", code, out, errOut)
	}

	if out, _, _ := i.shell(t, "__complete", i.name, "sec"); strings.Contains(out, "secrets") {
		t.Errorf("kubectl completes before the link is there: %q", out)
	}
	link := filepath.Join(filepath.Dir(i.program()), "kubectl_complete-"+strings.ReplaceAll(i.name, "-", "_"))
	says("created "+link+"\n", i.name, "completion", "install")
	completes := func() {
		t.Helper()
		for want, words := range map[string][]string{
			"nodes\t":             {""},
			"secrets\t":           {"sec"},
			"drift/writable-root": {"explain", "drift/w"},
			"--probe-image\t":     {"nodes", "--probe-i"},
		} {
			out, _, code := i.shell(t, append([]string{"__complete", i.name}, words...)...)
			if code != 0 || !strings.Contains("\n"+out, "\n"+want) || !strings.Contains(out, "\n:") {
				t.Errorf("completing %q: status %d, %q, want a line %q and a directive", words, code, out, want)
			}
		}
	}
	completes()

	// krew upgrade unpacks beside, and points its link there.
	next := filepath.Join(i.krew, "store", i.name, "v99.0.0")
	if err := os.Rename(filepath.Join(i.krew, "store", i.name, i.version), next); err != nil {
		t.Fatal(err)
	}
	i.link(t, filepath.Join(next, "kubectl-checklist"))
	completes()

	// krew uninstall knows nothing of the completion's link. kubectl must not mind.
	if err := errors.Join(os.Remove(i.program()), os.RemoveAll(next)); err != nil {
		t.Fatal(err)
	}
	if out, errOut, code := i.shell(t, "__complete", i.name, ""); code != 0 || strings.Contains(out, "nodes") {
		t.Errorf("after it was removed: status %d, %q, %q", code, out, errOut)
	}
	if out, errOut, _ := i.shell(t, "plugin", "list"); strings.Contains(out+errOut, "checklist") {
		t.Errorf("after it was removed, kubectl lists %q %q", out, errOut)
	}
}
