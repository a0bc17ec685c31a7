package backups

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// maxLayers is how often something can be packed in something else: a gzip of a tar
	// of a gzip of a snapshot.
	maxLayers = 4
	// maxStream bounds what comes out of one file, bytes, all layers together.
	maxStream = 1 << 30
	// peekSize is how much of a file is looked at to see what it is. The schema of a
	// small SQLite database is in its first page of at most 64 KiB.
	peekSize = 64 << 10
)

var (
	errBudget = rootfs.NewError(fact.Truncated, "more than the limit of what is read")
	errLayers = rootfs.NewError(fact.Truncated, fmt.Sprintf("packed more than %d times", maxLayers))
	errZip    = rootfs.NewError(fact.Corrupt, "the zip file is damaged")
	errHoles  = rootfs.NewError(fact.Unsupported, "a sparse file in it was searched, and not read")
	errSecret = rootfs.NewError(fact.Unsupported, "a part of it is encrypted or packed in an unknown way")
)

// stream looks for Secrets in a file that can only be read from its start to its end:
// an archive, or what is compressed. Nothing of it is kept but the finder's 64 KiB and
// the decoders' windows.
type stream struct {
	ctx    context.Context
	finder *stored.Finder
	left   *int64 // bytes that may still be read, on all layers of all files
	out    int64  // bytes that came out of this one

	// What was found to be in it.
	format  string // of the outermost layer that is not a compression
	packed  string // the outermost compression
	etcd    int    // databases of etcd
	kine    int
	inexact error // the first reason why the finder can have missed something
	hidden  error // the first reason why a store can be in it that was not seen

	// An archive can have many files, so that their buffers are used again.
	in   [maxLayers + 1]*bufio.Reader
	copy []byte
}

// reader returns the buffer of a layer, of which one file is read at a time.
func (s *stream) reader(r io.Reader, layer int) *bufio.Reader {
	if s.in[layer] == nil {
		s.in[layer] = bufio.NewReaderSize(r, peekSize)
	} else {
		s.in[layer].Reset(r)
	}
	return s.in[layer]
}

// into copies a stream.
func (s *stream) into(w io.Writer, r io.Reader) error {
	if s.copy == nil {
		s.copy = make([]byte, 32<<10)
	}
	_, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, s.copy)
	return err
}

// counted counts what a layer gives.
type counted struct {
	s *stream
	r io.Reader
}

func (c counted) Read(buf []byte) (int, error) {
	if err := c.s.ctx.Err(); err != nil {
		return 0, err
	}
	if *c.s.left <= 0 || c.s.out >= maxStream {
		return 0, errBudget
	}
	n, err := c.r.Read(buf)
	*c.s.left -= int64(n)
	c.s.out += int64(n)
	return n, err
}

// failed gives an error.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// doubt notes why the finder can have missed something.
func (s *stream) doubt(err error) {
	if s.inexact == nil {
		s.inexact = err
	}
}

// hide notes why a store can be in it that was not seen.
func (s *stream) hide(err error) {
	s.doubt(err)
	if s.hidden == nil {
		s.hidden = err
	}
}

// read looks through a file. An error says where it ended early. The caller counts what
// it has not counted yet.
func (s *stream) read(r io.Reader, layer int) error {
	in := s.reader(r, layer)
	lead, err := in.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) {
		// What came before the error counts. A bufio.Reader forgets an error that Peek
		// has returned.
		in = s.reader(io.MultiReader(bytes.NewReader(bytes.Clone(lead)), failed{err}), layer)
		if lead, _ = in.Peek(len(lead)); len(lead) == 0 {
			return err
		}
	}
	if len(lead) == 0 {
		return nil
	}
	kind := storefile.Recognise(lead[:min(len(lead), storefile.LeadSize)])
	if name, suffix := compression(kind); name != "" {
		if s.format == "" && s.packed == "" {
			s.packed = name
		}
		if layer == maxLayers {
			s.hide(errLayers)
			return s.raw(in)
		}
		return s.unpack(kind, suffix, in, layer)
	}
	outermost := s.format == ""
	format := ""
	defer func() {
		if outermost && s.format == "" {
			s.format = format
		}
	}()
	switch kind {
	case storefile.Tar, storefile.Zip:
		format = "tar"
		if kind == storefile.Zip {
			format = "zip"
		}
		if outermost {
			s.format = format
		}
		if layer == maxLayers {
			s.hide(errLayers)
			return s.raw(in)
		}
		if kind == storefile.Zip {
			return s.zip(in, layer)
		}
		return s.tar(in, layer)
	case storefile.BBolt:
		found, size, err := s.bbolt(in)
		if found {
			s.etcd++
			format = "etcd database"
			if size%512 == 32 {
				format = "etcd snapshot"
			}
		}
		return err
	case storefile.SQLite:
		if isKine(lead) {
			s.kine++
			format = "kine database"
		}
		// A value can begin at the end of one page and go on in another.
		s.doubt(rootfs.NewError(fact.Unsupported, "an SQLite database in an archive is searched, and not read as one"))
		return s.raw(in)
	case storefile.Age, storefile.OpenPGP:
		s.doubt(errSecret)
	case storefile.Text, storefile.Zeros, storefile.Empty, storefile.PEM:
	default:
		// It can be a log of etcd, whose records the finder sees and may miss.
		if len(lead) >= minSize {
			s.doubt(rootfs.NewError(fact.Unsupported, "a file of an unknown kind was searched, and not read"))
		}
	}
	return s.raw(in)
}

// raw searches a whole file.
func (s *stream) raw(in io.Reader) error {
	defer s.finder.Break()
	return s.into(s.finder, in)
}

// onlyReader and onlyWriter hide what would make io.CopyBuffer ignore its buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// unpack reads what a compressed file holds.
func (s *stream) unpack(kind storefile.Kind, suffix string, in io.Reader, layer int) error {
	if kind.Compressed() {
		r, done, err := storefile.Unpack(kind, in, storefile.SmallWindow)
		defer done()
		if err != nil {
			return err
		}
		return s.read(counted{s, r}, layer+1)
	}
	r, done, err := unpack.Reader(in, suffix)
	defer done()
	if err == nil {
		err = s.read(counted{s, r}, layer+1)
	}
	if err != nil && rootfs.ReasonOf(err) == fact.Corrupt {
		err = rootfs.NewError(fact.Corrupt, "the compressed data is damaged") // not a library's words
	}
	return err
}

// compression names a compression, and the suffix that package unpack knows it by.
func compression(kind storefile.Kind) (name, suffix string) {
	switch kind {
	case storefile.Gzip:
		return "gzip", ".gz"
	case storefile.Zstd:
		return "zstd", ".zst"
	case storefile.XZ:
		return "xz", ".xz"
	case storefile.Bzip2:
		return "bzip2", ".bz2"
	case storefile.LZ4:
		return "lz4", ".lz4"
	}
	return "", ""
}

// tar reads the files of an archive. They are files of their own, but for those that
// follow a name.
func (s *stream) tar(in io.Reader, layer int) error {
	t := unpack.NewTar(in)
	for {
		f, err := t.Next()
		if errors.Is(err, io.EOF) {
			if !t.Ended() {
				return rootfs.ErrCut
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case f.Sparse:
			if err := s.sparse(t, layer+1); err != nil {
				return err
			}
			continue
		case !f.Regular || f.Size == 0:
			continue
		}
		if err := s.read(t, layer+1); err != nil && !s.inside(err, f.Size) {
			return err
		}
	}
}

// sparse searches a file without its holes. It cannot be read as what it is, but its
// values are there.
func (s *stream) sparse(r io.Reader, layer int) error {
	in := s.reader(r, layer)
	lead, _ := in.Peek(storefile.LeadSize)
	switch kind := storefile.Recognise(lead); {
	case kind == storefile.BBolt, kind == storefile.SQLite, kind.Compressed(), kind.Archive():
		s.hide(errHoles)
	default:
		s.doubt(errHoles)
	}
	return s.raw(in)
}

// inside reports whether an error is about one file of an archive, so that the others
// can still be read. Size is that of the file in the archive, bytes, or -1. What is too
// small to be a store outside of an archive is too small in one.
func (s *stream) inside(err error, size int64) bool {
	if s.ctx.Err() != nil || errors.Is(err, errBudget) || errors.Is(err, rootfs.ErrCut) {
		return false
	}
	if s.doubt(err); size < 0 || size >= minSize {
		s.hide(err)
	}
	return true
}

// The parts of a zip file (APPNOTE 4.3.7, 4.3.9). All integers are little endian.
const (
	zipLocal      = "PK\x03\x04"
	zipDescriptor = "PK\x07\x08"
	zipHeader     = 30
	zip64Extra    = 1
	zipUnknown    = 1<<32 - 1
)

// zip reads the files of an archive in the order in which they lie there, because its
// directory is at its end.
func (s *stream) zip(in *bufio.Reader, layer int) error {
	for {
		head, err := in.Peek(zipHeader)
		if len(head) < 4 {
			return cut(err)
		}
		if string(head[:4]) != zipLocal {
			switch string(head[:4]) {
			case "PK\x01\x02", "PK\x05\x06", "PK\x06\x06", "PK\x06\x08": // the directory, or what is before it
				_, err := io.Copy(io.Discard, in)
				return err
			}
			return errZip
		}
		if err != nil {
			return cut(err)
		}
		flags, method := binary.LittleEndian.Uint16(head[6:]), binary.LittleEndian.Uint16(head[8:])
		size := int64(binary.LittleEndian.Uint32(head[18:]))
		name, extra := int(binary.LittleEndian.Uint16(head[26:])), int(binary.LittleEndian.Uint16(head[28:]))
		long := size == zipUnknown
		if _, err := in.Discard(zipHeader + name); err != nil {
			return cut(err)
		}
		fields := make([]byte, extra)
		if _, err := io.ReadFull(in, fields); err != nil {
			return cut(err)
		}
		for len(fields) >= 4 {
			id, n := binary.LittleEndian.Uint16(fields), int(binary.LittleEndian.Uint16(fields[2:]))
			if n > len(fields)-4 {
				break
			}
			if id == zip64Extra && long && n >= 16 { // both sizes, the packed one last
				size = int64(binary.LittleEndian.Uint64(fields[12:]))
			}
			fields = fields[4+n:]
		}
		if size < 0 {
			return errZip
		}
		known := flags&8 == 0
		switch {
		case flags&1 != 0, method != 0 && method != 8, method == 0 && !known:
			// What is encrypted is no plaintext. What follows it is not read either where
			// its end is not known.
			if s.doubt(errSecret); !known || flags&1 == 0 && size >= minSize {
				s.hide(errSecret)
			}
			if !known {
				return s.raw(in) // where it ends is not known
			}
			if err := s.raw(io.LimitReader(in, size)); err != nil {
				return err
			}
		case method == 0:
			part := io.LimitReader(in, size)
			if err := s.file(part, layer, size); err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, part); err != nil {
				return err
			}
		default:
			// Deflate ends by itself, and does not read beyond its end.
			z := counted{s, flate.NewReader(in)}
			if !known {
				size = -1
			}
			err := s.file(z, layer, size)
			if err == nil {
				_, err = io.Copy(io.Discard, z)
			}
			if err != nil {
				return s.zipError(err)
			}
		}
		if !known {
			if err := skipDescriptor(in); err != nil {
				return err
			}
		}
	}
}

// file reads one file of an archive. An error ends the archive.
func (s *stream) file(r io.Reader, layer int, size int64) error {
	if err := s.read(r, layer+1); err != nil && !s.inside(s.zipError(err), size) {
		return s.zipError(err)
	}
	return nil
}

// zipError puts a library's error into our words.
func (s *stream) zipError(err error) error {
	var damaged flate.CorruptInputError
	switch {
	case errors.As(err, &damaged):
		return errZip
	case errors.Is(err, io.ErrUnexpectedEOF):
		return rootfs.ErrCut
	}
	return err
}

func cut(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return rootfs.ErrCut
	}
	return err
}

// skipDescriptor moves behind what follows a file whose size was not known: a checksum
// and two sizes of 4 or 8 bytes, with or without a signature. What comes next decides.
func skipDescriptor(in *bufio.Reader) error {
	head, err := in.Peek(4)
	if err != nil {
		return cut(err)
	}
	lengths := []int{12, 20}
	if string(head) == zipDescriptor {
		lengths = []int{16, 24, 12, 20}
	}
	for _, n := range lengths {
		b, _ := in.Peek(n + 4)
		if len(b) < n+4 {
			continue
		}
		switch string(b[n : n+4]) {
		case zipLocal, "PK\x01\x02", "PK\x06\x06", "PK\x06\x08":
			_, err := in.Discard(n)
			return err
		}
	}
	return errZip
}

// bbolt searches a database and says whether it is one of etcd's, and how long it is. It
// is etcd's if it has the key that etcd has kept in its bucket meta since 3.0.
func (s *stream) bbolt(in *bufio.Reader) (found bool, size int64, err error) {
	lead, _ := in.Peek(peekSize)
	extent := etcd.Extent(bytes.NewReader(lead))
	w := &watcher{next: s.finder, word: []byte("consistent_index")}
	defer s.finder.Break()
	err = s.into(w, in)
	if err == nil && w.size < extent {
		err = rootfs.ErrCut
	}
	return w.found, w.size, err
}

// watcher looks for a word in what passes through it.
type watcher struct {
	next  io.Writer
	word  []byte
	found bool
	size  int64
	tail  []byte // the last bytes, in which the word may have begun
}

func (w *watcher) Write(p []byte) (int, error) {
	if !w.found {
		keep := len(w.word) - 1
		w.tail = append(w.tail, p[:min(len(p), keep)]...)
		w.found = bytes.Contains(w.tail, w.word) || bytes.Contains(p, w.word)
		if len(p) >= keep {
			w.tail = append(w.tail[:0], p[len(p)-keep:]...)
		} else {
			w.tail = w.tail[max(0, len(w.tail)-keep):]
		}
	}
	w.size += int64(len(p))
	return w.next.Write(p)
}

// isKine reports whether the schema in the first page has kine's table.
func isKine(lead []byte) bool {
	for _, text := range []string{"CREATE TABLE kine", `CREATE TABLE "kine"`, "CREATE TABLE `kine`", "CREATE TABLE IF NOT EXISTS kine"} {
		if bytes.Contains(lead, []byte(text)) {
			return true
		}
	}
	return false
}
