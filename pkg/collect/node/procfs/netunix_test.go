package procfs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Captured on Linux 6.18, with paths of our own.
const netUnix = `Num       RefCount Protocol Flags    Type St Inode Path
000000002cf32150: 00000003 00000000 00000000 0001 03  1586
0000000075621a23: 00000002 00000000 00010000 0001 01  1587 /run/a b.sock
0000000075621a24: 00000002 00000000 00010000 0001 01 15871 @/run/abstract
0000000075621a25: 00000002 00000000 00010000 0001 01 15872 relative
0000000075621a26: 00000002 00000000 00010000 0001 01 15873 /run/line
0: 2 0 10000 1 01 9
/run/alone
0000000075621a27: 00000002 00000000 00010000 0001 01 15874 /run/last`

func TestEachUnixSocket(t *testing.T) {
	var got []string
	if err := EachUnixSocket([]byte(netUnix), func(path []byte) { got = append(got, string(path)) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/run/a b.sock", "/run/line", "/run/last"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, text := range []string{"", "Num", "1 2 3 4 5 6 7 /run/x\n"} {
		if err := EachUnixSocket([]byte(text), func([]byte) {}); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func FuzzEachUnixSocket(f *testing.F) {
	f.Add([]byte(netUnix))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = EachUnixSocket(data, func(path []byte) {
			if len(path) == 0 || path[0] != '/' || len(path) > len(data) {
				t.Errorf("path %q", path)
			}
		})
	})
}
