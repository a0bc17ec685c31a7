package launch

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	batchv1client "k8s.io/client-go/kubernetes/typed/batch/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// Defaults of the command line.
const (
	DefaultNamespace   = "kubectl-checklist"
	DefaultTimeout     = 2 * time.Minute
	DefaultMaxInFlight = 50

	// ImageAuto means the release's own image if the build has one, otherwise
	// ImageEmbedded. ImageEmbedded pulls nothing.
	ImageAuto     = "auto"
	ImageEmbedded = "embedded"
)

// MinTimeout is the least time for one node, because a pod needs seconds to start.
const MinTimeout = 5 * time.Second

// Labels and annotations of what a run creates.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelComponent = "app.kubernetes.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "kubectl-checklist" // value of LabelName and LabelManagedBy

	LabelRun = "kubectl-checklist.github.io/run" // on everything; value: Options.RunID

	// AnnotationCreatedBy marks a namespace that a run created, and that runs may
	// therefore delete. Each run that uses such a namespace changes
	// AnnotationLastRun, so that a deletion that was decided before fails. Values:
	// run ids.
	AnnotationCreatedBy = "kubectl-checklist.github.io/created-by-run"
	AnnotationLastRun   = "kubectl-checklist.github.io/last-run"
	// AnnotationNode names a pod's node. AnnotationOmitted says what Objects left out.
	AnnotationNode    = "kubectl-checklist.github.io/node"
	AnnotationOmitted = "kubectl-checklist.github.io/omitted"
	// AnnotationRequest holds a random word that only the request that created the
	// object had. With it a run finds its own object if the answer was lost.
	AnnotationRequest = "kubectl-checklist.github.io/request"
)

// Client holds the API groups that the probe needs. It has typed interfaces instead of a
// whole Clientset, which would link every group.
type Client struct {
	Core          corev1client.CoreV1Interface
	Batch         batchv1client.BatchV1Interface
	Authorization authorizationv1client.AuthorizationV1Interface
}

// NewClient makes a Client whose groups share one connection pool and the
// configuration's rate limiter.
func NewClient(config *rest.Config) (Client, error) {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return Client{}, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	core, err := corev1client.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return Client{}, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	batch, err := batchv1client.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return Client{}, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	authorization, err := authorizationv1client.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return Client{}, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	return Client{Core: core, Batch: batch, Authorization: authorization}, nil
}

// Options says how nodes are measured. Zero values mean the defaults above.
type Options struct {
	Client Client
	// Level is how much the pod may read that looks at the node: LevelFull, LevelProc, or
	// LevelAPI for no such pod. The default is full. Net adds a pod of LevelNet on each
	// node, after the first one has answered. It has the host's network and makes
	// handshakes.
	Level fact.Level
	Net   bool
	// Image is ImageAuto, ImageEmbedded or an image reference. ReleaseImage is what
	// ImageAuto means in this build, or "" if no image was published.
	Image        string
	ReleaseImage string
	// Embedded returns the embedded probe's bytes for an architecture, as in GOARCH,
	// or an error if the build carries none.
	Embedded func(arch string) ([]byte, error)
	// NetEmbedded is Embedded for the program of LevelNet.
	NetEmbedded func(arch string) ([]byte, error)
	// Namespace is where everything is created. PullSecret names a Secret in it.
	Namespace  string
	PullSecret string
	// Timeout is the time for one node, from its first pod's creation to its facts. A
	// second pod gets what the first one leaves. MaxInFlight is the number of nodes at
	// once, and of pods: the pods of one node follow each other.
	Timeout     time.Duration
	MaxInFlight int
	// Kinds are the wanted facts. Kinds that no pod of this run reads are ignored. An
	// empty list means all that a probe reads.
	Kinds []fact.Kind
	// RunID identifies the run in names and labels: lower-case letters and
	// digits. "" means a random one.
	RunID string
	Now   func() time.Time
	// Guard starts the second process that cleans up after a SIGKILL. nil means that
	// there is none. See StartGuard. run has the run's Namespace, RunID and
	// PullSecret.
	Guard func(run Options) (*Guard, error)
	// Announce gets one line before the first object is created, and one about what
	// a newer server adds to every pod. Progress gets the number of finished nodes,
	// how many of those failed, and the number of all nodes. Calls do not overlap.
	Announce func(line string)
	Progress func(done, failed, total int)
	// Confirmed says that the user has read an Outline and agreed. Announce does not repeat it.
	Confirmed bool

	timing timing
	memory int64 // bytes for all answers together; tests use less
}

// timing holds the waits that tests shorten.
type timing struct {
	least        time.Duration // least Options.Timeout
	margin       time.Duration // by which everything outlives Options.Timeout if the run renews nothing
	imageGrace   time.Duration // from the first failed pull to the gap: a kubelet retries after 10 s and 20 s
	startGrace   time.Duration // from the first failed start of the container to the gap
	labelGrace   time.Duration // for a pod that does not start, if its Events cannot say why; see blocked
	poll         time.Duration // how often to ask for the pod and its node without an event
	retry        time.Duration // before the second attempt on a node
	backoff      time.Duration // first wait after a refused request, doubled each time
	accountWait  time.Duration // for the service account of a new namespace
	namespaceEnd time.Duration // for a namespace that is being deleted
	linger       time.Duration // for the answer to a request that creates something, after the run was stopped
	cleanup      time.Duration // for removing everything
	guard        time.Duration // between two attempts of the guard
	request      time.Duration // for one request that a cancelled run still makes, and for one log
}

// complete checks the options and fills in the defaults.
func (o Options) complete() (Options, error) {
	setDefault(&o.Level, fact.LevelFull)
	setDefault(&o.Image, ImageAuto)
	setDefault(&o.Namespace, DefaultNamespace)
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.MaxInFlight, DefaultMaxInFlight)
	setDefault(&o.RunID, newRunID())
	setDefault(&o.timing.least, MinTimeout)
	setDefault(&o.timing.margin, time.Minute)
	setDefault(&o.timing.imageGrace, 30*time.Second)
	setDefault(&o.timing.startGrace, 15*time.Second)
	setDefault(&o.timing.labelGrace, 30*time.Second)
	setDefault(&o.timing.poll, 10*time.Second)
	setDefault(&o.timing.retry, 3*time.Second)
	setDefault(&o.timing.backoff, 500*time.Millisecond)
	setDefault(&o.timing.accountWait, 30*time.Second)
	setDefault(&o.timing.namespaceEnd, time.Minute)
	setDefault(&o.timing.linger, 5*time.Second)
	setDefault(&o.timing.cleanup, 30*time.Second)
	setDefault(&o.timing.guard, time.Second)
	setDefault(&o.timing.request, 20*time.Second)
	setDefault(&o.memory, wire.MaxRun)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Embedded == nil {
		o.Embedded = noEmbedded
	}
	if o.NetEmbedded == nil {
		o.NetEmbedded = noEmbedded
	}
	if o.Announce == nil {
		o.Announce = func(string) {}
	}
	if o.Progress == nil {
		o.Progress = func(int, int, int) {}
	}

	switch o.Level {
	case fact.LevelAPI, fact.LevelProc, fact.LevelFull:
	default:
		return o, fmt.Errorf("probe level %q: expected %q, %q or %q", o.Level, fact.LevelAPI, fact.LevelProc, fact.LevelFull)
	}
	switch o.Image {
	case ImageAuto:
		o.Image = ImageEmbedded
		if o.ReleaseImage != "" {
			o.Image = o.ReleaseImage
		}
	case ImageEmbedded:
	default:
		if _, err := reference.ParseNormalizedNamed(o.Image); err != nil {
			return o, fmt.Errorf("probe image %q: expected %q, %q or an image reference: %w", o.Image, ImageAuto, ImageEmbedded, err)
		}
	}
	if errs := validation.IsDNS1123Label(o.Namespace); len(errs) > 0 {
		return o, fmt.Errorf("probe namespace %q: %s", o.Namespace, errs[0])
	}
	if errs := validation.IsDNS1123Subdomain(o.PullSecret); o.PullSecret != "" && len(errs) > 0 {
		return o, fmt.Errorf("probe pull secret %q: %s", o.PullSecret, errs[0])
	}
	if errs := validation.IsDNS1123Label(o.RunID); len(errs) > 0 || len(o.RunID) > 20 {
		return o, fmt.Errorf("run id %q: expected up to 20 lower-case letters and digits", o.RunID)
	}
	if o.Timeout < o.timing.least {
		return o, fmt.Errorf("probe timeout %s: expected at least %s", o.Timeout, o.timing.least)
	}
	if o.MaxInFlight < 1 {
		return o, fmt.Errorf("nodes in flight %d: expected at least 1", o.MaxInFlight)
	}

	wanted := o.Kinds
	o.Kinds = nil
	for _, kind := range fact.NodeKinds() {
		if (len(wanted) == 0 || slices.Contains(wanted, kind)) && o.mayRead(kind) {
			o.Kinds = append(o.Kinds, kind)
		}
	}
	return o, nil
}

// mayRead reports whether a pod of this run is one that reads the kind. A run without
// pods has gaps for all kinds.
func (o *Options) mayRead(kind fact.Kind) bool {
	if slices.Contains(fact.KindsAt(fact.LevelNet), kind) {
		return o.Net || o.Level == fact.LevelAPI
	}
	return o.Level != fact.LevelAPI || !o.Net
}

// levels returns the levels of the pods that a node gets, in their order.
func (o *Options) levels() []fact.Level {
	var levels []fact.Level
	if o.Level != fact.LevelAPI && len(o.kindsOf(o.Level)) > 0 {
		levels = append(levels, o.Level)
	}
	if o.Net && len(o.kindsOf(fact.LevelNet)) > 0 {
		levels = append(levels, fact.LevelNet)
	}
	return levels
}

// kindsOf returns the wanted kinds for which the pod of a level answers.
func (o *Options) kindsOf(level fact.Level) []fact.Kind {
	if level == fact.LevelNet {
		return fact.Intersect(o.Kinds, fact.KindsAt(fact.LevelNet))
	}
	return fact.Subtract(o.Kinds, fact.KindsAt(fact.LevelNet))
}

// A program is what a pod runs.
type program struct {
	net  bool // that of LevelNet
	arch string
}

// programOf returns the program of a level.
func programOf(level fact.Level, arch string) program { return program{level == fact.LevelNet, arch} }

// bytes returns an embedded program.
func (o *Options) bytes(p program) ([]byte, error) {
	if p.net {
		return o.NetEmbedded(p.arch)
	}
	return o.Embedded(p.arch)
}

func (o *Options) embedded() bool { return o.Image == ImageEmbedded }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func noEmbedded(arch string) ([]byte, error) {
	return nil, fmt.Errorf("this build carries no probe for %q", arch)
}

// newRunID returns 8 random letters and digits (40 bits).
func newRunID() string { return strings.ToLower(rand.Text()[:8]) }

// gaps returns a gap for each wanted kind of one node.
func (o *Options) gaps(node string, f *Failure) []fact.Gap { return gapsFor(node, o.Kinds, f) }

// gapsFor returns a gap for each of these kinds of one node.
func gapsFor(node string, kinds []fact.Kind, f *Failure) []fact.Gap {
	gaps := make([]fact.Gap, 0, len(kinds))
	for _, kind := range kinds {
		gaps = append(gaps, fact.Gap{
			What:    kind,
			Subject: fact.Subject{Kind: fact.SubjectNode, Name: node},
			Reason:  f.Reason, Detail: f.Detail, Hint: f.Hint,
		})
	}
	return gaps
}
