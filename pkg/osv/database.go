package osv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// Limits on a database. That of all ecosystems has 2.6 million records.
const (
	maxRecords = 20_000_000
	maxDepth   = 16 // of directories
	// maxRatio bounds what a file may unpack to, as a multiple of its size: records
	// shrink to a tenth, a bomb to a thousandth.
	maxRatio = 200
	minTotal = 64 << 20 // bytes that any file may unpack to
	// maxName is of a file in messages, bytes.
	maxName = 80
)

// Check reports, without reading all of it, whether a path can be a database: a
// directory or a zip file with at least one record. Its error says what was expected
// and what was found.
func Check(ctx context.Context, path string) error {
	r := &reading{ctx: ctx, query: NewQuery(), now: time.Now(), sample: true}
	if err := r.open(path); err != nil {
		return err
	}
	switch {
	case r.data.Records > 0:
		return nil
	case r.data.Unreadable > 0:
		return fmt.Errorf("%q: expected OSV records, found none among the first files: %s", path, r.data.Faults[0])
	case r.data.Incomplete != "":
		return fmt.Errorf("%q: %s", path, r.data.Incomplete)
	case r.isDir:
		return fmt.Errorf("%q: expected OSV records (*.json) or zip files of them, found none in this directory", path)
	}
	return fmt.Errorf("%q: expected a zip file of OSV records (*.json), found one without any", path)
}

// Read reads a database once and keeps what it says about the query's packages. What
// could not be read of it is in the result; the error means that there is no database
// at the path, or that ctx ended. Records are dated against now.
func Read(ctx context.Context, path string, q *Query, now time.Time) (*fact.VulnerabilityData, error) {
	r := &reading{ctx: ctx, query: q, now: now}
	q.latest = now.Add(clockSkew)
	if err := r.open(path); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.data.Compared = fact.NewTime(now.UTC().Truncate(time.Second))
	r.data.Name = escape.Short(filepath.Base(path), maxName)
	return &r.data, nil
}

// reading is the reading of one database.
type reading struct {
	ctx   context.Context
	query *Query
	now   time.Time
	// sample ends the reading at the first record, or after some files that are none.
	sample bool

	isDir bool
	data  fact.VulnerabilityData
	text  bytes.Buffer
}

// open reads what is at a path. Its error means that there is no database.
func (r *reading) open(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading %q: %w", path, cause(err))
	}
	switch {
	case info.IsDir():
		r.isDir = true
		if err := r.directory(path, "", 0); err != nil {
			return fmt.Errorf("reading %q: %w", path, err)
		}
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("%q: expected a directory or a zip file, found %s", path, typeName(info.Mode()))
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading %q: %w", path, cause(err))
	}
	defer file.Close() //nolint:errcheck // only read
	a, err := openArchive(file, info.Size())
	switch {
	case errors.Is(err, errNoZip):
		return fmt.Errorf("%q: expected a directory or a zip file of OSV records, found %s", path, sniff(file, info.Size()))
	case err != nil:
		return fmt.Errorf("%q: expected a whole zip file: %w", path, err)
	}
	r.archive(a, "")
	return nil
}

// done reports whether to stop.
func (r *reading) done() bool {
	const enough = 100
	return r.ctx.Err() != nil || r.data.Incomplete != "" || r.sample && (r.data.Records > 0 || r.data.Unreadable > enough)
}

// directory reads the records and zip files of a directory, and of those below it.
// Hidden ones are left out: they are a version control's, or copies (the files of a
// mounted ConfigMap). name is its path below the database.
func (r *reading) directory(path, name string, depth int) error {
	dir, err := os.Open(path)
	if err != nil {
		return cause(err)
	}
	defer dir.Close() //nolint:errcheck // only read
	for !r.done() {
		entries, err := dir.ReadDir(512)
		for _, e := range entries {
			if r.done() {
				return nil
			}
			if !strings.HasPrefix(e.Name(), ".") {
				r.item(filepath.Join(path, e.Name()), filepath.Join(name, e.Name()), depth)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return cause(err)
		}
	}
	return nil
}

// item reads one item of a directory.
func (r *reading) item(path, name string, depth int) {
	extension := strings.ToLower(filepath.Ext(name))
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		// A link to a file is followed, one to a directory not: it could be a loop.
		if info, err = os.Stat(path); err == nil && info.IsDir() {
			r.fault(name, errors.New("a link to a directory, which is not followed"))
			return
		}
	}
	switch {
	case err == nil && info.IsDir() && depth == maxDepth:
		r.fault(name, errors.New("a directory too deep below the database"))
	case err == nil && info.IsDir():
		if err := r.directory(path, name, depth+1); err != nil {
			r.fault(name, err)
		}
	case extension != ".json" && extension != ".zip":
	case err != nil:
		r.fault(name, cause(err))
	case !info.Mode().IsRegular():
		r.fault(name, fmt.Errorf("expected a file, found %s", typeName(info.Mode())))
	default:
		r.file(path, name, extension)
	}
}

func (r *reading) file(path, name, extension string) {
	file, err := os.Open(path)
	if err != nil {
		r.fault(name, cause(err))
		return
	}
	defer file.Close() //nolint:errcheck // only read
	if extension == ".zip" {
		info, err := file.Stat()
		if err != nil {
			r.fault(name, cause(err))
			return
		}
		a, err := openArchive(file, info.Size())
		if err != nil {
			r.fault(name, err)
			return
		}
		r.archive(a, name)
		return
	}
	r.text.Reset()
	n, err := r.text.ReadFrom(io.LimitReader(file, maxRecord+1))
	switch {
	case err != nil:
		r.fault(name, cause(err))
	case n > maxRecord:
		r.fault(name, errLarge)
	default:
		if err := r.record(); err != nil {
			r.fault(name, err)
		}
	}
}

// archive reads the records of a zip file. name is "" if it is the database itself.
func (r *reading) archive(a *archive, name string) {
	left := a.size*maxRatio + minTotal
	err := a.each(func(e *entry) bool {
		if !bytes.HasSuffix(e.name, []byte(".json")) && !bytes.HasSuffix(e.name, []byte(".JSON")) {
			return !r.done()
		}
		err := a.read(e, &r.text, maxRecord)
		if left -= int64(r.text.Len()) + sizeFile; left < 0 {
			r.data.Incomplete = fmt.Sprintf("%sit unpacks to more than %d times its size", prefix(name), maxRatio)
			return false
		}
		if err == nil {
			err = r.record()
		}
		if err != nil {
			item := string(e.name)
			if name != "" {
				item = name + "/" + item
			}
			r.fault(item, err)
		}
		return !r.done()
	})
	if err != nil && r.data.Incomplete == "" {
		r.data.Incomplete = prefix(name) + err.Error()
	}
}

func prefix(name string) string {
	if name == "" {
		return ""
	}
	return escape.Short(name, maxName) + ": "
}

// record reads the record in r.text.
func (r *reading) record() error {
	modified, err := r.query.record(r.text.Bytes())
	if err != nil {
		return err
	}
	r.data.Records++
	// A wrong date in the future would make the database look new forever.
	if !modified.After(r.now.Add(clockSkew)) && modified.After(r.data.Modified.Time) {
		r.data.Modified = fact.NewTime(modified.Truncate(time.Second))
	}
	switch {
	case r.query.full:
		r.data.Incomplete = fmt.Sprintf("it says more about these packages than can be kept (%d statements)", maxHits)
	case r.data.Records+r.data.Unreadable > maxRecords:
		r.data.Incomplete = fmt.Sprintf("it has more than %d records", maxRecords)
	}
	if cap(r.text.Bytes()) > smallEntry*8 { // a large record does not stay in memory
		r.text = bytes.Buffer{}
	}
	return nil
}

// clockSkew is how much later than now a record may be dated.
const clockSkew = 24 * time.Hour

// fault notes a record that could not be read.
func (r *reading) fault(name string, err error) {
	r.data.Unreadable++
	// The first by name are kept, because the order of a directory's files varies.
	text := prefix(name) + err.Error()
	if i, same := slices.BinarySearch(r.data.Faults, text); !same && i < fact.MaxFaults {
		r.data.Faults = slices.Insert(r.data.Faults, i, text)
		r.data.Faults = r.data.Faults[:min(len(r.data.Faults), fact.MaxFaults)]
	}
	if r.data.Records+r.data.Unreadable > maxRecords && r.data.Incomplete == "" {
		r.data.Incomplete = fmt.Sprintf("it has more than %d records", maxRecords)
	}
}

// cause removes the file name from an error of the operating system: the message has
// it already.
func cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func typeName(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// formats are what people have instead of a zip file, by the first bytes.
var formats = []struct {
	offset      int
	magic, name string
}{
	{0, "\x1f\x8b", "a gzip file (such as a .tar.gz): unpack it and give the directory"},
	{0, "\x28\xb5\x2f\xfd", "a zstd file: unpack it and give the directory"},
	{0, "\xfd7zXZ", "an xz file: unpack it and give the directory"},
	{0, "BZh", "a bzip2 file: unpack it and give the directory"},
	{0, "7z\xbc\xaf", "a 7z file: unpack it and give the directory"},
	{257, "ustar", "a tar file: unpack it and give the directory"},
	{0, "SQLite format 3", "an SQLite database"},
	{0, "PK", "a zip file that is cut or damaged"},
}

// sniff says what a file is that is no zip file.
func sniff(file io.ReaderAt, size int64) string {
	if size == 0 {
		return "an empty file"
	}
	head := make([]byte, min(size, 1024))
	if err := readAt(file, head, 0); err != nil {
		return "a file that could not be read: " + err.Error()
	}
	for _, f := range formats {
		if len(head) > f.offset && bytes.HasPrefix(head[f.offset:], []byte(f.magic)) {
			return f.name
		}
	}
	switch text := bytes.TrimSpace(head); {
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		return "a JSON file: give its directory"
	case !slices.ContainsFunc(head, func(b byte) bool { return b < ' ' && b != '\n' && b != '\r' && b != '\t' }):
		return "a text file"
	}
	return "a file of another format"
}
