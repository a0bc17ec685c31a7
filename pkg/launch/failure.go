package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// A Failure says why a node, or every node, cannot be measured.
type Failure struct {
	Reason fact.Reason
	Detail string // one line for people
	Hint   string // what they can do
}

func (f *Failure) Error() string { return f.Detail }

const (
	hintRights   = "kubectl checklist manifests --only grants prints the rights that a run uses"
	hintNoProbe  = "--no-probe creates nothing and judges only what the API says"
	hintEmbedded = "--probe-image=embedded pulls nothing: ConfigMaps carry the probe"
)

// refused returns what an error of the API server means for the nodes that needed the
// request.
func (o *Options) refused(doing string, err error) *Failure {
	text := doing + ": " + oneLine(err.Error())
	if known := (*Failure)(nil); errors.As(err, &known) {
		return known
	}
	switch {
	case errors.Is(err, context.Canceled):
		return interrupted()
	case errors.Is(err, context.DeadlineExceeded):
		return &Failure{Reason: fact.Timeout, Detail: doing + ": the API server did not answer in time"}
	case apierrors.IsForbidden(err) && rbacRefusal(err):
		return &Failure{
			Reason: fact.Forbidden, Detail: text,
			Hint: hintRights + "; " + hintNoProbe,
		}
	case apierrors.IsUnauthorized(err):
		return &Failure{Reason: fact.Forbidden, Detail: text, Hint: "log in again"}
	}
	if hint := o.admissionHint(err); hint != "" {
		return &Failure{Reason: fact.AdmissionDenied, Detail: text, Hint: hint}
	}
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return &Failure{
			Reason: fact.AdmissionDenied, Detail: text,
			Hint: "use --probe-namespace with a namespace that admits the probe, or --no-probe",
		}
	}
	return &Failure{Reason: fact.Unavailable, Detail: text}
}

func interrupted() *Failure {
	return &Failure{Reason: fact.Interrupted, Detail: "the run was stopped before this node was measured"}
}

// rbacRefusal distinguishes a missing right from a refusal by admission: both are 403.
// The authorizer's text is fixed in k8s.io/apiserver (responsewriters.Forbidden):
// `pods is forbidden: User "x" cannot create resource "pods" in API group ""`.
func rbacRefusal(err error) bool {
	text := err.Error()
	return strings.Contains(text, `is forbidden: User "`) && strings.Contains(text, `" cannot `)
}

// admissionHint returns a hint for known texts of admission plugins and webhooks that
// refuse pods, or "" for other texts.
func (o *Options) admissionHint(err error) string {
	text := err.Error()
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has("warden-validating"), has("GKE Warden"): // GKE Autopilot: no namespace is exempt
		return "GKE Autopilot admits no pod that reads its node; " + hintNoProbe
	case has("violates PodSecurity"):
		return fmt.Sprintf("Pod Security refuses pods with hostPID or hostNetwork in namespace %s: use --probe-namespace with a namespace whose label "+
			"pod-security.kubernetes.io/enforce is privileged (a run creates a missing one like that), or --no-probe", o.Namespace)
	case has("security context constraint"):
		return "the user needs the verb use on the SecurityContextConstraints privileged; or use --no-probe"
	case has("admission webhook") || has("failed calling webhook") || has("ValidatingAdmissionPolicy"):
		return fmt.Sprintf("a policy of this cluster refuses the probe: exempt namespace %s from it, or use --probe-namespace with an exempt one, or --no-probe", o.Namespace)
	case has("exceeded quota"):
		return fmt.Sprintf("a ResourceQuota of namespace %s is used up: use a lower --max-in-flight, --probe-namespace with another one, or --no-probe", o.Namespace)
	case has("because it is being terminated"):
		return "try again after the namespace is deleted"
	}
	return ""
}

// transient reports whether the same request may succeed later.
func transient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var netErr net.Error
	return apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsUnexpectedServerError(err) ||
		utilnet.IsConnectionReset(err) || utilnet.IsConnectionRefused(err) || utilnet.IsProbableEOF(err) ||
		utilnet.IsHTTP2ConnectionLost(err) || (errors.As(err, &netErr) && netErr.Timeout())
}

// accountMissing reports whether pods are refused because the namespace is so new that
// its default service account does not exist yet.
func accountMissing(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "error looking up service account")
}

// quotaUsedUp reports whether a quota refuses a pod. That may end when one of our pods
// is deleted.
func quotaUsedUp(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota")
}

// maxText bounds how much of a node's or server's text is repeated.
const maxText = 600

// oneLine makes untrusted text safe and short enough for a gap's detail.
func oneLine(text string) string { return escape.Short(text, maxText) }

func noProbe(err error) *Failure {
	return &Failure{Reason: fact.ProbeFailed, Detail: oneLine(err.Error()), Hint: "use --probe-image with an image that can be pulled"}
}

func noImages() *Failure {
	return &Failure{
		Reason: fact.ImagePull,
		Detail: "the node lists no image that an embedded probe could run in (status.images)",
		Hint:   "use --probe-image with an image that the node can pull",
	}
}
