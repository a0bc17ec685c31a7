// Package pkgset makes one short text of all installed packages, so that hosts can be
// compared without sending the packages.
package pkgset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Set is a set of installed packages. The zero Set is empty. It keeps 32 bytes of a
// package, so that 100,000 take 3.2 MB.
type Set struct{ sums [][sha256.Size]byte }

// Reset empties the set.
func (s *Set) Reset() { s.sums = s.sums[:0] }

// Grow makes room for n packages.
func (s *Set) Grow(n int) { s.sums = slices.Grow(s.sums, n) }

// Add adds a package, in any order.
func (s *Set) Add(name, arch, version string) {
	line := make([]byte, 0, 256) // stays on the stack
	line = append(append(line, name...), 0)
	line = append(append(line, arch...), 0)
	s.sums = append(s.sums, sha256.Sum256(append(line, version...)))
}

// Sum is the SHA-256, in hex, of the sorted SHA-256 sums of "NAME\0ARCH\0VERSION"; ""
// for an empty set.
func (s *Set) Sum() string {
	if len(s.sums) == 0 {
		return ""
	}
	sorted.Func(s.sums, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	whole := sha256.New()
	for i := range s.sums {
		whole.Write(s.sums[i][:])
	}
	return hex.EncodeToString(whole.Sum(nil))
}
