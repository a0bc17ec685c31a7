// Package builder knows the programs that build images, and the CI systems that run build
// jobs: by image, command line, label, owner, variable and container name. It is tables
// with pure functions. Collectors compare command lines with it, because facts hold none
// of their words, and checks judge by the same names.
//
// A name is a sign, not a proof: what is not in these tables may build, too. So they can
// show "a builder" or "none recognised", never "no builder".
package builder

// Role is what a tool does, and so how it is judged.
type Role int

// The roles.
const (
	// Builds makes images or other code where it runs.
	Builds Role = iota + 1
	// Jobs is an agent of a CI system: it runs whatever a job says.
	Jobs
	// Dispatches starts jobs, most often in pods of the same cluster. Where is in its
	// settings, which are not read.
	Dispatches
	// Client asks a daemon to build, or does something else with it: only with a way to
	// a daemon, and with a command that builds, is it a builder.
	Client
	// MayBuild runs tasks of which it is unknown whether they build.
	MayBuild
	// Manages is a server or controller of a CI system that runs no job itself.
	Manages
	// Elsewhere lets another machine build, or packs what is built already.
	Elsewhere
)

// Tool is a builder or a CI system.
type Tool struct {
	// Name is its own name: "Buildah", "a Jenkins agent".
	Name string
	Role Role
}

// row is a line of a table: a tool, and where the sign is documented.
type row struct {
	Tool
	// source is a repository or a page; general for what is widely known and was not
	// verified. date is of its newest commit that was read, or of the day of reading.
	source, date string
}

const general = "general knowledge, not verified"

// Dates of the rows: repositories were read at a newest commit of June to August 2026,
// where no other date is given; the catalogue of general knowledge is of November 2026.
const (
	summer = "2026-08"
	autumn = "2026-11-27"
)

// Listed is the date of the tables.
const Listed = autumn

// Signs counts the lines of all tables, for messages: so many signs were compared.
func Signs() int { return signs }

var signs = len(images) + len(programs) + len(commands) + len(labels) + len(kinds) + len(variables) + len(containerNames) + 1 // and docker's tags

// roles are those of the tools that command lines name and that do not build.
var roles = func() map[string]Role {
	out := map[string]Role{}
	for _, r := range programs {
		out[r.Name] = r.Role
	}
	for i := range commands {
		out[commands[i].Name] = commands[i].Role
	}
	return out
}()

// RoleOf returns the role of a tool that Command or Program has named. A name that is
// unknown, of facts of another version, builds.
func RoleOf(name string) Role {
	if role, ok := roles[name]; ok {
		return role
	}
	return Builds
}
