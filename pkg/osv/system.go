package osv

import (
	"regexp"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/apkversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rpmversion"
)

// role is what an ecosystem of a record is for a system.
type role uint8

const (
	foreign role = iota
	// unscoped is the distribution's, of no release: such an entry decides nothing.
	unscoped
	// base is the system's own.
	base
	// extended is its extended support, which has all of base and more: where a record
	// has an entry of it, that one decides.
	extended
)

// system is a release of a distribution, as the schema's table of ecosystems names
// it.
type system struct {
	// name is for people, and tells systems apart: "Debian:12".
	name    string
	manager string // "" for a language
	role    func(ecosystem string) role
	order   Order
	// binaries says that records can have names of binary packages too, not only
	// those of source packages.
	binaries bool
	// language is true for the packages of a programming language, and normal makes one
	// name of all ways to write it; nil where there is one way.
	language bool
	normal   func(name string) string
}

// orders are the version orders by package manager. A system whose manager has none
// here is unsupported.
var orders = map[string]Order{
	"dpkg": texts(debversion.Compare),
	"rpm":  texts(rpmversion.Compare),
	"apk":  apkversion.Compare,
}

// texts is an order in which every text has a place. Texts that no package manager
// would take as a version, such as <unfixed>, are refused.
func texts(compare func(a, b string) int) Order {
	return func(a, b string) (int, bool) {
		if !isVersion(a) || !isVersion(b) {
			return 0, false
		}
		return compare(a, b), true
	}
}

func isVersion(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case strings.IndexByte("._+~-:^", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// distribution makes the systems of one distribution, by ID of os-release(5).
type distribution struct {
	manager  string // key in orders
	binaries bool
	// ecosystems returns the name and the roles for a release, "" if the database has
	// no name for it.
	ecosystems func(fact.OSRelease) (name string, of func(string) role)
}

// distributions has those of the schema that nodes run. Those that are not in it
// (Amazon Linux, Oracle Linux, CentOS Stream, Fedora, Arch) have no ecosystem.
var distributions = map[string]distribution{
	"debian":     {"dpkg", false, plain("Debian:", version)},
	"ubuntu":     {"dpkg", false, ubuntu},
	"almalinux":  {"rpm", true, plain("AlmaLinux:", major)},
	"rocky":      {"rpm", true, plain("Rocky Linux:", major)},
	"rhel":       {"rpm", true, redHat},
	"sles":       {"rpm", false, suse},
	"sles_sap":   {"rpm", false, suse},
	"sl-micro":   {"rpm", false, suse},
	"sle-micro":  {"rpm", false, suse},
	"opensuse":   {"rpm", false, openSUSE},
	"openEuler":  {"rpm", false, openEuler},
	"azurelinux": {"rpm", true, plain("Azure Linux:", major)},
	"mariner":    {"rpm", true, plain("Azure Linux:", major)},
	"photon":     {"rpm", true, plain("Photon OS:", version)},
	"mageia":     {"rpm", false, plain("Mageia:", version)},
	"alpine":     {"apk", false, alpine},
	"wolfi":      {"apk", true, rolling("Wolfi")},
	"chainguard": {"apk", true, rolling("Chainguard")},
}

// systemOf returns the system of a host, or why there is none.
func systemOf(os fact.OSRelease) (s system, unsupported string) {
	id := os.ID
	if strings.HasPrefix(id, "opensuse-") { // opensuse-leap, opensuse-tumbleweed, opensuse-microos
		id = "opensuse"
	}
	system0 := os.PrettyName
	if system0 == "" {
		system0 = strings.TrimSpace(os.ID + " " + os.VersionID)
	}
	if system0 == "" {
		return system{}, "the operating system is unknown: os-release has no ID"
	}
	d, known := distributions[id]
	if !known {
		return system{}, "databases of this format have no data for " + system0
	}
	name, of := d.ecosystems(os)
	if name == "" {
		return system{}, "databases of this format have no data for this release of " + system0
	}
	order := orders[d.manager]
	if order == nil {
		return system{}, "versions of package manager " + d.manager + " cannot be compared yet"
	}
	return system{name: name, manager: d.manager, role: of, order: order, binaries: d.binaries}, ""
}

// plain is an ecosystem PREFIX + RELEASE.
func plain(prefix string, release func(fact.OSRelease) string) func(fact.OSRelease) (string, func(string) role) {
	return func(os fact.OSRelease) (string, func(string) role) {
		r := release(os)
		if r == "" {
			return "", nil
		}
		name, all := prefix+r, strings.TrimSuffix(prefix, ":")
		return name, func(ecosystem string) role {
			switch ecosystem {
			case name:
				return base
			case all:
				return unscoped
			}
			return foreign
		}
	}
}

// rolling is an ecosystem without releases.
func rolling(name string) func(fact.OSRelease) (string, func(string) role) {
	return func(fact.OSRelease) (string, func(string) role) { return only(name) }
}

func only(name string) (string, func(string) role) {
	return name, func(ecosystem string) role {
		if ecosystem == name {
			return base
		}
		return foreign
	}
}

// release matches a VERSION_ID.
var release = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

func version(os fact.OSRelease) string {
	if !release.MatchString(os.VersionID) {
		return "" // Debian's testing and sid have none
	}
	return os.VersionID
}

func major(os fact.OSRelease) string {
	v, _, _ := strings.Cut(version(os), ".")
	return v
}

// ubuntu has Ubuntu:22.04:LTS, Ubuntu:23.10, and Ubuntu:Pro:22.04:LTS for ESM. The
// variants of Pro for FIPS have packages of their own.
func ubuntu(os fact.OSRelease) (string, func(string) role) {
	v := version(os)
	if v == "" {
		return "", nil
	}
	return "Ubuntu:" + v, func(ecosystem string) role {
		switch strings.TrimSuffix(ecosystem, ":LTS") {
		case "Ubuntu:" + v:
			return base
		case "Ubuntu:Pro:" + v:
			return extended
		}
		return foreign
	}
}

// redHat has Red Hat:enterprise_linux:9::baseos: a CPE without cpe:/o:redhat:. The
// CPEs of extended updates for minor releases (rhel_eus:9.2) say nothing about a
// host that does not use them.
func redHat(os fact.OSRelease) (string, func(string) role) {
	v, m := version(os), major(os)
	if v == "" {
		return "", nil
	}
	return "Red Hat:enterprise_linux:" + m, func(ecosystem string) role {
		cpe, found := strings.CutPrefix(ecosystem, "Red Hat:enterprise_linux:")
		if r, _, _ := strings.Cut(cpe, ":"); found && (r == m || r == v) {
			return base
		}
		return foreign
	}
}

// servicePack matches the end of the names of SUSE's products: "15 SP5", "6.0".
var servicePack = regexp.MustCompile(` [0-9]+(\.[0-9]+)?( SP[0-9]+)?$`)

// suse has SUSE: and PRETTY_NAME without its first word. Most packages of an
// Enterprise Server come from modules of the same service pack.
func suse(os fact.OSRelease) (string, func(string) role) {
	product, found := strings.CutPrefix(os.PrettyName, "SUSE ")
	pack := servicePack.FindString(product)
	if !found || pack == "" {
		return "", nil
	}
	return "SUSE:" + product, func(ecosystem string) role {
		of, found := strings.CutPrefix(ecosystem, "SUSE:")
		switch {
		case !found:
		case of == product, of == product+"-LTSS",
			strings.HasPrefix(of, "Linux Enterprise Module for ") && strings.HasSuffix(of, pack):
			return base
		}
		return foreign
	}
}

// openSUSE has openSUSE:Leap 15.5 and openSUSE:Tumbleweed.
func openSUSE(os fact.OSRelease) (string, func(string) role) {
	product, found := strings.CutPrefix(os.PrettyName, "openSUSE ")
	if !found || product == "" {
		return "", nil
	}
	return only("openSUSE:" + product)
}

// euler matches the PRETTY_NAME of a release with long-term support.
var euler = regexp.MustCompile(`^openEuler ([0-9]+\.[0-9]+) \((LTS(-SP[0-9]+)?)\)$`)

// openEuler has openEuler:22.03-LTS-SP3, of openEuler 22.03 (LTS-SP3).
func openEuler(os fact.OSRelease) (string, func(string) role) {
	m := euler.FindStringSubmatch(os.PrettyName)
	if m == nil {
		return "", nil
	}
	return only("openEuler:" + m[1] + "-" + m[2])
}

// alpine has Alpine:v3.19, of 3.19.1. Edge has a version like 3.20.0_alpha20240329.
func alpine(os fact.OSRelease) (string, func(string) role) {
	words := strings.Split(version(os), ".")
	if len(words) < 2 {
		return "", nil
	}
	return only("Alpine:v" + words[0] + "." + words[1])
}
