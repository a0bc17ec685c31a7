// Package launch runs the probe on nodes and collects its facts.
//
// # What a run creates
//
// Everything is in one namespace, and has the label LabelRun:
//
//   - the namespace, if it does not exist;
//   - a Job that runs nothing: the dead man's switch, see below;
//   - with the embedded probe, ConfigMaps that hold the probe and its loader;
//   - bare pods, placed by spec.nodeName, at most Options.MaxInFlight at once, each
//     deleted as soon as the run has its facts. A node gets up to two, one after the
//     other: one that reads files and processes (Options.Level), then one that makes
//     handshakes with what listens on the node (Options.Net).
//
// Objects returns them for people to read. Grants returns the rights that a run uses.
//
// # Who removes it
//
//   - Measure itself, after success, errors and Ctrl-C (a cancelled context).
//   - The cluster. The Job has completions: 0, so it is complete at once. It has a
//     time to live, after which the cluster deletes it. It owns every pod and
//     ConfigMap, so they are deleted too. A long run renews the time to live. So
//     after a SIGKILL, or when the plugin's machine dies, no pod and no code is left
//     a few minutes later.
//   - The Guard, a second process of the plugin that only waits for the end of the
//     first. A namespace cannot have a time to live, or an owner inside itself.
//     Without the guard, a namespace that the run created would outlive a SIGKILL.
//   - Cleanup, and the next run, if the plugin and its guard ended together (the
//     machine lost power). They remove what is left: one empty namespace.
//
// A namespace is deleted only if a run created it (label LabelManagedBy and
// annotation AnnotationCreatedBy, both set at creation), and only while it holds
// nothing of anybody else, another run's pods included. The last run to leave
// removes it.
//
// # What is ours
//
// A label proves nothing: anybody who may patch an object can add our labels to it.
// So a run relies on what only the server, or only its own requests, can provide:
//
//   - Every object that a dry run or a create returns is compared with what was
//     sent (compare.go). After a difference in a dry run nothing is created. After a
//     difference in the create of a pod, the pod is deleted at once and its answer
//     is not read. The gap says whether code that is not the probe's may have run.
//   - The run keeps the UIDs that creates return. It uses only statuses, logs and
//     deletes of these UIDs. A log is found by name, so the run reads the pod before
//     and after the log, and compares it with what was sent each time.
//   - After a pod has ended, the run reads the ConfigMaps that it mounted again.
//     They are immutable, so with the same UID they had our content all the time. If
//     one was replaced, the answer is refused, the gap says that foreign code may
//     have run on that node, and no more pods are created.
//   - Names hold the run's random id, so that nobody can take them in advance (RunID
//     is fixed only in tests). If an object with such a name exists, it is the run's
//     own only if the answer to its create was lost, and only if it has the random
//     word of that request (AnnotationRequest), our labels and every field that was
//     sent. Any other object is refused, named, and not changed.
//   - Cleanup and the Guard run after a kill, when UIDs and words are lost. Then less
//     can be proved: that nobody turned an existing object into the one that is about
//     to be deleted. Its name never changes, and holds the run id of its label. Other
//     fields that never change are those of a probe's object (the pod's container, a
//     ConfigMap's keys and immutability, a job of no completions). Somebody may
//     have created an object that looks like ours. Then that object is deleted, by
//     its UID, and no other. Something else with our labels is named and not
//     deleted. A namespace counts as a run's by its label and annotation. Anyone who
//     may patch namespaces can set these, so a namespace is deleted only if nothing
//     else was found in it.
//
// # The second pod of a node
//
// A pod of level net has the host's network and no other right: uid 65534, no capability,
// no hostPID, no token, the runtime's own SELinux type. It runs another program
// (package netprobe), embedded in ConfigMaps of its own. It waits for the first pod's
// answer, because that says where the cluster's programs listen (ListenersOf). It has what
// is left of Options.Timeout. If it fails, only the kinds of level net are gaps; if the
// first pod fails, only the others are. An answer holds only the kinds of its own pod. An
// answer from another network namespace than that of the node's first process is refused.
//
// # What rights in the probe's namespace mean
//
// During a run, its pods can read every file and process of their nodes. Before the
// probe has locked itself, they could also write there as root. So during a run,
// rights in this namespace are rights on the nodes:
//
//   - create pods (or what makes pods: jobs, deployments and so on): if the namespace
//     admits the probe, it admits any pod with hostPID or hostNetwork and root, at any
//     time. This
//     needs nothing of the run.
//   - create pods/exec, pods/attach, pods/ephemeralcontainers or pods/portforward:
//     to start something else in the probe's pod. The run sees an ephemeral container
//     afterwards and refuses the answer. An exec leaves a trace only in the audit log,
//     not in the API.
//   - patch or update pods: to change the image of a pulled probe. The run sees this
//     afterwards and refuses the answer.
//   - patch or update pods/status, which kubelets may do for the pods of their own
//     node: to write an answer. A small answer is only in the status. The run does
//     not see this.
//   - delete and create ConfigMaps: to swap the loader or a part between create and
//     mount. The run sees this afterwards and refuses the answer. The loader may have
//     run by then. A part that was swapped does not run: the loader compares hashes.
//   - delete pods or jobs: to stop the run, or some of its nodes. These are gaps.
//   - mutating webhooks and policies, wherever they are defined, change what is
//     created. The run sees this, for what matters (compare.go lists what may differ).
//
// So give these rights there to nobody else. Prefer the namespace that the run creates
// and deletes: no RoleBinding gives anybody rights in it.
//
// # What can go wrong
//
// A node that cannot be measured is a gap for that node, one for each kind of facts
// that was wanted. It never affects other nodes. Preflight finds what makes every pod
// impossible (rights, Pod Security, a webhook, a quota) before anything is created.
// This becomes the same gap for all nodes. If only the pods of one level are refused,
// it is one for the kinds of that level. The Events of a pod explain why it does not
// start. If they say that the node refuses the SELinux type, a second pod runs without
// it (blocked).
package launch
