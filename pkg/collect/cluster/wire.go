package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// This file reads what is needed of a pod from its protobuf bytes, and passes over the rest:
// most pods differ from another of their owner only in their names and their status. To decode
// all of a pod costs several times as much. The numbers of fields are those of
// k8s.io/api/core/v1/generated.proto and k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto,
// which never change.
//
// What has another form than an API server writes (a message that comes twice, a wrong type)
// is decoded by the generated code, which decides whether it is in order.

// The types of a field in protobuf.
// Source: https://protobuf.dev/programming-guides/encoding/
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// message goes through the fields of a message. The fields after next are those of the field
// that it has read.
type message struct {
	rest []byte
	bad  bool // it is not as an API server writes it

	number int
	wire   int
	value  []byte // of wireBytes
	varint uint64 // of wireVarint
	raw    []byte // all of the field, with its tag
}

// next reads the next field, if there is one.
func (m *message) next() bool {
	if m.bad || len(m.rest) == 0 {
		return false
	}
	data := m.rest
	tag, n := binary.Uvarint(data)
	if n <= 0 || tag>>3 == 0 || tag>>3 >= 1<<29 {
		m.bad = true
		return false
	}
	m.number, m.wire = int(tag>>3), int(tag&7) //nolint:gosec // below 2^29
	size := 0
	switch m.wire {
	case wireVarint:
		if m.varint, size = binary.Uvarint(data[n:]); size <= 0 {
			m.bad = true
		}
	case wireBytes:
		length, k := binary.Uvarint(data[n:])
		if k <= 0 || length > uint64(len(data)-n-k) {
			m.bad = true
			return false
		}
		size = k + int(length) //nolint:gosec // at most the length of the data
		m.value = data[n+k : n+size]
	case wire64:
		size = 8
	case wire32:
		size = 4
	default:
		m.bad = true
	}
	if m.bad || size > len(data)-n {
		m.bad = true
		return false
	}
	m.raw, m.rest = data[:n+size], data[n+size:]
	return true
}

// text takes a field that is a string.
func (m *message) text(to *[]byte) {
	*to = m.value
	m.bad = m.bad || m.wire != wireBytes
}

// number32 takes a field that is an int32.
func (m *message) number32(to *int32) {
	*to = int32(m.varint) //nolint:gosec // as the generated code does
	m.bad = m.bad || m.wire != wireVarint
}

// once takes a field that is a message, and comes once: of one that comes twice, protobuf
// joins the parts.
func (m *message) once(to *[]byte) {
	m.bad = m.bad || m.wire != wireBytes || *to != nil
	*to = m.value
}

// each takes a field with one of several entries, with its tag.
func (m *message) each(to *[][]byte) {
	*to = append(*to, m.raw)
	m.bad = m.bad || m.wire != wireBytes
}

// wirePod is a pod of which only the outer messages were read. Its bytes are those of an
// answer.
type wirePod struct {
	name, namespace, uid []byte
	// labels and annotations are the fields with their entries, owners those with references.
	labels, annotations, owners [][]byte
	spec, status                []byte
	node, phase                 []byte
}

// read reads a pod. The slices of an earlier one are used again.
func (p *wirePod) read(data []byte) bool {
	*p = wirePod{labels: p.labels[:0], annotations: p.annotations[:0], owners: p.owners[:0]}
	var meta []byte
	pod := message{rest: data}
	for pod.next() {
		switch pod.number {
		case 1:
			pod.once(&meta)
		case 2:
			pod.once(&p.spec)
		case 3:
			pod.once(&p.status)
		}
	}
	m := message{rest: meta}
	for m.next() {
		switch m.number {
		case 1:
			m.text(&p.name)
		case 3:
			m.text(&p.namespace)
		case 5:
			m.text(&p.uid)
		case 11:
			m.each(&p.labels)
		case 12:
			m.each(&p.annotations)
		case 13:
			m.each(&p.owners)
		}
	}
	spec := message{rest: p.spec}
	for spec.next() {
		if spec.number == 10 {
			spec.text(&p.node)
		}
	}
	status := message{rest: p.status}
	for status.next() {
		if status.number == 1 {
			status.text(&p.phase)
		}
	}
	return !pod.bad && !m.bad && !spec.bad && !status.bad
}

// readAny reads a pod. Of bytes in another form than usual it takes what the generated code
// makes of them.
func (p *wirePod) readAny(data []byte) error {
	if p.read(data) {
		return nil
	}
	again, err := encodedAgain(data)
	if err == nil && !p.read(again) {
		err = errWire
	}
	return err
}

var errWire = errors.New("a pod in the server's answer has not the form in which an API server writes it")

// encodedAgain decodes a pod and encodes it as an API server does.
func encodedAgain(data []byte) ([]byte, error) {
	var pod corev1.Pod
	if err := pod.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("a pod in the server's answer is malformed: %w", err)
	}
	return pod.Marshal()
}

// entry is the key and the value of a map's entry.
func entry(raw []byte) (key, value []byte, ok bool) {
	outer := message{rest: raw}
	if !outer.next() {
		return nil, nil, false
	}
	m := message{rest: outer.value}
	for m.next() {
		switch m.number {
		case 1:
			m.text(&key)
		case 2:
			m.text(&value)
		}
	}
	return key, value, !m.bad
}

// valueOf is the value of a label or annotation, nil if there is none.
func valueOf(entries [][]byte, name string) []byte {
	var found []byte
	for _, raw := range entries {
		if key, value, ok := entry(raw); ok && string(key) == name {
			found = value
		}
	}
	return found
}

// decode decodes name, labels, annotations, owners and the spec: all that facts are taken from
// besides the status.
func (p *wirePod) decode() (*corev1.Pod, error) {
	var pod corev1.Pod
	for _, list := range [...][][]byte{p.labels, p.annotations, p.owners} {
		for _, raw := range list {
			if err := pod.ObjectMeta.Unmarshal(raw); err != nil { // it adds to what is there
				return nil, fmt.Errorf("the metadata of a pod in the server's answer is malformed: %w", err)
			}
		}
	}
	pod.Name, pod.Namespace = string(p.name), string(p.namespace)
	if err := pod.Spec.Unmarshal(p.spec); err != nil {
		return nil, fmt.Errorf("the spec of a pod in the server's answer is malformed: %w", err)
	}
	return &pod, nil
}

// facts are the facts of a pod besides its spec. Without ids, those of containers that run and
// of the pod are left out. Ok is false if its status is not as an API server writes it.
func (p *wirePod) facts(ids bool, text func([]byte) string) (out fact.Pod, ok bool) {
	out.Name, out.Node, out.Phase = string(p.name), text(p.node), text(p.phase)
	if ids {
		out.UID = string(p.uid)
		// See configHashKey.
		if hash := valueOf(p.annotations, configHashKey); string(valueOf(p.annotations, corev1.MirrorPodAnnotationKey)) == string(hash) {
			out.ConfigHash = string(hash)
		}
	}
	ids = ids || out.Phase != string(corev1.PodRunning)
	for _, list := range [...]int{10, 8, 13} { // init, regular, ephemeral
		m := message{rest: p.status}
		for m.next() {
			if m.number != list {
				continue
			}
			status, ok := containerStatus(m.value, ids, text)
			out.Containers = append(out.Containers, status)
			m.bad = m.bad || !ok || m.wire != wireBytes
		}
		if m.bad {
			return out, false
		}
	}
	return out, true
}

func containerStatus(data []byte, ids bool, text func([]byte) string) (s fact.ContainerStatus, ok bool) {
	var name, image, id, state, last []byte
	var restarts int32
	m := message{rest: data}
	for m.next() {
		switch m.number {
		case 1:
			m.text(&name)
		case 2:
			m.once(&state)
		case 3:
			m.once(&last)
		case 5:
			m.number32(&restarts)
		case 7:
			m.text(&image)
		case 8:
			m.text(&id)
		}
	}
	now, nowRead := containerStateOf(state)
	before, beforeRead := containerStateOf(last)
	s.Name, s.ImageID = text(name), text(image)
	s.Running, s.Waiting, s.Terminated = now.running, now.waiting, now.terminated
	if now.terminated {
		exit := now.exit
		s.ExitCode = &exit
	}
	s.Restarted = restarts > 0 || before.terminated
	if ids {
		s.ID = withoutScheme(string(id))
		s.LastID = withoutScheme(string(before.id))
	}
	return s, !m.bad && nowRead && beforeRead
}

// containerState is what is read of a container's state.
type containerState struct {
	waiting, running, terminated bool
	exit                         int32
	id                           []byte
}

func containerStateOf(data []byte) (s containerState, ok bool) {
	var waiting, running, terminated []byte
	m := message{rest: data}
	for m.next() {
		switch m.number {
		case 1:
			m.once(&waiting)
		case 2:
			m.once(&running)
		case 3:
			m.once(&terminated)
		}
	}
	s.waiting, s.running, s.terminated = waiting != nil, running != nil, terminated != nil
	end := message{rest: terminated}
	for end.next() {
		switch end.number {
		case 1:
			end.number32(&s.exit)
		case 7:
			end.text(&s.id)
		}
	}
	return s, !m.bad && !end.bad
}

// appendKey appends what is equal for pods from which package podspec takes the same facts,
// but for their origin and the name of the token's volume: labels, annotations and spec,
// without what facts do not have (the node and what keeps a pod there, and its host name). Ok is
// false for pods that cannot be compared in this way: of those with a volume of their own, or
// with several tokens.
func (p *wirePod) appendKey(key []byte) (out []byte, ok bool) {
	for _, raw := range p.labels {
		key = append(key, raw...)
	}
	for _, raw := range p.annotations {
		name, _, ok := entry(raw)
		if !ok {
			return key, false
		}
		if perPodAnnotation(name) {
			key = append(key, 12<<3|3) // a tag that nothing else has here
			key = append(binary.AppendUvarint(key, uint64(len(name))), name...)
			continue
		}
		key = append(key, raw...)
	}
	key = append(key, 0)
	from := len(key)
	token := ""
	spec := message{rest: p.spec}
	for spec.next() {
		switch spec.number {
		case 10, 16, 18: // nodeName, hostname, affinity
			continue
		case 1:
			name, own, ok := volume(spec.value)
			if !ok || own {
				return key, false
			}
			if strings.HasPrefix(string(name), tokenPrefix) {
				if token != "" {
					return key, false
				}
				token = string(name)
			}
		}
		key = append(key, spec.raw...)
	}
	if spec.bad || token == "" {
		return key, !spec.bad
	}
	own := message{rest: key[from:]} // what is changed below are bytes of the key
	for own.next() {
		switch own.number {
		case 1:
			hideToken(own.value, token)
		case 2, 20:
			hideMounts(own.value, token)
		case 34:
			for m := (message{rest: own.value}); m.next(); {
				if m.number == 1 {
					hideMounts(m.value, token)
				}
			}
		}
	}
	return key, true
}

// perPodAnnotation reports whether network plugins write other values for each pod.
func perPodAnnotation(name []byte) bool {
	for _, prefix := range perPod {
		if len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// volume is the name of a volume, and whether each pod has a claim of its own for it.
func volume(data []byte) (name []byte, own, ok bool) {
	var source []byte
	m := message{rest: data}
	for m.next() {
		switch m.number {
		case 1:
			m.once(&name) // one that comes twice could be hidden in one place alone
		case 2:
			m.once(&source)
		}
	}
	of := message{rest: source}
	for of.next() {
		own = own || of.number == 29
	}
	return name, own, !m.bad && !of.bad
}

// hideMounts replaces the name of the token's volume where a container mounts it.
func hideMounts(container []byte, token string) {
	for m := (message{rest: container}); m.next(); {
		if m.number == 9 {
			hideToken(m.value, token)
		}
	}
}

// hideToken replaces the random end of the token's name, where a volume or a mount has it. The
// length stays: it is the same in all pods.
func hideToken(of []byte, token string) {
	for m := (message{rest: of}); m.next(); {
		if m.number == 1 && string(m.value) == token {
			clear(m.value[len(tokenPrefix):])
		}
	}
}

// magic begins every answer of an API server in protobuf.
// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
const magic = "k8s\x00"

// podPage lists a page of pods, each as its bytes.
func (l *podLister) podPage(ctx context.Context, o metav1.ListOptions) (pods [][]byte, next string, err error) {
	result := l.core.RESTClient().Get().NamespaceIfScoped(l.opts.Namespace, l.opts.Namespace != "").
		Resource("pods").VersionedParams(&o, scheme.ParameterCodec).Do(ctx)
	media := ""
	result.ContentType(&media)
	if strings.HasPrefix(media, runtime.ContentTypeProtobuf) {
		if body, err := result.Raw(); err == nil {
			if pods, next, ok := splitPods(body); ok {
				return pods, next, nil
			}
		}
	}
	// The answer is JSON, or an error, or in another form than usual.
	var list corev1.PodList
	if err := result.Into(&list); err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		data, err := list.Items[i].Marshal()
		if err != nil {
			return nil, "", err
		}
		pods = append(pods, data)
	}
	return pods, list.Continue, nil
}

// splitPods takes the pods from an answer. Ok is false if it is no list of pods, or not in the
// usual form.
func splitPods(body []byte) (pods [][]byte, next string, ok bool) {
	if len(body) < len(magic) || string(body[:len(magic)]) != magic {
		return nil, "", false
	}
	var about, kind, raw []byte
	encoding := []byte(nil)
	m := message{rest: body[len(magic):]}
	for m.next() {
		switch m.number {
		case 1:
			m.once(&about)
		case 2:
			m.once(&raw)
		case 3:
			m.text(&encoding)
		}
	}
	of := message{rest: about}
	for of.next() {
		if of.number == 2 {
			of.text(&kind)
		}
	}
	if m.bad || of.bad || len(encoding) > 0 || string(kind) != "PodList" {
		return nil, "", false
	}
	var meta, token []byte
	list := message{rest: raw}
	for list.next() {
		switch list.number {
		case 1:
			list.once(&meta)
		case 2:
			pods = append(pods, list.value)
			list.bad = list.bad || list.wire != wireBytes
		}
	}
	of = message{rest: meta}
	for of.next() {
		if of.number == 3 {
			of.text(&token)
		}
	}
	return pods, string(token), !list.bad && !of.bad
}
