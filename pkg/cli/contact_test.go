package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-checklist/kubectl-checklist/hack/requests"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

func uidOf(n int) string { return fmt.Sprintf("0f3b1c9a-5d1e-4f3a-9a57-%012x", n) }

// Only a person is asked. Whoever is not goes on as before.
func TestAsksFirst(t *testing.T) {
	dir := t.TempDir()
	input, err := os.Create(filepath.Join(dir, "input"))
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close() //nolint:errcheck // a test's file
	link := filepath.Join(dir, "link")
	if err := os.Symlink(input.Name(), link); err != nil {
		t.Skip(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		in, err    bool
		args       []string
		kubeconfig string
		want       bool
	}{
		"a person":                       {true, true, nil, "", true},
		"stdin is no terminal":           {false, true, nil, "", false},
		"stderr is no terminal":          {true, false, nil, "", false},
		"--yes":                          {true, true, []string{"--yes"}, "", false},
		"--yes=false":                    {true, true, []string{"--yes=false"}, "", true},
		"waivers from a file":            {true, true, []string{"--waivers", other}, "", true},
		"waivers from a device":          {true, true, []string{"--waivers", os.DevNull}, "", true},
		"waivers from stdin":             {true, true, []string{"--waivers", input.Name()}, "", false},
		"waivers from a link to stdin":   {true, true, []string{"--waivers", link}, "", false},
		"waivers from the terminal":      {true, true, []string{"--waivers", "/dev/tty"}, "", false},
		"waivers that do not exist":      {true, true, []string{"--waivers", filepath.Join(dir, "nosuch")}, "", true},
		"-":                              {true, true, []string{"--what-if", "-"}, "", false},
		"a kubeconfig from stdin":        {true, true, []string{"--kubeconfig", link}, "", false},
		"$KUBECONFIG with stdin":         {true, true, nil, other + string(filepath.ListSeparator) + link, false},
		"$KUBECONFIG with a file":        {true, true, nil, other, true},
		"facts are written to stdin's":   {true, true, []string{"--save-facts", link}, "", true},
		"a report is written to stdin's": {true, true, []string{"--output-file", "json=" + link}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			env, _, _ := testEnv()
			env.Streams.In, env.InIsTerminal, env.ErrIsTerminal = input, tc.in, tc.err
			env.Getenv = func(key string) string {
				if key == "KUBECONFIG" {
					return tc.kubeconfig
				}
				return ""
			}
			cmd := NewCommand(env)
			if err := cmd.ParseFlags(tc.args); err != nil {
				t.Fatal(err)
			}
			env.user = invocationOf(cmd, nil)
			var source gather.Cluster
			env.asksFirst(&source, slices.Contains(tc.args, "--yes"))
			if (source.Confirm != nil) != tc.want || (source.Agreed != nil) != tc.want {
				t.Errorf("asks %t, want %t", source.Confirm != nil, tc.want)
			}
		})
	}
}

// Every command that creates pods has the flag, and no other.
func TestYesIsForPods(t *testing.T) {
	env, _, _ := testEnv()
	var have []string
	each(NewCommand(env), func(cmd *cobra.Command) {
		if cmd.Flags().Lookup("yes") != nil {
			have = append(have, cmd.Name())
		}
	})
	slices.Sort(have)
	if want := []string{"kubectl-checklist", "nodes", "pods", "secrets"}; !slices.Equal(have, want) {
		t.Errorf("commands with --yes: %v, want %v", have, want)
	}
}

// What an answer means, and what is remembered.
func TestConfirm(t *testing.T) {
	for name, tc := range map[string]struct {
		input string
		yes   bool
		asked int
	}{
		"Enter":                      {"\n", true, 1},
		"y":                          {"y\n", true, 1},
		"YES with a carriage return": {" YES \r\n", true, 1},
		"n":                          {"n\n", false, 1},
		"NO":                         {"NO\n", false, 1},
		"nothing":                    {"", false, 1},
		"unclear, then yes":          {"yess\nyes\n", true, 2},
		"unclear, then the end":      {"?\n", false, 2},
		"always unclear":             {"a\nb\nc\ny\n", false, 3},
		"a line of 1 MiB":            {strings.Repeat("y", 1<<20) + "\ny\n", false, 1},
		"escape sequences":           {"\x1b[31my\n\x00\n\n", true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			env, out, errOut := testEnv()
			cache := t.TempDir()
			dropped := false
			env.Streams.In, env.InIsTerminal, env.ErrIsTerminal = strings.NewReader(tc.input), true, true
			env.CacheDir = func() (string, error) { return cache, nil }
			env.dropTyped = func() { dropped = true }
			var source gather.Cluster
			env.asksFirst(&source, false)
			yes, err := source.Confirm(t.Context(), uidOf(1), launch.Outline{Namespace: "probes", Nodes: 2, Pods: []launch.OutlinePods{{Level: "proc", Pods: 2}}})
			if err != nil || yes != tc.yes {
				t.Errorf("yes %t, error %v", yes, err)
			}
			text := errOut.String()
			if got := strings.Count(text, "Create them? [Y/n] "); got != tc.asked {
				t.Errorf("asked %d times, want %d: %s", got, tc.asked, text)
			}
			if !strings.HasPrefix(text, "To measure 2 nodes, this run creates 2 short-lived pods in namespace probes: 2 with hostPID, uid 65534, no capability.") || out.Len() > 0 {
				t.Errorf("stdout %q, stderr %q", out, text)
			}
			if strings.Contains(text, "nothing is created") == tc.yes || !dropped {
				t.Errorf("stderr %q, what was typed before was dropped: %t", text, dropped)
			}
			if source.Agreed(uidOf(1)) != tc.yes || source.Agreed(uidOf(2)) || source.Agreed("") {
				t.Error("only a yes is remembered, for its cluster")
			}
		})
	}
}

// On a narrow terminal the question's line is broken between words, and loses none.
func TestConfirmOnNarrowTerminals(t *testing.T) {
	creates := launch.Outline{Namespace: "probes", Nodes: 2, Pods: []launch.OutlinePods{{Level: "full", Pods: 2}, {Level: "net", Pods: 2}}}
	for _, width := range []int{0, 20, 40, 80, 500} {
		env, _, errOut := testEnv()
		env.Streams.In, env.InIsTerminal, env.ErrIsTerminal, env.OutWidth = strings.NewReader("y\n"), true, true, width
		var source gather.Cluster
		env.asksFirst(&source, false)
		if yes, err := source.Confirm(t.Context(), uidOf(1), creates); !yes || err != nil {
			t.Errorf("width %d: yes %t, error %v", width, yes, err)
		}
		text, _, _ := strings.Cut(errOut.String(), "\nCreate them?")
		if got := strings.Join(strings.Fields(text), " "); got != creates.String() {
			t.Errorf("width %d: words %q", width, got)
		}
		lines := strings.Split(text, "\n")
		if whole := width == 0 || width == 500; whole != (len(lines) == 1) {
			t.Errorf("width %d: %d lines", width, len(lines))
		}
		for _, line := range lines {
			if width > 0 && len(line) > width {
				t.Errorf("width %d: %q", width, line)
			}
		}
	}
}

// A context that is done ends the question at once, even if nobody types anything, and is no
// answer.
func TestConfirmIsInterrupted(t *testing.T) {
	env, _, errOut := testEnv()
	in, keeps := io.Pipe()
	defer keeps.Close() //nolint:errcheck // ends the reader
	cache := t.TempDir()
	env.Streams.In, env.InIsTerminal, env.ErrIsTerminal = in, true, true
	env.CacheDir = func() (string, error) { return cache, nil }
	var source gather.Cluster
	env.asksFirst(&source, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	yes, err := source.Confirm(ctx, uidOf(1), launch.Outline{})
	if yes || !errors.Is(err, context.Canceled) || source.Agreed(uidOf(1)) {
		t.Errorf("yes %t, error %v", yes, err)
	}
	if !strings.HasSuffix(errOut.String(), "[Y/n] \n") {
		t.Errorf("stderr %q", errOut)
	}
}

// The file of known clusters is small, private, and never trusted.
func TestContacts(t *testing.T) {
	inside := func(t *testing.T) contacts {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "kubectl-checklist")
		return contacts{filepath.Join(dir, "clusters")}
	}
	write := func(t *testing.T, c contacts, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a new file", func(t *testing.T) {
		c := inside(t)
		c.add(uidOf(1))
		c.add(uidOf(2))
		c.add(uidOf(1))
		text, err := os.ReadFile(c.path)
		if want := contactsHead + uidOf(2) + "\n" + uidOf(1) + "\n"; err != nil || string(text) != want {
			t.Errorf("%v, %q", err, text)
		}
		for path, want := range map[string]os.FileMode{c.path: 0o600, filepath.Dir(c.path): 0o700 | os.ModeDir} {
			if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != want {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
		if left, err := os.ReadDir(filepath.Dir(c.path)); err != nil || len(left) != 1 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	t.Run("lines that are no UIDs", func(t *testing.T) {
		c := inside(t)
		write(t, c, "\n#\nx\n "+uidOf(1)+"\n"+strings.ToUpper(uidOf(2))+"\n"+uidOf(3)+"\r\n"+uidOf(4)+"0\n"+uidOf(5)+"\n"+strings.ReplaceAll(uidOf(6), "-", "a"))
		if got := c.list(); !slices.Equal(got, []string{uidOf(5)}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("texts of a cluster that are no UIDs", func(t *testing.T) {
		c := inside(t)
		for _, uid := range []string{"", "x", uidOf(1) + "\n" + uidOf(2), strings.Repeat("a", 36), "g" + uidOf(1)[1:], "\x1b" + uidOf(1)[1:], strings.ToUpper(uidOf(1))} {
			c.add(uid)
			if c.has(uid) {
				t.Errorf("%q is known", uid)
			}
		}
		if _, err := os.Stat(c.path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file was written: %v", err)
		}
	})
	t.Run("more than are remembered", func(t *testing.T) {
		c := inside(t)
		var text bytes.Buffer
		for i := range maxContacts + 5 {
			text.WriteString(uidOf(i) + "\n")
		}
		write(t, c, text.String())
		c.add(uidOf(maxContacts + 5))
		if got := c.list(); len(got) != maxContacts || got[0] != uidOf(6) || got[maxContacts-1] != uidOf(maxContacts+5) {
			t.Errorf("%d: %s ... %s", len(got), got[0], got[len(got)-1])
		}
	})
	t.Run("a file without end", func(t *testing.T) {
		c := inside(t)
		write(t, c, strings.Repeat("#", maxContactsBytes)+"\n"+uidOf(1)+"\n")
		if c.has(uidOf(1)) {
			t.Error("more was read than 64 KiB")
		}
	})
	t.Run("a link", func(t *testing.T) {
		c := inside(t)
		target := filepath.Join(t.TempDir(), "target")
		if err := os.WriteFile(target, []byte(uidOf(1)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Dir(c.path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, c.path); err != nil {
			t.Skip(err)
		}
		c.add(uidOf(2))
		if text, _ := os.ReadFile(target); c.has(uidOf(1)) || string(text) != uidOf(1)+"\n" {
			t.Errorf("the link was followed: %q", text)
		}
		if info, err := os.Lstat(c.path); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Error("the link was replaced")
		}
	})
	t.Run("a directory that is a link", func(t *testing.T) {
		c := inside(t)
		target := t.TempDir()
		if err := os.Symlink(target, filepath.Dir(c.path)); err != nil {
			t.Skip(err)
		}
		c.add(uidOf(1))
		if left, _ := os.ReadDir(target); len(left) > 0 {
			t.Errorf("the link was followed: %v", left)
		}
	})
	t.Run("a directory", func(t *testing.T) {
		c := inside(t)
		if err := os.MkdirAll(c.path, 0o700); err != nil {
			t.Fatal(err)
		}
		c.add(uidOf(1))
		if c.has(uidOf(1)) {
			t.Error("known")
		}
	})
	t.Run("no place", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c := contacts{filepath.Join(file, "kubectl-checklist", "clusters")}
		c.add(uidOf(1))
		if c.has(uidOf(1)) {
			t.Error("known")
		}
	})
	for name, dir := range map[string]func() (string, error){
		"no cache":                 nil,
		"no home":                  func() (string, error) { return "", errors.New("HOME is not set") },
		"a relative path of cache": func() (string, error) { return "cache", nil },
	} {
		env, _, _ := testEnv()
		env.CacheDir = dir
		c := env.contacts()
		c.add(uidOf(1))
		if c.path != "" || c.has(uidOf(1)) {
			t.Errorf("%s: %q", name, c.path)
		}
	}
}

// Who ran it is in the report and in facts, and facts prove the report. Groups and the rest of
// what the server says about the user are nowhere.
func TestWhoRanIt(t *testing.T) {
	s := newSmallCluster(t)
	kubeconfigFor(t, s.URL)
	dir := t.TempDir()
	facts, report := filepath.Join(dir, "facts.json"), filepath.Join(dir, "report.json")
	env, out, errOut := testEnv()
	if code := Main(t.Context(), env, []string{"--no-probe", "--save-facts", facts, "--output-file", "json=" + report, "-o", "jsonpath={.cluster.user}"}); code != ExitOK {
		t.Fatalf("status %d: %s", code, errOut)
	}
	if out.String() != "jane" {
		t.Errorf("who ran it: %q", out)
	}
	var texts []byte
	for _, path := range []string{facts, report} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text...)
	}
	if bytes.Contains(texts, []byte("CANARY")) || !bytes.Contains(texts, []byte("jane")) {
		t.Error("the groups of the user were kept, or not the name")
	}
	env, out, errOut = testEnv()
	if code := Main(t.Context(), env, []string{"verify", facts, report}); code != ExitOK {
		t.Errorf("verify: status %d: %s%s", code, out, errOut)
	}
	posts := slices.DeleteFunc(slices.Clone(s.asked), func(a requests.Access) bool { return slices.Contains([]string{"get", "list"}, a.Verb) })
	if len(posts) != 1 || posts[0].Resource != "selfsubjectreviews" {
		t.Errorf("--no-probe asked for %+v", posts)
	}
}

// A report of a cluster says which one it is, without any flag: diff then refuses reports of two
// clusters, also behind one address.
func TestReportNamesItsCluster(t *testing.T) {
	s := newSmallCluster(t)
	kubeconfigFor(t, s.URL)
	var reports []string
	for i, uid := range []string{uidOf(1), uidOf(1), uidOf(2)} {
		s.mu.Lock()
		s.uid = types.UID(uid)
		s.mu.Unlock()
		path := filepath.Join(t.TempDir(), "report.json")
		env, out, errOut := testEnv()
		if code := Main(t.Context(), env, []string{"pods", "--no-probe", "--output-file", "json=" + path, "-o", "jsonpath={.cluster.uid}"}); code != ExitOK || out.String() != uid {
			t.Fatalf("run %d: status %d, cluster %q: %s", i, code, out, errOut)
		}
		reports = append(reports, path)
	}
	env, out, errOut := testEnv()
	if code := Main(t.Context(), env, append([]string{"diff"}, reports[:2]...)); code != ExitOK || strings.Contains(out.String(), "Whether both are of one cluster is unknown") {
		t.Errorf("one cluster: status %d: %s%s", code, out, errOut)
	}
	env, out, errOut = testEnv()
	if code := Main(t.Context(), env, append([]string{"diff"}, reports[1:]...)); code != ExitFailure || !strings.Contains(errOut.String(), "--other-cluster") {
		t.Errorf("two clusters: status %d: %s%s", code, out, errOut)
	}
}
