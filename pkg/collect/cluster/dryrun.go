package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

const (
	// maxDryRunNamespaces bounds the namespaces that are tried: with five requests each where
	// something refuses, and one where nothing does.
	maxDryRunNamespaces = 1000
	// dryRunTime bounds one request. An API server gives a webhook up to 30 s, and ends a
	// request after a minute.
	dryRunTime = 40 * time.Second
	// dryRunsTime bounds all of them.
	dryRunsTime = 3 * time.Minute
	// dryRunners is how many namespaces are tried at once.
	dryRunners = 4
	// maxDryRunBytes bounds an answer; a pod has at most 1.5 MiB (etcd's limit).
	maxDryRunBytes = 4 << 20
	// maxNamedNamespaces is how many namespaces a gap names.
	maxNamedNamespaces = 3
)

// model is what the pods of a dry run take from a workload of their namespace, so that a
// policy about images or labels has nothing to say about them.
type model struct {
	image       string
	pullSecrets []string
	labels      map[string]string
	// as names the workload: "deployment/web".
	as string
}

// dryRunner asks an API server to create pods in dry runs (dryRun=All, KEP-576). Nothing is
// stored. The server runs the admission of a real request, so that this shows policies that no
// list shows.
type dryRunner struct {
	*clients
	// sidecar makes the init container a sidecar (KEP-753, on by default since 1.29).
	sidecar bool
	// assigned leaves the users of containers to the server: OpenShift gives each namespace a
	// range of its own.
	assigned bool
}

// dryRuns tries pods in the namespaces of workloads. It sends no dry run where the user may not
// create pods, and says so in a gap.
func (c *clients) dryRuns(ctx context.Context, result *Result) (*fact.Enforcement, []fact.Gap, error) {
	models := modelsOf(result.Workloads)
	namespaces := make([]string, 0, len(models))
	for namespace := range models {
		namespaces = append(namespaces, namespace)
	}
	slices.Sort(namespaces)
	out := &fact.Enforcement{}
	if len(namespaces) == 0 {
		return out, nil, nil
	}
	r := dryRunner{clients: c, sidecar: hasSidecars(result.Cluster.Version), assigned: isOpenShift(result.NodeObjects)}
	out.User = result.Cluster.User
	var gaps []fact.Gap
	gap := func(reason fact.Reason, detail, hint string) {
		gaps = append(gaps, fact.Gap{What: fact.Enforcing, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint})
	}
	if n := len(namespaces); n > maxDryRunNamespaces {
		gap(fact.Truncated, fmt.Sprintf("of %d namespaces the first %d were tried with a dry run, and %s not", n, maxDryRunNamespaces, named(namespaces[maxDryRunNamespaces:])),
			"narrow the run with -n")
		namespaces = namespaces[:maxDryRunNamespaces]
	}
	everywhere, answered := r.mayCreate(ctx, "")
	each := answered && !everywhere
	tried := make([]*fact.DryRun, len(namespaces))
	late, cancel := context.WithTimeout(ctx, dryRunsTime)
	defer cancel()
	var wg sync.WaitGroup
	next := make(chan int)
	for range dryRunners {
		wg.Go(func() {
			for i := range next {
				if each {
					if may, answered := r.mayCreate(late, namespaces[i]); answered && !may {
						continue
					}
				}
				tried[i] = r.namespace(late, namespaces[i], models[namespaces[i]])
			}
		})
	}
	sent := 0
	for ; sent < len(namespaces) && late.Err() == nil; sent++ {
		next <- sent
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var forbidden []string
	for i, d := range tried[:sent] {
		if d == nil {
			forbidden = append(forbidden, namespaces[i])
			continue
		}
		out.DryRuns = append(out.DryRuns, *d)
	}
	if len(forbidden) > 0 {
		gap(fact.Forbidden, "no right to create pods, even in a dry run, in "+named(forbidden), "grant create on pods; a dry run stores nothing")
	}
	if sent < len(namespaces) {
		gap(fact.Timeout, fmt.Sprintf("the dry runs took more than %s, and %s were not tried", dryRunsTime, named(namespaces[sent:])), "narrow the run with -n")
	}
	return out, gaps, nil
}

// named counts namespaces and names the first of them.
func named(namespaces []string) string {
	words := fmt.Sprintf("%d namespaces: ", len(namespaces))
	if len(namespaces) == 1 {
		words = "1 namespace: "
	}
	words += strings.Join(namespaces[:min(len(namespaces), maxNamedNamespaces)], ", ")
	if more := len(namespaces) - maxNamedNamespaces; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

// modelsOf finds for each namespace with workloads what the pods of its dry runs look like: the
// first workload that runs an image with a digest, else the first with an image.
func modelsOf(workloads []fact.Workload) map[string]model {
	out := map[string]model{}
	digested := map[string]bool{}
	for i := range workloads {
		w := &workloads[i]
		namespace := w.Owner.Namespace
		if namespace == "" || digested[namespace] {
			continue
		}
		image, digest := imageOf(w)
		if _, known := out[namespace]; known && !digest {
			continue
		}
		m := model{image: image}
		if image != "" {
			m.pullSecrets, m.as = w.Spec.PullSecrets, strings.ToLower(w.Owner.Kind)+"/"+w.Owner.Name
			for key, value := range w.Spec.Labels {
				if !controllersLabel(key) {
					if m.labels == nil {
						m.labels = map[string]string{}
					}
					m.labels[key] = value
				}
			}
		}
		out[namespace], digested[namespace] = m, digest
	}
	return out
}

// imageOf is an image of a workload's containers, by the digest that its pods run if they run
// one.
func imageOf(w *fact.Workload) (image string, digest bool) {
	if w.Spec.Partial != "" || w.Spec.OS == "windows" {
		return "", false
	}
	for i := range w.Spec.Containers {
		c := &w.Spec.Containers[i]
		named, err := reference.ParseNormalizedNamed(c.Image)
		if err != nil || c.Type != fact.RegularContainer {
			continue
		}
		image = cmp.Or(image, c.Image)
		// A policy about registries sees the name as it is written.
		name := named.Name()
		if !strings.HasPrefix(c.Image, name) {
			name = reference.FamiliarName(named)
		}
		if digested, ok := named.(reference.Digested); ok && len(w.Pods) > 0 {
			return name + "@" + digested.Digest().String(), true
		}
		for j := range w.Pods {
			for k := range w.Pods[j].Containers {
				s := &w.Pods[j].Containers[k]
				if _, id, found := strings.Cut(s.ImageID, "@"); found && s.Name == c.Name {
					if _, err := reference.ParseNormalizedNamed(name + "@" + id); err == nil {
						return name + "@" + id, true
					}
				}
			}
		}
	}
	return image, false
}

// controllersLabel reports whether a controller writes a label into the pods that it makes.
func controllersLabel(key string) bool {
	switch key {
	case "pod-template-hash", "controller-revision-hash", "pod-template-generation", "job-name", "controller-uid":
		return true
	}
	prefix, _, _ := strings.Cut(key, "/")
	return prefix == "batch.kubernetes.io" || prefix == "apps.kubernetes.io" || prefix == "statefulset.kubernetes.io"
}

func hasSidecars(gitVersion string) bool {
	v, err := version.ParseGeneric(gitVersion)
	return err == nil && v.AtLeast(version.MajorMinor(1, 29))
}

// isOpenShift looks for the label that OpenShift's machine configuration writes on its nodes.
func isOpenShift(nodes []corev1.Node) bool {
	return slices.ContainsFunc(nodes, func(n corev1.Node) bool { return n.Labels["node.openshift.io/os_id"] != "" })
}

// post sends an object as JSON and reads a bounded answer.
func (c *clients) post(ctx context.Context, path string, params map[string]string, object, into any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, dryRunTime)
	defer cancel()
	request := c.core.RESTClient().Post().AbsPath(path).SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body)
	for name, value := range params {
		request = request.Param(name, value)
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	data, err := io.ReadAll(io.LimitReader(stream, maxDryRunBytes+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxDryRunBytes:
		return errTooLarge
	case json.Unmarshal(data, into) != nil:
		return errMalformed
	}
	return nil
}

// mayCreate asks whether we may create pods in a namespace, "" for all of them. Where the
// server does not answer, the request itself will show it.
func (r *dryRunner) mayCreate(ctx context.Context, namespace string) (may, answered bool) {
	review := authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "create", Resource: "pods"},
		},
	}
	var answer authorizationv1.SelfSubjectAccessReview
	err := r.post(ctx, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", nil, review, &answer)
	return answer.Status.Allowed, err == nil && answer.Kind == review.Kind
}

// namespace tries pods in one namespace. It returns nil if we may not create pods there.
//
// What is allowed ends it: then something writable is admitted. If all writable pods are
// refused, so may be the perfect one. Then they are tried once more with the labels of a
// workload, because many policies demand labels.
func (r *dryRunner) namespace(ctx context.Context, namespace string, m model) *fact.DryRun {
	d, forbidden := r.variants(ctx, namespace, model{image: m.image, pullSecrets: m.pullSecrets})
	if d.Perfect == fact.DryRunRefused && len(m.labels) > 0 {
		if again, not := r.variants(ctx, namespace, m); !not && again.Perfect != fact.DryRunRefused && again.Reason == "" {
			again.LabelsOf = m.as
			d = again
		}
	}
	if forbidden {
		return nil
	}
	return d
}

// variants sends the pods of one model.
//
// They have one name, so that nothing but the field explains an answer. If the
// perfect pod is allowed, what was refused first is tried again: something that refused
// everything may have ended in between.
func (r *dryRunner) variants(ctx context.Context, namespace string, m model) (d *fact.DryRun, forbidden bool) {
	d = &fact.DryRun{Namespace: namespace, Image: m.image}
	by := map[string]bool{}
	base := r.pod(m)
	send := func(change func(app, init *corev1.SecurityContext), part varied) dryRunAnswer {
		pod := base.DeepCopy()
		change(triedIn(pod))
		return r.try(ctx, namespace, pod, part)
	}
	var again func()
	for _, variant := range []struct {
		answer *fact.DryRunAnswer
		change func(app, init *corev1.SecurityContext)
		part   varied
	}{
		{&d.Unset, func(app, _ *corev1.SecurityContext) { app.ReadOnlyRootFilesystem = nil }, variedApp},
		{&d.Writable, func(app, _ *corev1.SecurityContext) { *app.ReadOnlyRootFilesystem = false }, variedApp},
		{&d.Init, func(_, init *corev1.SecurityContext) { init.ReadOnlyRootFilesystem = nil }, variedInit},
		{&d.Perfect, func(_, _ *corev1.SecurityContext) {}, variedNothing},
	} {
		if variant.answer == &d.Perfect && again == nil {
			break // every writable pod was made read-only
		}
		a := send(variant.change, variant.part)
		*variant.answer = a.answer
		switch {
		case a.forbidden:
			return d, true
		case a.answer == fact.DryRunOther:
			d.Reason, d.Detail = a.reason, a.detail
			return d, false
		case variant.answer == &d.Perfect && a.answer == fact.DryRunRefused:
			d.PerfectBy = a.by
		case variant.answer == &d.Perfect:
			again()
		case a.answer == fact.DryRunAllowed:
			return d, false
		case a.answer == fact.DryRunRefused:
			by[a.by] = true
			if again == nil {
				again = func() {
					a := send(variant.change, variant.part)
					if *variant.answer = a.answer; a.answer == fact.DryRunOther {
						d.Reason, d.Detail = cmp.Or(a.reason, fact.Changing), cmp.Or(a.detail, "the API server refused a pod, and then answered otherwise")
					}
				}
			}
		}
		d.By = d.By[:0]
		for name := range by {
			d.By = append(d.By, name)
		}
		slices.Sort(d.By)
	}
	return d, false
}

// Names of the containers of a dry run's pod. Only the second of each list is varied. The first
// shows policies that look at the first container only, or are content with one.
const (
	dryRunFirst     = "first"
	dryRunApp       = "app"
	dryRunFirstInit = "first-init"
	dryRunInit      = "sidecar"
	// dryRunImage is the image if the namespace has none that is known.
	dryRunImage = "registry.k8s.io/pause:3.10"
)

// varied is the container whose root is writable in a pod.
type varied int

const (
	variedNothing varied = iota
	variedApp
	variedInit
)

// triedIn are the containers of a pod that are varied.
func triedIn(pod *corev1.Pod) (app, init *corev1.SecurityContext) {
	return pod.Spec.Containers[1].SecurityContext, pod.Spec.InitContainers[1].SecurityContext
}

// pod is a pod with which the strictest standards find nothing wrong: it satisfies Pod Security
// restricted, and what policies commonly ask for besides.
// Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
func (r *dryRunner) pod(m model) *corev1.Pod {
	yes, no, user := true, false, int64(65532)
	random := make([]byte, 5)
	_, _ = rand.Read(random) // it does not fail (crypto/rand)
	confined := func() *corev1.SecurityContext {
		readOnly := true
		s := &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, Privileged: &no, ReadOnlyRootFilesystem: &readOnly, RunAsNonRoot: &yes,
			Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
		if !r.assigned {
			s.RunAsUser, s.RunAsGroup = &user, &user
		}
		return s
	}
	little := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}
	container := func(name string) corev1.Container {
		return corev1.Container{
			Name: name, Image: cmp.Or(m.image, dryRunImage), ImagePullPolicy: corev1.PullAlways, SecurityContext: confined(),
			Resources: corev1.ResourceRequirements{Requests: little, Limits: little},
		}
	}
	serving := func(name string, port int32) corev1.Container {
		c := container(name)
		probe := func(period int32) *corev1.Probe {
			return &corev1.Probe{PeriodSeconds: period, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(port)}}}
		}
		c.Ports = []corev1.ContainerPort{{Name: name, ContainerPort: port, Protocol: corev1.ProtocolTCP}}
		c.ReadinessProbe, c.LivenessProbe = probe(10), probe(20)
		return c
	}
	init := container(dryRunInit)
	if r.sidecar {
		always := corev1.ContainerRestartPolicyAlways
		init.RestartPolicy = &always
	}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist-dry-run-" + hex.EncodeToString(random), Labels: m.labels},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			InitContainers: []corev1.Container{container(dryRunFirstInit), init},
			Containers:     []corev1.Container{serving(dryRunFirst, 8081), serving(dryRunApp, 8080)},
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
	for _, name := range m.pullSecrets {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	return pod
}

// dryRunAnswer is what an answer to one pod means.
type dryRunAnswer struct {
	answer    fact.DryRunAnswer
	by        string
	forbidden bool // RBAC refused it
	reason    fact.Reason
	detail    string
}

// try sends one pod, of which a part is writable.
func (r *dryRunner) try(ctx context.Context, namespace string, pod *corev1.Pod, part varied) dryRunAnswer {
	// Only what is needed of the answer is decoded.
	type container struct {
		Name            string `json:"name"`
		SecurityContext struct {
			ReadOnlyRootFilesystem *bool `json:"readOnlyRootFilesystem"`
		} `json:"securityContext"`
	}
	var created struct {
		Kind string `json:"kind"`
		Spec struct {
			InitContainers []container `json:"initContainers"`
			Containers     []container `json:"containers"`
		} `json:"spec"`
	}
	err := r.post(ctx, "/api/v1/namespaces/"+namespace+"/pods", map[string]string{
		"dryRun": metav1.DryRunAll, "fieldValidation": metav1.FieldValidationStrict, "fieldManager": "kubectl-checklist",
	}, pod, &created)
	if err != nil {
		return meaning(pod.Name, err)
	}
	unchanged := dryRunAnswer{answer: fact.DryRunOther, reason: fact.Corrupt, detail: "the API server answered with another object than the pod"}
	if created.Kind != "Pod" {
		return unchanged
	}
	ours := map[string]bool{}
	writable := "" // a container besides the varied one whose root is writable
	for _, list := range []struct {
		containers []container
		varied     string
	}{
		{created.Spec.InitContainers, when(part == variedInit, dryRunInit)}, {created.Spec.Containers, when(part == variedApp, dryRunApp)},
	} {
		for _, c := range list.containers {
			readOnly := c.SecurityContext.ReadOnlyRootFilesystem != nil && *c.SecurityContext.ReadOnlyRootFilesystem
			switch {
			case c.Name != "" && c.Name == list.varied && !readOnly:
				return dryRunAnswer{answer: fact.DryRunAllowed}
			case !readOnly:
				writable = cmp.Or(c.Name, "without a name")
			}
			ours[c.Name] = true
		}
	}
	switch {
	case !ours[dryRunFirstInit] || !ours[dryRunInit] || !ours[dryRunFirst] || !ours[dryRunApp]:
		return unchanged
	case writable != "":
		// Something adds it to all pods, and what refuses others does not mind.
		return dryRunAnswer{
			answer: fact.DryRunOther, reason: fact.NotOurs,
			detail: "something gives the pod a writable root, in container " + escape.Short(credential.KeptName(writable), fact.MaxDryRunName/3),
		}
	case part == variedNothing:
		return dryRunAnswer{answer: fact.DryRunAllowed}
	}
	return dryRunAnswer{answer: fact.DryRunMadeReadOnly}
}

func when(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

// What the API server writes about a refusal. Source: k8s.io/apiserver, packages
// admission/plugin/{policy/validating,webhook/errors}, k8s.io/pod-security-admission/admission,
// and kubernetes/plugin/pkg/admission/{resourcequota,limitranger,serviceaccount}. Only what
// follows the text at its beginning is ours to read: the rest is of policies and webhooks.
var (
	deniedByPolicy  = regexp.MustCompile(`^ValidatingAdmissionPolicy '([^']{1,253})' with binding '([^']{1,253})' denied request`)
	deniedByWebhook = regexp.MustCompile(`^admission webhook "([^"]{1,253})" denied the request`)
	noDryRunWebhook = regexp.MustCompile(`^admission webhook "([^"]{1,253})" does not support dry run`)
	failedWebhook   = regexp.MustCompile(`^(?:Internal error occurred: )?failed calling webhook "([^"]{1,253})"`)
	failedPolicy    = regexp.MustCompile(`^policy '([^']{1,253})' with binding '([^']{1,253})' denied request`)
	exceededQuota   = regexp.MustCompile(`^(?:exceeded|failed) quota: ([^:,]{1,253})[:,]`)
)

// meaning says what an error means for a pod of a name.
func meaning(pod string, err error) dryRunAnswer {
	other := func(reason fact.Reason, detail string) dryRunAnswer {
		return dryRunAnswer{answer: fact.DryRunOther, reason: reason, detail: detail}
	}
	var status apierrors.APIStatus
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, errMalformed):
		return other(fact.Corrupt, "the API server's answer is not the pod that was sent")
	case errors.Is(err, context.DeadlineExceeded):
		return other(fact.Timeout, "the API server did not answer a dry run in time")
	case !errors.As(err, &status):
		return other(fact.Unavailable, "the API server did not answer a dry run")
	}
	// The name is random, so nobody else writes a text that begins with it.
	s := status.Status()
	text, admission := strings.CutPrefix(s.Message, `pods "`+pod+`" is forbidden: `)
	one := func(re *regexp.Regexp) string {
		if found := re.FindStringSubmatch(text); found != nil {
			return escape.Short(credential.KeptName(found[1]), fact.MaxDryRunName/3)
		}
		return ""
	}
	refused := func(by string) dryRunAnswer { return dryRunAnswer{answer: fact.DryRunRefused, by: by} }
	if found := deniedByPolicy.FindStringSubmatch(text); found != nil && admission {
		return refused(fmt.Sprintf("ValidatingAdmissionPolicy %s, binding %s",
			escape.Short(credential.KeptName(found[1]), fact.MaxDryRunName/3), escape.Short(credential.KeptName(found[2]), fact.MaxDryRunName/3)))
	}
	if name := one(deniedByWebhook); name != "" {
		return refused("webhook " + name)
	}
	if name := one(noDryRunWebhook); name != "" {
		return other(fact.Unsupported, "webhook "+name+" does not support dry runs")
	}
	if name := one(failedWebhook); name != "" {
		return other(fact.Unavailable, "webhook "+name+" did not answer")
	}
	if name := one(failedPolicy); name != "" {
		return refused("admission policy " + name)
	}
	if name := one(exceededQuota); name != "" && admission {
		return other(fact.AdmissionDenied, "quota "+name+" refuses another pod")
	}
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return other(fact.Changing, "the namespace is being deleted")
	case admission && strings.HasPrefix(text, "violates PodSecurity "):
		return refused("PodSecurity")
	case admission && strings.HasPrefix(text, "unable to validate against any security context constraint"):
		return refused("SecurityContextConstraints")
	case admission && strings.HasPrefix(text, "error looking up service account "):
		return other(fact.NotPresent, "the namespace has no service account named default")
	case admission && strings.HasPrefix(text, "not yet ready to handle request"):
		return other(fact.Unavailable, "an admission plugin of the API server is not ready")
	case admission && isLimitRange(text):
		return other(fact.AdmissionDenied, "a LimitRange refuses the small requests and limits of the pod")
	case admission:
		return refused("an admission plugin")
	case s.Code == http.StatusForbidden:
		return dryRunAnswer{answer: fact.DryRunOther, forbidden: true}
	case s.Code == http.StatusNotFound:
		return other(fact.NotPresent, "the namespace was not found")
	case s.Code == http.StatusGatewayTimeout, s.Reason == metav1.StatusReasonTimeout, s.Reason == metav1.StatusReasonServerTimeout:
		return other(fact.Timeout, "the API server did not answer a dry run in time")
	case s.Code == http.StatusTooManyRequests, s.Code >= http.StatusInternalServerError:
		return other(fact.Unavailable, fmt.Sprintf("the API server answered with status %d", s.Code))
	}
	return other(fact.Unsupported, fmt.Sprintf("the API server does not take the pod: status %d", s.Code))
}

// isLimitRange recognises the text of the plugin LimitRanger: "minimum cpu usage per Container
// is 100m, but request is 10m", or a list of those.
func isLimitRange(text string) bool {
	text = strings.TrimPrefix(text, "[")
	return (strings.HasPrefix(text, "minimum ") || strings.HasPrefix(text, "maximum ") || strings.Contains(text, " max limit to request ratio per ")) &&
		strings.Contains(text, " per ")
}
