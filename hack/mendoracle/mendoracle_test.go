// Package mendoracle applies mends to pods and asks the API server's own validation whether it
// accepts them. It is an own module because k8s.io/kubernetes is no dependency of the plugin.
package mendoracle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1conv "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

// refused are the errors of the API server's validation of a pod, after its defaults.
func refused(t *testing.T, meta metav1.ObjectMeta, spec *corev1.PodSpec) field.ErrorList {
	t.Helper()
	template := corev1.PodTemplate{Template: corev1.PodTemplateSpec{ObjectMeta: meta, Spec: *spec.DeepCopy()}}
	corev1conv.SetObjectDefaults_PodTemplate(&template)
	var in core.PodTemplateSpec
	if err := corev1conv.Convert_v1_PodTemplateSpec_To_core_PodTemplateSpec(&template.Template, &in, nil); err != nil {
		t.Fatal(err)
	}
	options := podutil.GetValidationOptionsFromPodTemplate(&in, nil)
	return validation.ValidatePodTemplateSpec(&in, field.NewPath("template"), options)
}

// mended is a pod after its mends, by their paths in its JSON.
func mended(t *testing.T, meta metav1.ObjectMeta, spec *corev1.PodSpec, mends []mend.Mend) (metav1.ObjectMeta, *corev1.PodSpec) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"metadata": meta, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	pod := object["spec"].(map[string]any)
	for _, m := range mends {
		at := pod
		if m.Container != "" {
			at = nil
			for _, list := range []string{"containers", "initContainers"} {
				items, _ := pod[list].([]any)
				for _, c := range items {
					if c := c.(map[string]any); c["name"] == m.Container {
						at = c
					}
				}
			}
		}
		path := m.Path
		if m.Container == "" && path[0].Name == "metadata" {
			at = object
		}
		if at == nil {
			t.Fatalf("no container %s", m.Container)
		}
		change(t, at, path, m)
	}
	data, err = json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Metadata metav1.ObjectMeta
		Spec     corev1.PodSpec
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&out); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return out.Metadata, &out.Spec
}

// change follows a path in an object and changes its last step.
func change(t *testing.T, at map[string]any, path mend.Path, m mend.Mend) {
	t.Helper()
	for i, s := range path {
		last := i == len(path)-1
		if s.Item == nil {
			switch {
			case last && m.Op == mend.Set:
				at[s.Name] = m.Value
			case last && m.Op == mend.Remove:
				delete(at, s.Name)
			case last:
				list, _ := at[s.Name].([]any)
				at[s.Name] = append(list, m.Value)
			default:
				next, _ := at[s.Name].(map[string]any)
				if next == nil {
					if m.Op == mend.Remove {
						return
					}
					next = map[string]any{}
					at[s.Name] = next
				}
				at = next
			}
			continue
		}
		list, _ := at[s.Name].([]any)
		index := s.Item.Index
		if s.Item.Key != "" {
			index = slices.IndexFunc(list, func(v any) bool { return v.(map[string]any)[s.Item.Key] == s.Item.Value })
		}
		if index < 0 || index >= len(list) {
			t.Fatalf("%s: no such item", path)
		}
		switch {
		case last && m.Op == mend.Remove:
			at[s.Name] = slices.Delete(list, index, index+1)
		case last:
			list[index] = m.Value
		default:
			at = list[index].(map[string]any)
		}
	}
}

func judge(w fact.Workload) []api.Finding {
	plan := checks.Plan{}
	for _, c := range catalogue.All() {
		if c.Scope == checks.ScopeWorkload && len(fact.Intersect(c.Needs, fact.NodeKinds())) == 0 {
			plan.Checks = append(plan.Checks, c)
			plan.Known = append(plan.Known, c.ID)
		}
	}
	set := &fact.Set{Workloads: []fact.Workload{w}, InjectionRead: true, FieldsRead: true, TemplatesRead: true, NamespacesRead: true, PodScope: fact.PodsAll}
	return checks.JudgeSet(plan, set).Findings
}

// check makes the mends of a workload, applies them to its object and asks the validation; and for
// the safe ones alone, and for random ones after Settle. It returns how many mends there were.
func check(t *testing.T, name string, w fact.Workload, meta metav1.ObjectMeta, spec *corev1.PodSpec, r *rand.Rand) int {
	t.Helper()
	mends, _ := mend.New(&fact.Set{}).For(&w, judge(w))
	try := func(what string, mends []mend.Mend) {
		meta, after := mended(t, meta, spec, mends)
		if errs := refused(t, meta, after); len(errs) > 0 {
			data, _ := yaml.Marshal(after)
			t.Errorf("%s: %s: refused: %v\n%v\n%s", name, what, errs, mends, data)
			return
		}
		// The facts after the mends are those of the object after the mends.
		again := podspec.From(w.Spec.Origin, w.Spec.Path, meta.Labels, meta.Annotations, after)
		own := mend.Apply(&w.Spec, mends)
		if a, b := comparable(again), comparable(own); a != b {
			t.Errorf("%s: %s: the object has other facts than Apply says:\n%s\n%s\n%v", name, what, a, b, mends)
		}
	}
	try("all", mends)
	var some []mend.Mend
	for _, m := range mends {
		if r.IntN(2) == 0 {
			m.Safe, m.Breaks = true, ""
			some = append(some, m)
		}
	}
	try("some", mend.Safe(&w, some))
	return len(mends)
}

// comparable writes what mends change of a spec's facts.
func comparable(s fact.PodSpec) string {
	s.Labels, s.Annotations, s.Origin = nil, nil, ""
	for i := range s.Volumes {
		s.Volumes[i].Field = ""
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if len(c.CapAdd) == 0 {
			c.CapAdd = nil
		}
		slices.SortFunc(c.Mounts, func(a, b fact.VolumeMount) int { return strings.Compare(a.Path, b.Path) })
		slices.Sort(c.HostPorts)
	}
	data, _ := json.Marshal(s)
	text := string(data)
	for _, empty := range []string{`,"seLinux":{}`, `,"securityAnnotations":{}`, `"seLinux":{},`} {
		text = strings.ReplaceAll(text, empty, "")
	}
	return text
}

func TestCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../pkg/cli/testdata/corpus/*.yaml")
	r := rand.New(rand.NewPCG(1, 2))
	tried, mends, skipped := 0, 0, 0
	for _, file := range files {
		declared, err := manifest.Read(context.Background(), manifest.Files{Filenames: []string{file}}, "default", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects := map[string]*corev1.PodTemplateSpec{}
		for _, doc := range strings.Split(string(data), "\n---") {
			kind, name, template := templateOf(doc)
			if template != nil {
				objects[kind+"/"+name] = template
			}
		}
		for _, w := range declared.Workloads {
			template := objects[w.Owner.Kind+"/"+w.Owner.Name]
			if template == nil || w.Spec.Fields != nil || w.Spec.Partial != "" || len(refused(t, template.ObjectMeta, &template.Spec)) > 0 {
				skipped++ // of another kind, or not valid before
				continue
			}
			tried++
			w.Spec = podspec.From(w.Spec.Origin, w.Spec.Path, template.Labels, template.Annotations, &template.Spec)
			mends += check(t, w.Spec.Origin, w, template.ObjectMeta, &template.Spec, r)
		}
	}
	t.Logf("%d workloads, %d mends; %d other workloads", tried, mends, skipped)
	if tried < 300 || mends < 1500 {
		t.Errorf("only %d workloads and %d mends", tried, mends)
	}
}

// templateOf reads the pod template of a document; nil if it has none.
func templateOf(doc string) (kind, name string, template *corev1.PodTemplateSpec) {
	var object struct {
		Kind     string
		Metadata metav1.ObjectMeta
		Spec     json.RawMessage
	}
	if yaml.Unmarshal([]byte(doc), &object) != nil {
		return "", "", nil
	}
	var out corev1.PodTemplateSpec
	var err error
	switch object.Kind {
	case "Pod":
		out.ObjectMeta = object.Metadata
		err = json.Unmarshal(object.Spec, &out.Spec)
	case "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job":
		var spec struct{ Template corev1.PodTemplateSpec }
		err = json.Unmarshal(object.Spec, &spec)
		out = spec.Template
	case "CronJob":
		var spec struct {
			JobTemplate struct {
				Spec struct{ Template corev1.PodTemplateSpec }
			}
		}
		err = json.Unmarshal(object.Spec, &spec)
		out = spec.JobTemplate.Spec.Template
	default:
		return "", "", nil
	}
	if err != nil {
		return "", "", nil
	}
	return object.Kind, object.Metadata.Name, &out
}

func TestGenerated(t *testing.T) {
	const pods = 4000
	tried, mends := 0, 0
	for seed := range uint64(pods) {
		r := rand.New(rand.NewPCG(seed, 3))
		meta, spec := randomPod(r)
		if len(refused(t, meta, spec)) > 0 {
			continue
		}
		w := fact.Workload{
			Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"},
			Spec:  podspec.From("deployment/shop/web", "spec.template.spec", meta.Labels, meta.Annotations, spec),
		}
		tried++
		mends += check(t, fmt.Sprint("seed ", seed), w, meta, spec, r)
	}
	t.Logf("%d of %d pods are valid, %d mends", tried, pods, mends)
	if tried < pods/5 {
		t.Errorf("only %d pods are valid", tried)
	}
}

func ptr[T any](v T) *T { return &v }

func maybe[T any](r *rand.Rand, values ...T) *T {
	if i := r.IntN(len(values) + 2); i < len(values) {
		return &values[i]
	}
	return nil
}

func randomPod(r *rand.Rand) (metav1.ObjectMeta, *corev1.PodSpec) {
	few := func(n int) bool { return r.IntN(n) == 0 }
	meta := metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}
	spec := &corev1.PodSpec{
		HostNetwork: few(6), HostPID: few(6), HostIPC: few(6), HostUsers: maybe(r, true, false), ShareProcessNamespace: maybe(r, true, false),
		AutomountServiceAccountToken: maybe(r, true, false),
	}
	if few(2) {
		spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsUser: maybe(r, int64(0), int64(1000)), RunAsNonRoot: maybe(r, true, false), SeccompProfile: seccomp(r), AppArmorProfile: appArmor(r), SELinuxOptions: seLinux(r),
		}
		if few(3) {
			spec.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "net.core.somaxconn", Value: "1"}, {Name: "kernel.shm_rmid_forced", Value: "1"}}
		}
	}
	if few(8) {
		spec.OS = &corev1.PodOS{Name: corev1.Windows}
	}
	for i, path := range []string{"/var/log", "/run/containerd/containerd.sock", "/dev/fuse", "/"} {
		if few(4) {
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: fmt.Sprint("v", i), VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}})
		}
	}
	if few(4) {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "e", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	hostProcess := few(10)
	for i := range 1 + r.IntN(3) {
		c := corev1.Container{Name: fmt.Sprint("c", i), Image: "registry.example/app:v1"}
		if few(3) {
			c.Ports = []corev1.ContainerPort{{ContainerPort: int32(8080 + i)}, {ContainerPort: int32(9090 + i), HostPort: int32(9090 + i)}}
		}
		if few(5) {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "127.0.0.1", Port: intstr.FromInt32(8080)}}}
		}
		if !few(4) {
			sc := &corev1.SecurityContext{
				Privileged: maybe(r, true, false), AllowPrivilegeEscalation: maybe(r, true, false), ReadOnlyRootFilesystem: maybe(r, true, false),
				RunAsUser: maybe(r, int64(0), int64(1000)), RunAsNonRoot: maybe(r, true, false), SeccompProfile: seccomp(r), AppArmorProfile: appArmor(r), SELinuxOptions: seLinux(r),
				ProcMount: maybe(r, corev1.DefaultProcMount, corev1.UnmaskedProcMount),
			}
			if few(2) {
				sc.Capabilities = &corev1.Capabilities{}
				for _, name := range []corev1.Capability{"SYS_ADMIN", "CAP_SYS_ADMIN", "NET_RAW", "CHOWN", "NET_BIND_SERVICE", "ALL"} {
					if few(4) {
						sc.Capabilities.Add = append(sc.Capabilities.Add, name)
					}
				}
				for _, name := range []corev1.Capability{"ALL", "MKNOD"} {
					if few(3) {
						sc.Capabilities.Drop = append(sc.Capabilities.Drop, name)
					}
				}
			}
			c.SecurityContext = sc
		}
		if hostProcess {
			c.SecurityContext = &corev1.SecurityContext{WindowsOptions: &corev1.WindowsSecurityContextOptions{HostProcess: ptr(true)}}
		} else if spec.OS != nil {
			c.SecurityContext = nil
		}
		for j, v := range spec.Volumes {
			if few(2) {
				m := corev1.VolumeMount{Name: v.Name, MountPath: fmt.Sprint("/m", j), ReadOnly: few(2)}
				if few(4) {
					m.MountPropagation = ptr(corev1.MountPropagationBidirectional)
				}
				c.VolumeMounts = append(c.VolumeMounts, m)
			}
		}
		if i > 0 && few(3) {
			spec.InitContainers = append(spec.InitContainers, c)
		} else {
			spec.Containers = append(spec.Containers, c)
		}
		if few(8) {
			if meta.Annotations == nil {
				meta.Annotations = map[string]string{}
			}
			meta.Annotations["container.apparmor.security.beta.kubernetes.io/"+c.Name] = "unconfined"
		}
	}
	if hostProcess {
		spec.HostNetwork = true
	}
	if spec.OS != nil {
		spec.SecurityContext, spec.HostPID, spec.HostIPC, spec.ShareProcessNamespace, spec.HostUsers = nil, false, false, nil, nil
	}
	return meta, spec
}

func seccomp(r *rand.Rand) *corev1.SeccompProfile {
	switch r.IntN(6) {
	case 0:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	case 1:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	case 2:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr("p.json")}
	}
	return nil
}

func appArmor(r *rand.Rand) *corev1.AppArmorProfile {
	switch r.IntN(6) {
	case 0:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case 1:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	}
	return nil
}

func seLinux(r *rand.Rand) *corev1.SELinuxOptions {
	switch r.IntN(6) {
	case 0:
		return &corev1.SELinuxOptions{Type: "spc_t", Level: "s0"}
	case 1:
		return &corev1.SELinuxOptions{User: "root", Role: "r"}
	}
	return nil
}
