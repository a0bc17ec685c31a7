// Package pushgateway sends metrics to a Pushgateway of Prometheus.
package pushgateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// Timeout bounds one push, from the look-up of the address to the end of the answer.
const Timeout = 30 * time.Second

// defaultGroup is the group of a URL that names none.
const defaultGroup = "/metrics/job/kubectl_checklist"

// contentType is that of the text format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// Gateway is a group of metrics on a Pushgateway.
type Gateway struct {
	url    *url.URL
	client *http.Client
}

// New returns the group that a URL names: http://HOST:PORT[/PREFIX]/metrics/job/NAME[/LABEL/VALUE ...].
// Without "/metrics/" in the path, the group is job="kubectl_checklist". The error never
// quotes the URL, because it may hold a password.
func New(text string) (*Gateway, error) {
	of, err := url.Parse(text)
	switch {
	case err != nil, of.Scheme != "http" && of.Scheme != "https", of.Hostname() == "":
		return nil, errors.New("expected http://HOST:PORT or https://HOST:PORT, found another text")
	case of.User != nil:
		return nil, errors.New("expected a URL without user and password: everyone who may list processes or read the pod would see them")
	case of.RawQuery != "" || of.ForceQuery || of.Fragment != "":
		return nil, errors.New("expected a URL without ? and #")
	}
	// A reverse proxy may serve the gateway below a path.
	_, group, found := strings.Cut(of.EscapedPath(), "/metrics/")
	if !found {
		of = of.JoinPath(defaultGroup)
	} else if err := checkGroup(group); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	return &Gateway{of, &http.Client{
		Transport: transport,
		Timeout:   Timeout,
		// A redirect could lead the metrics to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// checkGroup checks "job/NAME[/LABEL/VALUE ...]".
func checkGroup(group string) error {
	words := strings.Split(group, "/")
	if len(words)%2 != 0 || words[0] != "job" && words[0] != "job@base64" || words[1] == "" {
		return errors.New("expected a path that ends with /metrics/job/NAME, and after it pairs of /LABEL/VALUE")
	}
	return nil
}

// Host is the host and port, for messages.
func (g *Gateway) Host() string { return g.url.Host }

// Replace replaces all metrics of the group by those that write writes in the text format.
// So a metric that is no longer written is gone, and one failed push leaves the old metrics
// with their old time. Errors hold neither metrics nor the path of the URL.
func (g *Gateway) Replace(ctx context.Context, write func(io.Writer) error) error {
	var body strings.Builder
	if err := write(&body); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, g.url.String(), strings.NewReader(body.String()))
	if err != nil {
		return fmt.Errorf("pushing metrics to %s: the request could not be made", g.Host())
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("User-Agent", "kubectl-checklist")
	answer, err := g.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("pushing metrics to %s: %s", g.Host(), cause(err))
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	said, _ := io.ReadAll(io.LimitReader(answer.Body, mostSaid))
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return nil
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return fmt.Errorf("pushing metrics to %s: expected status 200, found %d: redirects are not followed", g.Host(), answer.StatusCode)
	}
	reason := ""
	if line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n"); line != "" {
		reason = ": " + escape.Short(line, mostReason)
	}
	return fmt.Errorf("pushing metrics to %s: expected status 200, found %d%s", g.Host(), answer.StatusCode, reason)
}

// Bounds of what is read and shown of an answer, in bytes.
const (
	mostSaid   = 4 << 10
	mostReason = 200
)

// cause says in own words why there was no answer. It does not wrap the error: messages
// about the API server would be made of it.
func cause(err error) string {
	var (
		dns      *net.DNSError
		op       *net.OpError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		timeout  interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority: SSL_CERT_FILE names a file with the certificates to trust"
	case errors.As(err, &hostname):
		return "its certificate is for other names"
	case errors.As(err, &invalid):
		return "its certificate is not valid"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case errors.As(err, &dns):
		return "no address was found for this name"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %s", Timeout)
	case errors.As(err, &op) && op.Op == "dial":
		return "it cannot be reached: " + op.Err.Error()
	}
	return "the connection ended before it answered"
}
