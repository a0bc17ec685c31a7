package remedy

import (
	"strconv"
	"strings"
)

// tokens splits the path of a field, as facts and findings write it, into the steps of a JSON
// pointer: "spec.template.spec.containers[0]" is spec, template, spec, containers, 0. A map's
// key that is not like a field's name stands in brackets: "metadata.annotations[a.b/c]". It
// returns false for a path that it could not have been written from.
func tokens(path string) ([]string, bool) {
	var out []string
	for path != "" {
		if path[0] == '[' {
			end := strings.IndexByte(path, ']')
			if end < 2 || strings.ContainsAny(path[1:end], "[\u2026") {
				return nil, false
			}
			out = append(out, path[1:end])
			path = path[end+1:]
			if path != "" && path[0] != '[' && path[0] != '.' {
				return nil, false
			}
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if end == 0 || !plain(path[:end]) {
			return nil, false
		}
		out = append(out, path[:end])
		path = path[end:]
	}
	return out, true
}

// plain reports whether text has the letters of a field's name.
func plain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return text != ""
}

// escaped are the characters that have a meaning in a JSON pointer (RFC 6901, section 3).
var escaped = strings.NewReplacer("~", "~0", "/", "~1")

// pointer writes a JSON pointer.
func pointer(steps ...string) string {
	var b strings.Builder
	for _, step := range steps {
		b.WriteByte('/')
		b.WriteString(escaped.Replace(step))
	}
	return b.String()
}

// entry is an entry of a list, as facts write it: "volumes[1]".
func entry(list string, index int) string { return list + "[" + strconv.Itoa(index) + "]" }

// child is a field below another one. A key of annotations or labels stands in brackets.
func child(parent, name string) string {
	switch {
	case !plain(name):
		return parent + "[" + name + "]"
	case parent == "":
		return name
	}
	return parent + "." + name
}
