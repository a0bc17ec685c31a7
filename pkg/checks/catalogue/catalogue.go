// Package catalogue lists every check, in the order of the questions. A new
// check is a file in its question's package and a line here.
package catalogue

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/builds"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/drift"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/immutable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/privileged"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/secrets"
)

// Version of the catalogue. It changes with every change of a verdict, a
// severity or a check.
const Version = "2026.11.14"

// All returns the catalogue. The slice is the caller's.
func All() []checks.Check {
	all := []checks.Check{
		builds.RuntimeSocket,
		builds.BuilderWorkload,
		builds.BuildProcess,

		immutable.MutableImage,
		immutable.ImageScanned,
		immutable.InstallAtStart,
		immutable.ExecutableConfig,
		immutable.WritableRoot,
		immutable.AddedExecutables,
		immutable.PackageDatabaseChanged,
		immutable.VulnerablePackages,

		privileged.PrivilegedContainer,
		privileged.PodSecurityLevel,
		privileged.AddedCapabilities,
		privileged.RunsAsRoot,
		privileged.HostNamespaces,
		privileged.HostPath,
		privileged.BlockDevices,
		privileged.MountPropagation,
		privileged.VolumeTypes,
		privileged.HostPorts,
		privileged.ProbeHost,
		privileged.DeviceAccess,
		privileged.PrivilegeEscalation,
		privileged.Seccomp,
		privileged.AppArmorSELinux,
		privileged.MandatoryAccessControl,
		privileged.ProcMount,
		privileged.Sysctls,
		privileged.SharedProcessNamespace,
		privileged.ServiceAccountToken,
		privileged.EffectiveCapabilities,
		privileged.HostDevices,
		privileged.UndeclaredContainer,

		hosts.KernelOutdated,
		hosts.RebootRequired,
		hosts.DeletedLibraries,
		hosts.CPUVulnerabilities,
		hosts.PendingSecurityUpdates,
		hosts.PackageIndexStale,
		hosts.UncoveredPackages,
		hosts.BehindPeers,
		hosts.OSEndOfLife,
		hosts.KubeletVersion,
		hosts.RuntimeVersion,
		hosts.KnownVulnerabilities,

		secrets.EncryptedAtRest,
		secrets.StaleKey,
		secrets.EtcdFilePermissions,
		secrets.PlaintextHistory,
		secrets.PlaintextResidue,
		secrets.PlaintextBackup,
		secrets.AuditLog,
		secrets.SecretVolumeSwap,
		secrets.EncryptionConfig,
		secrets.WeakProvider,
		secrets.KeyFilePermissions,
		secrets.EtcdClientTLS,
		secrets.EtcdPeerTLS,
		secrets.APIServerTLS,
		secrets.KubeletTLS,
		secrets.ComponentTLS,
		secrets.CertificateExpiry,
		secrets.InEnvironment,
		secrets.InConfigMap,
		secrets.InPlainEnv,
		secrets.ProcessEnvironment,
		secrets.InLastApplied,
		secrets.LegacyToken,
		secrets.ImagePullSecret,
		secrets.ExternalStore,

		drift.RunningDriftedExecutable,
		drift.DriftedFiles,
		drift.WritableRoot,
		drift.WritableExecutableMounts,
		drift.CanWriteOwnCode,
		drift.Enforcement,
	}
	for i := range all {
		// A workload without pods is in its template alone. What runs on a node without a
		// pod has none.
		if c := &all[i]; c.Scope == checks.ScopeWorkload && c.NeedsKind(fact.Pods) && len(fact.Intersect(c.Needs, fact.NodeKinds())) == 0 {
			c.Needs = append(slices.Clone(c.Needs), fact.Templates)
		}
	}
	return all
}
