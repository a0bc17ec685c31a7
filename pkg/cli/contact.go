package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

const (
	// maxAnswer bounds one line of an answer, in bytes.
	maxAnswer = 4096
	// maxUnclear is how many answers that are neither yes nor no count as a no.
	maxUnclear = 3
)

// inputFlags are the flags that name what a run reads. Each can be standard input.
var inputFlags = []string{
	"certificate-authority", "client-certificate", "client-key", "facts", "filename", "kubeconfig", "kustomize",
	"snapshot", "vulnerabilities", "waivers", "what-if",
}

// asksFirst makes a source ask before its first pods on a cluster: nobody expects pods from a
// word that means to read. It asks only a person: where standard input and stderr are terminals,
// where nothing else is read from there, and without --yes.
func (e *Env) asksFirst(source *gather.Cluster, yes bool) {
	if yes || !e.InIsTerminal || !e.ErrIsTerminal || e.readsInput() {
		return
	}
	known := e.contacts()
	source.Agreed = known.has
	source.Confirm = func(ctx context.Context, uid string, creates launch.Outline) (bool, error) {
		agreed, err := e.confirm(ctx, creates.String(), "Create them?")
		if err == nil && agreed {
			known.add(uid)
		}
		return agreed, err
	}
}

// confirm asks a question to which Enter is yes. The end of the input is a no, and so are answers
// that nobody understands. It returns the context's error when that is done first. The terminal
// is never changed, so that nothing has to be restored.
func (e *Env) confirm(ctx context.Context, line, question string) (bool, error) {
	if e.dropTyped != nil {
		e.dropTyped() // what was typed before is no answer
	}
	e.warnWrapped(line)
	lines := bufio.NewScanner(e.Streams.In)
	lines.Buffer(make([]byte, 0, 256), maxAnswer)
	for range maxUnclear {
		e.prompt(question + " [Y/n] ")
		// A read cannot be cancelled. If the context is done, the program ends, and the read with
		// it. No line is read that was not asked for: the next one may be for the shell.
		read := make(chan bool, 1)
		go func() { read <- lines.Scan() }()
		select {
		case <-ctx.Done():
			e.prompt("\n") // after ^C, which the terminal shows
			return false, ctx.Err()
		case more := <-read:
			if !more {
				e.prompt("\n")
				return e.declines(), nil
			}
			switch strings.ToLower(strings.TrimSpace(lines.Text())) {
			case "", "y", "yes":
				return true, nil
			case "n", "no":
				return e.declines(), nil
			}
		}
		e.warnLine("expected y or n")
	}
	return e.declines(), nil
}

// warnWrapped prints a line that is longer than most terminals are wide: it is broken between words
// if stdout is the terminal too, whose width is known then.
func (e *Env) warnWrapped(line string) {
	if e.OutWidth <= 0 {
		e.warnLine(line)
		return
	}
	for _, part := range screen.WrapWhole(line, e.OutWidth) {
		e.warnLine(part)
	}
}

// declines says what happens after a no.
func (e *Env) declines() bool {
	e.warnLine("nothing is created: the run uses only the API, as with --no-probe")
	return false
}

// prompt prints our own words, without a new line.
func (e *Env) prompt(words string) {
	_, _ = io.WriteString(e.Streams.ErrOut, words) // nowhere to report an error
}

// readsInput reports whether something that the run reads is standard input or the terminal.
func (e *Env) readsInput() bool {
	var paths []string
	for _, f := range e.user.flags {
		if slices.Contains(inputFlags, f.name) {
			paths = append(paths, f.words...)
		}
	}
	paths = append(paths, filepath.SplitList(e.Getenv("KUBECONFIG"))...)
	return slices.ContainsFunc(paths, e.isInput)
}

func (e *Env) isInput(path string) bool {
	if path == "-" || filepath.Clean(path) == "/dev/tty" {
		return true
	}
	in, ok := e.Streams.In.(*os.File)
	if !ok {
		return false
	}
	own, err := in.Stat()
	if err != nil {
		return false
	}
	other, err := os.Stat(path)
	return err == nil && os.SameFile(own, other)
}

// contacts are the clusters on which the user has agreed to pods, by the UIDs of their namespaces
// kube-system, one a line: names of contexts repeat. It is a file in the user's cache, and only a
// convenience: what is wrong with it is no error, and the user is asked again.
type contacts struct{ path string }

const (
	// maxContacts is how many clusters are remembered; the oldest are forgotten first.
	maxContacts = 1000
	// maxContactsBytes bounds what is read of the file: a UID has 36 bytes.
	maxContactsBytes = 64 << 10
)

const contactsHead = "# The clusters on which kubectl checklist may create pods without asking, by the UID of their namespace kube-system.\n"

// contacts returns the file, without a path if the user has no cache.
func (e *Env) contacts() contacts {
	if e.CacheDir == nil {
		return contacts{}
	}
	dir, err := e.CacheDir()
	if err != nil || !filepath.IsAbs(dir) {
		return contacts{}
	}
	return contacts{filepath.Join(dir, "kubectl-checklist", "clusters")}
}

// has reports whether the user has agreed for a cluster.
func (c contacts) has(uid string) bool { return isUID(uid) && slices.Contains(c.list(), uid) }

// list returns the UIDs in the file, oldest first. Lines that are none are passed over.
func (c contacts) list() []string {
	if c.path == "" {
		return nil
	}
	// Neither a link nor a pipe is followed, wherever they lead.
	info, err := os.Lstat(c.path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.Open(c.path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxContactsBytes))
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(strings.Split(string(data), "\n"), func(line string) bool { return !isUID(line) })
}

// add remembers a cluster.
func (c contacts) add(uid string) {
	if c.path == "" || !isUID(uid) {
		return
	}
	list := append(slices.DeleteFunc(c.list(), func(line string) bool { return line == uid }), uid)
	list = list[max(0, len(list)-maxContacts):]
	dir := filepath.Dir(c.path)
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() { // a link
		return
	}
	if info, err := os.Lstat(c.path); err == nil && !info.Mode().IsRegular() {
		return
	}
	file, err := os.CreateTemp(dir, ".clusters.*") // mode 0600
	if err != nil {
		return
	}
	_, err = fmt.Fprint(file, contactsHead, strings.Join(list, "\n"), "\n")
	if closed := file.Close(); err != nil || closed != nil || os.Rename(file.Name(), c.path) != nil {
		_ = os.Remove(file.Name())
	}
}

// isUID reports whether a text has the form of an object's UID (RFC 9562, lower case). It comes
// from the cluster: nothing else is written.
func isUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash && c != '-':
			return false
		case !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
