package access

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

func TestJudge(t *testing.T) {
	const etcd, bob, adm = 52, 1000, 4
	dir := func(path string, mode fs.FileMode, uid, gid uint32) link {
		return link{path: path, dir: rootfs.Info{Mode: fs.ModeDir | mode, UID: uid, GID: gid}}
	}
	file := func(uid, gid uint32) rootfs.Info { return rootfs.Info{Mode: 0o644, UID: uid, GID: gid} }
	withACL := func(l link) link { l.acl = true; return l }
	sticky := dir("/tmp", 0o777|fs.ModeSticky, 0, 0)
	entryOf := func(l link, uid uint32) link { l.entry.UID = uid; return l }
	for name, tc := range map[string]struct {
		links         []link
		file          rootfs.Info
		acl           bool
		group, others bool
		writable      string
	}{
		"open directories":                           {[]link{dir("/", 0o755, 0, 0), dir("/srv", 0o755, 0, 0)}, file(0, 0), false, true, true, ""},
		"one directory of mode 0700":                 {[]link{dir("/", 0o755, 0, 0), dir("/db", 0o700, 0, 0), dir("/db/in", 0o777, 0, 0)}, file(0, 0), false, false, false, ""},
		"that of the file's own user":                {[]link{dir("/etcd", 0o700, etcd, etcd)}, file(etcd, etcd), false, false, false, ""},
		"that of another user":                       {[]link{dir("/home/bob", 0o700, bob, bob)}, file(0, 0), false, true, true, "/home/bob"},
		"the file's group alone":                     {[]link{dir("/db", 0o750, 0, adm)}, file(0, adm), false, true, false, ""},
		"another group, whose members read as other": {[]link{dir("/db", 0o750, 0, adm)}, file(0, 0), false, true, true, ""},
		"group refused, others not":                  {[]link{dir("/db", 0o705, 0, adm)}, file(0, adm), false, false, true, ""},
		"read without search":                        {[]link{dir("/db", 0o744, 0, 0)}, file(0, 0), false, false, false, ""},
		"writable by others":                         {[]link{dir("/", 0o755, 0, 0), dir("/db", 0o777, 0, 0)}, file(0, 0), false, true, true, "/db"},
		"writable by a group":                        {[]link{dir("/var/log", 0o775, 0, adm)}, file(0, 0), false, true, true, "/var/log"},
		"writable but out of reach":                  {[]link{dir("/a", 0o700, 0, 0), dir("/a/b", 0o777, bob, 0)}, file(0, 0), false, false, false, ""},
		"sticky, the name is root's":                 {[]link{sticky}, file(0, 0), false, true, true, ""},
		"sticky, the name is another user's":         {[]link{entryOf(sticky, bob)}, file(0, 0), false, true, true, "/tmp"},
		"a directory with an ACL":                    {[]link{withACL(dir("/db", 0o750, 0, 0))}, file(0, 0), false, true, true, ""},
		"a file with an ACL names other users":       {[]link{dir("/db", 0o705, 0, adm)}, file(0, adm), true, true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := chain{links: tc.links, file: tc.file}
			got := c.judge("/x", tc.acl)
			want := fact.FileAccess{Path: "/x", Mode: 0o644, Owner: tc.file.UID, Group: tc.file.GID, ACL: tc.acl, GroupReaches: tc.group, OthersReach: tc.others, WritableParent: tc.writable}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("access (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for name, tc := range map[string]struct {
		f    fact.FileAccess
		want bool
	}{
		"0644 in reach":        {fact.FileAccess{Mode: 0o644, OthersReach: true}, true},
		"0644 out of reach":    {fact.FileAccess{Mode: 0o644}, false},
		"0640, others reach":   {fact.FileAccess{Mode: 0o640, OthersReach: true}, false},
		"0640, its group does": {fact.FileAccess{Mode: 0o640, GroupReaches: true}, true},
		"0602":                 {fact.FileAccess{Mode: 0o602, OthersReach: true}, true},
		"0711":                 {fact.FileAccess{Mode: 0o711, OthersReach: true, GroupReaches: true}, false},
	} {
		if got := Open(&tc.f); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBelow(t *testing.T) {
	for _, tc := range []struct {
		name, dir, rest string
		ok              bool
	}{
		{"/a/b", "/", "a/b", true},
		{"/a/b", "/a", "b", true},
		{"/a", "/a", "", true},
		{"/ab", "/a", "", false},
		{"/", "/", "", true},
		{"/", "/a", "", false},
	} {
		if rest, ok := below(tc.name, tc.dir); rest != tc.rest || ok != tc.ok {
			t.Errorf("below(%q, %q) = %q, %v", tc.name, tc.dir, rest, ok)
		}
	}
	mounts := []procfs.MountInfo{{Point: "/", FSType: "ext4"}, {Point: "/srv/nfs", FSType: "nfs4"}}
	if hazardous(mounts, "/srv/nfsroot/db") || !hazardous(mounts, "/srv/nfs/db") {
		t.Error("only what lies on the network file system can wait for it")
	}
}
