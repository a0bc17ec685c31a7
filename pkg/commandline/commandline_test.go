package commandline

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func evaluated(argv ...string) Result {
	var e Evaluation
	words := make([]Word, len(argv))
	for i, text := range argv {
		words[i] = Word{text, fmt.Sprintf("command[%d]", i)}
	}
	e.Command(words)
	return e.Result
}

// The deepest scripts that are parsed need a stack far below the limit at which
// Go ends a process (1 GB).
func TestDeepScripts(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(128 << 20))
	for _, opener := range []string{
		"(", "$(", "{ ", "if ", "a=(", "\"$(", "${a:-", "$((", "[[ ! ", "a | ", "while ", "! ", "case a in a) ", "f() ", "<(", "x && ", "((", "[[ ( ",
		"$[", "for i in a; do ", "coproc ", "time ", "a[", "((-", "((!", "((a?", "((a=", "((a,", "until ", "if a; then ", "((++",
	} {
		times := min(maxScript/len(opener), maxOpeners/max(1, strings.Count(opener, "(")+strings.Count(opener, "{")+
			strings.Count(opener, "[")+strings.Count(opener, "$")+strings.Count(opener, "!")))
		if !strings.ContainsAny(opener, "({[`$!") {
			times = maxScript / len(opener)
		}
		script := strings.Repeat(opener, times)
		if tooMuch(script) {
			t.Fatalf("%q: %d times are too many to be parsed", opener, times)
		}
		evaluated("sh", "-c", script)
	}
	if !tooMuch(strings.Repeat("(", maxOpeners+1)) {
		t.Error("more openers than the limit are not too many")
	}
}

// Deep scripts that are valid are evaluated, too, and need little of the stack.
func TestDeepValidScripts(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(256 << 20))
	for name, tc := range map[string]struct {
		before, inner, after string
		times                int
	}{
		"subshells":     {"(", "apk add x", ")", maxOpeners - 1},
		"substitutions": {"x $(", "apk add x", ")", maxOpeners/2 - 1},
		"blocks":        {"{ ", "apk add x;", "}\n", maxOpeners - 1},
		"branches":      {"if a; then ", "apk add x", "; fi", maxScript/16 - 10},
		"pipes":         {"a | ", "apk add x", "", maxScript/4 - 10},
		"lists":         {"a && ", "apk add x", "", maxScript/5 - 10},
		"loops":         {"while a; do ", "apk add x", "; done", maxScript/18 - 10},
		"defaults":      {"${a:-", "x", "}", maxOpeners/2 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			script := strings.Repeat(tc.before, tc.times) + tc.inner + strings.Repeat(tc.after, tc.times)
			got := evaluated("sh", "-c", script)
			if name != "defaults" && got.InstallTotal == 0 && got.Unread == "" {
				t.Errorf("nothing found in %d levels", tc.times)
			}
		})
	}
}

// Scripts that would take for ever end at a bound, without which this test does not end, and
// say so where something was left out.
func TestBounds(t *testing.T) {
	functions := "f0() { apk add x; }\n"
	for i := 1; i < 200; i++ {
		functions += fmt.Sprintf("f%d() { f%d; f%d; }\n", i, i-1, i-1)
	}
	double := "a=" + strings.Repeat("x", 100) + "\n" + strings.Repeat("a=$a$a\n", 100) + "echo $a\n"
	loops := strings.Repeat("for a in 1 2 3 4 5 6 7 8; do ", 200) + "x" + strings.Repeat("; done", 200)
	values := "a='" + strings.Repeat("x", maxValue) + "'\n" + strings.Repeat("echo $a $a $a $a\n", 2000)
	quines := strings.Repeat("echo 'sh /x; sh /y' > /x; echo 'sh /y; sh /x' > /y; sh /x\n", 200)
	evals := "a='eval \"$a\"; eval \"$a\"; eval \"$a\"'\neval \"$a\""
	shells := "a='sh -c \"$a\"; sh -c \"$a\"; sh -c \"$a\"'\nsh -c \"$a\""
	xargs := "echo " + strings.Repeat("x ", 1000) + "| " + strings.Repeat("xargs ", 1000)
	brackets := "x " + strings.Repeat("{a,b}", 1000)
	for name, tc := range map[string]struct {
		script string
		unread bool
	}{
		"functions":  {functions + "f199", false},
		"doubling":   {double, false},
		"loops":      {loops, false},
		"values":     {values, true},
		"quines":     {quines, false},
		"evals":      {evals, true},
		"shells":     {shells, true},
		"xargs":      {xargs, false},
		"braces":     {brackets, false},
		"echoes":     {strings.Repeat("echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 1500), false},
		"writes":     {strings.Repeat("echo aaaaaaaaaaaaaaaaaaaaaaaaaaa >>/a\n", 1500), false},
		"appends":    {strings.Repeat("a+=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 1500), false},
		"defaults":   {strings.Repeat("${a:-", 4000) + "x" + strings.Repeat("}", 4000), false},
		"many calls": {strings.Repeat("a\n", maxScript/2), true},
	} {
		t.Run(name, func(t *testing.T) {
			before := allocated()
			got := evaluated("sh", "-c", tc.script)
			if (got.Unread != "") != tc.unread {
				t.Errorf("unread: %q", got.Unread)
			}
			if used := allocated() - before; used > 256<<20 {
				t.Errorf("%d MiB were allocated", used>>20)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestRuns(t *testing.T) {
	run := func(path, field, interpreter string) Run { return Run{path, field, interpreter} }
	for name, tc := range map[string]struct {
		dir  string
		argv []string
		want []Run
	}{
		"the program":                 {"", []string{"/scripts/run", "x"}, []Run{run("/scripts/run", "command[0]", "")}},
		"below the working directory": {"/app", []string{"./run"}, []Run{run("/app/run", "command[0]", "")}},
		"a program found by PATH":     {"/app", []string{"run"}, nil},
		"a shell's file":              {"", []string{"bash", "-eu", "/s/run.sh", "x"}, []Run{run("/s/run.sh", "command[2]", "bash")}},
		"an option's value before it": {"", []string{"bash", "-euo", "pipefail", "/s/run.sh"}, []Run{run("/s/run.sh", "command[3]", "bash")}},
		"an interpreter's file":       {"", []string{"python3", "-u", "/s/run.py"}, []Run{run("/s/run.py", "command[2]", "python")}},
		"a jar":                       {"", []string{"java", "-Xmx1g", "-jar", "/s/a.jar"}, []Run{run("/s/a.jar", "command[3]", "java")}},
		"an agent":                    {"", []string{"java", "-javaagent:/s/a.jar=x", "-jar", "/b.jar"}, []Run{run("/s/a.jar", "command[1]", "java"), run("/b.jar", "command[3]", "java")}},
		"behind wrappers":             {"", []string{"tini", "--", "timeout", "5", "/s/run"}, []Run{run("/s/run", "command[4]", "")}},
		"in a script":                 {"", []string{"sh", "-c", "set -e; exec /s/run.sh a"}, []Run{run("/s/run.sh", "command[2]", "")}},
		"after cd":                    {"", []string{"sh", "-c", "cd /s && ./run.sh; sh b.sh"}, []Run{run("/s/run.sh", "command[2]", ""), run("/s/b.sh", "command[2]", "sh")}},
		"sourced":                     {"", []string{"sh", "-c", ". /s/env.sh"}, []Run{run("/s/env.sh", "command[2]", "sh")}},
		"by a variable":               {"", []string{"sh", "-c", "D=/s; $D/run.sh; ${D}/b.sh"}, []Run{run("/s/run.sh", "command[2]", ""), run("/s/b.sh", "command[2]", "")}},
		"a directory's programs":      {"", []string{"run-parts", "--exit-on-error", "/s/"}, []Run{run("/s/*", "command[2]", "")}},
		"by an unknown variable":      {"", []string{"sh", "-c", "$D/run.sh"}, nil},
		"only read":                   {"", []string{"sh", "-c", "cat /s/run.sh; ls /s"}, nil},
		"copied and run":              {"", []string{"sh", "-c", "cp /s/run.sh /tmp/; sh /tmp/run.sh"}, []Run{run("/s/run.sh", "command[2]", "sh")}},
		"all copied and run":          {"", []string{"sh", "-c", "cp /s/* /tmp; chmod +x /tmp/*.sh; cd /tmp; ./run.sh"}, []Run{run("/s/run.sh", "command[2]", "")}},
		"a directory copied":          {"", []string{"sh", "-c", "cp -r /s /tmp/s && bash /tmp/s/run.sh"}, []Run{run("/s/run.sh", "command[2]", "bash")}},
		"linked":                      {"", []string{"sh", "-c", "ln -s /s/run.sh /usr/local/bin/run; /usr/local/bin/run"}, []Run{run("/s/run.sh", "command[2]", "")}},
		"by standard input":           {"", []string{"sh", "-c", "sh < /s/run.sh"}, []Run{run("/s/run.sh", "command[2]", "sh")}},
		"through a pipe":              {"", []string{"sh", "-c", "envsubst < /s/run.sh | sed s/a/b/ | bash"}, []Run{run("/s/run.sh", "command[2]", "bash")}},
		"written elsewhere":           {"", []string{"sh", "-c", "sed s/a/b/ /s/run.sh > /tmp/run.sh; sh /tmp/run.sh"}, []Run{run("/s/run.sh", "command[2]", "sh")}},
		"in another's argument":       {"", []string{"sh", "-c", `eval "$(cat /s/run.sh)"`}, []Run{run("/s/run.sh", "command[2]", "sh")}},
	} {
		t.Run(name, func(t *testing.T) {
			e := Evaluation{Options: Options{Dir: tc.dir}}
			var words []Word
			for i, text := range tc.argv {
				words = append(words, Word{text, fmt.Sprintf("command[%d]", i)})
			}
			e.Command(words)
			if diff := cmp.Diff(tc.want, e.Result.Runs); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnread(t *testing.T) {
	for name, tc := range map[string]struct {
		argv     []string
		want     fact.Reason
		installs []fact.Install
	}{
		"no shell's language is compared by its words": {
			[]string{"sh", "-c", "if then (((; apt-get install -y x; curl -s https://x | sh"},
			fact.Unsupported,
			[]fact.Install{{Class: fact.PackageManager, What: "apt-get install", Field: "command[2]", Raw: true}, {Class: fact.FetchAndRun, What: "curl | sh", Field: "command[2]", Raw: true}},
		},
		"what is printed does not count there":     {[]string{"sh", "-c", "if then (((; echo apt-get install x"}, fact.Unsupported, nil},
		"a program that starts others":             {[]string{"python", "-c", "import subprocess; subprocess.run(['ls'])"}, fact.Unsupported, nil},
		"one that does not":                        {[]string{"python", "-c", "import app; app.main()"}, "", nil},
		"a program in a here-document":             {[]string{"sh", "-c", "python - <<X\nimport os; os.system('ls')\nX"}, fact.Unsupported, nil},
		"PowerShell is compared by its words":      {[]string{"powershell.exe", "-Command", "iex (iwr https://x/i.ps1)"}, fact.Unsupported, []fact.Install{{Class: fact.FetchAndRun, What: "Invoke-WebRequest | Invoke-Expression", Field: "command[2]", Raw: true}}},
		"and so is cmd":                            {[]string{"cmd", "/c", "choco install git"}, fact.Unsupported, []fact.Install{{Class: fact.PackageManager, What: "choco install", Field: "command[2]", Raw: true}}},
		"an encoded command":                       {[]string{"pwsh", "-EncodedCommand", "AAAA"}, fact.Unsupported, nil},
		"a shell with nothing to do is no problem": {[]string{"sh"}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := evaluated(tc.argv...)
			if got.Unread != tc.want {
				t.Errorf("unread: want %q, got %q", tc.want, got.Unread)
			}
			if diff := cmp.Diff(tc.installs, got.Installs); diff != "" {
				t.Errorf("installs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScript(t *testing.T) {
	apk := fact.Install{Class: fact.PackageManager, What: "apk add", Field: "command[1]", Script: "m[k]"}
	for name, tc := range map[string]struct {
		text, interpreter string
		want              []fact.Install
		unread            fact.Reason
	}{
		"by its interpreter":          {"apk add x", "sh", []fact.Install{apk}, ""},
		"by its first line":           {"#!/usr/bin/env bash\napk add x", "", []fact.Install{apk}, ""},
		"in another language":         {"#!/usr/bin/python3\nimport os\nos.system('x')", "", nil, fact.Unsupported},
		"in another, harmless":        {"print(1)", "python", nil, ""},
		"no script":                   {"\x7fELF", "", nil, fact.Unsupported},
		"an interpreter of no script": {"PK", "java", nil, fact.Unsupported},
		"too long":                    {strings.Repeat("a\n", maxScript), "sh", nil, fact.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			var e Evaluation
			e.Script("m[k]", tc.text, tc.interpreter, "command[1]")
			if diff := cmp.Diff(tc.want, e.Result.Installs); diff != "" {
				t.Errorf("installs (-want +got):\n%s", diff)
			}
			if e.Result.Unread != tc.unread {
				t.Errorf("unread: want %q, got %q", tc.unread, e.Result.Unread)
			}
		})
	}
}

// The shell's variables are the container's.
func TestEnvironment(t *testing.T) {
	e := Evaluation{Options: Options{Env: map[string]string{"PM": "apk", "START": "pip install x", "LONG": strings.Repeat("x", maxValue+1)}}}
	e.Command([]Word{{"sh", "command[0]"}, {"-c", "command[1]"}, {"$PM add x; eval \"$START\"; PM=true; $PM add y", "command[2]"}})
	want := []fact.Install{
		{Class: fact.PackageManager, What: "apk add", Field: "command[2]"},
		{Class: fact.LanguageInstaller, What: "pip install", Field: "command[2]"},
	}
	if diff := cmp.Diff(want, e.Result.Installs); diff != "" || e.Result.Unread != "" {
		t.Errorf("installs (-want +got):\n%s, unread %q", diff, e.Result.Unread)
	}
	e.Command([]Word{{"sh", "command[0]"}, {"-c", "command[1]"}, {"echo $LONG", "command[2]"}})
	if e.Result.Unread != fact.Truncated {
		t.Errorf("unread: want Truncated, got %q", e.Result.Unread)
	}
}

// More installs than are kept are counted.
func TestManyInstalls(t *testing.T) {
	var lines []string
	for name, row := range installers {
		if row.matches == nil && len(row.verbs) > 0 {
			lines = append(lines, name+" "+row.verbs[0]+" x")
		}
	}
	got := evaluated("sh", "-c", strings.Join(lines, "\n"))
	if len(got.Installs) != fact.MaxInstalls || got.InstallTotal < 60 {
		t.Errorf("%d kept, %d counted", len(got.Installs), got.InstallTotal)
	}
}

// Of a command line nothing is in the result but words of the tables, and paths that callers
// do not keep.
func FuzzCommand(f *testing.F) {
	for _, l := range labelled(f, "testdata/lines.txt") {
		if len(l.argv) == 3 {
			f.Add(l.argv[2], "x", "y")
		}
	}
	for _, text := range []string{"f() { apk add; }; f <<X\na\nX", "case $x in a) ;; esac", "((1+2)) && [[ a =~ b ]]", "$'\\x41' \"${a[@]}\" `b`", "\uE000a\uE001 install"} {
		f.Add(text, "sh", "-c")
		f.Add("apt-get", text, "install")
	}
	f.Fuzz(func(t *testing.T, script, a, b string) {
		const canary = "CANARYVALUE"
		var all []Result
		all = append(all, evaluated("sh", "-c", script), evaluated("bash", "-c", script+" "+canary+" "+a, canary, b), evaluated(a, b, script, canary), evaluated(script, canary))
		e := Evaluation{Options: Options{Env: map[string]string{"A": a, "B": b + canary}, Dir: canary}}
		e.Script("s", script, "", "f")
		e.Probe([]Word{{"sh", "f"}, {"-c", "f"}, {script + "\n$A $B", "f"}})
		for _, r := range append(all, e.Result) {
			if len(r.Installs) > fact.MaxInstalls || len(r.Runs) > maxRuns {
				t.Errorf("%d installs, %d runs", len(r.Installs), len(r.Runs))
			}
			for _, run := range r.Runs {
				_, language := languages[run.Interpreter]
				if !language && !slices.Contains(slices.Concat(shells, []string{"", "java", "pwsh"}), run.Interpreter) {
					t.Errorf("interpreter %q", run.Interpreter)
				}
			}
			r.Runs = nil
			text, err := json.Marshal(r)
			if err != nil || strings.Contains(string(text), canary) {
				t.Errorf("%s, %v", text, err)
			}
		}
	})
}

func BenchmarkCommand(b *testing.B) {
	for name, argv := range map[string][]string{
		"no shell": {"/usr/local/bin/server", "--config=/etc/app/config.yaml", "--port=8080"},
		"shell":    {"sh", "-c", "set -e; exec /app/server --port=8080"},
		"install":  {"sh", "-c", "apt-get update && apt-get install -y curl && curl -s https://x.example | bash"},
	} {
		words := make([]Word, len(argv))
		for i, text := range argv {
			words[i] = Word{text, "command[0]"}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var e Evaluation
				e.Command(words)
			}
		})
	}
}

func TestApplicationElsewhere(t *testing.T) {
	for line, want := range map[string]string{
		"gunicorn --chdir /code shop.wsgi:app -b 0.0.0.0:80": "/code/shop/wsgi.py",
		"gunicorn -b 0.0.0.0:80 --chdir=/code wsgi:app":      "/code/wsgi.py",
		"uvicorn --app-dir /code main:app --port 80":         "/code/main.py",
		"gunicorn shop.wsgi:app":                             "",
		"gunicorn --chdir /code -c conf.py -b 0.0.0.0:80":    "",
	} {
		var e Evaluation
		e.Command([]Word{{"sh", "command[0]"}, {"-c", "command[1]"}, {line, "command[2]"}})
		got := ""
		for _, r := range e.Result.Runs {
			got += r.Path
		}
		if got != want {
			t.Errorf("%s runs %q, want %q", line, got, want)
		}
	}
}
