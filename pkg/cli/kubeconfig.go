package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

// unreadableKubeconfig says why a kubeconfig could not be loaded, from its files:
// the loader's own words quote them, a token or a key too.
func unreadableKubeconfig(flags *genericclioptions.ConfigFlags) error {
	rules := flags.ToRawKubeConfigLoader().ConfigAccess()
	paths := rules.GetLoadingPrecedence()
	if explicit := rules.GetExplicitFile(); explicit != "" {
		paths = []string{explicit}
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		switch {
		case path == "" || os.IsNotExist(err):
			continue
		case err != nil:
			return fmt.Errorf("kubeconfig: %s: %w", path, cause(err))
		}
		if _, err := clientcmd.Load(data); err == nil {
			continue
		}
		if line, problem := manifest.CheckYAML(data); problem != "" {
			return fmt.Errorf("kubeconfig: %s: line %d: %s", path, max(line, 1), problem)
		}
		if line, problem := manifest.CheckType(data, reflect.TypeFor[clientcmdv1.Config]()); problem != "" {
			return fmt.Errorf("kubeconfig: %s: line %d: %s", path, max(line, 1), problem)
		}
		return fmt.Errorf("kubeconfig: %s: expected kind Config of v1, found another kind of file", path)
	}
	return errKubeconfig
}

// kubeconfigProblem says why no connection can be made of a kubeconfig, nil
// where nothing is wrong with it. The names of contexts, clusters and users are
// shown, and paths of files, and nothing else of it. Without this, client-go
// would connect to a server on this machine where a cluster is missing.
func kubeconfigProblem(flags *genericclioptions.ConfigFlags, raw *clientcmdapi.Config) error {
	if clientcmdapi.IsConfigEmpty(raw) {
		return nil
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("kubeconfig: %s", fmt.Sprintf(format, args...))
	}
	name := raw.CurrentContext
	if *flags.Context != "" {
		name = *flags.Context
	}
	use, found := raw.Contexts[name]
	if name != "" && !found {
		return wrong("context %q does not exist", name)
	}
	if use == nil {
		use = clientcmdapi.NewContext()
	}
	clusterName, userName := use.Cluster, use.AuthInfo
	if *flags.ClusterName != "" {
		clusterName = *flags.ClusterName
	}
	if *flags.AuthInfoName != "" {
		userName = *flags.AuthInfoName
	}
	if cluster, found := raw.Clusters[clusterName]; clusterName != "" && !found {
		return wrong("context %q: cluster %q does not exist", name, clusterName)
	} else if found {
		at := fmt.Sprintf("cluster %q", clusterName)
		if cluster.Server == "" && *flags.APIServer == "" {
			return wrong("%s: no server is given", at)
		}
		if _, _, err := rest.DefaultServerURL(cluster.Server, "", schema.GroupVersion{}, true); err != nil && *flags.APIServer == "" {
			return wrong("%s: server: not a valid URL", at)
		}
		if proxy, err := url.Parse(cluster.ProxyURL); cluster.ProxyURL != "" && (err != nil || !slices.Contains([]string{"http", "https", "socks5"}, proxy.Scheme)) {
			return wrong("%s: proxy-url: not a valid URL", at)
		}
		if problem := unreadable(cluster.CertificateAuthority); problem != "" {
			return wrong("%s: certificate-authority: %s", at, problem)
		}
	}
	if user, found := raw.AuthInfos[userName]; userName != "" && !found {
		return wrong("context %q: user %q does not exist", name, userName)
	} else if found {
		at := fmt.Sprintf("user %q", userName)
		for _, file := range []struct{ field, path string }{
			{"client-certificate", user.ClientCertificate}, {"client-key", user.ClientKey}, {"tokenFile", user.TokenFile},
		} {
			if problem := unreadable(file.path); problem != "" {
				return wrong("%s: %s: %s", at, file.field, problem)
			}
		}
		certificate := user.ClientCertificate != "" || len(user.ClientCertificateData) > 0
		key := user.ClientKey != "" || len(user.ClientKeyData) > 0
		modes := []clientcmdapi.ExecInteractiveMode{clientcmdapi.NeverExecInteractiveMode, clientcmdapi.IfAvailableExecInteractiveMode, clientcmdapi.AlwaysExecInteractiveMode}
		switch exec := user.Exec; {
		case certificate && !key:
			return wrong("%s: a client certificate without its key", at)
		case user.Token != "" && (user.Username != "" || user.Password != ""):
			return wrong("%s: a token and a password, of which only one is allowed", at)
		case exec != nil && exec.Command == "":
			return wrong("%s: exec: no command is given", at)
		case exec != nil && exec.APIVersion == "":
			return wrong("%s: exec: no apiVersion is given", at)
		case exec != nil && !slices.Contains(modes, exec.InteractiveMode):
			return wrong("%s: exec: interactiveMode: expected Never, IfAvailable or Always", at)
		}
	}
	return nil
}

// errKubeconfig is for what kubeconfigProblem does not find.
var errKubeconfig = errors.New("kubeconfig: it is not valid; kubectl config view shows what is in it")

// unreadable says why a file that a kubeconfig names cannot be read, "" if it
// can, or none is named.
func unreadable(path string) string {
	if path == "" {
		return ""
	}
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return fmt.Sprintf("%s: %v", path, cause(err))
	}
	_ = file.Close()
	return ""
}
