package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Judge has the second word: it is asked about what the rules have allowed, and can only take away. It is total and pure: every request
// has an answer with a reason, and equal requests have equal answers.
type Judge interface {
	Judge(Request) Decision
}

// spared are requests that no Judge is asked about: those by which the owner of a node steers it and its products. Whoever can start the node
// without its Judge must not have to.
func spared(r Request) bool {
	return r.Subject.Kind == KindOwner && (r.Action == ActionOperate || r.Action == ActionControl)
}

// maxReason bounds the reason of a decision from outside, in bytes.
const maxReason = 1000

// ParseDecision reads a decision of somebody outside: {"allow":BOOL,"reason":TEXT}, both there and each once, nothing else, and a reason of one
// line. What is not that is no decision.
func ParseDecision(answer []byte) (Decision, error) {
	if !utf8.Valid(answer) {
		return Decision{}, errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return Decision{}, errors.New("it is no JSON object")
	}
	var d Decision
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return Decision{}, fmt.Errorf("it is no JSON: %w", err)
		}
		value, err := dec.Token()
		if err != nil {
			return Decision{}, fmt.Errorf("it is no JSON: %w", err)
		}
		ok := false
		switch name {
		case "allow":
			d.Allow, ok = value.(bool)
		case "reason":
			d.Reason, ok = value.(string)
		default:
			return Decision{}, fmt.Errorf("it has a member %.40q", name)
		}
		if !ok || seen[name.(string)] {
			return Decision{}, fmt.Errorf("its member %s is there twice, or of another type", name)
		}
		seen[name.(string)] = true
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('}') {
		return Decision{}, errors.New("it is no JSON: it has no end")
	}
	if _, err := dec.Token(); err != io.EOF {
		return Decision{}, errors.New("something follows its end")
	}
	switch {
	case !seen["allow"] || !seen["reason"]:
		return Decision{}, errors.New("it lacks allow or reason")
	case d.Reason == "" || len(d.Reason) > maxReason || strings.ContainsFunc(d.Reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return Decision{}, fmt.Errorf("its reason is not one line of 1 to %d bytes", maxReason)
	}
	return d, nil
}
