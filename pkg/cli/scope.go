package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

// scopeFlags narrow what is looked at.
type scopeFlags struct {
	allNamespaces bool
	selector      string
	fieldSelector string
}

func (f *scopeFlags) add(flags *pflag.FlagSet, namespaces string) {
	flags.BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "Look at all namespaces (the default: "+namespaces+").")
	flags.StringVarP(&f.selector, "selector", "l", "", "Label selector of pods, as in kubectl get pods.")
	flags.StringVar(&f.fieldSelector, "field-selector", "", "Field selector of pods, as in kubectl get pods.")
}

// namespaceOf returns the namespace to look at, or "" for all namespaces. Commands
// that look at all by default use one only if -n is given.
func (f *scopeFlags) namespaceOf(config *genericclioptions.ConfigFlags, allByDefault bool) (string, error) {
	explicit := config.Namespace != nil && *config.Namespace != ""
	if f.allNamespaces {
		return "", nil
	}
	if allByDefault && !explicit {
		return "", nil
	}
	raw, err := rawConfig(config)
	if err != nil {
		return "", err
	}
	if err := kubeconfigProblem(config, raw); err != nil {
		return "", err
	}
	namespace, _, err := config.ToRawKubeConfigLoader().Namespace()
	if err != nil && !clientcmd.IsEmptyConfig(err) {
		err = errKubeconfig
	}
	return namespace, err
}

// refuseNamespace returns an error if -n is given together with a flag.
func refuseNamespace(config *genericclioptions.ConfigFlags, with string) error {
	if config.Namespace != nil && *config.Namespace != "" {
		return fmt.Errorf("%s and --namespace cannot be used together", with)
	}
	return nil
}

// refuse returns an error if a flag that narrows a cluster is given without one.
func (f *scopeFlags) refuse(with string) error {
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"--all-namespaces", f.allNamespaces},
		{"--selector", f.selector != ""},
		{"--field-selector", f.fieldSelector != ""},
	} {
		if flag.set {
			return fmt.Errorf("%s and %s cannot be used together", with, flag.name)
		}
	}
	return nil
}

// leftOut returns the checks of the catalogue that do not run.
func leftOut(selected []checks.Check) []string {
	var ids []string
	for _, c := range catalogue.All() {
		if !slices.ContainsFunc(selected, func(s checks.Check) bool { return s.ID == c.ID }) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}
