package admission

import (
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// truth is yes, no, or unknown.
type truth int8

const (
	no truth = iota
	maybe
	yes
)

func either(a, b truth) truth { return max(a, b) }
func both(a, b truth) truth   { return min(a, b) }

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// matching is what the API server says of a policy or binding and a request.
type matching struct {
	matches truth
	// misconfigured reports whether the server cannot tell: it then goes by failurePolicy.
	misconfigured bool
	// why is the reason for maybe.
	why *doubt
}

// match reports whether the creation of this pod in this namespace matches. A pod has no
// other group or version, so matchPolicy Equivalent finds nothing that Exact does not.
//
// Source: https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/matching/matching.go
func match(m *admissionv1.MatchResources, pod *corev1.Pod, ns *Namespace) matching {
	if m == nil {
		return matching{matches: yes}
	}
	inNamespace := selectsNamespace(m.NamespaceSelector, ns)
	if inNamespace.matches == no && !inNamespace.misconfigured {
		return matching{}
	}
	ofObject := selects(m.ObjectSelector, pod.Labels)
	if ofObject.matches == no && !ofObject.misconfigured {
		return matching{}
	}
	excluded, why := matchRules(m.ExcludeResourceRules, pod.Name)
	included := yes
	if len(m.ResourceRules) > 0 {
		var whyIncluded *doubt
		included, whyIncluded = matchRules(m.ResourceRules, pod.Name)
		if why == nil {
			why = whyIncluded
		}
	}
	rules := both(yes-excluded, included)
	switch {
	case rules == no:
		return matching{}
	case inNamespace.misconfigured || ofObject.misconfigured:
		return matching{matches: rules, misconfigured: true, why: why}
	}
	if inNamespace.why != nil {
		why = inNamespace.why
	}
	return matching{matches: both(rules, both(inNamespace.matches, ofObject.matches)), why: why}
}

// matchRules reports whether a rule is about the creation of a pod of this name.
func matchRules(rules []admissionv1.NamedRuleWithOperations, name string) (truth, *doubt) {
	result := no
	for i := range rules {
		if !matchRule(&rules[i].Rule, rules[i].Operations) {
			continue
		}
		switch {
		case len(rules[i].ResourceNames) == 0 || name != "" && slices.Contains(rules[i].ResourceNames, name):
			return yes, nil
		case name == "":
			// A name that the server generates is given to no rule, but not every pod of
			// this kind is made in this way.
			result = maybe
		}
	}
	if result == maybe {
		return maybe, &doubt{kind: ServerDecides, what: "object.metadata.name"}
	}
	return no, nil
}

func matchRule(rule *admissionv1.Rule, operations []admissionv1.OperationType) bool {
	if rule.Scope != nil && *rule.Scope != admissionv1.AllScopes && *rule.Scope != admissionv1.NamespacedScope {
		return false
	}
	create := slices.Contains(operations, admissionv1.OperationAll) || slices.Contains(operations, admissionv1.Create)
	return create && has(rule.APIGroups, "") && has(rule.APIVersions, "v1") && slices.ContainsFunc(rule.Resources, func(r string) bool {
		resource, sub, _ := strings.Cut(r, "/")
		return (resource == "*" || resource == "pods") && (sub == "*" || sub == "")
	})
}

func has(list []string, value string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, value)
}

// selects reports whether a selector selects these labels. The API server sets a selector that
// is missing to the empty one, which selects everything.
func selects(s *metav1.LabelSelector, of map[string]string) matching {
	if s == nil {
		return matching{matches: yes}
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return matching{misconfigured: true}
	}
	return matching{matches: truthOf(selector.Matches(labels.Set(of)))}
}

// selectsNamespace is selects for the labels of a namespace, which may not have been read. The
// server itself sets one of them.
func selectsNamespace(s *metav1.LabelSelector, ns *Namespace) matching {
	if ns.Object != nil {
		of := map[string]string{}
		for k, v := range ns.Object.Labels {
			of[k] = v
		}
		of[corev1.LabelMetadataName] = ns.Name
		return selects(s, of)
	}
	if s == nil {
		return matching{matches: yes}
	}
	named := &metav1.LabelSelector{}
	rest := false
	for key, value := range s.MatchLabels {
		if key == corev1.LabelMetadataName {
			named.MatchLabels = map[string]string{key: value}
		} else {
			rest = true
		}
	}
	for _, e := range s.MatchExpressions {
		if e.Key == corev1.LabelMetadataName {
			named.MatchExpressions = append(named.MatchExpressions, e)
		} else {
			rest = true
		}
	}
	if all := selects(s, nil); all.misconfigured {
		return all
	}
	result := selects(named, map[string]string{corev1.LabelMetadataName: ns.Name})
	if rest && result.matches == yes {
		return matching{matches: maybe, why: &doubt{kind: NotRead, what: "namespace " + ns.Name, reason: ns.Reason}}
	}
	return result
}
