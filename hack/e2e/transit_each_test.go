//go:build e2e && transit

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
)

// A flip switches one setting of one component of the real cluster to something weak.
type flip struct {
	name string
	do   func(t *testing.T, ctx context.Context)
	// want are the checks of which cp1 or w1 fails, and did not before, with the severity:
	// "secrets/kubelet-tls w1 medium".
	want []string
}

// Every weakness that a component of the real cluster can be given, one by one: each is
// found, and nothing else. After the last one everything is as before. make transit runs
// it: each takes a restart or two.
func TestTransitOneByOne(t *testing.T) {
	ctx := testContext(t, 60*time.Minute)
	const pki = "/etc/kubernetes/pki"
	ip := controlPlaneIP(t, ctx)
	past, now, far := time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour)
	set := func(key, value string) func(string) string {
		return func(config string) string { return config + "\n" + key + ": " + value + "\n" }
	}
	static := func(program string, flags ...string) func(*testing.T, context.Context) {
		return func(t *testing.T, ctx context.Context) { staticPod(t, ctx, program, argument(flags...)) }
	}
	node := func(edit func(string) string) func(*testing.T, context.Context) {
		return func(t *testing.T, ctx context.Context) { kubelet(t, ctx, harness.Worker, edit) }
	}
	flips := []flip{
		{"the API server takes TLS 1.0", static("kube-apiserver", "--tls-min-version=VersionTLS10"), []string{"secrets/apiserver-tls cp1 medium"}},
		{"the kubelet takes TLS 1.0", node(set("tlsMinVersion", "VersionTLS10")), []string{"secrets/kubelet-tls w1 medium"}},
		{"the scheduler takes TLS 1.0", static("kube-scheduler", "--tls-min-version=VersionTLS10"), []string{"secrets/component-tls cp1 low"}},
		{"the controller manager takes TLS 1.0", static("kube-controller-manager", "--tls-min-version=VersionTLS10"), []string{"secrets/component-tls cp1 low"}},
		{"etcd demands no client certificate", static("etcd", "--client-cert-auth=false", "--trusted-ca-file="), []string{"secrets/etcd-client-tls cp1 critical"}},
		{"etcd demands no peer certificate", static("etcd", "--peer-client-cert-auth=false", "--peer-trusted-ca-file="), []string{"secrets/etcd-peer-tls cp1 critical"}},
		{"etcd takes the cluster's client certificates", func(t *testing.T, ctx context.Context) {
			staticPod(t, ctx, "etcd", func(manifest string) string {
				// Both authorities, so that the API server's own certificate still fits.
				both, err := onNode(ctx, harness.ControlPlane, "cat", pki+"/ca.crt", pki+"/etcd/ca.crt")
				must(t, err)
				_, err = cluster.Verb(ctx, strings.NewReader(both), "node-put", harness.ControlPlane, "-", pki+"/etcd/both.crt")
				must(t, err)
				t.Cleanup(func() {
					_, _ = cluster.Verb(context.WithoutCancel(ctx), nil, "node-rm", harness.ControlPlane, pki+"/etcd/both.crt")
				})
				return argument("--trusted-ca-file=" + pki + "/etcd/both.crt")(manifest)
			})
		}, []string{"secrets/etcd-client-tls cp1 medium"}},
		{"etcd's peer certificate has expired", func(t *testing.T, ctx context.Context) {
			certificate(t, ctx, harness.ControlPlane, pki+"/etcd/ca", pki+"/etcd/e2e-peer", past, now, ip, "127.0.0.1", harness.ControlPlane)
			staticPod(t, ctx, "etcd", argument("--peer-cert-file="+pki+"/etcd/e2e-peer.crt", "--peer-key-file="+pki+"/etcd/e2e-peer.key"))
		}, []string{"secrets/certificate-expiry cp1 high", "secrets/etcd-peer-tls cp1 high"}},
		{"etcd's peer certificate names another machine", func(t *testing.T, ctx context.Context) {
			certificate(t, ctx, harness.ControlPlane, pki+"/etcd/ca", pki+"/etcd/e2e-peer", now, far, "10.9.9.9", "elsewhere")
			staticPod(t, ctx, "etcd", argument("--peer-cert-file="+pki+"/etcd/e2e-peer.crt", "--peer-key-file="+pki+"/etcd/e2e-peer.key"))
		}, []string{"secrets/etcd-peer-tls cp1 medium"}},
		{"etcd's certificate names loopback alone", func(t *testing.T, ctx context.Context) {
			certificate(t, ctx, harness.ControlPlane, pki+"/etcd/ca", pki+"/etcd/e2e-server", now, far, "127.0.0.1", "localhost")
			staticPod(t, ctx, "etcd", argument("--cert-file="+pki+"/etcd/e2e-server.crt", "--key-file="+pki+"/etcd/e2e-server.key"))
		}, []string{"secrets/etcd-client-tls cp1 medium"}},
		{"the kubelet's certificate has expired", func(t *testing.T, ctx context.Context) {
			certificate(t, ctx, harness.Worker, pki+"/ca", "/var/lib/kubelet/pki/e2e", past, now, harness.Worker)
			kubelet(t, ctx, harness.Worker, func(config string) string {
				return config + "\ntlsCertFile: /var/lib/kubelet/pki/e2e.crt\ntlsPrivateKeyFile: /var/lib/kubelet/pki/e2e.key\n"
			})
		}, []string{"secrets/certificate-expiry w1 high", "secrets/kubelet-tls w1 high"}},
		{"the scheduler's certificate has expired", func(t *testing.T, ctx context.Context) {
			certificate(t, ctx, harness.ControlPlane, pki+"/ca", pki+"/e2e-scheduler", past, now, "127.0.0.1", "localhost")
			staticPod(t, ctx, "kube-scheduler", func(manifest string) string {
				manifest = argument("--tls-cert-file="+pki+"/e2e-scheduler.crt", "--tls-private-key-file="+pki+"/e2e-scheduler.key")(manifest)
				manifest = strings.Replace(manifest, "    volumeMounts:\n", "    volumeMounts:\n    - {mountPath: "+pki+", name: e2e-pki, readOnly: true}\n", 1)
				return strings.Replace(manifest, "  volumes:\n", "  volumes:\n  - {name: e2e-pki, hostPath: {path: "+pki+"}}\n", 1)
			})
		}, []string{"secrets/certificate-expiry cp1 high", "secrets/component-tls cp1 low"}},
		{"the kubelet serves anonymous users", node(func(config string) string {
			return strings.Replace(config, "anonymous: {enabled: false}", "anonymous: {enabled: true}", 1)
		}), []string{"secrets/kubelet-tls w1 medium"}},
		{"the kubelet allows everything", node(func(config string) string {
			config = strings.Replace(config, "anonymous: {enabled: false}", "anonymous: {enabled: true}", 1)
			return strings.Replace(config, "mode: Webhook", "mode: AlwaysAllow", 1)
		}), []string{"secrets/kubelet-tls w1 critical"}},
		{"the kubelet has a read-only port", node(set("readOnlyPort", "10255")), []string{"secrets/kubelet-tls w1 high"}},
		{"etcd listens without TLS", func(t *testing.T, ctx context.Context) {
			// Neither runs without the other's change, in both directions.
			again := func(ctx context.Context) error {
				err := harness.Wait(ctx, "the API server to reach etcd", 2*waiting, func() error {
					_, err := cluster.Kubectl(ctx, "get", "--raw", "/readyz")
					return err
				})
				if err == nil {
					_, err = cluster.Verb(ctx, nil, "settle")
				}
				return err
			}
			t.Cleanup(func() { must(t, again(context.WithoutCancel(ctx))) })
			staticPodWithoutWaiting(t, ctx, "etcd", argument("--listen-client-urls=http://127.0.0.1:2379,http://"+ip+":2379", "--advertise-client-urls=http://"+ip+":2379"))
			staticPodWithoutWaiting(t, ctx, "kube-apiserver", argument("--etcd-servers=http://127.0.0.1:2379"))
			must(t, again(ctx))
		}, []string{"secrets/etcd-client-tls cp1 critical"}},
	}
	before := failing(transit(t, ctx))
	t.Logf("as kubeadm makes it: %q", before)
	for _, f := range flips {
		t.Run(f.name, func(t *testing.T) {
			f.do(t, ctx)
			if diff := cmp.Diff(f.want, added(failing(transit(t, ctx)), before)); diff != "" {
				t.Errorf("findings that the change added (-want +got):\n%s", diff)
			}
		})
	}
	// etcd refuses to be set below TLS 1.2. What listens at its port on w1 is OpenSSL.
	t.Run("etcd's port takes TLS 1.0", func(t *testing.T) {
		certificate(t, ctx, harness.Worker, pki+"/etcd/ca", "/root/e2e", now, far, "10.200.0.12", harness.Worker)
		serverCtx, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = onNode(serverCtx, harness.Worker, "timeout", "300", "openssl", "s_server", "-accept", "2379", "-cert", "/root/e2e.crt", "-key", "/root/e2e.key",
				"-cipher", "ALL:@SECLEVEL=0", "-min_protocol", "TLSv1", "-Verify", "1", "-quiet")
		}()
		t.Cleanup(func() {
			_, _ = onNode(context.WithoutCancel(ctx), harness.Worker, "pkill", "-x", "openssl")
			stop()
			<-ended
		})
		var got []string
		must(t, harness.Wait(ctx, "the stand-in to be met", waiting, func() error {
			report := reportOf(t, ctx, "secrets", "--control-plane-node", harness.Worker, "--check", "secrets/etcd-client-tls")
			if got = added(failing(report), before); len(got) == 0 {
				return fmt.Errorf("nothing found: %+v", report.Findings)
			}
			return nil
		}))
		if diff := cmp.Diff([]string{"secrets/etcd-client-tls w1 high"}, got); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
	})
	if diff := cmp.Diff(before, failing(transit(t, ctx))); diff != "" {
		t.Errorf("after everything was put back (-before +after):\n%s", diff)
	}
}

// controlPlaneIP is the address of the control plane's node.
func controlPlaneIP(t *testing.T, ctx context.Context) string {
	t.Helper()
	out, err := cluster.Kubectl(ctx, "get", "node", harness.ControlPlane, "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
	must(t, err)
	return strings.TrimSpace(out)
}

// staticPodWithoutWaiting changes a static pod without which the API server does not
// answer.
func staticPodWithoutWaiting(t *testing.T, ctx context.Context, program string, edit func(string) string) {
	t.Helper()
	path := "/etc/kubernetes/manifests/" + program + ".yaml"
	manifest, err := onNode(ctx, harness.ControlPlane, "cat", path)
	must(t, err)
	edited := strings.Replace(edit(manifest), "\nspec:\n", "\nspec:\n  terminationGracePeriodSeconds: 1\n", 1)
	put(t, ctx, harness.ControlPlane, path, edited, func(context.Context) error { return nil })
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
