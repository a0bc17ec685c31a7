package manifest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// What is behind a claim is known where manifests say it, and else it is not
// taken for nothing.
func TestClaims(t *testing.T) {
	const (
		pod     = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: app, volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, persistentVolumeClaim: {claimName: c}}]}\n"
		docker  = "hostPath: {path: /var/run/docker.sock}"
		nfs     = "nfs: {server: nfs.example, path: /}"
		claimed = "claimRef: {namespace: shop, name: c}, "
	)
	pv := func(name, spec string) string {
		return "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n"
	}
	pvc := func(namespace, volume string) string {
		return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, namespace: " + namespace + "}\nspec: {volumeName: " + volume + "}\n"
	}
	volume := fact.Volume{Name: "d", Field: "spec.volumes[0]", Source: "persistentVolumeClaim"}
	onNode, elsewhere, unread := volume, volume, volume
	onNode.HostPath, onNode.HostPathFrom = "/var/run/docker.sock", "x.yaml persistentvolume/v spec.hostPath.path"
	unread.Unread = fact.NotPresent
	flex := unread
	flex.Unread = fact.Unsupported
	local := onNode
	local.HostPathFrom = "x.yaml persistentvolume/v spec.local.path"
	for name, tc := range map[string]struct {
		in   []string
		want fact.Volume
	}{
		"nothing but the pod":                       {[]string{pod}, unread},
		"a volume that names its claim":             {[]string{pv("v", claimed+docker), pod}, onNode},
		"a volume behind the pod's document":        {[]string{pod, pv("v", claimed+docker)}, onNode},
		"a local volume":                            {[]string{pod, pv("v", claimed+"local: {path: /var/run/docker.sock}")}, local},
		"a claim that names its volume":             {[]string{pvc("shop", "v"), pv("v", docker), pod}, onNode},
		"a claim whose volume is missing":           {[]string{pvc("shop", "v"), pod}, unread},
		"a claim without a volume":                  {[]string{pvc("shop", `""`), pv("v", docker), pod}, unread},
		"a volume elsewhere":                        {[]string{pv("v", claimed+nfs), pod}, elsewhere},
		"a flexVolume":                              {[]string{pv("v", claimed+"flexVolume: {driver: example.com/host}"), pod}, flex},
		"another namespace's claim":                 {[]string{pvc("shed", "v"), pv("v", docker), pod}, unread},
		"another namespace's volume":                {[]string{pv("v", "claimRef: {namespace: shed, name: c}, "+docker), pod}, unread},
		"a claim without a namespace":               {[]string{pvc(`""`, "v"), pv("v", docker), pod}, onNode},
		"of two volumes the one on the node":        {[]string{pv("a", claimed+nfs), pv("v", claimed+docker), pod}, onNode},
		"of two volumes, in another order of names": {[]string{pv("w", claimed+nfs), pv("v", claimed+docker), pod}, onNode},
		"another version's volume":                  {[]string{strings.Replace(pv("v", claimed+docker), "v1", "example.com/v1", 1), pod}, unread},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"x.yaml": strings.Join(tc.in, "---\n")})
			got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]fact.Volume{tc.want}, got[0].Spec.Volumes); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
		})
	}
}

// Volumes that a spec leaves open are not taken for nothing either.
func TestOpenVolumes(t *testing.T) {
	write(t, map[string]string{"x.yaml": "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n" +
		"      - {name: app, volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}, {name: scratch, mountPath: /s}], volumeDevices: [{name: disk, devicePath: /dev/x}]}\n" +
		"      - {name: side, volumeMounts: [{name: data, mountPath: /data}, {name: injected, mountPath: /i}]}\n" +
		"      volumes: [{name: tmp, emptyDir: {}}, {name: scratch, ephemeral: {volumeClaimTemplate: {spec: {}}}}]\n  volumeClaimTemplates: [{metadata: {name: data}}, {metadata: {name: disk}}]\n"})
	got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []fact.Volume{
		{Name: "tmp", Field: "spec.volumes[0]", Source: "emptyDir"},
		{Name: "scratch", Field: "spec.volumes[1]", Source: "ephemeral", Unread: fact.NotPresent},
		{Name: "data", Field: "spec.volumes[data]", Source: "persistentVolumeClaim", Unread: fact.NotPresent},
		{Name: "disk", Field: "spec.volumes[disk]", Source: "persistentVolumeClaim", Unread: fact.NotPresent},
		{Name: "injected", Field: "spec.volumes[injected]", Source: fact.VolumeUnlisted, Unread: fact.NotPresent},
	}
	if diff := cmp.Diff(want, got[0].Spec.Volumes); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
}

// A claim that is made for a pod, or that chooses its volume, gets one of the node if the
// manifests have one that fits. That none fits shows nothing: the cluster may have one.
func TestClaimsThatChoose(t *testing.T) {
	const (
		sts = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec:\n  template: {spec: {containers: [{name: app, volumeMounts: [{name: d, mountPath: /d}]}]}}\n" +
			"  volumeClaimTemplates: [{metadata: {name: d}, spec: {%s}}]\n"
		ephemeral = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: app, volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, ephemeral: {volumeClaimTemplate: {spec: {%s}}}}]}\n"
		named     = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: app, volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, persistentVolumeClaim: {claimName: d-db-0}}]}\n" +
			"---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: d-db-0, namespace: shop}\nspec: {%s}\n"
		asks = "storageClassName: manual, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}"
		has  = "storageClassName: manual, accessModes: [ReadWriteOnce, ReadWriteMany], capacity: {storage: 2Gi}, hostPath: {path: /var/run}"
	)
	pv := func(labels, spec string) string {
		return "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v, labels: {" + labels + "}}\nspec: {" + spec + "}\n"
	}
	for name, tc := range map[string]struct {
		claim, volume string
		path          string
	}{
		"a volume that fits":             {asks, pv("", has), "/var/run"},
		"a volume by its name":           {"volumeName: v", pv("", "hostPath: {path: /x}"), "/x"},
		"another class":                  {strings.Replace(asks, "manual", "fast", 1), pv("", has), ""},
		"no class, and none of a volume": {strings.Replace(asks, "manual", `""`, 1), pv("", strings.Replace(has, "storageClassName: manual, ", "", 1)), "/var/run"},
		"the default class":              {strings.Replace(asks, "storageClassName: manual, ", "", 1), pv("", has), ""},
		"too small":                      {strings.Replace(asks, "1Gi", "3Gi", 1), pv("", has), ""},
		"another access mode":            {strings.Replace(asks, "ReadWriteOnce", "ReadOnlyMany", 1), pv("", has), ""},
		"a block device":                 {asks, pv("", "volumeMode: Block, "+has), ""},
		"a selector that matches":        {asks + ", selector: {matchLabels: {a: b}}", pv("a: b", has), "/var/run"},
		"a selector that does not":       {asks + ", selector: {matchLabels: {a: b}}", pv("a: c", has), ""},
		"a volume of another claim":      {asks, pv("", "claimRef: {namespace: shop, name: e-db-0}, "+has), ""},
		"no volume":                      {asks, "", ""},
	} {
		for kind, manifest := range map[string]string{"StatefulSet": sts, "ephemeral": ephemeral, "claim": named} {
			t.Run(name+", "+kind, func(t *testing.T) {
				write(t, map[string]string{"x.yaml": fmt.Sprintf(manifest, tc.claim) + tc.volume})
				got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil))
				if err != nil {
					t.Fatal(err)
				}
				v := got[0].Spec.Volumes[0]
				if v.HostPath != tc.path || (v.Unread == fact.NotPresent) != (tc.path == "") {
					t.Errorf("got %+v, want path %q", v, tc.path)
				}
			})
		}
	}
	for claimOf, path := range map[string]string{"d-db-0": "/var/run", "d-db-12": "/var/run", "d-db": "", "d-db-x": "", "d-dbx-0": "", "d-db-1-0": ""} {
		write(t, map[string]string{"x.yaml": fmt.Sprintf(sts, "") + pv("", "claimRef: {namespace: shop, name: "+claimOf+"}, "+has)})
		got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil))
		if err != nil || got[0].Spec.Volumes[0].HostPath != path {
			t.Errorf("a volume for the claim %s: %+v, %v", claimOf, got[0].Spec.Volumes, err)
		}
	}
}

// A workload that has waited for too long is emitted, and what it waited for is unknown.
func TestWaiting(t *testing.T) {
	defer func(before int) { maxWaiting = before }(maxWaiting)
	maxWaiting = 4
	var in strings.Builder
	for i := range 5 {
		fmt.Fprintf(&in, "apiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\nspec: {runtimeClassName: sandbox, containers: [{name: app}], volumes: [{name: d, persistentVolumeClaim: {claimName: c}}]}\n---\n", i)
	}
	in.WriteString("apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\nspec: {claimRef: {name: c}, hostPath: {path: /x}}\n---\n" +
		"apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: sandbox}\nhandler: runsc\n")
	got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(in.String()))
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, w := range got.Workloads {
		v := w.Spec.Volumes[0]
		said = append(said, fmt.Sprintf("%s %s %s %s", w.Owner.Name, w.Spec.RuntimeHandler, v.HostPath, v.Unread))
	}
	want := []string{"p0   Truncated", "p1   Truncated", "p2 runsc /x ", "p3 runsc /x ", "p4 runsc /x "}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNamespaces(t *testing.T) {
	write(t, map[string]string{"x.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline, pod-security.kubernetes.io/enforce-version: v1.30, pod-security.kubernetes.io/warn: restricted, a: b}}\n---\n" +
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n---\n" + object("v1", "Pod", "a", "spec: "+spec)})
	got, err := Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []fact.Namespace{
		{Name: "bare", Origin: "x.yaml namespace/bare"},
		{Name: "shop", Enforce: "baseline", EnforceVersion: "v1.30", Warn: "restricted", Origin: "x.yaml namespace/shop"},
	}
	if diff := cmp.Diff(want, got.Namespaces); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
}

// Large workloads wait in smaller numbers.
func TestWaitingWeight(t *testing.T) {
	defer func(before int) { maxWaitingWeight = before }(maxWaitingWeight)
	maxWaitingWeight = 3 * (1 + 1 + 16)
	var in strings.Builder
	for i := range 4 {
		fmt.Fprintf(&in, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p%d"},"spec":{"containers":[{"name":"app"}],"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"c"}}]}}`, i)
	}
	in.WriteString(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v"},"spec":{"claimRef":{"name":"c"},"hostPath":{"path":"/x"}}}`)
	got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(in.String()))
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, w := range got.Workloads {
		said = append(said, fmt.Sprintf("%s %s", w.Owner.Name, w.Spec.Volumes[0].Unread))
	}
	if diff := cmp.Diff([]string{"p0 Truncated", "p1 Truncated", "p2 ", "p3 "}, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A pod that is too large to judge is a gap, and the others are read.
func TestTooManyContainers(t *testing.T) {
	many := func(n int) string { return "{containers: [" + strings.Repeat("{name: a}, ", n) + "]}" }
	text := "spec: expected a pod of at most 1000 containers, found 1001: none of them is judged"
	for name, tc := range map[string]struct {
		object string
		want   string
	}{
		"a Pod":         {object("v1", "Pod", "a", "spec: "+many(1001)), "document 2, line 6: " + text},
		"a Deployment":  {object("apps/v1", "Deployment", "a", "spec: {template: {spec: "+many(1001)+"}}"), "document 2, line 6: spec.template." + text},
		"a StatefulSet": {object("apps/v1", "StatefulSet", "a", "spec: {template: {spec: "+many(1001)+"}}"), "stdin statefulset/shop/a: spec.template." + text},
		"a Rollout":     {object("argoproj.io/v1alpha1", "Rollout", "a", "spec: {template: {spec: "+many(1001)+"}}"), "stdin rollout/shop/a: spec.template." + text},
	} {
		t.Run(name, func(t *testing.T) {
			in := object("v1", "Pod", "before", "spec: "+many(1000)) + "---\n" + tc.object + "---\n" + object("v1", "Pod", "behind", "spec: "+spec)
			got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(in))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Workloads) != 2 || len(got.Gaps) != 1 || got.Gaps[0].Reason != fact.Truncated || got.Gaps[0].Detail != tc.want {
				t.Errorf("want %q and two pods, got %+v and %d pods", tc.want, got.Gaps, len(got.Workloads))
			}
		})
	}
}
