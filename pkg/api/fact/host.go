package fact

// Host is what is installed on a node and what runs.
type Host struct {
	Hostname string    `json:"hostname,omitempty"`
	Arch     string    `json:"arch,omitempty"` // as in GOARCH
	BootTime Time      `json:"bootTime,omitzero"`
	OS       OSRelease `json:"os"`

	Running   *RunningKernel    `json:"running,omitempty"`
	Installed []InstalledKernel `json:"installed,omitempty"` // sorted by release
	NextBoot  *NextBoot         `json:"nextBoot,omitempty"`  // nil if unknown
	Packages  *PackageState     `json:"packages,omitempty"`
	Reboot    *RebootState      `json:"reboot,omitempty"` // nil in facts of older versions
	CPU       *CPUState         `json:"cpu,omitempty"`
	// Image is nil on a system that has packages, and in facts of older versions.
	Image *ImageState `json:"image,omitempty"`

	// CgroupVersion is the version of cgroups that the kubelet finds, 1 or 2; 0 if
	// unread.
	CgroupVersion int `json:"cgroupVersion,omitempty"`
	// AutomaticUpdates is nil if unread. It belongs to no kind: it is a note.
	AutomaticUpdates *AutomaticUpdates `json:"automaticUpdates,omitempty"`

	Libraries *LibraryState `json:"libraries,omitempty"`

	// Builders are processes of the host itself that are build daemons or image
	// builders, Apart those with a root directory or mounts of their own that are
	// nevertheless the host's (a daemon in a chroot, a confined service). Both are
	// sorted by pid, at most MaxHostProcesses each (kind Processes).
	Builders []HostProcess `json:"builders,omitempty"`
	Apart    []HostProcess `json:"apart,omitempty"`

	// Swap is nil if unread (kind Swap).
	Swap *SwapState `json:"swap,omitempty"`

	// Inventory are the installed packages, sorted by name, architecture and version,
	// at most MaxInventory (kind Inventory).
	Inventory []InstalledPackage `json:"inventory,omitempty"`
}

// MaxHostProcesses bounds Host.Builders and Host.Apart.
const MaxHostProcesses = 64

// HostProcess is a process of the host itself, in no container.
type HostProcess struct {
	PID     int     `json:"pid"`
	Comm    string  `json:"comm,omitempty"` // chosen by the process itself
	Exe     string  `json:"exe,omitempty"`  // the text of /proc/PID/exe, "" if unread
	Unit    string  `json:"unit,omitempty"` // the last part of its cgroup path
	UID     int64   `json:"uid"`            // effective
	CapEff  CapMask `json:"capEff,omitzero"`
	Started Time    `json:"started,omitzero"`
	// Why is what shows that it is the host's: "chroot", "service", "same-root".
	Why string `json:"why,omitempty"`
	// Root is the text of /proc/PID/root, if that is not "/".
	Root string `json:"root,omitempty"`
}

// MaxInventory bounds Host.Inventory. A full desktop has some 5,000 packages.
const MaxInventory = 20_000

// InstalledPackage is an installed package, with the source package that it was
// built from: databases of vulnerabilities go by source packages.
type InstalledPackage struct {
	Name    string `json:"name"`
	Arch    string `json:"arch,omitempty"`
	Version string `json:"version"` // of an RPM, [EPOCH:]VERSION-RELEASE
	// Source and SourceVersion are those of the source package, if they differ from
	// the package's own. SourceVersion is UnknownVersion if only the name is known.
	Source        string `json:"source,omitempty"`
	SourceVersion string `json:"sourceVersion,omitempty"`
	// Vendor is who built it, if that is not the one who built most of the packages
	// (RPMTAG_VENDOR). It is "" if the package manager does not say.
	Vendor string `json:"vendor,omitempty"`
}

// UnknownVersion is InstalledPackage.SourceVersion if a package does not say it.
const UnknownVersion = "?"

// SourcePackage returns the name and the version of the source package. The
// version is "" if it is unknown.
func (p *InstalledPackage) SourcePackage() (name, version string) {
	name, version = p.Source, p.SourceVersion
	if name == "" {
		name = p.Name
	}
	switch version {
	case "":
		version = p.Version
	case UnknownVersion:
		version = ""
	}
	return name, version
}

// ImageState is what a system says that is updated as a whole image.
type ImageState struct {
	System  string `json:"system"`            // "Flatcar Container Linux"
	Version string `json:"version,omitempty"` // of the image that runs
	Source  string `json:"source,omitempty"`  // the file that names it
	// Staged is an image that is in place and waits for a reboot: its version, or what
	// is known of it; "" if none was found. StagedSource is the file that says so, and
	// Since when it was written.
	Staged       string `json:"staged,omitempty"`
	StagedSource string `json:"stagedSource,omitempty"`
	Since        Time   `json:"since,omitzero"`
}

// LibraryState is what the host's own processes run that is no longer what is
// installed. A process is the host's if its cgroup names no container and its root
// directory is that of the host's pid 1.
type LibraryState struct {
	// Processes counts those that were read. Elsewhere counts processes that are in
	// no known container, and have a root directory of their own.
	Processes int `json:"processes"`
	Elsewhere int `json:"elsewhere,omitempty"`
	// Outdated are the files that are mapped and executable, and are no longer at
	// their path; sorted by path, at most MaxOutdatedFiles of OutdatedCount.
	Outdated      []OutdatedFile `json:"outdated,omitempty"`
	OutdatedCount int            `json:"outdatedCount,omitempty"`
}

// OutdatedFile is a file that processes of one unit run.
type OutdatedFile struct {
	Path string `json:"path"`
	// Unit is the systemd unit of the processes, by their cgroup; "" if it names none.
	Unit string `json:"unit,omitempty"`
	// Program is true if the file is the processes' own executable, false for a
	// library.
	Program bool `json:"program,omitempty"`
	// Replaced is true if another file has the path although the kernel does not call
	// the mapped one deleted: another file system is mounted there.
	Replaced  bool   `json:"replaced,omitempty"`
	Processes int    `json:"processes"`
	Comm      string `json:"comm,omitempty"` // of the first one: evidence, never a key
}

// MaxOutdatedFiles bounds LibraryState.Outdated.
const MaxOutdatedFiles = 128

// AutomaticUpdates is what installs updates by itself.
type AutomaticUpdates struct {
	// Tool is its name, "" if none of those that are known is installed.
	Tool    string `json:"tool,omitempty"`
	Enabled bool   `json:"enabled,omitempty"`
	Source  string `json:"source,omitempty"` // the file that says so
}

// CPUState is what the kernel says of the vulnerabilities of its processor
// (Documentation/ABI/testing/sysfs-devices-system-cpu).
type CPUState struct {
	Path string `json:"path"` // the directory that was read
	// Vulnerabilities are sorted by name, at most MaxCPUVulnerabilities.
	Vulnerabilities []CPUVulnerability `json:"vulnerabilities,omitempty"`
}

// CPUVulnerability is one file of the directory.
type CPUVulnerability struct {
	Name  string `json:"name"`  // "spectre_v2"
	State string `json:"state"` // the kernel's words: "Mitigation: Retpolines; STIBP: disabled"
}

// MaxCPUVulnerabilities bounds CPUState.Vulnerabilities; kernel 6.18 has 20.
const MaxCPUVulnerabilities = 64

// RebootState is what the host says of a reboot that is due.
type RebootState struct {
	// Required is the file by which something on the host asks for a reboot, ""
	// if there is none; Since is when it was written.
	Required string `json:"required,omitempty"`
	Since    Time   `json:"since,omitzero"`
	// Packages are those that asked for it, at most MaxRebootPackages.
	Packages []string `json:"packages,omitempty"`
	// Announcer is what on this host writes such a file when a reboot is due, ""
	// if nothing is known to: then the absence of the file says nothing.
	Announcer string `json:"announcer,omitempty"`
	// Database is the package database, where the times at which core packages were
	// installed tell whether a reboot is due. Then Required is Database if one was
	// installed after the boot.
	Database string `json:"database,omitempty"`
}

// MaxRebootPackages bounds RebootState.Packages.
const MaxRebootPackages = 32

// OSRelease holds os-release(5)'s fields.
type OSRelease struct {
	Path       string `json:"path,omitempty"` // the file that was read
	ID         string `json:"id,omitempty"`
	IDLike     string `json:"idLike,omitempty"`
	VersionID  string `json:"versionId,omitempty"`
	Codename   string `json:"codename,omitempty"`
	PrettyName string `json:"prettyName,omitempty"`
	VariantID  string `json:"variantId,omitempty"`
	// Of systems that are updated as a whole; facts of older versions have none.
	ImageVersion  string `json:"imageVersion,omitempty"`
	BuildID       string `json:"buildId,omitempty"`
	OSTreeVersion string `json:"ostreeVersion,omitempty"`
	KairosVersion string `json:"kairosVersion,omitempty"`
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
	Since          Time   `json:"since,omitzero"` // when this version of the package was installed
	// NoEntry means that the boot loader has entries, and none for this kernel.
	NoEntry bool `json:"noEntry,omitempty"`
}

// NextBoot is the kernel that the boot loader is set to.
type NextBoot struct {
	Release string `json:"release"`
	Source  string `json:"source"` // the entry of the boot loader
}

// PackageState is what the host's package database and index say.
type PackageState struct {
	Manager   string `json:"manager"` // "apt"
	Database  string `json:"database"`
	Installed int    `json:"installed"`
	// Set is a sum of the names, architectures and versions of all installed packages
	// (package pkgset), "" if they were not all read. Hosts with equal sums have equal
	// packages.
	Set string `json:"set,omitempty"`
	// Pending are the installed packages with a newer candidate, sorted.
	Pending []PendingUpdate `json:"pending,omitempty"`
	// Checked is when somebody last tried to refresh the index. It proves nothing
	// about the index's age. Content is the newest date in an index.
	Checked Time `json:"checked,omitzero"`
	Content Time `json:"content,omitzero"`
	// Indexes counts the package lists that were read.
	Indexes int `json:"indexes"`
	// Archives are the archives in use, security archives first, at most
	// MaxArchives. Facts of older versions have none.
	Archives []PackageArchive `json:"archives,omitempty"`
	// Uncovered are the installed packages for which no security archive in use
	// gives updates, those of OutsideComponent first, then by name, at most
	// MaxUncovered of UncoveredCount.
	Uncovered      []UncoveredPackage `json:"uncovered,omitempty"`
	UncoveredCount int                `json:"uncoveredCount,omitempty"`
	// Pin is set if the host stays on one release of its archives on purpose, so
	// that no newer update can ever be pending (/etc/dnf/vars/releasever).
	Pin *ReleasePin `json:"pin,omitempty"`
}

// ReleasePin is a release of the archives that a host does not leave.
type ReleasePin struct {
	Release string `json:"release"`
	Source  string `json:"source"` // the file, or the package, that says so
}

// Bounds of PackageState's lists.
const (
	MaxArchives  = 32
	MaxUncovered = 64
)

// PackageArchive is an archive of packages, with the dates in its own signed
// index.
type PackageArchive struct {
	Name     string `json:"name"` // "Debian-Security/stable-security"
	Security bool   `json:"security,omitempty"`
	// Unclassified means that the archive does not say which of its updates are
	// about security: it publishes no advisories.
	Unclassified bool `json:"unclassified,omitempty"`
	// Date is when the archive made its index; after ValidUntil, zero for never,
	// the index is no longer valid.
	Date       Time `json:"date,omitzero"`
	ValidUntil Time `json:"validUntil,omitzero"`
	// Checked is the last time at which the host's tool has proved that the index is
	// still the archive's current one, at the latest. It is zero where only Date
	// counts (apt).
	Checked Time `json:"checked,omitzero"`
}

// Proved is the last time at which the index is known to have been the archive's
// current one, zero if unknown.
func (a *PackageArchive) Proved() Time {
	if !a.Checked.IsZero() {
		return a.Checked
	}
	return a.Date
}

// UncoveredPackage is an installed package for which no security archive in use
// gives updates.
type UncoveredPackage struct {
	Name    string  `json:"name"`
	Arch    string  `json:"arch"`
	Version string  `json:"version"`
	Why     Outside `json:"why"`
	Archive string  `json:"archive,omitempty"` // where it is listed, if anywhere
}

// Outside is why no security archive covers a package.
type Outside string

// Reasons why no security archive covers a package.
const (
	OutsideLists     Outside = "unlisted"       // no package list has its name
	OutsideOwn       Outside = "own-unlisted"   // the same, of a package that the distribution itself has built for this release
	OutsideRelease   Outside = "other-archive"  // only archives without security updates for this release list it
	OutsideVersions  Outside = "newer"          // it is newer than every version that the release has
	OutsideComponent Outside = "no-security"    // no security archive of its release, component and architecture is in use
	OutsideUpgrade   Outside = "no-metapackage" // its updates have other names, and nothing installed leads to them
	OutsideAdvisory  Outside = "no-advisories"  // the only archives that list it publish no advisories
	// OutsideBestEffort: its component gets updates from volunteers only (Ubuntu's
	// universe without ESM, Debian's non-free).
	OutsideBestEffort Outside = "best-effort"
)

// PendingUpdate is one package that could be upgraded from the host's own lists.
type PendingUpdate struct {
	Name      string `json:"name"`
	Arch      string `json:"arch"`
	Installed string `json:"installed"`
	Candidate string `json:"candidate"`
	// Security is the version from a security archive, or of a security advisory,
	// with installed < v <= candidate, or "" if there is none. Archive names that
	// archive, or the candidate's if there is none.
	Security string `json:"security,omitempty"`
	Advisory string `json:"advisory,omitempty"` // "RHSA-2024:1234", if archives have them
	// Unclassified means that no archive with this update publishes advisories, so
	// that Security is not known.
	Unclassified bool   `json:"unclassified,omitempty"`
	Archive      string `json:"archive,omitempty"`
	Source       string `json:"source,omitempty"` // source package
	// Held means that the package is on hold, or that Candidate is a security
	// update that preferences block (in addition to an update that they allow, if
	// any).
	Held   bool `json:"held,omitempty"`
	Phased int  `json:"phased,omitempty"` // Phased-Update-Percentage if < 100
	// Phasing distinguishes a percentage of 0 (the archive stopped the update) from
	// no percentage.
	Phasing bool `json:"phasing,omitempty"`
}
