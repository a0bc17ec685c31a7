package procfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// From a kind node, Linux 6.18, connections shortened to three.
const (
	tcpText = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20145 1 00000000dcd26364 100 0 0 10 0                       
   1: 020012AC:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 20146 1 00000000dcd26365 100 0 0 10 0                       
   2: 020012AC:BDC0 507100CB:01BB 01 00000000:00000000 02:000004F5 00000000     0        0 29755 2 00000000b6a743a7 20 4 1 116 146                   
   3: 020012AC:CF9C 507100CB:01BB 06 00000000:00000000 03:00000E6A 00000000     0        0 0 3 00000000c1b05ba4                                      
   4: 020012AC:CF9D 507100CB:01BB 03 00000000:00000000 03:00000E6A 00000000     0        0 0 3 00000000c1b05ba5                                      
`
	tcp6Text = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1A0A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21000 1 00000000dcd26366 100 0 0 10 0
   1: 00000000000000000000000001000000:2742 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21001 1 00000000dcd26367 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:2743 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21002 1 00000000dcd26368 100 0 0 10 0
   3: B80D0120000000000000000001000000:2744 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21003 1 00000000dcd26369 100 0 0 10 0
   4: B80D0120000000000000000001000000:2744 B80D0120000000000000000002000000:C000 01 00000000:00000000 00:00000000 00000000     0        0 21004 1 00000000dcd26370 100 0 0 10 0
`
)

func TestReadTCPListeners(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the fixtures are from a little-endian machine")
	}
	type listener struct {
		Address              string
		Port                 int
		UID                  uint32
		Inode                uint64
		Loopback, EveryAddrs bool
	}
	for name, tc := range map[string]struct {
		text string
		v6   bool
		want []listener
	}{
		"IPv4": {tcpText, false, []listener{
			{"127.0.0.1", 2379, 0, 20145, true, false},
			{"172.18.0.2", 2376, 65534, 20146, false, false},
		}},
		"IPv6": {tcp6Text, true, []listener{
			{"::", 6666, 0, 21000, false, true},
			{"::1", 10050, 0, 21001, true, false},
			{"::ffff:127.0.0.1", 10051, 0, 21002, true, false},
			{"2001:db8::1", 10052, 0, 21003, false, false},
		}},
		"no socket": {tcpText[:strings.IndexByte(tcpText, '\n')+1], false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for way, r := range map[string]io.Reader{
				"whole":    strings.NewReader(tc.text),
				"by bytes": iotest.OneByteReader(strings.NewReader(tc.text)),
			} {
				found, err := ReadTCPListeners(r, tc.v6)
				if err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				var got []listener
				for _, l := range found {
					got = append(got, listener{l.Address(), l.Port, l.UID, l.Inode, l.Loopback(), l.Unspecified()})
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", way, diff)
				}
			}
		})
	}
}

func TestReadTCPListenersErrors(t *testing.T) {
	const header = "  sl  local_address rem_address\n"
	line := func(address, state, uid, inode string) string {
		return header + "   0: " + address + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000 " + uid + " 0 " + inode + " 1\n"
	}
	long := header + strings.Repeat("x", 9<<10) + "\n"
	for name, tc := range map[string]struct {
		text, want string
		v6         bool
	}{
		"empty":                 {"", "net/tcp: expected a line with the names of columns, found none", false},
		"no header":             {"root:x:0:0\n", `net/tcp line 1: expected the names of columns, found "root:x:0:0"`, false},
		"cut line":              {header + "   0: 01000", "net/tcp: expected a newline at the end", false},
		"few fields":            {header + "   0: 0100007F:094B\n", "net/tcp line 2: expected 10 fields, found 2", false},
		"odd state":             {line("0100007F:094B", "zz", "0", "1"), `net/tcp line 2: expected a state in hex, found "zz"`, false},
		"address of tcp6":       {line("00000000000000000000000001000000:094B", "0A", "0", "1"), `net/tcp line 2: expected an address of 8 hex digits and a port of 4, found "00000000000000000000000001000000:094B"`, false},
		"address of tcp":        {line("0100007F:094B", "0A", "0", "1"), `net/tcp line 2: expected an address of 32 hex digits and a port of 4, found "0100007F:094B"`, true},
		"address not in hex":    {line("0100007G:094B", "0A", "0", "1"), `net/tcp line 2: expected an address in hex, found "0100007G:094B"`, false},
		"negative user":         {line("0100007F:094B", "0A", "-1", "1"), `net/tcp line 2: expected a port, a user and an inode, found "094B", "-1" and "1"`, false},
		"a line of 9 KiB":       {long, "net/tcp line 2: longer than 8192 bytes", false},
		"too many sockets":      {many(MaxTCPListeners + 1), ErrTCPTable.Error(), false},
		"as many as are listed": {many(MaxTCPListeners), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := ReadTCPListeners(strings.NewReader(tc.text), tc.v6)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("expected the error %q, found %q", tc.want, got)
			}
			if strings.HasPrefix(name, "too many") && len(found) != MaxTCPListeners {
				t.Errorf("expected the first %d sockets, found %d", MaxTCPListeners, len(found))
			}
		})
	}
	failing := io.MultiReader(strings.NewReader(tcpText), iotest.ErrReader(errors.New("no more")))
	if found, err := ReadTCPListeners(failing, false); err == nil || err.Error() != "no more" || len(found) != 2 {
		t.Errorf("expected two sockets and the reader's error, found %d and %v", len(found), err)
	}
}

// many is a table with n listening sockets.
func many(n int) string {
	var b strings.Builder
	b.WriteString("  sl  local_address rem_address\n")
	for i := range n {
		fmt.Fprintf(&b, "%d: 0100007F:%04X 00000000:0000 0A 0:0 00:0 0 0 0 %d\n", i, i%65536, i+1)
	}
	return b.String()
}

// Package net/netip writes addresses, too.
func TestAddressAgainstNetip(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 1))
	for range 100_000 {
		l := TCPListener{V6: true}
		for i := range l.IP {
			if random.IntN(3) == 0 { // many zeros, so that there are runs of them
				l.IP[i] = byte(random.Uint32())
			}
		}
		if random.IntN(20) == 0 {
			l.IP = [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: byte(random.Uint32())}
		}
		want := netip.AddrFrom16(l.IP)
		if got := l.Address(); got != want.String() {
			t.Fatalf("%x: expected %s, found %s", l.IP, want, got)
		}
		if got := l.Loopback(); got != want.Unmap().IsLoopback() {
			t.Errorf("%s: Loopback is %v", want, got)
		}
		if got := l.Unspecified(); got != want.Unmap().IsUnspecified() {
			t.Errorf("%s: Unspecified is %v", want, got)
		}
		four := TCPListener{IP: [16]byte(l.IP)}
		if got, want := four.Address(), netip.AddrFrom4([4]byte(l.IP[:4])).String(); got != want {
			t.Fatalf("%x: expected %s, found %s", l.IP[:4], want, got)
		}
	}
}

// The kernel's own table has a socket that this test opens.
func TestReadTCPListenersOfThisKernel(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	for _, tc := range []struct {
		network, address, file string
		v6                     bool
	}{
		{"tcp4", "127.0.0.1:0", "/proc/self/net/tcp", false},
		{"tcp6", "[::1]:0", "/proc/self/net/tcp6", true},
	} {
		l, err := net.Listen(tc.network, tc.address)
		if err != nil {
			t.Logf("%s is not available here: %v", tc.network, err)
			continue
		}
		data, err := os.ReadFile(tc.file)
		if err != nil {
			t.Fatal(err)
		}
		found, err := ReadTCPListeners(bytes.NewReader(data), tc.v6)
		if err != nil {
			t.Fatalf("%s: %v", tc.file, err)
		}
		want := l.Addr().(*net.TCPAddr).AddrPort()
		ok := false
		for _, f := range found {
			ok = ok || f.Address() == want.Addr().String() && f.Port == int(want.Port()) && f.Loopback() && f.Inode > 0 && int(f.UID) == os.Getuid()
		}
		if !ok {
			t.Errorf("%s: expected a socket at %s, found %+v", tc.file, want, found)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzReadTCPListeners(f *testing.F) {
	f.Add([]byte(tcpText), false)
	f.Add([]byte(tcp6Text), true)
	f.Fuzz(func(t *testing.T, data []byte, v6 bool) {
		whole, err := ReadTCPListeners(bytes.NewReader(data), v6)
		for _, l := range whole {
			if _, err := netip.ParseAddr(l.Address()); err != nil || l.Port < 0 || l.Port > 65535 {
				t.Errorf("not an address and a port: %+v", l)
			}
		}
		parts, partsErr := ReadTCPListeners(iotest.HalfReader(bytes.NewReader(data)), v6)
		if (err == nil) != (partsErr == nil) || err == nil && !cmp.Equal(whole, parts) {
			t.Errorf("read in parts the result differs: %v and %v", err, partsErr)
		}
	})
}
