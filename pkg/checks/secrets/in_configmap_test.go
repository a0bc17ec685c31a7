package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestInConfigMap(t *testing.T) {
	with := func(scan *fact.ConfigMapScan) *fact.Set { return &fact.Set{ConfigMaps: scan} }
	entry := func(name, key string, rules ...string) fact.ConfigMapEntry {
		return fact.ConfigMapEntry{Namespace: "shop", Name: name, Key: key, Rules: rules}
	}
	found := func(entries ...fact.ConfigMapEntry) *fact.Set {
		return with(&fact.ConfigMapScan{Read: 12, Bytes: 5000, Found: entries, Total: len(entries)})
	}
	judge(t, judgeInConfigMap, cases{
		"nothing found passes, with what was read": {with(&fact.ConfigMapScan{Read: 12, Bytes: 5000}), []string{
			"pass Cluster: no known form of a credential was found in ConfigMaps [configmaps data = 12 ConfigMaps, 5 KiB, no known form of a credential]",
		}},
		"a private key is high": {found(entry("app", "tls.key", "private-key")), []string{
			"high fail shop/app: holds a private key in tls.key [configmap/shop/app data[tls.key] = a private key]",
		}},
		"a token is medium": {found(entry("app", "env", "github-token")), []string{
			"medium fail shop/app: holds a token of GitHub in env [configmap/shop/app data[env] = a token of GitHub]",
		}},
		"a guess is low": {found(entry("app", "env", "telling-name")), []string{
			"low fail shop/app: holds a random value under a name such as password or token in env " +
				"[configmap/shop/app data[env] = a random value under a name such as password or token]",
		}},
		"a form under a telling name is the form": {found(entry("app", "env", "github-token", "telling-name")), []string{
			"medium fail shop/app: holds a token of GitHub in env [configmap/shop/app data[env] = a token of GitHub]",
		}},
		"a ConfigMap has one finding, as grave as its worst key, and others have their own": {
			found(entry("app", "a", "telling-name"), entry("app", "b", "aws-access-key", "npm-token"), entry("web", "c", "url-password")),
			[]string{
				"high fail shop/app: holds a random value under a name such as password or token in a, an access key of AWS, a token of npm in b " +
					"[configmap/shop/app data[a] = a random value under a name such as password or token; configmap/shop/app data[b] = an access key of AWS, a token of npm]",
				"medium fail shop/web: holds a URL with a password in c [configmap/shop/web data[c] = a URL with a password]",
			},
		},
		"in a file, without a namespace": {
			with(&fact.ConfigMapScan{Read: 1, Total: 1, Found: []fact.ConfigMapEntry{{Origin: "app.yaml", Name: "app", Key: "k", Rules: []string{"npm-token"}}}}),
			[]string{"medium fail app: holds a token of npm in k [app.yaml configmap/app data[k] = a token of npm]"},
		},
		"a rule of a later version is low": {found(entry("app", "k", "no-such-rule")), []string{
			"low fail shop/app: holds a credential of a form that this version does not know in k " +
				"[configmap/shop/app data[k] = a credential of a form that this version does not know]",
		}},
		"no rule at all is low": {found(entry("app", "k")), []string{"low fail shop/app: holds a credential in k [configmap/shop/app data[k] = a credential]"}},
		"more than are kept": {with(&fact.ConfigMapScan{Read: 12, Bytes: 5000, Total: 7, Found: []fact.ConfigMapEntry{entry("app", "k", "npm-token")}}), []string{
			"medium fail shop/app: holds a token of npm in k [configmap/shop/app data[k] = a token of npm]",
			"unknown Truncated Cluster: more keys of ConfigMaps hold credentials than were kept [configmaps data = 1 of 7 were kept]",
		}},
		"a part that was read passes nothing":                         {with(&fact.ConfigMapScan{Read: 12, Bytes: 5000, Truncated: true}), nil},
		"no ConfigMap in files or in a namespace is nothing to judge": {with(&fact.ConfigMapScan{}), nil},
		"no ConfigMap in a whole cluster cannot be": {&fact.Set{PodScope: fact.PodsAll, ConfigMaps: &fact.ConfigMapScan{}}, []string{
			"unknown NotPresent Cluster: the API lists no ConfigMap, and every namespace has one [configmaps data = 0 ConfigMaps]",
		}},
		"not read: a gap says so": {&fact.Set{}, nil},
	})
}
