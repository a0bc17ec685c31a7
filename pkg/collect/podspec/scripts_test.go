package podspec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func configMapVolume(name string, items ...corev1.KeyToPath) corev1.Volume {
	return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items},
	}}
}

func projected(sources ...corev1.VolumeProjection) corev1.Volume {
	return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources}}}
}

func projectedMap(name string, items ...corev1.KeyToPath) corev1.VolumeProjection {
	return corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items}}
}

// A program or script below a mount is of the volume with the longest mount path, and of the
// key that the volume has there.
func TestMountedCode(t *testing.T) {
	mount := corev1.VolumeMount{Name: "v", MountPath: "/scripts"}
	ofMap := func(name, key string) fact.MountedCode {
		return fact.MountedCode{Volume: "v", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", ConfigMap: name, Key: key, Unread: fact.NotRequested}
	}
	other := fact.MountedCode{Volume: "v", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", Unread: fact.NotPresent}
	file := corev1.KeyToPath{Key: "start", Path: "bin/run.sh"}
	for name, tc := range map[string]struct {
		path   string
		mounts []corev1.VolumeMount
		volume corev1.Volume
		want   []fact.MountedCode
	}{
		"a key":                           {"/scripts/run.sh", []corev1.VolumeMount{mount}, configMapVolume("m"), []fact.MountedCode{ofMap("m", "run.sh")}},
		"a path with ..":                  {"/scripts/../scripts/run.sh", []corev1.VolumeMount{mount}, configMapVolume("m"), []fact.MountedCode{ofMap("m", "run.sh")}},
		"the link that the kubelet makes": {"/scripts/..data/run.sh", []corev1.VolumeMount{mount}, configMapVolume("m"), []fact.MountedCode{other}},
		"an item":                         {"/scripts/bin/run.sh", []corev1.VolumeMount{mount}, configMapVolume("m", file), []fact.MountedCode{ofMap("m", "start")}},
		"no item":                         {"/scripts/run.sh", []corev1.VolumeMount{mount}, configMapVolume("m", file), []fact.MountedCode{other}},
		"a sub path": {
			"/run.sh",
			[]corev1.VolumeMount{{Name: "v", MountPath: "/run.sh", SubPath: "start"}},
			configMapVolume("m"),
			[]fact.MountedCode{{Volume: "v", Mount: "/run.sh", Field: "command[1]", Interpreter: "sh", ConfigMap: "m", Key: "start", Unread: fact.NotRequested}},
		},
		"a sub path by a variable": {
			"/scripts/run.sh",
			[]corev1.VolumeMount{{Name: "v", MountPath: "/scripts", SubPathExpr: "$(X)"}},
			configMapVolume("m"),
			[]fact.MountedCode{other},
		},
		"the longest mount path": {
			"/scripts/a/run.sh",
			[]corev1.VolumeMount{{Name: "v", MountPath: "/scripts/a/"}, {Name: "w", MountPath: "/scripts"}},
			configMapVolume("m"),
			[]fact.MountedCode{{Volume: "v", Mount: "/scripts/a/", Field: "command[1]", Interpreter: "sh", ConfigMap: "m", Key: "run.sh", Unread: fact.NotRequested}},
		},
		"a name that begins so":  {"/scripts2/run.sh", []corev1.VolumeMount{mount}, configMapVolume("m"), nil},
		"a file of the image":    {"/run.sh", []corev1.VolumeMount{mount}, configMapVolume("m"), nil},
		"a projected ConfigMap":  {"/scripts/run.sh", []corev1.VolumeMount{mount}, projected(projectedMap("m")), []fact.MountedCode{ofMap("m", "run.sh")}},
		"by its item":            {"/scripts/bin/run.sh", []corev1.VolumeMount{mount}, projected(projectedMap("a"), projectedMap("m", file)), []fact.MountedCode{ofMap("m", "start")}},
		"one of two, which?":     {"/scripts/run.sh", []corev1.VolumeMount{mount}, projected(projectedMap("a"), projectedMap("m")), []fact.MountedCode{other}},
		"another kind of volume": {"/scripts/run.sh", []corev1.VolumeMount{mount}, corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}, []fact.MountedCode{other}},
		"no such volume":         {"/scripts/run.sh", []corev1.VolumeMount{mount}, corev1.Volume{Name: "x"}, []fact.MountedCode{other}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &corev1.Container{Command: []string{"sh", tc.path}, VolumeMounts: tc.mounts}
			got := container(fact.RegularContainer, "f", c, []corev1.Volume{tc.volume}).Code
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("code (-want +got):\n%s", diff)
			}
		})
	}
}

// The kubelet's variables are put into command, arguments and probes before a shell sees them.
func TestVariablesInCommands(t *testing.T) {
	env := []corev1.EnvVar{
		{Name: "PM", Value: "apk"},
		{Name: "INSTALL", Value: "$(PM) add x"},
		{Name: "ESCAPED", Value: "$$(PM)"},
		{Name: "SECRET", ValueFrom: &corev1.EnvVarSource{}},
		{Name: "LOOP", Value: "$(LOOP)"},
	}
	exec := func(words ...string) *corev1.ExecAction { return &corev1.ExecAction{Command: words} }
	apk := func(field string) []fact.Install {
		return []fact.Install{{Class: fact.PackageManager, What: "apk add", Field: field}}
	}
	for name, tc := range map[string]struct {
		c    corev1.Container
		want []fact.Install
	}{
		"in a word":                      {corev1.Container{Command: []string{"$(PM)", "add", "x"}}, apk("command[0]")},
		"in a script":                    {corev1.Container{Command: []string{"sh", "-c"}, Args: []string{"$(INSTALL)"}}, apk("args[0]")},
		"as the shell's own":             {corev1.Container{Command: []string{"sh", "-c", "$INSTALL"}}, apk("command[2]")},
		"escaped":                        {corev1.Container{Command: []string{"sh", "-c", "echo $$(PM) add x"}}, nil},
		"escaped, it is a substitution":  {corev1.Container{Command: []string{"sh", "-c", "x $$(apk add x)"}}, apk("command[2]")},
		"no variable is a substitution":  {corev1.Container{Command: []string{"sh", "-c", "x $(apk add x)"}}, apk("command[2]")},
		"one that is not known":          {corev1.Container{Command: []string{"sh", "-c", "$(SECRET) add x; $SECRET add x"}}, nil},
		"one that is not known, inside":  {corev1.Container{Command: []string{"sh", "-c", "apk add $(SECRET)"}}, apk("command[2]")},
		"one that holds itself":          {corev1.Container{Command: []string{"sh", "-c", "$(LOOP) add x"}}, nil},
		"in a probe":                     {corev1.Container{LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: exec("$(PM)", "add", "x")}}}, apk("livenessProbe.exec.command[0]")},
		"a hook's are the shell's alone": {corev1.Container{Lifecycle: &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: exec("$(PM)", "add", "x")}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.c.Env = env
			got := container(fact.RegularContainer, "f", &tc.c, nil)
			if diff := cmp.Diff(tc.want, got.Installs); diff != "" {
				t.Errorf("installs (-want +got):\n%s", diff)
			}
		})
	}
	// A bomb of variables ends at the bound.
	bomb := []corev1.EnvVar{{Name: "A0", Value: strings.Repeat("x", 1000)}}
	for i := range 40 {
		ref := "$(A" + string(rune('0'+i)) + ")"
		bomb = append(bomb, corev1.EnvVar{Name: "A" + string(rune('1'+i)), Value: ref + ref})
	}
	for name, value := range environment(bomb) {
		if len(value) > maxVariable {
			t.Errorf("%s has %d bytes", name, len(value))
		}
	}
	if long := expand(strings.Repeat("$(A)", 10_000), map[string]string{"A": strings.Repeat("x", maxVariable)}); len(long) > 1<<20 {
		t.Errorf("%d bytes", len(long))
	}
}

// A probe only asks: what it builds is no builder of the container.
func TestProbesBuildNothing(t *testing.T) {
	c := &corev1.Container{ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "buildah bud; pip install x"}}}}}
	got := container(fact.RegularContainer, "f", c, nil)
	if got.Builder != nil || len(got.Installs) != 1 || got.Installs[0].Field != "readinessProbe.exec.command[2]" {
		t.Errorf("%+v", got)
	}
}

func TestScripts(t *testing.T) {
	const canary = "CANARYVALUE"
	workload := func(namespace string) *fact.Workload {
		spec := From("o", "spec", nil, nil, &corev1.PodSpec{
			Volumes: []corev1.Volume{configMapVolume("m")},
			Containers: []corev1.Container{
				{Name: "a", Command: []string{"sh", "/scripts/run.sh"}, VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/scripts"}}},
				{Name: "b", Command: []string{"/app"}},
			},
		})
		return &fact.Workload{Owner: fact.Subject{Kind: "Pod", Namespace: namespace, Name: "p"}, Spec: spec}
	}
	code := func(unread fact.Reason) fact.MountedCode {
		return fact.MountedCode{Volume: "v", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", ConfigMap: "m", Key: "run.sh", Unread: unread}
	}
	apk := []fact.Install{{Class: fact.PackageManager, What: "apk add", Field: "command[1]", Script: "m[run.sh]"}}
	for name, tc := range map[string]struct {
		fill      func(*Scripts)
		namespace string
		code      []fact.MountedCode
		installs  []fact.Install
		builder   *fact.DeclaredBuilder
	}{
		"it installs": {
			fill:      func(s *Scripts) { s.Offer("shop", "m", map[string]string{"run.sh": "apk add " + canary, "x": canary}) },
			namespace: "shop", code: []fact.MountedCode{code("")}, installs: apk,
		},
		"it builds": {
			fill:      func(s *Scripts) { s.Offer("shop", "m", map[string]string{"run.sh": "buildah bud"}) },
			namespace: "shop", code: []fact.MountedCode{code("")}, builder: &fact.DeclaredBuilder{Name: "Buildah", Field: "command[1]"},
		},
		"it does neither": {
			fill:      func(s *Scripts) { s.Offer("shop", "m", map[string]string{"run.sh": "exec /app"}) },
			namespace: "shop", code: []fact.MountedCode{code("")},
		},
		"it is no script": {
			fill:      func(s *Scripts) { s.Offer("shop", "m", map[string]string{"run.sh": "if then ((("}) },
			namespace: "shop", code: []fact.MountedCode{code(fact.Unsupported)},
		},
		"another key is not it": {
			fill:      func(s *Scripts) { s.Offer("shop", "m", map[string]string{"other": "apk add x"}) },
			namespace: "shop", code: []fact.MountedCode{code(fact.NotPresent)},
		},
		"another namespace's is not it": {
			fill:      func(s *Scripts) { s.Offer("other", "m", map[string]string{"run.sh": "apk add x"}) },
			namespace: "shop", code: []fact.MountedCode{code(fact.NotPresent)},
		},
		"one without a namespace is": {
			fill:      func(s *Scripts) { s.Offer("", "m", map[string]string{"run.sh": "apk add x"}) },
			namespace: "shop", code: []fact.MountedCode{code("")}, installs: apk,
		},
		"and any for a workload without one": {
			fill: func(s *Scripts) { s.Offer("shop", "m", map[string]string{"run.sh": "apk add x"}) },
			code: []fact.MountedCode{code("")}, installs: apk,
		},
		"it could not be read": {
			fill: func(s *Scripts) { s.Fail("shop", "m", fact.Forbidden) }, namespace: "shop", code: []fact.MountedCode{code(fact.Forbidden)},
		},
		"nobody asked": {
			fill: func(s *Scripts) { s.Reason = fact.NotRequested }, namespace: "shop", code: []fact.MountedCode{code(fact.NotRequested)},
		},
		"there is too much": {
			fill: func(s *Scripts) {
				s.kept = maxScripts
				s.Offer("shop", "m", map[string]string{"run.sh": "apk add x"})
			},
			namespace: "shop", code: []fact.MountedCode{code(fact.Truncated)},
		},
		"it runs a further file of the volume": {
			fill: func(s *Scripts) {
				s.Offer("shop", "m", map[string]string{"run.sh": ". /scripts/lib.sh; /usr/bin/x", "lib.sh": "apk add x"})
			},
			namespace: "shop",
			code:      []fact.MountedCode{code(""), {Volume: "v", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", Unread: fact.Unsupported}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s Scripts
			tc.fill(&s)
			w := workload(tc.namespace)
			before := w.Spec.Containers
			if needed := Needed([]fact.Workload{*w}); !cmp.Equal(needed, [][2]string{{tc.namespace, "m"}}) {
				t.Errorf("needed: %v", needed)
			}
			s.Fill(w)
			got := w.Spec.Containers[0]
			if diff := cmp.Diff(tc.code, got.Code); diff != "" {
				t.Errorf("code (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.installs, got.Installs); diff != "" || got.InstallTotal != len(tc.installs) {
				t.Errorf("%d installs (-want +got):\n%s", got.InstallTotal, diff)
			}
			if diff := cmp.Diff(tc.builder, got.Builder); diff != "" {
				t.Errorf("builder (-want +got):\n%s", diff)
			}
			if before[0].Code[0].Unread != fact.NotRequested {
				t.Error("the list that others may share was changed")
			}
			if text, err := json.Marshal(w); err != nil || strings.Contains(string(text), canary) {
				t.Errorf("%s, %v", text, err)
			}
			s.Forget()
			again := workload(tc.namespace)
			s.Fill(again)
			if len(tc.installs) > 0 && !cmp.Equal(again, w) {
				t.Error("what was evaluated is not kept")
			}
		})
	}
}

// What one container fetches into a volume and another runs from there is an install of the
// first.
func TestSharedCode(t *testing.T) {
	mount := func(path, subPath string) []corev1.VolumeMount {
		return []corev1.VolumeMount{{Name: "v", MountPath: path, SubPath: subPath}}
	}
	for name, tc := range map[string]struct {
		init, run     string
		initAt, runAt []corev1.VolumeMount
		want          string
	}{
		"an agent":            {"wget -O /out/agent.jar https://x.example/a.jar", "java -javaagent:/agent/agent.jar -jar /app.jar", mount("/out", ""), mount("/agent", ""), "wget"},
		"a program":           {"cd /out && curl -LO https://x.example/tool", "/agent/tool serve", mount("/out", ""), mount("/agent", ""), "curl"},
		"by a sub path":       {"curl -o /out/tool https://x.example/t", "/usr/bin/x; /agent/tool", mount("/out", "bin"), mount("/agent", "bin"), "curl"},
		"an archive":          {"curl https://x.example/a.tgz | tar xz -C /out", "/agent/bin/tool", mount("/out", ""), mount("/agent", ""), "curl"},
		"a repository":        {"git clone https://x.example/r /out/r", "python /agent/r/main.py", mount("/out", ""), mount("/agent", ""), "git clone"},
		"another sub path":    {"curl -o /out/tool https://x.example/t", "/agent/tool", mount("/out", "a"), mount("/agent", "b"), ""},
		"another file":        {"curl -o /out/data https://x.example/t", "/agent/tool", mount("/out", ""), mount("/agent", ""), ""},
		"only read":           {"curl -o /out/data https://x.example/t", "cat /agent/data", mount("/out", ""), mount("/agent", ""), ""},
		"not into the volume": {"curl -o /tmp/tool https://x.example/t", "/agent/tool", mount("/out", ""), mount("/agent", ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := From("o", "spec", nil, nil, &corev1.PodSpec{
				InitContainers: []corev1.Container{{Name: "i", Command: []string{"sh", "-c", tc.init}, VolumeMounts: tc.initAt}},
				Containers:     []corev1.Container{{Name: "a", Command: []string{"sh", "-c", tc.run}, VolumeMounts: tc.runAt}},
				Volumes:        []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			}).Containers
			var list []string
			for _, i := range got[0].Installs {
				if i.Class == fact.FetchExecutable && i.Field == "command[2]" {
					list = append(list, i.What)
				}
			}
			var want []string
			if tc.want != "" {
				want = []string{tc.want + ", then run by another container"}
			}
			if diff := cmp.Diff(want, list); diff != "" {
				t.Errorf("installs (-want +got):\n%s", diff)
			}
			if len(got[1].Installs) > 0 {
				t.Errorf("the other container has %+v", got[1].Installs)
			}
		})
	}
}

func BenchmarkContainers(b *testing.B) {
	mounts := []corev1.VolumeMount{{Name: "kube-api-access", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}, {Name: "data", MountPath: "/data"}}
	for name, c := range map[string]*corev1.Container{
		"no command": {Name: "a", Image: "x", Args: []string{"--config=/etc/x"}, VolumeMounts: mounts},
		"no shell":   {Name: "a", Image: "x", Command: []string{"/usr/local/bin/server", "--port=80"}, VolumeMounts: mounts},
		"shell":      {Name: "a", Image: "x", Command: []string{"sh", "-c", "set -e; exec /app/server --port=80"}, VolumeMounts: mounts},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out fact.Container
				evaluate(&out, c, nil)
			}
		})
	}
}
