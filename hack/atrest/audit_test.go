package atrest

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/storage/auditpolicy"
)

// auditRequests are requests for Secrets that rules of randomAuditPolicy can tell apart.
// Request and response say which bodies hold values.
func auditRequests() (all []authorizer.AttributesRecord, request, response map[string]bool) {
	request = map[string]bool{"create": true, "update": true, "patch": true}
	response = map[string]bool{"create": true, "update": true, "patch": true, "get": true, "list": true, "delete": true, "deletecollection": true}
	for _, verb := range []string{"create", "update", "patch", "get", "list", "watch", "delete", "deletecollection"} {
		for _, name := range []string{"alice", "bob", "carol"} {
			for _, groups := range [][]string{{"system:authenticated"}, {"system:authenticated", "devs"}, {"system:unauthenticated"}} {
				for _, namespace := range []string{"shop", "kube-system", "other", ""} {
					for _, secret := range []string{"a", "b", "c", ""} {
						all = append(all, authorizer.AttributesRecord{
							User: &user.DefaultInfo{Name: name, Groups: groups}, Verb: verb, Namespace: namespace, APIVersion: "v1",
							Resource: "secrets", Name: secret, ResourceRequest: true,
						})
					}
				}
			}
		}
	}
	return all, request, response
}

// randomAuditPolicy writes what the format permits about Secrets, and some that the API
// server refuses.
func randomAuditPolicy(r *rand.Rand) map[string]any {
	some := func(of ...string) []string {
		if r.IntN(2) == 0 {
			return nil
		}
		return slices.DeleteFunc(slices.Clone(of), func(string) bool { return r.IntN(3) > 0 })
	}
	rules := []any{}
	for range r.IntN(7) {
		level := r.IntN(len(auditpolicy.Levels))
		if r.IntN(50) == 0 {
			level++
		}
		rule := map[string]any{
			"level": append(slices.Clone(auditpolicy.Levels), "Everything")[level],
			"users": some("alice", "bob"), "userGroups": some("system:authenticated", "system:unauthenticated", "devs"),
			"verbs": some("create", "update", "patch", "get", "list", "watch", "delete", "deletecollection", "*"), "omitStages": some("ResponseComplete", "Panic"),
		}
		switch r.IntN(8) {
		case 0:
			rule["nonResourceURLs"] = []string{"/healthz*"}
		case 1:
			rule["unknown"] = true
			fallthrough
		default:
			rule["namespaces"] = some("shop", "kube-system", "")
			resources := []any{}
			for range r.IntN(3) {
				resources = append(resources, map[string]any{
					"group":     []string{"", "", "*", "apps"}[r.IntN(4)],
					"resources": []string{"secrets", "*", "secrets/*", "pods", "*/status", "secrets/status"}[r.IntN(6):][:r.IntN(2)],
				})
				if r.IntN(3) == 0 {
					resources[len(resources)-1].(map[string]any)["resourceNames"] = some("a", "b")
				}
			}
			rule["resources"] = resources
		}
		rules = append(rules, rule)
	}
	return map[string]any{
		"apiVersion": []string{"audit.k8s.io/v1", "v1"}[max(0, r.IntN(20)-18)], "kind": "Policy",
		"rules": rules, "omitStages": some("ResponseComplete", "RequestReceived"),
	}
}

// Package auditpolicy says of random policies what the API server's own evaluator does
// with every request. Where two rules together shield a third, the answer may be higher.
func TestAuditPolicies(t *testing.T) {
	requests, request, response := auditRequests()
	r := rand.New(rand.NewPCG(5, 6))
	refused, higher, counts := 0, 0, map[string]int{}
	const policies = 3000
	for range policies {
		text, err := json.Marshal(randomAuditPolicy(r))
		if err != nil {
			t.Fatal(err)
		}
		got, _, gotErr := auditpolicy.Parse(text)
		loaded, err := policy.LoadPolicyFromBytes(text)
		if err != nil {
			if refused++; gotErr == nil && got != "" {
				// The API server does not start with it, so what it would mean does not
				// matter. Most of these are found wrong here, too.
				counts["refused there alone"]++
			}
			continue
		}
		if gotErr != nil {
			t.Fatalf("the API server takes it: %v: %s", gotErr, text)
		}
		evaluator := policy.NewPolicyRuleEvaluator(loaded)
		highest := 0
		for i := range requests {
			config := evaluator.EvaluatePolicyRule(&requests[i])
			level := slices.Index(auditpolicy.Levels, string(config.Level))
			verb := requests[i].Verb
			values := level == 2 && request[verb] || level == 3 && response[verb]
			has := func(s auditv1.Stage) bool {
				for _, stage := range config.OmitStages {
					if string(stage) == string(s) {
						return true
					}
				}
				return false
			}
			if level > 1 && (!values || has(auditv1.StageResponseComplete) && has(auditv1.StagePanic)) {
				level = 1
			}
			highest = max(highest, level)
		}
		counts[got]++
		switch place := slices.Index(auditpolicy.Levels, got); {
		case place < highest:
			t.Fatalf("%s, by the API server %s: %s", got, auditpolicy.Levels[highest], text)
		case place > highest:
			higher++
		}
	}
	t.Logf("%d policies, %d refused by the API server, %d answers higher than its own: %v", policies, refused, higher, counts)
	if higher > policies/50 || refused > policies/2 || counts["Request"] < 50 || counts["RequestResponse"] < 50 || counts["Metadata"] < 50 || counts["None"] < 50 {
		t.Error("the policies do not reach everything, or the answer is too often higher")
	}
}
