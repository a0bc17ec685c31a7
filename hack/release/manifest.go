package main

import (
	"fmt"
	"strings"
)

// pluginName is the plugin's name in krew, and the word after kubectl for who installs it
// by krew. krew-index may ask for a name that is less general, such as
// security-checklist: change it here only.
const pluginName = "checklist"

const (
	program  = "kubectl-checklist"
	homepage = "https://github.com/kubectl-checklist/kubectl-checklist"
	// licenseID is the licence's name in the list of SPDX.
	licenseID = "Apache-2.0"
)

// unreleased is the version of a manifest whose checksums are zeros.
const unreleased = "v0.0.0"

// about is what krew shows. COMMAND stands for how users of krew call the plugin.
const about = `  shortDescription: Measure pod and node security, with evidence
  description: |
    Answers the six questions of the container security checklist from evidence:
    are builds separate, is code added at build time only, is privilege avoided,
    are hosts up to date, are secrets encrypted, is drift prevented. It reads pods
    and nodes through the API and starts short-lived, locked-down probe pods that
    measure capability masks, devices, overlay drift, kernels, packages, and the
    bytes of Secrets in etcd. What was not measured is unknown, never a pass.

    Probes run on Linux nodes with amd64 or arm64. What needs a probe is unknown
    for other nodes.
  caveats: |
    Measuring nodes takes the right to create pods with hostPID in a namespace
    whose Pod Security level is privileged. Without it, use --no-probe.
    "COMMAND manifests" prints the rights to grant beforehand, and every
    object that a run creates.
    "COMMAND completion install" makes "COMMAND <TAB>" work.
`

// download is the URL of a release's file.
func download(version, file string) string {
	return homepage + "/releases/download/" + version + "/" + file
}

// manifest returns krew's manifest of a release. krew-index wants it in a file named
// name.yaml. The checksums are quoted, because YAML reads some as numbers.
func manifest(name, version string, of []platform, sums map[platform]string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# The manifest of the release, for kubectl krew install --manifest plugin.yaml.
# hack/release writes it: make release. Zeros install nothing.
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: %s
spec:
  version: %s
  homepage: %s
%s  platforms:
`, name, version, homepage, strings.ReplaceAll(about, "COMMAND", "kubectl "+name))
	for _, p := range of {
		fmt.Fprintf(&b, `  - selector:
      matchLabels:
        os: %s
        arch: %s
    uri: %s
    sha256: %q
    files:
    - from: %s
      to: .
    - from: LICENSE
      to: .
    bin: %[5]s
`, p.os, p.arch, download(version, p.archive()), sums[p], p.program())
	}
	return []byte(b.String())
}
