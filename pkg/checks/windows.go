package checks

import (
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

const hostProcessField = "securityContext.windowsOptions.hostProcess"

// HostProcess reports whether a container is declared to run as a process of its
// Windows node, with the node's rights, file system and network, and where that
// is declared. The container's own field counts more than the pod's, as in
// WindowsSecurityContextOptions of the API.
func (d Declared) HostProcess() (on bool, where api.Evidence) {
	value, source := d.Container.HostProcess, d.Field(hostProcessField)
	if pod := d.Workload.Spec.HostProcess; value == nil && pod != nil {
		value, source = pod, PodField(d.Workload, hostProcessField)
	}
	where = api.Evidence{Source: source, Value: "not set"}
	switch {
	case value == nil:
	case *value:
		return true, api.Evidence{Source: source, Value: "true"}
	default:
		where.Value = "false"
	}
	return false, where
}

// Windows reports whether a container is declared to run on Windows, and where
// that is declared. On Windows a pod's Linux fields mean nothing.
func (d Declared) Windows() (yes bool, where api.Evidence) {
	if spec := &d.Workload.Spec; spec.OS == "windows" {
		field := spec.OSField
		if field == "" {
			field = "os.name"
		}
		return true, api.Evidence{Source: PodField(d.Workload, field), Value: spec.OS}
	}
	return d.HostProcess()
}
