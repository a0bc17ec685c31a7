package immutable

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// ExecutableConfig fails a container that is told to run code of a volume: the program or the
// script that its command lines name is there, or a volume is mounted over a directory in which
// shells look for programs. Source: command, args, lifecycle, volumeMounts and volumes of the spec.
var ExecutableConfig = checks.Check{
	ID:       "immutable/executable-config",
	Title:    "No container runs code from a volume",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Code in a ConfigMap, a Secret, an emptyDir or on the node is not part of the image: no image scan sees it, and a signature or a digest does not cover it. " +
		"Whoever may edit the object, or write to the volume, decides what the container runs.",
	Remediation: "Put the script or the program into the image, or mount it from an image (an image volume, by digest). Keep only settings in ConfigMaps and Secrets, " +
		"without an execute bit in defaultMode.",
	References: []string{
		"https://kubernetes.io/docs/concepts/configuration/configmap/",
		"https://kubernetes.io/docs/concepts/storage/volumes/#image",
	},
	Judge: judgeExecutableConfig,
}

func judgeExecutableConfig(v *checks.View) []api.Finding {
	if earlier := v.FieldsUnread(); earlier != nil {
		return earlier
	}
	declared := checks.DeclaredContainers(v)
	findings := make([]api.Finding, 0, len(declared))
	for _, d := range declared {
		findings = append(findings, judgeCode(d))
	}
	return findings
}

// source is what a message says about a kind of volume.
var codeSources = map[string]string{
	"configMap": "a ConfigMap", "secret": "a Secret", "emptyDir": "an emptyDir", "hostPath": "the node", "projected": "a projected volume",
	"downwardAPI": "the pod's own fields", "persistentVolumeClaim": "a persistent volume", "ephemeral": "a persistent volume", "csi": "a CSI volume", "gitRepo": "a git repository",
}

func judgeCode(d checks.Declared) api.Finding {
	f := api.Finding{Subject: d.Subject()}
	add := func(severity api.Severity, message string, evidence ...api.Evidence) {
		if f.Verdict != api.Fail || severity.Rank() > f.Severity.Rank() {
			f.Verdict, f.Severity, f.Message = api.Fail, severity, message
			f.Evidence = append(evidence, f.Evidence...)
		} else {
			f.Evidence = append(f.Evidence, evidence...)
		}
	}
	ran := map[string]bool{}
	for i := range d.Container.Code {
		code := &d.Container.Code[i]
		v := volumeOf(d.Workload, code.Volume)
		ran[code.Volume] = true
		if v != nil && v.Source == "image" {
			continue // an image, too: question 2 asks no more
		}
		severity, message := gradeCode(d, code, v)
		evidence := []api.Evidence{{Source: d.Field(code.Field), Value: "runs a file in " + codeText(d.Workload, code)}}
		if code.Variable != "" {
			evidence[0].Value = code.Variable + " names " + codeText(d.Workload, code)
		}
		if v != nil {
			evidence = append(evidence, volumeEvidence(d.Workload, v))
		}
		add(severity, message, evidence...)
	}
	for i := range d.Container.Mounts {
		m := &d.Container.Mounts[i]
		v := volumeOf(d.Workload, m.Volume)
		if m.Device || v == nil || v.Source == "image" {
			continue
		}
		if dir := programDirectory(m.Path); dir != "" {
			ran[m.Volume] = true
			add(api.Medium, sourceText(v)+" is mounted over "+dir+", where shells look for programs",
				api.Evidence{Source: d.Field(fmt.Sprintf("volumeMounts[%d].mountPath", i)), Value: m.Path}, volumeEvidence(d.Workload, v))
		}
	}
	for i := range d.Container.Mounts {
		m := &d.Container.Mounts[i]
		v := volumeOf(d.Workload, m.Volume)
		if m.Device || v == nil || v.Source == "image" {
			continue
		}
		if at := startDirectory(m.Path); at.path != "" {
			ran[m.Volume] = true
			add(at.severity, sourceText(v)+" is mounted at "+at.path+", "+at.use,
				api.Evidence{Source: d.Field(fmt.Sprintf("volumeMounts[%d].mountPath", i)), Value: m.Path}, volumeEvidence(d.Workload, v))
		}
	}
	for i := range d.Container.Mounts {
		m := &d.Container.Mounts[i]
		if v := volumeOf(d.Workload, m.Volume); v != nil && v.Executable && !ran[m.Volume] {
			ran[m.Volume] = true
			e := volumeEvidence(d.Workload, v)
			e.Value = "a mode with an execute bit"
			add(api.Low, "files of "+sourceText(v)+" are executable; no command line in its spec runs them", e)
		}
	}
	if f.Verdict == api.Fail {
		return f
	}
	if reason := d.Container.CommandUnread; reason != "" {
		f.Verdict, f.Reason = api.VerdictUnknown, reason
		f.Message, f.Evidence = "what it runs was not fully read: "+unreadText(d.Container), unreadEvidence(d)
		return f
	}
	f.Verdict = api.Pass
	f.Message = "no command line in its spec names a program or a script of a volume"
	program := api.Evidence{Source: d.Field("command"), Value: "no file of a volume"}
	if d.Container.Program == "" {
		f.Message = "it declares no command, and no volume is mounted where shells look for programs"
		program.Value = "not set"
	}
	f.Evidence = []api.Evidence{program, {Source: d.Field("volumeMounts"), Value: "none over a directory of programs"}}
	return f
}

// gradeCode says how grave it is that a container runs a file of a volume.
func gradeCode(d checks.Declared, code *fact.MountedCode, v *fact.Volume) (api.Severity, string) {
	severity, message := api.Medium, "runs code from a volume that its spec does not list"
	switch {
	case v == nil:
	case v.HostPath != "":
		severity, message = api.High, "runs code from the node"
	case v.Source == "emptyDir":
		message = "runs code from an emptyDir"
		if filler := pinnedFiller(d, code.Volume); filler != "" {
			severity = api.Low
			message += ", which it cannot write; only init containers whose images are named by digest fill it"
		} else {
			message += " that containers of the pod can change"
		}
	default:
		message = "runs code from " + sourceText(v)
	}
	if code.Variable != "" {
		loads := "its environment makes it load code"
		if !slices.Contains(fact.LoadVariables, code.Variable) { // whether they find any is not known
			severity, loads = api.Low, "its programs look for code that comes"
		}
		message = strings.Replace(message, "runs code", loads, 1)
	}
	if !atStart(code.Field) && severity != api.High {
		return api.Low, message + ", in a probe or before it stops"
	}
	return severity, message
}

// pinnedFiller is the init container that fills an emptyDir, if only init containers whose
// images are named by digest, and which install nothing, can write to it: then its code is of
// images, and every start has the same. "" otherwise.
func pinnedFiller(d checks.Declared, volume string) string {
	filler := ""
	for i := range d.Workload.Spec.Containers {
		c := &d.Workload.Spec.Containers[i]
		at := slices.IndexFunc(c.Mounts, func(m fact.VolumeMount) bool { return m.Volume == volume && !m.ReadOnly })
		if at < 0 {
			continue
		}
		named, err := reference.ParseNormalizedNamed(c.Image)
		if err != nil {
			return ""
		}
		_, pinned := named.(reference.Digested)
		if c.Type != fact.InitContainer || c.RestartPolicy == "Always" || !pinned || len(c.Installs) > 0 || c.LinesUnread() != "" || c.Name == d.Container.Name {
			return ""
		}
		filler = c.Name
	}
	return filler
}

func volumeOf(w *fact.Workload, name string) *fact.Volume {
	for i := range w.Spec.Volumes {
		if w.Spec.Volumes[i].Name == name {
			return &w.Spec.Volumes[i]
		}
	}
	return nil
}

func sourceText(v *fact.Volume) string {
	if text, ok := codeSources[v.Source]; ok {
		return text
	}
	return "a volume (" + v.Source + ")"
}

// volumeEvidence names a volume's field: "spec.volumes[2].configMap".
func volumeEvidence(w *fact.Workload, v *fact.Volume) api.Evidence {
	e := api.Evidence{Source: checks.PodField(w, strings.TrimPrefix(v.Field, "spec.")+"."+v.Source), Value: v.Name}
	switch {
	case v.HostPath != "" && v.HostPathFrom != "":
		e.Source, e.Value = v.HostPathFrom, v.HostPath
	case v.HostPath != "":
		e.Source, e.Value = e.Source+".path", v.HostPath
	case v.Object != "":
		e.Value = v.Object
	}
	return e
}

// codeText names the place of a file without its path.
func codeText(w *fact.Workload, code *fact.MountedCode) string {
	text := "the volume " + code.Volume
	if code.ConfigMap != "" {
		text = "the ConfigMap " + code.ConfigMap + "[" + code.Key + "]"
	} else if v := volumeOf(w, code.Volume); v != nil {
		text += " (" + v.Source + ")"
	}
	text += ", mounted at " + code.Mount
	if code.Interpreter != "" {
		text += ", with " + code.Interpreter
	}
	return text
}

// programDirectories are where shells look for programs by default (PATH of Debian, Alpine and
// Fedora).
var programDirectories = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// programDirectory is the directory of programs that a mount covers, or puts a file into; "" if
// it is none.
func programDirectory(mount string) string {
	mount = path.Clean(mount)
	above := path.Dir(mount)
	for _, dir := range programDirectories {
		if mount == dir || above == dir || within(dir, mount) {
			return dir
		}
	}
	return ""
}

// within reports whether a clean path is below another one.
func within(name, dir string) bool {
	return len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir
}

// startPath is a path whose files are run, or loaded, though no command line names them.
type startPath struct {
	path     string
	severity api.Severity
	use      string
}

// Low is what only runs if the image's entry point does so, or the file is a script. Sources: the
// documentation of the images postgres, mysql, mariadb, mongo and nginx; ld.so(8), bash(1)
// (28 November 2026).
var startPaths = []startPath{
	{"/docker-entrypoint-initdb.d", api.Low, "from where the entry points of database images run scripts"},
	{"/docker-entrypoint.d", api.Low, "from where the entry point of nginx runs scripts"},
	{"/etc/ld.so.preload", api.Medium, "which makes every program load the libraries that it names"},
	{"/etc/ld.so.conf.d", api.Low, "which says where programs look for libraries"},
	{"/etc/profile.d", api.Low, "from where login shells run scripts"},
}

// startDirectory is the start path that a mount covers, or puts a file into; without a path if
// it is none.
func startDirectory(mount string) startPath {
	mount = path.Clean(mount)
	for _, at := range startPaths {
		if mount == at.path || within(mount, at.path) {
			return at
		}
	}
	return startPath{}
}
