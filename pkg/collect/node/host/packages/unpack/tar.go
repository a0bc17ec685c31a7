package unpack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	tarBlock = 512
	// maxTarHeader bounds a header that stands before the one of a file: its long name.
	maxTarHeader = 64 << 10
	maxTarSize   = 1 << 48
)

// Tar reads the files of a tar archive in the formats ustar, pax and GNU (tar(5)), as
// far as lists of packages need it. The standard library's reader also knows users and
// sparse files, with what that takes.
type Tar struct {
	r    io.Reader
	left int64 // of the current file
	pad  int64
	// ended is true after a block of zeros. An archive without one may have been cut
	// between two files.
	ended bool
	block [tarBlock]byte
}

// TarFile is a file of an archive.
type TarFile struct {
	Name    string
	Regular bool
	// Sparse is true for a file in GNU's format without its holes (typeflag S): what is read
	// is the rest of it.
	Sparse  bool
	Size    int64
	ModTime time.Time
}

// NewTar starts with the first file. It also reads archives one after another, with
// or without an end between them.
func NewTar(r io.Reader) *Tar { return &Tar{r: r} }

// Ended reports whether the archive had an end, once Next has returned io.EOF.
func (t *Tar) Ended() bool { return t.ended }

// Read reads the current file.
func (t *Tar) Read(buf []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	if int64(len(buf)) > t.left {
		buf = buf[:t.left]
	}
	n, err := t.r.Read(buf)
	t.left -= int64(n)
	if err == io.EOF && t.left > 0 {
		err = fmt.Errorf("%w: %d bytes of a file are missing", rootfs.ErrCut, t.left)
	}
	return n, err
}

// Next goes to the next file; io.EOF after the last one.
func (t *Tar) Next() (TarFile, error) {
	name, size := "", int64(-1) // of the header before
	for {
		if _, err := io.CopyN(io.Discard, t.r, t.left+t.pad); err != nil {
			return TarFile{}, cutTar(err)
		}
		t.left, t.pad = 0, 0
		switch n, err := io.ReadFull(t.r, t.block[:]); {
		case err == io.EOF && name == "" && size < 0:
			return TarFile{}, io.EOF
		case errors.Is(err, io.ErrUnexpectedEOF) && t.ended && len(bytes.Trim(t.block[:n], "\x00")) == 0:
			return TarFile{}, io.EOF
		case err != nil:
			return TarFile{}, cutTar(err)
		}
		if t.block == [tarBlock]byte{} {
			t.ended = true
			continue
		}
		t.ended = false
		f, kind, err := t.header()
		if err != nil {
			return TarFile{}, err
		}
		t.left = f.Size
		switch kind {
		case 'L', 'x':
			if f.Size > maxTarHeader {
				return TarFile{}, fmt.Errorf("%w of %d bytes in a header of a tar archive", ErrTooMany, maxTarHeader)
			}
			t.pad = -f.Size & (tarBlock - 1)
			data := make([]byte, f.Size)
			if _, err := io.ReadFull(t, data); err != nil {
				return TarFile{}, cutTar(err)
			}
			if kind == 'L' {
				name = cString(data)
			} else if err := pax(data, &name, &size); err != nil {
				return TarFile{}, err
			}
			continue
		case 'g', 'K':
			t.pad = -f.Size & (tarBlock - 1)
			continue
		}
		if size >= 0 {
			f.Size = size
		}
		if name != "" {
			f.Name = name
		}
		switch kind {
		case '1', '2', '3', '4', '5', '6': // links, devices and directories have no content
			f.Size = 0
		}
		f.Regular = kind == '0' || kind == 0
		if f.Sparse = kind == 'S'; f.Sparse {
			// More of the list of its parts, which its size does not count.
			for more := t.block[482] != 0; more; more = t.block[504] != 0 {
				if _, err := io.ReadFull(t.r, t.block[:]); err != nil {
					return TarFile{}, cutTar(err)
				}
			}
		}
		if f.Size > maxTarSize {
			return TarFile{}, fmt.Errorf("%w of %d bytes in a file of a tar archive", ErrTooMany, int64(maxTarSize))
		}
		t.left, t.pad = f.Size, -f.Size&(tarBlock-1)
		return f, nil
	}
}

// header reads the block as a header.
func (t *Tar) header() (f TarFile, kind byte, err error) {
	b := &t.block
	sum := int64(8 * ' ')
	for i, c := range b {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	if want, err := tarNumber(b[148:156]); err != nil || want != sum {
		return f, 0, errors.New("expected a header of a tar archive, found something else")
	}
	if f.Size, err = tarNumber(b[124:136]); err != nil || f.Size < 0 {
		return f, 0, errors.New("expected the size of a file in a tar archive, found no number")
	}
	f.Name = cString(b[:100])
	if prefix := cString(b[345:500]); prefix != "" && string(b[257:263]) == "ustar\x00" {
		f.Name = prefix + "/" + f.Name
	}
	if seconds, err := tarNumber(b[136:148]); err == nil && seconds > 0 {
		f.ModTime = time.Unix(seconds, 0)
	}
	return f, b[156], nil
}

// tarNumber is an octal number, or a big-endian one with the first bit set.
func tarNumber(field []byte) (int64, error) {
	if field[0]&0x80 != 0 {
		n := int64(field[0] & 0x7f)
		for _, c := range field[1:] {
			if n >= 1<<48 {
				return 0, strconv.ErrRange
			}
			n = n<<8 | int64(c)
		}
		return n, nil
	}
	text := strings.Trim(cString(field), " ")
	if text == "" {
		return 0, nil
	}
	return strconv.ParseInt(text, 8, 64)
}

// pax reads "LENGTH KEY=VALUE\n" records: the path and the size of the next file.
func pax(data []byte, name *string, size *int64) error {
	for len(data) > 0 {
		digits, _, found := bytes.Cut(data, []byte(" "))
		n, err := strconv.Atoi(string(digits[:min(len(digits), 8)]))
		if !found || err != nil || n <= len(digits)+1 || n > len(data) || data[n-1] != '\n' {
			return errors.New("expected a record LENGTH KEY=VALUE in a header of a tar archive, found something else")
		}
		key, value, _ := strings.Cut(string(data[len(digits)+1:n-1]), "=")
		data = data[n:]
		switch key {
		case "path":
			*name = value
		case "size":
			if *size, err = strconv.ParseInt(value, 10, 64); err != nil || *size < 0 {
				return errors.New("expected the size of a file in a header of a tar archive, found no number")
			}
		}
	}
	return nil
}

func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}

func cutTar(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: inside a tar archive", rootfs.ErrCut)
	}
	return err
}
