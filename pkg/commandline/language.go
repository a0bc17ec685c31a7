package commandline

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// language is an interpreter: the options that give it a program, those whose value is a word
// of its own, and the words that start other programs from it.
type language struct {
	code   []string
	valued []string
	module string // the option that names a module
	starts []string
}

// Sources: the interpreters' manual pages and references (28 November 2026).
var languages = map[string]language{
	"python": {
		code: []string{"-c"}, valued: []string{"-W", "-X", "--check-hash-based-pycs"}, module: "-m",
		starts: []string{"subprocess", "os.system", "os.popen", "os.exec", "os.spawn", "pty.spawn", "exec(", "eval(", "__import__", "pip.main", "pip._internal"},
	},
	"perl":    {code: []string{"-e", "-E"}, valued: []string{"-I", "-M"}, starts: []string{"system", "exec", "`", "qx", "eval", "CPAN"}},
	"node":    {code: []string{"-e", "--eval", "-p", "--print", "-pe"}, valued: []string{"-r", "--require", "--import", "--loader"}, starts: []string{"child_process", "eval(", "new Function", "vm.", "execa"}},
	"ruby":    {code: []string{"-e"}, valued: []string{"-I", "-r", "-C"}, starts: []string{"system", "exec", "`", "%x", "popen", "spawn", "eval", "Open3"}},
	"php":     {code: []string{"-r"}, valued: []string{"-d", "-c", "-t", "-S", "-z"}, starts: []string{"exec(", "system(", "passthru", "proc_open", "popen", "`", "eval(", "include", "require"}},
	"lua":     {code: []string{"-e"}, valued: []string{"-l"}, starts: []string{"os.execute", "io.popen", "load"}},
	"Rscript": {code: []string{"-e"}, starts: []string{"system(", "system2(", "source(", "eval("}},
	"R":       {code: []string{"-e"}, valued: []string{"-f"}, starts: []string{"system(", "system2(", "source(", "eval("}},
	"tclsh":   {starts: []string{"exec"}},
	"groovy":  {code: []string{"-e"}, starts: []string{"execute("}},
	"osascript": {
		code: []string{"-e"}, starts: []string{"do shell script"},
	},
	"julia": {code: []string{"-e", "--eval"}, starts: []string{"run(", "`", "include("}},
}

var languageNames = map[string]string{
	"python": "python", "pypy": "python", "perl": "perl", "node": "node", "nodejs": "node", "ruby": "ruby", "jruby": "ruby", "php": "php", "php-cli": "php", "lua": "lua",
	"luajit": "lua", "Rscript": "Rscript", "R": "R", "tclsh": "tclsh", "groovy": "groovy", "julia": "julia",
}

// languageOf is the language of an interpreter: python3.12 is python.
func languageOf(name string) (string, bool) {
	if l, ok := languageNames[name]; ok {
		return l, true
	}
	l, ok := languageNames[strings.TrimRight(name, "0123456789.")]
	return l, ok
}

// modules are programs that "python -m" runs.
var modules = map[string]string{
	"pip": "pip", "pipx": "pipx", "pipenv": "pipenv", "poetry": "poetry", "easy_install": "easy_install", "uv": "uv", "playwright": "playwright", "pdm": "pdm", "conda": "conda",
}

// runLanguage evaluates an interpreter: a program in an option, a module, a file, or standard
// input.
func (s *shell) runLanguage(name, program string, args []value, in flow) {
	l := languages[name]
	first := args[0]
	args = args[1:]
	if name == "R" && len(args) > 1 && args[0].text == "CMD" {
		if args[1].text == "INSTALL" {
			s.e.found(fact.LanguageInstaller, "R CMD INSTALL", s.at(first.field), false)
		}
		return
	}
	coded := false
	for i := 0; i < len(args); i++ {
		text := args[i].text
		switch {
		case text == "-":
			s.program(name, first, in)
			return
		case slices.Contains(l.code, text) || l.module == "" && name == "perl" && isCluster(text, "e"):
			if i+1 < len(args) {
				i++
				coded = true
				if args[i].from.fetch != "" {
					s.e.found(fact.FetchAndRun, name+" "+l.code[0]+" $("+args[i].from.fetch+")", s.at(args[i].field), false)
				}
				if in.fetch != "" && runsInput(args[i].text) {
					s.e.found(fact.FetchAndRun, in.fetch+" | "+name, s.at(args[i].field), false)
				}
				field := s.field
				s.field = s.at(args[i].field)
				s.code(name, args[i].text)
				s.field = field
				if name == "python" {
					return
				}
			}
		case name == "perl" && text == "-MCPAN":
			s.e.found(fact.LanguageInstaller, "cpan", s.at(first.field), false)
			coded = true
		case l.module != "" && text == l.module:
			if i+1 < len(args) {
				s.pythonModule(args[i+1:])
			}
			return
		case slices.Contains(l.valued, text):
			i++
		case text == "/dev/stdin":
			s.program(name, first, in)
			return
		case strings.HasPrefix(text, "-"):
			if (text == "--version" || text == "-V" || text == "-v" || text == "--help" || text == "-h" || text == "-i") && len(args) == 1 {
				return
			}
		default:
			if coded {
				return
			}
			s.runFile(name, args[i:])
			return
		}
	}
	if !coded {
		s.program(name, first, in)
	}
}

func isCluster(text, letter string) bool {
	return len(text) > 1 && text[0] == '-' && text[1] != '-' && strings.HasSuffix(text, letter) && len(text) <= 4
}

// runsInput reports whether a program runs what it reads.
func runsInput(code string) bool {
	return strings.Contains(code, "exec(") && strings.Contains(code, "stdin")
}

// program evaluates what an interpreter reads from its standard input.
func (s *shell) program(name string, first value, in flow) {
	switch {
	case in.fetch != "":
		s.e.found(fact.FetchAndRun, in.fetch+" | "+name, s.at(first.field), false)
	case in.known:
		field := s.field
		s.field = s.at(first.field)
		s.code(name, in.text)
		s.field = field
	case in.piped:
		s.e.unread(fact.NotPresent)
	}
}

// runFile evaluates a script of an interpreter.
func (s *shell) runFile(name string, args []value) {
	file := args[0]
	switch path.Base(file.text) {
	case "setup.py":
		if verb := matched(args[1:], []string{"install", "develop", "build", "bdist_wheel", "build_ext"}, nil); verb != "" {
			s.e.found(fact.Compiled, "python setup.py "+verb, s.at(file.field), false)
		}
	case "composer", "composer.phar":
		s.install("composer", args)
	case "pip", "pip3":
		s.install("pip", args)
	case "npm", "npm-cli.js", "npm.js":
		s.install("npm", args)
	case "yarn", "yarn.js":
		s.install("yarn", args)
	case "get-pip.py":
		s.e.found(fact.LanguageInstaller, "get-pip.py", s.at(file.field), false)
	}
	s.execute(file, name)
}

func (s *shell) pythonModule(args []value) {
	if name, ok := modules[args[0].text]; ok {
		s.install(name, args)
		return
	}
	if args[0].text == "spacy" && matched(args[1:], []string{"download"}, nil) != "" {
		s.e.found(fact.LanguageInstaller, "spacy download", s.at(args[0].field), false)
	}
	if args[0].text == "build" {
		s.e.found(fact.Compiled, "python -m build", s.at(args[0].field), false)
	}
}

// downloads are calls that fetch a URL into a file: copy of PHP, urlretrieve of Python.
var downloads = regexp.MustCompile(`\b(copy|urlretrieve)\(\s*["'](?:https?|ftp)://[^"']*["']\s*,\s*["']([^"']{1,512})["']`)

// code looks at a program in another language than the shell's. It is not parsed: what it
// installs in a usual way is found by its words, and if it has words that start other programs,
// or run text, it is unknown what it does.
func (s *shell) code(name, text string) {
	if len(text) > maxScript {
		s.e.unread(fact.Truncated)
		return
	}
	for _, known := range []struct {
		words []string // all of them
		class fact.InstallClass
		what  string
	}{
		{[]string{"install.packages("}, fact.LanguageInstaller, "install.packages"},
		{[]string{"BiocManager::install"}, fact.LanguageInstaller, "BiocManager::install"},
		{[]string{"remotes::install_"}, fact.LanguageInstaller, "remotes::install"},
		{[]string{"devtools::install_"}, fact.LanguageInstaller, "devtools::install"},
		{[]string{"pak::pkg_install"}, fact.LanguageInstaller, "pak::pkg_install"},
		{[]string{"Pkg.add("}, fact.LanguageInstaller, "Pkg.add"},
		{[]string{"CPAN", "install"}, fact.LanguageInstaller, "cpan"},
		{[]string{"pip", "install", "subprocess"}, fact.LanguageInstaller, "pip install"},
		{[]string{"pip install", "os.system"}, fact.LanguageInstaller, "pip install"},
		{[]string{"pip.main(", "install"}, fact.LanguageInstaller, "pip install"},
		{[]string{"apt-get install", "os.system"}, fact.PackageManager, "apt-get install"},
		{[]string{"apt-get", "install", "subprocess"}, fact.PackageManager, "apt-get install"},
		{[]string{"exec(", "urlopen("}, fact.FetchAndRun, "python urlopen | exec"},
		{[]string{"exec(", "requests.get("}, fact.FetchAndRun, "python requests | exec"},
		{[]string{"eval(", "file_get_contents('http"}, fact.FetchAndRun, "php file_get_contents | eval"},
		{[]string{"eval", "open-uri"}, fact.FetchAndRun, "ruby open-uri | eval"},
		{[]string{"eval", "LWP::"}, fact.FetchAndRun, "perl LWP | eval"},
	} {
		if !slices.ContainsFunc(known.words, func(w string) bool { return !strings.Contains(text, w) }) {
			s.e.found(known.class, known.what, s.field, false)
		}
	}
	for _, m := range downloads.FindAllStringSubmatch(text, maxRuns) {
		s.fetch(s.path(m[2]), name+" "+m[1])
	}
	l, ok := languages[name]
	if !ok {
		s.e.unread(fact.Unsupported)
		return
	}
	if (value{text: strings.TrimSpace(text)}).isHole() {
		s.e.unread(fact.NotPresent)
		return
	}
	for _, word := range l.starts {
		if strings.Contains(text, word) {
			s.e.unread(fact.Unsupported)
			return
		}
	}
}
