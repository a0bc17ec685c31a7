package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/secretstore"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Bounds of what is read of stores.
const (
	maxStoreObjects  = 5000     // of one resource
	storePage        = 100      // objects in one answer, where their spec is read
	maxStoreAnswer   = 16 << 20 // bytes of one answer
	maxProviderName  = 63       // bytes
	meshResource     = "peerauthentications"
	meshGroup        = "security.istio.io"
	meshRoot         = "istio-system" // the default of meshConfig.rootNamespace
	meshName         = "Istio"
	resourceOfDriver = "csidrivers"
	resourceOfHook   = "mutatingwebhookconfigurations"
)

// errTooLarge is returned for an answer that is larger than its bound, errMalformed for
// one that is not what was asked for. A decoder's own error can quote the answer.
var (
	errTooLarge  = errors.New("the answer is too large")
	errTooMany   = errors.New("there are more objects than are read")
	errMalformed = errors.New("the answer is not the JSON that was expected")
)

// served is a resource as the API serves it.
type served struct {
	schema.GroupVersionResource
	namespaced bool
}

// storeReader reads what the cluster shows of external stores of secrets.
type storeReader struct {
	*clients
	opts   Options
	gaps   []fact.Gap
	stores map[string]*fact.SecretStore
}

// stores looks for stores and injectors of secrets: their custom resources, CSI drivers and
// webhooks. It lists metadata, and of the few resources that say where a secret ends
// that one field. It never reads a Secret. Read is false if it does not know which
// resources the API serves.
func (c *clients) stores(ctx context.Context, opts Options) (list []fact.SecretStore, meshes []fact.MeshState, read bool, gaps []fact.Gap, err error) {
	r := storeReader{clients: c, opts: opts, stores: map[string]*fact.SecretStore{}}
	mesh := schema.GroupResource{Group: meshGroup, Resource: meshResource}
	wanted := map[schema.GroupResource]bool{mesh: opts.Namespace == ""}
	for _, s := range secretstore.All() {
		for _, resource := range s.Resources {
			wanted[schema.GroupResource{Group: resource.Group, Resource: resource.Resource}] = true
		}
	}
	resources, err := r.discover(ctx, wanted)
	if err != nil {
		gap, err := r.gapOf(ctx, "API groups", err)
		gap.Hint = ""
		if err != nil {
			return nil, nil, false, nil, err
		}
		return nil, nil, false, []fact.Gap{gap}, nil
	}
	for _, s := range secretstore.All() {
		for _, resource := range s.Resources {
			found, ok := resources[schema.GroupResource{Group: resource.Group, Resource: resource.Resource}]
			if !ok || opts.Namespace != "" && !found.namespaced {
				continue
			}
			if err := r.resource(ctx, s.Name, resource.Reads, found); err != nil {
				return nil, nil, false, nil, err
			}
		}
	}
	if opts.Namespace == "" {
		if err := r.installed(ctx); err != nil {
			return nil, nil, false, nil, err
		}
		if found, ok := resources[mesh]; ok {
			if meshes, err = r.meshes(ctx, found); err != nil {
				return nil, nil, false, nil, err
			}
		}
	}
	for _, s := range r.stores {
		slices.Sort(s.Installed)
		list = append(list, *s)
	}
	sorted.Func(list, func(a, b fact.SecretStore) int { return strings.Compare(a.Name, b.Name) })
	return list, meshes, true, r.gaps, nil
}

func (r *storeReader) store(name string) *fact.SecretStore {
	if r.stores[name] == nil {
		r.stores[name] = &fact.SecretStore{Name: name}
	}
	return r.stores[name]
}

// gapOf turns an error about one list into a gap, so that it does not cost the others. It
// returns what is neither the server's refusal nor its failure: the end of the context.
func (r *storeReader) gapOf(ctx context.Context, what string, err error) (fact.Gap, error) {
	return listGap(ctx, fact.SecretStores, what, err)
}

// listGap is the gap of an error about the list of a resource.
func listGap(ctx context.Context, kind fact.Kind, what string, err error) (fact.Gap, error) {
	gap := fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectCluster}}
	switch {
	case ctx.Err() != nil:
		return gap, err
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		gap.Reason, gap.Detail, gap.Hint = fact.Forbidden, "no right to list "+what, "grant list on "+what
	case errors.Is(err, errTooLarge):
		gap.Reason, gap.Detail = fact.Truncated, fmt.Sprintf("listing %s: an answer has more than %d bytes", what, maxStoreAnswer)
	case errors.Is(err, errTooMany):
		gap.Reason, gap.Detail = fact.Truncated, fmt.Sprintf("listing %s: there are too many, and the rest was not read", what)
	case isExpired(err):
		gap.Reason, gap.Detail, gap.Hint = fact.Changing, "listing "+what+": the list changed faster than it could be read", "run it again"
	case errors.Is(err, errMalformed):
		gap.Reason, gap.Detail = fact.Corrupt, "listing "+what+": "+errMalformed.Error()
	default:
		gap.Reason, gap.Detail, gap.Hint = fact.Unavailable, "listing "+what+": the API server did not answer", "run it again"
	}
	return gap, nil
}

// note keeps the gap of an error.
func (r *storeReader) note(ctx context.Context, what string, err error) error {
	gap, err := r.gapOf(ctx, what, err)
	if err != nil {
		return err
	}
	r.gaps = append(r.gaps, gap)
	return nil
}

// getJSON reads a bounded answer.
func (c *clients) getJSON(ctx context.Context, path string, params map[string]string, into any) error {
	return c.getJSONAs(ctx, path, "application/json", params, into)
}

// getJSONAs does so for what is asked for as media types.
func (c *clients) getJSONAs(ctx context.Context, path, accept string, params map[string]string, into any) error {
	request := c.core.RESTClient().Get().AbsPath(path).SetHeader("Accept", accept)
	for name, value := range params {
		request = request.Param(name, value)
	}
	body, err := request.Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(io.LimitReader(body, maxStoreAnswer+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxStoreAnswer:
		return errTooLarge
	case json.Unmarshal(data, into) != nil:
		return errMalformed
	}
	return nil
}

// maxVersions bounds how many versions of a group are asked about.
const maxVersions = 4

// discover finds out in which version the API serves resources. One request lists the
// groups, and one more the resources of each group that is wanted: of its preferred
// version, and of others while a resource is missing there.
func (r *storeReader) discover(ctx context.Context, wanted map[schema.GroupResource]bool) (map[schema.GroupResource]served, error) {
	var groups metav1.APIGroupList
	if err := r.getJSON(ctx, "/apis", nil, &groups); err != nil {
		return nil, err
	}
	found := map[schema.GroupResource]served{}
	for _, group := range groups.Groups {
		missing := map[string]bool{}
		for resource := range wanted {
			if resource.Group == group.Name && wanted[resource] {
				missing[resource.Resource] = true
			}
		}
		versions := []string{group.PreferredVersion.Version}
		for _, v := range group.Versions {
			if !slices.Contains(versions, v.Version) {
				versions = append(versions, v.Version)
			}
		}
		for _, version := range versions[:min(len(versions), maxVersions)] {
			if len(missing) == 0 || version == "" || strings.ContainsAny(version, "/?#%") {
				continue
			}
			var resources metav1.APIResourceList
			if err := r.getJSON(ctx, "/apis/"+group.Name+"/"+version, nil, &resources); err != nil {
				if err := r.note(ctx, "the resources of "+group.Name, err); err != nil {
					return nil, err
				}
				break
			}
			for _, resource := range resources.APIResources {
				if missing[resource.Name] {
					delete(missing, resource.Name)
					of := schema.GroupVersionResource{Group: group.Name, Version: version, Resource: resource.Name}
					found[of.GroupResource()] = served{of, resource.Namespaced}
				}
			}
		}
	}
	return found, nil
}

// resource counts the objects of a resource, and reads of them where a secret ends.
func (r *storeReader) resource(ctx context.Context, store string, reads secretstore.Reads, of served) error {
	name := of.Resource + "." + of.Group
	out := fact.StoreResource{Resource: name}
	var err error
	if reads == secretstore.ReadsNothing {
		out.Objects, out.More, err = r.count(ctx, of)
	} else {
		err = r.read(ctx, of, reads, &out)
	}
	if err != nil {
		if err := r.note(ctx, name, err); err != nil {
			return err
		}
		if out.Objects == 0 {
			return nil
		}
		out.More = true // it ended between two pages
	}
	if reads == secretstore.ReadsDecryption && out.Objects == 0 {
		return nil // Flux without SOPS
	}
	s := r.store(store)
	s.Resources = append(s.Resources, out)
	return nil
}

// count counts objects by metadata, page by page up to maxStoreObjects. The server says
// on the first page how many remain; if it does not, the pages are counted.
func (r *storeReader) count(ctx context.Context, of served) (objects int, more bool, err error) {
	options := metav1.ListOptions{Limit: r.opts.PageSize}
	for {
		page, err := r.metadata.Resource(of.GroupVersionResource).Namespace(r.opts.Namespace).List(ctx, options)
		if err != nil {
			return objects, more, err
		}
		objects += len(page.Items)
		switch remaining := page.RemainingItemCount; {
		case page.Continue == "" || page.Continue == options.Continue:
			return objects, false, nil
		case remaining != nil && *remaining >= 0:
			objects += int(min(*remaining, maxStoreObjects))
			return min(objects, maxStoreObjects), objects > maxStoreObjects, nil
		case objects >= maxStoreObjects || len(page.Items) == 0:
			return min(objects, maxStoreObjects), true, nil
		}
		options.Continue = page.Continue
	}
}

// storeObject is what is read of a custom resource.
type storeObject struct {
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		// SecretProviderClass
		Provider      string     `json:"provider"`
		SecretObjects []hasValue `json:"secretObjects"`
		// ExternalSecret
		Target struct {
			CreationPolicy string `json:"creationPolicy"`
		} `json:"target"`
		// Kustomization
		Decryption struct {
			Provider string `json:"provider"`
		} `json:"decryption"`
		// PeerAuthentication
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		MTLS          peerMode            `json:"mtls"`
		PortLevelMTLS map[string]peerMode `json:"portLevelMtls"`
	} `json:"spec"`
}

// peerMode is the mode of mutual TLS.
type peerMode struct {
	Mode string `json:"mode"`
}

// eachObject reads the objects of a resource page by page, up to maxStoreObjects. An
// object that is not as its resource should be is counted in bad. More is true if there
// are more objects.
func (r *storeReader) eachObject(ctx context.Context, of served, fn func(*storeObject)) (bad int, more bool, err error) {
	path := "/apis/" + of.Group + "/" + of.Version + "/"
	if r.opts.Namespace != "" {
		path += "namespaces/" + r.opts.Namespace + "/"
	}
	params := map[string]string{"limit": strconv.Itoa(storePage)}
	for count := 0; ; {
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []json.RawMessage `json:"items"`
		}
		if err := r.getJSON(ctx, path+of.Resource, params, &page); err != nil {
			return bad, more, err
		}
		for _, item := range page.Items {
			if count++; count > maxStoreObjects {
				return bad, true, nil
			}
			var object storeObject
			if json.Unmarshal(item, &object) != nil {
				bad++
				continue
			}
			fn(&object)
		}
		switch page.Metadata.Continue {
		case "":
			return bad, false, nil
		case params["continue"]:
			return bad, true, nil // the same page again
		}
		params["continue"] = page.Metadata.Continue
	}
}

// read counts the objects of a resource and reads one field of each.
func (r *storeReader) read(ctx context.Context, of served, reads secretstore.Reads, out *fact.StoreResource) error {
	inCluster := 0
	bad, more, err := r.eachObject(ctx, of, func(object *storeObject) {
		switch reads {
		case secretstore.ReadsClasses:
			c := fact.StoreClass{
				Namespace: object.Metadata.Namespace, Name: credential.KeptName(object.Metadata.Name),
				Provider: escape.Short(credential.KeptKey(object.Spec.Provider), maxProviderName), InCluster: len(object.Spec.SecretObjects) > 0,
			}
			if len(out.Classes) < fact.MaxStoreClasses {
				out.Classes = append(out.Classes, c)
			} else {
				out.More = true
			}
			if c.InCluster {
				inCluster++
			}
		case secretstore.ReadsTarget:
			if object.Spec.Target.CreationPolicy != "None" {
				inCluster++
			}
		case secretstore.ReadsDecryption:
			if object.Spec.Decryption.Provider != "sops" {
				return
			}
			inCluster++
		}
		out.Objects++
	})
	out.More = out.More || more
	out.InCluster = &inCluster
	sorted.Func(out.Classes, func(a, b fact.StoreClass) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	if err == nil && bad > 0 {
		r.gaps = append(r.gaps, fact.Gap{
			What: fact.SecretStores, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Corrupt,
			Detail: fmt.Sprintf("%d objects of %s are not as that resource should be", bad, out.Resource),
		})
	}
	return err
}

// installed looks for CSI drivers and webhooks of stores. They show that somebody
// installed it, and not that it runs.
func (r *storeReader) installed(ctx context.Context) error {
	for _, of := range []struct {
		resource schema.GroupVersionResource
		kind     string
		store    func(name string) (*secretstore.Store, bool)
	}{
		{schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: resourceOfDriver}, "csidriver", secretstore.Driver},
		{
			schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resourceOfHook},
			"mutatingwebhookconfiguration", secretstore.Webhook,
		},
	} {
		err := eachPage(ctx, r.opts.PageSize, metav1.ListOptions{}, r.listMetadata(of.resource, ""),
			func() {},
			func(m *metav1.PartialObjectMetadata) {
				if found, ok := of.store(m.Name); ok {
					if s := r.store(found.Name); !slices.Contains(s.Installed, of.kind+"/"+m.Name) {
						s.Installed = append(s.Installed, of.kind+"/"+m.Name)
					}
				}
			})
		if err != nil {
			if err := r.note(ctx, of.resource.Resource+"."+of.resource.Group, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// meshes reads what Istio's PeerAuthentications say of the whole mesh: one in the root
// namespace without a selector asks for mutual TLS, and no other object allows
// plaintext. A pod without a proxy is in no mesh, whatever they say.
// Source: istio.io, PeerAuthentication.
func (r *storeReader) meshes(ctx context.Context, of served) ([]fact.MeshState, error) {
	var root, exceptions []string
	lax := func(mode string) bool { return mode == "PERMISSIVE" || mode == "DISABLE" }
	bad, more, err := r.eachObject(ctx, of, func(object *storeObject) {
		name := "peerauthentication/" + object.Metadata.Namespace + "/" + object.Metadata.Name + " spec."
		mode := object.Spec.MTLS.Mode
		if mode == "STRICT" && object.Metadata.Namespace == meshRoot && len(object.Spec.Selector.MatchLabels) == 0 {
			root = append(root, name+"mtls.mode")
		}
		if lax(mode) {
			exceptions = append(exceptions, name+"mtls.mode")
		}
		for _, port := range object.Spec.PortLevelMTLS {
			if lax(port.Mode) {
				exceptions = append(exceptions, name+"portLevelMtls")
			}
		}
	})
	if err == nil && (bad > 0 || more) {
		err = errMalformed
	}
	if err != nil {
		return nil, r.note(ctx, of.Resource+"."+of.Group, err)
	}
	slices.Sort(root)
	slices.Sort(exceptions)
	switch {
	case len(exceptions) > 0:
		return []fact.MeshState{{Name: meshName, Source: exceptions[0]}}, nil
	case len(root) > 0:
		return []fact.MeshState{{Name: meshName, Strict: true, Source: root[0]}}, nil
	}
	return []fact.MeshState{{Name: meshName, Source: "no peerauthentication in " + meshRoot + " asks for STRICT"}}, nil
}
