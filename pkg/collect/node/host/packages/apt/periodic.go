package apt

import "github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"

// Unattended reports whether apt.conf lets apt's daily job install updates
// (APT::Periodic::Unattended-Upgrade, a number of days or a time; "0" is never), and
// which file says so last, "" if none does. Ok is false if a file was not read.
func Unattended(root *rootfs.Root) (enabled bool, path string, ok bool) {
	a := &aptReader{root: root}
	ok = true
	for _, file := range a.confFiles() {
		data, err := root.ReadFile(file, maxConfig)
		if err != nil {
			ok = false
			continue
		}
		settings, err := parseAptConf(data)
		ok = ok && err == nil
		for _, s := range settings {
			if s.name == "apt::periodic::unattended-upgrade" {
				enabled, path = s.value != "" && s.value != "0", file
			}
		}
	}
	return enabled, path, ok && len(a.gaps) == 0
}
