package configmap

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// A key of a file can be anything. One that is a credential itself, or too long, or holds
// control characters is found and not kept.
func TestKeysThatAreNone(t *testing.T) {
	const token = "ghp_" + "q7Rk2Vw9Lx4Tz8Bn3Mc6Yd1Hf5Jp0GsXaEuK"
	for _, key := range []string{token, "Kk29xVd81Rk29xQmVd81LzW7t", strings.Repeat("q", 1<<20), "a\x1b[2Jb", "password=Rk29xQmVd81LzW7t"} {
		var scan Scan
		scan.Add("file.yaml", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Data: map[string]string{key: "token: " + token}})
		got := scan.Result(false)
		body, err := json.Marshal(got)
		if err != nil || len(got.Found) != 1 || got.Found[0].Key != credential.Withheld || strings.Contains(string(body), key) {
			t.Errorf("%.40q: %v, kept: %.200s", key, err, body)
		}
	}
}
