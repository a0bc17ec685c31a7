package manifest

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// usualPod is a pod as a Deployment's controller makes it, without its status.
const usualPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-%d","namespace":"shop","labels":{"app":"web","pod-template-hash":"5d4f8c7b9"},"annotations":{"prometheus.io/scrape":"true"}},
"spec":{"serviceAccountName":"web","nodeName":"w1","containers":[{"name":"app","image":"registry.example/shop/web:v1.2.3","command":["/bin/web"],"args":["--listen=:8080","--config=/etc/web/config.yaml"],
"env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},{"name":"LEVEL","value":"info"},{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db","key":"password"}}}],
"ports":[{"name":"http","containerPort":8080,"protocol":"TCP"}],"resources":{"limits":{"cpu":"500m","memory":"256Mi"},"requests":{"cpu":"100m","memory":"128Mi"}},
"readinessProbe":{"httpGet":{"path":"/ready","port":"http"},"periodSeconds":5},"livenessProbe":{"httpGet":{"path":"/live","port":"http"},"initialDelaySeconds":10},
"securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}},"volumeMounts":[{"name":"config","mountPath":"/etc/web"},{"name":"tmp","mountPath":"/tmp"}]},
{"name":"proxy","image":"registry.example/mesh/proxy:v1","args":["run"],"ports":[{"containerPort":15001}],"securityContext":{"runAsUser":1337},"volumeMounts":[{"name":"tmp","mountPath":"/tmp"}]}],
"initContainers":[{"name":"migrate","image":"registry.example/shop/migrate:v1.2.3","command":["/bin/migrate","up"]}],
"volumes":[{"name":"config","configMap":{"name":"web","defaultMode":420}},{"name":"tmp","emptyDir":{}}],"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}}`

// asList and the others write so many pods as a stream.
func asList(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"apiVersion":"v1","items":[`)
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, usualPod, i)
	}
	b.WriteString(`],"kind":"List"}`)
	return b.Bytes()
}

func asYAML(n int) []byte {
	var b bytes.Buffer
	text, err := yaml.JSONToYAML(fmt.Appendf(nil, usualPod, 0))
	if err != nil {
		panic(err)
	}
	for range n {
		b.WriteString("---\n")
		b.Write(text)
	}
	return b.Bytes()
}

func BenchmarkStream(b *testing.B) {
	const pods = 2000
	for name, data := range map[string][]byte{"list": asList(pods), "yaml": asYAML(pods)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				if _, err := Stream(b.Context(), Files{Filenames: []string{"-"}}, "", bytes.NewReader(data), func(Item) error { n++; return nil }); err != nil || n != pods {
					b.Fatalf("%d workloads, %v", n, err)
				}
			}
			b.ReportMetric(float64(pods)*float64(b.N)/b.Elapsed().Seconds(), "pods/s")
		})
	}
	// What the decoder of the API server takes for the same bytes.
	b.Run("decoding alone", func(b *testing.B) {
		data := fmt.Appendf(nil, usualPod, 0)
		for b.Loop() {
			for range pods {
				var pod corev1.Pod
				if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &pod); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(pods)*float64(b.N)/b.Elapsed().Seconds(), "pods/s")
	})
}

// endless repeats a text; no more than one copy of it is in memory.
type endless struct {
	head, text, tail string
	left             int
	at               *strings.Reader
	ended            bool
}

func (e *endless) Read(b []byte) (int, error) {
	if e.at == nil {
		e.at = strings.NewReader(e.head)
	}
	for {
		n, err := e.at.Read(b)
		switch {
		case err == nil:
			return n, nil
		case e.left > 0:
			e.left--
			e.at = strings.NewReader(e.text)
		case !e.ended:
			e.ended = true
			e.at = strings.NewReader(e.tail)
		default:
			return 0, io.EOF
		}
	}
}

// Memory does not grow with the number of documents.
func TestFlat(t *testing.T) {
	documents := 200_000
	if testing.Short() {
		documents = 20_000
	}
	yamlPod := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: app\n    image: a:1\n---\n"
	jsonPod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"app"}]}}`
	for name, in := range map[string]*endless{
		"YAML":                {text: yamlPod},
		"JSON":                {text: jsonPod},
		"a List":              {head: `{"kind":"List","items":[` + jsonPod, text: "," + jsonPod, tail: "]}"},
		"a List, kind behind": {head: `{"items":[` + jsonPod, text: "," + jsonPod, tail: `],"kind":"List","apiVersion":"v1"}`},
		"bad documents":       {head: yamlPod, text: "---\na: [\n"},
		"claims":              {text: strings.Replace(jsonPod, `"spec":{`, `"spec":{"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"c"}}],`, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			in.left = documents
			if name == "bad documents" {
				in.left /= 20 // each is parsed twice, the second time for its line
			}
			var most, m runtime.MemStats
			n := 0
			_, err := Stream(t.Context(), Files{Filenames: []string{"-"}}, "", in, func(Item) error {
				if n++; n%10_000 == 0 {
					runtime.ReadMemStats(&m)
					most.HeapInuse = max(most.HeapInuse, m.HeapInuse)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if most.HeapInuse > 64<<20 {
				t.Errorf("%d MiB in use", most.HeapInuse>>20)
			}
			t.Logf("%d workloads, %d MiB", n, most.HeapInuse>>20)
		})
	}
}
