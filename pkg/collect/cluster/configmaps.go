package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/configmap"
)

const (
	// configMapPage is the number of ConfigMaps in one answer. Of large ones there are
	// fewer, so that an answer has about maxConfigMapPage bytes.
	configMapPage    = 50
	maxConfigMapPage = 8 << 20
	// maxConfigMapBytes is how much of ConfigMaps is received in all.
	maxConfigMapBytes = 256 << 20
)

// errExpired: the list expired, and the server did not say how to go on. To list all in
// one answer takes more memory than there may be.
var errExpired = errors.New("the list expired")

// configMaps reads the data of ConfigMaps, page by page, and keeps nothing but which
// keys hold which forms of credentials. One page is in memory at a time. What ends it
// early is a gap; the error is the context's. most bounds what is received, in bytes.
func (c *clients) configMaps(ctx context.Context, opts Options, most int64) (*fact.ConfigMapScan, []fact.Gap, error) {
	var scan configmap.Scan
	var received int64
	limit, pages, full := int64(configMapPage), 0, false
	err := eachPage(ctx, configMapPage, metav1.ListOptions{},
		func(ctx context.Context, o metav1.ListOptions) ([]corev1.ConfigMap, string, error) {
			if o.Limit == 0 {
				return nil, "", errExpired
			}
			o.Limit = limit
			list, err := c.core.ConfigMaps(opts.Namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			pages++
			size := int64(list.Size())
			received += size
			if n := int64(len(list.Items)); n > 0 {
				limit = max(1, min(configMapPage, maxConfigMapPage*n/max(size, 1)))
			}
			if received >= most && list.Continue != "" {
				full, list.Continue = true, ""
			}
			return list.Items, list.Continue, nil
		},
		func() {},
		func(m *corev1.ConfigMap) {
			scan.Add("", m)
			m.Data, m.BinaryData = nil, nil
		})
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	gap := fact.Gap{What: fact.ConfigMaps, Subject: fact.Subject{Kind: fact.SubjectCluster}}
	switch {
	case err == nil && !full:
		return scan.Result(false), nil, nil
	case err == nil:
		gap.Reason = fact.Truncated
		if opts.Namespace == "" {
			gap.Hint = "run it for each namespace, with -n"
		}
		gap.Detail = fmt.Sprintf("more than %d MiB; %d ConfigMaps were read", most>>20, scan.Read())
	case apierrors.IsForbidden(err):
		gap, _ = refused(err, fact.ConfigMaps, "list", "configmaps", opts.Namespace)
	default:
		// The server's own text is not printed: it may quote what it read.
		gap.Reason, gap.Detail, gap.Hint = fact.Unavailable, "listing configmaps: "+failure(err), "run it again"
	}
	if pages == 0 {
		return nil, []fact.Gap{gap}, nil
	}
	if err != nil {
		gap.Detail += fmt.Sprintf("; %d ConfigMaps were read before", scan.Read())
	}
	return scan.Result(true), []fact.Gap{gap}, nil
}

// unquoted is an error about a list of Secrets, in our own words: the server's text, and
// a decoder's, may quote what was read. That a connection failed is told as it is.
type unquoted struct{ error }

func (u unquoted) Unwrap() error { return u.error }

func (u unquoted) Error() string {
	var connection *url.Error
	if errors.As(u.error, &connection) || errors.Is(u.error, context.Canceled) || errors.Is(u.error, context.DeadlineExceeded) {
		return u.error.Error()
	}
	return failure(u.error)
}

// failure says in our own words why a request failed.
func failure(err error) string {
	var status apierrors.APIStatus
	switch {
	case errors.Is(err, errExpired):
		return "the list expired while it was read"
	case errors.As(err, &status):
		return fmt.Sprintf("the server answered with status %d", status.Status().Code)
	}
	return "the connection failed, or the answer is no list"
}
