package admission

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// fullPod has what Default and inCEL know of.
func fullPod() *corev1.Pod {
	pod := podOf()
	pod.Name, pod.GenerateName = "", "web-"
	pod.Annotations = map[string]string{"note": "x"}
	pod.Spec.AutomountServiceAccountToken = nil
	pod.Spec.HostNetwork = true
	pod.Spec.RuntimeClassName = new(string)
	get := &corev1.HTTPGetAction{}
	field := &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}
	pod.Spec.Containers = []corev1.Container{{
		Name: "c", Image: "web", ImagePullPolicy: corev1.PullAlways,
		Ports:         []corev1.ContainerPort{{ContainerPort: 80}},
		Env:           []corev1.EnvVar{{Name: "N", ValueFrom: field}},
		Resources:     corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: get}},
		Lifecycle:     &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: get}},
	}, {Name: "d", Image: "web"}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "v"}}
	return pod
}

// TestPodInCEL: each field of a pod is what the API server makes of it, or unknown if only the
// server knows it.
func TestPodInCEL(t *testing.T) {
	t.Parallel()
	noToken := func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = new(bool) }
	volumes := func(source corev1.VolumeSource) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			noToken(p)
			p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: source}}
		}
	}
	const c = "object.spec.containers[0]."
	for name, tc := range map[string]struct {
		expression string
		edit       func(*corev1.Pod)
		unknown    string // the field; "": it holds
	}{
		"links":                        {"object.spec.enableServiceLinks == true", nil, ""},
		"policies":                     {"object.spec.restartPolicy == 'Always' && object.spec.dnsPolicy == 'ClusterFirst' && object.spec.schedulerName == 'default-scheduler'", nil, ""},
		"grace":                        {"object.spec.terminationGracePeriodSeconds == 30 && object.spec.securityContext == {}", nil, ""},
		"a grace below zero":           {"object.spec.terminationGracePeriodSeconds == 1", func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptr(int64(-5)) }, ""},
		"a port":                       {c + "ports[0].protocol == 'TCP' && " + c + "ports[0].hostPort == 80", nil, ""},
		"a port without host network":  {"!has(" + c + "ports[0].hostPort)", func(p *corev1.Pod) { p.Spec.HostNetwork = false }, ""},
		"a field reference":            {c + "env[0].valueFrom.fieldRef.apiVersion == 'v1'", nil, ""},
		"messages":                     {c + "terminationMessagePath == '/dev/termination-log' && " + c + "terminationMessagePolicy == 'File'", nil, ""},
		"a probe":                      {c + "livenessProbe.timeoutSeconds == 1 && " + c + "livenessProbe.periodSeconds == 10 && " + c + "livenessProbe.successThreshold == 1 && " + c + "livenessProbe.failureThreshold == 3", nil, ""},
		"a request of a probe":         {c + "livenessProbe.httpGet.path == '/' && " + c + "lifecycle.preStop.httpGet.scheme == 'HTTP'", nil, ""},
		"limits are requests":          {c + "resources.requests.memory == '1Gi' && " + c + "resources.limits.memory == '1Gi'", nil, ""},
		"the given pull policy":        {c + "imagePullPolicy == 'Always'", nil, ""},
		"a given annotation":           {"object.metadata.annotations.note == 'x' && !('other' in object.metadata.annotations)", nil, ""},
		"a given service account":      {"object.spec.serviceAccountName == 'robot' && object.spec.serviceAccount == 'robot'", func(p *corev1.Pod) { p.Spec.ServiceAccountName = "robot" }, ""},
		"the old name of it":           {"object.spec.serviceAccountName == 'robot'", func(p *corev1.Pod) { p.Spec.DeprecatedServiceAccount = "robot" }, ""},
		"given pull secrets":           {"object.spec.imagePullSecrets.size() == 1", func(p *corev1.Pod) { p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "s"}} }, ""},
		"a given priority class":       {"object.spec.priorityClassName == 'high'", func(p *corev1.Pod) { p.Spec.PriorityClassName = "high" }, ""},
		"a volume without a source":    {"object.spec.volumes.size() == 1 && object.spec.volumes[0].emptyDir == {}", noToken, ""},
		"a host path":                  {"object.spec.volumes[0].hostPath.type == ''", volumes(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}), ""},
		"a ConfigMap":                  {"object.spec.volumes[0].configMap.defaultMode == 420", volumes(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}), ""},
		"a Secret":                     {"object.spec.volumes[0].secret.defaultMode == 420", volumes(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}), ""},
		"a token":                      {"object.spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds == 3600 && object.spec.volumes[0].projected.defaultMode == 420", volumes(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{}}}}}), ""},
		"a source with other defaults": {"object.spec.volumes[0].iscsi.iscsiInterface == ''", volumes(corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{}}), "object.spec.volumes[0].iscsi"},

		"volumes with a token":             {"object.spec.volumes.size() == 1", nil, "object.spec.volumes"},
		"mounts with a token":              {"!has(" + c + "volumeMounts)", nil, c + "volumeMounts"},
		"mounts without a token":           {"!has(" + c + "volumeMounts)", noToken, ""},
		"the pull policy":                  {"object.spec.containers[1].imagePullPolicy == 'Always'", nil, "object.spec.containers[1].imagePullPolicy"},
		"preemption":                       {"object.spec.preemptionPolicy == 'Never'", nil, "object.spec.preemptionPolicy"},
		"node selectors":                   {"!has(object.spec.nodeSelector)", nil, "object.spec.nodeSelector"},
		"overhead":                         {"!has(object.spec.overhead)", nil, "object.spec.overhead"},
		"pull secrets":                     {"!has(object.spec.imagePullSecrets)", nil, "object.spec.imagePullSecrets"},
		"the service account":              {"object.spec.serviceAccount == 'default'", nil, "object.spec.serviceAccount"},
		"the name":                         {"object.metadata.name == 'web-1'", nil, "object.metadata.name"},
		"the requested name":               {"request.name == 'web-1'", nil, "request.name"},
		"another limit":                    {"'cpu' in " + c + "resources.limits", nil, c + "resources.limits[...]"},
		"the limits of another container":  {"!has(object.spec.containers[1].resources.limits)", nil, "object.spec.containers[1].resources.limits"},
		"a field of newer servers":         {"has(" + c + "livenessProbe.httpGet.protocol)", nil, c + "livenessProbe.httpGet.protocol"},
		"the annotation of a LimitRange":   {"'kubernetes.io/limit-ranger' in object.metadata.annotations", nil, "object.metadata.annotations[...]"},
		"when it is created":               {"object.metadata.creationTimestamp == null", nil, "object.metadata.creationTimestamp"},
		"resources of the pod":             {"object.spec.resources == {}", func(p *corev1.Pod) { p.Spec.Resources = &corev1.ResourceRequirements{} }, "object.spec.resources"},
		"what a rule says of given fields": {"object.spec.containers.all(c, c.image == 'web')", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := fullPod()
			if tc.edit != nil {
				tc.edit(pod)
			}
			before := pod.DeepCopy().String()
			got := judge(t, objectsOf(t, policyOf("validations:\n- expression: "+quote(tc.expression)), bindingOf(deny)), pod, shop)
			want := Verdict{Policy: "p", Binding: "b", Outcome: Allows}
			if tc.unknown != "" {
				want.Outcome, want.Doubt, want.What = Unknown, ServerDecides, tc.unknown
			}
			if len(got) != 1 || got[0] != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if after := pod.String(); after != before {
				t.Errorf("the pod was changed")
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

const dear = "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))"

// TestTooDear: what costs more than a server spends is unknown, whatever the other expressions
// say, and so is everything when all of it is spent.
func TestTooDear(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{
		"a validation besides one that is false": "validations: [{expression: '" + dear + "'}, {expression: 'false'}]",
		"a condition besides one that is false":  "matchConditions: [{name: a, expression: '" + dear + "'}, {name: b, expression: 'false'}]\nvalidations: [{expression: 'true'}]",
		"a message":                              "validations: [{expression: 'true', messageExpression: 'string(" + dear + ")'}]",
		"a variable":                             "variables: [{name: v, expression: '" + dear + "'}]\nvalidations: [{expression: 'variables.v'}]",
		"an audit annotation":                    "validations: [{expression: 'true'}]\nauditAnnotations: [{key: k, valueExpression: 'string(" + dear + ")'}]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judge(t, objectsOf(t, policyOf(spec), bindingOf(deny)), podOf(), shop)
			if want := (Verdict{Policy: "p", Binding: "b", Outcome: Unknown, Doubt: TooDear, What: "an expression"}); len(got) != 1 || got[0] != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	p := Compile(objectsOf(t, policyOf("validations: [{expression: 'request.namespace == \"shop\"'}]"), bindingOf(deny)))
	p.left = 1
	for _, want := range []Verdict{{Outcome: Allows}, {Outcome: Unknown, Doubt: TooDear, What: "the expressions of all policies"}} {
		want.Policy, want.Binding = "p", "b"
		got, err := p.Judge(t.Context(), podOf(), shop)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// Pods to come may be named or have a name generated: nothing is said of either.
func TestUnknownNames(t *testing.T) {
	objects := objectsOf(t, policyOf(`validations: [{expression: "!has(object.metadata.generateName)"}]`), bindingOf("validationActions: [Deny]"))
	for generated, want := range map[string]Outcome{"": Unknown, "web-": Refuses} {
		pod := podOf()
		pod.Name, pod.GenerateName = "", generated
		got := judge(t, objects, pod, Namespace{Name: "shop"})
		if len(got) != 1 || got[0].Outcome != want {
			t.Errorf("%q: %+v, want %s", generated, got, want)
		}
	}
}

// TestUnnamed: a pod whose name the server makes up may be one that a rule names.
func TestUnnamed(t *testing.T) {
	t.Parallel()
	policy := strings.Replace(policyOf("validations: [{expression: 'false'}]"), "resources: [pods]", "resources: [pods], resourceNames: [web-1]", 1)
	want := Verdict{Policy: "p", Binding: "b", Outcome: Unknown, Doubt: ServerDecides, What: "object.metadata.name"}
	got := judge(t, objectsOf(t, policy, bindingOf(deny)), fullPod(), shop)
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
