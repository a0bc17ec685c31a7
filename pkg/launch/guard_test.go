package launch

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStartGuardWaitsForIt(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell to play the guard")
	}
	for name, tc := range map[string]struct {
		script string
		wait   time.Duration
		err    string
	}{
		"ready":                       {script: "echo ready; exec cat", wait: time.Minute},
		"it dies at once":             {script: "exit 3", wait: time.Minute, err: "it ended before it was ready: exit status 3"},
		"it says something else":      {script: "echo sorry", wait: time.Minute, err: "it ended before it was ready"},
		"it dies before it is ready":  {script: "printf rea", wait: time.Minute, err: "it ended before it was ready"},
		"it does not get to the pipe": {script: "exec sleep 60", wait: 50 * time.Millisecond, err: "it was not ready after 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.Command("sh", "-c", tc.script)
			start := time.Now()
			guard, err := startGuard(command, "settings", tc.wait)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			text := ""
			if err != nil {
				text = err.Error()
			}
			// A process that ends by itself may be killed first.
			if text != tc.err && (tc.err == "" || strings.TrimSuffix(tc.err, ": exit status 3") != text) {
				t.Errorf("error %q, expected %q", text, tc.err)
			}
			guard.end(true)
			if command.ProcessState == nil && guard == nil {
				t.Error("the process was not waited for")
			}
		})
	}
}

func TestSettings(t *testing.T) {
	var pipe bytes.Buffer
	want := map[string][]string{"token": {"a\nb"}, "as-group": {"x", "y"}}
	if err := writeSettings(&pipe, want); err != nil {
		t.Fatal(err)
	}
	pipe.WriteString(released)
	var got map[string][]string
	if err := ReadSettings(&pipe, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if rest, _ := io.ReadAll(&pipe); string(rest) != released {
		t.Errorf("left in the pipe for Watch: %q, expected %q", rest, released)
	}
	for name, tc := range map[string]struct{ in, err string }{
		"nothing":   {"", "guard: reading settings: EOF"},
		"cut off":   {"\x00\x00\x00\x09{}", "guard: reading settings: unexpected EOF"},
		"too large": {"\xff\xff\xff\xff", "guard: settings: expected at most 1048576 bytes, found 4294967295"},
		"not JSON":  {"\x00\x00\x00\x05hello", "guard: settings: expected what StartGuard writes"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ReadSettings(strings.NewReader(tc.in), &got); err == nil || err.Error() != tc.err {
				t.Errorf("error %v, expected %q", err, tc.err)
			}
		})
	}
	if err := writeSettings(io.Discard, strings.Repeat("x", maxSettings)); err == nil {
		t.Error("settings that no guard reads were written")
	}
}
