//go:build e2e

package launch

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/loader"
)

// These tests run in the network namespace of the real cluster (hack/cluster):
// TestMain starts the test binary once more, there. The same binary plays the
// run that is killed, and its guard.
const (
	envInside = "PROBE_E2E_INSIDE"
	envChild  = "PROBE_E2E_CHILD" // child as JSON: be that run
	envGuard  = "PROBE_E2E_GUARD" // be its guard
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envGuard) != "":
		var of child
		if err := ReadSettings(os.Stdin, &of); err != nil {
			panic(err)
		}
		if err := Watch(context.Background(), os.Stdin, os.Stdout, mustClient(), Options{Namespace: of.Namespace, RunID: of.Run}); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case os.Getenv(envChild) != "":
		var c child
		if err := json.Unmarshal([]byte(os.Getenv(envChild)), &c); err != nil {
			panic(err)
		}
		c.run()
		os.Exit(0)
	case os.Getenv(envInside) == "":
		here, err := filepath.Abs("../../hack/cluster/run")
		if err != nil {
			panic(err)
		}
		self, err := os.Executable()
		if err != nil {
			panic(err)
		}
		args := append([]string{here, "exec", "--", self}, os.Args[1:]...)
		panic(syscall.Exec(here, args, append(os.Environ(), envInside+"=1")))
	}
	os.Exit(m.Run())
}

func restConfig() *rest.Config {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		panic(err)
	}
	config.QPS = -1
	return config
}

func mustClient() Client {
	c, err := NewClient(restConfig())
	if err != nil {
		panic(err)
	}
	return c
}

// standin builds testdata/standin once for each mode.
var standins sync.Map

func standin(mode string) func(string) ([]byte, error) {
	build := func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "standin")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.mode="+mode, "-o", filepath.Join(dir, "standin"), "./testdata/standin")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		return os.ReadFile(filepath.Join(dir, "standin"))
	}
	return func(string) ([]byte, error) {
		once, _ := standins.LoadOrStore(mode, sync.OnceValues(build))
		return once.(func() ([]byte, error))()
	}
}

var serial atomic.Int32

// real is the cluster as one test uses it, with its own namespace name.
type real struct {
	*testing.T
	*kubernetes.Clientset
	namespace string
	nodes     []fact.Node
}

func onCluster(t *testing.T) *real {
	set, err := kubernetes.NewForConfig(restConfig())
	if err != nil {
		t.Fatal(err)
	}
	r := &real{T: t, Clientset: set, namespace: fmt.Sprintf("probe-e2e-%d-%d", os.Getpid(), serial.Add(1))}
	list, err := set.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list.Items {
		node := fact.Node{Name: n.Name, OS: n.Status.NodeInfo.OperatingSystem, Arch: n.Status.NodeInfo.Architecture, Labels: n.Labels}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady {
				node.Ready = c.Status == corev1.ConditionTrue
			}
		}
		r.nodes = append(r.nodes, node)
	}
	if len(r.nodes) < 3 {
		t.Fatalf("%d nodes, expected three", len(r.nodes))
	}
	t.Cleanup(func() {
		_ = set.CoreV1().Namespaces().Delete(context.Background(), r.namespace, metav1.DeleteOptions{})
	})
	return r
}

func (r *real) options() Options {
	return Options{
		Client: mustClient(), Namespace: r.namespace, RunID: newRunID(), Embedded: embedded.Probe, Timeout: 90 * time.Second,
		Kinds: []fact.Kind{fact.Processes},
	}
}

// makeNamespace makes the test's namespace, as a user would before a run.
func (r *real) makeNamespace(podSecurity string) {
	r.Helper()
	_, err := r.CoreV1().Namespaces().Create(r.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: r.namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": podSecurity},
	}}, metav1.CreateOptions{})
	if err != nil {
		r.Fatal(err)
	}
	r.eventually("the service account", 30*time.Second, func() string {
		if _, err := r.CoreV1().ServiceAccounts(r.namespace).Get(r.Context(), "default", metav1.GetOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

// left names what is in the test's namespace, including the namespace, or "" if nothing is.
func (r *real) left() string {
	r.Helper()
	ctx := context.Background()
	var left []string
	ns, err := r.CoreV1().Namespaces().Get(ctx, r.namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	left = append(left, "namespace "+string(ns.Status.Phase))
	pods, err := r.CoreV1().Pods(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, p := range pods.Items {
		left = append(left, "pod "+p.Name)
	}
	jobs, err := r.BatchV1().Jobs(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, j := range jobs.Items {
		left = append(left, "job "+j.Name)
	}
	maps, err := r.CoreV1().ConfigMaps(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, m := range maps.Items {
		if m.Name != "kube-root-ca.crt" {
			left = append(left, "configmap "+m.Name)
		}
	}
	return strings.Join(left, ", ")
}

// eventually waits until problem says none.
func (r *real) eventually(what string, timeout time.Duration, problem func() string) {
	r.Helper()
	start := time.Now()
	for {
		p := problem()
		if p == "" {
			r.Logf("%s after %s", what, time.Since(start).Round(100*time.Millisecond))
			return
		}
		if time.Since(start) > timeout {
			r.Fatalf("waiting for %s: after %s: %s", what, timeout, p)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// goneSoon waits until nothing is left, not even the namespace: the API server
// needs 5 s and more for one that is deleted.
func (r *real) goneSoon() {
	r.Helper()
	r.eventually("nothing left", 90*time.Second, r.left)
}

// stays checks that the namespace is there and empty.
func (r *real) stays() {
	r.Helper()
	if left := r.left(); left != "namespace Active" {
		r.Errorf("left: %q, expected the namespace alone", left)
	}
}

func (r *real) running() string {
	pods, err := r.CoreV1().Pods(r.namespace).List(r.Context(), metav1.ListOptions{FieldSelector: "status.phase=Running"})
	if err != nil {
		return err.Error()
	}
	if len(pods.Items) < len(r.nodes) {
		return fmt.Sprintf("%d pods run", len(pods.Items))
	}
	return ""
}

// refusal is the one failure that all nodes share.
func (r *real) refusal(gaps []fact.Gap) fact.Gap {
	r.Helper()
	if len(gaps) != len(r.nodes) {
		r.Fatalf("%d gaps, expected one for each of %d nodes: %v", len(gaps), len(r.nodes), gaps)
	}
	for _, g := range gaps[1:] {
		g.Subject = gaps[0].Subject
		if diff := cmp.Diff(gaps[0], g); diff != "" {
			r.Fatalf("gaps differ: %s", diff)
		}
	}
	return gaps[0]
}

// The real probe, at both levels, reports its own rights: its container is among those that
// it measures.
func TestE2ELevels(t *testing.T) {
	for level, want := range map[fact.Level]struct {
		uid    int64
		capEff string
	}{
		fact.LevelFull: {0, "0000000000080004"}, // SYS_PTRACE, DAC_READ_SEARCH
		fact.LevelProc: {nobody, "0000000000000000"},
	} {
		t.Run(string(level), func(t *testing.T) {
			r := onCluster(t)
			opts := r.options()
			opts.Level = level
			opts.Announce = func(line string) { t.Log(line) }
			start := time.Now()
			measured, gaps, err := Measure(t.Context(), opts, r.nodes)
			t.Logf("%d nodes in %s", len(measured), time.Since(start).Round(time.Millisecond))
			if err != nil || len(gaps) > 0 {
				t.Fatalf("gaps %v, error %v", gaps, err)
			}
			for _, n := range r.nodes {
				m := measured[n.Name]
				if m == nil || !m.HasRead(fact.Processes) {
					t.Errorf("node %s: %+v, expected processes", n.Name, m)
					continue
				}
				self := slices.IndexFunc(m.Containers, func(c fact.MeasuredContainer) bool { return c.Self })
				if self < 0 || len(m.Containers[self].Processes) == 0 {
					t.Errorf("node %s: the probe did not recognise itself among %d containers", n.Name, len(m.Containers))
					continue
				}
				p := m.Containers[self].Processes[0]
				if p.UID[1] != want.uid || p.CapEff.String() != want.capEff || p.NoNewPrivs == nil || !*p.NoNewPrivs || p.Seccomp == nil || *p.Seccomp != 2 {
					t.Errorf("node %s: uid %v, CapEff %s, NoNewPrivs %v, Seccomp %v", n.Name, p.UID, p.CapEff, p.NoNewPrivs, p.Seccomp)
				}
				t.Logf("%s: %d containers, %d KiB, %d ms CPU", n.Name, len(m.Containers), m.Cost.MaxRSSKiB, m.Cost.CPUMillis)
			}
			r.goneSoon()
		})
	}
}

// An answer of many frames arrives complete through the runtime's and kubelet's logs.
func TestE2ELargeAnswer(t *testing.T) {
	r := onCluster(t)
	opts := r.options()
	opts.Embedded = standin("large")
	measured, gaps, err := Measure(t.Context(), opts, r.nodes)
	if err != nil || len(gaps) > 0 {
		t.Fatalf("gaps %v, error %v", gaps, err)
	}
	for _, n := range r.nodes {
		if m := measured[n.Name]; m == nil || len(m.Host.Installed) != 12000 || m.Host.Hostname != n.Name {
			t.Errorf("node %s: not what its probe sent", n.Name)
		}
	}
	r.goneSoon()
}

func TestE2EInterrupted(t *testing.T) {
	r := onCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	opts := r.options()
	opts.Embedded = standin("hang")
	go func() {
		for start := time.Now(); r.running() != "" && time.Since(start) < time.Minute; {
			time.Sleep(100 * time.Millisecond)
		}
		cancel()
	}()
	_, gaps, err := Measure(ctx, opts, r.nodes)
	if err != nil {
		t.Error(err)
	}
	if g := r.refusal(gaps); g.Reason != fact.Interrupted {
		t.Errorf("gap %+v, expected Interrupted", g)
	}
	r.goneSoon()
}

// child is a run in its own process, which is killed.
type child struct {
	Namespace, Run string
	Nodes          []fact.Node
	Guarded        bool
}

func (c *child) run() {
	opts := Options{
		Client: mustClient(), Namespace: c.Namespace, RunID: c.Run, Embedded: standin("hang"), Timeout: 5 * time.Minute,
		Kinds: []fact.Kind{fact.Processes},
		// 15 s of life without a sign: the margin makes up for the timeout.
		timing: timing{margin: -(5*time.Minute - 15*time.Second)},
	}
	if c.Guarded {
		opts.Guard = func(run Options) (*Guard, error) {
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), envGuard+"=1")
			return StartGuard(cmd, child{Namespace: run.Namespace, Run: run.RunID})
		}
	}
	opts.Announce = func(line string) { fmt.Fprintln(os.Stderr, "child:", line) }
	_, gaps, err := Measure(context.Background(), opts, c.Nodes)
	fmt.Fprintf(os.Stderr, "child: ended by itself: gaps %v, error %v\n", gaps, err)
}

// kill starts a run whose probes hang, and kills it when all of them run.
func (r *real) kill(guarded bool) {
	r.Helper()
	if _, err := standin("hang")(""); err != nil {
		r.Fatal(err)
	}
	data, err := json.Marshal(child{r.namespace, newRunID(), r.nodes, guarded})
	if err != nil {
		r.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envChild+"="+string(data))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.eventually("all pods running", 90*time.Second, r.running)
	if err := cmd.Process.Kill(); err != nil {
		r.Error(err)
	}
	_ = cmd.Wait()
}

// The cluster alone removes what a killed run left in a namespace that existed before. The
// namespace stays.
func TestE2EKilled(t *testing.T) {
	r := onCluster(t)
	r.makeNamespace("privileged")
	r.kill(false)
	r.eventually("the cluster has removed everything", 90*time.Second, func() string {
		if left := r.left(); left != "namespace Active" {
			return left
		}
		return ""
	})
}

// The guard removes what a killed run left, and the namespace that the run created.
func TestE2EKilledWithGuard(t *testing.T) {
	r := onCluster(t)
	r.kill(true)
	r.goneSoon()
}

// Without the guard, the namespace that a killed run created stays, empty. Cleanup removes
// it, and so does the next run there.
func TestE2EKilledWithoutGuard(t *testing.T) {
	for name, remove := range map[string]func(r *real){
		"cleanup": func(r *real) {
			removed, err := Cleanup(r.Context(), mustClient(), Options{Namespace: r.namespace})
			if err != nil {
				r.Error(err)
			}
			if !slices.Contains(removed, "namespace/"+r.namespace) {
				r.Errorf("removed %q", removed)
			}
		},
		"the next run": func(r *real) {
			r.eventually("the cluster has removed everything else", 90*time.Second, func() string {
				if left := r.left(); left != "namespace Active" {
					return left
				}
				return ""
			})
			if _, gaps, err := Measure(r.Context(), r.options(), r.nodes); err != nil || len(gaps) > 0 {
				r.Errorf("gaps %v, error %v", gaps, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := onCluster(t)
			r.kill(false)
			remove(r)
			r.goneSoon()
		})
	}
}

func TestE2EPodSecurityRefuses(t *testing.T) {
	for _, level := range []string{"baseline", "restricted"} {
		t.Run(level, func(t *testing.T) {
			r := onCluster(t)
			r.makeNamespace(level)
			opts := r.options()
			announced := false
			opts.Announce = func(string) { announced = true }
			measured, gaps, err := Measure(t.Context(), opts, r.nodes)
			if err != nil || len(measured) > 0 {
				t.Fatalf("measured %d, error %v", len(measured), err)
			}
			g := r.refusal(gaps)
			t.Logf("%s: %s\n%s", g.Reason, g.Detail, g.Hint)
			if g.Reason != fact.AdmissionDenied || !strings.Contains(g.Detail, `violates PodSecurity "`+level) ||
				!strings.Contains(g.Hint, "--no-probe") || !strings.Contains(g.Hint, "--probe-namespace") {
				t.Errorf("gap %+v", g)
			}
			if announced {
				t.Error("announced what was already refused")
			}
			r.stays()
		})
	}
}

func TestE2EPolicyRefuses(t *testing.T) {
	for _, where := range []string{"a namespace that existed", "a namespace of the run"} {
		t.Run(where, func(t *testing.T) {
			r := onCluster(t)
			if where == "a namespace that existed" {
				r.makeNamespace("privileged")
			}
			policies := r.AdmissionregistrationV1()
			_, err := policies.ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{
				ObjectMeta: metav1.ObjectMeta{Name: r.namespace},
				Spec: admissionv1.ValidatingAdmissionPolicySpec{
					MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
						RuleWithOperations: admissionv1.RuleWithOperations{
							Operations: []admissionv1.OperationType{admissionv1.Create},
							Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
						},
					}}},
					Validations: []admissionv1.Validation{{
						Expression: fmt.Sprintf("object.metadata.namespace != %q || !has(object.spec.hostPID) || !object.spec.hostPID", r.namespace),
						Message:    "house rule 7: no hostPID",
					}},
				},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = policies.ValidatingAdmissionPolicies().Delete(context.Background(), r.namespace, metav1.DeleteOptions{})
				_ = policies.ValidatingAdmissionPolicyBindings().Delete(context.Background(), r.namespace, metav1.DeleteOptions{})
			})
			_, err = policies.ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
				ObjectMeta: metav1.ObjectMeta{Name: r.namespace},
				Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: r.namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if where == "a namespace that existed" {
				opts, err := r.options().complete()
				if err != nil {
					t.Fatal(err)
				}
				plan, _ := opts.plan(r.nodes)
				r.eventually("the policy is in force", 30*time.Second, func() string {
					if _, f := opts.tryPod(t.Context(), &plan, opts.Level); f == nil {
						return "a pod was admitted"
					}
					return ""
				})
			} else {
				time.Sleep(5 * time.Second) // nothing there to try it on
			}
			measured, gaps, err := Measure(t.Context(), r.options(), r.nodes)
			if err != nil || len(measured) > 0 {
				t.Fatalf("measured %d, error %v", len(measured), err)
			}
			g := r.refusal(gaps)
			t.Logf("%s: %s\n%s", g.Reason, g.Detail, g.Hint)
			if g.Reason != fact.AdmissionDenied || !strings.Contains(g.Detail, "house rule 7") || !strings.Contains(g.Hint, "--no-probe") {
				t.Errorf("gap %+v", g)
			}
			if where == "a namespace that existed" {
				r.stays()
			} else {
				r.goneSoon()
			}
		})
	}
}

// A user without rights is told which are missing; one with exactly the roles
// that Grants prints can do everything. hack/e2e has the same for a whole run.
func TestE2ERights(t *testing.T) {
	for _, where := range []string{"a namespace that existed", "a namespace of the run"} {
		t.Run(where, func(t *testing.T) {
			r := onCluster(t)
			if where == "a namespace that existed" {
				r.makeNamespace("privileged")
			}
			user := "user-of-" + r.namespace
			config := restConfig()
			config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
			client, err := NewClient(config)
			if err != nil {
				t.Fatal(err)
			}
			opts := r.options()
			opts.Client = client
			_, gaps, err := Measure(t.Context(), opts, r.nodes)
			if err != nil {
				t.Error(err)
			}
			g := r.refusal(gaps)
			t.Logf("%s: %s\n%s", g.Reason, g.Detail, g.Hint)
			want := "rights that the probe needs are missing: create jobs.batch, delete jobs.batch, create configmaps, list configmaps, delete configmaps, " +
				"create pods, get pods, list pods, watch pods, delete pods, get pods/log in namespace " + r.namespace + "; get nodes"
			if g.Reason != fact.Forbidden || g.Detail != want {
				t.Errorf("gap %+v, expected %s", g, want)
			}

			docs, err := Grants(opts, nil, where == "a namespace of the run")
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range docs {
				switch o := d.Object.(type) {
				case *rbacv1.ClusterRole:
					r.bind(user, "", o.Rules)
				case *rbacv1.Role:
					if o.Namespace == r.namespace {
						r.bind(user, r.namespace, o.Rules)
					}
				}
			}
			measured, gaps, err := Measure(t.Context(), opts, r.nodes)
			if err != nil || len(gaps) > 0 || len(measured) != len(r.nodes) {
				t.Errorf("measured %d, gaps %v, error %v", len(measured), gaps, err)
			}
			if where == "a namespace that existed" {
				r.stays()
			} else {
				r.goneSoon()
			}
		})
	}
}

// bind gives a user rules, everywhere where namespace is "".
func (r *real) bind(user, namespace string, rules []rbacv1.PolicyRule) {
	r.Helper()
	ctx := r.Context()
	name := fmt.Sprintf("%s-%d", r.namespace, serial.Add(1))
	subjects := []rbacv1.Subject{{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: user}}
	meta := metav1.ObjectMeta{Name: name}
	var err error
	if namespace == "" {
		_, err = r.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
		if err == nil {
			_, err = r.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: name}}, metav1.CreateOptions{})
		}
		r.Cleanup(func() {
			_ = r.RbacV1().ClusterRoleBindings().Delete(context.Background(), name, metav1.DeleteOptions{})
			_ = r.RbacV1().ClusterRoles().Delete(context.Background(), name, metav1.DeleteOptions{})
		})
	} else {
		_, err = r.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
		if err == nil {
			_, err = r.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: name}}, metav1.CreateOptions{})
		}
	}
	if err != nil {
		r.Fatal(err)
	}
}

// A quota that admits one pod at a time makes the run slower, but loses no facts.
func TestE2EQuota(t *testing.T) {
	r := onCluster(t)
	r.makeNamespace("privileged")
	_, err := r.CoreV1().ResourceQuotas(r.namespace).Create(t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "one"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.eventually("the quota is in force", 30*time.Second, func() string {
		q, err := r.CoreV1().ResourceQuotas(r.namespace).Get(t.Context(), "one", metav1.GetOptions{})
		if err != nil || len(q.Status.Hard) == 0 {
			return fmt.Sprint("no status ", err)
		}
		return ""
	})
	measured, gaps, err := Measure(t.Context(), r.options(), r.nodes)
	if err != nil || len(gaps) > 0 || len(measured) != len(r.nodes) {
		t.Errorf("measured %d, gaps %v, error %v", len(measured), gaps, err)
	}
	r.stays()
}

// What fails on the node is explained, and nothing stays.
func TestE2EFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		edit   func(*Options)
		reason fact.Reason
		detail string // a part of it
		hint   string // a part of it
	}{
		"a registry that does not answer": {
			edit: func(o *Options) {
				o.Image = "127.0.0.1:9/checklist-probe:none"
				o.timing.imageGrace = 8 * time.Second
			},
			reason: fact.ImagePull, detail: `image "127.0.0.1:9/checklist-probe:none": `, hint: "--probe-image=embedded",
		},
		"a probe that is not executable": {
			edit: func(o *Options) {
				o.Embedded = func(string) ([]byte, error) { return []byte(strings.Repeat("not ELF\n", 200_000)), nil }
			},
			reason: fact.ProbeFailed,
			detail: "loader: " + loader.Diagnose(loader.CodeExec, "checklist loader: errno 008 /work/checklist-probe\n"),
			hint:   "--probe-image",
		},
		"a probe that crashes": {
			edit:   func(o *Options) { o.Embedded = standin("crash") },
			reason: fact.ProbeFailed, detail: "the probe ended with status 2 (Error) and no message",
		},
		"a probe that hangs": {
			edit:   func(o *Options) { o.Embedded = standin("hang"); o.Timeout = 15 * time.Second },
			reason: fact.Timeout, detail: "15s", hint: "--probe-timeout",
		},
		"an image that is not a probe": {
			edit:   func(o *Options) { o.Image = "registry.k8s.io/pause:3.10"; o.Timeout = 15 * time.Second },
			reason: fact.Timeout, detail: "15s", hint: "--probe-timeout",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := onCluster(t)
			opts := r.options()
			tc.edit(&opts)
			start := time.Now()
			measured, gaps, err := Measure(t.Context(), opts, r.nodes)
			if err != nil || len(measured) > 0 {
				t.Fatalf("measured %d, error %v", len(measured), err)
			}
			t.Logf("after %s: %s: %s (%s)", time.Since(start).Round(time.Millisecond), gaps[0].Reason, gaps[0].Detail, gaps[0].Hint)
			for _, g := range gaps {
				if g.Reason != tc.reason || !strings.Contains(g.Detail, tc.detail) || !strings.Contains(g.Hint, tc.hint) {
					t.Errorf("gap %+v, expected %s, %q, %q", g, tc.reason, tc.detail, tc.hint)
				}
			}
			r.goneSoon()
		})
	}
}

// A node that stops while its probe runs affects only itself.
func TestE2ENodeStops(t *testing.T) {
	r := onCluster(t)
	const victim = "w2"
	harness, err := filepath.Abs("../../hack/cluster/run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(harness, "start-node", victim).CombinedOutput(); err != nil {
			t.Errorf("starting %s: %v: %s", victim, err, out)
		}
	})
	// The probe hangs on the victim only: the real one everywhere else.
	opts := r.options()
	opts.Timeout = 90 * time.Second
	opts.Embedded = standin("hang")
	var victims []fact.Node
	var others []fact.Node
	for _, n := range r.nodes {
		if n.Name == victim {
			victims = append(victims, n)
		} else {
			others = append(others, n)
		}
	}
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		_, gaps, err := Measure(t.Context(), opts, victims)
		took := time.Since(start).Round(time.Second)
		switch {
		case err != nil:
			done <- err
		case len(gaps) != 1 || gaps[0].Reason != fact.NotReady || gaps[0].Subject.Name != victim:
			done <- fmt.Errorf("after %s: gaps %+v, expected NotReady of %s", took, gaps, victim)
		case took > opts.Timeout:
			done <- fmt.Errorf("took %s", took)
		default:
			t.Logf("after %s: %s: %s", took, gaps[0].Reason, gaps[0].Detail)
			done <- nil
		}
	}()
	r.eventually("the pod runs", time.Minute, func() string {
		pods, err := r.CoreV1().Pods(r.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "status.phase=Running"})
		if err != nil || len(pods.Items) == 0 {
			return fmt.Sprint("not yet ", err)
		}
		return ""
	})
	if out, err := exec.Command(harness, "stop-node", victim).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Meanwhile a second run in the same namespace measures the others.
	second := r.options()
	measured, gaps, err := Measure(t.Context(), second, others)
	if err != nil || len(gaps) > 0 || len(measured) != len(others) {
		t.Errorf("measured %d of %d, gaps %v, error %v", len(measured), len(others), gaps, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.goneSoon()
}

// brokenNetwork puts a network configuration first on a node until the test ends.
func (r *real) brokenNetwork(node, plugin, program string) {
	r.Helper()
	harness, err := filepath.Abs("../../hack/cluster/run")
	if err != nil {
		r.Fatal(err)
	}
	verb := func(stdin string, args ...string) {
		r.Helper()
		cmd := exec.Command(harness, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			r.Errorf("%v: %v: %s", args, err, out)
		}
	}
	const config, first = "/etc/cni/net.d/10-pods.conflist", "/etc/cni/net.d/00-broken.conflist"
	working, err := exec.Command(harness, "node-exec", node, "--", "cat", config).Output()
	if err != nil {
		r.Fatal(err)
	}
	if program != "" {
		verb(program, "node-put", node, "-", "/usr/lib/cni/"+plugin, "--mode", "0755")
		r.Cleanup(func() { verb("", "node-rm", node, "/usr/lib/cni/"+plugin) })
	}
	verb(strings.Replace(string(working), `"type": "bridge"`, `"type": "`+plugin+`"`, 1), "node-put", node, "-", first)
	r.Cleanup(func() {
		verb("", "node-rm", node, first)
		// containerd sees the change by itself: wait until a pod starts there again.
		verb("", "settle")
	})
}

// The Events explain why a sandbox never starts. If they say that the SELinux type is
// refused, a second pod runs without it. The kernel here has no SELinux, so a network
// plugin says what runc would say.
func TestE2EPodsThatDoNotStart(t *testing.T) {
	const node = "w2"
	for name, tc := range map[string]struct {
		plugin, program string
		detail          []string // of the gap; nil if the node is measured
	}{
		"a network that does not work": {
			plugin: "no-such-plugin", detail: []string{"the pod did not start within 40s: FailedCreatePodSandBox: ", `failed to find plugin "no-such-plugin"`},
		},
		"a label that is refused for the first pod": {plugin: "first-refused", program: `#!/bin/sh
case "$CNI_COMMAND $CNI_ARGS" in
"ADD "*"K8S_POD_NAME=checklist-"*"-0000" | "ADD "*"K8S_POD_NAME=checklist-"*"-0000;"*)
	echo '{"cniVersion": "1.0.0", "code": 100, "msg": "write /proc/self/attr/keycreate: invalid argument"}'
	exit 1
esac
exec /usr/lib/cni/bridge
`},
		"a label that is refused for each pod": {plugin: "all-refused", program: `#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exec /usr/lib/cni/bridge
echo '{"cniVersion": "1.0.0", "code": 100, "msg": "write /proc/self/attr/keycreate: invalid argument"}'
exit 1
`, detail: []string{
			"the pod did not start within 40s: FailedCreatePodSandBox: ", "; this was a second pod, without the SELinux type spc_t; the first pod, with it, did not start: ",
			"write /proc/self/attr/keycreate: invalid argument",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := onCluster(t)
			r.makeNamespace("privileged") // it stays, with the Events in it
			r.brokenNetwork(node, tc.plugin, tc.program)
			opts := r.options()
			opts.Timeout = 40 * time.Second
			if tc.detail == nil {
				opts.Timeout = 90 * time.Second
			}
			start := time.Now()
			measured, gaps, err := Measure(t.Context(), opts, slices.DeleteFunc(r.nodes, func(n fact.Node) bool { return n.Name != node }))
			if err != nil {
				t.Error(err)
			}
			for _, g := range gaps {
				t.Logf("after %s: %s: %s (%s)", time.Since(start).Round(time.Millisecond), g.Reason, g.Detail, g.Hint)
			}
			if tc.detail == nil {
				t.Logf("measured %d after %s", len(measured), time.Since(start).Round(time.Millisecond))
				if len(measured) != 1 || len(gaps) > 0 {
					t.Errorf("measured %d, gaps %+v", len(measured), gaps)
				}
			} else if len(measured) > 0 || len(gaps) != 1 {
				t.Errorf("measured %d, gaps %+v", len(measured), gaps)
			} else {
				for _, want := range tc.detail {
					if gaps[0].Reason != fact.ProbeFailed || !strings.Contains(gaps[0].Detail, want) {
						t.Errorf("gap %+v, expected %s and %q", gaps[0], fact.ProbeFailed, want)
					}
				}
			}
			r.stays()
			events, err := r.CoreV1().Events(r.namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			said := func(pod, reason string) bool {
				return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
					return e.InvolvedObject.Name == "checklist-"+opts.RunID+pod && e.Reason == reason
				})
			}
			if !said("-0000", "FailedCreatePodSandBox") || said("-0000", "Started") {
				t.Error("the first pod's sandbox did not fail, so this test shows nothing")
			}
			if started := said("-0000-1", "Started"); started != (tc.detail == nil) {
				t.Errorf("a second pod started: %v", started)
			}
		})
	}
}
