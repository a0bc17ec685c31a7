package components

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// What is kept of k3s' and RKE2's own flags. datastore-endpoint holds a password: only its
// scheme is kept. The flags that end in "-arg" hold flags of other programs, of which those
// on their lists are kept.
var (
	k3sFlags = []string{
		"https-listen-port", "supervisor-port", "apiserver-port", "bind-address", "advertise-address", "advertise-port", "data-dir",
		datastoreFlag, "datastore-cafile", "datastore-certfile", "datastore-keyfile", configFlag,
		"kube-apiserver-arg", "etcd-arg", "kube-controller-manager-arg", "kube-scheduler-arg", "kube-cloud-controller-manager-arg", "kubelet-arg",
	}
	k3sBools = []string{"disable-apiserver", "disable-etcd", "disable-controller-manager", "disable-scheduler", "disable-cloud-controller", "cluster-init", "etcd-expose-metrics"}
)

const datastoreFlag = "datastore-endpoint"

// k3sArgs are the flags that hold flags of the programs inside k3s.
var k3sArgs = []struct {
	flag, disable string
	is            fact.ComponentProgram
	agent         bool // an agent has it too
}{
	{"kube-apiserver-arg", "", fact.ProgramK3s, false},
	{"etcd-arg", "disable-etcd", fact.ProgramEtcd, false},
	{"kube-controller-manager-arg", "disable-controller-manager", fact.ProgramControllerManager, false},
	{"kube-scheduler-arg", "disable-scheduler", fact.ProgramScheduler, false},
	{"kube-cloud-controller-manager-arg", "disable-cloud-controller", fact.ProgramCloudController, false},
	{"kubelet-arg", "", fact.ProgramKubelet, true},
}

const hiddenLine = "k3s hides its command line, so flags that were given there are unknown"

// readK3s reads the settings of k3s, server or agent: of itself with those that it hands to
// the API server, and of the other programs inside it, as components with the same process. k3s sets many
// flags of these itself, so what is not given is unknown.
func readK3s(proc *program.Program, words [][]byte) []*component {
	agent := proc.Of.Status.Name == "k3s-agent" || len(words) > 0 && strings.HasSuffix(string(words[0]), " agent") || len(words) > 1 && string(words[1]) == "agent"
	if !agent && proc.Of.Status.Name != program.K3sComm && !program.IsK3sServer(words) {
		return nil // kubectl, crictl and others are in the same file
	}
	own := newComponent(fact.ProgramK3s)
	args := readK3sOwn(own, proc, words, program.K3sConfigFile)
	own.unknown("k3s sets flags of its own for the programs inside it")
	var all []*component
	for _, inner := range k3sArgs {
		c := own
		if inner.is != fact.ProgramK3s && (agent && !inner.agent || own.given(inner.disable) == "true") {
			continue
		}
		if inner.is != fact.ProgramK3s {
			if _, is := args[inner.flag]; !is && inner.is != fact.ProgramKubelet {
				continue // nothing to say of it
			}
			c = newComponent(inner.is)
			c.facts.ConfigFiles, c.why = own.facts.ConfigFiles, slices.Clone(own.why)
		}
		if !agent || inner.agent {
			c.arguments(args[inner.flag], inner.flag)
		}
		all = append(all, c)
	}
	return all
}

// arguments adds flags that another program hands on: "name=value" with or without dashes.
func (c *component) arguments(values []fact.Setting, flag string) {
	keep := c.spec
	if c.facts.Program == fact.ProgramK3s {
		keep = specs[fact.ProgramAPIServer]
	}
	added := map[string]bool{}
	for _, given := range values {
		name, value, has := strings.Cut(strings.TrimLeft(given.Value, "-"), "=")
		isBool := slices.Contains(keep.bools, name)
		if !isBool && !slices.Contains(keep.values, name) || name == configFlag {
			continue
		}
		if !has {
			value = "true"
		}
		wider := component{spec: keep}
		text, err := wider.clean(name, value)
		if err != nil {
			c.unknown(flag + " " + name + ": " + err.Error())
			continue
		}
		if slices.Contains(keep.lists, name) && added[name] {
			text = c.given(name) + "," + text
		}
		added[name] = true
		c.settings[name] = fact.Setting{Name: name, Value: text, From: given.From + " " + name}
	}
}

// readRKE2 reads the settings of RKE2's supervisor. What it starts has command lines of
// its own.
func readRKE2(proc *program.Program, words [][]byte) *component {
	c := newComponent(fact.ProgramRKE2)
	readK3sOwn(c, proc, words, "/etc/rancher/rke2/config.yaml")
	c.unknown("RKE2's variables are not read")
	return c
}

// readK3sOwn reads the flags and the configuration of k3s or RKE2. It returns the values
// of the flags that hold flags, in their order.
func readK3sOwn(c *component, proc *program.Program, words [][]byte, config string) map[string][]fact.Setting {
	if program.HidesK3s(words) {
		c.unknown(strings.Replace(hiddenLine, "k3s", string(c.facts.Program), 1))
	}
	args, line := map[string][]fact.Setting{}, newComponent(c.facts.Program)
	each(program.LongK3sFlags(words), c.spec, func(name, value string) {
		if strings.HasSuffix(name, "-arg") {
			args[name] = append(args[name], fact.Setting{Value: value, From: "--" + name})
			return
		}
		line.set(name, value, "--"+name)
	})
	if given := line.given(configFlag); given != "" {
		config = given
	}
	keep := func(name string) bool {
		return name != configFlag && (slices.Contains(k3sFlags, name) || slices.Contains(k3sBools, name))
	}
	found, read, err := proc.K3sConfig(config, keep)
	text := rootfs.Text(config)
	switch {
	case err != nil:
		c.facts.ConfigFiles = append(c.facts.ConfigFiles, text)
		c.unknown(unfollowed(text, err))
		found = nil // not what is in force, or not all of it
	case read:
		c.facts.ConfigFiles = append(c.facts.ConfigFiles, text)
	}
	before := map[string][]fact.Setting{}
	for _, s := range found {
		if strings.HasSuffix(s.Name, "-arg") {
			before[s.Name] = append(before[s.Name], fact.Setting{Value: s.Value, From: text + " " + s.Name})
			continue
		}
		c.set(s.Name, s.Value, text+" "+s.Name)
	}
	for name, s := range line.settings { // the command line wins
		c.settings[name] = s
	}
	for name, values := range args { // and comes last
		before[name] = append(before[name], values...)
	}
	return before
}
