package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestAppArmorSELinux(t *testing.T) {
	const (
		noProfile = "is declared without an AppArmor profile"
		other     = "asks for a SELinux type that is none of those for containers"
	)
	options := func(o fact.SELinuxOptions) fact.Container { return fact.Container{SELinux: &o} }
	pods := func(edit func(*fact.PodSpec)) *fact.Set { return ft.Declared(fact.Container{}, edit) }
	annotation := func(container, value string) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) {
			s.SecurityAnnotations = map[string]string{appArmorAnnotation + container: value}
		}
	}
	ft.Judge(t, checks.OfSet(AppArmorSELinux.Judge), map[string]row{
		"nothing set passes":        {ft.Declared(fact.Container{}), passes(appArmorSELinuxRule)},
		"RuntimeDefault passes":     {ft.Declared(fact.Container{AppArmor: "RuntimeDefault"}), passes(appArmorSELinuxRule)},
		"on Windows there are none": {ft.Declared(fact.Container{}, windows), noSuchField()},
		"Unconfined fails": {
			ft.Declared(fact.Container{AppArmor: "Unconfined"}), containerFails(api.Medium, noProfile, ft.App+"securityContext.appArmorProfile.type", "Unconfined"),
		},
		"the pod's Unconfined fails": {
			pods(func(s *fact.PodSpec) { s.AppArmor = "Unconfined" }), containerFails(api.Medium, noProfile, ft.Field+"securityContext.appArmorProfile.type", "Unconfined"),
		},
		"the container's own profile counts more": {
			ft.Declared(fact.Container{AppArmor: "Localhost"}, func(s *fact.PodSpec) { s.AppArmor = "Unconfined" }), passes(appArmorSELinuxRule),
		},
		"the annotation fails": {
			pods(annotation("app", "unconfined")),
			containerFails(api.Medium, noProfile, "pod/shop/web-1 metadata.annotations[container.apparmor.security.beta.kubernetes.io/app]", "unconfined"),
		},
		"another container's annotation passes": {pods(annotation("other", "unconfined")), passes(appArmorSELinuxRule)},
		"another profile's annotation passes":   {pods(annotation("app", "runtime/default")), passes(appArmorSELinuxRule)},
		"a field counts more than an annotation": {
			ft.Declared(fact.Container{AppArmor: "RuntimeDefault"}, annotation("app", "unconfined")), passes(appArmorSELinuxRule),
		},
		"spc_t is high": {
			ft.Declared(options(fact.SELinuxOptions{Type: "spc_t"})),
			containerFails(api.High, "asks for the SELinux type spc_t, which confines nothing", ft.App+"securityContext.seLinuxOptions.type", "spc_t"),
		},
		"the pod's spc_t is high": {
			pods(func(s *fact.PodSpec) { s.SELinux = &fact.SELinuxOptions{Type: "spc_t"} }),
			containerFails(api.High, "asks for the SELinux type spc_t, which confines nothing", ft.Field+"securityContext.seLinuxOptions.type", "spc_t"),
		},
		"the container's options replace all of the pod's": {
			ft.Declared(options(fact.SELinuxOptions{Level: "s0:c1"}), func(s *fact.PodSpec) { s.SELinux = &fact.SELinuxOptions{Type: "spc_t"} }),
			passes(appArmorSELinuxRule),
		},
		"another type is medium": {
			ft.Declared(options(fact.SELinuxOptions{Type: "my_t"})), containerFails(api.Medium, other, ft.App+"securityContext.seLinuxOptions.type", "my_t"),
		},
		"container_engine_t passes": {ft.Declared(options(fact.SELinuxOptions{Type: "container_engine_t", Level: "s0"})), passes(appArmorSELinuxRule)},
		"user and role are medium": {
			ft.Declared(options(fact.SELinuxOptions{User: "system_u", Role: "system_r"})),
			append(containerFails(api.Medium, "asks for a SELinux user", ft.App+"securityContext.seLinuxOptions.user", "system_u"),
				containerFails(api.Medium, "asks for a SELinux role", ft.App+"securityContext.seLinuxOptions.role", "system_r")...),
		},
	})
}
