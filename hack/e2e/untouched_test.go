//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// What programs do that nobody has tampered with: logs, pid files, caches, temporary
// files, locks, sockets, and files that only their owner or time is new of.
var ordinary = []string{
	":",
	"mkdir -p /var/log/app /run/app; while :; do date >> /var/log/app/app.log; echo $$ > /run/app.pid; mkfifo /run/app/fifo 2>/dev/null; sleep 2; done",
	"mkdir -p /var/cache/app /root/.cache/x; echo a > /var/cache/app/index; echo b > /root/.cache/x/y; echo c > /tmp/session.1",
	"touch /bin/busybox /etc /tmp; chmod 0755 /bin/busybox; chmod 0700 /bin/busybox; chown 0:0 /bin/busybox; chmod 0755 /bin/busybox",
	"mkdir -p /var/tmp /var/lock; echo 1 > /var/lock/app.lock; echo t > /var/tmp/t; ln -s /tmp/session.1 /tmp/latest; rm -f /tmp/latest",
	"echo 'history' >> /root/.ash_history; echo x > /root/.viminfo",
}

// Containers in which nothing was added, changed or removed but what programs do
// anyway have no drift: no finding fails, and none is unknown.
// CHECKLIST_UNTOUCHED says how many there are.
func TestUntouchedContainers(t *testing.T) {
	count := 40
	if text := os.Getenv("CHECKLIST_UNTOUCHED"); text != "" {
		var err error
		count, err = strconv.Atoi(text)
		must(t, err)
	}
	ctx := testContext(t, 15*time.Minute)
	inNamespace(t, ctx)
	var pods []corev1.Pod
	for i := range count {
		if i%20 == 0 {
			pods = append(pods, corev1.Pod{
				TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("untouched%d", len(pods)), Namespace: faults.Namespace},
				Spec: corev1.PodSpec{
					NodeName: []string{harness.Worker, harness.OtherWorker}[len(pods)%2], AutomountServiceAccountToken: ptr(false),
					TerminationGracePeriodSeconds: ptr(int64(0)), EnableServiceLinks: ptr(false),
				},
			})
		}
		pod := &pods[len(pods)-1]
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: fmt.Sprintf("c%d", i), Image: "docker.io/library/busybox:1.35", ImagePullPolicy: corev1.PullNever,
			Command: []string{"sh", "-c", ordinary[i%len(ordinary)] + "; exec sleep 86400"},
		})
	}
	manifest, err := json.Marshal(corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: pods})
	must(t, err)
	must(t, cluster.Apply(ctx, string(manifest)))
	_, err = cluster.Kubectl(ctx, "-n", faults.Namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=300s")
	must(t, err)
	time.Sleep(3 * time.Second) // for the first words of the scripts

	checks := []string{
		"drift/running-drifted-executable", "drift/drifted-files", "immutable/added-executables", "immutable/package-database-changed",
		"privileged/undeclared-container", "builds/build-process",
	}
	args := []string{"pods", "-n", faults.Namespace, "--measure"}
	for _, check := range checks {
		args = append(args, "--check", check)
	}
	report := reportOf(t, ctx, args...)
	seen := map[string]int{}
	for _, f := range report.Findings {
		if f.Subject.Namespace != faults.Namespace {
			continue
		}
		if f.Verdict != api.Pass {
			t.Errorf("%s %s/%s: %s: %s: %+v", f.Check, f.Subject.Name, f.Subject.Container, f.Verdict, f.Message, f.Evidence)
		}
		seen[f.Check]++
	}
	for _, check := range checks {
		if check != "privileged/undeclared-container" && seen[check] < count {
			t.Errorf("%s: found for %d containers of %d", check, seen[check], count)
		}
	}
	t.Logf("%d containers: %v", count, seen)
}
