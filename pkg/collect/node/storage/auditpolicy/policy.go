// Package auditpolicy says what an API server's audit policy (audit.k8s.io/v1) does with
// Secrets.
package auditpolicy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Levels are those of a policy, least first.
var Levels = []string{"None", "Metadata", "Request", "RequestResponse"}

// policyRule is one rule of a policy, as far as it is about Secrets.
type policyRule struct {
	level                             int // place in Levels
	users, groups, verbs, namespaces  []string
	nonResourceURLs                   []string
	resources                         []groupResources
	omitsValues                       bool // no event of a stage that has bodies
	everyUser, everySecret, anySecret bool
	names                             []string // where not everySecret
}

// groupResources is an element of a rule's resources.
type groupResources struct {
	group            string
	resources, names []string
}

// secretVerbs are the verbs of requests for Secrets, and which bodies hold values:
// a request's, a response's. What a watch sends is not logged at any level.
var secretVerbs = []struct {
	verb              string
	request, response bool
}{
	{"create", true, true},
	{"update", true, true},
	{"patch", true, true},
	{"get", false, true},
	{"list", false, true},
	{"watch", false, false},
	{"delete", false, true}, // the Secret comes back while a finalizer holds it
	{"deletecollection", false, true},
}

// MaxSize bounds the file, bytes. The largest in use have about 20 KiB.
const MaxSize = 1 << 20

// errNotYAML stands for a parser's own words, which quote the file.
var errNotYAML = rootfs.NewError(fact.Corrupt, "expected YAML or JSON")

// Parse returns the highest level at which any request for Secrets is logged,
// and the number of the first rule that gives it, from 1; 0 if no rule does. A level counts
// for what it logs of a value: a get at level Request has no body, and counts as Metadata.
//
// Rules are tried in order, and the first that matches a request is used. Whether a
// rule matches depends on user, verb, namespace and name, so it may take only some of the
// requests, and leave the others to later rules. A rule counts unless one before it takes
// every request that it could match.
//
// The API server reads the file as leniently (k8s.io/apiserver, pkg/audit/policy):
// fields that it does not know are ignored. Errors never quote the file.
func Parse(data []byte) (level string, rule int, err error) {
	defer func() {
		if v := recover(); v != nil {
			level, rule, err = "", 0, fmt.Errorf("a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return "", 0, errNotYAML
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		return "", 0, errNotYAML
	}
	rules, err := rulesOf(root)
	if err != nil {
		return "", 0, err
	}
	highest := 0
	for j := range rules {
		if !rules[j].anySecret {
			continue
		}
		for _, v := range secretVerbs {
			if len(rules[j].verbs) > 0 && !slices.Contains(rules[j].verbs, v.verb) {
				continue
			}
			taken := func(i policyRule) bool { return i.takes(&rules[j], v.verb) }
			if slices.ContainsFunc(rules[:j], taken) {
				continue
			}
			if got := rules[j].logs(v.request, v.response); got > highest {
				highest, rule = got, j+1
			}
		}
	}
	return Levels[highest], rule, nil
}

// logs is the level that counts for a request whose bodies hold a value or not.
func (r *policyRule) logs(request, response bool) int {
	const metadata, atRequest, atResponse = 1, 2, 3
	switch {
	case r.level <= metadata:
		return r.level
	case r.omitsValues:
		return metadata
	case r.level == atResponse && response, r.level == atResponse && request, r.level == atRequest && request:
		return r.level
	}
	return metadata
}

// takes reports whether every request for a Secret with this verb that later could match
// is matched by r.
func (r *policyRule) takes(later *policyRule, verb string) bool {
	within := func(inner, outer []string) bool {
		return len(outer) == 0 || len(inner) > 0 && !slices.ContainsFunc(inner, func(s string) bool { return !slices.Contains(outer, s) })
	}
	return r.anySecret &&
		within(later.users, r.users) &&
		(r.everyUser || !later.everyUser && within(later.groups, r.groups)) &&
		(len(r.verbs) == 0 || slices.Contains(r.verbs, verb)) &&
		within(later.namespaces, r.namespaces) &&
		(r.everySecret || !later.everySecret && within(later.names, r.names))
}

// rulesOf reads the rules of a policy.
func rulesOf(root any) ([]policyRule, error) {
	document, isObject := root.(map[string]any)
	apiVersion, _ := document["apiVersion"].(string)
	if !isObject || document["kind"] != "Policy" || !strings.HasPrefix(apiVersion, "audit.k8s.io/") {
		return nil, rootfs.NewError(fact.Corrupt, "expected apiVersion audit.k8s.io/v1 and kind Policy, found another kind of file")
	}
	omitted, err := texts(document, "omitStages")
	if err != nil {
		return nil, err
	}
	list, err := items(document, "rules")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, rootfs.NewError(fact.Corrupt, "expected at least one rule")
	}
	rules := make([]policyRule, len(list))
	for i, item := range list {
		if err := rules[i].read(item, omitted); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return rules, nil
}

func (r *policyRule) read(item any, omitted []string) error {
	fields, isObject := item.(map[string]any)
	if !isObject {
		return rootfs.NewError(fact.Corrupt, "expected an object")
	}
	level, _ := fields["level"].(string)
	if r.level = slices.Index(Levels, level); r.level < 0 {
		return rootfs.NewError(fact.Corrupt, "level: expected one of "+strings.Join(Levels, ", "))
	}
	var stages []string
	for _, f := range []struct {
		name string
		into *[]string
	}{
		{"users", &r.users},
		{"userGroups", &r.groups},
		{"verbs", &r.verbs},
		{"namespaces", &r.namespaces},
		{"nonResourceURLs", &r.nonResourceURLs},
		{"omitStages", &stages},
	} {
		var err error
		if *f.into, err = texts(fields, f.name); err != nil {
			return err
		}
	}
	list, err := items(fields, "resources")
	if err != nil {
		return err
	}
	for _, item := range list {
		element, isObject := item.(map[string]any)
		if !isObject {
			return rootfs.NewError(fact.Corrupt, "resources: expected an object")
		}
		var gr groupResources
		switch group := element["group"].(type) {
		case nil:
		case string:
			gr.group = group
		default:
			return rootfs.NewError(fact.Corrupt, "resources: group: expected text")
		}
		if gr.resources, err = texts(element, "resources"); err != nil {
			return err
		}
		if gr.names, err = texts(element, "resourceNames"); err != nil {
			return err
		}
		r.resources = append(r.resources, gr)
	}
	r.understand(append(stages, omitted...))
	return nil
}

// understand works out what the rule means for Secrets.
func (r *policyRule) understand(omitted []string) {
	// A request's body is in the events of these stages; the others come before it is
	// read, or with a watch.
	r.omitsValues = slices.Contains(omitted, "ResponseComplete") && slices.Contains(omitted, "Panic")
	// Everybody is in one of these groups.
	r.everyUser = len(r.groups) == 0 || slices.Contains(r.groups, "system:authenticated") && slices.Contains(r.groups, "system:unauthenticated")
	switch {
	case len(r.resources) == 0 && len(r.namespaces) == 0 && len(r.nonResourceURLs) > 0:
	case len(r.resources) == 0:
		r.anySecret, r.everySecret = true, true
	}
	for _, gr := range r.resources {
		if gr.group != "" && gr.group != "*" {
			continue
		}
		covers := len(gr.resources) == 0 || slices.ContainsFunc(gr.resources, func(s string) bool { return s == "secrets" || s == "*" || s == "secrets/*" })
		switch {
		case !covers:
		case len(gr.names) == 0 || len(gr.resources) == 0:
			r.anySecret, r.everySecret = true, true
		default:
			r.anySecret = true
			r.names = append(r.names, gr.names...)
		}
	}
}

// items returns a list of an object; absent and null are empty.
func items(fields map[string]any, name string) ([]any, error) {
	switch list := fields[name].(type) {
	case nil:
		return nil, nil
	case []any:
		return list, nil
	}
	return nil, rootfs.NewError(fact.Corrupt, name+": expected a list")
}

// texts returns a list of text; null is the empty text, as in the API server's decoder.
func texts(fields map[string]any, name string) ([]string, error) {
	list, err := items(fields, name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, item := range list {
		text, isText := item.(string)
		if !isText && item != nil {
			return nil, rootfs.NewError(fact.Corrupt, name+": expected text")
		}
		out = append(out, text)
	}
	return out, nil
}
