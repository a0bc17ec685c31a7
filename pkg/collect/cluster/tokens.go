package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Labels of Secrets that hold a service account's token. The API server writes the first
// when a token is used (KEP-2799, stable since 1.28), the controller manager the second
// when it finds one unused for a year (stable since 1.30). Both are days in UTC:
// "2026-11-28".
const (
	lastUsedLabel     = "kubernetes.io/legacy-token-last-used"
	invalidSinceLabel = "kubernetes.io/legacy-token-invalid-since"
)

// tokens lists the Secrets of type kubernetes.io/service-account-token by metadata. The
// API server selects by type, which is not metadata.
func (c *clients) tokens(ctx context.Context, opts Options) ([]fact.ServiceAccountToken, bool, []fact.Gap, error) {
	var tokens []fact.ServiceAccountToken
	err := eachPage(ctx, opts.PageSize, metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeServiceAccountToken)},
		c.listMetadata(corev1.SchemeGroupVersion.WithResource("secrets"), opts.Namespace),
		func() { tokens = nil },
		func(m *metav1.PartialObjectMetadata) {
			t := fact.ServiceAccountToken{
				Namespace: m.Namespace, Name: m.Name,
				LastUsed: day(m.Labels[lastUsedLabel]), InvalidSince: day(m.Labels[invalidSinceLabel]),
			}
			if created := m.CreationTimestamp; !created.IsZero() {
				t.Created = fact.NewTime(created.Time)
			}
			if owner := metav1.GetControllerOfNoCopy(m); owner != nil {
				t.Owner = owner.Kind
			}
			m.Annotations = nil
			tokens = append(tokens, t)
		})
	if err != nil {
		gap, err := refused(err, fact.LegacyTokens, "list", "secrets", opts.Namespace)
		if err != nil {
			return nil, false, nil, err
		}
		return nil, false, []fact.Gap{gap}, nil
	}
	sorted.Func(tokens, func(a, b fact.ServiceAccountToken) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(tokens, func(a, b fact.ServiceAccountToken) bool {
		return a.Namespace == b.Namespace && a.Name == b.Name
	}), true, nil, nil
}

// day returns a label's value if it is a day, and else "".
func day(text string) string {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return ""
	}
	return text
}
