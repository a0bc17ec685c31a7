//go:build e2e

package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// control is a real etcd and a real API server, plain processes on the loopback address. It has
// no controller: nothing but the objects changes.
type control struct {
	dir, bin, at string
	http         http.Client
}

// startControl starts both. hack/cluster has built them.
func startControl(t *testing.T) *control {
	t.Helper()
	home, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(home, "kubectl-checklist", "cluster", "*", "bin", "kube-apiserver"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no kube-apiserver below %s: hack/cluster/run up builds it (%v)", home, err)
	}
	modified := func(path string) time.Time {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	c := &control{dir: t.TempDir(), bin: filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return modified(a).Compare(modified(b)) }))}
	port := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	run := func(name string, args ...string) {
		log, err := os.Create(filepath.Join(c.dir, name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd := exec.Command(filepath.Join(c.bin, name), args...)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	url, peer := "http://127.0.0.1:"+port(), "http://127.0.0.1:"+port()
	run("etcd", "--data-dir", filepath.Join(c.dir, "etcd"), "--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--log-level", "warn", "--unsafe-no-fsync")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(c.dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	account := write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	accountPublic := write("sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	secure := port()
	c.at = "https://127.0.0.1:" + secure
	run("kube-apiserver", "--etcd-servers", url, "--secure-port", secure, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
		"--allow-privileged", "--cert-dir", filepath.Join(c.dir, "certs"), "--authorization-mode", "AlwaysAllow", "--endpoint-reconciler-type", "none",
		"--disable-admission-plugins", "ServiceAccount", "--service-cluster-ip-range", "10.96.0.0/16", "--service-account-key-file", accountPublic,
		"--service-account-signing-key-file", account, "--service-account-issuer", "https://kubernetes.default.svc",
		"--token-auth-file", write("tokens.csv", []byte("token,admin,admin,system:masters\n")))
	c.http = http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // ours, with a certificate of its own
	}}
	for deadline := time.Now().Add(4 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		status, body := c.call(t, http.MethodGet, "/readyz", "", nil)
		if status == http.StatusOK {
			return c
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(c.dir, "kube-apiserver.log"))
			t.Fatalf("the API server is not ready: %d %s\n%s", status, body, log[max(0, len(log)-3000):])
		}
	}
}

func (c *control) call(t *testing.T, method, path, media string, body []byte) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.at+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer token")
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func (c *control) kubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(c.dir, "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: it's, clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}],
users: [{name: u, user: {token: token}}], contexts: [{name: it's, context: {cluster: c, user: u}}]}`, c.at)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// served are the kinds that are created, with their paths.
var served = map[string]string{
	"Deployment": "/apis/apps/v1/namespaces/%s/deployments", "DaemonSet": "/apis/apps/v1/namespaces/%s/daemonsets",
	"StatefulSet": "/apis/apps/v1/namespaces/%s/statefulsets", "CronJob": "/apis/batch/v1/namespaces/%s/cronjobs",
}

// acceptable makes an object of the corpus one that the API server takes: with a selector, a
// schedule and a restart policy. A pod becomes a Deployment of the same name.
func acceptable(document map[string]any) (kind string, out map[string]any) {
	kind, _ = document["kind"].(string)
	metadata, _ := document["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	spec, _ := document["spec"].(map[string]any)
	if kind == "Pod" {
		kind = "Deployment"
		delete(spec, "restartPolicy")
		labels := map[string]any{"metadata": map[string]any{"annotations": metadata["annotations"]}, "spec": spec}
		spec = map[string]any{"template": labels}
		delete(metadata, "annotations")
		document = map[string]any{"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
	}
	if served[kind] == "" || name == "" || spec == nil {
		return "", nil
	}
	template := spec
	if kind == "CronJob" {
		spec["schedule"] = "0 0 1 1 *"
		for _, field := range []string{"jobTemplate", "spec"} {
			template, _ = template[field].(map[string]any)
		}
	}
	template, _ = template["template"].(map[string]any)
	inner, _ := template["spec"].(map[string]any)
	if inner == nil {
		return "", nil
	}
	labels := map[string]any{"app": name}
	of, _ := template["metadata"].(map[string]any)
	if of == nil {
		of = map[string]any{}
	}
	of["labels"] = labels
	template["metadata"] = of
	if kind == "CronJob" {
		inner["restartPolicy"] = "Never"
	} else {
		delete(inner, "restartPolicy")
		spec["selector"] = map[string]any{"matchLabels": labels}
	}
	return kind, document
}

// fails are the severities of failing findings, by check and subject.
func fails(t *testing.T, report []byte) (map[string]int, *api.ChecklistReport) {
	t.Helper()
	var r api.ChecklistReport
	if err := json.Unmarshal(report, &r); err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Verdict == api.Fail {
			key := strings.Join([]string{f.Check, f.Subject.Kind, f.Subject.Namespace, f.Subject.Name, f.Subject.Container}, " ")
			out[key] = max(out[key], f.Severity.Rank())
		}
	}
	return out, &r
}

// The corpus is created on a real API server, patched by apply.sh with the real kubectl, or, where
// this would take too long, by the same patches over HTTP. Each patch is taken, the pod of each
// template is one that the API server takes, and judged again no finding is new or worse.
func TestPatchesOnARealServer(t *testing.T) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	c := startControl(t)
	files, err := filepath.Glob("testdata/corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	namespaces := map[string]bool{}
	created, refused := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range bytes.Split(data, []byte("\n---\n")) {
			var document map[string]any
			if err := yaml.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			kind, object := acceptable(document)
			if kind == "" {
				continue
			}
			metadata, _ := object["metadata"].(map[string]any)
			namespace, _ := metadata["namespace"].(string)
			if namespace == "" {
				namespace = "default"
			}
			if !namespaces[namespace] {
				namespaces[namespace] = true
				body, _ := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}})
				c.call(t, http.MethodPost, "/api/v1/namespaces", "application/json", body)
			}
			body, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			status, _ := c.call(t, http.MethodPost, fmt.Sprintf(served[kind], namespace)+"?fieldManager=kubectl-create", "application/json", body)
			if status == http.StatusCreated {
				created++
			} else {
				refused++
			}
		}
	}
	t.Logf("%d objects created, %d refused", created, refused)
	if created < 400 {
		t.Fatalf("only %d objects", created)
	}
	kubeconfig, dir := c.kubeconfig(t), filepath.Join(c.dir, "patches")
	judge := func(more ...string) []byte {
		env, out, errOut := testEnv()
		if code := Main(context.Background(), env, append([]string{"pods", "-A", "--kubeconfig", kubeconfig, "-o", "json"}, more...)); code != 0 {
			t.Fatalf("exit status %d: %s", code, errOut)
		}
		return out.Bytes()
	}
	before, report := fails(t, judge("--write-patches", dir))
	env, out, errOut := testEnv()
	Main(context.Background(), env, []string{"explain", "privileged/privileged-container", "--for", "deploy/in-deployment", "-n", "shop", "--kubeconfig", kubeconfig})
	for _, want := range []string{"FAIL critical: Deployment shop in-deployment container b", "PATCH of shop deployments.apps/in-deployment (try it)", `{"op":"test","path":"/metadata/uid","value":"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("explain --for: want %q in\n%s%s", want, out, errOut)
		}
	}
	script, err := os.ReadFile(filepath.Join(dir, "apply.sh"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "<<'END'\n")
	lines := strings.Split(strings.Split(rest, "\nEND\n")[0], "\n")
	const byScript = 20
	pods := map[string][]byte{} // by namespace, kind in lower case, and name
	args := []string{filepath.Join(dir, "apply.sh"), "all"}
	for i, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		words := strings.Fields(line)
		namespace, target, all := words[1], words[2], words[4]
		if i < byScript {
			args = append(args, namespace+"/"+target)
			continue
		}
		file := name + ".safe.json"
		if all == "all" {
			file = name + ".all.json"
		}
		patch, err := os.ReadFile(filepath.Join(dir, "patches", file))
		if err != nil {
			t.Fatal(err)
		}
		resource, object, _ := strings.Cut(target, "/")
		resource, group, _ := strings.Cut(resource, ".")
		path := "/apis/" + group + "/v1/namespaces/" + namespace + "/" + resource + "/" + object
		if status, answer := c.call(t, http.MethodPatch, path+"?dryRun=All", "application/json-patch+json", patch); status != http.StatusOK {
			t.Errorf("%s: dry run: %d %s\n%s", line, status, answer, patch)
			continue
		}
		status, answer := c.call(t, http.MethodPatch, path, "application/json-patch+json", patch)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", line, status, answer)
			continue
		}
		pods[strings.Join([]string{namespace, strings.TrimSuffix(resource, "s"), object}, " ")] = c.tryPod(t, line, namespace, answer)
	}
	command := exec.Command("sh", args...)
	command.Env = append(os.Environ(), "KUBECTL="+kubectl, "HOME="+c.dir)
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), fmt.Sprintf("objects changed: %d", byScript)) {
		t.Errorf("apply.sh: %v\n%s", err, out)
	}
	after, patched := fails(t, judge())
	c.enforced(t, patched, pods)
	gone := 0
	for key, severity := range after {
		if severity > before[key] {
			t.Errorf("new or worse: %s", key)
		}
	}
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.Remediation.Patch == nil {
			continue
		}
		key := strings.Join([]string{f.Check, f.Subject.Kind, f.Subject.Namespace, f.Subject.Name, f.Subject.Container}, " ")
		if after[key] < before[key] {
			gone++
		} else if f.Check != "privileged/pod-security-level" { // its patch may be a step on the way
			t.Errorf("still fails: %s", key)
		}
	}
	t.Logf("%d objects patched, %d findings gone, %d of %d left", len(lines), gone, len(after), len(before))
}

// enforced asks the API server for the pod of each patched template in a namespace that enforces
// restricted: Pod Security only warns of an owner. It takes those that are judged restricted, and
// refuses the others.
func (c *control) enforced(t *testing.T, report *api.ChecklistReport, pods map[string][]byte) {
	t.Helper()
	const namespace = "enforced"
	body, _ := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{
		"name": namespace, "labels": map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.37"},
	}})
	if status, answer := c.call(t, http.MethodPost, "/api/v1/namespaces", "application/json", body); status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	taken, refused := 0, 0
	for i := range report.Findings {
		f := &report.Findings[i]
		pod := pods[strings.Join([]string{f.Subject.Namespace, strings.ToLower(f.Subject.Kind), f.Subject.Name}, " ")]
		if f.Check != "privileged/pod-security-level" || pod == nil || f.Verdict == api.VerdictUnknown {
			continue
		}
		_, answer := c.call(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods?dryRun=All", "application/json", pod)
		violates := strings.Contains(string(answer), "violates PodSecurity")
		if violates != (f.Verdict == api.Fail) {
			t.Errorf("%s: judged %s (%s), and the API server says %s", f.Subject.Key(), f.Verdict, f.Message, answer)
		}
		if violates {
			refused++
		} else {
			taken++
		}
	}
	t.Logf("in a namespace that enforces restricted: the pods of %d patched templates taken, of %d refused, as judged", taken, refused)
	if taken < 400 {
		t.Errorf("only %d pods", taken)
	}
}

// tryPod asks the API server in a dry run for a pod of the object's template, which it returns
// without a namespace.
func (c *control) tryPod(t *testing.T, line, namespace string, object []byte) []byte {
	t.Helper()
	var o struct {
		Spec struct {
			Template json.RawMessage `json:"template"`
			Claims   []struct {
				Metadata struct {
					Name string `json:"name"`
				} `json:"metadata"`
			} `json:"volumeClaimTemplates"`
			JobTemplate struct {
				Spec struct {
					Template json.RawMessage `json:"template"`
				} `json:"spec"`
			} `json:"jobTemplate"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(object, &o); err != nil {
		t.Fatal(err)
	}
	template := o.Spec.Template
	if len(template) == 0 {
		template = o.Spec.JobTemplate.Spec.Template
	}
	var pod map[string]any
	if err := json.Unmarshal(template, &pod); err != nil {
		t.Fatal(err)
	}
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	metadata, _ := pod["metadata"].(map[string]any)
	metadata["generateName"] = "try-"
	for _, claim := range o.Spec.Claims { // as the StatefulSet controller does
		spec, _ := pod["spec"].(map[string]any)
		volumes, _ := spec["volumes"].([]any)
		name := claim.Metadata.Name
		spec["volumes"] = append(volumes, map[string]any{"name": name, "persistentVolumeClaim": map[string]any{"claimName": name}})
	}
	body, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := c.call(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods?dryRun=All", "application/json", body); status != http.StatusCreated && !strings.Contains(string(answer), "RuntimeClass") {
		t.Errorf("%s: its pod: %d %s", line, status, answer)
	}
	return body
}
