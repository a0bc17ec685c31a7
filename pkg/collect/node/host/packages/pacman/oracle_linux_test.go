package pacman

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// record is one package of a generated database.
type record struct {
	name, version    string
	groups, replaces []string
}

// desc writes all that the format permits: fields in any order, unknown ones, lists of
// several lines.
func (p record) desc(r *rand.Rand) string {
	fields := []string{
		"%NAME%\n" + p.name + "\n", "%VERSION%\n" + p.version + "\n", "%BASE%\n" + p.name + "-base\n", "%ARCH%\nx86_64\n",
		"%DESC%\nwhat %NAME% is\n", "%LICENSE%\nMIT\nGPL\n", "%NEWFIELD%\nsomething\nmore\n", "%DEPENDS%\n", "%FILENAME%\n" + p.name + ".pkg.tar.zst\n",
		"%CSIZE%\n1\n", "%ISIZE%\n1\n", "%SHA256SUM%\n" + strings.Repeat("0", 64) + "\n",
	}
	if len(p.groups) > 0 {
		fields = append(fields, "%GROUPS%\n"+strings.Join(p.groups, "\n")+"\n")
	}
	if len(p.replaces) > 0 {
		fields = append(fields, "%REPLACES%\n"+strings.Join(p.replaces, "\n")+"\n")
	}
	r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return strings.Join(fields, "\n") + "\n"
}

// database packs records: with directories or without, in any order.
func database(t testing.TB, r *rand.Rand, records []record) []byte {
	t.Helper()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	format := []tar.Format{tar.FormatPAX, tar.FormatGNU, tar.FormatUSTAR}[r.IntN(3)]
	directories := r.IntN(2) == 0
	for _, i := range r.Perm(len(records)) {
		p := records[i]
		dir := p.name + "-" + p.version + "/"
		if directories {
			must(w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755, Format: format}))
		}
		files := map[string]string{"desc": p.desc(r)}
		if r.IntN(8) == 0 { // as in older databases
			text := files["desc"]
			if at := strings.Index(text, "%REPLACES%"); at >= 0 {
				end := at + strings.Index(text[at:], "\n\n") + 2
				files["desc"], files["depends"] = text[:at]+text[end:], text[at:end]
			}
		}
		for _, name := range []string{"desc", "depends"} {
			if text, found := files[name]; found {
				must(w.WriteHeader(&tar.Header{Name: dir + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text)), Format: format}))
				_, err := io.WriteString(w, text)
				must(err)
			}
		}
	}
	must(w.Close())
	var packed bytes.Buffer
	switch r.IntN(4) {
	case 0:
		z := gzip.NewWriter(&packed)
		_, err := z.Write(plain.Bytes())
		must(err)
		must(z.Close())
	case 1:
		z, err := zstd.NewWriter(&packed)
		must(err)
		_, err = z.Write(plain.Bytes())
		must(err)
		must(z.Close())
	case 2:
		x := exec.Command(hosttest.Tool(t, "xz"), "-c")
		x.Stdin, x.Stdout = &plain, &packed
		must(x.Run())
	default:
		packed = plain
	}
	return packed.Bytes()
}

// generated is a root with a local database, and what pacman needs to read the same.
type generated struct {
	dir    string
	config string // for pacman, which does not resolve Include inside its root
	lists  int
}

func generate(t testing.TB, r *rand.Rand) generated {
	t.Helper()
	g := generated{dir: t.TempDir()}
	write := func(name string, data []byte) {
		path := filepath.Join(g.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	version := func() string {
		v := fmt.Sprintf("%d.%d-%d", r.IntN(3), r.IntN(12), 1+r.IntN(2))
		switch r.IntN(8) {
		case 0:
			v = "1:" + v
		case 1:
			v = "r" + v
		case 2:
			v = strings.Replace(v, ".", ".rc", 1)
		case 3:
			v += ".1"
		}
		return v
	}
	groups := func() []string {
		return [][]string{nil, nil, {"base"}, {"gnome", "extra-group"}, {"base", "gnome"}}[r.IntN(5)]
	}
	const names = 40
	name := func(i int) string {
		return []string{"lib", "python-x", "a", "ttf-some_font+"}[i%4] + fmt.Sprint("-", i)
	}
	write("var/lib/pacman/local/ALPM_DB_VERSION", []byte("9\n"))
	for i := range names {
		if r.IntN(4) == 0 {
			continue
		}
		p := record{name: name(i), version: version(), groups: groups()}
		dir := "var/lib/pacman/local/" + p.name + "-" + p.version + "/"
		write(dir+"desc", []byte(p.desc(r)))
		write(dir+"files", []byte("%FILES%\n"))
	}
	var repos []string
	for _, repo := range []string{"core", "extra", "multilib", "my.repo"} {
		var records []record
		for i := range names {
			if r.IntN(3) == 0 {
				continue
			}
			p := record{name: name(i), version: version(), groups: groups()}
			if r.IntN(10) == 0 {
				p.name = fmt.Sprint("new-", repo, i)
				p.replaces = []string{name(r.IntN(names)) + []string{"", "", "<1:0", ">=1.3", "=1.5-1"}[r.IntN(5)]}
			}
			records = append(records, p)
		}
		if r.IntN(12) > 0 { // else it was never fetched
			write("var/lib/pacman/sync/"+repo+".db", database(t, r, records))
			g.lists++
		}
		repos = append(repos, repo)
	}
	r.Shuffle(len(repos), func(i, j int) { repos[i], repos[j] = repos[j], repos[i] })

	var b strings.Builder
	b.WriteString("# comment\n[options]\nHoldPkg = pacman\nArchitecture = auto\nCheckSpace\nSigLevel = Never\n")
	if r.IntN(2) == 0 {
		b.WriteString("IgnorePkg = lib-* a-2  ttf-some_font+-[0-9]\nIgnorePkg=python-x-1?\n")
	}
	if r.IntN(3) == 0 {
		b.WriteString("IgnoreGroup = gno*\n")
	}
	b.WriteString("Include = @ROOT@/etc/pacman.d/*.conf\n")
	for i, repo := range repos {
		section := "[" + repo + "]\nSigLevel = Never\n"
		if r.IntN(6) == 0 {
			section += "Usage = Sync Search\n"
		}
		section += "Include = @ROOT@/etc/pacman.d/mirrorlist\n"
		if i == 0 && r.IntN(2) == 0 {
			write("etc/pacman.d/first.conf", []byte(section))
			write("oracle/etc/pacman.d/first.conf", []byte(strings.ReplaceAll(section, "@ROOT@", g.dir+"/oracle")))
			write("etc/pacman.d/first.conf", []byte(strings.ReplaceAll(section, "@ROOT@", "")))
			continue
		}
		b.WriteString(section)
	}
	for _, dir := range []string{"", "oracle/"} {
		write(dir+"etc/pacman.d/options.conf", []byte("# nothing\n"))
	}
	mirrors := []byte("# Server = no\nServer = file:///nowhere/$repo\n")
	write("etc/pacman.d/mirrorlist", mirrors)
	write("oracle/etc/pacman.d/mirrorlist", mirrors)
	write("etc/pacman.conf", []byte(strings.ReplaceAll(b.String(), "@ROOT@", "")))
	write("oracle/etc/pacman.conf", []byte(strings.ReplaceAll(b.String(), "@ROOT@", g.dir+"/oracle")))
	g.config = g.dir + "/oracle/etc/pacman.conf"
	return g
}

// ask runs pacman and returns its lines, sorted.
func (g generated) ask(t *testing.T, arguments ...string) []string {
	t.Helper()
	command := exec.Command(hosttest.Tool(t, "pacman"), append([]string{
		"--root", g.dir, "--dbpath", g.dir + "/var/lib/pacman", "--config", g.config, "--cachedir", g.dir + "/cache", "--logfile", "/dev/null", "--noconfirm",
	}, arguments...)...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil && (stdout.Len() > 0 || strings.Contains(stderr.String(), "error:")) {
		t.Fatalf("%v: %v\n%s%s", arguments, err, &stdout, &stderr)
	}
	var lines []string
	for line := range strings.Lines(stdout.String()) {
		lines = append(lines, strings.TrimSpace(line))
	}
	slices.Sort(lines)
	return lines
}

// TestAgainstPacman compares generated roots with "pacman -Qu", which knows no
// packages that replace others, and with "pacman -Sup", which knows nothing of what is
// held back: 25 roots, 400 with CHECKLIST_ALL_PAIRS=1.
func TestAgainstPacman(t *testing.T) {
	hosttest.Tool(t, "pacman")
	roots := 25
	if os.Getenv("CHECKLIST_ALL_PAIRS") == "1" {
		roots = 400
	}
	updates, replaced, held, uncovered := 0, 0, 0, 0
	for seed := range roots {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		g := generate(t, r)
		root := hosttest.OpenRoot(t, g.dir)
		c := readConfig(root)
		db, err := readLocal(context.Background(), root, c.dbPath+"/local")
		if err != nil || len(c.gaps) > 0 {
			t.Fatalf("seed %d: %v, %+v", seed, err, c.gaps)
		}
		lists := 0
		for i := range c.repositories {
			path := c.dbPath + "/sync/" + c.repositories[i].name + ".db"
			if _, err := db.readSync(context.Background(), root, path, i, &c.repositories[i]); err == nil {
				lists++
			} else if !os.IsNotExist(err) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if lists != g.lists {
			t.Fatalf("seed %d: read %d databases of %d", seed, lists, g.lists)
		}

		// Replaced packages are printed once for each new name.
		install := map[string]bool{}
		for _, u := range db.updates(root, c) {
			switch {
			case u.held:
				held++
			default:
				install[u.by.name+" "+u.by.version+" "+c.repositories[u.by.repo].name] = true
				updates++
				if slices.Contains(u.installed.others, u.by) {
					replaced++
				}
			}
		}
		if g.lists == len(c.repositories) { // pacman -Su wants all of them
			var got []string
			for line := range install {
				got = append(got, line)
			}
			slices.Sort(got)
			if diff := cmp.Diff(g.ask(t, "-Sup", "--print-format", "%n %v %r"), got); diff != "" {
				t.Errorf("seed %d: -Sup (-pacman +ours):\n%s", seed, diff)
			}
		}

		var newer []string
		for i := range db.packages {
			p := &db.packages[i]
			first := p.same
			if first == nil || p.hidden != nil && p.hidden.repo < first.repo {
				first = p.hidden
			}
			if first == nil {
				uncovered++
				continue
			}
			if !first.newer {
				continue
			}
			line := p.name() + " " + p.version() + " -> " + first.version
			if first == p.hidden || c.ignores(p.name(), db.describe(root, p).groups) {
				line += " [ignored]"
			}
			newer = append(newer, line)
		}
		slices.Sort(newer)
		if diff := cmp.Diff(g.ask(t, "-Qu"), newer); diff != "" {
			t.Errorf("seed %d: -Qu (-pacman +ours):\n%s", seed, diff)
		}
	}
	t.Logf("%d roots: %d updates, %d of them by another package, %d held back, %d installed packages in no repository", roots, updates, replaced, held, uncovered)
}
