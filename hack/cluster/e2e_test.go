package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The end-to-end test of the harness runs its own cluster, with another prefix and state
// directory, so that a cluster in use does not change. It runs only with CHECKLIST_E2E=1,
// as root.
//
//	CHECKLIST_E2E=1 go test -C hack/cluster -run E2E -v -count=1 -timeout 20m .
func TestClusterE2E(t *testing.T) {
	if os.Getenv("CHECKLIST_E2E") != "1" {
		t.Skip("set CHECKLIST_E2E=1: this starts a whole cluster, as root")
	}
	prefix, bridgeNetns = testPrefix, testPrefix+"net"
	t.Setenv(prefixVariable, testPrefix)
	t.Setenv(stateVariable, testState)
	h := newHarness(t)
	t.Cleanup(func() { h.run("down") })
	h.run("down")
	h.run("down") // safe when nothing is there
	before := machine(t)

	// Times are figures for people: how fast a machine is no test can know.
	begun := time.Now()
	h.run("up")
	t.Logf("up, binaries cached: %.1fs", time.Since(begun).Seconds())
	begun = time.Now()
	h.run("up")
	t.Logf("up, already up: %.1fs", time.Since(begun).Seconds())

	for name, step := range []struct {
		name string
		test func(*testing.T, harness)
	}{
		{"three nodes are Ready and the control plane is made of static pods", testNodes},
		{"a pod runs, logs and exec work", testPod},
		{"nodes differ in their files, not in the machine's", testFiles},
		{"a planted update is what apt-get sees", testUpdates},
		{"encryption switches on, a refused configuration does not stay", testEncryption},
		{"images are imported, listed, removed and pulled", testImages},
		{"a stopped node is gone and comes back with its disk", testStopNode},
		{"a snapshot holds what is in etcd", testSnapshot},
		{"wrong arguments get an error that says what was expected", testErrors},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.test(t, h.in(t)) }) {
			t.Logf("step %d failed; the other steps still run", name)
		}
	}

	t.Run("up repairs a cluster whose processes were all killed", func(t *testing.T) {
		h := h.in(t)
		h.run("kubectl", "create", "configmap", "kept", "-n", "default")
		for _, n := range nodes {
			pid, err := strconv.Atoi(strings.TrimSpace(h.run("node-pid", n.Name)))
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := h.try("status"); err == nil {
			t.Errorf("status of a dead cluster: expected exit status 1, found 0\n%s", out)
		}
		h.run("up")
		h.run("status")
		h.run("kubectl", "get", "configmap", "kept", "-n", "default")
		h.run("kubectl", "delete", "configmap", "kept", "-n", "default")
	})

	t.Run("down removes a half-made cluster", func(t *testing.T) {
		h := h.in(t)
		h.run("down")
		for _, after := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second, 4 * time.Second, 10 * time.Second} {
			up := exec.Command(h.binary, "up")
			if err := up.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after) // samples of how far it came, of which nothing here depends
			if err := up.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = up.Wait()
			begun := time.Now()
			h.run("down")
			t.Logf("down of a cluster whose up was killed after %s: %.1fs", after, time.Since(begun).Seconds())
			compareMachine(t, before)
		}
	})

	t.Run("down leaves nothing, clients in its namespaces included", func(t *testing.T) {
		h := h.in(t)
		h.run("up")
		client := exec.Command(h.binary, "exec", "--", "sh", "-c", "echo; exec sleep 1000")
		stdout, err := client.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil { // it runs
			t.Fatal(err)
		}
		pids := clusterProcesses(t)
		if len(pids) < 20 {
			t.Fatalf("expected the cluster's processes, found %d", len(pids))
		}
		begun := time.Now()
		h.run("down")
		t.Logf("down: %.1fs", time.Since(begun).Seconds())
		_ = client.Wait()
		for _, pid := range pids {
			if now, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid.pid)); err == nil && strings.Contains(string(now), " "+pid.start+" ") {
				t.Errorf("process %d is left: %s", pid.pid, now)
			}
		}
		compareMachine(t, before)
	})
}

const (
	testPrefix = "kltest-"
	testState  = "/var/lib/kubectl-checklist-cluster-test"
)

func testNodes(t *testing.T, h harness) {
	got := h.run("kubectl", "get", "nodes", "--no-headers", "-o", `custom-columns=A:.metadata.name,B:.status.nodeInfo.kubeletVersion,C:.status.nodeInfo.osImage,D:.status.nodeInfo.containerRuntimeVersion,E:.spec.taints[*].key`)
	for _, want := range []string{"cp1 v1.37.2", "w1 v1.37.2", "w2 v1.37.2 Ubuntu 22.04.3 LTS containerd://2.3.7", "node-role.kubernetes.io/control-plane"} {
		if !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
			t.Errorf("nodes: expected %q in\n%s", want, got)
		}
	}
	h.eventually("etcd-cp1 kube-apiserver-cp1 kube-controller-manager-cp1 kube-scheduler-cp1",
		"kubectl", "get", "pods", "-n", "kube-system", "-l", "tier=control-plane", "-o", "jsonpath={.items[*].metadata.name}")
	if got := strings.TrimSpace(h.run("node-exec", "cp1", "--", "stat", "-c", "%a", "/var/lib/etcd")); got != "700" {
		t.Errorf("mode of /var/lib/etcd: expected 700, found %s", got)
	}
	if got := h.run("node-exec", "cp1", "--", "ls", "/etc/kubernetes/manifests"); got != "etcd.yaml\nkube-apiserver.yaml\nkube-controller-manager.yaml\nkube-scheduler.yaml\n" {
		t.Errorf("manifests: found %q", got)
	}
}

const testPodYAML = `apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: %s
    imagePullPolicy: %s
    command: [sh, -c, "echo on $HOSTNAME; sleep 100000"]
`

func testPod(t *testing.T, h harness) {
	h.input(fmt.Sprintf(testPodYAML, "harness", "w1", busyboxImage, "Never"), "kubectl", "apply", "-f", "-")
	defer h.run("kubectl", "delete", "pod", "harness", "-n", "default", "--wait")
	h.run("kubectl", "wait", "--for=condition=Ready", "pod/harness", "-n", "default", "--timeout=60s")
	if got := h.run("kubectl", "logs", "harness", "-n", "default"); got != "on harness\n" {
		t.Errorf("logs: expected %q, found %q", "on harness\n", got)
	}
	// Under chroot instead of pivot_root this would show the machine's root.
	if got := h.run("kubectl", "exec", "harness", "-n", "default", "--", "ls", "/"); strings.Contains(got, "boot") {
		t.Errorf("exec: expected the container's root, found %q", got)
	}
	podIP := h.run("kubectl", "get", "pod", "harness", "-n", "default", "-o", "jsonpath={.status.podIP}")
	h.run("node-exec", "w2", "--", "busybox", "ping", "-c", "1", "-W", "3", podIP)
}

func testFiles(t *testing.T, h harness) {
	if got := h.run("node-exec", "w2", "--", "sh", "-c", ". /etc/os-release; echo $ID $VERSION_ID; hostname; pwd"); got != "ubuntu 22.04\nw2\n/\n" {
		t.Errorf("w2: found %q", got)
	}
	h.input("planted\n", "node-put", "w1", "-", "/opt/new/dir/file", "--mode", "0750")
	if got := h.run("node-exec", "w1", "--", "sh", "-c", "cat /opt/new/dir/file; stat -c %a /opt/new/dir/file; ls -A /opt/new/dir"); got != "planted\n750\nfile\n" {
		t.Errorf("node-put: found %q", got)
	}
	if _, err := os.Stat("/opt/new"); err == nil {
		t.Error("node-put wrote to the machine's own root")
	}
	h.run("node-rm", "w1", "/opt/new")
	if out, err := h.try("node-exec", "w1", "--", "test", "-e", "/opt/new"); err == nil {
		t.Errorf("node-rm: the directory is still there %s", out)
	}
	// A node must not see the machine's caches, checkout and other nodes.
	cache, _ := os.UserCacheDir()
	for _, dir := range []string{testState, defaultState, filepath.Join(cache, "kubectl-checklist", "cluster"), filepath.Dir(filepath.Dir(sourceDir())), "/tmp"} {
		if got := h.run("node-exec", "w1", "--", "find", dir, "-mindepth", "1", "-not", "-path", "*/.cache*", "-print"); got != "" {
			t.Errorf("node w1 sees below %s: %s", dir, got)
		}
	}
}

func testUpdates(t *testing.T, h harness) {
	const list = ubuntuSecurityLists + "_jammy-security_main_binary-amd64_Packages"
	pending := func() string {
		out := h.run("node-exec", "w2", "--", "apt-get", "-s", "dist-upgrade")
		var lines []string
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "Inst ") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		return strings.Join(lines, "\n")
	}
	if got := pending(); got != "" {
		t.Errorf("as installed: expected nothing pending, found %s", got)
	}
	h.input(ubuntuPackages([][3]string{{"openssl", "3.0.2-0ubuntu1.14", "utils"}}), "node-put", "w2", "-", list)
	defer h.input(ubuntuPackages(nil), "node-put", "w2", "-", list)
	if got := pending(); !strings.HasPrefix(got, "Inst openssl [3.0.2-0ubuntu1.12] (3.0.2-0ubuntu1.14 ") || strings.Count(got, "\n") != 0 {
		t.Errorf("planted openssl: found %q", got)
	}
}

const aescbc = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: key1, secret: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=}]}
  - identity: {}
`

func testEncryption(t *testing.T, h harness) {
	stored := func(name string) string {
		return h.run("etcdctl", "get", "--print-value-only", "/registry/secrets/default/"+name)
	}
	h.run("kubectl", "create", "secret", "generic", "plain", "-n", "default", "--from-literal=k=v")
	begun := time.Now()
	h.input(aescbc, "encryption", "-")
	t.Logf("encryption switched on: %.1fs", time.Since(begun).Seconds())
	h.run("kubectl", "create", "secret", "generic", "sealed", "-n", "default", "--from-literal=k=v")
	if got := stored("plain"); !strings.HasPrefix(got, "k8s\x00") {
		t.Errorf("before: expected the protobuf prefix, found %.20q", got)
	}
	if got := stored("sealed"); !strings.HasPrefix(got, "k8s:enc:aescbc:v1:key1:") {
		t.Errorf("after: expected the aescbc prefix, found %.20q", got)
	}
	out, err := h.tryInput("kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources: []\n", "encryption", "-")
	if err == nil || !strings.Contains(out, "earlier configuration is back") {
		t.Errorf("an empty configuration: expected an error, found %v %s", err, out)
	}
	h.run("kubectl", "get", "secret", "sealed", "-n", "default")
	h.run("kubectl", "delete", "secret", "plain", "sealed", "-n", "default")
	h.input(identityOnly, "encryption", "-")
	begun = time.Now()
	h.run("settle")
	t.Logf("settled after five restarts and more: %.1fs", time.Since(begun).Seconds())
}

func testImages(t *testing.T, h harness) {
	dir := t.TempDir()
	entry := strings.TrimSpace(h.run("build"))
	image := filepath.Join(dir, "image")
	build := exec.Command("go", "build", "-C", filepath.Join(sourceDir(), "..", "image"), "-buildvcs=false", "-o", image, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive := filepath.Join(dir, "etcdctl.tar")
	make := exec.Command(image, "binary", "-binary", filepath.Join(entry, "bin", "etcdctl"), "-path", "/bin/etcdctl", "-tag", "example.test/etcdctl:v1", "-out", archive)
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.run("import-image", archive, "w1", "w2")
	has := func(node string) bool {
		return slices.Contains(strings.Fields(h.run("images", node)), "example.test/etcdctl:v1")
	}
	if !has("w1") || !has("w2") || has("cp1") {
		t.Errorf("imported into w1 and w2: w1 %t, w2 %t, cp1 %t", has("w1"), has("w2"), has("cp1"))
	}
	h.run("rm-image", "example.test/etcdctl:v1", "w1", "w2")
	if has("w1") {
		t.Error("rm-image: the image is still there")
	}

	serve := exec.Command(h.binary, "exec", "--", image, "serve", "-addr", bridgeIP+":5000", "pulled:v1="+filepath.Join(entry, "images", "busybox.tar"))
	var log bytes.Buffer
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = serve.Process.Signal(unix.SIGTERM)
		_ = serve.Wait()
	}()
	h.input(fmt.Sprintf(testPodYAML, "pulled", "w1", bridgeIP+":5000/pulled:v1", "Always"), "kubectl", "apply", "-f", "-")
	h.input(fmt.Sprintf(testPodYAML, "absent", "w1", bridgeIP+":5000/absent:v1", "Always"), "kubectl", "apply", "-f", "-")
	defer h.run("kubectl", "delete", "pod", "pulled", "absent", "-n", "default")
	h.run("kubectl", "wait", "--for=condition=Ready", "pod/pulled", "-n", "default", "--timeout=60s")
	h.eventually("Err", "kubectl", "get", "pod", "absent", "-n", "default", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
}

func testStopNode(t *testing.T, h harness) {
	h.input("kept\n", "node-put", "w2", "-", "/etc/kept")
	h.input(fmt.Sprintf(testPodYAML, "on-w2", "w2", busyboxImage, "Never"), "kubectl", "apply", "-f", "-")
	defer h.run("kubectl", "delete", "pod", "on-w2", "-n", "default", "--force", "--grace-period=0")
	h.run("kubectl", "wait", "--for=condition=Ready", "pod/on-w2", "-n", "default", "--timeout=60s")
	begun := time.Now()
	h.run("stop-node", "w2")
	t.Logf("stop-node: %.1fs", time.Since(begun).Seconds())
	if pids, err := processesIn(prefix + "w2"); err != nil || len(pids) > 0 {
		t.Errorf("processes of w2: %v %v", pids, err)
	}
	if out, err := h.try("node-exec", "w2", "--", "true"); err == nil || !strings.Contains(out, "not running") {
		t.Errorf("node-exec on a stopped node: %v %s", err, out)
	}
	h.eventually("Unknown", "kubectl", "get", "node", "w2", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	t.Logf("NotReady %.0fs after the stop", time.Since(begun).Seconds())
	begun = time.Now()
	h.run("start-node", "w2")
	t.Logf("start-node: %.1fs", time.Since(begun).Seconds())
	if got := h.run("node-exec", "w2", "--", "cat", "/etc/kept"); got != "kept\n" {
		t.Errorf("the node's disk: found %q", got)
	}
	h.run("node-rm", "w2", "/etc/kept")
	h.run("kubectl", "wait", "--for=condition=Ready", "pod/on-w2", "-n", "default", "--timeout=90s")
}

func testSnapshot(t *testing.T, h harness) {
	file := filepath.Join(t.TempDir(), "etcd.db")
	h.run("etcd-snapshot", file)
	if got := h.run("etcdutl", "snapshot", "status", file); !strings.Contains(got, ",") && !strings.Contains(got, "HASH") {
		t.Errorf("snapshot status: found %q", got)
	}
}

func testErrors(t *testing.T, h harness) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"node-pid", "w9"}, `node "w9": expected one of [cp1 w1 w2]`},
		{[]string{"node-put", "w1", "/etc/hostname", "relative"}, `destination "relative": expected an absolute path`},
		{[]string{"node-put", "w1", "/etc", "/opt/x"}, "/etc: expected a regular file"},
		{[]string{"node-put", "w1", "/etc/hostname", "/opt/x", "--mode", "999"}, `--mode "999": expected octal`},
		{[]string{"node-rm", "w1", "/"}, `path "/": expected an absolute path below /`},
		{[]string{"import-image", "/etc/hostname", "w1"}, "importing /etc/hostname into node w1"},
		{[]string{"encryption", "/etc/hostname"}, "expected kind EncryptionConfiguration"},
		{[]string{"nonsense"}, `unknown command "nonsense"`},
	} {
		if out, err := h.try(tc.args...); err == nil || !strings.Contains(out, tc.want) {
			t.Errorf("%v: expected an error with %q, found %v\n%s", tc.args, tc.want, err, out)
		}
	}
}

// harness runs the built program's verbs as a user does.
type harness struct {
	t      *testing.T
	binary string
}

func newHarness(t *testing.T) harness {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "cluster")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the harness: %v\n%s", err, out)
	}
	return harness{t, binary}
}

func (h harness) in(t *testing.T) harness { return harness{t, h.binary} }

func (h harness) tryInput(stdin string, args ...string) (string, error) {
	cmd := exec.Command(h.binary, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

func (h harness) try(args ...string) (string, error) { return h.tryInput("", args...) }

func (h harness) input(stdin string, args ...string) string {
	h.t.Helper()
	out, err := h.tryInput(stdin, args...)
	if err != nil {
		h.t.Fatalf("cluster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (h harness) run(args ...string) string {
	h.t.Helper()
	return h.input("", args...)
}

// eventually waits until the command prints something that contains want. A
// cluster has no clock but the machine's: the limit only ends what hangs.
func (h harness) eventually(want string, args ...string) string {
	h.t.Helper()
	const limit = 5 * time.Minute
	deadline := time.Now().Add(limit)
	for {
		out, err := h.try(args...)
		if err == nil && strings.Contains(out, want) {
			return out
		}
		if time.Now().After(deadline) {
			h.t.Errorf("cluster %s: waited %s for %q, found %v %q", strings.Join(args, " "), limit, want, err, out)
			return out
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// machine returns what down must leave unchanged.
func machine(t *testing.T) map[string][]string {
	t.Helper()
	state := map[string][]string{}
	add := func(what string, items []string) {
		slices.Sort(items)
		state[what] = items
	}
	all, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var mounts []string
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, prefix) || strings.Contains(line, testState) {
			mounts = append(mounts, line)
		}
	}
	add("mounts", mounts)
	glob := func(pattern string) []string {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	add("network namespaces", glob(netnsDir+"/"+prefix+"*"))
	add("interfaces", glob("/sys/class/net/*"))
	trees, err := cgroupTrees("*")
	if err != nil {
		t.Fatal(err)
	}
	var cgroups []string
	for _, tree := range trees {
		_ = walkGone(tree, func(dir string) {
			if strings.Contains(dir, prefix) {
				cgroups = append(cgroups, dir)
			}
		})
	}
	add("cgroups", cgroups)
	var processes []string
	for _, p := range clusterProcesses(t) {
		processes = append(processes, strconv.Itoa(p.pid)+" "+p.name)
	}
	add("processes", processes)
	add("state", glob(testState+"*"))
	return state
}

func compareMachine(t *testing.T, before map[string][]string) {
	t.Helper()
	after := machine(t)
	for what, was := range before {
		if !slices.Equal(was, after[what]) {
			t.Errorf("%s: before %q, after %q", what, was, after[what])
		}
	}
}

type process struct {
	pid         int
	start, name string
}

// clusterProcesses finds the cluster's processes in two ways: by cgroup and network
// namespace, and by a root file system in the cluster's state.
func clusterProcesses(t *testing.T) []process {
	t.Helper()
	pids := map[int]bool{}
	inCgroups, err := processesIn(prefix + "*")
	if err != nil {
		t.Fatal(err)
	}
	inNetns, err := processesInNetns()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range slices.Concat(inCgroups, inNetns) {
		pids[pid] = true
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		mounts, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "mountinfo"))
		if bytes.Contains(mounts, []byte("upperdir="+testState+"/")) {
			pids[pid] = true
		}
	}
	var found []process
	for pid := range pids {
		if _, start, err := processStat(pid); err == nil {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			found = append(found, process{pid, start, strings.TrimSpace(string(comm))})
		}
	}
	slices.SortFunc(found, func(a, b process) int { return a.pid - b.pid })
	return found
}
