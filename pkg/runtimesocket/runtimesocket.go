// Package runtimesocket lists the sockets of container runtimes and image builders:
// whoever can connect to one can start a privileged container, and so controls the
// node. Both the probe and the checks use it.
package runtimesocket

import (
	"path"
	"strings"
)

// paths are where they listen, by their own defaults and those of the common
// distributions. A star is one element. "/var/run" is written "/run".
var paths = []string{
	"/run/docker.sock",
	"/run/docker/containerd/containerd.sock",
	"/run/containerd/containerd.sock",
	"/run/k3s/containerd/containerd.sock", // k3s, RKE2
	"/run/k0s/containerd.sock",
	"/run/crio/crio.sock",
	"/run/cri-dockerd.sock",
	"/run/dockershim.sock",
	"/run/isulad.sock",
	"/run/host-containerd/containerd.sock", // Bottlerocket
	"/run/host-containerd/host-containerd.sock",
	"/run/buildkit/buildkitd.sock",
	"/run/podman/podman.sock",
	"/run/user/*/docker.sock",
	"/run/user/*/buildkit/buildkitd.sock",
	"/run/user/*/podman/podman.sock",
	"/var/snap/microk8s/common/run/containerd.sock", // MicroK8s
	"/system/run/containerd/containerd.sock",        // Talos
}

// Paths lists them. The caller must not change the list.
func Paths() []string { return paths }

// Usual reports whether a path of the list lies in /run, where many runtimes listen.
// A directory far above another one says nothing on a node without that runtime.
func Usual(socket string) bool { return strings.HasPrefix(socket, "/run/") }

// Match reports whether a socket or a directory matches a path of the list, or a
// directory of one.
func Match(pattern, p string) bool {
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
