package checks

import (
	"cmp"
	"strconv"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

const hostProcessField = "securityContext.windowsOptions.hostProcess"

// HostProcess reports whether a container is declared to run as a process of its
// Windows node, with the node's rights, file system and network, and where that
// is declared. The container's own field counts more than the pod's, as in
// WindowsSecurityContextOptions of the API. Where is only there if it does: nearly no
// container does.
func (d Declared) HostProcess() (on bool, where api.Evidence) {
	value := cmp.Or(d.Container.HostProcess, d.Workload.Spec.HostProcess)
	if value == nil || !*value {
		return false, api.Evidence{}
	}
	return true, d.HostProcessEvidence()
}

// HostProcessEvidence is where a container declares HostProcess, and what.
func (d Declared) HostProcessEvidence() api.Evidence {
	value, source := d.Container.HostProcess, d.Field(hostProcessField)
	if pod := d.Workload.Spec.HostProcess; value == nil && pod != nil {
		value, source = pod, PodField(d.Workload, hostProcessField)
	}
	if value == nil {
		return api.Evidence{Source: source, Value: "not set"}
	}
	return api.Evidence{Source: source, Value: strconv.FormatBool(*value)}
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
