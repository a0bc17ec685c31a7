// Package faults plants one fault for each of the six questions on the real cluster, knows
// which findings each must give, and removes it again. The end-to-end test and the demo
// share it.
package faults

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Namespace holds all planted objects that are in a namespace.
const Namespace = "faults"

// Fault is something wrong that the tool must find.
type Fault struct {
	Question api.Question
	Title    string
	// Expect are the fingerprints (check and subject) of the findings that it must give.
	// If there are several, they are about the same thing.
	Expect []string
	Plant  func(context.Context, *harness.Cluster) error
	// Remove is nil if removing the namespace removes the fault.
	Remove func(context.Context, *harness.Cluster) error
}

// All lists one fault for each question, in the questions' order.
func All() []Fault {
	return []Fault{
		{
			Question: api.Builds,
			Title:    "BuildKit builds images in the cluster, as root",
			Expect: []string{
				"builds/builder-workload Pod/faults/image-builder/buildkit/",
				// It is root, whom /dev does not refuse.
				"privileged/runs-as-root Pod/faults/image-builder/buildkit/",
				"drift/writable-executable-mounts Pod/faults/image-builder/buildkit/",
				// None of the pods of the faults declares what the restricted standard wants.
				"privileged/pod-security-level Pod/faults/image-builder//",
			},
			Plant: plantBuilder,
			Remove: func(ctx context.Context, c *harness.Cluster) error {
				_, err := c.Verb(ctx, nil, "rm-image", builderImage)
				return err
			},
		},
		{
			Question: api.Immutable,
			Title:    "a program was added to a running container",
			Expect: []string{
				"immutable/added-executables Pod/faults/patched/app/",
				"drift/drifted-files Pod/faults/patched/app/",
				// What let it happen.
				"immutable/writable-root Pod/faults/patched/app/",
				"drift/writable-root Pod/faults/patched/app/",
				"drift/writable-executable-mounts Pod/faults/patched/app/",
				"drift/can-write-own-code Pod/faults/patched/app/",
				"privileged/runs-as-root Pod/faults/patched/app/",
				"privileged/pod-security-level Pod/faults/patched//",
			},
			Plant: plantAdded,
		},
		{
			Question: api.Privileged,
			Title:    "a container runs with --privileged",
			Expect: []string{
				"privileged/privileged-container Pod/faults/privileged/app/",
				"privileged/effective-capabilities Pod/faults/privileged/app/",
				"privileged/host-devices Pod/faults/privileged/app/",
				"privileged/privilege-escalation Pod/faults/privileged/app/",
				"privileged/runs-as-root Pod/faults/privileged/app/",
				"privileged/seccomp Pod/faults/privileged/app/",
				"drift/writable-executable-mounts Pod/faults/privileged/app/",
				"privileged/pod-security-level Pod/faults/privileged//",
			},
			Plant: plantPrivileged,
		},
		{
			Question: api.Hosts,
			Title:    "a node runs an older kernel than the newest installed",
			Expect:   []string{"hosts/kernel-outdated Node//" + harness.OtherWorker + "//"},
			Plant:    plantKernel,
			Remove: func(ctx context.Context, c *harness.Cluster) error {
				_, err := c.Verb(ctx, nil, "node-rm", harness.OtherWorker, kernelPath(ctx, c))
				return err
			},
		},
		{
			Question: api.Secrets,
			Title:    "a Secret is in etcd as plaintext although encryption is switched on",
			Expect: []string{
				"secrets/encrypted-at-rest Secret/faults/db-password//", "secrets/stale-key Cluster////",
				// kubectl apply wrote it a second time.
				"secrets/in-last-applied Secret/faults/db-password//",
			},
			Plant: plantPlaintext,
		},
		{
			Question: api.Drift,
			Title:    "a program runs that is not in its container's image",
			Expect: []string{
				"drift/running-drifted-executable Pod/faults/drifted/app/",
				"immutable/added-executables Pod/faults/drifted/app/",
				"drift/drifted-files Pod/faults/drifted/app/",
				"immutable/writable-root Pod/faults/drifted/app/",
				"drift/writable-root Pod/faults/drifted/app/",
				"drift/writable-executable-mounts Pod/faults/drifted/app/",
				"drift/can-write-own-code Pod/faults/drifted/app/",
				"privileged/runs-as-root Pod/faults/drifted/app/",
				"privileged/pod-security-level Pod/faults/drifted//",
			},
			Plant: plantDrift,
		},
	}
}

const (
	busybox      = "docker.io/library/busybox:1.35"
	builderImage = "docker.io/moby/buildkit:v0.20.0"
)

// pod returns a manifest of a pod with nothing wrong except what is asked for.
func pod(name, container, image, node, securityContext string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  nodeName: %s
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: %s
    image: %s
    imagePullPolicy: Never
    command: ["sleep", "86400"]
    securityContext: %s
`, name, Namespace, node, container, image, securityContext)
}

const (
	// hardened is a container with nothing to find except its mutable tag.
	hardened = `{readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, runAsUser: 1000, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}`
	// writable is the same with a writable root, and as root, so that somebody can add a file.
	writable = `{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}`
	// asRoot is hardened, but runs as root.
	asRoot     = `{readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}`
	privileged = `{privileged: true, readOnlyRootFilesystem: true}`
)

// CreateNamespace creates the namespace of the faults, and a pod in it without findings.
func CreateNamespace(ctx context.Context, c *harness.Cluster) error {
	err := c.Apply(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+Namespace+"}\n")
	if err != nil {
		return err
	}
	// The service account controller is a moment behind.
	err = harness.Wait(ctx, "the service account", 2*time.Minute, func() error {
		_, err := c.Kubectl(ctx, "-n", Namespace, "get", "serviceaccount", "default")
		return err
	})
	if err != nil {
		return err
	}
	return start(ctx, c, pod("clean", "app", busybox, harness.Worker, hardened), "clean")
}

// DeleteNamespace removes it and what is in it.
func DeleteNamespace(ctx context.Context, c *harness.Cluster) error {
	_, err := c.Kubectl(ctx, "delete", "namespace", Namespace, "--ignore-not-found", "--timeout=120s")
	return err
}

func start(ctx context.Context, c *harness.Cluster, manifest, name string) error {
	if err := c.Apply(ctx, manifest); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "-n", Namespace, "wait", "--for=condition=Ready", "pod/"+name, "--timeout=60s")
	return err
}

func plantBuilder(ctx context.Context, c *harness.Cluster) error {
	dir, err := os.MkdirTemp("", "faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	archive := filepath.Join(dir, "buildkit.tar")
	if err := c.Image(ctx, "busybox", "-tag", builderImage, "-out", archive); err != nil {
		return err
	}
	if _, err := c.Verb(ctx, nil, "import-image", archive); err != nil {
		return err
	}
	return start(ctx, c, pod("image-builder", "buildkit", builderImage, harness.Worker, asRoot), "image-builder")
}

func plantAdded(ctx context.Context, c *harness.Cluster) error {
	if err := start(ctx, c, pod("patched", "app", busybox, harness.Worker, writable), "patched"); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "-n", Namespace, "exec", "patched", "--", "cp", "/bin/busybox", "/opt-tool")
	return err
}

func plantPrivileged(ctx context.Context, c *harness.Cluster) error {
	return start(ctx, c, pod("privileged", "app", busybox, harness.Worker, privileged), "privileged")
}

// kernelPath is where a kernel newer than the running one is put.
func kernelPath(ctx context.Context, c *harness.Cluster) string {
	return "/boot/vmlinuz-" + newerRelease(ctx, c)
}

// newerRelease returns the running release with a higher first number, so that it is of
// the same flavour.
func newerRelease(ctx context.Context, c *harness.Cluster) string {
	out, err := c.Verb(ctx, nil, "node-exec", harness.OtherWorker, "--", "cat", "/proc/sys/kernel/osrelease")
	release := strings.TrimSpace(out)
	if err != nil || release == "" {
		return "99.0.0"
	}
	major, rest, _ := strings.Cut(release, ".")
	var n int
	if _, err := fmt.Sscanf(major, "%d", &n); err != nil {
		return "99.0.0"
	}
	return fmt.Sprintf("%d.%s", n+1, rest)
}

// plantKernel puts a bzImage's header where a package would put a kernel: boot
// protocol header "HdrS" at 0x202, offset of the version text at 0x20e
// (Documentation/arch/x86/boot.rst).
func plantKernel(ctx context.Context, c *harness.Cluster) error {
	image := make([]byte, 4096)
	copy(image[0x1fe:], []byte{0x55, 0xaa})
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(image[0x206:], 0x020f)
	binary.LittleEndian.PutUint16(image[0x20e:], 0x0600)
	copy(image[0x800:], newerRelease(ctx, c)+" (builder@example) #1 SMP PREEMPT_DYNAMIC (2026-11-16)\x00")
	_, err := c.Verb(ctx, bytes.NewReader(image), "node-put", harness.OtherWorker, "-", kernelPath(ctx, c))
	return err
}

// EncryptionConfiguration returns a configuration whose first provider for Secrets is the
// given one (aescbc or identity), and which can read both.
func EncryptionConfiguration(first string) string {
	aescbc := "  - aescbc: {keys: [{name: key1, secret: " + key + "}]}\n"
	identity := "  - identity: {}\n"
	providers := aescbc + identity
	if first == "identity" {
		providers = identity + aescbc
	}
	return "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n" + providers
}

// key is public, and only tests encrypt with it. It never changes, so that a cluster that
// outlives a run can still read what it holds.
var key = base64.StdEncoding.EncodeToString([]byte("kubectl-checklist tests: public!"))

// Encrypt makes the API server write Secrets with a provider from now on.
func Encrypt(ctx context.Context, c *harness.Cluster, provider string) error {
	if _, err := c.Verb(ctx, strings.NewReader(EncryptionConfiguration(provider)), "encryption", "-"); err != nil {
		return err
	}
	// This killed the API server, and its clients back off. No result is valid until the
	// controller manager and every kubelet are back.
	_, err := c.Verb(ctx, nil, "settle")
	return err
}

// RewriteSecrets stores every Secret again, as the documentation of encryption at rest
// says to do after a change.
func RewriteSecrets(ctx context.Context, c *harness.Cluster) error {
	secrets, err := c.Kubectl(ctx, "get", "secrets", "-A", "-o", "json")
	if err != nil {
		return err
	}
	if strings.Contains(secrets, `"items": []`) {
		return nil
	}
	_, err = c.Verb(ctx, strings.NewReader(secrets), "kubectl", "replace", "-f", "-")
	return err
}

// plantPlaintext writes one Secret while encryption is switched off, and
// switches it on again.
func plantPlaintext(ctx context.Context, c *harness.Cluster) error {
	if err := Encrypt(ctx, c, "identity"); err != nil {
		return err
	}
	if err := c.Apply(ctx, Secret("db-password", "hunter2")); err != nil {
		return err
	}
	return Encrypt(ctx, c, "aescbc")
}

// Secret is a manifest of a Secret with one value.
func Secret(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData: {password: %q}\n---\n", name, Namespace, value)
}

func plantDrift(ctx context.Context, c *harness.Cluster) error {
	if err := start(ctx, c, pod("drifted", "app", busybox, harness.OtherWorker, writable), "drifted"); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "-n", Namespace, "exec", "drifted", "--", "sh", "-c",
		"cp /bin/busybox /busybox-miner && (/busybox-miner sleep 86400 >/dev/null 2>&1 </dev/null &)")
	return err
}
