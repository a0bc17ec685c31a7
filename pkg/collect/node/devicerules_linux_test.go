package node

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A process of this machine in a device cgroup of our own.
func TestLiveDeviceRules(t *testing.T) {
	const controller = "/sys/fs/cgroup/devices"
	pod := filepath.Join(controller, "checklist-test-"+strconv.Itoa(os.Getpid()))
	id := strings.Repeat("ab", 32)
	dir := filepath.Join(pod, id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip("making a cgroup needs root and the devices controller of version 1: ", err)
	}
	t.Cleanup(func() {
		for _, d := range []string{dir, pod} {
			if err := os.Remove(d); err != nil {
				t.Error(err)
			}
		}
	})
	write := func(file, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	write("devices.deny", "a")
	write("devices.allow", "c 1:3 rwm")
	write("devices.allow", "b 8:* r")
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	write("cgroup.procs", strconv.Itoa(cmd.Process.Pid))
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	defer cancel()
	m, err := Local(ctx, Options{Level: fact.LevelFull, Proc: "/proc", Root: "/", Live: true, Kinds: []fact.Kind{fact.Devices}})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.Containers, func(c fact.MeasuredContainer) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("the container is not among %d", len(m.Containers))
	}
	if diff := cmp.Diff([]string{"c 1:3 rwm", "b 8:* r"}, m.Containers[i].DeviceRules); diff != "" {
		t.Errorf("(-want +got):\n%s\ngaps %+v", diff, m.Gaps)
	}
}
