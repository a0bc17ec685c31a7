package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// patience is how long a server may be silent if --request-timeout is not given. The
// zero value means forever.
type patience struct {
	connect time.Duration // until there is a connection
	read    time.Duration // for a request that reads: a page of a list with all of its bytes
	write   time.Duration // for any other request; it waits for webhooks of up to 30 s each
	notice  time.Duration // until the user is told which server the plugin waits for
}

// usualPatience is the default. client-go gives discovery 32 s. An API server ends a
// request after 60 s (--request-timeout), so no answer comes later.
var usualPatience = patience{connect: 10 * time.Second, read: 30 * time.Second, write: 60 * time.Second, notice: 3 * time.Second}

// QuietLibraries keeps the log lines of client-go and net/http off stderr. What they
// log is also returned as an error, or is of no use to a user.
func QuietLibraries() {
	klog.SetLogger(klog.New(nil)) // SetOutput would leave errors on stderr
	log.SetOutput(io.Discard)     // net/http logs about connections that nobody uses
}

// careful makes connections that do not wait forever, and that accept only the API's
// own answers. It is called for every configuration that is made from the flags
// (genericclioptions.ConfigFlags.WrapConfigFn).
func (e *Env) careful(config *rest.Config) *rest.Config {
	wait := e.patience
	if wait == (patience{}) {
		wait = usualPatience
	}
	if e.user.given("request-timeout") || config.Timeout > 0 {
		wait = patience{notice: wait.notice}
	}
	if e.dial != nil {
		config.Dial = e.dial
	}
	if wait.connect > 0 && config.Dial == nil {
		config.Dial = (&net.Dialer{Timeout: wait.connect, KeepAlive: 30 * time.Second}).DialContext
	}
	if u, err := url.Parse(config.Host); err == nil && u.Host != "" {
		e.server = serverName(u)
	}
	s := &serverWatch{patience: wait, answered: &e.answered}
	if e.ErrIsTerminal && !e.user.sets("progress", "never") && !slices.Contains(e.user.command, guardCommand) {
		s.say = func(where string) {
			if !e.measuring.Load() {
				e.warn("waiting for %s ...", where)
			}
		}
	}
	config.Wrap(s.wrap)
	return config
}

// serverName names a server by its URL, without secrets.
func serverName(u *url.URL) string { return "the API server at " + origin(u) }

func origin(u *url.URL) string { return weburl.Clean(u.Scheme + "://" + u.Host) }

// serverWatch watches over the requests of one connection pool.
type serverWatch struct {
	patience
	say      func(where string) // nil if nobody reads
	once     sync.Once
	answered *atomic.Bool // the server has answered this program before
}

func (s *serverWatch) wrap(next http.RoundTripper) http.RoundTripper {
	return &watchedTransport{s, next}
}

// watchedTransport is a transport that a serverWatch watches.
type watchedTransport struct {
	*serverWatch
	next http.RoundTripper
}

// WrappedRoundTripper lets client-go cancel what is below
// (k8s.io/apimachinery/pkg/util/net.RoundTripperWrapper).
func (t *watchedTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

// RoundTrip sends one request.
func (t *watchedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	late := &silenceError{server: serverName(request.URL), after: t.limit(request)}
	ctx, cancel := late.deadline(request.Context())
	heard := t.listen(origin(request.URL))
	response, err := t.next.RoundTrip(request.WithContext(ctx))
	heard()
	switch {
	case err != nil && ctx.Err() == nil && !t.answered.Load() && utilnet.IsProbableEOF(err):
		// client-go would retry ten times, a second apart.
		err = &refusedError{late.server + " closed the connection before it answered"}
	case err == nil:
		t.answered.Store(true)
		response.Body = &watchedBody{ReadCloser: response.Body, ctx: ctx, late: late, cancel: cancel}
		response, err = understood(request, response)
	}
	if err != nil {
		if context.Cause(ctx) == error(late) {
			err = late
		}
		cancel()
		return nil, err
	}
	return response, nil
}

// limit returns the time for a request. It is 0, no limit, for a watch or a log,
// which are meant to last.
func (s *serverWatch) limit(request *http.Request) time.Duration {
	switch {
	case isWatch(request), isLog(request.URL.Path):
		return 0
	case request.Method == http.MethodGet:
		return s.read
	}
	return s.write
}

func isWatch(request *http.Request) bool { return request.URL.Query().Get("watch") == "true" }

func isLog(path string) bool {
	return strings.Contains(path, "/pods/") && strings.HasSuffix(path, "/log")
}

// isMetrics reports a request for the API server's metrics, which are text. Their reader
// keeps two hashes of it and quotes nothing.
func isMetrics(request *http.Request) bool {
	path := request.URL.Path
	return strings.HasSuffix(path, "/metrics") && !strings.Contains(path, "/api/") && !strings.Contains(path, "/apis/")
}

// listen tells the user once which server is silent. The function that it returns
// stops this: nothing is printed after it.
func (s *serverWatch) listen(where string) func() {
	if s.say == nil || s.notice <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	timer := time.AfterFunc(s.notice, func() {
		defer close(done)
		s.once.Do(func() { s.say(where) })
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}

// watchedBody ends a request's deadline after its answer was read.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context
	late   *silenceError
	cancel context.CancelFunc
}

func (b *watchedBody) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	if err != nil && err != io.EOF && context.Cause(b.ctx) == error(b.late) {
		err = b.late
	}
	return n, err
}

func (b *watchedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// silenceError is for a server that gave no answer, or an incomplete one.
type silenceError struct {
	server string
	after  time.Duration
}

func (e *silenceError) Error() string {
	return fmt.Sprintf("%s did not answer within %s; --request-timeout gives it more time", e.server, e.after)
}

// deadline returns a context that ends with the error after e.after. If that is 0
// the context does not end.
func (e *silenceError) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.after <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, e.after, e)
}

// Timeout makes it a timeout as in net.Error.
func (e *silenceError) Timeout() bool { return true }

// Is makes it equal to context.DeadlineExceeded.
func (e *silenceError) Is(target error) bool { return target == context.DeadlineExceeded }

// answerError is for an answer that no API server gives.
type answerError struct{ server, found string }

func (e *answerError) Error() string {
	return e.server + " answered with " + e.found + ", expected the Kubernetes API: check server in the kubeconfig, and look for a proxy or a login page in front of it"
}

// maxStatus bounds what is read of a refusal; the API's are a few hundred bytes.
const maxStatus = 1 << 20

// understood returns the API's own answers as they are. No byte of other answers
// reaches client-go, because its errors quote them. A redirect is not followed,
// because the request's credentials would follow it.
func understood(request *http.Request, response *http.Response) (*http.Response, error) {
	server := serverName(request.URL)
	media := mediaType(response)
	refuse := func(found string) (*http.Response, error) {
		_ = response.Body.Close()
		return nil, &answerError{server, found}
	}
	switch code := response.StatusCode; {
	case code >= 300 && code < 400 && code != http.StatusNotModified:
		to, err := response.Location()
		if err != nil || to.Host == "" {
			return refuse("a redirect")
		}
		return refuse("a redirect to " + origin(to))
	case code >= 400:
		return refusal(request, media, response)
	case isLog(request.URL.Path), isWatch(request), isMetrics(request) && media == "text/plain":
		return response, nil
	case media != "" && !slices.Contains(apiMedia, media):
		return refuse(describeMedia(media))
	case media == "application/json":
		body := bufio.NewReader(response.Body)
		begin, err := body.Peek(headOfJSON)
		if word := jsonWord(request.URL.Path); (err == nil || err == io.EOF) && !bytes.Contains(begin, []byte(word)) {
			return refuse("JSON without " + word)
		}
		response.Body = readCloser{body, response.Body}
	}
	return response, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// headOfJSON is how many bytes of an answer are inspected. An API server writes kind
// first.
const headOfJSON = 4 << 10

// jsonWord is a word that the API's JSON begins with.
func jsonWord(path string) string {
	if strings.HasSuffix(path, "/version") {
		return `"gitVersion"`
	}
	return `"kind"`
}

// apiMedia are the media types in which the API answers client-go.
var apiMedia = []string{"application/json", "application/vnd.kubernetes.protobuf", "application/yaml", "application/cbor"}

func mediaType(response *http.Response) string {
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// plainMedia is a media type that can be shown.
var plainMedia = regexp.MustCompile(`^[a-z0-9.+/-]{1,60}$`)

func describeMedia(media string) string {
	switch {
	case media == "text/html":
		return "an HTML page"
	case plainMedia.MatchString(media):
		return "content of type " + media
	}
	return "content of another type"
}

// refusal returns the response if its body is the API's own Status. If it comes from
// something else, refusal returns one with our own text. If client-go does not read a
// Status there, it returns an error.
func refusal(request *http.Request, media string, response *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxStatus))
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	if !isStatus(body) {
		code := response.StatusCode
		message := answered(serverName(request.URL), code)
		if len(body) > 0 && media != "" && media != "application/json" {
			message += ", with " + describeMedia(media)
		}
		if isDiscovery(request.URL.Path) && (code >= http.StatusInternalServerError || media == "text/html" && code != http.StatusUnauthorized) {
			return nil, &refusedError{message}
		}
		status := metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Code: int32(code), Message: message, Reason: reasonOf(code, media),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeUnexpectedServerResponse}}},
		}
		if body, err = json.Marshal(status); err != nil {
			return nil, err
		}
		response.Header.Set("Content-Type", "application/json")
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Del("Content-Length")
	return response, nil
}

// isDiscovery reports whether client-go reads an answer as bytes (Result.Raw):
// the version, and the lists of groups.
func isDiscovery(path string) bool {
	return slices.Contains([]string{"version", "api", "apis"}, path[strings.LastIndexByte(path, '/')+1:])
}

// refusedError is for a refusal without a Status.
type refusedError struct{ message string }

func (e *refusedError) Error() string { return e.message }

// answered says with which status code a server answered.
func answered(server string, code int) string {
	return strings.TrimSpace(fmt.Sprintf("%s answered %d %s", server, code, http.StatusText(code)))
}

// isStatus reports whether a body is a Status, as JSON or as protobuf.
func isStatus(body []byte) bool {
	if bytes.HasPrefix(body, []byte("k8s\x00")) {
		return true
	}
	var head struct {
		Kind string `json:"kind"`
	}
	return json.Unmarshal(body, &head) == nil && head.Kind == "Status"
}

// reasonOf returns the reason for a status code without a Status. A proxy in front of
// an API server that answers 403 does not know the user's rights. The API server
// itself answers without a Status only with 404 (plain text, for a group that it does
// not have).
func reasonOf(code int, media string) metav1.StatusReason {
	switch {
	case code == http.StatusUnauthorized:
		return metav1.StatusReasonUnauthorized
	case code == http.StatusNotFound && media != "text/html":
		return metav1.StatusReasonNotFound
	case code == http.StatusTooManyRequests:
		return metav1.StatusReasonTooManyRequests
	case code == http.StatusServiceUnavailable:
		return metav1.StatusReasonServiceUnavailable
	case code == http.StatusGatewayTimeout:
		return metav1.StatusReasonTimeout
	}
	return metav1.StatusReasonInternalError
}

// ownWords returns the text of the errors above, or "" for other errors.
func ownWords(err error) string {
	var answer *answerError
	var late *silenceError
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &answer):
		return answer.Error()
	case errors.As(err, &late):
		return late.Error()
	}
	return ""
}
