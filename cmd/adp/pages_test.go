package main

import (
	"os"
	"strings"
	"testing"
)

// TestPages: every command that a page of docs tells people to run is run by its script.
func TestPages(t *testing.T) {
	for _, p := range []struct {
		page, script string
		commands     int
	}{{"operations.md", "operations.txtar", 8}, {"guests.md", "abi.txtar", 5}} {
		page, err := os.ReadFile("../../docs/" + p.page)
		if err != nil {
			t.Fatal(err)
		}
		script, err := os.ReadFile("testdata/script/" + p.script)
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
				t.Errorf("%s: no script runs %q", p.page, command)
			}
		}
		if commands < p.commands {
			t.Errorf("%s: %d commands found", p.page, commands)
		}
	}
}
