package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestServiceAccountToken(t *testing.T) {
	mounted := fact.Container{Mounts: []fact.VolumeMount{{Volume: "tmp", Path: "/tmp"}, {Volume: "kube-api-access", Path: tokenPath + "/"}}}
	automount := func(yes bool) func(*fact.PodSpec) { return func(s *fact.PodSpec) { s.AutomountToken = &yes } }
	template := func(s *fact.PodSpec) { s.Origin, s.Path = "deployment/shop/web", "spec.template.spec" }
	const field, inTemplate = ft.Field + "automountServiceAccountToken", "deployment/shop/web spec.template.spec.automountServiceAccountToken"
	const has = "its containers have a token of the API"
	ofTemplate := passes(serviceAccountTokenRule)
	ofTemplate[0].Evidence[0].Source = inTemplate
	ft.Judge(t, checks.OfSet(ServiceAccountToken.Judge), map[string]row{
		"a pod without the mount passes": {ft.Declared(fact.Container{}), passes(serviceAccountTokenRule)},
		"a pod with the mount is low": {
			ft.Declared(mounted), wholeFails(api.Low, has, field, "not set", ft.App+"volumeMounts[1].mountPath", tokenPath+"/"),
		},
		"a mount made by hand is low": {
			ft.Declared(mounted, automount(false)), wholeFails(api.Low, has, field, "false", ft.App+"volumeMounts[1].mountPath", tokenPath+"/"),
		},
		"a template that turns it off passes": {ft.Declared(fact.Container{}, template, automount(false)), ofTemplate},
		"a template that says nothing leaves it to the account": {
			ft.Declared(fact.Container{}, template), wholeFails(api.Low, "gets a token of the API, unless its service account turns that off", inTemplate, "not set"),
		},
		"a template that asks for it is low": {ft.Declared(fact.Container{}, template, automount(true)), wholeFails(api.Low, "gets a token of the API", inTemplate, "true")},
		"a pod in a file has not been admitted": {
			ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.Origin = "a.yaml pod/shop/web-1" }),
			wholeFails(api.Low, "gets a token of the API, unless its service account turns that off", "a.yaml "+field, "not set"),
		},
	})
}
