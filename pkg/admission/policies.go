// Package admission predicts what the ValidatingAdmissionPolicies of a cluster say of a pod
// that is created: with the CEL libraries of the API server, and with "unknown" wherever the
// answer depends on what only the server knows. It reads nothing; it is given the objects.
//
// It is a prediction, not a measurement. Policies that the API server loads from files are in
// no list. Webhooks and MutatingAdmissionPolicies may change a pod before it is validated.
//
// Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
package admission

import (
	"cmp"
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Objects are what a cluster has of policies.
type Objects struct {
	Policies []admissionv1.ValidatingAdmissionPolicy
	Bindings []admissionv1.ValidatingAdmissionPolicyBinding
	// Params are the parameters, by the kinds that the policies name.
	Params map[admissionv1.ParamKind]Params
	// Minor is the minor version of the API server; 0: unknown. A server that is newer than
	// the CEL libraries here may know fields and functions that they do not know.
	Minor int
}

// Params are all objects of a kind of parameters.
type Params struct {
	// Unread says why the objects are not known; "" if they are.
	Unread fact.Reason
	// NotServed reports whether the server knows no such kind.
	NotServed bool
	// Namespaced reports whether objects of this kind are in namespaces.
	Namespaced bool
	// Objects are as the API server gives them. Their values reach no verdict.
	Objects []map[string]any
}

// Namespace is where a pod is created.
type Namespace struct {
	Name string
	// Object is nil if it was not read; then Reason says why.
	Object *corev1.Namespace
	Reason fact.Reason
}

// Outcome is what a policy with a binding says.
type Outcome string

// The outcomes. A policy that only warns or audits allows.
const (
	Allows  Outcome = "allows"
	Refuses Outcome = "refuses"
	Unknown Outcome = "unknown"
)

// Doubt is why an outcome is unknown.
type Doubt string

// The doubts.
const (
	UserInfo      Doubt = "UserInfo"      // it depends on who asks, or how
	Authorizer    Doubt = "Authorizer"    // it asks whether somebody has a right
	ServerDecides Doubt = "ServerDecides" // it reads a field that the API server sets or may set
	NotRead       Doubt = "NotRead"       // it needs parameters or a namespace that were not read
	NotCompiled   Doubt = "NotCompiled"   // an expression does not compile with the CEL known here
	NewerServer   Doubt = "NewerServer"   // an expression fails, and the server knows more than the CEL here
	TooDear       Doubt = "TooDear"       // an expression, or all of them, cost more than is spent on them
)

// Verdict is what a policy says of a pod in a namespace.
type Verdict struct {
	Policy string
	// Binding is "" if the policy itself is misconfigured.
	Binding string
	Outcome Outcome
	// Doubt and What say why an outcome is unknown: "object.spec.tolerations".
	Doubt Doubt
	What  string
	// Reason is why something was not read.
	Reason fact.Reason
}

// doubt is a reason for maybe.
type doubt struct {
	kind   Doubt
	what   string
	reason fact.Reason
}

// MaxCost bounds what is spent on expressions for all verdicts of a set of policies, in the
// units of CEL's cost: the API server spends at most 10,000,000 on a binding and a request,
// which is about a second.
const MaxCost = 200_000_000

// Policies are the policies of a cluster, ready to be asked. They may not be asked by two
// goroutines at once.
type Policies struct {
	policies []*policy
	minor    int
	// left is what may still be spent.
	left int64
	// judging is the pod that is asked about; recent has it, and those before.
	judging *judging
	recent  map[*corev1.Pod]*judging
}

// maxRecent bounds how many pods are remembered.
const maxRecent = 8

// policy is a policy with its bindings.
type policy struct {
	*admissionv1.ValidatingAdmissionPolicy
	bindings []*admissionv1.ValidatingAdmissionPolicyBinding
	params   *Params // nil without a kind of parameters
	compiled *compiled
}

// Compile makes policies ready. Policies without bindings do nothing, and bindings without
// policies neither. Expressions are compiled when they are needed.
func Compile(objects Objects) *Policies {
	p := &Policies{minor: objects.Minor, left: MaxCost}
	byName := map[string]*policy{}
	for i := range objects.Policies {
		one := &policy{ValidatingAdmissionPolicy: &objects.Policies[i]}
		if byName[one.Name] != nil {
			continue
		}
		byName[one.Name] = one
		if kind := one.Spec.ParamKind; kind != nil {
			params, known := objects.Params[*kind]
			if !known {
				params.Unread = fact.NotRequested
			}
			one.params = &params
		}
		p.policies = append(p.policies, one)
	}
	for i := range objects.Bindings {
		if of := byName[objects.Bindings[i].Spec.PolicyName]; of != nil {
			of.bindings = append(of.bindings, &objects.Bindings[i])
		}
	}
	p.policies = slices.DeleteFunc(p.policies, func(one *policy) bool { return len(one.bindings) == 0 })
	slices.SortFunc(p.policies, func(a, b *policy) int { return strings.Compare(a.Name, b.Name) })
	for _, one := range p.policies {
		slices.SortFunc(one.bindings, func(a, b *admissionv1.ValidatingAdmissionPolicyBinding) int {
			return strings.Compare(a.Name, b.Name)
		})
	}
	return p
}

// judging is a pod with what is known of it already.
type judging struct {
	pod   *corev1.Pod
	trace *traced
	value *object
	// metadata are the known fields of the pod's metadata.
	metadata map[string]any
	// cache has the results that are the same in each namespace.
	cache map[cached]result
}

type cached struct {
	policy *policy
	param  *map[string]any
}

// Judge says what each policy that matches says of the creation of a pod, sorted by policy
// and binding. The pod is not changed, and may not be changed between two questions; its own
// namespace does not count. Asking about the same pod in another namespace is cheap. The error is the context's.
func (p *Policies) Judge(ctx context.Context, pod *corev1.Pod, ns Namespace) ([]Verdict, error) {
	if p.judging = p.recent[pod]; p.judging == nil {
		if p.recent == nil || len(p.recent) >= maxRecent {
			p.recent = map[*corev1.Pod]*judging{}
		}
		p.judging = &judging{pod: pod, trace: &traced{}, cache: map[cached]result{}}
		p.recent[pod] = p.judging
	}
	var verdicts []Verdict
	for _, one := range p.policies {
		v, err := p.judge(ctx, one, &ns)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v...)
	}
	return verdicts, nil
}

// result is what the expressions of a policy say.
type result struct {
	// denies is for a binding that has Deny; always, for each: an audit annotation that fails.
	denies, always truth
	why            *doubt
}

// judge follows the API server's dispatcher.
//
// Source: https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/dispatcher.go
func (p *Policies) judge(ctx context.Context, one *policy, ns *Namespace) ([]Verdict, error) {
	fails := failure(one.Spec.FailurePolicy)
	pod := p.judging.pod
	if one.Spec.MatchConstraints == nil {
		return []Verdict{verdict(one.Name, "", result{always: fails})}, nil
	}
	defined := match(one.Spec.MatchConstraints, pod, ns)
	switch {
	case defined.matches == no:
		return nil, nil
	case defined.misconfigured:
		return []Verdict{verdict(one.Name, "", result{always: both(defined.matches, fails), why: defined.why})}, nil
	case one.params != nil && one.params.NotServed:
		return []Verdict{verdict(one.Name, "", result{always: both(defined.matches, fails), why: defined.why})}, nil
	}
	var verdicts []Verdict
	for _, binding := range one.bindings {
		bound := match(binding.Spec.MatchResources, pod, ns)
		if bound.matches == no {
			continue
		}
		var r result
		if bound.misconfigured {
			r = result{always: fails}
		} else {
			var err error
			if r, err = p.bound(ctx, one, binding, ns, fails); err != nil {
				return nil, err
			}
			if !slices.Contains(binding.Spec.ValidationActions, admissionv1.Deny) {
				r.denies = no
			}
		}
		matched := both(defined.matches, bound.matches)
		if matched == maybe {
			r.why = cmp.Or(defined.why, bound.why)
		}
		r.denies, r.always = both(r.denies, matched), both(r.always, matched)
		verdicts = append(verdicts, verdict(one.Name, binding.Name, r))
	}
	return verdicts, nil
}

func failure(policy *admissionv1.FailurePolicyType) truth {
	return truthOf(policy == nil || *policy != admissionv1.Ignore)
}

func verdict(policy, binding string, r result) Verdict {
	v := Verdict{Policy: policy, Binding: binding}
	switch either(r.denies, r.always) {
	case yes:
		v.Outcome = Refuses
	case no:
		v.Outcome = Allows
	default:
		v.Outcome = Unknown
		if r.why != nil {
			v.Doubt, v.What, v.Reason = r.why.kind, r.why.what, r.why.reason
		}
	}
	return v
}

// bound is what a policy says with the parameters of a binding.
func (p *Policies) bound(ctx context.Context, one *policy, binding *admissionv1.ValidatingAdmissionPolicyBinding, ns *Namespace, fails truth) (result, error) {
	params, r := paramsOf(one, binding.Spec.ParamRef, ns, fails)
	for _, param := range params {
		found, err := p.evaluate(ctx, one, param, ns)
		if err != nil {
			return result{}, err
		}
		if r.why == nil {
			r.why = found.why
		}
		r.denies, r.always = either(r.denies, found.denies), either(r.always, found.always)
	}
	return r, nil
}

// paramsOf lists the parameters with which a policy is evaluated; nil in the list is the
// policy without any. The result is for the case that they cannot be found.
//
// Source: CollectParams in https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go
func paramsOf(one *policy, ref *admissionv1.ParamRef, ns *Namespace, fails truth) ([]*map[string]any, result) {
	all := one.params
	if all == nil || ref == nil {
		return []*map[string]any{nil}, result{}
	}
	if all.Unread != "" {
		kind := one.Spec.ParamKind
		return nil, result{denies: maybe, always: maybe, why: &doubt{kind: NotRead, what: "parameters of kind " + kind.Kind + " " + kind.APIVersion, reason: all.Unread}}
	}
	namespace := ""
	switch {
	case all.Namespaced:
		namespace = cmp.Or(ref.Namespace, ns.Name)
	case ref.Namespace != "":
		return nil, result{always: fails}
	}
	var selector labels.Selector
	switch {
	case ref.Name != "" && ref.Selector != nil, ref.Name == "" && ref.Selector == nil:
		return nil, result{always: fails}
	case ref.Selector != nil:
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(ref.Selector); err != nil {
			return nil, result{always: fails}
		}
	}
	var found []*map[string]any
	for i := range all.Objects {
		metadata, _ := all.Objects[i]["metadata"].(map[string]any)
		if text(metadata, "namespace") != namespace {
			continue
		}
		if selector == nil && text(metadata, "name") == ref.Name || selector != nil && selector.Matches(labelsOf(metadata)) {
			found = append(found, &all.Objects[i])
		}
	}
	if len(found) == 0 && ref.ParameterNotFoundAction != nil && *ref.ParameterNotFoundAction == admissionv1.DenyAction {
		return nil, result{always: fails}
	}
	return found, result{}
}

func text(fields map[string]any, name string) string {
	value, _ := fields[name].(string)
	return value
}

func labelsOf(metadata map[string]any) labels.Set {
	set := labels.Set{}
	all, _ := metadata["labels"].(map[string]any)
	for k := range all {
		set[k] = text(all, k)
	}
	return set
}
