//go:build linux && (amd64 || arm64)

package lock

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// call is the part of struct seccomp_data that the filter may look at.
type call struct {
	arch uint32
	nr   uint32
	args [6]uint64
}

func at(nr uintptr, args ...uint64) call {
	c := call{arch: auditArch, nr: uint32(nr)}
	copy(c.args[:], args)
	return c
}

// data lays a call out for bpf.VM, which reads words big-endian where the
// kernel reads them native.
func (c call) data() []byte {
	words := make([]uint32, 16)
	words[0], words[1] = c.nr, c.arch
	for i, arg := range c.args {
		words[4+2*i], words[5+2*i] = uint32(arg), uint32(arg>>32)
	}
	out := make([]byte, 0, 4*len(words))
	for _, w := range words {
		out = binary.BigEndian.AppendUint32(out, w)
	}
	return out
}

// permits is the second implementation: what the list says, without BPF.
func permits(list []allow, c call) bool {
	if c.arch != auditArch {
		return false
	}
	for _, entry := range list {
		if entry.nr != c.nr {
			continue
		}
		if len(entry.any) == 0 {
			return true
		}
		for _, conds := range entry.any {
			met := true
			for _, k := range conds {
				met = met && (c.args[k.arg]^k.want)&k.mask == 0
			}
			if met {
				return true
			}
		}
		return false
	}
	return false
}

func machine(t *testing.T, list []allow) func(call) uint32 {
	t.Helper()
	instructions, err := program(list)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	return func(c call) uint32 {
		r, err := vm.Run(c.data())
		if err != nil {
			t.Fatal(err)
		}
		return uint32(r)
	}
}

const (
	testPID  = 4321
	testWake = 5
)

var testOutputs = []int{1, 3}

func TestProgramVerdicts(t *testing.T) {
	run := machine(t, rules(testPID, testOutputs, testWake))
	minusOne32 := uint64(0xffffffff)
	tests := map[string]struct {
		call call
		want bool
	}{
		"read":                                  {at(unix.SYS_READ, 9), true},
		"open for reading":                      {at(unix.SYS_OPENAT, 0, 0, unix.O_RDONLY), true},
		"open with every allowed flag":          {at(unix.SYS_OPENAT, 0, 0, openFlags), true},
		"open for writing":                      {at(unix.SYS_OPENAT, 0, 0, unix.O_WRONLY), false},
		"open for reading and writing":          {at(unix.SYS_OPENAT, 0, 0, unix.O_RDWR), false},
		"open with mode 3":                      {at(unix.SYS_OPENAT, 0, 0, unix.O_ACCMODE), false},
		"open with O_CREAT":                     {at(unix.SYS_OPENAT, 0, 0, unix.O_CREAT), false},
		"open with O_TMPFILE":                   {at(unix.SYS_OPENAT, 0, 0, unix.O_TMPFILE|unix.O_WRONLY), false},
		"open with O_TRUNC":                     {at(unix.SYS_OPENAT, 0, 0, unix.O_TRUNC), false},
		"open with O_DIRECT":                    {at(unix.SYS_OPENAT, 0, 0, unix.O_DIRECT), false},
		"open with a flag in the upper half":    {at(unix.SYS_OPENAT, 0, 0, 1<<40), false},
		"an attribute of an open file":          {at(unix.SYS_FGETXATTR, 7, 0, 0, attributeSize-1), true},
		"the size of an attribute":              {at(unix.SYS_FGETXATTR, 7, 0, 0, 0), true},
		"a large attribute":                     {at(unix.SYS_FGETXATTR, 7, 0, 0, attributeSize), false},
		"an attribute's size, upper half":       {at(unix.SYS_FGETXATTR, 7, 0, 0, 1<<32), false},
		"an attribute by path":                  {at(unix.SYS_GETXATTR, 0, 0, 0, 24), false},
		"an attribute by path, no link":         {at(unix.SYS_LGETXATTR, 0, 0, 0, 24), false},
		"the names of attributes":               {at(unix.SYS_FLISTXATTR, 7, 0, 24), false},
		"setting an attribute":                  {at(unix.SYS_FSETXATTR, 7, 0, 0, 24), false},
		"removing an attribute":                 {at(unix.SYS_FREMOVEXATTR, 7, 0), false},
		"write to an output":                    {at(unix.SYS_WRITE, 3), true},
		"write to the runtime's eventfd":        {at(unix.SYS_WRITE, testWake), true},
		"write to stderr":                       {at(unix.SYS_WRITE, 2), false},
		"write elsewhere":                       {at(unix.SYS_WRITE, 4), false},
		"threads":                               {at(unix.SYS_CLONE, threadFlags|settls), true},
		"fork":                                  {at(unix.SYS_CLONE, uint64(unix.SIGCHLD)), false},
		"thread in a namespace of its own":      {at(unix.SYS_CLONE, threadFlags|settls|unix.CLONE_NEWUSER), false},
		"thread flags with upper half":          {at(unix.SYS_CLONE, 1<<32|threadFlags|settls), false},
		"anonymous memory, fd zero-extended":    {at(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON, minusOne32), true},
		"anonymous memory, fd sign-extended":    {at(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON, all64), true},
		"executable memory":                     {at(unix.SYS_MMAP, 0, 4096, unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, all64), false},
		"mapped file":                           {at(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE, 7), false},
		"shared memory":                         {at(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_ANON, all64), false},
		"making memory executable":              {at(unix.SYS_MPROTECT, 0, 4096, unix.PROT_READ|unix.PROT_EXEC), false},
		"making memory read-only":               {at(unix.SYS_MPROTECT, 0, 4096, unix.PROT_READ), true},
		"signal to an own thread":               {at(unix.SYS_TGKILL, testPID, 7, 9), true},
		"signal to another process":             {at(unix.SYS_TGKILL, testPID+1, 7, 9), false},
		"naming memory":                         {at(unix.SYS_PRCTL, unix.PR_SET_VMA, unix.PR_SET_VMA_ANON_NAME), true},
		"another prctl":                         {at(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1), false},
		"exec":                                  {at(unix.SYS_EXECVE), false},
		"openat2":                               {at(unix.SYS_OPENAT2), false},
		"another architecture's number of read": {call{arch: unix.AUDIT_ARCH_I386, nr: unix.SYS_READ}, false},
		"x32's number of read":                  {at(1<<30 | unix.SYS_READ), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := uint32(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
			if tt.want {
				want = unix.SECCOMP_RET_ALLOW
			}
			if got := run(tt.call); got != want {
				t.Errorf("expected %#x, found %#x", want, got)
			}
		})
	}
}

// A library that loads arguments without loading the number again lets these
// through: their first refused argument is the number of an allowed call.
func TestProgramDecidesByTheCalledNumber(t *testing.T) {
	for name, list := range lists() {
		t.Run(name, func(t *testing.T) { decidesByTheCalledNumber(t, list) })
	}
}

// lists are the allow lists of both locks.
func lists() map[string][]allow {
	return map[string][]allow{"files": rules(testPID, testOutputs, testWake), "net": netRules(testPID)}
}

func decidesByTheCalledNumber(t *testing.T, list []allow) {
	run := machine(t, list)
	for _, refused := range list {
		for _, conds := range refused.any {
			for _, c := range conds {
				for _, other := range list {
					for _, output := range []uint64{0, 1, 3, testWake, testPID, unix.PR_SET_VMA} {
						var args [6]uint64
						for i := range args {
							args[i] = output
						}
						args[c.arg] = uint64(other.nr)
						candidate := call{arch: auditArch, nr: refused.nr, args: args}
						if got, want := run(candidate) == retAllow, permits(list, candidate); got != want {
							t.Errorf("%s%v: expected allowed %v, found %v", refused.name, args, want, got)
						}
					}
				}
			}
		}
	}
	// The very one that go-seccomp-bpf 1.6.0 lets through.
	hole := at(unix.SYS_OPENAT, 3, 0, unix.O_WRONLY)
	if run(hole) == retAllow {
		t.Error("openat(output, path, O_WRONLY): expected it refused")
	}
}

// The program and the list's plain reading agree on every number and on many
// arguments, those near the conditions above all.
func TestProgramAgreesWithList(t *testing.T) {
	for name, list := range lists() {
		t.Run(name, func(t *testing.T) { agreesWithList(t, list) })
	}
}

func agreesWithList(t *testing.T, list []allow) {
	run := machine(t, list)
	random := rand.New(rand.NewPCG(1, 2))
	var interesting []uint64
	for _, entry := range list {
		interesting = append(interesting, uint64(entry.nr))
		for _, conds := range entry.any {
			for _, c := range conds {
				interesting = append(interesting, c.want, c.mask, ^c.mask, c.want^1)
			}
		}
	}
	allowed := 0
	for nr := range uint32(600) {
		for range 100 {
			c := call{arch: auditArch, nr: nr}
			for i := range c.args {
				switch random.IntN(4) {
				case 0:
					c.args[i] = interesting[random.IntN(len(interesting))]
				case 1:
					c.args[i] = interesting[random.IntN(len(interesting))] ^ 1<<random.IntN(64)
				case 2:
					c.args[i] = random.Uint64() >> random.IntN(64)
				}
			}
			want := permits(list, c)
			if got := run(c) == retAllow; got != want {
				t.Fatalf("number %d, arguments %x: expected allowed %v, found %v", nr, c.args, want, got)
			}
			if want {
				allowed++
			}
		}
	}
	if allowed == 0 {
		t.Error("expected some calls allowed, found none")
	}
}

func TestProgramRefusesBadLists(t *testing.T) {
	long := allow{name: "long", nr: 1}
	for range 100 {
		long.any = append(long.any, []cond{{0, low32, 1}})
	}
	tests := map[string]struct {
		list []allow
		want string
	}{
		"two entries for one number":     {[]allow{{name: "a", nr: 1}, {name: "b", nr: 1}}, "allow list: a and b have the same number 1"},
		"an entry beyond a jump's reach": {[]allow{long}, "allow list: long takes 401 instructions, expected at most 255 (the reach of a BPF jump)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := assemble(tt.list)
			if err == nil || err.Error() != tt.want {
				t.Errorf("expected %q, found %v", tt.want, err)
			}
		})
	}
}

// The kernel walks the program for every call, and refuses long ones.
func TestProgramSize(t *testing.T) {
	for name, list := range lists() {
		filter, err := assemble(list)
		if err != nil {
			t.Fatal(err)
		}
		if most := map[string]int{"files": 150, "net": 190}[name]; len(filter) > most {
			t.Errorf("%s: expected at most %d instructions, found %d", name, most, len(filter))
		}
		t.Logf("%s: %d instructions", name, len(filter))
	}
}

// Whoever adds a system call has to add it here too, and see it in a diff.
func TestAllowedNames(t *testing.T) {
	var got []string
	for _, line := range Allowed() {
		name, _, _ := strings.Cut(line, ":")
		got = append(got, name)
	}
	want := []string{
		"clock_gettime", "clone", "close", "epoll_pwait", "exit", "exit_group", "fgetxattr", "fstat", "futex",
		"getdents64", "getpid", "getrandom", "gettid", "lseek", "madvise", "mmap", "mprotect", "munmap",
		"nanosleep", "newfstatat", "openat", "prctl", "pread64", "read", "readlinkat", "restart_syscall",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield",
		"sigaltstack", "statx", "tgkill", "write",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("allowed calls (-want +got):\n%s", diff)
	}
}

func TestAllowedNetNames(t *testing.T) {
	var got []string
	for _, line := range AllowedNet() {
		name, _, _ := strings.Cut(line, ":")
		got = append(got, name)
	}
	want := []string{
		"bind", "clock_gettime", "clone", "close", "connect", "epoll_ctl", "epoll_pwait", "exit", "exit_group", "futex",
		"getpeername", "getpid", "getrandom", "getsockname", "getsockopt", "gettid", "madvise", "mmap", "mprotect", "munmap",
		"nanosleep", "prctl", "read", "restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
		"sched_getaffinity", "sched_yield", "setsockopt", "shutdown", "sigaltstack", "socket", "tgkill", "write",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("allowed calls (-want +got):\n%s", diff)
	}
}

func TestNetProgramVerdicts(t *testing.T) {
	run := machine(t, netRules(testPID))
	const upper = 1 << 40
	for name, tt := range map[string]struct {
		call call
		want bool
	}{
		"TCP":                            {at(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0), true},
		"TCP as Go makes it":             {at(unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP), true},
		"UDP":                            {at(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0), false},
		"a raw socket":                   {at(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP), false},
		"another type with TCP's bits":   {at(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_SEQPACKET, 0), false},
		"multipath TCP":                  {at(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP), false},
		"a UNIX socket":                  {at(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0), false},
		"netlink":                        {at(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0), false},
		"packets":                        {at(unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW, 0), false},
		"TCP, upper half":                {at(unix.SYS_SOCKET, upper|unix.AF_INET, upper|unix.SOCK_STREAM, upper), true}, // the kernel takes ints
		"connecting by IPv4":             {at(unix.SYS_CONNECT, 7, 1, 16), true},
		"connecting by IPv6":             {at(unix.SYS_CONNECT, 7, 1, 28), true},
		"connecting by a UNIX name":      {at(unix.SYS_CONNECT, 7, 1, 110), false},
		"binding a UNIX name":            {at(unix.SYS_BIND, 7, 1, 110), false},
		"binding by IPv4":                {at(unix.SYS_BIND, 7, 1, 16), true},
		"listening":                      {at(unix.SYS_LISTEN, 7, 1), false},
		"accepting":                      {at(unix.SYS_ACCEPT4, 7), false},
		"sending to an address":          {at(unix.SYS_SENDTO, 7), false},
		"sending with ancillary data":    {at(unix.SYS_SENDMSG, 7), false},
		"opening for reading":            {at(unix.SYS_OPENAT, 0, 0, unix.O_RDONLY), false},
		"opening a path without reading": {at(unix.SYS_OPENAT, 0, 0, unix.O_PATH), false},
		"looking at a file":              {at(unix.SYS_NEWFSTATAT), false},
		"TCP_NODELAY":                    {at(unix.SYS_SETSOCKOPT, 7, unix.IPPROTO_TCP, unix.TCP_NODELAY), true},
		"an option of another level":     {at(unix.SYS_SETSOCKOPT, 7, unix.SOL_SOCKET, unix.TCP_NODELAY), false},
		"SO_BINDTODEVICE":                {at(unix.SYS_SETSOCKOPT, 7, unix.SOL_SOCKET, unix.SO_BINDTODEVICE), false},
		"TCP_REPAIR":                     {at(unix.SYS_SETSOCKOPT, 7, unix.IPPROTO_TCP, unix.TCP_REPAIR), false},
		"SO_ERROR":                       {at(unix.SYS_GETSOCKOPT, 7, unix.SOL_SOCKET, unix.SO_ERROR), true},
		"SO_PEERCRED":                    {at(unix.SYS_GETSOCKOPT, 7, unix.SOL_SOCKET, unix.SO_PEERCRED), false},
		"reading":                        {at(unix.SYS_READ, 7), true},
		"duplicating":                    {at(unix.SYS_FCNTL, 7, unix.F_DUPFD_CLOEXEC), false},
		"exec":                           {at(unix.SYS_EXECVE), false},
		"tracing":                        {at(unix.SYS_PTRACE), false},
		"io_uring":                       {at(unix.SYS_IO_URING_SETUP), false},
		"signal to another process":      {at(unix.SYS_TGKILL, testPID+1, 7, 9), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(tt.call) == retAllow; got != tt.want {
				t.Errorf("expected allowed %v, found %v", tt.want, got)
			}
		})
	}
}

func TestParseTask(t *testing.T) {
	tests := map[string]struct {
		status  string
		want    task
		wantErr string
	}{
		"locked":                        {"Name:\tx\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n", task{mode: 2, filters: 3, noNewPrivs: 1}, ""},
		"before 5.9, no count":          {"NoNewPrivs:\t0\nSeccomp:\t0\n", task{mode: 0, filters: -1}, ""},
		"a kernel without seccomp":      {"NoNewPrivs:\t1\n", task{}, "expected a line Seccomp, found none: a kernel built with CONFIG_SECCOMP_FILTER is needed"},
		"a kernel before 4.10":          {"Seccomp:\t0\n", task{}, "expected a line NoNewPrivs, found none: a kernel from 4.10 on is needed"},
		"not a number":                  {"Seccomp:\tyes\n", task{}, `Seccomp: expected a number, found "yes"`},
		"a name that looks like a line": {"Name:\tSeccomp:\nNoNewPrivs:\t1\nSeccomp:\t2\n", task{mode: 2, filters: -1, noNewPrivs: 1}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseTask(tt.status)
			if text := errText(err); text != tt.wantErr {
				t.Fatalf("expected error %q, found %q", tt.wantErr, text)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(task{})); diff != "" {
				t.Errorf("task (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLockedSince(t *testing.T) {
	tests := map[string]struct {
		before, after task
		want          string
	}{
		"one filter more":                 {task{filters: 1}, task{mode: 2, filters: 2, noNewPrivs: 1}, ""},
		"no filter more":                  {task{filters: 1}, task{mode: 2, filters: 1, noNewPrivs: 1}, "expected Seccomp_filters 2, found 1"},
		"mode off":                        {task{}, task{mode: 0, noNewPrivs: 1}, "expected Seccomp 2, found 0"},
		"privileges can still be gained":  {task{filters: -1}, task{mode: 2, filters: -1}, "expected NoNewPrivs 1, found 0"},
		"a kernel that counts no filters": {task{filters: -1}, task{mode: 2, filters: -1, noNewPrivs: 1}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := errText(tt.after.lockedSince(tt.before)); got != tt.want {
				t.Errorf("expected %q, found %q", tt.want, got)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
