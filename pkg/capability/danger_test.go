package capability

import (
	"strings"
	"testing"
)

// Every capability that has a name has a sentence that continues "an attacker".
func TestDanger(t *testing.T) {
	if len(dangers) != len(names) {
		t.Fatalf("%d sentences for %d capabilities", len(dangers), len(names))
	}
	seen := map[string]Number{}
	for n := Number(0); n <= Last; n++ {
		text := n.Danger()
		first, _, _ := strings.Cut(text, " ")
		if !strings.HasSuffix(first, "s") || strings.ToLower(first) != first || strings.HasSuffix(text, ".") || len(text) > 130 {
			t.Errorf("%s: %q", n, text)
		}
		if other, taken := seen[text]; taken {
			t.Errorf("%s and %s have one sentence", n, other)
		}
		seen[text] = n
		if rank := dangers[n].rank; rank < 1 || rank > 10 {
			t.Errorf("%s: rank %d", n, rank)
		}
	}
	if got := Number(41).Danger(); got != "" {
		t.Errorf("a number without a name: %q", got)
	}
	for n, word := range map[Number]string{SysModule: "kernel", SysTime: "clock", SysPtrace: "memory", NetRaw: "packets"} {
		if !strings.Contains(n.Danger(), word) {
			t.Errorf("%s: %q", n, n.Danger())
		}
	}
}

func TestGravest(t *testing.T) {
	for name, tc := range map[string]struct {
		mask uint64
		want Number
		ok   bool
	}{
		"nothing":                         {0, 0, false},
		"only bits without a name":        {1<<41 | 1<<63, 0, false},
		"one":                             {NetRaw.Mask(), NetRaw, true},
		"the kernel before the network":   {NetAdmin.Mask() | SysModule.Mask() | 1<<41, SysModule, true},
		"of two that are equal the first": {SysAdmin.Mask() | SysModule.Mask(), SysModule, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := Gravest(tc.mask); got != tc.want || ok != tc.ok {
				t.Errorf("want %s %v, got %s %v", tc.want, tc.ok, got, ok)
			}
		})
	}
}

func TestShort(t *testing.T) {
	const all = 1<<41 - 1
	for want, mask := range map[string]uint64{
		"none": 0, "all": all, "default": RuntimeDefault,
		"default +NET_ADMIN":          RuntimeDefault | NetAdmin.Mask(),
		"default -NET_RAW":            RuntimeDefault &^ NetRaw.Mask(),
		"default +NET_ADMIN -NET_RAW": RuntimeDefault&^NetRaw.Mask() | NetAdmin.Mask(),
		"NET_BIND_SERVICE":            1 << 10,
		"NET_BIND_SERVICE SYS_ADMIN":  1<<10 | SysAdmin.Mask(),
		"cap_41":                      1 << 41,
	} {
		if got := Short(mask, all); got != want {
			t.Errorf("%016x: want %q, got %q", mask, want, got)
		}
	}
	if got := Short(RuntimeDefault, 0); got != "default" {
		t.Errorf("where all is unknown: %q", got)
	}
	if got := Short(0, 0); got != "none" {
		t.Errorf("nothing, where all is unknown: %q", got)
	}
}
