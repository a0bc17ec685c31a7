package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// testdata/kubeadm holds what kubeadm v1.37.2 wrote for testdata/kubeadm.yaml:
// kubeadm init phase etcd local, and control-plane all.
func TestManifestsAreKubeadms(t *testing.T) {
	// The differences, all of them.
	want := map[string][]string{
		"etcd": {
			"- livenessProbe.initialDelaySeconds 10",
			"- startupProbe.initialDelaySeconds 10",
		},
		"kube-apiserver": {
			"+ command[--encryption-provider-config=/etc/kubernetes/enc/encryption.yaml]",
			"+ volumeMounts[encryption-config].mountPath /etc/kubernetes/enc",
			"+ volumeMounts[encryption-config].name encryption-config",
			"+ volumeMounts[encryption-config].readOnly true",
			"+ volumes[encryption-config].hostPath.path /etc/kubernetes/enc",
			"+ volumes[encryption-config].hostPath.type DirectoryOrCreate",
			"+ volumes[encryption-config].name encryption-config",
			"- livenessProbe.initialDelaySeconds 10",
			"- startupProbe.initialDelaySeconds 10",
		},
		"kube-controller-manager": {
			"+ command[--node-monitor-grace-period=20s]",
			"- livenessProbe.initialDelaySeconds 10",
			"- startupProbe.initialDelaySeconds 10",
		},
		"kube-scheduler": {
			"- livenessProbe.initialDelaySeconds 10",
			"- startupProbe.initialDelaySeconds 10",
		},
	}
	for _, pod := range staticPods(controlPlane()) {
		t.Run(pod.name, func(t *testing.T) {
			golden, err := os.ReadFile(filepath.Join("testdata", "kubeadm", pod.name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			kubeadm, ours := flatten(t, golden), flatten(t, pod.manifest())
			var got []string
			for line := range ours {
				if !kubeadm[line] {
					got = append(got, "+ "+line)
				}
			}
			for line := range kubeadm {
				if !ours[line] {
					got = append(got, "- "+line)
				}
			}
			sort.Strings(got)
			if diff := cmp.Diff(want[pod.name], got); diff != "" {
				t.Errorf("differences from kubeadm's manifest (-want +got):\n%s", diff)
			}
		})
	}
}

// flatten maps a document to lines "path value", with list entries named by
// their name or text.
func flatten(t *testing.T, document []byte) map[string]bool {
	t.Helper()
	var root any
	if err := yaml.Unmarshal(document, &root); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	lines := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				walk(path+"."+key, value)
			}
		case []any:
			for i, value := range v {
				switch entry := value.(type) {
				case string:
					lines[path+"["+entry+"]"] = true
				case map[string]any:
					if name, ok := entry["name"].(string); ok {
						walk(path+"["+name+"]", entry)
						continue
					}
					walk(fmt.Sprintf("%s[%d]", path, i), entry)
				default:
					walk(fmt.Sprintf("%s[%d]", path, i), entry)
				}
			}
		default:
			lines[path+" "+fmt.Sprint(v)] = true
		}
	}
	walk("", root)
	// Each pod has one container: its name is left out.
	short := map[string]bool{}
	for line := range lines {
		line = strings.TrimPrefix(line, ".spec.")
		if rest, ok := strings.CutPrefix(line, "containers["); ok {
			_, line, _ = strings.Cut(rest, "].")
		}
		short[line] = true
	}
	return short
}

func TestPKIHasKubeadmsFilesAndModes(t *testing.T) {
	root := t.TempDir()
	kubelets, err := layControlPlane(root, controlPlane())
	if err != nil {
		t.Fatal(err)
	}
	if len(kubelets) != len(nodes) {
		t.Errorf("expected a kubelet.conf for each of %d nodes, found %d", len(nodes), len(kubelets))
	}
	var got []string
	err = filepath.WalkDir(filepath.Join(root, etcKubernetes), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.Join(root, etcKubernetes), path)
		got = append(got, fmt.Sprintf("%o %s", info.Mode().Perm(), rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// kubeadm init phase certs all and kubeconfig all, less super-admin.conf and
	// the kubelet.conf that layRoot writes, and enc, which is ours.
	want := strings.Fields(`755:.
600:admin.conf 600:controller-manager.conf
700:enc 600:enc/encryption.yaml
700:manifests 600:manifests/etcd.yaml 600:manifests/kube-apiserver.yaml
600:manifests/kube-controller-manager.yaml 600:manifests/kube-scheduler.yaml
755:pki 644:pki/apiserver-etcd-client.crt 600:pki/apiserver-etcd-client.key
644:pki/apiserver-kubelet-client.crt 600:pki/apiserver-kubelet-client.key
644:pki/apiserver.crt 600:pki/apiserver.key 644:pki/ca.crt 600:pki/ca.key
755:pki/etcd 644:pki/etcd/ca.crt 600:pki/etcd/ca.key
644:pki/etcd/healthcheck-client.crt 600:pki/etcd/healthcheck-client.key
644:pki/etcd/peer.crt 600:pki/etcd/peer.key 644:pki/etcd/server.crt 600:pki/etcd/server.key
644:pki/front-proxy-ca.crt 600:pki/front-proxy-ca.key
644:pki/front-proxy-client.crt 600:pki/front-proxy-client.key
600:pki/sa.key 600:pki/sa.pub
600:scheduler.conf`)
	for i := range want {
		want[i] = strings.Replace(want[i], ":", " ", 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files below %s (-want +got):\n%s", etcKubernetes, diff)
	}
}

// dpkg itself reads the second distribution's database, for comparison.
func TestUbuntuDatabaseIsWhatDpkgReads(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("dpkg-query is not on this machine")
	}
	dir := t.TempDir()
	for path, content := range ubuntuFiles() {
		if rest, ok := strings.CutPrefix(path, "/var/lib/dpkg/"); ok {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, rest)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, rest), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := exec.Command("dpkg-query", "--admindir="+dir, "-W", "-f", "${db:Status-Abbrev}${Package} ${Version}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, p := range ubuntuInstalled {
		want = append(want, "ii "+p[0]+" "+p[1])
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
		t.Errorf("dpkg-query -W (-want +got):\n%s", diff)
	}
}

// file(1) knows the same header, and is used for comparison if it is installed.
func TestKernelImageNamesItsVersion(t *testing.T) {
	image := bzImageHeader("5.15.0-91-generic (builder) #101-Ubuntu SMP")
	if got := image[0x202:0x206]; got != "HdrS" {
		t.Errorf("magic at 0x202: found %q", got)
	}
	offset := 0x200 + int(image[0x20e]) + int(image[0x20f])<<8
	if got, _, _ := strings.Cut(image[offset:], "\x00"); got != "5.15.0-91-generic (builder) #101-Ubuntu SMP" {
		t.Errorf("version: found %q", got)
	}
	if _, err := exec.LookPath("file"); err != nil {
		return
	}
	file := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(file, []byte(image), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("file", file).Output(); err != nil || !strings.Contains(string(out), "version 5.15.0-91-generic (builder) #101-Ubuntu SMP") {
		t.Errorf("file(1) says %q %v", out, err)
	}
}

// down finds what is left of a cluster by the prefix, and never removes a foreign
// directory.
func TestRemoveStateRefusesAForeignDirectory(t *testing.T) {
	c := &Cluster{State: t.TempDir()}
	file := filepath.Join(c.State, "mine")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.removeState(); err == nil || !strings.Contains(err.Error(), "expected the file "+marker) {
		t.Errorf("expected a refusal, found %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the foreign file: %v", err)
	}
	if err := os.WriteFile(c.path(marker), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.removeState(); err != nil {
		t.Errorf("with the marker: %v", err)
	}
	if _, err := os.Stat(c.State); !os.IsNotExist(err) {
		t.Errorf("with the marker: the directory is still there, %v", err)
	}
}

func TestKeyChangesWithTheComponents(t *testing.T) {
	source := t.TempDir()
	write := func(module, name, content string) {
		dir := filepath.Join(source, "components", module)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, module := range []string{"kubernetes", "containerd"} {
		write(module, "go.mod", "module x\n")
		write(module, "go.sum", "a h1:1\n")
	}
	c := &Cluster{Source: source}
	first, err := c.key()
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.key()
	if err != nil || again != first {
		t.Errorf("the same files: expected %s, found %s %v", first, again, err)
	}
	write("containerd", "go.sum", "a h1:2\n")
	if changed, err := c.key(); err != nil || changed == first {
		t.Errorf("another go.sum: expected another key than %s, found %s %v", first, changed, err)
	}
	if _, err := (&Cluster{}).key(); err == nil || !strings.Contains(err.Error(), sourceVariable) {
		t.Errorf("no checkout: expected an error that names %s, found %v", sourceVariable, err)
	}
}

func TestNamesOfImage(t *testing.T) {
	const table = `REF                 TYPE                                       DIGEST     SIZE      PLATFORMS   LABELS
example.test/a:v1   application/vnd.oci.image.manifest.v1+json sha256:aaa 1.0 MiB   linux/amd64 -
example.test/b:v1   application/vnd.oci.image.manifest.v1+json sha256:bbb 1.0 MiB   linux/amd64 -
example.test/b:v2   application/vnd.oci.image.manifest.v1+json sha256:bbb 1.0 MiB   linux/amd64 -
sha256:1            application/vnd.oci.image.manifest.v1+json sha256:aaa 1.0 MiB   linux/amd64 -
sha256:2            application/vnd.oci.image.manifest.v1+json sha256:bbb 1.0 MiB   linux/amd64 -
`
	for rule, tc := range map[string]struct {
		ref  string
		want []string
		err  string
	}{
		"the last name takes the ID with it":   {ref: "example.test/a:v1", want: []string{"example.test/a:v1", "sha256:1"}},
		"the ID stays while another name does": {ref: "example.test/b:v1", want: []string{"example.test/b:v1"}},
		"an unknown name is an error":          {ref: "example.test/c:v1", err: `image "example.test/c:v1": expected one of`},
	} {
		t.Run(rule, func(t *testing.T) {
			got, err := namesOfImage(table, tc.ref)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("expected error %q, found %v", tc.err, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}
