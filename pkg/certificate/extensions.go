package certificate

import (
	"strconv"
	"strings"
)

// extensions are those that are read.
type extensions struct {
	ca             bool
	names          []string // DNS names and addresses, in order
	authority, own []byte   // key identifiers
}

// Tags of GeneralName (RFC 5280 4.2.1.6).
const (
	nameDNS = 0x82
	nameIP  = 0x87
)

// read reads what follows the public key.
func (e *extensions) read(in input) error {
	if len(in) == 0 || in[0] != tagContext3 {
		return nil
	}
	in, ok := in.take(tagContext3)
	if !ok {
		return errExtension
	}
	if in, ok = in.take(tagSequence); !ok {
		return errExtension
	}
	seen := map[string]bool{}
	for len(in) > 0 {
		ext, ok := in.take(tagSequence)
		if !ok {
			return errExtension
		}
		id, ok := ext.take(tagOID)
		if !ok || seen[string(id)] || !ext.skip(tagBoolean) {
			return errExtension
		}
		seen[string(id)] = true
		value, ok := ext.take(tagOctetString)
		if !ok {
			return errExtension
		}
		if err := e.one(id.oid(), value); err != nil {
			return err
		}
	}
	return nil
}

func (e *extensions) one(id string, value input) error {
	switch id {
	case "2.5.29.14": // subjectKeyIdentifier
		own, ok := value.take(tagOctetString)
		if !ok {
			return errExtension
		}
		e.own = own
	case "2.5.29.35": // authorityKeyIdentifier
		all, ok := value.take(tagSequence)
		if !ok {
			return errExtension
		}
		if key, ok := all.take(0x80); ok {
			e.authority = key
		}
	case "2.5.29.19": // basicConstraints
		all, ok := value.take(tagSequence)
		if !ok {
			return errExtension
		}
		if ca, ok := all.take(tagBoolean); ok {
			e.ca = len(ca) == 1 && ca[0] == 0xff
		}
	case "2.5.29.17": // subjectAltName
		all, ok := value.take(tagSequence)
		if !ok {
			return errExtension
		}
		for len(all) > 0 {
			tag, name, _, ok := all.next()
			if !ok {
				return errExtension
			}
			if err := e.name(tag, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *extensions) name(tag byte, name input) error {
	switch tag {
	case nameDNS:
		for _, c := range name {
			switch {
			case c < ' ' || c == 0x7f:
				return errControl
			case c > 0x7f:
				return errExtension
			}
		}
		e.names = append(e.names, bounded(string(name)))
	case nameIP:
		if len(name) != 4 && len(name) != 16 {
			return errExtension
		}
		e.names = append(e.names, address(name))
	}
	return nil
}

// address writes an IP address as net.IP does: RFC 5952, and IPv4 also for what is mapped
// into IPv6. (net/netip is not linked into the probe.)
func address(b []byte) string {
	if len(b) == 16 && string(b[:12]) == "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff" {
		b = b[12:]
	}
	var text strings.Builder
	if len(b) == 4 {
		for i, c := range b {
			if i > 0 {
				text.WriteByte('.')
			}
			text.WriteString(strconv.Itoa(int(c)))
		}
		return text.String()
	}
	// The longest run of at least two zero groups, the first of equal ones, is "::".
	start, end := 8, 8
	for i := 0; i < 8; i++ {
		j := i
		for j < 8 && b[2*j] == 0 && b[2*j+1] == 0 {
			j++
		}
		if j-i >= 2 && j-i > end-start {
			start, end = i, j
		}
	}
	for i := 0; i < 8; i++ {
		if i == start {
			text.WriteString("::")
			i = end
		} else if i > 0 {
			text.WriteByte(':')
		}
		if i < 8 {
			text.WriteString(strconv.FormatUint(uint64(b[2*i])<<8|uint64(b[2*i+1]), 16))
		}
	}
	return text.String()
}
