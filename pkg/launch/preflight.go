package launch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// standing is what Preflight found out about the namespace.
type standing int

const (
	absent   standing = iota
	existing          // somebody else's, or unknown because reading it is forbidden
	made              // created by a run of this plugin
	ending            // being deleted
)

func standingOf(ns *corev1.Namespace) standing {
	switch {
	case ns.DeletionTimestamp != nil || ns.Status.Phase == corev1.NamespaceTerminating:
		return ending
	case ns.Labels[LabelManagedBy] == ManagedBy && ns.Annotations[AnnotationCreatedBy] != "":
		return made
	}
	return existing
}

// Preflight finds out whether the plan's pods can be created, without creating anything.
// It checks the user's rights (a SelfSubjectAccessReview for each), and does server-side
// dry runs, which go through Pod Security, webhooks and quotas. A refusal is a *Failure
// that says who refused and what can be done.
//
// If the namespace does not exist, only its creation can be tried. Measure then tries a
// pod as soon as it has created the namespace, before anything else.
func Preflight(ctx context.Context, opts Options, plan Plan) error {
	opts, err := opts.complete()
	if err != nil {
		return err
	}
	refused := make(map[fact.Level]*Failure)
	if _, _, f := opts.preflight(ctx, &plan, refused); f != nil {
		return f
	}
	for _, level := range opts.levels() {
		if f := refused[level]; f != nil {
			return f
		}
	}
	return nil
}

// preflight also learns what the server adds to every pod, if a pod could be tried, and
// which images the plan's nodes hold. If the pods of one level alone are impossible, it
// notes that in refused.
func (o *Options) preflight(ctx context.Context, plan *Plan, refused map[fact.Level]*Failure) (standing, learned, *Failure) {
	stand := existing
	ns, err := o.Client.Core.Namespaces().Get(ctx, o.Namespace, metav1.GetOptions{})
	switch {
	case err == nil:
		stand = standingOf(ns)
	case apierrors.IsNotFound(err):
		stand = absent
	case !apierrors.IsForbidden(err):
		return stand, nil, o.refused("reading namespace "+o.Namespace, err)
	}
	if f := o.checkRights(ctx, stand); f != nil {
		return stand, nil, f
	}
	o.survey(ctx, plan)
	if stand == absent {
		_, err := o.Client.Core.Namespaces().Create(ctx, o.namespace(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil && !apierrors.IsAlreadyExists(err) && !noDryRun(err) {
			return stand, nil, o.refused("trying to create namespace "+o.Namespace, err)
		}
		return stand, nil, nil
	}
	if stand == ending {
		return stand, nil, nil
	}
	known, f := o.tryPods(ctx, plan, refused)
	return stand, known, f
}

// tryPods sends the Job, and of each level a ConfigMap and one pod of the plan, to the
// server as dry runs. The server must return what was sent. Fields that the server adds to
// every pod, and that this version does not know, are learned. A level whose objects are
// refused is noted in refused; those that are in it are not tried.
func (o *Options) tryPods(ctx context.Context, plan *Plan, refused map[fact.Level]*Failure) (learned, *Failure) {
	image := plan.image(plan.Targets[0], 0)
	doing := o.trying
	found, err := o.try(ctx, o.jobs(), o.job(image, o.ttl()), new(batchv1.Job))
	switch {
	case apierrors.IsNotFound(err):
		return nil, &Failure{
			Reason: fact.NotPresent,
			Detail: "namespace " + o.Namespace + " does not exist, and this user may not read namespaces, so it is not created",
			Hint:   "use --probe-namespace with one that exists and admits pods with hostPID; " + hintNoProbe,
		}
	case err != nil && !noDryRun(err):
		return nil, o.refused(doing("job"), err)
	case len(found) > 0:
		return nil, o.changed(doing("job"), found)
	}
	known := make(learned)
	for _, level := range o.levels() {
		if refused[level] != nil {
			continue
		}
		added, f := o.tryPod(ctx, plan, level)
		if ctx.Err() != nil {
			return nil, interrupted()
		}
		if f != nil {
			refused[level] = f
		}
		maps.Copy(known, added)
	}
	return known, nil
}

// trying says what a dry run tries.
func (o *Options) trying(what string) string {
	return "trying to create a " + what + " in namespace " + o.Namespace
}

// tryPod is tryPods for one level. It tries the first node that has the program.
func (o *Options) tryPod(ctx context.Context, plan *Plan, level fact.Level) (learned, *Failure) {
	target, doing := plan.Targets[0], o.trying
	var maps []*corev1.ConfigMap
	var digest [sha256.Size]byte
	if plan.Embedded {
		var probe []byte
		var err error
		for _, target = range plan.Targets {
			if probe, err = o.bytes(programOf(level, target.Arch)); err == nil {
				break
			}
		}
		if err != nil {
			return nil, noProbe(err)
		}
		if maps, err = o.configMaps(programOf(level, target.Arch), probe, nil); err != nil {
			return nil, noProbe(err)
		}
		digest = sha256.Sum256(probe)
		found, err := o.try(ctx, o.configs(), maps[0], new(corev1.ConfigMap))
		if err != nil && !noDryRun(err) {
			return nil, o.refused(doing("ConfigMap"), err)
		}
		if len(found) > 0 {
			return nil, o.changed(doing("ConfigMap"), found)
		}
	}
	pod := o.pod(podOf{node: target.Node, image: plan.image(target, 0), digest: digest, level: level, oneHostIP: target.OneHostIP}, maps)
	for wait, start := o.timing.backoff, time.Now(); ; wait *= 2 {
		found, err := o.try(ctx, o.pods(), pod, new(corev1.Pod))
		switch {
		case err == nil || noDryRun(err):
			var known learned
			// A webhook without dry runs answers only the real request. That is too
			// late to learn.
			if err != nil || slices.ContainsFunc(found, func(d difference) bool { return d.unknown }) {
				known = o.learn(ctx, pod)
				found = known.without(found)
			}
			if len(found) > 0 {
				return nil, o.changed(doing("pod"), found)
			}
			return known, nil
		case !accountMissing(err) || time.Since(start) > o.timing.accountWait:
			return nil, o.refused(doing("pod"), err)
		}
		if err := sleep(ctx, min(wait, time.Second)); err != nil {
			return nil, interrupted()
		}
	}
}

// try is a dry run of a create. If the name of something that this run is about to
// create already exists, that object is not the run's own.
func (o *Options) try(ctx context.Context, k *kind, object, returned object) ([]difference, error) {
	sent, err := treeOf(object)
	if err != nil {
		return nil, err
	}
	t, err := o.send(ctx, k, object, returned, true)
	if apierrors.IsAlreadyExists(err) {
		return nil, o.planted(k, object.GetName(), "it existed before")
	}
	if err != nil {
		return nil, err
	}
	return compare(k.shape, sent, t), nil
}

// noDryRun reports whether a webhook supports no dry run. Then only the real request
// shows what it says.
func noDryRun(err error) bool {
	return err != nil && strings.Contains(err.Error(), "does not support dry run")
}

// checkRights names every missing right. If the server does not answer such a review,
// the requests themselves will show it.
func (o *Options) checkRights(ctx context.Context, stand standing) *Failure {
	var asked []right
	for _, r := range rights() {
		if r.must&o.when(stand == absent) != 0 {
			asked = append(asked, r)
		}
	}
	refused := make([]bool, len(asked))
	var wait sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, r := range asked {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			resource, subresource, _ := strings.Cut(r.resource, "/")
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: r.verb, Group: r.group, Resource: resource, Subresource: subresource,
				},
			}}
			if r.where == inNamespace {
				review.Spec.ResourceAttributes.Namespace = o.Namespace
			}
			if r.resource == "namespaces" {
				review.Spec.ResourceAttributes.Name = o.Namespace
			}
			answer, err := o.Client.Authorization.SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			refused[i] = err == nil && !answer.Status.Allowed
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return interrupted()
	}
	var here, outside []string
	for i, r := range asked {
		if refused[i] && r.where == everywhere {
			outside = append(outside, r.String())
		} else if refused[i] {
			here = append(here, r.String())
		}
	}
	var missing []string
	if len(here) > 0 {
		missing = append(missing, fmt.Sprintf("%s in namespace %s", strings.Join(here, ", "), o.Namespace))
	}
	if len(outside) > 0 {
		missing = append(missing, strings.Join(outside, ", "))
	}
	if missing == nil {
		return nil
	}
	hint := hintRights + "; " + hintNoProbe
	if stand == absent && len(outside) > 0 && len(here) == 0 {
		hint = fmt.Sprintf("namespace %s does not exist: use --probe-namespace with one that exists and admits pods with hostPID; ", o.Namespace) + hintNoProbe
	}
	return &Failure{Reason: fact.Forbidden, Detail: "rights that the probe needs are missing: " + strings.Join(missing, "; "), Hint: hint}
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
