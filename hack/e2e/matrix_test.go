//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
)

// The matrix is containers that differ in how they are made. What must be found of each
// is computed from that, by rules that are written here a second time, without the
// plugin's code.

const (
	matrixNamespace = "matrix"
	matrixImage     = "docker.io/library/matrix:1"
)

// cell is one container of the matrix.
type cell struct {
	pod, name string
	security  corev1.SecurityContext
	mounts    []corev1.VolumeMount
	// do is a shell script that runs in it once it is ready.
	do string
	// also changes what must be found: verdicts of checks.
	also map[string]api.Verdict
	host hostNamespaces
}

type hostNamespaces struct{ pid, ipc, network bool }

func (h hostNamespaces) any() bool { return h.pid || h.ipc || h.network }

// matrix makes the cells.
func matrix() []cell {
	var cells []cell
	add := func(pod string, c cell) {
		c.pod = pod
		c.name = fmt.Sprintf("c%02d", len(cells))
		cells = append(cells, c)
	}
	capabilities := []*corev1.Capabilities{
		nil,
		{Drop: []corev1.Capability{"ALL"}},
		{Add: []corev1.Capability{"NET_ADMIN"}},
		{Add: []corev1.Capability{"NET_RAW"}},
		{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"CHOWN"}},
		{Drop: []corev1.Capability{"NET_RAW", "MKNOD"}},
		{Add: []corev1.Capability{"SYS_TIME"}},
		{Add: []corev1.Capability{"SYS_PTRACE"}},
		{Add: []corev1.Capability{"ALL"}},
	}
	for i, c := range capabilities {
		for j, user := range []*int64{nil, ptr(int64(1000))} {
			for k, escalation := range []*bool{nil, ptr(false)} {
				security := corev1.SecurityContext{Capabilities: c, RunAsUser: user, AllowPrivilegeEscalation: escalation}
				switch (i + j + k) % 3 {
				case 0:
					security.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
				case 1:
					security.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
				}
				if (i+k)%2 == 0 {
					security.ReadOnlyRootFilesystem = ptr(true)
				}
				add(fmt.Sprintf("caps%d", i), cell{security: security})
			}
		}
	}
	for i, host := range []hostNamespaces{{pid: true}, {ipc: true}, {network: true}, {true, true, true}} {
		pod := fmt.Sprintf("host%d", i)
		add(pod, cell{host: host, security: hardened(1000)})
		add(pod, cell{host: host, security: corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}}})
	}
	add("privileged", cell{security: corev1.SecurityContext{Privileged: ptr(true)}})
	add("privileged", cell{security: corev1.SecurityContext{Privileged: ptr(true), ReadOnlyRootFilesystem: ptr(true), RunAsUser: ptr(int64(1000))}})
	add("privileged", cell{security: hardened(1000)})
	add("device", cell{security: hardened(1000), mounts: []corev1.VolumeMount{{Name: "tun", MountPath: "/dev/net/tun"}}, also: map[string]api.Verdict{
		"privileged/host-devices": api.Fail,
	}})

	// What can be written and executed, under a read-only root.
	for _, user := range []int64{0, 1000} {
		for _, m := range []struct {
			volume string
			open   bool
		}{{"", false}, {"work", true}, {"memory", true}, {"config", false}} {
			c := cell{security: hardened(user)}
			if m.volume != "" {
				c.mounts = []corev1.VolumeMount{{Name: m.volume, MountPath: "/work"}}
			}
			if m.open || user == 0 {
				c.also = map[string]api.Verdict{"drift/writable-executable-mounts": api.Fail}
			}
			add(fmt.Sprintf("mounts%d", user), c)
		}
	}

	// What happens in a container after it started.
	const (
		running = "drift/running-drifted-executable"
		added   = "immutable/added-executables"
		files   = "drift/drifted-files"
		pkgs    = "immutable/package-database-changed"
	)
	for i, d := range []struct {
		do   string
		fail []string
	}{
		{do: "true"},
		{do: "touch /bin/tool /etc/app.conf"},
		{do: "chmod 0700 /bin/tool; chmod 0600 /etc/app.conf"},
		{do: "chown 1000:1000 /bin/tool"},
		{do: "mkdir -p /var/log /run /var/cache/app; echo a > /var/log/app.log; echo 1 > /run/app.pid; echo b > /var/cache/app/b; echo c > /tmp/c"},
		{do: "cp /bin/odd /opt-tool", fail: []string{added}},
		{do: "cp /bin/odd /opt-tool; /opt-tool wait &", fail: []string{added, running}},
		{do: "echo >> /bin/tool", fail: []string{added}},
		{do: "echo >> /bin/tool; /bin/tool wait &", fail: []string{added, running}},
		{do: "cp /bin/odd /tmp/x; /tmp/x wait & sleep 1; rm /tmp/x", fail: []string{running}},
		{do: "odd memfd wait &", fail: []string{running}},
		{do: "cp /bin/dsleep /tmp/d; chmod 0644 /tmp/d; /lib64/ld-linux-x86-64.so.2 /tmp/d 86400 &", fail: []string{added, running}},
		{do: "cp /lib/x86_64-linux-gnu/libc.so.6 /opt-l.so; odd map=/opt-l.so wait &", fail: []string{added, running}},
		{do: "cp /bin/odd /opt-dormant; chmod 0644 /opt-dormant", fail: []string{added}},
		{do: "chmod 4755 /bin/tool", fail: []string{added}},
		{do: "chmod 4755 /bin/tool; /bin/tool wait &", fail: []string{added, running}},
		{do: "odd caps=/bin/tool", fail: []string{added}},
		{do: "printf '#!/bin/sh\\nsleep 86400\\n' > /opt-s.sh; sh /opt-s.sh &", fail: []string{added, running}},
		{do: "printf '#!/bin/sh\\n:\\n' > /opt-s.sh; chmod 0755 /opt-s.sh", fail: []string{added}},
		{do: "cp /lib/x86_64-linux-gnu/libc.so.6 /opt-l.so; echo /opt-l.so > /etc/ld.so.preload", fail: []string{added}},
		{do: "echo changed >> /etc/app.conf", fail: []string{files}},
		{do: "rm /usr/share/doc/readme", fail: []string{files}},
		{do: "rm /bin/odd2", fail: []string{files}},
		{do: "echo evil:x:0:0::/:/bin/sh >> /etc/passwd", fail: []string{files}},
		{do: "printf 'Package: curl\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 1\\n\\n' >> /var/lib/dpkg/status", fail: []string{pkgs}},
		{do: "mkdir -p /opt; printf 'PK\\003\\004jar' > /opt/x.jar", fail: []string{added}},
		{do: "cp /bin/odd /opt-odd; ln -s /opt-odd /bin/newlink", fail: []string{added}},
		{do: "cp /bin/odd /opt-buildkitd; mkdir -p /opt; mv /opt-buildkitd /opt/buildkitd; /opt/buildkitd wait &", fail: []string{added, running, "builds/build-process"}},
		{do: "odd thread wait &"},
	} {
		c := cell{do: d.do, security: corev1.SecurityContext{AllowPrivilegeEscalation: ptr(false)}, also: map[string]api.Verdict{}}
		for _, check := range d.fail {
			c.also[check] = api.Fail
		}
		if strings.Contains(d.do, "memfd") {
			c.also["builds/build-process"] = api.VerdictUnknown // what it was copied from has no name
		}
		add(fmt.Sprintf("drift%d", i/6), c)
	}
	// The same on mounts.
	readOnly := hardened(0)
	for _, d := range []struct {
		do    string
		mount string
	}{
		{"cp /bin/odd /work/odd; /work/odd wait &", "work"},
		{"cp /bin/odd /work/odd; /work/odd wait &", "memory"},
		{"printf '#!/bin/sh\\nsleep 86400\\n' > /work/s.sh; sh /work/s.sh &", "work"},
		{"cp /bin/odd /dev/odd; /dev/odd wait &", ""},
		{"cp /lib/x86_64-linux-gnu/libc.so.6 /work/l.so; odd map=/work/l.so wait &", "work"},
	} {
		c := cell{do: d.do, security: readOnly, also: map[string]api.Verdict{
			running: api.Fail, "drift/writable-executable-mounts": api.Fail,
			// As the owner of what it has just written.
			"drift/can-write-own-code": pass(strings.Contains(d.do, "map=")),
		}}
		if d.mount != "" {
			c.mounts = []corev1.VolumeMount{{Name: d.mount, MountPath: "/work"}}
		}
		add("mountdrift", c)
	}
	add("userns", cell{
		do: "odd userns wait &", security: corev1.SecurityContext{
			RunAsUser: ptr(int64(1000)), ReadOnlyRootFilesystem: ptr(true),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
		},
		also: map[string]api.Verdict{
			"privileged/effective-capabilities": api.Fail,
			"privileged/runs-as-root":           api.Pass, // still the declared user of the node
			"drift/writable-executable-mounts":  api.Fail, // as root there it can mount
		},
	})
	return cells
}

func hardened(user int64) corev1.SecurityContext {
	return corev1.SecurityContext{
		RunAsUser: ptr(user), AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func ptr[T any](v T) *T { return &v }

// containerdDefault are the capabilities that containerd gives where nothing is declared.
var containerdDefault = []string{
	"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
	"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
}

// bounding is what its processes may ever hold, by name; all for every capability.
func (c *cell) bounding() (held map[string]bool, all bool) {
	if c.security.Privileged != nil && *c.security.Privileged {
		return nil, true
	}
	held = map[string]bool{}
	for _, name := range containerdDefault {
		held[name] = true
	}
	if c.security.Capabilities != nil {
		for _, name := range c.security.Capabilities.Drop {
			if name == "ALL" {
				clear(held)
			}
			delete(held, string(name))
		}
		for _, name := range c.security.Capabilities.Add {
			if name == "ALL" {
				return nil, true
			}
			held[string(name)] = true
		}
	}
	return held, false
}

func pass(ok bool) api.Verdict {
	if ok {
		return api.Pass
	}
	return api.Fail
}

func (c *cell) root() bool { return c.security.RunAsUser == nil || *c.security.RunAsUser == 0 }

// want computes what must be found.
func (c *cell) want() map[string]api.Verdict {
	held, all := c.bounding()
	extra := all
	for name := range held {
		extra = extra || !slices.Contains(containerdDefault, name)
	}
	noNewPrivs := c.security.AllowPrivilegeEscalation != nil && !*c.security.AllowPrivilegeEscalation
	privileged := c.security.Privileged != nil && *c.security.Privileged
	seccomp := c.security.SeccompProfile
	readOnly := c.security.ReadOnlyRootFilesystem != nil && *c.security.ReadOnlyRootFilesystem
	writes := slices.ContainsFunc(c.mounts, func(m corev1.VolumeMount) bool { return m.Name == "work" || m.Name == "memory" })
	out := map[string]api.Verdict{
		"privileged/privileged-container":    pass(!privileged),
		"privileged/runs-as-root":            pass(!c.root()),
		"privileged/privilege-escalation":    pass(noNewPrivs),
		"privileged/seccomp":                 pass(!privileged && seccomp != nil && seccomp.Type == corev1.SeccompProfileTypeRuntimeDefault),
		"privileged/host-devices":            pass(!privileged),
		"privileged/host-namespaces":         pass(!c.host.any()),
		"drift/writable-root":                pass(readOnly),
		"immutable/writable-root":            pass(readOnly),
		"drift/running-drifted-executable":   api.Pass,
		"immutable/added-executables":        api.Pass,
		"drift/drifted-files":                api.Pass,
		"immutable/package-database-changed": api.Pass,
		"builds/build-process":               api.Pass,
		"drift/writable-executable-mounts":   pass(!c.root() && !writes),
		"drift/can-write-own-code":           pass(!c.root() || readOnly),
	}
	// A process that holds nothing can gain what its bounding set has, unless
	// NoNewPrivs is set. NET_RAW is low even where the runtime gives it.
	out["privileged/effective-capabilities"] = pass(!(extra && !(!c.root() && noNewPrivs)) && !(c.root() && (all || held["NET_RAW"])))
	if c.host.ipc {
		out["drift/writable-executable-mounts"] = api.Fail // the node's /dev/shm is not noexec
	}
	if caps := c.security.Capabilities; caps != nil {
		added := slices.ContainsFunc(caps.Add, func(name corev1.Capability) bool {
			return name == "NET_RAW" || !slices.Contains(containerdDefault, string(name))
		})
		out["privileged/added-capabilities"] = pass(!added)
	}
	maps.Copy(out, c.also)
	if out["immutable/added-executables"] == api.Fail {
		out["drift/drifted-files"] = api.Fail
	}
	return out
}

// objects are the pods of the cells.
func objects(cells []cell) []corev1.Pod {
	var pods []corev1.Pod
	for i := range cells {
		c := &cells[i]
		if len(pods) == 0 || pods[len(pods)-1].Name != c.pod {
			pods = append(pods, corev1.Pod{
				TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
				ObjectMeta: metav1.ObjectMeta{Name: c.pod, Namespace: matrixNamespace},
				Spec: corev1.PodSpec{
					NodeName: []string{harness.Worker, harness.OtherWorker}[len(pods)%2], AutomountServiceAccountToken: ptr(false),
					EnableServiceLinks: ptr(false), TerminationGracePeriodSeconds: ptr(int64(0)),
					HostPID: c.host.pid, HostIPC: c.host.ipc, HostNetwork: c.host.network,
					Volumes: []corev1.Volume{
						{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
						{Name: "memory", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: ptr(resource.MustParse("16Mi"))}}},
						{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "matrix"}}}},
						{Name: "tun", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/dev/net/tun"}}},
					},
				},
			})
		}
		pod := &pods[len(pods)-1]
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: c.name, Image: matrixImage, ImagePullPolicy: corev1.PullNever, Command: []string{"odd", "wait"},
			SecurityContext: &c.security, VolumeMounts: c.mounts,
		})
	}
	return pods
}

// matrixImageOnNodes builds the image of the matrix and puts it on every node.
func matrixImageOnNodes(t *testing.T, ctx context.Context) {
	t.Helper()
	dir := t.TempDir()
	odd := filepath.Join(dir, "odd")
	build := exec.CommandContext(ctx, "go", "build", "-o", odd, "./testdata/odd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(content), 0o644))
		return file
	}
	archive := filepath.Join(dir, "matrix.tar")
	args := []string{"busybox", "-tag", matrixImage, "-out", archive}
	for at, source := range map[string]string{
		"/bin/odd": odd, "/bin/odd2": odd, "/bin/tool": odd, "/bin/dsleep": "/usr/bin/sleep",
		"/lib64/ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6",
		"/etc/app.conf": write("conf", "a = b\n"), "/etc/passwd": write("passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"),
		"/usr/share/doc/readme": write("readme", "read\n"),
		"/var/lib/dpkg/status":  write("status", "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4\n\n"),
	} {
		args = append(args, "-file", at+"="+source)
	}
	must(t, cluster.Image(ctx, args...))
	_, err := cluster.Verb(ctx, nil, "import-image", archive)
	must(t, err)
}

// Every container of the matrix gets the verdicts that follow from how it was made, and
// what the kernel says of its processes is what pscap, getpcaps and capsh say.
func TestMatrix(t *testing.T) {
	ctx := testContext(t, 15*time.Minute)
	matrixImageOnNodes(t, ctx)
	cells := matrix()
	must(t, cluster.Apply(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+matrixNamespace+"}\n---\n"+
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: matrix, namespace: "+matrixNamespace+"}\ndata: {a: b}\n"))
	t.Cleanup(func() {
		_, err := cluster.Kubectl(context.WithoutCancel(ctx), "delete", "namespace", matrixNamespace, "--ignore-not-found", "--timeout=120s")
		if err != nil {
			t.Error(err)
		}
	})
	must(t, harness.Wait(ctx, "the service account", 2*time.Minute, func() error {
		_, err := cluster.Kubectl(ctx, "-n", matrixNamespace, "get", "serviceaccount", "default")
		return err
	}))
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: objects(cells)}
	manifest, err := json.Marshal(list)
	must(t, err)
	must(t, cluster.Apply(ctx, string(manifest)))
	_, err = cluster.Kubectl(ctx, "-n", matrixNamespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s")
	must(t, err)
	for _, c := range cells {
		if c.do == "" {
			continue
		}
		// In the background, so that what it starts has no terminal and no pipe of ours.
		script := "(" + c.do + "\n) </dev/null >/dev/null 2>/tmp/.err; sleep 1; cat /tmp/.err 2>/dev/null; rm -f /tmp/.err"
		if c.security.ReadOnlyRootFilesystem != nil {
			script = "(" + c.do + "\n) </dev/null >/dev/null 2>/dev/null; sleep 1"
		}
		out, err := cluster.Kubectl(ctx, "-n", matrixNamespace, "exec", c.pod, "-c", c.name, "--", "sh", "-c", script)
		if err != nil || strings.TrimSpace(out) != "" {
			t.Fatalf("%s %s: %v: %s", c.name, c.do, err, out)
		}
	}

	file := filepath.Join(t.TempDir(), "facts.json")
	report := reportOf(t, ctx, "pods", "-n", matrixNamespace, "--measure", "--save-facts", file)
	got := map[string]map[string]api.Finding{} // by container
	for _, f := range report.Findings {
		if f.Subject.Namespace != matrixNamespace {
			continue
		}
		key := f.Subject.Name + "/" + f.Subject.Container
		if got[key] == nil {
			got[key] = map[string]api.Finding{}
		}
		got[key][f.Check] = f
	}
	verdicts, disagreements := 0, 0
	for _, c := range cells {
		for _, check := range slices.Sorted(maps.Keys(c.want())) {
			want := c.want()[check]
			f, found := got[c.pod+"/"+c.name][check]
			if !found {
				f, found = got[c.pod+"/"][check] // of the pod
			}
			verdicts++
			if !found || f.Verdict != want {
				disagreements++
				t.Errorf("%s/%s (%s) %s: found %q (%s %s), want %s", c.pod, c.name, describeCell(&c), check, f.Verdict, f.Severity, f.Message, want)
			}
		}
	}
	t.Logf("%d containers, %d verdicts, %d disagreements", len(cells), verdicts, disagreements)
	comparePrograms(t, ctx, file, cells)
}

func describeCell(c *cell) string {
	text, err := json.Marshal(c.security)
	if err != nil {
		return err.Error()
	}
	return string(text) + " " + c.do
}

// comparePrograms compares the masks in the facts with what getpcaps, pscap and capsh
// print on the node.
func comparePrograms(t *testing.T, ctx context.Context, file string, cells []cell) {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	var facts api.ChecklistFacts
	must(t, json.Unmarshal(data, &facts))
	compared := 0
	decoded := map[uint64]string{}
	for _, node := range facts.Facts.Nodes {
		if node.Measured == nil {
			continue
		}
		lines, err := cluster.Verb(ctx, nil, "node-exec", node.Name, "--", "pscap", "-a")
		must(t, err)
		listed := map[string]bool{}
		for line := range strings.Lines(lines) {
			if words := strings.Fields(line); len(words) > 1 {
				listed[words[1]] = true
			}
		}
		for _, container := range node.Measured.Containers {
			for _, p := range container.Processes {
				if !inMatrix(&facts.Facts, container.PodUID) {
					continue
				}
				plain, err := cluster.Verb(ctx, nil, "node-exec", node.Name, "--", "getpcaps", fmt.Sprint(p.PID))
				must(t, err)
				wantEff, wantPrm := parsePcaps(t, plain)
				eff, _ := p.CapEff.Bits()
				prm, _ := p.CapPrm.Bits()
				if eff != wantEff || prm != wantPrm {
					t.Errorf("node %s pid %d (%s): CapEff %s CapPrm %s, getpcaps says %s", node.Name, p.PID, p.Comm, p.CapEff, p.CapPrm, plain)
				}
				if listed[fmt.Sprint(p.PID)] != (prm != 0) {
					t.Errorf("node %s pid %d: CapPrm %s, listed by pscap: %v", node.Name, p.PID, p.CapPrm, listed[fmt.Sprint(p.PID)])
				}
				if _, done := decoded[eff]; !done {
					decoded[eff], err = cluster.Verb(ctx, nil, "node-exec", node.Name, "--", "capsh", "--decode="+p.CapEff.String())
					must(t, err)
					var names []string
					for n := capability.Number(0); n < 41; n++ {
						if eff&n.Mask() != 0 {
							names = append(names, "cap_"+strings.ToLower(n.String()))
						}
					}
					_, text, _ := strings.Cut(strings.TrimSpace(decoded[eff]), "=")
					if text != strings.Join(names, ",") {
						t.Errorf("CapEff %s: capsh says %s, we say %s", p.CapEff, text, names)
					}
				}
				compared++
			}
		}
	}
	t.Logf("%d processes and %d masks equal what getpcaps, pscap and capsh say", compared, len(decoded))
	if compared < len(cells) {
		t.Errorf("compared %d processes of %d containers", compared, len(cells))
	}
}

func inMatrix(set *fact.Set, uid string) bool {
	for i := range set.Workloads {
		if set.Workloads[i].Owner.Namespace != matrixNamespace {
			continue
		}
		for j := range set.Workloads[i].Pods {
			if set.Workloads[i].Pods[j].UID == uid {
				return true
			}
		}
	}
	return false
}
