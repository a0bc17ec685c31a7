package podspec

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/secretstore"
)

// variables returns the variables of a container that come from a Secret, or whose value
// is a credential or names a secret of an external store: those of env first, then those
// of envFrom. No value is kept. Total counts them, also those beyond MaxVariables.
func variables(c *corev1.Container) (list []fact.Variable, total int) {
	add := func(v fact.Variable) {
		if total++; len(list) < fact.MaxVariables {
			list = append(list, v)
		}
	}
	for i := range c.Env {
		e := &c.Env[i]
		name, _, _ := strings.Cut(e.Name, "=") // in a file, somebody may have written NAME=value
		// Most variables are not kept, and need no name that is.
		kept := func() fact.Variable { return fact.Variable{Name: credential.KeptKey(name), Field: at("env", i)} }
		if e.ValueFrom != nil {
			if ref := e.ValueFrom.SecretKeyRef; ref != nil {
				v := kept()
				v.Secret, v.Key, v.Optional = credential.KeptName(ref.Name), credential.KeptKey(ref.Key), isTrue(ref.Optional)
				add(v)
			}
			continue
		}
		rule := worstRule(name, e.Value)
		store, isReference := secretstore.Reference(e.Value)
		if isReference && rule.Weight == credential.Guess {
			rule = credential.Rule{} // a path or an id of the store
		}
		if isReference || rule.ID != "" {
			v := kept()
			v.Store, v.Rule = store, rule.ID
			add(v)
		}
	}
	for i := range c.EnvFrom {
		if ref := c.EnvFrom[i].SecretRef; ref != nil {
			add(fact.Variable{Field: fmt.Sprintf("envFrom[%d]", i), Secret: credential.KeptName(ref.Name), Optional: isTrue(ref.Optional)})
		}
	}
	return list, total
}

// worstRule is the gravest rule by which a plain value is a credential, without an ID if
// there is none. $(NAME) stands for another variable, and is none.
func worstRule(name, value string) credential.Rule {
	var worst credential.Rule
	for _, r := range credential.Find(name, []byte(value)) {
		if worst.ID == "" || r.Weight > worst.Weight {
			worst = r
		}
	}
	return worst
}

func isTrue(b *bool) bool { return b != nil && *b }
