package manifest

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// convert turns YAML into JSON. A key that is there twice is an error. The library says that
// also of a key that overrides one of a merge (<<), which is what merges are for.
func convert(text []byte) ([]byte, error) {
	out, err := yaml.YAMLToJSONStrict(text)
	if err != nil && twice.MatchString(err.Error()) && duplicate(text) == 0 {
		return yaml.YAMLToJSON(text)
	}
	return out, err
}

// separator matches a line that separates documents, as YAML's line breaks have it: a carriage
// return, NEL, LS and PS end a line, too. The splitter, like kubectl, knows only the line feed.
var separator = regexp.MustCompile(`(?:[\n\r]|\x{85}|\x{2028}|\x{2029})(?:---|\.\.\.)(?:[ \t\n\r]|\x{85}|\x{2028}|\x{2029}|$)`)

// notEmpty matches a line with more than a comment or a directive.
var notEmpty = regexp.MustCompile(`(?:^|[\n\r]|\x{85}|\x{2028}|\x{2029})[ \t]*[^ \t\n\r#%\x{85}\x{2028}\x{2029}]`)

// hidden returns the line of a separator in the text of one document: the library reads only
// what is before it. It is 0 if there is none.
func hidden(text []byte) int {
	if !bytes.Contains(text, []byte("---")) && !bytes.Contains(text, []byte("...")) {
		return 0
	}
	for _, at := range separator.FindAllIndex(text, -1) {
		if notEmpty.Match(text[:at[0]]) && notEmpty.Match(text[at[1]:]) {
			return 1 + bytes.Count(text[:at[0]+1], []byte("\n"))
		}
	}
	return 0
}

// expanded is the size of a document with its aliases in full, bytes, at most limit + 1. It is
// 0 if there is no alias.
func expanded(text []byte, limit int) int {
	if bytes.IndexByte(text, '&') < 0 || bytes.IndexByte(text, '*') < 0 {
		return 0
	}
	sizes := map[*yamlv3.Node]int{}
	aliases := false
	var size func(n *yamlv3.Node) int
	size = func(n *yamlv3.Node) int {
		if known, found := sizes[n]; found {
			return known
		}
		sizes[n] = 0 // for an anchor that contains itself, which is an error elsewhere
		total := len(n.Value) + 1
		if n.Kind == yamlv3.AliasNode {
			aliases, total = true, size(n.Alias)
		}
		for _, inner := range n.Content {
			total = min(total+size(inner), limit+1)
		}
		sizes[n] = total
		return total
	}
	root := parseNodes(text)
	if root == nil {
		return 0
	}
	if total := size(root); aliases {
		return total
	}
	return 0
}

// CheckYAML reports whether text is one YAML document that can be read; if not,
// the line (0 if unknown), and what is wrong, in our own words only.
func CheckYAML(text []byte) (line int, problem string) {
	if _, err := convert(text); err != nil {
		return yamlProblem(text, err)
	}
	return 0, ""
}

// yamlError is how the library begins its errors. What follows may quote the
// text and is never shown.
var yamlError = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:line ([0-9]{1,9}): )?`)

// twice is the library's error about a key that a map has already.
var twice = regexp.MustCompile(`(?s)^(?:error converting YAML to JSON: )?yaml: unmarshal errors:\n  line [0-9]{1,9}: key .* already set in map`)

// yamlWords are the library's words that quote nothing of the text, and our
// own.
var yamlWords = map[string]string{
	"found a tab character that violates indentation":              "a tab in the indentation",
	"found a tab character where an indentation space is expected": "a tab in the indentation",
	"found character that cannot start any token":                  "a character that cannot start a value: a tab, @, ` or %",
	"mapping values are not allowed in this context":               "a colon where no key can be",
	"did not find expected key":                                    "a key is expected: check the indentation",
	"did not find expected '-' indicator":                          "an item of a list is expected: check the indentation",
	"did not find expected ',' or ']'":                             "a list in brackets is not closed",
	"did not find expected ',' or '}'":                             "a map in braces is not closed",
	"found unexpected end of stream":                               "a quoted value is not closed",
	"could not find expected ':'":                                  "a key without a colon",
	"found unknown escape character":                               "an unknown escape in a quoted value",
	"block sequence entries are not allowed in this context":       "an item of a list where none can be",
	"did not find expected whitespace or line break":               "a space is missing",
	"did not find expected alphabetic or numeric character":        "an anchor or alias without a name",
	"did not find expected node content":                           "a value is missing",
	"did not find expected <document start>":                       "text behind the end of the document",
	"did not find expected comment or line break":                  "text behind a value",
	"did not find a comment or line break":                         "text behind a value",
	"control characters are not allowed":                           "bytes that are no text",
	"invalid leading UTF-8 octet":                                  "bytes that are no text",
	"invalid trailing UTF-8 octet":                                 "bytes that are no text",
	"incomplete UTF-8 octet sequence":                              "bytes that are no text",
	"invalid length of a UTF-8 sequence":                           "bytes that are no text",
	"invalid Unicode character":                                    "bytes that are no text",
	"document contains excessive aliasing":                         "too many aliases",
	"map merge requires map or sequence of maps as the value":      "a merge key (<<) without a map",
	"exceeded max depth of 10000":                                  "nested too deeply",
}

// yamlProblem words an error of YAMLToJSON. Line counts from the start of text.
func yamlProblem(text []byte, err error) (line int, problem string) {
	const general = "not valid YAML"
	said := err.Error()
	if strings.HasPrefix(said, "json: unsupported value") {
		return noNumber(parseNodes(text)), "a number that JSON does not have: .nan or .inf"
	}
	if twice.MatchString(said) {
		return duplicate(text), general + ": a key that is there twice"
	}
	match := yamlError.FindStringSubmatch(said)
	if match == nil {
		return 0, general
	}
	if match[1] != "" {
		if line, err = strconv.Atoi(match[1]); err != nil {
			line = 0
		}
	}
	said = said[len(match[0]):]
	if words, found := yamlWords[said]; found {
		return line, general + ": " + words
	}
	switch {
	case strings.HasPrefix(said, "invalid map key: "):
		words := "a key that is no text"
		if strings.Contains(string(text), "{{") {
			words += "; is this a template that was not rendered?"
		}
		return oddKey(text), general + ": " + words
	case strings.HasPrefix(said, "unknown anchor '"):
		return line, general + ": an alias of an anchor that does not exist"
	case strings.HasPrefix(said, "anchor '"):
		return line, general + ": an anchor that contains itself"
	}
	return line, general
}

// noNumber is the line of the first number that JSON does not have, 0 if there is none.
func noNumber(node *yamlv3.Node) int {
	if node == nil {
		return 0
	}
	if node.Kind == yamlv3.ScalarNode && node.Tag == "!!float" {
		switch strings.ToLower(strings.TrimLeft(node.Value, "+-")) {
		case ".nan", ".inf":
			return node.Line
		}
	}
	for _, inner := range node.Content {
		if line := noNumber(inner); line > 0 {
			return line
		}
	}
	return 0
}

// parseNodes reads text for the lines of its values; nil if that fails.
func parseNodes(text []byte) (root *yamlv3.Node) {
	defer func() {
		if recover() != nil {
			root = nil // then there is no line to name
		}
	}()
	var document yamlv3.Node
	if yamlv3.Unmarshal(text, &document) != nil || len(document.Content) == 0 {
		return nil
	}
	return document.Content[0]
}

// duplicate is the line of the first key that its map has already, 0 if there is none.
func duplicate(text []byte) int {
	found := 0
	var walk func(n *yamlv3.Node)
	walk = func(n *yamlv3.Node) {
		seen := map[string]bool{}
		for i, inner := range n.Content {
			if found > 0 {
				return
			}
			if n.Kind == yamlv3.MappingNode && i%2 == 0 && inner.Kind == yamlv3.ScalarNode {
				if seen[inner.Value] {
					found = inner.Line
					return
				}
				seen[inner.Value] = true
			}
			walk(inner)
		}
	}
	if root := parseNodes(text); root != nil {
		walk(root)
	}
	return found
}

// oddKey is the line of the first key that is no scalar, 0 if there is none.
func oddKey(text []byte) int {
	found := 0
	var walk func(n *yamlv3.Node)
	walk = func(n *yamlv3.Node) {
		for i, inner := range n.Content {
			if found > 0 {
				return
			}
			if n.Kind == yamlv3.MappingNode && i%2 == 0 && (inner.Kind == yamlv3.MappingNode || inner.Kind == yamlv3.SequenceNode) {
				found = inner.Line
				return
			}
			walk(inner)
		}
	}
	if root := parseNodes(text); root != nil {
		walk(root)
	}
	return found
}

// lineOf is the line of the value at a path of keys and indices, or of the
// innermost one above it that exists; 0 if that is not known.
func lineOf(text []byte, path []any) int {
	node := parseNodes(text)
	if node == nil {
		return 0
	}
	line := node.Line
	for _, step := range path {
		if node.Kind == yamlv3.AliasNode {
			node = node.Alias
		}
		var next *yamlv3.Node
		switch step := step.(type) {
		case string:
			if node.Kind != yamlv3.MappingNode {
				return line
			}
			for i := 0; i+1 < len(node.Content); i += 2 {
				if node.Content[i].Value == step {
					next = node.Content[i+1]
					line = node.Content[i].Line // of the key: the value may start below it
				}
			}
		case int:
			if node.Kind == yamlv3.SequenceNode && step < len(node.Content) {
				next = node.Content[step]
				line = next.Line
			}
		}
		if next == nil {
			return line
		}
		node = next
	}
	return line
}
