package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// The page shows the messages of nodes that were not measured as they are, and no others.
// package cli makes those that begin with "error: ", and those about lists.
func TestTroubleshooting(t *testing.T) {
	raw, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	_, nodes, ok := strings.Cut(string(raw), "## No node was measured")
	if !ok {
		t.Fatal("docs/troubleshooting.md has no section about nodes")
	}
	var shown []string
	for _, block := range regexp.MustCompile("(?s)```\n(.*?)\n```").FindAllStringSubmatch(nodes, -1) {
		shown = append(shown, block[1])
	}
	forbidden := func(text string) *apierrors.StatusError {
		return apierrors.NewForbidden(corev1.Resource("pods"), "checklist-run1-0000", errors.New(text))
	}
	var made []string
	for name, tc := range map[string]struct {
		absent  bool // the namespace
		denied  string
		refuse  error // the dry run of a pod
		edit    func(*Options, *fact.Node)
		kubelet func(*apiServer, *corev1.Pod)
	}{
		"no right to create pods":       {denied: "pods"},
		"no right to create namespaces": {absent: true, denied: "namespaces"},
		"Pod Security": {
			edit:   func(o *Options, _ *fact.Node) { o.Namespace = "strict" },
			refuse: forbidden(`violates PodSecurity "baseline:latest": host namespaces (hostPID=true)`),
		},
		"a webhook": {
			refuse: &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 400, Message: `admission webhook "policy.example" denied the request: no hostPID`}},
		},
		"OpenShift's constraints": {refuse: forbidden("unable to validate against any security context constraint: []")},
		"go install": {edit: func(o *Options, _ *fact.Node) {
			o.Embedded = func(arch string) ([]byte, error) {
				return nil, fmt.Errorf("embedded checklist-probe for %s: %w", arch, embedded.ErrNotBuilt)
			}
		}},
		"a node that is not Ready": {edit: func(_ *Options, n *fact.Node) { n.Ready = false }},
		"Windows":                  {edit: func(_ *Options, n *fact.Node) { n.OS = "windows" }},
		"Fargate": {edit: func(_ *Options, n *fact.Node) {
			n.Labels = map[string]string{"eks.amazonaws.com/compute-type": "fargate"}
		}},
		"a pull": {
			edit:    func(o *Options, _ *fact.Node) { o.Image = "registry.example.com/checklist-probe:v1" },
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.waits(pod.Name, "ImagePullBackOff", "Back-off pulling") },
		},
		"a slow node": {
			edit:    func(o *Options, _ *fact.Node) { o.Timeout = 2 * time.Minute },
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.waits(pod.Name, "ContainerCreating", "") },
		},
		"a full node": {kubelet: func(s *apiServer, pod *corev1.Pod) {
			s.update(pod.Name, func(p *corev1.Pod) {
				p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "OutOfcpu", "Node didn't have enough resource: cpu"
			})
		}},
		"a killed probe": {kubelet: func(s *apiServer, pod *corev1.Pod) {
			s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"})
		}},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			opts, of := s.options(), factNodes("a")
			if tc.edit != nil {
				tc.edit(&opts, &of[0])
			}
			if !tc.absent {
				for _, name := range []string{"kubectl-checklist", "strict"} {
					s.namespaces[name] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
				}
			}
			if tc.kubelet != nil {
				s.kubelet = func(pod *corev1.Pod) { tc.kubelet(s, pod) }
			}
			s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
				var status *apierrors.StatusError
				switch {
				case what == "POST pods dryRun" && errors.As(tc.refuse, &status):
					s.fail(w, status)
				case what == "POST selfsubjectaccessreviews":
					var review authorizationv1.SelfSubjectAccessReview
					if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
						t.Error(err)
					}
					a := review.Spec.ResourceAttributes
					review.Status.Allowed = a.Subresource != "" || a.Resource != tc.denied
					s.reply(w, review)
				default:
					return false
				}
				return true
			}
			_, gaps, err := Measure(t.Context(), opts, of)
			if err != nil || len(gaps) == 0 {
				t.Fatalf("error %v, gaps %v", err, gaps)
			}
			line := fmt.Sprintf("%s: %s", gaps[0].Reason, gaps[0].Detail)
			made = append(made, line)
			if !slices.Contains(shown, line) {
				t.Errorf("docs/troubleshooting.md has not what a run says:\n%s", line)
			}
		}))
	}
	for _, line := range shown {
		if !slices.Contains(made, line) {
			t.Errorf("docs/troubleshooting.md has what no run said here:\n%s", line)
		}
	}
}

// The table of the two pods in docs/probe-security.md says what their specs say.
func TestDocsPods(t *testing.T) {
	raw, err := os.ReadFile("../../docs/probe-security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(raw)) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | "); len(cells) == 3 {
			rows[cells[0]] = cells[1:]
		}
	}
	opts, err := (Options{Kinds: []fact.Kind{fact.Processes}, Net: true}).complete()
	if err != nil {
		t.Fatal(err)
	}
	for column, level := range []fact.Level{fact.LevelFull, fact.LevelNet} {
		pod := opts.pod(podOf{node: "n", arch: "amd64", image: "i", level: level}, nil)
		container := pod.Spec.Containers[0]
		sc := container.SecurityContext
		capabilities := fmt.Sprintf("drops %s", sc.Capabilities.Drop[0])
		for i, name := range slices.Backward(sc.Capabilities.Add) {
			capabilities += map[bool]string{true: ", adds ", false: ", "}[i == len(sc.Capabilities.Add)-1] + "`" + string(name) + "`"
		}
		yes := map[bool]string{true: "yes", false: "no"}
		appArmor, seLinux := "the runtime's default", "the runtime's"
		if p := sc.AppArmorProfile; p != nil && p.Type == corev1.AppArmorProfileTypeUnconfined {
			appArmor = "unconfined"
		}
		if o := pod.Spec.SecurityContext.SELinuxOptions; o != nil {
			seLinux = "`" + o.Type + "`"
		}
		memory := container.Resources.Limits.Memory().Value() >> 20
		for row, want := range map[string]string{
			"host namespaces":       map[bool]string{true: "processes (hostPID)", false: "network (hostNetwork)"}[pod.Spec.HostPID && !pod.Spec.HostNetwork],
			"user":                  fmt.Sprintf("uid %d", *sc.RunAsUser),
			"capabilities":          capabilities,
			"privileged":            yes[*sc.Privileged],
			"mounts of the host":    map[bool]string{true: "none"}[len(pod.Spec.Volumes) == 0],
			"service account token": map[bool]string{false: "none"}[*pod.Spec.AutomountServiceAccountToken],
			"privilege escalation":  map[bool]string{false: "off"}[*sc.AllowPrivilegeEscalation],
			"root file system":      map[bool]string{true: "read-only"}[*sc.ReadOnlyRootFilesystem],
			"AppArmor":              appArmor,
			"SELinux type":          seLinux,
			"limits":                fmt.Sprintf("%d MiB, %s", memory, map[string]string{"500m": "half a CPU"}[container.Resources.Limits.Cpu().String()]),
		} {
			if got := rows[row]; len(got) != 2 || want == "" || !strings.HasPrefix(got[column], want) {
				t.Errorf("docs/probe-security.md, row %q: %q, and the pod of level %s has %q", row, got, level, want)
			}
		}
	}
}
