package stored

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
)

// MaxEncryptionConfiguration bounds the file that is parsed, bytes. A file of a
// few keys has under 2 KiB.
const MaxEncryptionConfiguration = 1 << 20

// ParseEncryptionConfiguration reads a file of kind EncryptionConfiguration
// (apiserver.config.k8s.io/v1; also v1 EncryptionConfig, which the API server
// still takes), YAML or JSON, and returns its resources with their providers in
// order. Keys are checked as the API server checks them, and dropped here: the
// result has no field for them.
//
// What the API server would refuse is an error, because such a file cannot be
// the one in use. What depends on its flags is not judged: that KMS v1 needs a
// feature gate, and that KMS v1 names must be unique where the file is
// reloaded.
//
// Errors name a field or a line and never quote the file: the quote could hold
// a key that was put in the wrong place. A panic costs only this file.
func ParseEncryptionConfiguration(data []byte) (entries []fact.EncryptionEntry, err error) {
	defer func() {
		if v := recover(); v != nil {
			entries, err = nil, fmt.Errorf("encryption configuration: a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	if len(data) > MaxEncryptionConfiguration {
		return nil, fmt.Errorf("encryption configuration: expected at most %d bytes, found %d", MaxEncryptionConfiguration, len(data))
	}
	root, err := decodeConfiguration(data)
	if err != nil {
		return nil, fmt.Errorf("encryption configuration: %w", err)
	}
	document := node{value: root}
	entries, err = parseConfiguration(document)
	if err != nil {
		return nil, fmt.Errorf("encryption configuration: %w", err)
	}
	return entries, nil
}

// decodeConfiguration decodes what starts with a brace as JSON and everything
// else as YAML, as the API server does: a flow mapping that is no JSON is
// refused. Numbers stay text, so that 1.0 is no integer here either.
func decodeConfiguration(data []byte) (any, error) {
	if bytes.HasPrefix(bytes.TrimLeftFunc(data, unicode.IsSpace), []byte("{")) {
		return decodeJSON(data)
	}
	text, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, errors.New(yamlProblem(err))
	}
	return decodeJSON(text)
}

var errNotJSON = errors.New("not valid JSON")

// decodeJSON decodes one value and refuses a field that appears twice.
func decodeJSON(data []byte) (any, error) {
	if !json.Valid(data) { // this also bounds the depth
		return nil, errNotJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decodeValue(decoder)
}

func decodeValue(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, errNotJSON
	}
	switch token {
	case json.Delim('{'):
		fields := map[string]any{}
		for decoder.More() {
			key, err := decoder.Token()
			name, isText := key.(string)
			if err != nil || !isText {
				return nil, errNotJSON
			}
			if _, twice := fields[name]; twice {
				return nil, errors.New("a field appears twice")
			}
			if fields[name], err = decodeValue(decoder); err != nil {
				return nil, err
			}
		}
		_, err = decoder.Token()
		return fields, err
	case json.Delim('['):
		items := []any{}
		for decoder.More() {
			item, err := decodeValue(decoder)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err = decoder.Token()
		return items, err
	}
	return token, nil
}

// yamlProblem keeps only the line number of a YAML error and whether it is
// about a repeated key, and nothing else of its text.
func yamlProblem(err error) string {
	text := err.Error()
	problem := "not valid YAML"
	if strings.Contains(text, "already set in map") {
		problem = "a field appears twice"
	}
	const mark = "line "
	for rest := text; ; {
		_, after, found := strings.Cut(rest, mark)
		if !found {
			return problem
		}
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		if digits > 0 && digits < 8 && strings.HasPrefix(after[digits:], ":") {
			return problem + ", line " + after[:digits]
		}
		rest = after
	}
}

func parseConfiguration(document node) ([]fact.EncryptionEntry, error) {
	top, err := document.object("apiVersion", "kind", "resources")
	if err != nil {
		return nil, err
	}
	apiVersion, err := top["apiVersion"].text()
	if err != nil {
		return nil, err
	}
	kind, err := top["kind"].text()
	if err != nil {
		return nil, err
	}
	if !(apiVersion == "apiserver.config.k8s.io/v1" && kind == "EncryptionConfiguration" ||
		apiVersion == "v1" && kind == "EncryptionConfig") {
		return nil, errors.New("expected apiVersion apiserver.config.k8s.io/v1 and kind EncryptionConfiguration, found another kind of file")
	}
	items, err := top["resources"].list()
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("resources: at least one entry is required")
	}
	entries := make([]fact.EncryptionEntry, 0, len(items))
	kmsNames := map[string]bool{}
	for _, item := range items {
		entry, err := parseEntry(item, kmsNames)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if err := checkMasked(entries); err != nil {
		return nil, err
	}
	return entries, nil
}

func parseEntry(item node, kmsNames map[string]bool) (fact.EncryptionEntry, error) {
	var entry fact.EncryptionEntry
	fields, err := item.object("resources", "providers")
	if err != nil {
		return entry, err
	}
	names, err := fields["resources"].list()
	if err != nil {
		return entry, err
	}
	if len(names) == 0 {
		return entry, fields["resources"].errorf("at least one name is required")
	}
	for _, name := range names {
		text, err := name.text()
		if err != nil {
			return entry, err
		}
		if problem := resourceNameProblem(text); problem != "" {
			return entry, name.errorf("%s", problem)
		}
		entry.Resources = append(entry.Resources, text)
	}
	if problem := overlapProblem(entry.Resources); problem != "" {
		return entry, fields["resources"].errorf("%s", problem)
	}
	providers, err := fields["providers"].list()
	if err != nil {
		return entry, err
	}
	if len(providers) == 0 {
		return entry, fields["providers"].errorf("at least one provider is required")
	}
	for _, p := range providers {
		provider, err := parseProvider(p, kmsNames)
		if err != nil {
			return entry, err
		}
		entry.Providers = append(entry.Providers, provider)
	}
	return entry, nil
}

var providerTypes = []string{"aescbc", "aesgcm", "identity", "kms", "secretbox"}

func parseProvider(item node, kmsNames map[string]bool) (fact.EncryptionProvider, error) {
	fields, err := item.object(providerTypes...)
	if err != nil {
		return fact.EncryptionProvider{}, err
	}
	given := ""
	for _, t := range providerTypes {
		if fields[t].value == nil {
			continue
		}
		if given != "" {
			return fact.EncryptionProvider{}, item.errorf("more than one provider in one element (%s and %s)", given, t)
		}
		given = t
	}
	switch given {
	case "":
		return fact.EncryptionProvider{}, item.errorf("expected one of %s", strings.Join(providerTypes, ", "))
	case "identity":
		_, err := fields[given].object()
		return fact.EncryptionProvider{Type: given}, err
	case "kms":
		return parseKMS(fields[given], kmsNames)
	case "secretbox":
		return parseKeys(fields[given], given, 32)
	default:
		return parseKeys(fields[given], given, 16, 24, 32)
	}
}

// parseKeys reads the names of the keys. Key material is looked at only for
// its length, in bytes.
func parseKeys(item node, providerType string, lengths ...int) (fact.EncryptionProvider, error) {
	provider := fact.EncryptionProvider{Type: providerType}
	fields, err := item.object("keys")
	if err != nil {
		return provider, err
	}
	keys, err := fields["keys"].list()
	if err != nil {
		return provider, err
	}
	if len(keys) == 0 {
		return provider, fields["keys"].errorf("at least one key is required")
	}
	for _, k := range keys {
		key, err := k.object("name", "secret")
		if err != nil {
			return provider, err
		}
		name, err := key["name"].text()
		if err != nil {
			return provider, err
		}
		if name == "" {
			return provider, key["name"].errorf("required")
		}
		encoded, err := key["secret"].text()
		if err != nil {
			return provider, err
		}
		if encoded == "" {
			return provider, key["secret"].errorf("required")
		}
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return provider, key["secret"].errorf("expected base64")
		}
		if !slices.Contains(lengths, len(raw)) {
			return provider, key["secret"].errorf("expected a key of one of %v bytes, found %d", lengths, len(raw))
		}
		clear(raw)
		provider.Keys = append(provider.Keys, name)
	}
	return provider, nil
}

func parseKMS(item node, names map[string]bool) (fact.EncryptionProvider, error) {
	provider := fact.EncryptionProvider{Type: "kms"}
	fields, err := item.object("apiVersion", "name", "cachesize", "endpoint", "timeout")
	if err != nil {
		return provider, err
	}
	if provider.APIVersion, err = fields["apiVersion"].text(); err != nil {
		return provider, err
	}
	switch provider.APIVersion {
	case "":
		provider.APIVersion = "v1" // the API server's default
	case "v1", "v2":
	default:
		return provider, fields["apiVersion"].errorf("expected v1 or v2")
	}
	if provider.Name, err = fields["name"].text(); err != nil {
		return provider, err
	}
	if provider.Name == "" {
		return provider, fields["name"].errorf("required")
	}
	if provider.APIVersion == "v2" && strings.Contains(provider.Name, ":") {
		return provider, fields["name"].errorf("must not contain ':' for KMS v2")
	}
	if provider.APIVersion == "v2" && names[provider.Name] {
		return provider, fields["name"].errorf("the name of an earlier KMS provider")
	}
	names[provider.Name] = true

	size, given, err := fields["cachesize"].int32()
	if err != nil {
		return provider, err
	}
	if given && provider.APIVersion == "v2" {
		return provider, fields["cachesize"].errorf("not supported for KMS v2")
	}
	if given && size == 0 {
		return provider, fields["cachesize"].errorf("expected a positive number, or a negative one to disable")
	}
	if fields["timeout"].value != nil {
		text, err := fields["timeout"].text()
		if err != nil {
			return provider, err
		}
		if d, err := time.ParseDuration(text); err != nil || d <= 0 {
			return provider, fields["timeout"].errorf("expected a positive duration like 3s")
		}
	}
	if provider.Endpoint, err = fields["endpoint"].text(); err != nil {
		return provider, err
	}
	if !unixURL(provider.Endpoint) {
		return provider, fields["endpoint"].errorf("expected a unix:// URL")
	}
	return provider, nil
}

// unixURL reports whether the API server takes an endpoint: a URL of scheme
// unix. url.Parse would add 100 KB to the probe. This refuses what it refuses,
// and odd characters between // and the next slash, where a socket's path has
// nothing.
func unixURL(s string) bool {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !strings.EqualFold(scheme, "unix") || strings.ContainsFunc(rest, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return false
	}
	for i := range len(rest) {
		if rest[i] == '%' && (i+2 >= len(rest) || !hexDigit(rest[i+1]) || !hexDigit(rest[i+2])) {
			return false
		}
	}
	authority, found := strings.CutPrefix(rest, "//")
	if !found {
		return true
	}
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	for i := range len(authority) {
		if c := authority[i]; c != '@' && c != '~' && (c == '/' || !plainNameByte(c)) {
			return false
		}
	}
	return true
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// resourceNameProblem says why the API server refuses a name under resources.
func resourceNameProblem(name string) string {
	resource, group, _ := strings.Cut(name, ".")
	switch {
	case strings.ToLower(name) != name:
		return "capital letters in a resource name"
	case name == "*":
		return "a bare '*': expected '*.' for the core group or '*.*' for everything"
	case name == "apiserveripinfo" || name == "serviceipallocations" || name == "servicenodeportallocations":
		return "not a resource of the API"
	case group == "events.k8s.io":
		return "events are stored in the core group: expected events"
	case group == "extensions":
		return "the group extensions has been removed"
	case group == "*" && resource != "*":
		return "one resource across all groups"
	}
	return ""
}

// overlapProblem says why the API server refuses the names of one entry together.
func overlapProblem(names []string) string {
	for i, a := range names {
		for j, b := range names {
			if i == j {
				continue
			}
			resourceA, groupA, _ := strings.Cut(a, ".")
			resourceB, groupB, _ := strings.Cut(b, ".")
			switch {
			case resourceA == resourceB && groupA == groupB:
				return "the same resource twice"
			case resourceA == "*" && groupA == "*",
				groupA == groupB && (resourceA == "*" || resourceB == "*"):
				return "overlapping names in one list"
			}
		}
	}
	return ""
}

// checkMasked refuses a name after a wildcard that covers it, as the API server
// does: it would never take effect.
func checkMasked(entries []fact.EncryptionEntry) error {
	seen := map[string]bool{} // groups of "*.GROUP"
	for i, entry := range entries {
		for j, name := range entry.Resources {
			_, group, _ := strings.Cut(name, ".")
			if seen[group] || seen["*"] {
				return fmt.Errorf("resources[%d].resources[%d]: masked by an earlier wildcard", i, j)
			}
			if resource, _, _ := strings.Cut(name, "."); resource == "*" {
				seen[group] = true
			}
		}
	}
	return nil
}

// node is a decoded JSON value and the path to it. Absent fields and null are
// the same, as in Kubernetes' own decoder.
type node struct {
	path  string
	value any
}

func (n node) errorf(format string, args ...any) error {
	path := n.path
	if path == "" {
		path = "document"
	}
	return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
}

// object returns the known fields, each with its path. An unknown field is an
// error that does not name it, because a pasted key could be its name.
func (n node) object(known ...string) (map[string]node, error) {
	fields, isMap := n.value.(map[string]any)
	if !isMap && (n.value != nil || n.path == "") {
		return nil, n.errorf("expected an object, found %s", n.kind())
	}
	out := make(map[string]node, len(known))
	left := len(fields)
	for _, name := range known {
		path := name
		if n.path != "" {
			path = n.path + "." + name
		}
		value, present := fields[name]
		if present {
			left--
		}
		out[name] = node{path: path, value: value}
	}
	if left > 0 {
		if len(known) == 0 {
			return nil, n.errorf("an unknown field: expected none")
		}
		return nil, n.errorf("an unknown field: expected only %s", strings.Join(known, ", "))
	}
	return out, nil
}

func (n node) list() ([]node, error) {
	items, isList := n.value.([]any)
	if !isList && n.value != nil {
		return nil, n.errorf("expected a list, found %s", n.kind())
	}
	out := make([]node, len(items))
	for i, item := range items {
		out[i] = node{path: fmt.Sprintf("%s[%d]", n.path, i), value: item}
	}
	return out, nil
}

func (n node) text() (string, error) {
	text, isText := n.value.(string)
	if !isText && n.value != nil {
		return "", n.errorf("expected text, found %s", n.kind())
	}
	return text, nil
}

func (n node) int32() (value int64, given bool, err error) {
	if n.value == nil {
		return 0, false, nil
	}
	number, isNumber := n.value.(json.Number)
	if !isNumber {
		return 0, false, n.errorf("expected a number, found %s", n.kind())
	}
	value, err = number.Int64()
	if err != nil || value != int64(int32(value)) {
		return 0, false, n.errorf("expected a 32-bit integer")
	}
	return value, true, nil
}

func (n node) kind() string {
	switch n.value.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "text"
	case []any:
		return "a list"
	}
	return "an object"
}
