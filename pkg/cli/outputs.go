package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// keepsTemplates refuses an output that would replace a file with a template.
func (f *reportFlags) keepsTemplates() error {
	of := []string{f.output}
	for _, o := range f.outputFile {
		format, _, _ := formats.SplitFile(o)
		of = append(of, format)
	}
	for _, output := range of {
		format := report.Named(formats.All(), output)
		if format == nil || format.Argument != "FILE" {
			continue
		}
		_, path, _ := strings.Cut(output, "=")
		if err := f.keeps("-o "+format.Name, path); err != nil {
			return err
		}
	}
	return nil
}

// keepsManifests refuses an output that would replace a manifest that the run reads: one that is
// named, or one in a directory. A file there that this program wrote can be replaced: the output of an
// earlier run is often beside the manifests.
func (f *reportFlags) keepsManifests(files manifest.Files) error {
	for _, name := range files.Filenames {
		matches, err := filepath.Glob(name)
		if err != nil || len(matches) == 0 {
			matches = []string{name}
		}
		for _, match := range matches {
			if err := f.keeps("-f", match); err != nil {
				return err
			}
			if err := f.keepsBelow("-f", match, files.Recursive); err != nil {
				return err
			}
		}
	}
	return f.keepsBelow("-k", files.Kustomize, true)
}

// keepsBelow refuses an output that would replace a manifest in a directory.
func (f *reportFlags) keepsBelow(flag, dir string, recursive bool) error {
	info, err := os.Stat(dir)
	if dir == "" || err != nil || !info.IsDir() {
		return nil
	}
	for _, file := range f.written() {
		parent := filepath.Dir(target(file.path))
		for {
			if of, err := os.Stat(parent); err == nil && os.SameFile(of, info) {
				if isManifest(file.path) {
					return fmt.Errorf("%s would replace a manifest in the directory of %s: %q", file.flag, flag, file.path)
				}
				break
			}
			above := filepath.Dir(parent)
			if !recursive || above == parent {
				break
			}
			parent = above
		}
	}
	return nil
}

// isManifest reports whether a file is there that may be a manifest of someone else.
func isManifest(path string) bool {
	if !slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(path)) {
		return false
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // it was only read
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(file, most))
	return err == nil && bytes.Contains(text, []byte("apiVersion")) && !bytes.Contains(text, []byte("kubectl-checklist"))
}

// target is the absolute path of the file that writing to a path writes, as links say it; also if the
// file is not there yet.
func target(path string) string {
	const mostLinks = 40 // as in Linux
	path, err := filepath.Abs(path)
	for range mostLinks {
		if err != nil {
			break
		}
		var link string
		if link, err = os.Readlink(path); err != nil {
			break
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(realDir(path), link)
		}
		path = link
	}
	return filepath.Join(realDir(path), filepath.Base(path))
}

// realDir is a path's directory without links; as it is if it is not there.
func realDir(path string) string {
	dir := filepath.Dir(path)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// isStream reports whether a path is the file that stdout or stderr goes to. A new file in its place
// would lose what they get.
func isStream(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		if of, err := stream.Stat(); err == nil && os.SameFile(info, of) {
			return true
		}
	}
	return false
}
