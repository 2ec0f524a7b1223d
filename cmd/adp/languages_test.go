package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adp-host/adp/host/build"
)

// TestLanguagesPage: docs/languages.md has a line for each language, and its commands do in each what they say.
func TestLanguagesPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/languages.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^\| \[(\w+)\]\(\.\./([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		listed = append(listed, m[1])
		if _, err := os.Stat(filepath.Join("../..", filepath.FromSlash(m[2]))); err != nil {
			t.Errorf("the page links %v", err)
		}
	}
	if !slices.Equal(listed, build.Languages) {
		t.Errorf("the page lists %v, adp new writes %v", listed, build.Languages)
	}
	_, commands, _ := strings.Cut(page, "```sh\n")
	commands, _, _ = strings.Cut(commands, "```\n")
	if !strings.HasPrefix(commands, "adp new p --lang L") {
		t.Fatalf("the page's commands are\n%s", commands)
	}
	dir := t.TempDir()
	for _, language := range build.Languages {
		if err := os.WriteFile(filepath.Join(dir, language+".txtar"), []byte(scriptOf(commands, language)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runScripts(t, dir)
}

// scriptOf makes the page's commands a script: each must end well, and the rows must be there.
func scriptOf(commands, language string) string {
	script := fmt.Sprintf("[!%s] skip 'NOT TESTED: nothing here compiles %s to Wasm'\n", language, language)
	for line := range strings.Lines(commands) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), "#")
		switch command = strings.TrimSpace(command); {
		case command == "adp up &":
			script += "adp up &up&\nready\n"
		default:
			script += "exits 0 " + strings.TrimSuffix(command, " L") + strings.Repeat(" "+language, strings.Count(command, " L")) + "\n"
		}
		if strings.HasPrefix(command, "adp access") {
			script += "stdout 'Hello Ada of London!'\n"
		}
	}
	return script + "kill -INT up\nwait up\n"
}
