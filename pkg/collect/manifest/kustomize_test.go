package manifest

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// asBuilder makes a test binary do what the plugin's hidden command does.
const asBuilder = "build-kustomization"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asBuilder {
		if err := BuildKustomization(os.Args[2], os.Stdout); err != nil {
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func builder(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, asBuilder}
}

// What kustomize cannot build is explained from its files, in words of ours.
func TestKustomizationErrors(t *testing.T) {
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: CANARY}\n"
	const unexplained = "k: kustomize cannot build it; kubectl kustomize shows the reason, but it may also show values"
	pod := object("v1", "Pod", "a", "spec: "+spec)
	for name, tc := range map[string]struct {
		in   map[string]string
		want string
	}{
		"no such directory":           {nil, "k: no such file or directory"},
		"a file":                      {map[string]string{"k": "CANARY"}, "k: expected a directory with a kustomization.yaml, found a file"},
		"a directory without one":     {map[string]string{"k/pod.yaml": pod}, "k: expected a directory with a kustomization.yaml, found none"},
		"two of them":                 {map[string]string{"k/kustomization.yaml": "", "k/kustomization.yml": ""}, "k: expected one kustomization, found kustomization.yaml and kustomization.yml"},
		"one that is not YAML":        {map[string]string{"k/kustomization.yaml": "resources:\n- a: CANARY: x\n"}, "k/kustomization.yaml: line 2: not valid YAML: a colon where no key can be"},
		"one that is a list":          {map[string]string{"k/kustomization.yaml": "- CANARY\n"}, "k/kustomization.yaml: line 1: expected a kustomization, found another kind of YAML"},
		"resources that are text":     {map[string]string{"k/kustomization.yaml": "namespace: a\nresources: CANARY\n"}, "k/kustomization.yaml: line 2: resources: expected a list, found a string"},
		"a resource that is a map":    {map[string]string{"k/kustomization.yaml": "resources:\n- pod.yaml\n- {a: CANARY}\n", "k/pod.yaml": pod}, "k/kustomization.yaml: line 3: resources[1]: expected a string, found a map"},
		"a resource that is missing":  {map[string]string{"k/kustomization.yaml": "resources:\n- pod.yaml\n- CANARY.yaml\n", "k/pod.yaml": pod}, "k/kustomization.yaml: line 3: resources[1]: no such file or directory"},
		"a resource that is not YAML": {map[string]string{"k/kustomization.yaml": "resources: [s.yaml]\n", "k/s.yaml": secret + "---\n" + secret + " b: CANARY: x\n"}, "k/s.yaml: document 2, line 9: not valid YAML: a key is expected: check the indentation"},
		"a base's resource": {
			map[string]string{"k/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yml": "resources: [s.yaml]\n", "base/s.yaml": "a: \"CANARY\n"},
			"base/s.yaml: line 1: not valid YAML: a quoted value is not closed",
		},
		"a base without a kustomization": {map[string]string{"k/kustomization.yaml": "resources: [../base]\n", "base/s.yaml": secret}, "base: expected a directory with a kustomization.yaml, found none"},
		"a base that is its own base":    {map[string]string{"k/kustomization.yaml": "resources: [../k]\n"}, unexplained},
		"a patch that is not YAML": {
			map[string]string{"k/kustomization.yaml": "resources: [s.yaml]\npatches:\n- target: {kind: Secret}\n  patch: |\n    stringData:\n      a: CANARY: x\n", "k/s.yaml": secret},
			"k/kustomization.yaml: line 4: patches[0].patch: line 2 of it: not valid YAML: a colon where no key can be",
		},
		"a patch of one line": {
			map[string]string{"k/kustomization.yaml": "resources: [s.yaml]\npatches:\n- target: {kind: Secret}\n  patch: \"a: CANARY: x\"\n", "k/s.yaml": secret},
			"k/kustomization.yaml: line 4: patches[0].patch: line 1 of it: not valid YAML: a colon where no key can be",
		},
		"a patch's file": {
			map[string]string{"k/kustomization.yaml": "resources: [s.yaml]\npatches: [{path: p.yaml}]\n", "k/s.yaml": secret, "k/p.yaml": "[{CANARY]\n"},
			"k/p.yaml: line 1: not valid YAML: a map in braces is not closed",
		},
		"a patch that is text": {map[string]string{"k/kustomization.yaml": "patches: [CANARY]\n"}, "k/kustomization.yaml: line 1: patches[0]: expected a map, found a string"},
		"a generator's values": {map[string]string{"k/kustomization.yaml": "secretGenerator:\n- name: s\n  literals: [CANARY]\n"}, unexplained},
		"a replacement that does not fit": {
			map[string]string{"k/kustomization.yaml": "resources: [s.yaml, p.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.a, options: {delimiter: \"-\", index: 5}}\n  targets: [{select: {kind: Pod}, fieldPaths: [metadata.name]}]\n", "k/s.yaml": secret, "k/p.yaml": pod},
			unexplained,
		},
		"nothing that runs a pod": {map[string]string{"k/kustomization.yaml": "resources: [s.yaml]\n", "k/s.yaml": secret}, "no pod, no workload and no ConfigMap found in k"},
		"a pod that is wrong": {
			map[string]string{"k/kustomization.yaml": "resources: [s.yaml, p.yaml]\n", "k/s.yaml": secret, "k/p.yaml": object("v1", "Pod", "a", "spec: {containers: [{name: [CANARY]}]}")},
			`k: document 2: Pod "a": spec.containers[0].name: expected a string, found a list of 1`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, tc.in)
			got, err := workloadsOf(Read(t.Context(), Files{Kustomize: "k", Builder: builder(t)}, "", nil))
			if err == nil {
				t.Fatalf("want an error, got %v", found(got))
			}
			if err.Error() != tc.want {
				t.Errorf("got error %q\nwant       %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the error quotes a value: %q", err)
			}
		})
	}
}

// The cases of kustomizations whose Secret was printed.
func TestLeaks(t *testing.T) {
	for _, dir := range []string{"k-patch", "k-psm", "k-replacement"} {
		got, err := workloadsOf(Read(t.Context(), Files{Kustomize: "testdata/leaks/" + dir, Builder: builder(t)}, "", nil))
		if err == nil || strings.Contains(err.Error(), "CANARYVALUE") || !strings.HasPrefix(err.Error(), "testdata/leaks/"+dir) {
			t.Errorf("%s: %v, %v", dir, found(got), err)
		}
	}
	for _, file := range []string{"sep-secret.yaml", "sep-secret2.yaml"} {
		said := strings.Join(wrong(Read(t.Context(), Files{Filenames: []string{"testdata/leaks/" + file}}, "", nil)), "\n")
		if strings.Contains(said, "CANARYVALUE") || !strings.Contains(said, file) {
			t.Errorf("%s: %s", file, said)
		}
	}
}

// A signal stops kustomize and what it has started, and its files go with it.
func TestKustomizeStops(t *testing.T) {
	write(t, map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\n", "k/a.yaml": object("v1", "Pod", "a", "spec: "+spec)})
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	pipe := namedPipe(t)
	if pipe == "" {
		t.Skip("no named pipes here")
	}
	t.Setenv("ALIVE", pipe)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// Everything that is started holds the pipe: its reader hears when there is a
	// child, and when the last of them is gone.
	begun, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		alive, err := os.Open(pipe)
		if err != nil {
			begun <- err
			return
		}
		defer alive.Close() //nolint:errcheck // only read
		_, err = io.ReadFull(alive, make([]byte, 1))
		begun <- err
		cancel()
		_, err = io.Copy(io.Discard, alive)
		ended <- err
	}()
	// A builder that has a child and never ends, as one that waits for git.
	script := `touch "$TMPDIR/clone"; exec 3>"$ALIVE"; sleep 1d & echo >&3; wait`
	_, err := Read(ctx, Files{Kustomize: "k", Builder: []string{"sh", "-c", script}}, "", nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute): // processes die in the kernel's time; long, for a busy machine
		t.Error("what kustomize had started still runs")
	}
}

// A builder that writes without end is stopped.
func TestKustomizeOutputIsBounded(t *testing.T) {
	write(t, map[string]string{"k/kustomization.yaml": ""})
	defer func(before int64) { maxSource = before }(maxSource)
	maxSource = 1 << 20
	_, err := Read(t.Context(), Files{Kustomize: "k", Builder: []string{"sh", "-c", "cat /dev/zero"}}, "", nil)
	if want := "k: expected at most 1 MiB, found more"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
