package hostpath

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestSeverity(t *testing.T) {
	for path, want := range map[string]struct{ write, read api.Severity }{
		// What hp2.yaml of the cases mounts.
		"/var/log":                               {api.Medium, api.Medium},     // logs may hold anything, and the kubelet serves them
		"/opt/cni/bin":                           {api.Critical, api.Low},      // the runtime runs its programs as root for each pod
		"/var/spool/cron":                        {api.Critical, api.Low},      // cron runs what lies there as root
		"/run/dbus/system_bus_socket":            {api.Critical, api.Critical}, // starts units; read-only does not stop connect(2)
		"/run/systemd/private":                   {api.Critical, api.Critical}, // as above, without D-Bus
		"/home":                                  {api.High, api.High},         // SSH keys: of users, who are not root
		"/var/lib/k0s":                           {api.Critical, api.Critical}, // admin kubeconfig, and manifests that are applied
		"/var/snap/microk8s/current/credentials": {api.Critical, api.Critical}, // client.config is the administrator's
		"/var/lib/kubelet/pki":                   {api.Critical, api.High},     // the node's key, of which reading is the harm
		"/":                                      {api.Critical, api.High},
		"/etc":                                   {api.Critical, api.High},
		"/root/.ssh":                             {api.Critical, api.High},
		"/usr/local/bin":                         {api.Critical, api.Low},
		"/boot":                                  {api.Critical, api.Low},
		"/lib/modules":                           {api.Critical, api.Low},
		"/etc/kubernetes":                        {api.Critical, api.Critical},
		"/etc/kubernetes/manifests":              {api.Critical, api.Critical},
		"/etc/kubernetes/secrets-store-csi-providers": {api.High, api.Low},
		"/var/lib/kubelet":                        {api.Critical, api.High},
		"/var/lib/kubelet/pods":                   {api.Critical, api.High},
		"/var/lib/kubelet/device-plugins":         {api.High, api.Low},
		"/var/lib/kubelet/plugins_registry":       {api.High, api.Low},
		"/var/lib/kubelet/plugins/csi.example":    {api.High, api.High}, // none of the pods' Secrets
		"/var/lib/kubelet/pod-resources":          {api.Low, api.Low},
		"/var/lib/etcd":                           {api.Critical, api.Critical},
		"/var/lib/docker/containers":              {api.Critical, api.High},
		"/var/lib/rancher/k3s":                    {api.Critical, api.Critical},
		"/etc/rancher/k3s/k3s.yaml":               {api.Critical, api.Critical},
		"/opt/nri/plugins":                        {api.Critical, api.Low},
		"/etc/nri/conf.d":                         {api.Critical, api.Low},
		"/etc/cni/net.d":                          {api.Critical, api.Low},
		"/usr/libexec/kubernetes/kubelet-plugins": {api.Critical, api.Low},
		"/proc":          {api.Critical, api.Medium},
		"/sys":           {api.Critical, api.Medium},
		"/sys/fs/cgroup": {api.Critical, api.Medium},
		"/dev":           {api.Critical, api.Critical},
		"/dev/sda":       {api.Critical, api.Critical},
		"/etc/ssl/certs": {api.Medium, api.Low},
		"/etc/localtime": {api.Medium, api.Low},
		"/data":          {api.Medium, api.Low},
		// What lies below counts, but a read-only mount is critical only by its own path.
		"/var":                                  {api.Critical, api.High},
		"/var/lib":                              {api.Critical, api.High},
		"/opt":                                  {api.Critical, api.Low},
		"/run":                                  {api.Critical, api.High},
		"/etc/ssl":                              {api.High, api.High},
		"/var/spool":                            {api.Critical, api.Low},
		"/run/containerd":                       {api.High, api.High},
		"/run/docker.sock":                      {api.High, api.High},
		"/run/k3s":                              {api.High, api.High},
		"/var/snap":                             {api.Critical, api.High},
		"/run/xtables.lock":                     {api.Low, api.Low},
		"/run/containerd/containerd.sock.ttrpc": {api.Medium, api.Medium},
		`C:\`:                                   {api.Critical, api.High},
		`C:\Users`:                              {api.High, api.High},
		`C:\data`:                               {api.Medium, api.Low},
		`D:\`:                                   {api.Medium, api.Low},
		`\\.\pipe\dockershim`:                   {api.High, api.High},
		"/proc/1/root/etc":                      {api.Critical, api.High},
		"":                                      {api.Critical, api.High},
	} {
		for readOnly, want := range map[bool]api.Severity{false: want.write, true: want.read} {
			if got, why := Severity(Clean(path), readOnly); got != want {
				t.Errorf("%q, read-only %v: want %s, got %s (%s)", path, readOnly, want, got, why)
			}
			mount := &fact.VolumeMount{Volume: "v", Path: "/m", ReadOnly: readOnly}
			if got := SeverityOf(path, mount); got != want && path != "" {
				t.Errorf("SeverityOf(%q), read-only %v: want %s, got %s", path, readOnly, want, got)
			}
		}
	}
	if got := SeverityOf("/etc", nil); got != api.Low {
		t.Errorf("a volume that nothing mounts: got %s", got)
	}
	if got := SeverityOf("/var", &fact.VolumeMount{SubPath: "log/x"}); got != api.Medium {
		t.Errorf("a subPath: got %s", got)
	}
}

// Every row is well formed, and a writable mount is never less grave than a read-only one.
func TestPlaces(t *testing.T) {
	seen := map[string]bool{}
	for _, at := range places {
		if seen[at.path] || Clean(at.path) != at.path || at.source == "" || at.write.Rank() == 0 || at.read.Rank() == 0 || at.write.Rank() < at.read.Rank() {
			t.Errorf("a row that is double or not well formed: %+v", at)
		}
		seen[at.path] = true
	}
	// A directory is at least as grave as what lies below it, but for the cap of read-only.
	for _, below := range places {
		for _, above := range places {
			if above.path == below.path || !Covers(above.path, below.path) {
				continue
			}
			if a, _ := Severity(above.path, false); a.Rank() < below.write.Rank() {
				t.Errorf("%s is %s, %s below it %s", above.path, a, below.path, below.write)
			}
			want := below.read
			if want == api.Critical {
				want = api.High
			}
			if a, _ := Severity(above.path, true); a.Rank() < want.Rank() {
				t.Errorf("read-only %s is %s, %s below it %s", above.path, a, below.path, below.read)
			}
		}
	}
}

func BenchmarkSeverity(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Severity("/var/lib", false)
		Severity("/data", true)
	}
}
