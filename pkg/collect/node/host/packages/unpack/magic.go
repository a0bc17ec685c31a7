package unpack

import (
	"bufio"
	"context"
	"io"
)

// Open is ByMagic of any reader, bounded as by Limit.
func Open(ctx context.Context, r io.Reader) (unpacked *Limited, close func(), err error) {
	plain, close, err := ByMagic(bufio.NewReaderSize(r, 32<<10))
	if err != nil {
		return nil, close, err
	}
	return Limit(ctx, plain), close, nil
}
