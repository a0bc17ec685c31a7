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

// claimNamespace makes sure that the namespace is there, created where it is
// absent. ours tells that a run made it, this one or another.
func (o *Options) claimNamespace(ctx context.Context) (ours bool, f *Failure) {
	doing := "creating namespace " + o.Namespace
	for start := time.Now(); ; {
		ns, err := o.Client.Core.Namespaces().Get(ctx, o.Namespace, metav1.GetOptions{})
		switch {
		case apierrors.IsForbidden(err):
			return false, nil // then it has to exist; Preflight tried a pod in it
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
			// From now on a deletion that another run decided before fails, and
			// no other decides it before our Job is there. Without this right
			// the others still look for our objects.
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

// markLastRun writes AnnotationLastRun, "" for nobody; with a version only if
// the namespace still has it.
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

// releaseNamespace deletes the namespace if a run made it and nothing of
// anybody else is in it: nothing but what is own. kept says why it stays; "" if
// it goes.
//
// run is the one that leaves: where another has claimed the namespace after it,
// that one removes it. "" stands for all runs: a claim does not count.
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
			// Whoever leaves after us need not wait for us.
			_ = o.markLastRun(ctx, namespace, "", ns.ResourceVersion)
		}
		return false, kept, err
	}
	// Both preconditions: it is the one that was looked at, and no run has
	// claimed it since (markLastRun).
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

// othersIn names an object in a namespace that is not our own. Whatever else
// runs there has pods; what people put there beforehand, or keep there, are
// config maps, secrets, claims and services. The last three are looked at as far
// as the user may list them, which a run does not need.
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
		// A run's parts are large: only their metadata is asked for.
		configs, err := o.metadata(ctx, namespace, "configmaps", "")
		if err != nil {
			return fmt.Errorf("listing config maps in namespace %s: %w", namespace, err)
		}
		for i := range configs {
			switch name := configs[i].Name; name {
			case "kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert": // in every namespace
			default:
				if !own.configMap(&configs[i]) {
					found = "config map " + name + " is in it"
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

// metadata lists the objects of a core resource without what is in them: no
// secret's data is asked for, and a server that knows no other answer gives none.
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

// madeForServiceAccount tells that a cluster made the secret by itself: a
// service account's token, or OpenShift's pull secret with one.
func madeForServiceAccount(secret *metav1.PartialObjectMetadata) bool {
	return secret.Annotations[corev1.ServiceAccountNameKey] != "" ||
		secret.Annotations["openshift.io/internal-registry-auth-token.service-account"] != ""
}

// create is request for what creates something. The answer to a request that is
// under way is waited for, a while, also when the run is stopped: else the
// server might create the object after everything was removed.
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
