package osv

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Variables by which the test calls itself.
const (
	childPath    = "OSV_TEST_DATABASE"
	childRecords = "OSV_TEST_RECORDS"
)

// published writes a zip file as osv.dev does, with so many records. One of 20 is
// about a package of the host.
func published(t testing.TB, path string, records int) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewWriter(out)
	w := zip.NewWriter(buffered)
	packer, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		packer.Reset(out)
		return packer, nil
	})
	for i := range records {
		name := fmt.Sprintf("package-%d", i%5000)
		if i%20 == 0 {
			name = fmt.Sprintf("installed-%d", i/20%400)
		}
		f, err := w.Create(fmt.Sprintf("DEBIAN-CVE-2026-%d.json", i))
		if err == nil {
			_, err = f.Write([]byte(everyday(i, name)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, close := range []func() error{w.Close, buffered.Flush, out.Close} {
		if err := close(); err != nil {
			t.Fatal(err)
		}
	}
}

func installedHost() *fact.Host {
	host := &fact.Host{OS: debian}
	for i := range 400 {
		host.Inventory = append(host.Inventory, pkg(fmt.Sprintf("installed-%d", i), "1.3.20-1"))
	}
	return host
}

// 100,000 records in a zip file need less than 64 MiB, and a quarter of them not much
// less: a process of its own reads them and reports its peak (VmHWM).
func TestMemory(t *testing.T) {
	if path := os.Getenv(childPath); path != "" {
		q := NewQuery()
		host := installedHost()
		q.Add(host)
		data, err := Read(context.Background(), path, q, now)
		if err != nil || data.Incomplete != "" || data.Unreadable > 0 || strconv.Itoa(data.Records) != os.Getenv(childRecords) {
			t.Fatalf("%v %+v", err, data)
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(status) {
			if rest, found := bytes.CutPrefix(line, []byte("VmHWM:")); found {
				fmt.Printf("peak %s found %d\n", bytes.Fields(rest)[0], q.Of(host).Total)
			}
		}
		return
	}
	if testing.Short() {
		t.Skip("-short: 125,000 records are not written")
	}
	peak := func(records int) int {
		path := filepath.Join(t.TempDir(), "all.zip")
		published(t, path, records)
		child := exec.Command(os.Args[0], "-test.run=^TestMemory$")
		child.Env = append(os.Environ(), childPath+"="+path, childRecords+"="+strconv.Itoa(records))
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var kib, found int
		if _, err := fmt.Sscanf(string(out), "peak %d found %d", &kib, &found); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if found < records/20/3 {
			t.Errorf("only %d of %d records found", found, records)
		}
		t.Logf("%d records: %.1f MiB resident at most, %d vulnerabilities", records, float64(kib)/1024, found)
		return kib
	}
	quarter, whole := peak(25_000), peak(100_000)
	if whole > 64<<10 {
		t.Errorf("want at most 64 MiB, got %d KiB", whole)
	}
	if whole-quarter > 16<<10 {
		t.Errorf("four times as many records need %d KiB more", whole-quarter)
	}
}
