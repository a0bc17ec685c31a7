package vaporacle

// policyCase is a policy with its bindings and what it needs.
type policyCase struct {
	name string
	// spec is the policy's, without matchConstraints if match is set; match is "" for the
	// creation of pods.
	spec, match string
	// bindings are the specs of bindings, without policyName; nil: one that denies.
	bindings []string
	// unknown are the doubts that a prediction may have.
	unknown []string
	// pods is how many pods are tried; 0: 100.
	pods int
}

const pods = "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]"

const deny = "{validationActions: [Deny]}"

// cases are policies as they are found in public: the rules of Pod Security in CEL, images,
// labels, limits; and one for each way in which the API server treats them.
var cases = []policyCase{
	{name: "read-only-root", spec: `validations: [{expression: "object.spec.containers.all(c, has(c.securityContext) && has(c.securityContext.readOnlyRootFilesystem) && c.securityContext.readOnlyRootFilesystem)"}]`},
	{name: "read-only-root-all", spec: `
variables:
- {name: containers, expression: "object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([])"}
- {name: bad, expression: "variables.containers.filter(c, !c.?securityContext.?readOnlyRootFilesystem.orValue(false)).map(c, c.name)"}
validations: [{expression: "variables.bad.size() == 0", messageExpression: "'writable: ' + variables.bad.join(', ')"}]`},
	{name: "no-privileged", spec: `validations: [{expression: "!object.spec.containers.exists(c, c.?securityContext.?privileged.orValue(false))"}]`},
	{name: "errors-without-field", spec: `validations: [{expression: "object.spec.containers.all(c, c.securityContext.privileged == false)"}]`},
	{name: "errors-without-field-ignore", spec: `
failurePolicy: Ignore
validations: [{expression: "object.spec.containers.all(c, c.securityContext.privileged == false)"}, {expression: "object.metadata.name != 'pod-7'"}]`, unknown: []string{"ServerDecides"}},
	{name: "host-namespaces", spec: `validations: [{expression: "!object.spec.?hostNetwork.orValue(false) && !object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false)"}]`},
	{name: "run-as-non-root", spec: `validations: [{expression: "object.spec.?securityContext.?runAsNonRoot.orValue(false) || object.spec.containers.all(c, c.?securityContext.?runAsNonRoot.orValue(false))"}]`},
	{name: "drop-all", spec: `validations: [{expression: "object.spec.containers.all(c, 'ALL' in c.?securityContext.?capabilities.?drop.orValue([]))"}]`},
	{name: "capabilities-set", spec: `validations: [{expression: "object.spec.containers.all(c, sets.contains(['NET_BIND_SERVICE'], c.?securityContext.?capabilities.?add.orValue([])))"}]`},
	{name: "no-host-path", spec: `validations: [{expression: "!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.hostPath))"}]`, unknown: []string{"ServerDecides"}},
	{name: "images", spec: `validations: [{expression: "object.spec.containers.all(c, c.image.matches('^registry[.]example/[a-z/]+(@sha256:[0-9a-f]{64}|:[0-9.]+)$'))"}]`},
	{name: "no-latest", spec: `validations: [{expression: "object.spec.containers.all(c, !c.image.endsWith(':latest') && c.image.contains(':'))"}]`},
	{name: "labels", spec: `validations: [{expression: "has(object.metadata.labels) && 'app' in object.metadata.labels && object.metadata.labels['app'].startsWith('web')"}]`},
	{name: "limits", spec: `validations: [{expression: "object.spec.containers.all(c, has(c.resources.limits) && 'memory' in c.resources.limits && quantity(c.resources.limits['memory']).isLessThan(quantity('1Gi')))"}]`, unknown: []string{"ServerDecides"}},
	{name: "pull-policy", spec: `validations: [{expression: "object.spec.containers.all(c, c.imagePullPolicy == 'Always')"}]`, unknown: []string{"ServerDecides"}},
	{name: "ports", spec: `validations: [{expression: "object.spec.containers.all(c, !has(c.ports) || c.ports.all(p, p.containerPort > 1024 && p.protocol == 'TCP' && !has(p.hostPort)))"}]`},
	{name: "probes", spec: `validations: [{expression: "object.spec.containers.all(c, has(c.livenessProbe) && c.livenessProbe.periodSeconds <= 10 && c.livenessProbe.failureThreshold == 3 && has(c.livenessProbe.httpGet) && c.livenessProbe.httpGet.scheme == 'HTTP')"}]`},
	{name: "seccomp", spec: `validations: [{expression: "object.spec.?securityContext.?seccompProfile.?type.orValue('') in ['RuntimeDefault', 'Localhost']"}]`},
	{name: "empty-security-context", spec: `validations: [{expression: "has(object.spec.securityContext) && object.spec.securityContext == {}"}]`},
	{name: "defaults", spec: `validations: [{expression: "object.spec.dnsPolicy == 'ClusterFirst' && object.spec.restartPolicy in ['Always', 'Never'] && object.spec.schedulerName == 'default-scheduler' && object.spec.enableServiceLinks && object.spec.terminationGracePeriodSeconds == 30"}]`},
	{name: "tolerations", spec: `validations: [{expression: "!has(object.spec.tolerations) || object.spec.tolerations.all(t, t.key.startsWith('node.kubernetes.io/'))"}]`, unknown: []string{"ServerDecides"}},
	{name: "service-account", spec: `validations: [{expression: "object.spec.serviceAccountName != 'default'"}]`, unknown: []string{"ServerDecides"}},
	{name: "priority", spec: `validations: [{expression: "object.spec.priority < 1000"}]`, unknown: []string{"ServerDecides"}},
	{name: "pod-name", spec: `validations: [{expression: "object.metadata.name.matches('^pod-[0-9]*[02468]$')"}]`, unknown: []string{"ServerDecides"}},
	{name: "namespace-in-object", spec: `validations: [{expression: "object.metadata.namespace == 'shop' && request.namespace == 'shop'"}]`},
	{name: "namespace-object", spec: `validations: [{expression: "namespaceObject.metadata.labels[?'env'].orValue('') != 'prod' || object.spec.containers.size() == 1"}]`},
	{name: "request", spec: `validations: [{expression: "request.operation == 'CREATE' && request.kind.kind == 'Pod' && request.resource.resource == 'pods' && !has(request.subResource) && oldObject == null"}]`},
	{name: "request-sub-resource", spec: `validations: [{expression: "request.subResource == ''"}]`},
	{name: "user", spec: `validations: [{expression: "request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups"}]`, unknown: []string{"UserInfo"}},
	{name: "user-or", spec: `validations: [{expression: "'nobody' in request.userInfo.groups || !object.spec.?hostPID.orValue(false)"}]`, unknown: []string{"UserInfo"}},
	{name: "dry-run", spec: `validations: [{expression: "request.dryRun"}]`, unknown: []string{"UserInfo"}},
	{name: "authorizer", spec: `validations: [{expression: "authorizer.group('').resource('pods').namespace('shop').check('create').allowed()"}]`, unknown: []string{"Authorizer"}},
	{name: "ephemeral-absent", spec: `validations: [{expression: "!has(object.spec.ephemeralContainers) && !has(object.metadata.ownerReferences) && !has(object.metadata.finalizers)"}]`},
	{name: "env", spec: `validations: [{expression: "object.spec.containers.all(c, !has(c.env) || c.env.all(e, !has(e.valueFrom) || e.valueFrom.fieldRef.apiVersion == 'v1'))"}]`},
	{name: "volume-modes", spec: `validations: [{expression: "!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.configMap) || v.configMap.defaultMode == 420)"}]`, unknown: []string{"ServerDecides"}},
	{name: "cross-type", spec: `validations: [{expression: "object.spec.containers.all(c, !has(c.securityContext) || !has(c.securityContext.runAsUser) || c.securityContext.runAsUser >= 1000)"}]`},

	// How the server treats them.
	{name: "audit-only", spec: `validations: [{expression: "false"}]`, bindings: []string{"{validationActions: [Audit, Warn]}"}},
	{name: "no-binding", spec: `validations: [{expression: "false"}]`, bindings: []string{}},
	{name: "two-bindings", spec: `validations: [{expression: "false"}]`, bindings: []string{
		"{validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {env: prod}}}}",
		"{validationActions: [Deny], matchResources: {objectSelector: {matchExpressions: [{key: app, operator: In, values: [web, db]}]}}}",
	}},
	{name: "namespace-selector", match: pods + "\nnamespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}", spec: `validations: [{expression: "false"}]`},
	{name: "namespace-name", match: pods + "\nnamespaceSelector: {matchLabels: {kubernetes.io/metadata.name: dev}}", spec: `validations: [{expression: "false"}]`},
	{name: "object-selector", match: pods + "\nobjectSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}", spec: `validations: [{expression: "false"}]`},
	{name: "exclude", match: pods + "\nexcludeResourceRules: [{apiGroups: [''], apiVersions: ['*'], operations: ['*'], resources: ['*'], resourceNames: [pod-3, pod-4, pod-5]}]", spec: `validations: [{expression: "false"}]`, unknown: []string{"ServerDecides"}},
	{name: "names", match: "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods], resourceNames: [pod-3, pod-4]}]", spec: `validations: [{expression: "false"}]`, unknown: []string{"ServerDecides"}},
	{name: "updates", match: "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [UPDATE, DELETE], resources: [pods]}]", spec: `validations: [{expression: "false"}]`},
	{name: "all-operations", match: "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: ['*']}]", spec: `validations: [{expression: "false"}]`},
	{name: "sub-resources", match: "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: ['pods/*']}]", spec: `validations: [{expression: "false"}]`},
	{name: "exec-only", match: "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [pods/exec, pods/status]}]", spec: `validations: [{expression: "false"}]`},
	{name: "cluster-scope", match: "resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'], scope: Cluster}]", spec: `validations: [{expression: "false"}]`},
	{name: "namespaced-scope", match: "resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: [CREATE], resources: ['*'], scope: Namespaced}]", spec: `validations: [{expression: "object.metadata.?labels.?app.orValue('') != 'db'"}]`},
	{name: "equivalent", match: "matchPolicy: Equivalent\nresourceRules: [{apiGroups: [apps, extensions], apiVersions: ['*'], operations: [CREATE], resources: ['*']}]", spec: `validations: [{expression: "false"}]`},
	{name: "exact", match: "matchPolicy: Exact\n" + pods, spec: `validations: [{expression: "object.spec.containers.size() < 3"}]`},
	{name: "conditions", spec: `
matchConditions: [{name: web, expression: "object.metadata.?labels.?app.orValue('') == 'web'"}, {name: one, expression: "object.spec.containers.size() == 1"}]
validations: [{expression: "false"}]`},
	{name: "condition-error-fail", spec: `
matchConditions: [{name: web, expression: "object.metadata.labels.app == 'web'"}]
validations: [{expression: "true"}]`},
	{name: "condition-error-ignore", spec: `
failurePolicy: Ignore
matchConditions: [{name: web, expression: "object.metadata.labels.app == 'web'"}]
validations: [{expression: "false"}]`},
	{name: "condition-false-and-error", spec: `
matchConditions: [{name: web, expression: "object.metadata.labels.app == 'web'"}, {name: host, expression: "object.spec.?hostPID.orValue(false) == true"}]
validations: [{expression: "true"}]`},
	{name: "condition-namespace", spec: `
matchConditions: [{name: prod, expression: "namespaceObject.metadata.name == 'shop'"}]
validations: [{expression: "true"}]`},
	{name: "condition-user", spec: `
matchConditions: [{name: admin, expression: "!('system:masters' in request.userInfo.groups)"}]
validations: [{expression: "object.spec.containers.size() == 1"}]`, unknown: []string{"UserInfo"}},
	{name: "variables", spec: `
variables:
- {name: app, expression: "object.metadata.?labels.?app.orValue('none')"}
- {name: loud, expression: "variables.app.upperAscii() + '!'"}
- {name: unused, expression: "object.spec.nosuch.field"}
validations: [{expression: "variables.loud != 'WEB!' || variables.app == 'x'"}]`},
	{name: "variable-error-ignore", spec: `
failurePolicy: Ignore
variables: [{name: app, expression: "object.metadata.labels.app"}]
validations: [{expression: "variables.app == 'web'"}]`},
	{name: "audit-annotation-error", spec: `
validations: [{expression: "true"}]
auditAnnotations: [{key: app, valueExpression: "string(object.metadata.labels.app)"}]`, bindings: []string{"{validationActions: [Audit]}"}},
	{name: "audit-annotation-error-ignore", spec: `
failurePolicy: Ignore
validations: [{expression: "true"}]
auditAnnotations: [{key: app, valueExpression: "string(object.metadata.labels.app)"}]`},
	{name: "dear", spec: `validations: [{expression: "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))"}]`, unknown: []string{"TooDear"}, pods: 5},
	{name: "dear-ignore", spec: `
failurePolicy: Ignore
validations: [{expression: "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))"}, {expression: "false"}]`, unknown: []string{"TooDear"}, pods: 5},

	// Parameters.
	{name: "param-name", spec: `
paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "object.spec.containers.size() <= int(params.data.most)"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {name: most, namespace: policies, parameterNotFoundAction: Deny}}"}},
	{name: "param-own-namespace", spec: `
paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "object.spec.containers.size() <= int(params.data.most)"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {name: most, parameterNotFoundAction: Allow}}"}},
	{name: "param-own-namespace-deny", spec: `
paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "object.spec.containers.size() <= int(params.data.most)"}]`, bindings: []string{"{validationActions: [Audit], paramRef: {name: most, parameterNotFoundAction: Deny}}"}},
	{name: "param-selector", spec: `
paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "!(params.data.app == object.metadata.?labels.?app.orValue(''))"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {selector: {matchLabels: {forbids: app}}, namespace: policies, parameterNotFoundAction: Deny}}"}},
	{name: "param-selector-none", spec: `
failurePolicy: Ignore
paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "false"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {selector: {matchLabels: {no: such}}, parameterNotFoundAction: Deny}}"}},
	{name: "param-null", spec: `
paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "params == null && object.spec.containers.size() > 1"}]`},
	{name: "param-metadata", spec: `
paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "params.apiVersion == 'v1' && params.kind == 'ConfigMap' && params.metadata.name == 'most' && !has(params.binaryData)"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {name: most, namespace: policies, parameterNotFoundAction: Deny}}"}},
	{name: "param-custom", spec: `
paramKind: {apiVersion: rules.example/v1, kind: Limit}
validations: [{expression: "object.spec.containers.size() <= params.most && params.kind == 'Limit'"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {name: small, parameterNotFoundAction: Deny}}"}},
	{name: "param-custom-namespace", spec: `
paramKind: {apiVersion: rules.example/v1, kind: Limit}
validations: [{expression: "true"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {name: small, namespace: shop, parameterNotFoundAction: Deny}}"}},
	{name: "param-not-served", spec: `
paramKind: {apiVersion: rules.example/v1, kind: NoSuch}
validations: [{expression: "true"}]`, bindings: []string{"{validationActions: [Audit], paramRef: {name: small, parameterNotFoundAction: Allow}}"}},
	{name: "param-not-served-ignore", spec: `
failurePolicy: Ignore
paramKind: {apiVersion: rules.example/v1, kind: NoSuch}
validations: [{expression: "false"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {name: small, parameterNotFoundAction: Allow}}"}},
	{name: "param-secret", spec: `
paramKind: {apiVersion: v1, kind: Secret}
validations: [{expression: "params.metadata.name == 'x'"}]`, bindings: []string{"{validationActions: [Deny], paramRef: {name: most, namespace: policies, parameterNotFoundAction: Deny}}"}, unknown: []string{"NotRead"}},
}
