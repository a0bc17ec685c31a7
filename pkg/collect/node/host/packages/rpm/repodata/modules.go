package repodata

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Modules are what to do with the documents of modules.yaml. Slices are valid until
// the function returns.
type Modules struct {
	// Artifact gets a package of a module's stream, as NAME-EPOCH:VERSION-RELEASE.ARCH.
	Artifact func(module, stream, nevra []byte) error
	// Default gets the stream that is active where nothing is configured.
	Default func(module, stream string) error
}

// maxModuleLine bounds a line that matters, bytes; others are passed over.
const maxModuleLine = 4 << 10

// ReadModules reads modules.yaml (libmodulemd's documents modulemd and
// modulemd-defaults). It reads lines, not YAML: what libmodulemd writes, block style
// with each name, stream and package on a line of its own. Where those are written
// in another way, that is an error.
func ReadModules(r io.Reader, do Modules) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	d := moduleDocument{do: do}
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull) || len(line) > maxModuleLine
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if long {
			line = nil // a description; a package's name is not that long
			if d.inArtifacts {
				return fmt.Errorf("line %d: expected at most %d bytes, found more", number, maxModuleLine)
			}
		}
		if err := d.line(bytes.TrimRight(line, "\r\n \t")); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if errors.Is(err, io.EOF) {
			return d.end()
		}
	}
}

// moduleDocument is one document while its lines are read.
type moduleDocument struct {
	do           Modules
	kind         string
	name, stream []byte
	// data is true below the key data; child is the column of its keys, 0 if unknown.
	data  bool
	child int
	// inArtifacts is true below data.artifacts, inRPMs below its key rpms.
	inArtifacts, inRPMs bool
}

// end ends a document.
func (d *moduleDocument) end() error {
	kind, name, stream := d.kind, string(d.name), string(d.stream)
	*d = moduleDocument{do: d.do}
	if kind == "modulemd-defaults" && name != "" && stream != "" {
		return d.do.Default(name, stream)
	}
	return nil
}

func (d *moduleDocument) line(line []byte) error {
	text := bytes.TrimLeft(line, " ")
	column := len(line) - len(text)
	switch {
	case len(text) == 0, text[0] == '#':
		return nil
	case text[0] == '\t':
		return errors.New("expected spaces before a key, found a tab")
	case column == 0 && (bytes.HasPrefix(text, []byte("---")) || bytes.HasPrefix(text, []byte("..."))):
		return d.end()
	case column == 0 && text[0] != '-':
		key, value, err := keyValue(text)
		if err != nil {
			return err
		}
		d.data, d.child, d.inArtifacts, d.inRPMs = string(key) == "data", 0, false, false
		if string(key) == "document" {
			d.kind = string(value)
		}
		if d.data && len(value) > 0 {
			return errors.New("expected data in block style, found a value")
		}
		return nil
	case !d.data || d.kind != "modulemd" && d.kind != "modulemd-stream" && d.kind != "modulemd-defaults":
		return nil
	}
	if d.child == 0 {
		d.child = column
	}
	switch {
	case column < d.child:
		return fmt.Errorf("expected at least %d spaces, found %d", d.child, column)
	case column == d.child && text[0] != '-':
		d.inArtifacts, d.inRPMs = false, false
		key, value, err := keyValue(text)
		if err != nil {
			return err
		}
		switch string(key) {
		case "name", "module":
			d.name = append(d.name[:0], value...)
		case "stream":
			d.stream = append(d.stream[:0], value...)
		case "artifacts":
			if d.inArtifacts = len(value) == 0; !d.inArtifacts && string(value) != "{}" {
				return errors.New("expected packages in block style, found a value")
			}
		}
		return nil
	case !d.inArtifacts:
		return nil
	case text[0] != '-':
		key, value, err := keyValue(text)
		if err != nil {
			return err
		}
		// rpm-map has the same packages again, as a map.
		d.inRPMs = string(key) == "rpms"
		if d.inRPMs && len(value) > 0 && string(value) != "[]" {
			return errors.New("expected packages in block style, found a value")
		}
		return nil
	case !d.inRPMs:
		return nil
	}
	nevra, err := scalar(bytes.TrimLeft(text[1:], " "))
	if err != nil {
		return err
	}
	if len(d.name) == 0 || len(d.stream) == 0 {
		return errors.New("expected the name and the stream of a module before its packages, found none")
	}
	return d.do.Artifact(d.name, d.stream, nevra)
}

// keyValue splits "key: value", "" for a key alone.
func keyValue(text []byte) (key, value []byte, err error) {
	i := bytes.IndexByte(text, ':')
	for i >= 0 && i+1 < len(text) && text[i+1] != ' ' {
		next := bytes.IndexByte(text[i+1:], ':')
		if next < 0 {
			i = -1
			break
		}
		i += 1 + next
	}
	if i < 0 {
		return text, nil, nil // a text that goes on: of no key that matters
	}
	key, err = scalar(text[:i])
	if err != nil {
		return nil, nil, err
	}
	raw := bytes.TrimLeft(text[i+1:], " ")
	if value, err = scalar(raw); err != nil {
		value, err = raw, nil // of a key that matters it would be a plain word
	}
	return key, value, err
}

// scalar is a word of YAML, without quotes.
func scalar(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, " ")
	if len(text) == 0 || text[0] != '"' && text[0] != '\'' {
		if i := bytes.Index(text, []byte(" #")); i >= 0 {
			text = bytes.TrimRight(text[:i], " ")
		}
		return text, nil
	}
	end := bytes.IndexByte(text[1:], text[0])
	if end < 0 || strings.ContainsAny(string(text[1:1+end]), `\`) {
		return nil, fmt.Errorf("expected a word in quotes, found %q", rootfs.Excerpt(text))
	}
	return text[1 : 1+end], nil
}
