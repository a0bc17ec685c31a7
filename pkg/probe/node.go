package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// maxAttempts is how many pods a node gets at most.
const maxAttempts = 2

// maxLog bounds what the server sends of a probe's log: one byte more than a
// whole answer may have.
const maxLog = wire.MaxLog + 1

// measure brings the facts of one node, or says why it cannot.
func (s *session) measure(run context.Context, index int, target Target) (*fact.Measurement, *Failure) {
	ctx, cancel := context.WithTimeout(run, s.Timeout)
	defer cancel()
	if s.plan.Embedded {
		if f := s.resolve(ctx, &target); f != nil {
			return nil, f
		}
	}
	p := podOf{index: index, node: target.Node, arch: target.Arch, digest: s.digests[target.Arch], owner: s.owner}
	for ; ; p.attempt++ {
		p.image = s.plan.image(target, p.attempt)
		try := s.attempt(ctx, run, p)
		if try.measured != nil || !try.again || p.attempt+1 == maxAttempts {
			return try.measured, try.failure
		}
		p.memory = try.memory
		if sleep(ctx, s.timing.retry) != nil {
			if run.Err() != nil {
				return nil, interrupted()
			}
			return nil, try.failure
		}
	}
}

// outcome is how one pod fared: facts or a failure.
type outcome struct {
	measured *fact.Measurement
	failure  *Failure
	again    bool // another pod may fare better
	memory   bool // with the joined probe in memory
}

func (s *session) attempt(ctx, run context.Context, p podOf) outcome {
	pod := s.pod(p, s.maps[p.arch])
	news := s.watch.follow(pod.Name)
	defer s.watch.forget(pod.Name)
	// Deleted whatever happens: a request whose answer was lost may have
	// created it. Its facts are safe by then.
	defer s.removePod(run, pod.Name)

	created, err := s.createPod(ctx, pod)
	if err != nil {
		if run.Err() != nil {
			return outcome{failure: interrupted()}
		}
		f := s.refused("creating the probe's pod", err)
		if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			f = &Failure{Reason: fact.ProbeFailed, Detail: "creating the probe's pod: namespace " + s.Namespace + " was deleted during the run"}
		}
		return outcome{failure: f}
	}
	last, out := s.await(ctx, run, created, news)
	if out != nil {
		return *out
	}
	return s.facts(ctx, run, last)
}

// createPod creates the pod. A quota that is used up by other pods of this run
// has room again when one of them is gone.
func (s *session) createPod(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	for {
		var created *corev1.Pod
		err := s.create(ctx, func(ctx context.Context) (err error) {
			created, err = s.Client.Core.Pods(s.Namespace).Create(ctx, pod, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) { // a first request, whose answer was lost
				if there, getErr := s.Client.Core.Pods(s.Namespace).Get(ctx, pod.Name, metav1.GetOptions{}); getErr == nil && there.Labels[LabelRun] == s.RunID {
					created, err = there, nil
				}
			}
			return err
		})
		if !quotaUsedUp(err) || s.busy() < 2 || sleep(ctx, s.timing.retry) != nil {
			return created, err
		}
	}
}

// await follows a pod until its container has ended. A nil outcome means that
// it has, and that the pod's status says how.
func (s *session) await(ctx, run context.Context, pod *corev1.Pod, news *podNews) (*corev1.Pod, *outcome) {
	poll := time.NewTicker(s.timing.poll)
	defer poll.Stop()
	var patience <-chan time.Time // runs out for a pod that is stuck
	for {
		p := s.progressOf(pod)
		switch {
		case p.stage == finished:
			return pod, nil
		case p.stage == failed, p.stage == stuck && p.now:
			return nil, &outcome{failure: p.failure, again: p.again}
		case p.stage == stuck && patience == nil:
			grace := s.timing.startGrace
			if p.failure.Reason == fact.ImagePull {
				grace = s.timing.imageGrace
			}
			patience = time.After(grace)
		case p.stage == waiting && pod.Status.Phase == corev1.PodRunning:
			patience = nil
		}

		select {
		case <-news.wake:
			latest, gone := s.watch.latest(news)
			if gone {
				if s.progressOf(latest).stage == finished {
					return latest, nil
				}
				return nil, &outcome{again: true, failure: &Failure{
					Reason: fact.ProbeFailed, Detail: "somebody else deleted the probe's pod before it had ended",
				}}
			}
			pod = latest
		case <-patience:
			if p.stage == stuck {
				return nil, &outcome{failure: p.failure, again: p.again}
			}
			patience = nil
		case <-poll.C:
			// The watch is the quick way; this holds without one.
			fresh, err := s.Client.Core.Pods(s.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil, &outcome{again: true, failure: &Failure{
					Reason: fact.ProbeFailed, Detail: "somebody else deleted the probe's pod before it had ended",
				}}
			}
			if err == nil {
				pod = fresh
			}
			if f := s.lost(ctx, pod.Spec.NodeName); f != nil && s.progressOf(pod).stage != finished {
				return nil, &outcome{failure: f}
			}
		case <-ctx.Done():
			return nil, &outcome{failure: s.late(run, pod, p)}
		}
	}
}

// late is the failure of a node whose time is over.
func (s *session) late(run context.Context, pod *corev1.Pod, p progress) *Failure {
	if run.Err() != nil {
		return interrupted()
	}
	ctx, cancel := context.WithTimeout(run, s.timing.request)
	defer cancel()
	if f := s.lost(ctx, pod.Spec.NodeName); f != nil {
		return f
	}
	if p.failure != nil {
		return p.failure
	}
	return &Failure{
		Reason: fact.Timeout,
		Detail: fmt.Sprintf("no answer within %s; the pod was %s", s.Timeout, p.state),
		Hint:   "--probe-timeout gives it more time",
	}
}

// lost tells that a node is gone or not Ready; nil if it is, or if that cannot
// be known.
func (s *session) lost(ctx context.Context, name string) *Failure {
	node, err := s.Client.Core.Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &Failure{Reason: fact.NotReady, Detail: "the node was deleted during the run"}
	}
	if err != nil {
		return nil
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return &Failure{
				Reason: fact.NotReady,
				Detail: fmt.Sprintf("the node became not Ready during the run (%s, last heard of at %s)",
					oneLine(c.Reason), c.LastHeartbeatTime.UTC().Format(time.RFC3339)),
				Hint: "kubectl describe node " + name,
			}
		}
	}
	return nil
}

// facts reads the answer of a pod whose container has ended.
func (s *session) facts(ctx, run context.Context, pod *corev1.Pod) outcome {
	terminated := s.progressOf(pod).terminated
	trailer, err := wire.ParseTrailer([]byte(terminated.Message))
	if err != nil {
		f, again, memory := s.exitFailure(pod, terminated)
		return outcome{failure: f, again: again, memory: memory}
	}
	if !trailer.HasMeasurement() {
		return outcome{failure: &Failure{
			Reason: fact.ProbeFailed, Detail: fmt.Sprintf("the probe ended with status %d: %s", terminated.ExitCode, trailer.Error),
		}}
	}
	var frame error // of a log that arrived and is broken
	for try, wait := 0, s.timing.backoff; ; try, wait = try+1, wait*2 {
		measured, err := s.read(ctx, pod.Name, trailer)
		if err == nil {
			return outcome{measured: measured}
		}
		if run.Err() != nil {
			return outcome{failure: interrupted()}
		}
		var unread *unreadLog
		if errors.As(err, &unread) {
			if try < 2 && !apierrors.IsForbidden(err) && sleep(ctx, wait) == nil {
				continue
			}
			f := s.refused("reading the probe's log", unread.err)
			if f.Reason == fact.Unavailable || f.Reason == fact.Timeout || f.Reason == fact.AdmissionDenied {
				f.Reason = fact.Unavailable
				f.Hint = "the API server reads logs from the node's kubelet (port 10250): kubectl logs shows whether that works"
			}
			return outcome{failure: f}
		}
		if errors.Is(err, wire.ErrRunFull) {
			return outcome{failure: &Failure{
				Reason: fact.Truncated,
				Detail: fmt.Sprintf("the nodes of this run have too many facts for one run, which holds %d MiB of them", s.memory>>20),
				Hint:   "measure the nodes in several runs: kubectl checklist nodes with names or --selector",
			}}
		}
		if frame != nil || sleep(ctx, wait) != nil {
			return outcome{failure: &Failure{
				Reason: fact.ProbeFailed, Detail: "the probe's answer is broken: " + oneLine(err.Error()),
			}}
		}
		frame = err
	}
}

// unreadLog is an error of fetching, not of what was fetched.
type unreadLog struct{ err error }

func (e *unreadLog) Error() string { return e.err.Error() }
func (e *unreadLog) Unwrap() error { return e.err }

// logReader marks errors of the transport, so that they differ from those of
// the frames.
type logReader struct {
	io.Reader
	err error
}

func (r *logReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// read decodes a probe's answer: from the trailer alone where it is small, else
// with the log.
func (s *session) read(ctx context.Context, pod string, trailer wire.Trailer) (*fact.Measurement, error) {
	if !trailer.NeedsLog() {
		return s.budget.Decode(nil, trailer)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timing.request)
	defer cancel()
	stream, err := s.Client.Core.Pods(s.Namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container: containerName, LimitBytes: new(int64(maxLog)),
	}).Stream(ctx)
	if err != nil {
		return nil, &unreadLog{err}
	}
	defer stream.Close()
	log := &logReader{Reader: stream}
	measured, err := s.budget.Decode(log, trailer)
	if err != nil && log.err != nil {
		return nil, &unreadLog{log.err}
	}
	return measured, err
}

// removePod deletes a pod at once, also after the run was stopped.
func (s *session) removePod(run context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(run), s.timing.request)
	defer cancel()
	// What fails here is tried again at the end of the run.
	_ = s.deletePod(ctx, s.Namespace, name)
}

func (o *Options) deletePod(ctx context.Context, namespace, name string) error {
	err := o.request(ctx, func() error {
		return o.Client.Core.Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
