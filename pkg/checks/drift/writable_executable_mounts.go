package drift

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// WritableExecutableMounts fails a container whose processes can write to a mount
// and execute what they wrote. Source: /proc/PID/mountinfo, owner and mode of what
// is mounted, and the user, groups and capabilities of each process. The root has a
// check of its own, drift/writable-root. Its evidence has the state of the
// containers.
var WritableExecutableMounts = checks.Check{
	ID:       "drift/writable-executable-mounts",
	Title:    "No process can execute what it writes to a mount",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Processes, fact.Mounts},
	Uses:     []fact.Kind{fact.Pods}, // the verdict; the state in the evidence takes all that was read
	Scope:    checks.ScopeWorkload,
	Why: "A read-only root prevents drift only if no other place takes its part. An emptyDir is writable and executable, and so is /dev " +
		"for root: runtimes mount a tmpfs there, without noexec. The evidence names the state of the containers. PREVENTED: nothing that the " +
		"users of the processes can write may be executed or mapped, the root is read-only, and nothing has drifted; or a runtime agent stops " +
		"new programs: its process was measured on the node, a policy of it blocks all of them, and the container has its AppArmor profile. " +
		"Then a program of the image can still load a library or a script. DETECTED: something " +
		"has drifted. OPEN: drift is possible, and none was found. What remains where it is PREVENTED is named too: single files that are " +
		"mounted writable, such as /dev/termination-log; scripts on a noexec mount, which an interpreter still reads; code in memory only. " +
		"Access control lists are not read.",
	Remediation: "Run the container as a user other than root, drop all capabilities, and mount only what the program must write. " +
		"A PersistentVolume takes the mount option noexec. An emptyDir takes none: replace it by such a volume, or accept it with a waiver.",
	References: []string{
		"man:mount(8)",
		"man:proc_pid_mountinfo(5)",
		"https://kubernetes.io/docs/concepts/storage/persistent-volumes/#mount-options",
		"https://kubernetes.io/docs/concepts/storage/volumes/#emptydir",
	},
	Judge: judgeWritableExecutableMounts,
}

func judgeWritableExecutableMounts(v *checks.View) []api.Finding {
	seen, unseen := seenWith(v, fact.Mounts, fact.Processes)
	findings := checks.Unseen(unseen)
	states := map[fact.SubjectKey]*tally{}
	of := make([]*tally, len(seen))
	for i, r := range seen {
		subject := r.Subject()
		key := subject.Identity()
		if states[key] == nil {
			states[key] = &tally{}
		}
		of[i] = states[key]
		state, s := stateOf(v, r)
		of[i].count[state]++
		if of[i].stop == nil {
			of[i].stop = s
		}
	}
	for i, r := range seen {
		state := of[i].evidence()
		for _, f := range judgeMounts(r) {
			f.Evidence = append(f.Evidence, state)
			if s := of[i].stop; s != nil {
				f.Evidence = append(f.Evidence, s.evidence...)
			}
			findings = append(findings, f)
		}
	}
	return findings
}

// tally counts the states of the containers of one subject.
type tally struct {
	count [4]int
	// stop is the agent that stops new programs in the first container of which that is known.
	stop *stop
}

// evidence is the same for all containers of a subject, so that it is there once.
func (t *tally) evidence() api.Evidence {
	var words []string
	for _, s := range []State{Detected, Unknown, Open, Prevented} {
		if n := t.count[s]; n > 0 {
			words = append(words, fmt.Sprintf("%s %d", s, n))
		}
	}
	if len(words) == 1 && strings.HasSuffix(words[0], " 1") {
		words[0] = strings.TrimSuffix(words[0], " 1")
	}
	return api.Evidence{Source: "drift state", Value: strings.Join(words, ", ")}
}

// seenWith is checks.RunningContainers for nodes on which all of these kinds were
// read. The first one decides what counts as unseen.
func seenWith(v *checks.View, kinds ...fact.Kind) (seen, unseen []checks.Running) {
	all, unseen := checks.RunningContainers(v, kinds[0])
	for _, r := range all {
		read := true
		for _, kind := range kinds {
			read = read && r.Node.Measured.HasRead(kind)
		}
		if read {
			seen = append(seen, r)
		}
	}
	return seen, unseen
}

// judgeMounts judges the mounts of one container.
func judgeMounts(r checks.Running) []api.Finding {
	at := placesOf(r)
	var findings []api.Finding
	add := func(f api.Finding, list []place) {
		f.Subject, f.Basis = r.Subject(), api.Measured
		for _, p := range list {
			f.Evidence = append(f.Evidence, api.Evidence{Source: r.Source("mountinfo " + p.mount.Path), Value: p.describe()})
		}
		findings = append(findings, f)
	}
	remains := api.Evidence{Source: r.Source("mountinfo"), Value: at.remains()}
	if at.mounts != nil {
		add(api.Finding{
			Verdict: api.Fail, Message: "can mount file systems, and so write and execute on one (SYS_ADMIN)",
			Evidence: []api.Evidence{{Source: checks.NodeSource(r.Node, "/proc/%d/status CapEff", at.mounts.pid), Value: at.mounts.String()}},
		}, nil)
	}
	if len(at.code) > 0 {
		add(api.Finding{
			Verdict: api.Fail, Message: "can execute what it writes to " + checks.JoinWords(names(at.code), namedPaths),
		}, at.code)
	}
	switch {
	case r.Measured.Root == nil:
		add(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Message: "its mounts were not read",
			Evidence: []api.Evidence{{Source: r.Source("mountinfo"), Value: "no mount at /"}},
		}, nil)
	case len(at.open) > 0:
		f := api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent,
			Message: "whether its users can write to " + checks.JoinWords(names(at.open), namedPaths) + " and execute there is unknown: ",
		}
		if unread(at.open) {
			f.Message += "what is mounted there and its owner were not read"
			if r.Node.Measured.Level == fact.LevelProc {
				f.Reason, f.Remediation.Text = fact.NotRequested, "--probe-level full reads it"
			}
		} else {
			f.Message += "only the directory that is mounted was looked at, and it refuses them"
			f.Reason, f.Remediation.Text = fact.Unsupported, "mount it read-only or with noexec"
		}
		add(f, at.open)
	case at.unread:
		add(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Message: "not all of its processes and threads were read",
			Evidence: []api.Evidence{{Source: r.Source("status"), Value: fmt.Sprintf("processes: %d", len(r.Measured.Processes))}},
		}, nil)
	case len(findings) == 0:
		add(api.Finding{
			Verdict: api.Pass, Message: "can execute nothing that it writes to a mount",
			Evidence: []api.Evidence{remains},
		}, nil)
	}
	return findings
}

// unread reports whether an owner of a place is missing.
func unread(list []place) bool {
	for _, p := range list {
		if p.mount.Owner == nil || p.mount.File == nil {
			return true
		}
	}
	return false
}

// remains says what the mounts of a container do not prevent.
func (at *places) remains() string {
	var words []string
	for _, list := range []struct {
		what   string
		places []place
	}{
		{"single files: ", at.files},
		{"scripts that an interpreter reads in ", at.scripts},
	} {
		if len(list.places) > 0 {
			words = append(words, list.what+checks.JoinWords(names(list.places), namedPaths))
		}
	}
	words = append(words, "code in memory only")
	if at.userNS {
		words = append(words, "mounts in a user namespace of its own (no seccomp filter)")
	}
	return "what remains: " + strings.Join(words, "; ")
}
