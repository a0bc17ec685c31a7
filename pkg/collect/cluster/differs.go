package cluster

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// tokenPath is where the API server mounts the service account's token.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// specFields are the fields of a pod's spec behind those of fact.PodSpec, where they have
// another name; "" for what is not compared. Metadata is not compared: controllers, network
// plugins and the kubelet write there all the time.
var specFields = map[string]string{
	"Origin": "", "Path": "", "Fields": "", "Labels": "", "Annotations": "", "Injectors": "", "Partial": "",
	"RuntimeHandler": "", "OSField": "", "SecurityAnnotations": "",
	"Tolerations": "", "Volumes": "", "Containers": "", "PullSecrets": "", // below
	"RuntimeClass": "runtimeClassName", "OS": "os.name",
	"HostProcess": "securityContext.windowsOptions.hostProcess", "WindowsUser": "securityContext.windowsOptions.runAsUserName",
	"RunAsUser": "securityContext.runAsUser", "RunAsNonRoot": "securityContext.runAsNonRoot",
	"Seccomp": "securityContext.seccompProfile.type", "AppArmor": "securityContext.appArmorProfile.type",
	"SELinux": "securityContext.seLinuxOptions", "Sysctls": "securityContext.sysctls",
	"ServiceAccount": "serviceAccountName", "AutomountToken": "automountServiceAccountToken",
}

// containerFields are those of a container. What is known of a command line stands for it.
var containerFields = map[string]string{
	"Name": "", "Type": "", "Field": "", "CommandUnread": "", "PortFields": "", "InstallTotal": "", "VariableTotal": "",
	"Mounts": "", "ProbeHosts": "", // below
	"Program": "command", "Builder": "command", "Installs": "command", "Code": "command",
	"Privileged": "securityContext.privileged", "HostProcess": "securityContext.windowsOptions.hostProcess",
	"WindowsUser":              "securityContext.windowsOptions.runAsUserName",
	"AllowPrivilegeEscalation": "securityContext.allowPrivilegeEscalation",
	"ReadOnlyRootFilesystem":   "securityContext.readOnlyRootFilesystem",
	"CapAdd":                   "securityContext.capabilities.add", "CapDrop": "securityContext.capabilities.drop",
	"RunAsUser": "securityContext.runAsUser", "RunAsNonRoot": "securityContext.runAsNonRoot",
	"Seccomp": "securityContext.seccompProfile.type", "AppArmor": "securityContext.appArmorProfile.type",
	"SELinux": "securityContext.seLinuxOptions", "ProcMount": "securityContext.procMount",
	"HostPorts": "ports", "Devices": "resources", "Claims": "resources.claims", "Variables": "env",
}

// specDefaults are what the API server writes where a template leaves a field out. It has
// done so in the templates of its own kinds already.
var specDefaults = map[string]string{"ServiceAccount": "default", "RestartPolicy": "Always"}

// difference compares a template with the pods made from it, by the fields that facts keep.
type difference struct {
	fields map[string]bool
	// changed is true if the template sets something that the pods do not have: it is not
	// only that something was added to them. Then the template has changed since, or the
	// pods were changed.
	changed bool
}

// differs returns the fields of a pod that its template does not have or has otherwise,
// as fact.Workload has them, and whether everything that the template sets is in the pod.
// What the API server and the kubelet add to every pod is no difference.
func differs(template, pod *fact.PodSpec) (fields []string, covered bool) {
	d := difference{fields: map[string]bool{}}
	d.each("spec.", specFields, specDefaults, reflect.ValueOf(template).Elem(), reflect.ValueOf(pod).Elem())
	d.annotations(template, pod)
	d.tolerations(template, pod)
	if len(template.PullSecrets) > 0 && !slices.Equal(template.PullSecrets, pod.PullSecrets) { // else the service account's
		d.say("spec.imagePullSecrets", true)
	}
	token := addedToken(template, pod)
	d.volumes(template, pod, token)
	d.containers(template, pod, token)
	fields = slices.Sorted(maps.Keys(d.fields))
	if len(fields) > fact.MaxDiffers {
		fields = append(fields[:fact.MaxDiffers:fact.MaxDiffers], "…")
	}
	return fields, !d.changed
}

// told reports whether a pod has all that a template sets, whose controller changes some of
// it while it makes the pod: it wraps commands, resolves images, and has an account of its
// own. Then the pod says more than the template.
func told(template, pod *fact.PodSpec) bool {
	t := *template
	t.RestartPolicy, t.ServiceAccount, t.AutomountToken = pod.RestartPolicy, pod.ServiceAccount, pod.AutomountToken
	t.Tolerations, t.PullSecrets, t.NodeSelector = nil, nil, pod.NodeSelector
	t.Containers = slices.Clone(template.Containers)
	for i := range t.Containers {
		c := &t.Containers[i]
		at := slices.IndexFunc(pod.Containers, func(like fact.Container) bool { return like.Name == c.Name })
		if at < 0 {
			return false
		}
		p := &pod.Containers[at]
		c.Type, c.Program, c.Args, c.RestartPolicy, c.Variables, c.BuilderVariables = p.Type, p.Program, p.Args, p.RestartPolicy, p.Variables, p.BuilderVariables
		if before, _, resolved := strings.Cut(p.Image, "@"); c.Image == "" || resolved && repository(before) == repository(c.Image) {
			c.Image = p.Image
		}
	}
	_, covered := differs(&t, pod)
	return covered
}

// repository is an image's name without its tag, and without the registry and the
// directory that a name without them means.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(image, "index."), "docker.io/"), "library/")
}

func (d *difference) say(field string, set bool) {
	d.fields[field] = true
	d.changed = d.changed || set
}

// each compares structs field by field.
func (d *difference) each(prefix string, names, defaults map[string]string, template, pod reflect.Value) {
	of := template.Type()
	for i := range of.NumField() {
		name, known := names[of.Field(i).Name]
		if known && name == "" {
			continue
		}
		a, b := template.Field(i), pod.Field(i)
		if !known {
			name, _, _ = strings.Cut(of.Field(i).Tag.Get("json"), ",")
		}
		empty := (a.Kind() == reflect.Slice || a.Kind() == reflect.Map) && a.Len() == 0 && b.Len() == 0
		if empty || reflect.DeepEqual(a.Interface(), b.Interface()) {
			continue
		}
		if standard := defaults[of.Field(i).Name]; standard != "" && a.String() == "" && b.String() == standard {
			continue
		}
		d.say(prefix+name, !a.IsZero())
	}
}

// annotations compares those that set a profile. From version 1.30 on the API server
// copies AppArmor's to the field of a pod, and not to that of a template.
func (d *difference) annotations(template, pod *fact.PodSpec) {
	for key, value := range pod.SecurityAnnotations {
		if template.SecurityAnnotations[key] != value {
			d.say("metadata.annotations["+key+"]", template.SecurityAnnotations[key] != "")
		}
	}
	for key := range template.SecurityAnnotations {
		if _, found := pod.SecurityAnnotations[key]; !found {
			d.say("metadata.annotations["+key+"]", true)
		}
	}
}

// tolerations compares them, without those of the kubelet's own taints, which the API
// server and the DaemonSet controller add.
func (d *difference) tolerations(template, pod *fact.PodSpec) {
	for _, t := range pod.Tolerations {
		if !slices.Contains(template.Tolerations, t) && !strings.HasPrefix(t, "node.kubernetes.io/") {
			d.say("spec.tolerations", false)
		}
	}
	for _, t := range template.Tolerations {
		if !slices.Contains(pod.Tolerations, t) {
			d.say("spec.tolerations", true)
		}
	}
}

// addedToken is the pod's volume with the service account's token that the template does
// not have, "" if there is none.
func addedToken(template, pod *fact.PodSpec) string {
	for i := range pod.Containers {
		for _, m := range pod.Containers[i].Mounts {
			if m.Path == tokenPath && volumeOf(template, m.Volume) == nil {
				return m.Volume
			}
		}
	}
	return ""
}

func volumeOf(spec *fact.PodSpec, name string) *fact.Volume {
	for i := range spec.Volumes {
		if spec.Volumes[i].Name == name {
			return &spec.Volumes[i]
		}
	}
	return nil
}

func (d *difference) volumes(template, pod *fact.PodSpec, token string) {
	for i := range pod.Volumes {
		v := &pod.Volumes[i]
		was := volumeOf(template, v.Name)
		switch {
		case was == nil && v.Name == token:
		case was == nil || was.Source == fact.VolumeUnlisted:
			d.say(v.Field, false)
		case !sameVolume(was, v):
			d.say(v.Field, true)
		}
	}
	for i := range template.Volumes {
		if v := &template.Volumes[i]; v.Source != fact.VolumeUnlisted && volumeOf(pod, v.Name) == nil {
			d.say(v.Field+onlyInTemplate, true)
		}
	}
}

// onlyInTemplate is said of a field that pods do not have.
const onlyInTemplate = " (only in the template)"

// sameVolume compares what a spec says of volumes. What is behind a claim is not the
// spec's.
func sameVolume(a, b *fact.Volume) bool {
	return a.Source == b.Source && (a.Source != "hostPath" || a.HostPath == b.HostPath) && a.Image == b.Image &&
		a.Driver == b.Driver && a.Class == b.Class && a.Object == b.Object && a.Executable == b.Executable
}

func (d *difference) containers(template, pod *fact.PodSpec, token string) {
	find := func(spec *fact.PodSpec, like *fact.Container) *fact.Container {
		for i := range spec.Containers {
			if c := &spec.Containers[i]; c.Name == like.Name && c.Type == like.Type {
				return c
			}
		}
		return nil
	}
	for i := range pod.Containers {
		c := &pod.Containers[i]
		was := find(template, c)
		if was == nil {
			d.say(c.Field, false)
			continue
		}
		names := containerFields
		if _, byAnnotation := template.SecurityAnnotations["container.apparmor.security.beta.kubernetes.io/"+c.Name]; byAnnotation && was.AppArmor == "" {
			names = maps.Clone(names)
			names["AppArmor"] = ""
		}
		d.each(c.Field+".", names, nil, reflect.ValueOf(was).Elem(), reflect.ValueOf(c).Elem())
		for _, p := range c.ProbeHosts {
			if !slices.Contains(was.ProbeHosts, p) {
				d.say(c.Field+"."+p.Field, slices.ContainsFunc(was.ProbeHosts, func(q fact.ProbeHost) bool { return q.Field == p.Field }))
			}
		}
		for _, p := range was.ProbeHosts {
			if !slices.ContainsFunc(c.ProbeHosts, func(q fact.ProbeHost) bool { return q.Field == p.Field }) {
				d.say(c.Field+"."+p.Field, true)
			}
		}
		d.mounts(c.Field, was.Mounts, c.Mounts, token)
	}
	for i := range template.Containers {
		if c := &template.Containers[i]; find(pod, c) == nil {
			d.say(c.Field+onlyInTemplate, true)
		}
	}
}

func (d *difference) mounts(field string, template, pod []fact.VolumeMount, token string) {
	at := func(list []fact.VolumeMount, like fact.VolumeMount) int {
		return slices.IndexFunc(list, func(m fact.VolumeMount) bool { return m.Path == like.Path && m.Device == like.Device })
	}
	list := func(m fact.VolumeMount) string {
		if m.Device {
			return field + ".volumeDevices"
		}
		return field + ".volumeMounts"
	}
	for _, m := range pod {
		switch i := at(template, m); {
		case i < 0 && m.Volume == token && token != "":
		case i < 0:
			d.say(list(m), false)
		case template[i] != m:
			d.say(list(m), true)
		}
	}
	for _, m := range template {
		if at(pod, m) < 0 {
			d.say(list(m), true)
		}
	}
}
