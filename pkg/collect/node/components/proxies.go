package components

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
)

// proxies finds the programs through which this node's kubelet reaches the API server: one
// of the usual proxies that listens where the kubelet's kubeconfig leads.
func (n *node) proxies(ctx context.Context) {
	if len(n.possible) == 0 {
		return
	}
	targets, here := n.targets()
	if len(targets) == 0 {
		return
	}
	seen := map[uint64]bool{}
	for _, p := range n.possible {
		if ctx.Err() != nil {
			return
		}
		proc := program.Open(n.pass, p, n.buf)
		if proc == nil {
			continue
		}
		sockets, err := n.sockets(proc)
		c := newComponent(fact.ProgramProxy)
		fresh := false
		for _, s := range sockets {
			for _, t := range targets {
				if t.leadsTo(s, here) {
					c.set("proxies", t.url, t.from)
					fresh = fresh || !seen[s.Inode]
					seen[s.Inode] = true
				}
			}
		}
		if fresh && !proc.PID.Ended(n.buf) { // its workers have the same sockets
			c.facts.PID, c.facts.Started, c.facts.Container = p.PID, n.pass.Started(p), p.Identity.ID
			c.facts.Sockets, c.facts.SocketsRead = sockets, err == nil
			c.unknown("its configuration is not read")
			n.add(c.done())
			if err != nil {
				proc.Gap(fact.ServerSettings, fmt.Errorf("its listening sockets: %w", err))
			}
		}
		proc.Close()
	}
}

// target is where a kubelet connects to.
type target struct {
	url, from, host string
	port            int
}

// targets lists where the kubelets of this node connect to. here are the ports of the API
// servers on this node; nil if there is none.
func (n *node) targets() (targets []target, here []int) {
	for _, c := range n.found {
		switch c.Program {
		case fact.ProgramAPIServer, fact.ProgramK3s, fact.ProgramRKE2:
			for _, s := range c.Sockets {
				here = append(here, s.Port)
			}
		case fact.ProgramKubelet:
			s, ok := c.Setting(kubeconfigServer)
			if !ok {
				continue
			}
			if host, port, ok := hostPort(s.Value); ok {
				targets = append(targets, target{s.Value, s.From, host, port})
			}
		}
	}
	return targets, here
}

// leadsTo reports whether a connection to the target arrives at a socket of this node. An
// address that is not the socket's own may be another machine's: then it counts only on a
// node with an API server, to which the proxy leads, on another port.
func (t target) leadsTo(s fact.Socket, here []int) bool {
	if s.Netns != 0 || s.Port != t.port || slices.Contains(here, t.port) {
		return false
	}
	every := s.Address == "0.0.0.0" || s.Address == "::"
	switch {
	case t.host == "localhost" || strings.HasPrefix(t.host, "127.") || t.host == "::1":
		return every || strings.HasPrefix(s.Address, "127.") || s.Address == "::1"
	case every:
		return len(here) > 0
	}
	return s.Address == t.host
}

// hostPort reads host and port of a URL "https://host:port".
func hostPort(url string) (host string, port int, ok bool) {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "", 0, false
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, number := rest, "443"
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		host, number = rest[:i], rest[i+1:]
	}
	port, err := strconv.Atoi(number)
	return strings.Trim(host, "[]"), port, err == nil && port > 0 && port < 65536
}
