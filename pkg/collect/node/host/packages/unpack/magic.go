package unpack

import (
	"bufio"
	"bytes"
	"context"
	"io"
)

// magics are the first bytes of each compression, by the suffix of Reader.
var magics = []struct{ magic, suffix string }{
	{"\x1f\x8b", ".gz"},
	{"\x28\xb5\x2f\xfd", ".zst"},
	{"\xfd7zXZ\x00", ".xz"},
	{"\x04\x22\x4d\x18", ".lz4"},
	{"BZh", ".bz2"}, // named, not unpacked
}

// ByMagic unpacks a file by its first bytes, where its name says nothing of its
// compression. A file that begins like none of them is taken as it is. What it
// returns is bounded as by Limit.
func ByMagic(ctx context.Context, r io.Reader) (unpacked *Limited, close func(), err error) {
	buffered := bufio.NewReaderSize(r, 32<<10)
	head, err := buffered.Peek(6)
	if err != nil && err != io.EOF {
		return nil, func() {}, err
	}
	suffix := ""
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			suffix = m.suffix
		}
	}
	plain, close, err := Reader(buffered, suffix)
	if err != nil {
		return nil, close, err
	}
	return Limit(ctx, plain), close, nil
}
