package podspec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func ptr[T any](v T) *T { return &v }

// Every field that is kept, from a spec in which all of them are set.
func TestFrom(t *testing.T) {
	security := func(uid int64) *corev1.SecurityContext {
		return &corev1.SecurityContext{
			Privileged: ptr(true), AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true),
			RunAsUser: ptr(uid), RunAsNonRoot: ptr(true),
			WindowsOptions: &corev1.WindowsSecurityContextOptions{HostProcess: ptr(false)},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
			Capabilities:   &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN", "CAP_SYS_TIME"}, Drop: []corev1.Capability{"ALL"}},
		}
	}
	spec := &corev1.PodSpec{
		HostNetwork: true, HostPID: true, HostIPC: true, HostUsers: ptr(false),
		RuntimeClassName: ptr("kata"), OS: &corev1.PodOS{Name: corev1.Linux},
		SecurityContext: &corev1.PodSecurityContext{
			RunAsUser: ptr(int64(7)), RunAsNonRoot: ptr(false), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			WindowsOptions: &corev1.WindowsSecurityContextOptions{HostProcess: ptr(true)},
		},
		Volumes: []corev1.Volume{
			{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/etc"}}},
			{Name: "models", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "registry.example/models:v1"}}},
			{Name: "plain"},
			{Name: "flex", VolumeSource: corev1.VolumeSource{FlexVolume: &corev1.FlexVolumeSource{Driver: "example.com/host"}}},
		},
		InitContainers: []corev1.Container{{Name: "init", Image: "registry.example/init:v1"}},
		Containers: []corev1.Container{
			{
				Name: "app", Image: "registry.example/app:v1", Command: []string{"/bin/app", "--serve"}, SecurityContext: security(8),
				Ports: []corev1.ContainerPort{{ContainerPort: 80}, {ContainerPort: 443, HostPort: 8443}},
				VolumeMounts: []corev1.VolumeMount{
					{Name: "host", MountPath: "/host", ReadOnly: true, SubPath: "ssl"}, {Name: "plain", MountPath: "/tmp", SubPathExpr: "$(POD)"},
				},
				VolumeDevices: []corev1.VolumeDevice{{Name: "disk", DevicePath: "/dev/xvda"}},
			},
			{Name: "bare"},
		},
		EphemeralContainers: []corev1.EphemeralContainer{{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "registry.example/debug:v1", SecurityContext: security(9)},
		}},
	}
	secured := func(c fact.Container, uid int64) fact.Container {
		c.Privileged, c.AllowPrivilegeEscalation, c.ReadOnlyRootFilesystem = ptr(true), ptr(false), ptr(true)
		c.RunAsUser, c.RunAsNonRoot, c.Seccomp, c.HostProcess = ptr(uid), ptr(true), "Unconfined", ptr(false)
		c.CapAdd, c.CapDrop = []string{"NET_ADMIN", "CAP_SYS_TIME"}, []string{"ALL"}
		return c
	}
	want := fact.PodSpec{
		Origin: "deployment/shop/web", Path: "spec.template.spec",
		Labels: map[string]string{"app": "web"}, Annotations: []string{"a", "b"},
		HostNetwork: true, HostPID: true, HostIPC: true, HostUsers: ptr(false), RuntimeClass: "kata", OS: "linux",
		RunAsUser: ptr(int64(7)), RunAsNonRoot: ptr(false), Seccomp: "RuntimeDefault", HostProcess: ptr(true),
		Volumes: []fact.Volume{
			{Name: "host", Field: "spec.volumes[0]", Source: "hostPath", HostPath: "/etc"},
			{Name: "models", Field: "spec.volumes[1]", Source: "image", Image: "registry.example/models:v1"},
			{Name: "plain", Field: "spec.volumes[2]", Source: "emptyDir"},
			{Name: "flex", Field: "spec.volumes[3]", Source: "flexVolume", Unread: fact.Unsupported},
		},
		Containers: []fact.Container{
			{Name: "init", Type: fact.InitContainer, Field: "spec.initContainers[0]", Image: "registry.example/init:v1"},
			secured(fact.Container{
				Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]", Image: "registry.example/app:v1", Program: "/bin/app",
				HostPorts: []int32{80, 8443}, PortFields: []string{"ports[0].containerPort", "ports[1].hostPort"}, // hostNetwork
				Mounts: []fact.VolumeMount{
					{Volume: "host", Path: "/host", SubPath: "ssl", ReadOnly: true},
					{Volume: "plain", Path: "/tmp", SubPath: "$(POD)"},
					{Volume: "disk", Path: "/dev/xvda", Device: true},
				},
			}, 8),
			{Name: "bare", Type: fact.RegularContainer, Field: "spec.containers[1]"},
			secured(fact.Container{Name: "debug", Type: fact.EphemeralContainer, Field: "spec.ephemeralContainers[0]", Image: "registry.example/debug:v1"}, 9),
		},
	}
	got := From("deployment/shop/web", "spec.template.spec", map[string]string{"app": "web"}, map[string]string{"b": "2", "a": "1"}, spec)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

// What is not declared stays nil or empty: not read, never false.
func TestNothingDeclared(t *testing.T) {
	want := fact.PodSpec{Origin: "o", Path: "spec", Containers: []fact.Container{{Type: fact.RegularContainer, Field: "spec.containers[0]"}}}
	if diff := cmp.Diff(want, From("o", "spec", nil, nil, &corev1.PodSpec{Containers: []corev1.Container{{}}})); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

// A pod is Windows' where it says so, or asks for such a node.
func TestWindows(t *testing.T) {
	for name, tc := range map[string]struct {
		spec      corev1.PodSpec
		os, field string
	}{
		"os.name":                {corev1.PodSpec{OS: &corev1.PodOS{Name: corev1.Windows}}, "windows", ""},
		"a node selector":        {corev1.PodSpec{NodeSelector: map[string]string{"kubernetes.io/os": "windows"}}, "windows", "nodeSelector[kubernetes.io/os]"},
		"the old node selector":  {corev1.PodSpec{NodeSelector: map[string]string{"beta.kubernetes.io/os": "windows"}}, "windows", "nodeSelector[beta.kubernetes.io/os]"},
		"os.name counts more":    {corev1.PodSpec{OS: &corev1.PodOS{Name: corev1.Linux}, NodeSelector: map[string]string{"kubernetes.io/os": "windows"}}, "linux", ""},
		"a selector of Linux":    {corev1.PodSpec{NodeSelector: map[string]string{"kubernetes.io/os": "linux"}}, "", ""},
		"another selector":       {corev1.PodSpec{NodeSelector: map[string]string{"os": "windows"}}, "", ""},
		"no word about a system": {corev1.PodSpec{}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := From("o", "spec", nil, nil, &tc.spec)
			if got.OS != tc.os || got.OSField != tc.field {
				t.Errorf("want %q from %q, got %q from %q", tc.os, tc.field, got.OS, got.OSField)
			}
		})
	}
}

// Every volume source of the API is named as in a manifest, those too that a
// later version adds.
func TestVolumeSources(t *testing.T) {
	sources := reflect.TypeFor[corev1.VolumeSource]()
	for i := range sources.NumField() {
		field := sources.Field(i)
		v := corev1.Volume{Name: "v"}
		reflect.ValueOf(&v.VolumeSource).Elem().Field(i).Set(reflect.New(field.Type.Elem()))
		manifest, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got := volume(0, &v).Source
		if want := fmt.Sprintf(`{"name":"v",%q:`, got); !strings.HasPrefix(string(manifest), want) {
			t.Errorf("%s: a manifest writes %s, we name it %q", field.Name, manifest, got)
		}
	}
	if sources.NumField() < 30 {
		t.Errorf("only %d volume sources", sources.NumField())
	}
}

// Text that may hold a password is in no fact: values of the environment, names of plain
// variables, arguments, the words behind the program, probes, hooks, and the values of
// annotations.
func TestNothingElseIsKept(t *testing.T) {
	const canary = "CANARY"
	hook := &corev1.LifecycleHandler{
		Exec:    &corev1.ExecAction{Command: []string{canary}},
		HTTPGet: &corev1.HTTPGetAction{Path: canary, Host: "probe.example", HTTPHeaders: []corev1.HTTPHeader{{Name: canary, Value: canary}}},
	}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: hook.Exec, HTTPGet: hook.HTTPGet}}
	container := corev1.Container{
		Name: "app", Image: "registry.example/app:v1", WorkingDir: canary,
		Env: []corev1.EnvVar{
			{Name: canary, Value: canary},
			{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "password", LocalObjectReference: corev1.LocalObjectReference{Name: "db"}}}},
			{Name: "STORED", Value: "vault:" + canary + "#" + canary},
		},
		EnvFrom: []corev1.EnvFromSource{{Prefix: canary}},
		Args:    []string{canary, "--password=" + canary}, Command: []string{"/bin/app", "--password=" + canary},
		Lifecycle: &corev1.Lifecycle{PostStart: hook, PreStop: hook}, LivenessProbe: probe, ReadinessProbe: probe, StartupProbe: probe,
	}
	spec := &corev1.PodSpec{
		InitContainers: []corev1.Container{container}, Containers: []corev1.Container{container},
		EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon(container)}},
		Hostname:            canary, Subdomain: canary, ServiceAccountName: "robot",
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
		HostAliases:      []corev1.HostAlias{{IP: canary, Hostnames: []string{canary}}},
		SecurityContext:  &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "kernel.msgmax", Value: canary}}},
		Volumes: []corev1.Volume{
			{Name: "a", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{VolumeAttributes: map[string]string{"x": canary}}}},
			{Name: "b", VolumeSource: corev1.VolumeSource{RBD: &corev1.RBDVolumeSource{Keyring: canary, RadosUser: canary}}},
			{Name: "c", VolumeSource: corev1.VolumeSource{FlexVolume: &corev1.FlexVolumeSource{Options: map[string]string{"password": canary}}}},
		},
	}
	for _, line := range []string{"/bin/sh -c 'login " + canary + "'", "PASSWORD=" + canary + " /bin/app", "/bin/app\t" + canary, "/bin/app\n" + canary} {
		spec.Containers = append(spec.Containers, corev1.Container{Name: "line", Command: []string{line}})
	}
	facts := From("o", "spec", nil, map[string]string{"note": canary, metav1.ObjectNameField: canary}, spec)
	data, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.Index(string(data), canary); i >= 0 {
		t.Errorf("the facts hold what they must not: ...%s", data[max(0, i-120):i+len(canary)])
	}
	if got := facts.Containers[1].Program; got != "/bin/app" {
		t.Errorf("want the program, got %q", got)
	}
}

// Of arguments and variables only what package builder knows is kept.
func TestBuilderSigns(t *testing.T) {
	env := []corev1.EnvVar{{Name: "HOME", Value: "/"}, {Name: "DOCKER_HOST", Value: "tcp://user:hunter2@dind:2375"}}
	for range 20 {
		env = append(env, corev1.EnvVar{Name: "AZP_TOKEN", Value: "hunter2"})
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"none": {nil, ""}, "an option": {[]string{"--password=hunter2", "run"}, fact.ArgsOptions}, "a command": {[]string{"hunter2", "--x"}, fact.ArgsCommand},
		"an empty word": {[]string{""}, fact.ArgsCommand},
	} {
		t.Run(name, func(t *testing.T) {
			spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Args: tc.args, Env: env}}}
			got := From("pod/a/b", "spec", nil, nil, &spec).Containers[0]
			if got.Args != tc.want {
				t.Errorf("args: want %q, got %q", tc.want, got.Args)
			}
			if n := len(got.BuilderVariables); n != fact.MaxBuilderVariables || got.BuilderVariables[0] != (fact.NamedField{Name: "DOCKER_HOST", Field: "env[1].name"}) {
				t.Errorf("%d variables: %+v", n, got.BuilderVariables)
			}
			text, err := json.Marshal(got)
			if err != nil || strings.Contains(string(text), "hunter2") {
				t.Errorf("a value was kept: %s %v", text, err)
			}
		})
	}
}

func TestImageOf(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0f", 32)
	for reference, want := range map[string]string{
		"nginx": "nginx", "registry.example:5000/a/b:v1": "registry.example:5000/a/b:v1", "": "",
		"nginx@" + digest: "nginx@" + digest, "nginx:1.27@" + digest: "nginx:1.27@" + digest,
		"user:CANARY@registry.example/x:1": "…@registry.example/x:1", "https://u:CANARY@h.example/x": "…@h.example/x",
		"u:CANARY@h.example/x@" + digest: "…@" + digest, "x@sha256:short": "x@sha256:short", "u:CANARY@sha.example/x": "…@sha.example/x",
	} {
		if got := imageOf(reference); got != want {
			t.Errorf("%q: got %q, want %q", reference, got, want)
		}
	}
}

func TestWindowsUser(t *testing.T) {
	for name, want := range map[string]string{
		`NT AUTHORITY\SYSTEM`: "system", `NT AUTHORITY\Local service`: "local service", "ContainerAdministrator": "containeradministrator",
		`BUILTIN\Administrators`: "administrators", "containeruser": "containeruser", `corp\hunter2`: fact.AnotherUser, "": "",
	} {
		spec := corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{WindowsOptions: &corev1.WindowsSecurityContextOptions{RunAsUserName: &name}},
			Containers:      []corev1.Container{{Name: "c", SecurityContext: &corev1.SecurityContext{WindowsOptions: &corev1.WindowsSecurityContextOptions{RunAsUserName: &name}}}},
		}
		got := From("pod/a", "spec", nil, nil, &spec)
		if got.WindowsUser != want || got.Containers[0].WindowsUser != want {
			t.Errorf("%s: %q and %q, want %q", name, got.WindowsUser, got.Containers[0].WindowsUser, want)
		}
	}
}
