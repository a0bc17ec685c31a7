package privileged

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// DeviceAccess notes a container that asks for devices: by an extended resource, which a
// device plugin serves, or by a claim (dynamic resource allocation). Which devices it gets is
// the plugin's or the driver's decision; privileged/host-devices measures them.
var DeviceAccess = checks.Check{
	ID:       "privileged/device-access",
	Title:    "No container asks for devices of its node",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Evidence: 64, // a patch needs each field
	Why: "A device plugin or a DRA driver gives the container device files of the node, and may add mounts and variables. The container then talks to a driver " +
		"in the kernel, and often keeps data of the container before it in the device's memory.",
	Remediation: "Remove resources and claims that the program does not use. Run what needs them on nodes of their own.",
	References: []string{
		"https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/",
		"https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/",
	},
	Judge: deviceAccessRule.judgeAll,
}

var deviceAccessRule = fieldRule{
	passes: "asks for no device", fields: "containers[*].resources", value: "no extended resource and no claim",
	judge: ofContainers(func(d checks.Declared) []api.Finding {
		c := d.Container
		if len(c.Devices) == 0 && len(c.Claims) == 0 {
			return nil
		}
		f := api.Finding{
			Verdict: api.Fail, Severity: api.Low, Subject: d.Subject(),
			Message: "asks for devices: " + checks.JoinWords(slices.Concat(c.Devices, c.Claims), 5),
		}
		for _, name := range c.Devices {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field("resources.limits[" + name + "]"), Value: "an extended resource"})
		}
		for _, name := range c.Claims {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field("resources.claims[" + name + "]"), Value: "a claim of the pod"})
		}
		return []api.Finding{f}
	}),
}
