package certificate

import (
	"bytes"
	"encoding/base64"
	"errors"
	"iter"
)

var (
	errNoEnd  = errors.New("a CERTIFICATE block has no end")
	errBase64 = errors.New("a CERTIFICATE block is not base64")

	beginLine = []byte("-----BEGIN CERTIFICATE-----")
	endLine   = []byte("-----END CERTIFICATE-----")
)

// Blocks gives the DER of each CERTIFICATE block of a PEM file (RFC 7468), or an error for
// a block that cannot be read. Blocks of other types, private keys among them, are not
// decoded.
func Blocks(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(data) > 0 {
			line, rest := cutLine(data)
			data = rest
			if !bytes.Equal(line, beginLine) {
				continue
			}
			der, rest, err := block(data)
			data = rest
			if !yield(der, err) {
				return
			}
		}
	}
}

// block reads up to the end line, or if there is none up to the next line with dashes.
func block(data []byte) (der, rest []byte, err error) {
	var encoded []byte
	for {
		if len(data) == 0 {
			return nil, nil, errNoEnd
		}
		line, after := cutLine(data)
		switch {
		case bytes.Equal(line, endLine):
			if len(encoded) > base64.StdEncoding.EncodedLen(MaxSize) {
				return nil, after, ErrTooLarge
			}
			der, err := base64.StdEncoding.AppendDecode(nil, encoded)
			if err != nil {
				return nil, after, errBase64 // the error of base64 says where, and nothing else that is of use
			}
			return der, after, nil
		case bytes.HasPrefix(line, []byte("-----")):
			return nil, data, errNoEnd // another block may begin here
		case len(encoded) <= base64.StdEncoding.EncodedLen(MaxSize):
			encoded = append(encoded, line...)
		}
		data = after
	}
}

// cutLine cuts off the first line, without white space at its ends.
func cutLine(data []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(data, []byte("\n"))
	return bytes.Trim(line, " \t\r"), rest
}
