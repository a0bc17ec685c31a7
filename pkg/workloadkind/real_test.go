package workloadkind

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestRealFiles looks at every YAML file below the directories in WORKLOADKIND_DIRS (a list as in
// PATH), and fails for each object that has containers somewhere and of which Find says nothing. It
// prints what was found of each kind. "make workloadkinds" runs it on the Go module cache.
func TestRealFiles(t *testing.T) {
	dirs := filepath.SplitList(os.Getenv("WORKLOADKIND_DIRS"))
	if len(dirs) == 0 {
		t.Skip("WORKLOADKIND_DIRS names no directory")
	}
	type seen struct{ objects, pods, nested, gaps, silent int }
	kinds := map[string]*seen{}
	documents := 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") {
				return nil //nolint:nilerr // what cannot be read has no objects
			}
			text, err := os.ReadFile(path)
			if err != nil || len(text) > 4<<20 {
				return nil //nolint:nilerr // as above
			}
			for _, document := range bytes.Split(text, []byte("\n---")) {
				var object map[string]any
				if yaml.Unmarshal(document, &object) != nil {
					continue // a template, or no YAML
				}
				kind, _ := object["kind"].(string)
				version, _ := object["apiVersion"].(string)
				if kind == "" || version == "" {
					continue
				}
				documents++
				name := groupOf(version) + " " + kind
				if kinds[name] == nil {
					kinds[name] = &seen{}
				}
				k, r := kinds[name], Find(object)
				k.objects++
				k.pods += len(r.Pods)
				k.nested += len(r.Objects)
				k.gaps += len(r.Gaps)
				if len(r.Pods)+len(r.Objects)+len(r.Gaps) == 0 && mentionsContainers(object) && !isPolicy(groupOf(version), kind) {
					k.silent++
					t.Errorf("%s: %s has containers, and nothing is said about them", path, name)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if k := kinds[name]; k.pods+k.nested+k.gaps+k.silent > 0 {
			fmt.Fprintf(&b, "%6d objects %6d pod specs %5d objects in them %5d gaps  %s\n", k.objects, k.pods, k.nested, k.gaps, name)
		}
	}
	t.Logf("%d documents of %d kinds; those with pods, objects or gaps:\n%s", documents, len(kinds), b.String())
}

func isPolicy(group, kind string) bool {
	for _, row := range rowsOf(group, kind) {
		if row.NoShape {
			return true
		}
	}
	return knownBuiltin(group, kind) && preferred[kind] == ""
}

// mentionsContainers is another way to look for containers than Find has: any list under one of
// the names that pods have, anywhere but in the status, with an image in one of its entries.
func mentionsContainers(object map[string]any) bool {
	var look func(value any, depth int) bool
	look = func(value any, depth int) bool {
		switch v := value.(type) {
		case map[string]any:
			for _, key := range []string{"containers", "initContainers", "steps", "sidecars", "ephemeralContainers"} {
				list, _ := v[key].([]any)
				for _, item := range list {
					if c, isMap := item.(map[string]any); isMap && c["image"] != nil {
						return true
					}
				}
			}
			for key, inner := range v {
				if (depth > 0 || key != "status" && key != "metadata") && look(inner, depth+1) {
					return true
				}
			}
		case []any:
			for _, inner := range v {
				if look(inner, depth+1) {
					return true
				}
			}
		}
		return false
	}
	return look(object, 0)
}
