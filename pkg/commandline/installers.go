package commandline

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// installer is a program that adds code, and what makes it do so.
type installer struct {
	class fact.InstallClass
	// verbs are its first word, or its first two, that are no options; they are part of what
	// is reported. Bare says that it installs without a verb too; any, whatever its first word.
	verbs []string
	bare  bool
	any   bool
	// valued are options before the verb whose value is a word of its own. Not are options
	// with which nothing is installed.
	valued, not []string
	// matches decides for programs that have options in place of verbs: it returns what is
	// reported.
	matches func(args []value) string
}

// Each row is from the program's own manual or reference, read on 28 November 2026 or known
// for long: apt-get(8), apk(8), dnf(8), zypper(8), pacman(8), dpkg(1), rpm(8), brew.sh,
// snapcraft.io, nix.dev; pip.pypa.io, docs.astral.sh/uv, python-poetry.org, docs.npmjs.com,
// yarnpkg.com, pnpm.io, bun.sh, go.dev/cmd/go, guides.rubygems.org, bundler.io,
// doc.rust-lang.org/cargo, getcomposer.org, docs.conda.io, maven.apache.org, gradle.org.
var (
	aptRow = installer{
		class: fact.PackageManager, verbs: []string{"install", "reinstall", "build-dep", "upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"},
		valued: []string{"-o", "-t", "-c", "-a", "--option", "--target-release", "--default-release", "--config-file"},
		not:    []string{"-s", "--simulate", "--just-print", "--dry-run", "--recon", "--no-act", "-d", "--download-only", "--print-uris"},
	}
	yumRow = installer{
		class: fact.PackageManager,
		verbs: []string{
			"install", "localinstall", "reinstall", "groupinstall", "group install", "module install", "update", "upgrade", "dist-sync", "distro-sync",
			"builddep", "swap",
		},
		valued: []string{"-c", "--config", "-x", "-d", "-e", "-R"},
		not:    []string{"--downloadonly", "--assumeno"},
	}
	condaRow = installer{
		class: fact.LanguageInstaller, verbs: []string{"install", "create", "update", "upgrade", "env create", "env update"},
		valued: []string{"-n", "--name", "-p", "--prefix", "-r"}, not: []string{"--dry-run", "-d"},
	}
	pipRow = installer{
		class: fact.LanguageInstaller, verbs: []string{"install"}, valued: []string{"--cache-dir", "--proxy", "--log", "--python", "--timeout", "--retries", "--cert", "--trusted-host"},
		not: []string{"--dry-run"},
	}
	npxRow  = installer{class: fact.LanguageInstaller, any: true, valued: []string{"-p", "--package", "-c"}, not: []string{"--no-install", "--no", "--offline", "-v"}}
	mvnRow  = installer{class: fact.Compiled, matches: goals("mvn", "package", "install", "compile", "verify", "deploy", "spring-boot:run", "exec:java", "quarkus:dev")}
	gradle  = installer{class: fact.Compiled, matches: goals("gradle", "build", "assemble", "bootRun", "jar", "shadowJar", "bootJar", "installDist", "run", "distZip")}
	ccRow   = installer{class: fact.Compiled, matches: compiler}
	yarnRun = []string{"build", "run build", "run compile", "compile"}
)

var installers = map[string]installer{
	"apt-get": aptRow, "apt": aptRow, "aptitude": aptRow, "apt-fast": aptRow, "nala": aptRow,
	"apk": {
		class: fact.PackageManager, verbs: []string{"add", "upgrade", "fix"},
		valued: []string{"-p", "--root", "-X", "--repository", "--repositories-file", "--keys-dir", "--arch", "--cache-dir"}, not: []string{"-s", "--simulate"},
	},
	"yum": yumRow, "dnf": yumRow, "dnf5": yumRow, "microdnf": yumRow, "tdnf": yumRow,
	"zypper": {
		class: fact.PackageManager, verbs: []string{"install", "in", "install-new-recommends", "update", "up", "dist-upgrade", "dup", "patch", "source-install", "si"},
		valued: []string{"-R", "--root", "-c", "--config", "-D", "-C", "-p", "--plus-repo"}, not: []string{"--dry-run", "--download-only"},
	},
	"pacman": {class: fact.PackageManager, matches: pacman}, "yay": {class: fact.PackageManager, matches: pacman},
	"dpkg": {class: fact.PackageManager, matches: dpkg}, "rpm": {class: fact.PackageManager, matches: rpm},
	"gdebi": {class: fact.PackageManager, any: true}, "alien": {class: fact.PackageManager, matches: option("alien -i", "-i", "--install")},
	"brew": {class: fact.PackageManager, verbs: []string{"install", "reinstall", "upgrade"}, not: []string{"--dry-run", "-n"}},
	"snap": {class: fact.PackageManager, verbs: []string{"install", "refresh"}}, "flatpak": {class: fact.PackageManager, verbs: []string{"install", "update"}},
	"nix-env": {class: fact.PackageManager, matches: option("nix-env -i", "-i", "-iA", "--install", "-u", "--upgrade", "-if")},
	"nix":     {class: fact.PackageManager, verbs: []string{"profile install", "profile add", "shell", "run", "develop"}}, "nix-shell": {class: fact.PackageManager, matches: option("nix-shell -p", "-p", "--packages")},
	"guix": {class: fact.PackageManager, verbs: []string{"install", "package"}}, "opkg": {class: fact.PackageManager, verbs: []string{"install", "upgrade"}, not: []string{"--noaction"}},
	"emerge": {class: fact.PackageManager, any: true, not: []string{"--sync", "-s", "--search", "-p", "--pretend", "--info", "-C", "--unmerge", "--depclean"}},
	"pkg":    {class: fact.PackageManager, verbs: []string{"install", "add", "upgrade"}, not: []string{"-n"}}, "xbps-install": {class: fact.PackageManager, matches: xbps},
	"swupd": {class: fact.PackageManager, verbs: []string{"bundle-add", "update"}}, "debootstrap": {class: fact.PackageManager, any: true},
	"choco": {class: fact.PackageManager, verbs: []string{"install", "upgrade"}}, "winget": {class: fact.PackageManager, verbs: []string{"install", "upgrade"}},
	"scoop": {class: fact.PackageManager, verbs: []string{"install", "update"}}, "pkgin": {class: fact.PackageManager, verbs: []string{"install"}, valued: []string{"-c"}},
	"urpmi": {class: fact.PackageManager, any: true}, "rpm-ostree": {class: fact.PackageManager, verbs: []string{"install", "upgrade"}}, "cinst": {class: fact.PackageManager, any: true},

	"pip": pipRow, "pipx": {class: fact.LanguageInstaller, verbs: []string{"install", "run", "inject", "upgrade", "upgrade-all"}}, "easy_install": {class: fact.LanguageInstaller, any: true},
	"uv":     {class: fact.LanguageInstaller, verbs: []string{"pip install", "pip sync", "sync", "add", "tool install", "tool run", "tool upgrade", "python install"}, valued: []string{"--directory", "--project", "--config-file", "--cache-dir"}, not: []string{"--dry-run", "--check"}},
	"uvx":    npxRow,
	"poetry": {class: fact.LanguageInstaller, verbs: []string{"install", "add", "update", "sync", "self add", "self update"}, valued: []string{"-C", "--directory", "--project", "-P"}, not: []string{"--dry-run"}},
	"pipenv": {class: fact.LanguageInstaller, verbs: []string{"install", "sync", "update", "upgrade"}}, "pdm": {class: fact.LanguageInstaller, verbs: []string{"install", "add", "sync", "update"}},
	"tox": {class: fact.LanguageInstaller, any: true, bare: true, not: []string{"--version", "-l", "--help", "-h", "-a"}}, "pre-commit": {class: fact.LanguageInstaller, verbs: []string{"install-hooks", "run"}},
	"rye":   {class: fact.LanguageInstaller, verbs: []string{"sync", "install", "add"}},
	"conda": condaRow, "mamba": condaRow, "micromamba": condaRow, "pixi": {class: fact.LanguageInstaller, verbs: []string{"install", "add", "global install"}},
	"npm": {
		class: fact.LanguageInstaller,
		verbs: []string{
			"install", "i", "in", "add", "ci", "clean-install", "install-test", "it", "install-ci-test", "cit", "update", "up", "upgrade", "exec", "x", "rebuild", "init", "create",
		},
		valued: []string{"--prefix", "-C", "--registry", "--userconfig", "--cache", "-w", "--workspace", "--loglevel", "--script-shell"}, not: []string{"--dry-run", "-v", "--no-install"},
	},
	"yarn": {
		class: fact.LanguageInstaller, verbs: []string{"install", "add", "up", "upgrade", "dlx", "global add", "create", "workspaces focus"}, bare: true,
		valued: []string{"--cwd", "--registry", "--cache-folder", "--modules-folder", "--network-timeout", "--mutex"}, not: []string{"-v", "--version"},
	},
	"pnpm": {
		class: fact.LanguageInstaller, verbs: []string{"install", "i", "add", "ci", "update", "up", "dlx", "fetch", "create", "deploy"},
		valued: []string{"-C", "--dir", "--filter", "-F", "--registry", "--store-dir"}, not: []string{"-v", "--dry-run"},
	},
	"bun": {class: fact.LanguageInstaller, verbs: []string{"install", "i", "add", "x", "update", "create", "ci"}, valued: []string{"--cwd"}, not: []string{"--dry-run", "-v"}},
	"npx": npxRow, "bunx": npxRow, "pnpx": npxRow, "corepack": {class: fact.LanguageInstaller, verbs: []string{"prepare", "install", "use", "up"}},
	"deno": {class: fact.LanguageInstaller, verbs: []string{"install", "add", "cache"}}, "nvm": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "n": {class: fact.LanguageInstaller, verbs: []string{"lts", "latest", "install"}},
	"volta": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "asdf": {class: fact.LanguageInstaller, verbs: []string{"install", "plugin add", "plugin-add"}}, "mise": {class: fact.LanguageInstaller, verbs: []string{"install", "use", "i", "up"}},
	"sdk": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "pyenv": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "rbenv": {class: fact.LanguageInstaller, verbs: []string{"install"}},
	"go":  {class: fact.LanguageInstaller, verbs: []string{"install", "get", "mod download", "mod tidy", "mod vendor"}, valued: []string{"-C"}},
	"gem": {class: fact.LanguageInstaller, verbs: []string{"install", "i", "update"}}, "fluent-gem": {class: fact.LanguageInstaller, verbs: []string{"install", "update"}}, "td-agent-gem": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "jgem": {class: fact.LanguageInstaller, verbs: []string{"install"}},
	"bundle": {class: fact.LanguageInstaller, verbs: []string{"install", "update", "add"}, bare: true, valued: []string{"--gemfile"}, not: []string{"-v"}}, "bundler": {class: fact.LanguageInstaller, verbs: []string{"install", "update", "add"}, bare: true},
	"cargo": {class: fact.LanguageInstaller, verbs: []string{"install", "binstall", "fetch"}, not: []string{"--list"}}, "rustup": {class: fact.LanguageInstaller, verbs: []string{"install", "toolchain install", "update", "component add", "target add", "default"}}, "rustup-init": {class: fact.LanguageInstaller, bare: true, any: true}, "rustup-init.sh": {class: fact.LanguageInstaller, bare: true, any: true},
	"composer": {class: fact.LanguageInstaller, verbs: []string{"install", "update", "require", "global require", "create-project", "i", "u"}, valued: []string{"-d", "--working-dir"}, not: []string{"--dry-run"}},
	"luarocks": {class: fact.LanguageInstaller, verbs: []string{"install", "make", "build"}, valued: []string{"--tree", "--server"}}, "opam": {class: fact.LanguageInstaller, verbs: []string{"install", "upgrade", "switch create"}}, "cabal": {class: fact.LanguageInstaller, verbs: []string{"install", "update"}},
	"cpan": {class: fact.LanguageInstaller, any: true, not: []string{"-l", "-v"}}, "cpanm": {class: fact.LanguageInstaller, any: true, not: []string{"-V", "--info", "--look"}}, "raco": {class: fact.LanguageInstaller, verbs: []string{"pkg install"}}, "mix": {class: fact.LanguageInstaller, verbs: []string{"deps.get", "local.hex", "local.rebar", "archive.install", "escript.install"}},
	"rebar3": {class: fact.LanguageInstaller, verbs: []string{"get-deps"}}, "install2.r": {class: fact.LanguageInstaller, any: true}, "installGithub.r": {class: fact.LanguageInstaller, any: true}, "R": {class: fact.LanguageInstaller, verbs: []string{"CMD INSTALL"}, matches: nil},
	"dart": {class: fact.LanguageInstaller, verbs: []string{"pub get", "pub global", "pub add"}}, "flutter": {class: fact.LanguageInstaller, verbs: []string{"pub get"}}, "pod": {class: fact.LanguageInstaller, verbs: []string{"install", "update"}},
	"dotnet": {class: fact.LanguageInstaller, verbs: []string{"restore", "tool install", "add package", "tool restore", "workload install", "tool update"}}, "nuget": {class: fact.LanguageInstaller, verbs: []string{"install", "restore"}},
	"helm": {class: fact.LanguageInstaller, verbs: []string{"plugin install", "plugin update", "plugin add"}}, "kubectl": {class: fact.LanguageInstaller, verbs: []string{"krew install", "krew upgrade"}}, "kubectl-krew": {class: fact.LanguageInstaller, verbs: []string{"install", "upgrade"}}, "krew": {class: fact.LanguageInstaller, verbs: []string{"install", "upgrade"}},
	"ansible-galaxy": {class: fact.LanguageInstaller, verbs: []string{"install", "collection install", "role install"}}, "terraform": {class: fact.LanguageInstaller, verbs: []string{"init", "providers mirror"}, not: []string{"-get=false"}}, "tofu": {class: fact.LanguageInstaller, verbs: []string{"init"}}, "terragrunt": {class: fact.LanguageInstaller, verbs: []string{"init"}},
	"pulumi": {class: fact.LanguageInstaller, verbs: []string{"plugin install", "install"}}, "vagrant": {class: fact.LanguageInstaller, verbs: []string{"plugin install"}}, "tfenv": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "arkade": {class: fact.LanguageInstaller, verbs: []string{"get", "install", "system"}}, "ark": {class: fact.LanguageInstaller, verbs: []string{"get"}},
	"gcloud": {class: fact.LanguageInstaller, verbs: []string{"components install", "components update"}}, "az": {class: fact.LanguageInstaller, verbs: []string{"extension add", "aks install-cli", "bicep install"}},
	"grafana-cli": {class: fact.LanguageInstaller, verbs: []string{"plugins install", "plugins update", "plugins update-all"}, valued: []string{"--pluginsDir", "--repo", "--pluginUrl"}}, "grafana": {class: fact.LanguageInstaller, verbs: []string{"cli plugins"}},
	"elasticsearch-plugin": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "opensearch-plugin": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "kibana-plugin": {class: fact.LanguageInstaller, verbs: []string{"install"}},
	"opensearch-dashboards-plugin": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "logstash-plugin": {class: fact.LanguageInstaller, verbs: []string{"install", "update"}}, "confluent-hub": {class: fact.LanguageInstaller, verbs: []string{"install"}}, "jenkins-plugin-cli": {class: fact.LanguageInstaller, any: true, bare: true, not: []string{"--no-download", "-l", "--list"}}, "install-plugins.sh": {class: fact.LanguageInstaller, any: true, bare: true},
	"wp": {class: fact.LanguageInstaller, verbs: []string{"plugin install", "theme install", "core download", "core update", "plugin update"}, valued: []string{"--path"}}, "code-server": {class: fact.LanguageInstaller, matches: option("code-server --install-extension", "--install-extension")}, "code": {class: fact.LanguageInstaller, matches: option("code --install-extension", "--install-extension")},
	"jupyter": {class: fact.LanguageInstaller, verbs: []string{"labextension install", "serverextension install"}}, "playwright": {class: fact.LanguageInstaller, verbs: []string{"install", "install-deps"}},
	"steamcmd": {class: fact.LanguageInstaller, matches: option("steamcmd +app_update", "+app_update")}, "steamcmd.sh": {class: fact.LanguageInstaller, matches: option("steamcmd +app_update", "+app_update")},

	"git": {class: fact.SourceCheckout, verbs: []string{"clone", "pull", "submodule update"}, valued: []string{"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"}},
	"svn": {class: fact.SourceCheckout, verbs: []string{"checkout", "co", "update", "up", "export"}, valued: []string{"--username", "--password"}}, "hg": {class: fact.SourceCheckout, verbs: []string{"clone", "pull"}}, "gh": {class: fact.SourceCheckout, verbs: []string{"repo clone"}}, "glab": {class: fact.SourceCheckout, verbs: []string{"repo clone"}},

	"make": {class: fact.Compiled, matches: makes}, "gmake": {class: fact.Compiled, matches: makes}, "cmake": {class: fact.Compiled, matches: option("cmake --build", "--build", "--install")}, "ninja": {class: fact.Compiled, any: true, bare: true}, "meson": {class: fact.Compiled, verbs: []string{"compile", "install"}},
	"gcc": ccRow, "g++": ccRow, "cc": ccRow, "c++": ccRow, "clang": ccRow, "clang++": ccRow, "tcc": ccRow, "rustc": ccRow, "javac": ccRow, "ghc": ccRow, "tsc": {class: fact.Compiled, any: true, bare: true, not: []string{"--noEmit", "-v"}},
	"mvn": mvnRow, "mvnw": mvnRow, "gradle": gradle, "gradlew": gradle, "ant": {class: fact.Compiled, any: true, bare: true, not: []string{"-version", "-p"}}, "sbt": {class: fact.Compiled, verbs: []string{"compile", "run", "assembly", "package", "stage"}}, "stack": {class: fact.Compiled, verbs: []string{"build", "install"}},
	"swift": {class: fact.Compiled, verbs: []string{"build", "run"}}, "bazel": {class: fact.Compiled, verbs: []string{"build", "run"}}, "bazelisk": {class: fact.Compiled, verbs: []string{"build", "run"}},
}

// builds are the verbs with which a program of installers makes code of what is there.
var builds = map[string][]string{
	"go": {"build", "run", "test"}, "cargo": {"build", "run", "test"}, "dotnet": {"build", "publish", "run"}, "mix": {"compile", "release", "phx.server"}, "rebar3": {"compile", "release"},
	"npm": {"run build", "run-script build", "run compile"}, "yarn": yarnRun, "pnpm": yarnRun, "bun": {"build", "run build"}, "cabal": {"build", "run"}, "opam": {"build"},
}

// installerOf finds a program in the table. The name that is reported is the table's:
// pip3.12 is pip.
func installerOf(name string) (string, installer, bool) {
	if row, ok := installers[name]; ok {
		return name, row, true
	}
	short := strings.TrimRight(name, "0123456789.")
	if short == name {
		return "", installer{}, false
	}
	row, ok := installers[strings.TrimSuffix(short, "-")]
	return strings.TrimSuffix(short, "-"), row, ok
}

// install notes what an installer does. It returns false for a program that is none.
func (s *shell) install(name string, args []value) bool {
	name, row, ok := installerOf(name)
	if !ok {
		return false
	}
	rest := args[1:]
	if asksOnly(rest) || slices.ContainsFunc(rest, func(v value) bool { return slices.Contains(row.not, v.text) }) {
		return true
	}
	at := s.at(args[0].field)
	if s.field == "" && len(rest) > 0 {
		at = args[0].field
	}
	what := ""
	switch {
	case row.matches != nil:
		what = row.matches(rest)
	default:
		verb := matched(rest, row.verbs, row.valued)
		words := operands(rest, row.valued)
		switch {
		case verb != "":
			what = name + " " + verb
		case row.any && len(words) > 0, row.bare && len(words) == 0:
			what = name
		}
	}
	if what != "" {
		class := row.class
		if what == "mvn dependency" {
			class = fact.LanguageInstaller
		}
		s.e.found(class, what, at, false)
		if row.class == fact.SourceCheckout {
			s.checkout(what, rest, row.valued)
		}
		return true
	}
	if verb := matched(rest, builds[name], row.valued); verb != "" {
		class := fact.Compiled
		if name == "go" && verb == "run" && slices.ContainsFunc(rest, func(v value) bool { return strings.Contains(v.text, "@") }) {
			class = fact.LanguageInstaller
		}
		s.e.found(class, name+" "+verb, at, false)
		return true
	}
	if name == "deno" || name == "bun" {
		for i, w := range operands(rest, row.valued) {
			if i < 2 && strings.HasPrefix(w.text, "https://") || i < 2 && strings.HasPrefix(w.text, "http://") {
				s.e.found(fact.FetchAndRun, name+" run URL", at, false)
				return true
			}
		}
	}
	return true
}

// checkout notes the directory that a repository is checked out to.
func (s *shell) checkout(what string, args []value, valued []string) {
	words := operands(args, append([]string{"-b", "--branch", "--depth", "-o", "--origin", "-j", "--jobs", "--filter", "--reference"}, valued...))
	verbs := strings.Count(what, " ")
	if len(words) <= verbs {
		return
	}
	words = words[verbs:]
	dir := strings.TrimSuffix(urlBase(words[0].text), ".git")
	if len(words) > 1 {
		dir = words[len(words)-1].text
	}
	if dir != "" && !strings.HasSuffix(what, "pull") && !strings.HasSuffix(what, "update") {
		s.unpackedTo(s.path(dir), archive{by: what})
	}
}

// asksOnly reports whether a command line asks for help or the version.
func asksOnly(args []value) bool {
	for _, a := range args {
		switch a.text {
		case "--help", "-h", "--version", "-V", "-?", "--usage":
			return true
		case "--":
			return false
		}
	}
	return len(args) == 1 && (args[0].text == "help" || args[0].text == "version" || args[0].text == "-v" || args[0].text == "-version")
}

// operands are the words that are no options. Words of which nothing is known are left out:
// they may be options.
func operands(args []value, valued []string) []value {
	var out []value
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a.text == "--":
			return append(out, args[i+1:]...)
		case slices.Contains(valued, a.text):
			i++
		case strings.HasPrefix(a.text, "-") && a.text != "-" || a.text == "":
		case strings.HasPrefix(a.text, "+"): // a toolchain of cargo and rustc
		case a.isHole() && len(out) == 0:
		default:
			out = append(out, a)
		}
	}
	return out
}

// matched is the verb that the first words, options aside, are; "" if they are none.
func matched(args []value, verbs, valued []string) string {
	if len(verbs) == 0 {
		return ""
	}
	words := operands(args, valued)
	joined := ""
	for i, w := range words {
		if i == 3 || !w.literal() {
			break
		}
		if i > 0 {
			joined += " "
		}
		joined += w.text
		if at := slices.Index(verbs, joined); at >= 0 {
			return verbs[at] // the table's, not the user's
		}
	}
	return ""
}

func option(what string, options ...string) func([]value) string {
	return func(args []value) string {
		for _, a := range args {
			if slices.Contains(options, a.text) {
				return what
			}
		}
		return ""
	}
}

// goals matches a build tool's goals, wherever they are among its options.
func goals(name string, list ...string) func([]value) string {
	return func(args []value) string {
		for _, a := range args {
			goal := a.text[strings.LastIndex(a.text, ":")+1:]
			for _, known := range list {
				if a.text == known || goal == known {
					return name + " " + known
				}
			}
			if name == "mvn" && (strings.HasPrefix(a.text, "dependency:") || strings.Contains(a.text, "maven-dependency-plugin")) {
				return "mvn dependency"
			}
		}
		return ""
	}
}

// pacman matches -S with packages or an upgrade, and -U; not -Ss, -Si, -Sy and their like.
func pacman(args []value) string {
	targets := len(operands(args, []string{"-b", "-r", "--root", "--dbpath", "--config", "--cachedir"})) > 0
	for _, a := range args {
		switch {
		case a.text == "--sync" && targets, strings.HasPrefix(a.text, "-S") && !strings.ContainsAny(a.text[2:], "sipwcgl") && (targets || strings.Contains(a.text, "u")):
			return "pacman -S"
		case a.text == "--upgrade" && targets, strings.HasPrefix(a.text, "-U") && targets:
			return "pacman -U"
		}
	}
	return ""
}

func dpkg(args []value) string {
	for _, a := range args {
		if a.text == "--install" || a.text == "--unpack" || strings.HasPrefix(a.text, "-i") {
			return "dpkg -i"
		}
	}
	return ""
}

func rpm(args []value) string {
	for _, a := range args {
		switch {
		case a.text == "--test" || a.text == "--import" || a.text == "--query" || strings.HasPrefix(a.text, "-q") || strings.HasPrefix(a.text, "-e") || strings.HasPrefix(a.text, "-V"):
			return ""
		case a.text == "--install" || a.text == "--upgrade" || a.text == "--freshen" || len(a.text) > 1 && a.text[0] == '-' && a.text[1] != '-' && strings.ContainsAny(a.text[1:], "iUF"):
			return "rpm -i"
		}
	}
	return ""
}

func xbps(args []value) string {
	if len(operands(args, []string{"-r", "-R", "-c", "-C"})) > 0 {
		return "xbps-install"
	}
	return ""
}

// compiler matches a compiler that is given a source.
func compiler(args []value) string {
	for _, a := range args {
		if a.text == "-dumpversion" || a.text == "-dumpmachine" {
			return ""
		}
	}
	for _, a := range args {
		at := strings.LastIndex(a.text, ".")
		if at >= 0 && slices.Contains([]string{".c", ".cc", ".cpp", ".cxx", ".rs", ".java", ".hs", ".o", ".s", ".S", ".m"}, a.text[at:]) {
			return "compiler"
		}
	}
	return ""
}

// makes matches make without a target, or with one that builds.
func makes(args []value) string {
	targets := operands(args, []string{"-C", "-f", "-j", "-I", "-o", "-W"})
	targets = slices.DeleteFunc(slices.Clone(targets), func(v value) bool { return isAssignment(v.text) })
	if len(targets) == 0 {
		return "make"
	}
	for _, t := range targets {
		if t.text == "all" || t.text == "install" || strings.HasPrefix(t.text, "build") || strings.HasPrefix(t.text, "compile") {
			return "make"
		}
	}
	return ""
}
