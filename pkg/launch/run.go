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
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// manyNodes is the number of nodes above which an embedded probe is announced with a
// warning: each node reads the whole probe from the API server.
const manyNodes = 100

// session is the state of one run.
type session struct {
	Options
	plan  Plan
	owner *metav1.OwnerReference
	maps  map[program][]*corev1.ConfigMap
	// digests are those of the embedded programs. They are of what the run writes, not
	// of what the cluster holds.
	digests map[program][sha256.Size]byte
	// barred says why no node gets the pod of a level, missing why no node of an
	// architecture does.
	barred  map[fact.Level]*Failure
	missing map[program]*Failure
	watch   podWatch
	// budgets bound the memory of all answers until the run has ended.
	budgets map[fact.Level]*wire.Budget
	// learned is what the server adds to every pod; see learn.
	learned learned

	mu     sync.Mutex
	flying int // nodes being measured
	done   int
	failed int
	past   bool // a pod of this run has come and gone
	ledger
	// spoiled is set after a ConfigMap of the run was replaced. Then no more pods
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
	s := newSession(opts, plan)
	probes, dropped := s.programs()
	gaps = append(gaps, dropped...)
	measured := make(map[string]*fact.Measurement)
	// all gives the gaps of the levels that a run cannot use.
	all := func(f *Failure) {
		for _, t := range s.plan.Targets {
			for _, level := range opts.levels() {
				gaps = append(gaps, gapsFor(t.Node, opts.kindsOf(level), s.hopeless(level, t.Arch, f))...)
			}
		}
	}
	finish := func(err error) (map[string]*fact.Measurement, []fact.Gap, error) {
		sortGaps(gaps)
		return measured, gaps, err
	}
	if len(s.plan.Targets) == 0 || len(opts.levels()) == 0 {
		return finish(nil)
	}
	if len(s.levels()) == 0 {
		all(nil)
		return finish(nil)
	}
	stand, known, f := s.preflight(ctx, &s.plan, s.barred)
	if f == nil && ctx.Err() != nil {
		f = interrupted()
	}
	if f != nil || len(s.levels()) == 0 {
		all(f)
		return finish(nil)
	}
	s.learned = known

	opts.Announce(s.announcement(stand, probes))
	var guard *Guard
	var guardErr error
	if opts.Guard != nil {
		// The run continues without the guard, which matters only after a SIGKILL.
		if guard, err = opts.Guard(opts); err != nil && stand == absent {
			guardErr = fmt.Errorf("starting the guard, which cleans up if this process is killed: %w", err)
		}
	}
	s.budgets = budgets(opts.memory, len(s.plan.Targets), s.levels())
	results, f := s.run(ctx, stand, probes)
	if f != nil {
		all(f)
	}
	for i, r := range results {
		node := s.plan.Targets[i].Node
		if r.measured != nil {
			measured[node] = r.measured
		}
		for level, f := range r.failures {
			gaps = append(gaps, gapsFor(node, opts.kindsOf(level), f)...)
		}
	}
	err = s.leave(ctx)
	guard.end(err == nil)
	return finish(errors.Join(guardErr, err))
}

func newSession(opts Options, plan Plan) *session {
	return &session{
		Options: opts, plan: plan, maps: make(map[program][]*corev1.ConfigMap), digests: make(map[program][sha256.Size]byte),
		barred: make(map[fact.Level]*Failure), missing: make(map[program]*Failure),
	}
}

// programs returns the embedded programs that the plan needs, and notes those that this
// build does not have. It drops the nodes for which it has none, and returns their gaps.
func (s *session) programs() (probes map[program][]byte, gaps []fact.Gap) {
	probes = make(map[program][]byte)
	for _, level := range s.Options.levels() {
		var last *Failure
		found := 0
		for _, arch := range s.plan.Archs {
			p := programOf(level, arch)
			probe, err := s.bytes(p)
			if err != nil {
				last = noProbe(err)
				s.missing[p] = last
				continue
			}
			found++
			probes[p], s.digests[p] = probe, sha256.Sum256(probe)
		}
		if last != nil && found == 0 {
			s.barred[level] = last
		}
	}
	s.plan.Targets = slices.DeleteFunc(s.plan.Targets, func(t Target) bool {
		for _, level := range s.Options.levels() {
			if s.missing[programOf(level, t.Arch)] == nil {
				return false
			}
		}
		for _, level := range s.Options.levels() {
			gaps = append(gaps, gapsFor(t.Node, s.kindsOf(level), s.missing[programOf(level, t.Arch)])...)
		}
		return true
	})
	s.plan.Archs = slices.DeleteFunc(s.plan.Archs, func(arch string) bool {
		return !slices.ContainsFunc(s.plan.Targets, func(t Target) bool { return t.Arch == arch })
	})
	return probes, gaps
}

// levels returns the levels of the pods that this run creates.
func (s *session) levels() []fact.Level {
	return slices.DeleteFunc(s.Options.levels(), func(level fact.Level) bool { return s.barred[level] != nil })
}

// hopeless returns why a node of an architecture gets no pod of a level. otherwise is
// for when nothing is known against it.
func (s *session) hopeless(level fact.Level, arch string, otherwise *Failure) *Failure {
	return cmp.Or(s.missing[programOf(level, arch)], s.barred[level], otherwise)
}

// podsOf returns the nodes that get a pod of a level.
func (s *session) podsOf(level fact.Level) []Target {
	return slices.DeleteFunc(slices.Clone(s.plan.Targets), func(t Target) bool { return s.hopeless(level, t.Arch, nil) != nil })
}

// budgets divides the memory of a run among the answers of its levels. Those of level
// net are small: at most fact.MaxListeners listeners.
func budgets(memory int64, nodes int, levels []fact.Level) map[fact.Level]*wire.Budget {
	of := make(map[fact.Level]*wire.Budget)
	left := memory
	if len(levels) > 1 {
		of[fact.LevelNet] = wire.NewBudget(memory/8, nodes)
		left -= memory / 8
	}
	for _, level := range levels {
		if of[level] == nil {
			of[level] = wire.NewBudget(left, nodes)
		}
	}
	return of
}

// sortGaps sorts by node, then by kind in the order of the table.
func sortGaps(gaps []fact.Gap) {
	kinds := fact.Kinds()
	sorted.Stable(gaps, func(a, b fact.Gap) int {
		return cmp.Or(cmp.Compare(a.Subject.Name, b.Subject.Name), cmp.Compare(slices.Index(kinds, a.What), slices.Index(kinds, b.What)))
	})
}

// announcement returns the line that says what is about to be created.
func (s *session) announcement(stand standing, probes map[program][]byte) string {
	var line strings.Builder
	line.WriteString("creating in namespace " + s.Namespace)
	switch stand {
	case absent:
		line.WriteString(" (new)")
	case ending:
		line.WriteString(" (new, after the old one is deleted)")
	}
	line.WriteString(": 1 job")
	levels := s.levels()
	if s.plan.Embedded {
		n := 0
		for p, probe := range probes {
			if !slices.ContainsFunc(levels, func(level fact.Level) bool { return programOf(level, p.arch) == p }) {
				continue
			}
			if configs, err := s.configMaps(p, probe, nil); err == nil {
				n += len(configs)
			}
		}
		fmt.Fprintf(&line, ", %d ConfigMaps", n)
	}
	for i, level := range levels {
		pods := len(s.podsOf(level))
		line.WriteString(", ")
		if i > 0 {
			line.WriteString("and then ")
		}
		line.WriteString(plural(pods, "pod", "pods"))
		if pods > 1 {
			fmt.Fprintf(&line, " (one for each node, %d at once)", min(s.MaxInFlight, pods))
		}
		if !s.Confirmed {
			line.WriteString(" with " + means(level))
		}
	}
	if !s.Confirmed {
		line.WriteString("; not privileged, no host mount, no token; the run removes everything at its end; --no-probe creates nothing")
	}
	if s.plan.Embedded && len(s.plan.Targets) > manyNodes {
		size := 0
		for _, level := range levels {
			largest := 0
			for _, arch := range s.plan.Archs {
				largest = max(largest, len(probes[programOf(level, arch)]))
			}
			size += largest
		}
		fmt.Fprintf(&line, "; each of %d nodes reads %.1f MB from the API server; --probe-image with an image in a registry avoids that, and probe-image export writes one",
			len(s.plan.Targets), float64(size)/1e6)
	}
	return line.String()
}

// means says what the pod of a level gets, and what that of level net does with it.
func means(level fact.Level) string {
	if level == fact.LevelNet {
		return fmt.Sprintf("%s, for TLS handshakes with what listens on the node itself "+
			"(at most %d connections to each listener, one request without credentials among them)", rightsOf(level), fact.MaxConnections)
	}
	return rightsOf(level)
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

// result is the result of one target: facts, and the levels whose pods gave none.
type result struct {
	measured *fact.Measurement
	failures map[fact.Level]*Failure
}

// fails notes the failure of several levels.
func (r *result) fails(f *Failure, levels ...fact.Level) {
	if r.failures == nil {
		r.failures = make(map[fact.Level]*Failure, len(levels))
	}
	for _, level := range levels {
		r.failures[level] = f
	}
}

// run creates everything and measures. A failure means that no node could be tried.
func (s *session) run(ctx context.Context, stand standing, probes map[program][]byte) ([]result, *Failure) {
	if _, f := s.claimNamespace(ctx); f != nil {
		return nil, f
	}
	if stand == absent || stand == ending {
		var f *Failure
		if s.learned, f = s.tryPods(ctx, &s.plan, s.barred); f != nil {
			return nil, f
		}
		if levels := s.Options.levels(); len(s.levels()) == 0 {
			return nil, s.barred[levels[0]]
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.learned)) {
		s.Announce("this server sets " + path + " in every pod; this version does not know the field, but accepts it because pod templates get it too")
	}
	if f := s.createJob(ctx); f != nil {
		return nil, f
	}
	for _, level := range s.levels() {
		if f := s.bring(ctx, level, probes); f != nil {
			s.barred[level] = f
		}
	}
	if levels := s.Options.levels(); len(s.levels()) == 0 {
		return nil, s.barred[levels[0]]
	}

	background, stop := context.WithCancel(ctx)
	var workers, helpers sync.WaitGroup
	helpers.Go(func() { s.watch.run(background, &s.Options) })
	helpers.Go(func() { s.renew(background) })
	defer helpers.Wait()
	defer stop()

	levels := s.Options.levels()
	results := make([]result, len(s.plan.Targets))
	next := make(chan int)
	for range min(s.MaxInFlight, len(results)) {
		workers.Go(func() {
			for i := range next {
				s.begin()
				results[i] = s.measure(ctx, i, s.plan.Targets[i])
				s.end(len(results[i].failures) > 0)
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
			results[j].fails(interrupted(), levels...)
		}
		break
	}
	close(next)
	workers.Wait()
	return results, nil
}

// bring creates the ConfigMaps with the program of a level.
func (s *session) bring(ctx context.Context, level fact.Level, probes map[program][]byte) *Failure {
	for _, arch := range s.plan.Archs {
		p := programOf(level, arch)
		if s.missing[p] != nil {
			continue
		}
		configs, err := s.configMaps(p, probes[p], s.owner)
		if err != nil {
			return noProbe(err)
		}
		for _, m := range configs {
			const doing = "creating a ConfigMap with a part of the probe"
			var created corev1.ConfigMap
			found, err := s.put(ctx, s.configs(), m, &created)
			if err != nil {
				return s.refused(doing, err)
			}
			if len(found) > 0 {
				return s.changed(doing, found)
			}
			m.UID = created.UID
		}
		s.maps[p] = configs
	}
	return nil
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

// hadOthers reports whether another pod of this run has come and gone.
func (s *session) hadOthers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.past
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
	return fmt.Errorf("%w; the cluster removes pods and ConfigMaps within %s; to remove the rest: kubectl checklist cleanup", errors.Join(errs...), s.ttl())
}
