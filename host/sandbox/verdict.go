package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/host"
)

// verdict is what is known of the compiled code of a module.
type verdict string

const (
	unknown verdict = ""
	same    verdict = "same"  // it did what the interpreter did
	other   verdict = "other" // it did something else
)

// maxVerdicts bounds what is remembered in memory; what was forgotten is read again, or tried again.
const maxVerdicts = 4096

// judged is the verdict on the code of a program. The error is that of a module that could not be compiled when it was tried.
func (e *Engine) judged(id programID, bytes func() ([]byte, error)) (verdict, error) {
	code := e.codeID(id, bytes)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.uncompiled[id.key()]; err != nil {
		delete(e.uncompiled, id.key()) // told once; who comes again after a while may be luckier
		return unknown, err
	}
	v, ok := e.verdicts[code.key()]
	if !ok && e.cache != nil {
		v = e.cache.verdict(e.cache.name(code, code.options(), false))
		e.remember(code, v)
	}
	return v, nil
}

// remember keeps a verdict in memory. The caller holds mu.
func (e *Engine) remember(id programID, v verdict) {
	if e.verdicts == nil || len(e.verdicts) >= maxVerdicts {
		e.verdicts = map[string]verdict{}
	}
	e.verdicts[id.key()] = v
}

func (e *Engine) settle(id programID, v verdict) {
	id = e.codeID(id, nil)
	e.mu.Lock()
	e.remember(id, v)
	e.mu.Unlock()
	if e.cache != nil {
		e.cache.keepVerdict(e.cache.name(id, id.options(), false), v)
	}
}

// doubts forgets a verdict, so that the next run begins in the interpreter: it can say at which byte this one trapped. Where a script
// fails, a byte of its interpreter is of no use to its author.
func (e *Engine) doubts(id programID) {
	if e.codeID(id, nil) != id {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remember(id, unknown)
}

// agrees notes that compiled code did what the interpreter did. What is interpreted is not needed again, and would be thirty
// times the size of the module in memory.
func (e *Engine) agrees(id programID) {
	e.settle(id, same)
	id.interpreted = true
	e.programs.drop(id)
}

// differs notes that it did not, and tells everybody.
func (e *Engine) differs(id programID, product host.ProductID, what string) {
	e.settle(id, other)
	e.programs.stats.differing.Add(1)
	if e.cfg.Differs != nil {
		e.cfg.Differs(product, id.module, what)
	}
}

// compiling has a module compiled in the background. If it cannot be, the next run is told.
func (e *Engine) compiling(ctx context.Context, id programID, bytes func() ([]byte, error)) *loading {
	l := e.programs.begin(context.WithoutCancel(ctx), id, bytes)
	go func() {
		<-l.done
		if l.err != nil && e.programs.ending.Err() == nil {
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.uncompiled == nil || len(e.uncompiled) >= maxVerdicts {
				e.uncompiled = map[string]error{}
			}
			e.uncompiled[id.key()] = l.err
		}
	}()
	return l
}

// verdict reads the one that lies beside compiled code. It is authenticated like that.
func (c *cache) verdict(name string) verdict {
	text, err := os.ReadFile(filepath.Join(c.dir, name, cachedVerdict))
	if err != nil {
		return unknown
	}
	word, _, _ := strings.Cut(string(text), " ")
	if v := verdict(word); (v == same || v == other) && hmac.Equal(text, c.signed(name, v)) {
		return v
	}
	return unknown
}

// keepVerdict writes it. Where that fails, another run is looked at.
func (c *cache) keepVerdict(name string, v verdict) {
	file := filepath.Join(c.dir, name, cachedVerdict)
	if err := os.WriteFile(file+"~", c.signed(name, v), 0o600); err == nil {
		_ = os.Rename(file+"~", file)
	}
}

func (c *cache) signed(name string, v verdict) []byte {
	h := hmac.New(sha256.New, c.key)
	fmt.Fprintf(h, "verdict\n%s\n%s\n", name, v)
	return fmt.Appendf(nil, "%s %s\n", v, hex.EncodeToString(h.Sum(nil)))
}
