package secrets

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestComponentTLS(t *testing.T) {
	const (
		only      = " takes only TLS 1.2 and TLS 1.3"
		manager   = "pass cp1: the controller manager (127.0.0.1:10257, loopback only)" + only
		scheduler = "pass cp1: the scheduler (127.0.0.1:10259, loopback only)" + only
	)
	streaming := func(address string) fact.Listener {
		l := ft.Listener(fact.RuntimeStreaming, address, 41234)
		inPlain(&l)
		return l
	}
	expired := chain(func(c *fact.Certificate) { c.NotAfter = fact.NewTime(ft.Time.Add(-time.Hour)) })
	judgeTransit(t, judgeComponentTLS, transitCases{
		"both pass": {onNode(), []string{manager, scheduler}},
		"TLS 1.0 is low": {
			onNode(at(fact.Scheduler, offered(fact.OfferTLS10, fact.OfferAccepted, ""))),
			[]string{manager, "low fail cp1: the scheduler (127.0.0.1:10259, loopback only) accepts TLS 1.0"},
		},
		"plaintext is low, at most": {
			onNode(at(fact.ControllerManager, both(inPlain, func(l *fact.Listener) { l.Address = "0.0.0.0" }))),
			[]string{"low fail cp1: the controller manager (0.0.0.0:10257) does not use TLS", scheduler},
		},
		"an expired certificate is low, at most": {
			onNode(at(fact.ControllerManager, both(expired, func(l *fact.Listener) { l.Address = "0.0.0.0" }))),
			[]string{"low fail cp1: the controller manager (0.0.0.0:10257) has an expired certificate", scheduler},
		},
		"streams on loopback pass, without their port": {
			onNode(plus(streaming("127.0.0.1"), fact.ProgramContainerd)),
			[]string{manager, scheduler, "pass cp1: the container runtime's streaming port does not use TLS, and only the node itself reaches it"},
		},
		"streams elsewhere are low": {
			onNode(plus(streaming("10.0.0.1"), fact.ProgramCRIO)), []string{manager, scheduler, "low fail cp1: the container runtime's streaming port does not use TLS"},
		},
		"a node without any passes": {onNode(drop(fact.ControllerManager), drop(fact.Scheduler), quit(fact.ProgramControllerManager), quit(fact.ProgramScheduler)), []string{"pass cp1: no other component listens on this node"}},
		"one that did not answer is unknown": {
			onNode(at(fact.Scheduler, silent)), []string{manager, "unknown Timeout cp1: the scheduler (127.0.0.1:10259, loopback only): it is unknown what it speaks"},
		},
		"one that was not met is unknown": {
			onNode(drop(fact.Scheduler)), []string{manager, "unknown NotPresent cp1: the scheduler was not measured"},
		},
		"a runtime's port that was not met is unknown": {
			onNode(running(fact.ProgramContainerd, fact.Socket{Address: "0.0.0.0", Port: 10010, Inode: 3})),
			[]string{manager, scheduler, "unknown NotPresent cp1: a port of containerd beyond loopback was not measured"},
		},
		"a runtime's port on loopback need not be met": {
			onNode(running(fact.ProgramContainerd, fact.Socket{Address: "127.0.0.1", Port: 10010, Inode: 3})), []string{manager, scheduler},
		},
		"not read: a gap says so": {onNode(func(m *fact.Measurement) { m.Read = nil }), nil},
	})
}
