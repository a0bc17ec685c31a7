package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff/show"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// completion returns the values that a flag or an argument may have.
type completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeTimeout is how long a completion waits for the API. A user does not
// wait longer.
const completeTimeout = 2 * time.Second

// completer completes from the kubeconfig and the API. It fails silently: it
// prints nothing and completes nothing.
type completer struct {
	env    *Env
	config *genericclioptions.ConfigFlags
}

// completeFlags gives every flag of every command its completion. It is called
// once for a tree of commands.
func completeFlags(env *Env, root *cobra.Command, config *genericclioptions.ConfigFlags) {
	c := completer{env, config}
	for _, cmd := range append(root.Commands(), root) {
		cmd.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
			values := c.flag(flag.Name)
			if cmd.Name() == "diff" {
				switch flag.Name {
				case "output":
					values = fixed(show.Names()...)
				case "output-file":
					values = formatFile(show.Names())
				}
			}
			if values != nil {
				cobra.CheckErr(cmd.RegisterFlagCompletionFunc(flag.Name, values))
			}
		})
	}
}

// flag returns the completion of a flag's value. With nil the shell completes
// names of files.
func (c completer) flag(name string) completion {
	severities := fixed(string(api.Critical), string(api.High), string(api.Medium), string(api.Low))
	switch name {
	case "output":
		return fixed(formats.Names()...)
	case "output-file":
		var names []string
		for _, f := range formats.All() {
			if f.Argument == "" {
				names = append(names, f.Name)
			}
		}
		return formatFile(names)
	case "question":
		return listOf(questionNames)
	case "check", "skip":
		return listOf(func() []string { return slices.Concat(explainable(), partNames()) })
	case "mapping":
		return fixed(mapping.Names()...)
	case "limit":
		return fixed("60000", "32768") // GitHub, Bitbucket
	case "severity", "fail-on":
		return severities
	case "progress", "color":
		return fixed("auto", "always", "never")
	case "probe-level":
		return fixed(levelNames...)
	case "probe-image":
		return fixed(launch.ImageAuto, launch.ImageEmbedded)
	case "only":
		return fixed(onlyGrants, onlyRun)
	case "platform":
		return listOf(probePlatforms)
	case "bind":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"user:", "group:", "serviceaccount:"}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		}
	case "context", "cluster", "user":
		return c.kubeconfig(name)
	case "namespace", "probe-namespace", "platform-namespaces":
		return c.names("namespaces")
	case "control-plane-node", "for-node":
		return c.names("nodes")
	case "root", "kustomize", "cache-dir":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case "filename", "facts", "save-facts", "snapshot", "vulnerabilities", "waivers", "write-waivers", "kubeconfig", "certificate-authority", "client-certificate", "client-key":
		return nil
	}
	return fixed() // a number, a time, or a name that cannot be known
}

// fixed completes from a list.
func fixed(words ...string) completion {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// formatFile completes FORMAT=PATH: one of the formats, and after it the shell completes names of
// files.
func formatFile(names []string) completion {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(typed, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		words := make([]string, len(names))
		for i, name := range names {
			words[i] = name + "="
		}
		return words, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}

// listOf completes the last word of a comma-separated list.
func listOf(words func() []string) completion {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		list := words()
		for i := range list {
			list[i] = before + list[i]
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// kubeconfig completes names of contexts, clusters and users.
func (c completer) kubeconfig(flag string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		raw, err := c.config.ToRawKubeConfigLoader().ConfigAccess().GetStartingConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		switch flag {
		case "context":
			names = slices.Sorted(maps.Keys(raw.Contexts))
		case "cluster":
			names = slices.Sorted(maps.Keys(raw.Clusters))
		default:
			names = slices.Sorted(maps.Keys(raw.AuthInfos))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// names completes names of objects that are in no namespace. It leaves out the
// arguments that are already given.
func (c completer) names(resource string) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		names := c.list(cmd.Context(), schema.GroupVersionResource{Version: "v1", Resource: resource}, "")
		return without(names, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// workloadTypes are the types of TYPE/NAME whose names are completed.
var workloadTypes = []struct {
	words    []string
	resource schema.GroupVersionResource
}{
	{[]string{"pod", "pods", "po"}, schema.GroupVersionResource{Version: "v1", Resource: "pods"}},
	{[]string{"deployment", "deployments", "deploy"}, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}},
	{[]string{"statefulset", "statefulsets", "sts"}, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}},
	{[]string{"daemonset", "daemonsets", "ds"}, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}},
	{[]string{"replicaset", "replicasets", "rs"}, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}},
	{[]string{"job", "jobs"}, schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}},
	{[]string{"cronjob", "cronjobs", "cj"}, schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}},
}

// workloads completes pods of the current namespace and the words TYPE/. After TYPE/
// it completes objects of that type.
func (c completer) workloads(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	word, _, hasType := strings.Cut(typed, "/")
	if !hasType {
		word = "pod"
	}
	for _, t := range workloadTypes {
		if !slices.Contains(t.words, word) {
			continue
		}
		namespace, _, err := c.config.ToRawKubeConfigLoader().Namespace()
		if err != nil {
			break
		}
		names := c.list(cmd.Context(), t.resource, namespace)
		for i := range names {
			if hasType {
				names[i] = word + "/" + names[i]
			}
		}
		names = without(names, args)
		directive := cobra.ShellCompDirectiveNoFileComp
		if hasType {
			return names, directive
		}
		for _, t := range workloadTypes {
			if types := t.words[0] + "/"; typed != "" && strings.HasPrefix(types, typed) {
				names = append(names, types)
			}
		}
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, typed) && !strings.HasSuffix(name, "/") }) {
			directive |= cobra.ShellCompDirectiveNoSpace // the name comes next
		}
		return names, directive
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func without(names, args []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) })
}

// list asks the API for names. It returns nil if the API does not answer in time.
func (c completer) list(ctx context.Context, resource schema.GroupVersionResource, namespace string) []string {
	c.env.measuring.Store(true) // so that "waiting for ..." is not printed
	config, err := restConfig(c.env, c.config)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	names, err := cluster.Names(ctx, config, resource, namespace)
	if err != nil {
		return nil
	}
	return names
}
