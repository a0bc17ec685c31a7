package launch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// manyNodes is the number of nodes above which an embedded probe is announced with a
// warning: each node reads the whole probe from the API server.
const manyNodes = 100

// session is the state of one run.
type session struct {
	Options
	plan  Plan
	owner *metav1.OwnerReference
	maps  map[string][]*corev1.ConfigMap // by architecture
	// digests are those of the embedded probes, by architecture. They are of what
	// the run writes, not of what the cluster holds.
	digests map[string][sha256.Size]byte
	watch   podWatch
	// budget bounds the memory of all answers until the run has ended.
	budget *wire.Budget
	// learned is what the server adds to every pod; see learn.
	learned learned

	mu     sync.Mutex
	flying int // nodes being measured
	done   int
	failed int
	ledger
	// spoiled is set after a config map of the run was replaced. Then no more pods
	// are created.
	spoiled *Failure
}

// Measure runs a probe on each node and returns its facts, by node name. Every node in
// nodes always has either facts or gaps. A run that was stopped (ctx) returns what it
// has, and Interrupted gaps for the rest.
//
// The error is what a user must know besides: bad options, or objects that could not be
// removed. Facts and gaps are valid even with an error.
func Measure(ctx context.Context, opts Options, nodes []fact.Node) (map[string]*fact.Measurement, []fact.Gap, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, nil, err
	}
	plan, gaps := opts.plan(nodes)
	probes := make(map[string][]byte)
	for _, arch := range slices.Clone(plan.Archs) {
		probe, err := opts.Embedded(arch)
		if err == nil {
			probes[arch] = probe
			continue
		}
		gaps = append(gaps, opts.drop(&plan, arch, noProbe(err))...)
	}
	measured := make(map[string]*fact.Measurement)
	all := func(f *Failure) {
		for _, t := range plan.Targets {
			gaps = append(gaps, opts.gaps(t.Node, f)...)
		}
	}
	finish := func(err error) (map[string]*fact.Measurement, []fact.Gap, error) {
		sortGaps(gaps)
		return measured, gaps, err
	}
	if len(plan.Targets) == 0 {
		return finish(nil)
	}
	stand, known, f := opts.preflight(ctx, &plan)
	if f == nil && ctx.Err() != nil {
		f = interrupted()
	}
	if f != nil {
		all(f)
		return finish(nil)
	}

	opts.Announce(opts.announcement(&plan, stand, probes))
	var guard *Guard
	var guardErr error
	if opts.Guard != nil {
		// The run continues without the guard, which matters only after a SIGKILL.
		if guard, err = opts.Guard(opts); err != nil && stand == absent {
			guardErr = fmt.Errorf("starting the guard, which cleans up if this process is killed: %w", err)
		}
	}
	s := &session{
		Options: opts, plan: plan, maps: make(map[string][]*corev1.ConfigMap), digests: make(map[string][sha256.Size]byte),
		learned: known, budget: wire.NewBudget(opts.memory, len(plan.Targets)),
	}
	for arch, probe := range probes {
		s.digests[arch] = sha256.Sum256(probe)
	}
	results, f := s.run(ctx, stand, probes)
	if f != nil {
		all(f)
	}
	for i, r := range results {
		if r.measured != nil {
			measured[plan.Targets[i].Node] = r.measured
		} else {
			gaps = append(gaps, opts.gaps(plan.Targets[i].Node, r.failure)...)
		}
	}
	err = s.leave(ctx)
	guard.end(err == nil)
	return finish(errors.Join(guardErr, err))
}

// drop removes the nodes of an architecture from the plan.
func (o *Options) drop(plan *Plan, arch string, f *Failure) (gaps []fact.Gap) {
	plan.Archs = slices.DeleteFunc(plan.Archs, func(a string) bool { return a == arch })
	plan.Targets = slices.DeleteFunc(plan.Targets, func(t Target) bool {
		if t.Arch == arch {
			gaps = append(gaps, o.gaps(t.Node, f)...)
		}
		return t.Arch == arch
	})
	return gaps
}

// sortGaps sorts by node. The kinds of one node stay in their order.
func sortGaps(gaps []fact.Gap) {
	slices.SortStableFunc(gaps, func(a, b fact.Gap) int { return cmp.Compare(a.Subject.Name, b.Subject.Name) })
}

// announcement returns the line that says what is about to be created.
func (o *Options) announcement(plan *Plan, stand standing, probes map[string][]byte) string {
	var line strings.Builder
	line.WriteString("creating in namespace " + o.Namespace)
	switch stand {
	case absent:
		line.WriteString(" (new)")
	case ending:
		line.WriteString(" (new, after the old one is deleted)")
	}
	line.WriteString(": 1 job")
	if plan.Embedded {
		n := 0
		for arch, probe := range probes {
			if configs, err := o.configMaps(arch, probe, nil); err == nil {
				n += len(configs)
			}
		}
		fmt.Fprintf(&line, ", %d config maps", n)
	}
	fmt.Fprintf(&line, ", %s", plural(len(plan.Targets), "pod", "pods"))
	if len(plan.Targets) > 1 {
		fmt.Fprintf(&line, " (one for each node, %d at once)", min(o.MaxInFlight, len(plan.Targets)))
	}
	switch o.Level {
	case fact.LevelProc:
		line.WriteString(" with hostPID, uid 65534, no capability")
	default:
		line.WriteString(" with hostPID, uid 0, SYS_PTRACE, DAC_READ_SEARCH")
	}
	line.WriteString("; not privileged, no host mount, no token; the run removes everything at its end; --no-probe creates nothing")
	if plan.Embedded && len(plan.Targets) > manyNodes {
		size := 0
		for _, probe := range probes {
			size = max(size, len(probe))
		}
		fmt.Fprintf(&line, "; each of %d nodes reads %.1f MB from the API server; --probe-image with an image in a registry avoids that",
			len(plan.Targets), float64(size)/1e6)
	}
	return line.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ttl returns how long everything exists after the run last renewed it.
func (o *Options) ttl() time.Duration { return o.Timeout + o.timing.margin }

// longest returns the longest time that a run with this plan can take.
func (s *session) longest() time.Duration {
	waves := (len(s.plan.Targets) + s.MaxInFlight - 1) / s.MaxInFlight
	return time.Duration(waves) * s.Timeout
}

// result is the result of one target.
type result struct {
	measured *fact.Measurement
	failure  *Failure
}

// run creates everything and measures. A failure means that no node could be tried.
func (s *session) run(ctx context.Context, stand standing, probes map[string][]byte) ([]result, *Failure) {
	if _, f := s.claimNamespace(ctx); f != nil {
		return nil, f
	}
	if stand == absent || stand == ending {
		var f *Failure
		if s.learned, f = s.tryPod(ctx, &s.plan); f != nil {
			return nil, f
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.learned)) {
		s.Announce("this server sets " + path + " in every pod; this version does not know the field, but accepts it because pod templates get it too")
	}
	if f := s.createJob(ctx); f != nil {
		return nil, f
	}
	for _, arch := range s.plan.Archs {
		configs, err := s.configMaps(arch, probes[arch], s.owner)
		if err != nil {
			return nil, noProbe(err)
		}
		for _, m := range configs {
			const doing = "creating a config map with a part of the probe"
			var created corev1.ConfigMap
			found, err := s.put(ctx, s.configs(), m, &created)
			if err != nil {
				return nil, s.refused(doing, err)
			}
			if len(found) > 0 {
				return nil, s.changed(doing, found)
			}
			m.UID = created.UID
		}
		s.maps[arch] = configs
	}

	background, stop := context.WithCancel(ctx)
	var workers, helpers sync.WaitGroup
	helpers.Go(func() { s.watch.run(background, &s.Options) })
	helpers.Go(func() { s.renew(background) })
	defer helpers.Wait()
	defer stop()

	results := make([]result, len(s.plan.Targets))
	next := make(chan int)
	for range min(s.MaxInFlight, len(results)) {
		workers.Go(func() {
			for i := range next {
				s.begin()
				m, f := s.measure(ctx, i, s.plan.Targets[i])
				results[i] = result{m, f}
				s.end(f != nil)
			}
		})
	}
	for i := range results {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		for j := i; j < len(results); j++ {
			results[j].failure = interrupted()
		}
		break
	}
	close(next)
	workers.Wait()
	return results, nil
}

func (s *session) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying++
}

func (s *session) end(failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying--
	s.done++
	if failed {
		s.failed++
	}
	s.Progress(s.done, s.failed, len(s.plan.Targets))
}

// busy returns the number of nodes that are being measured.
func (s *session) busy() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flying
}

// hadOthers reports whether another node of this run is finished.
func (s *session) hadOthers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done > 0
}

// createJob creates the dead man's switch. If the user may not renew it, it must outlive
// the longest run.
func (s *session) createJob(ctx context.Context) *Failure {
	ttl := s.ttl()
	if s.longest() > s.Timeout && !s.mayRenew(ctx) {
		ttl += s.longest()
	}
	const doing = "creating the job that removes everything if this run is killed"
	var created batchv1.Job
	found, err := s.put(ctx, s.jobs(), s.job(s.plan.jobImage(), ttl), &created)
	if err != nil {
		return s.refused(doing, err)
	}
	if len(found) > 0 {
		return s.changed(doing, found)
	}
	s.owner = ownerOf(&created)
	return nil
}

// mayRenew tries, without effect, to change the time to live of a Job. No Job has the
// name, so a server that permits the request answers that it was not found.
func (s *session) mayRenew(ctx context.Context) bool {
	_, err := s.Client.Batch.Jobs(s.Namespace).Patch(ctx, s.name("none"), types.MergePatchType, []byte(`{}`),
		metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	return err == nil || apierrors.IsNotFound(err)
}

// renew extends the Job's time to live during a long run. The time to live counts from
// the Job's completion, which is its creation.
func (s *session) renew(ctx context.Context) {
	start := s.Now()
	for sleep(ctx, s.ttl()/3) == nil {
		// With the UID the server patches exactly that Job, or none.
		patch := fmt.Sprintf(`{"metadata":{"uid":%q},"spec":{"ttlSecondsAfterFinished":%d}}`, s.owner.UID, seconds(s.Now().Sub(start)+s.ttl()))
		// A failed patch is tried again before the time is over. Without the right,
		// the time is long enough from the start.
		_, _ = s.Client.Batch.Jobs(s.Namespace).Patch(ctx, s.owner.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	}
}

// leave removes what the run created, even after it was stopped.
func (s *session) leave(run context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(run), s.timing.cleanup)
	defer cancel()
	var errs []error
	note := func(what string, err error) {
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing %s: %s", what, oneLine(err.Error())))
		}
	}
	note("pods in namespace "+s.Namespace, s.searchLost(ctx))
	// The Job is removed last. Until then the cluster would remove what is left. After
	// that, an object that a late request creates has an owner that is gone.
	for _, k := range []*kind{s.pods(), s.configs(), s.jobs()} {
		for _, m := range s.left(k.resource) {
			err := s.remove(ctx, k, s.Namespace, m.name, m.uid)
			note(k.name+" "+m.name, err)
			if err == nil || apierrors.IsNotFound(err) {
				s.forget(m.uid)
			}
		}
	}
	if _, _, err := s.releaseNamespace(ctx, s.Namespace, s.RunID, s.own()); err != nil {
		note("namespace "+s.Namespace, err)
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w; the cluster removes pods and config maps within %s; to remove the rest: kubectl checklist cleanup", errors.Join(errs...), s.ttl())
}
