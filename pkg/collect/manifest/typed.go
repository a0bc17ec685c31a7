package manifest

import (
	"encoding/json"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/apijson"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// The built-in kinds are decoded once, straight into the API's types. Whatever does not fit
// there is decoded again, slowly, to say what is wrong and where.

// podObject is a Pod, as far as it is read.
type podObject struct {
	Metadata objectMeta      `json:"metadata"`
	Spec     *corev1.PodSpec `json:"spec"`
	Items    json.RawMessage `json:"items"`
	// Kind and APIVersion are here so that a second one is found.
	Kind       string  `json:"kind"`
	APIVersion string  `json:"apiVersion"`
	Status     ignored `json:"status"`
}

// template is a PodTemplateSpec, as far as it is read.
type template struct {
	Metadata objectMeta      `json:"metadata"`
	Spec     *corev1.PodSpec `json:"spec"`
}

// controllerFields are the fields of a Deployment's, DaemonSet's or ReplicaSet's spec beside the
// template, and jobFields those of a Job's. What is here and not in the object's own kind changes
// no pod.
type controllerFields struct {
	Replicas                ignored `json:"replicas"`
	Selector                ignored `json:"selector"`
	MinReadySeconds         ignored `json:"minReadySeconds"`
	Strategy                ignored `json:"strategy"`
	UpdateStrategy          ignored `json:"updateStrategy"`
	RevisionHistoryLimit    ignored `json:"revisionHistoryLimit"`
	Paused                  ignored `json:"paused"`
	ProgressDeadlineSeconds ignored `json:"progressDeadlineSeconds"`
}

type jobFields struct {
	Parallelism             ignored `json:"parallelism"`
	Completions             ignored `json:"completions"`
	ActiveDeadlineSeconds   ignored `json:"activeDeadlineSeconds"`
	PodFailurePolicy        ignored `json:"podFailurePolicy"`
	SuccessPolicy           ignored `json:"successPolicy"`
	BackoffLimit            ignored `json:"backoffLimit"`
	BackoffLimitPerIndex    ignored `json:"backoffLimitPerIndex"`
	MaxFailedIndexes        ignored `json:"maxFailedIndexes"`
	ManualSelector          ignored `json:"manualSelector"`
	TTLSecondsAfterFinished ignored `json:"ttlSecondsAfterFinished"`
	CompletionMode          ignored `json:"completionMode"`
	Suspend                 ignored `json:"suspend"`
	PodReplacementPolicy    ignored `json:"podReplacementPolicy"`
	ManagedBy               ignored `json:"managedBy"`
	Scheduling              ignored `json:"scheduling"`
}

// templateObject is an object with spec.template, cronObject one with
// spec.jobTemplate.spec.template.
type templateObject struct {
	Metadata objectMeta `json:"metadata"`
	Spec     struct {
		controllerFields
		jobFields
		Template template `json:"template"`
	} `json:"spec"`
	Items      json.RawMessage `json:"items"`
	Kind       string          `json:"kind"`
	APIVersion string          `json:"apiVersion"`
	Status     ignored         `json:"status"`
}

type cronObject struct {
	Metadata objectMeta `json:"metadata"`
	Spec     struct {
		Schedule                   ignored `json:"schedule"`
		TimeZone                   ignored `json:"timeZone"`
		StartingDeadlineSeconds    ignored `json:"startingDeadlineSeconds"`
		ConcurrencyPolicy          ignored `json:"concurrencyPolicy"`
		Suspend                    ignored `json:"suspend"`
		SuccessfulJobsHistoryLimit ignored `json:"successfulJobsHistoryLimit"`
		FailedJobsHistoryLimit     ignored `json:"failedJobsHistoryLimit"`
		JobTemplate                struct {
			Metadata ignored `json:"metadata"`
			Spec     struct {
				controllerFields // a Job's selector is among them
				jobFields
				Template template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
	Items      json.RawMessage `json:"items"`
	Kind       string          `json:"kind"`
	APIVersion string          `json:"apiVersion"`
	Status     ignored         `json:"status"`
}

// The decoders are made when the first object needs them: that takes half a millisecond each.
// What they decode fits the types as the API server takes it when kubectl asks it to be strict:
// names of fields have their case, none is there twice, and the type has them all.
var (
	podObjects      = sync.OnceValue(apijson.For[podObject])
	templateObjects = sync.OnceValue(apijson.For[templateObject])
	cronObjects     = sync.OnceValue(apijson.For[cronObject])
)

// typed takes an object of a built-in kind; done is false if it has to be decoded in another
// way.
func (r *reader) typed(d *document, raw []byte, path []any, h head) (done bool, err error) {
	var metadata, of *objectMeta
	var spec *corev1.PodSpec
	var items json.RawMessage
	at := "spec.template.spec"
	switch {
	case h.apiVersion == "v1" && h.kind == fact.SubjectPod:
		var o podObject
		if !podObjects().Decode(raw, &o, &r.names) {
			return false, nil
		}
		metadata, of, spec, items, at = &o.Metadata, &o.Metadata, o.Spec, o.Items, "spec"
	case h.apiVersion == "batch/v1" && h.kind == fact.SubjectCronJob:
		var o cronObject
		if !cronObjects().Decode(raw, &o, &r.names) {
			return false, nil
		}
		inner := &o.Spec.JobTemplate.Spec.Template
		metadata, of, spec, items, at = &o.Metadata, &inner.Metadata, inner.Spec, o.Items, "spec.jobTemplate.spec.template.spec"
	case h.apiVersion == "apps/v1" && (h.kind == fact.SubjectDeployment || h.kind == fact.SubjectDaemonSet || h.kind == fact.SubjectReplicaSet),
		h.apiVersion == "batch/v1" && h.kind == fact.SubjectJob:
		var o templateObject
		if !templateObjects().Decode(raw, &o, &r.names) {
			return false, nil
		}
		inner := &o.Spec.Template
		metadata, of, spec, items = &o.Metadata, &inner.Metadata, inner.Spec, o.Items
	default:
		return false, nil
	}
	if spec == nil || len(spec.Containers) == 0 || items != nil {
		return false, nil
	}
	r.objects++
	r.summary.Count.Objects++
	if text := podspec.TooLarge(spec); text != "" {
		return true, d.problem(0, fact.Truncated, d.shown(path)+at+": "+text)
	}
	if metadata.Namespace == "" {
		metadata.Namespace = r.namespace
	}
	w := newWorkload(h.kind, metadata, d.source+" ", at, of, spec)
	if r.files.Objects {
		w.Object = changes(h.apiVersion, metadata.Labels, metadata.Annotations, &w.Spec, of.Annotations, spec)
	}
	if r.files.Lines != nil {
		r.place(d, path, w.Owner)
	}
	return true, r.workload(w, claimsOf(spec))
}

// newWorkload makes a workload of a pod spec. Of is the metadata of its pods.
func newWorkload(kind string, metadata *objectMeta, prefix, path string, of *objectMeta, spec *corev1.PodSpec) fact.Workload {
	name := metadata.Name
	if name == "" {
		name = metadata.GenerateName
	}
	w := fact.Workload{
		Owner: fact.Subject{
			Kind: kind, Namespace: metadata.Namespace, Name: name,
			Platform: fact.PlatformNamespace("", metadata.Namespace),
		},
		Spec: podspec.From(origin(prefix, kind, metadata.Namespace, name), path, of.Labels, of.Annotations, spec),
	}
	openVolumes(&w.Spec)
	return w
}
