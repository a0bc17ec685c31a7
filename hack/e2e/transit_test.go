//go:build e2e

package e2e

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// transitChecks are those that judge connections.
var transitChecks = []string{
	"secrets/etcd-client-tls", "secrets/etcd-peer-tls", "secrets/apiserver-tls", "secrets/kubelet-tls", "secrets/component-tls",
	"secrets/certificate-expiry",
}

// transit judges the connections of every node, and waits until each listener could be
// measured: a component that was restarted is not there at once.
func transit(t *testing.T, ctx context.Context) *api.ChecklistReport {
	t.Helper()
	for attempt := 1; ; attempt++ {
		report := reportOf(t, ctx, "secrets", "--check", strings.Join(transitChecks, ","))
		open := ""
		for _, f := range report.Findings {
			if f.Verdict == api.VerdictUnknown {
				open = fmt.Sprintf("%s %s: %s %s", f.Check, f.Subject.Name, f.Reason, f.Message)
			}
		}
		if open == "" || attempt == 5 {
			if open != "" {
				t.Logf("still unknown: %s", open)
			}
			return report
		}
		time.Sleep(5 * time.Second)
	}
}

// failing are the failing findings of the transit checks as flip.want writes them.
func failing(report *api.ChecklistReport) []string {
	var out []string
	for _, f := range report.Findings {
		if f.Verdict == api.Fail {
			out = append(out, fmt.Sprintf("%s %s %s", f.Check, f.Subject.Name, f.Severity))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// added are the entries of now that are not in before.
func added(now, before []string) []string {
	return slices.DeleteFunc(slices.Clone(now), func(s string) bool { return slices.Contains(before, s) })
}

// onNode runs a command on a node.
func onNode(ctx context.Context, node string, args ...string) (string, error) {
	return cluster.Verb(ctx, nil, append([]string{"node-exec", node, "--"}, args...)...)
}

// put writes a file of a node. The old content comes back when the test ends.
func put(t *testing.T, ctx context.Context, node, path, text string, after func(ctx context.Context) error) {
	t.Helper()
	old, err := onNode(ctx, node, "cat", path)
	write := func(ctx context.Context, text string) error {
		if _, err := cluster.Verb(ctx, strings.NewReader(text), "node-put", node, "-", path); err != nil {
			return err
		}
		return after(ctx)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(ctx)
		if err != nil { // there was none
			_, _ = cluster.Verb(ctx, nil, "node-rm", node, path)
		} else if err := write(ctx, old); err != nil {
			t.Error(err)
		}
	})
	must(t, write(ctx, text))
}

// pidOf is the pid, inside the node, of the program whose command line starts with a word.
func pidOf(ctx context.Context, node, program string) string {
	out, _ := onNode(ctx, node, "pgrep", "-o", "-f", "^(/usr/bin/)?"+program+" ")
	return strings.TrimSpace(out)
}

// staticPod changes the command line of a static pod, and waits until the new process runs
// and the API server answers.
func staticPod(t *testing.T, ctx context.Context, program string, edit func(manifest string) string) {
	t.Helper()
	path := "/etc/kubernetes/manifests/" + program + ".yaml"
	manifest, err := onNode(ctx, harness.ControlPlane, "cat", path)
	must(t, err)
	edited := edit(manifest)
	if edited == manifest {
		t.Fatalf("the change of %s changed nothing", path)
	}
	if !strings.Contains(edited, "terminationGracePeriodSeconds") { // the default of 30 s is a long wait
		edited = strings.Replace(edited, "\nspec:\n", "\nspec:\n  terminationGracePeriodSeconds: 1\n", 1)
	}
	before := pidOf(ctx, harness.ControlPlane, program)
	put(t, ctx, harness.ControlPlane, path, edited, func(ctx context.Context) error {
		err := harness.Wait(ctx, program+" to run again", waiting, func() error {
			now := pidOf(ctx, harness.ControlPlane, program)
			if now == "" || now == before {
				return fmt.Errorf("pid %q, before %q", now, before)
			}
			_, err := cluster.Kubectl(ctx, "get", "--raw", "/readyz")
			return err
		})
		if err == nil {
			before = pidOf(ctx, harness.ControlPlane, program)
			_, err = cluster.Verb(ctx, nil, "settle")
		}
		return err
	})
}

// argument sets flags of a static pod: those that are there are replaced.
func argument(flags ...string) func(string) string {
	return func(manifest string) string {
		for _, flag := range flags {
			name, _, _ := strings.Cut(flag, "=")
			lines := strings.Split(manifest, "\n")
			lines = slices.DeleteFunc(lines, func(l string) bool {
				return strings.HasPrefix(strings.Trim(l, " -\""), strings.TrimPrefix(name, "--")+"=")
			})
			at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "    - ") })
			lines = slices.Insert(lines, at+1, fmt.Sprintf("    - %q", flag))
			manifest = strings.Join(lines, "\n")
		}
		return manifest
	}
}

// kubelet changes a kubelet's configuration and waits until it runs again.
func kubelet(t *testing.T, ctx context.Context, node string, edit func(config string) string) {
	t.Helper()
	const path = "/var/lib/kubelet/config.yaml"
	config, err := onNode(ctx, node, "cat", path)
	must(t, err)
	edited := edit(config)
	if edited == config {
		t.Fatalf("the change of %s changed nothing", path)
	}
	put(t, ctx, node, path, edited, func(ctx context.Context) error {
		before := pidOf(ctx, node, "kubelet")
		if _, err := onNode(ctx, node, "kill", before); err != nil {
			return err
		}
		err := harness.Wait(ctx, "the kubelet to run again", waiting, func() error {
			if now := pidOf(ctx, node, "kubelet"); now == "" || now == before {
				return fmt.Errorf("pid %q, before %q", now, before)
			}
			_, err := cluster.Kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/healthz")
			return err
		})
		if err == nil {
			_, err = cluster.Verb(ctx, nil, "settle")
		}
		return err
	})
}

// certificate makes a serving certificate, signed by an authority of the control plane,
// and puts it there with its key.
func certificate(t *testing.T, ctx context.Context, node, authority, path string, from, to time.Time, names ...string) {
	t.Helper()
	read := func(path string) []byte {
		text, err := onNode(ctx, harness.ControlPlane, "cat", path)
		must(t, err)
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			t.Fatalf("no PEM in %s", path)
		}
		return block.Bytes
	}
	ca, err := x509.ParseCertificate(read(authority + ".crt"))
	must(t, err)
	caKey := privateKey(t, read(authority+".key"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "e2e"}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	must(t, err)
	raw, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	for suffix, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: raw}} {
		_, err := cluster.Verb(ctx, strings.NewReader(string(pem.EncodeToMemory(block))), "node-put", "--mode", "0600", node, "-", path+suffix)
		must(t, err)
	}
	t.Cleanup(func() {
		for _, suffix := range []string{".crt", ".key"} {
			_, _ = cluster.Verb(context.WithoutCancel(ctx), nil, "node-rm", node, path+suffix)
		}
	})
}

func privateKey(t *testing.T, der []byte) crypto.PrivateKey {
	t.Helper()
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	must(t, err)
	return key
}

// On the cluster as kubeadm makes it, every listener that counts is measured. Then one
// kubelet is made weak, and exactly that is found.
func TestTransit(t *testing.T) {
	ctx := testContext(t, 12*time.Minute)
	before := transit(t, ctx)
	judged := map[string]bool{}
	for _, f := range before.Findings {
		if f.Verdict == api.VerdictUnknown {
			t.Errorf("%s %s: unknown: %s %s", f.Check, f.Subject.Name, f.Reason, f.Message)
		}
		if len(f.Evidence) == 0 {
			t.Errorf("%s %s: no evidence", f.Check, f.Subject.Name)
		}
		judged[f.Check+" "+f.Subject.Name] = true
	}
	for _, want := range []string{
		"secrets/etcd-client-tls cp1", "secrets/etcd-peer-tls cp1", "secrets/apiserver-tls cp1", "secrets/component-tls cp1",
		"secrets/kubelet-tls cp1", "secrets/kubelet-tls w1", "secrets/kubelet-tls w2", "secrets/certificate-expiry cp1",
	} {
		if !judged[want] {
			t.Errorf("no finding %s", want)
		}
	}
	t.Logf("as kubeadm makes it: %q", failing(before))
	for _, f := range before.Findings {
		if f.Verdict == api.Fail && f.Severity != api.Low {
			t.Errorf("%s %s: %s %s", f.Check, f.Subject.Name, f.Severity, f.Message)
		}
	}

	// make transit does the same with every component, one by one.
	kubelet(t, ctx, harness.Worker, func(config string) string { return config + "\ntlsMinVersion: VersionTLS10\n" })
	want := []string{"secrets/kubelet-tls w1 medium"}
	if diff := cmp.Diff(want, added(failing(transit(t, ctx)), failing(before))); diff != "" {
		t.Errorf("findings that the change added (-want +got):\n%s", diff)
	}
}

// A run with only level full says nothing about connections, and creates no pod of level
// net. One with only level net creates no other.
func TestTransitLevels(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	report := reportOf(t, ctx, "secrets", "--probe-level", "full", "--check", "secrets/kubelet-tls")
	for _, f := range report.Findings {
		if f.Verdict == api.Pass || f.Verdict == api.Fail && f.Basis == api.Measured && strings.Contains(f.Message, "TLS 1.0 accepted") {
			t.Errorf("without level net: %s %s: %s", f.Subject.Name, f.Verdict, f.Message)
		}
	}
	if !slices.ContainsFunc(report.Gaps, func(g fact.Gap) bool { return g.What == fact.NodeTLS && g.Reason == fact.NotRequested }) {
		t.Errorf("no gap says that level net was not asked for: %+v", report.Gaps)
	}
	noLeftovers(t, ctx)
}
