package unpack

import (
	"bytes"
	"compress/gzip"
	"io"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// packedTexts packs a text in the ways that lists are found in. Names end with
// the suffix.
func packedTexts(t testing.TB, text []byte) map[string][]byte {
	t.Helper()
	packed := map[string][]byte{}
	add := func(name string, w io.WriteCloser, buf *bytes.Buffer) {
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		packed[name] = buf.Bytes()
	}
	var gz, zst bytes.Buffer
	add("list.gz", gzip.NewWriter(&gz), &gz)
	encoder, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	add("list.zst", encoder, &zst)
	for name, options := range map[string][]lz4.Option{
		"independent blocks.lz4": {lz4.BlockSizeOption(lz4.Block64Kb)},
		"large blocks.lz4":       {lz4.BlockSizeOption(lz4.Block4Mb), lz4.SizeOption(uint64(len(text)))},
		"sums.lz4":               {lz4.BlockChecksumOption(true), lz4.ChecksumOption(true), lz4.BlockSizeOption(lz4.Block256Kb)},
	} {
		var buf bytes.Buffer
		w := lz4.NewWriter(&buf)
		if err := w.Apply(options...); err != nil {
			t.Fatal(err)
		}
		add(name, w, &buf)
	}
	two := append(bytes.Clone(packed["independent blocks.lz4"]), packed["sums.lz4"]...)
	if len(text) < 100<<10 { // both frames together are not this text
		packed["two frames.lz4"] = two
	}
	// The programs make what the libraries do not write: blocks that depend on
	// those before them, as apt's are, and xz.
	for name, command := range map[string][]string{
		"dependent blocks.lz4": {"lz4", "-1", "-BD", "-B4", "-c"},
		"list.xz":              {"xz", "-6", "-c"},
		"list.bz2":             {"bzip2", "-c"},
	} {
		program, err := exec.LookPath(command[0])
		if err != nil {
			continue // TestTools says so
		}
		c := exec.Command(program, command[1:]...)
		c.Stdin = bytes.NewReader(text)
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %v", command, err)
		}
		packed[name] = out
	}
	return packed
}

// libraryLZ4 is the oracle of lz4Reader.
func libraryLZ4(data []byte) io.Reader { return lz4.NewReader(bytes.NewReader(data)) }
