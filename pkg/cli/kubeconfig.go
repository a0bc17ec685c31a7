package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

// unreadableKubeconfig reads a kubeconfig's files to say why it could not be loaded.
// The loader's own error is not used: it quotes the files, including tokens and keys.
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
			return fmt.Errorf("kubeconfig: %s: %w", path, gather.Cause(err))
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
		return fmt.Errorf("kubeconfig: %s: expected kind Config of version v1, found another kind of file", path)
	}
	return errKubeconfig
}

// chosen returns the names of the context, cluster and user that flags choose in a
// kubeconfig, or "" if there is none.
func chosen(flags *genericclioptions.ConfigFlags, raw *clientcmdapi.Config) (context, cluster, user string) {
	context = cmp.Or(*flags.Context, raw.CurrentContext)
	if of := raw.Contexts[context]; of != nil {
		cluster, user = of.Cluster, of.AuthInfo
	}
	return context, cmp.Or(*flags.ClusterName, cluster), cmp.Or(*flags.AuthInfoName, user)
}

// clusterName returns the kubeconfig's name for the cluster that is asked. It is ""
// if the kubeconfig has no name for it: --server may choose another cluster.
func clusterName(flags *genericclioptions.ConfigFlags) string {
	raw, err := rawConfig(flags)
	if err != nil || *flags.APIServer != "" {
		return ""
	}
	_, cluster, _ := chosen(flags, raw)
	return cluster
}

// contextOf returns the kubeconfig's context, and its file if the command line names it. Context
// is "" if a flag replaces a part of it: then no context is the cluster that was read.
func contextOf(flags *genericclioptions.ConfigFlags) (context, kubeconfig string) {
	raw, err := rawConfig(flags)
	if err != nil || *flags.APIServer != "" || *flags.ClusterName != "" || *flags.AuthInfoName != "" {
		return "", ""
	}
	context, _, _ = chosen(flags, raw)
	if context != "" && *flags.KubeConfig != "" {
		if kubeconfig, err = filepath.Abs(*flags.KubeConfig); err != nil {
			return "", ""
		}
	}
	return context, kubeconfig
}

// kubeconfigProblem says why a kubeconfig gives no connection, or returns nil. Its
// errors show only names of contexts, clusters and users, and paths of files. Without
// this check, client-go would connect to a server on this machine if a cluster is
// missing.
func kubeconfigProblem(flags *genericclioptions.ConfigFlags, raw *clientcmdapi.Config) error {
	if clientcmdapi.IsConfigEmpty(raw) {
		return nil
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("kubeconfig: %s", fmt.Sprintf(format, args...))
	}
	name, clusterName, userName := chosen(flags, raw)
	if name != "" && raw.Contexts[name] == nil {
		return wrong("context %q does not exist", name)
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
			return wrong("%s: the client certificate has no key", at)
		case user.Token != "" && (user.Username != "" || user.Password != ""):
			return wrong("%s: expected a token or a password, found both", at)
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
var errKubeconfig = errors.New("kubeconfig: not valid; see: kubectl config view")

// unreadable says why a file that a kubeconfig names cannot be read. It returns ""
// if the file can be read, or if no file is named.
func unreadable(path string) string {
	if path == "" {
		return ""
	}
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return fmt.Sprintf("%s: %v", path, gather.Cause(err))
	}
	_ = file.Close()
	return ""
}

// rawConfig reads the kubeconfig. If the chosen context does not exist, its error
// lists the contexts that exist.
func rawConfig(flags *genericclioptions.ConfigFlags) (*clientcmdapi.Config, error) {
	if path := *flags.KubeConfig; path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("--kubeconfig: %s: %w", path, gather.Cause(err))
		}
	}
	raw, err := flags.ToRawKubeConfigLoader().ConfigAccess().GetStartingConfig()
	if err != nil {
		return nil, unreadableKubeconfig(flags)
	}
	if name := *flags.Context; name != "" && raw.Contexts[name] == nil {
		return nil, fmt.Errorf("kubeconfig: context %q does not exist; contexts that exist: %s", name, strings.Join(slices.Sorted(maps.Keys(raw.Contexts)), ", "))
	}
	return raw, nil
}

func restConfig(env *Env, flags *genericclioptions.ConfigFlags) (*rest.Config, error) {
	raw, err := rawConfig(flags)
	if err != nil {
		return nil, err
	}
	if err := kubeconfigProblem(flags, raw); err != nil {
		return nil, err
	}
	config, err := flags.ToRESTConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, err
	case err != nil:
		return nil, errKubeconfig
	}
	// If nothing is configured, client-go assumes a server on this machine. No user
	// wants that.
	if clientcmdapi.IsConfigEmpty(raw) && config.Host == "http://localhost:8080" && *flags.APIServer == "" {
		return nil, clientcmd.ErrEmptyConfig
	}
	config.UserAgent = "kubectl-checklist/" + env.Version
	// Priority and fairness protect the server. The client's default limit of five
	// requests a second protects nobody.
	config.QPS, config.Burst = 50, 100
	// A warning for each probe pod ("would violate PodSecurity ...") says nothing
	// that the preflight did not say.
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}
