//go:build linux && (amd64 || arm64)

package answer

import (
	"io"
	"os"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

func TestATrailerThatIsTooLongIsNotBegun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size int
		want string
	}{
		"the longest":     {wire.MaxTrailer, ""},
		"one byte longer": {wire.MaxTrailer + 1, "termination message: expected at most 4096 bytes, found 4097"},
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			o := &output{trailer: int(w.Fd())}
			got := ""
			if err := o.writeTrailer(make([]byte, tt.size)); err != nil {
				got = err.Error()
			}
			w.Close()
			written, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want || (len(written) == tt.size) != (tt.want == "") || tt.want != "" && len(written) > 0 {
				t.Errorf("expected %q, found %q with %d bytes written", tt.want, got, len(written))
			}
		})
	}
}
