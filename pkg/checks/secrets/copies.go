package secrets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// unclearCopies are findings about stores that may or may not be the API server's:
// what else they hold counts neither way, and none of them leaves a yes.
func unclearCopies(stores *checks.Stores, what string) []api.Finding {
	var findings []api.Finding
	for i := range stores.Unclear {
		s := &stores.Unclear[i]
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: s.Subject(),
			Message:  "it is unknown whether " + s.A() + " on this node is the API server's, so " + what + " counts for nothing",
			Evidence: []api.Evidence{{Source: s.Source, Value: s.Describe()}},
		})
	}
	return findings
}

// hostOf is the host of an address of etcd (http://HOST:PORT or https://HOST:PORT), "" for
// another kind of address, such as a unix socket.
func hostOf(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found || scheme != "http" && scheme != "https" {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "/")
	if inner, is := strings.CutPrefix(rest, "["); is { // an IPv6 address
		host, _, _ := strings.Cut(inner, "]")
		return host
	}
	host, _, _ := strings.Cut(rest, ":")
	return host
}

// unreadMembers is a finding if an API server names more machines of etcd than there are
// nodes whose etcd was read. Each member has files of its own, and a member on a machine
// that is no node of the cluster is read by nobody. Addresses of the API server's own
// machine say nothing of others: there may be a proxy.
func unreadMembers(v *checks.View, stores *checks.Stores) []api.Finding {
	read := map[string]bool{}
	for i := range stores.Ours {
		if s := &stores.Ours[i]; s.Node != nil && !s.Kine() {
			read[s.Node.Name] = true
		}
	}
	var findings []api.Finding
	eachServer(v, func(node *fact.Node, s *fact.APIServer) {
		hosts := map[string]bool{}
		for _, server := range strings.Split(s.Flags["etcd-servers"], ",") {
			if host := hostOf(strings.TrimSpace(server)); host != "" && host != "localhost" && host != "::1" && !strings.HasPrefix(host, "127.") {
				hosts[host] = true
			}
		}
		if len(read) == 0 || len(hosts) <= len(read) || len(findings) > 0 {
			return
		}
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectCluster},
			Message: "not every member of etcd was read, and each has files of its own",
			Evidence: []api.Evidence{{
				Source: checks.NodeSource(node, "/proc/%d/cmdline --etcd-servers", s.PID),
				Value:  fmt.Sprintf("%s, %d of them read", checks.Count(len(hosts), "machine"), len(read)),
			}},
		})
	})
	return findings
}

// namedSecrets lists Secrets of which values were found: "shop/db, shop/tls and 3
// more". Total counts them all.
func namedSecrets(list []fact.RemainingSecret, total int) string {
	const most = 10
	var names []string
	for _, s := range list[:min(len(list), most)] {
		names = append(names, s.Namespace+"/"+s.Name)
	}
	text := strings.Join(names, ", ")
	if more := total - len(names); more > 0 && len(names) > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// describeValues is evidence of values that were found: "at least 12 values in
// plaintext, of shop/db and 2 more; 3 of unknown Secrets".
func describeValues(values, unnamed int, list []fact.RemainingSecret, total int, complete bool) string {
	text := checks.Count(values, "value") + " in plaintext"
	if !complete {
		text = "at least " + text
	}
	if names := namedSecrets(list, total); names != "" {
		text += ", of " + names
	}
	if unnamed > 0 {
		text += fmt.Sprintf("; %d of Secrets that the bytes do not name", unnamed)
	}
	return text
}

// hasGap reports whether a node says that it could not read all of a kind. Then the gap is
// what is known of the node, and no pass stands beside it.
func hasGap(node *fact.Node, kind fact.Kind) bool {
	return slices.ContainsFunc(node.Measured.Gaps, func(g fact.NodeGap) bool { return g.What == kind })
}

// rotate ends every remedy: a copy that is gone may have been read before.
const rotate = "Then change the passwords and keys themselves: whoever could read a copy may have done so."
