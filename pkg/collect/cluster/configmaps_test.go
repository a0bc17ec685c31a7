package cluster

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const configMapsPath = "/api/v1/configmaps"

// A token that was made up for this test, in two parts.
const madeUpToken = "ghp_" + "q7Rk2Vw9Lx4Tz8Bn3Mc6Yd1Hf5Jp0GsXaEuK"

func configMap(namespace, name string, data map[string]string) corev1.ConfigMap {
	return corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
}

func TestConfigMaps(t *testing.T) {
	set := []corev1.ConfigMap{
		configMap("kube-system", "coredns", map[string]string{"Corefile": ".:53 { errors }"}),
		configMap("shop", "app", map[string]string{
			"b.env": "TOKEN=" + madeUpToken, "a.yaml": "url: postgres://shop:Kk29xVd81@db/shop", "readme": "nothing here",
		}),
		{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bin"}, BinaryData: map[string][]byte{"blob": []byte("\x00\xff " + madeUpToken + "\x00")}},
	}
	shop := []fact.ConfigMapEntry{
		{Namespace: "shop", Name: "app", Key: "a.yaml", Rules: []string{"database-url"}},
		{Namespace: "shop", Name: "app", Key: "b.env", Rules: []string{"github-token", "telling-name"}},
		{Namespace: "shop", Name: "bin", Key: "blob", Rules: []string{"github-token"}},
	}
	gap := func(reason fact.Reason, detail, hint string) []fact.Gap {
		return []fact.Gap{{What: fact.ConfigMaps, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint}}
	}
	for name, tc := range map[string]struct {
		namespace string
		refuse    func(*http.Request) *metav1.Status
		want      *fact.ConfigMapScan
		gaps      []fact.Gap
	}{
		"keys and rules, and nothing of the data": {
			want: &fact.ConfigMapScan{Read: 3, Bytes: 155, Found: shop, Total: 3},
		},
		"one namespace": {
			namespace: "kube-system",
			want:      &fact.ConfigMapScan{Read: 1, Bytes: 15},
		},
		"no right": {
			refuse: refuseAll(configMapsPath, forbidden),
			gaps:   gap(fact.Forbidden, "no right to list configmaps in all namespaces", "grant list on configmaps, or narrow the run with -n"),
		},
		"a server that fails is quoted by its status alone": {
			refuse: refuseAll(configMapsPath, status(500, metav1.StatusReasonInternalError, "token "+madeUpToken)),
			gaps:   gap(fact.Unavailable, "listing configmaps: the server answered with status 500", "run it again"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.configMaps, s.refuse = set, tc.refuse
			result, err := Collect(t.Context(), Options{Config: s.config(), ConfigMaps: true, Namespace: tc.namespace})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, result.ConfigMaps); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gaps, result.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// Without the option no ConfigMap is asked for.
func TestConfigMapsNotAsked(t *testing.T) {
	s := newServer(t)
	result, err := Collect(t.Context(), Options{Config: s.config(), Secrets: true})
	if err != nil {
		t.Fatal(err)
	}
	if result.ConfigMaps != nil || len(s.asked(configMapsPath)) > 0 {
		t.Errorf("%+v after %d requests", result.ConfigMaps, len(s.asked(configMapsPath)))
	}
}

// A server that fails in the middle, or has more than the budget, costs what was not
// read, and no more.
func TestConfigMapsInPart(t *testing.T) {
	var many []corev1.ConfigMap
	for i := range 120 {
		many = append(many, configMap("shop", fmt.Sprintf("m%03d", i), map[string]string{"k": "v=" + madeUpToken}))
	}
	for name, tc := range map[string]struct {
		most   int64
		refuse func(*http.Request) *metav1.Status
		read   int
		detail string
		reason fact.Reason
	}{
		"the second page fails": {1 << 30, func(r *http.Request) *metav1.Status {
			if r.URL.Query().Get("continue") != "" {
				return status(503, metav1.StatusReasonServiceUnavailable, madeUpToken)
			}
			return nil
		}, 50, "listing configmaps: the server answered with status 503; 50 ConfigMaps were read before", fact.Unavailable},
		"the list expires without a way on": {1 << 30, func(r *http.Request) *metav1.Status {
			if r.URL.Query().Get("continue") != "" {
				return status(410, metav1.StatusReasonExpired, "")
			}
			return nil
		}, 50, "listing configmaps: the list expired while it was read; 50 ConfigMaps were read before", fact.Unavailable},
		"the budget ends": {1, nil, 50, "more than 0 MiB; 50 ConfigMaps were read", fact.Truncated},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.configMaps, s.refuse = many, tc.refuse
			c, err := newClients(s.config())
			if err != nil {
				t.Fatal(err)
			}
			scan, gaps, err := c.configMaps(t.Context(), Options{}, tc.most)
			if err != nil {
				t.Fatal(err)
			}
			if scan == nil || !scan.Truncated || scan.Read != tc.read || scan.Total != tc.read {
				t.Errorf("read %+v, want %d, truncated", scan, tc.read)
			}
			if len(gaps) != 1 || gaps[0].Detail != tc.detail || gaps[0].Reason != tc.reason {
				t.Errorf("gaps %+v, want %s: %s", gaps, tc.reason, tc.detail)
			}
		})
	}
}

// 5,000 ConfigMaps of 100 KiB are read in pages of 50, one at a time, in memory that
// does not grow with their number.
func TestConfigMapsMemory(t *testing.T) {
	const count, size = 5000, 100 << 10
	text := strings.Repeat("log_level: debug # nothing to see in this line of text\n", size/55)
	var requests, flying, mostFlying atomic.Int64
	s := newServer(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != configMapsPath {
			s.ServeHTTP(w, r)
			return
		}
		requests.Add(1)
		mostFlying.Store(max(mostFlying.Load(), flying.Add(1)))
		defer flying.Add(-1)
		if !strings.HasPrefix(r.Header.Get("Accept"), "application/vnd.kubernetes.protobuf") {
			t.Errorf("accepts %q", r.Header.Get("Accept"))
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		n := min(limit, count-from)
		list := &corev1.ConfigMapList{TypeMeta: kind("v1", "ConfigMapList")}
		if from+n < count {
			list.Continue = fmt.Sprintf("%05d", from+n)
		}
		for range n {
			list.Items = append(list.Items, configMap("shop", "app", map[string]string{"config.yaml": text}))
		}
		s.write(w, r, list)
	}))
	defer server.Close()

	c, err := newClients(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	peak := make(chan uint64)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() {
		var most uint64
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	scan, gaps, err := c.configMaps(t.Context(), Options{}, 1<<30)
	close(done)
	grown := int64(<-peak) - int64(before.HeapAlloc)
	if err != nil || len(gaps) > 0 {
		t.Fatalf("%v, gaps %+v", err, gaps)
	}
	if scan.Read != count || scan.Bytes < count*size*9/10 || scan.Total != 0 {
		t.Errorf("read %+v", scan)
	}
	// The server's pages are in this heap, too.
	t.Logf("%d ConfigMaps, %d MiB: %d requests, at most %d at once, heap grew by %d MiB", scan.Read, scan.Bytes>>20, requests.Load(), mostFlying.Load(), grown>>20)
	if requests.Load() != count/configMapPage || mostFlying.Load() != 1 {
		t.Errorf("%d requests, at most %d at once; want %d, 1", requests.Load(), mostFlying.Load(), count/configMapPage)
	}
	if grown > 100<<20 {
		t.Errorf("the heap grew by %d MiB of %d MiB", grown>>20, scan.Bytes>>20)
	}
}
