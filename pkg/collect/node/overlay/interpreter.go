package overlay

import (
	"path"
	"strings"
)

// interpreter describes how a program gets the file to run: the relevant part
// of its command line, from its manual page.
type interpreter struct {
	names []string // the executable's, without a version
	// inline are the letters that are followed by the code itself or by a
	// module's name, so there is no file. value are letters with a value that
	// is not code, in the same word or the next. attached are those with it
	// only in the same word. code are those with a file of code.
	inline, value, attached, code string
	// The long options of the same kinds.
	inlineWords, valueWords, codeWords []string
	plus                               bool // options may begin with '+' too
	applets                            bool // it is what argv[0] calls it, or the word that follows
	java                               bool // a command line unlike the others
	scriptFD                           int  // the descriptor that holds the script; 0 if none is fixed
}

var interpreters = []*interpreter{
	{
		names: []string{"bash", "rbash"}, inline: "c", value: "oO", codeWords: []string{"--rcfile", "--init-file"},
		plus: true, scriptFD: 255,
	},
	{names: []string{"sh", "dash", "ash", "hush", "ksh", "mksh", "zsh"}, inline: "c", value: "o", plus: true},
	{names: []string{"busybox", "toybox"}, inline: "c", value: "o", plus: true, applets: true},
	{names: []string{"python", "pypy"}, inline: "cm", value: "WX", valueWords: []string{"--check-hash-based-pycs"}},
	{names: []string{"perl"}, inline: "eE", value: "I", attached: "MmxCFi0dDlV"},
	{names: []string{"ruby"}, inline: "e", value: "ICE", attached: "FKWxi0T", code: "r"},
	{
		names: []string{"node", "nodejs"}, inline: "ep", value: "C", code: "r",
		inlineWords: []string{"--eval", "--print"}, codeWords: []string{"--require", "--import", "--loader"},
	},
	{names: []string{"php", "php-cgi"}, inline: "rRBE", value: "cdzbSt", code: "fF"},
	{names: []string{"lua", "luajit"}, inline: "e", value: "l"},
	{names: []string{"tclsh"}},
	{names: []string{"java"}, java: true},
}

// interpreterOf finds an interpreter by the path of an executable: "python3.11"
// is python. Nil if it is none.
func interpreterOf(exe string) *interpreter {
	base := strings.TrimSuffix(path.Base(exe), deletedSuffix)
	bare := strings.TrimRight(base, "0123456789.-")
	for _, i := range interpreters {
		for _, name := range i.names {
			if bare == name || base == name {
				return i
			}
		}
	}
	return nil
}

// files returns the arguments that may be paths of code, in order. The caller
// checks which of them exist. Nothing else of argv is kept.
func (i *interpreter) files(argv [][]byte) []string {
	if len(argv) == 0 {
		return nil
	}
	args := make([]string, 0, len(argv)-1)
	for _, a := range argv[1:] {
		args = append(args, string(a))
	}
	if i.java {
		return javaFiles(args)
	}
	if i.applets {
		applet := strings.TrimPrefix(path.Base(string(argv[0])), "-")
		if applet == i.names[0] || applet == i.names[1] {
			if len(args) == 0 {
				return nil
			}
			applet, args = args[0], args[1:]
		}
		if shell := interpreterOf(applet); shell == nil || !shell.plus {
			return nil
		}
	}
	var found []string
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
			return appendFile(found, next())
		case arg == "-" || arg == "":
			return found // standard input
		case strings.HasPrefix(arg, "--"):
			word, value, given := strings.Cut(arg, "=")
			switch {
			case contains(i.inlineWords, word):
				return found
			case contains(i.codeWords, word):
				if !given {
					value = next()
				}
				found = appendFile(found, value)
			case contains(i.valueWords, word) && !given:
				next()
			}
		case arg[0] == '-' || arg[0] == '+' && i.plus:
			done := false
			found, done = i.cluster(arg[1:], found, next)
			if done {
				return found
			}
		default:
			return appendFile(found, arg)
		}
	}
	return found
}

// cluster reads a word of one-letter options, "-xeuc". done reports that code
// follows, not a file.
func (i *interpreter) cluster(letters string, found []string, next func() string) (files []string, done bool) {
	for n := range len(letters) {
		letter, rest := letters[n], letters[n+1:]
		switch {
		case strings.IndexByte(i.inline, letter) >= 0:
			return found, true
		case strings.IndexByte(i.code, letter) >= 0:
			if rest == "" {
				rest = next()
			}
			return appendFile(found, rest), false
		case strings.IndexByte(i.value, letter) >= 0:
			if rest == "" {
				next()
			}
			return found, false
		case strings.IndexByte(i.attached, letter) >= 0:
			return found, false
		}
	}
	return found, false
}

func javaFiles(args []string) []string {
	var found []string
	for n := 0; n < len(args); n++ {
		arg := args[n]
		word, value, given := strings.Cut(arg, "=")
		switch {
		case arg == "-jar":
			if n+1 < len(args) {
				found = appendFile(found, args[n+1])
			}
			return found
		case word == "-cp" || word == "-classpath" || word == "--class-path" || word == "-p" || word == "--module-path":
			if !given {
				if n++; n < len(args) {
					value = args[n]
				}
			}
			for part := range strings.SplitSeq(value, ":") {
				found = appendFile(found, part)
			}
		case strings.HasPrefix(arg, "-javaagent:"):
			found = appendFile(found, strings.TrimPrefix(word, "-javaagent:"))
		case arg == "-m" || arg == "--module":
			return found
		case strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "@"):
		default:
			// A class, or a source file to be run as it is.
			return appendFile(found, arg)
		}
	}
	return found
}

func appendFile(list []string, name string) []string {
	if name == "" || len(name) >= 4096 {
		return list
	}
	return append(list, name)
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}
