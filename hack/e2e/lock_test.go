//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// In the probe's own pod on a real node, the lock refuses everything that it must refuse,
// also through /proc/1/root, and all reads work. The same pod without the lock can write
// the node's files. So it is the lock that refuses.
func TestLockInAPod(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	l := newLocktest(t, ctx, "e2e-lock")
	run := func(name string, args ...string) (log string, code int32) {
		t.Helper()
		pod := probePod(t, launch.Options{Level: fact.LevelFull, Image: l.image})
		pod.Spec.Containers[0].Args = append([]string{"-dir", "/proc/1/root/var/tmp", "-root", "/proc/1/root"}, args...)
		return l.run(t, ctx, name, pod)
	}

	locked, code := run("locked", "-stress", "200")
	if code != 0 || !strings.Contains(locked, "locked=true") || !strings.Contains(locked, " wrong=0") {
		t.Errorf("with the lock: exit status %d:\n%s", code, locked)
	}
	if n := strings.Count(locked, " EPERM"); n < 140 {
		t.Errorf("with the lock: expected at least 140 attempts refused, found %d", n)
	}
	unlocked, _ := run("unlocked", "-unlocked")
	for _, attempt := range []string{"open-write", "open-create", "rename", "unlink", "mkdir", "chmod", "write-elsewhere", "open-write-below-output"} {
		if got := resultOf(unlocked, attempt); got != "ok" {
			t.Errorf("without the lock, through /proc/1/root: %s: expected ok, found %q", attempt, got)
		}
	}
	left, err := cluster.Verb(ctx, nil, "node-exec", harness.Worker, "--", "find", "/var/tmp", "-name", "checklist-locktest-*")
	must(t, err)
	if strings.TrimSpace(left) != "" {
		t.Errorf("left on the node: %s", left)
	}
	if t.Failed() {
		t.Logf("without the lock:\n%s", unlocked)
	}
}

// So it is in the net probe's pod, which has the node's network: with the lock it shakes
// hands and opens no file. Without the lock it can listen there.
func TestNetLockInAPod(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	l := newLocktest(t, ctx, "e2e-net-lock")
	run := func(name string, args ...string) (log string, code int32) {
		t.Helper()
		pod := probePod(t, launch.Options{Level: fact.LevelAPI, Net: true, Kinds: []fact.Kind{fact.NodeTLS}, Image: l.image})
		// A place for the files on which attempts are made, which the pod of a pulled image
		// does not have.
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "attempts", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		container := &pod.Spec.Containers[0]
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "attempts", MountPath: "/attempts"})
		container.Command, container.Args = []string{"/locktest"}, append([]string{"-net", "-dir", "/attempts"}, args...)
		return l.run(t, ctx, name, pod)
	}

	locked, code := run("locked", "-stress", "100")
	if code != 0 || !strings.Contains(locked, "locked=true") || !strings.Contains(locked, " wrong=0") {
		t.Errorf("with the lock: exit status %d:\n%s", code, locked)
	}
	if n := strings.Count(locked, " EPERM"); n < 180 {
		t.Errorf("with the lock: expected at least 180 attempts refused, found %d", n)
	}
	unlocked, _ := run("unlocked", "-unlocked")
	for _, attempt := range []string{"listen", "socket-udp", "socket-unix", "read-own-status", "read-file", "open-write"} {
		if got := resultOf(unlocked, attempt); got != "ok" {
			t.Errorf("without the lock: %s: expected ok, found %q", attempt, got)
		}
	}
	if t.Failed() {
		t.Logf("without the lock:\n%s", unlocked)
	}
}

// locktest is hack/locktest as an image on a node, and a namespace for its pods.
type locktest struct{ image, namespace string }

func newLocktest(t *testing.T, ctx context.Context, namespace string) locktest {
	t.Helper()
	l := locktest{"docker.io/library/checklist-locktest:" + namespace, namespace}
	dir := t.TempDir()
	binary, archive := filepath.Join(dir, "locktest"), filepath.Join(dir, "locktest.tar")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./hack/locktest")
	build.Dir = cluster.Repository
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, cluster.Image(ctx, "binary", "-tag", l.image, "-binary", binary, "-path", "/locktest", "-out", archive))
	_, err := cluster.Verb(ctx, nil, "import-image", archive, harness.Worker)
	must(t, err)
	t.Cleanup(func() { _, _ = cluster.Verb(context.WithoutCancel(ctx), nil, "rm-image", l.image, harness.Worker) })
	_, err = cluster.Kubectl(ctx, "create", "namespace", namespace)
	must(t, err)
	t.Cleanup(func() {
		_, _ = cluster.Kubectl(context.WithoutCancel(ctx), "delete", "namespace", namespace, "--timeout=90s")
	})
	_, err = cluster.Kubectl(ctx, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=privileged")
	must(t, err)
	return l
}

// run runs a pod to its end.
func (l locktest) run(t *testing.T, ctx context.Context, name string, pod *corev1.Pod) (log string, code int32) {
	t.Helper()
	pod.Name, pod.Namespace = name, l.namespace
	text, err := json.Marshal(pod)
	must(t, err)
	must(t, cluster.Apply(ctx, string(text)))
	must(t, harness.Wait(ctx, "pod "+name, waiting, func() error {
		out, err := cluster.Kubectl(ctx, "-n", l.namespace, "get", "pod", name, "-o", "json")
		if err != nil {
			return err
		}
		var got corev1.Pod
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			return err
		}
		for _, status := range got.Status.ContainerStatuses {
			if ended := status.State.Terminated; ended != nil {
				code = ended.ExitCode
				return nil
			}
		}
		return errNotYet
	}))
	log, err = cluster.Kubectl(ctx, "-n", l.namespace, "logs", name)
	must(t, err)
	return log, code
}

// resultOf finds "try NAME RESULT".
func resultOf(log, attempt string) string {
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "try" && f[1] == attempt {
			return f[2]
		}
	}
	return ""
}

var errNotYet = errorText("not ended")

type errorText string

func (e errorText) Error() string { return string(e) }

// probePod returns the pod that a run would create.
func probePod(t *testing.T, opts launch.Options) *corev1.Pod {
	t.Helper()
	docs, err := launch.Objects(opts, launch.Plan{Image: opts.Image, Targets: []launch.Target{{Node: harness.Worker, Arch: "amd64"}}})
	must(t, err)
	for _, doc := range docs {
		if pod, ok := doc.Object.(*corev1.Pod); ok {
			pod.OwnerReferences = []metav1.OwnerReference(nil)
			return pod
		}
	}
	t.Fatal("expected a pod among the objects of a run")
	return nil
}
