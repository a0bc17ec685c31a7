package node

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// serverEnv makes the test binary wait until its standard input ends.
const serverEnv = "CHECKLIST_FAKE_SERVER"

// serverProgram makes a program called kube-apiserver that does nothing. It is made early,
// because a new name in a directory changes its time.
func serverProgram(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kube-apiserver")
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, name) // comm is the name by which a program is started
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func startServer(t *testing.T, name string, args ...string) int {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("starting it needs more rights: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// serverOf reads this machine, and returns one API server on it.
func serverOf(t *testing.T, pid int, kinds ...fact.Kind) *fact.APIServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	defer cancel()
	m, err := Local(ctx, Options{Level: fact.LevelFull, Proc: "/proc", Root: "/", Live: true, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.APIServers {
		if m.APIServers[i].PID == pid {
			return &m.APIServers[i]
		}
	}
	t.Fatalf("process %d was not found; gaps %v", pid, m.Gaps)
	return nil
}

// A real process, real links and the kernel's own times: a configuration that was swapped
// after the start is newer than the start, and one that was not is older.
func TestLiveServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("other processes' roots need root")
	}
	program, dir := serverProgram(t), t.TempDir()
	write := func(name, content string) {
		t.Helper()
		name = filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = os.WriteFile(name, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("enc/new.yaml", encryptionFile)
	write("enc/old.yaml", strings.Replace(encryptionFile, "aescbc", "secretbox", 1))
	link := filepath.Join(dir, "enc/enc.yaml")
	if err := os.Symlink("new.yaml", link); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // a start is known to the second before it
	pid := startServer(t, program, "--encryption-provider-config="+link)

	s := serverOf(t, pid, fact.EncryptionConfig)
	if s.Encryption == nil || s.Encryption.Entries[0].Providers[0].Type != "aescbc" {
		t.Fatalf("encryption %+v", s.Encryption)
	}
	if s.Encryption.Changed.IsZero() || s.Encryption.Changed.After(s.Started.Time) {
		t.Errorf("changed %v, after the start at %v, at %q: nothing did", s.Encryption.Changed, s.Started, s.Encryption.ChangedAt)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("old.yaml", link); err != nil {
		t.Fatal(err)
	}
	s = serverOf(t, pid, fact.EncryptionConfig)
	if s.Encryption == nil || s.Encryption.Entries[0].Providers[0].Type != "secretbox" {
		t.Fatalf("encryption %+v", s.Encryption)
	}
	if !s.Encryption.Changed.After(s.Started.Time) || s.Encryption.ChangedAt != link {
		t.Errorf("changed %v at %q, started %v: the link was repointed", s.Encryption.Changed, s.Encryption.ChangedAt, s.Started)
	}
}

// A mount over the directory leaves every time as it was, and is noticed.
func TestLiveServerUnderAMount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	program, dir := serverProgram(t), t.TempDir()
	for name, content := range map[string]string{"enc/enc.yaml": encryptionFile, "other/enc.yaml": encryptionFile} {
		err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1100 * time.Millisecond)
	pid := startServer(t, program, "--encryption-provider-config="+filepath.Join(dir, "enc/enc.yaml"))
	if err := unix.Mount(filepath.Join(dir, "other"), filepath.Join(dir, "enc"), "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mounting needs more rights: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "enc"), unix.MNT_DETACH) })
	s := serverOf(t, pid, fact.EncryptionConfig)
	if s.Encryption == nil || !s.Encryption.Changed.IsZero() || s.Encryption.ChangedAt != filepath.Join(dir, "enc") {
		t.Errorf("encryption %+v, want an unknown time and the mount", s.Encryption)
	}
}
