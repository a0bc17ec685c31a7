package repodata

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// generated is a primary.xml with packages of the size of a distribution's: 30
// provides, requires and files each.
func generated(packages int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<?xml version=\"1.0\"?>\n<metadata xmlns:rpm=\"r\" packages=\"%d\">\n", packages)
	for i := range packages {
		fmt.Fprintf(&b, "<package type=\"rpm\">\n  <name>package-%d</name>\n  <arch>x86_64</arch>\n  <version epoch=\"0\" ver=\"1.%d\" rel=\"%d.el9\"/>\n"+
			"  <checksum type=\"sha256\" pkgid=\"YES\">%x</checksum>\n  <summary>What it is</summary>\n  <description>%s</description>\n"+
			"  <format>\n    <rpm:license>MIT</rpm:license>\n    <rpm:vendor>Example</rpm:vendor>\n    <rpm:provides>\n", i, i%9, i%7, sha256.Sum256([]byte{byte(i), byte(i >> 8)}), prose(i))
		for j := range 15 {
			fmt.Fprintf(&b, "      <rpm:entry name=\"lib%x(x%d)\" flags=\"EQ\" epoch=\"0\" ver=\"1.0\" rel=\"1.el9\"/>\n", i*i*j*7919%1000003, j)
		}
		b.WriteString("    </rpm:provides>\n    <rpm:requires>\n")
		for j := range 15 {
			fmt.Fprintf(&b, "      <rpm:entry name=\"rtld(GNU_%x_%d)\"/>\n", i*i*j*104729%1000003, j)
		}
		b.WriteString("    </rpm:requires>\n")
		for j := range 8 {
			fmt.Fprintf(&b, "    <file>/usr/bin/program-%x-%d</file>\n", i*i*(j+7)*31%1000003, j)
		}
		b.WriteString("  </format>\n</package>\n")
	}
	b.WriteString("</metadata>\n")
	return b.Bytes()
}

// prose is a description: words of a small vocabulary.
func prose(i int) string {
	words := strings.Fields("a library that reads and writes files of this format for programs with data on network systems which users need most")
	var b strings.Builder
	sum := sha256.Sum256([]byte(strconv.Itoa(i)))
	for range 2 {
		for _, c := range sum {
			b.WriteString(words[int(c)%len(words)] + " ")
		}
		sum = sha256.Sum256(sum[:])
	}
	return b.String()
}

// BenchmarkPrimary compares reading a packed primary.xml with unpacking it alone.
func BenchmarkPrimary(b *testing.B) {
	plain := generated(5000)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(plain)
	_ = w.Close()
	open := func() io.Reader {
		r, err := gzip.NewReader(bytes.NewReader(packed.Bytes()))
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	buf := make([]byte, bufferSize)
	b.Logf("%d bytes in %d", len(plain), packed.Len())
	b.Run("unpack", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, open(), buf)
		}
	})
	b.Run("unpack and read", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		b.ReportAllocs()
		for b.Loop() {
			if n, err := ReadPrimary(open(), buf, func(*Package) error { return nil }); err != nil || n != 5000 {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			_, _ = ReadPrimary(bytes.NewReader(plain), buf, func(*Package) error { return nil })
		}
	})
}
