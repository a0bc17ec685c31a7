package drift

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

const (
	agentUID  = "6f1c0e52-0000-4000-8000-00000000000a"
	agentMark = "kubearmor-shop-web-app (enforce)"
)

var agentID = strings.Repeat("c", 64)

// armored is a container with a writable root, whose processes have KubeArmor's profile, on a
// node with KubeArmor's process, under a policy that blocks all programs.
func armored(edits ...func(*fact.Set)) *fact.Set {
	set := hardened(writableRoot, process(func(p *fact.Process) { p.Label = agentMark }))
	agent := ft.With(func(p *fact.Process) {
		p.PID, p.Exe = 900, &fact.Executable{Path: "/KubeArmor/kubearmor", Origin: fact.OriginImage}
	})
	agent.ID, agent.PodUID = agentID, agentUID
	node := &set.Nodes[0]
	node.Measured.Containers = append(node.Measured.Containers, agent)
	set.Workloads = append(set.Workloads, fact.Workload{
		Owner: fact.Subject{Kind: fact.SubjectDaemonSet, Namespace: "kubearmor", Name: "kubearmor"},
		Spec:  fact.PodSpec{Containers: []fact.Container{{Name: "kubearmor", Image: "kubearmor/kubearmor:v1"}}},
		Pods: []fact.Pod{{
			Name: "kubearmor-1", UID: agentUID, Node: node.Name, Phase: "Running",
			Containers: []fact.ContainerStatus{{Name: "kubearmor", ID: agentID, Running: true}},
		}},
	})
	set.Workloads[0].Spec.Labels = map[string]string{"app": "web"}
	set.Enforcement = &fact.Enforcement{EnginesRead: true, DryRuns: []fact.DryRun{{Namespace: "shop", Unset: fact.DryRunAllowed}}, Engines: []fact.Engine{{
		Name: "KubeArmor", Agent: true, Mark: "kubearmor-", Seen: []string{"daemonset/kubearmor/kubearmor"}, Mode: fact.EngineBlocks, Why: "KubeArmorPolicy none",
		Pods: []fact.EnginePod{{Node: node.Name, UID: agentUID, Container: agentID}}, Desired: 1,
		Programs: []fact.EnginePolicy{{Name: "KubeArmorPolicy none", Namespace: "shop", Labels: map[string]string{"app": "web"}, Blocks: true}},
	}}}
	return ft.Edit(set, edits...)
}

func engineOf(s *fact.Set) *fact.Engine { return &s.Enforcement.Engines[0] }

func policyOf(s *fact.Set) *fact.EnginePolicy { return &engineOf(s).Programs[0] }

// app is the measured container that the agent may protect, agent that of the agent.
func app(s *fact.Set) *fact.MeasuredContainer   { return &s.Nodes[0].Measured.Containers[0] }
func agent(s *fact.Set) *fact.MeasuredContainer { return &s.Nodes[0].Measured.Containers[1] }

// stateOfApp is the state of the container, and what shows an agent.
func stateOfApp(t *testing.T, set *fact.Set) (State, []api.Evidence) {
	t.Helper()
	v := checks.NewView(set)
	seen, _ := checks.RunningContainers(v, fact.Mounts)
	i := slices.IndexFunc(seen, func(r checks.Running) bool { return r.Measured.ID == ft.ID })
	if i < 0 {
		t.Fatal("the container was not seen")
	}
	state, s := stateOf(v, seen[i])
	if s == nil {
		return state, nil
	}
	return state, s.evidence
}

func TestAnAgentPrevents(t *testing.T) {
	set := armored()
	state, evidence := stateOfApp(t, set)
	node := "node/" + set.Nodes[0].Name
	want := []api.Evidence{
		{Source: "KubeArmor KubeArmorPolicy shop/none", Value: "blocks new programs", Basis: api.Declared},
		{Source: node + " /proc/900/exe", Value: "process of KubeArmor: /KubeArmor/kubearmor"},
		{Source: node + " /proc/100/attr/current", Value: agentMark},
	}
	if state != Prevented || !slices.Equal(evidence, want) {
		t.Errorf("%s %+v, want PREVENTED %+v", state, evidence, want)
	}
	// The findings about the root and the mounts name it.
	found := checks.OfSet(judgeWritableExecutableMounts)(armored(func(s *fact.Set) { app(s).Mounts = append(app(s).Mounts, emptyDir()) }))
	if !slices.ContainsFunc(found, func(f api.Finding) bool { return f.Verdict == api.Fail && slices.Contains(f.Evidence, want[2]) }) {
		t.Errorf("no finding has the mark in its evidence: %+v", found)
	}
}

// What only looks like an agent prevents nothing, and neither does an agent that is not there.
func TestImpostorsPreventNothing(t *testing.T) {
	open := map[string]func(*fact.Set){
		"nothing was read of engines":                  func(s *fact.Set) { s.Enforcement = nil },
		"an engine of another version of this program": func(s *fact.Set) { engineOf(s).Name = "KubeShield" },
		"only a resource and a policy":                 func(s *fact.Set) { engineOf(s).Pods, engineOf(s).Images = nil, nil },
		"a DaemonSet with the image, and none ready":   func(s *fact.Set) { engineOf(s).Pods, engineOf(s).Images = nil, []string{"kubearmor/kubearmor:v1"} },
		"ready on another node":                        func(s *fact.Set) { engineOf(s).Pods[0].Node = "another" },
		"ready on another node, beside a pod that is not the agent's": func(s *fact.Set) {
			engineOf(s).Pods = []fact.EnginePod{{Node: s.Nodes[0].Name, UID: "x", Container: "x"}, {Node: "z", UID: agentUID, Container: agentID}}
		},
		"ready there, and its process was not measured": func(s *fact.Set) { agent(s).Processes = nil },
		"ready there, and its container was not seen":   func(s *fact.Set) { s.Nodes[0].Measured.Containers = s.Nodes[0].Measured.Containers[:1] },
		"the image, and another program runs":           func(s *fact.Set) { agent(s).Processes[0].Exe.Path = "/bin/sleep" },
		"its executable was not read":                   func(s *fact.Set) { agent(s).Processes[0].Exe = nil },
		"a name that the process gave itself":           func(s *fact.Set) { agent(s).Processes[0].Exe, agent(s).Processes[0].Comm = nil, "kubearmor" },
		"the program, in a pod of another owner":        func(s *fact.Set) { engineOf(s).Pods[0].UID = "6f1c0e52-0000-4000-8000-00000000000b" },
		"the program, in another container of the pod":  func(s *fact.Set) { engineOf(s).Pods[0].Container = strings.Repeat("b", 64) },
		"a pod of which the API server names no id":     func(s *fact.Set) { engineOf(s).Pods[0].Container = "" },
		"its sandbox":                                 func(s *fact.Set) { agent(s).Sandbox = true },
		"no policy":                                   func(s *fact.Set) { engineOf(s).Programs = nil },
		"a policy about roots":                        func(s *fact.Set) { engineOf(s).Programs, engineOf(s).WritableRoot = nil, engineOf(s).Programs },
		"a policy that reports":                       func(s *fact.Set) { policyOf(s).Blocks = false },
		"a policy with a doubt":                       func(s *fact.Set) { policyOf(s).Doubt = "it blocks the programs that it names, and no new ones" },
		"a policy of another namespace":               func(s *fact.Set) { policyOf(s).Namespace = "other" },
		"a policy that leaves the namespace out":      func(s *fact.Set) { policyOf(s).Namespace, policyOf(s).Except = "", []string{"sh*"} },
		"a policy for other labels":                   func(s *fact.Set) { policyOf(s).Labels = map[string]string{"app": "db"} },
		"a container without the mark":                func(s *fact.Set) { app(s).Processes[0].Label = "cri-containerd.apparmor.d (enforce)" },
		"a container whose mark was not read":         func(s *fact.Set) { app(s).Processes[0].Label = "" },
		"a mark that is not enforced":                 func(s *fact.Set) { app(s).Processes[0].Label = "kubearmor-shop-web-app (complain)" },
		"a mark without a mode":                       func(s *fact.Set) { app(s).Processes[0].Label = "kubearmor-shop-web-app" },
		"a process without the mark beside one":       func(s *fact.Set) { app(s).Processes = append(app(s).Processes, second(1000)) },
		"facts whose mark is any":                     func(s *fact.Set) { engineOf(s).Mark, app(s).Processes[0].Label = "", "unconfined" },
		"a container that can mount":                  func(s *fact.Set) { caps(21)(app(s)) },
		"an engine at admission that claims the same": func(s *fact.Set) { engineOf(s).Name = "Kyverno" },
		"an agent that only detects, with all the signs": func(s *fact.Set) {
			engineOf(s).Name, agent(s).Processes[0].Exe.Path, policyOf(s).Blocks = "Falco", "/usr/bin/falco", false
		},
	}
	for name, edit := range open {
		t.Run(name, func(t *testing.T) {
			if state, evidence := stateOfApp(t, armored(edit)); state != Open || evidence != nil {
				t.Errorf("%s %+v, want OPEN", state, evidence)
			}
		})
	}
	// An agent turns no other state.
	for name, tc := range map[string]struct {
		edit func(*fact.Set)
		want State
	}{
		"drift was found":   {func(s *fact.Set) { app(s).Processes[0].Exe.Origin = fact.OriginMemfd }, Detected},
		"a fact is missing": {func(s *fact.Set) { app(s).Upper = nil }, Unknown},
		"a gap of its processes": {func(s *fact.Set) {
			s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Container: ft.ID, Reason: fact.Timeout}}
		}, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			if state, _ := stateOfApp(t, armored(tc.edit)); state != tc.want {
				t.Errorf("%s, want %s", state, tc.want)
			}
		})
	}
}

// What engines claim is named beside what the server says, and never decides.
func TestEnginesClaim(t *testing.T) {
	kyverno := func(s *fact.Set) {
		s.Enforcement.Engines = []fact.Engine{{
			Name: "Kyverno", Seen: []string{"resource clusterpolicies.kyverno.io"}, Mode: fact.EngineBlocks, Why: "ClusterPolicy ro",
			WritableRoot: []fact.EnginePolicy{{Name: "ClusterPolicy audit"}, {Name: "ClusterPolicy ro", Blocks: true}},
		}}
	}
	notAsked := func(s *fact.Set) { s.Enforcement.DryRuns = nil }
	gap := func(s *fact.Set) {
		s.Gaps = []fact.Gap{{What: fact.Enforcing, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden}}
	}
	claim := func(source, value string) api.Evidence {
		return api.Evidence{Source: source, Value: value, Basis: api.Declared}
	}
	const asked = "the API server was not asked what it refuses there"
	for name, tc := range map[string]struct {
		set     *fact.Set
		verdict api.Verdict
		reason  fact.Reason
		message string // the beginning
		want    []api.Evidence
	}{
		"the server allows it, and the engine claims to block": {
			armored(kyverno), api.Fail, "", "nothing refuses a pod with a writable root",
			[]api.Evidence{claim("Kyverno ClusterPolicy ro", "claims to block pods with a writable root")},
		},
		"nobody asked": {
			armored(kyverno, notAsked), api.VerdictUnknown, fact.NotRequested, asked + "; Kyverno claims to block pods with a writable root, which is no evidence",
			[]api.Evidence{claim("Kyverno ClusterPolicy ro", "claims to block pods with a writable root")},
		},
		"no right to ask": {
			armored(kyverno, notAsked, gap), api.VerdictUnknown, fact.Forbidden, asked + "; Kyverno claims to block pods with a writable root, which is no evidence",
			[]api.Evidence{claim("Kyverno ClusterPolicy ro", "claims to block pods with a writable root")},
		},
		"a policy with a doubt": {
			armored(kyverno, notAsked, func(s *fact.Set) { engineOf(s).WritableRoot[1].Doubt = "its preconditions were not evaluated" }),
			api.VerdictUnknown, fact.NotRequested, asked + "; Kyverno claims",
			[]api.Evidence{claim("Kyverno ClusterPolicy ro", "claims to block pods with a writable root, but its preconditions were not evaluated")},
		},
		"the policy without a doubt counts": {
			armored(kyverno, notAsked, func(s *fact.Set) {
				engineOf(s).WritableRoot = []fact.EnginePolicy{{Name: "ClusterPolicy a", Blocks: true, Doubt: "d"}, {Name: "ClusterPolicy b", Blocks: true}, {Name: "ClusterPolicy c", Blocks: true, Doubt: "d"}}
			}),
			api.VerdictUnknown, fact.NotRequested, asked + "; Kyverno claims",
			[]api.Evidence{claim("Kyverno ClusterPolicy b", "claims to block pods with a writable root")},
		},
		"a policy that reports": {
			armored(kyverno, notAsked, func(s *fact.Set) { engineOf(s).WritableRoot = engineOf(s).WritableRoot[:1] }),
			api.VerdictUnknown, fact.NotRequested, asked,
			[]api.Evidence{claim("Kyverno ClusterPolicy audit", "reports pods with a writable root")},
		},
		"a policy elsewhere": {
			armored(kyverno, notAsked, func(s *fact.Set) {
				engineOf(s).WritableRoot[0].Namespace, engineOf(s).WritableRoot[1].Namespace = "x", "x"
			}),
			api.VerdictUnknown, fact.NotRequested, asked,
			[]api.Evidence{claim("Kyverno resource clusterpolicies.kyverno.io", "none of its policies holds there")},
		},
		"installed, and nobody asks it": {
			armored(kyverno, func(s *fact.Set) {
				*engineOf(s) = fact.Engine{Name: "Kyverno", Seen: []string{"resource clusterpolicies.kyverno.io"}, Mode: fact.EngineOff, Why: "it has no webhook configuration"}
			}),
			api.Fail, "", "nothing refuses",
			[]api.Evidence{claim("Kyverno resource clusterpolicies.kyverno.io", "blocks nothing: it has no webhook configuration")},
		},
		"an agent that is not there": {
			armored(func(s *fact.Set) { agent(s).Processes = nil }), api.Fail, "", "nothing refuses",
			[]api.Evidence{claim("KubeArmor KubeArmorPolicy shop/none", "claims to block new programs; ready on 1 of 1 node, and its process was measured on 0 of 1 node")},
		},
		"an agent that detects": {
			armored(func(s *fact.Set) {
				agent(s).Processes[0].Exe.Path = "/usr/bin/falco"
				e := engineOf(s)
				e.Name, e.Mode, e.Why, e.Programs, e.Desired, e.Seen = "Falco", fact.EngineDetects, "Falco reports", nil, 3, []string{"daemonset/falco/falco"}
			}),
			api.Fail, "", "nothing refuses",
			[]api.Evidence{claim("Falco daemonset/falco/falco", "claims to detect, and blocks nothing: Falco reports; ready on 1 of 3 nodes, and its process was measured on 1 of 1 node")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := checks.OfSet(judgeEnforcement)(tc.set)
			i := slices.IndexFunc(found, func(f api.Finding) bool { return f.Subject.Name == "shop" })
			if i < 0 {
				t.Fatalf("no finding about the namespace: %+v", found)
			}
			f := found[i]
			if f.Verdict != tc.verdict || f.Reason != tc.reason || !strings.HasPrefix(f.Message, tc.message) || f.Severity == api.Low {
				t.Errorf("%s %s %s %q", f.Verdict, f.Reason, f.Severity, f.Message)
			}
			if n := len(f.Evidence) - len(tc.want); n < 0 || !slices.Equal(f.Evidence[n:], tc.want) {
				t.Errorf("evidence %+v, want at the end %+v", f.Evidence, tc.want)
			}
		})
	}
	// With the agent in force, the missing policy at admission is low.
	found := checks.OfSet(judgeEnforcement)(armored())
	if i := slices.IndexFunc(found, func(f api.Finding) bool { return f.Subject.Name == "shop" }); i < 0 || found[i].Verdict != api.Fail || found[i].Severity != api.Low {
		t.Errorf("%+v", found)
	}
}
