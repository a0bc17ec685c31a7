package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// expand writes a txtar archive below a new directory. A file whose one line
// begins with "-> " becomes a link with the rest as its text; a name that ends
// in a slash becomes a directory.
func expand(t testing.TB, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		full := filepath.Join(dir, f.Name)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		if err == nil {
			text, isLink := strings.CutPrefix(string(f.Data), "-> ")
			switch {
			case strings.HasSuffix(f.Name, "/"):
				err = os.MkdirAll(full, 0o755)
			case isLink:
				err = os.Symlink(strings.TrimSuffix(text, "\n"), full)
			default:
				err = os.WriteFile(full, f.Data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeProcess is a process of a fixture. Zero fields get plain values.
type fakeProcess struct {
	pid, ppid int
	comm      string
	start     int // clock ticks
	state     string
	flags     int
	cgroup    string // lines
	uid       string
	caps      string // of CapPrm, CapEff, CapBnd
	extra     string // further lines of status
	mounts    string // mountinfo; "" = hostMounts
	root      string // below the node's root
	exe       string // below root
	cmdline   string // words separated by blanks
	ns        string // number that all its namespaces end in
	mnt       string // that of its mount namespace, if it is another
	uidMap    string
	fds       []string // paths below root
	maps      string
	environ   string // words, each with a NUL after it; "" = one plain variable
	noLinks   bool
}

const hostMounts = "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n21 20 0:5 / /proc rw,nosuid,nodev,noexec - proc proc rw\n"

func (p fakeProcess) archive() string {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	var b strings.Builder
	file := func(name, content string) { fmt.Fprintf(&b, "-- proc/%d/%s --\n%s", p.pid, name, content) }
	state, caps := or(p.state, "S"), or(p.caps, "00000000a80425fb")
	file("stat", fmt.Sprintf("%d (%s) %s %d 1 1 0 -1 %d 1 0 0 0 3 4 0 0 20 0 1 0 %d 1000 10 18446744073709551615 1\n", p.pid, p.comm, state, p.ppid, p.flags, p.start))
	file("status", fmt.Sprintf("Name:\t%s\nState:\t%s (x)\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nUid:\t%s\nGid:\t0\t0\t0\t0\nNSpid:\t%d\t1\nCapInh:\t0000000000000000\nCapPrm:\t%s\nCapEff:\t%s\nCapBnd:\t%s\nCapAmb:\t0000000000000000\n%s",
		p.comm, state, p.pid, p.pid, p.ppid, or(p.uid, "0\t0\t0\t0"), p.pid, caps, caps, caps, or(p.extra, "NoNewPrivs:\t0\nSeccomp:\t2\n")))
	file("cgroup", or(p.cgroup, "0::/system.slice/x.service\n"))
	file("mountinfo", or(p.mounts, hostMounts))
	file("uid_map", or(p.uidMap, "0 0 4294967295\n"))
	file("cmdline", strings.ReplaceAll(p.cmdline, " ", "\x00")+"\x00\n")
	file("environ", or(p.environ, "PATH=/usr/bin\x00")+"\n")
	if p.maps != "" {
		file("maps", p.maps)
	}
	if p.noLinks {
		return b.String()
	}
	file("root", "-> "+or(p.root, "/")+"\n")
	file("exe", "-> "+or(p.exe, "/usr/bin/"+p.comm)+"\n")
	file("cwd", "-> /\n")
	for _, kind := range []string{"user", "pid", "net", "ipc", "mnt"} {
		number := or(p.ns, "1837")
		if kind == "mnt" {
			number = or(p.mnt, number)
		}
		file("ns/"+kind, fmt.Sprintf("-> %s:[402653%s]\n", kind, number))
	}
	file("fd/", "")
	for i, text := range p.fds {
		file(fmt.Sprintf("fd/%d", i), "-> "+text+"\n")
	}
	return b.String()
}

// nodeFixture is a node's root file system with its proc inside.
func nodeFixture(t testing.TB, processes []fakeProcess, files string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("-- proc/stat --\ncpu 1 2\nbtime 1790000000\n-- proc/sys/kernel/cap_last_cap --\n40\n")
	for _, p := range processes {
		b.WriteString(p.archive())
	}
	b.WriteString(files)
	return expand(t, b.String())
}

var initProcess = fakeProcess{pid: 1, comm: "systemd", caps: "000001ffffffffff", extra: "NoNewPrivs:\t0\nSeccomp:\t0\n"}

// read measures a fixture.
func read(t testing.TB, dir string, level fact.Level, kinds ...fact.Kind) *fact.Measurement {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	defer cancel()
	m, err := Local(ctx, Options{Level: level, Node: "n1", Root: dir, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	m.Cost, m.At = fact.Cost{Processes: m.Cost.Processes}, fact.Time{}
	return m
}

func ptr[T any](v T) *T { return &v }

func at(ticks int) fact.Time {
	return fact.NewTime(time.Unix(boot, 0).Add(time.Duration(ticks) * 10 * time.Millisecond))
}

// aProcess is what the plain values of fakeProcess give.
func aProcess(pid int, comm string, start int, change func(*fact.Process)) fact.Process {
	mask := fact.NewCapMask(0xa80425fb)
	p := fact.Process{
		PID: pid, InnerPID: 1, Comm: comm, Started: at(start), CapInh: fact.NewCapMask(0), CapPrm: mask, CapEff: mask, CapBnd: mask, CapAmb: fact.NewCapMask(0),
		NoNewPrivs: ptr(false), Seccomp: ptr(2), RootUID: ptr(int64(0)),
	}
	if change != nil {
		change(&p)
	}
	return p
}
