package launch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/hack/requests"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// apiServer is as much of an API server as the probe talks to, over HTTP, with
// the real client in front of it: what client-go's fakes leave out (broken
// watches, 410, 403, dry runs, preconditions, logs) is what matters here. What
// an API server decides by itself is shown on the real cluster (e2e_test.go).
type apiServer struct {
	t         *testing.T
	transport *http.Transport // to the server

	mu         sync.Mutex
	rv         int
	namespaces map[string]*corev1.Namespace
	nodes      map[string]*corev1.Node
	pods       map[string]*corev1.Pod
	jobs       map[string]*batchv1.Job
	maps       map[string]*corev1.ConfigMap
	others     map[string][]metav1.PartialObjectMetadata // by resource: what can only be listed, and as metadata
	events     []podEvent
	changed    chan struct{} // closed and replaced at each change
	requests   []string      // "POST pods", "GET pods/log", "POST pods dryRun"
	accesses   []requests.Access
	notes      []corev1.Event // what kubelets say
	most       int            // pods there at once

	// intercept answers a request itself and returns true. what is as in requests.
	intercept func(w http.ResponseWriter, r *http.Request, what string) bool
	// mutate is a webhook: it changes what was sent before it is stored. what is
	// as in requests.
	mutate func(what string, object metav1.Object)
	// newer adds what a later server would add to an answer about one object.
	newer func(what string, object map[string]any)
	// kubelet runs a pod that was created.
	kubelet func(pod *corev1.Pod)
	// log is what a pod wrote.
	log func(pod string) []byte
}

type podEvent struct {
	rv  int
	typ string
	pod *corev1.Pod
}

func newAPIServer(t *testing.T, nodes ...string) *apiServer {
	s := &apiServer{
		t: t, rv: 100,
		namespaces: map[string]*corev1.Namespace{}, nodes: map[string]*corev1.Node{}, pods: map[string]*corev1.Pod{},
		jobs: map[string]*batchv1.Job{}, maps: map[string]*corev1.ConfigMap{},
		changed: make(chan struct{}),
	}
	for _, n := range nodes {
		s.nodes[n] = &corev1.Node{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: n},
			Status: corev1.NodeStatus{
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
				Images:     []corev1.ContainerImage{{Names: []string{"registry.k8s.io/pause:3.10"}, SizeBytes: 300_000}},
			},
		}
	}
	s.kubelet = func(pod *corev1.Pod) { s.succeed(pod.Name, answer(s.t, pod.Spec.NodeName)) }
	listener := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.transport = &http.Transport{DialContext: listener.dial}
	server := &http.Server{Handler: http.HandlerFunc(s.serve)}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		s.transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return s
}

// pipeListener listens for connections in memory: of sockets testing/synctest
// does not know that nothing will come.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// faked runs a test in a bubble with its own clock. The clock advances when every goroutine
// waits, so that no test depends on how busy the machine is.
func faked(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, test) }
}

func (s *apiServer) client() Client {
	s.t.Helper()
	c, err := NewClient(&rest.Config{Host: "http://api.test", Transport: s.transport, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json", AcceptContentTypes: "application/json"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if path[0] == "api" {
		path = path[2:]
	} else {
		path = path[3:]
	}
	if path[0] == "namespaces" && len(path) > 2 {
		path = path[2:] // one namespace is enough here
	}
	resource, name := path[0], ""
	if len(path) > 1 {
		name = path[1]
	}
	what := r.Method + " " + resource
	if len(path) > 2 {
		what += "/" + path[2]
	}
	if r.URL.Query().Get("watch") != "" {
		what = "WATCH " + resource
	}
	dryRun := r.URL.Query().Get("dryRun") != ""
	if dryRun {
		what += " dryRun"
	}
	s.mu.Lock()
	s.requests = append(s.requests, what)
	s.accesses = append(s.accesses, requests.Of(r))
	s.mu.Unlock()
	if s.intercept != nil && s.intercept(w, r, what) {
		return
	}
	if what == "WATCH pods" {
		if !strings.HasPrefix(r.URL.Query().Get("labelSelector"), LabelRun+"=") {
			s.t.Errorf("a watch of all pods: %s", r.URL)
		}
		s.watch(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch resource {
	case "selfsubjectaccessreviews":
		review := decode[authorizationv1.SelfSubjectAccessReview](s, r)
		review.Status.Allowed = true
		s.reply(w, review)
	case "namespaces":
		serveObjects(s, w, r, name, dryRun, s.namespaces, func() *corev1.Namespace { return new(corev1.Namespace) }, nil)
	case "nodes":
		serveObjects(s, w, r, name, dryRun, s.nodes, func() *corev1.Node { return new(corev1.Node) }, nil)
	case "jobs":
		serveObjects(s, w, r, name, dryRun, s.jobs, func() *batchv1.Job { return new(batchv1.Job) }, nil)
	case "configmaps":
		serveObjects(s, w, r, name, dryRun, s.maps, func() *corev1.ConfigMap { return new(corev1.ConfigMap) }, nil)
	case "events":
		uid, ok := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "involvedObject.uid=")
		if !ok || uid == "" || r.URL.Query().Get("limit") == "" {
			s.t.Errorf("%s: events of more than one pod, or without a limit", r.URL)
		}
		list := corev1.EventList{Items: []corev1.Event{}}
		for _, e := range s.notes {
			if string(e.InvolvedObject.UID) == uid {
				list.Items = append(list.Items, e)
			}
		}
		s.reply(w, list)
	case "services", "persistentvolumeclaims", "secrets":
		if !onlyMetadata(r) || name != "" {
			s.t.Errorf("%s: more than metadata asked for", r.URL)
		}
		s.reply(w, metav1.PartialObjectMetadataList{Items: s.others[resource]})
	case "pods":
		if len(path) > 2 {
			if s.log == nil {
				s.fail(w, apierrors.NewInternalError(fmt.Errorf("no log")))
				return
			}
			_, _ = w.Write(s.log(name))
			return
		}
		if r.Method == http.MethodPost && len(s.namespaces) == 0 {
			s.fail(w, apierrors.NewNotFound(corev1.Resource("namespaces"), "x"))
			return
		}
		serveObjects(s, w, r, name, dryRun, s.pods, func() *corev1.Pod { return new(corev1.Pod) }, func(typ string, pod *corev1.Pod) {
			s.event(typ, pod)
			if typ == "ADDED" {
				s.most = max(s.most, len(s.pods))
				go s.kubelet(pod.DeepCopy())
			}
		})
	default:
		s.t.Errorf("request for %s", r.URL)
		http.NotFound(w, r)
	}
}

func onlyMetadata(r *http.Request) bool {
	return r.Header.Get("Accept") == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
}

// answer replies with one object, as this server's version would.
func (s *apiServer) answer(w http.ResponseWriter, what string, object any) {
	if s.newer == nil {
		s.reply(w, object)
		return
	}
	t, err := treeOf(object)
	if err != nil {
		s.t.Error(err)
	}
	s.newer(what, t)
	s.reply(w, t)
}

func serveObjects[T metav1.Object](s *apiServer, w http.ResponseWriter, r *http.Request, name string, dryRun bool, objects map[string]T, empty func() T, changed func(string, T)) {
	resource := schema.GroupResource{Resource: "things"}
	what := r.Method + " " + strings.SplitN(fmt.Sprintf("%T", empty()), ".", 2)[1]
	if dryRun {
		what += " dryRun"
	}
	found, ok := objects[name]
	if name != "" && !ok {
		s.fail(w, apierrors.NewNotFound(resource, name))
		return
	}
	switch r.Method {
	case http.MethodGet:
		if name != "" {
			s.answer(w, what, found)
			return
		}
		field, value, _ := strings.Cut(r.URL.Query().Get("fieldSelector"), "=")
		selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
		if err != nil {
			s.t.Errorf("selector: %v", err)
		}
		items := []T{}
		for _, o := range objects {
			pod, _ := any(o).(*corev1.Pod)
			switch field {
			case "":
			case "metadata.name":
				if o.GetName() != value {
					continue
				}
			case "spec.nodeName":
				if pod == nil || pod.Spec.NodeName != value {
					continue
				}
			default:
				s.t.Errorf("field selector %s", r.URL)
			}
			if selector.Matches(labels.Set(o.GetLabels())) {
				items = append(items, o)
			}
		}
		slices.SortFunc(items, func(a, b T) int { return strings.Compare(a.GetName(), b.GetName()) })
		if onlyMetadata(r) {
			list := metav1.PartialObjectMetadataList{Items: []metav1.PartialObjectMetadata{}}
			for _, o := range items {
				list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
					Name: o.GetName(), UID: o.GetUID(), Labels: o.GetLabels(), Annotations: o.GetAnnotations(),
				}})
			}
			s.reply(w, list)
			return
		}
		start, end := 0, len(items)
		if limit, _ := strconv.Atoi(r.URL.Query().Get("limit")); limit > 0 {
			start, _ = strconv.Atoi(r.URL.Query().Get("continue"))
			end = min(len(items), start+limit)
		}
		meta := map[string]string{"resourceVersion": strconv.Itoa(s.rv)}
		if end < len(items) {
			meta["continue"] = strconv.Itoa(end)
		}
		s.reply(w, map[string]any{"metadata": meta, "items": items[start:end]})
	case http.MethodPost:
		o := empty()
		if err := json.NewDecoder(r.Body).Decode(o); err != nil {
			s.t.Errorf("decoding %s: %v", r.URL, err)
		}
		if _, ok := objects[o.GetName()]; ok {
			s.fail(w, apierrors.NewAlreadyExists(resource, o.GetName()))
			return
		}
		if s.mutate != nil {
			s.mutate(what, o)
		}
		if !dryRun {
			s.rv++
			o.SetResourceVersion(strconv.Itoa(s.rv))
			o.SetUID(types.UID(fmt.Sprintf("uid-%d", s.rv)))
			objects[o.GetName()] = o
			if changed != nil {
				changed("ADDED", o)
			}
		}
		s.answer(w, what, o)
	case http.MethodPatch:
		var patch struct {
			Metadata struct {
				UID         types.UID         `json:"uid"`
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &patch); err != nil {
			s.t.Errorf("decoding %s: %v", r.URL, err)
		}
		if patch.Metadata.UID != "" && patch.Metadata.UID != found.GetUID() {
			s.fail(w, apierrors.NewConflict(resource, name, fmt.Errorf("precondition failed")))
			return
		}
		s.rv++
		annotations := found.GetAnnotations()
		for k, v := range patch.Metadata.Annotations {
			annotations[k] = v
		}
		found.SetAnnotations(annotations)
		found.SetResourceVersion(strconv.Itoa(s.rv))
		s.reply(w, found)
	case http.MethodDelete:
		var options metav1.DeleteOptions
		if err := json.NewDecoder(r.Body).Decode(&options); err != nil && err != io.EOF {
			s.t.Errorf("decoding %s: %v", r.URL, err)
		}
		if p := options.Preconditions; p == nil || p.UID == nil {
			s.t.Errorf("%s: a delete by name alone", r.URL)
		} else if *p.UID != found.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != found.GetResourceVersion() {
			s.fail(w, apierrors.NewConflict(resource, name, fmt.Errorf("precondition failed")))
			return
		}
		delete(objects, name)
		if changed != nil {
			s.rv++
			changed("DELETED", found)
		}
		s.reply(w, metav1.Status{Status: metav1.StatusSuccess})
	}
}

func decode[T any](s *apiServer, r *http.Request) *T {
	v := new(T)
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		s.t.Errorf("decoding %s: %v", r.URL, err)
	}
	return v
}

func (s *apiServer) reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.t.Logf("replying: %v", err)
	}
}

func (s *apiServer) fail(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	status.Kind, status.APIVersion = "Status", "v1"
	_ = json.NewEncoder(w).Encode(status)
}

// event records a change of a pod. The caller holds mu.
func (s *apiServer) event(typ string, pod *corev1.Pod) {
	s.events = append(s.events, podEvent{s.rv, typ, pod.DeepCopy()})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sendInitialEvents") != "" { // as servers before 1.32
		s.fail(w, apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil))
		return
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		s.mu.Lock()
		var send []podEvent
		for _, e := range s.events {
			if e.rv > from {
				send = append(send, e)
				from = e.rv
			}
		}
		changed := s.changed
		s.mu.Unlock()
		for _, e := range send {
			_ = json.NewEncoder(w).Encode(map[string]any{"type": e.typ, "object": e.pod})
		}
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// update changes a pod's status, if the pod is still there.
func (s *apiServer) update(name string, change func(*corev1.Pod)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pod := s.pods[name]
	if pod == nil {
		return
	}
	s.rv++
	change(pod)
	pod.ResourceVersion = strconv.Itoa(s.rv)
	s.event("MODIFIED", pod)
}

// succeed ends a pod's container with a message.
func (s *apiServer) succeed(name, message string) {
	s.end(name, corev1.PodSucceeded, corev1.ContainerStateTerminated{Message: message, Reason: "Completed"})
}

func (s *apiServer) end(name string, phase corev1.PodPhase, t corev1.ContainerStateTerminated) {
	s.update(name, func(pod *corev1.Pod) {
		pod.Status.Phase = phase
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{Terminated: &t}}}
	})
}

func (s *apiServer) waits(name, reason, message string) {
	s.update(name, func(pod *corev1.Pod) {
		pod.Status.Phase = corev1.PodPending
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
		}}}
	})
}

// warns writes an Event about a pod, as its kubelet does.
func (s *apiServer) warns(pod *corev1.Pod, reason, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: fmt.Sprintf("%s.%d", pod.Name, len(s.notes))},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: pod.Name, UID: pod.UID},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: message,
		LastTimestamp: metav1.Unix(1_700_000_000+int64(len(s.notes)), 0),
	})
}

// count counts requests.
func (s *apiServer) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if r == what {
			n++
		}
	}
	return n
}

// left names the objects on the server, except nodes.
func (s *apiServer) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := []string{}
	for n := range s.namespaces {
		left = append(left, "namespace/"+n)
	}
	for n := range s.pods {
		left = append(left, "pod/"+n)
	}
	for n := range s.jobs {
		left = append(left, "job/"+n)
	}
	for n := range s.maps {
		left = append(left, "configmap/"+n)
	}
	slices.Sort(left)
	return left
}

// measurement returns what the probe of a node reads in these tests.
func measurement(node string) *fact.Measurement {
	return &fact.Measurement{Level: fact.LevelFull, Host: fact.Host{Hostname: node}, Read: []fact.Kind{fact.Processes}}
}

// answer returns the termination message of a small measurement.
func answer(t *testing.T, node string) string {
	m, err := wire.Encode(measurement(node), wire.Options{Version: "test"})
	if err != nil {
		t.Error(err)
	}
	return string(m.Trailer)
}

// options returns options for tests: every wait is milliseconds.
func (s *apiServer) options() Options {
	return Options{
		Client: s.client(), RunID: "run1", Timeout: 5 * time.Second, MaxInFlight: 10,
		Kinds:    []fact.Kind{fact.Processes, fact.Etcd},
		Embedded: func(arch string) ([]byte, error) { return []byte("a probe for " + arch), nil },
		timing: timing{
			least: time.Millisecond, imageGrace: 50 * time.Millisecond, startGrace: 50 * time.Millisecond,
			labelGrace: 250 * time.Millisecond, poll: 100 * time.Millisecond, retry: 10 * time.Millisecond, backoff: 5 * time.Millisecond,
			accountWait: 200 * time.Millisecond, namespaceEnd: 200 * time.Millisecond,
		},
	}
}

func factNodes(names ...string) []fact.Node {
	var nodes []fact.Node
	for _, n := range names {
		nodes = append(nodes, fact.Node{Name: n, Ready: true, OS: "linux", Arch: "amd64"})
	}
	return nodes
}

// gapsOf returns the gaps of a node's failure, for the kinds of options.
func gapsOf(node string, reason fact.Reason, detail, hint string) []fact.Gap {
	var gaps []fact.Gap
	for _, kind := range []fact.Kind{fact.Processes, fact.Etcd} {
		gaps = append(gaps, fact.Gap{
			What: kind, Subject: fact.Subject{Kind: "Node", Name: node}, Reason: reason, Detail: detail, Hint: hint,
		})
	}
	return gaps
}
