package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// The repository, from this package.
const repository = "../.."

// A page is one file of the documentation.
type page struct {
	name   string // slash-separated, from the repository's top
	text   string // outside of code blocks, with code spans
	blocks []string
}

// documentation reads every page that users and contributors read.
func documentation(t *testing.T) map[string]page {
	t.Helper()
	pages := map[string]page{}
	top := os.DirFS(repository)
	add := func(name string) {
		raw, err := fs.ReadFile(top, name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePage(name, string(raw))
		if err != nil {
			t.Error(err)
		}
		pages[name] = p
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		add(name)
	}
	for _, dir := range []string{"docs", "examples", "hack"} {
		err := fs.WalkDir(top, dir, func(name string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".md") {
				add(name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return pages
}

// parsePage splits a page into its text and its code blocks: fenced ones, and those that four
// spaces after an empty line indent.
func parsePage(name, raw string) (page, error) {
	p := page{name: name}
	var text, block strings.Builder
	fence, indented, empty := "", false, true
	end := func() {
		p.blocks = append(p.blocks, block.String())
		block.Reset()
	}
	for _, line := range strings.Split(raw, "\n") {
		bare := strings.TrimSpace(line)
		switch {
		case fence != "" && bare == fence:
			fence = ""
			end()
		case fence != "":
			block.WriteString(line + "\n")
		case strings.HasPrefix(bare, "```"):
			fence = "```"
		case strings.HasPrefix(line, "    ") && (empty || indented) && bare != "":
			indented = true
			block.WriteString(bare + "\n")
		default:
			if indented {
				end()
			}
			indented = false
			text.WriteString(line + "\n")
		}
		empty = bare == ""
	}
	p.text = text.String()
	if fence != "" {
		return p, fmt.Errorf("%s: a code block does not end", name)
	}
	return p, nil
}

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	linkTo   = regexp.MustCompile(`\]\(([^()\s]*(?:\([^()]*\)[^()\s]*)*)\)`)
	htmlLink = regexp.MustCompile(`(?:src|href|srcset)="([^"]*)"`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.*)$`)
)

// links lists where a page's links and images lead to.
func (p page) links() []string {
	text := codeSpan.ReplaceAllString(p.text, "``")
	var out []string
	for _, pattern := range []*regexp.Regexp{linkTo, htmlLink} {
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			out = append(out, match[1])
		}
	}
	return out
}

// anchors lists the names that GitHub gives to a page's headings: lower case, spaces as dashes,
// no punctuation, and a number for a repeated one.
func (p page) anchors() map[string]bool {
	out, seen := map[string]bool{}, map[string]int{}
	for _, match := range heading.FindAllStringSubmatch(p.text, -1) {
		title := linkTo.ReplaceAllString(match[1], "]")
		var b strings.Builder
		for _, r := range strings.ToLower(title) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				b.WriteRune(r)
			}
		}
		name := b.String()
		if n := seen[name]; n > 0 {
			out[fmt.Sprintf("%s-%d", name, n)] = true
		} else {
			out[name] = true
		}
		seen[name]++
	}
	return out
}

// leadsTo resolves a relative link from a page: a path from the repository's top, and an anchor.
func leadsTo(from, link string) (name, anchor string) {
	target, anchor, _ := strings.Cut(link, "#")
	if target == "" {
		return from, anchor
	}
	return path.Join(path.Dir(from), target), anchor
}

// isExternal reports whether a link has a scheme.
func isExternal(link string) bool { return strings.Contains(link, ":") }

// linkError says what is wrong with a link on a page, without the network.
func linkError(pages map[string]page, from, link string) error {
	if isExternal(link) {
		u, err := url.Parse(link)
		if err != nil || u.Scheme != "https" || !strings.Contains(u.Hostname(), ".") {
			return fmt.Errorf("%s: link %q: expected https://HOST.DOMAIN/...", from, link)
		}
		return nil
	}
	name, anchor := leadsTo(from, link)
	if link == "" || strings.HasPrefix(link, "/") || strings.HasPrefix(name, "..") {
		return fmt.Errorf("%s: link %q: expected a file of the repository", from, link)
	}
	if _, err := os.Stat(filepath.Join(repository, filepath.FromSlash(name))); err != nil {
		return fmt.Errorf("%s: link %q: there is no %s", from, link, name)
	}
	if anchor == "" {
		return nil
	}
	if p, ok := pages[name]; !ok || !p.anchors()[anchor] {
		return fmt.Errorf("%s: link %q: %s has no heading %q", from, link, name, anchor)
	}
	return nil
}

// Every link leads to a file and a heading that exist; a link into the web is well formed.
func TestDocsLinks(t *testing.T) {
	pages, links := documentation(t), 0
	for name, p := range pages {
		for _, link := range p.links() {
			links++
			if err := linkError(pages, name, link); err != nil {
				t.Error(err)
			}
		}
	}
	if links < 150 {
		t.Errorf("only %d links were found", links)
	}
}

// The test above finds what is wrong.
func TestLinkError(t *testing.T) {
	p, err := parsePage("docs/verify.md", "# A title, twice\n\n# A title, twice\n\n## `code` & [a link](x.md)\n")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]page{p.name: p}
	for link, good := range map[string]bool{
		"verify.md": true, "../README.md": true, "decisions": true, "../docs/verify.md#a-title-twice": true, "#a-title-twice-1": true,
		"#code--a-link": true, "https://kubernetes.io/docs/": true,
		"": false, "none.md": false, "#a-title": false, "#a-title-twice-2": false, "verify.md#A-title-twice": false, "/docs/verify.md": false,
		"../../x.md": false, "http://kubernetes.io/": false, "https:///docs": false, "https://localhost/x": false, "mailto:a@b.example": false,
	} {
		if err := linkError(pages, p.name, link); (err == nil) != good {
			t.Errorf("%q: want good: %v, got %v", link, good, err)
		}
	}
	if _, err := parsePage("x.md", "```\nno end\n"); err == nil {
		t.Error("a code block without an end was taken")
	}
}

// From docs/README.md a reader finds every page of docs/ and examples/, and from the README docs/README.md.
func TestDocsReachable(t *testing.T) {
	pages := documentation(t)
	reached := map[string]bool{}
	var walk func(name string)
	walk = func(name string) {
		if _, ok := pages[name]; !ok || reached[name] {
			return
		}
		reached[name] = true
		for _, link := range pages[name].links() {
			if !isExternal(link) {
				next, _ := leadsTo(name, link)
				if info, err := os.Stat(filepath.Join(repository, filepath.FromSlash(next))); err == nil && info.IsDir() {
					next = path.Join(next, "README.md")
				}
				// The README leads everywhere. What only it names is not in the index.
				if next != "README.md" {
					walk(next)
				}
			}
		}
	}
	walk("docs/README.md")
	for name := range pages {
		if (strings.HasPrefix(name, "docs/") || strings.HasPrefix(name, "examples/")) && !reached[name] {
			t.Errorf("no link leads from docs/README.md to %s", name)
		}
	}
	var fromReadme []string
	for _, link := range pages["README.md"].links() {
		name, _ := leadsTo("README.md", link)
		fromReadme = append(fromReadme, name)
	}
	if !slices.Contains(fromReadme, "docs/README.md") {
		t.Error("README.md has no link to docs/README.md")
	}
}

// A typed command is one command line of the documentation.
type typedCommand struct {
	page string
	line string
	args []string // without "kubectl checklist"
	out  string   // the file of > FILE, or ""
	name bool     // it only names a command, in a sentence
}

// shellWords splits a shell line into simple commands at | && || ; and &, and each into words. It knows
// quotes, comments and redirections, and no other syntax. outs are the files of > FILE.
func shellWords(line string) (commands [][]string, outs []string) {
	var current []string
	var word strings.Builder
	var quote rune
	inWord, redirect := false, false
	out := ""
	endWord := func() {
		switch {
		case !inWord:
		case redirect:
			out, redirect = word.String(), false
		default:
			current = append(current, word.String())
		}
		inWord = false
		word.Reset()
	}
	endCommand := func() {
		endWord()
		if len(current) > 0 {
			commands, outs = append(commands, current), append(outs, out)
		}
		current, out = nil, ""
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == '#' && !inWord:
			endCommand()
			return commands, outs
		case r == ' ' || r == '\t':
			endWord()
		case r == '|' || r == ';' || r == '&' || r == ')':
			endCommand()
		case r == '(':
			// of $(...) or <(...): what is inside is a command of its own
			inWord, redirect = false, false
			word.Reset()
			endCommand()
		case r == '>':
			endWord()
			redirect = true
		case r == '<':
			endWord()
			redirect = true
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	endCommand()
	return commands, outs
}

// plugin returns the arguments of a command that starts the plugin. ok is false for another one.
func plugin(command []string) (args []string, ok bool) {
	for len(command) > 0 && (strings.Contains(strings.SplitN(command[0], "-", 2)[0], "=") || command[0] == "sudo" || command[0] == "$") {
		command = command[1:]
	}
	switch {
	case len(command) > 1 && command[0] == "kubectl" && command[1] == "checklist":
		return command[2:], true
	case len(command) > 0 && path.Base(command[0]) == "kubectl-checklist":
		return command[1:], true
	}
	return nil, false
}

// commandLines lists the plugin's command lines of a page: lines of code blocks, and code spans.
func (p page) commandLines() []typedCommand {
	var lines []string
	for _, block := range p.blocks {
		lines = append(lines, strings.Split(strings.ReplaceAll(block, "\\\n", " "), "\n")...)
	}
	typed := len(lines)
	for _, span := range codeSpan.FindAllString(p.text, -1) {
		lines = append(lines, strings.Join(strings.Fields(strings.Trim(span, "`")), " "))
	}
	var out []typedCommand
	for n, line := range lines {
		commands, outs := shellWords(line)
		for i, command := range commands {
			if args, ok := plugin(command); ok {
				out = append(out, typedCommand{page: p.name, line: strings.TrimSpace(line), args: args, out: outs[i], name: n >= typed && !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") })})
			}
		}
	}
	return out
}

// parseError says why the plugin would not take a command line. It reads flags and arguments with
// the real commands, and runs nothing.
func parseError(args []string) error {
	env, _, _ := testEnv()
	found, rest, err := NewCommand(env).Find(args)
	if err != nil {
		return err
	}
	if err := found.ParseFlags(rest); err != nil {
		return err
	}
	return found.ValidateArgs(found.Flags().Args())
}

// isCommand reports whether words are a command's name and nothing else.
func isCommand(args []string) bool {
	env, _, _ := testEnv()
	found, rest, err := NewCommand(env).Find(args)
	return err == nil && len(rest) == 0 && found.CommandPath() == strings.Join(append([]string{env.Name}, args...), " ")
}

func TestShellWords(t *testing.T) {
	for line, want := range map[string]string{
		"kubectl checklist pods   # all of them":                    "[[pods]]",
		"$ kubectl checklist nodes":                                 "[[nodes]]",
		"KUBECONFIG=/k sudo kubectl checklist nodes -o wide | less": "[[nodes -o wide]]",
		"kubectl checklist explain a && kubectl checklist diff A B": "[[explain a] [diff A B]]",
		"source <(kubectl checklist completion bash)":               "[[completion bash]]",
		"x=$(kubectl checklist version)":                            "[[version]]",
		"kubectl checklist -o json > report.json":                   "[[-o json]]",
		"kubectl checklist -o jsonpath='{.a[?(@.b)]}'":              "[[-o jsonpath={.a[?(@.b)]}]]",
		"bin/kubectl-checklist --local":                             "[[--local]]",
		"make run":                                                  "[]",
		"kubectl get pods":                                          "[]",
	} {
		got := [][]string{}
		for _, c := range (page{blocks: []string{line}}).commandLines() {
			got = append(got, c.args)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%q: want %s, got %s", line, want, fmt.Sprint(got))
		}
	}
	for line, good := range map[string]bool{"pods -f x -R": true, "pods --no-such-flag": false, "no-such-command": false, "diff a": false, "--limit many": false} {
		if err := parseError(strings.Fields(line)); (err == nil) != good {
			t.Errorf("%q: want good: %v, got %v", line, good, err)
		}
	}
}

// The plugin takes every command line of the documentation.
func TestDocsCommands(t *testing.T) {
	found := 0
	for name, p := range documentation(t) {
		if name == "CHANGELOG.md" {
			continue // it keeps what earlier versions took
		}
		for _, c := range p.commandLines() {
			found++
			if err := parseError(c.args); err != nil && (!c.name || !isCommand(c.args)) {
				t.Errorf("%s: %q: %v", name, c.line, err)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d command lines were found", found)
	}
}

// standsFor has the words in capitals that command lines of the documentation have, and what they stand for when
// they are run.
var standsFor = map[string]string{
	"CHECK": "privileged/seccomp", "QUESTION": "secrets", "OLD": "facts.json", "NEW": "facts.json", "FACTS": "facts.json",
	"REPORT": "report.json", "FILE": "file", "NAME": "name", "DIR": "manifests",
}

// runsAlone reports whether a command line needs no cluster.
func runsAlone(args []string) bool {
	flag := func(names ...string) bool {
		return slices.ContainsFunc(args, func(arg string) bool {
			name, _, _ := strings.Cut(arg, "=")
			return slices.Contains(names, name)
		})
	}
	if len(args) == 0 || flag("--context", "--kubeconfig") {
		return false
	}
	switch args[0] {
	case "explain":
		return !flag("--for")
	case "diff", "verify", "version", "manifests", "probe-image":
		return true
	case "completion":
		return !slices.Contains(args, "install")
	case "cleanup":
		return false
	}
	// --snapshot needs a real database of etcd: its own tests have one.
	return flag("-f", "--facts", "-k", "--help") || runtime.GOOS == "linux" && flag("--local")
}

// Command lines that need no cluster do what the page says, on files with the names that the page has. Those of
// one page run in its order, because one may read what another wrote.
func TestDocsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many commands")
	}
	facts, err := os.ReadFile(clusterFacts(t))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	pages := documentation(t)
	for _, name := range sortedKeys(pages) {
		commands := slices.DeleteFunc(pages[name].commandLines(), func(c typedCommand) bool {
			return !runsAlone(c.args) || c.name && parseError(c.args) != nil
		})
		// The check of add-a-check.md is an example: TestTheWorkedExample runs it.
		if len(commands) == 0 || name == "CHANGELOG.md" || name == "docs/add-a-check.md" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			docsFixtures(t, facts)
			for _, c := range commands {
				if _, err := embedded.Probe("amd64"); c.args[0] == "probe-image" && err != nil {
					continue // not built: go test without make
				}
				ran++
				runDocs(t, c)
			}
		})
	}
	t.Logf("%d command lines ran", ran)
	if ran < 20 {
		t.Errorf("only %d command lines ran", ran)
	}
}

// runDocs runs one command line. Exit status 2 says that it did nothing.
func runDocs(t *testing.T, c typedCommand) {
	t.Helper()
	args := slices.Clone(c.args)
	for i, arg := range args {
		if value, ok := standsFor[arg]; ok {
			args[i] = value
		}
	}
	streams, in, out, errOut := genericiooptions.NewTestIOStreams()
	manifest, err := os.ReadFile("manifests/web.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in.Write(manifest)
	env := NewEnv("kubectl-checklist", "v0.0.0-test", "")
	env.Streams, env.InIsTerminal, env.OutIsTerminal, env.ErrIsTerminal = streams, false, false, false
	if code := Main(t.Context(), env, args); code == ExitFailure {
		t.Errorf("%q: exit status 2: %s", c.line, errOut)
	}
	if c.out != "" {
		if err := os.WriteFile(c.out, out.Bytes(), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// docsFixtures writes the files that the documentation names into the current directory.
func docsFixtures(t *testing.T, facts []byte) {
	t.Helper()
	const manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n" +
		"  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n" +
		"    spec: {containers: [{name: app, image: nginx}]}\n"
	for _, dir := range []string{"manifests", "deploy", "k8s", "overlays/hardened"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{
		"manifests/web.yaml": []byte(manifest), "deploy/web.yaml": []byte(manifest), "k8s/web.yaml": []byte(manifest), "web.yaml": []byte(manifest),
		"facts.json": facts, "facts.json.1": facts, "before.json": facts, "after.json": facts,
	}
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	env := NewEnv("kubectl-checklist", "v0.0.0-test", "")
	env.Streams = streams
	for file, content := range files {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code := Main(t.Context(), env, []string{"--facts", "facts.json", "-o", "json"}); code != ExitOK {
		t.Fatalf("status %d: %s", code, errOut)
	}
	for _, file := range []string{"report.json", "old.json", "new.json"} {
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Every make target that the documentation names exists.
func TestDocsMake(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(string(raw), -1) {
		targets[match[1]] = true
	}
	named := 0
	target := regexp.MustCompile(`^make ([a-z0-9-]+)`)
	for name, p := range documentation(t) {
		if name == "CHANGELOG.md" {
			continue
		}
		var lines []string
		for _, block := range p.blocks {
			lines = append(lines, strings.Split(block, "\n")...)
		}
		for _, span := range codeSpan.FindAllString(p.text, -1) {
			lines = append(lines, strings.Trim(span, "`"))
		}
		for _, line := range lines {
			if match := target.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
				named++
				if !targets[match[1]] {
					t.Errorf("%s: %q: the Makefile has no target %s", name, line, match[1])
				}
			}
		}
	}
	if named < 10 {
		t.Errorf("only %d make targets were found", named)
	}
}

// Every format has a section, and every exit status a row.
func TestDocsFormatsAndStatuses(t *testing.T) {
	pages := documentation(t)
	firstCells := ""
	for _, line := range strings.Split(pages["docs/formats.md"].text, "\n") {
		if cells := strings.Split(line, " | "); len(cells) == 4 {
			firstCells += cells[0] + "\n"
		}
	}
	for _, name := range formats.Names() {
		if !strings.Contains(firstCells, "`"+name+"`") {
			t.Errorf("docs/formats.md has no row for -o %s", name)
		}
	}
	for _, status := range []int{ExitOK, ExitFindings, ExitFailure, ExitPartial} {
		if !strings.Contains(pages["docs/exit-statuses.md"].text, fmt.Sprintf("\n| %d |", status)) {
			t.Errorf("docs/exit-statuses.md has no row for %d", status)
		}
	}
}

// The architecture names each package, so that a reader of the code finds what it is for.
func TestDocsPackages(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repository, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"pkg", "pkg/report"} {
		entries, err := os.ReadDir(filepath.Join(repository, filepath.FromSlash(dir)))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			name := entry.Name()
			if entry.IsDir() && name != "testdata" && !regexp.MustCompile("`("+dir+"/)?"+name+"[`/]").Match(raw) {
				t.Errorf("docs/architecture.md does not name %s/%s", dir, name)
			}
		}
	}
}

// What each node reads of an embedded probe, in the air gap's page and in the help.
func TestDocsProbeSize(t *testing.T) {
	most := 0
	for _, arch := range embedded.Architectures() {
		probe, err := embedded.Probe(arch)
		netProbe, netErr := embedded.NetProbe(arch)
		if err != nil || netErr != nil {
			t.Skip("not built: go test without make")
		}
		most = max(most, len(probe)+len(netProbe))
	}
	want := fmt.Sprintf("reads some %.0f MB from the API server", float64(most)/1e6)
	help, err := os.ReadFile("testdata/help/checklist-probe-image-export.golden")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"docs/air-gap.md": documentation(t)["docs/air-gap.md"].text, "the help": string(help)} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("%s: expected %q", name, want)
		}
	}
}

// The README fits two screens: 120 lines of 80 columns, links counted as they are shown.
func TestReadmeLength(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := linkTo.ReplaceAll(raw, []byte("]"))
	lines := 0
	for _, line := range bytes.Split(bytes.TrimSpace(shown), []byte("\n")) {
		lines += max(1, (utf8.RuneCount(line)+79)/80)
	}
	if lines > 120 {
		t.Errorf("README.md has %d lines of 80 columns: expected at most 120", lines)
	}
}

// sgr is a sequence that sets a colour.
var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// picture draws what a command printed on a terminal of so many columns, as SVG.
func picture(command, printed string, columns int) string {
	const charWidth, lineHeight, margin = 7.8, 18, 16
	styles := map[string]string{"1": "b", "2": "d", "31": "r", "33": "y", "32": "g"}
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	lines := strings.Split(strings.TrimRight("$ "+command+"\n"+printed, "\n"), "\n")
	var b strings.Builder
	width, height := int(charWidth*float64(columns))+2*margin, lineHeight*len(lines)+2*margin
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s, on a terminal</title>\n", escape.Replace(command))
	b.WriteString("<style>text{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#e6e6e6;white-space:pre}" +
		".b{font-weight:bold}.d{fill:#a0a7b0}.r{fill:#ff8a80}.y{fill:#ffd166}.g{fill:#8fd694}</style>\n")
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#1b1f24\"/>\n", width, height)
	for i, line := range lines {
		if line == "" {
			continue
		}
		length := charWidth * float64(utf8.RuneCountInString(sgr.ReplaceAllString(line, "")))
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" xml:space=\"preserve\" textLength=\"%.1f\" lengthAdjust=\"spacing\">", margin, margin+lineHeight*(i+1)-5, length)
		from, open := 0, false
		for _, at := range sgr.FindAllStringSubmatchIndex(line, -1) {
			b.WriteString(escape.Replace(line[from:at[0]]))
			from = at[1]
			if open {
				b.WriteString("</tspan>")
				open = false
			}
			if style := styles[line[at[2]:at[3]]]; style != "" {
				fmt.Fprintf(&b, "<tspan class=\"%s\">", style)
				open = true
			}
		}
		b.WriteString(escape.Replace(line[from:]))
		if open {
			b.WriteString("</tspan>")
		}
		b.WriteString("</text>\n")
	}
	return b.String() + "</svg>\n"
}

// The README's picture of a terminal is what a run prints. go test ./pkg/cli -run TestTerminalPicture -update
// draws it again.
func TestTerminalPicture(t *testing.T) {
	const columns = 110
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// The command names its file, so it has to be in the current directory.
	t.Chdir(filepath.Dir(clusterFacts(t)))
	env, out, errOut := testEnv()
	env.OutWidth = columns
	if code := Main(t.Context(), env, []string{"--facts", "facts.json", "--color", "always"}); code != ExitOK {
		t.Fatalf("status %d: %s", code, errOut)
	}
	got := picture("kubectl checklist --facts facts.json", out.String(), columns)
	golden := filepath.Join(here, repository, "docs", "images", "terminal.svg")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the picture (-want +got), go test ./pkg/cli -run TestTerminalPicture -update draws it again:\n%s", diff)
	}
}
