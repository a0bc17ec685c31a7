package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

func exportTo(t *testing.T, args ...string) (code int, out, errOut string) {
	env, stdout, stderr := testEnv()
	code = Main(t.Context(), env, append([]string{"probe-image", "export"}, args...))
	return code, stdout.String(), stderr.String()
}

// The archive holds the very bytes that are embedded, and two exports are the same.
func TestProbeImageExport(t *testing.T) {
	probe, err := embedded.Probe("arm64")
	if errors.Is(err, embedded.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "probe.tar")
	code, digest, errOut := exportTo(t, file, "--platform", "linux/arm64")
	if code != ExitOK || !regexp.MustCompile(`^sha256:[0-9a-f]{64}\n$`).MatchString(digest) || errOut != "" {
		t.Fatalf("status %d, stdout %q, stderr %q: want 0 and a digest", code, digest, errOut)
	}
	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code, out, errOut := exportTo(t, "-", "--platform", "linux/arm64")
	if code != ExitOK || errOut != digest || !bytes.Equal(archive, []byte(out)) {
		t.Errorf("to stdout: status %d, %d bytes, stderr %q: want the same %d bytes and digest", code, len(out), errOut, len(archive))
	}
	// The largest blob is the layer.
	var layer []byte
	for in := tar.NewReader(bytes.NewReader(archive)); ; {
		if _, err := in.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > len(layer) {
			layer = data
		}
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	in := tar.NewReader(unzipped)
	header, err := in.Next()
	if err != nil || header.Name != "checklist-probe" {
		t.Fatalf("%v, %v", header, err)
	}
	if data, err := io.ReadAll(in); err != nil || !bytes.Equal(data, probe) {
		t.Errorf("the image's probe differs from the embedded one, %v", err)
	}
}

func TestProbeImageExportRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "probe.tar")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no file":          {nil, "expected one file to write, or - for stdout, found 0"},
		"two files":        {[]string{file, file}, "expected one file to write, or - for stdout, found 2"},
		"an empty name":    {[]string{""}, "expected one file to write, or - for stdout, found"},
		"another platform": {[]string{file, "--platform", "linux/s390x"}, `--platform: expected some of linux/amd64,linux/arm64, found "linux/s390x"`},
		"another system":   {[]string{file, "--platform", "windows/amd64"}, `found "windows/amd64"`},
		"a platform twice": {[]string{file, "--platform", "linux/amd64,linux/amd64"}, "expected each platform once, found linux/amd64 twice"},
		"no platform":      {[]string{file, "--platform="}, "--platform"},
		"a directory":      {[]string{dir}, "is a directory"},
		"a missing parent": {[]string{filepath.Join(dir, "no", "x.tar")}, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "a directory") || strings.HasPrefix(name, "a missing") {
				if _, err := embedded.Probe("amd64"); errors.Is(err, embedded.ErrNotBuilt) {
					t.Skip(err)
				}
			}
			code, out, errOut := exportTo(t, tc.args...)
			if code != ExitFailure || out != "" || !strings.Contains(errOut, tc.want) {
				t.Errorf("status %d, stdout %q, stderr %q: want 2 and %q", code, out, errOut, tc.want)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
				t.Errorf("left behind: %v, %v", files, err)
			}
		})
	}
	for _, name := range []string{"-", "/dev/stdout"} {
		env, stdout, stderr := testEnv()
		env.OutIsTerminal = true
		code := Main(t.Context(), env, []string{"probe-image", "export", name})
		if code != ExitFailure || stdout.Len() > 0 || !strings.Contains(stderr.String(), "expected a file or a pipe for the image, found a terminal") {
			t.Errorf("%s on a terminal: status %d, %d bytes, stderr %q", name, code, stdout.Len(), stderr)
		}
	}
	code, _, errOut := func() (int, string, string) {
		env, stdout, stderr := testEnv()
		return Main(t.Context(), env, []string{"probe-image"}), stdout.String(), stderr.String()
	}()
	if code != ExitFailure || !strings.Contains(errOut, "expected export") {
		t.Errorf("without a subcommand: status %d, stderr %q", code, errOut)
	}
}

// A full disk is an error, and leaves no half file and nothing of an older one's name.
func TestProbeImageExportFullDisk(t *testing.T) {
	if _, err := embedded.Probe("amd64"); errors.Is(err, embedded.ErrNotBuilt) {
		t.Skip(err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("/dev/full is Linux's")
	}
	code, out, errOut := exportTo(t, "/dev/full")
	if code != ExitFailure || out != "" || !strings.Contains(errOut, `writing "/dev/full": no space left on device`) {
		t.Errorf("status %d, stdout %q, stderr %q", code, out, errOut)
	}
}
