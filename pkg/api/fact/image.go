package fact

// ImageInventory is what is installed in a container: packages by its package
// manager, and what running programs say about themselves. Containers in which the
// same is installed share one. No image is pulled for it: it is read through the
// container's own root directory.
type ImageInventory struct {
	// Key is made of the content, so that equal inventories of a node have equal keys.
	// It identifies an inventory within its node only: another node's key is that
	// node's word.
	Key string    `json:"key"`
	OS  OSRelease `json:"os"` // of the container's own root
	// Manager is dpkg, rpm, apk or pacman, "" if no package database was found.
	Manager string `json:"manager,omitempty"`
	// Packages are sorted by name, architecture and version, at most MaxInventory.
	Packages []InstalledPackage `json:"packages,omitempty"`
	// Modules are sorted by ecosystem, name, version and path, at most MaxModules.
	Modules []Module `json:"modules,omitempty"`
	// Opaque are the running programs of an image without a package database that say
	// nothing about what they are made of: paths inside the container, sorted, at most
	// MaxOpaque of OpaqueCount.
	Opaque      []string `json:"opaque,omitempty"`
	OpaqueCount int      `json:"opaqueCount,omitempty"`
}

// Bounds of an ImageInventory; MaxInventory is that of its packages.
const (
	MaxModules = 5000
	MaxOpaque  = 8
)

// Module is a library of a language that a program was built with or is run with.
type Module struct {
	Ecosystem string `json:"ecosystem"` // as in the OSV schema: Go, npm, PyPI, RubyGems
	Name      string `json:"name"`
	Version   string `json:"version"`
	Path      string `json:"path"` // the file that says so, inside the container
}
