package credential_test

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// Names that people give are kept. Credentials in the place of a name are not.
func TestKept(t *testing.T) {
	for _, name := range []string{
		"", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "application-production.yaml", "kube-root-ca.crt", "ca.crt", "Corefile", "redis-master.conf",
		"app.db-password", "SPRING_DATASOURCE_PASSWORD", "sh.helm.release.v1.shop.v12", "spring.cloud.gcp.credentials.encoded-key",
		"postgres-app-credentials-6h8m2k9f4t", "grafana-dashboard-k8s-resources-cluster.json", "nginx_ingress_controller_configuration_template",
	} {
		if got := credential.KeptKey(name); got != name {
			t.Errorf("%q is kept as %q", name, got)
		}
		if got := credential.KeptName(name); got != name {
			t.Errorf("object %q is kept as %q", name, got)
		}
	}
	token := "ghp_" + random(36)
	for _, name := range []string{
		token, "x " + token, "glpat-" + random(20), "postgres://app:" + random(12) + "@db/app", "a\nb", "a\x1b[31m", "a\x7f", strings.Repeat("a", 254),
		strings.Repeat("a", 1<<20), "password=" + random(20),
	} {
		if got := credential.KeptName(name); got != credential.Withheld {
			t.Errorf("%.40q is kept as %.40q", name, got)
		}
		if got := credential.KeptKey(name); got != credential.Withheld {
			t.Errorf("key %.40q is kept as %.40q", name, got)
		}
	}
	if got := credential.KeptKey(random(24)); got != credential.Withheld {
		t.Errorf("a random key is kept as %q", got)
	}
	if got := credential.KeptKey(credential.Withheld); got != credential.Withheld {
		t.Errorf("%q", got)
	}
}
