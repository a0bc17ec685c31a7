package certificate

import (
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxName bounds a subject, an issuer and an alternative name, in bytes.
const MaxName = 256

// bounded cuts a text to MaxName bytes, with "…" in place of what is cut.
func bounded(text string) string {
	if len(text) <= MaxName {
		return text
	}
	const mark = "…"
	cut := MaxName - len(mark)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}

// attributes are the short names of RFC 2253 that crypto/x509/pkix uses, too.
var attributes = map[string]string{
	"2.5.4.6": "C", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.3": "CN", "2.5.4.5": "SERIALNUMBER",
	"2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.17": "POSTALCODE",
}

// takeName takes a Name and writes it as RFC 2253 does: the last part first.
func takeName(in *input) (raw input, text string, err error) {
	all, raw, ok := in.takeWhole(tagSequence)
	if !ok {
		return nil, "", errName
	}
	text, err = nameText(all)
	return raw, text, err
}

// Name writes a Name in DER (an RDNSequence) as Parse writes a subject: one of the
// authorities that a TLS server takes client certificates of, for example.
func Name(der []byte) (string, error) {
	if len(der) > MaxSize {
		return "", errName
	}
	in := input(der)
	_, text, err := takeName(&in)
	if err == nil && len(in) != 0 {
		err = errName
	}
	return text, err
}

func nameText(all input) (string, error) {
	var parts []string
	for len(all) > 0 {
		set, ok := all.take(tagSet)
		if !ok {
			return "", errName
		}
		var values []string
		for len(set) > 0 {
			one, ok := set.take(tagSequence)
			if !ok {
				return "", errName
			}
			value, err := attribute(one)
			if err != nil {
				return "", err
			}
			values = append(values, value)
		}
		parts = append(parts, strings.Join(values, "+"))
	}
	slices.Reverse(parts)
	return bounded(strings.Join(parts, ",")), nil
}

// attribute writes AttributeTypeAndValue.
func attribute(in input) (string, error) {
	id, ok := in.take(tagOID)
	if !ok {
		return "", errName
	}
	tag, content, whole, ok := in.next()
	if !ok {
		return "", errName
	}
	oid := id.oid()
	name, known := attributes[oid]
	if !known {
		// RFC 2253 2.4: the value's own bytes. Only so many can be shown.
		return oid + "=#" + hex.EncodeToString(whole[:min(len(whole), MaxName)]), nil
	}
	value, ok := text(tag, content)
	if !ok {
		return "", errName
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", errControl
	}
	return name + "=" + escaped(value), nil
}

// escaped puts a backslash before what RFC 2253 2.4 says.
func escaped(value string) string {
	var b strings.Builder
	for i, c := range value {
		if strings.ContainsRune(`,+"\<>;`, c) || c == ' ' && (i == 0 || i == len(value)-1) || c == '#' && i == 0 {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// text decodes a string type of ASN.1.
func text(tag byte, content input) (string, bool) {
	switch tag {
	case tagUTF8String:
		return string(content), utf8.Valid(content)
	case tagPrintableString, tagNumericString, tagIA5String:
		// Their sets differ, but all are ASCII. Being strict about it would gain nothing.
		for _, c := range content {
			if c > 0x7f {
				return "", false
			}
		}
		return string(content), true
	case tagT61String: // in practice ISO 8859-1
		runes := make([]rune, len(content))
		for i, c := range content {
			runes[i] = rune(c)
		}
		return string(runes), true
	case tagBMPString:
		if len(content)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(content)/2)
		for i := range units {
			units[i] = uint16(content[2*i])<<8 | uint16(content[2*i+1])
		}
		if n := len(units); n > 0 && units[n-1] == 0 { // a terminator
			units = units[:n-1]
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}
