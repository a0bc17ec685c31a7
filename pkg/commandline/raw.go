package commandline

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// raw compares the words of a text that is no shell's language. Whatever ends a command in a
// shell ends one here; quotes are taken off.
func (s *shell) raw(text string) {
	if len(text) > maxScript {
		text = text[:maxScript]
	}
	fetch := ""
	for text != "" {
		end := strings.IndexAny(text, ";&|\n(){}`")
		segment, sign := text, byte('\n')
		if end >= 0 {
			segment, sign, text = text[:end], text[end], text[end+1:]
		} else {
			text = ""
		}
		words := strings.FieldsFunc(segment, func(r rune) bool { return r == ' ' || r == '\t' || r == '"' || r == '\'' || r == '\r' || r == ',' })
		for len(words) > 1 && (isAssignment(words[0]) || slices.Contains([]string{"then", "do", "else", "if", "while", "until", "!", "sudo", "exec"}, words[0])) {
			words = words[1:]
		}
		if len(words) > 0 {
			fetch = s.rawCommand(words, fetch)
		}
		if sign != '|' {
			fetch = ""
		}
	}
}

// rawCommand compares one command. It returns the fetcher whose output goes on.
func (s *shell) rawCommand(words []string, from string) string {
	args := make([]value, min(len(words), 64))
	for i := range args {
		args[i] = value{text: words[i], field: s.field}
	}
	name := args[0].program()
	if slices.Contains(shells, name) {
		if from != "" {
			s.e.found(fact.FetchAndRun, from+" | "+name, s.field, true)
		}
		return ""
	}
	// The rules are those of real commands, on an evaluation of their own: what they find is
	// marked.
	probe := &Evaluation{Options: s.e.Options}
	t := probe.shell()
	t.field = s.field
	t.install(name, args)
	for _, i := range probe.Result.Installs {
		s.e.found(i.Class, i.What, i.Field, true)
	}
	s.e.build(args)
	if _, ok := fetchers[name]; ok && probe.Result.InstallTotal == 0 {
		return name
	}
	if isFilter(name) || name == "tee" {
		return from
	}
	return ""
}

// windows evaluates the shells of Windows by their words alone.
func (s *shell) windows(name string, args []value) {
	for i := 1; i < len(args); i++ {
		text := strings.ToLower(args[i].text)
		switch {
		case name == "cmd" && (text == "/c" || text == "/k" || strings.HasPrefix(text, "/s")), name != "cmd" && (text == "-c" || text == "-command" || text == "/c"):
			all := ""
			for _, a := range args[i+1:] {
				all += a.text + " "
			}
			if all == "" {
				return
			}
			field := s.field
			if i+1 < len(args) {
				s.field = s.at(args[i+1].field)
			}
			s.raw(all)
			s.powershell(all)
			s.e.unread(fact.Unsupported) // its language is not parsed
			s.field = field
			return
		case name != "cmd" && (text == "-file" || text == "-f"):
			if i+1 < len(args) {
				s.execute(args[i+1], "pwsh")
			}
			return
		case name != "cmd" && strings.HasPrefix(text, "-enc"):
			s.e.unread(fact.Unsupported)
			return
		case name != "cmd" && !strings.HasPrefix(text, "-") && strings.HasSuffix(text, ".ps1"):
			s.execute(args[i], "pwsh")
			return
		}
	}
}

func (s *shell) powershell(text string) {
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	if has("iex ", "iex(", "invoke-expression") && has("downloadstring", "iwr ", "irm ", "invoke-webrequest", "invoke-restmethod", "curl ") {
		s.e.found(fact.FetchAndRun, "Invoke-WebRequest | Invoke-Expression", s.field, true)
	}
	if has("install-module", "install-package", "install-windowsfeature", "add-windowscapability") {
		s.e.found(fact.PackageManager, "Install-Package", s.field, true)
	}
}
