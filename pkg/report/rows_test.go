package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// failing makes a finding: "severity basis check kind/namespace/name[:container] message".
func failing(t *testing.T, line string) api.Finding {
	t.Helper()
	words := strings.SplitN(line, " ", 5)
	if len(words) != 5 {
		t.Fatalf("%q: want five words", line)
	}
	parts := strings.Split(words[3], "/")
	name, container, _ := strings.Cut(parts[len(parts)-1], ":")
	s := fact.Subject{Kind: parts[0], Name: name, Container: container}
	if len(parts) == 3 {
		s.Namespace, s.Platform = parts[1], parts[1] == "kube-system"
	}
	f := api.Finding{
		Check: words[2], Question: questionOf(words[2]), Verdict: api.Fail, Severity: api.Severity(words[0]), Basis: api.Basis(words[1]),
		Subject: s, Message: words[4], Remediation: api.Remediation{Text: "Mend " + words[2] + ". Then look again."},
		Evidence: []api.Evidence{{Source: "node/w1 /proc/1/x", Value: "v", Basis: api.Basis(words[1])}},
	}
	if words[0] == "unknown" {
		f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, api.High, fact.Unreadable
	}
	return f
}

func allFailing(t *testing.T, lines ...string) []api.Finding {
	t.Helper()
	var findings []api.Finding
	for _, line := range lines {
		findings = append(findings, failing(t, line))
	}
	return findings
}

// drawn is a row in one line.
func drawn(r *row) string {
	text := fmt.Sprintf("%s %s: %s", severityCell(r.finding).Text, r.subjects.String(), r.message())
	return strings.Join(strings.Fields(text+" ["+r.ids()+"] "+strings.Join(r.also, ",")+" "+r.moreWords(0)), " ")
}

func drawnRows(rows []*row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, drawn(r))
	}
	return out
}

func TestRows(t *testing.T) {
	for name, tc := range map[string]struct {
		findings             []string
		byMessage, bySubject []string
	}{
		"counts are of subjects, not of containers": {
			[]string{
				"critical declared privileged/a DaemonSet/kube-system/calico:one privileged",
				"critical declared privileged/a DaemonSet/kube-system/calico:two privileged",
				"critical declared privileged/a DaemonSet/kube-system/proxy:three privileged",
			},
			[]string{"critical 2 DaemonSets (kube-system/calico, proxy): privileged [privileged/a]"},
			[]string{"critical 2 DaemonSets (kube-system/calico, proxy): privileged [privileged/a]"},
		},
		"containers of one subject are named": {
			[]string{"high measured drift/a Deployment/shop/web:app runs x", "high measured drift/a Deployment/shop/web:side runs x"},
			[]string{"high deploy/shop/web:app,side: runs x [drift/a]"},
			[]string{"high deploy/shop/web:app,side: runs x [drift/a]"},
		},
		"a running miner that was added is one row, with both": {
			[]string{
				"high measured immutable/added Deployment/shop/web:app added: /tmp/x",
				"high measured drift/running Deployment/shop/web:app runs /tmp/x",
				"medium measured drift/writable-root Deployment/shop/web:app writable",
				"low declared immutable/tag Deployment/shop/web:app a tag",
			},
			[]string{
				"high deploy/shop/web:app: runs /tmp/x [drift/running]",
				"high deploy/shop/web:app: added: /tmp/x [immutable/added]",
				"medium deploy/shop/web:app: writable [drift/writable-root]",
				"low deploy/shop/web:app: a tag [immutable/tag]",
			},
			[]string{"high deploy/shop/web:app: runs /tmp/x; added: /tmp/x [drift/running] immutable/added +3 more"},
		},
		"the same words of two checks are said once": {
			[]string{
				"medium measured immutable/writable-root Deployment/shop/web:app its root is writable",
				"medium measured drift/writable-root Deployment/shop/web:app its root is writable; its root is writable by default",
				"medium measured immutable/writable-root Deployment/shop/api:app its root is writable",
				"medium measured drift/writable-root Deployment/shop/api:app its root is writable",
			},
			[]string{
				"medium deploy/shop/web:app: its root is writable [immutable/writable-root]",
				"medium deploy/shop/api:app: its root is writable [immutable/writable-root,drift/writable-root]",
				"medium deploy/shop/web:app: its root is writable by default [drift/writable-root]",
			},
			[]string{
				"medium deploy/shop/web:app: its root is writable [immutable/writable-root] +1 more",
				"medium deploy/shop/api:app: its root is writable [immutable/writable-root,drift/writable-root]",
			},
		},
		"nodes that differ in numbers share a row, which quotes the first": {
			[]string{
				"high measured hosts/updates Node/a 3 updates pending: bash, tar",
				"high measured hosts/updates Node/b 11 updates pending: curl",
				"high measured hosts/kernel Node/a runs kernel 6.8.0-45",
			},
			[]string{
				"high 2 nodes (a, b): a: 3 updates pending: bash, tar [hosts/updates]",
				"high node/a: runs kernel 6.8.0-45 [hosts/kernel]",
			},
			[]string{"high 2 nodes (a, b): a: 3 updates pending: bash, tar [hosts/updates] hosts/kernel +1 more"},
		},
		"other subjects that differ in a word do not": {
			[]string{"high declared privileged/a Pod/shop/a mounts /srv/1", "high declared privileged/a Pod/shop/b mounts /srv/2"},
			[]string{"high pod/shop/a: mounts /srv/1 [privileged/a]", "high pod/shop/b: mounts /srv/2 [privileged/a]"},
			[]string{"high pod/shop/a: mounts /srv/1 [privileged/a]", "high pod/shop/b: mounts /srv/2 [privileged/a]"},
		},
		"the user's own and the platform's are apart": {
			[]string{"high declared privileged/a Pod/kube-system/a shares", "high declared privileged/a Pod/shop/b shares"},
			[]string{"high pod/shop/b: shares [privileged/a]", "high pod/kube-system/a: shares [privileged/a]"},
			[]string{"high pod/shop/b: shares [privileged/a]", "high pod/kube-system/a: shares [privileged/a]"},
		},
		"what is known of a container counts before what is said of its pod": {
			[]string{"high declared builds/agent Pod/ci/x is an agent", "high declared builds/socket Pod/ci/x:docker mounts the socket"},
			[]string{"high pod/ci/x: is an agent [builds/agent]", "high pod/ci/x:docker: mounts the socket [builds/socket]"},
			[]string{"high pod/ci/x:docker: mounts the socket; is an agent [builds/socket] builds/agent +1 more"},
		},
		"unknown comes last, and is one of the others": {
			[]string{"unknown measured drift/a Pod/shop/a not read", "low declared drift/b Pod/shop/a a tag", "unknown measured drift/a Pod/shop/b not read"},
			[]string{"low pod/shop/a: a tag [drift/b]", "unknown 2 Pods (shop/a, b): not read [drift/a]"},
			[]string{"low pod/shop/a: a tag [drift/b] +1 more", "unknown pod/shop/b: not read [drift/a]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			list := statements(allFailing(t, tc.findings...))
			if diff := cmp.Diff(tc.byMessage, drawnRows(byMessage(list))); diff != "" {
				t.Errorf("by message (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.bySubject, drawnRows(bySubject(list))); diff != "" {
				t.Errorf("by subject (-want +got):\n%s", diff)
			}
		})
	}
}

// A summary has a row for every question that is answered no, and counts the
// rows that it leaves out.
func TestSummarize(t *testing.T) {
	no := func(questions ...api.Question) []api.Answer {
		var answers []api.Answer
		for _, q := range questions {
			answers = append(answers, api.Answer{Question: q, Answer: api.No})
		}
		return answers
	}
	findings := allFailing(
		t,
		"critical measured secrets/a Secret/shop/s plaintext",
		"high declared privileged/a Pod/shop/a shares",
		"high declared privileged/b Pod/shop/b mounts",
		"medium declared builds/a Pod/shop/c runs kaniko",
		"medium measured drift/a Pod/shop/a writable",
		"low measured immutable/a Pod/shop/d a tag",
	)
	for name, tc := range map[string]struct {
		answers []api.Answer
		limit   int
		want    []string
		more    int
	}{
		"all fit": {
			no(api.Secrets), 9,
			[]string{
				"critical secret/shop/s: plaintext [secrets/a]", "high pod/shop/a: shares [privileged/a] +1 more", "high pod/shop/b: mounts [privileged/b]",
				"medium pod/shop/c: runs kaniko [builds/a]", "low pod/shop/d: a tag [immutable/a]",
			},
			0,
		},
		"the first ones, and how many more": {
			nil, 2,
			[]string{"critical secret/shop/s: plaintext [secrets/a]", "high pod/shop/a: shares [privileged/a] +1 more"},
			3,
		},
		"a no that is further down": {
			no(api.Builds, api.Secrets), 1,
			[]string{"critical secret/shop/s: plaintext [secrets/a]", "medium pod/shop/c: runs kaniko [builds/a]"},
			3,
		},
		"a no that is of a subject of which something else is worse": {
			no(api.Drift), 1,
			[]string{"critical secret/shop/s: plaintext [secrets/a]", "medium pod/shop/a: writable [drift/a]"},
			4,
		},
		"a low fail is no reason for a no": {
			no(api.Immutable), 1,
			[]string{"critical secret/shop/s: plaintext [secrets/a]"},
			4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			rows, more := summarize(statements(findings), tc.answers, tc.limit)
			if diff := cmp.Diff(tc.want, drawnRows(rows)); diff != "" || more != tc.more {
				t.Errorf("%d more, want %d; rows (-want +got):\n%s", more, tc.more, diff)
			}
		})
	}
}

func TestSay(t *testing.T) {
	for in, want := range map[string]string{
		"privileged": "privileged",
		"its root is writable; its root is writable":     "its root is writable",
		"a root; a root by default":                      "a root by default",
		"a root by default: nothing is declared; a root": "a root by default: nothing is declared",
		"adds SYS_TIME; adds SYS_TIMER":                  "adds SYS_TIME; adds SYS_TIMER",
		"one; two":                                       "one; two",
		"red \x1b[31m":                                   "red ^[[31m",
	} {
		if got := say(in); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

// With very many rows those of low severity are only counted, unless there are no others.
func TestFoldLow(t *testing.T) {
	rows := func(severe, low, unknown int) []*row {
		var out []*row
		add := func(n int, f api.Finding) {
			for range n {
				out = append(out, &row{finding: &f})
			}
		}
		add(severe, api.Finding{Verdict: api.Fail, Severity: api.Medium})
		add(low, api.Finding{Verdict: api.Fail, Severity: api.Low})
		add(unknown, api.Finding{Verdict: api.VerdictUnknown, Severity: api.Low})
		return out
	}
	for name, tc := range map[string]struct{ severe, low, unknown, kept, left int }{
		"few":                           {10, mostRows - 10, 0, mostRows, 0},
		"many":                          {30, 20, 0, 30, 20},
		"what is unknown stays":         {0, 30, 20, 20, 30},
		"nothing but rows of low grade": {0, 50, 0, 50, 0},
	} {
		kept, left := foldLow(rows(tc.severe, tc.low, tc.unknown))
		if len(kept) != tc.kept || left != tc.left {
			t.Errorf("%s: %d kept and %d left, want %d and %d", name, len(kept), left, tc.kept, tc.left)
		}
	}
}
