package node

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// TestDump prints what a node gives, for people: CHECKLIST_DUMP is the level,
// CHECKLIST_DUMP_ROOT the node's root ("" is pid 1's).
func TestDump(t *testing.T) {
	level := os.Getenv("CHECKLIST_DUMP")
	if level == "" {
		t.Skip("CHECKLIST_DUMP is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	m, err := Local(ctx, Options{Level: fact.Level(level), Proc: "/proc", Root: os.Getenv("CHECKLIST_DUMP_ROOT"), Live: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.Write(append(text, '\n')); err != nil {
		t.Fatal(err)
	}
}
