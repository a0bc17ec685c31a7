package secrets

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// The facts are of 2026-11-24.
func TestLegacyToken(t *testing.T) {
	with := func(tokens ...fact.ServiceAccountToken) *fact.Set {
		return &fact.Set{CollectedAt: ft.Time, TokensListed: true, LegacyTokens: tokens}
	}
	token := func(used, invalid string) fact.ServiceAccountToken {
		return fact.ServiceAccountToken{Namespace: "shop", Name: "ci-token", LastUsed: used, InvalidSince: invalid}
	}
	full := token("2026-11-20", "")
	full.Created, full.Owner = fact.NewTime(time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC)), "ServiceAccount"
	const (
		never = "holds a service account's token that does not expire"
		used  = "secret/shop/ci-token metadata.labels[kubernetes.io/legacy-token-last-used] = "
	)
	judge(t, judgeLegacyToken, cases{
		"none passes": {with(), []string{
			"pass Cluster: no listed Secret holds a service account's token [list of Secrets of type kubernetes.io/service-account-token = 0 Secrets]",
		}},
		"one in use fails":                 {with(token("2026-11-20", "")), []string{"medium fail shop/ci-token: " + never + ", and is in use [" + used + "2026-11-20]"}},
		"one used 365 days ago is in use":  {with(token("2025-11-25", "")), []string{"medium fail shop/ci-token: " + never + ", and is in use [" + used + "2025-11-25]"}},
		"one used 366 days ago fails too":  {with(token("2025-11-23", "")), []string{"medium fail shop/ci-token: " + never + ", and was not used for more than a year [" + used + "2025-11-23]"}},
		"one whose use is not recorded":    {with(token("", "")), []string{"medium fail shop/ci-token: " + never + ", and no use of it is recorded [" + used + "not set]"}},
		"one whose label is no day (file)": {with(token("yesterday", "")), []string{"medium fail shop/ci-token: " + never + ", and no use of it is recorded [" + used + "not set]"}},
		"one that the API server refuses is low": {with(token("2025-01-01", "2026-02-03")), []string{
			"low fail shop/ci-token: holds a service account's token that the API server refuses, until somebody removes the label " +
				"[secret/shop/ci-token metadata.labels[kubernetes.io/legacy-token-invalid-since] = 2026-02-03]",
		}},
		"what else is known is shown": {with(full), []string{
			"medium fail shop/ci-token: " + never + ", and is in use [" + used + "2026-11-20; secret/shop/ci-token metadata.creationTimestamp = 2023-01-02; " +
				"secret/shop/ci-token metadata.ownerReferences = ServiceAccount]",
		}},
		"tokens that were not listed: a gap says so": {&fact.Set{}, nil},
	})
}
