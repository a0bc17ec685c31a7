//go:build linux && (amd64 || arm64)

package netprobe

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/answer"
)

// config holds the parsed flags.
type config struct {
	answer.Request
	node      string
	hostIPs   []netip.Addr
	listeners []known
}

// known is a listener whose purpose the plugin knows from elsewhere.
type known struct {
	at      netip.AddrPort
	purpose fact.ListenerPurpose
}

// maxHostIPs bounds --host-ips: a node has one address of each family
// (PodStatus.HostIPs).
const maxHostIPs = 16

// parse reads the flags. The outputs of the configuration are usable even if there is
// an error.
func parse(args []string) (config, error) {
	c := config{}
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.StringVar(&c.node, "node", "", "name of the node, for gaps")
	flags.Func("host-ips", "the node's own addresses, separated by commas", func(text string) (err error) {
		c.hostIPs, err = parseAddresses(text)
		return err
	})
	flags.Func("listeners", "ADDRESS:PORT=PURPOSE, separated by commas: what is known of listeners", func(text string) (err error) {
		c.listeners, err = parseListeners(text)
		return err
	})
	var err error
	c.Request, err = answer.Parse(flags, program+" [--node NAME] [--host-ips LIST] [--listeners ADDRESS:PORT=PURPOSE,...] [--kinds LIST] [--timeout DURATION]", args)
	c.Level = fact.LevelNet
	return c, err
}

// parseAddresses reads the node's addresses: status.hostIPs, as the downward API joins
// them. An empty text is none.
func parseAddresses(text string) ([]netip.Addr, error) {
	var out []netip.Addr
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		if len(out) == maxHostIPs {
			return nil, fmt.Errorf("expected at most %d addresses, found more", maxHostIPs)
		}
		addr, err := netip.ParseAddr(strings.TrimSpace(word))
		if err != nil {
			return nil, fmt.Errorf("expected IP addresses, found %q", bounded(word))
		}
		addr = addr.Unmap()
		if addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
			return nil, fmt.Errorf("expected addresses of one host, found %q", bounded(word))
		}
		if !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out, nil
}

func parseListeners(text string) ([]known, error) {
	var out []known
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		if len(out) == fact.MaxListeners {
			return nil, fmt.Errorf("expected at most %d listeners, found more", fact.MaxListeners)
		}
		at, purpose, ok := strings.Cut(strings.TrimSpace(word), "=")
		if !ok {
			return nil, fmt.Errorf("expected ADDRESS:PORT=PURPOSE, found %q", bounded(word))
		}
		addr, err := netip.ParseAddrPort(at)
		if err != nil || addr.Port() == 0 || addr.Addr().Zone() != "" {
			return nil, fmt.Errorf("expected an IP address and a port, found %q", bounded(at))
		}
		if !slices.Contains(purposes, fact.ListenerPurpose(purpose)) {
			return nil, fmt.Errorf("expected a purpose of %v, found %q", purposes, bounded(purpose))
		}
		out = append(out, known{netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), fact.ListenerPurpose(purpose)})
	}
	return out, nil
}

// purposes are those that --listeners may name.
var purposes = []fact.ListenerPurpose{
	fact.EtcdClient, fact.EtcdPeer, fact.KubeAPI, fact.KubeAPIProxy, fact.RKE2Supervisor,
	fact.Konnectivity, fact.KineTCP, fact.KubeletAPI, fact.KubeletReadOnly,
	fact.ControllerManager, fact.Scheduler, fact.CloudController, fact.RuntimeStreaming,
}

// bounded cuts what an error repeats of an argument.
func bounded(text string) string { return text[:min(len(text), 64)] }

var errNotMeasured = errors.New("nothing is measured yet")
