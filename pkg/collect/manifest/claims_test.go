package manifest

import (
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
		"      - {name: side, volumeMounts: [{name: data, mountPath: /data}]}\n" +
		"      volumes: [{name: tmp, emptyDir: {}}, {name: scratch, ephemeral: {volumeClaimTemplate: {spec: {}}}}]\n  volumeClaimTemplates: [{metadata: {name: data}}, {metadata: {name: disk}}]\n"})
	got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []fact.Volume{
		{Name: "tmp", Field: "spec.volumes[0]", Source: "emptyDir"},
		{Name: "scratch", Field: "spec.volumes[1]", Source: "ephemeral", Unread: fact.NotPresent},
		{Name: "data", Field: "spec.volumes[data]", Source: notListed, Unread: fact.NotPresent},
		{Name: "disk", Field: "spec.volumes[disk]", Source: notListed, Unread: fact.NotPresent},
	}
	if diff := cmp.Diff(want, got[0].Spec.Volumes); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
}
