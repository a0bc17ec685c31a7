package immutable

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestExecutableConfig(t *testing.T) {
	volume := func(v fact.Volume) func(*fact.PodSpec) {
		v.Name, v.Field = "v", "spec.volumes[0]"
		return func(s *fact.PodSpec) { s.Volumes = []fact.Volume{v} }
	}
	runs := func(field string) fact.Container {
		return fact.Container{
			Program: "sh", Mounts: []fact.VolumeMount{{Volume: "v", Path: "/scripts", ReadOnly: true}},
			Code: []fact.MountedCode{{Volume: "v", Mount: "/scripts", Field: field, Interpreter: "sh", Unread: fact.NotPresent}},
		}
	}
	ofConfigMap := func() fact.Container {
		c := runs("command[1]")
		c.Code[0].ConfigMap, c.Code[0].Key = "web", "start.sh"
		return c
	}
	fail := func(severity api.Severity, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: api.Fail, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)})
	}
	pass := func(message, command string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.Pass, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(ft.App+"command", command, ft.App+"volumeMounts", "none over a directory of programs"),
		})
	}
	// filled gives the pod an init container that can write to the volume.
	filled := func(edit func(*fact.Container)) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) {
			c := fact.Container{
				Name: "fill", Type: fact.InitContainer, Field: "spec.initContainers[0]", Image: "tool@sha256:" + strings.Repeat("1", 64),
				Mounts: []fact.VolumeMount{{Volume: "v", Path: "/out"}},
			}
			edit(&c)
			s.Containers = append(s.Containers, c)
		}
	}
	first := func(v *checks.View) []api.Finding { return judgeExecutableConfig(v)[:1] }
	const emptyDir = ft.Field + "volumes[0].emptyDir"
	value := func(source string) string {
		return "runs a file in the volume v (" + source + "), mounted at /scripts, with sh"
	}
	changeable := fail(api.Medium, "runs code from an emptyDir that containers of the pod can change", ft.App+"command[1]", value("emptyDir"), emptyDir, "v")
	ft.Judge(t, checks.OfSet(first), map[string]row{
		"a program of the image passes": {
			Set: ft.Declared(fact.Container{Program: "/app"}), Want: pass("no command line in its spec names a program or a script of a volume", "no file of a volume"),
		},
		"no command passes": {
			Set: ft.Declared(fact.Container{}), Want: pass("it declares no command, and no volume is mounted where shells look for programs", "not set"),
		},
		"a variable that loads code is as grave": {
			Set: ft.Declared(fact.Container{Code: []fact.MountedCode{{Volume: "v", Mount: "/s", Field: "env[1].value", Variable: "LD_PRELOAD"}}},
				volume(fact.Volume{Source: "configMap", Object: "web"})),
			Want: fail(api.Medium, "its environment makes it load code from a ConfigMap", ft.App+"env[1].value", "LD_PRELOAD names the volume v (configMap), mounted at /s",
				ft.Field+"volumes[0].configMap", "web"),
		},
		"a variable that lists directories is low, even on the node": {
			Set: ft.Declared(fact.Container{Code: []fact.MountedCode{{Volume: "v", Mount: "/s", Field: "env[1].value", Variable: "PYTHONPATH"}}},
				volume(fact.Volume{Source: "hostPath", HostPath: "/opt"})),
			Want: fail(api.Low, "its programs look for code that comes from the node", ft.App+"env[1].value", "PYTHONPATH names the volume v (hostPath), mounted at /s",
				ft.Field+"volumes[0].hostPath.path", "/opt"),
		},
		"where entry points look for scripts, a ConfigMap is low": {
			Set: ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "v", Path: "/docker-entrypoint-initdb.d/a.sh"}}},
				volume(fact.Volume{Source: "configMap", Object: "web"})),
			Want: fail(api.Low, "a ConfigMap is mounted at /docker-entrypoint-initdb.d, from where the entry points of database images run scripts",
				ft.App+"volumeMounts[0].mountPath", "/docker-entrypoint-initdb.d/a.sh", ft.Field+"volumes[0].configMap", "web"),
		},
		"what every program loads is medium": {
			Set: ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "v", Path: "/etc/ld.so.preload"}}},
				volume(fact.Volume{Source: "configMap", Object: "web"})),
			Want: fail(api.Medium, "a ConfigMap is mounted at /etc/ld.so.preload, which makes every program load the libraries that it names",
				ft.App+"volumeMounts[0].mountPath", "/etc/ld.so.preload", ft.Field+"volumes[0].configMap", "web"),
		},
		"a ConfigMap is medium": {
			Set: ft.Declared(ofConfigMap(),
				volume(fact.Volume{Source: "configMap", Object: "web"})),
			Want: fail(api.Medium, "runs code from a ConfigMap", ft.App+"command[1]", "runs a file in the ConfigMap web[start.sh], mounted at /scripts, with sh",
				ft.Field+"volumes[0].configMap", "web"),
		},
		"a Secret is medium": {
			Set:  ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "secret", Object: "web"})),
			Want: fail(api.Medium, "runs code from a Secret", ft.App+"command[1]", value("secret"), ft.Field+"volumes[0].secret", "web"),
		},
		"the node is high": {
			Set:  ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "hostPath", HostPath: "/opt"})),
			Want: fail(api.High, "runs code from the node", ft.App+"command[1]", value("hostPath"), ft.Field+"volumes[0].hostPath.path", "/opt"),
		},
		"and so is a claim that leads there": {
			Set: ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "persistentVolumeClaim", HostPath: "/opt", HostPathFrom: "persistentvolume/p spec.hostPath.path"})),
			Want: fail(api.High, "runs code from the node", ft.App+"command[1]", value("persistentVolumeClaim"),
				"persistentvolume/p spec.hostPath.path", "/opt"),
		},
		"a volume that the spec does not list is medium": {
			Set: ft.Declared(runs("command[1]")),
			Want: fail(api.Medium, "runs code from a volume that its spec does not list", ft.App+"command[1]",
				"runs a file in the volume v, mounted at /scripts, with sh"),
		},
		"an image is code of build time": {
			Set:  ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "image", Image: "x"})),
			Want: pass("no command line in its spec names a program or a script of a volume", "no file of a volume"),
		},
		"an emptyDir is medium": {Set: ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "emptyDir"})), Want: changeable},
		"filled by pinned images alone it is low": {
			Set: ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "emptyDir"}), filled(func(*fact.Container) {})),
			Want: fail(api.Low, "runs code from an emptyDir, which it cannot write; only init containers whose images are named by digest fill it",
				ft.App+"command[1]", value("emptyDir"), emptyDir, "v"),
		},
		"filled by a tag it is not": {
			Set:  ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "emptyDir"}), filled(func(c *fact.Container) { c.Image = "tool:1" })),
			Want: changeable,
		},
		"nor by one that installs": {
			Set: ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "emptyDir"}), filled(func(c *fact.Container) {
				c.Installs = []fact.Install{{Class: fact.FetchExecutable}}
			})),
			Want: changeable,
		},
		"nor where another container can write": {
			Set: ft.Declared(runs("command[1]"), volume(fact.Volume{Source: "emptyDir"}), filled(func(*fact.Container) {}), func(s *fact.PodSpec) {
				s.Containers = append(s.Containers, fact.Container{Name: "side", Type: fact.RegularContainer, Image: "x@sha256:" + strings.Repeat("1", 64), Mounts: []fact.VolumeMount{{Volume: "v", Path: "/v"}}})
			}),
			Want: changeable,
		},
		"a probe's script is low": {
			Set: ft.Declared(runs("readinessProbe.exec.command[1]"), volume(fact.Volume{Source: "configMap", Object: "web"})),
			Want: fail(api.Low, "runs code from a ConfigMap, in a probe or before it stops", ft.App+"readinessProbe.exec.command[1]", value("configMap"),
				ft.Field+"volumes[0].configMap", "web"),
		},
		"a mount over programs is medium": {
			Set: ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "v", Path: "/usr/local/bin/"}}}, volume(fact.Volume{Source: "emptyDir"})),
			Want: fail(api.Medium, "an emptyDir is mounted over /usr/local/bin, where shells look for programs",
				ft.App+"volumeMounts[0].mountPath", "/usr/local/bin/", emptyDir, "v"),
		},
		"so is a file among them": {
			Set: ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "v", Path: "/bin/tool", SubPath: "tool"}}}, volume(fact.Volume{Source: "configMap", Object: "web"})),
			Want: fail(api.Medium, "a ConfigMap is mounted over /bin, where shells look for programs",
				ft.App+"volumeMounts[0].mountPath", "/bin/tool", ft.Field+"volumes[0].configMap", "web"),
		},
		"and what lies above them": {
			Set: ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "v", Path: "/usr"}}}, volume(fact.Volume{Source: "emptyDir"})),
			Want: fail(api.Medium, "an emptyDir is mounted over /usr/local/sbin, where shells look for programs",
				ft.App+"volumeMounts[0].mountPath", "/usr", emptyDir, "v"),
		},
		"an image over programs is code of build time": {
			Set:  ft.Declared(fact.Container{Program: "/app", Mounts: []fact.VolumeMount{{Volume: "v", Path: "/usr/local/bin"}}}, volume(fact.Volume{Source: "image", Image: "x"})),
			Want: pass("no command line in its spec names a program or a script of a volume", "no file of a volume"),
		},
		"an execute bit alone is low": {
			Set: ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "v", Path: "/etc/app"}}}, volume(fact.Volume{Source: "configMap", Object: "web", Executable: true})),
			Want: fail(api.Low, "files of a ConfigMap are executable; no command line in its spec runs them",
				ft.Field+"volumes[0].configMap", "a mode with an execute bit"),
		},
		"a volume that it does not mount does not count": {
			Set:  ft.Declared(fact.Container{Program: "/app"}, volume(fact.Volume{Source: "configMap", Object: "web", Executable: true})),
			Want: pass("no command line in its spec names a program or a script of a volume", "no file of a volume"),
		},
		"a line that was not read is unknown": {
			Set: ft.Declared(fact.Container{Program: "sh", CommandUnread: fact.Unsupported}),
			Want: ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: ft.Subject(),
				Message:  "what it runs was not fully read: a script in it is too long, is not a shell script, or starts programs from another language",
				Evidence: ft.Evidence(ft.App+"command", "not evaluated: Unsupported"),
			}),
		},
	})
	early := ft.Edit(ft.Declared(fact.Container{}), func(s *fact.Set) { s.FieldsRead = false })
	if got := checks.OfSet(judgeExecutableConfig)(early); len(got) != 1 || got[0].Verdict != api.VerdictUnknown {
		t.Errorf("facts of an earlier version: %+v", got)
	}
}
