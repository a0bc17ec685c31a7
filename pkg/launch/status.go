package launch

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/loader"
)

// A stage says how far a probe pod is, according to its status.
type stage int

const (
	waiting  stage = iota // not started, or running
	stuck                 // the kubelet tries again; failure says what failed
	finished              // the container has ended; terminated is set
	failed                // it will never run; failure says why
)

// progress is what a pod's status says about its probe.
type progress struct {
	stage      stage
	failure    *Failure
	terminated *corev1.ContainerStateTerminated
	// now means that waiting does not help a stuck pod. again means that a second pod
	// on this node may succeed, image that one with another image may.
	now, again, image bool
	label             bool // one without an SELinux type may
	// state is a word or two for people: "Pending (ContainerCreating)".
	state string
}

// progressOf reads a pod's status. Reasons are the kubelet's (pkg/kubelet:
// images/types.go, container/sync_result.go, lifecycle/predicate.go, eviction,
// nodeshutdown). Its messages are only repeated as text.
func (o *Options) progressOf(pod *corev1.Pod) progress {
	p := progress{state: string(pod.Status.Phase)}
	if p.state == "" {
		p.state = "not yet seen by its kubelet"
	}
	status := probeStatus(pod)
	if status != nil && status.State.Terminated != nil {
		p.stage, p.terminated = finished, status.State.Terminated
		return p
	}
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return o.failedPod(pod, p)
	}
	if status == nil || status.State.Waiting == nil {
		return p
	}
	reason, message := status.State.Waiting.Reason, oneLine(status.State.Waiting.Message)
	if reason != "" {
		p.state += " (" + oneLine(reason) + ")"
	}
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		p.stage, p.failure = stuck, o.imageFailure(pod, reason, message)
	case "InvalidImageName", "ErrImageNeverPull":
		p.stage, p.now, p.failure = stuck, true, o.imageFailure(pod, reason, message)
		p.image = o.embedded()
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError", "PostStartHookError":
		p.stage, p.failure = stuck, &Failure{
			Reason: fact.ProbeFailed, Detail: fmt.Sprintf("starting the probe: %s: %s", reason, message),
		}
		p.label = refusesLabel(status.State.Waiting.Message)
		p.now = p.label
	}
	return p
}

// probeStatus returns the status of the probe's container, or nil if there is none yet.
func probeStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == containerName {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

func (o *Options) imageFailure(pod *corev1.Pod, reason, message string) *Failure {
	image := ""
	if len(pod.Spec.Containers) > 0 {
		image = pod.Spec.Containers[0].Image
	}
	f := &Failure{Reason: fact.ImagePull, Detail: fmt.Sprintf("image %q: %s: %s", image, reason, message)}
	if o.embedded() {
		f.Hint = "use --probe-image with an image that the node can pull"
	} else {
		f.Hint = hintEmbedded
		if o.PullSecret == "" {
			f.Hint += "; a private registry needs --probe-pull-secret"
		}
	}
	return f
}

// failedPod is for a pod that ended although its container did not run, or has no
// status.
func (o *Options) failedPod(pod *corev1.Pod, p progress) progress {
	p.stage = failed
	reason, message := oneLine(pod.Status.Reason), oneLine(pod.Status.Message)
	f := &Failure{Reason: fact.ProbeFailed, Detail: fmt.Sprintf("the pod ended: %s: %s", reason, message)}
	switch {
	case strings.HasPrefix(reason, "OutOf"), reason == "UnexpectedAdmissionError", reason == "Evicted", reason == "Preempting":
		p.again = true
		f.Hint = "the node is full: the probe asks for 10m of CPU and 32 MiB"
	case reason == "DeadlineExceeded":
		f.Reason = fact.Timeout
		f.Detail = fmt.Sprintf("the probe had not ended after %s", o.Timeout)
		f.Hint = "use a longer --probe-timeout"
	case reason == "NodeShutdown", reason == "Terminated", reason == "NodeLost", reason == "Shutdown":
		f.Reason = fact.NotReady
	case reason == "PodOSNotSupported":
		f.Reason = fact.Unsupported
	case reason == "" && message == "":
		f.Detail = "the pod ended, and its container has no status"
		p.again = true
	}
	p.failure = f
	return p
}

// exitFailure explains a container that ended without the probe's trailer.
func (o *Options) exitFailure(pod *corev1.Pod, t *corev1.ContainerStateTerminated) (f *Failure, again, memory bool) {
	f = &Failure{Reason: fact.ProbeFailed}
	message := oneLine(t.Message)
	switch {
	case o.embedded() && loader.Explain(t.ExitCode) != "":
		f.Detail = "loader: " + loader.Diagnose(t.ExitCode, t.Message)
		f.Hint = "use --probe-image with an image that the node can pull"
		if t.ExitCode == loader.CodeDigest || t.ExitCode == loader.CodeArgument {
			// A second pod would start from the same ConfigMaps.
			f.Hint = fmt.Sprintf("someone changed the run's ConfigMaps or pod: find out who can write in namespace %s, "+
				"and which webhooks change pods", o.Namespace)
			return f, false, false
		}
		memory = t.ExitCode == loader.CodeExec
		return f, true, memory
	case pod.Status.Reason == "DeadlineExceeded" || t.Reason == "DeadlineExceeded":
		f.Reason = fact.Timeout
		f.Detail = fmt.Sprintf("the probe had not ended after %s", o.Timeout)
		f.Hint = "use a longer --probe-timeout"
	case t.Reason == "OOMKilled":
		f.Detail = "the probe used more than its memory and was killed"
		if limit := memoryOf(pod); limit > 0 {
			f.Detail = fmt.Sprintf("the probe used more than its %d MiB of memory and was killed", limit>>20)
		}
	case strings.Contains(message, "exec format error"):
		f.Reason = fact.Unsupported
		f.Detail = "the image is for another architecture than the node: " + message
		f.Hint = "use --probe-image with an image for this architecture, or " + hintEmbedded
	case t.Reason == "StartError" || t.Reason == "ContainerCannotRun":
		f.Detail = fmt.Sprintf("starting the probe: %s: %s", t.Reason, message)
	case pod.Status.Reason == "NodeShutdown" || pod.Status.Reason == "Terminated":
		f.Reason = fact.NotReady
		f.Detail = "the node was shut down while the probe ran"
	case t.ExitCode == 0:
		f.Detail = "the probe ended without an answer; is the image a probe of kubectl checklist?"
	case message == "":
		f.Detail = fmt.Sprintf("the probe ended with status %d (%s) and no message", t.ExitCode, oneLine(t.Reason))
	default:
		f.Detail = fmt.Sprintf("the probe ended with status %d (%s): %q", t.ExitCode, oneLine(t.Reason), message)
	}
	return f, false, false
}

// memoryOf returns the limit of the probe's memory in bytes, 0 if the pod has none.
func memoryOf(pod *corev1.Pod) int64 {
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == containerName {
			return c.Resources.Limits.Memory().Value()
		}
	}
	return 0
}
