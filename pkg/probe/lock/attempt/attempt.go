//go:build linux && (amd64 || arm64)

// Package attempt tries, inside a process that locked itself, everything that
// the lock must refuse and everything that it must allow. Tests of package lock
// run it on this machine, hack/locktest inside a real pod. The release's probe
// does not link it.
//
// A test of a lock is worth only what it would find without the lock. So each
// process can also run without it: there, whatever is marked as working must
// work.
package attempt

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
)

// childEnv marks the process that tries.
const childEnv = "CHECKLIST_ATTEMPT_CHILD"

// IsChild reports whether Main started this process to try. main (or TestMain)
// then calls Child and nothing else.
func IsChild() bool { return os.Getenv(childEnv) != "" }

// Options say what to try.
type Options struct {
	// Unlocked leaves the lock out.
	Unlocked bool
	// Dir is an existing directory; what is tried on files is tried in a new
	// directory below it, which is removed afterwards.
	Dir string
	// Root is a directory whose files are read as well: /, or /proc/1/root.
	Root string
	// Stress is how many times to read all processes, or to shake hands, under garbage
	// collection and new threads.
	Stress int
	// Net tries the lock of the net probe: what is read is connections.
	Net bool
}

// Result is one attempt.
type Result struct {
	Kind  string // "try" must be refused, "read" (with Net, "use") must work
	Name  string
	Works bool   // it must work without the lock
	Errno string // "ok", or the error's name
}

// String is the line that the child prints.
func (r Result) String() string {
	works := "-"
	if r.Works {
		works = "works"
	}
	return fmt.Sprintf("%s %s %s %s", r.Kind, r.Name, works, r.Errno)
}

// Wrong says why a result is not what it should be, or "".
func (r Result) Wrong(unlocked bool) string {
	switch {
	case r.Kind != "try" && r.Errno != "ok":
		return "what the probe needs failed"
	case r.Kind == "try" && !unlocked && r.Errno != "EPERM":
		return "expected EPERM"
	case r.Kind == "try" && unlocked && r.Works && r.Errno != "ok":
		return "expected to work without the lock, or the attempt proves nothing"
	}
	return ""
}

// Main prepares a directory, starts this executable again as the child that
// tries, removes the directory and returns what the child printed. An error
// means that the child did not finish.
func Main(o Options) ([]Result, error) {
	scratch, err := os.MkdirTemp(o.Dir, "checklist-locktest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	for _, name := range []string{"victim", "rename-me", "remove-me"} {
		if err := os.WriteFile(filepath.Join(scratch, name), []byte("as it was\n"), 0o600); err != nil {
			return nil, err
		}
	}
	if err := unix.Mkfifo(filepath.Join(scratch, "fifo"), 0o600); err != nil {
		return nil, err
	}
	var servers []string
	if o.Net {
		var stop func()
		if servers, stop, err = serve(); err != nil {
			return nil, err
		}
		defer stop()
	}
	cmd := exec.Command("/proc/self/exe",
		fmt.Sprintf("-unlocked=%v", o.Unlocked), fmt.Sprintf("-net=%v", o.Net), "-servers", strings.Join(servers, ","),
		"-dir", scratch, "-root", o.Root, "-stress", strconv.Itoa(o.Stress))
	cmd.Env = append(os.Environ(), childEnv+"=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	results, done, readErr := parse(stdout)
	waitErr := cmd.Wait()
	switch {
	case readErr != nil:
		return results, readErr
	case waitErr != nil:
		return results, fmt.Errorf("the child ended after %d attempts: %w: %s", len(results), waitErr, stderr.String())
	case !done:
		return results, fmt.Errorf("the child ended after %d attempts without saying done", len(results))
	case stderr.Len() > 0:
		return results, fmt.Errorf("expected nothing on stderr, found %q", stderr.String())
	}
	if !o.Unlocked {
		for _, name := range []string{"victim", "rename-me", "remove-me"} {
			text, err := os.ReadFile(filepath.Join(scratch, name))
			if err != nil || string(text) != "as it was\n" {
				return results, fmt.Errorf("%s: expected it unchanged, found %q, %v", name, text, err)
			}
		}
		entries, err := os.ReadDir(scratch)
		if err != nil {
			return results, err
		}
		if len(entries) != 4 {
			return results, fmt.Errorf("expected the 4 files that were there, found %v", entries)
		}
	}
	return results, nil
}

func parse(r io.Reader) (results []Result, done bool, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text := lines.Text()
		if text == "done" {
			done = true
			continue
		}
		var result Result
		var works string
		if _, err := fmt.Sscan(text, &result.Kind, &result.Name, &works, &result.Errno); err != nil {
			return results, false, fmt.Errorf("expected KIND NAME WORKS ERRNO, found %q", text)
		}
		result.Works = works == "works"
		results = append(results, result)
	}
	return results, done, lines.Err()
}

// Child locks this process and tries. It returns the exit status.
func Child() int {
	flags := flag.NewFlagSet("attempt", flag.ContinueOnError)
	unlocked := flags.Bool("unlocked", false, "")
	dir := flags.String("dir", "", "")
	root := flags.String("root", "/", "")
	rounds := flags.Int("stress", 0, "")
	net := flags.Bool("net", false, "")
	servers := flags.String("servers", "", "")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	e, err := newEnv(*dir, *root)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	install, needed, use, refused := lock.Install, reads, "read", append(tries, archTries...)
	stressed := func() error { return stress(*rounds) }
	if *net {
		at := strings.Split(*servers, ",")
		install, needed, use, refused = lock.InstallNet, netUses(at), "use", netTries()
		stressed = func() error { return netStress(*rounds, at) }
		if !*unlocked {
			unix.Close(e.elsewhere)
		}
	}
	if !*unlocked {
		if err := install(unix.Stdout); err != nil {
			say(err.Error())
			return 2
		}
	}
	for _, a := range needed {
		say(Result{Kind: use, Name: a.name, Errno: errno(a.do(e))}.String())
	}
	for _, a := range refused {
		say(Result{Kind: "try", Name: a.name, Works: a.works, Errno: errno(a.do(e))}.String())
	}
	if *rounds > 0 {
		say(Result{Kind: use, Name: fmt.Sprintf("stress-%d-rounds", *rounds), Errno: errno(stressed())}.String())
	}
	say("done")
	return 0
}

// say writes one line by a single write(2), as the probe does.
func say(line string) {
	data := []byte(line + "\n")
	for len(data) > 0 {
		n, err := unix.Write(unix.Stdout, data)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			unix.Exit(3)
		}
		data = data[n:]
	}
}

func errno(err error) string {
	if err == nil {
		return "ok"
	}
	var e unix.Errno
	if errors.As(err, &e) {
		if name := unix.ErrnoName(e); name != "" {
			return name
		}
		return fmt.Sprintf("errno-%d", int(e))
	}
	return strings.ReplaceAll(err.Error(), " ", "-")
}

// Summary prints the results, the wrong ones with their reason, and returns how
// many are wrong.
func Summary(w io.Writer, results []Result, unlocked bool) int {
	wrong := 0
	for _, r := range results {
		note := r.Wrong(unlocked)
		if note != "" {
			wrong++
			note = "   WRONG: " + note
		}
		fmt.Fprintf(w, "%-5s %-34s %s%s\n", r.Kind, r.Name, r.Errno, note)
	}
	return wrong
}

// Names lists the attempts of a kind, sorted.
func Names(results []Result, kind string) []string {
	var names []string
	for _, r := range results {
		if r.Kind == kind {
			names = append(names, r.Name)
		}
	}
	sort.Strings(names)
	return names
}
