package admission

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	admissionreview "k8s.io/api/admission/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	celcommon "k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
)

// libraryMinor is the minor version of Kubernetes whose CEL libraries are used here.
const libraryMinor = 37

// expression is one expression, as the API server's compiler takes it.
type expression struct {
	name, text string
	returns    []*cel.Type
}

func (e *expression) GetName() string          { return e.name }
func (e *expression) GetExpression() string    { return e.text }
func (e *expression) ReturnTypes() []*cel.Type { return e.returns }

// compiled are the expressions of a policy.
type compiled struct {
	compiler *plugincel.CompositedCompiler
	// conditions, validations, messages and annotations; a message without an expression has
	// no program.
	conditions, validations, messages, annotations []plugincel.CompilationResult
	// broken is the first expression that does not compile.
	broken *doubt
}

// maxExpressions bounds the expressions of a policy: a variable may ask for the one before, and
// so on.
const maxExpressions = 1000

// compile compiles as the API server compiles a policy that it has stored.
//
// Source: compilePolicy in https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/plugin.go
func compile(spec *admissionv1.ValidatingAdmissionPolicySpec) *compiled {
	c := &compiled{}
	if len(spec.Variables)+len(spec.MatchConditions)+2*len(spec.Validations)+len(spec.AuditAnnotations) > maxExpressions {
		c.broken = &doubt{kind: TooDear, what: "the policy"}
		return c
	}
	names := map[string]bool{}
	for _, v := range spec.Variables {
		if names[v.Name] {
			// The second one could ask for itself, without end.
			c.broken = &doubt{kind: NotCompiled, what: "a variable"}
			return c
		}
		names[v.Name] = true
	}
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	var err error
	if c.compiler, err = plugincel.NewCompositedCompiler(base); err != nil {
		c.broken = &doubt{kind: NotCompiled, what: "the policy"}
		return c
	}
	full := plugincel.OptionalVariableDeclarations{HasParams: spec.ParamKind != nil, HasAuthorizer: true}
	one := func(what, text string, options plugincel.OptionalVariableDeclarations, returns ...*cel.Type) plugincel.CompilationResult {
		r := c.compiler.CompileCELExpression(&expression{text: text, returns: returns}, options, environment.StoredExpressions)
		if r.Error != nil && c.broken == nil {
			c.broken = &doubt{kind: NotCompiled, what: what}
		}
		return r
	}
	for _, v := range spec.Variables {
		r := c.compiler.CompileAndStoreVariable(&expression{name: v.Name, text: v.Expression, returns: []*cel.Type{cel.AnyType, cel.DynType}}, full, environment.StoredExpressions)
		if r.Error != nil && c.broken == nil {
			c.broken = &doubt{kind: NotCompiled, what: "a variable"}
		}
	}
	for _, m := range spec.MatchConditions {
		c.conditions = append(c.conditions, one("a match condition", m.Expression, full, cel.BoolType))
	}
	for _, v := range spec.Validations {
		c.validations = append(c.validations, one("a validation", v.Expression, full, cel.BoolType))
	}
	for _, a := range spec.AuditAnnotations {
		c.annotations = append(c.annotations, one("an audit annotation", a.ValueExpression, full, cel.StringType, cel.NullType))
	}
	for _, v := range spec.Validations {
		if v.MessageExpression == "" {
			continue
		}
		// One that does not compile costs nothing, and its failure changes no decision.
		c.messages = append(c.messages, c.compiler.CompileCELExpression(&expression{text: v.MessageExpression, returns: []*cel.Type{cel.StringType}},
			plugincel.OptionalVariableDeclarations{HasParams: spec.ParamKind != nil}, environment.StoredExpressions))
	}
	return c
}

// evaluate is what a policy's expressions say of the pod, with one object of parameters, or
// with none.
func (p *Policies) evaluate(ctx context.Context, one *policy, param *map[string]any, ns *Namespace) (result, error) {
	j := p.judging
	key := cached{one, param}
	if r, ok := j.cache[key]; ok {
		return r, nil
	}
	if one.compiled == nil {
		one.compiled = compile(&one.Spec)
	}
	if one.compiled.broken != nil {
		return unsure(one.compiled.broken), nil
	}
	if p.left <= 0 {
		return unsure(&doubt{kind: TooDear, what: "the expressions of all policies"}), nil
	}
	if j.value == nil {
		var err error
		if j.value, j.metadata, err = inCEL(j.pod, j.trace); err != nil {
			return unsure(&doubt{kind: ServerDecides, what: "object"}), nil
		}
	}
	*j.trace = traced{}
	r, err := p.run(ctx, one, param, ns)
	if err == nil && !j.trace.namespaced && (r.why == nil || r.why.kind != TooDear) {
		j.cache[key] = r
	}
	return r, err
}

func unsure(why *doubt) result { return result{denies: maybe, always: maybe, why: why} }

// run follows the API server's validator.
//
// Source: Validate in https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/validator.go
func (p *Policies) run(ctx context.Context, one *policy, param *map[string]any, ns *Namespace) (result, error) {
	c := one.compiled
	fails := failure(one.Spec.FailurePolicy)
	matched := yes
	var why *doubt
	if len(c.conditions) > 0 {
		e := p.begin(ctx, c, param, ns, celconfig.RuntimeCELCostBudgetMatchConditions)
		// Conditions see no namespace.
		e.values["namespaceObject"] = celcommon.SchemalessTypedToVal((*corev1.Namespace)(nil))
		failed := no
		for _, condition := range c.conditions {
			switch a, err := e.ask(condition); {
			case err != nil:
				return result{}, err
			case a.dear:
				return unsure(a.why), nil
			case a.failed:
				failed = yes
			case a.why != nil:
				matched, why = min(matched, maybe), a.why
			case a.value == types.False:
				// One that is false decides, but not before all have been evaluated: they
				// share a budget.
				matched = no
			}
		}
		switch {
		case matched == no:
			return result{}, nil
		case failed == yes && matched == yes:
			return result{denies: fails}, nil
		case failed == yes && fails == no:
			// Whatever the unknown one says, it does not match.
			return result{}, nil
		case failed == yes:
			return result{denies: maybe, why: why}, nil
		}
	}

	var r result
	e := p.begin(ctx, c, param, ns, celconfig.RuntimeCELCostBudget)
	note := func(d *doubt) {
		if r.why == nil {
			r.why = d
		}
	}
	for _, validation := range c.validations {
		switch a, err := e.ask(validation); {
		case err != nil:
			return result{}, err
		case a.dear:
			return unsure(a.why), nil
		case a.why != nil:
			r.denies = either(r.denies, maybe)
			note(a.why)
		case a.failed:
			r.denies = either(r.denies, fails)
		case a.value != types.True:
			r.denies = yes
		}
	}
	// A message counts only by what it costs.
	messages := p.begin(ctx, c, param, ns, e.budget)
	delete(messages.values, "authorizer")
	for _, message := range c.messages {
		if message.Error != nil {
			continue
		}
		if a, err := messages.ask(message); err != nil {
			return result{}, err
		} else if a.dear {
			return unsure(a.why), nil
		}
	}
	annotations := p.begin(ctx, c, param, ns, celconfig.RuntimeCELCostBudget)
	for _, annotation := range c.annotations {
		switch a, err := annotations.ask(annotation); {
		case err != nil:
			return result{}, err
		case a.dear:
			return unsure(a.why), nil
		case a.why != nil:
			if fails == yes {
				r.always = either(r.always, maybe)
				note(a.why)
			}
		case a.failed:
			r.always = either(r.always, fails)
		}
	}
	if matched == maybe {
		r.denies, r.always = both(r.denies, maybe), both(r.always, maybe)
		r.why = why
	}
	return r, nil
}

// evaluation is a set of expressions that share variables and a budget.
type evaluation struct {
	context  context.Context
	composed plugincel.CompositionContext
	values   map[string]any
	budget   int64
	policies *Policies
	// namespace is where the pod is created.
	namespace *Namespace
}

// answer is what one expression says.
type answer struct {
	value  ref.Val
	failed bool
	// why is set if the value is unknown; dear, if the budget is at fault.
	why  *doubt
	dear bool
}

var _ interpreter.Activation = (*evaluation)(nil)

// Parent is part of an activation.
func (e *evaluation) Parent() interpreter.Activation { return nil }

// ResolveName gives a variable of the expression.
func (e *evaluation) ResolveName(name string) (any, bool) {
	value, ok := e.values[name]
	if name == "namespaceObject" {
		e.policies.judging.trace.namespaced = true
	}
	return value, ok
}

func (p *Policies) begin(ctx context.Context, c *compiled, param *map[string]any, ns *Namespace, budget int64) *evaluation {
	j := p.judging
	e := &evaluation{context: ctx, composed: c.compiler.CreateContext(ctx), budget: budget, policies: p, namespace: ns}
	e.values = map[string]any{
		"object":                     j.inNamespace(ns.Name),
		"oldObject":                  nil,
		"params":                     nil,
		"request":                    j.request(ns.Name),
		"namespaceObject":            unknown("namespaceObject"),
		"authorizer":                 unknown("authorizer"),
		"authorizer.requestResource": unknown("authorizer"),
	}
	if ns.Object != nil {
		e.values["namespaceObject"] = celcommon.SchemalessTypedToVal(plugincel.CreateNamespaceObject(ns.Object))
	}
	if param != nil {
		e.values["params"] = types.DefaultTypeAdapter.NativeToValue(*param)
	}
	e.values["variables"] = e.composed.Variables(e)
	return e
}

// ask evaluates an expression. The error is the context's.
func (e *evaluation) ask(c plugincel.CompilationResult) (answer, error) {
	e.policies.judging.trace.doubt = ""
	value, details, err := c.Program.ContextEval(e.composed, e)
	if e.context.Err() != nil {
		return answer{}, e.context.Err()
	}
	spent := e.composed.GetAndResetCost()
	dear := answer{dear: true, why: &doubt{kind: TooDear, what: "an expression"}}
	if details == nil || details.ActualCost() == nil {
		return dear, nil
	}
	cost := *details.ActualCost()
	if cost > math.MaxInt64/2 || spent > math.MaxInt64/2 {
		e.policies.left = 0
		return dear, nil
	}
	e.policies.left -= int64(cost) + spent
	e.budget -= int64(cost) + spent
	if e.budget < 0 || cost > celconfig.PerCallLimit || exceeded(err) {
		return dear, nil
	}
	switch {
	case err != nil && e.policies.minor > libraryMinor:
		return answer{why: &doubt{kind: NewerServer, what: "an expression"}}, nil
	case e.policies.judging.trace.doubt != "":
		return answer{why: &doubt{kind: ServerDecides, what: e.policies.judging.trace.doubt}}, nil
	case err != nil:
		return answer{failed: true}, nil
	}
	if u, ok := value.(*types.Unknown); ok {
		return answer{why: e.doubtOf(nameOf(u))}, nil
	}
	return answer{value: value}, nil
}

// exceeded reports whether an error is that of an expression that cost too much: in itself,
// or in a variable.
func exceeded(err error) bool {
	return err != nil && (errors.As(err, new(interpreter.EvalCancelledError)) || strings.Contains(err.Error(), "cost limit exceeded"))
}

// doubtOf says why a name is unknown.
func (e *evaluation) doubtOf(name string) *doubt {
	switch {
	case name == "authorizer":
		return &doubt{kind: Authorizer, what: name}
	case name == "namespaceObject":
		return &doubt{kind: NotRead, what: name, reason: e.namespace.Reason}
	case name == "request.userInfo", name == "request.options", name == "request.dryRun":
		return &doubt{kind: UserInfo, what: name}
	}
	return &doubt{kind: ServerDecides, what: name}
}

// inNamespace is the pod, as created in a namespace.
func (j *judging) inNamespace(namespace string) *object {
	j.metadata["namespace"] = namespace
	metadata, _ := j.value.Mapper.Get(types.String("metadata")).(*object)
	metadata.Mapper = mapper(j.metadata)
	return j.value
}

// request is the request to create the pod.
func (j *judging) request(namespace string) *object {
	request := &admissionreview.AdmissionRequest{
		Kind:            metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
		Resource:        metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		RequestKind:     &metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
		RequestResource: &metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		Name:            j.pod.Name,
		Namespace:       namespace,
		Operation:       admissionreview.Create,
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(request)
	if err != nil {
		fields = map[string]any{}
	}
	o := newObject("request", fields, j.trace)
	o.namespaced = map[string]bool{"namespace": true}
	o.decide("userInfo", "dryRun", "options")
	if j.pod.Name == "" {
		o.decide("name")
	}
	return o
}
