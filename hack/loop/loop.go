// Package loop takes a cluster from no to yes, as a user would: it plants workloads with plain
// faults, runs the tool, applies the patches that it wrote, runs the commands that it printed,
// does by hand what they say is to be done by hand, and runs the tool again. The end-to-end test
// and the demo share it.
package loop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// The namespaces of the two runs.
const (
	Namespace = "loop"
	// WithScratch holds a workload that has to write files.
	WithScratch = "loop-scratch"
)

// The images: the second is the first with the program in it that the first one installs at its
// start.
const (
	image   = harness.Registry + "/loop/app:1"
	rebuilt = harness.Registry + "/loop/app:2"
	builder = harness.Registry + "/moby/buildkit:v0.20.0"
)

// Serve builds the images and serves them until stop is called. It needs a temporary directory.
// Digests exist only in a registry: an image that is imported into a node has none that could be
// pulled.
func Serve(ctx context.Context, c *harness.Cluster, dir string) (stop func(), err error) {
	tool := filepath.Join(dir, "curl")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho a program that the image carries\n"), 0o755); err != nil { //nolint:gosec // a program
		return nil, err
	}
	first, second := filepath.Join(dir, "app-1.tar"), filepath.Join(dir, "app-2.tar")
	if err := c.Image(ctx, "busybox", "-tag", image, "-out", first); err != nil {
		return nil, err
	}
	if err := c.Image(ctx, "busybox", "-tag", rebuilt, "-out", second, "-file", "/bin/curl="+tool); err != nil {
		return nil, err
	}
	var serve []string
	for name, archive := range map[string]string{image: first, rebuilt: second, builder: first} {
		serve = append(serve, strings.TrimPrefix(name, harness.Registry+"/")+"="+archive)
	}
	return c.Serve(ctx, serve...)
}

// workload is a manifest of a Deployment, DaemonSet or StatefulSet with one container.
func workload(namespace, kind, name, image, command, more string) string {
	fields := map[string]string{"Deployment": "  replicas: 2\n", "StatefulSet": "  serviceName: " + name + "\n"}[kind]
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: %s
metadata: {name: %[2]s, namespace: %s}
spec:
%s  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: app
        image: %[5]s
        command: %s
%s`, kind, name, namespace, fields, image, command, more)
}

const sleep = `["sleep", "86400"]`

// manifests are the workloads of the first run, and a Secret.
func manifests() string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + Namespace + "}\n---\n" +
		strings.Replace(faults.Secret("database", "the loop's first password"), "namespace: "+faults.Namespace, "namespace: "+Namespace, 1) +
		workload(Namespace, "Deployment", "web", image, sleep, "        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: password}}}]\n") +
		workload(Namespace, "DaemonSet", "agent", image, sleep, "        securityContext: {privileged: true}\n") +
		workload(Namespace, "StatefulSet", "store", image, `["sh", "-c", "apk add --no-cache curl; exec sleep 86400"]`, "        securityContext: {runAsUser: 1000}\n") +
		workload(Namespace, "Deployment", "image-builder", builder, sleep, "")
}

// The workloads that stay.
var (
	stay    = []string{"deployment/web", "daemonset/agent", "statefulset/store"}
	scratch = []string{"deployment/cache"}
)

// Plant makes the workloads of the first run. Secrets are written in plaintext.
func Plant(ctx context.Context, c *harness.Cluster) error {
	if err := faults.Encrypt(ctx, c, "identity"); err != nil {
		return err
	}
	if err := faults.RewriteSecrets(ctx, c); err != nil {
		return err
	}
	if err := c.Apply(ctx, manifests()); err != nil {
		return err
	}
	return Started(ctx, c, Namespace, append(slices.Clone(stay), "deployment/image-builder")...)
}

// Started waits until workloads have rolled out.
func Started(ctx context.Context, c *harness.Cluster, namespace string, workloads ...string) error {
	for _, w := range workloads {
		if _, err := c.Kubectl(ctx, "-n", namespace, "rollout", "status", w, "--timeout=120s"); err != nil {
			pods, _ := c.Kubectl(ctx, "-n", namespace, "get", "pods")
			return fmt.Errorf("%w\n%s", err, pods)
		}
	}
	// Pods of the earlier template are still there for a moment, and would be judged.
	return harness.Wait(ctx, "the earlier pods to be gone", 2*time.Minute, func() error {
		out, err := c.Kubectl(ctx, "-n", namespace, "get", "pods", "-o", `jsonpath={range .items[?(@.metadata.deletionTimestamp)]}{.metadata.name} {end}`)
		if err == nil && strings.TrimSpace(out) != "" {
			err = fmt.Errorf("%s end", out)
		}
		return err
	})
}

// ApplyPatches runs apply.sh of a directory that --write-patches made.
func ApplyPatches(ctx context.Context, c *harness.Cluster, dir, mode string) (string, error) {
	result, err := c.Exec(ctx, nil, "sh", filepath.Join(dir, "apply.sh"), mode)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("apply.sh %s: exit status %d: %s", mode, result.Code, bytes.TrimSpace(result.Stderr))
	}
	return string(result.Stdout), err
}

// ByHand does what the texts of the first run say, because no patch can: the builder goes, the
// image carries what was installed at start, and the Secret is a file.
func ByHand(ctx context.Context, c *harness.Cluster) error {
	for _, args := range [][]string{
		{"delete", "deployment", "image-builder", "--cascade=foreground", "--timeout=60s"},
		{"patch", "statefulset", "store", "--type=json", "-p", `[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "` + rebuilt + `"},
			{"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ` + sleep + `}]`},
		{"patch", "deployment", "web", "--type=json", "-p", `[{"op": "remove", "path": "/spec/template/spec/containers/0/env"},
			{"op": "add", "path": "/spec/template/spec/volumes", "value": [{"name": "database", "secret": {"secretName": "database"}}]},
			{"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts", "value": [{"name": "database", "mountPath": "/run/database", "readOnly": true}]}]`},
	} {
		if _, err := c.Kubectl(ctx, append([]string{"-n", Namespace}, args...)...); err != nil {
			return err
		}
	}
	return Started(ctx, c, Namespace, stay...)
}

// Patched applies all patches, and waits until the workloads that stay have started with them.
func Patched(ctx context.Context, c *harness.Cluster, dir, mode string) (string, error) {
	out, err := ApplyPatches(ctx, c, dir, mode)
	if err != nil {
		return out, err
	}
	return out, Started(ctx, c, Namespace, stay...)
}

// PlantScratch makes the workload of the second run: it writes a file each second where its image
// has no volume. The policy that the first run left in place would refuse it, so it only notes
// for now.
func PlantScratch(ctx context.Context, c *harness.Cluster) error {
	if err := Policy(ctx, c, "Audit"); err != nil {
		return err
	}
	err := c.Apply(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+WithScratch+"}\n"+
		workload(WithScratch, "Deployment", "cache", image, `["sh", "-c", "mkdir -p /cache && while echo state >/cache/state; do sleep 1; done"]`, ""))
	if err != nil {
		return err
	}
	return Started(ctx, c, WithScratch, scratch...)
}

// PatchedScratch does the same as Patched for the second run.
func PatchedScratch(ctx context.Context, c *harness.Cluster, dir string) (string, error) {
	out, err := ApplyPatches(ctx, c, dir, "all")
	if err != nil {
		return out, err
	}
	return out, Started(ctx, c, WithScratch, scratch...)
}

// Policy sets what the policy of the patches does: Audit or Deny. The API server takes a moment
// to act on it.
func Policy(ctx context.Context, c *harness.Cluster, action string) error {
	_, err := c.Kubectl(ctx, "patch", "validatingadmissionpolicybinding", policy, "--type=merge", "--patch", `{"spec":{"validationActions":["`+action+`"]}}`)
	if err != nil {
		return err
	}
	return PolicyActs(ctx, c, action)
}

const policy = "checklist-read-only-root"

// writable is a pod that lacks nothing but a read-only root.
const writable = `apiVersion: v1
kind: Pod
metadata: {name: writable, namespace: default}
spec:
  automountServiceAccountToken: false
  containers:
  - name: app
    image: ` + image + `
    securityContext: {allowPrivilegeEscalation: false, runAsUser: 1000, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
`

// PolicyActs waits until the policy lets a pod with a writable root in (Audit), or refuses it
// (Deny).
func PolicyActs(ctx context.Context, c *harness.Cluster, action string) error {
	return harness.Wait(ctx, "the policy to "+action, time.Minute, func() error {
		_, err := c.Verb(ctx, strings.NewReader(writable), "kubectl", "create", "--dry-run=server", "-f", "-")
		refused := err != nil && strings.Contains(err.Error(), policy)
		switch {
		case err != nil && !refused:
			return err
		case refused != (action == "Deny"):
			return fmt.Errorf("a pod with a writable root: refused %t", refused)
		}
		return nil
	})
}

// Remove removes everything of both runs. Secrets are stored as other tests expect it: encrypted,
// by their own key.
func Remove(ctx context.Context, c *harness.Cluster, config string) error {
	var first error
	keep := func(_ string, err error) {
		if first == nil {
			first = err
		}
	}
	keep(c.Kubectl(ctx, "delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", policy, "--ignore-not-found"))
	keep(c.Kubectl(ctx, "delete", "namespace", Namespace, WithScratch, "--ignore-not-found", "--timeout=120s"))
	keep(c.Kubectl(ctx, "label", "namespace", "default", "pod-security.kubernetes.io/enforce-", "pod-security.kubernetes.io/enforce-version-",
		"pod-security.kubernetes.io/warn-", "pod-security.kubernetes.io/warn-version-", "pod-security.kubernetes.io/audit-", "pod-security.kubernetes.io/audit-version-"))
	if config != "" { // the loop's key can still be read, but nothing is written by it
		keep(c.Verb(ctx, strings.NewReader(unencrypted(config)), "encryption", "-"))
		keep("", faults.RewriteSecrets(ctx, c))
	}
	keep("", faults.Encrypt(ctx, c, "aescbc"))
	keep("", faults.RewriteSecrets(ctx, c))
	return first
}

// Answer is the answer of a report to a question, for the workloads.
func Answer(report *api.ChecklistReport, question api.Question) api.AnswerWord {
	for i := range report.Answers {
		if a := &report.Answers[i]; a.Question == question {
			return a.Workloads
		}
	}
	return ""
}

// Step is one step of the commands that --write-patches printed.
type Step struct {
	Number string
	Text   string
	Place  string
	Script string
}

var stepStart = regexp.MustCompile(`(?m)^# (\d+)\. (.*)$`)

// Steps reads a file of commands.
func Steps(file string) ([]Step, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	starts := stepStart.FindAllSubmatchIndex(data, -1)
	var out []Step
	for i, at := range starts {
		end := len(data)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		place, script, _ := strings.Cut(strings.TrimLeft(string(data[at[1]:end]), "\n"), "\n")
		out = append(out, Step{string(data[at[2]:at[3]]), string(data[at[4]:at[5]]), strings.TrimPrefix(place, "# "), strings.TrimSpace(script)})
	}
	return out, nil
}

// Run runs the commands of a file in order, and does what its steps want done by hand. A step that
// it does not know is an error. It returns the EncryptionConfiguration that is in force then, if a
// step made one.
func Run(ctx context.Context, c *harness.Cluster, file string, said func(Step)) (config string, err error) {
	steps, err := Steps(file)
	if err != nil {
		return "", err
	}
	r := runner{c: c}
	for _, step := range steps {
		said(step)
		if err := r.run(ctx, step); err != nil {
			return r.config, fmt.Errorf("%s: step %s: %w", filepath.Base(file), step.Number, err)
		}
	}
	return r.config, nil
}

// tools puts etcdctl and etcdutl on the control plane's node, as an administrator of kubeadm would
// before the step that needs them.
func tools(ctx context.Context, c *harness.Cluster) error {
	for _, name := range []string{"etcdctl", "etcdutl"} {
		found, err := c.Exec(ctx, nil, "sh", "-c", "command -v "+name)
		if err != nil {
			return err
		}
		if _, err := c.Verb(ctx, nil, "node-put", harness.ControlPlane, strings.TrimSpace(string(found.Stdout)), "/usr/bin/"+name); err != nil {
			return err
		}
		if _, err := c.Verb(ctx, nil, "node-exec", harness.ControlPlane, "--", "chmod", "0755", "/usr/bin/"+name); err != nil {
			return err
		}
	}
	return nil
}

type runner struct {
	c      *harness.Cluster
	key    string // the file of the new key, on the node
	config string
}

var keyFile = regexp.MustCompile(`> (\S+\.first)$`)

// counted is the metric for a pod that the policy notes: it has the policy's reason, Invalid.
var counted = regexp.MustCompile(`(?m)^apiserver_validating_admission_policy_check_total\{enforcement_action="audit",error_type="invalid_error",policy="` + policy + `".* [1-9]`)

// variables are what the steps want set.
const variables = "MEMBER=" + harness.ControlPlane + " ADDRESS=10.200.0.11\n"

func (r *runner) run(ctx context.Context, step Step) error {
	switch step.Place {
	case "As root on the node.":
		if strings.Contains(step.Script, "etcdutl") {
			if err := tools(ctx, r.c); err != nil {
				return err
			}
		}
		if _, err := r.c.Verb(ctx, nil, "node-exec", harness.ControlPlane, "--", "sh", "-euc", variables+step.Script); err != nil {
			return err
		}
		if m := keyFile.FindStringSubmatch(step.Script); m != nil {
			r.key = m[1]
		}
		if strings.Contains(step.Script, "snapshot restore") {
			return r.back(ctx)
		}
		return nil
	case "Where kubectl reaches the cluster.":
		result, err := r.c.Exec(ctx, nil, "sh", "-euc", variables+step.Script)
		if err == nil && result.Code != 0 {
			err = fmt.Errorf("exit status %d: %s", result.Code, bytes.TrimSpace(result.Stderr))
		}
		if err != nil {
			return err
		}
		if strings.Contains(step.Script, "StorageVersionMigration") {
			_, err = r.c.Kubectl(ctx, "wait", "--for=condition=Succeeded", "storageversionmigration", "--all", "--timeout=120s")
		}
		return err
	case "By hand.":
		return r.byHand(ctx, step)
	}
	return fmt.Errorf("a place that the loop does not know: %s", step.Place)
}

// back waits until the cluster answers again, with all that watches it.
func (r *runner) back(ctx context.Context) error {
	err := harness.Wait(ctx, "the API server", 3*time.Minute, func() error {
		_, err := r.c.Kubectl(ctx, "get", "--raw", "/readyz")
		return err
	})
	if err != nil {
		return err
	}
	_, err = r.c.Verb(ctx, nil, "settle")
	return err
}

// byHand does what a step says. There is one node with a control plane, one member of etcd, only
// Secrets are encrypted, and nobody made a backup: steps about others are done.
func (r *runner) byHand(ctx context.Context, step Step) error {
	is := func(start string) bool { return strings.HasPrefix(step.Text, start) }
	switch {
	case is("Put the lines of that file into the configuration"):
		key, err := r.c.Verb(ctx, nil, "node-exec", harness.ControlPlane, "--", "cat", r.key)
		if err != nil {
			return err
		}
		r.config = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n" + key + "  - identity: {}\n"
		_, err = r.c.Verb(ctx, nil, "node-exec", harness.ControlPlane, "--", "rm", r.key)
		return err
	case is("Restart each API server"): // the verb writes the configuration, too
		if _, err := r.c.Verb(ctx, strings.NewReader(r.config), "encryption", "-"); err != nil {
			return err
		}
		return r.back(ctx)
	case is("Last, replace each value"):
		_, err := r.c.Kubectl(ctx, "-n", Namespace, "patch", "secret", "database", "--type=merge", "--patch", `{"stringData": {"password": "the second one"}}`)
		return err
	case is("Watch the API servers' audit log"):
		// A policy that is not in force yet lets the pod in, too, and counts nothing.
		return harness.Wait(ctx, "a pod with a writable root in the API server's metrics", time.Minute, func() error {
			if err := PolicyActs(ctx, r.c, "Audit"); err != nil {
				return err
			}
			metrics, err := r.c.Kubectl(ctx, "get", "--raw", "/metrics")
			if err == nil && !counted.MatchString(metrics) {
				err = errors.New("none is counted")
			}
			return err
		})
	case is("Copy the configuration"), is("Do the same for each other resource"), is("Give each etcd member a new data directory"),
		is("Delete older backups elsewhere"), is("Old revisions in etcd"):
		return nil
	}
	return errors.New("the loop does not know how to do this by hand: " + step.Text)
}

// unencrypted makes a configuration that writes plaintext, and reads what another wrote.
func unencrypted(config string) string {
	return strings.Replace(config, "  providers:\n", "  providers:\n  - identity: {}\n", 1)
}
