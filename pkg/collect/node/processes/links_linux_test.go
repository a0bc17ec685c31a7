package processes

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Between the first reading of a process and that of its links, its first thread can
// end while others run: it is read by one of them. A process that has ended, or whose
// pid is another's by now, is no gap; one that runs and cannot be read is.
func TestLinksOfWhatEnds(t *testing.T) {
	stat := func(pid int, state string, threads, start int) string {
		return fmt.Sprintf("%d (p) %s 1 1 1 0 -1 0 1 0 0 0 3 4 0 0 20 0 %d 0 %d 1000 10 18446744073709551615 1\n", pid, state, threads, start)
	}
	for name, tc := range map[string]struct {
		files  map[string]string // below /proc/5
		links  []string
		thread int
		ended  bool
		failed bool
	}{
		"it runs":                            {files: map[string]string{"stat": stat(5, "S", 1, 7)}, links: []string{"root"}},
		"its first thread has ended":         {files: map[string]string{"stat": stat(5, "Z", 2, 7), "task/5/stat": stat(5, "Z", 2, 7), "task/6/stat": stat(6, "S", 2, 8)}, links: []string{"task/6/root"}, thread: 6},
		"it has ended":                       {files: map[string]string{"stat": stat(5, "Z", 1, 7)}, ended: true},
		"it is gone":                         {ended: true},
		"its pid is another's":               {files: map[string]string{"stat": stat(5, "S", 1, 9)}, links: []string{"root"}, ended: true},
		"it runs, and its root is not there": {files: map[string]string{"stat": stat(5, "S", 1, 7)}, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, content string) {
				path := filepath.Join(dir, "5", name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for name, content := range tc.files {
				write(name, content)
			}
			if tc.thread != 0 {
				write("task/6/status", "Name:\tp\nState:\tS (x)\nTgid:\t5\nPid:\t6\nPPid:\t1\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
			}
			for _, link := range tc.links {
				if err := os.Symlink("/", filepath.Join(dir, "5", link)); err != nil {
					t.Fatal(err)
				}
			}
			root, err := rootfs.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close() //nolint:errcheck // a directory of the test
			p := &proctable.Process{PID: 5, Stat: procfs.Stat{PID: 5, StartTime: 7, State: 'S'}}
			table := &proctable.Table{FS: proctable.FS{Dir: root, Node: root}, Root: root, Processes: []*proctable.Process{p}}
			readLinks(t.Context(), reader.NewPass(table, ledger.New(fact.LevelFull, nil)))
			if p.Ended != tc.ended || (p.LinkErr != nil) != (tc.ended || tc.failed) || p.Thread != tc.thread || p.Root.Known() == (tc.ended || tc.failed) {
				t.Errorf("ended %t, error %v, thread %d, root %v", p.Ended, p.LinkErr, p.Thread, p.Root)
			}
		})
	}
}
