package examples

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var good = `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: web}, spec: {automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}, ` +
	`containers: [{name: web, image: "example.com/web@sha256:` + strings.Repeat("a", 64) + `", securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`

// What the pipelines' manifests are, and the exit status of each.
var manifests = map[string]struct {
	text   string
	status int
}{
	"all pass":           {good, 0},
	"one fails":          {`{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: web, securityContext: {privileged: true}}]}}`, 1},
	"nothing is YAML":    {`{`, 2},
	"one cannot be read": {good + "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: bad}, spec: {containers: 3}}\n", 3},
}

// machine is a directory with a checkout, and a curl that has one file: the release's archive.
type machine struct {
	dir, sum string
	env      []string
}

func newMachine(t *testing.T, manifest string) *machine {
	t.Helper()
	m := &machine{dir: t.TempDir()}
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		name = filepath.Join(m.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	packed := tar.NewWriter(zipped)
	for name, text := range map[string]string{"LICENSE": "", "kubectl-checklist": "#!/bin/sh\nEXAMPLES_PLUGIN=1 exec '" + self + "' \"$@\"\n"} {
		err = errors.Join(err, packed.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}))
		_, wrong := packed.Write([]byte(text))
		err = errors.Join(err, wrong)
	}
	if err := errors.Join(err, packed.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	m.sum = fmt.Sprintf("%x", sha256.Sum256(archive.Bytes()))
	write("release.tar.gz", archive.String(), 0o600)
	write("checkout/deploy/web.yaml", manifest, 0o600)
	write("tmp/empty", "", 0o600)
	write("bin/curl", `#!/bin/sh
case "$*" in
*"https://github.com/kubectl-checklist/kubectl-checklist/releases/download/v0.1.0/kubectl-checklist_linux_amd64.tar.gz"*) ;;
*) echo "curl: not this: $*" >&2; exit 22 ;;
esac
while [ "$1" != -o ]; do shift; done
cp '`+m.dir+`/release.tar.gz' "$2"
`, 0o755)
	m.env = []string{"PATH=" + filepath.Join(m.dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + m.dir}
	return m
}

// sh runs a script in the checkout and returns its exit status.
func (m *machine) sh(t *testing.T, script string, env []string, shell ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(shell[0], append(shell[1:], script)...)
	cmd.Dir, cmd.Env = filepath.Join(m.dir, "checkout"), append(m.env, env...)
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(said)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(said)
}

func (m *machine) file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// released replaces the checksum that a user fills in.
func released(text, sum string) string { return strings.Replace(text, strings.Repeat("0", 64), sum, 1) }

type workflow struct {
	Jobs map[string]struct {
		Env   map[string]string
		Steps []struct {
			Name, Uses, Run string
			With            map[string]string
			Env             map[string]string
		}
	}
}

// The steps of the GitHub workflow run as its shell runs them.
func TestGitHub(t *testing.T) {
	job := loose[workflow](t, "ci/github/checklist.yaml").Jobs["manifests"]
	steps := map[string]string{}
	uploads := ""
	for _, s := range job.Steps {
		steps[s.Name] = s.Run
		if strings.HasPrefix(s.Uses, "github/codeql-action/upload-sarif@") {
			uploads = s.With["sarif_file"]
		}
	}
	for name, tc := range manifests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, tc.text)
			env := []string{"RUNNER_TEMP=" + m.dir + "/tmp", "GITHUB_OUTPUT=" + m.dir + "/output", "GITHUB_STEP_SUMMARY=" + m.dir + "/summary"}
			for k, v := range job.Env {
				env = append(env, k+"="+released(v, m.sum))
			}
			step := func(name string, more ...string) (int, string) {
				t.Helper()
				if steps[name] == "" {
					t.Fatalf("no step %s", name)
				}
				return m.sh(t, steps[name], append(env, more...), "bash", "-e", "-c")
			}
			if code, said := step("Download"); code != 0 {
				t.Fatalf("download: exit status %d: %s", code, said)
			}
			code, said := step("Judge")
			if output := m.file(t, "output"); output != fmt.Sprintf("status=%d\n", tc.status) {
				t.Errorf("judge: output %q, want status %d: %s", output, tc.status, said)
			}
			if tc.status == 2 {
				if code != 2 {
					t.Errorf("nothing was judged: exit status %d", code)
				}
				return
			}
			if code != 0 {
				t.Errorf("judge: exit status %d: %s", code, said)
			}
			if sarif := m.file(t, "checkout/"+uploads); !strings.Contains(sarif, `"2.1.0"`) {
				t.Errorf("%s: %.200s", uploads, sarif)
			}
			if report := m.file(t, "checkout/checklist.md"); report == "" || m.file(t, "summary") != report {
				t.Errorf("no report, or not in the summary: %.200s", report)
			}
			code, said = step("Result", fmt.Sprintf("STATUS=%d", tc.status))
			if want := map[int]int{0: 0, 1: 1, 3: 0}[tc.status]; code != want || (tc.status == 3) != strings.Contains(said, "::warning::") {
				t.Errorf("result of status %d: exit status %d: %s", tc.status, code, said)
			}
		})
	}
	t.Run("another archive than the release's", func(t *testing.T) {
		m := newMachine(t, "")
		code, said := m.sh(t, steps["Download"], []string{"RUNNER_TEMP=" + m.dir + "/tmp", "VERSION=v0.1.0", "SHA256=" + strings.Repeat("0", 64)}, "bash", "-e", "-c")
		if code == 0 || !strings.Contains(said, "FAILED") || m.file(t, "tmp/kubectl-checklist") != "" {
			t.Errorf("exit status %d: %s", code, said)
		}
	})
}

type pipeline struct {
	Checklist struct {
		Variables    map[string]string
		BeforeScript []string `json:"before_script"`
		Script       []string
		AllowFailure struct {
			ExitCodes []int `json:"exit_codes"`
		} `json:"allow_failure"`
		Artifacts struct {
			When    string
			Reports struct{ JUnit string }
		}
	}
}

// The script of the GitLab job runs as its shell runs it: line by line, until one fails.
func TestGitLab(t *testing.T) {
	job := loose[pipeline](t, "ci/gitlab/checklist.gitlab-ci.yml").Checklist
	for name, tc := range manifests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, tc.text)
			var env []string
			for k, v := range job.Variables {
				env = append(env, k+"="+released(v, m.sum))
			}
			lines := strings.Join(append(job.BeforeScript, job.Script...), "\n")
			if !strings.Contains(lines, " /tmp/") {
				t.Fatalf("no place for the archive:\n%s", lines)
			}
			lines = strings.ReplaceAll(lines, "/tmp/", m.dir+"/tmp/")
			lines = strings.ReplaceAll(lines, "-C /tmp ", "-C "+m.dir+"/tmp ")
			code, said := m.sh(t, lines, env, "sh", "-e", "-c")
			if code != tc.status {
				t.Errorf("exit status %d, want %d: %s", code, tc.status, said)
			}
			junit := m.file(t, "checkout/"+job.Artifacts.Reports.JUnit)
			if (tc.status != 2) != strings.Contains(junit, "<testsuite") || (junit == "") != (m.file(t, "checkout/checklist.md") == "") {
				t.Errorf("status %d: %.200s", tc.status, junit)
			}
		})
	}
	// Only an incomplete run is a warning, and a failed job keeps its files.
	if fmt.Sprint(job.AllowFailure.ExitCodes) != "[3]" || job.Artifacts.When != "always" {
		t.Errorf("%+v", job)
	}
	t.Run("another archive than the release's", func(t *testing.T) {
		m := newMachine(t, "")
		lines := strings.ReplaceAll(strings.Join(job.BeforeScript, "\n"), "/tmp", m.dir+"/tmp")
		code, said := m.sh(t, lines, []string{"CHECKLIST_VERSION=v0.1.0", "CHECKLIST_SHA256=" + strings.Repeat("0", 64)}, "sh", "-e", "-c")
		if code == 0 || !strings.Contains(said, "FAILED") || m.file(t, "tmp/kubectl-checklist") != "" {
			t.Errorf("exit status %d: %s", code, said)
		}
	})
}
