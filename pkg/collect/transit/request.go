package transit

import (
	"bytes"
	"io"
	"net"
	"slices"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// The paths that are requested. None returns data of the cluster, whoever asks: the API
// server has nothing at the first, and the kubelet and etcd answer the others with their
// health and their version.
const (
	PathNone    = "/kubectl-checklist-no-such-path"
	PathHealth  = "/healthz"
	PathVersion = "/version"
)

// pathFor returns the path that is requested of every listener of a purpose, "" for none.
func pathFor(p fact.ListenerPurpose) string {
	switch p {
	case fact.KubeAPI, fact.KubeAPIProxy:
		return PathNone
	case fact.KubeletAPI, fact.KubeletReadOnly:
		return PathHealth
	}
	return ""
}

// plainPathFor returns the path that is requested without TLS if no handshake got an
// answer.
func plainPathFor(p fact.ListenerPurpose) string {
	if path := pathFor(p); path != "" {
		return path
	}
	return PathVersion
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 10

// httpsText is what Go's and nginx's servers answer with status 400 if a request without
// TLS comes to a listener that speaks TLS.
var httpsText = [][]byte{
	[]byte("Client sent an HTTP request to an HTTPS server"),
	[]byte("The plain HTTP request was sent to HTTPS port"),
}

// answer is what came back to a request.
type answer struct {
	status int
	// https is true if the answer says that the listener speaks TLS.
	https bool
	first []byte // at most 16 bytes
	err   error
}

// get makes a GET request of HTTP/1.1 (RFC 9112) without a credential and reads the status
// line; without TLS, of an answer with status 400 the text too. host is the address that
// was dialed.
func get(conn net.Conn, host, path string, secure bool) answer {
	_, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: kubectl-checklist\r\nConnection: close\r\n\r\n")
	if err != nil {
		return answer{err: err}
	}
	var a answer
	var got []byte
	for buf := make([]byte, 512); len(got) < maxAnswer && err == nil; {
		var n int
		n, err = conn.Read(buf)
		got = append(got, buf[:n]...)
		status, whole := parseStatus(got)
		if whole && (secure || status != badRequest) || len(got) >= enoughToTell && !speaksHTTP(got) {
			break
		}
		if a.https = whole && saysHTTPS(got); a.https {
			break
		}
	}
	a.status, _ = parseStatus(got)
	a.first = got[:min(len(got), 16)]
	if a.status == 0 {
		a.err = err
	}
	return a
}

const badRequest = 400

func saysHTTPS(b []byte) bool {
	return slices.ContainsFunc(httpsText, func(text []byte) bool { return bytes.Contains(b, text) })
}

// parseStatus reads a status line (RFC 9112 4): "HTTP/1.1 404 Not Found". whole is true if
// the line is complete, status is 0 if it is no status line.
func parseStatus(b []byte) (status int, whole bool) {
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	const code = len("HTTP/1.1 ")
	if !whole || len(line) < code+3 || !speaksHTTP(line) || line[7] < '0' || line[7] > '9' || line[8] != ' ' {
		return 0, whole
	}
	for _, c := range line[code : code+3] {
		if c < '0' || c > '9' {
			return 0, whole
		}
		status = 10*status + int(c-'0')
	}
	if rest := line[code+3:]; status < 100 || status > 599 || len(rest) > 0 && rest[0] != ' ' && rest[0] != '\r' {
		return 0, whole
	}
	return status, whole
}

// plain makes a request without TLS.
func plain(conn net.Conn, deadline time.Time, host, path string) answer {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(deadline)
	return get(conn, host, path, false)
}
