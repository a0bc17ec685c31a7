// Package probe puts the probe on nodes and brings its facts back.
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
// Objects prints them, with the rights that a user needs.
//
// # Who removes it
//
//   - Run itself, after success, errors and Ctrl-C (a cancelled context).
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
// # What can go wrong
//
// A node that cannot be measured is a gap for that node, one for each kind of
// facts that was wanted; it never costs the others. What makes every pod
// impossible (rights, Pod Security, a webhook, a quota) is found by Preflight
// before anything is created and becomes the same gap for all nodes.
package probe
