// Package tempfile opens a temporary file that has no name, so that nothing is left of it
// whatever ends the program.
package tempfile

import (
	"errors"
	"os"
)

// Open opens a file without a name in the directory for temporary files. Only this process
// can reach it. Closing it frees its space, and so does the end of the process. It is an
// error if the system has no such files.
func Open() (*os.File, error) {
	file, err := unnamed(os.TempDir())
	if err == nil || !errors.Is(err, errors.ErrUnsupported) {
		return file, err
	}
	return removed(os.TempDir())
}

// removed removes a file's name before anything is written to it.
func removed(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "kubectl-checklist-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		// A file that is open cannot be removed on Windows.
		_ = os.Remove(file.Name())
		return nil, err
	}
	return file, nil
}
