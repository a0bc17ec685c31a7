//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Real builders at work in pods are seen by what runs, whatever the pods are called.
func TestRealBuilders(t *testing.T) {
	buildkitd := os.Getenv("KUBECTL_CHECKLIST_BUILDKITD")
	if buildkitd == "" {
		t.Skip("make builders installs and builds the builders, and runs this")
	}
	ctx := testContext(t, 10*time.Minute)
	inNamespace(t, ctx)
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(content), 0o755))
		return file
	}
	files := map[string]string{
		"/bin/buildkitd": buildkitd, "/etc/passwd": write("passwd", "root:x:0:0::/root:/bin/sh\n"),
		"/etc/containers/policy.json":     write("policy", `{"default":[{"type":"insecureAcceptAnything"}]}`),
		"/etc/containers/registries.conf": write("registries", ""),
		"/context/Dockerfile":             write("Dockerfile", "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"sleep\", \"86400\"]\n"),
		"/context/busybox":                "/bin/busybox",
		"/rootfs/bin/busybox":             "/bin/busybox",
	}
	for _, tool := range []string{"buildah", "podman", "crun", "runc", "conmon"} {
		at, err := exec.LookPath(tool)
		must(t, err)
		files["/usr/bin/"+tool] = at
		out, err := exec.CommandContext(ctx, "ldd", at).Output()
		if err != nil {
			continue // static
		}
		for _, library := range regexp.MustCompile(`(/\S+) \(0x`).FindAllStringSubmatch(string(out), -1) {
			files[library[1]] = library[1]
		}
	}
	const image = "docker.io/library/tools:1"
	archive := filepath.Join(dir, "tools.tar")
	args := []string{"busybox", "-tag", image, "-out", archive}
	for at, source := range files {
		args = append(args, "-file", at+"="+source)
	}
	must(t, cluster.Image(ctx, args...))
	_, err := cluster.Verb(ctx, nil, "import-image", archive)
	must(t, err)

	storage := "--storage-driver vfs --root /work/s --runroot /work/r "
	builders := []struct{ name, do, seen string }{
		{"one", "buildah " + storage + "bud --isolation chroot --network host -f /context/Dockerfile /context", "buildah"},
		{"two", "podman " + storage + "--cgroup-manager cgroupfs --runtime /usr/bin/crun run --cgroups disabled --network host --rootfs /rootfs /bin/busybox sleep 86400", "podman"},
		{"three", "buildkitd --root /work/b --oci-worker-snapshotter native --addr unix:///work/b.sock", "buildkitd"},
	}
	for _, b := range builders {
		must(t, cluster.Apply(ctx, fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  nodeName: %s
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  volumes: [{name: work, emptyDir: {}}]
  containers:
  - name: app
    image: %s
    imagePullPolicy: Never
    command: ["sleep", "86400"]
    env: [{name: PATH, value: "/bin:/usr/bin"}]
    volumeMounts: [{name: work, mountPath: /work}]
    securityContext: {privileged: true}
`, b.name, faults.Namespace, harness.Worker, image)))
	}
	_, err = cluster.Kubectl(ctx, "-n", faults.Namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=120s")
	must(t, err)
	for _, b := range builders {
		_, err := cluster.Kubectl(ctx, "-n", faults.Namespace, "exec", b.name, "--", "sh", "-c", "mkdir -p /var/tmp /run; ("+b.do+") </dev/null >/tmp/out 2>&1 &")
		must(t, err)
	}
	running := func(b struct{ name, do, seen string }) error {
		out, err := cluster.Kubectl(ctx, "-n", faults.Namespace, "exec", b.name, "--", "sh", "-c", "ps | grep -v grep | grep -q "+b.seen+" && echo runs; cat /tmp/out")
		if err == nil && !strings.HasPrefix(out, "runs") {
			err = fmt.Errorf("%s does not run: %s", b.seen, out)
		}
		return err
	}
	time.Sleep(5 * time.Second) // they need this long to begin, or to fail
	for _, b := range builders {
		must(t, harness.Wait(ctx, b.seen, time.Minute, func() error { return running(b) }))
	}
	report := reportOf(t, ctx, "pods", "-n", faults.Namespace, "--measure", "--check", "builds/build-process")
	for _, b := range builders {
		i := slices.IndexFunc(report.Findings, func(f api.Finding) bool { return f.Subject.Name == b.name && f.Verdict == api.Fail })
		if i < 0 {
			t.Errorf("%s: not seen: %+v", b.seen, report.Findings)
			continue
		}
		f := report.Findings[i]
		t.Logf("%s: %s %s: %s", b.seen, f.Severity, f.Message, f.Evidence[0].Value)
		if f.Severity != api.Critical || !strings.Contains(fmt.Sprint(f.Message, f.Evidence), b.seen) {
			t.Errorf("%s: found %+v", b.seen, f)
		}
	}
}
