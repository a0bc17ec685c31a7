// Package crash says where a panic came from, but not its value: the value of a
// panic may hold what was being read, even a Secret's bytes.
package crash

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// Describe gives the type of a recovered value and the place of the panic:
// "index out of range in etcd.(*run).bytes (page.go:145)". Nothing of the value
// is in it. Call it while the deferred function that recovered still runs.
func Describe(v any) string {
	kind := fmt.Sprintf("%T", v)
	if e, ok := v.(runtime.Error); ok {
		// "index out of range [5] with length 3": numbers and types only, but
		// those of a type assertion name types too; keep the first words.
		kind, _, _ = strings.Cut(strings.TrimPrefix(e.Error(), "runtime error: "), ":")
		kind, _, _ = strings.Cut(kind, "[")
		kind = strings.TrimSpace(kind)
	}
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicked := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicked = true
		case panicked && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("%s in %s (%s:%d)", kind, path.Base(frame.Function), path.Base(frame.File), frame.Line)
		}
		if !more {
			return kind
		}
	}
}
