package commandline

import (
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
)

// shells are the programs that run the language of this package.
var shells = []string{"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"}

// wrapper is a program that runs another in its place, or after it has prepared something:
// how many of its arguments come before that, options aside, and which options take a value.
type wrapper struct {
	arguments int
	valued    []string
}

// Sources: the programs' manual pages (28 November 2026).
var wrappers = map[string]wrapper{
	"env":  {0, []string{"-u", "-C", "--unset", "--chdir"}},
	"exec": {0, []string{"-a"}}, "command": {}, "builtin": {}, "nohup": {}, "setsid": {},
	"time":   {0, []string{"-f", "-o", "--format", "--output"}},
	"stdbuf": {0, []string{"-i", "-o", "-e"}}, "unbuffer": {}, "eatmydata": {}, "fakeroot": {},
	"tini": {0, []string{"-p", "-e"}}, "tini-static": {0, []string{"-p", "-e"}}, "dumb-init": {0, []string{"-r", "--rewrite"}}, "catatonit": {},
	"nice": {0, []string{"-n", "--adjustment"}}, "ionice": {0, []string{"-c", "-n", "-p"}}, "chrt": {1, nil}, "taskset": {1, nil},
	"timeout": {1, []string{"-k", "-s", "--kill-after", "--signal"}},
	"su-exec": {1, nil}, "gosu": {1, nil}, "chroot": {1, nil}, "s6-setuidgid": {1, nil}, "setuidgid": {1, nil}, "chpst": {0, []string{"-u", "-U", "-e", "-b", "-n", "-l", "-m"}},
	"sudo": {0, []string{"-u", "-g", "-h", "-p", "-C", "-r", "-t", "-D", "-U", "-T", "--user", "--group"}}, "doas": {0, []string{"-u", "-C"}},
	"setpriv": {0, []string{"--reuid", "--regid", "--groups", "--inh-caps", "--ambient-caps", "--bounding-set", "--securebits"}},
	"xargs":   {0, []string{"-n", "-P", "-I", "-d", "-a", "-L", "-s", "-E", "--max-args", "--max-procs", "--delimiter"}},
	"unshare": {}, "nsenter": {0, []string{"-t", "--target", "-S", "-G"}}, "numactl": {}, "prlimit": {}, "linux32": {}, "linux64": {}, "setarch": {1, nil},
	"strace": {0, []string{"-o", "-e", "-p", "-s"}}, "xvfb-run": {0, []string{"-s", "-n", "-e", "-f", "-w"}}, "dbus-run-session": {},
	"watch": {0, []string{"-n", "--interval"}}, "with-contenv": {}, "toybox": {}, "retry": {},
	"proxychains": {0, []string{"-f"}}, "proxychains4": {0, []string{"-f"}}, "torsocks": {}, "tsocks": {}, "firejail": {}, "entr": {}, "vault-env": {},
	"aws-vault": {2, nil}, "chamber": {2, nil}, // exec PROFILE
	"wait-for": {1, []string{"-t", "--timeout"}}, "wait-for-it": {1, []string{"-t", "-h", "-p"}}, "wait-for-it.sh": {1, []string{"-t", "-h", "-p"}},
	"dockerize": {0, []string{"-wait", "-timeout", "-wait-retry-interval", "-template", "-stdout", "-stderr", "-wait-http-header", "-env"}},
	// By custom these entry points run their arguments.
	"docker-entrypoint.sh": {}, "docker-php-entrypoint": {}, "entrypoint.sh": {},
	"ddtrace-run": {}, "opentelemetry-instrument": {},
}

// runners run another program after one of these words, in an environment of their own.
var runners = map[string][]string{
	"pipenv": {"run"}, "poetry": {"run"}, "pdm": {"run"}, "rye": {"run"}, "hatch": {"run"}, "conda": {"run"}, "mamba": {"run"}, "micromamba": {"run"},
	"bundle": {"exec"}, "doppler": {"run"}, "op": {"run"}, "infisical": {"run"}, "mise": {"exec", "x"}, "asdf": {"exec"}, "rbenv": {"exec"}, "pyenv": {"exec"},
	"uv": {"run"},
}

// rest is the command that the wrapper runs.
func (w wrapper) rest(args []value) []value {
	before := w.arguments
	for i := 0; i < len(args); i++ {
		text := args[i].text
		switch {
		case text == "--":
		case slices.Contains(w.valued, text):
			i++
		case strings.HasPrefix(text, "-"):
		case isAssignment(text): // env's
		case before > 0:
			before--
		default:
			return args[i:]
		}
	}
	return nil
}

// isAssignment reports whether a word is NAME=value.
func isAssignment(text string) bool {
	name, _, ok := strings.Cut(text, "=")
	return ok && name != "" && !strings.ContainsAny(name, "/ .-:")
}

// special are the programs with a meaning of their own in call.
var special = []string{
	"busybox", "su", "runuser", "flock", "script", "eval", ".", "source", "trap", "cd", "pushd", "read", "echo", "printf", "cat", "which", "type", "hash",
	"find", "parallel", "run-parts", "chmod", "install", "mv", "cp", "ln", "tee", "dd", "tar", "bsdtar", "unzip", "java", "cmd", "powershell", "pwsh", "export", "set",
	"concurrently", "ftpget", "gunicorn", "uvicorn", "hypercorn",
}

// Interesting reports whether a program can do anything that this package knows. Of any other
// a command line says no more than that it is run.
func Interesting(program string) bool {
	name := strings.TrimSuffix(program[strings.LastIndexAny(program, `/\`)+1:], ".exe")
	if known[name] || known[strings.TrimRight(name, "-0123456789.")] || strings.ContainsAny(name, "$\uE000") {
		return true
	}
	return builder.Begins(program)
}

// known are the names of all programs that are more to this package than a file that is run.
var known = func() map[string]bool {
	all := map[string]bool{}
	for _, list := range [][]string{shells, special, filters} {
		for _, name := range list {
			all[name] = true
		}
	}
	for name := range wrappers {
		all[name] = true
	}
	for name := range runners {
		all[name] = true
	}
	for name := range languageNames {
		all[name] = true
	}
	for name := range fetchers {
		all[name] = true
	}
	for name := range installers {
		all[name] = true
	}
	return all
}()

// call evaluates one simple command, with what comes through its standard input. It returns
// what goes out.
func (s *shell) call(args []value, in flow) flow {
	if s.e.calls++; s.e.calls > maxCalls {
		s.e.unread(fact.Truncated)
		return flow{}
	}
	for len(args) > 0 {
		name := args[0].program()
		if name == "" {
			break
		}
		if name == "busybox" && len(args) > 1 {
			args = args[1:]
			continue
		}
		if name == "command" && len(args) > 1 && (args[1].text == "-v" || args[1].text == "-V") {
			return lookup(args[2:])
		}
		if name == "xargs" {
			// What comes through the pipe are arguments.
			rest := wrappers[name].rest(args[1:])
			if len(rest) == 0 {
				return in
			}
			more := value{text: unknown("xargs"), field: args[0].field, from: flow{fetch: in.fetch}}
			if in.known {
				more.text = strings.TrimSpace(in.text)
			}
			if slices.Contains(shells, rest[0].program()) && in.fetch == "" {
				args, in = rest, flow{}
				continue
			}
			args, in = append(slices.Clone(rest), more), flow{}
			continue
		}
		if verbs, ok := runners[name]; ok {
			if rest := after(args[1:], verbs); rest != nil {
				s.install(name, args)
				args = rest
				continue
			}
		}
		skip, ok := wrappers[name]
		if !ok {
			break
		}
		if strings.Contains(args[0].text, "/") && strings.HasSuffix(name, ".sh") {
			s.execute(args[0], "")
		}
		args = skip.rest(args[1:])
	}
	if len(args) == 0 {
		return flow{}
	}
	first := args[0]
	name := first.program()
	if first.from.fetch != "" {
		s.e.found(fact.FetchAndRun, "$("+first.from.fetch+")", first.field, false)
		return flow{}
	}
	if name == "" {
		if first.isHole() {
			s.calls = true
			if s.e.ofAnother(first.text) {
				s.e.unread(fact.NotPresent)
			}
		}
		s.e.build(args)
		return flow{}
	}
	if f, ok := s.funcs[name]; ok && first.text == name {
		params := s.params
		s.params = args
		out := s.callFunction(f)
		s.params = params
		return out
	}
	if slices.Contains(shells, name) {
		return s.startShell(name, args, in)
	}
	s.e.build(args)
	if language, ok := languageOf(name); ok {
		s.runLanguage(language, name, args, in)
		return flow{}
	}
	if strings.Contains(first.text, "/") {
		s.execute(first, "")
	}
	if f, ok := fetchers[name]; ok {
		return s.fetcher(name, f, args)
	}
	if s.install(name, args) {
		return flow{}
	}
	return s.builtin(name, args, in)
}

// after is the command after one of the verbs, if that is the first word that is no option.
func after(args []value, verbs []string) []value {
	for i := range args {
		if strings.HasPrefix(args[i].text, "-") {
			continue
		}
		if !slices.Contains(verbs, args[i].text) {
			return nil
		}
		rest := wrapper{valued: []string{"-n", "-p", "--name", "--prefix", "--with", "--project", "-c"}}.rest(args[i+1:])
		if len(rest) == 0 {
			return nil
		}
		return rest
	}
	return nil
}

// lookup is what "command -v NAME" prints.
func lookup(args []value) flow {
	if len(args) == 1 && args[0].literal() {
		return flow{text: args[0].text, known: true}
	}
	return flow{}
}

func (s *shell) builtin(name string, args []value, in flow) flow {
	switch name {
	case "eval":
		return s.eval(args[1:])
	case ".", "source":
		if len(args) > 1 {
			s.sourceFile(args[1])
		}
	case "trap":
		if len(args) > 2 && !strings.HasPrefix(args[1].text, "-") {
			s.eval(args[1:2])
		}
	case "su", "runuser", "script":
		return s.asUser(args, in)
	case "flock":
		return s.flock(args, in)
	case "cd", "pushd":
		if len(args) > 1 && args[len(args)-1].text != "-" {
			s.dir = s.path(args[len(args)-1].text)
		}
	case "read":
		for _, a := range args[1:] {
			if !strings.HasPrefix(a.text, "-") {
				s.vars[a.text] = value{text: unknown(a.text), field: s.field, from: flow{fetch: in.fetch}}
			}
		}
	case "set":
		s.setParams(args[1:])
	case "echo", "printf":
		return printed(name, args[1:])
	case "ssh-agent", "dbus-launch", "dircolors", "keychain", "lesspipe":
		return flow{known: true} // what they print sets variables, and does nothing else
	case "which", "type":
		return lookup(args[1:])
	case "find":
		s.find(args)
	case "parallel":
		if rest := (wrapper{valued: []string{"-j", "--jobs"}}).rest(args[1:]); len(rest) > 0 {
			return s.call(rest, flow{})
		}
	case "concurrently": // a shell runs each of its words (https://github.com/open-cli-tools/concurrently)
		for i := 1; i < len(args); i++ {
			switch text := args[i].text; {
			case slices.Contains(concurrentlyValued, text):
				i++
			case !strings.HasPrefix(text, "-"):
				s.script(args[i], nil, "sh")
			}
		}
	case "gunicorn", "uvicorn", "hypercorn":
		s.application(args)
	case "ftpget": // of BusyBox: [OPTIONS] HOST [LOCAL_FILE] REMOTE_FILE
		if words := (wrapper{0, []string{"-u", "-p", "-P"}}).rest(args[1:]); len(words) > 1 {
			s.fetch(s.path(path.Base(words[1].text)), "ftpget")
			s.fetch(s.path(words[1].text), "ftpget")
		}
	case "cmd", "powershell", "pwsh":
		s.windows(name, args)
	case "java":
		s.java(args)
	case "tee":
		for _, a := range args[1:] {
			if !strings.HasPrefix(a.text, "-") {
				s.write(a, in)
			}
		}
		return in
	case "dd":
		for _, a := range args[1:] {
			if file, ok := strings.CutPrefix(a.text, "of="); ok {
				s.write(value{text: file, field: a.field}, in)
				return flow{}
			}
		}
		return in
	case "chmod", "install", "mv", "cp", "ln":
		s.change(name, args)
	case "run-parts": // every program of a directory, which is its last word (run-parts(8))
		if last := args[len(args)-1]; len(args) > 1 && !strings.HasPrefix(last.text, "-") {
			s.execute(value{text: strings.TrimSuffix(last.text, "/") + "/*", field: last.field, from: last.from}, "")
		}
	case "tar", "unzip", "bsdtar":
		return s.unpack(name, args, in)
	default:
		if !isFilter(name) {
			return flow{}
		}
		out := in
		for _, a := range args[1:] {
			if !strings.HasPrefix(a.text, "-") || a.from.fetch != "" {
				if of := s.file(a); of.file == "" {
					out = join(out, of)
				} else if (in == flow{} || in == flow{piped: true}) { // the last one: sed's first is its program
					out.file = of.file
				}
			}
		}
		if name != "cat" && out.known {
			return flow{} // its text is changed
		}
		return out
	}
	return flow{}
}

// application evaluates a server of Python that is told in which directory its application is:
// "gunicorn --chdir DIR package.module:app" runs DIR/package/module.py
// (https://docs.gunicorn.org/en/stable/settings.html, https://www.uvicorn.org/settings/).
func (s *shell) application(args []value) {
	dir, module := "", value{}
	for i := 1; i < len(args); i++ {
		text := args[i].text
		name, val, joined := strings.Cut(text, "=")
		switch {
		case name == "--chdir" || name == "--app-dir":
			if !joined && i+1 < len(args) {
				i++
				val = args[i].text
			}
			dir = val
		case !strings.HasPrefix(text, "-") && module.text == "" && strings.Contains(text, ":") && !strings.ContainsAny(text, "/[ ") && strings.Trim(text, "0123456789.:") != "" && !strings.HasPrefix(text, "localhost:"):
			module = args[i] // and no address to listen at
		}
	}
	name, _, _ := strings.Cut(module.text, ":")
	if dir == "" || name == "" {
		return
	}
	s.execute(value{text: path.Join(dir, strings.ReplaceAll(name, ".", "/")+".py"), field: module.field}, "python")
}

// concurrentlyValued are options of concurrently that take the next word as their value.
var concurrentlyValued = []string{
	"-m", "--max-processes", "-n", "--names", "--name-separator", "-s", "--success", "-p", "--prefix", "-c", "--prefix-colors", "-l", "--prefix-length",
	"-t", "--timestamp-format", "--restart-tries", "--restart-after", "--default-input-target", "--kill-signal", "--ks", "--hide", "--kill-timeout", "--cwd", "--teardown",
}

// isFilter reports whether a program passes on what it reads, perhaps unpacked or changed.
func isFilter(name string) bool { return slices.Contains(filters, name) }

var filters = []string{
	"cat", "base64", "gunzip", "gzip", "zcat", "xz", "unxz", "xzcat", "bzip2", "bzcat", "zstd", "zstdcat", "sed", "awk", "gawk", "tr", "head", "tail", "grep",
	"cut", "openssl", "envsubst", "jq", "yq", "dos2unix", "funzip", "pv", "sort", "uniq", "rev", "tac", "gpg", "iconv", "col", "lz4", "brotli",
}

func (s *shell) eval(args []value) flow {
	if len(args) == 0 {
		return flow{}
	}
	all := args[0]
	for _, a := range args[1:] {
		all.text += " " + a.text
		all.from = join(all.from, a.from)
	}
	if all.from.fetch != "" {
		s.e.found(fact.FetchAndRun, "eval $("+all.from.fetch+")", all.field, false)
		return flow{}
	}
	if all.from.file != "" && all.isHole() {
		s.execute(value{text: all.from.file, field: all.field}, "sh")
		return flow{}
	}
	return s.source(all.text, s.nested+1)
}

// sourceFile evaluates ". FILE", in this shell.
func (s *shell) sourceFile(v value) {
	if v.from.known {
		s.source(v.from.text, s.nested+1)
		return
	}
	if text, ok := s.e.written[s.path(v.text)]; ok && text.known {
		delete(s.e.written, s.path(v.text))
		s.source(text.text, s.nested+1)
		return
	}
	s.execute(v, "sh")
}

// asUser evaluates su, runuser and script, which take a shell's script or a command.
func (s *shell) asUser(args []value, in flow) flow {
	for i := 1; i < len(args); i++ {
		switch text := args[i].text; {
		case text == "-c" || text == "--command":
			if i+1 < len(args) {
				return s.script(args[i+1], nil, "sh")
			}
		case strings.HasPrefix(text, "--command="):
			v := args[i]
			v.text = strings.TrimPrefix(text, "--command=")
			return s.script(v, nil, "sh")
		case text == "--" && i+1 < len(args) && args[0].program() != "script":
			return s.call(args[i+1:], in)
		}
	}
	if args[0].program() == "runuser" {
		if rest := (wrapper{valued: []string{"-u", "-g", "-G", "--user"}}).rest(args[1:]); len(rest) > 0 && slices.ContainsFunc(args, func(v value) bool { return v.text == "-u" }) {
			return s.call(rest, in)
		}
	}
	return flow{}
}

func (s *shell) flock(args []value, in flow) flow {
	for i := 1; i+1 < len(args); i++ {
		if args[i].text == "-c" || args[i].text == "--command" {
			return s.script(args[i+1], nil, "sh")
		}
	}
	rest := wrapper{1, []string{"-w", "-E", "--timeout", "--conflict-exit-code"}}.rest(args[1:])
	return s.call(rest, in)
}

// setParams is "set -- A B".
func (s *shell) setParams(args []value) {
	for i, a := range args {
		if a.text == "--" {
			s.params = append([]value{{text: "sh", field: s.field}}, args[i+1:]...)
			return
		}
	}
}

// printed is what echo or printf print.
func printed(name string, args []value) flow {
	out := flow{known: true}
	for len(args) > 0 && (args[0].text == "-e" || args[0].text == "-n" || args[0].text == "-en" || args[0].text == "-ne" || args[0].text == "--") {
		args = args[1:]
	}
	words := make([]string, 0, len(args))
	for _, a := range args {
		words = append(words, a.text)
		if a.from.fetch != "" {
			out.fetch = a.from.fetch
		}
	}
	if name == "printf" && len(words) > 1 {
		if words[0] != `%s` && words[0] != `%s\n` && words[0] != `%b` && words[0] != `%b\n` {
			words[0] = strings.NewReplacer(`%s`, unknown("%"), `%b`, unknown("%")).Replace(words[0])
			words = words[:1]
		} else {
			words = words[1:]
		}
	}
	out.text = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(strings.Join(words, " ")) + "\n"
	return out
}

// find evaluates the commands of -exec and -execdir.
func (s *shell) find(args []value) {
	for i := 1; i < len(args); i++ {
		switch args[i].text {
		case "-exec", "-execdir", "-ok":
			end := i + 1
			for end < len(args) && args[end].text != ";" && args[end].text != "+" {
				end++
			}
			if end > i+1 {
				s.call(slices.Clone(args[i+1:end]), flow{})
			}
			i = end
		}
	}
}

// startShell evaluates a shell: the script after -c, a file, or standard input.
func (s *shell) startShell(name string, args []value, in flow) flow {
	first, args := args[0], args[1:]
	for i := 0; i < len(args); i++ {
		text := args[i].text
		switch {
		case text == "-o" || text == "+o" || text == "-O" || text == "+O" || text == "--rcfile" || text == "--init-file":
			i++ // its value is not the script
		case text == "-" || text == "-s":
			return s.stdin(name, first.field, args[i+1:], in)
		case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "+"):
		case strings.HasPrefix(text, "-") && strings.Contains(text, "c"):
			rest := args[i+1:]
			if strings.Contains(text, "o") && len(rest) > 0 { // -o's value
				rest = rest[1:]
			}
			// The script follows the last of the options ("sh -c -e SCRIPT").
			for len(rest) > 0 && strings.HasPrefix(rest[0].text, "-") && !strings.ContainsAny(rest[0].text, " \n") {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				return flow{}
			}
			return s.script(rest[0], rest[1:], name)
		case strings.HasPrefix(text, "-") && strings.Contains(text, "s"):
			return s.stdin(name, first.field, args[i+1:], in)
		case strings.HasPrefix(text, "-"):
			if strings.Contains(text, "o") { // -euo pipefail
				i++
			}
		case text == "/dev/stdin" || text == "/proc/self/fd/0":
			return s.stdin(name, first.field, args[i+1:], in)
		default:
			s.execute(args[i], name)
			return flow{}
		}
	}
	return s.stdin(name, first.field, nil, in)
}

// script evaluates the script of a word. Its parameters begin with $0.
func (s *shell) script(v value, params []value, by string) flow {
	if v.from.fetch != "" {
		s.e.found(fact.FetchAndRun, by+" -c $("+v.from.fetch+")", v.field, false)
	}
	if v.from.file != "" && v.isHole() {
		s.execute(value{text: v.from.file, field: v.field}, by)
		return flow{}
	}
	if params == nil {
		params = []value{}
	}
	field := s.field
	s.field = v.field
	out := s.inner(v.text, params)
	s.field = field
	return out
}

// stdin evaluates what a shell reads from its standard input.
func (s *shell) stdin(name, field string, params []value, in flow) flow {
	switch {
	case in.fetch != "":
		s.e.found(fact.FetchAndRun, in.fetch+" | "+name, s.at(field), false)
	case in.known:
		return s.inner(in.text, append([]value{{text: name, field: field}}, params...))
	case in.file != "":
		s.execute(value{text: in.file, field: s.at(field)}, name)
	case in.piped:
		s.e.unread(fact.NotPresent)
	}
	return flow{}
}

// at is the field of the script that is evaluated, or that of a word outside of scripts.
func (s *shell) at(field string) string {
	if s.field != "" {
		return s.field
	}
	return field
}

// java evaluates "java -jar FILE".
func (s *shell) java(args []value) {
	for i := 1; i < len(args); i++ {
		switch text := args[i].text; {
		case text == "-jar":
			if i+1 < len(args) {
				s.execute(args[i+1], "java")
			}
			return
		case strings.HasPrefix(text, "-javaagent:"):
			v := args[i]
			v.text, _, _ = strings.Cut(strings.TrimPrefix(text, "-javaagent:"), "=")
			s.execute(v, "java")
		case text == "-cp" || text == "-classpath" || text == "--class-path":
			if i+1 < len(args) {
				for _, entry := range strings.Split(args[i+1].text, ":") {
					if strings.HasSuffix(entry, ".jar") && len(entry) > len(".jar") {
						s.execute(value{text: entry, field: args[i+1].field}, "java")
					}
				}
			}
			i++
		case !strings.HasPrefix(text, "-"):
			return
		}
	}
}

// fetch notes a file that was fetched.
func (s *shell) fetch(file, by string) {
	if s.e.fetched == nil {
		s.e.fetched = map[string]archive{}
	}
	if len(s.e.fetched) < maxRuns {
		s.e.fetched[file] = archive{by: by, field: s.at(s.e.line)}
	}
}

// fetchedFile is the program that fetched a file, or what it was unpacked from.
func (s *shell) fetchedFile(file string) string {
	p := s.path(file)
	if by := s.e.fetched[p].by; by != "" {
		return by
	}
	if strings.ContainsAny(p, "*?") {
		for _, name := range sortedKeys(s.e.fetched) {
			if ok, err := path.Match(p, name); err == nil && ok {
				return s.e.fetched[name].by
			}
		}
	}
	for dir := path.Dir(p); ; dir = path.Dir(dir) {
		if a := s.e.unpacked[dir]; a.by != "" && (!a.loose || path.Dir(p) != dir) {
			return a.by
		}
		if dir == "." || dir == "/" {
			return ""
		}
	}
}

func sortedKeys(m map[string]archive) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
