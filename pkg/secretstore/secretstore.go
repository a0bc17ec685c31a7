// Package secretstore knows the programs that bring secrets from an external store to
// pods, and the signs by which a cluster shows that it uses them: annotations, CSI
// drivers, references in the place of values, custom resources, and the images of what
// runs. It is a table with pure functions. Collectors evaluate annotations and values
// with it, and checks judge by the same names.
//
// A sign that a store is installed is no sign that a pod uses it, and a sign that a pod
// asks for a secret is no sign that it gets one.
package secretstore

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
)

// Ends says where a secret ends that comes through a store.
type Ends string

// The ends.
const (
	// Outside: in the pod alone, in a file or a process. No Secret of the cluster has it.
	Outside Ends = "outside"
	// InSecret: in a Secret of the cluster, which is stored like any other.
	InSecret Ends = "in-secret"
	// ByClass: in the pod and, if its SecretProviderClass has secretObjects, in a Secret.
	ByClass Ends = "by-class"
	// Unsaid: the sign does not say.
	Unsaid Ends = "unsaid"
)

// Store is a program that brings secrets from an external store.
type Store struct {
	// Name is what facts call it, Title what people do.
	Name, Title string
	Ends        Ends
	// Resources are its custom resources.
	Resources []Resource
	// Drivers are the CSI drivers of volumes that it fills.
	Drivers []string
	// Annotations are those of a pod that ask for its secrets.
	Annotations []Annotation
	// References are what a variable's value begins with instead of a secret.
	References []Prefix
	// Controllers are the images of what runs once for the cluster or on each node, and
	// fills Secrets or volumes, or changes pods. Agents are the containers in a pod itself
	// that fetch its secrets.
	Controllers []Image
	Agents      []Agent
	// Providers are what a CSI driver needs besides itself, by the class's spec.provider.
	Providers map[string][]Image
	// Webhooks are the ends of names of its MutatingWebhookConfigurations.
	Webhooks []string
	// Source is where this was read, Read the month of the newest commit there. Images are
	// the defaults of the same project's manifests or charts.
	Source, Read string
}

// Resource is a custom resource.
type Resource struct {
	Group, Resource string
	Reads           Reads
}

// Reads says what of a resource's objects has to be read besides their number.
type Reads string

// What is read.
const (
	ReadsNothing    Reads = ""
	ReadsClasses    Reads = "classes"    // spec.provider, and whether spec.secretObjects has entries
	ReadsTarget     Reads = "target"     // spec.target.creationPolicy
	ReadsDecryption Reads = "decryption" // spec.decryption.provider; only objects that have sops count
)

// Annotation is an annotation of a pod.
type Annotation struct {
	// Key is the whole key, or with a slash at its end the beginning of one.
	Key string
	// Values are the values that ask for secrets; nil means any. "true" is any text that
	// strconv.ParseBool takes for true.
	Values []string
	// Except is a value that asks for none.
	Except string
	// Unless names another annotation of the pod that, if it is true, sends the secret
	// elsewhere.
	Unless string
}

// Prefix is the beginning of a reference. Has is what the rest must hold: "vault:8200"
// is a host and a port, "vault:secret/db#password" a reference.
type Prefix struct{ Text, Has string }

// Image is the end of an image's repository: its last elements, as the registry or
// mirror before them does not matter.
type Image string

// Agent is a container in a pod.
type Agent struct {
	// Name is the container's, "" for any.
	Name  string
	Image Image
}

// ByName finds a store.
func ByName(name string) (*Store, bool) {
	for i := range stores {
		if stores[i].Name == name {
			return &stores[i], true
		}
	}
	return nil, false
}

// All lists the stores in the order of their names. The slice is the caller's, what is in
// it is not.
func All() []Store { return slices.Clone(stores) }

// Reference returns the store of which a variable's value names a secret.
func Reference(value string) (store string, ok bool) {
	for i := range stores {
		for _, p := range stores[i].References {
			if rest, found := strings.CutPrefix(value, p.Text); found && strings.Contains(rest, p.Has) && len(rest) > 1 {
				return stores[i].Name, true
			}
		}
	}
	return "", false
}

// Injectors returns the stores of which a pod's annotations ask for secrets, each with the
// annotation's key: "vault-agent vault.hashicorp.com/agent-inject". It is sorted.
func Injectors(annotations map[string]string) []string {
	var out []string
	for key, value := range annotations {
		for i := range stores {
			for _, a := range stores[i].Annotations {
				if a.asks(key, value) && !isTrue(annotations[a.Unless]) {
					out = append(out, stores[i].Name+" "+key)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Configures reports whether an annotation of the store only says how it fetches secrets,
// while others or references say which.
func (s *Store) Configures(key string) bool {
	return slices.ContainsFunc(s.Annotations, func(a Annotation) bool { return strings.HasSuffix(a.Key, "/") && strings.HasPrefix(key, a.Key) })
}

func (a Annotation) asks(key, value string) bool {
	if key != a.Key && !(strings.HasSuffix(a.Key, "/") && strings.HasPrefix(key, a.Key)) {
		return false
	}
	return a.Values == nil && value != "" && value != a.Except || slices.ContainsFunc(a.Values, func(wanted string) bool {
		return value == wanted || wanted == "true" && isTrue(value)
	})
}

func isTrue(value string) bool {
	yes, err := strconv.ParseBool(value)
	return err == nil && yes
}

// Driver returns the store that a CSI driver belongs to.
func Driver(name string) (*Store, bool) {
	for i := range stores {
		if slices.Contains(stores[i].Drivers, name) {
			return &stores[i], true
		}
	}
	return nil, false
}

// Webhook returns the store that a MutatingWebhookConfiguration of this name belongs to.
func Webhook(name string) (*Store, bool) {
	for i := range stores {
		if slices.ContainsFunc(stores[i].Webhooks, func(end string) bool { return name == end || strings.HasSuffix(name, "-"+end) }) {
			return &stores[i], true
		}
	}
	return nil, false
}

// Controls reports whether an image is that of one of the store's controllers.
func (s *Store) Controls(image string) bool { return isOneOf(s.Controllers, image) }

// Provides reports whether an image is that of a provider of this name.
func (s *Store) Provides(provider, image string) bool { return isOneOf(s.Providers[provider], image) }

// Fetches reports whether a container is one of the store's agents.
func (s *Store) Fetches(name, image string) bool {
	return slices.ContainsFunc(s.Agents, func(a Agent) bool {
		return (a.Name == "" || a.Name == name) && isOneOf([]Image{a.Image}, image)
	})
}

// Agent reports whether a container has the name of one of the store's agents. What a
// container is called does not show what it is.
func (s *Store) Agent(name string) bool {
	return slices.ContainsFunc(s.Agents, func(a Agent) bool { return a.Name != "" && a.Name == name })
}

func isOneOf(list []Image, image string) bool {
	// A reference is parsed only if it can be one: most are of nothing that is known here. The
	// last part of a path is in every form of a reference to it.
	if !slices.ContainsFunc(list, func(i Image) bool { return strings.Contains(image, path.Base(string(i))) }) {
		return false
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return false
	}
	// A registry's host may stand before a path that already has a project in it.
	repository := "/" + reference.Path(named)
	return slices.ContainsFunc(list, func(i Image) bool { return strings.HasSuffix(repository, "/"+string(i)) })
}
