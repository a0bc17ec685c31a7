package mend

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// encryptionFile is where the steps put the configuration of encryption at rest.
const encryptionFile = "/etc/kubernetes/enc/enc.yaml"

// etcdctl runs etcdctl in the static pod of a member, with the certificates of kubeadm. Its image
// has no shell.
const etcdctl = `kubectl --namespace kube-system exec "etcd-${MEMBER:?}" -- etcdctl --endpoints https://127.0.0.1:2379` +
	` --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key`

// storeSteps are the steps of one part. Source: the Kubernetes documentation (Encrypting
// Confidential Data at Rest, Storage Version Migration, Operating etcd clusters), that of etcd
// (Maintenance, Disaster recovery), k3s, RKE2, Talos, OpenShift and the three managed providers,
// 2026-11.
func (b *book) storeSteps(w want) []Command {
	switch w {
	case wantPermissions:
		return b.permissionSteps()
	case wantTLSEtcd:
		return b.etcdTLSSteps()
	case wantTLSServer:
		return []Command{{Place: ByHand, Text: "Set --tls-min-version=VersionTLS12 and --anonymous-auth=false (or an AuthenticationConfiguration that allows /healthz, /livez and /readyz only), leave --tls-cipher-suites out, and set --kubelet-certificate-authority, in each API server's settings (kubeadm: /etc/kubernetes/manifests/kube-apiserver.yaml, and kubeadm-config, or the next upgrade undoes it; k3s and RKE2: kube-apiserver-arg in config.yaml). Give no role to system:unauthenticated but system:public-info-viewer."}}
	case wantTLSKubelet:
		return []Command{
			{Place: ByHand, Text: "In the kubelet's configuration (kubeadm: /var/lib/kubelet/config.yaml, and the ConfigMap kubelet-config, or the next upgrade undoes it; k3s and RKE2: kubelet-arg) set authentication.anonymous.enabled: false, authentication.x509.clientCAFile, authorization.mode: Webhook, readOnlyPort: 0, tlsMinVersion: VersionTLS12 and serverTLSBootstrap: true; then approve the kubelet's certificate request."},
			{Place: OnNode, Text: "Restart the kubelet. Its pods go on running.", Lines: []string{b.restartKubelet()}},
		}
	case wantCertificates:
		return b.certificateSteps()
	case wantEncryption:
		return b.encryptionSteps()
	case wantRewrite:
		return b.rewriteSteps()
	case wantCompact:
		return b.compactSteps()
	case wantNewFile:
		return b.newFileSteps()
	case wantNewLog:
		return b.newLogSteps()
	case wantBackups:
		return b.backupSteps()
	case wantNewValues:
		return []Command{{Place: ByHand, Text: "Last, replace each value that was in plaintext by a new one (passwords, keys, tokens), where it is issued and in its Secret: whoever had a file or a backup has the old one. Deleted files leave their bytes on a disk until these are overwritten or discarded (fstrim)."}}
	case wantAnnotation:
		return b.annotationSteps()
	case wantTokens:
		return b.tokenSteps()
	case wantLabels:
		l := b.Levels()
		for i := range b.view.Workloads {
			l.Add(&b.view.Workloads[i])
		}
		return LabelCommands(l.Labels())
	case wantPolicy:
		return b.policySteps()
	}
	return nil
}

func (b *book) provider() string { return b.view.Cluster.Provider }

// managed reports whether the provider keeps etcd and the API servers to itself.
func (b *book) managed() bool { return b.view.Managed }

func (b *book) restartKubelet() string {
	switch b.provider() {
	case "k3s":
		return "systemctl restart k3s || systemctl restart k3s-agent"
	case "rke2":
		return "systemctl restart rke2-server || systemctl restart rke2-agent"
	}
	return "systemctl restart kubelet"
}

func (b *book) encryptionSteps() []Command {
	switch b.provider() {
	case "eks":
		return []Command{{Place: WithCloud, Text: "EKS encrypts Secrets by a key of yours: set CLUSTER and KEY (its ARN). This cannot be undone.", Lines: []string{
			`aws eks associate-encryption-config --cluster-name "${CLUSTER:?}" --encryption-config "[{\"resources\":[\"secrets\"],\"provider\":{\"keyArn\":\"${KEY:?}\"}}]"`,
		}}}
	case "gke":
		return []Command{{Place: WithCloud, Text: "GKE encrypts Secrets by a key of yours: set CLUSTER, LOCATION and KEY (projects/.../cryptoKeys/...).", Lines: []string{
			`gcloud container clusters update "${CLUSTER:?}" --location "${LOCATION:?}" --database-encryption-key "${KEY:?}"`,
		}}}
	case "aks":
		return []Command{{Place: WithCloud, Text: "AKS encrypts Secrets by a key of yours in a key vault: set GROUP, CLUSTER and KEY (the key's URL).", Lines: []string{
			`az aks update --resource-group "${GROUP:?}" --name "${CLUSTER:?}" --enable-azure-keyvault-kms --azure-keyvault-kms-key-id "${KEY:?}"`,
		}}}
	case "openshift":
		return []Command{{Place: WithKubectl, Text: "OpenShift's operator encrypts and rewrites Secrets by itself. Wait until the condition Encrypted of the resource openshiftapiserver says EncryptionCompleted.", Lines: []string{
			`oc patch apiserver cluster --type=merge --patch '{"spec":{"encryption":{"type":"aesgcm"}}}'`,
		}}}
	case "k3s":
		return []Command{
			{Place: ByHand, Text: "Add secrets-encryption: true to /etc/rancher/k3s/config.yaml of every server. k3s documents that a server that was first started without it does not support it later: then move to a cluster that was started with it, or ask k3s' documentation for your version."},
			{Place: OnNode, Text: "Restart each server, one at a time, and look at the state.", Lines: []string{"systemctl restart k3s", "k3s secrets-encrypt status"}},
			{Place: OnNode, Text: "Make a new key and rewrite all Secrets, on one server. Wait until the state is reencrypt_finished, then restart the other servers.", Lines: []string{"k3s secrets-encrypt rotate-keys", "k3s secrets-encrypt status"}},
		}
	case "rke2":
		return []Command{
			{Place: OnNode, Text: "RKE2 encrypts Secrets by default. Look why it does not: secrets-encryption in /etc/rancher/rke2/config.yaml of each server. Restart each, one at a time.", Lines: []string{"systemctl restart rke2-server", "rke2 secrets-encrypt status"}},
			{Place: OnNode, Text: "Make a new key and rewrite all Secrets, on one server. Wait until the state is reencrypt_finished, then restart the other servers.", Lines: []string{"rke2 secrets-encrypt rotate-keys", "rke2 secrets-encrypt status"}},
		}
	case "talos":
		return []Command{{Place: ByHand, Text: "Talos encrypts Secrets by secretbox if cluster.secretboxEncryptionSecret is in the machine configuration of its control plane. Make a key of 32 random bytes in base64, add it there, and apply the configuration to each control-plane node; do not lose it: without it nothing can be read again."}}
	}
	if file, ok := b.configuration(); ok {
		return []Command{
			{Place: OnNode, Text: "The API server reads a configuration already, at this path of its container (kubeadm mounts the same path of the node). On the first node of the control plane: make a key next to it. The key is in no argument of a program.", Lines: []string{
				"umask 077",
				`{ printf '%s\n' '  - secretbox:' '      keys:'; printf '      - name: key-%s\n' "$(date +%s)"; printf '        secret: '; head -c 32 /dev/urandom | base64; } > ` + file + ".first",
			}},
			{Place: ByHand, Text: "Put the lines of that file into the configuration as the first provider of the entry for secrets, before identity. Keep every other provider: it reads what it has written. Then delete the file, and keep a copy of the configuration in a safe place: without the key no Secret can be read again."},
			{Place: ByHand, Text: "Copy the configuration to every other node of the control plane, over an encrypted connection, with the same owner and mode 0600. Until all have the key, no API server may write by it: with more than one, add it as the second provider everywhere first."},
			{Place: ByHand, Text: "Restart each API server, one at a time, unless it has --encryption-provider-config-automatic-reload=true, which takes about a minute (kubeadm: move kube-apiserver.yaml out of /etc/kubernetes/manifests for 20 seconds, and back)."},
			{Place: WithKubectl, Text: "Wait until the API server is ready again, before the next node.", Lines: []string{"kubectl get --raw '/readyz?verbose'"}},
		}
	}
	return []Command{
		{Place: OnNode, Text: "On the first node of the control plane: make a key and the configuration. The key is in no argument of a program. Keep a copy of the file in a safe place: without the key no Secret can be read again.", Lines: []string{
			"umask 077", "mkdir -p /etc/kubernetes/enc",
			`{ printf '%s\n' 'apiVersion: apiserver.config.k8s.io/v1' 'kind: EncryptionConfiguration' 'resources:' '- resources: [secrets]' '  providers:' '  - secretbox:' '      keys:' '      - name: key1'; printf '        secret: '; head -c 32 /dev/urandom | base64; printf '%s\n' '  - identity: {}'; } > ` + encryptionFile + ".new",
			"test ! -e " + encryptionFile + " && mv " + encryptionFile + ".new " + encryptionFile,
		}},
		{Place: ByHand, Text: "Copy this file to every other node of the control plane, over an encrypted connection, with the same owner and mode 0600. All must have the same keys before any API server uses it."},
		{Place: ByHand, Text: "On each node of the control plane, one at a time: in /etc/kubernetes/manifests/kube-apiserver.yaml add the flags --encryption-provider-config=" + encryptionFile + " and --encryption-provider-config-automatic-reload=true, and mount the directory /etc/kubernetes/enc read-only (hostPath, type DirectoryOrCreate). The kubelet restarts the API server. With kubeadm, change kubeadm-config too (apiServer.extraArgs, extraVolumes), or the next upgrade undoes it. If a configuration exists already, put the new key first, and keep the old ones until all is rewritten."},
		{Place: WithKubectl, Text: "Wait until the API server is ready again, before the next node.", Lines: []string{"kubectl get --raw '/readyz?verbose'"}},
	}
}

// configuration is the file of the EncryptionConfiguration that an API server reads, quoted. It is
// false if none was read, or if several differ in where it is.
func (b *book) configuration() (file string, ok bool) {
	b.eachNode(func(node *fact.Node) {
		if node.Measured == nil {
			return
		}
		for i := range node.Measured.APIServers {
			e := node.Measured.APIServers[i].Encryption
			if e == nil || e.Path == "" {
				continue
			}
			switch quoted, valid := absolute(e.Path); {
			case !valid || file != "" && file != quoted:
				file, ok = "-", false // no path is this
			case file == "":
				file, ok = quoted, true
			}
		}
	})
	return file, ok
}

func (b *book) rewriteSteps() []Command {
	if b.provider() == "openshift" || b.provider() == "gke" && b.managed() {
		return []Command{{Place: ByHand, Text: "The provider rewrites Secrets by itself after encryption is turned on. Wait until it says so."}}
	}
	migration := `printf '%s\n' 'apiVersion: storagemigration.k8s.io/v1' 'kind: StorageVersionMigration' 'metadata: {generateName: checklist-secrets-}' 'spec: {resource: {group: "", resource: secrets}}' | kubectl create --filename -`
	return []Command{
		{Place: WithKubectl, Text: "Rewrite every Secret, so that it is stored under the first key. From Kubernetes 1.37 on, the cluster does it itself; wait until the condition Succeeded is True.", Lines: []string{
			"if kubectl get --raw /apis/storagemigration.k8s.io/v1 >/dev/null 2>&1; then",
			"  " + migration,
			"else",
			"  # The values go through a pipe, and to no file. A conflict is a Secret that was written meanwhile, and so is new already.",
			"  kubectl get secrets --all-namespaces --output json | kubectl replace --filename - >/dev/null",
			"fi",
		}},
		{Place: ByHand, Text: "Do the same for each other resource that the encryption configuration names (configmaps, ...)."},
	}
}

func (b *book) compactSteps() []Command {
	switch {
	case b.managed():
		return nil
	case b.kine():
		return []Command{{Place: ByHand, Text: "kine compacts old revisions by itself, every five minutes; it keeps the last 1000. Wait for it, or write as many changes."}}
	}
	return []Command{{Place: WithKubectl, Text: "Compact etcd, so that no older revision can be read: set MEMBER to the name of a node with etcd (kubeadm's; elsewhere run etcdctl as your etcd is run).", Lines: []string{
		`revision=$(` + etcdctl + ` endpoint status --write-out json | sed -n 's/.*"revision":\([0-9]*\).*/\1/p')`,
		etcdctl + ` compact --physical "${revision:?}"`,
	}}}
}

func (b *book) newFileSteps() []Command {
	switch {
	case b.managed():
		return nil
	case b.kine():
		return []Command{{Place: OnNode, Text: "Write the SQLite file anew, on each server, one at a time: free pages keep what was deleted.", Lines: []string{
			"systemctl stop k3s",
			"sqlite3 /var/lib/rancher/k3s/server/db/state.db 'PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE);'",
			"systemctl start k3s",
		}}}
	}
	return []Command{{Place: WithKubectl, Text: "Write etcd's database file anew: free pages keep what was deleted. Do it for each member, one at a time, the leader last; a member answers nothing meanwhile.", Lines: []string{etcdctl + " defrag"}}}
}

func (b *book) newLogSteps() []Command {
	if b.managed() || b.kine() {
		return nil
	}
	return []Command{
		{Place: ByHand, Text: "Give each etcd member a new data directory, one at a time: defragmentation leaves the write-ahead log (member/wal) and old snapshot files (member/snap) as they are, and etcd removes them only after many more writes. With three members or more: remove the member (etcdctl member remove), stop its etcd, move /var/lib/etcd away, add it again (etcdctl member add) and start it with --initial-cluster-state=existing; wait until it is healthy before the next one."},
		{Place: OnNode, Text: "With a single member (kubeadm): stop the API server, so that nothing is written, save a snapshot, stop etcd, and restore into a new directory. The cluster answers nothing meanwhile; pods run on. The commands need etcdctl and etcdutl of etcd's version on the node (they are in etcd's image, and in its release). Set MEMBER to the node's name and ADDRESS to its address.", Lines: []string{
			"umask 077",
			"mkdir -p /etc/kubernetes/manifests-stopped",
			"mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests-stopped/",
			"while pgrep -x kube-apiserver >/dev/null; do sleep 1; done",
			"etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key snapshot save /var/lib/etcd-move.db",
			"mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests-stopped/",
			"while pgrep -x etcd >/dev/null; do sleep 1; done",
			"mv /var/lib/etcd /var/lib/etcd-old",
			`etcdutl snapshot restore /var/lib/etcd-move.db --data-dir /var/lib/etcd --name "${MEMBER:?}" --initial-cluster "${MEMBER:?}=https://${ADDRESS:?}:2380" --initial-advertise-peer-urls "https://${ADDRESS:?}:2380"`,
			"mv /etc/kubernetes/manifests-stopped/etcd.yaml /etc/kubernetes/manifests-stopped/kube-apiserver.yaml /etc/kubernetes/manifests/",
		}},
		{Place: OnNode, Text: "When the cluster is healthy again, delete the old directory and the snapshot.", Lines: []string{"rm -r -- /var/lib/etcd-old", "rm -- /var/lib/etcd-move.db"}},
	}
}

// kine reports whether the only store that was read is kine's.
func (b *book) kine() bool {
	kine := false
	for i := range b.view.Nodes {
		if m := b.view.Nodes[i].Measured; m != nil {
			for j := range m.Etcd {
				if m.Etcd[j].Format == fact.FormatEtcd {
					return false
				}
				kine = true
			}
		}
	}
	return kine
}

// eachNode calls f with the node of a node's book, or with each node.
func (b *book) eachNode(f func(*fact.Node)) {
	if b.node != nil {
		f(b.node)
		return
	}
	for i := range b.view.Nodes {
		f(&b.view.Nodes[i])
	}
}

// on names a node in a step of the whole cluster.
func (b *book) on(node *fact.Node) string {
	if b.node != nil {
		return ""
	}
	return "On node " + comment(node.Name) + ": "
}

func (b *book) backupSteps() []Command {
	if b.managed() {
		return nil
	}
	var steps []Command
	b.eachNode(func(node *fact.Node) {
		if node.Measured == nil {
			return
		}
		var lines []string
		for i := range node.Measured.Backups {
			backup := &node.Measured.Backups[i]
			if backup.Values == 0 {
				continue
			}
			if file, ok := absolute(backup.Path); ok {
				lines = append(lines, "rm -i -- "+file)
			}
		}
		if len(lines) > 0 {
			steps = append(steps, Command{Place: OnNode, Text: b.on(node) + "Delete the backups that hold values in plaintext; first make a new one, and encrypt it (age, OpenPGP). Each command asks.", Lines: lines})
		}
	})
	return append(steps, Command{Place: ByHand, Text: "Delete older backups elsewhere too (object storage, disk snapshots of the control plane's machines): they hold the same values."})
}

// absolute quotes a path that a node named. It is false for one that is not absolute.
func absolute(path string) (string, bool) {
	if !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
		return "", false
	}
	return Quote(path)
}

// maxLines bounds the commands of one step that are made for each of many objects.
const maxLines = 500

func (b *book) permissionSteps() []Command {
	var steps []Command
	b.eachNode(func(node *fact.Node) {
		if node.Measured == nil {
			return
		}
		var lines []string
		add := func(a *fact.FileAccess, owner uint32) {
			path, ok := absolute(a.Path)
			if !ok || len(lines) >= maxLines {
				return
			}
			mode := "0600"
			if a.Dir {
				mode = "0700"
			}
			lines = append(lines, fmt.Sprintf("chown %d:%d -- %s", owner, owner, path), "chmod "+mode+" -- "+path)
			if a.ACL {
				lines = append(lines, "setfacl --remove-all -- "+path)
			}
			if parent, ok := absolute(a.WritableParent); ok {
				lines = append(lines, "chmod go-w -- "+parent)
			}
		}
		if b.failed("secrets/etcd-file-permissions") {
			for i := range node.Measured.Etcd {
				files := node.Measured.Etcd[i].Files
				if files == nil {
					continue
				}
				add(&files.Dir, files.UID)
				for j := range files.Open {
					add(&files.Open[j], files.UID)
				}
			}
		}
		if b.failed("secrets/key-file-permissions") {
			for i := range node.Measured.APIServers {
				if e := node.Measured.APIServers[i].Encryption; e != nil && e.File != nil {
					file := *e.File
					if file.Path == "" {
						file.Path = e.Path
					}
					add(&file, 0)
				}
			}
		}
		if len(lines) > 0 {
			steps = append(steps, Command{Place: OnNode, Text: b.on(node) + "Let only root, or the store's own user, get at the files.", Lines: lines})
		}
	})
	if len(steps) == 0 {
		steps = append(steps, Command{Place: ByHand, Text: "Let only root, or the store's own user, get at the files that the evidence names: mode 0600, and 0700 for directories."})
	}
	return steps
}

// failed reports whether a check failed for what the book is about.
func (b *book) failed(check string) bool {
	for i := range b.findings {
		if b.findings[i].Check == check {
			return true
		}
	}
	return false
}

func (b *book) etcdTLSSteps() []Command {
	switch b.provider() {
	case "kubeadm", "unknown":
		return []Command{
			{Place: OnNode, Text: "Make etcd's certificates where they are missing (kubeadm's; it keeps those that exist).", Lines: []string{"kubeadm init phase certs etcd-ca", "kubeadm init phase certs etcd-server", "kubeadm init phase certs etcd-peer", "kubeadm init phase certs etcd-healthcheck-client", "kubeadm init phase certs apiserver-etcd-client"}},
			{Place: ByHand, Text: "On each node with etcd, one at a time: in /etc/kubernetes/manifests/etcd.yaml set --cert-file, --key-file, --client-cert-auth=true, --trusted-ca-file, --peer-cert-file, --peer-key-file, --peer-client-cert-auth=true, --peer-trusted-ca-file and --tls-min-version=TLS1.2, and https:// in every URL; in kube-apiserver.yaml set --etcd-cafile, --etcd-certfile, --etcd-keyfile and https:// in --etcd-servers. The peers' URLs of a running cluster are changed by etcdctl member update."},
		}
	}
	return []Command{{Place: ByHand, Text: "This distribution starts etcd with certificates by itself: remove what changes that in its configuration (etcd-arg of k3s and RKE2; cluster.etcd of Talos), and restart one server at a time."}}
}

func (b *book) certificateSteps() []Command {
	var steps []Command
	switch b.provider() {
	case "k3s":
		steps = append(steps, Command{Place: OnNode, Text: "Renew the certificates on each server, one at a time.", Lines: []string{"systemctl stop k3s", "k3s certificate rotate", "systemctl start k3s"}})
	case "rke2":
		steps = append(steps, Command{Place: OnNode, Text: "Renew the certificates on each server, one at a time.", Lines: []string{"systemctl stop rke2-server", "rke2 certificate rotate", "systemctl start rke2-server"}})
	case "talos", "openshift", "eks", "gke", "aks":
		steps = append(steps, Command{Place: ByHand, Text: "This distribution renews its certificates by itself. Look why it did not, in the state of its nodes and operators."})
	default:
		steps = append(steps,
			Command{Place: OnNode, Text: "Renew kubeadm's certificates on each node of the control plane, one at a time. The authorities themselves are not renewed.", Lines: []string{"kubeadm certs renew all", "kubeadm certs check-expiration"}},
			Command{Place: ByHand, Text: "Restart the static pods of that node, so that they read the new files: move their manifests out of /etc/kubernetes/manifests for 20 seconds, and back."},
			Command{Place: ByHand, Text: "For the kubelet set rotateCertificates: true and serverTLSBootstrap: true in its configuration."})
	}
	b.eachNode(func(node *fact.Node) {
		if node.Measured == nil {
			return
		}
		var lines []string
		for i := range node.Measured.Certificates {
			key := node.Measured.Certificates[i].Key
			if key == nil || key.Mode&0o077 == 0 || len(lines) >= maxLines {
				continue
			}
			if path, ok := absolute(key.Path); ok {
				lines = append(lines, "chmod 0600 -- "+path)
			}
		}
		if len(lines) > 0 {
			steps = append(steps, Command{Place: OnNode, Text: b.on(node) + "Let nobody but its owner read a private key.", Lines: lines})
		}
	})
	return steps
}

func (b *book) annotationSteps() []Command {
	lines := b.secretLines("secrets/in-last-applied", func(namespace, name string) string {
		return "kubectl annotate secret --namespace " + namespace + " " + name + " kubectl.kubernetes.io/last-applied-configuration-"
	})
	return []Command{
		{Place: WithKubectl, Text: "Remove the annotation, and with it the second copy of the values. Write Secrets by kubectl create or kubectl apply --server-side from now on, which do not make it.", Lines: lines},
		{Place: ByHand, Text: "Old revisions in etcd and in backups still hold the annotation as the Secret was stored then."},
	}
}

func (b *book) tokenSteps() []Command {
	lines := b.secretLines("secrets/legacy-token", func(namespace, name string) string {
		return "kubectl delete secret --namespace " + namespace + " " + name
	})
	return []Command{
		{Place: ByHand, Text: "Find out who uses the token (the label kubernetes.io/legacy-token-last-used says when it was), and give them one that expires: a projected token in a pod, kubectl create token elsewhere."},
		{Place: WithKubectl, Text: "Then delete the Secret, which makes its token invalid.", Lines: lines},
	}
}

// secretLines makes one command for each Secret that fails a check. Names that are not those of
// objects (DNS subdomains) are left out: they can only come from a file.
func (b *book) secretLines(check string, line func(namespace, name string) string) []string {
	var lines []string
	more := 0
	for i := range b.findings {
		f := &b.findings[i]
		if f.Check != check || f.Subject.Kind != fact.SubjectSecret || !objectName(f.Subject.Namespace) || !objectName(f.Subject.Name) {
			continue
		}
		if len(lines) == maxLines {
			more++
			continue
		}
		lines = append(lines, line(f.Subject.Namespace, f.Subject.Name))
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("# and %d more Secrets, which the report names", more))
	}
	return lines
}

// objectName reports whether a text is a DNS subdomain (RFC 1123), as the names of objects are.
func objectName(name string) bool {
	const most = 253
	if name == "" || len(name) > most {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || (c == '-' || c == '.') && i > 0 && i < len(name)-1) {
			return false
		}
	}
	return true
}
