package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// claimNamespace makes sure that the namespace exists, and creates it if necessary. ours
// reports whether a run created it, this one or another.
func (o *Options) claimNamespace(ctx context.Context) (ours bool, f *Failure) {
	doing := "creating namespace " + o.Namespace
	for start := time.Now(); ; {
		ns, err := o.Client.Core.Namespaces().Get(ctx, o.Namespace, metav1.GetOptions{})
		switch {
		case apierrors.IsForbidden(err):
			return false, nil // then it must exist; Preflight tried a pod in it
		case apierrors.IsNotFound(err):
			err := o.create(ctx, func(ctx context.Context) error {
				_, err := o.Client.Core.Namespaces().Create(ctx, o.namespace(), metav1.CreateOptions{})
				return err
			})
			if err == nil {
				return true, nil
			}
			if !apierrors.IsAlreadyExists(err) {
				return true, o.refused(doing, err)
			}
			continue // another run, or our own request whose answer was lost
		case err != nil:
			return false, o.refused("reading namespace "+o.Namespace, err)
		}
		switch standingOf(ns) {
		case existing:
			return false, nil
		case made:
			// From now on, a deletion that another run decided on before this
			// fails, and no other run decides on one before our Job exists. Without
			// this right the other runs still look for our objects.
			_ = o.markLastRun(ctx, o.Namespace, o.RunID, "")
			return true, nil
		}
		if time.Since(start) > o.timing.namespaceEnd {
			return false, o.refused(doing, apierrors.NewForbidden(corev1.Resource("namespaces"), o.Namespace,
				fmt.Errorf("it cannot be used because it is being terminated (since %s)", ns.DeletionTimestamp)))
		}
		if err := sleep(ctx, min(time.Second, o.timing.namespaceEnd/4)); err != nil {
			return false, interrupted()
		}
	}
}

// markLastRun writes AnnotationLastRun; "" means no run. If a version is given, it
// writes only if the namespace still has that version.
func (o *Options) markLastRun(ctx context.Context, namespace, run, version string) error {
	metadata := map[string]any{"annotations": map[string]string{AnnotationLastRun: run}}
	if version != "" {
		metadata["resourceVersion"] = version
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	_, err = o.Client.Core.Namespaces().Patch(ctx, namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// releaseNamespace deletes the namespace if a run created it and it holds only what is
// own. kept says why it stays, or is "" if it does not.
//
// run is the run that leaves. If another run has claimed the namespace after it, that
// run removes it. "" means all runs: then a claim does not count.
func (o *Options) releaseNamespace(ctx context.Context, namespace, run string, own own) (removed bool, kept string, err error) {
	var ns *corev1.Namespace
	err = o.request(ctx, func() (err error) {
		ns, err = o.Client.Core.Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		return err
	})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return false, "", nil
	}
	if err != nil {
		return false, "", fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	switch standingOf(ns) {
	case existing:
		return false, "it was not created by a run", nil
	case ending:
		return false, "", nil
	}
	last := ns.Annotations[AnnotationLastRun]
	if run != "" && last != "" && last != run {
		return false, "run " + oneLine(last) + " now uses it", nil
	}
	if kept, err := o.othersIn(ctx, namespace, own); kept != "" || err != nil {
		if run != "" && last == run {
			// A run that leaves after us does not have to wait for us.
			_ = o.markLastRun(ctx, namespace, "", ns.ResourceVersion)
		}
		return false, kept, err
	}
	// Both preconditions are needed: it is the namespace that was looked at, and no
	// run has claimed it since (markLastRun).
	err = o.request(ctx, func() error {
		return o.Client.Core.Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &ns.UID, ResourceVersion: &ns.ResourceVersion},
		})
	})
	switch {
	case apierrors.IsNotFound(err):
		return false, "", nil
	case apierrors.IsConflict(err):
		return false, "another run now uses it", nil
	case err != nil:
		return false, "", fmt.Errorf("deleting namespace %s: %w", namespace, err)
	}
	return true, "", nil
}

// othersIn names an object in a namespace that is not our own. Anything else that runs
// there has pods. What people put or keep there are ConfigMaps, secrets, claims and
// services. The last three are looked at only if the user may list them. A run does not
// need that right.
func (o *Options) othersIn(ctx context.Context, namespace string, own own) (found string, err error) {
	if o.PullSecret != "" {
		return "pull secret " + o.PullSecret + " belongs in it", nil
	}
	err = o.request(ctx, func() error {
		pods, err := o.Client.Core.Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("listing pods in namespace %s: %w", namespace, err)
		}
		for i := range pods.Items {
			if !own.pod(&pods.Items[i]) {
				found = "pod " + pods.Items[i].Name + " is in it"
			}
		}
		jobs, err := o.Client.Batch.Jobs(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("listing jobs in namespace %s: %w", namespace, err)
		}
		for i := range jobs.Items {
			if !own.job(&jobs.Items[i]) {
				found = "job " + jobs.Items[i].Name + " is in it"
			}
		}
		// A run's parts are large, so only metadata is requested.
		configs, err := o.metadata(ctx, namespace, "configmaps", "")
		if err != nil {
			return fmt.Errorf("listing ConfigMaps in namespace %s: %w", namespace, err)
		}
		for i := range configs {
			switch name := configs[i].Name; name {
			case "kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert": // in every namespace
			default:
				if !own.configMap(&configs[i]) {
					found = "ConfigMap " + name + " is in it"
				}
			}
		}
		for _, kind := range []string{"services", "persistentvolumeclaims", "secrets"} {
			items, err := o.metadata(ctx, namespace, kind, "")
			if err != nil && !apierrors.IsForbidden(err) {
				return fmt.Errorf("listing %s in namespace %s: %w", kind, namespace, err)
			}
			for i := range items {
				if !madeForServiceAccount(&items[i]) {
					found = strings.TrimSuffix(kind, "s") + " " + items[i].Name + " is in it"
				}
			}
		}
		return nil
	})
	return found, err
}

// metadata lists the objects of a core resource without their content. It never requests
// a secret's data, and a server that cannot answer with metadata alone sends nothing.
// selector is a label selector, "" for all.
func (o *Options) metadata(ctx context.Context, namespace, resource, selector string) ([]metav1.PartialObjectMetadata, error) {
	return metadataOf(ctx, o.Client.Core.RESTClient(), namespace, resource, selector)
}

func metadataOf(ctx context.Context, client rest.Interface, namespace, resource, selector string) ([]metav1.PartialObjectMetadata, error) {
	request := client.Get().Namespace(namespace).Resource(resource).
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
	if selector != "" {
		request = request.Param("labelSelector", selector)
	}
	result := request.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	data, err := result.Raw()
	if err != nil {
		return nil, err
	}
	var list metav1.PartialObjectMetadataList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, errors.New("expected a PartialObjectMetadataList, found something else") // err may quote data
	}
	return list.Items, nil
}

// madeForServiceAccount reports whether the cluster itself made the secret: a service
// account's token, or OpenShift's pull secret with one.
func madeForServiceAccount(secret *metav1.PartialObjectMetadata) bool {
	return secret.Annotations[corev1.ServiceAccountNameKey] != "" ||
		secret.Annotations["openshift.io/internal-registry-auth-token.service-account"] != ""
}

// create is request for creating an object. If the run is stopped, create still waits a
// while for the answer to a request in progress. Otherwise the server might create the
// object after everything was removed.
func (o *Options) create(ctx context.Context, do func(ctx context.Context) error) error {
	return o.request(ctx, func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		stop := context.AfterFunc(ctx, func() {
			_ = sleep(lasting, o.timing.linger)
			cancel()
		})
		defer stop()
		return do(lasting)
	})
}

// request repeats a request while the server says that it may succeed later.
func (o *Options) request(ctx context.Context, do func() error) error {
	for try, wait := 0, o.timing.backoff; ; try, wait = try+1, wait*2 {
		err := do()
		if err == nil || !transient(err) || try == 4 {
			return err
		}
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
			wait = max(wait, min(time.Duration(seconds)*time.Second, o.timing.retry))
		}
		if sleep(ctx, wait) != nil {
			return err
		}
	}
}
