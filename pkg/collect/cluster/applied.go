package cluster

import (
	"encoding/json"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// maxApplied bounds the annotation that is read, in bytes. The API server takes 256 KiB of
// annotations for an object.
const maxApplied = 1 << 20

// appliedKeys returns the keys of data and stringData in a Secret's annotation
// kubectl.kubernetes.io/last-applied-configuration that have a value there. kubectl apply
// writes the object into it as JSON, as it was in the file. The values are skipped and
// never copied. Unread is true if there is an annotation and it is not such an object.
//
// The text itself was allocated by the decoder of the list. Go cannot erase a string, so
// the caller drops the annotations, and the memory is used again.
func appliedKeys(annotation string) (keys []string, unread bool) {
	if annotation == "" {
		return nil, false
	}
	var object *struct {
		Data       map[string]hasValue `json:"data"`
		StringData map[string]hasValue `json:"stringData"`
	}
	// The error is not kept: it can quote what it reads.
	if len(annotation) > maxApplied || json.Unmarshal([]byte(annotation), &object) != nil || object == nil {
		return nil, true
	}
	for _, values := range []map[string]hasValue{object.Data, object.StringData} {
		for key, has := range values {
			switch {
			case !bool(has):
			case !isSecretKey(key):
				unread = true // no API server takes it, so it is not what it seems
			default:
				keys = append(keys, credential.KeptKey(key))
			}
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) > fact.MaxAppliedKeys {
		keys = append(slices.Clone(keys[:fact.MaxAppliedKeys]), "…")
	}
	return keys, unread
}

// hasValue reports whether a JSON value is there and is not null or an empty string.
type hasValue bool

// UnmarshalJSON looks at the value's first bytes only.
func (h *hasValue) UnmarshalJSON(value []byte) error {
	*h = hasValue(len(value) > 0 && string(value) != "null" && string(value) != `""`)
	return nil
}

// isSecretKey reports whether the API server takes a key of a Secret's data:
// "[-._a-zA-Z0-9]+", at most 253 characters.
func isSecretKey(key string) bool {
	for i := range len(key) {
		c := key[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return key != "" && len(key) <= 253
}
