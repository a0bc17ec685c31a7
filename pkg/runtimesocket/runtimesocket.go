// Package runtimesocket lists the sockets of container runtimes and image builders:
// anyone who can connect to one can start a privileged container, and so controls the
// node. Both the probe and the checks use it.
package runtimesocket

import (
	"path"
	"strings"
)

// Socket is a socket of the node, or a pipe of a Windows node.
type Socket struct {
	// Path is where it listens. A star is one element of the path, or a part of one.
	// "/var/run" is written "/run".
	Path string
	// Of is the program that listens.
	Of string
	// Only is the directory above Path that only this program or its distribution has: who
	// mounts it, or what is below it, means that program. "" if others have it too.
	Only string
	// Internal is true for a socket that gives less than the whole node: events, debugging.
	Internal bool
	// Source is where the path was read, with the month of what was read. "general
	// knowledge" was not verified.
	Source string
}

// sockets are where they listen, by their own defaults and those of the common
// distributions.
var sockets = []Socket{
	{"/run/docker.sock", "Docker", "", false, "Bottlerocket's guide, 2024-10"},
	{"/run/docker/containerd/containerd.sock", "Docker's containerd", "/run/docker", false, "general knowledge, 2026-11"},
	{"/run/containerd/containerd.sock", "containerd", "/run/containerd", false, "containerd's source, 2026-08"},
	{"/run/k3s/containerd/containerd.sock", "k3s and RKE2", "/run/k3s", false, "rke2's source and docs.rke2.io, 2026-08"},
	{"/run/k0s/containerd.sock", "k0s", "/run/k0s", false, "k0s' source, 2026-08"},
	{"/run/crio/crio.sock", "CRI-O", "/run/crio", false, "cri-o's source, 2026-08"},
	{"/run/cri-dockerd.sock", "cri-dockerd", "", false, "cri-dockerd's source, 2026-04"},
	{"/run/dockershim.sock", "dockershim", "", false, "Bottlerocket's guide, 2024-10"},
	{"/run/isulad.sock", "iSulad", "", false, "public configurations, 2026-08"},
	// The sources differ in the name, so that the directory counts.
	{"/run/host-containerd/containerd.sock", "Bottlerocket's host containers", "/run/host-containerd", false, "falco's chart, 2026-08"},
	{"/run/host-containerd/host-containerd.sock", "Bottlerocket's host containers", "/run/host-containerd", false, "Bottlerocket's guide, 2024-10"},
	{"/run/buildkit/buildkitd.sock", "BuildKit", "/run/buildkit", false, "buildkit's source, 2026-08"},
	{"/run/podman/podman.sock", "Podman", "/run/podman", false, "falco's chart, 2026-08"},
	{"/run/nri/nri.sock", "NRI, which changes every container", "/run/nri", false, "nri's source and containerd's docs, 2026-08"},
	{"/run/user/*/docker.sock", "Docker of a user", "", false, "general knowledge, 2026-11"},
	{"/run/user/*/buildkit/buildkitd.sock", "BuildKit of a user", "", false, "buildkit's source, 2026-08"},
	{"/run/user/*/podman/podman.sock", "Podman of a user", "", false, "general knowledge, 2026-11"},
	{"/var/snap/microk8s/common/run/containerd.sock", "MicroK8s", "/var/snap/microk8s", false, "microk8s' source, 2026-08"},
	{"/system/run/containerd/containerd.sock", "Talos' own containerd", "/system", false, "talos' source, 2026-08"},
	{"/system/run/machined/*.sock", "Talos' machined, which controls the node", "/system", false, "talos' source, 2026-08"},
	{"/system/run/apid/*.sock", "Talos' apid", "/system", false, "talos' source, 2026-08"},
	{"/system/run/trustd/*.sock", "Talos' trustd, which signs certificates of nodes", "/system", false, "talos' source, 2026-08"},
}

// internal are sockets of a runtime that give less than the node. A mount of one of their
// directories gives the runtime's own socket too.
var internal = []Socket{
	{"/run/containerd/containerd.sock.ttrpc", "containerd, for events of its shims", "/run/containerd", true, "containerd's source, 2026-08"},
	{"/run/containerd/debug.sock", "containerd, for debugging", "/run/containerd", true, "containerd's source, 2026-08"},
	{"/run/k3s/containerd/containerd.sock.ttrpc", "containerd of k3s and RKE2, for events of its shims", "/run/k3s", true, "containerd's and rke2's source, 2026-08"},
	{"/run/k0s/containerd.sock.ttrpc", "k0s' containerd, for events of its shims", "/run/k0s", true, "containerd's and k0s' source, 2026-08"},
	{"/var/snap/microk8s/common/run/containerd.sock.ttrpc", "MicroK8s' containerd, for events of its shims", "/var/snap/microk8s", true, "containerd's and microk8s' source, 2026-08"},
}

// Pipes is where Windows has its named pipes, with the slashes of Unix.
const Pipes = "//./pipe/"

// pipes are those of a Windows node.
var pipes = []Socket{
	{Pipes + "docker_engine", "Docker", "", false, "general knowledge, 2026-11"},
	{Pipes + "containerd-containerd", "containerd", "", false, "containerd's source, 2026-08"},
	{Pipes + "cri-dockerd", "cri-dockerd", "", false, "cri-dockerd's source, 2026-04"},
	{Pipes + "dockershim", "dockershim", "", false, "general knowledge, 2026-11"},
	{Pipes + "buildkitd", "BuildKit", "", false, "general knowledge, 2026-11"},
	{Pipes + "csi-proxy-*", "csi-proxy, which mounts the node's disks", "", false, "general knowledge, 2026-11"},
}

// paths are those of sockets.
var paths = func() []string {
	out := make([]string, len(sockets))
	for i := range sockets {
		out[i] = sockets[i].Path
	}
	return out
}()

// Paths lists the sockets of a Linux node that give the whole node. The caller must not
// change the list.
func Paths() []string { return paths }

// Sockets lists them with what is known of them, and after them the internal ones. The
// caller must not change the list.
func Sockets() []Socket { return all }

var all = append(append([]Socket(nil), sockets...), internal...)

// WindowsPipes lists the pipes of a Windows node. The caller must not change the list.
func WindowsPipes() []Socket { return pipes }

// Usual reports whether a path of the list lies in /run, where many runtimes listen.
// A directory far above another one says nothing on a node without that runtime.
func Usual(socket string) bool { return strings.HasPrefix(socket, "/run/") }

// Match reports whether a socket or a directory matches a path of the list, or a
// directory of one.
func Match(pattern, p string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == p
	}
	ok, err := path.Match(pattern, p)
	return err == nil && ok
}

// Find returns the path of the list that a clean path of the node matches.
func Find(p string) (pattern string, ok bool) {
	for _, s := range paths {
		if Match(s, p) {
			return s, true
		}
	}
	return "", false
}

// Own returns the directory in which only the runtime keeps files, "" for one that
// others use too: whoever mounts it means the socket.
func Own(socket string) string {
	if dir := path.Dir(socket); dir != "/run" {
		return dir
	}
	return ""
}
