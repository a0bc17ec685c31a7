package capability

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNames(t *testing.T) {
	for name, tc := range map[string]struct {
		mask uint64
		want []string
	}{
		"an empty mask has no names":               {0, nil},
		"the lowest bit is CHOWN":                  {1, []string{"CHOWN"}},
		"names come in the order of their numbers": {1<<21 | 1<<12, []string{"NET_ADMIN", "SYS_ADMIN"}},
		"the highest named bit":                    {1 << 40, []string{"CHECKPOINT_RESTORE"}},
		"a bit without a name keeps its number":    {1<<41 | 1<<63, []string{"cap_41", "cap_63"}},
		"the default set is the fourteen of Docker's": {RuntimeDefault, []string{
			"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
			"NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Names(tc.mask)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		want  Number
		known bool
	}{
		"as Kubernetes writes it":   {"SYS_ADMIN", SysAdmin, true},
		"as the kernel writes it":   {"CAP_SYS_ADMIN", SysAdmin, true},
		"as libcap writes it":       {"cap_sys_admin", SysAdmin, true},
		"a misspelled one":          {"SYS_ADMINS", 0, false},
		"ALL is not one capability": {"ALL", 0, false},
		"empty":                     {"", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, known := Parse(tc.text)
			if got != tc.want || known != tc.known {
				t.Errorf("want %v, %v; got %v, %v", tc.want, tc.known, got, known)
			}
		})
	}
}

func TestConstantsHaveTheirNames(t *testing.T) {
	got := []string{}
	for _, n := range []Number{DACReadSearch, NetAdmin, SysModule, SysRawIO, SysPtrace, SysAdmin, BPF, Last} {
		got = append(got, n.String())
	}
	want := []string{"DAC_READ_SEARCH", "NET_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "SYS_ADMIN", "BPF", "CHECKPOINT_RESTORE"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestFormat(t *testing.T) {
	all := UpTo(40)
	for name, tc := range map[string]struct {
		mask, all uint64
		want      string
	}{
		"nothing":                                   {0, all, "none"},
		"everything the kernel has":                 {all, all, "all 41"},
		"everything of an older kernel":             {UpTo(37), UpTo(37), "all 38"},
		"nearly everything names what is missing":   {all &^ SysModule.Mask(), all, "all 41 but SYS_MODULE"},
		"a few are named":                           {SysAdmin.Mask() | NetAdmin.Mask(), all, "NET_ADMIN,SYS_ADMIN"},
		"without the kernel's width all are named":  {SysAdmin.Mask(), 0, "SYS_ADMIN"},
		"a bit beyond the kernel's width is listed": {SysAdmin.Mask() | 1<<41, all, "SYS_ADMIN,cap_41"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Format(tc.mask, tc.all); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}

func TestUpTo(t *testing.T) {
	for last, want := range map[int]uint64{-1: 0, 0: 1, 37: 0x3fffffffff, 40: 0x1ffffffffff, 63: ^uint64(0), 64: ^uint64(0)} {
		if got := UpTo(last); got != want {
			t.Errorf("UpTo(%d): want %#x, got %#x", last, want, got)
		}
	}
}

// libcap's capsh is a second implementation. It prints a number without a name
// as the bare number.
func TestNamesAgreeWithCapsh(t *testing.T) {
	capsh, err := exec.LookPath("capsh")
	if err != nil {
		t.Skip("capsh is not installed (Debian package libcap2-bin)")
	}
	random := rand.New(rand.NewPCG(1, 2))
	masks := []uint64{0, 1, RuntimeDefault, UpTo(40), ^uint64(0)}
	for len(masks) < 100 {
		masks = append(masks, random.Uint64())
	}
	for _, mask := range masks {
		var stderr bytes.Buffer
		cmd := exec.Command(capsh, fmt.Sprintf("--decode=%016x", mask))
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("capsh --decode=%016x: %v %s", mask, err, stderr.String())
		}
		_, list, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
		var got []string
		for _, name := range Names(mask) {
			if number, unnamed := strings.CutPrefix(name, "cap_"); unnamed {
				got = append(got, number)
			} else {
				got = append(got, "cap_"+strings.ToLower(name))
			}
		}
		if list != strings.Join(got, ",") {
			t.Errorf("%016x: capsh says %q, Names %q", mask, list, strings.Join(got, ","))
		}
	}
}
