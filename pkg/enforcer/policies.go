package enforcer

import (
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// field is the name that every rule about a read-only root has in it.
const field = "readOnlyRootFilesystem"

// maxDepth bounds how deep an object is looked into.
const maxDepth = 64

// at is the value of a field; nil if there is none.
func at(object any, path ...string) any {
	for _, name := range path {
		fields, _ := object.(map[string]any)
		object = fields[name]
	}
	return object
}

func text(object any, path ...string) string {
	s, _ := at(object, path...).(string)
	return s
}

func list(object any, path ...string) []any {
	l, _ := at(object, path...).([]any)
	return l
}

func texts(object any, path ...string) []string {
	var out []string
	for _, entry := range list(object, path...) {
		if s, ok := entry.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// labelsOf are the labels of a selector; doubt says that it has more than matchLabels.
func labelsOf(selector any) (labels map[string]string, doubt string) {
	fields, _ := selector.(map[string]any)
	for key, value := range fields {
		switch entries, _ := value.(map[string]any); {
		case key == "matchLabels":
			for name, v := range entries {
				s, ok := v.(string)
				if !ok || strings.ContainsAny(s, "*?") || strings.ContainsAny(name, "*?") {
					return nil, "its selector was not evaluated"
				}
				if labels == nil {
					labels = map[string]string{}
				}
				labels[name] = s
			}
		case empty(value):
		default:
			return nil, "its selector was not evaluated"
		}
	}
	return labels, ""
}

// empty reports whether a value says nothing.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return false
}

// mentions reports whether a text anywhere in a value has the field's name in it.
func mentions(value any, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch v := value.(type) {
	case string:
		return strings.Contains(v, field)
	case []any:
		return slices.ContainsFunc(v, func(entry any) bool { return mentions(entry, depth+1) })
	case map[string]any:
		for key, entry := range v {
			if strings.Contains(key, field) || mentions(entry, depth+1) {
				return true
			}
		}
	}
	return false
}

// anchored is the name of a field in a pattern of Kyverno, and whether it has an anchor.
// Source: kyverno/kyverno, pkg/engine/anchor.
func anchored(key string) (name string, anchor bool) {
	open := strings.IndexByte(key, '(')
	if open < 0 || !strings.HasSuffix(key, ")") {
		return key, false
	}
	return key[open+1 : len(key)-1], true
}

// conditional reports whether a pattern of Kyverno has a condition in it: an anchor that skips the
// rest if it does not match. "=(x)" and "X(x)" only say what x must be.
func conditional(value any, depth int) bool {
	if depth > maxDepth {
		return true
	}
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, func(entry any) bool { return conditional(entry, depth+1) })
	case map[string]any:
		for key, entry := range v {
			if _, anchor := anchored(key); anchor && (key[0] == '(' || key[0] == '<') || conditional(entry, depth+1) {
				return true
			}
		}
	}
	return false
}

// demands says whether a pattern of Kyverno demands a read-only root of every container: the
// field must be true below spec.containers, with no condition on the way. Other patterns that
// name the field are a doubt.
func demands(pattern any) (demanded bool, doubt string) {
	step := func(value any, name string) (any, bool) {
		fields, _ := value.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			if n, anchor := anchored(key); n == name {
				return fields[key], anchor
			}
		}
		return nil, false
	}
	value, conditions := pattern, conditional(pattern, 0)
	for _, name := range []string{"spec", "containers"} {
		var anchor bool
		value, anchor = step(value, name)
		conditions = conditions || anchor
	}
	entries, _ := value.([]any)
	if len(entries) == 1 {
		context, first := step(entries[0], "securityContext")
		wanted, second := step(context, field)
		if wanted == true || wanted == "true" {
			if conditions || first || second {
				return true, "its pattern has conditions, which were not evaluated"
			}
			return true, ""
		}
	}
	if mentions(pattern, 0) {
		return true, "its pattern was not understood"
	}
	return false, ""
}

// enforces reports whether a failureAction blocks; the word is written in any case.
func enforces(action string) bool { return strings.EqualFold(action, "enforce") }

// kyverno reads a ClusterPolicy or Policy of kyverno.io.
func kyverno(object map[string]any) (out []Policy) {
	spec := at(object, "spec")
	action := text(spec, "validationFailureAction")
	var general string
	switch {
	case at(spec, "admission") == false:
		action, general = "", "spec.admission is false"
	case !empty(at(spec, "validationFailureActionOverrides")):
		general = "it has other actions for some namespaces"
	case !empty(at(spec, "webhookConfiguration", "matchConditions")):
		general = "its match conditions were not evaluated"
	}
	for _, rule := range list(spec, "rules") {
		p := Policy{Effect: Root, EnginePolicy: fact.EnginePolicy{Doubt: general}}
		doubt := ""
		validate := at(rule, "validate")
		switch {
		case !empty(at(validate, "pattern")):
			var demanded bool
			if demanded, doubt = demands(at(validate, "pattern")); !demanded {
				continue
			}
		case mentions(validate, 0):
			doubt = "its conditions were not evaluated"
		case mentions(at(rule, "mutate"), 0):
			doubt = "it changes pods, and that was not evaluated"
			p.Blocks = true
		default:
			continue
		}
		if own := text(validate, "failureAction"); own != "" {
			p.Blocks = enforces(own)
			if !empty(at(validate, "failureActionOverrides")) {
				doubt = "it has other actions for some namespaces"
			}
		} else if !p.Blocks {
			p.Blocks = enforces(action)
		}
		if at(spec, "admission") == false {
			p.Blocks, doubt = false, general
		}
		if !empty(at(rule, "preconditions")) || !empty(at(rule, "celPreconditions")) {
			doubt = "its preconditions were not evaluated"
		}
		p.Doubt = first(p.Doubt, doubt)
		out = append(out, matched(p, at(rule, "match"), at(rule, "exclude"))...)
	}
	return out
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// matched narrows a rule of Kyverno by what it matches and excludes: one policy for each
// namespace that it names.
func matched(p Policy, match, exclude any) []Policy {
	const unread = "what it matches was not understood"
	blocks := list(match, "any")
	if all := list(match, "all"); len(all) == 1 && len(blocks) == 0 {
		blocks = all
	} else if len(all) > 0 {
		p.Doubt = first(p.Doubt, unread)
	}
	if resources := at(match, "resources"); resources != nil {
		blocks = append(blocks, map[string]any{"resources": resources})
	}
	var out []Policy
	for _, block := range blocks {
		fields, _ := block.(map[string]any)
		resources, _ := fields["resources"].(map[string]any)
		if !slices.ContainsFunc(texts(resources, "kinds"), isPod) {
			continue
		}
		q := p
		for key, value := range fields {
			if key != "resources" && !empty(value) { // subjects, roles, clusterRoles
				q.Doubt = first(q.Doubt, "it holds for some users only")
			}
		}
		for key, value := range resources {
			switch {
			case key == "kinds", key == "namespaces", empty(value):
			case key == "operations":
				if !slices.Contains(texts(resources, key), "CREATE") {
					q.Doubt = first(q.Doubt, "it does not look at pods that are created")
				}
			case key == "selector":
				var doubt string
				if q.Labels, doubt = labelsOf(value); doubt != "" {
					q.Doubt = first(q.Doubt, doubt)
				}
			default:
				q.Doubt = first(q.Doubt, unread)
			}
		}
		except, doubt := excluded(exclude)
		q.Except, q.Doubt = except, first(q.Doubt, doubt)
		namespaces := texts(resources, "namespaces")
		if len(namespaces) == 0 {
			namespaces = []string{""}
		}
		for _, namespace := range namespaces {
			q.Namespace = namespace
			out = append(out, q)
		}
	}
	return out
}

// isPod reports whether a kind in a rule is that of pods: "Pod", "v1/Pod", "*".
func isPod(kind string) bool {
	return kind == "*" || kind == "Pod" || kind == "v1/Pod" || kind == "*/Pod" || kind == "*/v1/Pod"
}

// excluded are the namespaces that a rule of Kyverno leaves out.
func excluded(exclude any) (namespaces []string, doubt string) {
	if empty(exclude) {
		return nil, ""
	}
	const unread = "what it excludes was not evaluated"
	fields, _ := exclude.(map[string]any)
	if len(fields) != 1 || len(list(exclude, "any")) == 0 {
		return nil, unread
	}
	for _, block := range list(exclude, "any") {
		only := func(object any, name string) bool {
			f, _ := object.(map[string]any)
			return len(f) == 1 && f[name] != nil
		}
		if !only(block, "resources") || !only(at(block, "resources"), "namespaces") {
			return nil, unread
		}
		namespaces = append(namespaces, texts(block, "resources", "namespaces")...)
	}
	return namespaces, ""
}

// kyvernoException reads what a PolicyException names: "policy" or "namespace/policy". Which pods it
// is about is not evaluated.
// Source: https://kyverno.io/docs/exceptions/
func kyvernoException(object map[string]any) []Policy {
	p := Policy{Effect: Exempt}
	for _, entry := range list(object, "spec", "exceptions") {
		name := text(entry, "policyName")
		p.Except = append(p.Except, name[strings.LastIndexByte(name, '/')+1:])
	}
	return []Policy{p}
}

// kyvernoCEL reads the policies of policies.kyverno.io. Their expressions are not evaluated.
func kyvernoCEL(object map[string]any) []Policy {
	spec := at(object, "spec")
	if !mentions(spec, 0) {
		return nil
	}
	p := Policy{Effect: Root, EnginePolicy: fact.EnginePolicy{Doubt: "its expressions were not evaluated"}}
	mutates := !empty(at(spec, "mutations"))
	p.Blocks = at(spec, "evaluation", "admission", "enabled") != false &&
		(mutates || slices.Contains(texts(spec, "validationActions"), "Deny"))
	return []Policy{p}
}

// gatekeeperConstraint reads a constraint. What its template does is known for the library's
// own kind only.
// Source: open-policy-agent/gatekeeper-library, read-only-root-filesystem.
func gatekeeperConstraint(object map[string]any) []Policy {
	kind := strings.ToLower(text(object, "kind"))
	if !strings.Contains(kind, "readonlyrootfilesystem") {
		return nil
	}
	spec := at(object, "spec")
	p := Policy{Effect: Root}
	switch action := text(spec, "enforcementAction"); action {
	case "", "deny":
		p.Blocks = true
	case "scoped":
		p.Blocks, p.Doubt = true, "its scoped actions were not evaluated"
	}
	if kind != "k8spspreadonlyrootfilesystem" {
		p.Doubt = first(p.Doubt, "its template was not read")
	}
	if !empty(at(spec, "parameters")) {
		p.Doubt = first(p.Doubt, "it has exceptions in its parameters")
	}
	return gatekept(p, at(spec, "match"))
}

// gatekeeperAssign reads a mutation that makes roots read-only.
func gatekeeperAssign(object map[string]any) []Policy {
	spec := at(object, "spec")
	if !strings.HasSuffix(text(spec, "location"), "."+field) || at(spec, "parameters", "assign", "value") != true {
		return nil
	}
	p := Policy{Effect: Root, EnginePolicy: fact.EnginePolicy{Blocks: true}}
	if applied := list(spec, "applyTo"); len(applied) > 0 && !slices.ContainsFunc(applied, func(entry any) bool { return coversPods(entry, "groups") }) {
		return nil
	}
	if !strings.HasPrefix(text(spec, "location"), "spec.containers[name:*].") {
		p.Doubt = "it changes some containers only"
	}
	if !empty(at(spec, "parameters", "pathTests")) {
		p.Doubt = first(p.Doubt, "it does not change containers that set the field")
	}
	return gatekept(p, at(spec, "match"))
}

// coversPods reports whether an entry of kinds covers pods; groups is the field with its API
// groups.
func coversPods(entry any, groups string) bool {
	kinds, of := texts(entry, "kinds"), texts(entry, groups)
	return (slices.Contains(kinds, "Pod") || slices.Contains(kinds, "*")) && (len(of) == 0 || slices.Contains(of, "") || slices.Contains(of, "*"))
}

// gatekept narrows a policy of Gatekeeper by its match.
func gatekept(p Policy, match any) []Policy {
	fields, _ := match.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := fields[key]
		switch {
		case empty(value), key == "namespaces", key == "scope" && (value == "*" || value == "Namespaced"):
		case key == "scope" && value == "Cluster":
			return nil // no pod
		case key == "kinds":
			pods := slices.ContainsFunc(list(value), func(entry any) bool {
				return coversPods(entry, "apiGroups")
			})
			if !pods {
				return nil
			}
		case key == "excludedNamespaces":
			p.Except = texts(value)
		case key == "labelSelector":
			var doubt string
			if p.Labels, doubt = labelsOf(value); doubt != "" {
				p.Doubt = first(p.Doubt, doubt)
			}
		default:
			p.Doubt = first(p.Doubt, "what it matches was not understood")
		}
	}
	namespaces := texts(match, "namespaces")
	if len(namespaces) == 0 {
		return []Policy{p}
	}
	var out []Policy
	for _, namespace := range namespaces {
		q := p
		q.Namespace = namespace
		out = append(out, q)
	}
	return out
}

// kubewarden reads a policy. What its module does is known by the name of the project's own.
// Source: kubewarden/policies, readonly-root-filesystem-psp-policy.
func kubewarden(object map[string]any) []Policy {
	spec := at(object, "spec")
	if !strings.Contains(text(spec, "module"), "readonly-root-filesystem-psp") {
		return nil
	}
	pods := func(rule any) bool {
		for name, values := range map[string][]string{"apiGroups": {"", "*"}, "resources": {"pods", "*", "*/*"}, "operations": {"CREATE", "*"}} {
			if !slices.ContainsFunc(texts(rule, name), func(s string) bool { return slices.Contains(values, s) }) {
				return false
			}
		}
		return true
	}
	if rules := list(spec, "rules"); len(rules) > 0 && !slices.ContainsFunc(rules, pods) {
		return nil
	}
	p := Policy{Effect: Root}
	switch text(spec, "mode") {
	case "", "protect":
		p.Blocks = true
	}
	for _, key := range []string{"namespaceSelector", "objectSelector", "matchConditions"} {
		if !empty(at(spec, key)) {
			p.Doubt = "what it matches was not evaluated"
		}
	}
	return []Policy{p}
}

// kubewardenGroup reads a group of policies, whose expression is not evaluated.
func kubewardenGroup(object map[string]any) []Policy {
	spec := at(object, "spec")
	members, _ := at(spec, "policies").(map[string]any)
	for _, member := range members {
		if strings.Contains(text(member, "module"), "readonly-root-filesystem-psp") {
			mode := text(spec, "mode")
			return []Policy{{Root, fact.EnginePolicy{Blocks: mode == "" || mode == "protect", Doubt: "its expression was not evaluated"}}}
		}
	}
	return nil
}

// kubearmor reads a policy about programs. Only one that blocks all paths stops new programs:
// one that blocks some paths stops those, and one that allows some relies on the namespace's
// posture, which audits by default.
// Source: kubearmor/KubeArmor, getting-started/security_policy_specification.md and
// default_posture.md.
func kubearmor(object map[string]any) []Policy {
	spec := at(object, "spec")
	process, _ := at(spec, "process").(map[string]any)
	if len(process) == 0 {
		return nil
	}
	p := Policy{Effect: Programs}
	action := first(text(process, "action"), text(spec, "action"))
	everything := slices.ContainsFunc(list(process, "matchDirectories"), func(d any) bool {
		fields, _ := d.(map[string]any)
		own := first(text(d, "action"), action)
		return fields["dir"] == "/" && fields["recursive"] == true && empty(fields["fromSource"]) && fields["ownerOnly"] != true && strings.EqualFold(own, "block")
	})
	switch {
	case everything:
		p.Blocks = true
	case strings.EqualFold(action, "block"):
		p.Blocks, p.Doubt = true, "it blocks the programs that it names, and no new ones"
	case strings.EqualFold(action, "allow"):
		p.Blocks, p.Doubt = true, "what it does not allow is blocked only if the namespace's posture is block; it audits by default"
	}
	var doubt string
	if p.Labels, doubt = labelsOf(at(spec, "selector")); doubt != "" {
		p.Doubt = first(p.Doubt, doubt)
	}
	return []Policy{p}
}

// tetragon reads a policy that acts when a program is started. Its selectors are not evaluated.
// Source: cilium/tetragon, docs/content/en/docs/concepts/tracing-policy.
func tetragon(object map[string]any) []Policy {
	spec := at(object, "spec")
	monitor := slices.ContainsFunc(list(spec, "options"), func(o any) bool {
		return text(o, "name") == "policy-mode" && strings.HasPrefix(text(o, "value"), "monitor")
	})
	var p *Policy
	for _, hooks := range []string{"kprobes", "lsmhooks", "tracepoints"} {
		for _, hook := range list(spec, hooks) {
			name := first(text(hook, "call"), text(hook, "hook"), text(hook, "event"))
			if !strings.Contains(name, "exec") && !strings.Contains(name, "bprm") {
				continue
			}
			if p == nil {
				p = &Policy{Effect: Programs}
			}
			for _, selector := range list(hook, "selectors") {
				for _, action := range list(selector, "matchActions") {
					switch text(action, "action") {
					case "Sigkill", "Signal", "Override", "NotifyEnforcer":
						p.Blocks = !monitor
					}
				}
			}
		}
	}
	if p == nil {
		return nil
	}
	if p.Blocks {
		p.Doubt = "its selectors were not evaluated"
	}
	var doubt string
	if p.Labels, doubt = labelsOf(at(spec, "podSelector")); doubt != "" {
		p.Doubt = first(p.Doubt, doubt)
	}
	return []Policy{*p}
}

// neuvector reads a rule about processes.
// Source: neuvector/neuvector-helm, charts/crd.
func neuvector(object map[string]any) []Policy {
	spec := at(object, "spec")
	profile := at(spec, "process_profile")
	if empty(profile) {
		return nil
	}
	p := Policy{Effect: Programs, EnginePolicy: fact.EnginePolicy{Doubt: "which containers its group has was not evaluated"}}
	p.Blocks = first(text(profile, "mode"), text(spec, "target", "policymode")) == "Protect"
	switch text(profile, "baseline") {
	case "zero-drift", "shield":
	default:
		p.Doubt = "its baseline lets programs that were learnt run"
	}
	return []Policy{p}
}

// stackrox reads a policy that Central applies.
// Source: stackrox/stackrox, config-controller.
func stackrox(object map[string]any) []Policy {
	spec := at(object, "spec")
	about := slices.ContainsFunc(list(spec, "policySections"), func(section any) bool {
		return slices.ContainsFunc(list(section, "policyGroups"), func(group any) bool { return text(group, "fieldName") == "Read-Only Root Filesystem" })
	})
	if !about {
		return nil
	}
	p := Policy{Effect: Root, EnginePolicy: fact.EnginePolicy{Doubt: "whether the admission controller enforces is in its settings, and a pod's annotation can bypass it"}}
	p.Blocks = at(spec, "disabled") != true && slices.ContainsFunc(texts(spec, "enforcementActions"), func(a string) bool {
		return a == "FAIL_DEPLOYMENT_CREATE_ENFORCEMENT" || a == "SCALE_TO_ZERO_ENFORCEMENT"
	})
	return []Policy{p}
}
