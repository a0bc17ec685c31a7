package builder

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list in docs/builders.md")

var roleNames = map[Role]string{
	Builds: "builds", Jobs: "runs jobs", Dispatches: "starts jobs", Client: "client", MayBuild: "may build", Manages: "server", Elsewhere: "builds elsewhere",
}

// The list in docs/builders.md is that of the tables.
func TestDocs(t *testing.T) {
	var out strings.Builder
	out.WriteString("\n| Sign | Tool | Role | Source | Date |\n| --- | --- | --- | --- | --- |\n")
	line := func(sign string, r row) {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", sign, r.Name, roleNames[r.Role], r.source, r.date)
	}
	for i := range images {
		registry := ""
		if images[i].registry != "" {
			registry = images[i].registry + "/.../"
		}
		line("image `"+registry+images[i].tail+"`", images[i].row)
	}
	line("image `docker`, by its tag", row{Tool{"Docker-in-Docker", Builds}, "github.com/docker-library/docker (369, 423)", summer})
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		line("program `"+program+"`", programs[program])
	}
	for i := range commands {
		c := &commands[i]
		words := "`" + strings.Join(c.words, "`, `") + "`"
		if len(c.not) > 0 {
			words = "anything but `" + strings.Join(c.not, "`, `") + "`"
		}
		line("command `"+strings.Join(c.names, "`, `")+"` with "+words, c.row)
	}
	for i := range labels {
		l := &labels[i]
		sign := "label or annotation"
		switch l.only {
		case "labels":
			sign = "label"
		case "annotations":
			sign = "annotation"
		}
		sign += " `" + l.key
		if last := l.key[len(l.key)-1]; last == '/' || last == '.' {
			sign += "*"
		}
		if l.value != "" {
			sign += "=" + l.value
		}
		sign += "`"
		if l.and != "" {
			sign += " and `" + l.and + "`"
		}
		line(sign, l.row)
	}
	for _, table := range []struct {
		what string
		rows map[string]row
	}{{"owner", kinds}, {"variable", variables}, {"container", containerNames}} {
		for _, name := range slices.Sorted(maps.Keys(table.rows)) {
			line(table.what+" `"+name+"`", table.rows[name])
		}
	}

	const file, mark = "../../docs/builders.md", "-update -->\n"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, list, ok := strings.Cut(string(old), mark)
	switch {
	case !ok:
		t.Fatalf("%s has no mark %q", file, mark)
	case *update:
		if err := os.WriteFile(file, []byte(text+mark+out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	case list != out.String():
		t.Errorf("the list in docs/builders.md is stale; run: go test ./pkg/builder -run TestDocs -update")
	}
	if n := strings.Count(out.String(), "\n") - 3; n != Signs() {
		t.Errorf("want %d signs in the list, got %d", Signs(), n)
	}
}
