package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/admission"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

const (
	policyPage = 50 // objects in one answer
	// maxPolicies and maxBindings bound what is read of policies, maxParams what is read of all
	// their parameters, and maxParamKinds of how many kinds these may be.
	maxPolicies   = 2000
	maxBindings   = 10_000
	maxParams     = 5000
	maxParamKinds = 100
	// maxPredicted bounds the namespaces.
	maxPredicted = 5000
	// maxPolicyNamespaces bounds the namespaces that are listed.
	maxPolicyNamespaces = 50_000

	policyGroup = "admissionregistration.k8s.io"
)

// policyVersions are the versions of the group in which policies are in force, the newest first.
// Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
var policyVersions = []string{"v1", "v1beta1"}

// mutatingVersions are those of MutatingAdmissionPolicies.
var mutatingVersions = []string{"v1", "v1beta1", "v1alpha1"}

// policies reads the ValidatingAdmissionPolicies with their bindings and parameters, and the
// names of MutatingAdmissionPolicies, and predicts what the former say of the pods of a dry
// run in the namespaces of workloads where no dry run has answered. If all have, what could not
// be read is no gap: what a server says counts for more. Values of parameters are only in
// memory. The error is the context's.
func (c *clients) policies(ctx context.Context, opts Options, result *Result, out *fact.Enforcement) ([]fact.Gap, error) {
	r := &policyReader{clients: c, opts: opts, objects: admission.Objects{Params: map[admissionv1.ParamKind]admission.Params{}}}
	if v, err := version.ParseGeneric(result.Cluster.Version); err == nil {
		r.objects.Minor = int(v.Minor())
	}
	models := modelsOf(result.Workloads)
	answered := map[string]bool{}
	for i := range out.DryRuns {
		reason := out.DryRuns[i].Reason
		answered[out.DryRuns[i].Namespace] = reason == "" || reason == fact.NotOurs
	}
	names := make([]string, 0, len(models))
	for name := range models {
		if !answered[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	err := r.read(ctx, out)
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, nil
	case !out.PoliciesRead || len(r.objects.Bindings) == 0:
		return r.gaps, nil
	}
	if err := r.params(ctx); err != nil {
		return nil, err
	}
	if len(names) > maxPredicted {
		r.gap(fact.Truncated, fmt.Sprintf("what policies say was predicted for %d of %d namespaces", maxPredicted, len(names)), "narrow the run with -n")
		names = names[:maxPredicted]
	}
	namespaces, err := r.namespaceObjects(ctx, names)
	if err != nil {
		return nil, err
	}
	p := predictor{
		policies: admission.Compile(r.objects),
		runner:   dryRunner{clients: c, sidecar: hasSidecars(result.Cluster.Version), assigned: isOpenShift(result.NodeObjects)},
		pods:     map[string][]*corev1.Pod{},
	}
	for _, name := range names {
		d, err := p.namespace(ctx, namespaces(name), models[name])
		if err != nil {
			return nil, err
		}
		out.Predicted = append(out.Predicted, *d)
	}
	return r.gaps, nil
}

// policyReader reads what a prediction needs.
type policyReader struct {
	*clients
	opts    Options
	objects admission.Objects
	gaps    []fact.Gap
}

func (r *policyReader) gap(reason fact.Reason, detail, hint string) {
	r.gaps = append(r.gaps, fact.Gap{What: fact.Enforcing, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint})
}

// listOf lists a resource in the first version that is served. A server that serves none has no
// such objects. One object that is not understood does not cost the others. It reports whether
// the list was read.
func listOf[T any](ctx context.Context, r *policyReader, versions []string, resource string, most int, give func(*T)) (bool, error) {
	name := resource + "." + policyGroup
	for _, v := range versions {
		count, bad := 0, 0
		err := r.pages(ctx, "/apis/"+policyGroup+"/"+v+"/"+resource, policyPage, func(item json.RawMessage) error {
			if count++; count > most {
				return errTooMany
			}
			var object T
			if json.Unmarshal(item, &object) != nil {
				bad++
				return nil
			}
			give(&object)
			return nil
		})
		if bad > 0 {
			r.gap(fact.Corrupt, fmt.Sprintf("%d of %d %s are not understood", bad, count, name), "")
		}
		switch {
		case err == nil:
			return true, nil
		case apierrors.IsNotFound(err):
			continue
		}
		gap, err := listGap(ctx, fact.Enforcing, name, err)
		if err != nil {
			return false, err
		}
		r.gaps = append(r.gaps, gap)
		return false, nil
	}
	return true, nil
}

func (r *policyReader) read(ctx context.Context, out *fact.Enforcement) error {
	policies, err := listOf(ctx, r, policyVersions, "validatingadmissionpolicies", maxPolicies, func(p *admissionv1.ValidatingAdmissionPolicy) {
		p.ManagedFields, p.Annotations = nil, nil
		r.objects.Policies = append(r.objects.Policies, *p)
	})
	if err != nil {
		return err
	}
	bindings, err := listOf(ctx, r, policyVersions, "validatingadmissionpolicybindings", maxBindings, func(b *admissionv1.ValidatingAdmissionPolicyBinding) {
		b.ManagedFields, b.Annotations = nil, nil
		r.objects.Bindings = append(r.objects.Bindings, *b)
	})
	if err != nil {
		return err
	}
	if err := r.mutating(ctx, out); err != nil {
		return err
	}
	if out.PoliciesRead = policies && bindings; out.PoliciesRead {
		out.Policies = inventory(r.objects)
	}
	return nil
}

// mutating lists the names of MutatingAdmissionPolicies, by metadata.
func (r *policyReader) mutating(ctx context.Context, out *fact.Enforcement) error {
	for _, v := range mutatingVersions {
		resource := schema.GroupVersionResource{Group: policyGroup, Version: v, Resource: "mutatingadmissionpolicies"}
		count := 0
		err := eachPage(ctx, r.opts.PageSize, metav1.ListOptions{}, r.listMetadata(resource, ""), func() { out.Mutating, count = nil, 0 },
			func(m *metav1.PartialObjectMetadata) {
				if count++; count <= maxPolicies {
					out.Mutating = append(out.Mutating, keptName(m.Name))
				}
			})
		if err == nil && count > maxPolicies {
			err = errTooMany
		}
		if apierrors.IsNotFound(err) {
			continue
		}
		slices.Sort(out.Mutating)
		if err != nil {
			gap, err := listGap(ctx, fact.Enforcing, "mutatingadmissionpolicies."+policyGroup, err)
			if err != nil {
				return err
			}
			r.gaps = append(r.gaps, gap)
		}
		return nil
	}
	return nil
}

// keptName is a name of the cluster as facts keep it.
func keptName(name string) string { return escape.Short(credential.KeptName(name), fact.MaxDryRunName) }

// inventory is the policies with what their bindings do.
func inventory(objects admission.Objects) []fact.AdmissionPolicy {
	out := make([]fact.AdmissionPolicy, 0, len(objects.Policies))
	for i := range objects.Policies {
		policy := fact.AdmissionPolicy{Name: keptName(objects.Policies[i].Name)}
		for j := range objects.Bindings {
			if objects.Bindings[j].Spec.PolicyName != objects.Policies[i].Name {
				continue
			}
			policy.Bindings++
			for _, action := range objects.Bindings[j].Spec.ValidationActions {
				if known := []admissionv1.ValidationAction{admissionv1.Audit, admissionv1.Deny, admissionv1.Warn}; slices.Contains(known, action) && !slices.Contains(policy.Actions, string(action)) {
					policy.Actions = append(policy.Actions, string(action))
				}
			}
		}
		slices.Sort(policy.Actions)
		out = append(out, policy)
	}
	slices.SortFunc(out, func(a, b fact.AdmissionPolicy) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// params reads the parameters to which bindings refer. They are read by the name or selector
// of each reference, so that no more is asked for than is needed. Secrets are not read.
func (r *policyReader) params(ctx context.Context) error {
	refs := map[admissionv1.ParamKind][]*admissionv1.ParamRef{}
	for i := range r.objects.Policies {
		policy := &r.objects.Policies[i]
		if policy.Spec.ParamKind == nil {
			continue
		}
		for j := range r.objects.Bindings {
			if ref := r.objects.Bindings[j].Spec.ParamRef; ref != nil && r.objects.Bindings[j].Spec.PolicyName == policy.Name {
				refs[*policy.Spec.ParamKind] = append(refs[*policy.Spec.ParamKind], ref)
			}
		}
		if refs[*policy.Spec.ParamKind] == nil {
			// Without a reference, it matters only whether the kind is served.
			refs[*policy.Spec.ParamKind] = []*admissionv1.ParamRef{}
		}
	}
	kinds := make([]admissionv1.ParamKind, 0, len(refs))
	for kind := range refs {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b admissionv1.ParamKind) int {
		return cmp.Or(strings.Compare(a.APIVersion, b.APIVersion), strings.Compare(a.Kind, b.Kind))
	})
	left := maxParams
	for i, kind := range kinds {
		params := admission.Params{Unread: fact.Truncated}
		if i < maxParamKinds {
			var err error
			if params, err = r.ofKind(ctx, kind, refs[kind], &left); err != nil {
				return err
			}
		}
		r.objects.Params[kind] = params
	}
	return nil
}

func (r *policyReader) ofKind(ctx context.Context, kind admissionv1.ParamKind, refs []*admissionv1.ParamRef, left *int) (admission.Params, error) {
	gv, err := schema.ParseGroupVersion(kind.APIVersion)
	if err != nil || gv.Group != "" && !plainSegment(gv.Group) || !plainSegment(gv.Version) {
		return admission.Params{NotServed: true}, nil
	}
	base := "/apis/" + gv.Group + "/" + gv.Version
	if gv.Group == "" {
		base = "/api/" + gv.Version
	}
	resource, params, err := r.resourceOf(ctx, base, kind)
	if err != nil || resource == nil {
		return params, err
	}
	params.Namespaced = resource.Namespaced
	seen := map[string]bool{}
	for _, ref := range refs {
		path := base + "/" + resource.Name
		selector := map[string]string{}
		switch namespace := ref.Namespace; {
		case namespace == "" || !resource.Namespaced:
		case !plainSegment(namespace):
			continue // no namespace has such a name
		default:
			path = base + "/namespaces/" + namespace + "/" + resource.Name
		}
		switch {
		case ref.Name != "":
			selector["fieldSelector"] = fields.OneTermEqualSelector("metadata.name", ref.Name).String()
		case ref.Selector != nil:
			s, err := metav1.LabelSelectorAsSelector(ref.Selector)
			if err != nil {
				continue // the server cannot read it either
			}
			if text := s.String(); text != "" {
				selector["labelSelector"] = text
			}
		default:
			continue
		}
		err := r.selected(ctx, path, selector, policyPage, func(item json.RawMessage) error {
			if *left--; *left < 0 {
				return errTooMany
			}
			var object map[string]any
			if utiljson.Unmarshal(item, &object) != nil || object == nil {
				return errMalformed
			}
			// A list does not repeat them for each object, and CEL sees them.
			object["apiVersion"], object["kind"] = kind.APIVersion, kind.Kind
			metadata, _ := object["metadata"].(map[string]any)
			id := fmt.Sprint(metadata["namespace"], "/", metadata["name"])
			if !seen[id] {
				seen[id] = true
				params.Objects = append(params.Objects, object)
			}
			return nil
		})
		if ctx.Err() != nil {
			return params, ctx.Err()
		}
		if err != nil {
			params.Unread, params.Objects = reasonOf(ctx, err), nil
			return params, nil
		}
	}
	return params, nil
}

// resourceOf finds the resource of a kind; nil if it is not served, or not read.
func (r *policyReader) resourceOf(ctx context.Context, base string, kind admissionv1.ParamKind) (*metav1.APIResource, admission.Params, error) {
	switch {
	case kind == admissionv1.ParamKind{APIVersion: "v1", Kind: "Secret"}, kind == configMapKind && r.opts.NoConfigMaps:
		return nil, admission.Params{Unread: fact.NotRequested}, nil
	case kind == configMapKind:
		return &metav1.APIResource{Name: "configmaps", Namespaced: true}, admission.Params{}, nil
	}
	var resources metav1.APIResourceList
	if err := r.getJSON(ctx, base, nil, &resources); err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, admission.Params{}, ctx.Err()
		case apierrors.IsNotFound(err):
			return nil, admission.Params{NotServed: true}, nil
		}
		return nil, admission.Params{Unread: reasonOf(ctx, err)}, nil
	}
	for i := range resources.APIResources {
		if a := &resources.APIResources[i]; a.Kind == kind.Kind && !strings.Contains(a.Name, "/") && plainSegment(a.Name) {
			return a, admission.Params{}, nil
		}
	}
	return nil, admission.Params{NotServed: true}, nil
}

var configMapKind = admissionv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}

// reasonOf is the reason of a list that failed.
func reasonOf(ctx context.Context, err error) fact.Reason {
	gap, err := listGap(ctx, fact.Enforcing, "", err)
	if err != nil {
		return fact.Interrupted
	}
	return gap.Reason
}

// namespaceObjects reads the namespaces, one or all. Those that were not read are known by
// their names.
func (r *policyReader) namespaceObjects(ctx context.Context, names []string) (func(name string) admission.Namespace, error) {
	found := map[string]*corev1.Namespace{}
	var reason fact.Reason
	keep := func(item json.RawMessage) error {
		var ns corev1.Namespace
		if json.Unmarshal(item, &ns) != nil {
			return errMalformed
		}
		if len(found) >= maxPolicyNamespaces {
			return errTooMany
		}
		ns.ManagedFields = nil
		if _, needed := slices.BinarySearch(names, ns.Name); needed {
			found[ns.Name] = &ns
		}
		return nil
	}
	var err error
	if r.opts.Namespace != "" {
		var item json.RawMessage
		if err = r.getJSON(ctx, "/api/v1/namespaces/"+r.opts.Namespace, nil, &item); err == nil {
			err = keep(item)
		}
	} else {
		err = r.pages(ctx, "/api/v1/namespaces", policyPage, keep)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		reason = reasonOf(ctx, err)
	}
	return func(name string) admission.Namespace {
		if ns := found[name]; ns != nil {
			return admission.Namespace{Name: name, Object: ns}
		}
		return admission.Namespace{Name: name, Reason: cmp.Or(reason, fact.NotPresent)}
	}, nil
}

// predictor predicts what a dry run would be answered, as far as ValidatingAdmissionPolicies
// answer it.
type predictor struct {
	policies *admission.Policies
	runner   dryRunner
	// pods are those of a model, by what it looks like.
	pods map[string][]*corev1.Pod
}

// of gives the pods of a model: unset, writable, init and perfect, as fact.DryRun has them. They
// have no name, because nothing is known of the names of pods to come.
func (p *predictor) of(m model) []*corev1.Pod {
	key, _ := json.Marshal([]any{m.image, m.pullSecrets, m.labels}) // it cannot fail: texts
	if pods := p.pods[string(key)]; pods != nil {
		return pods
	}
	var pods []*corev1.Pod
	for _, change := range []func(app, init *corev1.SecurityContext){
		func(app, _ *corev1.SecurityContext) { app.ReadOnlyRootFilesystem = nil },
		func(app, _ *corev1.SecurityContext) { *app.ReadOnlyRootFilesystem = false },
		func(_, init *corev1.SecurityContext) { init.ReadOnlyRootFilesystem = nil },
		func(_, _ *corev1.SecurityContext) {},
	} {
		pod := p.runner.pod(m)
		pod.Name = ""
		change(triedIn(pod))
		pods = append(pods, pod)
	}
	p.pods[string(key)] = pods
	return pods
}

// namespace predicts in one namespace, as dryRunner.namespace asks there.
func (p *predictor) namespace(ctx context.Context, ns admission.Namespace, m model) (*fact.DryRun, error) {
	d, err := p.variants(ctx, ns, model{image: m.image, pullSecrets: m.pullSecrets})
	if err != nil || d.Perfect != fact.DryRunRefused || len(m.labels) == 0 {
		return d, err
	}
	again, err := p.variants(ctx, ns, m)
	if err != nil || again.Perfect == fact.DryRunRefused || again.Reason != "" {
		return d, err
	}
	again.LabelsOf = m.as
	return again, nil
}

func (p *predictor) variants(ctx context.Context, ns admission.Namespace, m model) (*fact.DryRun, error) {
	d := &fact.DryRun{Namespace: ns.Name, Image: m.image}
	answers := []*fact.DryRunAnswer{&d.Unset, &d.Writable, &d.Init, &d.Perfect}
	for i, pod := range p.of(m) {
		verdicts, err := p.policies.Judge(ctx, pod, ns)
		if err != nil {
			return nil, err
		}
		*answers[i] = fact.DryRunAllowed
		for _, v := range verdicts {
			by := "ValidatingAdmissionPolicy " + keptName(v.Policy)
			if v.Binding != "" {
				by += ", binding " + keptName(v.Binding)
			}
			by = escape.Short(by, fact.MaxDryRunName)
			switch {
			case v.Outcome == admission.Refuses && answers[i] == &d.Perfect:
				d.Perfect, d.PerfectBy = fact.DryRunRefused, cmp.Or(d.PerfectBy, by)
			case v.Outcome == admission.Refuses:
				*answers[i] = fact.DryRunRefused
				if !slices.Contains(d.By, by) {
					d.By = append(d.By, by)
				}
			case v.Outcome == admission.Unknown && *answers[i] == fact.DryRunAllowed:
				*answers[i] = fact.DryRunOther
				d.Reason, d.Detail = doubtOf(&v, by)
			}
		}
		slices.Sort(d.By)
		switch *answers[i] {
		case fact.DryRunRefused:
			d.Reason, d.Detail = "", ""
		default:
			return d, nil
		}
	}
	return d, nil
}

// doubtOf says why a policy's verdict is unknown.
func doubtOf(v *admission.Verdict, by string) (fact.Reason, string) {
	switch v.Doubt {
	case admission.UserInfo:
		return fact.Unsupported, by + ": it depends on " + v.What + ", which differs between users"
	case admission.Authorizer:
		return fact.Unsupported, by + ": it asks the authorizer"
	case admission.NotRead:
		return cmp.Or(v.Reason, fact.NotPresent), by + ": it needs what was not read: " + keptName(v.What)
	case admission.NotCompiled:
		return fact.Unsupported, by + ": " + v.What + " does not compile with the CEL of this version"
	case admission.NewerServer:
		return fact.Unsupported, by + ": " + v.What + " fails, and the API server is newer than the CEL of this version"
	case admission.TooDear:
		return fact.Truncated, by + ": " + v.What + " costs more than is spent on it"
	default:
		return fact.Unsupported, by + ": it reads " + cmp.Or(v.What, "a field") + ", which the API server decides"
	}
}
