package main

import (
	"os"
	"strings"
	"testing"
)

// TestOperationsPage: every command that docs/operations.md tells people to run is run by the script operations.txtar.
func TestOperationsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/operations.txtar")
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{}
	for line := range strings.Lines(string(script)) {
		if _, command, ok := strings.Cut(strings.TrimSpace(line), "exits 0 "); ok {
			run[strings.TrimSuffix(command, " -o json")] = true
		}
	}
	commands := 0
	for line := range strings.Lines(string(page)) {
		command, ok := strings.CutPrefix(line, "    adp ")
		if !ok {
			continue
		}
		commands++
		command, _, _ = strings.Cut(command, "#")
		if command = "adp " + strings.TrimSpace(command); !run[command] {
			t.Errorf("no script runs %q", command)
		}
	}
	if commands < 8 {
		t.Errorf("%d commands found", commands)
	}
}
