package overlay

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// capability is security.capability with CAP_NET_RAW, permitted and effective.
var rawCaps = []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// What a running program gives to its caller, beyond the image's.
func TestExecutableGained(t *testing.T) {
	set := func(mode fs.FileMode) func(*testing.T, *container) {
		return func(t *testing.T, c *container) { must(t, os.Chmod(c.path("/bin/prog"), mode)) }
	}
	const suid, sgid = fs.ModeSetuid | 0o755, fs.ModeSetgid | 0o755
	for name, tc := range map[string]struct {
		image  fs.FileMode // of the image's file, 0 for 0755
		caps   []byte      // of the image's file
		path   string
		before func(*testing.T, *container)
		after  func(*testing.T, *container)
		origin fact.Origin
		want   string
	}{
		"nothing is changed":                      {origin: fact.OriginImage},
		"chmod without set-user-ID":               {before: set(0o700), origin: fact.OriginMetadata},
		"set-user-ID":                             {before: set(suid), origin: fact.OriginMetadata, want: "set-user-ID (mode 4755, in the image 0755)"},
		"set-group-ID":                            {before: set(sgid), origin: fact.OriginMetadata, want: "set-group-ID (mode 2755, in the image 0755)"},
		"set-user-ID while it runs":               {after: set(suid), origin: fact.OriginMetadata, want: "set-user-ID (mode 4755, in the image 0755)"},
		"set-user-ID that the image has too":      {image: suid, before: set(fs.ModeSetuid | 0o711), origin: fact.OriginMetadata},
		"set-user-ID of the image, not copied up": {image: suid, origin: fact.OriginImage},
		"file capabilities": {
			before: func(t *testing.T, c *container) {
				must(t, unix.Setxattr(c.path("/bin/prog"), "security.capability", rawCaps, 0))
			},
			origin: fact.OriginMetadata, want: "file capabilities cap_net_raw=ep",
		},
		"file capabilities that the image has too": {caps: rawCaps, before: set(0o711), origin: fact.OriginMetadata},
		"an added program": {
			path: "/tmp/x", origin: fact.OriginAdded, want: "set-user-ID (mode 4755)",
			before: func(t *testing.T, c *container) {
				must(t, os.WriteFile(c.path("/tmp/x"), pauseELF("evil"), 0o755))
				must(t, os.Chmod(c.path("/tmp/x"), suid))
			},
		},
		"an added program, deleted": {
			path: "/tmp/x", origin: fact.OriginDeletedAdded, want: "set-user-ID (mode 4755)",
			before: func(t *testing.T, c *container) {
				must(t, os.WriteFile(c.path("/tmp/x"), pauseELF("evil"), 0o755))
				must(t, os.Chmod(c.path("/tmp/x"), suid))
			},
			after: func(t *testing.T, c *container) { must(t, os.Remove(c.path("/tmp/x"))) },
		},
		"on a volume": {
			path: "/vol/x", origin: fact.OriginVolume, want: "set-user-ID (mode 4755)",
			before: func(t *testing.T, c *container) {
				must(t, os.WriteFile(c.path("/vol/x"), pauseELF("evil"), 0o755))
				must(t, os.Chmod(c.path("/vol/x"), suid))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, layout{image: image(), prepare: func(c *container) {
				file := filepath.Join(c.lowers[1], "bin/prog")
				if tc.image != 0 {
					must(t, os.Chmod(file, tc.image))
				}
				if tc.caps != nil {
					must(t, unix.Setxattr(file, "security.capability", tc.caps, 0))
				}
			}})
			if tc.before != nil {
				tc.before(t, c)
			}
			if tc.path == "" {
				tc.path = "/bin/prog"
			}
			pid := c.start(tc.path)
			if tc.after != nil {
				tc.after(t, c)
			}
			got, gap := c.seen().Executable(t.Context(), process(t, pid))
			if got.Origin != tc.origin || got.Gained != tc.want || gap != nil {
				t.Errorf("%s, gained %q, gap %+v; want %s, %q", got.Origin, got.Gained, gap, tc.origin, tc.want)
			}
		})
	}
}

// Who may write the running program, or put another file in its place.
func TestExecutableOwner(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	must(t, os.MkdirAll(c.path("/app"), 0o755))
	must(t, os.WriteFile(c.path("/app/x"), pauseELF("evil"), 0o755))
	must(t, os.Chown(c.path("/app/x"), 1000, 2000))
	must(t, os.Chmod(c.path("/app/x"), fs.ModeSetgid|0o775))
	must(t, os.Chown(c.path("/app"), 3000, 4000))
	must(t, os.Chmod(c.path("/app"), fs.ModeSticky|0o777))
	pid := c.start("/app/x")
	own := &fact.FileOwner{UID: 1000, GID: 2000, Mode: 0o2775}
	dir := &fact.FileOwner{UID: 3000, GID: 4000, Mode: 0o1777}
	got, _ := c.seen().Executable(t.Context(), process(t, pid))
	if diff := cmp.Diff([]*fact.FileOwner{own, dir}, []*fact.FileOwner{got.Owner, got.Dir}); diff != "" {
		t.Errorf("owner of file and directory (-want +got):\n%s", diff)
	}
	must(t, os.Remove(c.path("/app/x")))
	got, _ = c.seen().Executable(t.Context(), process(t, pid))
	if diff := cmp.Diff([]*fact.FileOwner{own, nil}, []*fact.FileOwner{got.Owner, got.Dir}); diff != "" {
		t.Errorf("of a deleted file, which no directory holds (-want +got):\n%s", diff)
	}
	got, _ = c.seen().Executable(t.Context(), process(t, c.start("/bin/prog")))
	if got.Owner == nil || got.Dir == nil || got.Owner.Mode != 0o755 || got.Dir.UID != 0 {
		t.Errorf("of the image's: %+v, %+v", got.Owner, got.Dir)
	}
}

// Scripts that no word of the command line names, or that are named otherwise than
// by a path below the container's root.
func TestScriptsElsewhere(t *testing.T) {
	needMounts(t)
	layer := realImage(t, "/bin/bash")
	for _, name := range []string{"usr/bin/python3", "usr/bin/dash", "usr/bin/java", "usr/bin/make", "usr/bin/node", "jail/usr/bin/python3"} {
		layer[name] = string(pauseELF(name))
	}
	layer["opt/lib.jar"], layer["app/"], layer["app/main.py"], layer["jail/tmp/"] = "a jar of the image", "", "print(1)\n", ""
	c := newContainer(t, layout{image: []map[string]string{layer}})
	const body = "read x\n"
	files := []string{"/tmp/x.sh", "/tmp/gone.sh", "/tmp/gone.jar", "/app/mod.py", "/tmp/dir/__main__.py", "/app/Makefile", "/app/added.jar", "/vol/x.py", "/jail/tmp/x.py"}
	for _, path := range files {
		must(t, os.MkdirAll(filepath.Dir(c.path(path)), 0o755))
		must(t, os.WriteFile(c.path(path), []byte(body), 0o644))
	}
	must(t, os.Symlink("/tmp/x.py", c.path("/jail/link.py")))
	must(t, unix.Mknod(c.path("/tmp/zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
	added := func(path string) fact.Executable {
		return fact.Executable{
			Path: path, Script: true, Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", HostPath: filepath.Join(c.upper, path),
			Size: int64(len(body)), SHA256: sha([]byte(body)),
		}
	}
	gone := func(path string) fact.Executable {
		e := added(path)
		e.Origin, e.HostPath = fact.OriginDeletedAdded, ""
		return e
	}
	volume := fact.Executable{Path: "/vol/x.py", Script: true, Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Size: int64(len(body)), SHA256: sha([]byte(body))}
	type processOf = func(*Process)
	for name, tc := range map[string]struct {
		request request
		real    bool // wait until the program has opened its script
		change  processOf
		apart   bool
		want    []fact.Executable
		gap     *fact.NodeGap
	}{
		"standard input":                   {request: request{Exe: "/usr/bin/dash", Stdin: "/tmp/x.sh"}, want: []fact.Executable{added("/tmp/x.sh")}},
		"standard input, whatever follows": {request: request{Exe: "/usr/bin/dash", Args: []string{"-s", "a", "b"}, Stdin: "/tmp/x.sh"}, want: []fact.Executable{added("/tmp/x.sh")}},
		"standard input of inline code":    {request: request{Exe: "/usr/bin/dash", Args: []string{"-c", "cat"}, Stdin: "/tmp/x.sh"}},
		"standard input of a script":       {request: request{Exe: "/usr/bin/python3", Args: []string{"/app/main.py"}, Stdin: "/tmp/x.sh"}},
		"standard input that is no file":   {request: request{Exe: "/usr/bin/dash", Stdin: "/tmp/zero"}},
		"a descriptor":                     {request: request{Exe: "/usr/bin/python3", Args: []string{"/dev/fd/3"}, Open: []string{"/tmp/x.sh"}}, want: []fact.Executable{added("/tmp/x.sh")}},
		"a descriptor by another name":     {request: request{Exe: "/usr/bin/python3", Args: []string{"/proc/self/fd/4"}, Open: []string{"/app/main.py", "/tmp/x.sh"}}, want: []fact.Executable{added("/tmp/x.sh")}},
		"bash keeps its script":            {request: request{Exe: "/bin/bash", Args: []string{"/tmp/x.sh"}}, real: true, want: []fact.Executable{added("/tmp/x.sh")}},
		// Its working directory was another one when the script was named.
		"dash keeps its script":                   {request: request{Exe: "/usr/bin/dash", Args: []string{"x.sh"}, Open: keeps(10, "/tmp/x.sh")}, want: []fact.Executable{added("/tmp/x.sh")}},
		"what inline code has open is no script":  {request: request{Exe: "/usr/bin/dash", Args: []string{"-c", "x"}, Open: keeps(10, "/tmp/x.sh")}},
		"a script that was deleted":               {request: request{Exe: "/usr/bin/dash", Args: []string{"/dev/stdin"}, Stdin: "/tmp/gone.sh", Unlink: []string{"/tmp/gone.sh"}}, want: []fact.Executable{gone("/tmp/gone.sh")}},
		"a module of the working directory":       {request: request{Exe: "/usr/bin/python3", Args: []string{"-m", "mod", "--password=hunter2"}, Dir: "/app"}, want: []fact.Executable{added("/app/mod.py")}},
		"a directory":                             {request: request{Exe: "/usr/bin/python3", Args: []string{"/tmp/dir/"}}, want: []fact.Executable{added("/tmp/dir/__main__.py")}},
		"make's default file":                     {request: request{Exe: "/usr/bin/make", Args: []string{"all"}, Dir: "/app"}, want: []fact.Executable{added("/app/Makefile")}},
		"a jar of a class path's wildcard":        {request: request{Exe: "/usr/bin/java", Args: []string{"-cp", "/app/*", "Main"}, Open: []string{"/opt/lib.jar", "/app/added.jar"}}, want: []fact.Executable{added("/app/added.jar")}},
		"jars that the image has":                 {request: request{Exe: "/usr/bin/java", Args: []string{"-cp", "/opt/*", "Main"}, Open: []string{"/opt/lib.jar"}}},
		"a jar that was deleted":                  {request: request{Exe: "/usr/bin/java", Args: []string{"-cp", "/tmp/*", "Main"}, Open: []string{"/tmp/gone.jar"}, Unlink: []string{"/tmp/gone.jar"}}, want: []fact.Executable{gone("/tmp/gone.jar")}},
		"in its own mount namespace":              {request: request{Op: "unshare", Exe: "/usr/bin/python3", Args: []string{"/app/mod.py"}}, apart: true, want: []fact.Executable{added("/app/mod.py")}},
		"on a volume, in its own mount namespace": {request: request{Op: "unshare", Exe: "/usr/bin/python3", Args: []string{"x.py"}, Dir: "/vol"}, apart: true, want: []fact.Executable{volume}},
		"in a mount namespace whose table was not read": {
			request: request{Op: "unshare", Exe: "/usr/bin/python3", Args: []string{"/app/mod.py"}}, apart: true, change: func(p *Process) { p.Mounts = nil },
			gap: &fact.NodeGap{What: fact.Executables, Reason: fact.Unreadable, Detail: "a process has its own mount table, which was not read, so that its scripts are unknown"},
		},
		"below its own root": {
			request: request{Exe: "/usr/bin/python3", Args: []string{"../../link.py"}, Chroot: "/jail", Dir: "/tmp"}, want: []fact.Executable{added("/jail/tmp/x.py")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.request.Op == "" {
				tc.request.Op = "start"
			}
			tc.request.Args = append([]string{tc.request.Exe}, tc.request.Args...)
			for _, path := range tc.request.Unlink {
				must(t, os.WriteFile(c.path(path), []byte(body), 0o644))
			}
			pid := c.run(tc.request)
			if tc.real {
				waitForFD(t, pid, "255")
			}
			p := process(t, pid)
			if tc.apart || tc.request.Chroot != "" {
				p.Mounts, p.Apart = mountsOf(t, pid), tc.apart
			}
			if tc.change != nil {
				tc.change(&p)
			}
			got, gap := c.seen().scriptsOf(t, pid, p)
			if text, err := json.Marshal(got); err != nil || strings.Contains(string(text), "hunter2") {
				t.Errorf("an argument is kept: %s, %v", text, err)
			}
			for i := range got {
				got[i].Changed, got[i].Owner, got[i].Dir = fact.Time{}, nil, nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("scripts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gap, gap); diff != "" {
				t.Errorf("gap (-want +got):\n%s", diff)
			}
		})
	}
}

// keeps opens a file as descriptor n, and others below it: the first is 3.
func keeps(n int, file string) []string {
	list := slices.Repeat([]string{"/app/main.py"}, n-2)
	list[n-3] = file
	return list
}

func waitForFD(t *testing.T, pid int, fd string) {
	t.Helper()
	waitFor(t, func() bool {
		_, err := os.Readlink(procName(pid, "fd/"+fd))
		return err == nil
	})
}

// More files than are looked at are a gap. Those that are certain are listed first.
func TestManyScripts(t *testing.T) {
	layer := map[string]string{"usr/bin/java": string(pauseELF("java")), "tmp/": ""}
	var path []string
	for _, i := range slices.Sorted(slices.Values(strings.Split("abcdefghijklmnopqrst", ""))) {
		layer["opt/"+i] = i
		path = append(path, "/opt/"+i)
	}
	c := newContainer(t, layout{image: []map[string]string{layer}})
	for _, name := range path {
		must(t, os.Chmod(c.path(name), 0o600))
	}
	must(t, os.WriteFile(c.path("/tmp/x.jar"), []byte("x"), 0o644))
	pid := c.start("/usr/bin/java", "-cp", strings.Join(append(path, "/tmp/x.jar"), ":"), "Main")
	got, gap := c.seen().scriptsOf(t, pid, process(t, pid))
	if len(got) != maxScripts || got[0].Path != "/tmp/x.jar" || got[1].Origin != fact.OriginMetadata || gap != nil {
		t.Errorf("scripts %+v, gap %+v", got, gap)
	}
	pid = c.start("/usr/bin/java", "-cp", strings.Repeat("/opt/a:", maxScriptNames)+"/tmp/x.jar", "Main")
	got, gap = c.seen().scriptsOf(t, pid, process(t, pid))
	if len(got) != 1 || gap == nil || gap.Reason != fact.Truncated {
		t.Errorf("scripts %+v, gap %+v", got, gap)
	}
}

// What a command line hides is no reason to ask further.
func TestFindScriptsErrors(t *testing.T) {
	refused := errors.New("refused")
	if s, err := FindScripts("/bin/cat", Links{}); s != nil || err != nil {
		t.Errorf("of no interpreter: %v, %v", s, err)
	}
	s, err := FindScripts("/bin/sh", Links{Cmdline: func() ([][]byte, error) { return nil, refused }})
	if s != nil || !errors.Is(err, refused) {
		t.Errorf("without a command line: %v, %v", s, err)
	}
	s, err = FindScripts("/bin/sh", Links{Cmdline: func() ([][]byte, error) { return nil, nil }})
	if s != nil || rootfs.ReasonOf(err) != fact.Changing {
		t.Errorf("with an empty command line: %v, %v", s, err)
	}
	c := &Container{}
	if found, gap := c.Scripts(context.Background(), Process{}, nil); found != nil || gap != nil {
		t.Errorf("of no interpreter: %v, %v", found, gap)
	}
}
