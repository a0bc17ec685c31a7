package cluster

import (
	"context"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// nameTime bounds the requests for the names of the user and of the cluster. A report is complete
// without them.
const nameTime = 10 * time.Second

// reviewVersions are the versions of SelfSubjectReview: since 1.28, 1.27 and 1.26 (KEP-3325).
// Only the first is served unless an administrator turns on another.
var reviewVersions = []string{"v1", "v1beta1", "v1alpha1"}

// user is whom the server takes us for, as kubectl auth whoami asks it: "" if it does not say.
// The request is a POST, but the server stores nothing: the object exists only as its answer.
// Only the name is kept, at most fact.MaxDryRunName bytes and a mark. Groups, UID and extra
// fields can hold ids of sessions and tokens.
func (c *clients) user(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	for _, version := range reviewVersions {
		review := authenticationv1.SelfSubjectReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/" + version, Kind: "SelfSubjectReview"},
		}
		var answer struct {
			Kind   string `json:"kind"`
			Status struct {
				UserInfo struct {
					Username string `json:"username"`
				} `json:"userInfo"`
			} `json:"status"`
		}
		err := c.post(ctx, "/apis/authentication.k8s.io/"+version+"/selfsubjectreviews", nil, review, &answer)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil, answer.Kind != review.Kind:
			return ""
		}
		return escape.Short(credential.KeptName(answer.Status.UserInfo.Username), fact.MaxDryRunName)
	}
	return ""
}
