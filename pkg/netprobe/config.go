//go:build linux && (amd64 || arm64)

package netprobe

import (
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
	listeners map[netip.AddrPort]fact.ListenerPurpose // what is known of them from elsewhere
	wants     []fact.Kind
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
	c.Level, c.wants = fact.LevelNet, fact.KindsAt(fact.LevelNet)
	if c.Kinds != nil {
		c.wants = fact.Intersect(c.wants, c.Kinds)
	}
	if err == nil && len(c.wants) == 0 {
		err = fmt.Errorf("--kinds: expected some of %v, found none of them", fact.KindsAt(fact.LevelNet))
	}
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

// parseListeners reads what is known of listeners. An address is the one to which the
// socket is bound; on a port without a default purpose an unspecified one (0.0.0.0, [::])
// stands for all.
func parseListeners(text string) (map[netip.AddrPort]fact.ListenerPurpose, error) {
	if text == "" {
		return nil, nil
	}
	out := map[netip.AddrPort]fact.ListenerPurpose{}
	for word := range strings.SplitSeq(text, ",") {
		text, name, ok := strings.Cut(strings.TrimSpace(word), "=")
		if !ok {
			return nil, fmt.Errorf("expected ADDRESS:PORT=PURPOSE, found %q", bounded(word))
		}
		at, err := netip.ParseAddrPort(text)
		if err != nil || at.Port() == 0 || at.Addr().Zone() != "" {
			return nil, fmt.Errorf("expected an IP address and a port, found %q", bounded(text))
		}
		purpose := fact.ListenerPurpose(name)
		if !slices.Contains(fact.Purposes(), purpose) {
			return nil, fmt.Errorf("expected a purpose of %v, found %q", fact.Purposes(), bounded(name))
		}
		at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		if other, twice := out[at]; twice && other != purpose {
			return nil, fmt.Errorf("expected one purpose for %s, found %s and %s", at, other, purpose)
		}
		out[at] = purpose
		if len(out) > fact.MaxListeners {
			return nil, fmt.Errorf("expected at most %d listeners, found more", fact.MaxListeners)
		}
	}
	return out, nil
}

// bounded cuts what an error repeats of an argument.
func bounded(text string) string { return text[:min(len(text), 64)] }
