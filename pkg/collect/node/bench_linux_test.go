package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// benchmarkNode is a node with 500 processes in 100 containers.
func benchmarkNode(b *testing.B) string {
	processes := []fakeProcess{initProcess}
	mounts := benchmarkMounts()
	for i := range 500 {
		p := fakeProcess{pid: 100 + i, ppid: 1, comm: "p", start: i}
		if i >= 100 {
			p.cgroup = fmt.Sprintf("0::/kubepods/burstable/pod%s/%064x\n", podUID, i/4)
			p.mounts = mounts
		}
		processes = append(processes, p)
	}
	return nodeFixture(b, processes, "-- usr/bin/p --\nx\n")
}

// benchmarkMounts is a container's mountinfo.
func benchmarkMounts() string {
	mounts := strings.Builder{}
	mounts.WriteString("100 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l/2:/l/1,upperdir=/u/3/fs,workdir=/u/3/work\n")
	for i := range 41 {
		fmt.Fprintf(&mounts, "%d 100 8:1 /var/lib/x%d /mnt/%d rw,relatime - ext4 /dev/sda1 rw,errors=remount-ro\n", 101+i, i, i)
	}
	return mounts.String()
}

// BenchmarkProcesses is level proc on a directory that looks like 500 processes:
// each file costs more system calls there than in the kernel's /proc.
func BenchmarkProcesses(b *testing.B) {
	dir := benchmarkNode(b)
	b.ReportAllocs()
	for b.Loop() {
		if m := read(b, dir, fact.LevelProc, fact.Processes, fact.Mounts); m.Cost.Processes != 501 {
			b.Fatalf("%d processes", m.Cost.Processes)
		}
	}
}

// BenchmarkLive reads the processes of this machine and 500 more of our own.
func BenchmarkLive(b *testing.B) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Fatal(err)
	}
	for range 500 {
		cmd := exec.Command(sleep, "600")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	b.Run("os.ReadFile", func(b *testing.B) { // the same files, not parsed: what to compare with
		b.ReportAllocs()
		before := cpuTime(b)
		defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op") }()
		for b.Loop() {
			entries, err := os.ReadDir("/proc")
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range entries {
				if e.Name()[0] < '0' || e.Name()[0] > '9' {
					continue
				}
				for _, name := range []string{"stat", "status", "cgroup", "uid_map"} {
					_, _ = os.ReadFile("/proc/" + e.Name() + "/" + name)
				}
			}
		}
	})
	for _, level := range []fact.Level{fact.LevelProc, fact.LevelFull} {
		b.Run(string(level), func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op") }()
			for b.Loop() {
				m, err := Local(context.Background(), Options{Level: level, Proc: "/proc", Root: "/", Live: true, Kinds: []fact.Kind{fact.Processes, fact.Mounts}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(m.Cost.Processes), "processes")
			}
		})
	}
}

// cpuTime is what this process has used so far: on a busy machine the time that
// passes says little.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
