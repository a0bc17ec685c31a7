package apt

import "testing"

// An older version than the installed one wins from priority 1000 on
// (apt_preferences(5): below that apt never downgrades), and a priority of 0 or
// less wins never.
func TestPrioritiesThatDecide(t *testing.T) {
	for name, tc := range map[string]struct {
		older, newer int // priorities; the installed version has 100
		want         string
	}{
		"1000 goes back":                 {1000, 500, "1"},
		"999 does not":                   {999, 500, "3"},
		"the higher of two":              {1, 500, "3"},
		"what is installed, before less": {1, 99, "2"},
		"of equal ones the newest":       {1000, 1000, "3"},
		"0 never wins":                   {0, 0, "2"},
		"a priority below 0 never wins":  {-1, 0, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			archive := func(priority int) []*index { return []*index{{priority: priority}} }
			p := installedPackage{name: "a", version: "2", versions: []version{
				{text: "1", indexes: archive(tc.older)}, {text: "2", indexes: archive(100)}, {text: "3", indexes: archive(tc.newer)},
			}}
			if got := (policy{}).candidate(&p); got == nil || got.text != tc.want {
				t.Errorf("want %s, got %+v", tc.want, got)
			}
		})
	}
}
