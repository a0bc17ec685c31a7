package fact

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// CapMask is a capability set as /proc/PID/status shows it (CapEff and similar
// fields, capabilities(7)): bit n is capability number n. The zero CapMask means
// "not read", never "none".
type CapMask struct {
	bits uint64
	read bool
}

// NewCapMask returns the mask that was read.
func NewCapMask(bits uint64) CapMask { return CapMask{bits: bits, read: true} }

// ParseCapMask reads the 16 hex digits of a status line.
func ParseCapMask(text string) (CapMask, error) {
	bits, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
	if err != nil {
		return CapMask{}, fmt.Errorf("capability mask: expected up to 16 hex digits, found %q", text)
	}
	return NewCapMask(bits), nil
}

// Bits returns the mask and reports whether it was read.
func (m CapMask) Bits() (bits uint64, read bool) { return m.bits, m.read }

// IsZero reports whether the mask was not read. encoding/json's omitzero uses it.
func (m CapMask) IsZero() bool { return !m.read }

// Has reports whether capability number n is in a mask that was read.
func (m CapMask) Has(n uint) bool { return m.read && n < 64 && m.bits&(1<<n) != 0 }

// String returns the 16 hex digits that /proc prints, or "not read".
func (m CapMask) String() string {
	if !m.read {
		return "not read"
	}
	return fmt.Sprintf("%016x", m.bits)
}

// MarshalJSON writes the hex digits, or null for a mask that was not read.
func (m CapMask) MarshalJSON() ([]byte, error) {
	if !m.read {
		return []byte("null"), nil
	}
	return json.Marshal(m.String())
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *CapMask) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("capability mask: expected a string of hex digits: %w", err)
	}
	if text == nil {
		*m = CapMask{}
		return nil
	}
	parsed, err := ParseCapMask(*text)
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}
