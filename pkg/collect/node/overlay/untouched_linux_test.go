package overlay

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Programs of this machine, in a container whose image is this machine, with what
// they load and compile while they run. Nothing of it is drift.
func TestUntouched(t *testing.T) {
	needMounts(t)
	c := newContainer(t, layout{image: []map[string]string{{
		"tmp/": "", "srv/x.sh": "#!/bin/sh\nread x\n", "srv/x.py": "import ctypes, ssl, json, sqlite3\ninput()\n",
		"srv/x.awk": "{ print }\n", "srv/x.js": "for (let i = 0; i < 1e6; i++) Math.sin(i); setInterval(() => {}, 1e6)\n",
		"srv/x.pl": "use POSIX; <STDIN>;\n", "srv/Makefile": "all:\n\t@read x\n",
		"srv/X.java": "class X { public static void main(String[] a) throws Exception { long s = 0; for (int i = 0; i < 30000000; i++) s += i; Thread.sleep(1000000); } }\n",
	}}, host: true})
	started := map[int]string{}
	for _, args := range [][]string{
		{"/bin/sleep", "99"},
		{"/bin/cat"},
		{"/usr/bin/tail", "-f", "/srv/x.sh"},
		{"/bin/bash"},
		{"/bin/bash", "/srv/x.sh"},
		{"/bin/dash", "/srv/x.sh"},
		{"/bin/busybox", "sleep", "99"},
		{"/usr/bin/perl", "/srv/x.pl"},
		{"/usr/bin/mawk", "-f", "/srv/x.awk"},
		{"/usr/bin/gawk", "{ print }"},
		{"/bin/sed", "s/a/b/"},
		{"/bin/grep", "x"},
		{"/usr/bin/python3", "/srv/x.py"},
		{"/usr/bin/python3", "-c", "input()"},
		{"/usr/bin/node", "/srv/x.js"},
		{"/usr/bin/java", "-cp", "/srv", "/srv/X.java"},
		{"/usr/bin/java", "-Xint", "/srv/X.java"},
		{"/usr/bin/make", "-C", "/srv"},
		{"/usr/bin/sqlite3"},
		{"/usr/bin/tee"},
		{"/usr/bin/sort"},
		{"/usr/bin/wc"},
		{"/usr/bin/xargs"},
		{"/usr/bin/openssl", "enc", "-base64"},
		{"/usr/bin/xz"},
		{"/usr/bin/zstd"},
		{"/bin/dd"},
		{"/usr/bin/gdb", "-q"},
		{"/usr/bin/timeout", "9", "/bin/sleep", "9"},
		{"/usr/bin/stdbuf", "-o0", "/bin/cat"},
		{"/usr/bin/env", "/bin/cat"},
		{"/lib64/ld-linux-x86-64.so.2", "/bin/cat"},
		{"/usr/bin/bc"},
		{"/usr/bin/tclsh"},
		{"/usr/bin/lua5.4", "-"},
		{"/usr/bin/ruby", "-e", "gets"},
		{"/usr/bin/php", "-r", "fgets(STDIN);"},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			continue
		}
		real, err := filepath.EvalSymlinks(args[0])
		must(t, err)
		if data, err := os.ReadFile(real); err != nil || len(data) < 2 || string(data[:2]) == "#!" {
			continue // a script would be judged by its interpreter
		}
		started[c.run(request{Op: "start", Exe: args[0], Args: args, Dir: "/srv"})] = args[0]
	}
	if len(started) < 15 {
		t.Skipf("this machine has only %d of the programs", len(started))
	}
	// What is compiled while they run comes late.
	time.Sleep(3 * time.Second)
	s, files := c.seen(), &MappedFiles{}
	mapped := 0
	for pid, name := range started {
		if _, err := os.Readlink(procName(pid, "exe")); err != nil {
			t.Logf("%s has ended", name)
			continue
		}
		p := process(t, pid)
		exe, gap := s.Executable(t.Context(), p)
		if exe == nil || exe.Origin != fact.OriginImage || gap != nil || exe.Gained != "" || exe.Owner == nil || exe.Dir == nil {
			t.Errorf("%s: %+v, gap %+v", name, exe, gap)
		}
		scripts, gap := s.scriptsOf(t, pid, p)
		if len(scripts) > 0 || gap != nil {
			t.Errorf("%s: scripts %+v, gap %+v", name, scripts, gap)
		}
		got, gaps := s.Mapped(t.Context(), p, mappingsOf(t, pid, files))
		if len(got.Files) > 0 || len(gaps) > 0 {
			t.Errorf("%s: mapped %+v, gaps %+v", name, got, gaps)
		}
		mapped += got.Count
	}
	t.Logf("%d programs map %d files, %d different ones", len(started), mapped, len(files.files))
	walk, gap := s.WalkUpper(t.Context(), Limits{})
	if walk.Total != 0 || gap != nil {
		t.Errorf("upper: %+v, gap %+v", walk, gap)
	}
}
