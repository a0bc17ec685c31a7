package overlay

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// interpreter describes how a program gets the file to run: the relevant part
// of its command line, from its manual page.
type interpreter struct {
	names []string // the executable's, without a version
	// inline are the letters that are followed by the code itself, so there is no
	// file. value are letters with a value that is not code, in the same word or the
	// next. attached are those with it only in the same word. code are those with a
	// file of code. module is followed by a name that stands for files.
	inline, value, attached, code, module string
	// The long options of the same kinds.
	inlineWords, valueWords, codeWords []string
	plus                               bool // options may begin with '+' too
	applets                            bool // it is what argv[0] calls it, or the word that follows
	// skip are commands that a file follows, stop those that run no file.
	skip, stop []string
	// noFile says that words which are no options are data or code, not files of code;
	// permutes, that options may follow them.
	noFile, permutes bool
	// whole says that a file of code is all that it runs, so that it reads none from
	// standard input.
	whole bool
	// stdin says that it reads the code from standard input if no file is named;
	// stdinLetters make it do so whatever follows.
	stdin        bool
	stdinLetters string
	// inside is the file that it runs if it is given a directory.
	inside string
	// parse is for command lines unlike the others.
	parse func(args []string) command
	// scriptFD is the descriptor that holds the script, 0 if none is fixed. opens are
	// the endings of files of code that it keeps open.
	// namedFD is the same for one that uses the descriptor for other things where no
	// word names the file.
	scriptFD, namedFD int
	opens             []string
}

// command is what a command line says of the code to run.
type command struct {
	// files are words that may be paths of code. Which of them exist is for the
	// caller to find out. Nothing else of the command line is kept.
	files []string
	// more says that there are more of them than maxScriptNames.
	more bool
	// stdin says that the code comes from standard input.
	stdin bool
	// of is the interpreter that runs: what a program of many applets is called, or
	// what ld.so runs.
	of *interpreter
}

func (c *command) add(names ...string) {
	for _, name := range names {
		switch {
		case name == "" || len(name) >= pathMax:
		case len(c.files) == maxScriptNames:
			c.more = true
		default:
			c.files = append(c.files, name)
		}
	}
}

var interpreters = []*interpreter{
	{
		names: []string{"bash", "rbash"}, inline: "c", value: "oO", codeWords: []string{"--rcfile", "--init-file"},
		plus: true, stdin: true, stdinLetters: "s", scriptFD: 255,
	},
	{
		names:  []string{"sh", "dash", "ash", "hush", "ksh", "mksh", "lksh", "oksh", "zsh", "yash", "posh"},
		inline: "c", value: "o", plus: true, stdin: true, stdinLetters: "s", namedFD: 10,
	},
	{names: []string{"busybox", "toybox"}, applets: true},
	{names: []string{"fish"}, inline: "c", value: "Cdop", inlineWords: []string{"--command"}, stdin: true},
	{names: []string{"csh", "tcsh"}, inline: "c", stdin: true, stdinLetters: "s"},
	{names: []string{"nu"}, inline: "c", inlineWords: []string{"--commands"}, codeWords: []string{"--config", "--env-config"}},
	{
		names: []string{"python", "pypy", "pypy3-c", "micropython"}, inline: "c", module: "m", value: "WX", valueWords: []string{"--check-hash-based-pycs"},
		stdin: true, inside: "__main__.py",
	},
	{names: []string{"perl"}, inline: "eE", value: "I", attached: "MmxCFi0dDlV", stdin: true},
	{names: []string{"raku", "perl6", "moar"}, inline: "e", value: "I", stdin: true},
	{names: []string{"ruby", "ruby-mri"}, inline: "e", value: "ICE", attached: "FKWxi0T", code: "r", stdin: true},
	{
		names: []string{"node", "nodejs"}, inline: "ep", value: "C", code: "r", stdin: true,
		inlineWords: []string{"--eval", "--print"}, codeWords: []string{"--require", "--import", "--loader", "--experimental-loader"},
		skip: []string{"inspect", "debug"}, inside: "index.js",
	},
	{
		names: []string{"deno"}, value: "cL", skip: []string{"run", "serve", "test", "bench"}, stop: []string{"eval", "repl", "task", "install", "compile"},
		valueWords: []string{"--config", "--import-map", "--lock", "--cert", "--location", "--seed", "--port", "--host"}, stdin: true,
	},
	{
		names: []string{"bun"}, inline: "ep", value: "c", code: "r", skip: []string{"run", "test"}, stop: []string{"x", "install", "add", "exec", "create"},
		inlineWords: []string{"--eval", "--print"}, valueWords: []string{"--cwd", "--config", "--env-file"}, codeWords: []string{"--preload", "--require"},
		inside: "index.ts",
	},
	{names: []string{"qjs", "gjs", "gjs-console"}, inline: "ec", value: "I", stdin: true},
	{names: []string{"php", "php-cgi"}, inline: "rRBE", value: "cdzbSt", code: "fF", stdin: true, whole: true},
	{names: []string{"lua", "luajit"}, value: "el", attached: "jO", stdin: true},
	{names: []string{"tclsh", "wish"}, stdin: true},
	{names: []string{"expect"}, value: "cD", code: "fb", stdin: true, whole: true},
	{names: []string{"guile"}, inline: "c", value: "eLCx", code: "sl", stdin: true, whole: true},
	{names: []string{"awk", "gawk", "mawk", "nawk", "original-awk", "bwk"}, value: "FvWe", code: "fEi", codeWords: []string{"--file", "--exec", "--include"}, valueWords: []string{"--field-separator", "--assign", "--source"}, noFile: true},
	{names: []string{"sed", "ssed"}, value: "el", attached: "i", code: "f", codeWords: []string{"--file"}, valueWords: []string{"--expression", "--line-length"}, noFile: true, permutes: true},
	{names: []string{"make", "gmake"}, parse: makeFiles},
	{names: []string{"Rscript"}, inline: "e", stdin: true},
	{names: []string{"R"}, inline: "e", code: "f", codeWords: []string{"--file"}, noFile: true, stdin: true, whole: true},
	{
		names: []string{"julia"}, inline: "eE", value: "pCtHm", attached: "Og", code: "LJ", stdin: true,
		inlineWords: []string{"--eval", "--print"}, codeWords: []string{"--load", "--sysimage"}, valueWords: []string{"--machine-file"},
	},
	{names: []string{"octave", "octave-cli"}, valueWords: []string{"--path"}, inlineWords: []string{"--eval"}, stdin: true},
	{names: []string{"ocaml", "racket", "swipl"}, inline: "e", stdin: true},
	{names: []string{"sbcl"}, codeWords: []string{"--script", "--load", "--core"}, valueWords: []string{"--eval", "--dynamic-space-size"}, noFile: true, stdin: true},
	{
		names: []string{"dotnet"}, skip: []string{"exec", "fsi", "script", "vstest"},
		valueWords: []string{"--additionalprobingpath", "--additional-deps", "--depsfile", "--runtimeconfig", "--fx-version", "--roll-forward", "--roll-forward-on-no-candidate-fx"},
	},
	{names: []string{"mono", "mono-sgen"}, valueWords: []string{"--config", "--server-options"}},
	{names: []string{"java"}, parse: javaFiles, opens: []string{".jar", ".war", ".ear", ".zip", ".jmod"}},
	{names: []string{"pwsh"}, parse: pwshFiles},
	{names: []string{"beam.smp", "beam", "erlexec"}, parse: beamFiles},
	{names: []string{"wasmtime", "wasmer", "wasmedge", "iwasm", "wazero"}, parse: wasmFiles},
}

// emulator is what qemu-user, loader what ld.so is: both run another program.
var (
	emulator = &interpreter{parse: qemuFiles}
	loader   = &interpreter{}
)

func init() { loader.parse = loaderFiles } // it calls interpreterOf

// interpreterOf finds an interpreter by the path of an executable: "python3.11"
// is python. Nil if it is none.
func interpreterOf(exe string) *interpreter {
	base := strings.TrimSuffix(path.Base(exe), deletedSuffix)
	base = strings.TrimSuffix(strings.TrimSuffix(base, "-static"), ".static")
	bare := strings.TrimRight(base, "0123456789.-")
	// What follows a version is how it was built: perl5.36-x86_64-linux-gnu,
	// python3.7m, luajit-2.1.0-beta3. A version has a dot: python3-config is none.
	stem := base
	if digit := strings.IndexAny(base, "0123456789"); digit > 0 && strings.HasPrefix(strings.TrimLeft(base[digit:], "0123456789"), ".") {
		stem = strings.TrimRight(base[:digit], "-")
	}
	for _, i := range interpreters {
		for _, name := range i.names {
			if bare == name || base == name || stem == name {
				return i
			}
		}
	}
	switch {
	case strings.HasPrefix(base, "qemu-") && !strings.HasPrefix(base, "qemu-system-"):
		return emulator
	case base == "ld.so" || strings.HasPrefix(base, "ld") && strings.Contains(base, ".so") && (base[2] == '-' || base[2:4] == "64"):
		return loader
	}
	return nil
}

// command reads a command line.
func (i *interpreter) command(argv [][]byte) command {
	if len(argv) == 0 {
		return command{}
	}
	args := make([]string, 0, len(argv)-1)
	for _, a := range argv[1:] {
		args = append(args, string(a))
	}
	if i.applets {
		applet := strings.TrimPrefix(path.Base(string(argv[0])), "-")
		if of := interpreterOf(applet); of != nil && of.applets {
			if len(args) == 0 {
				return command{}
			}
			applet, args = args[0], args[1:]
		}
		of := interpreterOf(applet)
		if of == nil || of.applets {
			return command{}
		}
		i = of
	}
	c := command{}
	if i.parse != nil {
		c = i.parse(args)
	} else {
		c = i.options(args)
	}
	if c.of == nil {
		c.of = i
	}
	return c
}

// options reads a command line of the usual kind.
func (i *interpreter) options(args []string) command {
	var c command
	skipped, fromStdin := false, false
	for n := 0; n < len(args); n++ {
		arg := args[n]
		next := func() string {
			if n+1 < len(args) {
				n++
				return args[n]
			}
			return ""
		}
		switch {
		case arg == "--":
			if name := next(); name != "" && !i.noFile && !fromStdin {
				i.file(&c, name)
				return c
			}
			c.stdin = i.fromStdin(&c) || fromStdin
			return c
		case arg == "-":
			c.stdin = i.stdin
			return c
		case arg == "":
			return c
		case strings.HasPrefix(arg, "--"):
			word, value, given := strings.Cut(arg, "=")
			switch {
			case contains(i.inlineWords, word):
				return c
			case contains(i.codeWords, word):
				if !given {
					value = next()
				}
				c.add(value)
			case contains(i.valueWords, word) && !given:
				next()
			case word == "--args":
				return c // of R: what follows is the script's
			}
		case arg[0] == '-' || arg[0] == '+' && i.plus:
			done, standard := i.cluster(arg[1:], &c, next)
			if done {
				return c
			}
			fromStdin = fromStdin || standard && arg[0] == '-'
		case fromStdin:
			c.stdin = true
			return c
		case !skipped && contains(i.skip, arg):
			skipped = true
		case i.permutes:
		case !skipped && contains(i.stop, arg) || i.noFile:
			return c
		default:
			i.file(&c, arg)
			return c
		}
	}
	c.stdin = fromStdin || i.fromStdin(&c)
	return c
}

// fromStdin reports whether code comes from standard input where no word names the
// file to run.
func (i *interpreter) fromStdin(c *command) bool { return i.stdin && (!i.whole || len(c.files) == 0) }

// file adds the word that names the file to run.
func (i *interpreter) file(c *command, name string) {
	c.add(name)
	if i.inside != "" {
		c.add(strings.TrimRight(name, "/") + "/" + i.inside)
	}
}

// cluster reads a word of one-letter options, "-xeuc". done says that code
// follows, not a file; standard that it comes from standard input.
func (i *interpreter) cluster(letters string, c *command, next func() string) (done, standard bool) {
	for n := range len(letters) {
		letter, rest := letters[n], letters[n+1:]
		has := func(list string) bool { return strings.IndexByte(list, letter) >= 0 }
		switch {
		case has(i.inline):
			return true, false
		case has(i.module):
			if rest == "" {
				rest = next()
			}
			// The working directory comes first among those that are searched.
			name := strings.ReplaceAll(rest, ".", "/")
			c.add(name+".py", name+"/__main__.py")
			return true, false
		case has(i.code):
			if rest == "" {
				rest = next()
			}
			c.add(rest)
			return false, standard
		case has(i.value):
			if rest == "" {
				next()
			}
			return false, standard
		case has(i.attached):
			return false, standard
		case has(i.stdinLetters):
			standard = true
		}
	}
	return false, standard
}

// javaFiles reads the command line of java(1). Archives that it finds in other ways
// (a wildcard in the class path, an argument file, a manifest) stay open.
func javaFiles(args []string) command {
	var c command
	for n := 0; n < len(args); n++ {
		arg := args[n]
		word, value, given := strings.Cut(arg, "=")
		switch {
		case arg == "-jar":
			if n+1 < len(args) {
				c.add(args[n+1])
			}
			return c
		case word == "-cp" || word == "-classpath" || word == "--class-path" || word == "-p" || word == "--module-path":
			if !given {
				if n++; n < len(args) {
					value = args[n]
				}
			}
			for part := range strings.SplitSeq(value, ":") {
				c.add(part)
			}
		case strings.HasPrefix(arg, "-javaagent:"):
			c.add(strings.TrimPrefix(word, "-javaagent:"))
		case strings.HasPrefix(arg, "-agentpath:"):
			c.add(strings.TrimPrefix(word, "-agentpath:"))
		case arg == "-m" || arg == "--module":
			return c
		case strings.HasPrefix(arg, "@"):
			c.add(arg[1:]) // what it holds decides what is run
		case strings.HasPrefix(arg, "-"):
			switch arg {
			case "--add-modules", "--add-reads", "--add-exports", "--add-opens", "--limit-modules", "--upgrade-module-path", "--source":
				n++
			}
		default:
			// A class, or a source file to be run as it is.
			c.add(arg)
			return c
		}
	}
	return c
}

// makeFiles reads the command line of make(1). Relative names start at -C.
func makeFiles(args []string) command {
	var files []string
	dir := ""
	for n := 0; n < len(args); n++ {
		arg := args[n]
		next := func() string {
			if n+1 < len(args) {
				n++
				return args[n]
			}
			return ""
		}
		value := func(short, long, other string) (string, bool) {
			switch {
			case arg == short || arg == long || arg == other:
				return next(), true
			case strings.HasPrefix(arg, long+"="):
				return arg[len(long)+1:], true
			case other != "" && strings.HasPrefix(arg, other+"="):
				return arg[len(other)+1:], true
			case strings.HasPrefix(arg, short) && !strings.HasPrefix(arg, "--"):
				return arg[len(short):], true
			}
			return "", false
		}
		if arg == "--" {
			break
		}
		if name, ok := value("-f", "--file", "--makefile"); ok {
			files = append(files, name)
		} else if name, ok := value("-C", "--directory", ""); ok && name != "" {
			if path.IsAbs(name) {
				dir = name
			} else if len(dir)+len(name) < pathMax {
				dir = path.Join(dir, name)
			}
		}
	}
	if files == nil {
		files = []string{"GNUmakefile", "makefile", "Makefile"}
	}
	var c command
	for _, name := range files {
		switch {
		case name == "-":
			c.stdin = true
		case path.IsAbs(name) || dir == "" || name == "":
			c.add(name)
		case !c.more:
			c.add(dir + "/" + name)
		}
	}
	return c
}

// pwshFiles reads the command line of pwsh(1): options are words of one hyphen, in
// any case, and may be cut short.
func pwshFiles(args []string) command {
	var c command
	for n := 0; n < len(args); n++ {
		if !strings.HasPrefix(args[n], "-") {
			c.add(args[n])
			return c
		}
		switch word := strings.ToLower(strings.TrimLeft(args[n], "-")); word {
		case "f", "fi", "fil", "file":
			if n+1 < len(args) && args[n+1] != "-" {
				c.add(args[n+1])
			} else {
				c.stdin = true
			}
			return c
		case "":
			c.stdin = true
			return c
		case "c", "command", "cwa", "commandwithargs", "e", "ec", "encodedcommand":
			return c
		case "ep", "ex", "executionpolicy", "wd", "workingdirectory", "config", "configurationname", "configurationfile", "o", "of", "outputformat",
			"if", "inputformat", "w", "windowstyle", "settings", "settingsfile", "cus", "custompipename", "v", "version":
			n++
		}
	}
	c.stdin = true
	return c
}

// beamFiles reads the command line that erlexec gives to Erlang's virtual machine. An
// escript and an Elixir script follow -extra; a boot file is named without its ending.
func beamFiles(args []string) command {
	var c command
	for n := 0; n+1 < len(args); n++ {
		switch args[n] {
		case "-extra":
			for _, arg := range args[n+1:] {
				if !strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "+") {
					c.add(arg)
					return c
				}
			}
			return c
		case "-boot":
			c.add(args[n+1]+".boot", args[n+1])
		case "-config", "-args_file":
			c.add(args[n+1]) // a configuration can name modules to start
		}
	}
	return c
}

// wasmFiles finds a WebAssembly module by its ending: the runtimes' options differ.
func wasmFiles(args []string) command {
	var c command
	for _, arg := range args {
		if _, value, given := strings.Cut(arg, "="); given && strings.HasPrefix(arg, "-") {
			arg = value // --preload NAME=FILE is two words, --module=FILE one
		}
		_, after, given := strings.Cut(arg, "=")
		if given && isWasm(after) {
			arg = after
		}
		if isWasm(arg) {
			c.add(arg)
		}
	}
	return c
}

func isWasm(name string) bool {
	return slices.Contains([]string{".wasm", ".wat", ".cwasm", ".wasmu", ".aot"}, path.Ext(name))
}

// qemuFiles reads the command line of qemu-user: the program, whose code is mapped as
// data.
func qemuFiles(args []string) command {
	var c command
	for n := 0; n < len(args); n++ {
		if !strings.HasPrefix(args[n], "-") {
			c.add(args[n])
			break
		}
		switch strings.TrimLeft(args[n], "-") {
		case "L", "E", "U", "cpu", "g", "B", "R", "d", "D", "p", "s", "0", "r", "plugin", "seed", "dfilter", "accel":
			n++
		}
	}
	return c
}

// loaderFiles reads the command line of ld.so(8). The program that it runs is mapped;
// if that is an interpreter, so is its script.
func loaderFiles(args []string) command {
	for n := 0; n < len(args); n++ {
		if !strings.HasPrefix(args[n], "--") {
			of := interpreterOf(args[n])
			if of == nil || of == loader {
				return command{}
			}
			argv := [][]byte{}
			for _, arg := range args[n:] {
				argv = append(argv, []byte(arg))
			}
			return of.command(argv)
		}
		switch args[n] {
		case "--library-path", "--preload", "--audit", "--argv0", "--inhibit-rpath", "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask":
			n++
		}
	}
	return command{}
}

// descriptorOf reads the number of an own descriptor from its path: /dev/stdin,
// /dev/fd/3, /proc/self/fd/3.
func descriptorOf(name string) (int, bool) {
	if name == "/dev/stdin" {
		return 0, true
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"} {
		if digits, ok := strings.CutPrefix(name, dir); ok && digits != "" && digits[0] != '+' {
			n, err := strconv.Atoi(digits)
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}

func contains(list []string, word string) bool { return slices.Contains(list, word) }
