package cluster

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// podSecurity is the prefix of the labels that Pod Security admission reads.
const podSecurity = "pod-security.kubernetes.io/"

// namespaces reads the labels of Pod Security admission, by metadata: of the one namespace
// in scope, or of all. One that does not exist is a gap.
func (c *clients) namespaces(ctx context.Context, opts Options) (list []fact.Namespace, read bool, gaps []fact.Gap, err error) {
	resource := corev1.SchemeGroupVersion.WithResource("namespaces")
	verb := "list"
	if opts.Namespace != "" {
		verb = "get"
		var m *metav1.PartialObjectMetadata
		m, err = c.metadata.Resource(resource).Get(ctx, opts.Namespace, metav1.GetOptions{})
		switch {
		case err == nil:
			list = append(list, namespaceFacts(m))
		case apierrors.IsNotFound(err):
			// A name that is not right must not pass.
			return nil, true, []fact.Gap{{
				What: fact.Namespaces, Subject: fact.Subject{Kind: fact.SubjectNamespace, Name: opts.Namespace}, Reason: fact.NotPresent,
				Detail: "there is no such namespace", Hint: "check its name: kubectl get namespaces",
			}}, nil
		}
	} else {
		err = eachPage(ctx, opts.PageSize, metav1.ListOptions{}, c.listMetadata(resource, ""),
			func() { list = nil },
			func(m *metav1.PartialObjectMetadata) { list = append(list, namespaceFacts(m)) })
	}
	slices.SortFunc(list, func(a, b fact.Namespace) int { return strings.Compare(a.Name, b.Name) })
	list = slices.CompactFunc(list, func(a, b fact.Namespace) bool { return a.Name == b.Name })
	if err == nil {
		return list, true, nil, nil
	}
	gap, err := listGap(ctx, fact.Namespaces, "namespaces", err)
	if err != nil {
		return nil, false, nil, err
	}
	if gap.Reason == fact.Forbidden {
		gap.Detail, gap.Hint = "no right to "+verb+" namespaces", "grant "+verb+" on namespaces"
	}
	// Those of the pages before the failure were read; the gap says that there are more.
	return list, len(list) > 0, []fact.Gap{gap}, nil
}

func namespaceFacts(m *metav1.PartialObjectMetadata) fact.Namespace {
	// The API server takes 63 characters for a value.
	value := func(mode string) string { return escape.Short(m.Labels[podSecurity+mode], 63) }
	return fact.Namespace{
		Name:    m.Name,
		Enforce: value("enforce"), EnforceVersion: value("enforce-version"),
		Audit: value("audit"), AuditVersion: value("audit-version"),
		Warn: value("warn"), WarnVersion: value("warn-version"),
		Origin: "namespace/" + m.Name,
	}
}

// uid is the UID of the namespace kube-system, by metadata; "" if it cannot be read. A waiver that
// names a cluster then covers nothing, and diff cannot tell whether two reports are of one cluster:
// both say so.
func (c *clients) uid(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	m, err := c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	return escape.Short(string(m.UID), 64)
}
