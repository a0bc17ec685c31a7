// Package launch puts the probe on nodes and brings its facts back.
//
// # What a run creates
//
// All of it in one namespace, and all of it carries the label LabelRun:
//
//   - the namespace, where it is absent;
//   - a Job that runs nothing: the dead man's switch, see below;
//   - with the embedded probe, ConfigMaps that hold the probe and its loader;
//   - one bare pod for each node, placed by spec.nodeName, at most
//     Options.MaxInFlight at once, deleted as soon as its facts are here.
//
// Objects gives them for people to read, Grants the rights that a run uses.
//
// # Who removes it
//
//   - Measure itself, after success, errors and Ctrl-C (a cancelled context).
//   - The cluster. The Job has completions: 0, so it is complete at once, and a
//     time to live after which the cluster deletes it; every pod and ConfigMap
//     names it as its owner and goes with it. A run that lasts longer renews the
//     time to live. So after a SIGKILL, or when the machine of the plugin dies,
//     nothing that runs and nothing that holds code is left a few minutes later.
//   - The Guard, a second process of the plugin that does nothing but wait for
//     the end of the first. A namespace can have no owner inside itself and no
//     time to live, so that a namespace which the run created would outlive a
//     SIGKILL without it.
//   - Cleanup, and the next run, for what is left where the plugin and its guard
//     ended together (a machine that lost power): one empty namespace.
//
// A namespace is deleted only if a run created it (label LabelManagedBy and
// annotation AnnotationCreatedBy, both set at creation), and only while it holds
// nothing of anybody else, another run's pods included. Who leaves last removes it.
//
// # What is ours
//
// A label proves nothing: anybody who may patch an object can put ours onto it.
// So a run goes by what only the server, or only its own requests, can give:
//
//   - Every object that a dry run or a create returns is compared with what was
//     sent (compare.go). After a difference in a dry run nothing is created. After
//     one in a create of a pod, the pod is deleted at once and no answer of it is
//     read; the gap says whether code that is not the probe's may have run.
//   - The UIDs that creates return are kept. Statuses, logs and deletes are of
//     these UIDs, or of nothing. A log is found by name, so the pod is read before
//     and after it, and is compared with what was sent each time.
//   - After a pod has ended, the config maps that it mounted are looked at again:
//     they are immutable, so with the same UID they had our content all the time.
//     If one was replaced, the answer is refused, the gap says that foreign code
//     may have run on that node, and no more pods are created.
//   - Names hold the run's random id, so that nobody can take them in advance
//     (RunID is fixed only in tests). An object that exists under such a name is
//     the run's own only where the answer to its create was lost, and only if it
//     carries the random word of that very request (AnnotationRequest), our labels
//     and every field that was sent. Any other is refused, named, and left alone.
//   - Cleanup and the Guard run after a kill, when UIDs and words are lost. What
//     can be proved then is less: that nobody made an existing object into what is
//     about to be deleted. Its name, which never changes, holds the id of the run
//     in its label, and the fields that never change are those of a probe's object
//     (the pod's container, a config map's keys and immutability, a job of no
//     completions). Somebody may have created such an object to look like ours;
//     then it is that object which is deleted, by its UID, and nobody else's.
//     What has our labels and is anything else is named and left. A namespace is
//     taken for a run's by its label and annotation, which whoever may patch
//     namespaces can set: it is deleted only where nothing else was found in it.
//
// # What rights in the probe's namespace mean
//
// While a run lasts, its pods can read every file and process of their nodes, and
// before the probe has locked itself they could write there as root. So rights in
// this namespace are rights on the nodes, for as long as a run lasts there:
//
//   - create pods (or what makes pods: jobs, deployments and so on): where the
//     namespace admits the probe, it admits any pod with hostPID and root, at any
//     time. Nothing of the run is needed for that.
//   - create pods/exec, pods/attach, pods/ephemeralcontainers or pods/portforward:
//     to start something else in the probe's pod. An ephemeral container is seen
//     afterwards, and the answer refused; an exec leaves no trace in the API but
//     in the audit log.
//   - patch or update pods: to change the image of a pulled probe. It is seen
//     afterwards, and the answer refused.
//   - patch or update pods/status, which kubelets have for the pods of their own
//     node: to write an answer. A small answer is in the status alone. This is
//     not seen.
//   - delete and create config maps: to swap the loader or a part between create
//     and mount. It is seen afterwards, and the answer refused; the loader may
//     have run by then. A part that was swapped is not run: the loader compares
//     hashes.
//   - delete pods or jobs: to stop the run, or nodes of it. These are gaps.
//   - mutating webhooks and policies, wherever they are defined, change what is
//     created. It is seen, for what matters (compare.go lists what may differ).
//
// So give these rights there to nobody else, and prefer the namespace that the run
// makes and deletes, in which nobody has rights by a RoleBinding.
//
// # What can go wrong
//
// A node that cannot be measured is a gap for that node, one for each kind of
// facts that was wanted; it never costs the others. What makes every pod
// impossible (rights, Pod Security, a webhook, a quota) is found by Preflight
// before anything is created and becomes the same gap for all nodes. A pod that
// does not start is explained by its Events; where they say that the node refuses
// the SELinux type, a second pod goes without it (blocked).
package launch
