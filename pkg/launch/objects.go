package launch

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/loader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

const (
	containerName = "probe"
	probeVolume   = "checklist" // the loader and the parts, at loader.Dir
	workVolume    = "work"      // the joined probe, at loader.OutputDir

	// selinuxType is the type of a container that may read the node's processes
	// (container-selinux, "super privileged container").
	selinuxType = "spc_t"

	// nobody is the uid of the levels proc and net. No user of the node has it.
	nobody = 65534

	// netCommand is the program of level net in our image. Its entry point is the other
	// program.
	netCommand = "/checklist-probe-net"

	// emptyDirRoom is what the emptyDir may hold in addition to the probe. A
	// kubelet evicts a pod whose emptyDir is over its limit.
	emptyDirRoom = 1 << 20
)

func (o *Options) labels() map[string]string {
	return map[string]string{
		LabelName:      ManagedBy,
		LabelComponent: "probe",
		LabelManagedBy: ManagedBy,
		LabelRun:       o.RunID,
	}
}

// name returns the name of a run's object: "checklist-RUN" and the parts.
func (o *Options) name(parts ...string) string {
	return strings.Join(append([]string{"checklist", o.RunID}, parts...), "-")
}

// namespace returns the namespace as a run creates it. Pod Security's baseline already
// refuses pods with hostPID or hostNetwork, so all three modes say privileged.
func (o *Options) namespace() *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{
			Name: o.Namespace,
			Labels: map[string]string{
				LabelName:                            ManagedBy,
				LabelManagedBy:                       ManagedBy,
				"pod-security.kubernetes.io/enforce": "privileged",
				"pod-security.kubernetes.io/audit":   "privileged",
				"pod-security.kubernetes.io/warn":    "privileged",
				// OpenShift: leave the labels above alone.
				"security.openshift.io/scc.podSecurityLabelSync": "false",
			},
			Annotations: map[string]string{
				// OpenShift: a project's default selector would keep pods off nodes.
				"openshift.io/node-selector": "",
				AnnotationCreatedBy:          o.RunID,
				AnnotationLastRun:            o.RunID,
			},
		},
	}
}

// job returns the dead man's switch. A Job with no completions is Complete at once and
// runs no pod. When its time to live is over, it is deleted with everything that it
// owns. Its template is never used, but must be valid. The cluster's policies may judge
// it, so it asks for nothing.
func (o *Options) job(image string, ttl time.Duration) *batchv1.Job {
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: o.name(), Namespace: o.Namespace, Labels: o.labels()},
		Spec: batchv1.JobSpec{
			Completions:             new(int32(0)),
			BackoffLimit:            new(int32(0)),
			TTLSecondsAfterFinished: new(seconds(ttl)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{LabelName: ManagedBy, LabelRun: o.RunID}},
				Spec: corev1.PodSpec{
					RestartPolicy:                corev1.RestartPolicyNever,
					AutomountServiceAccountToken: new(false),
					SecurityContext: &corev1.PodSecurityContext{
						RunAsUser:      new(int64(nobody)),
						RunAsNonRoot:   new(true),
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []corev1.Container{{
						Name: "none", Image: image,
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: new(false),
							ReadOnlyRootFilesystem:   new(true),
							Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
						},
						Resources: resources(fact.LevelFull),
					}},
				},
			},
		},
	}
}

// configMaps returns what an embedded program needs: the loader with the size, and the
// program in parts. Each is immutable, so that what was written is what runs.
func (o *Options) configMaps(p program, probe []byte, owner *metav1.OwnerReference) ([]*corev1.ConfigMap, error) {
	arch := p.arch
	start, err := loader.For(arch)
	if err != nil {
		return nil, err
	}
	words := []string{arch}
	if p.net {
		words = []string{"net", arch}
	}
	name := func(last string) string { return o.name(append(slices.Clone(words), last)...) }
	size := loader.Size(probe)
	maps := []*corev1.ConfigMap{o.configMap(name("loader"), owner,
		loader.Part{Name: loader.Name, Data: start}, size)}
	for _, part := range loader.Parts(probe, loader.MaxPartSize) {
		if len(part.Data) > loader.MaxPartSize {
			return nil, fmt.Errorf("embedded probe for %s: found %d bytes, expected at most %d",
				arch, len(probe), loader.MaxProbe)
		}
		maps = append(maps, o.configMap(name(strings.ReplaceAll(part.Name, ".", "-")), owner, part))
	}
	return maps, nil
}

func (o *Options) configMap(name string, owner *metav1.OwnerReference, files ...loader.Part) *corev1.ConfigMap {
	m := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: o.Namespace, Labels: o.labels()},
		BinaryData: make(map[string][]byte, len(files)),
		Immutable:  new(true),
	}
	if owner != nil {
		m.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	for _, f := range files {
		m.BinaryData[f.Name] = f.Data
	}
	return m
}

// A podOf holds what differs between probe pods.
type podOf struct {
	index   int // of the node in the plan
	attempt int // 0, 1, ...
	node    string
	arch    string
	image   string
	// level is that of the pod, "" for Options.Level.
	level fact.Level
	// rest is what is left of the node's time, 0 for all of it.
	rest time.Duration
	// listeners are where the node's own programs listen, for level net. oneHostIP is
	// the target's.
	listeners map[netip.AddrPort]fact.ListenerPurpose
	oneHostIP bool
	// digest is the SHA-256 of an embedded probe: the loader runs no other.
	digest [sha256.Size]byte
	// memory puts the joined probe into memory instead of onto the node's
	// disk, whose file system may be mounted noexec.
	memory bool
	// unlabelled means that the runtime chooses the SELinux type; see blocked.
	unlabelled bool
	owner      *metav1.OwnerReference
}

// pod returns the probe's pod for one node. maps are its architecture's ConfigMaps, nil
// for a pulled image.
func (o *Options) pod(p podOf, maps []*corev1.ConfigMap) *corev1.Pod {
	setDefault(&p.level, o.Level)
	net := p.level == fact.LevelNet
	name := o.name(fmt.Sprintf("%04d", p.index))
	if net {
		name = o.name("net", fmt.Sprintf("%04d", p.index))
	}
	if p.attempt > 0 {
		name += "-" + strconv.Itoa(p.attempt)
	}
	labels := o.labels()
	labels["sidecar.istio.io/inject"] = "false"
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: o.Namespace, Labels: labels,
			Annotations: map[string]string{
				AnnotationNode:              p.node,
				"openshift.io/required-scc": "privileged", // the one that admits hostPID, or hostNetwork, with a uid of our choice
				"linkerd.io/inject":         "disabled",
			},
		},
		Spec: corev1.PodSpec{
			NodeName:                      p.node,
			OS:                            &corev1.PodOS{Name: corev1.Linux},
			HostPID:                       !net,
			HostNetwork:                   net,
			RestartPolicy:                 corev1.RestartPolicyNever,
			ActiveDeadlineSeconds:         new(int64(seconds(o.Timeout))),
			TerminationGracePeriodSeconds: new(int64(0)),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			DNSPolicy:                     corev1.DNSDefault,
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			SecurityContext: &corev1.PodSecurityContext{
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				// container_t may not read other domains' /proc. The field
				// is ignored if SELinux is off.
				SELinuxOptions: &corev1.SELinuxOptions{Type: selinuxType},
			},
			Containers: []corev1.Container{{
				Name: containerName, Image: p.image, ImagePullPolicy: corev1.PullIfNotPresent,
				WorkingDir:      "/",
				SecurityContext: securityContext(p.level),
				Resources:       resources(p.level),
			}},
		},
	}
	container := &pod.Spec.Containers[0]
	if net {
		o.dial(container, &p)
	} else {
		// With its UID the probe finds its own container among those it reads.
		container.Env = fromPod("POD_UID", "metadata.uid")
		container.Args = []string{
			"--level=" + string(p.level),
			"--node=" + p.node,
			"--pod-uid=$(POD_UID)",
			"--kinds=" + joinKinds(o.kindsOf(p.level)),
			"--timeout=" + o.probeTimeout(p.rest).String(),
		}
	}
	if net || p.unlabelled {
		// A container of the runtime's own type may usually connect, and this pod reads nothing
		// of the node.
		pod.Spec.SecurityContext.SELinuxOptions = nil
	}
	if p.owner != nil {
		pod.OwnerReferences = []metav1.OwnerReference{*p.owner}
	}
	if o.PullSecret != "" {
		pod.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: o.PullSecret}}
	}
	if maps != nil {
		embed(pod, maps, p.digest, p.memory)
	}
	return pod
}

// dial completes the container of level net.
func (o *Options) dial(container *corev1.Container, p *podOf) {
	container.Command = []string{netCommand}
	field := "status.hostIPs"
	if p.oneHostIP {
		field = "status.hostIP"
	}
	container.Env = fromPod("HOST_IPS", field)
	container.Args = []string{
		"--node=" + p.node,
		"--host-ips=$(HOST_IPS)",
		"--kinds=" + joinKinds(o.kindsOf(fact.LevelNet)),
		"--timeout=" + o.probeTimeout(p.rest).String(),
	}
	if len(p.listeners) > 0 {
		container.Args = append(container.Args, "--listeners="+argument(p.listeners))
	}
}

// fromPod returns a variable that the kubelet fills in from a field of the pod, for use
// in arguments.
func fromPod(name, field string) []corev1.EnvVar {
	return []corev1.EnvVar{{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}}}}
}

// embed makes a pod run the loader from its ConfigMaps in an image that the node holds.
// The digest is part of the command. So somebody who can change ConfigMaps, but not
// pods, can change only the loader and no other code that runs.
func embed(pod *corev1.Pod, maps []*corev1.ConfigMap, digest [sha256.Size]byte, memory bool) {
	var sources []corev1.VolumeProjection
	size := 0
	for _, m := range maps {
		var items []corev1.KeyToPath
		for key, data := range m.BinaryData {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
			size += len(data)
		}
		sorted.Func(items, func(a, b corev1.KeyToPath) int { return strings.Compare(a.Key, b.Key) })
		sources = append(sources, corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: m.Name}, Items: items,
		}})
	}
	medium := corev1.StorageMediumDefault
	if memory {
		medium = corev1.StorageMediumMemory
	}
	pod.Spec.ImagePullSecrets = nil
	pod.Spec.Volumes = []corev1.Volume{
		{Name: probeVolume, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: sources, DefaultMode: new(int32(0o555)),
		}}},
		{Name: workVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
			Medium: medium, SizeLimit: resource.NewQuantity(roundUp(int64(size)+emptyDirRoom, 1<<20), resource.BinarySI),
		}}},
	}
	container := &pod.Spec.Containers[0]
	container.ImagePullPolicy = corev1.PullNever
	container.Command = loader.Command(digest)
	container.VolumeMounts = []corev1.VolumeMount{
		{Name: probeVolume, MountPath: loader.Dir, ReadOnly: true},
		{Name: workVolume, MountPath: loader.OutputDir},
	}
}

// securityContext returns that of the container. Level full runs as root, because a
// runtime gives added capabilities to no other user.
func securityContext(level fact.Level) *corev1.SecurityContext {
	sc := &corev1.SecurityContext{
		Privileged:               new(false),
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		RunAsUser:                new(int64(nobody)),
		RunAsGroup:               new(int64(nobody)),
		RunAsNonRoot:             new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if level == fact.LevelFull {
		sc.RunAsUser, sc.RunAsGroup, sc.RunAsNonRoot = new(int64(0)), new(int64(0)), new(false)
		// SYS_PTRACE: /proc/PID/{root,exe,fd} of others. DAC_READ_SEARCH:
		// files and directories of mode 0600 and 0700.
		sc.Capabilities.Add = []corev1.Capability{"DAC_READ_SEARCH", "SYS_PTRACE"}
		// The default profile of a runtime denies ptrace (read) of unconfined peers.
		sc.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	}
	return sc
}

// resources returns small requests, so that full nodes admit the pod. The probe's budget
// is 32 MiB and half a second of CPU. On a node that holds the cluster's storage, 200,000
// Secrets take 70 MiB, so the limit leaves room for that. The probe of level net holds
// little.
func resources(level fact.Level) corev1.ResourceRequirements {
	limit := "160Mi"
	if level == fact.LevelNet {
		limit = "64Mi"
	}
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("10m"),
			corev1.ResourceMemory: resource.MustParse("32Mi"),
		},
		Limits: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("500m"),
			corev1.ResourceMemory: resource.MustParse(limit),
		},
	}
}

// probeTimeout returns when the probe answers with what it has. It is three quarters of
// what is left of the node's time (0: all of it), and no more than the probe accepts. The
// other quarter is for the start and for reading the answer.
func (o *Options) probeTimeout(rest time.Duration) time.Duration {
	setDefault(&rest, o.Timeout)
	return max(min((rest*3/4).Round(100*time.Millisecond), maxProbeTimeout), minProbeTimeout)
}

// The probe's own limits (package probe).
const (
	minProbeTimeout = time.Second
	maxProbeTimeout = time.Hour
)

// Objects returns everything that a run with this plan creates, in a fixed order. It
// returns nothing if the plan has no targets. A ConfigMap's bytes are left out and
// described in AnnotationOmitted. What is known only during a run is replaced by a
// placeholder: the run id unless given, the owner's uid, and the image of a node that
// was not asked (Resolve).
func Objects(opts Options, plan Plan) ([]Document, error) {
	setDefault(&opts.RunID, "run")
	opts, err := opts.complete()
	levels := opts.levels()
	if err != nil || len(plan.Targets) == 0 || len(levels) == 0 {
		return nil, err
	}
	objects := []Document{{"Created only if it does not exist. Removed only if a run created it and it holds nothing else.", opts.ownedNamespace()}}
	job := opts.job(plan.jobImage(), opts.ttl())
	job.UID = "set-at-creation"
	owner := ownerOf(job)
	job.UID = ""
	objects = append(objects, Document{"Runs nothing. It owns the objects below, so the cluster removes them if the run is killed.", job})

	maps := make(map[program][]*corev1.ConfigMap)
	digests := make(map[program][sha256.Size]byte)
	for _, level := range levels {
		for _, arch := range plan.Archs {
			p := programOf(level, arch)
			probe, err := opts.bytes(p)
			if err != nil {
				return nil, err
			}
			if maps[p], err = opts.configMaps(p, probe, owner); err != nil {
				return nil, err
			}
			digests[p] = sha256.Sum256(probe)
			for _, m := range maps[p] {
				objects = append(objects, Document{"", withoutBytes(m)})
			}
		}
	}
	for _, level := range levels {
		comment := ""
		if level == fact.LevelNet {
			comment = aboutNet
		}
		for i, t := range plan.Targets {
			p := programOf(level, t.Arch)
			objects = append(objects, Document{comment, opts.pod(podOf{
				index: i, node: t.Node, arch: t.Arch, image: plan.image(t, 0), level: level, digest: digests[p], owner: owner, oneHostIP: t.OneHostIP,
			}, maps[p])})
			comment = ""
		}
	}
	return objects, nil
}

// aboutNet is for people who read the manifests.
const aboutNet = "Level net. A node gets this pod after its first one has ended. It makes TLS handshakes with what\n" +
	"listens on the node itself, at loopback and at the node's own addresses: at most 8 connections to\n" +
	"each listener, one request without credentials among them. During a run, the argument --listeners\n" +
	"adds the addresses and ports on which the first pod found programs of the cluster."

// heldImage is the placeholder for the image of a node that was not asked.
const heldImage = "an-image-the-node-holds"

// image returns the image of a target's pod.
func (p *Plan) image(t Target, attempt int) string {
	switch {
	case !p.Embedded:
		return p.Image
	case len(t.Images) > 0:
		return t.Images[min(attempt, len(t.Images)-1)]
	case len(t.Smallest) > 0:
		return t.Smallest[0]
	}
	return heldImage
}

// jobImage returns the image of the Job's template. It never runs.
func (p *Plan) jobImage() string {
	if len(p.Targets) == 0 {
		return heldImage
	}
	return p.image(p.Targets[0], 0)
}

// withoutBytes returns a ConfigMap for people to read.
func withoutBytes(m *corev1.ConfigMap) *corev1.ConfigMap {
	m = m.DeepCopy()
	var omitted []string
	for key, data := range m.BinaryData {
		omitted = append(omitted, fmt.Sprintf("%s: %d bytes, sha256 %x", key, len(data), sha256.Sum256(data)))
	}
	slices.Sort(omitted)
	m.BinaryData = nil
	m.Annotations = map[string]string{AnnotationOmitted: strings.Join(omitted, "; ")}
	return m
}

func ownerOf(job *batchv1.Job) *metav1.OwnerReference {
	return &metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID}
}

func joinKinds(kinds []fact.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, ",")
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
