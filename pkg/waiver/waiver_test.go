package waiver

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", false},
		{"*", "web", true},
		{"web", "web", true},
		{"web", "web2", false},
		{"web-*", "web-", true},
		{"web-*", "web", false},
		{"*-web", "a-b-web", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"w?b", "web", true},
		{"w?b", "wb", false},
		{"[a]", "a", false},
		{strings.Repeat("*a", 100) + "b", strings.Repeat("a", 10_000), false}, // in time that is not exponential
	} {
		if got := Glob(tc.pattern, tc.text); got != tc.want {
			t.Errorf("%q matches %q: %v, want %v", tc.pattern, tc.text, got, tc.want)
		}
	}
}

// What changes by itself is no new evidence. What makes a finding worse is.
func TestItems(t *testing.T) {
	const workload, pod, node = "workload", "pod", "node"
	for name, tc := range map[string]struct {
		of            string
		source, value string
		want          []Item
	}{
		"a pod's name and a container's place are left out": {
			workload, "pod/shop/web-7d9f-x2 spec.containers[3].securityContext.privileged", "true",
			[]Item{{"spec.containers[].securityContext.privileged", "true"}},
		},
		"a controller's template has the fields of its pods": {
			workload, "web.yaml deployment/shop/web spec.template.spec.containers[0].image", "nginx",
			[]Item{{"spec.containers[].image", "nginx"}},
		},
		"a cron job's template too": {
			workload, "cronjob/shop/web spec.jobTemplate.spec.template.spec.hostPID", "true",
			[]Item{{"spec.hostPID", "true"}},
		},
		"a custom resource's pods are told apart": {
			workload, "mpijob/shop/web spec.mpiReplicaSpecs.Worker.template.spec.containers[0].securityContext.privileged", "true",
			[]Item{{"spec.mpiReplicaSpecs.Worker.template.spec.containers[].securityContext.privileged", "true"}},
		},
		"those in lists too": {
			workload, "raycluster/shop/web spec.workerGroupSpecs[1].template.spec.containers[0].securityContext.privileged", "true",
			[]Item{{"spec.workerGroupSpecs[1].template.spec.containers[].securityContext.privileged", "true"}},
		},
		"and the tasks of a pipeline": {
			workload, "pipeline/shop/web spec.tasks[2].taskSpec.steps[1].securityContext.privileged", "true",
			[]Item{{"spec.tasks[2].taskSpec.steps[].securityContext.privileged", "true"}},
		},
		"of a workflow as a whole, the template and the container stay": {
			pod, "workflowtemplate/shop/web spec.templates[1].container.securityContext.privileged", "true",
			[]Item{{"spec.templates[1].container.securityContext.privileged", "true"}},
		},
		"of a task as a whole, the step stays": {
			pod, "task/shop/web spec.steps[1].securityContext.privileged", "true",
			[]Item{{"spec.steps[1].securityContext.privileged", "true"}},
		},
		"a template in a template is read as it is written": {
			workload, "set/shop/web spec.template.spec.template.spec.containers[0].image", "a",
			[]Item{{"spec.template.spec.template.spec.containers[].image", "a"}},
		},
		"a file's name that begins like a node's": {
			workload, "node-exporter.yaml daemonset/shop/web spec.template.spec.volumes[0].hostPath.path", "/",
			[]Item{{"spec.volumes[].hostPath.path", "/"}},
		},
		"of a whole pod the container stays": {
			pod, "pod/shop/web-1 spec.containers[1].securityContext.privileged", "true",
			[]Item{{"spec.containers[1].securityContext.privileged", "true"}},
		},
		"of a whole pod the place of a volume is left out": {
			pod, "pod/shop/web-1 spec.volumes[1].hostPath.path", "/etc",
			[]Item{{"spec.volumes[].hostPath.path", "/etc"}},
		},
		"each capability is one": {
			workload, "pod/shop/web-1 spec.containers[0].securityContext.capabilities.add", "NET_ADMIN, SYS_MODULE",
			[]Item{{"spec.containers[].securityContext.capabilities.add", "NET_ADMIN"}, {"spec.containers[].securityContext.capabilities.add", "SYS_MODULE"}},
		},
		"a pid and the node of a pod are left out, a mask is not": {
			workload, "node/w1 /proc/2143/status CapEff", "0000000000200000 SYS_ADMIN",
			[]Item{{"node /proc/PID/status CapEff", "0000000000200000 SYS_ADMIN"}},
		},
		"a node's own finding keeps the node": {
			node, "node/w1 /etc/kubernetes/enc.yaml resources", "secrets: identity",
			[]Item{{"node/w1 /etc/kubernetes/enc.yaml resources", "secrets: identity"}},
		},
		"the number of a namespace is left out": {
			workload, "node/w1 /proc/7/ns/pid", "4026532001, the node's is 4026531836",
			[]Item{{"node /proc/PID/ns/pid", "N, the node's is N"}},
		},
		"how many processes is left out": {
			workload, "node/w1 /proc/7/status Uid", "0 0 0, of 12 processes",
			[]Item{{"node /proc/PID/status Uid", "0 0 0, of N processes"}},
		},
		"how many have a variable is left out": {
			workload, "node/w1 /proc/7/environ", "DB_PASSWORD: a password, of php-fpm and 12 more",
			[]Item{{"node /proc/PID/environ", "DB_PASSWORD: a password, of php-fpm"}},
		},
		"the states of containers count, their numbers do not": {
			workload, "drift state", "DETECTED 2, OPEN 1",
			[]Item{{"drift state", "DETECTED"}, {"drift state", "OPEN"}},
		},
		"a revision is left out": {
			node, "node/cp1 /var/lib/etcd/member/snap/db key /registry/secrets/shop/a rev 812", "identity (protobuf)",
			[]Item{{"node/cp1 /var/lib/etcd/member/snap/db key /registry/secrets/shop/a rev N", "identity (protobuf)"}},
		},
		"how many values are in plaintext counts": {
			node, "node/cp1 /var/lib/etcd/member/snap/db key /registry/secrets/shop/a", "2 older revisions in plaintext, the newest is 59",
			[]Item{{"node/cp1 /var/lib/etcd/member/snap/db key /registry/secrets/shop/a", "2 older revisions in plaintext, the newest is N"}},
		},
		"what a terminal would obey is escaped": {
			workload, "pod/shop/web-1 spec.volumes[0].hostPath.path", "/srv/\x1b]0;x",
			[]Item{{"spec.volumes[].hostPath.path", "/srv/^[]0;x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &api.Finding{
				Subject:  fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app"},
				Evidence: []api.Evidence{{Source: tc.source, Value: tc.value}},
			}
			switch tc.of {
			case pod:
				f.Subject.Container = ""
			case node:
				f.Subject = fact.Subject{Kind: fact.SubjectNode, Name: "w1"}
			}
			got := Items(f)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			for _, item := range got { // as they are read from a file
				if again := itemsOf(f.Subject.Kind, f.Subject.Container != "", item.Field, item.Value); len(again) != 1 || again[0] != item {
					t.Errorf("%q is read as %q", item, again)
				}
			}
		})
	}
}

// A finding without evidence is known by its message, and one that does not name all by that too.
func TestItemsOfTheMessage(t *testing.T) {
	f := &api.Finding{Subject: fact.Subject{Kind: "Deployment", Name: "web"}, Message: "3 files changed: a, b and 1 more"}
	if got := Items(f); len(got) != 1 || got[0] != (Item{"message", f.Message}) {
		t.Errorf("without evidence: %q", got)
	}
	f.Evidence = []api.Evidence{{Source: "node/w1 /a", Value: "changed"}}
	if got := Items(f); len(got) != 2 || got[0] != (Item{"message", f.Message}) {
		t.Errorf("with evidence that does not name all: %q", got)
	}
	for _, m := range []string{"fetches code; 1 more commands", "a was installed; 2 more differences", "a; 4 vulnerabilities more than are listed"} {
		f.Message = m
		if got := Items(f); len(got) != 2 || got[0] != (Item{"message", f.Message}) {
			t.Errorf("%q: %q", m, got)
		}
	}
	f.Message = "a changed"
	if got := Items(f); len(got) != 1 || got[0] != (Item{"node /a", "changed"}) {
		t.Errorf("with all evidence: %q", got)
	}
}

var (
	day    = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	shop   = fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app"}
	adding = "pod/shop/web-1 spec.containers[0].securityContext.capabilities.add"
)

func netAdmin(edits ...func(*Waiver)) Waiver {
	w := Waiver{
		Line: 4, Check: "privileged/added-capabilities", Subject: Subject{"Deployment", "shop", "web", "app"},
		Severity: api.Medium, Evidence: []Item{{"spec.containers[].securityContext.capabilities.add", "NET_ADMIN"}},
		Reason: "it routes", AcceptedBy: "ann", Accepted: day.AddDate(0, 0, -10), Expires: day,
	}
	for _, edit := range edits {
		edit(&w)
	}
	return w
}

func TestApply(t *testing.T) {
	fails := func(subject fact.Subject, severity api.Severity, capabilities string) api.Finding {
		return api.Finding{
			Check: "privileged/added-capabilities", Verdict: api.Fail, Severity: severity, Subject: subject, Message: "adds some",
			Evidence: []api.Evidence{{Source: adding, Value: capabilities}},
		}
	}
	of := func(edit func(*fact.Subject)) fact.Subject {
		s := shop
		edit(&s)
		return s
	}
	for name, tc := range map[string]struct {
		waivers []Waiver
		finding api.Finding
		at      time.Time
		verdict api.Verdict
		message string
		unused  string // detail of the first waiver, if it covers nothing
		expired string
	}{
		"what was accepted is covered, until its last second": {
			[]Waiver{netAdmin()}, fails(shop, api.Medium, "NET_ADMIN"), day.Add(24*time.Hour - time.Second), api.Accepted, "adds some", "", "",
		},
		"the day after, it fails again": {
			[]Waiver{netAdmin()},
			fails(shop, api.Medium, "NET_ADMIN"), day.Add(24 * time.Hour), api.Fail,
			"adds some; its waiver expired on 2026-11-29", "", "expired on 2026-11-29; what it covered fails again",
		},
		"one value more fails again": {
			[]Waiver{netAdmin()},
			fails(shop, api.Medium, "NET_ADMIN, SYS_MODULE"), day, api.Fail,
			"adds some; more than was accepted: securityContext.capabilities.add SYS_MODULE", "more than was accepted: securityContext.capabilities.add SYS_MODULE", "",
		},
		"a higher severity fails again": {
			[]Waiver{netAdmin()},
			fails(shop, api.High, "NET_ADMIN"), day, api.Fail,
			"adds some; more than was accepted: severity high instead of medium", "more than was accepted: severity high instead of medium", "",
		},
		"a lower severity is covered": {
			[]Waiver{netAdmin()}, fails(shop, api.Low, "NET_ADMIN"), day, api.Accepted, "adds some", "", "",
		},
		"less than was accepted is covered": {
			[]Waiver{netAdmin(func(w *Waiver) { w.Evidence[0].Value = "NET_ADMIN, SYS_TIME" })}, fails(shop, api.Medium, "SYS_TIME"), day, api.Accepted, "adds some", "", "",
		},
		"another container is not covered": {
			[]Waiver{netAdmin()}, fails(of(func(s *fact.Subject) { s.Container = "sidecar" }), api.Medium, "NET_ADMIN"), day, api.Fail, "adds some", "no finding fails there", "",
		},
		"the pod as a whole is not covered by a waiver of a container": {
			[]Waiver{netAdmin()}, fails(of(func(s *fact.Subject) { s.Container = "" }), api.Medium, "NET_ADMIN"), day, api.Fail, "adds some", "no finding fails there", "",
		},
		"another kind of the same name is not covered": {
			[]Waiver{netAdmin()}, fails(of(func(s *fact.Subject) { s.Kind = "StatefulSet" }), api.Medium, "NET_ADMIN"), day, api.Fail, "adds some", "no finding fails there", "",
		},
		"a glob covers names, within its namespace": {
			[]Waiver{netAdmin(func(w *Waiver) { w.Subject.Name = "w*" })}, fails(shop, api.Medium, "NET_ADMIN"), day, api.Accepted, "adds some", "", "",
		},
		"a glob does not reach another namespace": {
			[]Waiver{netAdmin(func(w *Waiver) { w.Subject.Name = "*" })}, fails(of(func(s *fact.Subject) { s.Namespace = "ci" }), api.Medium, "NET_ADMIN"), day, api.Fail, "adds some", "no finding fails there", "",
		},
		"another check is not covered": {
			[]Waiver{netAdmin(func(w *Waiver) { w.Check = "privileged/host-path" })}, fails(shop, api.Medium, "NET_ADMIN"), day, api.Fail, "adds some", "no finding fails there", "",
		},
		"another cluster is not covered": {
			[]Waiver{netAdmin(func(w *Waiver) { w.Cluster = "other" })}, fails(shop, api.Medium, "NET_ADMIN"), day, api.Fail, "adds some", "for another cluster", "",
		},
		"this cluster is covered": {
			[]Waiver{netAdmin(func(w *Waiver) { w.Cluster = "this" })}, fails(shop, api.Medium, "NET_ADMIN"), day, api.Accepted, "adds some", "", "",
		},
		"unknown is never covered": {
			[]Waiver{netAdmin()},
			api.Finding{Check: "privileged/added-capabilities", Verdict: api.VerdictUnknown, Subject: shop, Message: "not read"},
			day, api.VerdictUnknown,
			"not read", "unknown is never covered", "",
		},
		"a pass has nothing to accept": {
			[]Waiver{netAdmin()},
			api.Finding{Check: "privileged/added-capabilities", Verdict: api.Pass, Subject: shop, Message: "adds none"},
			day, api.Pass,
			"adds none", "no finding fails there", "",
		},
		"two waivers do not add up": {
			[]Waiver{netAdmin(), netAdmin(func(w *Waiver) { w.Subject.Name, w.Evidence[0].Value = "we?", "SYS_MODULE" })},
			fails(shop, api.Medium, "NET_ADMIN, SYS_MODULE"), day, api.Fail,
			"adds some; more than was accepted: securityContext.capabilities.add SYS_MODULE", "more than was accepted: securityContext.capabilities.add SYS_MODULE", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			use := New(tc.waivers).Begin("this", tc.at, nil)
			f := tc.finding
			use.Apply(&f)
			if f.Verdict != tc.verdict || f.Message != tc.message {
				t.Errorf("%s: %q, want %s: %q", f.Verdict, f.Message, tc.verdict, tc.message)
			}
			want := &api.WaiverUse{Waivers: len(tc.waivers)}
			note := api.WaiverNote{Line: 4, Check: tc.waivers[0].Check}
			switch {
			case tc.verdict == api.Accepted:
				want.Used = 1
				if diff := cmp.Diff(&api.Acceptance{Reason: "it routes", AcceptedBy: "ann", Accepted: "2026-11-19", Expires: "2026-11-29", Line: 4}, f.Accepted); diff != "" {
					t.Errorf("acceptance (-want +got):\n%s", diff)
				}
			case tc.expired != "":
				note.Detail = tc.expired
				want.Expired = []api.WaiverNote{note}
			default:
				note.Detail = tc.unused
				want.Unused = []api.WaiverNote{note}
			}
			got := use.Report(everyCheck)
			if len(got.Unused) > 1 {
				got.Unused = got.Unused[:1]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("use (-want +got):\n%s", diff)
			}
		})
	}
}

func everyCheck(string) bool { return true }

// A waiver is not called unused where nobody looked.
func TestCheckDidNotRun(t *testing.T) {
	use := New([]Waiver{netAdmin()}).Begin("", day, nil)
	got := use.Report(func(check string) bool { return check != "privileged/added-capabilities" }).Unused
	if len(got) != 1 || got[0].Detail != "its check did not run" {
		t.Errorf("use: %+v", got)
	}
}

// A cluster that was not read is not the one that a waiver names.
func TestClusterNotRead(t *testing.T) {
	use := New([]Waiver{netAdmin(func(w *Waiver) { w.Cluster = "this" })}).Begin("", day, nil)
	f := api.Finding{Check: "privileged/added-capabilities", Verdict: api.Fail, Severity: api.Low, Subject: shop, Evidence: []api.Evidence{{Source: adding, Value: "NET_ADMIN"}}}
	if use.Apply(&f); f.Verdict != api.Fail {
		t.Errorf("covered: %+v", f)
	}
	if got := use.Report(everyCheck).Unused; len(got) != 1 || got[0].Detail != "for a named cluster, and the UID of namespace kube-system was not read" {
		t.Errorf("use: %+v", got)
	}
}

// An aggregate is named exactly, whatever its name looks like.
func TestAggregatesHaveNoGlobs(t *testing.T) {
	for _, subject := range []Subject{{Kind: fact.SubjectContainer, Namespace: "shop", Name: "a*"}, {Kind: fact.SubjectContainer, Namespace: "s*", Name: "abc"}} {
		w := netAdmin(func(w *Waiver) { w.Subject = subject })
		f := api.Finding{Check: w.Check, Verdict: api.Fail, Severity: api.Low, Subject: fact.Subject{Kind: fact.SubjectContainer, Namespace: "shop", Name: "abc"}}
		f.Evidence = []api.Evidence{{Source: adding, Value: "NET_ADMIN"}}
		w.Evidence = Items(&f)
		use := New([]Waiver{w}).Begin("", day, nil)
		if use.Touches(&f.Subject) {
			t.Errorf("a glob touches %+v", f)
		}
		if use.Apply(&f); f.Verdict != api.Fail {
			t.Errorf("a glob covers %+v", f)
		}
	}
}

// A pattern matches what its regular expression matches.
func FuzzGlob(f *testing.F) {
	for _, pair := range [][2]string{{"a*c?", "abbcd"}, {"**", ""}, {"", ""}, {"*a*a*b", "aaaaaaaaab"}, {"?", "\xff"}, {"[a].+", "[a].+"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 50 || len(text) > 200 {
			return
		}
		// Bytes, as runes of the same numbers: a regular expression knows no others.
		runes := func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				b.WriteRune(rune(s[i]))
			}
			return b.String()
		}
		expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(runes(pattern)))
		want := regexp.MustCompile(`^(?s:` + expression + `)$`).MatchString(runes(text))
		if (pattern == "") != (text == "") {
			want = false
		}
		if got := Glob(pattern, text); got != want {
			t.Errorf("%q of %q: want %t, got %t", pattern, text, want, got)
		}
	})
}

// Items of any evidence are sorted, each once, and the same when they are made again.
func FuzzItems(f *testing.F) {
	f.Add("DaemonSet", "agent", "pod/kube-system/cni-x1 spec.containers[0].securityContext.privileged", "true", "privileged")
	f.Add("Node", "", "node/a /proc/17/status CapEff", "0000003fffffffff", "3 more")
	f.Add("Pod", "c", "a.yaml:3 pod/shop/web spec.containers[12].image", "https://u:p@x/y@sha256:00", "a, b and 2 others")
	f.Add("", "", "\xff", "\u202e\x1b[31m", "")
	f.Fuzz(func(t *testing.T, kind, container, source, value, text string) {
		finding := api.Finding{Message: text, Subject: fact.Subject{Kind: kind, Container: container}, Evidence: []api.Evidence{{Source: source, Value: value}, {Source: value, Value: source}}}
		items := Items(&finding)
		if !slices.IsSortedFunc(items, compareItems) || len(slices.Compact(slices.Clone(items))) != len(items) || !slices.Equal(items, Items(&finding)) {
			t.Errorf("%q", items)
		}
		for _, item := range items {
			if !utf8.ValidString(item.Field+item.Value) || strings.ContainsAny(item.Field+item.Value, "\n\x1b\x00\u202e") {
				t.Errorf("%q", item)
			}
		}
	})
}
