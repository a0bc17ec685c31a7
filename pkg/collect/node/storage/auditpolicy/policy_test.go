package auditpolicy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	policy := func(rules ...string) string {
		return "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n" + strings.Join(rules, "\n") + "\n"
	}
	const (
		secretsAtRequest  = `- {level: Request, resources: [{group: "", resources: [secrets]}]}`
		secretsAtMetadata = `- {level: Metadata, resources: [{group: "", resources: [secrets, configmaps]}]}`
		allAtResponse     = `- level: RequestResponse`
	)
	for name, tc := range map[string]struct {
		text  string
		level string
		rule  int
	}{
		"metadata of all":                          {policy(`- level: Metadata`), "Metadata", 1},
		"everything":                               {policy(allAtResponse), "RequestResponse", 1},
		"secrets before the rest":                  {policy(secretsAtMetadata, allAtResponse), "Metadata", 1},
		"secrets after the rest":                   {policy(allAtResponse, secretsAtMetadata), "RequestResponse", 1},
		"one user's requests do not shield":        {policy(`- {level: None, users: [system:kube-proxy]}`, secretsAtRequest), "Request", 2},
		"one namespace does not shield":            {policy(`- {level: None, namespaces: [kube-system]}`, allAtResponse), "RequestResponse", 2},
		"one name does not shield":                 {policy(`- {level: None, resources: [{resources: [secrets], resourceNames: [a]}]}`, secretsAtRequest), "Request", 2},
		"one verb does not shield":                 {policy(`- {level: None, verbs: [get, list, watch]}`, secretsAtRequest), "Request", 2},
		"all verbs together do":                    {policy(`- {level: None, verbs: [get, list, watch]}`, `- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}`, allAtResponse), "Metadata", 2},
		"the same users again":                     {policy(`- {level: None, users: [a, b]}`, `- {level: RequestResponse, users: [b]}`), "None", 0},
		"a wider set of users":                     {policy(`- {level: None, users: [a]}`, `- {level: RequestResponse, users: [a, b]}`), "RequestResponse", 2},
		"everybody by groups":                      {policy(`- {level: None, userGroups: [system:authenticated, system:unauthenticated]}`, allAtResponse), "None", 0},
		"not everybody by a group":                 {policy(`- {level: None, userGroups: [system:authenticated]}`, allAtResponse), "RequestResponse", 2},
		"reads at level Request have no body":      {policy(`- {level: Request, verbs: [get, list, watch], resources: [{resources: [secrets]}]}`), "Metadata", 1},
		"reads at RequestResponse have":            {policy(`- {level: RequestResponse, verbs: [get], resources: [{resources: [secrets]}]}`), "RequestResponse", 1},
		"what a watch sends is not logged":         {policy(`- {level: RequestResponse, verbs: [watch], resources: [{resources: [secrets]}]}`), "Metadata", 1},
		"a verb that does not exist":               {policy(`- {level: RequestResponse, verbs: ["*"]}`), "None", 0},
		"no stage with a body":                     {policy(`- {level: RequestResponse, omitStages: [ResponseComplete, Panic]}`), "Metadata", 1},
		"a stage for the whole policy":             {"omitStages: [ResponseComplete]\n" + policy(`- {level: RequestResponse, omitStages: [Panic]}`), "Metadata", 1},
		"without the first stage bodies are there": {"omitStages: [RequestReceived]\n" + policy(allAtResponse), "RequestResponse", 1},
		"the group is part of the resource":        {policy(`- {level: RequestResponse, resources: [{group: example.com, resources: [secrets]}]}`), "None", 0},
		"all groups":                               {policy(`- {level: RequestResponse, resources: [{group: "*"}]}`), "RequestResponse", 1},
		"all of the core group":                    {policy(`- {level: Request, resources: [{group: ""}]}`), "Request", 1},
		"every resource by a star":                 {policy(`- {level: Request, resources: [{resources: ["*"]}]}`), "Request", 1},
		"a slash and a star mean the resource too": {policy(`- {level: Request, resources: [{resources: ["secrets/*"]}]}`), "Request", 1},
		"every subresource is no Secret":           {policy(`- {level: Request, resources: [{resources: ["*/status", "secrets/status"]}]}`), "None", 0},
		"names without resources mean all":         {policy(`- {level: Request, resources: [{group: "", resourceNames: [x]}]}`), "Request", 1},
		"paths that are no resources":              {policy(`- {level: RequestResponse, nonResourceURLs: ["/api*"]}`), "None", 0},
		"nothing for secrets":                      {policy(`- {level: RequestResponse, resources: [{resources: [pods]}]}`), "None", 0},
		"a field that is not known":                {policy(`- {level: Request, resource: [x]}`), "Request", 1},
		"JSON":                                     {`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]}`, "Metadata", 1},
		"an older version":                         {strings.Replace(policy(allAtResponse), "/v1", "/v1beta1", 1), "RequestResponse", 1},
		"the first of two rules":                   {policy(`- {level: Request, verbs: [create]}`, `- {level: Request, verbs: [patch]}`), "Request", 1},
	} {
		t.Run(name, func(t *testing.T) {
			level, rule, err := Parse([]byte(tc.text))
			if err != nil || level != tc.level || rule != tc.rule {
				t.Errorf("level %s by rule %d (%v), want %s by rule %d", level, rule, err, tc.level, tc.rule)
			}
		})
	}
	const canary = "CANARYVALUE"
	for name, text := range map[string]string{
		"no rules":                    "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n",
		"another kind":                "apiVersion: v1\nkind: Secret\ndata: {a: " + canary + "}\n",
		"no level":                    policy(`- {users: [` + canary + `]}`),
		"a level that does not exist": policy(`- {level: ` + canary + `}`),
		"another type":                policy(`- {level: Request, users: {a: ` + canary + `}}`),
		"numbers as names":            policy(`- {level: Request, users: [1]}`),
		"a rule that is text":         policy(`- ` + canary),
		"a group of another type":     policy(`- {level: Request, resources: [{group: [` + canary + `]}]}`),
		"not YAML":                    "a: b: " + canary + "\n\t",
		"a list":                      "- " + canary,
		"nothing":                     "",
	} {
		level, _, err := Parse([]byte(text))
		if err == nil || level != "" {
			t.Errorf("%s: level %q, error %v; want an error", name, level, err)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
}

// A random policy means what its rules say when they are applied to one request after
// another, of every user, verb, namespace and name that a rule can tell apart.
func TestByRequests(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	for range 4000 {
		policy := randomPolicy(r)
		text, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		level, _, err := Parse(text)
		if err != nil {
			t.Fatal(err, string(text))
		}
		counts[level]++
		exact := levelByRequests(policy)
		// Rules that together take all requests of a later one do not shield it: two
		// groups of users, say. Then the answer may be too high, never too low.
		if slices.Index(Levels, level) < slices.Index(Levels, exact) {
			t.Fatalf("level %s, by requests %s: %s", level, exact, text)
		}
		if level != exact {
			counts["too high"]++
		}
	}
	if counts["too high"] > 80 || counts["None"] < 100 || counts["Metadata"] < 100 || counts["Request"] < 100 || counts["RequestResponse"] < 100 {
		t.Errorf("the generator does not reach everything, or the answer is often too high: %v", counts)
	}
}

type testPolicy struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Rules      []testRule `json:"rules"`
	OmitStages []string   `json:"omitStages,omitempty"`
}

type testRule struct {
	Level           string         `json:"level"`
	Users           []string       `json:"users,omitempty"`
	UserGroups      []string       `json:"userGroups,omitempty"`
	Verbs           []string       `json:"verbs,omitempty"`
	Namespaces      []string       `json:"namespaces,omitempty"`
	NonResourceURLs []string       `json:"nonResourceURLs,omitempty"`
	OmitStages      []string       `json:"omitStages,omitempty"`
	Resources       []testResource `json:"resources,omitempty"`
}

type testResource struct {
	Group         string   `json:"group,omitempty"`
	Resources     []string `json:"resources,omitempty"`
	ResourceNames []string `json:"resourceNames,omitempty"`
}

func randomPolicy(r *rand.Rand) testPolicy {
	some := func(of ...string) []string {
		if r.IntN(2) == 0 {
			return nil
		}
		var out []string
		for _, s := range of {
			if r.IntN(3) == 0 {
				out = append(out, s)
			}
		}
		return out
	}
	p := testPolicy{APIVersion: "audit.k8s.io/v1", Kind: "Policy", OmitStages: some("ResponseComplete", "RequestReceived")}
	for range 1 + r.IntN(6) {
		rule := testRule{
			Level: Levels[r.IntN(4)], Users: some("alice", "bob"), UserGroups: some("system:authenticated", "system:unauthenticated", "devs"),
			Verbs: some("create", "update", "patch", "get", "list", "watch", "delete", "deletecollection", "*"), OmitStages: some("ResponseComplete", "Panic"),
		}
		if r.IntN(8) == 0 {
			rule.NonResourceURLs = []string{"/healthz*"}
		} else {
			rule.Namespaces = some("shop", "kube-system", "")
			for range r.IntN(3) {
				rule.Resources = append(rule.Resources, testResource{
					Group:     []string{"", "", "*", "apps"}[r.IntN(4)],
					Resources: []string{"secrets", "*", "secrets/*", "pods", "*/status"}[r.IntN(5):][:1],
				})
				if r.IntN(3) == 0 {
					rule.Resources[len(rule.Resources)-1].ResourceNames = some("a", "b")
				}
			}
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

// levelByRequests applies the rules to requests, as the API server does.
func levelByRequests(p testPolicy) string {
	highest := 0
	for _, v := range secretVerbs {
		for _, user := range []string{"alice", "bob", "carol"} {
			for _, groups := range [][]string{{"system:authenticated"}, {"system:authenticated", "devs"}, {"system:unauthenticated"}} {
				for _, namespace := range []string{"shop", "kube-system", "other", ""} {
					for _, name := range []string{"a", "b", "c", ""} {
						i := slices.IndexFunc(p.Rules, func(r testRule) bool { return r.matches(user, groups, v.verb, namespace, name) })
						if i < 0 {
							continue
						}
						level := slices.Index(Levels, p.Rules[i].Level)
						omitted := slices.Concat(p.OmitStages, p.Rules[i].OmitStages)
						values := level == 2 && v.request || level == 3 && (v.request || v.response)
						if values && slices.Contains(omitted, "ResponseComplete") && slices.Contains(omitted, "Panic") {
							values = false
						}
						if level > 1 && !values {
							level = 1
						}
						highest = max(highest, level)
					}
				}
			}
		}
	}
	return Levels[highest]
}

func (r *testRule) matches(user string, groups []string, verb, namespace, name string) bool {
	in := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	if !in(r.Users, user) || !in(r.Verbs, verb) || !in(r.Namespaces, namespace) {
		return false
	}
	if len(r.UserGroups) > 0 && !slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(r.UserGroups, g) }) {
		return false
	}
	if len(r.Resources) == 0 {
		return len(r.Namespaces) > 0 || len(r.NonResourceURLs) == 0
	}
	return slices.ContainsFunc(r.Resources, func(gr testResource) bool {
		return (gr.Group == "" || gr.Group == "*") && slices.ContainsFunc(gr.Resources, func(s string) bool {
			return (s == "secrets" || s == "*" || s == "secrets/*") && in(gr.ResourceNames, name)
		})
	})
}

func FuzzParse(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		text, err := json.Marshal(randomPolicy(r))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n  resources:\n  - group: \"\"\n    resources: [secrets]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		level, rule, err := Parse(data)
		if err != nil && (level != "" || rule != 0) {
			t.Errorf("a level and an error: %s, %d", level, rule)
		}
		if err == nil && (!slices.Contains(Levels, level) || (rule == 0) != (level == "None")) {
			t.Errorf("level %q by rule %d", level, rule)
		}
		if err != nil && strings.Contains(err.Error(), "bug in this program") {
			t.Error(err)
		}
		_ = fmt.Sprint(err)
	})
}
