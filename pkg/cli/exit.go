package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// The exit statuses are part of the command line's contract.
const (
	ExitOK       = 0 // the run finished and nothing reached --fail-on
	ExitFindings = 1 // findings reached --fail-on
	ExitFailure  = 2 // usage or tool error, nothing judged
	ExitPartial  = 3 // finished, but with gaps, where --fail-on is given
)

// ExitError carries an exit status to main. If Err is nil, nothing is printed: the
// status says everything.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Code returns the exit status for a command's error.
func Code(err error) int {
	var exit *ExitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	}
	return ExitFailure
}

// maxMessages is how many errors are printed. Further errors are only counted.
const maxMessages = 50

// Messages returns the lines on stderr for an error: one for each error that was
// joined in it, and none if the exit status says everything. server is the name of
// the API server for errors that do not name it. It may be "".
func Messages(err error, server string) []string {
	var lines []string
	for _, one := range joined(err) {
		if line := Message(one, server); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if more := len(lines) - maxMessages; more > 0 {
		lines = append(lines[:maxMessages:maxMessages], fmt.Sprintf("error: and %d more", more))
	}
	return lines
}

// joined returns the errors that errors.Join has joined.
func joined(err error) []error {
	list, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // an error that wraps it has its own text
	if !ok || strings.ReplaceAll(err.Error(), "\n", "") != strings.ReplaceAll(errors.Join(list.Unwrap()...).Error(), "\n", "") {
		return []error{err}
	}
	var all []error
	for _, inner := range list.Unwrap() {
		all = append(all, joined(inner)...)
	}
	return all
}

// Message returns the one line on stderr for an error, or "" for none. Secrets are
// removed from its URLs.
func Message(err error, server string) string {
	var exit *ExitError
	if err == nil || errors.As(err, &exit) && exit.Err == nil {
		return ""
	}
	return "error: " + strings.ReplaceAll(weburl.Clean(strings.TrimSpace(explain(err, server))), "\n", " ")
}

// explain says what is wrong with a connection, and what to do. Other errors keep
// their own text.
func explain(err error, server string) string {
	var (
		unknownAuthority x509.UnknownAuthorityError
		hostname         x509.HostnameError
		invalid          x509.CertificateInvalidError
		dns              *net.DNSError
		op               *net.OpError
		request          *url.Error
		notTLS           tls.RecordHeaderError
		status           apierrors.APIStatus
	)
	if errors.As(err, &request) {
		if u, parseErr := url.Parse(request.URL); parseErr == nil && u.Host != "" {
			server = serverName(u)
		}
	}
	server = cmp.Or(server, "the API server")
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case ownWords(err) != "":
		return ownWords(err)
	case clientcmd.IsEmptyConfig(err):
		return "no kubeconfig found: no cluster is configured in $KUBECONFIG, ~/.kube/config or --kubeconfig; --local answers for this machine without a cluster"
	case clientcmd.IsContextNotFound(err), clientcmd.IsConfigurationInvalid(err):
		return errKubeconfig.Error() // the library's error quotes it
	case errors.As(err, &unknownAuthority):
		return fmt.Sprintf("%s has a certificate signed by an unknown authority: check certificate-authority in the kubeconfig", server)
	case errors.As(err, &hostname):
		return fmt.Sprintf("%s has a certificate for other names: %v", server, hostname)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("%s has a certificate that is not valid now: it is valid from %s to %s", server,
			invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid):
		return fmt.Sprintf("%s has an invalid certificate: %v", server, invalid)
	case strings.Contains(err.Error(), "certificate has expired"), strings.Contains(err.Error(), "expired certificate"):
		return fmt.Sprintf("%s refused the client certificate: it has expired", server)
	case apierrors.IsUnauthorized(err):
		return fmt.Sprintf("%s did not accept the credentials (401 Unauthorized): they may have expired; log in again or choose another --context", server)
	case errors.As(err, &dns):
		return fmt.Sprintf("%s was not found: no address for %q", server, dns.Name)
	case errors.As(err, &status) && apierrors.IsUnexpectedServerError(err):
		if strings.HasPrefix(status.Status().Message, server) {
			return status.Status().Message // see refusal
		}
		return answered(server, int(status.Status().Code))
	case errors.As(err, &status) && status.Status().Code >= http.StatusInternalServerError:
		return answered(server, int(status.Status().Code)) + ": " + status.Status().Message
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &notTLS):
		return fmt.Sprintf("%s does not speak TLS: check server in the kubeconfig", server)
	case foreign(err):
		return fmt.Sprintf("%s did not answer as a Kubernetes API server: check server in the kubeconfig", server)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("%s did not answer in time", server)
	case errors.As(err, &op):
		return fmt.Sprintf("%s cannot be reached: %v; is the cluster running, and is this the right --context?", server, op.Err)
	}
	if errors.As(err, &request) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return fmt.Sprintf("%s closed the connection before it answered", server)
	}
	return err.Error()
}

// foreign reports whether an answer could not be decoded as one of the API. The
// text of such errors is not printed, because it quotes the answer.
func foreign(err error) bool {
	var syntax *json.SyntaxError
	var field *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &field) ||
		runtime.IsMissingKind(err) || runtime.IsMissingVersion(err) || runtime.IsNotRegisteredError(err)
}
