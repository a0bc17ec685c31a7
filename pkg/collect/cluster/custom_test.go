package cluster

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	crdsPath     = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	rolloutsPath = "/apis/argoproj.io/v1alpha1/rollouts"
	// containers is the template that pod and templated have.
	containers = `{"spec":{"containers":[{"name":"app","image":"registry.example/app:v1"}]}}`
)

// resourceOf is a resource as discovery lists it.
func resourceOf(name, kind string, namespaced bool) metav1.APIResource {
	return metav1.APIResource{Name: name, Kind: kind, Namespaced: namespaced, Verbs: metav1.Verbs{"get", "list"}}
}

// custom is an object of namespace shop with a spec. Owner is "KIND NAME VERSION", or "".
func custom(name, owner, spec string) string {
	owners := ""
	if owner != "" {
		words := strings.Fields(owner)
		owners = fmt.Sprintf(`,"ownerReferences":[{"controller":true,"kind":%q,"name":%q,"apiVersion":%q}]`, words[0], words[1], words[2])
	}
	return fmt.Sprintf(`{"metadata":{"namespace":"shop","name":%q%s},"spec":%s}`, name, owners, spec)
}

// owned is a controller's reference with a version.
func owned(kind, name, version string) metav1.OwnerReference {
	ref := ownedBy(kind, name)
	ref.APIVersion = version
	return ref
}

// definition is a CustomResourceDefinition. Schema is that of spec.
func definition(group, kind, schema string) string {
	return fmt.Sprintf(`{"metadata":{"name":"x.%s"},"spec":{"group":%q,"names":{"kind":%q},"versions":[{"name":"v1","served":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":%s}}}}]}}`,
		group, group, kind, schema)
}

const (
	podSchema   = `{"type":"object","properties":{"template":{"type":"object","properties":{"spec":{"type":"object","properties":{"containers":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"image":{"type":"string"}}}}}}}}}}`
	plainSchema = `{"type":"object","properties":{"color":{"type":"string"}}}`
)

func TestCustomResources(t *testing.T) {
	rollouts := func(s *server, objects ...string) {
		s.resources = map[string][]metav1.APIResource{"argoproj.io/v1alpha1": {resourceOf("rollouts", "Rollout", true), resourceOf("rollouts/status", "Rollout", true)}}
		s.objects = map[string][]string{rolloutsPath: objects}
	}
	rollout := custom("web", "", `{"replicas":0,"template":`+containers+`}`)
	withAnother := func(s *server) {
		s.resources = map[string][]metav1.APIResource{"example.org/v1": {resourceOf("gadgets", "Gadget", true), resourceOf("colors", "Color", true)}}
		s.objects = map[string][]string{
			crdsPath:                       {definition("example.org", "Color", plainSchema), definition("example.org", "Gadget", podSchema)},
			"/apis/example.org/v1/gadgets": {custom("g", "", `{"template":`+containers+`}`)},
			"/apis/example.org/v1/colors":  {custom("red", "", `{"color":"red"}`)},
		}
	}
	gap := func(reason fact.Reason, detail, hint string) []fact.Gap {
		return []fact.Gap{{What: fact.Templates, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint}}
	}
	for name, tc := range map[string]struct {
		fill func(*server)
		want []string
		gaps []fact.Gap
		// silent are paths that must not be asked for.
		silent []string
	}{
		"a Rollout without pods is found": {
			fill: func(s *server) { rollouts(s, rollout) },
			want: []string{"Rollout/shop/web rollout/shop/web spec.template.spec"}, silent: []string{crdsPath},
		},
		"a pod belongs to its Rollout": {
			fill: func(s *server) {
				rollouts(s, rollout)
				s.metadata[setsPath] = []metav1.PartialObjectMetadata{partial("shop", "web-abc", owned("Rollout", "web", "argoproj.io/v1alpha1"))}
				s.pods = []corev1.Pod{pod("shop", "web-abc-1", "n1", controlledBy("ReplicaSet", "web-abc"))}
			},
			want: []string{"Rollout/shop/web pod/shop/web-abc-1 spec web-abc-1"},
		},
		"pods of a Knative Service belong to it through four objects": {
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"serving.knative.dev/v1": {
					resourceOf("services", "Service", true), resourceOf("configurations", "Configuration", true), resourceOf("revisions", "Revision", true),
				}}
				s.objects = map[string][]string{
					"/apis/serving.knative.dev/v1/services":       {custom("shop", "", `{"template":`+containers+`}`)},
					"/apis/serving.knative.dev/v1/configurations": {custom("shop", "Service shop serving.knative.dev/v1", `{"template":`+containers+`}`)},
					"/apis/serving.knative.dev/v1/revisions":      {custom("shop-1", "Configuration shop serving.knative.dev/v1", `{"containers":[{"name":"app","image":"registry.example/app:v1"}]}`)},
				}
				d := deployment("shop", "shop-1-deployment", func(p *corev1.Pod) {
					p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "queue-proxy"})
				})
				d.OwnerReferences = []metav1.OwnerReference{owned("Revision", "shop-1", "serving.knative.dev/v1")}
				s.typed[deploymentsPath] = []metav1.Object{d}
				s.metadata[setsPath] = []metav1.PartialObjectMetadata{partial("shop", "shop-1-abc", ownedBy("Deployment", "shop-1-deployment"))}
				s.pods = []corev1.Pod{pod("shop", "shop-1-abc-x", "n1", controlledBy("ReplicaSet", "shop-1-abc"), func(p *corev1.Pod) {
					p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "queue-proxy"})
				})}
			},
			want: []string{"Service/shop/shop pod/shop/shop-1-abc-x spec shop-1-abc-x differs: spec.containers[1]"},
		},
		"a kind that nobody knows is found by its schema, and others are not listed": {
			fill: withAnother, want: []string{"Gadget/shop/g gadget/shop/g spec.template.spec, in part"}, silent: []string{"/apis/example.org/v1/colors"},
		},
		"without the right to list definitions, the published schema says it": {
			fill: func(s *server) {
				withAnother(s)
				delete(s.objects, crdsPath)
				s.documents = map[string]string{"/openapi/v3/apis/example.org/v1": `{"components":{"schemas":{
					"org.Gadget":{"type":"object","properties":{"spec":` + podSchema + `},"x-kubernetes-group-version-kind":[{"group":"example.org","kind":"Gadget","version":"v1"}]},
					"org.Color":{"type":"object","properties":{"spec":` + plainSchema + `},"x-kubernetes-group-version-kind":[{"group":"example.org","kind":"Color","version":"v1"}]}}}}`}
				s.refuse = refuseAll(crdsPath, forbidden)
			},
			want: []string{"Gadget/shop/g gadget/shop/g spec.template.spec, in part"}, silent: []string{"/apis/example.org/v1/colors"},
		},
		"a field that the schema leaves open is looked at in the objects": {
			fill: func(s *server) {
				withAnother(s)
				s.objects[crdsPath][1] = definition("example.org", "Gadget", `{"type":"object","properties":{"whatever":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`)
				s.objects["/apis/example.org/v1/gadgets"] = []string{custom("g", "", `{"whatever":`+containers+`}`)}
			},
			want: []string{"Gadget/shop/g gadget/shop/g spec.whatever.spec, in part"}, silent: []string{"/apis/example.org/v1/colors"},
		},
		"so is one of an old definition": {
			fill: func(s *server) {
				withAnother(s)
				s.objects[crdsPath][1] = strings.Replace(definition("example.org", "Gadget", plainSchema), `"versions"`, `"preserveUnknownFields":true,"versions"`, 1)
			},
			want: []string{"Gadget/shop/g gadget/shop/g spec.template.spec, in part"}, silent: []string{"/apis/example.org/v1/colors"},
		},
		"without either it is unknown": {
			fill: func(s *server) { withAnother(s); s.refuse = refuseAll(crdsPath, forbidden) },
			gaps: gap(fact.Forbidden, "no right to list customresourcedefinitions.apiextensions.k8s.io, and it is unknown whether resources of these groups run pods: example.org",
				"grant list on customresourcedefinitions.apiextensions.k8s.io"),
		},
		"a forbidden resource is a gap that names it": {
			fill: func(s *server) { rollouts(s, rollout); s.refuse = refuseAll(rolloutsPath, forbidden) },
			gaps: gap(fact.Forbidden, "no right to list rollouts.argoproj.io", "grant list on rollouts.argoproj.io"),
		},
		"an object that is broken costs no other": {
			fill: func(s *server) {
				rollouts(s, custom("bad", "", `{"template":{"spec":{"containers":[{"name":"app","image":"i","securityContext":{"privileged":"CANARY"}}]}}}`), rollout)
			},
			want: []string{"Rollout/shop/web rollout/shop/web spec.template.spec"},
			gaps: gap(fact.Corrupt, "1 of 2 objects of rollouts.argoproj.io are not as that resource should be", ""),
		},
		"one that names a Deployment is that Deployment's": {
			fill: func(s *server) {
				rollouts(s, custom("web", "", `{"workloadRef":{"kind":"Deployment","name":"web"}}`))
				s.typed[deploymentsPath] = []metav1.Object{deployment("shop", "web")}
			},
			want: []string{"Deployment/shop/web deployment/shop/web spec.template.spec"},
		},
		"containers that an operator merges into its pod are partial": {
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"tekton.dev/v1": {resourceOf("tasks", "Task", true)}}
				s.objects = map[string][]string{"/apis/tekton.dev/v1/tasks": {custom("build", "", `{"steps":[{"name":"a","image":"i","volumeMounts":[{"name":"later","mountPath":"/l"}]}]}`)}}
			},
			want: []string{"Task/shop/build task/shop/build spec, in part, volumes later"},
		},
		"what an operator has made a pod of is judged by that": {
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"monitoring.coreos.com/v1": {resourceOf("alertmanagers", "Alertmanager", true)}}
				s.objects = map[string][]string{"/apis/monitoring.coreos.com/v1/alertmanagers": {custom("main", "", `{"containers":[{"name":"app","image":"registry.example/app:v1"}]}`)}}
				s.pods = []corev1.Pod{pod("shop", "main-0", "n1", func(p *corev1.Pod) {
					p.OwnerReferences = []metav1.OwnerReference{owned("Alertmanager", "main", "monitoring.coreos.com/v1")}
				})}
			},
			want: []string{"Alertmanager/shop/main pod/shop/main-0 spec main-0"},
		},
		"a template without a pod stays, though another of its object has one": {
			fill: func(s *server) {
				withAnother(s)
				s.objects["/apis/example.org/v1/gadgets"] = []string{custom("g", "", `{"template":`+containers+`,"worker":{"template":{"spec":{"containers":[{"name":"worker","image":"i"}]}}}}`)}
				s.pods = []corev1.Pod{pod("shop", "g-0", "n1", func(p *corev1.Pod) {
					p.OwnerReferences = []metav1.OwnerReference{owned("Gadget", "g", "example.org/v1")}
				})}
			},
			want: []string{"Gadget/shop/g gadget/shop/g spec.worker.template.spec, in part", "Gadget/shop/g pod/shop/g-0 spec g-0"},
		},
		"so does one that sets what its pods do not have": {
			fill: func(s *server) {
				withAnother(s)
				s.objects["/apis/example.org/v1/gadgets"] = []string{custom("g", "", `{"template":{"spec":{"containers":[{"name":"app","image":"registry.example/app:v1","securityContext":{"privileged":true}}]}}}`)}
				s.pods = []corev1.Pod{pod("shop", "g-0", "n1", func(p *corev1.Pod) {
					p.OwnerReferences = []metav1.OwnerReference{owned("Gadget", "g", "example.org/v1")}
				})}
			},
			want: []string{"Gadget/shop/g gadget/shop/g spec.template.spec, in part", "Gadget/shop/g pod/shop/g-0 spec g-0"},
		},
		"a command that its controller wraps, an image that it resolves and an account of its own are its pod's": {
			fill: func(s *server) {
				withAnother(s)
				s.objects["/apis/example.org/v1/gadgets"] = []string{custom("g", "", `{"template":{"spec":{"serviceAccountName":"mine","containers":[{"name":"app","image":"registry.example/app:v1","command":["serve"]}]}}}`)}
				s.pods = []corev1.Pod{pod("shop", "g-0", "n1", func(p *corev1.Pod) {
					p.OwnerReferences = []metav1.OwnerReference{owned("Gadget", "g", "example.org/v1")}
					p.Spec.Containers[0].Command, p.Spec.ServiceAccountName = []string{"/entrypoint", "serve"}, "gadgets"
					p.Spec.Containers[0].Image = "registry.example/app@sha256:" + strings.Repeat("0", 64)
				})}
			},
			want: []string{"Gadget/shop/g pod/shop/g-0 spec g-0"},
		},
		"an object of the cluster with pods in namespaces": {
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"example.org/v1": {resourceOf("gadgets", "Gadget", false)}}
				s.objects = map[string][]string{
					crdsPath:                       {definition("example.org", "Gadget", podSchema)},
					"/apis/example.org/v1/gadgets": {`{"metadata":{"name":"g"},"spec":{"template":` + containers + `}}`},
				}
				s.pods = []corev1.Pod{pod("shop", "g-0", "n1", func(p *corev1.Pod) {
					p.OwnerReferences = []metav1.OwnerReference{owned("Gadget", "g", "example.org/v1")}
				})}
			},
			want: []string{"Gadget/shop/g pod/shop/g-0 spec g-0"},
		},
		"objects in an object are found": {
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"kubernetes.crossplane.io/v1alpha2": {resourceOf("objects", "Object", false)}}
				s.objects = map[string][]string{"/apis/kubernetes.crossplane.io/v1alpha2/objects": {`{"metadata":{"name":"o"},"spec":{"forProvider":{"manifest":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"in"},"spec":{"template":` + containers + `}}}}}`}}
			},
			want: []string{"Object//o object/o spec.forProvider.manifest.spec.template.spec"},
		},
		"objects that do not say what they run, and run nothing, are one gap": {
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"kpack.io/v1alpha2": {resourceOf("images", "Image", true)}}
				s.objects = map[string][]string{"/apis/kpack.io/v1alpha2/images": {custom("a", "", `{}`), custom("b", "", `{}`)}}
			},
			gaps: gap(fact.Unsupported, "images.kpack.io shop/a and 1 more have no pods, and it is unknown what they would run: kpack makes a build pod for it, from its builder", "judge the build pods, on a cluster"),
		},
		"those with pods are judged by these": {
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"kpack.io/v1alpha2": {resourceOf("images", "Image", true)}}
				s.objects = map[string][]string{"/apis/kpack.io/v1alpha2/images": {custom("a", "", `{}`)}}
				s.pods = []corev1.Pod{pod("shop", "a-build", "n1", func(p *corev1.Pod) {
					p.OwnerReferences = []metav1.OwnerReference{owned("Image", "a", "kpack.io/v1alpha2")}
				})}
			},
			want: []string{"Image/shop/a pod/shop/a-build spec a-build"},
		},
		"an owner of another kind is looked up by metadata": {
			fill: func(s *server) {
				withAnother(s)
				s.pods = []corev1.Pod{pod("shop", "c-1", "n1", func(p *corev1.Pod) {
					p.OwnerReferences = []metav1.OwnerReference{owned("Color", "red", "example.org/v1")}
				})}
				s.objects["/apis/example.org/v1/colors"] = []string{custom("red", "Gadget g example.org/v1", `{}`)}
			},
			want: []string{"Gadget/shop/g pod/shop/c-1 spec c-1"},
		},
		"a ReplicaSet of an owner without a template has its own": {
			fill: func(s *server) {
				withAnother(s)
				set := &appsv1.ReplicaSet{ObjectMeta: meta("shop", "red-1", owned("Color", "red", "example.org/v1")), Spec: appsv1.ReplicaSetSpec{Template: templated()}}
				s.typed[setsPath] = []metav1.Object{set}
				s.metadata[setsPath] = []metav1.PartialObjectMetadata{{ObjectMeta: set.ObjectMeta}}
			},
			want: []string{"Color/shop/red replicaset/shop/red-1 spec.template.spec", "Gadget/shop/g gadget/shop/g spec.template.spec, in part"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			tc.fill(s)
			result := collect(t, templatesOf(s))
			if diff := cmp.Diff(tc.want, lines(result)); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gaps, result.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			for _, path := range tc.silent {
				for _, r := range s.asked(path) {
					t.Errorf("asked for %s", r.URL)
				}
			}
		})
	}
}

// A server that answers with all resources at once is asked once.
func TestAggregatedDiscovery(t *testing.T) {
	s := newServer(t)
	s.documents = map[string]string{"/apis": `{"kind":"APIGroupDiscoveryList","items":[
		{"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[{"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced","verbs":["list"]}]}]},
		{"metadata":{"name":"broken.example"},"versions":[{"version":"v1","freshness":"Stale"}]},
		{"metadata":{"name":"evil/../x"},"versions":[{"version":"v1","resources":[{"resource":"a","responseKind":{"kind":"A"},"scope":"Namespaced","verbs":["list"]}]}]},
		{"metadata":{"name":"argoproj.io"},"versions":[
			{"version":"v1alpha1","resources":[{"resource":"rollouts","responseKind":{"kind":"Rollout"},"scope":"Namespaced","verbs":["get","list"]},
				{"resource":"rollouts2","responseKind":{"kind":"Rollout"},"scope":"Namespaced","verbs":["create"]}]},
			{"version":"v1","resources":[{"resource":"rollouts","responseKind":{"kind":"Rollout"},"scope":"Namespaced","verbs":["list"]}]}]}]}`}
	s.objects = map[string][]string{rolloutsPath: {custom("web", "", `{"template":`+containers+`}`)}}
	result := collect(t, templatesOf(s))
	if diff := cmp.Diff([]string{"Rollout/shop/web rollout/shop/web spec.template.spec"}, lines(result)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
	if len(result.Gaps) != 1 || result.Gaps[0].Reason != fact.Unavailable || !strings.HasSuffix(result.Gaps[0].Detail, ": broken.example") {
		t.Errorf("gaps %+v", result.Gaps)
	}
	discovery := 0
	for _, r := range s.requests {
		if strings.HasPrefix(r.URL.Path, "/apis/") && strings.Count(r.URL.Path, "/") == 3 || r.URL.Path == "/apis" {
			discovery++
		}
	}
	if discovery != 1 {
		t.Errorf("%d requests for discovery", discovery)
	}
}

// Custom resources are read page by page; a page that fails costs the rest of its resource.
func TestCustomPages(t *testing.T) {
	for name, from := range map[string]string{"all pages": "none", "the second page fails": "100"} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.resources = map[string][]metav1.APIResource{"argoproj.io/v1alpha1": {resourceOf("rollouts", "Rollout", true)}}
			var objects []string
			for i := range 150 {
				objects = append(objects, custom(fmt.Sprintf("web-%03d", i), "", `{"template":`+containers+`}`))
			}
			s.objects = map[string][]string{rolloutsPath: objects}
			s.refuse = func(r *http.Request) *metav1.Status {
				if r.URL.Path == rolloutsPath && r.URL.Query().Get("continue") == from {
					return status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "CANARY")
				}
				return nil
			}
			result := collect(t, templatesOf(s))
			want, gaps := 150, 0
			if from == "100" {
				want, gaps = 100, 1
			}
			if len(result.Workloads) != want || len(result.Gaps) != gaps {
				t.Errorf("%d workloads, gaps %+v", len(result.Workloads), result.Gaps)
			}
		})
	}
}

// An owner of very many workloads has all of them compared, as far as that costs little. Where
// it does not, its pods are judged, and a gap says what is not known.
func TestManyTemplatesOfOneOwner(t *testing.T) {
	const many = 70
	s := newServer(t)
	s.resources = map[string][]metav1.APIResource{"example.org/v1": {resourceOf("colors", "Color", true)}}
	s.objects = map[string][]string{crdsPath: {definition("example.org", "Color", plainSchema)}, "/apis/example.org/v1/colors": {custom("red", "", `{}`)}}
	for i := range many {
		name := fmt.Sprintf("web-%02d", i)
		tag := image("registry.example/app:v1")
		if i == 1 {
			tag = image("registry.example/app:v2") // changed since its pods were made
		}
		d := deployment("shop", name, tag)
		d.OwnerReferences = []metav1.OwnerReference{owned("Color", "red", "example.org/v1")}
		s.typed[deploymentsPath] = append(s.typed[deploymentsPath], d)
		s.metadata[setsPath] = append(s.metadata[setsPath], partial("shop", name+"-abc", ownedBy("Deployment", name)))
		if i > 0 {
			s.pods = append(s.pods, pod("shop", name+"-abc-x", "n1", controlledBy("ReplicaSet", name+"-abc")))
		}
	}
	s.pods = append(s.pods, pod("shop", "web-69-abc-y", "n1", controlledBy("ReplicaSet", "web-69-abc"), func(p *corev1.Pod) { p.Spec.HostPID = true }))
	uncompared := []fact.Gap{{
		What: fact.Templates, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Truncated,
		Detail: "these have too many templates and pods to compare all of them, and what of their templates has changed since their pods were made is unknown: Color shop/red",
	}}
	for name, tc := range map[string]struct {
		most    int
		without []string
		gaps    []fact.Gap
	}{
		"all are compared": {without: []string{"deployment/shop/web-01"}},
		"few are compared": {most: many, gaps: uncompared},
		"none is compared": {most: 1, without: []string{"deployment/shop/web-00"}, gaps: uncompared},
	} {
		t.Run(name, func(t *testing.T) {
			opts := templatesOf(s, func(o *Options) { o.PageSize, o.maxCompared = 500, tc.most })
			whole, got, _ := streamed(t, opts)
			sameResult(t, whole, got)
			pods := 0
			var without []string
			for _, w := range whole.Workloads {
				pods += len(w.Pods)
				if len(w.Pods) == 0 {
					without = append(without, w.Spec.Origin)
				}
			}
			if pods != many || !slices.Equal(without, tc.without) {
				t.Errorf("%d pods; templates without pods: %v, want %v", pods, without, tc.without)
			}
			if diff := cmp.Diff(tc.gaps, whole.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// Templates that are not kept are a gap, whichever way they come.
func TestTooManyTemplates(t *testing.T) {
	s := newServer(t)
	s.resources = map[string][]metav1.APIResource{"argoproj.io/v1alpha1": {resourceOf("rollouts", "Rollout", true)}}
	s.objects = map[string][]string{rolloutsPath: {custom("r", "", `{"template":`+containers+`}`)}}
	for i := range 4 {
		s.typed[deploymentsPath] = append(s.typed[deploymentsPath], deployment("shop", fmt.Sprintf("web-%d", i)))
	}
	whole, got, _ := streamed(t, templatesOf(s, func(o *Options) { o.maxTemplates = 3 }))
	sameResult(t, whole, got)
	if len(whole.Workloads) != 3 || len(whole.Gaps) != 1 || whole.Gaps[0].Detail != "2 templates were not judged: there are more than 3" {
		t.Errorf("%d workloads, gaps %+v", len(whole.Workloads), whole.Gaps)
	}
}

// What an object does not say is a gap, though other parts of it have pods.
func TestUndeclaredPartOfAnObjectWithPods(t *testing.T) {
	s := newServer(t)
	s.resources = map[string][]metav1.APIResource{"example.org/v1": {resourceOf("gadgets", "Gadget", true)}}
	s.objects = map[string][]string{
		crdsPath: {definition("example.org", "Gadget", podSchema)},
		"/apis/example.org/v1/gadgets": {
			custom("a", "", `{"template":`+containers+`,"podTemplate":{"spec":{"priority":1}}}`),
			custom("b", "", `{"podTemplate":{"spec":{"priority":1}}}`),
		},
	}
	s.pods = []corev1.Pod{pod("shop", "a-0", "n1", func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{owned("Gadget", "a", "example.org/v1")}
	})}
	whole, got, _ := streamed(t, templatesOf(s))
	sameResult(t, whole, got)
	const why = ": spec.podTemplate: a kind that is not known, with a pod template in which no container is found"
	var details []string
	for _, gap := range whole.Gaps {
		details = append(details, gap.Detail)
	}
	if diff := cmp.Diff([]string{
		"gadgets.example.org shop/b has no pods, and it is unknown what it would run" + why,
		"gadgets.example.org shop/a has pods, which are judged, and it is unknown what it runs besides them" + why,
	}, details); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// What an aggregated API server serves has no definition. Its published schema says whether its
// objects can have pods. Where there is none, nobody knows: objects of any kind are not read.
func TestAggregatedAPIs(t *testing.T) {
	const path = "/apis/agg.example/v1/"
	fill := func(s *server) {
		s.resources = map[string][]metav1.APIResource{
			"example.org/v1": {resourceOf("colors", "Color", true)},
			"agg.example/v1": {resourceOf("runners", "Runner", true), resourceOf("shades", "Shade", true), resourceOf("things", "Thing", true)},
		}
		s.objects = map[string][]string{
			crdsPath:         {definition("example.org", "Color", plainSchema)},
			path + "runners": {custom("r", "", `{"template":`+containers+`}`)},
			path + "shades":  {custom("s", "", `{}`)},
			path + "things":  {custom("t", "", `{"template":`+containers+`}`)},
		}
	}
	published := map[string]string{"/openapi/v3/apis/agg.example/v1": `{"components":{"schemas":{
		"PodSpec":{"properties":{"containers":{"type":"array","items":{"properties":{"name":{},"image":{}}}}}},
		"Runner":{"properties":{"spec":{"properties":{"template":{"properties":{"spec":{"$ref":"#/components/schemas/PodSpec"}}}}}},"x-kubernetes-group-version-kind":[{"group":"agg.example","kind":"Runner","version":"v1"}]},
		"Shade":{"properties":{"spec":{"properties":{"color":{}}}},"x-kubernetes-group-version-kind":[{"group":"agg.example","kind":"Shade","version":"v1"}]}}}}`}
	const unpublished = "no schema is published for these groups, and it is unknown whether their resources run pods: agg.example"
	for name, tc := range map[string]struct {
		documents map[string]string
		refuse    string
		silent    []string
		want      []string
		gap       string
	}{
		"by the published schema":        {documents: published, want: []string{"Runner/shop/r runner/shop/r spec.template.spec, in part"}, silent: []string{path + "shades", path + "things", "/apis/example.org/v1/colors"}, gap: unpublished},
		"no schema is published":         {silent: []string{path + "runners", path + "shades", path + "things", "/apis/example.org/v1/colors"}, gap: unpublished},
		"objects that may not be listed": {documents: published, refuse: path + "runners", gap: "no right to list runners.agg.example"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			fill(s)
			s.documents = tc.documents
			if tc.refuse != "" {
				s.refuse = refuseAll(tc.refuse, forbidden)
			}
			result := collect(t, templatesOf(s))
			if diff := cmp.Diff(tc.want, lines(result)); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
			if !slices.ContainsFunc(result.Gaps, func(g fact.Gap) bool { return g.Detail == tc.gap }) {
				t.Errorf("gaps %+v", result.Gaps)
			}
			for _, path := range tc.silent {
				if len(s.asked(path)) > 0 {
					t.Errorf("asked for %s", path)
				}
			}
		})
	}
}
