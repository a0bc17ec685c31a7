package drift

import (
	"fmt"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/layer"
)

// DriftedFiles fails a container whose writable layer adds, changes or hides files
// of its image. Source: a walk of the overlay's upperdir on the node, compared with
// the layers below it by content. Code is immutable/added-executables' business: it
// is one finding here. Logs, caches, pid files and the like are only counted.
var DriftedFiles = checks.Check{
	ID:       "drift/drifted-files",
	Title:    "The files of a running container are those of its image",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Upperdir},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A file that differs from the image is what a manual fix or an intruder leaves behind, and the next pod of the image does not have it. " +
		"With a new user, an SSH key, a cron job or a profile script an intruder comes back; with a changed policy or a removed CA the " +
		"container no longer does what was reviewed. Files that were added without being code are low: many programs keep data so.",
	Remediation: "Find out what wrote the file, then replace the pod. Put configuration into the image or a ConfigMap, and data into a volume. " +
		"Make the root file system read-only.",
	References: []string{
		"https://docs.kernel.org/filesystems/overlayfs.html",
		"https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
	},
	Judge: judgeDriftedFiles,
}

func judgeDriftedFiles(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Upperdir)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgeLayer(r)...)
	}
	return findings
}

// namedPaths is how many paths a message names.
const namedPaths = 3

// change is what happened to some files of a layer, and how grave that is.
type change struct {
	severity api.Severity
	what     string
}

// changes, the gravest first: the order of the findings.
var changes = []change{
	accountsOrStart, rest, removedCode, removedTrust, removedFile, added,
}

var (
	accountsOrStart = change{api.High, "accounts, keys or start-up files were added or changed: "}
	rest            = change{api.Medium, "files of the image were changed: "}
	removedCode     = change{api.Medium, "programs of the image were removed: "}
	removedTrust    = change{api.Medium, "certificates, security settings, accounts or start-up files of the image were removed: "}
	removedFile     = change{api.Low, "files of the image were removed: "}
	added           = change{api.Low, "files were added: "}
)

// judgeLayer judges the files in one container's writable layer.
func judgeLayer(r checks.Running) []api.Finding {
	walk := r.Measured.Upper
	if walk == nil {
		return []api.Finding{layer.NotWalked(r)}
	}
	var findings []api.Finding
	add := func(f api.Finding) {
		f.Subject, f.Basis = r.Subject(), api.Measured
		findings = append(findings, f)
	}
	if code, _ := layer.Code(r); len(code) > 0 {
		add(judgeCode(r, code))
	}
	byChange := map[change][]*fact.UpperFile{}
	own := ownMounts(r)
	unknown, made := 0, 0
	listed := map[fact.Origin]int{}
	look := func(file *fact.UpperFile) {
		switch c, drifted := changeOf(file); {
		case drifted && file.Size == 0 && file.Origin == fact.OriginAdded && (own[file.Path] || madeByRuntime(file.Path)):
			made++ // where the runtime mounts something
		case drifted:
			byChange[c] = append(byChange[c], file)
		case file.Origin != fact.OriginMetadata && file.Origin != fact.OriginImage:
			unknown++
		}
		listed[file.Origin]++
	}
	for i := range walk.Data {
		look(&walk.Data[i])
	}
	for i := range walk.Files {
		if file := &walk.Files[i]; file.Origin == fact.OriginRemoved || file.Origin == fact.OriginUnknown {
			look(file)
		}
	}
	counts := walk.DataCounts
	for _, c := range changes {
		files := byChange[c]
		if len(files) == 0 {
			continue
		}
		f := api.Finding{Verdict: api.Fail, Severity: c.severity}
		var paths []string
		for _, file := range files {
			paths = append(paths, file.Path)
			f.Evidence = append(f.Evidence, api.Evidence{Source: layer.Source(r, file.Path), Value: layer.Describe(file)})
		}
		f.Message = c.what + checks.JoinWords(paths, namedPaths)
		f.Evidence = append(f.Evidence, summary(r))
		add(f)
	}
	if counts == nil {
		add(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Message: "the files without code in its writable layer were not compared",
			Evidence: []api.Evidence{summary(r)},
		})
		return findings
	}
	if changed := counts.Changed - listed[fact.OriginChanged]; changed > 0 {
		add(api.Finding{
			Verdict: api.Fail, Severity: api.Medium, Message: "more files of the image were changed than the facts list",
			Evidence: []api.Evidence{summary(r)},
		})
	}
	unknown = max(unknown, counts.Unknown)
	total := counts.Added + counts.Changed + counts.Removed + counts.Unknown
	unlisted := total > len(walk.Data)
	incomplete := layer.Incomplete(walk)
	switch {
	case unknown > 0:
		add(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Message: "some files in its writable layer could not be compared with the image",
			Evidence: []api.Evidence{summary(r)},
		})
	case incomplete != "":
		add(api.Finding{Verdict: api.VerdictUnknown, Reason: fact.Truncated, Message: incomplete, Evidence: []api.Evidence{summary(r)}})
	case unlisted:
		add(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Truncated, Message: "not every file in its writable layer is in the facts",
			Evidence: []api.Evidence{summary(r)},
		})
	case len(findings) == 0:
		f := api.Finding{Verdict: api.Pass, Message: "its writable layer changes no file of the image and adds none", Evidence: []api.Evidence{summary(r)}}
		switch {
		case walk.Path == "":
			f.Message = "it has no writable layer"
		case counts.Volatile > 0:
			f.Message = "its writable layer holds logs, caches and state only"
		}
		add(f)
	}
	return findings
}

// judgeCode is the finding about code in the layer. What it is, is said by
// immutable/added-executables; here it only keeps the container from a pass.
func judgeCode(r checks.Running, code []layer.Drift) api.Finding {
	f := api.Finding{Verdict: api.Fail, Severity: api.Low, Message: "its writable layer has code that its image does not hold: see immutable/added-executables"}
	for _, d := range code {
		if d.Severity.Rank() > f.Severity.Rank() {
			f.Severity = api.Medium
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: layer.Source(r, d.File.Path), Value: layer.Describe(d.File)})
	}
	return f
}

// summary is the evidence for the layer as a whole.
func summary(r checks.Running) api.Evidence {
	e := layer.Summary(r)
	if c := r.Measured.Upper.DataCounts; c != nil {
		e.Value += fmt.Sprintf("; without code: %d added, %d changed, %d removed, %d volatile", c.Added, c.Changed, c.Removed, c.Volatile)
		if c.Unknown > 0 {
			e.Value += fmt.Sprintf(", %d not compared", c.Unknown)
		}
	}
	return e
}

// changeOf says what happened to a file; false if nothing that counts did, or if it
// is unknown.
func changeOf(file *fact.UpperFile) (change, bool) {
	switch file.Origin {
	case fact.OriginAdded:
		if returns(file.Path) {
			return accountsOrStart, true
		}
		return added, true
	case fact.OriginChanged:
		if returns(file.Path) {
			return accountsOrStart, true
		}
		return rest, true
	case fact.OriginRemoved:
		switch {
		case file.Kind == "elf", file.Kind == "script", file.Kind == "library", file.Kind == "code", file.Kind == "loader":
			return removedCode, true
		case file.Kind == "directory" && holdsCode(file.Path), file.Kind == "link" && holdsCode(path.Dir(file.Path)):
			return removedCode, true
		case returns(file.Path), trusted(file.Path):
			return removedTrust, true
		}
		return removedFile, true
	}
	return change{}, false
}

// holdsCode reports a directory of programs or libraries.
func holdsCode(dir string) bool {
	switch path.Base(dir) {
	case "bin", "sbin", "lib", "lib64", "lib32", "libexec":
		return true
	}
	return false
}

// returning are files and directories (with a slash at the end) with which somebody
// can log in, get rights or be started again.
var returning = []string{
	"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/sudoers", "/etc/sudoers.d/", "/etc/doas.conf", "/etc/doas.d/",
	"/etc/ssh/", "/etc/pam.conf", "/etc/pam.d/", "/etc/security/", "/etc/nsswitch.conf",
	"/etc/crontab", "/etc/cron.d/", "/etc/cron.hourly/", "/etc/cron.daily/", "/etc/cron.weekly/", "/etc/cron.monthly/", "/etc/crontabs/", "/etc/periodic/",
	"/var/spool/cron/", "/etc/anacrontab", "/etc/at.allow", "/var/spool/at/",
	"/etc/profile", "/etc/profile.d/", "/etc/environment", "/etc/bash.bashrc", "/etc/bashrc", "/etc/zsh/", "/etc/zshrc", "/etc/zshenv",
	"/etc/inittab", "/etc/init.d/", "/etc/rc.local", "/etc/rc.d/", "/etc/systemd/", "/etc/xinetd.d/", "/etc/inetd.conf", "/etc/supervisor/", "/etc/s6-overlay/",
	"/etc/udev/rules.d/", "/etc/modprobe.d/",
	"/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d/", "/etc/ld.so.cache", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path",
}

// homeFiles are such files in anybody's home directory.
var homeFiles = []string{
	".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".rhosts", ".shosts", ".netrc", ".forward",
}

func returns(file string) bool {
	for _, name := range returning {
		if file == name || strings.HasSuffix(name, "/") && strings.HasPrefix(file, name) {
			return true
		}
	}
	base, dir := path.Base(file), path.Dir(file)
	if path.Base(dir) == ".ssh" && base != "known_hosts" {
		return true
	}
	home := dir == "/root" || path.Dir(dir) == "/home"
	for _, name := range homeFiles {
		if home && base == name {
			return true
		}
	}
	return false
}

// trusted reports certificates and the settings of security tools, which matter
// when they are missing.
func trusted(file string) bool {
	for _, dir := range []string{
		"/etc/ssl/", "/etc/pki/", "/etc/ca-certificates/", "/usr/share/ca-certificates/", "/usr/local/share/ca-certificates/", "/etc/apparmor.d/", "/etc/selinux/",
		"/etc/audit/", "/etc/apt/trusted.gpg.d/", "/etc/apk/keys/", "/usr/share/keyrings/", "/etc/crypto-policies/", "/etc/iptables/", "/etc/nftables",
	} {
		if strings.HasPrefix(file, dir) {
			return true
		}
	}
	return false
}

// ownMounts are the places at which something is mounted in the container. Where
// the image has nothing there, the runtime makes an empty file in the layer.
func ownMounts(r checks.Running) map[string]bool {
	out := map[string]bool{}
	for i := range r.Measured.Mounts {
		out[r.Measured.Mounts[i].Path] = true
	}
	if r.Declared != nil {
		for i := range r.Declared.Mounts {
			out[path.Clean(r.Declared.Mounts[i].Path)] = true
		}
	}
	return out
}

// madeByRuntime reports the empty files that runtimes make for what they mount.
func madeByRuntime(file string) bool {
	switch file {
	case "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/.dockerenv", "/run/.containerenv":
		return true
	}
	return strings.HasPrefix(file, "/dev/") || strings.HasPrefix(file, "/proc/") || strings.HasPrefix(file, "/sys/")
}
