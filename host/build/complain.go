package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/adp-host/adp/host"
)

// maxComplaints is how many complaints of a compiler a person is shown at once.
const maxComplaints = 10

// complaint is FILE:LINE:COLUMN: MESSAGE, as go, clang, the AssemblyScript kit and cargo's short format write it.
var complaint = regexp.MustCompile(`(?m)^(?:\s*)([^\s:][^:\n]*):(\d+):(\d+):? (.+)$`)

// compilerError turns what a compiler said into errors with the place, the line and the message.
func compilerError(ctx context.Context, dir, what, said string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var all []error
	for _, m := range complaint.FindAllStringSubmatch(said, maxComplaints) {
		line, _ := strconv.Atoi(m[2]) // digits, by the pattern
		column, _ := strconv.Atoi(m[3])
		if strings.HasPrefix(m[4], "warning") || strings.HasPrefix(m[4], "note") {
			continue
		}
		file := m[1]
		if !filepath.IsAbs(file) && !strings.HasPrefix(file, "~lib/") { // which is the kit, not the author's
			file = filepath.Join(dir, file)
		}
		e := host.Errorf(host.CodeBuildCompile, "%s", strings.TrimPrefix(strings.TrimPrefix(m[4], "fatal "), "error: "))
		e.At, e.Excerpt = host.Position{File: file, Line: line, Column: column}, excerpt(file, line, column)
		all = append(all, e)
	}
	if len(all) > 0 {
		return errors.Join(all...)
	}
	said = strings.TrimSpace(said)
	if said == "" {
		said = err.Error()
	}
	return host.Errorf(host.CodeBuildCompile, "%s failed: %s", what, lastLines(said, 20))
}

// excerpt is a line of a file with a caret under the column; "" when it cannot be read.
func excerpt(file string, line, column int) string {
	b, err := os.ReadFile(file)
	lines := strings.Split(string(b), "\n")
	if err != nil || line < 1 || line > len(lines) {
		return ""
	}
	text := strings.TrimRight(lines[line-1], "\r")
	before := text[:min(max(column-1, 0), len(text))]
	pad := strings.Map(func(r rune) rune { // tabs stay tabs, so that the caret stands where it belongs
		if r == '\t' {
			return r
		}
		return ' '
	}, before)
	number := strconv.Itoa(line)
	return fmt.Sprintf("%s | %s\n%s | %s^", number, text, strings.Repeat(" ", len(number)), pad)
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
