package manifest

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// maxSource bounds one answer of a server and one built kustomization, bytes. Files and
// standard input are read piece by piece, and may have any size.
var maxSource = int64(256 << 20)

// source is one thing to read documents from.
type source struct {
	name  string // in errors and evidence; without the secret parts of a URL
	open  func(context.Context) (io.ReadCloser, error)
	built bool
	// found is true for a file that was not named, but found in a directory: it may be no
	// manifest.
	found bool
	path  string // of a file
	url   string // with its secret parts
}

// sources lists what was named, one after the other. Each one that does not exist is a
// separate problem. What is named twice is given once; repeated is called each time that it is
// named again.
func (f Files) sources(stdin io.Reader, problem func(Problem), repeated func()) iter.Seq[source] {
	return func(give func(source) bool) {
		yield := give
		if len(f.Filenames) > 1 {
			yield = once(give, repeated)
		}
		for i, name := range f.Filenames {
			switch {
			case name == "-":
				if slices.Index(f.Filenames, "-") != i { // it can be read once
					repeated()
					continue
				}
				if !yield(source{name: stdinName, open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(stdin), nil }}) {
					return
				}
			case strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "https://"):
				if !yield(source{name: shownName(name), url: name, open: whole(func(ctx context.Context) ([]byte, error) { return fetch(ctx, name) })}) {
					return
				}
			default:
				paths, err := match(name)
				if err != nil {
					problem(Problem{Source: shownName(name), Reason: fact.Unreadable, Text: err.Error()})
				}
				for _, path := range paths {
					if !f.below(path, "", path != name, problem, yield) {
						return
					}
				}
			}
		}
		if f.Kustomize != "" {
			yield(source{name: weburl.Clean(f.Kustomize), open: whole(f.kustomize), built: true})
		}
	}
}

// once gives each file and each URL once. A file has one, whatever its name is: "./a" is "a".
func once(give func(source) bool, repeated func()) func(source) bool {
	seen := map[string]bool{}
	return func(s source) bool {
		key := s.url
		if s.path != "" {
			key = s.path
			if full, err := filepath.Abs(key); err == nil {
				key = full
			}
		}
		if key != "" {
			if seen[key] {
				repeated()
				return true
			}
			seen[key] = true
		}
		return give(s)
	}
}

// single reports whether there is surely only one source.
func (f Files) single() bool {
	if len(f.Filenames) != 1 {
		return len(f.Filenames) == 0
	}
	if name := f.Filenames[0]; name == "-" || strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") {
		return f.Kustomize == ""
	}
	info, err := os.Stat(f.Filenames[0])
	return err == nil && !info.IsDir() && f.Kustomize == ""
}

// whole opens what is read at once.
func whole(read func(context.Context) ([]byte, error)) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		data, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(data)), nil
	}
}

// match returns the path, or what a pattern matches. As in kubectl, it is a
// pattern only if no such file exists.
func match(name string) ([]string, error) {
	_, err := os.Stat(name)
	if err == nil {
		return []string{name}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, cause(err)
	}
	glob := filepath.Glob
	if strings.Contains(name, "**") {
		glob = deepGlob
	}
	matches, globErr := glob(name)
	switch {
	case globErr != nil:
		return nil, errors.New("no such file, and not a valid pattern")
	case len(matches) == 0:
		return nil, errors.New("no such file or directory")
	}
	return matches, nil
}

// extensions are those of manifests in a directory; a file that is named may
// have any.
var extensions = []string{".json", ".yaml", ".yml"}

// below gives the manifests of a directory, or the file itself. Links to directories are not
// followed. Relative is the path from the directory that was named.
func (f Files) below(name, relative string, found bool, problem func(Problem), yield func(source) bool) bool {
	info, err := os.Stat(name)
	if err != nil {
		problem(Problem{Source: name, Reason: fact.Unreadable, Text: cause(err).Error()})
		return true
	}
	if !info.IsDir() {
		return yield(source{name: name, path: name, found: found, open: func(context.Context) (io.ReadCloser, error) { return openFile(name) }})
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		problem(Problem{Source: name, Reason: fact.Unreadable, Text: cause(err).Error()})
		return true
	}
	for _, entry := range entries {
		inner, below := filepath.Join(name, entry.Name()), path.Join(relative, entry.Name())
		if entry.IsDir() {
			if f.Recursive && !f.prunes(below) && !f.below(inner, below, true, problem, yield) {
				return false
			}
			continue
		}
		if !f.wants(below) {
			continue
		}
		info, err := os.Stat(inner)
		switch {
		case err == nil && info.IsDir():
			continue
		case err == nil && !info.Mode().IsRegular():
			problem(Problem{Source: inner, Reason: fact.Unsupported, Text: "expected a file, found a pipe, a socket or a device", Hint: "name it with -f to read from it"})
			continue
		}
		if !yield(source{name: inner, path: inner, found: true, open: func(context.Context) (io.ReadCloser, error) { return openFile(inner) }}) {
			return false
		}
	}
	return true
}

// cause removes the path from an operating system's error.
func cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// openFile opens a file. Its errors do not name it.
func openFile(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	return file, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close() //nolint:errcheck // only read
	return limited(file)
}

// limited reads all of r, up to maxSource.
func limited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSource+1))
	if err != nil {
		return nil, fmt.Errorf("reading it: %w", cause(err))
	}
	if int64(len(data)) > maxSource {
		return nil, fmt.Errorf("expected at most %d MiB, found more", maxSource>>20)
	}
	return data, nil
}

// attempts is how often a URL is tried, as kubectl does.
const attempts = 3

// pause is the time between two attempts.
var pause = time.Second

// patience is how long a server may be silent: before it answers, and in its answer.
var patience = 30 * time.Second

// web reads URLs. It sends what is in the URL to the server in it, and to no other.
var web = &http.Client{
	Transport: func() http.RoundTripper {
		transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck // the standard library's
		transport.ResponseHeaderTimeout = patience
		return transport
	}(),
	CheckRedirect: func(request *http.Request, before []*http.Request) error {
		if len(before) == 10 {
			return errors.New("redirects without end")
		}
		request.Header.Del("Referer") // it has the query of the URL before, perhaps with a token
		return safeURL(request.URL)
	},
}

// errPlain is for URLs whose content anybody on the way can read and change.
var errPlain = errors.New("expected a URL with https: over http anybody on the way can change what is read")

// safeURL refuses URLs that are not https. This machine's own address may be asked without it.
func safeURL(u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return errPlain
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fetch reads a URL. Errors name neither the URL nor what was answered.
func fetch(ctx context.Context, rawURL string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, errors.New("not a valid URL")
	}
	if err := safeURL(request.URL); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		data, again, err := fetchOnce(request)
		if err == nil || !again || try == attempts {
			return data, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func fetchOnce(request *http.Request) (data []byte, again bool, err error) {
	response, err := web.Do(request)
	if err != nil {
		if errors.Is(err, errPlain) {
			return nil, false, errors.New("the server redirects to a URL without https")
		}
		return nil, true, errors.New(netProblem(err))
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return nil, response.StatusCode >= 500, fmt.Errorf("expected status 200, the server answered %d", response.StatusCode)
	}
	silent := time.AfterFunc(patience, func() { _ = response.Body.Close() }) // a read of it ends
	defer silent.Stop()
	data, err = io.ReadAll(io.LimitReader(awake{response.Body, silent}, maxSource+1))
	switch {
	case err != nil && !silent.Stop():
		return nil, true, errors.New("the server did not send the rest in time")
	case err != nil:
		return nil, true, errors.New(netProblem(err))
	}
	if int64(len(data)) > maxSource {
		return nil, false, fmt.Errorf("expected at most %d MiB, found more", maxSource>>20)
	}
	return data, false, nil
}

// awake restarts a timer with each piece that is read.
type awake struct {
	io.Reader
	timer *time.Timer
}

func (a awake) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if n > 0 {
		a.timer.Reset(patience)
	}
	return n, err
}

// netProblem words an error of an HTTP client. The client's own text holds the
// URL and may quote the answer.
func netProblem(err error) string {
	var (
		dns         *net.DNSError
		op          *net.OpError
		request     *url.Error
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		certificate x509.CertificateInvalidError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &dns):
		return fmt.Sprintf("no address for %q", dns.Name)
	case errors.As(err, &authority):
		return "the server's certificate is signed by an unknown authority"
	case errors.As(err, &hostname):
		return "the server's certificate is for another name"
	case errors.As(err, &certificate):
		return "the server's certificate is not valid"
	case errors.As(err, &request) && request.Timeout():
		return "the server did not answer in time"
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "read" || op.Op == "write"):
		var number interface{ Is(error) bool } // a syscall.Errno, whose text is the system's
		if errors.As(op.Err, &number) {
			return fmt.Sprintf("the server cannot be reached: %v", number)
		}
		return "the server cannot be reached"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the server's answer was cut short"
	}
	return "the server's answer is not HTTP, or the server redirects without end"
}
