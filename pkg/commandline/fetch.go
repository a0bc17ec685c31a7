package commandline

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// fetcher says how a program that fetches files names the file that it writes.
type fetcher struct {
	// verbs are the words that make it fetch; none if it always does.
	verbs []string
	// output are options whose value is the file, dir those whose value is its directory.
	output, dir []string
	// remote are options without a value that name the file as the URL does; byURL says that it
	// does so without them.
	remote []string
	byURL  bool
	// none are options with which nothing of the content comes.
	none []string
	// letters are the short options that take a value.
	letters string
	// fills: what it fetches fills its directory, under names that are not here.
	fills bool
	// copies: its last argument is the file, as with cp.
	copies bool
}

// Sources: curl(1), wget(1), aria2c(1) and the clouds' command-line references (28 November
// 2026).
var fetchers = map[string]fetcher{
	"curl": {
		output: []string{"-o", "--output"}, dir: []string{"--output-dir"}, remote: []string{"-O", "--remote-name", "--remote-name-all"},
		none: []string{"-I", "--head", "--version", "-V", "--help", "-h"}, letters: "oXHduAbceFmxTwKEUyYzCrDtPQ",
	},
	"wget": {
		output: []string{"-O", "--output-document"}, dir: []string{"-P", "--directory-prefix"}, byURL: true,
		none: []string{"--spider", "--version", "-V", "--help", "-h"}, letters: "OoaPtTUeiQBARDlw",
	},
	"aria2c":       {output: []string{"-o", "--out"}, dir: []string{"-d", "--dir"}, byURL: true, none: []string{"--version", "-v", "--help", "-h"}, letters: "odxsjkik"},
	"axel":         {output: []string{"-o", "--output"}, byURL: true, none: []string{"--version", "-V", "--help", "-h"}, letters: "onsUH"},
	"lwp-download": {byURL: true},
	"fetch":        {output: []string{"-o"}, byURL: true, letters: "oST"},
	"lynx":         {none: []string{"-version", "-help"}},
	"http":         {output: []string{"-o", "--output"}, none: []string{"--version", "--help"}, letters: "oa"},
	"aws":          {verbs: []string{"s3 cp", "s3 sync", "s3 mv"}, copies: true},
	"gsutil":       {verbs: []string{"cp", "rsync"}, copies: true},
	"gcloud":       {verbs: []string{"storage cp"}, copies: true},
	"mc":           {verbs: []string{"cp"}, copies: true},
	"s3cmd":        {verbs: []string{"get"}, copies: true},
	"rclone":       {verbs: []string{"copy", "copyto", "sync"}, copies: true},
	"scp":          {copies: true, letters: "ciFJloPSX"},
	"sftp":         {copies: true},
	"az":           {verbs: []string{"storage blob download"}, output: []string{"-f", "--file"}},
	"gh":           {verbs: []string{"release download"}, output: []string{"-O", "--output"}, dir: []string{"-D", "--dir"}, byURL: true},
	"rsync":        {copies: true, letters: "eMfTB"},
	"crane":        {verbs: []string{"export", "blob"}},
	"oras":         {verbs: []string{"pull"}, dir: []string{"-o", "--output"}, fills: true},
	"ftp":          {output: []string{"-o"}, byURL: true, letters: "oNPTqrskDUwx"}, // of BSD: [-o FILE] URL
	"lftpget":      {output: []string{"-o"}, byURL: true, letters: "o"},
	"ncftpget":     {byURL: true, letters: "uptPdfoF"},
}

// fetcher evaluates a program that fetches files.
func (s *shell) fetcher(name string, f fetcher, args []value) flow {
	if len(f.verbs) > 0 && matched(args[1:], f.verbs, nil) == "" {
		s.install(name, args)
		return flow{}
	}
	var output, dir string
	var words []value
	remote, stdout := f.byURL, !f.byURL && !f.copies
	for i := 1; i < len(args); i++ {
		option, val, ok := optionOf(args, &i, f.letters, f)
		switch {
		case !ok:
			words = append(words, args[i])
		case slices.Contains(f.none, option):
			return flow{}
		case slices.Contains(f.output, option):
			output, remote = val, false
			stdout = val == "-" || val == "/dev/stdout"
		case slices.Contains(f.dir, option):
			dir = val
			if !f.byURL {
				stdout = false
			}
		case slices.Contains(f.remote, option):
			remote, stdout = true, false
		}
	}
	switch {
	case f.fills:
		to := s.path(dir)
		if dir == "" {
			to = cmp.Or(s.dir, ".")
		}
		s.unpackedTo(to, archive{by: name, loose: dir == ""})
	case stdout:
		if len(words) == 0 {
			return flow{}
		}
		return flow{fetch: name}
	case f.copies:
		if len(words) < 2 {
			return flow{}
		}
		from, to := words[len(words)-2], words[len(words)-1]
		if to.text == "-" {
			return flow{fetch: name}
		}
		base := path.Base(from.text)
		switch host, file, remote := strings.Cut(from.text, ":"); {
		case strings.Contains(to.text, "://"): // no file is named: the URL's, here
			s.fetch(s.path(path.Base(to.text)), name)
			return flow{}
		case remote && !strings.Contains(host, "/") && !strings.HasPrefix(file, "//"): // HOST:FILE
			base = path.Base(file)
		case !remote && (name == "scp" || name == "rsync"): // to another host, or a copy
			return flow{}
		}
		s.fetch(s.path(to.text), name)
		s.fetch(path.Join(s.path(to.text), base), name)
	case remote:
		for _, w := range words {
			if base := urlBase(w.text); base != "" {
				s.fetch(s.path(path.Join(dir, base)), name)
			}
		}
	case output != "":
		s.fetch(s.path(path.Join(dir, output)), name)
	}
	return flow{}
}

// urlBase is the name of the file that a URL names.
func urlBase(url string) string {
	if at := strings.IndexAny(url, "?#"); at >= 0 {
		url = url[:at]
	}
	if _, rest, ok := strings.Cut(url, "://"); ok && !strings.Contains(rest, "/") {
		return ""
	}
	base := path.Base(url)
	if base == "." || base == "/" {
		return ""
	}
	return base
}

// optionOf reads an option with its value, in a cluster of short ones too: of "-sSLo" the
// last that matters. ok is false for a word that is no option.
func optionOf(args []value, i *int, letters string, f fetcher) (option, val string, ok bool) {
	text := args[*i].text
	next := func() string {
		if *i+1 < len(args) {
			*i++
			return args[*i].text
		}
		return ""
	}
	switch {
	case text == "-" || !strings.HasPrefix(text, "-"):
		return "", "", false
	case strings.HasPrefix(text, "--"):
		name, val, has := strings.Cut(text, "=")
		if !has && (slices.Contains(f.output, name) || slices.Contains(f.dir, name) || slices.Contains(longValued, name)) {
			val = next()
		}
		return name, val, true
	}
	option = text
	for at, letter := range text[1:] {
		short := "-" + string(letter)
		if strings.ContainsRune(letters, letter) {
			val = text[1+at+len(string(letter)):]
			if val == "" {
				val = next()
			}
			if slices.Contains(f.output, short) || slices.Contains(f.dir, short) {
				return short, val, true
			}
			if slices.Contains(f.remote, option) {
				return option, "", true
			}
			return short, val, true
		}
		if slices.Contains(f.remote, short) || slices.Contains(f.none, short) {
			option = short
		}
	}
	if len(letters) == 0 && (slices.Contains(f.output, text) || slices.Contains(f.dir, text)) {
		return text, next(), true
	}
	return option, "", true
}

// longValued are long options of curl and wget whose value is a word of its own.
var longValued = []string{
	"--header", "--data", "--user", "--request", "--retry", "--retry-delay", "--retry-max-time", "--max-time", "--connect-timeout", "--cacert", "--cert", "--key",
	"--proxy", "--user-agent", "--form", "--data-raw", "--data-binary", "--resolve", "--tries", "--timeout", "--write-out", "--cookie", "--region", "--endpoint-url",
	"--profile", "--exclude", "--include", "--pattern", "--repo", "--referer", "--range", "--limit-rate", "--interface", "--password", "--waitretry", "--post-data",
}

// inPath reports whether a file, or a directory, is where shells look for programs.
func inPath(file string) bool {
	dir := strings.TrimSuffix(file, "/")
	return slices.ContainsFunc([]string{dir, path.Dir(dir)}, func(d string) bool {
		base := path.Base(d)
		return base == "bin" || base == "sbin"
	})
}

// change evaluates chmod, install, mv, cp and ln: whether they make something that was fetched
// executable, or put it where shells look for programs.
func (s *shell) change(name string, args []value) {
	var words []value
	mode, target := "", ""
	for i := 1; i < len(args); i++ {
		text := args[i].text
		switch {
		case name == "chmod" && mode == "" && isMode(text):
			mode = text
		case name == "install" && (text == "-m" || text == "-o" || text == "-g"), (name == "mv" || name == "cp" || name == "install" || name == "ln") && text == "-t":
			if i+1 < len(args) {
				i++
				if text == "-t" {
					target = args[i].text
				}
			}
		case text == "--":
		case strings.HasPrefix(text, "-"):
		default:
			words = append(words, args[i])
		}
	}
	if name == "chmod" {
		if !executes(mode) {
			return
		}
		for _, w := range words {
			if by := s.fetchedFile(w.text); by != "" {
				s.e.found(fact.FetchExecutable, by+", then chmod +x", s.at(w.field), false)
			} else if by := s.e.unpacked[s.path(w.text)].by; by != "" {
				s.e.found(fact.FetchExecutable, by+", then chmod +x", s.at(w.field), false)
			}
		}
		return
	}
	if target == "" {
		if len(words) < 2 {
			return
		}
		target, words = words[len(words)-1].text, words[:len(words)-1]
	}
	for _, w := range words {
		by := cmp.Or(s.fetchedFile(w.text), w.from.fetch)
		if by == "" {
			from, to := s.path(w.text), s.path(target)
			base := path.Base(from)
			switch text, ok := s.e.written[from]; {
			case ok:
				s.write(value{text: target, field: w.field}, text)
			case base == "*" || strings.HasSuffix(w.text, "/."):
				s.copy(to+"/*", strings.TrimSuffix(from, "/*"))
			default:
				s.copy(to, s.original(from))
				s.copy(path.Join(to, base), s.original(from))
				s.copy(to+"/*", from) // if it is a directory
			}
			continue
		}
		to := s.path(target)
		s.fetch(to, by)
		s.fetch(path.Join(to, path.Base(w.text)), by)
		if inPath(to) {
			s.e.found(fact.FetchExecutable, by+", then "+name, s.at(w.field), false)
		}
	}
}

// isMode reports whether a word is a mode of chmod.
func isMode(text string) bool {
	if text == "" {
		return false
	}
	if _, err := strconv.ParseUint(text, 8, 32); err == nil {
		return true
	}
	return strings.Trim(text, "ugoa+-=rwxXst,") == "" && strings.ContainsAny(text, "+-=")
}

// executes reports whether a mode has an execute bit.
func executes(mode string) bool {
	if bits, err := strconv.ParseUint(mode, 8, 32); err == nil {
		return bits&0o111 != 0
	}
	for _, part := range strings.Split(mode, ",") {
		if at := strings.IndexAny(part, "+="); at >= 0 && strings.ContainsAny(part[at:], "xX") {
			return true
		}
	}
	return false
}

// unpack evaluates an archiver on what was fetched.
func (s *shell) unpack(name string, args []value, in flow) flow {
	dir, file, extracts, toStdout := "", value{}, name == "unzip", false
	for i := 1; i < len(args); i++ {
		text := args[i].text
		next := func() value {
			if i+1 < len(args) {
				i++
				return args[i]
			}
			return value{}
		}
		switch {
		case name == "unzip" && text == "-d", name != "unzip" && (text == "-C" || text == "--directory"):
			dir = next().text
		case strings.HasPrefix(text, "--directory="):
			dir = strings.TrimPrefix(text, "--directory=")
		case text == "--extract" || text == "--get":
			extracts = true
		case text == "--to-stdout", name == "unzip" && text == "-p":
			toStdout = true
		case text == "--file":
			file = next()
		case strings.HasPrefix(text, "--"):
		case name == "unzip" && strings.HasPrefix(text, "-"):
		case name == "unzip":
			if file.text == "" {
				file = args[i]
			}
		case strings.HasPrefix(text, "-") && len(text) > 1 || i == 1:
			extracts = extracts || strings.Contains(text, "x")
			toStdout = toStdout || strings.Contains(text, "O")
			if strings.HasSuffix(text, "f") {
				file = next()
			} else if strings.HasSuffix(text, "C") {
				dir = next().text
			}
		}
	}
	by := in.fetch
	if file.text != "" && file.text != "-" {
		by = s.fetchedFile(file.text)
		if file.from.fetch != "" {
			by = file.from.fetch
		}
	}
	if by == "" || !extracts {
		return flow{}
	}
	if toStdout {
		return flow{fetch: by}
	}
	to := s.path(dir)
	if dir == "" {
		if to = s.dir; to == "" {
			to = "."
		}
	}
	if inPath(to) && path.Base(to) != "." {
		s.e.found(fact.FetchExecutable, by+", then "+name, s.at(args[0].field), false)
	}
	s.unpackedTo(to, archive{by: by, loose: dir == ""})
	return flow{}
}

func (s *shell) unpackedTo(dir string, what archive) {
	if s.e.unpacked == nil {
		s.e.unpacked = map[string]archive{}
	}
	if len(s.e.unpacked) < maxRuns {
		what.field = s.at(s.e.line)
		s.e.unpacked[dir] = what
	}
}
