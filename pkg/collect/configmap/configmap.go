// Package configmap looks for credentials in the data of ConfigMaps. It keeps the names
// of keys and of rules, and nothing of the data. The API collector and the manifest
// collector use it.
package configmap

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Scan collects what is found in ConfigMaps. The zero value is ready to use.
type Scan struct {
	// Offer is called with the data of each ConfigMap; nil if nobody wants it.
	Offer func(namespace, name string, data map[string]string)

	scan fact.ConfigMapScan
	buf  []byte
}

// Read counts the ConfigMaps so far.
func (s *Scan) Read() int { return s.scan.Read }

// Add looks at one ConfigMap. Origin names the file that it is from, "" for the API.
func (s *Scan) Add(origin string, m *corev1.ConfigMap) {
	s.scan.Read++
	if s.Offer != nil {
		s.Offer(m.Namespace, m.Name, m.Data)
	}
	for key, text := range m.Data {
		s.buf = append(s.buf[:0], text...)
		s.look(origin, m, key, s.buf)
	}
	for key, data := range m.BinaryData {
		s.look(origin, m, key, data)
	}
}

func (s *Scan) look(origin string, m *corev1.ConfigMap, key string, text []byte) {
	s.scan.Bytes += int64(len(text))
	found := credential.Find(key, text)
	if len(found) == 0 {
		return
	}
	s.scan.Total++
	if len(s.scan.Found) == fact.MaxConfigMapEntries {
		return
	}
	rules := credential.IDs(found)
	slices.Sort(rules)
	// The names are parts of a large answer, which would stay in memory with them.
	s.scan.Found = append(s.scan.Found, fact.ConfigMapEntry{
		Origin: origin, Namespace: strings.Clone(m.Namespace), Name: strings.Clone(m.Name), Key: strings.Clone(credential.KeptKey(key)), Rules: rules,
	})
}

// Result returns what was found, sorted. Truncated says that there are ConfigMaps that
// were not read.
func (s *Scan) Result(truncated bool) *fact.ConfigMapScan {
	out := s.scan
	out.Truncated = truncated
	sorted.Func(out.Found, func(a, b fact.ConfigMapEntry) int {
		return cmp.Or(
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name),
			strings.Compare(a.Origin, b.Origin), strings.Compare(a.Key, b.Key),
		)
	})
	return &out
}
