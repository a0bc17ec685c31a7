package cluster

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// templatesOf asks for pods and templates in pages of two.
func templatesOf(s *server, edits ...func(*Options)) Options {
	opts := Options{Config: s.config(), Pods: true, Templates: true, PageSize: 2}
	for _, edit := range edits {
		edit(&opts)
	}
	return opts
}

func meta(namespace, name string, owners ...metav1.OwnerReference) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: owners}
}

// templated is a template with one container, as pod has it.
func templated(edits ...func(*corev1.Pod)) corev1.PodTemplateSpec {
	p := pod("", "", "", edits...)
	return corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
}

func deployment(namespace, name string, edits ...func(*corev1.Pod)) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: meta(namespace, name), Spec: appsv1.DeploymentSpec{Template: templated(edits...)}}
}

func cronJob(namespace, name string) *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: meta(namespace, name), Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: templated()}}}}
}

// lines writes workloads: owner, where the spec was read, pods, what differs.
func lines(r *Result) []string {
	var out []string
	for _, w := range r.Workloads {
		line := w.Owner.Kind + "/" + w.Owner.Namespace + "/" + w.Owner.Name + " " + w.Spec.Origin + " " + w.Spec.Path
		for _, p := range w.Pods {
			line += " " + p.Name
		}
		if w.Spec.Partial != "" {
			line += ", in part"
		}
		if len(w.Pods) == 0 && len(w.Spec.Volumes) > 0 {
			line += ", volumes"
			for _, v := range w.Spec.Volumes {
				line += " " + v.Name
			}
		}
		if len(w.Differs) > 0 {
			line += " differs: " + strings.Join(w.Differs, ", ")
		}
		out = append(out, line)
	}
	return out
}

func TestTemplates(t *testing.T) {
	replica := func(name string, edits ...func(*corev1.Pod)) corev1.Pod {
		return pod("shop", name, "n1", append([]func(*corev1.Pod){controlledBy("ReplicaSet", "web-abc"), label("pod-template-hash", "abc")}, edits...)...)
	}
	webSet := partial("shop", "web-abc", ownedBy("Deployment", "web"))
	sidecar := func(p *corev1.Pod) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "proxy", Image: "registry.example/proxy:v1"})
	}
	privileged := func(p *corev1.Pod) {
		yes := true
		p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
	}
	for name, tc := range map[string]struct {
		pods       []corev1.Pod
		sets, runs []metav1.PartialObjectMetadata
		typed      map[string][]metav1.Object
		edit       func(*Options)
		want       []string
	}{
		"a template whose pods are equal is judged by them alone": {
			pods: []corev1.Pod{replica("web-abc-1"), replica("web-abc-2")}, sets: []metav1.PartialObjectMetadata{webSet},
			typed: map[string][]metav1.Object{deploymentsPath: {deployment("shop", "web")}},
			want:  []string{"Deployment/shop/web pod/shop/web-abc-1 spec web-abc-1 web-abc-2"},
		},
		"workloads without pods are found": {
			typed: map[string][]metav1.Object{
				deploymentsPath:  {deployment("shop", "web"), deployment("a", "x"), deployment("b", "y")},
				statefulSetsPath: {&appsv1.StatefulSet{ObjectMeta: meta("shop", "db"), Spec: appsv1.StatefulSetSpec{Template: templated()}}},
				daemonSetsPath:   {&appsv1.DaemonSet{ObjectMeta: meta("shop", "agent"), Spec: appsv1.DaemonSetSpec{Template: templated()}}},
				cronJobsPath:     {cronJob("shop", "nightly")},
				rcsPath:          {&corev1.ReplicationController{ObjectMeta: meta("shop", "old"), Spec: corev1.ReplicationControllerSpec{Template: new(corev1.PodTemplateSpec)}}},
				podTemplatesPath: {&corev1.PodTemplate{ObjectMeta: meta("shop", "mould"), Template: templated()}},
			},
			want: []string{
				"Deployment/a/x deployment/a/x spec.template.spec",
				"Deployment/b/y deployment/b/y spec.template.spec",
				"CronJob/shop/nightly cronjob/shop/nightly spec.jobTemplate.spec.template.spec",
				"DaemonSet/shop/agent daemonset/shop/agent spec.template.spec",
				"Deployment/shop/web deployment/shop/web spec.template.spec",
				"PodTemplate/shop/mould podtemplate/shop/mould template.spec",
				"ReplicationController/shop/old replicationcontroller/shop/old spec.template.spec",
				"StatefulSet/shop/db statefulset/shop/db spec.template.spec",
			},
		},
		"a finished Job and a bare ReplicaSet without pods are found, those of a template are not": {
			sets: []metav1.PartialObjectMetadata{webSet, partial("shop", "bare")},
			runs: []metav1.PartialObjectMetadata{partial("shop", "nightly-1", ownedBy("CronJob", "nightly")), partial("shop", "once")},
			typed: map[string][]metav1.Object{
				deploymentsPath: {deployment("shop", "web")},
				cronJobsPath:    {cronJob("shop", "nightly")},
				setsPath: {
					&appsv1.ReplicaSet{ObjectMeta: meta("shop", "web-abc", ownedBy("Deployment", "web")), Spec: appsv1.ReplicaSetSpec{Template: templated()}},
					&appsv1.ReplicaSet{ObjectMeta: meta("shop", "bare"), Spec: appsv1.ReplicaSetSpec{Template: templated()}},
				},
				jobsPath: {
					&batchv1.Job{ObjectMeta: meta("shop", "nightly-1", ownedBy("CronJob", "nightly")), Spec: batchv1.JobSpec{Template: templated()}},
					&batchv1.Job{ObjectMeta: meta("shop", "once"), Spec: batchv1.JobSpec{Template: templated()}},
				},
			},
			want: []string{
				"CronJob/shop/nightly cronjob/shop/nightly spec.jobTemplate.spec.template.spec",
				"Deployment/shop/web deployment/shop/web spec.template.spec",
				"Job/shop/once job/shop/once spec.template.spec",
				"ReplicaSet/shop/bare replicaset/shop/bare spec.template.spec",
			},
		},
		"an injected sidecar is named, and the template is not judged twice": {
			pods: []corev1.Pod{replica("web-abc-1", sidecar)}, sets: []metav1.PartialObjectMetadata{webSet},
			typed: map[string][]metav1.Object{deploymentsPath: {deployment("shop", "web")}},
			want:  []string{"Deployment/shop/web pod/shop/web-abc-1 spec web-abc-1 differs: spec.containers[1]"},
		},
		"a template that has changed since is judged, too": {
			pods: []corev1.Pod{replica("web-abc-1")}, sets: []metav1.PartialObjectMetadata{webSet},
			typed: map[string][]metav1.Object{deploymentsPath: {deployment("shop", "web", privileged)}},
			want: []string{
				"Deployment/shop/web deployment/shop/web spec.template.spec",
				"Deployment/shop/web pod/shop/web-abc-1 spec web-abc-1 differs: spec.containers[0].securityContext.privileged",
			},
		},
		"a label selector selects templates by their pods' labels": {
			typed: map[string][]metav1.Object{deploymentsPath: {deployment("shop", "web", label("app", "web")), deployment("shop", "db", label("app", "db"))}},
			edit:  func(o *Options) { o.Selector = "app in (web)" },
			want:  []string{"Deployment/shop/web deployment/shop/web spec.template.spec"},
		},
		"a field selector selects pods only": {
			typed: map[string][]metav1.Object{deploymentsPath: {deployment("shop", "web")}},
			edit:  func(o *Options) { o.FieldSelector = "status.phase=Running" },
		},
		"a namespace narrows templates": {
			typed: map[string][]metav1.Object{deploymentsPath: {deployment("shop", "web"), deployment("other", "web")}},
			edit:  func(o *Options) { o.Namespace = "shop" },
			want:  []string{"Deployment/shop/web deployment/shop/web spec.template.spec"},
		},
		"without templates only pods are workloads": {
			pods:  []corev1.Pod{pod("shop", "bare", "n1")},
			typed: map[string][]metav1.Object{deploymentsPath: {deployment("shop", "web")}},
			edit:  func(o *Options) { o.Templates = false },
			want:  []string{"Pod/shop/bare pod/shop/bare spec bare"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.pods, s.typed = tc.pods, tc.typed
			s.metadata[setsPath], s.metadata[jobsPath] = tc.sets, tc.runs
			opts := templatesOf(s)
			if tc.edit != nil {
				tc.edit(&opts)
			}
			result := collect(t, opts)
			if diff := cmp.Diff(tc.want, lines(result)); diff != "" || result.TemplatesRead != opts.Templates {
				t.Errorf("templates read: %t, workloads (-want +got):\n%s", result.TemplatesRead, diff)
			}
			if len(result.Gaps) > 0 {
				t.Errorf("gaps %+v", result.Gaps)
			}
		})
	}
}

// A list that is refused, or that fails at once or between two pages, is a gap of its own and
// costs neither pods nor other templates.
func TestTemplatesThatAreNotRead(t *testing.T) {
	for name, tc := range map[string]struct {
		path, from string // from: the page that fails
		with       *metav1.Status
		want       []string
		gap        fact.Gap
	}{
		"forbidden": {
			deploymentsPath, "", forbidden,
			[]string{"DaemonSet/shop/agent", "Pod/shop/bare"},
			fact.Gap{Reason: fact.Forbidden, Detail: "no right to list deployments.apps", Hint: "grant list on deployments.apps"},
		},
		"forbidden ReplicaSets": {
			setsPath, "", forbidden,
			[]string{"DaemonSet/shop/agent", "Deployment/shop/a", "Deployment/shop/b", "Deployment/shop/c", "Pod/shop/bare"},
			fact.Gap{Reason: fact.Forbidden, Detail: "no right to list replicasets.apps", Hint: "grant list on replicasets.apps"},
		},
		"a page in the middle fails": {
			deploymentsPath, "2", status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "leader changed"),
			[]string{"DaemonSet/shop/agent", "Deployment/shop/a", "Deployment/shop/b", "Pod/shop/bare"},
			fact.Gap{Reason: fact.Unavailable, Detail: "listing deployments.apps: the API server did not answer", Hint: "run it again"},
		},
		"a list that changes while it is read": {
			deploymentsPath, "2", status(http.StatusGone, metav1.StatusReasonExpired, "too old"),
			[]string{"DaemonSet/shop/agent", "Pod/shop/bare"},
			fact.Gap{Reason: fact.Changing, Detail: "listing deployments.apps: the list changed faster than it could be read", Hint: "run it again"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.pods = []corev1.Pod{pod("shop", "bare", "n1")}
			s.typed[deploymentsPath] = []metav1.Object{deployment("shop", "a"), deployment("shop", "b"), deployment("shop", "c")}
			s.typed[daemonSetsPath] = []metav1.Object{&appsv1.DaemonSet{ObjectMeta: meta("shop", "agent"), Spec: appsv1.DaemonSetSpec{Template: templated()}}}
			expired := false
			s.refuse = func(r *http.Request) *metav1.Status {
				if r.URL.Path == tc.path && (r.URL.Query().Get("continue") == tc.from || expired) {
					expired = tc.with.Code == http.StatusGone
					return tc.with
				}
				return nil
			}
			result := collect(t, templatesOf(s))
			var got []string
			for _, w := range result.Workloads {
				got = append(got, w.Owner.Kind+"/"+w.Owner.Namespace+"/"+w.Owner.Name)
			}
			tc.gap.What, tc.gap.Subject = fact.Templates, fact.Subject{Kind: fact.SubjectCluster}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]fact.Gap{tc.gap}, result.Gaps); diff != "" || result.PodScope != fact.PodsAll || !result.TemplatesRead {
				t.Errorf("scope %q, gaps (-want +got):\n%s", result.PodScope, diff)
			}
		})
	}
}

// Without the right to list pods, templates are still read.
func TestTemplatesWithoutPods(t *testing.T) {
	s := newServer(t)
	s.typed[deploymentsPath] = []metav1.Object{deployment("shop", "web")}
	s.refuse = refuseAll(podsPath, forbidden)
	result := collect(t, templatesOf(s))
	if diff := cmp.Diff([]string{"Deployment/shop/web deployment/shop/web spec.template.spec"}, lines(result)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
	if len(result.Gaps) != 1 || result.Gaps[0].What != fact.Pods || result.PodScope != fact.PodsNotListed || result.Relist != nil {
		t.Errorf("scope %q, gaps %+v", result.PodScope, result.Gaps)
	}
}

// Templates cost one request for each kind and page, and ReplicaSets and Jobs are read in
// full only if some have a template of their own.
func TestTemplateRequests(t *testing.T) {
	s := newServer(t)
	s.metadata[setsPath] = []metav1.PartialObjectMetadata{partial("shop", "web-abc", ownedBy("Deployment", "web"))}
	s.metadata[jobsPath] = []metav1.PartialObjectMetadata{partial("shop", "nightly-1", ownedBy("CronJob", "nightly"))}
	s.typed[deploymentsPath] = []metav1.Object{deployment("shop", "web")}
	collect(t, templatesOf(s))
	want := map[string]int{
		versionPath: 1, setsPath: 1, jobsPath: 1, handlersPath: 1, volumesPath: 1, podsPath: 1,
		"/apis": 1, deploymentsPath: 1, statefulSetsPath: 1, daemonSetsPath: 1, cronJobsPath: 1, rcsPath: 1, podTemplatesPath: 1,
	}
	got := map[string]int{}
	for _, r := range s.requests {
		got[r.URL.Path]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// The volumes of a StatefulSet's claims are claims: what is behind those that exist counts,
// and those to come can become anything.
func TestClaimTemplates(t *testing.T) {
	set := func(name string) *appsv1.StatefulSet {
		return &appsv1.StatefulSet{ObjectMeta: meta("shop", name), Spec: appsv1.StatefulSetSpec{
			Template: templated(func(p *corev1.Pod) {
				p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
			}),
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}},
		}}
	}
	volume := func(claim string, source corev1.PersistentVolumeSource) corev1.PersistentVolume {
		return corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: "pv-" + claim},
			Spec:       corev1.PersistentVolumeSpec{ClaimRef: &corev1.ObjectReference{Namespace: "shop", Name: claim}, PersistentVolumeSource: source},
		}
	}
	s := newServer(t)
	s.typed[statefulSetsPath] = []metav1.Object{set("far"), set("local"), set("new")}
	s.volumes = []corev1.PersistentVolume{
		volume("data-far-0", corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nfs", Path: "/"}}),
		volume("data-local-0", corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/run"}}),
	}
	want := map[string]fact.Volume{
		"far":   {Name: "data", Field: "spec.volumes[data]", Source: "persistentVolumeClaim"},
		"local": {Name: "data", Field: "spec.volumes[data]", Source: "persistentVolumeClaim", HostPath: "/var/run", HostPathFrom: "persistentvolume/pv-data-local-0 spec.hostPath.path"},
		"new":   {Name: "data", Field: "spec.volumes[data]", Source: "persistentVolumeClaim", Unread: fact.NotPresent},
	}
	got := map[string]fact.Volume{}
	for _, w := range collect(t, templatesOf(s)).Workloads {
		got[w.Owner.Name] = w.Spec.Volumes[0]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
}

// Pods of a named object are found below its top owner.
func TestNamedPods(t *testing.T) {
	s := newServer(t)
	s.metadata[jobsPath] = []metav1.PartialObjectMetadata{partial("shop", "nightly-1", ownedBy("CronJob", "nightly")), partial("shop", "nightly-2", ownedBy("CronJob", "nightly"))}
	s.pods = []corev1.Pod{
		pod("shop", "nightly-1-a", "n1", controlledBy("Job", "nightly-1")), pod("shop", "nightly-2-a", "n1", controlledBy("Job", "nightly-2")),
		pod("other", "nightly-1-a", "n1", controlledBy("Job", "nightly-1")),
	}
	result := collect(t, templatesOf(s, func(o *Options) {
		o.Named = []fact.Subject{{Kind: "Job", Namespace: "shop", Name: "nightly-1"}, {Kind: "Job", Namespace: "shop", Name: "gone"}}
	}))
	want := map[fact.SubjectKey]map[string]bool{{Kind: "Job", Namespace: "shop", Name: "nightly-1"}: {"nightly-1-a": true}}
	if diff := cmp.Diff(want, result.NamedPods); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

// Owners that own each other end.
func TestOwnersInACircle(t *testing.T) {
	tree := newOwnerTree(nil, Options{})
	a, b := objectKey{"x", "A", "shop", "a"}, objectKey{"x", "B", "shop", "b"}
	tree.up[a], tree.up[b] = b, a
	var seen []objectKey
	if top := tree.top(a, func(o objectKey) { seen = append(seen, o) }); top != b || len(seen) != 2 {
		t.Errorf("top %v, seen %v", top, seen)
	}
	for i := range 2 * maxOwnerDepth {
		tree.up[objectKey{"x", "C", "shop", fmt.Sprint(i)}] = objectKey{"x", "C", "shop", fmt.Sprint(i + 1)}
	}
	if top := tree.top(objectKey{"x", "C", "shop", "0"}, nil); top.name != fmt.Sprint(maxOwnerDepth) {
		t.Errorf("the way ends at %q", top.name)
	}
}
