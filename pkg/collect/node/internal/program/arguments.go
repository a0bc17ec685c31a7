package program

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// MaxConfigFile bounds a file that holds flags, bytes. OpenShift's has about 8 KiB.
const MaxConfigFile = 1 << 20

// Setting is one flag with one value.
type Setting struct{ Name, Value string }

// ErrNotYAML stands for a parser's own words, which quote the file.
var ErrNotYAML = rootfs.NewError(fact.Corrupt, "expected YAML or JSON")

// Words reads the values of one flag: a list of text, or a single value.
func Words(raw json.RawMessage) ([]string, error) {
	var value any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, ErrNotYAML
	}
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	var words []string
	for _, v := range list {
		switch v := v.(type) {
		case nil:
		case string:
			words = append(words, v)
		case bool:
			words = append(words, strconv.FormatBool(v))
		case json.Number:
			words = append(words, v.String())
		default:
			return nil, errors.New("expected text, or a list of text")
		}
	}
	return words, nil
}
