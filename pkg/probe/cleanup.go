package probe

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Cleanup removes what interrupted runs left: everything with our labels, in all
// namespaces where the user may list them, else in opts.Namespace alone; and
// namespaces that a run created, as long as nothing of anybody else is in them.
// opts.RunID narrows it to one run, whose namespace is opts.Namespace. A run that is still active elsewhere loses
// its pods too and reports those nodes as gaps.
//
// removed names what was deleted, as kubectl does ("pod/NAME in namespace NS"),
// in order. The error joins what could not be.
func Cleanup(ctx context.Context, client Client, opts Options) (removed []string, err error) {
	run := opts.RunID
	opts.Client = client
	if opts, err = opts.complete(); err != nil {
		return nil, err
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

	scope := metav1.NamespaceAll
	jobs, err := client.Batch.Jobs(scope).List(ctx, list)
	if apierrors.IsForbidden(err) {
		scope = opts.Namespace
		jobs, err = client.Batch.Jobs(scope).List(ctx, list)
	}
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	pods, err := client.Core.Pods(scope).List(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	maps, err := client.Core.ConfigMaps(scope).List(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("listing config maps: %w", err)
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		note(fmt.Sprintf("pod/%s in namespace %s", p.Name, p.Namespace), opts.deletePod(ctx, p.Namespace, p.Name))
	}
	for i := range maps.Items {
		m := &maps.Items[i]
		note(fmt.Sprintf("configmap/%s in namespace %s", m.Name, m.Namespace),
			client.Core.ConfigMaps(m.Namespace).Delete(ctx, m.Name, metav1.DeleteOptions{}))
	}
	for i := range jobs.Items {
		j := &jobs.Items[i]
		note(fmt.Sprintf("job.batch/%s in namespace %s", j.Name, j.Namespace),
			client.Batch.Jobs(j.Namespace).Delete(ctx, j.Name, metav1.DeleteOptions{
				PropagationPolicy: new(metav1.DeletePropagationBackground),
			}))
	}

	namespaces := []string{opts.Namespace}
	if scope == metav1.NamespaceAll && run == "" {
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
		gone, _, err := opts.releaseNamespace(ctx, name, run)
		if err != nil {
			errs = append(errs, err)
		} else if gone {
			removed = append(removed, "namespace/"+name)
		}
	}
	return removed, errors.Join(errs...)
}
