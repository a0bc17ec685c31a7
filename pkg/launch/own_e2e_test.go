//go:build e2e

package launch

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	admissionv1api "k8s.io/api/admission/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/loader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// These tests do to a run what somebody with rights in its namespace, or a
// webhook, could do. Foreign code leaves a trace on the node, below
// /proc/1/root, so that a test sees whether it ran.

const (
	bridge  = "10.200.0.1" // where this process is, for the API server
	busybox = "docker.io/library/busybox:1.35"
)

// trace is the file that a test's foreign code writes on its node.
func (r *real) trace() string { return "/tmp/trace-" + r.namespace }

// leaveTrace is a command that leaves it, from busybox.
func (r *real) leaveTrace() []string {
	return []string{"/bin/sh", "-c", "echo ran > /proc/1/root" + r.trace()}
}

func (r *real) onNode(node string, stdin io.Reader, command ...string) (string, error) {
	harness, err := filepath.Abs("../../hack/cluster/run")
	if err != nil {
		r.Fatal(err)
	}
	cmd := exec.Command(harness, append([]string{"node-exec", node, "--"}, command...)...)
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// traces gives the nodes on which foreign code ran, and removes what it left.
func (r *real) traces() []string {
	r.Helper()
	var ran []string
	for _, n := range r.nodes {
		out, err := r.onNode(n.Name, nil, "sh", "-c", "if [ -e "+r.trace()+" ]; then rm -f "+r.trace()+"; echo yes; fi")
		if err != nil {
			r.Fatalf("node %s: %v: %s", n.Name, err, out)
		}
		if strings.Contains(out, "yes") {
			ran = append(ran, n.Name)
		}
	}
	r.Logf("foreign code ran on nodes %q", ran)
	return ran
}

// foreignProgram is a static ELF executable for linux/amd64 that writes files,
// path to content, and ends with status 0. It fits where the loader is.
func foreignProgram(t *testing.T, files map[string]string) []byte {
	if runtime.GOARCH != "amd64" {
		t.Skip("the foreign program is for amd64")
	}
	const base, headers = 0x400000, 64 + 56
	var code, data []byte
	type patch struct{ at, data int } // a 32-bit displacement, relative to its end
	var patches []patch
	lea := func(opcode byte, text string) { // lea reg, [rip+data]
		code = append(code, 0x48, 0x8d, opcode, 0, 0, 0, 0)
		patches = append(patches, patch{len(code) - 4, len(data)})
		data = append(data, text...)
	}
	imm := func(opcode byte, n int) { // mov reg, imm32
		code = binary.LittleEndian.AppendUint32(append(code, opcode), uint32(n))
	}
	syscall := func(number int) {
		imm(0xb8, number)
		code = append(code, 0x0f, 0x05)
	}
	for path, content := range files {
		lea(0x3d, path+"\x00") // rdi
		imm(0xbe, os.O_WRONLY|os.O_CREATE)
		imm(0xba, 0o644)
		syscall(2)                      // open
		code = append(code, 0x89, 0xc7) // mov edi, eax
		lea(0x35, content)              // rsi
		imm(0xba, len(content))
		syscall(1) // write
		syscall(3) // close
	}
	code = append(code, 0x31, 0xff) // xor edi, edi
	syscall(60)                     // exit
	for _, p := range patches {
		binary.LittleEndian.PutUint32(code[p.at:], uint32(len(code)+p.data-(p.at+4)))
	}
	size := uint64(headers + len(code) + len(data))
	var elf bytes.Buffer
	for _, v := range []any{
		[]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), uint16(2), uint16(62), uint32(1),
		uint64(base + headers), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000),
	} {
		if err := binary.Write(&elf, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return append(append(elf.Bytes(), code...), data...)
}

// foreignAnswer leaves the trace and answers as a probe would: without a check
// its answer would count.
func (r *real) foreignAnswer() []byte {
	m, err := wire.Encode(&fact.Measurement{Level: fact.LevelFull, Host: fact.Host{Hostname: "foreign"}, Read: []fact.Kind{fact.Processes}}, wire.Options{Version: "foreign"})
	if n := len(slices.Collect(m.Frames())); err != nil || n > 0 {
		r.Fatalf("%d frames, error %v", n, err)
	}
	return foreignProgram(r.T, map[string]string{"/proc/1/root" + r.trace(): "ran\n", loader.TerminationLog: string(m.Trailer)})
}

// holdImage puts an image with one program onto a node, under a name.
func (r *real) holdImage(node, name string, program []byte) {
	r.Helper()
	archive := func(files map[string][]byte) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for name, data := range files {
			if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o755}); err != nil {
				r.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				r.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			r.Fatal(err)
		}
		return out.Bytes()
	}
	asJSON := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			r.Fatal(err)
		}
		return data
	}
	layer := archive(map[string][]byte{"program": program})
	image := archive(map[string][]byte{
		"layer.tar": layer,
		"config.json": asJSON(map[string]any{
			"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/program"}},
			"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
		}),
		"manifest.json": asJSON([]map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}}),
	})
	if out, err := r.onNode(node, bytes.NewReader(image), "/usr/bin/ctr", "-n", "k8s.io", "images", "import", "-"); err != nil {
		r.Fatalf("%v: %s", err, out)
	}
	r.Cleanup(func() { _, _ = r.onNode(node, nil, "/usr/bin/ctr", "-n", "k8s.io", "images", "rm", "--sync", name) })
}

// hooked are options whose requests are seen: before is called ahead of a
// request, after with the answer. A request is "POST pods", as in server_test.go.
func (r *real) hooked(before, after func(request string)) Options {
	config := restConfig()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			parts := strings.Split(request.URL.Path, "/")
			what := request.Method + " " + parts[len(parts)-1]
			if request.URL.Query().Get("dryRun") != "" {
				what += " dryRun"
			}
			if before != nil {
				before(what)
			}
			response, err := next.RoundTrip(request)
			if err == nil && response.StatusCode < 300 && after != nil {
				after(what)
			}
			return response, err
		})
	})
	client, err := NewClient(config)
	if err != nil {
		r.Fatal(err)
	}
	opts := r.options()
	opts.Client = client
	return opts
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// once calls do at the first request of a kind.
func once(what string, do func()) func(string) {
	var done atomic.Bool
	return func(request string) {
		if request == what && !done.Swap(true) {
			do()
		}
	}
}

// webhook runs a mutating webhook for what is created in the test's namespace:
// an HTTPS server of this process, which the API server calls.
func (r *real) webhook(resource, group string, mutate func(review *admissionv1api.AdmissionRequest) []map[string]any) (calls *atomic.Int32) {
	r.Helper()
	calls = new(atomic.Int32)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.Fatal(err)
	}
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: bridge}, IPAddresses: []net.IP{net.ParseIP(bridge)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	if err != nil {
		r.Fatal(err)
	}
	listener, err := tls.Listen("tcp", bridge+":0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		r.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		var review admissionv1api.AdmissionReview
		if err := json.NewDecoder(request.Body).Decode(&review); err != nil || review.Request == nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		calls.Add(1)
		response := &admissionv1api.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		if patch := mutate(review.Request); patch != nil {
			data, err := json.Marshal(patch)
			if err != nil {
				http.Error(w, "no patch", http.StatusInternalServerError)
				return
			}
			kind := admissionv1api.PatchTypeJSONPatch
			response.Patch, response.PatchType = data, &kind
		}
		review.Request, review.Response = nil, response
		_ = json.NewEncoder(w).Encode(review)
	})}
	go func() { _ = server.Serve(listener) }()
	r.Cleanup(func() { _ = server.Close() })

	configurations := r.AdmissionregistrationV1().MutatingWebhookConfigurations()
	url := fmt.Sprintf("https://%s/", listener.Addr())
	_, err = configurations.Create(r.Context(), &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: r.namespace},
		Webhooks: []admissionv1.MutatingWebhook{{
			Name:         "changes.probe-e2e.example",
			ClientConfig: admissionv1.WebhookClientConfig{URL: &url, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{resource}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": r.namespace}},
			SideEffects:             new(admissionv1.SideEffectClassNone),
			AdmissionReviewVersions: []string{"v1"},
			TimeoutSeconds:          new(int32(5)),
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = configurations.Delete(context.Background(), r.namespace, metav1.DeleteOptions{}) })

	// What is tried here is not what the run sends: a test's mutation must not
	// depend on this.
	r.eventually("the webhook is in force", 30*time.Second, func() string {
		dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		meta := metav1.ObjectMeta{Name: "in-force"}
		spec := corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "probe", Image: "x", Command: []string{"x"}}}}
		var err error
		switch resource {
		case "pods":
			_, err = r.CoreV1().Pods(r.namespace).Create(r.Context(), &corev1.Pod{ObjectMeta: meta, Spec: spec}, dryRun)
		case "jobs":
			_, err = r.BatchV1().Jobs(r.namespace).Create(r.Context(), &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}}}, dryRun)
		default:
			_, err = r.CoreV1().ConfigMaps(r.namespace).Create(r.Context(), &corev1.ConfigMap{ObjectMeta: meta}, dryRun)
		}
		if calls.Load() == 0 {
			return fmt.Sprint("not called; ", err)
		}
		return ""
	})
	return calls
}

// A real webhook changes the probe's pod: in dry runs too, and then no pod is
// created; or outside of them only, and then the pod is deleted at once, and the
// gap says what may have run. Whether it did shows in the trace.
func TestE2EWebhook(t *testing.T) {
	const foreignImage = "foreign.example/probe:1"
	type patch = []map[string]any
	set := func(path string, value any) map[string]any {
		return map[string]any{"op": "replace", "path": path, "value": value}
	}
	for name, tc := range map[string]struct {
		image  string
		patch  func(r *real) patch
		change string
		hint   string
		runs   bool // can leave the trace
	}{
		"changes the node": {
			patch:  func(*real) patch { return patch{set("/spec/nodeName", "w2")} },
			change: `spec.nodeName: sent "w1", returned "w2"`, hint: "exempt namespace",
		},
		"changes the image": {
			image: "registry.k8s.io/pause:3.10",
			patch: func(*real) patch {
				return patch{set("/spec/containers/0/image", foreignImage), set("/spec/containers/0/imagePullPolicy", "Never")}
			},
			change: `spec.containers[probe].image: sent "registry.k8s.io/pause:3.10", returned "` + foreignImage + `"`,
			hint:   "--probe-image with a digest", runs: true,
		},
		"changes the command": {
			patch: func(r *real) patch {
				return patch{set("/spec/containers/0/image", busybox), set("/spec/containers/0/command", r.leaveTrace())}
			},
			change: `spec.containers[probe].command[0]: sent "/checklist/loader", returned "/bin/sh"`, hint: "exempt namespace", runs: true,
		},
		"adds a sidecar": {
			patch: func(r *real) patch {
				return patch{{"op": "add", "path": "/spec/containers/-", "value": corev1.Container{
					Name: "linkerd-proxy", Image: busybox, ImagePullPolicy: corev1.PullNever, Command: r.leaveTrace(),
					SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}},
				}}}
			},
			change: `spec.containers[linkerd-proxy]: sent nothing, returned one named "linkerd-proxy"`,
			hint:   "annotate it linkerd.io/inject=disabled", runs: true,
		},
		"adds an init container": {
			patch: func(r *real) patch {
				return patch{{"op": "add", "path": "/spec/initContainers", "value": []corev1.Container{{
					Name: "agent", Image: busybox, ImagePullPolicy: corev1.PullNever, Command: r.leaveTrace(),
					SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}},
				}}}}
			},
			change: `spec.initContainers[agent]: sent nothing, returned one named "agent"`, hint: `container "agent" is a sidecar`, runs: true,
		},
		"adds a variable": {
			patch: func(*real) patch {
				return patch{{"op": "add", "path": "/spec/containers/0/env/-", "value": corev1.EnvVar{Name: "GODEBUG", Value: "x"}}}
			},
			change: `spec.containers[probe].env[1]: sent nothing, returned one named "GODEBUG"`, hint: "exempt namespace",
		},
	} {
		for _, when := range []string{"always", "outside of dry runs", "outside of dry runs, seen late"} {
			if when == "outside of dry runs, seen late" && !tc.runs {
				continue
			}
			t.Run(name+" "+when, func(t *testing.T) {
				r := onCluster(t)
				r.makeNamespace("privileged")
				if tc.image != "" {
					r.holdImage("w1", foreignImage, r.foreignAnswer())
				}
				r.webhook("pods", "", func(review *admissionv1api.AdmissionRequest) []map[string]any {
					if !strings.HasPrefix(review.Name, "checklist-") || when != "always" && review.DryRun != nil && *review.DryRun {
						return nil
					}
					return tc.patch(r)
				})
				var pods atomic.Int32
				late := when == "outside of dry runs, seen late"
				opts := r.hooked(nil, func(request string) {
					if request == "POST pods" {
						pods.Add(1)
						if late { // as behind a slow connection
							time.Sleep(6 * time.Second)
						}
					}
				})
				if tc.image != "" {
					opts.Image = tc.image
				}
				var w1 []fact.Node
				for _, n := range r.nodes {
					if n.Name == "w1" {
						w1 = append(w1, n)
					}
				}
				measured, gaps, err := Measure(t.Context(), opts, w1)
				if err != nil || len(measured) > 0 || len(gaps) != 1 {
					t.Fatalf("measured %v, gaps %v, error %v", measured, gaps, err)
				}
				g := gaps[0]
				t.Logf("%s: %s\n%s", g.Reason, g.Detail, g.Hint)
				if g.Reason != fact.AdmissionDenied || !strings.Contains(g.Detail, tc.change) || !strings.Contains(g.Hint, tc.hint) {
					t.Errorf("gap %+v, expected AdmissionDenied, %s, %s", g, tc.change, tc.hint)
				}
				ran := r.traces()
				if when == "always" {
					if pods.Load() > 0 || len(ran) > 0 || strings.Contains(g.Detail, "may have run") {
						t.Errorf("%d pods, traces on %v", pods.Load(), ran)
					}
				} else {
					if pods.Load() != 1 || !strings.Contains(g.Detail, "the pod was deleted at once") {
						t.Errorf("%d pods: %s", pods.Load(), g.Detail)
					}
					if says := strings.Contains(g.Detail, "code that is not the probe's may have run on node \"w1\""); len(ran) > 0 && !says || tc.runs && !says {
						t.Errorf("foreign code ran on %v: %s", ran, g.Detail)
					}
					if late && tc.runs && len(ran) == 0 {
						t.Error("the foreign code left no trace: this test would not see it")
					}
				}
				r.eventually("nothing left but the namespace", 60*time.Second, func() string {
					if left := r.left(); left != "namespace Active" {
						return left
					}
					return ""
				})
			})
		}
	}
}

// A webhook that only does what is common: labels, tolerations, resources, pull
// policy and secrets, a mirror of the same digest. Every node is measured.
func TestE2EHarmlessWebhook(t *testing.T) {
	r := onCluster(t)
	r.makeNamespace("privileged")
	calls := r.webhook("pods", "", func(review *admissionv1api.AdmissionRequest) []map[string]any {
		if !strings.HasPrefix(review.Name, "checklist-") {
			return nil
		}
		return []map[string]any{
			{"op": "add", "path": "/metadata/labels/team", "value": "a"},
			{"op": "add", "path": "/metadata/annotations/policy", "value": "b"},
			{"op": "add", "path": "/spec/tolerations/-", "value": corev1.Toleration{Key: "x", Operator: corev1.TolerationOpExists}},
			{"op": "add", "path": "/spec/imagePullSecrets", "value": []corev1.LocalObjectReference{{Name: "registry"}}},
			{"op": "add", "path": "/spec/containers/0/resources/limits/memory", "value": "192Mi"},
			{"op": "add", "path": "/spec/containers/0/resources/limits/ephemeral-storage", "value": "1Gi"},
			{"op": "add", "path": "/spec/securityContext/fsGroup", "value": 1000},
			{"op": "add", "path": "/spec/nodeSelector", "value": map[string]string{"kubernetes.io/os": "linux"}},
			{"op": "add", "path": "/spec/containers/0/imagePullPolicy", "value": "IfNotPresent"},
		}
	})
	before := calls.Load()
	measured, gaps, err := Measure(t.Context(), r.options(), r.nodes)
	if err != nil || len(gaps) > 0 || len(measured) != len(r.nodes) {
		t.Errorf("measured %d, gaps %v, error %v", len(measured), gaps, err)
	}
	if n := calls.Load() - before; int(n) < len(r.nodes)+1 {
		t.Errorf("the webhook was called %d times", n)
	}
	r.stays()
}

// An image that a webhook renames, and the node does not hold by that name.
func TestE2ERenamedImage(t *testing.T) {
	r := onCluster(t)
	r.makeNamespace("privileged")
	r.webhook("pods", "", func(review *admissionv1api.AdmissionRequest) []map[string]any {
		if !strings.HasPrefix(review.Name, "checklist-") {
			return nil
		}
		return []map[string]any{{"op": "replace", "path": "/spec/containers/0/image", "value": "mirror.example/pause:3.10"}}
	})
	_, gaps, err := Measure(t.Context(), r.options(), r.nodes[:1])
	if err != nil || len(gaps) != 1 {
		t.Fatalf("gaps %v, error %v", gaps, err)
	}
	t.Logf("%s: %s\n%s", gaps[0].Reason, gaps[0].Detail, gaps[0].Hint)
	if gaps[0].Reason != fact.ImagePull || !strings.Contains(gaps[0].Detail, `image "mirror.example/pause:3.10"`) {
		t.Errorf("gap %+v", gaps[0])
	}
	r.stays()
}

// A webhook changes the job or a ConfigMap: no pod is created.
func TestE2EWebhookOnOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		resource, group string
		patch           map[string]any
		change          string
	}{
		"suspends the job": {"jobs", "batch", map[string]any{"op": "add", "path": "/spec/suspend", "value": true}, "spec.suspend: sent nothing, returned true"},
		"changes the loader": {
			"configmaps", "",
			map[string]any{"op": "add", "path": "/binaryData/loader", "value": []byte("#!/bin/sh\n")},
			"binaryData[loader]: sent a value (not shown), returned a value (not shown)",
		},
	} {
		for _, when := range []string{"always", "outside of dry runs"} {
			t.Run(name+" "+when, func(t *testing.T) {
				r := onCluster(t)
				r.makeNamespace("privileged")
				r.webhook(tc.resource, tc.group, func(review *admissionv1api.AdmissionRequest) []map[string]any {
					if !strings.HasPrefix(review.Name, "checklist-") || strings.Contains(review.Name, "-part-") || when != "always" && *review.DryRun {
						return nil
					}
					return []map[string]any{tc.patch}
				})
				opts := r.hooked(func(request string) {
					if request == "POST pods" {
						t.Error("a pod is created")
					}
				}, nil)
				_, gaps, err := Measure(t.Context(), opts, r.nodes)
				if err != nil {
					t.Error(err)
				}
				g := r.refusal(gaps)
				t.Logf("%s: %s\n%s", g.Reason, g.Detail, g.Hint)
				if g.Reason != fact.AdmissionDenied || !strings.Contains(g.Detail, tc.change) {
					t.Errorf("gap %+v, expected %s", g, tc.change)
				}
				r.stays()
			})
		}
	}
}

// Somebody deletes a ConfigMap and creates another one by its name, between our
// create and the mount. A foreign loader runs, and the gap says so; its answer,
// which is whole, is refused. A foreign part does not get past our loader.
func TestE2ESwappedConfigMap(t *testing.T) {
	for name, tc := range map[string]struct {
		suffix, key string
		runs        bool
	}{
		"the loader": {"loader", loader.Name, true},
		"a part":     {"part-00", loader.PartName(0), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := onCluster(t)
			r.makeNamespace("privileged")
			program := r.foreignAnswer()
			var opts Options
			swap := func() {
				maps := r.CoreV1().ConfigMaps(r.namespace)
				name := "checklist-" + opts.RunID + "-" + runtime.GOARCH + "-" + tc.suffix
				ours, err := maps.Get(r.Context(), name, metav1.GetOptions{})
				if err != nil {
					r.Error(err)
					return
				}
				if err := maps.Delete(r.Context(), name, metav1.DeleteOptions{}); err != nil {
					r.Error(err)
				}
				theirs := &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Name: name, Labels: ours.Labels, Annotations: ours.Annotations, OwnerReferences: ours.OwnerReferences},
					BinaryData: ours.BinaryData, Immutable: ours.Immutable,
				}
				theirs.BinaryData[tc.key] = program
				if _, err := maps.Create(r.Context(), theirs, metav1.CreateOptions{}); err != nil {
					r.Error(err)
				}
			}
			opts = r.hooked(once("POST pods", swap), nil)
			opts.Embedded = func(string) ([]byte, error) { // as long as the program that takes its place
				return append([]byte("#!/no such interpreter\n"), make([]byte, len(program))...)[:len(program)], nil
			}
			opts.MaxInFlight = 1
			measured, gaps, err := Measure(t.Context(), opts, r.nodes)
			if err != nil || len(measured) > 0 || len(gaps) != len(r.nodes) {
				t.Fatalf("measured %v, gaps %v, error %v", measured, gaps, err)
			}
			for _, g := range gaps {
				t.Logf("%s: %s: %s\n%s", g.Subject.Name, g.Reason, g.Detail, g.Hint)
				if g.Reason != fact.NotOurs {
					t.Errorf("gap %+v", g)
				}
			}
			first := r.nodes[0].Name
			ran := r.traces()
			if says := fmt.Sprintf("code that is not the probe's may have run on node %q", first); !strings.Contains(gaps[0].Detail, says) {
				t.Errorf("%s, expected %s", gaps[0].Detail, says)
			}
			if tc.runs && strings.Join(ran, " ") != first {
				t.Errorf("foreign code ran on %q, expected %s: no other pod is created after it was seen", ran, first)
			}
			if !tc.runs && len(ran) > 0 {
				t.Errorf("a foreign part ran on %q: the loader compares hashes", ran)
			}
			// What somebody put there is theirs; it has our Job as its owner.
			r.eventually("the cluster has removed it with the job", 60*time.Second, func() string {
				if left := r.left(); left != "namespace Active" {
					return left
				}
				return ""
			})
		})
	}
}

// Somebody has put objects under the names of a run that is about to begin.
func TestE2EPlanted(t *testing.T) {
	const run = "planted"
	for name, tc := range map[string]struct {
		plant func(r *real) error
		what  string
		nodes int // that are not measured, 0 for all
	}{
		"a loader": {
			plant: func(r *real) error {
				_, err := r.CoreV1().ConfigMaps(r.namespace).Create(r.Context(), &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Name: "checklist-" + run + "-" + runtime.GOARCH + "-loader", Labels: map[string]string{LabelManagedBy: ManagedBy, LabelRun: run}},
					BinaryData: map[string][]byte{loader.Name: r.foreignAnswer()}, Immutable: new(true),
				}, metav1.CreateOptions{})
				return err
			},
			what: "ConfigMap checklist-" + run + "-" + runtime.GOARCH + "-loader exists in namespace",
		},
		"a part": {
			plant: func(r *real) error {
				_, err := r.CoreV1().ConfigMaps(r.namespace).Create(r.Context(), &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Name: "checklist-" + run + "-" + runtime.GOARCH + "-part-01", Labels: map[string]string{LabelManagedBy: ManagedBy, LabelRun: run}},
					BinaryData: map[string][]byte{loader.PartName(1): r.foreignAnswer()}, Immutable: new(true),
				}, metav1.CreateOptions{})
				return err
			},
			what: "ConfigMap checklist-" + run + "-" + runtime.GOARCH + "-part-01 exists in namespace",
		},
		"a job": {
			plant: func(r *real) error {
				_, err := r.BatchV1().Jobs(r.namespace).Create(r.Context(), &batchv1.Job{
					ObjectMeta: metav1.ObjectMeta{Name: "checklist-" + run, Labels: map[string]string{LabelManagedBy: ManagedBy, LabelRun: run}},
					Spec: batchv1.JobSpec{Suspend: new(true), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
						RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "x", Image: "registry.k8s.io/pause:3.10"}},
					}}},
				}, metav1.CreateOptions{})
				return err
			},
			what: "job checklist-" + run + " exists in namespace",
		},
		"a pod, the first": {
			plant: func(r *real) error { return r.plantPod("checklist-"+run+"-0000", run) },
			what:  "pod checklist-" + run + "-0000 exists in namespace",
		},
		"a pod, another": {
			plant: func(r *real) error { return r.plantPod("checklist-"+run+"-0001", run) },
			what:  "pod checklist-" + run + "-0001 exists in namespace", nodes: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := onCluster(t)
			r.makeNamespace("privileged")
			if err := tc.plant(r); err != nil {
				t.Fatal(err)
			}
			left := r.left()
			opts := r.options()
			opts.RunID = run
			measured, gaps, err := Measure(t.Context(), opts, r.nodes)
			if err != nil {
				t.Error(err)
			}
			nodes := tc.nodes
			if nodes == 0 {
				nodes = len(r.nodes)
			}
			if len(gaps) != nodes || len(measured) != len(r.nodes)-nodes {
				t.Fatalf("measured %d, gaps %v", len(measured), gaps)
			}
			t.Logf("%s: %s\n%s", gaps[0].Reason, gaps[0].Detail, gaps[0].Hint)
			for _, g := range gaps {
				if g.Reason != fact.NotOurs || !strings.Contains(g.Detail, tc.what) {
					t.Errorf("gap %+v, expected %s", g, tc.what)
				}
			}
			for node, m := range measured {
				if m.Host.Hostname == "foreign" {
					t.Errorf("node %s: a foreign answer", node)
				}
			}
			if ran := r.traces(); len(ran) > 0 {
				t.Errorf("foreign code ran on %v", ran)
			}
			if now := r.left(); now != left {
				t.Errorf("left: %s, expected what was planted: %s", now, left)
			}
		})
	}
}

// plantPod puts a pod that ends with an answer under one of our names.
func (r *real) plantPod(name, run string) error {
	const image = "foreign.example/planted:1"
	// Its own trace is not asked for: it is somebody's pod, not the run's.
	m, err := wire.Encode(&fact.Measurement{Level: fact.LevelFull, Host: fact.Host{Hostname: "foreign"}}, wire.Options{Version: "foreign"})
	if err != nil {
		return err
	}
	r.holdImage("w1", image, foreignProgram(r.T, map[string]string{loader.TerminationLog: string(m.Trailer)}))
	_, err = r.CoreV1().Pods(r.namespace).Create(r.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{LabelManagedBy: ManagedBy, LabelRun: run}},
		Spec: corev1.PodSpec{
			NodeName: "w1", RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: containerName, Image: image, ImagePullPolicy: corev1.PullNever}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	r.eventually("the planted pod has answered", time.Minute, func() string {
		pod, err := r.CoreV1().Pods(r.namespace).Get(r.Context(), name, metav1.GetOptions{})
		if err != nil || pod.Status.Phase != corev1.PodSucceeded {
			return fmt.Sprint("not yet: ", pod.Status.Phase, err)
		}
		if status := probeStatus(pod); status == nil || status.State.Terminated == nil || status.State.Terminated.Message == "" {
			return "no answer"
		}
		return ""
	})
	return nil
}

// While the probe runs somebody replaces its pod by one that answers, or puts a
// debugging container into it.
func TestE2ETamperedPod(t *testing.T) {
	const image = "foreign.example/replaced:1"
	for name, tc := range map[string]struct {
		mode   string
		tamper func(r *real, pod *corev1.Pod) error
		detail string
		ran    bool
	}{
		"replaced": {
			mode: "hang",
			tamper: func(r *real, pod *corev1.Pod) error {
				pods := r.CoreV1().Pods(r.namespace)
				if err := pods.Delete(r.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
					return err
				}
				theirs := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Labels: pod.Labels, Annotations: pod.Annotations, OwnerReferences: pod.OwnerReferences}, Spec: pod.Spec}
				c := &theirs.Spec.Containers[0]
				c.Image, c.Command, c.Args = image, nil, nil
				_, err := pods.Create(r.Context(), theirs, metav1.CreateOptions{})
				return err
			},
			detail: "created another pod with its name; the answer of that pod was refused; code that is not the probe's may have run",
		},
		"with a debugging container": {
			mode: "slow",
			tamper: func(r *real, pod *corev1.Pod) error {
				pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
					Name: "debugger", Image: busybox, ImagePullPolicy: corev1.PullNever, Command: r.leaveTrace(),
					SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}},
				}}}
				_, err := r.CoreV1().Pods(r.namespace).UpdateEphemeralContainers(r.Context(), pod.Name, pod, metav1.UpdateOptions{})
				return err
			},
			detail: `spec.ephemeralContainers[debugger]: sent nothing, returned one named "debugger"; its answer was refused; code that is not the probe's may have run`,
			ran:    true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := onCluster(t)
			r.makeNamespace("privileged")
			opts := r.options()
			opts.Embedded = standin(tc.mode)
			if _, err := opts.Embedded(""); err != nil {
				t.Fatal(err)
			}
			opts.Timeout = time.Minute
			r.holdImage(r.nodes[0].Name, image, r.foreignAnswer())
			done := make(chan error, 1)
			go func() {
				done <- func() error {
					for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(100 * time.Millisecond) {
						pods, err := r.CoreV1().Pods(r.namespace).List(r.Context(), metav1.ListOptions{LabelSelector: LabelRun + "=" + opts.RunID})
						if err != nil {
							return err
						}
						if len(pods.Items) == 1 && pods.Items[0].Status.Phase == corev1.PodRunning {
							return tc.tamper(r, &pods.Items[0])
						}
					}
					return fmt.Errorf("the probe did not run")
				}()
			}()
			measured, gaps, err := Measure(t.Context(), opts, r.nodes[:1])
			if err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if len(measured) > 0 || len(gaps) != 1 {
				t.Fatalf("measured %v, gaps %v", measured, gaps)
			}
			t.Logf("%s: %s\n%s", gaps[0].Reason, gaps[0].Detail, gaps[0].Hint)
			if gaps[0].Reason != fact.NotOurs || !strings.Contains(gaps[0].Detail, tc.detail) {
				t.Errorf("gap %+v, expected %s", gaps[0], tc.detail)
			}
			if ran := r.traces(); tc.ran && len(ran) != 1 {
				t.Errorf("the foreign code left traces on %q: this test would not see it", ran)
			}
			// The pod in place of ours has our Job as its owner, and goes with it.
			r.eventually("nothing left but the namespace", 60*time.Second, func() string {
				if left := r.left(); left != "namespace Active" {
					return left
				}
				return ""
			})
		})
	}
}
