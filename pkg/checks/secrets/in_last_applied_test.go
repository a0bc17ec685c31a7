package secrets

import (
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

func TestInLastApplied(t *testing.T) {
	listed := func(secrets ...fact.SecretName) *fact.Set {
		return &fact.Set{InjectionRead: true, SecretsListed: true, Secrets: secrets}
	}
	named := func(name string, keys ...string) fact.SecretName {
		return fact.SecretName{Namespace: "shop", Name: name, Applied: keys}
	}
	const annotation = " metadata.annotations[kubectl.kubernetes.io/last-applied-configuration] = "
	pass := func(count string) string {
		return "pass Cluster: no listed Secret has values in that annotation [list of Secrets" + annotation + count + ", 0 with values there]"
	}
	unread := named("c")
	unread.AppliedUnread = true
	both := named("d", "a")
	both.AppliedUnread = true
	judge(t, func(v *checks.View) []api.Finding { return slices.Collect(eachLastApplied(v)) }, cases{
		"no Secret at all passes":                     {listed(), []string{pass("0 Secrets")}},
		"Secrets without the annotation pass at once": {listed(named("a"), named("b")), []string{pass("2 Secrets")}},
		"one with values fails, and there is no pass": {listed(named("a"), named("b", "password", "user")), []string{
			"fail shop/b: its values are also in the annotation that kubectl apply writes [secret/shop/b" + annotation + "holds values of password, user]",
		}},
		"many keys are cut": {listed(named("b", "a", "b", "c", "d", "e", "f")), []string{
			"fail shop/b: its values are also in the annotation that kubectl apply writes [secret/shop/b" + annotation + "holds values of a, b, c, d, e and 1 more]",
		}},
		"one that is not understood is unknown": {listed(named("a"), unread), []string{
			"unknown Corrupt shop/c: its annotation of kubectl apply is not understood, so it is unknown whether it holds values [secret/shop/c" +
				annotation + "present, and not the JSON of a Secret]",
		}},
		"values in one that is not fully understood fail": {listed(both), []string{
			"fail shop/d: its values are also in the annotation that kubectl apply writes [secret/shop/d" + annotation + "holds values of a]",
		}},
		"Secrets that were not listed: a gap says so": {&fact.Set{InjectionRead: true}, nil},
		"facts of an earlier version":                 {earlier(listed(named("a"))), []string{earlierVersion}},
	})
}
