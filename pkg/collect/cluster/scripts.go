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

// scripts reads the ConfigMaps of which workloads run scripts, one by one, evaluates these and
// adds what they do to the workloads. A ConfigMap is listed by its name: that needs no further
// right than to look for credentials in all of them. What cannot be read makes these containers
// unknown, with the reason. The error is the context's.
func (c *clients) scripts(ctx context.Context, opts Options, workloads []fact.Workload) (*podspec.Scripts, error) {
	s := &podspec.Scripts{}
	if !opts.Scripts {
		s.Reason = fact.NotRequested
		return s, nil
	}
	for i, name := range podspec.Needed(workloads) {
		if i == maxScriptMaps {
			s.Reason = fact.Truncated
			break
		}
		list, err := c.core.ConfigMaps(name[0]).List(ctx, metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name[1]).String(), Limit: 1,
		})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case apierrors.IsForbidden(err):
			s.Fail(name[0], name[1], fact.Forbidden)
		case err != nil: // its text is not kept: it may quote what was read
			s.Fail(name[0], name[1], fact.Unavailable)
		case len(list.Items) == 1 && list.Items[0].Name == name[1]:
			s.Offer(name[0], name[1], list.Items[0].Data)
		}
	}
	for i := range workloads {
		s.Fill(&workloads[i])
	}
	s.Forget()
	return s, nil
}
