package cluster

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// maxScriptMaps bounds how many ConfigMaps are read for the scripts in them.
const maxScriptMaps = 1000

// scriptReader reads the ConfigMaps of which workloads run scripts, one by one, evaluates these
// and adds what they do to the workloads. A ConfigMap is listed by its name: that needs no
// further right than to look for credentials in all of them. What cannot be read makes these
// containers unknown, with the reason.
type scriptReader struct {
	*clients
	opts Options
	podspec.Scripts
	read int
}

func newScriptReader(c *clients, opts Options) *scriptReader {
	r := &scriptReader{clients: c, opts: opts}
	if !opts.Scripts {
		r.Reason = fact.NotRequested
	}
	return r
}

// fill adds what scripts do to workloads. The error is the context's.
func (r *scriptReader) fill(ctx context.Context, workloads []fact.Workload) error {
	if !r.opts.Scripts {
		return nil
	}
	for _, name := range podspec.Needed(workloads) {
		if r.read == maxScriptMaps {
			r.Reason = fact.Truncated
			break
		}
		r.read++
		list, err := r.core.ConfigMaps(name[0]).List(ctx, metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name[1]).String(), Limit: 1,
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case apierrors.IsForbidden(err):
			r.Fail(name[0], name[1], fact.Forbidden)
		case err != nil: // its text is not kept: it may quote what was read
			r.Fail(name[0], name[1], fact.Unavailable)
		case len(list.Items) == 1 && list.Items[0].Name == name[1]:
			r.Offer(name[0], name[1], list.Items[0].Data)
		}
	}
	for i := range workloads {
		r.Fill(&workloads[i])
	}
	r.Forget()
	return nil
}
