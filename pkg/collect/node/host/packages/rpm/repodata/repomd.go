package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Types of a repository's files that matter.
const (
	TypePrimary    = "primary"
	TypePrimaryDB  = "primary_db"
	TypeUpdateInfo = "updateinfo"
	TypeModules    = "modules"
	TypeSUSEInfo   = "susedata"
)

// Index is repomd.xml.
type Index struct {
	Revision string // the server's, usually the time in seconds since 1970
	Files    []File
}

// File is a file that repomd.xml names.
type File struct {
	Type     string // "primary"
	Location string // "repodata/SUM-primary.xml.gz", as the server says
	// Sum is the checksum of the file as it is, SumType its kind: "sha256". OpenSum
	// is that of its content, "" where the file is not packed.
	Sum, SumType         string
	OpenSum, OpenSumType string
	Size, OpenSize       int64 // bytes, -1 if unknown
	Timestamp            int64 // seconds since 1970, by the server's clock; 0 if unknown
}

// maxFiles bounds the files of a repository: createrepo_c makes about ten, with a
// translation for each language at SUSE about sixty.
const maxFiles = 1024

// File returns the first file of a type, nil if the repository has none. Names
// end with _zck where a zchunk copy exists too.
func (x *Index) File(kind string) *File {
	for i := range x.Files {
		if x.Files[i].Type == kind {
			return &x.Files[i]
		}
	}
	return nil
}

// Date is when the server made the newest file of the repository, by its own clock;
// zero if unknown.
func (x *Index) Date() time.Time {
	newest := int64(0)
	for _, f := range x.Files {
		newest = max(newest, f.Timestamp)
	}
	if newest == 0 {
		newest, _ = strconv.ParseInt(x.Revision, 10, 64)
	}
	if newest < minTime || newest > maxTime {
		return time.Time{}
	}
	return time.Unix(newest, 0)
}

// Times that make sense: 1998 (rpm's metadata is younger) to 2100. A revision can be
// any text.
const (
	minTime = 883612800
	maxTime = 4102444800
)

// Name is the last part of the location. dnf and yum keep the file under it.
func (f *File) Name() string { return path.Base(path.Clean("/" + f.Location)) }

// ReadIndex reads repomd.xml.
func ReadIndex(r io.Reader) (*Index, error) {
	s := newScanner(r, nil)
	x := &Index{}
	var f File
	var kind, value, from []byte
	root := false
	for {
		t, err := s.next()
		if errors.Is(err, io.EOF) {
			if !root {
				return nil, errors.New("expected an element repomd, found another")
			}
			return x, nil
		}
		if err != nil {
			return nil, err
		}
		at := s.depth
		switch {
		case t.end:
			if at == 1 && t.is("data") {
				if len(x.Files) == maxFiles {
					return nil, fmt.Errorf("%w of %d files", rootfs.ErrTooLarge, maxFiles)
				}
				x.Files = append(x.Files, f)
			}
			continue
		case t.empty:
			at++
		}
		text := func() (string, error) {
			if t.empty {
				return "", nil
			}
			value, err = s.text(value)
			return string(value), err
		}
		number := func() (int64, error) {
			word, err := text()
			if err != nil {
				return 0, err
			}
			word, _, _ = strings.Cut(word, ".") // timestamps of createrepo have a fraction
			n, err := strconv.ParseInt(word, 10, 64)
			if err != nil || n < 0 {
				return 0, fmt.Errorf("expected a number at byte %d, found %q", s.at(), rootfs.Excerpt(word))
			}
			return n, nil
		}
		switch {
		case at == 1:
			root = root || t.is("repomd")
		case at == 2 && t.is("revision"):
			x.Revision, err = text()
		case at == 2 && t.is("data"):
			if err = t.take([]attr{{"type", &kind}}); err == nil {
				f = File{Type: string(kind), Size: -1, OpenSize: -1}
			}
		case at != 3:
		case t.is("location"):
			if err = t.take([]attr{{"href", &value}}); err == nil {
				f.Location = string(bytes.TrimSpace(value))
			}
		case t.is("checksum"), t.is("open-checksum"):
			open := t.is("open-checksum")
			if err = t.take([]attr{{"type", &from}}); err != nil {
				break
			}
			word := ""
			word, err = text()
			if open {
				f.OpenSum, f.OpenSumType = word, string(from)
			} else {
				f.Sum, f.SumType = word, string(from)
			}
		case t.is("size"):
			f.Size, err = number()
		case t.is("open-size"):
			f.OpenSize, err = number()
		case t.is("timestamp"):
			f.Timestamp, err = number()
		}
		if err != nil {
			return nil, err
		}
	}
}
