// Package capability names the bits of a Linux capability set, capabilities(7).
// It knows sets as plain masks: bit n is capability number n. It does no I/O.
package capability

import (
	"math/bits"
	"strconv"
	"strings"
)

// Number is a capability's number, 0 to 63.
type Number uint

// The capabilities that checks name. Numbers are those of linux/capability.h.
const (
	Chown         Number = 0
	DACOverride   Number = 1
	DACReadSearch Number = 2
	FOwner        Number = 3
	SetGID        Number = 6
	SetUID        Number = 7
	NetAdmin      Number = 12
	NetRaw        Number = 13
	SysModule     Number = 16
	SysRawIO      Number = 17
	SysPtrace     Number = 19
	SysAdmin      Number = 21
	SysTime       Number = 25
	Mknod         Number = 27
	BPF           Number = 39
)

// RuntimeDefault is the set that containerd and Docker give to a container
// whose spec asks for nothing. CRI-O's default is a subset of it.
const RuntimeDefault uint64 = 0xa80425fb

// names are those of linux/capability.h up to kernel 6.18, without CAP_.
var names = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL",
	"SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
	"NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
	"SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL",
	"SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
	"BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// Last is the highest number that has a name here. A kernel may know more; see
// /proc/sys/kernel/cap_last_cap.
const Last Number = Number(len(names) - 1)

// Mask is the set with only this capability.
func (n Number) Mask() uint64 { return 1 << n }

// String is the name as Kubernetes writes it ("SYS_ADMIN"), or "cap_41" for a
// number without a name.
func (n Number) String() string {
	if n < Number(len(names)) {
		return names[n]
	}
	return "cap_" + strconv.FormatUint(uint64(n), 10)
}

// Parse finds the number of a name in any of its spellings: "SYS_ADMIN",
// "CAP_SYS_ADMIN", "cap_sys_admin".
func Parse(name string) (Number, bool) {
	name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	for i := range names {
		if names[i] == name {
			return Number(i), true
		}
	}
	return 0, false
}

// Names lists a mask's capabilities in the order of their numbers.
func Names(mask uint64) []string {
	var out []string
	for ; mask != 0; mask &= mask - 1 {
		out = append(out, Number(bits.TrailingZeros64(mask)).String())
	}
	return out
}

// Format writes a mask for people: "none", the names joined by commas, or "all
// 41" where it holds all of a kernel's. Where that is shorter, it names what is
// missing ("all 41 but SYS_MODULE"). All is the mask of what the kernel has; 0
// if unknown.
func Format(mask, all uint64) string {
	switch missing := all &^ mask; {
	case mask == 0:
		return "none"
	case all == 0 || mask&^all != 0:
	case missing == 0:
		return "all " + strconv.Itoa(bits.OnesCount64(all))
	case bits.OnesCount64(missing) <= 4 && bits.OnesCount64(mask) > 20:
		return "all " + strconv.Itoa(bits.OnesCount64(all)) + " but " + strings.Join(Names(missing), ",")
	}
	return strings.Join(Names(mask), ",")
}

// Short writes a mask in few words, apart by spaces: "none", "all", or what differs from
// the runtime's default ("default", "default +NET_ADMIN", "default -NET_RAW"); the names
// where that is shorter.
func Short(mask, all uint64) string {
	switch {
	case mask == 0:
		return "none"
	case all != 0 && mask&all == all:
		return "all"
	}
	more, less := Names(mask&^RuntimeDefault), Names(RuntimeDefault&^mask)
	if bits.OnesCount64(mask) <= len(more)+len(less) {
		return strings.Join(Names(mask), " ")
	}
	words := []string{"default"}
	for _, name := range more {
		words = append(words, "+"+name)
	}
	for _, name := range less {
		words = append(words, "-"+name)
	}
	return strings.Join(words, " ")
}

// UpTo is the mask of the capabilities 0 to last: those of a kernel whose
// cap_last_cap is last.
func UpTo(last int) uint64 {
	switch {
	case last < 0:
		return 0
	case last >= 63:
		return ^uint64(0)
	}
	return 1<<(uint(last)+1) - 1
}
