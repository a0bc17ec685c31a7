package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// What can be changed is the object with the template: its uid, which fields it has, its
// containers without those that were injected into the pods, and who manages it.
func TestObjects(t *testing.T) {
	yes, no := true, false
	s := newServer(t)
	inject := func(p *corev1.Pod) {
		p.Spec.Containers = append([]corev1.Container{{Name: "proxy", Image: "registry.example/proxy:v1"}}, p.Spec.Containers...)
		p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes}
	}
	s.pods = []corev1.Pod{
		pod("shop", "web-abc-1", "n1", controlledBy("ReplicaSet", "web-abc"), label("pod-template-hash", "abc"), inject),
		pod("shop", "bare", "n1"),
	}
	s.metadata[setsPath] = []metav1.PartialObjectMetadata{partial("shop", "web-abc", ownedBy("Deployment", "web"))}
	web := deployment("shop", "web", func(p *corev1.Pod) {
		p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &no, Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_RAW"}}}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}}
		p.Spec.Volumes = []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		p.Spec.HostPID = true
	})
	web.UID, web.Annotations = "uid-web", map[string]string{"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}
	web.Spec.Strategy.Type = appsv1.RollingUpdateDeploymentStrategyType
	s.typed[deploymentsPath] = []metav1.Object{web}
	agent := &appsv1.DaemonSet{ObjectMeta: meta("shop", "agent"), Spec: appsv1.DaemonSetSpec{Template: templated()}}
	agent.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType
	s.typed[daemonSetsPath] = []metav1.Object{agent}
	made := &appsv1.StatefulSet{ObjectMeta: meta("shop", "orders-db", owned("Database", "orders", "example.org/v1")), Spec: appsv1.StatefulSetSpec{Template: templated()}}
	made.UID = "uid-db"
	s.typed[statefulSetsPath] = []metav1.Object{made}
	s.resources = map[string][]metav1.APIResource{"argoproj.io/v1alpha1": {resourceOf("rollouts", "Rollout", true)}}
	s.objects = map[string][]string{rolloutsPath: {custom("canary", "", `{"template":`+containers+`}`)}}

	objects := func(of Options) map[string]*fact.Object {
		got := map[string]*fact.Object{}
		for _, w := range collect(t, of).Workloads {
			got[w.Owner.Kind+"/"+w.Owner.Name] = w.Object
		}
		return got
	}
	app := func() []fact.NamedField { return []fact.NamedField{{Name: "app", Field: "containers[0]"}} }
	plain := []string{"containers", "containers[0]", "containers[0].image"}
	want := map[string]*fact.Object{
		"Deployment/web": {
			APIVersion: "apps/v1", Resource: "deployments", UID: "uid-web", Template: "spec.template.spec", Containers: app(), UpdateStrategy: "RollingUpdate",
			Has: []string{
				"hostPID", "volumes", "volumes[0]", "volumes[0].emptyDir", "containers", "containers[0]", "containers[0].image", "containers[0].securityContext",
				"containers[0].securityContext.capabilities", "containers[0].securityContext.capabilities.add", "containers[0].securityContext.capabilities.add[0]",
				"containers[0].securityContext.privileged", "containers[0].volumeMounts", "containers[0].volumeMounts[0]",
			},
			Items:    []fact.NamedField{{Name: "tmp", Field: "volumes[0]"}, {Name: "/tmp", Field: "containers[0].volumeMounts[0]"}},
			Managers: []fact.Manager{{By: fact.ByHelm, Name: "shop/web", Field: "metadata.annotations[meta.helm.sh/release-name]"}},
		},
		"DaemonSet/agent": {APIVersion: "apps/v1", Resource: "daemonsets", Template: "spec.template.spec", Containers: app(), Has: plain, UpdateStrategy: fact.StrategyOnDelete},
		"Database/orders": {
			APIVersion: "apps/v1", Kind: "StatefulSet", Name: "orders-db", Resource: "statefulsets", UID: "uid-db", Template: "spec.template.spec", Containers: app(), Has: plain,
			Managers: []fact.Manager{{By: fact.ByOwner, Name: "Database/orders", Field: "metadata.ownerReferences"}},
		},
		"Rollout/canary": {APIVersion: "argoproj.io/v1alpha1", Resource: "rollouts", Template: "spec.template.spec", Containers: app(), Has: plain},
		"Pod/bare":       nil,
	}
	if diff := cmp.Diff(want, objects(templatesOf(s, func(o *Options) { o.Objects = true }))); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for owner, object := range objects(templatesOf(s)) {
		if object != nil {
			t.Errorf("%s: read, and nobody asked: %+v", owner, object)
		}
	}
}
