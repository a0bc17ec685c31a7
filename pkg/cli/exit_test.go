package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// testEnv returns an environment without a terminal.
func testEnv() (env *Env, out, errOut *bytes.Buffer) {
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	return &Env{
		Streams: streams, Name: "kubectl checklist", Version: "v0.0.0-test",
		Getenv: func(string) string { return "" },
	}, out, errOut
}

func TestCodeAndMessage(t *testing.T) {
	for name, tc := range map[string]struct {
		err     error
		code    int
		message string
	}{
		"nothing":                               {nil, 0, ""},
		"findings say it by status alone":       {&ExitError{Code: ExitFindings}, 1, ""},
		"gaps too":                              {&ExitError{Code: ExitPartial}, 3, ""},
		"a wrapped status stays":                {fmt.Errorf("x: %w", &ExitError{Code: ExitPartial}), 3, ""},
		"a status with words":                   {&ExitError{Code: 3, Err: errors.New("half")}, 3, "error: half"},
		"any other error is 2":                  {errors.New("flag"), 2, "error: flag"},
		"several lines are one":                 {errors.New("one\ntwo\n"), 2, "error: one two"},
		"an interrupted run":                    {fmt.Errorf("listing pods: %w", context.Canceled), 2, "error: interrupted"},
		"a deadline":                            {fmt.Errorf("listing pods: %w", context.DeadlineExceeded), 2, "error: the API server did not answer in time"},
		"a name that does not resolve":          {&net.DNSError{Name: "api.example", Err: "no such host"}, 2, `error: the API server was not found: no address for "api.example"`},
		"no kubeconfig":                         {clientcmd.ErrEmptyConfig, 2, "error: no kubeconfig found: no cluster is configured in $KUBECONFIG, ~/.kube/config or --kubeconfig; --local answers for this machine without a cluster"},
		"a client certificate that TLS refused": {errors.New("remote error: tls: expired certificate"), 2, "error: the API server refused the client certificate: it has expired"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Code(tc.err); got != tc.code {
				t.Errorf("want status %d, got %d", tc.code, got)
			}
			if got := Message(tc.err, ""); got != tc.message {
				t.Errorf("want %q\ngot  %q", tc.message, got)
			}
		})
	}
}

// A server's words reach the terminal as one line of text.
func TestWarnEscapes(t *testing.T) {
	env, _, errOut := testEnv()
	env.warn("%s", "denied: \x1b]0;owned\x07\nerror: \u202eother https://me:CANARY@api.example/?token=CANARY")
	if got := errOut.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\x1b\x07\u202e") || strings.Contains(got, "CANARY") {
		t.Errorf("stderr: %q", got)
	}
}

// authority makes certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().AddDate(-10, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue returns a certificate for 127.0.0.1, changed by edits, and its key.
func (a *authority) issue(t *testing.T, edits ...func(*x509.Certificate)) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, edit := range edits {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
}

// If a connection does not work, one line says what to fix. The exit status is 2, and
// stdout is empty.
func TestConnectionErrors(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	otherClient, otherKey := other.issue(t)
	oldClient, oldKey := ca.issue(t, expired)
	unauthorized := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
	}
	for name, tc := range map[string]struct {
		server  []func(*x509.Certificate) // the server's certificate
		tls     func(*tls.Config)
		handler http.HandlerFunc
		config  func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo)
		args    []string
		want    string // a regular expression; SERVER is the server's URL
	}{
		"a certificate of an unknown authority": {
			config: func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.CertificateAuthorityData = other.pem() },
			want:   `the API server at SERVER has a certificate signed by an unknown authority: check certificate-authority in the kubeconfig`,
		},
		"an expired server certificate": {
			server: []func(*x509.Certificate){expired},
			want:   `the API server at SERVER has a certificate that is not valid now: it is valid from 2024-01-02T03:04:05Z to 2025-01-02T03:04:05Z`,
		},
		"a certificate for another name": {
			server: []func(*x509.Certificate){func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"api.example"} }},
			want:   `the API server at SERVER has a certificate for other names: x509: cannot validate certificate for 127\.0\.0\.1 because it doesn't contain any IP SANs`,
		},
		"a certificate for no server": {
			server: []func(*x509.Certificate){func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }},
			want:   `the API server at SERVER has an invalid certificate: x509: certificate specifies an incompatible key usage`,
		},
		// kube-apiserver verifies client certificates above TLS.
		"an expired client certificate": {
			handler: unauthorized,
			config: func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
				u.ClientCertificateData, u.ClientKeyData = oldClient, oldKey
			},
			want: `the API server at SERVER did not accept the credentials \(401 Unauthorized\): they may have expired; log in again or choose another --context`,
		},
		"an expired client certificate, refused by TLS": {
			tls: func(c *tls.Config) {
				c.ClientAuth = tls.RequireAndVerifyClientCert
				c.ClientCAs = x509.NewCertPool()
				c.ClientCAs.AddCert(ca.cert)
			},
			config: func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
				u.ClientCertificateData, u.ClientKeyData = oldClient, oldKey
			},
			want: `the API server at SERVER refused the client certificate: it has expired`,
		},
		"a client certificate of another authority": {
			handler: unauthorized,
			config: func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
				u.ClientCertificateData, u.ClientKeyData = otherClient, otherKey
			},
			want: `the API server at SERVER did not accept the credentials \(401 Unauthorized\): .*`,
		},
		"a server that fails": {
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
			want:    `the API server at SERVER answered 500 Internal Server Error`,
		},
		"something else than an API server": {
			handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>CANARY</html>") },
			want:    `the API server at SERVER answered with an HTML page, expected the Kubernetes API: check server in the kubeconfig, and look for a proxy or a login page in front of it`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cert, key := ca.issue(t, tc.server...)
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			handler := tc.handler
			if handler == nil {
				handler = func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }
			}
			server := httptest.NewUnstartedServer(handler)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
			if tc.tls != nil {
				tc.tls(server.TLS)
			}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()

			cluster := &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: ca.pem()}
			user := &clientcmdapi.AuthInfo{}
			if tc.config != nil {
				tc.config(cluster, user)
			}
			config := clientcmdapi.NewConfig()
			config.Clusters["c"], config.AuthInfos["u"] = cluster, user
			config.Contexts["x"], config.CurrentContext = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}, "x"
			path := filepath.Join(t.TempDir(), "config")
			if err := clientcmd.WriteToFile(*config, path); err != nil {
				t.Fatal(err)
			}

			env, out, errOut := testEnv()
			code := Main(t.Context(), env, append([]string{"--no-probe", "--kubeconfig", path}, tc.args...))
			if code != ExitFailure || out.Len() != 0 {
				t.Errorf("want status 2 and nothing on stdout, got %d and %q", code, out)
			}
			want := "^error: " + strings.ReplaceAll(tc.want, "SERVER", regexp.QuoteMeta(server.URL)) + "\n$"
			if !regexp.MustCompile(want).MatchString(errOut.String()) {
				t.Errorf("stderr %q\nwant   %s", errOut, want)
			}
		})
	}
}

func TestExitStatus(t *testing.T) {
	finding := func(v api.Verdict, s api.Severity) *api.ChecklistReport {
		return &api.ChecklistReport{Findings: []api.Finding{{Verdict: api.Pass, Severity: api.Critical}, {Verdict: v, Severity: s}}}
	}
	gap := &api.ChecklistReport{Gaps: []fact.Gap{{What: fact.Etcd}}}
	both := finding(api.Fail, api.Low)
	both.Gaps = gap.Gaps
	for name, tc := range map[string]struct {
		report *api.ChecklistReport
		failOn string
		allow  bool
		want   int
	}{
		"without --fail-on findings do not fail":            {finding(api.Fail, api.Critical), "", false, ExitOK},
		"without --fail-on gaps do not fail":                {gap, "", false, ExitOK},
		"a fail at the threshold":                           {finding(api.Fail, api.High), "high", false, ExitFindings},
		"a fail above it":                                   {finding(api.Fail, api.Critical), "high", false, ExitFindings},
		"a fail below it":                                   {finding(api.Fail, api.Medium), "high", false, ExitOK},
		"low reaches everything":                            {finding(api.Fail, api.Low), "low", false, ExitFindings},
		"passes alone":                                      {finding(api.Pass, api.Critical), "low", false, ExitOK},
		"an accepted fail":                                  {finding(api.Accepted, api.Critical), "low", false, ExitOK},
		"an unknown finding":                                {finding(api.VerdictUnknown, api.Low), "critical", false, ExitPartial},
		"an unknown finding, allowed":                       {finding(api.VerdictUnknown, api.Low), "critical", true, ExitOK},
		"a gap":                                             {gap, "critical", false, ExitPartial},
		"a gap, allowed":                                    {gap, "critical", true, ExitOK},
		"a gap and a fail below the threshold":              {both, "high", false, ExitPartial},
		"findings count more than gaps":                     {both, "low", false, ExitFindings},
		"findings count more than gaps that are allowed":    {both, "low", true, ExitFindings},
		"nothing in scope is not a gap":                     {&api.ChecklistReport{}, "low", false, ExitOK},
		"what --severity hides counts: the report is whole": {finding(api.Fail, api.Medium), "medium", false, ExitFindings},
	} {
		t.Run(name, func(t *testing.T) {
			r := &evaluation{report: reportFlags{failOn: tc.failOn, allowUnknown: tc.allow, severity: "critical"}}
			if got := Code(r.exit(report.Of(tc.report))); got != tc.want {
				t.Errorf("want %d, got %d", tc.want, got)
			}
		})
	}
}

func TestWriteFile(t *testing.T) {
	write := func(text string) func(io.Writer) error {
		return func(out io.Writer) error { _, err := io.WriteString(out, text); return err }
	}
	only := func(t *testing.T, dir string, names ...string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("want the files %v, got %v", names, got)
		}
	}
	content := func(t *testing.T, path, want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s: want %q, got %q, %v", path, want, got, err)
		}
	}
	t.Run("a new file is its owner's alone", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a")
		if err := writeFile(path, write("new")); err != nil {
			t.Fatal(err)
		}
		content(t, path, "new")
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		only(t, dir, "a")
	})
	t.Run("an error leaves the old file, and no other file", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a")
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		err := writeFile(path, func(out io.Writer) error {
			_, _ = io.WriteString(out, "half")
			return errors.New("disk full")
		})
		if want := fmt.Sprintf("writing %q: disk full", path); err == nil || err.Error() != want {
			t.Errorf("want error %q, got %v", want, err)
		}
		content(t, path, "old")
		only(t, dir, "a")
	})
	t.Run("a link is followed, and stays", func(t *testing.T) {
		dir := t.TempDir()
		target, link := filepath.Join(dir, "a"), filepath.Join(dir, "link")
		if err := errors.Join(os.WriteFile(target, []byte("old"), 0o644), os.Symlink("a", link)); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(link, write("new")); err != nil {
			t.Fatal(err)
		}
		content(t, target, "new")
		if got, err := os.Readlink(link); err != nil || got != "a" {
			t.Errorf("the link became %q, %v", got, err)
		}
		only(t, dir, "a", "link")
	})
	t.Run("a link to a file that is not there yet is followed, and stays", func(t *testing.T) {
		dir := t.TempDir()
		link := filepath.Join(dir, "link")
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o755), os.Symlink("sub/a", link)); err != nil {
			t.Fatal(err)
		}
		if !sameFile(link, filepath.Join(dir, "sub", "a")) {
			t.Error("the link and its file are two")
		}
		if err := writeFile(link, write("new")); err != nil {
			t.Fatal(err)
		}
		content(t, filepath.Join(dir, "sub", "a"), "new")
		only(t, dir, "link", "sub")
		only(t, filepath.Join(dir, "sub"), "a")
	})
	t.Run("a name as long as a name can be", func(t *testing.T) {
		dir := t.TempDir()
		name := strings.Repeat("é", 127)
		if err := writeFile(filepath.Join(dir, name), write("new")); err != nil {
			t.Fatal(err)
		}
		only(t, dir, name)
	})
	t.Run("links in a circle", func(t *testing.T) {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		if err := errors.Join(os.Symlink("b", a), os.Symlink("a", b)); err != nil {
			t.Fatal(err)
		}
		_ = target(a) // it ends
	})
	t.Run("no directory", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "none", "a")
		want := fmt.Sprintf("writing %q: no such file or directory", path)
		if err := writeFile(path, write("x")); err == nil || err.Error() != want {
			t.Errorf("want error %q, got %v", want, err)
		}
		if err := writable(path); err == nil || err.Error() != want {
			t.Errorf("before the run: want error %q, got %v", want, err)
		}
	})
}

// A run that was interrupted while it measured reports what it has: to the terminal and to each file.
// One that was interrupted later writes nothing.
func TestInterruptedRunIsReported(t *testing.T) {
	for name, gaps := range map[string][]fact.Gap{"while it measured": {{What: fact.Images, Reason: fact.Interrupted}}, "later": nil} {
		t.Run(name, func(t *testing.T) {
			env, out, _ := testEnv()
			file := filepath.Join(t.TempDir(), "report.json")
			flags := reportFlags{color: "never", outputFlags: outputFlags{output: "json", outputFile: []string{"json=" + file}}}
			r := &evaluation{env: env, out: env.Streams.Out, report: flags, stopped: func() error { return context.Canceled }}
			err := r.print(report.Of(&api.ChecklistReport{Gaps: gaps}))
			written, errFile := os.ReadFile(file)
			if gaps != nil && (err != nil || errFile != nil || !bytes.Contains(written, []byte("Interrupted")) || !strings.Contains(out.String(), "Interrupted")) {
				t.Errorf("%v, %v, file %q, stdout %q", err, errFile, written, out)
			}
			if gaps == nil && (!errors.Is(err, context.Canceled) || errFile == nil || out.Len() > 0) {
				t.Errorf("%v, %v, file %q, stdout %q", err, errFile, written, out)
			}
		})
	}
}

// A report that cannot be written is an error, not a success.
func TestPrintFails(t *testing.T) {
	env, _, _ := testEnv()
	r := &evaluation{env: env, out: brokenPipe{}, report: reportFlags{color: "never"}}
	if err := r.print(report.Of(&api.ChecklistReport{})); err != nil && !strings.HasPrefix(err.Error(), "writing the report: ") {
		t.Errorf("got %v", err)
	} else if err == nil {
		r.report.output = "json"
		if err := r.print(report.Of(&api.ChecklistReport{})); err == nil {
			t.Error("want an error")
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
