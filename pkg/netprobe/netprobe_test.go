//go:build linux && (amd64 || arm64)

package netprobe

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/transit"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// unprivileged starts a program as the net probe's pod does.
var unprivileged = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs", "--"}

// probe runs the net probe in a world and decodes its answer.
func probe(t *testing.T, servers string, prefix []string, args ...string) (outcome, wire.Trailer, *fact.Measurement) {
	t.Helper()
	command := slices.Concat(prefix, unprivileged, []string{built(t), "--termination-log", "MESSAGE", "--host-ips", own}, args)
	o := inWorld(t, servers, command...)
	if len(prefix) == 0 && o.Stderr != "" {
		t.Errorf("stderr: expected nothing, found %q", o.Stderr)
	}
	trailer, err := wire.ParseTrailer(o.Message)
	if err != nil {
		t.Fatal(err)
	}
	if !trailer.HasMeasurement() {
		return o, trailer, nil
	}
	m, err := wire.Decode(bytes.NewReader(o.Log), trailer)
	if err != nil {
		t.Fatal(err)
	}
	return o, trailer, m
}

// The whole program as its pod runs it: no capability, another user, its lock. It measures
// what is the node's and touches nothing else.
func TestNetProbe(t *testing.T) {
	t.Parallel()
	o, trailer, m := probe(t, "servers", nil, "--node", "here")
	if o.Status != wire.ExitComplete || trailer.Error != "" || m == nil {
		t.Fatalf("expected a complete answer, found exit status %d, %q", o.Status, trailer.Error)
	}
	if got := fmt.Sprintf("net:[%d]", m.HostNetNS); got != o.NetNS || m.Level != fact.LevelNet || m.At.IsZero() {
		t.Errorf("expected level net in %s, found level %s in %s at %v", o.NetNS, m.Level, got, m.At)
	}
	if diff := cmp.Diff([]fact.Kind{fact.NodeTLS, fact.ServerTLS}, m.Read); diff != "" || len(m.Gaps) > 0 {
		t.Errorf("read (-want +got):\n%s\ngaps: %v", diff, m.Gaps)
	}

	type seen struct {
		Purpose  fact.ListenerPurpose
		Target   string
		Protocol fact.ListenerProtocol
		Auth     fact.ClientAuth
		Status   int
		Names    string
		Reason   fact.Reason
	}
	got := map[string]seen{}
	for _, l := range m.Listeners {
		s := seen{Purpose: l.Purpose, Target: l.Target, Protocol: l.Protocol, Auth: l.ClientAuth, Reason: l.Reason}
		if l.Request != nil {
			s.Status = l.Request.Status
		}
		if len(l.Chain) > 0 {
			s.Names = strings.Join(l.Chain[0].Names, " ")
		}
		got[fmt.Sprintf("%s:%d", l.Address, l.Port)] = s
	}
	want := map[string]seen{
		kubelet:   {fact.KubeletAPI, own, fact.SpeaksTLS, fact.ClientCertNotAsked, 401, own, ""},
		apiServer: {fact.KubeAPI, own, fact.SpeaksTLS, fact.ClientCertNotAsked, 401, own, ""},
		silent:    {fact.ControllerManager, "127.0.0.1", "", "", 0, "", fact.Timeout},
		flooding:  {fact.Scheduler, "127.0.0.1", fact.SpeaksOther, "", 0, "", fact.Unsupported},
		stranger:  {fact.EtcdClient, "", "", "", 0, "", fact.Unsupported},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}

	// What the servers saw: nothing at the address that is not the node's, nor at a port
	// without a purpose, and elsewhere few connections from the ports that the docs name.
	for _, address := range []string{stranger, unknown} {
		if n := len(o.Seen[address]); n > 0 {
			t.Errorf("%s: expected no connection, found %v", address, o.Seen[address])
		}
	}
	for address, from := range o.Seen {
		if len(from) > fact.MaxConnections {
			t.Errorf("%s: expected at most %d connections, found %d", address, fact.MaxConnections, len(from))
		}
		for _, text := range from {
			at, err := netip.ParseAddrPort(text)
			if err != nil {
				t.Fatal(err)
			}
			if at.Port() < transit.FirstPort || at.Port() > transit.LastPort || !slices.Contains([]string{own, "127.0.0.1"}, at.Addr().String()) {
				t.Errorf("%s: connected from %s", address, text)
			}
		}
	}
	if len(o.Seen[kubelet]) == 0 {
		t.Error("expected connections to the kubelet, found none")
	}

	const limit = 24 << 10
	if m.Cost.MaxRSSKiB == 0 || m.Cost.MaxRSSKiB > limit || m.Cost.CPUMillis == 0 {
		t.Errorf("expected at most %d KiB resident and some CPU, found %+v", limit, m.Cost)
	}
	t.Logf("%d KiB resident, %d ms CPU, %d ms, %d bytes compressed", m.Cost.MaxRSSKiB, m.Cost.CPUMillis, m.Cost.WallMillis, trailer.Size)
	confined(t, o)
}

// confined checks what the kernel says of the process while it is connected.
func confined(t *testing.T, o outcome) {
	t.Helper()
	for name, patterns := range map[string][]string{
		"comm":    {`^checklist-net\n$`},
		"environ": {`^$`},
		"owner":   {`^0$`}, // not dumpable: its files in /proc are root's
		"limits":  {`(?m)^Max core file size +0 +0 +bytes`, `(?m)^Max file size +4096 +4096 +bytes`},
		"status": {
			`(?m)^Uid:\t65534\t65534\t65534\t65534$`, `(?m)^CapEff:\t0{16}$`, `(?m)^CapBnd:\t0{16}$`,
			`(?m)^NoNewPrivs:\t1$`, `(?m)^Seccomp:\t2$`,
		},
	} {
		for _, pattern := range patterns {
			if !regexp.MustCompile(pattern).MatchString(o.Live[name]) {
				t.Errorf("%s: expected %s, found\n%s", name, pattern, o.Live[name])
			}
		}
	}
	// Nothing but its two outputs and connections is open for writing. The runtime has its
	// poller, and files of cgroups open for reading.
	left := map[string]int{}
	for _, file := range o.Files {
		access, kind, _ := strings.Cut(file, " ")
		if access == "read" || access == "path" {
			continue
		}
		left[access+" "+strings.TrimPrefix(filepath.Base(kind), "/")]++
	}
	sockets := left["both socket"]
	delete(left, "both socket")
	want := map[string]int{"write pipe": 1, "write termination-log": 1, "both anon_inode:[eventpoll": 1, "both anon_inode:[eventfd": 1}
	if diff := cmp.Diff(want, left); diff != "" || sockets != 1 {
		t.Errorf("open for writing (-want +got):\n%s\nand %d sockets, of:\n%s", diff, sockets, strings.Join(o.Files, "\n"))
	}
}

// A kind that is not asked for is not measured.
func TestNetProbeOfOneKind(t *testing.T) {
	t.Parallel()
	o, _, m := probe(t, "servers", nil, "--kinds", "server-tls,etcd")
	if diff := cmp.Diff([]fact.Kind{fact.ServerTLS}, m.Read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	for _, l := range m.Listeners {
		if l.Purpose.Kind() != fact.ServerTLS {
			t.Errorf("found %s", l.Purpose)
		}
	}
	if len(o.Seen[apiServer]) == 0 || len(o.Seen) != 1 {
		t.Errorf("expected connections to the API server only, found %v", o.Seen)
	}
}

// What the plugin says of a listener counts.
func TestNetProbeIsToldOfListeners(t *testing.T) {
	t.Parallel()
	o, _, m := probe(t, "servers", nil, "--kinds", "server-tls", "--listeners", unknown+"=kine")
	i := slices.IndexFunc(m.Listeners, func(l fact.Listener) bool { return l.Purpose == fact.KineTCP })
	if i < 0 || m.Listeners[i].Protocol != fact.SpeaksTLS || len(o.Seen[unknown]) == 0 {
		t.Errorf("expected kine measured, found %+v", m.Listeners)
	}
}

func TestNetProbeOfANodeWithoutListeners(t *testing.T) {
	t.Parallel()
	o, trailer, m := probe(t, "none", nil)
	if o.Status != wire.ExitComplete || trailer.Error != "" || len(m.Read) != 2 || len(m.Listeners)+len(m.Gaps) > 0 {
		t.Errorf("expected both kinds read and nothing found, found exit status %d, %q, %+v", o.Status, trailer.Error, m)
	}
}

// It ends in its time. What is missing by then is said: of a listener, or of the kind.
func TestNetProbeEnds(t *testing.T) {
	t.Parallel()
	o, trailer, m := probe(t, "servers", nil, "--timeout", "1s")
	if o.Status != wire.ExitPartial || !trailer.Partial {
		t.Fatalf("expected a partial answer, found exit status %d, %q", o.Status, trailer.Error)
	}
	for _, kind := range []fact.Kind{fact.NodeTLS, fact.ServerTLS} {
		gap := slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool { return g.What == kind && g.Reason == fact.Timeout })
		if m.HasRead(kind) == gap {
			t.Errorf("%s: expected it read or a gap, found read %v, gaps %v", kind, m.Read, m.Gaps)
		}
	}
	if len(m.Gaps) > 0 {
		return
	}
	i := slices.IndexFunc(m.Listeners, func(l fact.Listener) bool { return l.Purpose == fact.ControllerManager })
	if i < 0 || m.Listeners[i].Reason != fact.Timeout {
		t.Errorf("expected that the silent listener has the reason Timeout, found %+v", m.Listeners)
	}
}

func TestNetProbeRefusesArguments(t *testing.T) {
	t.Parallel()
	o, trailer, m := probe(t, "none", nil, "--host-ips", "$(HOST_IPS)")
	if want := `invalid value "$(HOST_IPS)" for flag -host-ips: expected IP addresses, found "$(HOST_IPS)"`; o.Status != wire.ExitUsage || trailer.Error != want || m != nil {
		t.Errorf("found exit status %d, %q", o.Status, trailer.Error)
	}
}

// A system call that the lock forgot would show here: the only EPERM of a whole run are
// the lock's own two attempts. And whatever is called is on the list.
func TestNetProbeIsRefusedNothing(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		missing(t, "strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	_, trailer, m := probe(t, "servers", []string{"strace", "-f", "-qq", "-o", trace})
	if trailer.Error != "" || len(m.Listeners) != 5 {
		t.Errorf("expected the whole answer, found %q, %d listeners", trailer.Error, len(m.Listeners))
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	_, locked, found := strings.Cut(string(text), "SECCOMP_SET_MODE_FILTER")
	if !found {
		t.Fatal("expected a call of seccomp in the trace, found none")
	}
	allowed := map[string]bool{"openat": true, "socket": true} // the self-test's
	for _, line := range lock.AllowedNet() {
		name, _, _ := strings.Cut(line, ":")
		allowed[name] = true
	}
	call := regexp.MustCompile(`^\d+ +([a-z0-9_]+)\(`)
	refused, calls := []string{}, 0
	for line := range strings.Lines(locked) {
		// rt_sigreturn "returns" what the interrupted code had in that register, and
		// strace may print that in two lines: "<... rt_sigreturn resumed>".
		if strings.Contains(line, "EPERM") && !strings.Contains(line, "rt_sigreturn") {
			refused = append(refused, line)
		}
		if m := call.FindStringSubmatch(line); m != nil {
			calls++
			if !allowed[m[1]] {
				t.Errorf("expected only calls of the list, found %s", line)
			}
		}
	}
	if len(refused) != 2 || calls < 100 {
		t.Errorf("expected two calls refused of at least 100, the self-test's, found %d of %d:\n%s", len(refused), calls, strings.Join(refused, ""))
	}
}

func TestNetProbeVersion(t *testing.T) {
	out, err := exec.Command(built(t), "--version").Output()
	if err != nil || !regexp.MustCompile(`^checklist-probe-net dev linux/\w+ go1\.\S+\n$`).Match(out) {
		t.Errorf("found %q, %v", out, err)
	}
}
