package writableroot

import (
	"fmt"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// row is a case of a test.
type row ft.Case

func TestJudge(t *testing.T) {
	const (
		mountinfo = "node/n1 /proc/100/mountinfo /"
		field     = ft.App + "securityContext.readOnlyRootFilesystem"
		none      = "; no path of it has a writable volume"
	)
	readOnly := fact.Container{ReadOnlyRootFilesystem: ft.Ptr(true)}
	writable := fact.Container{ReadOnlyRootFilesystem: ft.Ptr(false)}
	measured := func(ro bool, c fact.Container) *fact.Set {
		m := ft.With()
		m.Root = &fact.Mount{Path: "/", FSType: "overlay", ReadOnly: ro}
		return ft.Measured(m, c)
	}
	noAPI := func(s *fact.Set) { s.Workloads, s.PodScope = nil, fact.PodsNotListed }
	noRoot := func(s *fact.Set) { s.Nodes[0].Measured.Containers[0].Root = nil }
	notRead := func(s *fact.Set) { s.Nodes[0].Measured.Read = []fact.Kind{fact.Processes} }
	container := fact.Subject{Kind: "Container", Name: "aaaaaaaaaaaa", Node: "n1"}
	byMount := func(verdict api.Verdict, message, mode, declared string) api.Finding {
		return api.Finding{
			Verdict: verdict, Basis: api.Measured, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(1, ft.Evidence(mountinfo, "overlay "+mode, field, declared)),
		}
	}
	bySpec := func(verdict api.Verdict, message, declared string) api.Finding {
		return api.Finding{
			Verdict: verdict, Basis: api.Declared, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(0, ft.Evidence(field, declared)),
		}
	}
	notDeclared := byMount(api.Fail, "its root file system is mounted read-only now, but this can change because read-only is not declared"+none, "ro", "not set")
	notDeclared.Basis, notDeclared.Evidence[0].Basis = api.Declared, api.Measured
	// secondPod is one of the same template, on a node that was not measured.
	secondPod := func(s *fact.Set) {
		s.Workloads[0].Pods = append(s.Workloads[0].Pods, fact.Pod{Name: "web-2", UID: "2", Node: "n2"})
	}
	second := bySpec(api.Pass, "its root file system is declared read-only", "true")
	second.Subject.Pods = []string{"web-2"}

	// volumes are of all kinds, and as many mounts.
	volumes := func(more int) func(*fact.PodSpec) {
		return func(spec *fact.PodSpec) {
			for i, source := range []string{"configMap", "secret", "downwardAPI", "projected", "image", "emptyDir", "persistentVolumeClaim", "hostPath"} {
				spec.Volumes = append(spec.Volumes, fact.Volume{Name: source, Source: source})
				spec.Containers[0].Mounts = append(spec.Containers[0].Mounts, fact.VolumeMount{Volume: source, Path: fmt.Sprintf("/%d", i), ReadOnly: source == "hostPath"})
			}
			c := &spec.Containers[0]
			c.Mounts = append(c.Mounts, fact.VolumeMount{Volume: "disk", Path: "/dev/x", Device: true})
			for i := range more {
				c.Mounts = append(c.Mounts, fact.VolumeMount{Volume: "of-a-claim-template", Path: fmt.Sprintf("/data%d", i)})
			}
		}
	}
	withVolumes := bySpec(api.Fail, "its root file system is declared writable; writable volumes are at /5, /6", "false")
	withVolumes.Evidence = append(withVolumes.Evidence, ft.Claimed(0, ft.Evidence(ft.App+"volumeMounts[5].mountPath", "/5", ft.App+"volumeMounts[6].mountPath", "/6"))...)
	withMany := bySpec(api.Fail, "its root file system is declared writable; writable volumes are at /5, /6, /data0, /data1 and 3 more", "false")
	withMany.Evidence = append(withMany.Evidence, ft.Claimed(0, ft.Evidence(ft.App+"volumeMounts[5].mountPath", "/5", ft.App+"volumeMounts[6].mountPath", "/6",
		ft.App+"volumeMounts[9].mountPath", "/data0", ft.App+"volumeMounts[10].mountPath", "/data1"))...)

	ft.Judge(t, checks.OfSet(Judge), map[string]row{
		"paths with a volume are named":           {ft.Declared(writable, volumes(0)), ft.One(withVolumes)},
		"many paths are counted":                  {ft.Declared(writable, volumes(5)), ft.One(withMany)},
		"a pass needs no volumes":                 {ft.Declared(readOnly, volumes(0)), ft.One(bySpec(api.Pass, "its root file system is declared read-only", "true"))},
		"measured read-only, as declared, passes": {measured(true, readOnly), ft.One(byMount(api.Pass, "its root file system is read-only", "ro", "true"))},
		"measured writable, as declared, fails":   {measured(false, writable), ft.One(byMount(api.Fail, "its root file system is writable"+none, "rw", "false"))},
		"measured writable, though declared read-only, fails and says so": {
			measured(false, readOnly), ft.One(byMount(api.Fail, "its root file system is writable, though it is declared read-only"+none, "rw", "true")),
		},
		"measured read-only, though not declared, fails as declared": {
			measured(true, fact.Container{}), ft.One(notDeclared),
		},
		"declared read-only on a node that was not measured passes as declared": {
			ft.Declared(readOnly), ft.One(bySpec(api.Pass, "its root file system is declared read-only", "true")),
		},
		"declared writable on a node that was not measured fails": {
			ft.Declared(writable), ft.One(bySpec(api.Fail, "its root file system is declared writable"+none, "false")),
		},
		"nothing declared means writable": {
			ft.Declared(fact.Container{}), ft.One(bySpec(api.Fail, "its root file system is writable by default: nothing is declared"+none, "not set")),
		},
		"mounts of the node were not read: declared": {
			ft.Edit(measured(true, writable), notRead), ft.One(bySpec(api.Fail, "its root file system is declared writable"+none, "false")),
		},
		"the container's root was not read: declared": {
			ft.Edit(measured(true, writable), noRoot), ft.One(bySpec(api.Fail, "its root file system is declared writable"+none, "false")),
		},
		"each pod by what is known of it": {
			ft.Edit(measured(true, readOnly), secondPod),
			[]api.Finding{byMount(api.Pass, "its root file system is read-only", "ro", "true"), second},
		},
		"unknown to the API, measured": {
			ft.Edit(measured(false, fact.Container{}), noAPI),
			ft.One(api.Finding{
				Verdict: api.Fail, Basis: api.Measured, Subject: container, Message: "its root file system is writable",
				Evidence: ft.Evidence(mountinfo, "overlay rw"),
			}),
		},
		"unknown to the API and not read is unknown": {
			ft.Edit(measured(false, fact.Container{}), noAPI, noRoot),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: container,
				Message:  "the mount at its root was not read",
				Evidence: ft.Evidence("node/n1 /proc/100/mountinfo", "no mount at /"),
			}),
		},
		"a template without pods is declared": {
			ft.Edit(ft.Declared(readOnly), func(s *fact.Set) { s.Workloads[0].Pods = nil }),
			ft.One(api.Finding{
				Verdict: api.Pass, Basis: api.Declared, Message: "its root file system is declared read-only",
				Subject:  fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app"},
				Evidence: ft.Claimed(0, ft.Evidence(field, "true")),
			}),
		},
	})
}
