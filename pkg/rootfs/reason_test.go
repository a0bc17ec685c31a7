package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestReasonOf(t *testing.T) {
	refused := &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}
	for want, errs := range map[fact.Reason][]error{
		fact.Unreadable: {
			refused, fmt.Errorf("status: %w", refused), &fs.PathError{Op: "open", Path: "/x", Err: errors.New("no /proc")},
			ErrNotRegular, &fs.PathError{Op: "open", Path: "/x", Err: fmt.Errorf("%w but a FIFO", ErrNotRegular)}, ErrAutomount,
		},
		fact.Truncated:   {ErrTooLarge, &fs.PathError{Op: "read", Path: "/x", Err: fmt.Errorf("%w of 5 bytes", ErrTooLarge)}, io.ErrUnexpectedEOF},
		fact.NotPresent:  {fs.ErrNotExist, ErrNotDir, &fs.PathError{Op: "open", Path: "/x", Err: ErrNotDir}},
		fact.Changing:    {ErrNoProcess},
		fact.Timeout:     {context.DeadlineExceeded, fmt.Errorf("a list: %w", context.DeadlineExceeded)},
		fact.Interrupted: {context.Canceled},
		fact.Corrupt:     {errors.New("status: no line Uid")},
		fact.Unsupported: {NewError(fact.Unsupported, "a codec"), fmt.Errorf("list: %w", NewError(fact.Unsupported, "a codec"))},
	} {
		for _, err := range errs {
			if got := ReasonOf(err); got != want {
				t.Errorf("%v: %s, want %s", err, got, want)
			}
		}
	}
}

func TestErrorText(t *testing.T) {
	if got, want := ErrorText(errors.New("a\nb\xff")), `a b\xff`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestGone(t *testing.T) {
	for err, want := range map[error]bool{
		ErrNoProcess: true, fs.ErrNotExist: true, &fs.PathError{Op: "open", Path: "5", Err: ErrNoProcess}: true,
		fs.ErrPermission: false, ErrNotDir: false,
	} {
		if got := Gone(err); got != want {
			t.Errorf("%v: %t, want %t", err, got, want)
		}
	}
}
