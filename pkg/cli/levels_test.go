package cli

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestParseLevels(t *testing.T) {
	for text, want := range map[string]struct {
		level fact.Level
		net   bool
	}{
		"api": {fact.LevelAPI, false}, "proc": {fact.LevelProc, false}, "full": {fact.LevelFull, false},
		"net": {fact.LevelAPI, true}, "proc,net": {fact.LevelProc, true}, "net,full": {fact.LevelFull, true},
		defaultLevels: {fact.LevelFull, true},
	} {
		if level, net, err := parseLevels(text); level != want.level || net != want.net || err != nil {
			t.Errorf("%q: %q, %v, error %v, want %+v", text, level, net, err, want)
		}
	}
	for _, text := range levelNames {
		if _, _, err := parseLevels(text); err != nil {
			t.Errorf("a name that is completed: %v", err)
		}
	}
	f := probeFlags{level: defaultLevels, noProbe: true}
	if level, net := f.levels(); level != fact.LevelAPI || net {
		t.Errorf("--no-probe: level %q, net %v", level, net)
	}
}
