package procfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Captured on Linux 6.12 (Debian 13), with a file whose name has a blank added.
const someSwaps = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" +
	"/dev/dm-1                               partition\t999420\t\t1024\t\t-2\n" +
	"/swap\\040file                           file\t\t524284\t\t0\t\t-3\n" +
	"/dev/zram0                              partition\t4194300\t\t0\t\t100\n"

func TestParseSwaps(t *testing.T) {
	areas, err := ParseSwaps([]byte(someSwaps))
	if err != nil {
		t.Fatal(err)
	}
	want := []SwapArea{
		{Name: "/dev/dm-1", Type: "partition", Size: 999420 << 10, Used: 1024 << 10},
		{Name: "/swap file", Type: "file", Size: 524284 << 10},
		{Name: "/dev/zram0", Type: "partition", Size: 4194300 << 10},
	}
	if diff := cmp.Diff(want, areas); diff != "" {
		t.Errorf("areas (-want +got):\n%s", diff)
	}
	if areas[0].InMemory() || areas[1].InMemory() || !areas[2].InMemory() {
		t.Error("only zram0 is in memory")
	}
	if areas, err := ParseSwaps([]byte("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")); err != nil || len(areas) > 0 {
		t.Errorf("no swap: %v, %v", areas, err)
	}
	for _, bad := range []string{"", "x\n", strings.Replace(someSwaps, "1024", "-1", 1), strings.Replace(someSwaps, "999420", "99999999999999999999", 1), someSwaps + "/dev/sda partition 3\n"} {
		if areas, err := ParseSwaps([]byte(bad)); err == nil {
			t.Errorf("%q: %v, want an error", bad, areas)
		}
	}
	for name, want := range map[string]bool{"/dev/zram12": true, "/dev/zramx": false, "/zram": false, "/home/zram0/swap": false} {
		if got := (&SwapArea{Name: name}).InMemory(); got != want {
			t.Errorf("%s in memory: %v", name, got)
		}
	}
}

func FuzzParseSwaps(f *testing.F) {
	f.Add([]byte(someSwaps))
	f.Fuzz(func(t *testing.T, data []byte) {
		areas, err := ParseSwaps(data)
		if err != nil && areas != nil {
			t.Error("areas and an error")
		}
		for i := range areas {
			areas[i].InMemory()
			if areas[i].Size < 0 || areas[i].Used < 0 {
				t.Errorf("%+v", areas[i])
			}
		}
	})
}
