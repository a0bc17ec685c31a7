package fact

import (
	"bytes"
	"cmp"
	"encoding/json"
)

// Reason says, for machines, why a fact is missing.
type Reason string

// The reasons.
const (
	NotReady        Reason = "NotReady"        // the node is not Ready
	Forbidden       Reason = "Forbidden"       // RBAC refused a verb on a resource
	AdmissionDenied Reason = "AdmissionDenied" // Pod Security, a webhook or a quota refused the pod, or changed it
	ImagePull       Reason = "ImagePull"       // the probe's image did not arrive
	ProbeFailed     Reason = "ProbeFailed"     // the probe ended with an error or a broken answer
	NotOurs         Reason = "NotOurs"         // an object of the run is not, or is no longer, what the run created
	Timeout         Reason = "Timeout"         // not finished before the deadline
	Interrupted     Reason = "Interrupted"     // the run was stopped
	Unsupported     Reason = "Unsupported"     // a format or platform that is not read
	NotPresent      Reason = "NotPresent"      // there is nothing to read there
	Truncated       Reason = "Truncated"       // a limit was reached, or the input was cut short
	Corrupt         Reason = "Corrupt"         // the bytes contradict their format
	Unreadable      Reason = "Unreadable"      // the kernel or a security module refused
	Changing        Reason = "Changing"        // it changed faster than it could be read
	ProviderManaged Reason = "ProviderManaged" // the provider runs it where nobody else can look
	NotRequested    Reason = "NotRequested"    // --no-probe, a lower --probe-level, or another command
	Unavailable     Reason = "Unavailable"     // the API server failed to answer
	Refused         Reason = "Refused"         // the node's answer is about something other than this node
	NotMeasured     Reason = "NotMeasured"     // --what-if changed it: what was measured is of what it was before
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{
		NotReady, Forbidden, AdmissionDenied, ImagePull, ProbeFailed, Timeout, Interrupted, Unsupported, NotPresent,
		Truncated, Corrupt, Unreadable, Changing, ProviderManaged, NotRequested, Unavailable, Refused, NotOurs, NotMeasured,
	}
}

// Gap is a fact that was not read, in the plugin's own words. It makes every check
// that needs the fact unknown for its subject.
type Gap struct {
	What    Kind    `json:"what"`
	Subject Subject `json:"subject"`
	Reason  Reason  `json:"reason"`
	// Detail is one line for people: what was expected, what was found, where.
	Detail string `json:"detail,omitempty"`
	// Hint is what a user can do about it.
	Hint string `json:"hint,omitempty"`
	// Affects lists the checks that are unknown because of this gap. It is
	// empty in facts and filled from the catalogue when they are judged.
	Affects []string `json:"affects,omitempty"`
}

// NodeGap is a node's report of what it could not read, about itself or one of its
// containers. It can name nothing else: no other node, no pod, no cluster. It has no
// hint, because users copy hints. The plugin makes the hints.
type NodeGap struct {
	What Kind `json:"what"`
	// Container is the id of one of the node's containers, or "" for the node.
	Container string `json:"container,omitempty"`
	Reason    Reason `json:"reason"`
	// Detail is one line for people. It is bounded when the answer is admitted.
	Detail string `json:"detail,omitempty"`

	// About is the subject that a gap of the first version names. It is nil in all
	// other gaps. It is saved as it was read, so that facts are judged again in the
	// same way. Elsewhere decides whether it is refused.
	About *Subject `json:"subject,omitempty"`
}

// UnmarshalJSON reads what json.Marshal writes, and gaps of the first version,
// which have a subject, a hint and affects.
func (g *NodeGap) UnmarshalJSON(data []byte) error {
	var in struct {
		What      Kind            `json:"what"`
		Container string          `json:"container"`
		Reason    Reason          `json:"reason"`
		Detail    string          `json:"detail"`
		Subject   *Subject        `json:"subject"`
		Hint      json.RawMessage `json:"hint"`
		Affects   json.RawMessage `json:"affects"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return err
	}
	*g = NodeGap{What: in.What, Container: in.Container, Reason: in.Reason, Detail: in.Detail}
	switch {
	case in.Subject == nil:
	case in.Subject.Kind == SubjectContainer && g.Container == "":
		g.Container = in.Subject.Name
		g.About = in.Subject
	default:
		g.About = in.Subject
	}
	return nil
}

// Elsewhere reports whether the gap names something that is neither the node of
// this name nor a container on it. Only gaps of the first version can.
func (g *NodeGap) Elsewhere(node string) bool {
	switch {
	case g.About == nil || g.About.Kind == "":
		return false
	case g.About.Cluster != "":
		return true // a probe does not know its cluster
	case g.About.Kind == SubjectNode:
		return g.About.Name != node
	case g.About.Kind == SubjectContainer:
		return g.About.Node != "" && g.About.Node != node
	}
	return true
}

// Subject is what a finding or gap is about. Kind is a Kubernetes kind, or Cluster,
// Container (one that the API does not know) or File. The fields up to File
// identify the subject. The others describe it and may differ between runs.
type Subject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Container string `json:"container,omitempty"`
	Node      string `json:"node,omitempty"`
	// Cluster is the name of its cluster if the facts or the report hold several
	// clusters. With one cluster it is "": Set.Cluster and the report's cluster have
	// the name.
	Cluster string `json:"cluster,omitempty"`
	// File is the file that declares it, if the facts are of files: two files can declare
	// objects with the same kind, namespace and name.
	File string `json:"file,omitempty"`

	// Platform is true in a platform namespace (kube-system and similar). It is
	// computed when facts are judged, and ignored in facts.
	Platform bool `json:"platform,omitempty"`
	// PodCount and Pods say which pods of a controller are meant. Pods holds
	// the first MaxPodNames names in order.
	PodCount int      `json:"podCount,omitempty"`
	Pods     []string `json:"pods,omitempty"`
}

// MaxPodNames bounds Subject.Pods.
const MaxPodNames = 10

// SubjectKey are the fields that identify a subject.
type SubjectKey struct{ Kind, Namespace, Name, Container, Node, Cluster, File string }

// Identity returns the subject's key, for maps.
func (s *Subject) Identity() SubjectKey {
	return SubjectKey{s.Kind, s.Namespace, s.Name, s.Container, s.Node, s.Cluster, s.File}
}

// Compare orders subjects by the fields that identify them.
func (s *Subject) Compare(o *Subject) int {
	return cmp.Or(
		cmp.Compare(s.Kind, o.Kind),
		cmp.Compare(s.Namespace, o.Namespace),
		cmp.Compare(s.Name, o.Name),
		cmp.Compare(s.Container, o.Container),
		cmp.Compare(s.Node, o.Node),
		cmp.Compare(s.Cluster, o.Cluster),
		cmp.Compare(s.File, o.File),
	)
}

// Key identifies the subject across runs. It joins the identifying fields with a
// slash. It keeps empty fields, except an empty cluster and file at its end.
func (s Subject) Key() string {
	key := s.Kind + "/" + s.Namespace + "/" + s.Name + "/" + s.Container + "/" + s.Node
	if s.Cluster != "" || s.File != "" {
		key += "/" + s.Cluster
	}
	if s.File != "" {
		key += "/" + s.File
	}
	return key
}
