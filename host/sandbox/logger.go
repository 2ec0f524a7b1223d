package sandbox

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/adp-host/adp/abi"
)

// logger counts and forwards what a guest says: messages of adp_v1.log, and lines written to its standard streams.
type logger struct {
	to      func(level int32, message string)
	limit   int64
	bytes   int64
	errors  string    // the last message of level error
	panic   string    // the first line with which a runtime gives up, and what follows it
	line    string    // the last line of standard error
	streams [2][]byte // unfinished lines of standard output and error
}

// messageCost is what a message counts beside its bytes: a flood of empty lines is a flood too.
const messageCost = 16

// say forwards a message, false when it would pass the limit.
func (l *logger) say(level int32, message string) bool {
	cost := int64(len(message)) + messageCost
	if l.bytes+cost > l.limit {
		return false
	}
	l.bytes += cost
	message = strings.ToValidUTF8(message, "\uFFFD")
	if level == abi.LogError {
		l.errors = message
	}
	l.to(level, message)
	return true
}

// write adds to a stream (0 output, 1 error) and says its complete lines.
func (l *logger) write(stream int, b []byte) bool {
	for len(b) > 0 {
		line, rest, complete := bytes.Cut(b, []byte{'\n'})
		if room := abi.MaxLogMessage - len(l.streams[stream]); len(line) > room {
			line, rest, complete = b[:room], b[room:], true
		}
		l.streams[stream] = append(l.streams[stream], line...)
		if complete && !l.end(stream) {
			return false
		}
		b = rest
	}
	return true
}

// end says the unfinished line of a stream. Runtimes write their last words to standard error: it is kept for the
// error's message.
func (l *logger) end(stream int) bool {
	line := string(bytes.TrimRight(l.streams[stream], "\r"))
	l.streams[stream] = l.streams[stream][:0]
	if line == "" {
		return true
	}
	if stream == 0 {
		return l.say(abi.LogInfo, line)
	}
	text := strings.ToValidUTF8(line, "\uFFFD")
	switch {
	case strings.HasSuffix(l.panic, ":"): // Rust says what it is on the next line
		l.panic += " " + text
	case l.panic == "" && gaveUp(text):
		l.panic = text
	}
	l.line = text
	return l.say(abi.LogWarn, line)
}

// gaveUp recognises the last words of the Go and Rust runtimes.
func gaveUp(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "thread '")
}

// flush says what is unfinished.
func (l *logger) flush() {
	for s := range l.streams {
		if len(l.streams[s]) > 0 {
			l.end(s)
		}
	}
}

// lastWords is the guest's own reason, as the tail of a message.
func (l *logger) lastWords() string {
	const most = 300
	switch s := cmp.Or(l.errors, l.panic, l.line); {
	case s == "":
		return ""
	case len(s) > most:
		return ": " + strings.ToValidUTF8(s[:most], "") + "…"
	default:
		return ": " + s
	}
}
