package launch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Limits of what is read of one pod's Events. A kubelet joins those that repeat,
// so that a pod of ours has few; but others may write some too, of any size.
const (
	maxEvents     = 100
	maxEventBytes = 1 << 20
)

// notStarted reports whether a pod has no container yet: its status says
// "Pending" and "ContainerCreating" whatever keeps the kubelet from making its
// sandbox or from mounting its volumes. Only its Events say more.
func notStarted(pod *corev1.Pod) bool {
	if pod.Status.Phase != "" && pod.Status.Phase != corev1.PodPending {
		return false
	}
	status := probeStatus(pod)
	if status == nil {
		return true
	}
	waiting := status.State.Waiting
	return status.State.Running == nil && status.State.Terminated == nil &&
		(waiting == nil || waiting.Reason == "" || waiting.Reason == "ContainerCreating" || waiting.Reason == "PodInitializing")
}

// warning gives what the newest warning among a pod's Events says, "" if there is
// none. The text is of others: anybody who may create Events can write one.
func (o *Options) warning(ctx context.Context, pod *corev1.Pod) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timing.request)
	defer cancel()
	stream, err := o.Client.Core.RESTClient().Get().Namespace(o.Namespace).Resource("events").SetHeader("Accept", "application/json").
		Param("fieldSelector", "involvedObject.uid="+string(pod.UID)).Param("limit", strconv.Itoa(maxEvents)).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	data, err := io.ReadAll(io.LimitReader(stream, maxEventBytes+1))
	if err != nil {
		return "", err
	}
	var list corev1.EventList
	if len(data) > maxEventBytes || json.Unmarshal(data, &list) != nil {
		return "", fmt.Errorf("expected an EventList of at most %d bytes", maxEventBytes)
	}
	return newestWarning(list.Items), nil
}

// newestWarning gives reason and message of the newest warning, on one line.
func newestWarning(events []corev1.Event) string {
	events = slices.DeleteFunc(slices.Clone(events), func(e corev1.Event) bool {
		return e.Type != corev1.EventTypeWarning || e.Reason == "" && e.Message == ""
	})
	if len(events) == 0 {
		return ""
	}
	newest := slices.MaxFunc(events, func(a, b corev1.Event) int {
		return cmp.Or(lastSeen(&a).Compare(lastSeen(&b)), strings.Compare(a.Name, b.Name))
	})
	return oneLine(newest.Reason + ": " + newest.Message)
}

// lastSeen is when an Event happened last. Which field says it depends on the
// API by which it was written (core/v1 or events.k8s.io/v1).
func lastSeen(e *corev1.Event) time.Time {
	latest := e.LastTimestamp.Time
	if e.EventTime.After(latest) {
		latest = e.EventTime.Time
	}
	if e.Series != nil && e.Series.LastObservedTime.After(latest) {
		latest = e.Series.LastObservedTime.Time
	}
	if latest.IsZero() {
		latest = e.CreationTimestamp.Time
	}
	return latest
}

// labelRefused finds what runc and crun say when the kernel refuses the label
// that they write, and containerd and runc when they refuse it before:
//
//	write /proc/self/attr/keycreate: invalid argument
//	write /proc/thread-self/attr/exec: invalid argument
//	failed to init selinux options type:"spc_t"
//	selinux label is specified in config, but selinux is disabled or not supported
//
// AppArmor has an attr/exec too: its errors name it.
var labelRefused = regexp.MustCompile(`(?i)/attr/(exec|keycreate|sockcreate|fscreate|current)\b.{0,40}` +
	`(invalid argument|permission denied|operation not permitted)|\bspc_t\b|\bselinux (label|options)\b`)

// refusesLabel reports whether a message says that the SELinux label of a
// container is the reason why it does not start.
func refusesLabel(message string) bool {
	return labelRefused.MatchString(message) && !strings.Contains(strings.ToLower(message), "apparmor")
}

// blocked is asked about a pod that has not started after a while. It gives an
// outcome only where a second pod, without an SELinux type, may start: where the
// pod's newest warning says that the runtime refuses the label, or where this
// user may not read Events and it could be so.
//
// A policy that does not know the type spc_t makes the kernel refuse every
// sandbox with it, in permissive mode too. The first versions of Flatcar and
// Bottlerocket had such policies (Flatcar issue 891, Bottlerocket issue 1221);
// later ones may know the type, and other systems may not, so no name of an
// operating system decides here. Without the type a container gets the runtime's
// own, which can read less where SELinux is enforced. So a pod with the type comes
// first, and costs such a node ten seconds.
func (o *Options) blocked(ctx context.Context, pod *corev1.Pod, since time.Duration) *outcome {
	if !notStarted(pod) || !labelled(pod) {
		return nil
	}
	text, err := o.warning(ctx, pod)
	switch {
	case err == nil && refusesLabel(text):
		return &outcome{label: true, failure: &Failure{Reason: fact.ProbeFailed, Detail: text}}
	case apierrors.IsForbidden(err) && since >= o.timing.labelGrace:
		return &outcome{label: true, failure: &Failure{
			Reason: fact.ProbeFailed, Detail: fmt.Sprintf("no reason was seen within %s, because this user may not list events in namespace %s",
				since.Round(time.Second), o.Namespace),
		}}
	}
	return nil
}

// labelled reports whether a pod asks for the SELinux type that not every policy
// knows.
func labelled(pod *corev1.Pod) bool {
	sc := pod.Spec.SecurityContext
	return sc != nil && sc.SELinuxOptions != nil && sc.SELinuxOptions.Type == selinuxType
}

// neverStarted is the failure of a node whose time is over and whose pod has not
// started; state is what its status says.
func (o *Options) neverStarted(ctx context.Context, pod *corev1.Pod, state string) *Failure {
	text, err := o.warning(ctx, pod)
	if err == nil && text != "" {
		return &Failure{
			Reason: fact.ProbeFailed,
			Detail: fmt.Sprintf("the pod did not start within %s: %s", o.Timeout, text),
			Hint:   "kubectl describe node " + pod.Spec.NodeName + "; use a longer --probe-timeout",
		}
	}
	f := &Failure{
		Reason: fact.Timeout,
		Detail: fmt.Sprintf("no answer within %s; the pod was %s", o.Timeout, state),
		Hint:   "use a longer --probe-timeout",
	}
	if apierrors.IsForbidden(err) {
		f.Hint += "; with the right to list events in namespace " + o.Namespace + ", a run reports the reason"
	}
	return f
}
