package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// maxTries is the largest number of pods for a node, not counting those whose image the
// node does not hold.
const maxTries = 2

// maxLog bounds what the server sends of a probe's log: one byte more than the largest
// whole answer.
const maxLog = wire.MaxLog + 1

// measure returns the facts of one node, and says why it does not have all of them. The
// pods of a node follow each other. One that fails costs only the kinds for which it
// answers.
func (s *session) measure(run context.Context, index int, target Target) (r result) {
	ctx, cancel := context.WithTimeout(run, s.Timeout)
	defer cancel()
	levels := s.Options.levels()
	if s.plan.Embedded && !target.resolved() {
		if f := s.resolve(ctx, &target, s.plan.pauses); f != nil {
			r.fails(f, levels...)
			return r
		}
	}
	images := &choice{next: s.imagesFor(ctx, &target)}
	if !images.advance() {
		r.fails(noImages(), levels...)
		return r
	}
	for i, level := range levels {
		f := s.hopeless(level, target.Arch, nil)
		if f == nil && i > 0 {
			f = s.tooLate(ctx, run)
		}
		if f == nil {
			p := podOf{
				index: index, node: target.Node, arch: target.Arch, level: level, digest: s.digests[programOf(level, target.Arch)],
				owner: s.owner, oneHostIP: target.OneHostIP,
			}
			if i > 0 {
				p.listeners, p.rest = ListenersOf(r.measured), left(ctx)
			}
			var m *fact.Measurement
			if m, f = s.measureAt(ctx, run, p, images); f == nil {
				if f = elsewhere(r.measured, m); f == nil {
					r.measured = together(r.measured, m)
					continue
				}
			}
		}
		r.fails(f, level)
		if f.Reason == fact.NotReady || f.Reason == fact.Interrupted || !images.ok {
			r.fails(f, levels[i+1:]...)
			return r
		}
	}
	return r
}

// left returns what is left until a context's deadline.
func left(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

// tooLate returns a failure if a node has no time for its second pod.
func (s *session) tooLate(ctx, run context.Context) *Failure {
	switch {
	case run.Err() != nil:
		return interrupted()
	case left(ctx) < s.timing.least:
		return &Failure{
			Reason: fact.Timeout,
			Detail: fmt.Sprintf("the node's first pod took the %s that both have, so no pod was created for the handshakes", s.Timeout),
			Hint:   "use a longer --probe-timeout",
		}
	}
	return nil
}

// elsewhere returns a failure if the pod with the host's network was not in the network of
// the node's first process, or does not say in which it was. A sandboxed runtime may be the
// reason.
func elsewhere(files, net *fact.Measurement) *Failure {
	if files == nil || net.Level != fact.LevelNet || files.HostNetNS == 0 || files.HostNetNS == net.HostNetNS {
		return nil
	}
	where := fmt.Sprintf("network namespace %d", net.HostNetNS)
	if net.HostNetNS == 0 {
		where = "an unknown network namespace"
	}
	return &Failure{
		Reason: fact.Refused,
		Detail: fmt.Sprintf("the pod with the host's network was in %s, and the node's first process is in %d; the pod's answer was refused",
			where, files.HostNetNS),
	}
}

// together puts the answers of a node's pods together. Each answers for its own kinds
// only. files or net is nil if that pod gave no answer.
func together(files, answer *fact.Measurement) *fact.Measurement {
	of := fact.KindsAt(fact.LevelNet)
	if answer.Level != fact.LevelNet {
		answer.Read = fact.Subtract(answer.Read, of)
		answer.Gaps = slices.DeleteFunc(answer.Gaps, func(g fact.NodeGap) bool { return slices.Contains(of, g.What) })
		answer.Listeners = nil
		return answer
	}
	net := &fact.Measurement{
		Level: answer.Level, At: answer.At, Listeners: answer.Listeners, Cost: answer.Cost, Read: fact.Intersect(answer.Read, of),
		Gaps: slices.DeleteFunc(answer.Gaps, func(g fact.NodeGap) bool { return !slices.Contains(of, g.What) }),
	}
	if files == nil {
		return net
	}
	files.Listeners = net.Listeners
	files.Read, files.Gaps = append(files.Read, net.Read...), append(files.Gaps, net.Gaps...)
	files.Cost.WallMillis += net.Cost.WallMillis
	files.Cost.CPUMillis += net.Cost.CPUMillis
	files.Cost.MaxRSSKiB = max(files.Cost.MaxRSSKiB, net.Cost.MaxRSSKiB)
	return files
}

// choice is the image in which the pods of a node run. A node's second pod begins with
// the image in which the first one ran.
type choice struct {
	next  func() (image string, ok bool)
	image string
	ok    bool
}

func (c *choice) advance() bool {
	c.image, c.ok = c.next()
	return c.ok
}

// measureAt returns the facts of one of a node's pods, or says why it cannot.
func (s *session) measureAt(ctx, run context.Context, p podOf, images *choice) (*fact.Measurement, *Failure) {
	p.image = images.image
	missing := []string{}
	labelled := "" // why a pod with an SELinux type did not start
	for tries := 1; ; p.attempt++ {
		try := s.attempt(ctx, run, p)
		if labelled != "" && try.failure != nil && run.Err() == nil {
			try.failure.Detail += "; this was a second pod, without the SELinux type " + selinuxType + "; the first pod, with it, did not start: " + labelled
		}
		switch {
		case try.measured != nil:
			return try.measured, nil
		case try.label && !p.unlabelled && p.level != fact.LevelNet: // does not count as a try
			p.unlabelled, labelled = true, try.failure.Detail
			continue
		case try.image: // the node does not hold it; does not count as a try
			missing = append(missing, p.image)
			if !images.advance() {
				if len(missing) > 1 {
					try.failure.Detail += "; also tried: " + strings.Join(missing[:len(missing)-1], ", ")
				}
				return nil, try.failure
			}
			p.image = images.image
			continue
		case !try.again || tries == maxTries:
			return nil, try.failure
		}
		tries++
		p.memory = try.memory
		if sleep(ctx, s.timing.retry) != nil {
			if run.Err() != nil {
				return nil, interrupted()
			}
			return nil, try.failure
		}
		if try.gone != "" {
			if there, err := s.Client.Core.Pods(s.Namespace).Get(ctx, try.gone, metav1.GetOptions{}); err == nil {
				return nil, s.replaced(there).failure
			}
		}
	}
}

// outcome is the result of one pod: facts or a failure.
type outcome struct {
	measured *fact.Measurement
	failure  *Failure
	again    bool   // another pod may succeed
	memory   bool   // with the joined probe in memory
	image    bool   // with another image that the node holds
	label    bool   // without an SELinux type
	gone     string // the name of the pod, if somebody else deleted it
}

// attempt runs one pod. It always checks afterwards what the pod mounted. If that was
// replaced, foreign code may have run. That matters more than any other failure, and no
// answer counts.
func (s *session) attempt(ctx, run context.Context, p podOf) outcome {
	if f := s.stopped(); f != nil {
		return outcome{failure: f}
	}
	mounted := s.maps[programOf(p.level, p.arch)]
	pod := s.pod(p, mounted)
	news := s.watch.follow(pod.Name)
	defer s.watch.forget(pod.Name)
	var created corev1.Pod
	// The pod is always deleted: its facts are safe by then. If the answer to its
	// create was lost, the pod is searched for at the end of the run.
	defer func() { _ = s.removePod(run, &created) }() // tried again at the end of the run

	const doing = "creating the probe's pod"
	found, err := s.createPod(ctx, pod, &created)
	if err != nil {
		if run.Err() != nil {
			return outcome{failure: interrupted()}
		}
		f := s.refused(doing, err)
		if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			f = &Failure{Reason: fact.ProbeFailed, Detail: doing + ": namespace " + s.Namespace + " was deleted during the run"}
		}
		return outcome{failure: f}
	}
	if len(found) > 0 {
		f := s.changed(doing, found)
		done := "; the pod was deleted at once; "
		if err := s.removePod(run, &created); err != nil {
			done = "; the pod could not be deleted; "
		}
		f.Detail += done + consequence(found, created.Spec.NodeName)
		return outcome{failure: f}
	}
	out := s.answer(ctx, run, p.level, pod, &created, news)
	if run.Err() != nil {
		return outcome{failure: interrupted()}
	}
	// The node's time may be over by now, so this uses the run's context.
	if f := s.intact(run, p.node, mounted); f != nil && (out.measured != nil || f.Reason == fact.NotOurs) {
		return outcome{failure: f}
	}
	return out
}

// answer waits for a pod's end and reads what it says.
func (s *session) answer(ctx, run context.Context, level fact.Level, sent, created *corev1.Pod, news *podNews) outcome {
	created.Status = corev1.PodStatus{} // no kubelet wrote the status in the answer to a create
	if out := s.await(ctx, run, created, news); out != nil {
		return *out
	}
	return s.facts(ctx, run, level, sent, created)
}

// quotaLag is how often a create is retried after a quota refused it and the last other
// pod of this run has gone.
const quotaLag = 5

// createPod creates the pod. If other pods of this run use up a quota, it has room again
// when one of them is gone.
func (s *session) createPod(ctx context.Context, pod, created *corev1.Pod) ([]difference, error) {
	for alone := 0; ; {
		// Look for other pods before and after: they may begin or end while the
		// server refuses. A quota counts a deletion only some time after it.
		others := s.busy() > 1
		found, err := s.put(ctx, s.pods(), pod, created)
		if others || s.busy() > 1 {
			alone = 0
		} else {
			alone++
		}
		if !quotaUsedUp(err) || alone > 0 && !s.hadOthers() || alone > quotaLag || sleep(ctx, s.timing.retry) != nil {
			return found, err
		}
	}
}

// await follows a pod, by its UID, until its container has ended. A nil outcome means
// that the container has ended.
func (s *session) await(ctx, run context.Context, created *corev1.Pod, news *podNews) *outcome {
	pod, start := created, time.Now()
	poll := time.NewTicker(s.timing.poll)
	defer poll.Stop()
	var patience <-chan time.Time // fires when a stuck pod has waited long enough
	for {
		p := s.progressOf(pod)
		switch {
		case p.stage == finished:
			return nil
		case p.stage == failed, p.stage == stuck && p.now:
			return &outcome{failure: p.failure, again: p.again, image: p.image, label: p.label}
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
			switch {
			case latest.UID != created.UID && gone:
				// Another pod, which is gone. That says nothing about ours.
			case latest.UID != created.UID:
				return s.replaced(latest)
			case gone:
				return deleted(created)
			default:
				pod = latest
			}
		case <-patience:
			if p.stage == stuck {
				return &outcome{failure: p.failure, again: p.again}
			}
			patience = nil
		case <-poll.C:
			// The watch is faster, but this works without it.
			fresh, err := s.Client.Core.Pods(s.Namespace).Get(ctx, created.Name, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err):
				return deleted(created)
			case err == nil && fresh.UID != created.UID:
				return s.replaced(fresh)
			case err == nil:
				pod = fresh
			}
			if f := s.lost(ctx, pod.Spec.NodeName); f != nil && s.progressOf(pod).stage != finished {
				return &outcome{failure: f}
			}
			if out := s.blocked(ctx, pod, time.Since(start)); out != nil {
				return out
			}
		case <-ctx.Done():
			return &outcome{failure: s.late(run, pod, p)}
		}
	}
}

func deleted(pod *corev1.Pod) *outcome {
	return &outcome{again: true, gone: pod.Name, failure: &Failure{
		Reason: fact.ProbeFailed, Detail: "someone else deleted the probe's pod before its answer was read",
	}}
}

// replaced returns the outcome if another pod was created under the pod's name.
func (s *session) replaced(by *corev1.Pod) *outcome {
	return &outcome{failure: &Failure{
		Reason: fact.NotOurs,
		Detail: fmt.Sprintf("someone deleted the probe's pod %s in namespace %s and created another pod with its name; the answer of that pod was refused; %s",
			by.Name, s.Namespace, foreign(by.Spec.NodeName)),
		Hint: "find out who can create pods there (the audit log shows who did); use --probe-namespace with a namespace that nobody else can write to",
	}}
}

// look reads a whole pod whose container has ended. It checks that it is the pod that
// was created, and that nothing changed meanwhile. Anyone who may patch pods there can
// change its image or add a debugging container.
func (s *session) look(ctx context.Context, sent, created *corev1.Pod) (*corev1.Pod, *outcome) {
	var pod corev1.Pod
	var t tree
	err := s.request(ctx, func() (err error) {
		t, err = s.Options.read(ctx, s.pods(), created.Name, &pod)
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil, deleted(created)
	case err != nil:
		return nil, &outcome{failure: s.refused("reading the probe's pod", err)}
	case pod.UID != created.UID:
		return nil, s.replaced(&pod)
	}
	want, err := treeOf(sent)
	if err != nil {
		return nil, &outcome{failure: noProbe(err)}
	}
	what := ""
	if found := s.learned.without(compare(s.pods().shape, want, t)); len(found) > 0 {
		what = found[0].String()
	} else if status := probeStatus(&pod); status != nil && (status.RestartCount != 0 || status.LastTerminationState.Terminated != nil) {
		what = "its container was restarted, which never happens to a probe's pod" // a change of its image restarts it
	}
	if what != "" {
		return nil, &outcome{failure: &Failure{
			Reason: fact.NotOurs,
			Detail: fmt.Sprintf("someone changed the probe's pod %s while it ran: %s; its answer was refused; %s", pod.Name, what, foreign(pod.Spec.NodeName)),
			Hint:   "find out who can patch pods in namespace " + s.Namespace + " (the audit log shows who did); use --probe-namespace with a namespace that nobody else can write to",
		}}
	}
	return &pod, nil
}

// late returns the failure of a node whose time is over.
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
	if notStarted(pod) {
		return s.neverStarted(ctx, pod, p.state)
	}
	return &Failure{
		Reason: fact.Timeout,
		Detail: fmt.Sprintf("no answer within %s; the pod was %s", s.Timeout, p.state),
		Hint:   "use a longer --probe-timeout",
	}
}

// lost returns a failure if a node is gone or not Ready. It returns nil if the node is
// Ready, or if that cannot be known.
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

// facts reads the answer of a pod whose container has ended. It checks the pod before it
// reads the status and log. It checks the pod again after the log, because the API
// server finds the log by name.
func (s *session) facts(ctx, run context.Context, level fact.Level, sent, created *corev1.Pod) outcome {
	pod, out := s.look(ctx, sent, created)
	if out != nil {
		return *out
	}
	terminated := s.progressOf(pod).terminated
	if terminated == nil {
		return outcome{failure: &Failure{
			Reason: fact.ProbeFailed, Detail: "the pod's status first said that the probe had ended, and later that it had not",
		}}
	}
	trailer, err := wire.ParseTrailer([]byte(terminated.Message))
	if errors.Is(err, wire.ErrVersion) {
		return outcome{failure: &Failure{
			Reason: fact.ProbeFailed, Detail: oneLine(err.Error()),
			Hint: "use --probe-image with the probe of this plugin's version, or --probe-image embedded",
		}}
	}
	if err != nil {
		f, again, memory := s.exitFailure(pod, terminated)
		return outcome{failure: f, again: again, memory: memory, label: terminated.Reason == "StartError" && refusesLabel(terminated.Message)}
	}
	if !trailer.HasMeasurement() {
		return outcome{failure: &Failure{
			Reason: fact.ProbeFailed, Detail: fmt.Sprintf("the probe ended with status %d: %s", terminated.ExitCode, trailer.Error),
		}}
	}
	var frame error // for a log that arrived and is broken
	for try, wait := 0, s.timing.backoff; ; try, wait = try+1, wait*2 {
		measured, err := s.decode(ctx, level, pod.Name, trailer)
		if err == nil {
			if trailer.NeedsLog() {
				if _, out := s.look(ctx, sent, created); out != nil {
					return *out
				}
			}
			if (measured.Level == fact.LevelNet) != (level == fact.LevelNet) {
				return outcome{failure: &Failure{
					Reason: fact.ProbeFailed, Detail: fmt.Sprintf("expected an answer of a probe of level %s, found one of level %q", level, bounded(string(measured.Level))),
				}}
			}
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
				Detail: fmt.Sprintf("the nodes of this run have too many facts: one run holds at most %d MiB", s.memory>>20),
				Hint:   "measure the nodes in several runs, by names or --selector: kubectl checklist nodes",
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

// unreadLog is an error of fetching a log, not of its content.
type unreadLog struct{ err error }

func (e *unreadLog) Error() string { return e.err.Error() }
func (e *unreadLog) Unwrap() error { return e.err }

// logReader marks errors of the transport, so that they differ from errors in the
// frames.
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

// decode reads a probe's answer. A small answer is in the trailer, a large one in the
// log.
func (s *session) decode(ctx context.Context, level fact.Level, pod string, trailer wire.Trailer) (*fact.Measurement, error) {
	if !trailer.NeedsLog() {
		return s.budgets[level].Decode(nil, trailer)
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
	measured, err := s.budgets[level].Decode(log, trailer)
	if err != nil && log.err != nil {
		return nil, &unreadLog{log.err}
	}
	return measured, err
}

// removePod deletes a pod at once, even after the run was stopped.
func (s *session) removePod(run context.Context, pod *corev1.Pod) error {
	s.mu.Lock()
	_, there := s.made[pod.UID]
	s.mu.Unlock()
	if !there { // never created, or already deleted
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(run), s.timing.request)
	defer cancel()
	err := s.remove(ctx, s.pods(), s.Namespace, pod.Name, pod.UID)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	s.forget(pod.UID)
	s.mu.Lock()
	s.past = true
	s.mu.Unlock()
	return nil
}
