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

// Limits of what is read of one pod's Events. A kubelet joins repeated Events, so our
// pods have few. But others may write Events too, of any size.
const (
	maxEvents     = 100
	maxEventBytes = 1 << 20
)

// notStarted reports whether a pod has no container yet. Its status then says only
// "Pending" and "ContainerCreating", whatever stops the kubelet from making the sandbox
// or mounting volumes. Only its Events say more.
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

// warning returns the text of the newest warning among a pod's Events, or "" if there
// is none. The text is not trusted: anybody who may create Events can write one.
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

// newestWarning returns the reason and message of the newest warning, on one line.
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

// lastSeen returns when an Event happened last. The field depends on the API that
// wrote the Event (core/v1 or events.k8s.io/v1).
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

// labelRefused matches what runc and crun say if the kernel refuses the label that
// they write. It also matches what containerd and runc say if they refuse it before:
//
//	write /proc/self/attr/keycreate: invalid argument
//	write /proc/thread-self/attr/exec: invalid argument
//	failed to init selinux options type:"spc_t"
//	selinux label is specified in config, but selinux is disabled or not supported
//
// AppArmor also has an attr/exec, but its errors name AppArmor.
var labelRefused = regexp.MustCompile(`(?i)/attr/(exec|keycreate|sockcreate|fscreate|current)\b.{0,40}` +
	`(invalid argument|permission denied|operation not permitted)|\bspc_t\b|\bselinux (label|options)\b`)

// refusesLabel reports whether a message says that a container does not start because
// of its SELinux label.
func refusesLabel(message string) bool {
	return labelRefused.MatchString(message) && !strings.Contains(strings.ToLower(message), "apparmor")
}

// blocked is called for a pod that has not started after a while. It returns an outcome
// only if a second pod, without an SELinux type, may start: if the pod's newest warning
// says that the runtime refuses the label, or if this user may not read Events and
// this may be the reason.
//
// If the policy does not know the type spc_t, the kernel refuses every sandbox with it,
// in permissive mode too. The first versions of Flatcar and Bottlerocket had such
// policies (Flatcar issue 891, Bottlerocket issue 1221). Later versions may know the
// type, and other systems may not, so the name of the operating system does not decide
// here. Without the type a container gets the runtime's own type, which can read less
// where SELinux is enforced. So a pod with the type comes first. On such a node that
// takes ten seconds.
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

// labelled reports whether a pod asks for the SELinux type, which not every policy
// knows.
func labelled(pod *corev1.Pod) bool {
	sc := pod.Spec.SecurityContext
	return sc != nil && sc.SELinuxOptions != nil && sc.SELinuxOptions.Type == selinuxType
}

// neverStarted returns the failure of a node whose time is over and whose pod has not
// started. state is what the pod's status says.
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
