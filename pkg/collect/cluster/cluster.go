// Package cluster reads a cluster through its API into facts: paged, as
// protobuf, typed only for what is read. Of Secrets it asks for metadata alone,
// so that their data never reaches this process. It never judges.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	nodev1client "k8s.io/client-go/kubernetes/typed/node/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Options say what to read.
type Options struct {
	// Config is the connection. It is copied before it is changed.
	Config *rest.Config

	// Pods, Nodes and Secrets say which of them to read.
	Pods, Nodes, Secrets bool

	// Namespace narrows pods and secrets; "" is all of them. Selector and
	// FieldSelector narrow pods.
	Namespace     string
	Selector      string
	FieldSelector string

	// NodeNames and NodeSelector narrow nodes. With NodeNames, a name that
	// does not exist is an error. PodsOfNodes narrows the pods to those of the
	// nodes that were found.
	NodeNames    []string
	NodeSelector string

	// PageSize is the number of objects in one answer; 0 means 500.
	PageSize int64
}

// Result is what was read.
type Result struct {
	Cluster       fact.Cluster
	Nodes         []fact.Node
	NodeObjects   []corev1.Node // as listed, images included, sorted by name
	Workloads     []fact.Workload
	PodScope      fact.PodScope
	Secrets       []fact.SecretName
	SecretsListed bool
	Gaps          []fact.Gap
}

// clients are the API groups that are read, over one connection pool.
type clients struct {
	core     corev1client.CoreV1Interface
	node     nodev1client.NodeV1Interface
	metadata metadata.Interface
	version  discovery.ServerVersionInterface
}

func newClients(config *rest.Config) (*clients, error) {
	typed := rest.CopyConfig(config)
	typed.ContentType = runtime.ContentTypeProtobuf
	typed.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	httpClient, err := rest.HTTPClientFor(typed)
	if err != nil {
		return nil, err
	}
	var c clients
	if c.core, err = corev1client.NewForConfigAndClient(typed, httpClient); err != nil {
		return nil, err
	}
	if c.node, err = nodev1client.NewForConfigAndClient(typed, httpClient); err != nil {
		return nil, err
	}
	if c.metadata, err = metadata.NewForConfigAndClient(metadata.ConfigFor(config), httpClient); err != nil {
		return nil, err
	}
	if c.version, err = discovery.NewDiscoveryClientForConfigAndClient(config, httpClient); err != nil {
		return nil, err
	}
	return &c, nil
}

// Collect reads the cluster. It fails where the server cannot be reached or
// does not know us; what it refuses for lack of rights is a gap.
func Collect(ctx context.Context, opts Options) (*Result, error) {
	c, err := newClients(opts.Config)
	if err != nil {
		return nil, err
	}
	if opts.PageSize == 0 {
		opts.PageSize = 500
	}
	result := &Result{Cluster: fact.Cluster{Server: opts.Config.Host}}
	// The version is readable by everyone, and the first to say that a
	// connection does not work.
	version, err := c.version.ServerVersion()
	switch {
	case apierrors.IsForbidden(err):
	case err != nil:
		return nil, err
	default:
		result.Cluster.Version = version.GitVersion
	}

	// At most four lists at once: priority and fairness seats are few, and
	// each list may use several.
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		failed  []error
		pods    podLister
		nodeGap []fact.Gap
		podGap  []fact.Gap
		secGap  []fact.Gap
	)
	run := func(what string, fn func() error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := fn(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, fmt.Errorf("listing %s: %w", what, err))
			}
		}()
	}
	if opts.Nodes {
		run("nodes", func() error {
			var err error
			result.NodeObjects, nodeGap, err = c.nodes(ctx, opts)
			return err
		})
	}
	if opts.Pods {
		pods = podLister{clients: c, opts: opts, groups: map[string]*fact.Workload{}}
		run("pods", func() error {
			var err error
			podGap, err = pods.collect(ctx)
			return err
		})
	}
	if opts.Secrets {
		run("secrets", func() error {
			var err error
			result.Secrets, result.SecretsListed, secGap, err = c.secrets(ctx, opts)
			return err
		})
	}
	wg.Wait()
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	for i := range result.NodeObjects {
		result.Nodes = append(result.Nodes, nodeFacts(&result.NodeObjects[i]))
	}
	if opts.Pods {
		result.Workloads, result.PodScope = pods.workloads(), pods.scope()
		if len(podGap) > 0 && len(result.Workloads) == 0 {
			result.PodScope = fact.PodsNotListed
		}
	}
	result.Gaps = slices.Concat(nodeGap, podGap, secGap)
	result.Cluster.Provider = provider(result.Cluster.Version, result.Nodes, result.Workloads)
	return result, nil
}

// eachPage lists page by page and hands every object to fn, which must not
// keep it. An expired page makes the pager list everything anew.
func eachPage[T any](ctx context.Context, size int64, options metav1.ListOptions,
	list func(context.Context, metav1.ListOptions) (runtime.Object, error), fn func(*T) error,
) error {
	p := pager.New(list)
	p.PageSize = size
	return p.EachListItemWithAlloc(ctx, options, func(object runtime.Object) error {
		typed, ok := object.(any).(*T)
		if !ok {
			return fmt.Errorf("expected %T in the list, found %T", typed, object)
		}
		return fn(typed)
	})
}

// refused turns a refusal into a gap, and anything else back into an error.
func refused(err error, what fact.Kind, verb, resource, namespace string) (fact.Gap, error) {
	where := "in all namespaces"
	if namespace != "" {
		where = fmt.Sprintf("in namespace %q", namespace)
	}
	if resource == "nodes" {
		where = "in the cluster"
	}
	if !apierrors.IsForbidden(err) {
		return fact.Gap{}, err
	}
	return fact.Gap{
		What:    what,
		Subject: fact.Subject{Kind: "Cluster"},
		Reason:  fact.Forbidden,
		Detail:  fmt.Sprintf("no right to %s %s %s", verb, resource, where),
		Hint:    fmt.Sprintf("grant %s on %s, or narrow the run with -n", verb, resource),
	}, nil
}

func (c *clients) nodes(ctx context.Context, opts Options) ([]corev1.Node, []fact.Gap, error) {
	var nodes []corev1.Node
	if len(opts.NodeNames) > 0 {
		for _, name := range opts.NodeNames {
			node, err := c.core.Nodes().Get(ctx, strings.TrimPrefix(strings.TrimPrefix(name, "nodes/"), "node/"), metav1.GetOptions{})
			if apierrors.IsForbidden(err) {
				gap, _ := refused(err, fact.Nodes, "get", "nodes", "")
				return nil, []fact.Gap{gap}, nil
			}
			if err != nil {
				return nil, nil, err
			}
			nodes = append(nodes, *node)
		}
	} else {
		err := eachPage(ctx, opts.PageSize, metav1.ListOptions{LabelSelector: opts.NodeSelector},
			func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return c.core.Nodes().List(ctx, o)
			},
			func(node *corev1.Node) error {
				node.ManagedFields = nil
				nodes = append(nodes, *node)
				return nil
			})
		if err != nil {
			gap, err := refused(err, fact.Nodes, "list", "nodes", "")
			if err != nil {
				return nil, nil, err
			}
			return nil, []fact.Gap{gap}, nil
		}
	}
	slices.SortFunc(nodes, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	nodes = slices.CompactFunc(nodes, func(a, b corev1.Node) bool { return a.Name == b.Name })
	return nodes, nil, nil
}

func nodeFacts(node *corev1.Node) fact.Node {
	info := node.Status.NodeInfo
	out := fact.Node{
		Name:             node.Name,
		Listed:           true,
		UID:              string(node.UID),
		Unschedulable:    node.Spec.Unschedulable,
		OS:               info.OperatingSystem,
		Arch:             info.Architecture,
		OSImage:          info.OSImage,
		KernelVersion:    info.KernelVersion,
		KubeletVersion:   info.KubeletVersion,
		ContainerRuntime: info.ContainerRuntimeVersion,
		Labels:           node.Labels,
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			out.Ready = condition.Status == corev1.ConditionTrue
		}
	}
	for _, role := range []string{"control-plane", "master", "etcd"} {
		if _, ok := node.Labels["node-role.kubernetes.io/"+role]; ok {
			out.ControlPlane = true
		}
	}
	return out
}

// secrets lists names by metadata. The type of a Secret is not metadata, so it
// is not known here; nothing needs it.
func (c *clients) secrets(ctx context.Context, opts Options) ([]fact.SecretName, bool, []fact.Gap, error) {
	names := []fact.SecretName{}
	resource := corev1.SchemeGroupVersion.WithResource("secrets")
	err := eachPage(ctx, opts.PageSize, metav1.ListOptions{},
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.metadata.Resource(resource).Namespace(opts.Namespace).List(ctx, o)
		},
		func(m *metav1.PartialObjectMetadata) error {
			names = append(names, fact.SecretName{Namespace: m.Namespace, Name: m.Name})
			return nil
		})
	if err != nil {
		gap, err := refused(err, fact.Secrets, "list", "secrets", opts.Namespace)
		if err != nil {
			return nil, false, nil, err
		}
		return nil, false, []fact.Gap{gap}, nil
	}
	slices.SortFunc(names, func(a, b fact.SecretName) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return names, true, nil, nil
}
