package launch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/loader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// A kind is one of the three kinds of objects that a run creates in its namespace, and
// how they are requested. The requests are our own, because the typed clients drop
// fields that they do not know.
type kind struct {
	resource string // "pods"
	name     string // "pod", for people
	client   rest.Interface
	shape    *shape
}

func (o *Options) pods() *kind {
	return &kind{"pods", "pod", o.Client.Core.RESTClient(), podShape(o.embedded())}
}

func (o *Options) configs() *kind {
	return &kind{"configmaps", "ConfigMap", o.Client.Core.RESTClient(), configMapShape()}
}

func (o *Options) jobs() *kind {
	return &kind{"jobs", "job", o.Client.Batch.RESTClient(), jobShape()}
}

// An object is an object of any of the three kinds.
type object interface {
	runtime.Object
	metav1.Object
}

// send creates an object. With dryRun the server only decides whether it would create
// it. send decodes the server's answer into made, and also returns it unchanged.
func (o *Options) send(ctx context.Context, k *kind, sent, made object, dryRun bool) (tree, error) {
	request := k.client.Post().Namespace(o.Namespace).Resource(k.resource).SetHeader("Accept", "application/json").Body(sent)
	if dryRun {
		request = request.Param("dryRun", metav1.DryRunAll)
	}
	return receive(request.Do(ctx), made)
}

// read gets one whole object, and returns it as send does.
func (o *Options) read(ctx context.Context, k *kind, name string, made object) (tree, error) {
	return receive(k.client.Get().Namespace(o.Namespace).Resource(k.resource).Name(name).SetHeader("Accept", "application/json").Do(ctx), made)
}

func receive(result rest.Result, made object) (tree, error) {
	if err := result.Error(); err != nil { // Raw's error has no Status
		return nil, err
	}
	data, err := result.Raw()
	if err != nil {
		return nil, err
	}
	return decodeObject(data, made)
}

func decodeObject(data []byte, made object) (tree, error) {
	t, err := parseTree(data)
	if err != nil || json.Unmarshal(data, made) != nil {
		return nil, fmt.Errorf("expected a %T from the server, found something else", made) // err may quote data
	}
	return t, nil
}

// remove deletes the object with this UID, whatever has its name now. If that object is
// gone, the error is NotFound.
func (o *Options) remove(ctx context.Context, k *kind, namespace, name string, uid types.UID) error {
	options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(uid))}
	switch k.resource {
	case "pods":
		options.GracePeriodSeconds = new(int64(0))
	case "jobs":
		options.PropagationPolicy = new(metav1.DeletePropagationBackground)
	}
	err := o.request(ctx, func() error {
		return k.client.Delete().Namespace(namespace).Resource(k.resource).Name(name).Body(&options).Do(ctx).Error()
	})
	if apierrors.IsConflict(err) {
		return apierrors.NewNotFound(corev1.Resource(k.resource), name)
	}
	return err
}

// An entry is an object that this run has created and not deleted yet.
type entry struct {
	kind *kind
	name string
	uid  types.UID
}

// ledger is what a run knows to be its own. It holds the UIDs of what it created, which
// the server chooses, and the words of requests whose answer has not arrived. Nobody can
// know such a word before the object with it exists.
type ledger struct {
	uids  map[types.UID]bool
	made  map[types.UID]entry
	words map[string]string // by object: "pods/NAME"
	// unsure are the resources for which a create failed. The object may still have
	// been created.
	unsure map[string]bool
}

// stamp marks an object with its own word, once.
func (s *session) stamp(k *kind, o object) {
	annotations := o.GetAnnotations()
	if annotations[AnnotationRequest] != "" {
		return
	}
	word := strings.ToLower(rand.Text())
	annotations = maps.Clone(annotations)
	if annotations == nil {
		annotations = make(map[string]string, 1)
	}
	annotations[AnnotationRequest] = word
	o.SetAnnotations(annotations)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.words == nil {
		s.words = make(map[string]string)
	}
	s.words[word] = k.resource + "/" + o.GetName()
}

func (s *session) keep(k *kind, o metav1.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.uids, s.made = make(map[types.UID]bool), make(map[types.UID]entry)
	}
	s.uids[o.GetUID()] = true
	s.made[o.GetUID()] = entry{k, o.GetName(), o.GetUID()}
}

// answered removes an object's word. From now on only the UID proves anything.
func (s *session) answered(o metav1.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.words, o.GetAnnotations()[AnnotationRequest])
}

func (s *session) forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.made, uid)
}

// owns reports whether this run created an object. It goes by the UID, or by word and
// name if no answer with the UID arrived. Anybody who may patch an object can copy a
// word to it, but nobody can give it another name.
func (s *session) owns(resource string, o metav1.Object) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uids[o.GetUID()] || s.words[o.GetAnnotations()[AnnotationRequest]] == resource+"/"+o.GetName()
}

// left returns the objects of a resource that the run has not deleted yet, by name.
func (s *session) left(resource string) []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []entry
	for _, m := range s.made {
		if m.kind.resource == resource {
			left = append(left, m)
		}
	}
	sorted.Func(left, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return left
}

// searchLost looks for objects that were created by requests whose answers were lost. It
// always looks for pods, because they run code. It does not change objects that have
// this run's label but are not its own.
func (s *session) searchLost(ctx context.Context) error {
	s.mu.Lock()
	unsure := maps.Clone(s.unsure)
	s.mu.Unlock()
	var errs []error
	for _, k := range []*kind{s.pods(), s.configs(), s.jobs()} {
		if k.resource != "pods" && !unsure[k.resource] {
			continue
		}
		err := s.request(ctx, func() error {
			items, err := metadataOf(ctx, k.client, s.Namespace, k.resource, LabelRun+"="+s.RunID)
			for i := range items {
				if s.owns(k.resource, &items[i]) {
					s.keep(k, &items[i])
				}
			}
			return err
		})
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// put creates an object of this run and keeps its UID. It returns the differences
// between what was sent and what the server returned.
func (s *session) put(ctx context.Context, k *kind, o, made object) ([]difference, error) {
	s.stamp(k, o)
	sent, err := treeOf(o)
	if err != nil {
		return nil, err
	}
	var returned tree
	err = s.create(ctx, func(ctx context.Context) (err error) {
		returned, err = s.send(ctx, k, o, made, false)
		if apierrors.IsAlreadyExists(err) {
			returned, err = s.adopt(ctx, k, o, sent, made)
		}
		return err
	})
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.unsure == nil {
			s.unsure = make(map[string]bool)
		}
		s.unsure[k.resource] = true
		return nil, err
	}
	s.keep(k, made)
	s.answered(o)
	return s.learned.without(compare(k.shape, sent, returned)), nil
}

// adopt decides whether an existing object is the one that an earlier request created,
// whose answer was lost. The object must have the request's word and labels. put then
// compares its fields with what was sent, as for an answer that arrived. Otherwise
// somebody else made the object, and it is not changed.
func (s *session) adopt(ctx context.Context, k *kind, o object, sent tree, made object) (tree, error) {
	found, err := s.find(ctx, k, o.GetName(), made)
	if err != nil {
		return nil, s.planted(k, o.GetName(), "looking at it: "+oneLine(err.Error()))
	}
	if found == nil {
		return nil, apierrors.NewServiceUnavailable(k.name + " " + o.GetName() + " existed, but is gone") // try again
	}
	if made.GetAnnotations()[AnnotationRequest] != o.GetAnnotations()[AnnotationRequest] {
		s.answered(o)
		return nil, s.planted(k, o.GetName(), "it does not have the random word of this run's request")
	}
	if !maps.Equal(made.GetLabels(), o.GetLabels()) {
		s.answered(o)
		return nil, s.planted(k, o.GetName(), "its labels differ from those that this run sets")
	}
	found["apiVersion"], found["kind"] = sent["apiVersion"], sent["kind"] // a list's items have none
	return found, nil
}

// find gets an object by its name from a list, because not every user who may list
// objects may also get them. It returns nil if no object has the name.
func (o *Options) find(ctx context.Context, k *kind, name string, made object) (tree, error) {
	result := k.client.Get().Namespace(o.Namespace).Resource(k.resource).SetHeader("Accept", "application/json").
		Param("fieldSelector", "metadata.name="+name).Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	data, err := result.Raw()
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(data, &list) != nil || len(list.Items) > 1 {
		return nil, fmt.Errorf("expected a list of one %s", k.name)
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	return decodeObject(list.Items[0], made)
}

// planted returns the failure for a name that somebody else's object has.
func (o *Options) planted(k *kind, name, why string) *Failure {
	return &Failure{
		Reason: fact.NotOurs,
		Detail: fmt.Sprintf("%s %s exists in namespace %s, and this run did not create it: %s", k.name, name, o.Namespace, why),
		Hint: fmt.Sprintf("kubectl get %s %s -n %s -o yaml shows it; it was not changed; "+
			"use --probe-namespace with a namespace that nobody else can write to", k.resource, name, o.Namespace),
	}
}

// foreign says on which node unchecked code may have run.
func foreign(node string) string {
	return fmt.Sprintf("code that is not the probe's may have run on node %q", bounded(node))
}

// intact checks, after a pod has ended, that the ConfigMaps that it mounts are still
// those that this run created. An immutable ConfigMap cannot be changed or become
// mutable again, and a UID is given only once. So with the same UID it was there all the
// time, with our content. Metadata is enough for this, without the megabytes that the
// ConfigMaps hold.
func (s *session) intact(ctx context.Context, node string, mounted []*corev1.ConfigMap) *Failure {
	if len(mounted) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timing.request)
	defer cancel()
	var items []metav1.PartialObjectMetadata
	err := s.request(ctx, func() (err error) {
		items, err = s.metadata(ctx, s.Namespace, "configmaps", LabelRun+"="+s.RunID)
		return err
	})
	if err != nil {
		f := s.refused("checking that the probe's ConfigMaps are those that were created", err)
		f.Hint = "without that proof the probe's answer does not count"
		return f
	}
	for _, m := range mounted {
		i := slices.IndexFunc(items, func(item metav1.PartialObjectMetadata) bool { return item.Name == m.Name })
		what := "was deleted"
		if i >= 0 {
			if items[i].UID == m.UID {
				continue
			}
			what = "was replaced"
		}
		f := &Failure{
			Reason: fact.NotOurs,
			Detail: fmt.Sprintf("ConfigMap %s in namespace %s %s during the run; the probe's answer was refused; %s",
				m.Name, s.Namespace, what, foreign(node)),
			Hint: "find out who can write ConfigMaps there (the audit log shows who did); use --probe-namespace with a namespace that nobody else can write to",
		}
		s.mu.Lock()
		s.spoiled = f
		s.mu.Unlock()
		return f
	}
	return nil
}

// stopped returns the failure of nodes that get no pod, because the code that it would
// run was replaced.
func (s *session) stopped() *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spoiled == nil {
		return nil
	}
	return &Failure{
		Reason: s.spoiled.Reason, Hint: s.spoiled.Hint,
		Detail: "no pod was created, because a ConfigMap of the probe was replaced during the run",
	}
}

// changed returns the failure for an object that the cluster changed.
func (o *Options) changed(doing string, found []difference) *Failure {
	f := &Failure{Reason: fact.AdmissionDenied}
	const most = 3
	var texts []string
	for _, d := range found[:min(len(found), most)] {
		texts = append(texts, d.String())
	}
	if n := len(found) - most; n > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", n))
	}
	f.Detail = doing + ": a webhook or policy of this cluster changes it: " + strings.Join(texts, "; ")
	f.Hint = o.changeHint(found)
	return f
}

// changeHint says what to do about a change. It goes by the most informative difference:
// a sidecar, an image, a field that only the server knows.
func (o *Options) changeHint(found []difference) string {
	exempt := fmt.Sprintf("exempt namespace %s from that webhook or policy, use --probe-namespace with an exempt one, or --no-probe", o.Namespace)
	for _, d := range found {
		switch d.pattern {
		case "spec.containers[]", "spec.initContainers[]", "spec.ephemeralContainers[]":
			if d.sent == "nothing" {
				return o.sidecarHint(d.path, exempt)
			}
		}
	}
	for _, d := range found {
		if d.pattern == "spec.containers[].image" {
			return "use --probe-image with a digest (REPOSITORY@sha256:...), which is the same image in every registry; or " + exempt
		}
	}
	for _, d := range found {
		if !d.unknown {
			return exempt
		}
	}
	return "a newer version of this plugin may know the field; or " + exempt
}

// injectors are the most common sidecars, and how to exclude a namespace from each. The
// pod already opts out of istio and linkerd. If their sidecars are added anyway, the
// namespace must opt out.
var injectors = []struct{ prefix, name, optOut string }{
	{"istio-", "istio", "label it istio-injection=disabled"},
	{"linkerd-", "linkerd", "annotate it linkerd.io/inject=disabled"},
	{"kuma-", "kuma", "label it kuma.io/sidecar-injection=disabled"},
	{"consul-", "consul", "add it to connectInject.k8sDenyNamespaces"},
	{"vault-agent", "vault", "exclude it in the injector's namespaceSelector"},
}

func (o *Options) sidecarHint(path, exempt string) string {
	name := strings.TrimSuffix(path[strings.IndexByte(path, '[')+1:], "]")
	for _, i := range injectors {
		if strings.HasPrefix(name, i.prefix) {
			return fmt.Sprintf("%s adds its sidecar to pods in namespace %s: %s; or use --probe-namespace with a namespace without it", i.name, o.Namespace, i.optOut)
		}
	}
	return fmt.Sprintf("container %q is a sidecar: %s", bounded(name), exempt)
}

// brings reports whether a difference can run code that is not the probe's.
func (d *difference) brings() bool {
	if d.unknown || strings.HasPrefix(d.pattern, "metadata.annotations") { // see obeyed
		return true
	}
	for _, prefix := range []string{
		"spec.containers[].image", "spec.containers[].command", "spec.containers[].args", "spec.containers[].env",
		"spec.containers[].envFrom", "spec.containers[].workingDir", "spec.containers[].volume", "spec.containers[].lifecycle",
		"spec.containers[].livenessProbe", "spec.containers[].readinessProbe", "spec.containers[].startupProbe",
		"spec.initContainers", "spec.ephemeralContainers", "spec.volumes", "spec.resourceClaims", "spec.runtimeClassName",
	} {
		if strings.HasPrefix(d.pattern, prefix) {
			return true
		}
	}
	return d.pattern == "spec.containers[]"
}

// consequence says what a changed pod may have done on its node.
func consequence(found []difference, node string) string {
	if slices.ContainsFunc(found, func(d difference) bool { return d.brings() }) {
		return foreign(node)
	}
	return fmt.Sprintf("the probe may have run with that change on node %q", bounded(node))
}

// learned are the fields that this version does not know and that the server sets in
// every pod: path to JSON value.
type learned map[string]string

// without leaves out differences that are known to be the server's own.
func (l learned) without(found []difference) []difference {
	return slices.DeleteFunc(found, func(d difference) bool {
		if !d.unknown {
			return false
		}
		value, err := json.Marshal(d.value)
		known, ok := l[d.path]
		return err == nil && ok && known == string(value)
	})
}

// learn finds out what the server sets in every pod. It does a dry run of a Job whose
// template is the pod. The server sets the same defaults as in a pod, and webhooks for
// pods do not see it. So a new default of a later server does not stop every run, but a
// webhook that sets a new field does. If a policy changes pods and templates in the same
// way, the two cannot be distinguished, so what was accepted is announced.
func (o *Options) learn(ctx context.Context, pod *corev1.Pod) learned {
	job := o.job(pod.Spec.Containers[0].Image, o.ttl())
	job.Name += "-template"
	job.Spec.Template.Spec = pod.Spec
	var returned batchv1.Job
	t, err := o.send(ctx, o.jobs(), job, &returned, true)
	if err != nil {
		return nil
	}
	sent, err := treeOf(pod)
	if err != nil {
		return nil
	}
	template := asTree(asTree(t["spec"])["template"])
	known := make(learned)
	for _, d := range compare(o.pods().shape, tree{"spec": sent["spec"]}, tree{"spec": template["spec"]}) {
		if value, err := json.Marshal(d.value); d.unknown && err == nil {
			known[d.path] = string(value)
		}
	}
	return known
}

// What can be proved about an object after its run was killed: that nobody turned an
// existing object into it. A name never changes. Nor do a pod's list of containers, the
// content of an immutable ConfigMap, or a Job's completions. Labels do change, and
// anybody who may patch an object can add ours. So cleanup deletes only objects that
// have both. Other objects with our label are named and not deleted.

func runOf(o metav1.Object) (run, rest string, ok bool) {
	labels := o.GetLabels()
	run = labels[LabelRun]
	rest, ok = strings.CutPrefix(o.GetName(), "checklist-"+run)
	return run, rest, ok && run != "" && labels[LabelManagedBy] == ManagedBy
}

var (
	podName       = regexp.MustCompile(`\A(-net)?-[0-9]{4,}(-[0-9]{1,2})?\z`)
	configMapName = regexp.MustCompile(`\A(-net)?-(amd64|arm64)-(loader|part-[0-9]{2})\z`)
	configMapKey  = regexp.MustCompile(`\A(` + loader.Name + `|` + loader.SizeName + `|part\.[0-9]{2})\z`)
)

func looksLikeOurPod(p *corev1.Pod) bool {
	_, rest, ok := runOf(p)
	return ok && podName.MatchString(rest) &&
		slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == containerName })
}

func looksLikeOurJob(j *batchv1.Job) bool {
	_, rest, ok := runOf(j)
	return ok && rest == "" && j.Spec.Completions != nil && *j.Spec.Completions == 0
}

func looksLikeOurConfigMap(m *corev1.ConfigMap) bool {
	if !namedLikeOurConfigMap(m) || m.Immutable == nil || !*m.Immutable || len(m.Data) > 0 {
		return false
	}
	for key := range m.BinaryData {
		if !configMapKey.MatchString(key) {
			return false
		}
	}
	return true
}

// namedLikeOurConfigMap is for when only metadata was requested.
func namedLikeOurConfigMap(m metav1.Object) bool {
	_, rest, ok := runOf(m)
	return ok && configMapName.MatchString(rest)
}

// An own says which objects in a namespace are no reason to keep it.
type own struct {
	pod       func(*corev1.Pod) bool
	job       func(*batchv1.Job) bool
	configMap func(metav1.Object) bool
}

// own returns what this run knows that it created.
func (s *session) own() own {
	return own{
		pod:       func(p *corev1.Pod) bool { return s.owns("pods", p) },
		job:       func(j *batchv1.Job) bool { return s.owns("jobs", j) },
		configMap: func(m metav1.Object) bool { return s.owns("configmaps", m) },
	}
}

// ownOf returns what looks like an object of a run that has ended. "" means any run.
func ownOf(run string) own {
	of := func(o metav1.Object) bool { return run == "" || o.GetLabels()[LabelRun] == run }
	return own{
		pod:       func(p *corev1.Pod) bool { return of(p) && looksLikeOurPod(p) },
		job:       func(j *batchv1.Job) bool { return of(j) && looksLikeOurJob(j) },
		configMap: func(m metav1.Object) bool { return of(m) && namedLikeOurConfigMap(m) },
	}
}
