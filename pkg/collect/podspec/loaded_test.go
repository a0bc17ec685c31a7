package podspec

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestLoadedCode(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        bool // a file of the volume at /s
	}{
		{"LD_PRELOAD", "/s/x.so", true},
		{"LD_PRELOAD", "/usr/lib/a.so /s/x.so", true},
		{"LD_PRELOAD", "/usr/local/lib/libmimalloc.so", false},
		{"LD_PRELOAD", "$(DIR)/x.so", true},
		{"BASH_ENV", "/s/rc", true},
		{"NODE_OPTIONS", "--max-old-space-size=4096 --require /s/x.js", true},
		{"NODE_OPTIONS", "--require=/s/x.js", true},
		{"NODE_OPTIONS", "--import file:///s/x.mjs", true},
		{"NODE_OPTIONS", "--max-old-space-size=4096", false},
		{"NODE_OPTIONS", "--require", false},
		{"NODE_OPTIONS", "--icu-data-dir=/s", false},
		{"JAVA_TOOL_OPTIONS", "-Xmx1g -javaagent:/s/agent.jar=port=1,config=/c", true},
		{"JAVA_TOOL_OPTIONS", "-javaagent:/app/agent.jar=config=/s/agent.yaml", false},
		{"JAVA_TOOL_OPTIONS", "-Dlog4j.configurationFile=/s/log4j.xml", false},
		{"JDK_JAVA_OPTIONS", "-Xbootclasspath/a:/app/a.jar:/s/b.jar", true},
		{"PATH", "/s/bin:/usr/bin", true},
		{"PATH", "/usr/bin:/ss", false},
		{"PYTHONPATH", "/s", true},
		{"RUBYOPT", "-r/s/x.rb", true},
		{"CONFIG", "/s/config", false},
		{"PATH", "", false},
	} {
		c := &corev1.Container{
			Env:          []corev1.EnvVar{{Name: "DIR", Value: "/s"}, {Name: tt.name, Value: tt.value}},
			VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/s/"}},
		}
		got := codeOf(t, c)
		if found := len(got) == 1 && got[0] == tt.name+" env[1].value v /s/"; found != tt.want || len(got) > 1 {
			t.Errorf("%s=%s: %v, expected a file of the volume: %t", tt.name, tt.value, got, tt.want)
		}
		c.VolumeMounts = nil
		if got := codeOf(t, c); len(got) > 0 {
			t.Errorf("%s=%s without a mount: %v", tt.name, tt.value, got)
		}
	}
	// A value of another object is not read.
	if got := codeOf(t, &corev1.Container{
		Env:          []corev1.EnvVar{{Name: "LD_PRELOAD", Value: "/s/x", ValueFrom: &corev1.EnvVarSource{}}},
		VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/s"}},
	}); !slices.Equal(got, nil) {
		t.Errorf("a value that is not read: %v", got)
	}
}

// codeOf is what a container's code was taken from.
func codeOf(t *testing.T, c *corev1.Container) []string {
	t.Helper()
	spec := From("pod/a/b", "spec", nil, nil, &corev1.PodSpec{Containers: []corev1.Container{*c}})
	var out []string
	for _, code := range spec.Containers[0].Code {
		out = append(out, code.Variable+" "+code.Field+" "+code.Volume+" "+code.Mount)
	}
	return out
}
