package fact

// Host is what is installed on a node and what runs.
type Host struct {
	Hostname string    `json:"hostname,omitempty"`
	Arch     string    `json:"arch,omitempty"` // as in GOARCH
	BootTime Time      `json:"bootTime,omitzero"`
	OS       OSRelease `json:"os"`

	Running   *RunningKernel    `json:"running,omitempty"`
	Installed []InstalledKernel `json:"installed,omitempty"` // sorted by release
	Packages  *PackageState     `json:"packages,omitempty"`
}

// OSRelease holds os-release(5)'s fields.
type OSRelease struct {
	Path       string `json:"path,omitempty"` // the file that was read
	ID         string `json:"id,omitempty"`
	IDLike     string `json:"idLike,omitempty"`
	VersionID  string `json:"versionId,omitempty"`
	Codename   string `json:"codename,omitempty"`
	PrettyName string `json:"prettyName,omitempty"`
	VariantID  string `json:"variantId,omitempty"`
}

// RunningKernel is what /proc says about the kernel.
type RunningKernel struct {
	Release string `json:"release"` // /proc/sys/kernel/osrelease
	// Build is the text of /proc/version from '#' on: "#1 SMP PREEMPT_DYNAMIC
	// Debian 6.1.192-2 (2026-11-16)".
	Build string `json:"build,omitempty"`
	// ModulesPresent reports whether /lib/modules/RELEASE exists; nil if unread.
	ModulesPresent *bool    `json:"modulesPresent,omitempty"`
	Livepatch      []string `json:"livepatch,omitempty"` // names of enabled live patches
}

// InstalledKernel is a kernel that could be booted.
type InstalledKernel struct {
	Release string `json:"release"`
	Build   string `json:"build,omitempty"` // from '#' on, of the bzImage header
	Path    string `json:"path"`            // /boot/vmlinuz-..., or the package database
	// Package and PackageVersion are the distribution's, if its database has them.
	Package        string `json:"package,omitempty"`
	PackageVersion string `json:"packageVersion,omitempty"`
}

// PackageState is what the host's package database and index say.
type PackageState struct {
	Manager   string `json:"manager"` // "apt"
	Database  string `json:"database"`
	Installed int    `json:"installed"`
	// Pending are the installed packages with a newer candidate, sorted.
	Pending []PendingUpdate `json:"pending,omitempty"`
	// Checked is when the index was last requested. Content is the newest date in
	// an index.
	Checked Time `json:"checked,omitzero"`
	Content Time `json:"content,omitzero"`
	// Indexes counts the package lists that were read.
	Indexes int `json:"indexes"`
}

// PendingUpdate is one package that could be upgraded from the host's own lists.
type PendingUpdate struct {
	Name      string `json:"name"`
	Arch      string `json:"arch"`
	Installed string `json:"installed"`
	Candidate string `json:"candidate"`
	// Security is the version from a security archive with installed < v <=
	// candidate, or "" if there is none. Archive names that archive.
	Security string `json:"security,omitempty"`
	Archive  string `json:"archive,omitempty"`
	Source   string `json:"source,omitempty"` // source package
	// Held means that the package is on hold, or that Candidate is a security
	// update that preferences block (in addition to an update that they allow, if
	// any).
	Held   bool `json:"held,omitempty"`
	Phased int  `json:"phased,omitempty"` // Phased-Update-Percentage if < 100
	// Phasing distinguishes a percentage of 0 (the archive stopped the update) from
	// no percentage.
	Phasing bool `json:"phasing,omitempty"`
}
