// Package environment looks for credentials in the environment of the processes in
// containers: /proc/PID/environ, what a process was started with. It keeps the names of
// variables and of rules. Values are never copied, and the buffer that they were read
// into is cleared after each process.
package environment

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

const (
	// maxEnviron bounds what is read of one process, in bytes. Of Kubernetes itself a
	// container has 7 variables for each Service of its namespace.
	maxEnviron = 64 << 10
	// maxAll bounds what is read on one node.
	maxAll = 128 << 20
	// maxName bounds the name of a variable.
	maxName = 128
)

// Reader reads Environment.
type Reader struct{}

// Kinds is Environment.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Environment} }

// Read reads the processes of one container after another. To read a process's memory can
// wait for its lock, or for a page that never comes.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	var all atomic.Int64
	pass.EachContainer(ctx, fact.Environment, func(ctx context.Context, ct *proctable.Container, buf []byte) {
		readContainer(ctx, pass, ct, buf, &all)
	})
}

// errBudget: so much was read on this node that the rest is not.
var errBudget = fmt.Errorf("the environments of this node: %w", rootfs.ErrTooLarge)

func readContainer(ctx context.Context, pass *reader.Pass, ct *proctable.Container, buf []byte, all *atomic.Int64) {
	space := make([]byte, maxEnviron+1)
	found := finds{}
	var failed error
	unread, read := 0, 0
	for _, p := range ct.Processes {
		if ctx.Err() != nil {
			return // it is not settled
		}
		n, err := readProcess(pass, p, buf, space, all, found)
		clear(space[:n])
		switch {
		case err == nil && n > 0:
			read++
		case err == nil, pass.Live && rootfs.Gone(err): // what has ended has no environment; of what ends, it is empty
		default:
			if unread++; failed == nil {
				failed = fmt.Errorf("pid %d: %w", p.PID, err)
			}
		}
	}
	list, total := found.list()
	pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.Environment, mc.EnvironmentTotal = list, total })
	if unread == 0 && read == 0 && !ct.Sandbox && !ct.Self {
		// Nothing was seen, so nothing is known.
		pass.Ledger.Gap(fact.NodeGap{
			What: fact.Environment, Container: ct.Key(), Reason: fact.NotPresent,
			Detail: fmt.Sprintf("the environment of all %d processes is empty, or they ended before it was read", len(ct.Processes)),
		})
	}
	if unread > 0 {
		pass.Ledger.Gap(fact.NodeGap{
			What: fact.Environment, Container: ct.Key(), Reason: rootfs.ReasonOf(failed),
			Detail: fmt.Sprintf("environment of %d of %d processes not read, or not all of it: %s", unread, len(ct.Processes), rootfs.ErrorText(failed)),
		})
	}
}

// readProcess looks at one process and returns how many bytes of space were used.
func readProcess(pass *reader.Pass, p *proctable.Process, buf, space []byte, all *atomic.Int64, found finds) (int, error) {
	if all.Load() >= maxAll {
		return 0, errBudget
	}
	d, err := pass.Reopen(p, buf)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	n, err := d.Environ(space)
	all.Add(int64(n))
	if err != nil {
		return n, err
	}
	if n <= maxEnviron {
		found.look(space[:n], true, p.PID, p.Status.Name)
		return n, nil
	}
	found.look(space[:maxEnviron], false, p.PID, p.Status.Name)
	return n, fmt.Errorf("environ: %w", rootfs.ErrTooLarge)
}

// find is a variable and the rule by which its value is a credential.
type find struct{ name, rule string }

// finds are those of one container.
type finds map[find]*fact.EnvironmentCredential

// maxFinds bounds them: a process can have 4,000 variables in 64 KiB.
const maxFinds = 4096

// look adds what is found in the environment of one process: NAME=value, each with a NUL
// after it (proc_pid_environ(5)). Whole says that it is not cut short: otherwise its last
// word is left out.
func (f finds) look(environ []byte, whole bool, pid int, comm string) {
	seen := map[find]bool{}
	for len(environ) > 0 {
		word, rest, ended := bytes.Cut(environ, []byte{0})
		environ = rest
		if !ended && !whole {
			return
		}
		name, value, ok := bytes.Cut(word, []byte{'='})
		if !ok || !isName(name) {
			continue // a process can write anything there
		}
		rule := worst(credential.Find(string(name), value))
		if rule == "" {
			continue
		}
		key := find{credential.KeptKey(string(name)), rule} // the name itself must be none
		if seen[key] {
			continue
		}
		seen[key] = true
		switch known := f[key]; {
		case known != nil:
			known.Processes++
		case len(f) < maxFinds:
			f[key] = &fact.EnvironmentCredential{Name: key.name, Rule: rule, PID: pid, Comm: proctable.Comm(comm), Processes: 1}
		}
	}
}

// isName reports whether a text is the name of a variable as Kubernetes takes it: letters,
// digits, "_", "-" and ".", and no digit first.
func isName(name []byte) bool {
	if len(name) == 0 || len(name) > maxName || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for _, b := range name {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if !letter && (b < '0' || b > '9') && b != '_' && b != '-' && b != '.' {
			return false
		}
	}
	return true
}

// worst is the gravest rule, "" if there is none.
func worst(found []credential.Rule) string {
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b credential.Rule) int { return int(a.Weight) - int(b.Weight) }).ID
}

// list returns what a fact keeps of them, sorted by name and rule, and how many there are.
func (f finds) list() ([]fact.EnvironmentCredential, int) {
	var out []fact.EnvironmentCredential
	for _, e := range f {
		out = append(out, *e)
	}
	weight := func(e fact.EnvironmentCredential) int {
		r, _ := credential.Lookup(e.Rule)
		return int(r.Weight)
	}
	byName := func(a, b fact.EnvironmentCredential) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Rule, b.Rule))
	}
	if len(out) > fact.MaxEnvironment { // the gravest are kept
		sorted.Func(out, func(a, b fact.EnvironmentCredential) int {
			return cmp.Or(cmp.Compare(weight(b), weight(a)), byName(a, b))
		})
		out = slices.Clip(out[:fact.MaxEnvironment])
	}
	sorted.Func(out, byName)
	return out, len(f)
}
