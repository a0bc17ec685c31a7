package rootfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// ReasonOf sorts an error of reading into a gap's reason. It is the only place
// that does: a parser whose errors mean something else makes them by NewError.
//
//	the context's end         Timeout, Interrupted
//	an error of NewError      its own reason
//	beyond a limit, cut       Truncated
//	no such file              NotPresent
//	the process has ended     Changing
//	refused, or not readable  Unreadable
//	anything else             Corrupt: a parser's words
func ReasonOf(err error) fact.Reason {
	var own *reasonError
	var path *fs.PathError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fact.Timeout
	case errors.Is(err, context.Canceled):
		return fact.Interrupted
	case errors.As(err, &own):
		return own.reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fact.Truncated
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrNotDir):
		return fact.NotPresent
	case errors.Is(err, ErrNoProcess):
		return fact.Changing
	case errors.Is(err, fs.ErrPermission), isErrno(err), errors.As(err, &path):
		return fact.Unreadable
	}
	return fact.Corrupt
}

// reasonError is an error that knows its reason.
type reasonError struct {
	reason fact.Reason
	text   string
}

func (e *reasonError) Error() string { return e.text }

// NewError makes an error for which ReasonOf says reason, wrapped or not.
func NewError(reason fact.Reason, text string) error { return &reasonError{reason, text} }

// Gone reports whether an error only says that a process has ended, or that a
// file is no longer there.
func Gone(err error) bool { return errors.Is(err, ErrNoProcess) || errors.Is(err, fs.ErrNotExist) }

// ErrorText prepares an error's text for a gap: one line of valid UTF-8.
func ErrorText(err error) string { return strings.ReplaceAll(Text(err.Error()), "\n", " ") }
