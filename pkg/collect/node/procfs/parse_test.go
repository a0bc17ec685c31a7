package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func ptr[T any](v T) *T { return &v }

// Captured on Linux 6.18 in a pod of containerd 2.3 and shortened.
const statusText = `Name:	sleep
Umask:	0022
State:	S (sleeping)
Tgid:	2143
Ngid:	0
Pid:	2143
PPid:	2101
TracerPid:	0
Uid:	1000	1001	1002	1003
Gid:	10	11	12	13
FDSize:	64
Groups:	0 10
NStgid:	2143	1
NSpid:	2143	1
VmHWM:	     512 kB
Threads:	1
CapInh:	0000000000000000
CapPrm:	00000000a80425fb
CapEff:	00000000a80425fb
CapBnd:	00000000a80425fb
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
`

func TestParseStatus(t *testing.T) {
	full := Status{
		Name: "sleep", State: 'S', TGID: 2143, PID: 2143, PPID: 2101, UID: [4]int64{1000, 1001, 1002, 1003}, GID: [4]int64{10, 11, 12, 13},
		InnerPID: 1, Levels: 2, CapInh: fact.NewCapMask(0), CapPrm: fact.NewCapMask(0xa80425fb), CapEff: fact.NewCapMask(0xa80425fb),
		CapBnd: fact.NewCapMask(0xa80425fb), CapAmb: fact.NewCapMask(0), NoNewPrivs: ptr(true), Seccomp: ptr(2), Threads: 1, Groups: []int64{0, 10}, PeakRSS: 512,
	}
	without := func(key string) string {
		var kept []string
		for _, line := range strings.SplitAfter(statusText, "\n") {
			if !strings.HasPrefix(line, key+":") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	with := func(old, text string) string {
		if !strings.Contains(statusText, old) {
			t.Fatalf("%q is not in the fixture", old)
		}
		return strings.Replace(statusText, old, text, 1)
	}
	edit := func(change func(*Status)) Status { s := full; change(&s); return s }
	for name, tc := range map[string]struct {
		text string
		want Status
		err  string
	}{
		"all fields":                           {text: statusText, want: full},
		"a mask that is missing is not zero":   {text: without("CapEff"), want: edit(func(s *Status) { s.CapEff = fact.CapMask{} })},
		"no seccomp in the kernel is nil":      {text: without("Seccomp"), want: edit(func(s *Status) { s.Seccomp = nil })},
		"seccomp off is 0":                     {text: with("Seccomp:	2", "Seccomp:	0"), want: edit(func(s *Status) { s.Seccomp = ptr(0) })},
		"an old kernel without NoNewPrivs":     {text: without("NoNewPrivs"), want: edit(func(s *Status) { s.NoNewPrivs = nil })},
		"no pid namespaces":                    {text: without("NSpid"), want: edit(func(s *Status) { s.InnerPID, s.Levels = 0, 0 })},
		"a name with a newline and backslash":  {text: with("sleep", `a\nb\\n`), want: edit(func(s *Status) { s.Name = "a\nb\\n" })},
		"a name that looks like another line":  {text: with("sleep", `x\nCapEff:	0000000000000000`), want: edit(func(s *Status) { s.Name = "x\nCapEff:\t0000000000000000" })},
		"a name with spaces at its end":        {text: with("sleep", "sl  "), want: edit(func(s *Status) { s.Name = "sl  " })},
		"a zombie has no memory":               {text: strings.Replace(without("VmHWM"), "S (sl", "Z (sl", 1), want: edit(func(s *Status) { s.State, s.PeakRSS = 'Z', 0 })},
		"a fifth uid is an error, not a panic": {text: with("1003", "1003	1004"), err: `status line 9: expected four ids, found "Uid:\t1000\t1001\t1002\t1003\t1004"`},
		"three uids":                           {text: with("	1003", ""), err: `status line 9: expected four ids, found "Uid:\t1000\t1001\t1002"`},
		"a mask of 15 digits":                  {text: with("CapEff:	0", "CapEff:	"), err: `status line 19: expected 16 hex digits, found "CapEff:\t0000000a80425fb"`},
		"a mask that is no number":             {text: with("CapEff:	0", "CapEff:	-"), err: `status line 19: expected 16 hex digits, found "CapEff:\t-0000000a80425fb"`},
		"no Uid line":                          {text: without("Uid"), err: "status: no line Uid"},
		"no name":                              {text: without("Name"), err: "status: no line Name"},
		"cut inside a line":                    {text: statusText[:len(statusText)-5], err: `status line 24: cut short: "Seccomp_filter"`},
		"cut behind a line":                    {text: "Name:	x\nState:	S (sleeping)\n", err: "status: no line Pid"},
		"empty":                                {text: "", err: "status: no line Name"},
		"another file":                         {text: "1 (init) S 0\n", err: `status line 1: expected a name and a colon, found "1 (init) S 0"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseStatus([]byte(tc.text))
			if text := errText(err); text != tc.err {
				t.Fatalf("error %s\nwant  %s", text, tc.err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(fact.CapMask{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
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

func TestParseStat(t *testing.T) {
	const tail = " S 2101 2143 2143 0 -1 4194560 71 0 0 0 7 9 0 0 20 0 1 0 123456 2502656 128 18446744073709551615 1 1\n"
	want := Stat{PID: 2143, Comm: "sleep", State: 'S', PPID: 2101, Flags: 4194560, UTime: 7, STime: 9, Threads: 1, StartTime: 123456}
	named := func(comm string) Stat { s := want; s.Comm = comm; return s }
	for name, tc := range map[string]struct {
		text string
		want Stat
		err  string
	}{
		"plain":                            {text: "2143 (sleep)" + tail, want: want},
		"a name that closes and goes on":   {text: "2143 (a) R 1 (b)" + tail, want: named("a) R 1 (b")},
		"a name with a newline":            {text: "2143 (a\nb)" + tail, want: named("a\nb")},
		"an empty name":                    {text: "2143 ()" + tail, want: named("")},
		"a kernel thread's flags":          {text: strings.Replace("2143 (sleep)"+tail, "4194560", "2129984", 1), want: Stat{PID: 2143, Comm: "sleep", State: 'S', PPID: 2101, Flags: 2129984, UTime: 7, STime: 9, Threads: 1, StartTime: 123456}},
		"cut inside the start time":        {text: "2143 (sleep)" + tail[:51], err: `stat: expected more than 22 fields in "2143 (sleep) S 2101 2143 2143 0 -1 4194560 71 0 0 0 7 9 0 0 20"`},
		"no parentheses":                   {text: "2143 sleep S", err: `stat: expected a pid and a name in parentheses in "2143 sleep S"`},
		"parentheses the wrong way round":  {text: ")2(", err: `stat: expected a pid and a name in parentheses in ")2("`},
		"a word where the flags should be": {text: "1 (x) S 1 1 1 0 -1 flags 0", err: `stat: expected a number as field 9 in "1 (x) S 1 1 1 0 -1 flags 0"`},
		"empty":                            {text: "", err: `stat: expected a pid and a name in parentheses in ""`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseStat([]byte(tc.text))
			if name == "cut inside the start time" {
				// Which field is the last one that ended is not the point.
				if err == nil || !strings.Contains(err.Error(), "fields in") {
					t.Fatalf("error %v; want one about missing fields", err)
				}
				return
			}
			if text := errText(err); text != tc.err {
				t.Fatalf("error %s\nwant  %s", text, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	thread := Stat{Flags: 2129984}
	if !thread.KernelThread() || want.KernelThread() {
		t.Error("PF_KTHREAD is not told from other flags")
	}
	boot := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := want.Started(boot); !got.Equal(boot.Add(1234560 * time.Millisecond)) {
		t.Errorf("started %v", got)
	}
	if got := want.Started(time.Time{}); !got.IsZero() {
		t.Errorf("started at %v after an unknown boot", got)
	}
}

func TestParseBootTime(t *testing.T) {
	got, err := ParseBootTime([]byte("cpu  1 2 3\nbtime 1790000000\nprocesses 5\n"))
	if err != nil || got.Unix() != 1790000000 {
		t.Errorf("%v, %v", got, err)
	}
	for name, text := range map[string]string{"no line": "cpu 1\n", "no number": "btime x\n", "zero": "btime 0\n", "too large": "btime 99999999999999\n"} {
		if _, err := ParseBootTime([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseMountInfo(t *testing.T) {
	const text = `722 651 0:63 / / ro,relatime master:200 - overlay overlay rw,lowerdir=/a\134:b:/c,upperdir=/u\134\054v,workdir=/w
723 722 0:70 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
724 722 8:1 /var/lib/kubelet/pods/12345678-9abc-def0-1234-56789abcdef0/volumes/kubernetes.io~empty-dir/work /mnt/with\040space\012line rw,relatime shared:1 master:2 propagate_from:3 unbindable - ext4 /dev/sda1 rw,errors=remount-ro
725 722 0:80 / /empty rw -  tmpfs  rw,size=64k
`
	// An empty source leaves two spaces; line 4 shows what then is the type.
	got, err := ParseMountInfo([]byte(strings.Replace(text, "-  tmpfs  rw", "- tmpfs  rw", 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := []MountInfo{
		{ID: 722, Parent: 651, Minor: 63, Root: "/", Point: "/", Options: "ro,relatime", FSType: "overlay", Source: "overlay", SuperOptions: `rw,lowerdir=/a\134:b:/c,upperdir=/u\134\054v,workdir=/w`},
		{ID: 723, Parent: 722, Minor: 70, Root: "/", Point: "/proc", Options: "rw,nosuid,nodev,noexec,relatime", FSType: "proc", Source: "proc", SuperOptions: "rw"},
		{ID: 724, Parent: 722, Major: 8, Minor: 1, Root: "/var/lib/kubelet/pods/12345678-9abc-def0-1234-56789abcdef0/volumes/kubernetes.io~empty-dir/work", Point: "/mnt/with space\nline", Options: "rw,relatime", FSType: "ext4", Source: "/dev/sda1", SuperOptions: "rw,errors=remount-ro"},
		{ID: 725, Parent: 722, Minor: 80, Root: "/", Point: "/empty", Options: "rw", FSType: "tmpfs", SuperOptions: "rw,size=64k"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !got[0].ReadOnly() || got[2].ReadOnly() {
		t.Error("ro of the mount alone is read-only; errors=remount-ro is not")
	}
	if m := Find(got, 724); m == nil || m.FSType != "ext4" {
		t.Errorf("Find(724) = %v", m)
	}
	for name, tc := range map[string]struct{ line, err string }{
		"no hyphen":         {"1 2 0:1 / / rw", `mountinfo line 1: expected a single hyphen after the optional fields in "1 2 0:1 / / rw"`},
		"no super options":  {"1 2 0:1 / / rw - ext4 /dev/sda1", `mountinfo line 1: expected super options as last field in "1 2 0:1 / / rw - ext4 /dev/sda1"`},
		"a word as id":      {"x 2 0:1 / / rw - a b rw", `mountinfo line 1: expected a mount id as field 1 in "x 2 0:1 / / rw - a b rw"`},
		"no minor number":   {"1 2 0 / / rw - a b rw", `mountinfo line 1: expected major:minor as field 3 in "1 2 0 / / rw - a b rw"`},
		"a negative parent": {"1 -2 0:1 / / rw - a b rw", `mountinfo line 1: expected a mount id as field 2 in "1 -2 0:1 / / rw - a b rw"`},
		"an empty line":     {"\n", `mountinfo line 1: expected a mount id as field 1 in ""`},
	} {
		if _, err := ParseMountInfo([]byte(tc.line)); errText(err) != tc.err {
			t.Errorf("%s: error %v\nwant %s", name, err, tc.err)
		}
	}
}

func TestParseVolumePath(t *testing.T) {
	const pods = "/var/lib/kubelet/pods/" + uid
	for name, tc := range map[string]struct {
		path string
		want Volume
	}{
		"emptyDir":                       {pods + "/volumes/kubernetes.io~empty-dir/work", Volume{uid, "emptyDir", "work"}},
		"below an emptyDir":              {pods + "/volumes/kubernetes.io~empty-dir/scratch/a/b", Volume{uid, "emptyDir", "scratch"}},
		"relative to its file system":    {"/kubelet/pods/" + uid + "/volumes/kubernetes.io~configmap/c", Volume{uid, "configMap", "c"}},
		"csi names the volume":           {pods + "/volumes/kubernetes.io~csi/pvc-1/mount", Volume{uid, "csi", "pvc-1"}},
		"a driver of another vendor":     {pods + "/volumes/example.com~disk/d", Volume{uid, "disk", "d"}},
		"projected":                      {pods + "/volumes/kubernetes.io~projected/token", Volume{uid, "projected", "token"}},
		"a subPath does not tell a kind": {pods + "/volume-subpaths/scratch/main/0", Volume{uid, "subPath", "scratch"}},
		"the kubelet's hosts file":       {pods + "/etc-hosts", Volume{uid, "kubelet", "etc-hosts"}},
		"the termination log":            {pods + "/containers/main/1a2b3c4d", Volume{uid, "kubelet", "termination-log"}},
		"a static pod":                   {"/var/lib/kubelet/pods/" + hash + "/volumes/kubernetes.io~empty-dir/x", Volume{hash, "emptyDir", "x"}},
		"a directory pods before it":     {"/pods/x/kubelet/pods/" + uid + "/volumes/kubernetes.io~empty-dir/x", Volume{uid, "emptyDir", "x"}},
		"a host path":                    {"/srv/data", Volume{}},
		"no name":                        {pods + "/volumes/kubernetes.io~empty-dir/", Volume{}},
		"no uid":                         {"/var/lib/kubelet/pods/x/volumes/kubernetes.io~empty-dir/work", Volume{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := ParseVolumePath(tc.path)
			if ok != (tc.want != Volume{}) || got != tc.want {
				t.Errorf("%v, %v; want %v", got, ok, tc.want)
			}
		})
	}
}

func TestIDMap(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		root int64
		has  bool
		err  string
	}{
		"the initial namespace":                    {text: "         0          0 4294967295\n", root: 0, has: true},
		"a pod with hostUsers false":               {text: "         0     131072      65536\n", root: 131072, has: true},
		"root is still the host's in a child":      {text: "0 0 1\n", root: 0, has: true},
		"root is on the second line":               {text: "1 100001 10\n0 1000 1\n", root: 1000, has: true},
		"a namespace without a root":               {text: "5 1000 1\n"},
		"not yet written":                          {text: ""},
		"two numbers":                              {text: "0 0\n", err: `uid_map line 1: expected three numbers, found "0 0"`},
		"a negative number":                        {text: "0 0 1\n0 -1 1\n", err: `uid_map line 2: expected three numbers, found "0 -1 1"`},
		"more lines than the kernel takes":         {text: strings.Repeat("0 0 1\n", 341), err: "uid_map: expected at most 340 lines"},
		"a count that does not fit an unsigned 32": {text: "0 0 4294967296\n", err: `uid_map line 1: expected three numbers, found "0 0 4294967296"`},
	} {
		t.Run(name, func(t *testing.T) {
			ranges, err := ParseIDMap([]byte(tc.text))
			if errText(err) != tc.err {
				t.Fatalf("error %v, want %s", err, tc.err)
			}
			if root, has := RootOf(ranges); root != tc.root || has != tc.has {
				t.Errorf("root %d, %v; want %d, %v", root, has, tc.root, tc.has)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	wanted, bools := []string{"etcd-prefix", "encryption-provider-config"}, []string{"encryption-provider-config-automatic-reload"}
	for name, tc := range map[string]struct {
		args string // separated by '|'
		want map[string]string
	}{
		"with an equals sign":            {"kube-apiserver|--etcd-prefix=/registry", map[string]string{"etcd-prefix": "/registry"}},
		"with a word of its own":         {"kube-apiserver|--etcd-prefix|/x", map[string]string{"etcd-prefix": "/x"}},
		"the last wins":                  {"--etcd-prefix=/a|--etcd-prefix|/b", map[string]string{"etcd-prefix": "/b"}},
		"underscores are hyphens":        {"--etcd_prefix=/a", map[string]string{"etcd-prefix": "/a"}},
		"a bool alone":                   {"--encryption-provider-config-automatic-reload|--etcd-prefix=/a", map[string]string{"encryption-provider-config-automatic-reload": "true", "etcd-prefix": "/a"}},
		"a bool takes no next word":      {"--encryption-provider-config-automatic-reload|false", map[string]string{"encryption-provider-config-automatic-reload": "true"}},
		"a bool with a value":            {"--encryption-provider-config-automatic-reload=false", map[string]string{"encryption-provider-config-automatic-reload": "false"}},
		"behind -- nothing is a flag":    {"--|--etcd-prefix=/a", map[string]string{}},
		"a value that looks like a flag": {"--etcd-prefix|--x=1|--encryption-provider-config=/f", map[string]string{"etcd-prefix": "--x=1", "encryption-provider-config": "/f"}},
		"a value with an equals sign":    {"--etcd-prefix=a=b", map[string]string{"etcd-prefix": "a=b"}},
		"what is not wanted is dropped":  {"--token-auth-file=/secret|--service-account-key|hunter2", map[string]string{}},
		"a flag without its word":        {"--etcd-prefix", map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			args := SplitCmdline([]byte(strings.ReplaceAll(tc.args, "|", "\x00") + "\x00"))
			if diff := cmp.Diff(tc.want, Flags(args, wanted, bools)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Every live process of this machine parses, and says the same as the kernel's
// other files do.
func TestLive(t *testing.T) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	read := func(format string, args ...any) []byte {
		data, err := os.ReadFile(fmt.Sprintf(format, args...))
		if err != nil {
			return nil
		}
		return data
	}
	seen := 0
	for _, e := range entries {
		var pid int
		if n, _ := fmt.Sscanf(e.Name(), "%d", &pid); n != 1 {
			continue
		}
		status, stat, cgroup, mounts, uids := read("/proc/%d/status", pid), read("/proc/%d/stat", pid), read("/proc/%d/cgroup", pid), read("/proc/%d/mountinfo", pid), read("/proc/%d/uid_map", pid)
		if status == nil || stat == nil || cgroup == nil {
			continue // it ended
		}
		a, errA := ParseStatus(status)
		b, errB := ParseStat(stat)
		_, errC := ParseCgroup(cgroup)
		_, errD := ParseMountInfo(mounts)
		_, errE := ParseIDMap(uids)
		for _, err := range []error{errA, errB, errC, errD, errE} {
			if err != nil {
				t.Errorf("pid %d: %v", pid, err)
			}
		}
		if a.PID != pid || b.PID != pid || a.PPID != b.PPID || !a.CapEff.IsZero() && a.CapEff.String() == "not read" {
			t.Errorf("pid %d: status says %d of %d, stat %d of %d", pid, a.PID, a.PPID, b.PID, b.PPID)
		}
		seen++
	}
	if seen == 0 {
		t.Error("not one process was read")
	}
}

func TestParseMapping(t *testing.T) {
	const path = "/usr/lib/with space (deleted)"
	for name, tc := range map[string]struct {
		line string
		want Mapping
		bad  string
	}{
		"code of a library": {
			line: "7f3a4c000000-7f3a4c021000 r-xp 00001000 08:1f 2360                       " + path,
			want: Mapping{Exec: true, Private: true, Major: 8, Minor: 31, Inode: 2360, Path: []byte(path), File: []byte("08:1f 2360                       " + path)},
		},
		"shared memory":        {line: "1-2 rwxs 0 00:01 9 /dev/zero (deleted)", want: Mapping{Exec: true, Minor: 1, Inode: 9, Path: []byte("/dev/zero (deleted)"), File: []byte("00:01 9 /dev/zero (deleted)")}},
		"no file":              {line: "1-2 r--p 0 00:00 0 ", want: Mapping{Private: true, Path: []byte{}, File: []byte("00:00 0 ")}},
		"the largest numbers":  {line: "1-2 r--p 0 ffffffff:ffffffff 18446744073709551615", want: Mapping{Private: true, Major: 1<<32 - 1, Minor: 1<<32 - 1, Inode: 1<<64 - 1, File: []byte("ffffffff:ffffffff 18446744073709551615")}},
		"too large an inode":   {line: "1-2 r--p 0 0:0 18446744073709551616", bad: "inode"},
		"too large a device":   {line: "1-2 r--p 0 100000000:0 1", bad: "major:minor"},
		"a device without one": {line: "1-2 r--p 0 00 1", bad: "major:minor"},
		"an upper case device": {line: "1-2 r--p 0 0A:00 1", bad: "major:minor"},
		"five letters":         {line: "1-2 r--pp 0 0:0 1", bad: "four letters"},
		"one address":          {line: "1- r--p 0 0:0 1", bad: "two addresses"},
		"nothing":              {bad: "two addresses"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseMapping([]byte(tc.line))
			if (err == nil) != (tc.bad == "") || err != nil && !strings.Contains(err.Error(), tc.bad) {
				t.Fatalf("error %v, want one about %q", err, tc.bad)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("mapping (-want +got):\n%s", diff)
			}
			if err == nil && got.Exec != MayExecute([]byte(tc.line)) {
				t.Errorf("may execute %t", !got.Exec)
			}
		})
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte(statusText))
	f.Add([]byte("2143 (sleep) S 2101 2143 2143 0 -1 4194560 71 0 0 0 7 9 0 0 20 0 1 0 123456 2502656 128\n"))
	f.Add([]byte("0::/kubepods/burstable/pod" + uid + "/" + idA + "\n"))
	f.Add([]byte("722 651 0:63 / / ro master:200 - overlay overlay rw,lowerdir=/a\n"))
	f.Add([]byte("0 131072 65536\n"))
	f.Add([]byte("kube-apiserver\x00--etcd-prefix=/a\x00"))
	f.Add([]byte("btime 12\n"))
	f.Add([]byte("0()\x00 0 0 0 0 0 0 0 0 0 0 0 0 0 \n 4 0 0 \xff 0 ")) // found by fuzzing: a state that is no letter
	f.Add([]byte("7f3a4c000000-7f3a4c021000 r-xp 00001000 08:01 2360                       /usr/lib/libm.so.6 (deleted)"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseStatus(data); err == nil && (s.State == 0 || s.PID < 0) {
			t.Errorf("an incomplete status without an error: %+v", s)
		}
		if s, err := ParseStat(data); err == nil && s.State == 0 {
			t.Errorf("an incomplete stat without an error: %+v", s)
		}
		if lines, err := ParseCgroup(data); err == nil {
			id := Identify(lines)
			if id.Kubernetes && id.PodUID == "" && id.ID == "" {
				t.Errorf("a pod without a name: %+v", id)
			}
		}
		if th, err := ParseThread(data); err == nil {
			if th.State == 0 || len(th.Name()) > len(data) {
				t.Errorf("an incomplete thread without an error: %+v", th)
			}
			if s, err := ParseStatus(data); err == nil && (s.UID != th.UID || s.CapPrm != th.CapPrm || s.CapEff != th.CapEff || s.CapBnd != th.CapBnd || s.State != th.State) {
				t.Errorf("as a thread %+v, as a process %+v", th, s)
			}
		}
		if label := ParseLabel(data); len(label) > MaxLabel+len("…") {
			t.Errorf("a label of %d bytes", len(label))
		}
		id := IdentifyPath(string(data))
		if len(id.ID) > len(data) || len(id.PodUID) > len(data) {
			t.Errorf("an id longer than the path: %+v", id)
		}
		if mounts, err := ParseMountInfo(data); err == nil {
			for i := range mounts {
				if mounts[i].FSType == "" || mounts[i].Point == "" {
					t.Errorf("an incomplete mount without an error: %+v", mounts[i])
				}
				_ = mounts[i].ReadOnly()
			}
		}
		if ranges, err := ParseIDMap(data); err == nil {
			RootOf(ranges)
		}
		Flags(SplitCmdline(data), []string{"etcd-prefix"}, []string{"x"})
		_, _ = ParseVolumePath(string(data))
		_, _ = ParseBootTime(data)
		if m, err := ParseMapping(data); err == nil && (len(m.Path) >= len(data) || len(m.Path) > 0 && m.Path[0] == ' ') {
			t.Errorf("a path that is no part of the line: %+v", m)
		} else if err == nil && m.Exec && (!MayExecute(data) || !bytes.HasSuffix(m.File, m.Path)) {
			t.Errorf("an executable mapping that is passed by, or whose file has not its path: %+v", m)
		}
	})
}

func TestParseUptime(t *testing.T) {
	if got, err := ParseUptime([]byte("35421.07 139650.12\n")); err != nil || got != 35421*time.Second+70*time.Millisecond {
		t.Errorf("found %v, error %v", got, err)
	}
	for text, want := range map[string]string{
		"":               `/proc/uptime: expected seconds with two decimals, found ""`,
		"12 3":           `/proc/uptime: expected seconds with two decimals, found "12"`,
		"12.5 3":         `/proc/uptime: expected seconds with two decimals, found "12.5"`,
		"-1.00 3":        `/proc/uptime: expected seconds with two decimals, found "-1.00"`,
		"9999999999.00 ": `/proc/uptime: expected seconds with two decimals, found "9999999999.00"`,
	} {
		if got, err := ParseUptime([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: found %v, error %v; want %s", text, got, err, want)
		}
	}
}
