package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/imagescan"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Bounds of what is read of reports and policies.
const (
	reportPage    = 50     // objects in one answer: a report holds all vulnerabilities of an image
	maxReports    = 50_000 // of one resource
	maxPolicyRead = 5000   // of one resource
	maxImageText  = 512    // bytes of an image's name
)

// reportObject is what is read of a report. Its vulnerabilities are skipped as it is
// decoded.
type reportObject struct {
	Metadata struct {
		Namespace   string            `json:"namespace"`
		Name        string            `json:"name"`
		Created     string            `json:"creationTimestamp"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	// VulnerabilityReport
	Report struct {
		Updated string `json:"updateTimestamp"`
		Scanner struct {
			Name string `json:"name"`
		} `json:"scanner"`
		Registry struct {
			Server string `json:"server"`
		} `json:"registry"`
		Artifact struct {
			Repository string `json:"repository"`
			Tag        string `json:"tag"`
			Digest     string `json:"digest"`
		} `json:"artifact"`
		Summary struct {
			Critical int `json:"criticalCount"`
			High     int `json:"highCount"`
		} `json:"summary"`
	} `json:"report"`
	// VulnerabilityManifestSummary
	Spec struct {
		Severities struct {
			Critical struct {
				All int `json:"all"`
			} `json:"critical"`
			High struct {
				All int `json:"all"`
			} `json:"high"`
		} `json:"severities"`
	} `json:"spec"`
}

// trivy reads a report of the Trivy operator.
func trivy(o *reportObject, r *fact.ImageReport) {
	const prefix = "trivy-operator."
	r.OwnerKind, r.Owner, r.Container = o.Metadata.Labels[prefix+"resource.kind"], o.Metadata.Labels[prefix+"resource.name"], o.Metadata.Labels[prefix+"container.name"]
	if r.Owner == "" {
		r.Owner = o.Metadata.Annotations[prefix+"resource.name"] // too long for a label
	}
	r.Repository, r.Tag, r.Digest = o.Report.Artifact.Repository, o.Report.Artifact.Tag, o.Report.Artifact.Digest
	if server := o.Report.Registry.Server; server != "" && r.Repository != "" && !strings.HasPrefix(r.Repository, server+"/") {
		r.Repository = server + "/" + r.Repository
	}
	r.Scanner, r.Updated = o.Report.Scanner.Name, timeOf(o.Report.Updated)
	r.Critical, r.High = o.Report.Summary.Critical, o.Report.Summary.High
}

// kubescape reads what Kubescape writes into metadata.
func kubescape(o *reportObject, r *fact.ImageReport) {
	const prefix = "kubescape.io/"
	r.Scanner, r.Updated = "Kubescape", timeOf(o.Metadata.Created)
	r.Critical, r.High = o.Spec.Severities.Critical.All, o.Spec.Severities.High.All
	image := o.Metadata.Annotations[prefix+"image-id"]
	if _, rest, found := strings.Cut(image, "://"); found { // docker-pullable://
		image = rest
	}
	if name, digest, found := strings.Cut(image, "@"); found {
		r.Repository, r.Digest = name, digest
	}
	if tag := o.Metadata.Annotations[prefix+"image-tag"]; tag != "" {
		if i := strings.LastIndexByte(tag, ':'); i > strings.LastIndexByte(tag, '/') {
			r.Repository, r.Tag = tag[:i], tag[i+1:]
		}
	}
	// Older versions keep the reports about all namespaces in their own.
	if of := o.Metadata.Labels[prefix+"workload-namespace"]; of == "" || of == o.Metadata.Namespace {
		r.OwnerKind, r.Owner, r.Container = o.Metadata.Labels[prefix+"workload-kind"], o.Metadata.Labels[prefix+"workload-name"], o.Metadata.Labels[prefix+"workload-container-name"]
	}
}

func timeOf(text string) fact.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fact.Time{}
	}
	return fact.NewTime(t.UTC())
}

// imageReports reads what scanners say about images, and the policies that look at images
// at admission. Resources that the API does not serve are not asked for. It returns nil if
// it does not know which are served.
func (c *clients) imageReports(ctx context.Context, opts Options) (*fact.ImageScan, []fact.Gap, error) {
	r := imageReader{clients: c, opts: opts, served: map[schema.GroupResource]*discovered{}}
	resources, stale, err := c.resources(ctx)
	if err != nil {
		gap, err := listGap(ctx, fact.ImageReports, "API groups", err)
		if err != nil {
			return nil, nil, err
		}
		return nil, []fact.Gap{gap}, nil
	}
	for i := range resources {
		r.served[resources[i].GroupResource()] = &resources[i]
	}
	for _, group := range stale {
		if slices.ContainsFunc(slices.Concat(imagescan.Reports(), imagescan.Policies()), func(k imagescan.Resource) bool { return k.Group == group }) {
			gap := staleGap([]string{group})
			gap.What = fact.ImageReports
			r.gaps = append(r.gaps, gap)
		}
	}
	for _, kind := range imagescan.Reports() {
		if err := r.reports(ctx, kind); err != nil {
			return nil, nil, err
		}
	}
	for _, kind := range imagescan.Policies() {
		if err := r.policies(ctx, kind); err != nil {
			return nil, nil, err
		}
	}
	if err := r.webhooks(ctx); err != nil {
		return nil, nil, err
	}
	sorted.Stable(r.scan.Reports, func(a, b fact.ImageReport) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	sorted.Stable(r.scan.Policies, func(a, b fact.ImagePolicy) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return &r.scan, r.gaps, nil
}

// imageReader reads reports and policies.
type imageReader struct {
	*clients
	opts   Options
	served map[schema.GroupResource]*discovered
	scan   fact.ImageScan
	gaps   []fact.Gap
}

// path is where the objects of a resource in scope are listed.
func (r *imageReader) path(of *discovered) string {
	path := "/apis/" + of.Group + "/" + of.Version + "/"
	if of.namespaced && r.opts.Namespace != "" {
		path += "namespaces/" + r.opts.Namespace + "/"
	}
	return path + of.Resource
}

// note keeps the gap of an error about a list.
func (r *imageReader) note(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	gap, err := listGap(ctx, fact.ImageReports, what, err)
	if err != nil {
		return err
	}
	r.gaps = append(r.gaps, gap)
	return nil
}

// reports reads the reports of one kind, if it is served.
func (r *imageReader) reports(ctx context.Context, kind imagescan.Resource) error {
	of := r.served[schema.GroupResource{Group: kind.Group, Resource: kind.Resource}]
	if of == nil {
		return nil
	}
	read := kubescape
	if kind.Kind == "VulnerabilityReport" {
		read = trivy
	}
	from := len(r.scan.Reports)
	add := func(o *reportObject) {
		report := fact.ImageReport{Kind: kind.Kind, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name}
		read(o, &report)
		for _, text := range []*string{&report.OwnerKind, &report.Owner, &report.Container, &report.Tag, &report.Digest, &report.Scanner} {
			*text = escape.Short(*text, 253)
		}
		report.Repository = escape.Short(report.Repository, maxImageText)
		report.Critical, report.High = max(report.Critical, 0), max(report.High, 0)
		r.scan.Reports = append(r.scan.Reports, report)
	}
	full := func() bool { return len(r.scan.Reports)-from >= maxReports }
	var err error
	if kind.Kind == "VulnerabilityManifest" { // its counts are in the summary, and it is large
		namespace := ""
		if of.namespaced {
			namespace = r.opts.Namespace
		}
		list, asked := r.listMetadata(of.GroupVersionResource, namespace), 0
		err = eachPage(ctx, r.opts.PageSize, metav1.ListOptions{},
			func(ctx context.Context, o metav1.ListOptions) ([]metav1.PartialObjectMetadata, string, error) {
				if asked >= maxReports { // not those that were taken: that goes on meanwhile
					return nil, "", errTooMany
				}
				items, next, err := list(ctx, o)
				asked += len(items)
				return items, next, err
			},
			func() { r.scan.Reports = r.scan.Reports[:from] },
			func(m *metav1.PartialObjectMetadata) {
				var o reportObject
				o.Metadata.Namespace, o.Metadata.Name, o.Metadata.Labels, o.Metadata.Annotations = m.Namespace, m.Name, m.Labels, m.Annotations
				o.Metadata.Created = m.CreationTimestamp.UTC().Format(time.RFC3339)
				add(&o)
			})
	} else {
		err = r.pages(ctx, r.path(of), reportPage, func(item json.RawMessage) error {
			if full() {
				return errTooMany
			}
			var o reportObject
			if json.Unmarshal(item, &o) != nil {
				return errMalformed
			}
			add(&o)
			return nil
		})
	}
	return r.note(ctx, of.name(), err)
}

// kyvernoRule is a rule of Kyverno that verifies images, or does something else.
type kyvernoRule struct {
	VerifyImages []kyvernoVerify `json:"verifyImages"`
}

type kyvernoVerify struct {
	Failure string `json:"failureAction"`
}

// policyObject is what is read of a policy about images.
type policyObject struct {
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Mode string `json:"mode"` // ClusterImagePolicy of Sigstore
		// Kyverno's rules
		Failure   string `json:"validationFailureAction"`
		Overrides []struct {
			Action string `json:"action"`
		} `json:"validationFailureActionOverrides"`
		Admission *bool         `json:"admission"`
		Rules     []kyvernoRule `json:"rules"`
		// ImageValidatingPolicy of Kyverno
		Actions    []string `json:"validationActions"`
		Evaluation struct {
			Admission struct {
				Enabled *bool `json:"enabled"`
			} `json:"admission"`
		} `json:"evaluation"`
		// Portieris
		Repositories []struct {
			Policy map[string]json.RawMessage `json:"policy"`
		} `json:"repositories"`
	} `json:"spec"`
}

// judge says whether a policy is about images, whether it refuses images, and why.
func (o *policyObject) judge(group string) (about, enforces bool, detail string) {
	switch group {
	case "policy.sigstore.dev":
		return sigstore(o)
	case "kyverno.io":
		return kyverno(o)
	case "policies.kyverno.io":
		return kyvernoImages(o)
	case "portieris.cloud.ibm.com":
		return portieris(o)
	}
	return true, false, "Ratify verifies, and a constraint of Gatekeeper decides: it was not read"
}

func sigstore(o *policyObject) (about, enforces bool, detail string) {
	const where = ", in namespaces with the label policy.sigstore.dev/include=true"
	switch o.Spec.Mode {
	case "", "enforce":
		return true, true, "spec.mode: enforce" + where
	case "warn":
		return true, false, "spec.mode: warn" + where
	}
	return true, false, "spec.mode is neither enforce nor warn"
}

func kyverno(o *policyObject) (about, enforces bool, detail string) {
	for _, rule := range o.Spec.Rules {
		for _, verify := range rule.VerifyImages {
			about = true
			enforces = enforces || strings.EqualFold(cmp.Or(verify.Failure, o.Spec.Failure), "enforce")
		}
	}
	switch {
	case !about:
		return false, false, ""
	case o.Spec.Admission != nil && !*o.Spec.Admission:
		return true, false, "spec.admission: false"
	case !enforces:
		return true, false, "no rule of verifyImages has failureAction Enforce"
	}
	detail = "spec.rules[].verifyImages[].failureAction: Enforce"
	byRule := func(rule kyvernoRule) bool {
		return slices.ContainsFunc(rule.VerifyImages, func(v kyvernoVerify) bool { return strings.EqualFold(v.Failure, "enforce") })
	}
	if !slices.ContainsFunc(o.Spec.Rules, byRule) {
		detail = "spec.validationFailureAction: Enforce"
	}
	if len(o.Spec.Overrides) > 0 {
		detail += ", with other actions for some namespaces"
	}
	return true, true, detail
}

func kyvernoImages(o *policyObject) (about, enforces bool, detail string) {
	switch enabled := o.Spec.Evaluation.Admission.Enabled; {
	case enabled != nil && !*enabled:
		return true, false, "spec.evaluation.admission.enabled: false"
	case slices.Contains(o.Spec.Actions, "Deny"):
		return true, true, "spec.validationActions: Deny"
	}
	return true, false, "spec.validationActions has no Deny"
}

func portieris(o *policyObject) (about, enforces bool, detail string) {
	for _, repository := range o.Spec.Repositories {
		if len(repository.Policy) > 0 {
			return true, true, "spec.repositories[].policy is set"
		}
	}
	return true, false, "no entry of spec.repositories has a policy"
}

// policies reads the policies of one kind, if it is served.
func (r *imageReader) policies(ctx context.Context, kind imagescan.Resource) error {
	of := r.served[schema.GroupResource{Group: kind.Group, Resource: kind.Resource}]
	if of == nil {
		return nil
	}
	count := 0
	err := r.pages(ctx, r.path(of), customPage, func(item json.RawMessage) error {
		if count++; count > maxPolicyRead {
			return errTooMany
		}
		var o policyObject
		if json.Unmarshal(item, &o) != nil {
			return errMalformed
		}
		if about, enforces, detail := o.judge(kind.Group); about {
			r.scan.Policies = append(r.scan.Policies, fact.ImagePolicy{
				Kind: kind.Kind, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, Enforces: enforces, Detail: detail,
			})
		}
		return nil
	})
	return r.note(ctx, of.name(), err)
}

// webhooks looks for admission controllers that are configured otherwise than by objects:
// Connaisseur, whose setting DETECTION_MODE decides.
// Source: securesystemsengineering/connaisseur, 2026-05.
func (r *imageReader) webhooks(ctx context.Context) error {
	of := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resourceOfHook}
	var found []fact.ImagePolicy
	err := eachPage(ctx, r.opts.PageSize, metav1.ListOptions{}, r.listMetadata(of, ""),
		func() { found = nil },
		func(m *metav1.PartialObjectMetadata) {
			if strings.HasPrefix(m.Name, "connaisseur") {
				found = append(found, fact.ImagePolicy{
					Kind: "MutatingWebhookConfiguration", Name: m.Name, Detail: "Connaisseur verifies; its setting DETECTION_MODE, which was not read, decides whether it refuses",
				})
			}
		})
	r.scan.Policies = append(r.scan.Policies, found...)
	return r.note(ctx, of.Resource+"."+of.Group, err)
}
