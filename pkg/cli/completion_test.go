package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// place writes a program to a directory and returns its path.
func place(t *testing.T, dir, name string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// install runs completion install for a plugin that was started as program.
func install(t *testing.T, program, path string) (code int, out, errOut string) {
	t.Helper()
	env, stdout, stderr := testEnv()
	env.Program = program
	env.Getenv = func(name string) string {
		if name == "PATH" {
			return path
		}
		return ""
	}
	code = Main(t.Context(), env, []string{"completion", "install"})
	return code, stdout.String(), stderr.String()
}

func TestCompletionInstall(t *testing.T) {
	dir := t.TempDir()
	program := place(t, dir, "kubectl-checklist")
	link := filepath.Join(dir, "kubectl_complete-checklist")
	for _, want := range []string{"created " + link + "\n", "already there: " + link + "\n"} {
		code, out, errOut := install(t, program, "/nowhere"+string(os.PathListSeparator)+dir+"/")
		if code != ExitOK || out != want || errOut != "" {
			t.Errorf("status %d, stdout %q, stderr %q: want 0 and %q", code, out, errOut, want)
		}
	}
	if target, err := os.Readlink(link); err != nil || target != "kubectl-checklist" {
		t.Errorf("the link goes to %q, %v: want the plugin's name in the same directory", target, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("found %v, %v: want the program and its link only", files, err)
	}
}

// Krew links the plugin into its bin directory, and points this link elsewhere with each
// upgrade.
func TestCompletionInstallOutlivesAnUpgrade(t *testing.T) {
	store, bin := t.TempDir(), t.TempDir()
	plugin := filepath.Join(bin, "kubectl-security_checklist")
	for _, version := range []string{"v1", "v2"} {
		_ = os.Remove(plugin)
		if err := os.Symlink(place(t, store, version), plugin); err != nil {
			t.Fatal(err)
		}
		if version == "v1" {
			t.Setenv("PATH", bin) // started by name alone, as from a shell
			if code, _, errOut := install(t, "kubectl-security_checklist", bin); code != ExitOK || errOut != "" {
				t.Fatalf("status %d, %s", code, errOut)
			}
		}
		found, err := filepath.EvalSymlinks(filepath.Join(bin, "kubectl_complete-security_checklist"))
		if err != nil || filepath.Base(found) != version {
			t.Errorf("%s: the completer is %s, %v", version, found, err)
		}
	}
}

func TestCompletionInstallRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		program string
		there   func(t *testing.T, link string)
		want    string
	}{
		"a name that kubectl does not run": {"checklist", nil, `expected a name that begins with kubectl-, found "checklist"`},
		"a file of somebody else": {"kubectl-checklist", func(t *testing.T, link string) {
			place(t, filepath.Dir(link), filepath.Base(link))
		}, "found something else; remove it"},
		"a link that leads nowhere": {"kubectl-checklist", func(t *testing.T, link string) {
			if err := os.Symlink("gone", link); err != nil {
				t.Fatal(err)
			}
		}, "found something else; remove it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			link := filepath.Join(dir, "kubectl_complete-checklist")
			if tc.there != nil {
				tc.there(t, link)
			}
			before, errBefore := os.Lstat(link)
			code, out, errOut := install(t, place(t, dir, tc.program), dir)
			if code != ExitFailure || out != "" || !strings.Contains(errOut, tc.want) {
				t.Errorf("status %d, stdout %q, stderr %q: want 2 and %q", code, out, errOut, tc.want)
			}
			after, errAfter := os.Lstat(link)
			if (errBefore == nil) != (errAfter == nil) || errBefore == nil && !os.SameFile(before, after) {
				t.Errorf("what was there has changed: %v, %v", before, after)
			}
		})
	}
	t.Run("no program", func(t *testing.T) {
		code, _, errOut := install(t, filepath.Join(t.TempDir(), "kubectl-checklist"), "")
		if code != ExitFailure || !strings.Contains(errOut, "the plugin's own file") {
			t.Errorf("status %d, stderr %q", code, errOut)
		}
	})
	t.Run("a directory that cannot be written", func(t *testing.T) {
		// A name that is too long for a file fails for root too.
		dir := t.TempDir()
		long := "kubectl-" + strings.Repeat("x", 255-len("kubectl-"))
		code, out, errOut := install(t, place(t, dir, long), dir)
		if code != ExitFailure || out != "" || !strings.Contains(errOut, "create it in another directory of the PATH") {
			t.Errorf("status %d, stdout %q, stderr %q", code, out, errOut)
		}
	})
}

func TestCompletionInstallOffThePath(t *testing.T) {
	dir := t.TempDir()
	code, _, errOut := install(t, place(t, dir, "kubectl-checklist"), "/usr/bin")
	if code != ExitOK || !strings.Contains(errOut, "warning: "+dir+" is not on the PATH") {
		t.Errorf("status %d, stderr %q", code, errOut)
	}
}

func TestAsCompleter(t *testing.T) {
	for argv0, want := range map[string]string{
		"kubectl_complete-checklist":               "kubectl-checklist",
		"/a/b/kubectl_complete-security_checklist": "/a/b/kubectl-security_checklist",
		"kubectl-checklist":                        "",
		"/kubectl_complete-x/kubectl-checklist":    "",
	} {
		if got, ok := AsCompleter(argv0); got != want || ok != (want != "") {
			t.Errorf("%q: want %q, got %q, %v", argv0, want, got, ok)
		}
	}
}
