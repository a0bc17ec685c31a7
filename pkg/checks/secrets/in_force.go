package secrets

import (
	"cmp"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// inForce is what is known about the encryption configuration that an API server
// uses.
type inForce struct {
	// reason and message say why it is not known, "" if it is. Then config is the
	// configuration, nil if the API server has none and writes plaintext.
	reason  fact.Reason
	message string
	config  *fact.EncryptionConfiguration
	// providers are those for Secrets, entry the configured name that decided.
	providers []fact.EncryptionProvider
	entry     string
	evidence  []api.Evidence
}

func (f *inForce) known() bool { return f.message == "" }

// inForceOn says what an API server writes Secrets with. A file on the node is what
// the process has loaded if
//
//   - nothing on its path has changed since the process started, every place of its
//     settings was read, and the API server does not publish another hash;
//   - or it publishes the hash of this file (1.34 and later).
//
// With automatic reload a newer file is no proof: on any problem with it, the old
// configuration stays in force (kubernetes#111919).
//
// How Secrets are stored is no proof either: nothing says when the newest one was
// written. A process before this one may have done it, or this one by another
// configuration, and the file may have been set back since.
func inForceOn(v *checks.View, node *fact.Node, s *fact.APIServer) inForce {
	f := inForce{evidence: []api.Evidence{{Source: flagSource(node, s), Value: "not set"}}}
	unknown := func(reason fact.Reason, message string) inForce {
		f.reason, f.message = reason, message
		return f
	}
	config := s.Encryption
	switch {
	case config == nil && !s.EncryptionFlag && s.Unfollowed != "":
		f.evidence = append(f.evidence, unfollowed(node, s))
		return unknown(fact.Unsupported, "it is unknown whether the API server has an encryption configuration, because some of its settings are in a place that was not read")
	case config == nil && !s.EncryptionFlag && v.Cluster.Provider == "openshift" && s.ConfigFile == "":
		// Facts of an earlier version: nobody has looked where --openshift-config
		// leads.
		return unknown(fact.Unsupported, "OpenShift configures its API server's encryption in a file that is not read")
	case config == nil && !s.EncryptionFlag:
		f.providers = []fact.EncryptionProvider{{Type: identity}}
		return f
	case config == nil:
		f.evidence[0].Value = "set"
		return unknown(fact.NotPresent, "the API server's encryption configuration was not read")
	}
	f.config = config
	f.providers, f.entry = ProvidersFor(config.Entries, "", "secrets")
	f.evidence[0].Value = config.Path
	f.evidence = append(f.evidence, api.Evidence{
		Source: checks.NodeSource(node, "%s resources", config.Path), Value: describeProviders(f.providers, f.entry),
	})

	switch loaded, evidence := loadedHash(v, node, config); loaded {
	case anotherHash:
		f.evidence = append(f.evidence, evidence)
		return unknown(fact.Changing, "the API server has loaded another encryption configuration than the file holds now")
	case sameHash:
		f.evidence = append(f.evidence, evidence)
		return f
	}
	unchanged := !s.Started.IsZero() && !config.Changed.IsZero() && !config.Changed.After(s.Started.Time)
	if unchanged && s.Unfollowed == "" && config.Hash != "" {
		return f
	}
	if s.Unfollowed != "" { // there it may be turned off, or lead to another file
		f.evidence = append(f.evidence, unfollowed(node, s))
		return unknown(fact.Unsupported, "it is unknown whether the API server uses this encryption configuration, because some of its settings are in a place that was not read")
	}
	f.evidence = append(f.evidence, api.Evidence{
		Source: checks.NodeSource(node, "%s ctime, /proc/%d/stat starttime", cmp.Or(config.ChangedAt, config.Path), s.PID),
		Value:  fmt.Sprintf("changed %s, started %s", stamp(config.Changed), stamp(s.Started)),
	})
	switch {
	case s.Started.IsZero() || config.Changed.IsZero():
		return unknown(fact.NotPresent, "it is unknown whether the encryption configuration changed after the API server started")
	case unchanged:
		// Facts of an earlier version have no hash, and the file's own time only: a link
		// or a directory on its path may have changed.
		return unknown(fact.NotPresent, "it is unknown whether the path of the encryption configuration changed after the API server started: the facts have the time of the file only")
	case config.AutoReload:
		// It keeps the old one while the new one is not valid or a KMS is not ready.
		return unknown(fact.Changing, "the encryption configuration changed after the API server started; it is unknown whether it was reloaded")
	case config.ChangedAt != "":
		return unknown(fact.Changing, "a link or directory on the path of the encryption configuration changed after the API server started, "+
			"so it may have loaded another file")
	}
	return unknown(fact.Changing, "the encryption configuration changed after the API server started, and the API server does not reload it")
}

// unfollowed is evidence that some settings were not read.
func unfollowed(node *fact.Node, s *fact.APIServer) api.Evidence {
	return api.Evidence{Source: checks.NodeSource(node, "/proc/%d/cmdline", s.PID), Value: s.Unfollowed}
}

// flagSource names where the flag for the configuration was looked for.
func flagSource(node *fact.Node, s *fact.APIServer) string {
	place := fmt.Sprintf("/proc/%d/cmdline", s.PID)
	if s.ConfigFile != "" {
		place += " and " + s.ConfigFile
	}
	flag := "--encryption-provider-config"
	if s.Program == programK3s {
		flag = "--secrets-encryption"
	}
	return checks.NodeSource(node, "%s %s", place, flag)
}

// programK3s is fact.APIServer.Program of an API server inside k3s or RKE2's server.
const programK3s = "k3s"

type loaded int

const (
	noHash loaded = iota
	sameHash
	anotherHash
)

// loadedHash compares the hash that the node's API server publishes with that of the
// file. A node with two API servers, one of which is going, has no such hash.
func loadedHash(v *checks.View, node *fact.Node, config *fact.EncryptionConfiguration) (loaded, api.Evidence) {
	if config.Hash == "" || len(node.Measured.APIServers) != 1 {
		return noHash, api.Evidence{}
	}
	found := noHash
	var evidence api.Evidence
	for i := range v.Cluster.LoadedEncryption {
		l := &v.Cluster.LoadedEncryption[i]
		if l.Node == "" || l.Hash == "" || l.Node != node.Name && l.Node != node.Labels["kubernetes.io/hostname"] {
			continue
		}
		one := sameHash
		if l.Hash != config.Hash {
			one = anotherHash
		}
		if one > found {
			found, evidence = one, api.Evidence{
				Source: "metric apiserver_encryption_config_controller_last_config_info of " + l.Node,
				Value:  "loaded " + l.Hash + ", the file has " + config.Hash,
			}
		}
	}
	if found == sameHash {
		evidence.Value = config.Hash
	}
	return found, evidence
}

const identity = "identity"

// writeKey is what a provider writes under: the class, and the name of its first key
// or of the KMS.
type writeKey struct {
	class fact.StorageClass
	name  string
}

// writeKeyOf is what a provider that is known to encrypt writes under.
func writeKeyOf(p fact.EncryptionProvider) (writeKey, bool) {
	switch p.Type {
	case "aescbc", "aesgcm", "secretbox":
		class := map[string]fact.StorageClass{"aescbc": fact.ClassAESCBC, "aesgcm": fact.ClassAESGCM, "secretbox": fact.ClassSecretbox}[p.Type]
		if len(p.Keys) == 0 {
			return writeKey{}, false
		}
		return writeKey{class, p.Keys[0]}, true
	case "kms":
		class := fact.ClassKMSv1 // the API server's default
		if p.APIVersion == "v2" {
			class = fact.ClassKMSv2
		}
		return writeKey{class, p.Name}, p.Name != ""
	}
	return writeKey{}, false
}

func (k writeKey) String() string { return string(k.class) + " " + k.name }

// envelopeOf has the start of a value by its class. Source: k8s.io/apiserver,
// pkg/server/options/encryptionconfig/config.go.
var envelopeOf = map[fact.StorageClass]string{
	fact.ClassAESCBC:    "k8s:enc:aescbc:v1:",
	fact.ClassAESGCM:    "k8s:enc:aesgcm:v1:",
	fact.ClassSecretbox: "k8s:enc:secretbox:v1:",
	fact.ClassKMSv1:     "k8s:enc:kms:v1:",
	fact.ClassKMSv2:     "k8s:enc:kms:v2:",
}
