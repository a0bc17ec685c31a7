package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestImagePullSecret(t *testing.T) {
	with := func(names ...string) *fact.Set {
		return ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.PullSecrets = names })
	}
	listing := func(set *fact.Set, names ...string) *fact.Set {
		set.SecretsListed = true
		for _, name := range names {
			set.Secrets = append(set.Secrets, fact.SecretName{Namespace: "shop", Name: name})
		}
		return set
	}
	const (
		field   = ft.Field + "imagePullSecrets = "
		without = "; list of Secrets in namespace shop = without "
	)
	judge(t, judgeImagePullSecret, cases{
		"none passes":                     {with(), []string{"pass shop/web: its spec names no Secret for its images [" + field + "none]"}},
		"one fails":                       {with("registry"), []string{"fail shop/web: its images are pulled with a password in a Secret: registry [" + field + "registry]"}},
		"one that exists fails":           {listing(with("registry"), "registry"), []string{"fail shop/web: its images are pulled with a password in a Secret: registry [" + field + "registry]"}},
		"names are sorted, and each once": {with("b", "a", "b"), []string{"fail shop/web: its images are pulled with a password in a Secret: a, b [" + field + "a, b]"}},
		"one that does not exist": {
			listing(with("registry"), "other"),
			[]string{"fail shop/web: names a Secret for its images that does not exist: registry [" + field + "registry" + without + "registry]"},
		},
		"one of two does not exist": {
			listing(with("a", "b"), "a"),
			[]string{"fail shop/web: its images are pulled with a password in a Secret: a, b; not found: b [" + field + "a, b" + without + "b]"},
		},
		"another namespace's Secret is not its own": {
			ft.Edit(with("registry"), func(s *fact.Set) {
				s.SecretsListed, s.Secrets = true, []fact.SecretName{{Namespace: "ci", Name: "registry"}}
			}),
			[]string{"fail shop/web: names a Secret for its images that does not exist: registry [" + field + "registry" + without + "registry]"},
		},
		"facts of an earlier version": {earlier(with()), []string{earlierVersion}},
	})
}
