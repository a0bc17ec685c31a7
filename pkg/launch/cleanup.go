package launch

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Cleanup removes what interrupted runs left. It removes everything with our labels
// that can only have been created for a run (looksLikeOurPod and similar). It looks in
// all namespaces if the user may list them, otherwise only in opts.Namespace. It also
// removes namespaces that a run created, if they hold nothing of anybody else.
// Something else with our labels is not deleted, and is an error. opts.RunID narrows
// Cleanup to one run, whose namespace is opts.Namespace. A run that is still active
// elsewhere loses its pods too and reports those nodes as gaps. If something cannot be
// listed, the rest is still removed.
//
// removed names what was deleted, as kubectl does ("pod/NAME in namespace NS"), in
// order. The error joins what could not be deleted.
func Cleanup(ctx context.Context, client Client, opts Options) (removed []string, err error) {
	removed, left, err := cleanUp(ctx, client, opts)
	errs := []error{err}
	for _, what := range left {
		errs = append(errs, fmt.Errorf("not deleted: %s has the labels of a run, but is not what a run creates", what))
	}
	return removed, errors.Join(errs...)
}

// cleanUp is Cleanup; left names what was not deleted.
func cleanUp(ctx context.Context, client Client, opts Options) (removed, left []string, err error) {
	run := opts.RunID
	opts.Client = client
	if opts, err = opts.complete(); err != nil {
		return nil, nil, err
	}
	selector := LabelManagedBy + "=" + ManagedBy + "," + LabelRun
	if run != "" {
		selector += "=" + run
	}
	list := metav1.ListOptions{LabelSelector: selector}
	var errs []error
	note := func(what string, err error) {
		switch {
		case err == nil:
			removed = append(removed, what)
		case !apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("removing %s: %s", what, oneLine(err.Error())))
		}
	}

	// A run is in one namespace, and its user may have the right to list only there.
	scope := metav1.NamespaceAll
	if run != "" {
		scope = opts.Namespace
	}
	narrowed := false
	read := func(what string, list func(namespace string) error) {
		err := list(scope)
		if scope == metav1.NamespaceAll && apierrors.IsForbidden(err) {
			narrowed = true
			err = list(opts.Namespace)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("listing %s: %w", what, err))
		}
	}
	jobs, pods, maps := new(batchv1.JobList), new(corev1.PodList), new(corev1.ConfigMapList)
	read("jobs", func(namespace string) error {
		l, err := client.Batch.Jobs(namespace).List(ctx, list)
		if err == nil {
			jobs = l
		}
		return err
	})
	read("pods", func(namespace string) error {
		l, err := client.Core.Pods(namespace).List(ctx, list)
		if err == nil {
			pods = l
		}
		return err
	})
	read("ConfigMaps", func(namespace string) error {
		l, err := client.Core.ConfigMaps(namespace).List(ctx, list)
		if err == nil {
			maps = l
		}
		return err
	})
	remove := func(k *kind, word string, of metav1.Object, ours bool) {
		what := fmt.Sprintf("%s/%s in namespace %s", word, of.GetName(), of.GetNamespace())
		if !ours {
			left = append(left, what)
			return
		}
		note(what, opts.remove(ctx, k, of.GetNamespace(), of.GetName(), of.GetUID()))
	}
	for i := range pods.Items {
		remove(opts.pods(), "pod", &pods.Items[i], looksLikeOurPod(&pods.Items[i]))
	}
	for i := range maps.Items {
		remove(opts.configs(), "configmap", &maps.Items[i], looksLikeOurConfigMap(&maps.Items[i]))
	}
	for i := range jobs.Items {
		remove(opts.jobs(), "job.batch", &jobs.Items[i], looksLikeOurJob(&jobs.Items[i]))
	}

	namespaces := []string{opts.Namespace}
	if run == "" && !narrowed {
		found, err := client.Core.Namespaces().List(ctx, metav1.ListOptions{LabelSelector: LabelManagedBy + "=" + ManagedBy})
		switch {
		case err == nil:
			namespaces = nil
			for i := range found.Items {
				namespaces = append(namespaces, found.Items[i].Name)
			}
		case !apierrors.IsForbidden(err):
			errs = append(errs, fmt.Errorf("listing namespaces: %w", err))
		}
	}
	for _, name := range namespaces {
		gone, _, err := opts.releaseNamespace(ctx, name, run, ownOf(run))
		if err != nil {
			errs = append(errs, err)
		} else if gone {
			removed = append(removed, "namespace/"+name)
		}
	}
	return removed, left, errors.Join(errs...)
}
