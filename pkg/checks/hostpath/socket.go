package hostpath

import (
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/runtimesocket"
)

// Reach says how surely a mount gives a socket.
type Reach int

// The reaches, the least sure first.
const (
	// NoSocket: it gives none that is known.
	NoSocket Reach = iota
	// Elsewhere is a directory that every node has, and that holds a socket only with one
	// distribution: /var holds MicroK8s'.
	Elsewhere
	// Above is a directory further up: it gives the socket if that runtime is there.
	Above
	// Internal is a socket of a runtime for its events or for debugging. It does not start
	// containers.
	Internal
	// Direct is the socket itself, or the directory of its own.
	Direct
)

// Socket reports whether a mount of p gives a runtime's socket, and which.
// Direct is true for the socket itself and for the runtime's own directory that
// holds it. It is false for a directory further up, and for those of procfs,
// which lead to the root of every process. Sockets that do not start containers, and
// directories that hold one only with one distribution, do not count (see SocketIn).
func Socket(p string) (socket string, direct, ok bool) {
	socket, _, reach := SocketIn(p)
	if reach == Internal || reach == Elsewhere || reach == NoSocket {
		return "", false, false
	}
	return socket, reach == Direct, true
}

// SocketIn finds the socket that a mount of the clean path p gives most surely, the
// program that listens there, and how surely. A mount of /var does not give /run:
// /var/run is a link, which leads to the container's own /run.
func SocketIn(p string) (socket, of string, reach Reach) {
	// All of /proc also holds every process's root. But following one takes the
	// right to trace the process, and node agents mount /proc for its numbers,
	// so privileged/host-path judges it.
	if below, ok := ofProcess(p); ok && (below == "" || below == "task") {
		return strings.TrimSuffix(p, "/task") + "/root" + all[0].Path, all[0].Of, Above
	}
	if strings.HasPrefix(p, pipes) || p+"/" == pipes {
		return pipeIn(p)
	}
	for i := range all {
		s := &all[i]
		switch is := reachOf(s, p); {
		case is <= reach:
		case strings.Contains(s.Path, "*") && runtimesocket.Match(s.Path, p):
			return p, s.Of, is
		default:
			socket, of, reach = s.Path, s.Of, is
			if reach == Direct {
				return socket, of, reach
			}
		}
	}
	return socket, of, reach
}

var all = runtimesocket.Sockets()

func reachOf(s *runtimesocket.Socket, p string) Reach {
	if !strings.Contains(s.Path, "*") {
		switch {
		case p == s.Path && s.Internal:
			return Internal
		case p == s.Path:
			return Direct
		case !Covers(p, s.Path) || s.Internal:
			return NoSocket
		case len(p) == strings.LastIndexByte(s.Path, '/') && p != "/run":
			return Direct
		}
	} else {
		plain := path.Dir(s.Path[:strings.IndexByte(s.Path, '*')+1])
		if !Covers(plain, p) && !Covers(p, plain) {
			return NoSocket
		}
		dir := path.Dir(s.Path) // a user's own has much else in it
		if runtimesocket.Match(s.Path, p) || !strings.HasSuffix(dir, "*") && runtimesocket.Match(dir, p) {
			return Direct
		}
		above := false
		for dir := path.Dir(s.Path); dir != "/" && !above; dir = path.Dir(dir) {
			above = runtimesocket.Match(dir, p)
		}
		if !above && p != "/" {
			return NoSocket
		}
	}
	if runtimesocket.Usual(s.Path) || s.Only != "" && Covers(s.Only, p) {
		return Above
	}
	return Elsewhere
}

func pipeIn(p string) (socket, of string, reach Reach) {
	for _, s := range runtimesocket.WindowsPipes() {
		switch {
		case runtimesocket.Match(s.Path, p):
			return p, s.Of, Direct
		case p == pipes || p+"/" == pipes:
			return s.Path, s.Of, Above
		}
	}
	return "", "", NoSocket
}
