package proctable

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Lines are read whole, wherever the buffer ends.
func TestEachMapping(t *testing.T) {
	var whole strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&whole, "%x000-%x000 r-xp 00000000 08:01 %d                /usr/lib/lib%d.so\n", i+1, i+2, i, i)
	}
	for name, tc := range map[string]struct {
		content string
		buffer  int
		want    int
		err     error
	}{
		"many lines in a small buffer": {whole.String(), 128, 2000, nil},
		"in one that holds them all":   {whole.String(), 1 << 20, 2000, nil},
		"nothing":                      {"", 128, 0, nil},
		"cut short":                    {strings.TrimSuffix(whole.String(), "\n"), 128, 1999, rootfs.ErrCut},
		"a line beyond the buffer":     {whole.String() + strings.Repeat("x", 200) + "\n", 128, 2000, rootfs.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(dir+"/7", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/7/maps", []byte(tc.content), 0o644); err != nil {
				t.Fatal(err)
			}
			root, err := rootfs.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close() //nolint:errcheck // a directory of the test
			d, err := (&FS{Dir: root}).Open(7)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			got := 0
			lines, err := d.EachMapping(make([]byte, tc.buffer), func(m procfs.Mapping) {
				if m.Inode != uint64(got) || string(m.Path) != fmt.Sprintf("/usr/lib/lib%d.so", got) || !m.Exec || m.Major != 8 || m.Minor != 1 {
					t.Fatalf("mapping %d: %+v", got, m)
				}
				got++
			})
			if got != tc.want || lines != tc.want || !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Errorf("%d mappings, %v", got, err)
			}
		})
	}
}
