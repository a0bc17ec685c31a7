package apt

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// aptSetting is one assignment of apt.conf(5), its name in lower case with
// "::" between the parts: {"apt::default-release", "stable"}.
type aptSetting struct{ name, value string }

// maxAptConfDepth bounds nested braces.
const maxAptConfDepth = 32

// parseAptConf reads an apt.conf file: "A::B value;", "A { B value; };", lists
// of bare values, and comments (// # /* */). Directives (#include, #clear) are
// not followed. Settings before an error are returned with it.
func parseAptConf(data []byte) ([]aptSetting, error) {
	var settings []aptSetting
	var scopes []string
	var words []string
	lex := confLexer{text: string(data), line: 1}
	for {
		token, kind, err := lex.next()
		if err != nil {
			return settings, fmt.Errorf("line %d: %w", lex.line, err)
		}
		name := func(last string) string {
			all := strings.Join(append(scopes[:len(scopes):len(scopes)], last), "::")
			return strings.ToLower(strings.TrimSuffix(all, "::"))
		}
		switch kind {
		case 0:
			if len(scopes) > 0 || len(words) > 0 {
				return settings, fmt.Errorf("line %d: %w: inside a block or before a semicolon", lex.line, rootfs.ErrCut)
			}
			return settings, nil
		case 'w':
			words = append(words, token)
		case '{':
			scope := ""
			if len(words) > 0 {
				scope = words[0]
			}
			if len(words) > 1 {
				settings = append(settings, aptSetting{name(words[0]), words[1]})
			}
			if len(scopes) == maxAptConfDepth {
				return settings, fmt.Errorf("line %d: more than %d nested blocks", lex.line, maxAptConfDepth)
			}
			scopes, words = append(scopes, strings.TrimSuffix(scope, "::")), nil
		case '}':
			if len(scopes) == 0 {
				return settings, fmt.Errorf("line %d: a closing brace without an opening one", lex.line)
			}
			scopes, words = scopes[:len(scopes)-1], nil
		case ';':
			switch len(words) {
			case 0:
			case 1: // an item of a list
				settings = append(settings, aptSetting{name(""), words[0]})
			default:
				settings = append(settings, aptSetting{name(words[0]), strings.Join(words[1:], " ")})
			}
			words = nil
		}
	}
}

// confLexer cuts apt.conf into words and the signs { } ; as kinds 'w' and
// themselves; kind 0 is the end.
type confLexer struct {
	text string
	line int
}

func (l *confLexer) next() (token string, kind byte, err error) {
	for l.text != "" {
		switch c := l.text[0]; {
		case c == '\n':
			l.line++
			l.text = l.text[1:]
		case c == ' ' || c == '\t' || c == '\r':
			l.text = l.text[1:]
		case c == '#' || strings.HasPrefix(l.text, "//"):
			end := strings.IndexByte(l.text, '\n')
			if end < 0 {
				end = len(l.text)
			}
			l.text = l.text[end:]
		case strings.HasPrefix(l.text, "/*"):
			comment, rest, found := strings.Cut(l.text[2:], "*/")
			if !found {
				return "", 0, fmt.Errorf("%w: inside a comment", rootfs.ErrCut)
			}
			l.line += strings.Count(comment, "\n")
			l.text = rest
		case c == '{' || c == '}' || c == ';':
			l.text = l.text[1:]
			return "", c, nil
		case c == '"':
			word, rest, found := strings.Cut(l.text[1:], `"`)
			if !found {
				return "", 0, fmt.Errorf("%w: inside a quoted word", rootfs.ErrCut)
			}
			l.line += strings.Count(word, "\n")
			l.text = rest
			return word, 'w', nil
		default:
			end := strings.IndexAny(l.text, " \t\r\n{};\"")
			if end < 0 {
				end = len(l.text)
			}
			word := l.text[:end]
			l.text = l.text[end:]
			return word, 'w', nil
		}
	}
	return "", 0, nil
}

// aptOptions are the settings of apt.conf that the collector uses.
type aptOptions struct {
	defaultRelease string
	archs          []string // APT::Architectures, where set
	// moved names settings that put files in places where we do not look.
	moved []string
}

// aptDefaults are the places of apt's files, by setting.
var aptDefaults = map[string]string{
	"rootdir": "", "dir": "/",
	"dir::state": "var/lib/apt", "dir::state::lists": "lists", "dir::state::status": "/var/lib/dpkg/status",
	"dir::etc": "etc/apt", "dir::etc::sourcelist": "sources.list", "dir::etc::sourceparts": "sources.list.d",
	"dir::etc::preferences": "preferences", "dir::etc::preferencesparts": "preferences.d",
	"dir::etc::main": "apt.conf", "dir::etc::parts": "apt.conf.d",
}

func (o *aptOptions) apply(settings []aptSetting) {
	for _, s := range settings {
		switch s.name {
		case "apt::default-release":
			o.defaultRelease = s.value
		case "apt::architectures":
			if s.value != "" {
				o.archs = append(o.archs, s.value)
			}
		default:
			usual, known := aptDefaults[s.name]
			if known && s.value != "" && strings.Trim(s.value, "/") != strings.Trim(usual, "/") {
				o.moved = append(o.moved, s.name+" "+rootfs.Excerpt(s.value))
			}
		}
	}
}
