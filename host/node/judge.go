package node

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
	"github.com/adp-host/adp/host/sandbox"
)

// PolicyPlugin is an Extism plug-in that is asked about what a node is to allow.
type PolicyPlugin struct {
	Name   string // for people
	Module []byte
}

// policyFunction is what a policy exports: the input is a policy.Request as JSON, the output a policy.Decision.
const policyFunction = "decide"

// policyLimits bound one decision, the start of its instance included. Fuel is what a policy runs out of that does not end; the deadline is for
// machines that are busy.
var policyLimits = host.Limits{Memory: 32 << 20, Fuel: 100_000_000, Deadline: 5 * time.Second, Stack: 1 << 20, Logs: 16 << 10}

const (
	// policyPatience is how long a decision may take, waiting for others included.
	policyPatience = 10 * time.Second
	// maxQuestion bounds what a policy is asked, in bytes; purposes come from callers.
	maxQuestion = 4 << 10
	// keepDecisions is how many are remembered, at least.
	keepDecisions = 4096
)

// judge is a policy.Judge by a plug-in. It has an engine of its own: decisions do not wait behind runs, and a run that waits for one
// cannot keep it from being made.
type judge struct {
	name     string
	log      *slog.Logger
	engine   *sandbox.Engine
	function function

	mu          sync.Mutex
	now, before map[string]policy.Decision // by question: a decision is pure
}

// function is what a policy decides by. *sandbox.Function is one.
type function interface {
	Call(ctx context.Context, input []byte) ([]byte, error)
	Close() error
}

// newJudge compiles a policy and asks it once, so that what is none is found out before anybody waits for it.
func newJudge(ctx context.Context, cfg *Config) (_ *judge, err error) {
	j := &judge{name: cfg.Policy.Name, log: cfg.Log, now: map[string]policy.Decision{}}
	if j.engine, err = sandbox.New(sandbox.Config{CacheDir: filepath.Join(cfg.Data, "cache", "policy"), Compile: cfg.Compile, Slots: cfg.Slots, Guests: policyGuests(cfg.Slots), Differs: j.differs}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.close())
		}
	}()
	first := policy.Request{Subject: policy.Anonymous, Action: policy.ActionFind, Resource: policy.Resource{Product: host.ProductID{Tenant: host.LocalTenant}}}
	question, err := json.Marshal(first)
	if err != nil {
		return nil, err
	}
	f, err := j.engine.Function(ctx, sandbox.FunctionSpec{Module: cfg.Policy.Module, Name: policyFunction, Limits: policyLimits, Probe: question, Log: j.heard})
	if err != nil {
		return nil, j.refuse(err)
	}
	j.function = f
	if _, err := j.ask(ctx, question); err != nil {
		return nil, j.refuse(err)
	}
	return j, nil
}

// policyGuests is how many instances there are at once, those that wait for a question included: it bounds their memory.
func policyGuests(slots int) int { return 8 + 4*slots }

// refuse says why a module is no policy.
func (j *judge) refuse(err error) error {
	return host.Errorf(host.CodeNodeSetup, "%s is no policy: %w", j.name, err).
		WithHint(`a policy is an Extism plug-in whose function %s answers each question, as {"subject":…,"action":"read","resource":…}, with {"allow":true,"reason":"…"}; see docs/extism.md`, policyFunction)
}

// differs says loudly that compiled code of the policy cannot be trusted.
func (j *judge) differs(_ host.ProductID, module host.Digest, what string) {
	j.log.Error("compiled code of the policy does not do what the interpreter does: it stays in the interpreter, which is slow", "policy", j.name, "module", module, "difference", what)
}

// heard passes on what the policy logs.
func (j *judge) heard(level int32, message string) {
	to := map[int32]slog.Level{abi.LogDebug: slog.LevelDebug, abi.LogInfo: slog.LevelInfo, abi.LogWarn: slog.LevelWarn, abi.LogError: slog.LevelError}
	j.log.Log(context.Background(), to[level], message, "policy", j.name)
}

// Judge asks the policy, or remembers. What is no decision denies.
func (j *judge) Judge(r policy.Request) policy.Decision {
	question, err := json.Marshal(r)
	if err != nil || len(question) > maxQuestion {
		return policy.Decision{Reason: "the policy is asked no questions of more than 4 KiB"}
	}
	if d, ok := j.remembered(string(question)); ok {
		return d
	}
	ctx, cancel := context.WithTimeout(context.Background(), policyPatience)
	defer cancel()
	d, err := j.ask(ctx, question)
	if err != nil {
		j.log.Error("the policy made no decision, which denies", "policy", j.name, "question", string(question), "error", err)
		d = policy.Decision{Reason: "policy " + j.name + " made no decision: " + oneLine(err)}
		if code := host.CodeOf(err); code == "" || code == host.CodeGuestDeadline {
			return d // of the machine and the moment, not of the question
		}
	} else {
		d.Reason = "policy " + j.name + ": " + d.Reason
	}
	j.remember(string(question), d)
	return d
}

// ask has the policy decide.
func (j *judge) ask(ctx context.Context, question []byte) (policy.Decision, error) {
	answer, err := j.function.Call(ctx, question)
	if err != nil {
		return policy.Decision{}, err
	}
	d, err := policy.ParseDecision(answer)
	if err != nil {
		return d, host.Errorf(host.CodeGuestABI, "its answer %.100q is no decision: %w", answer, err)
	}
	return d, nil
}

// oneLine is an error in one line for whoever was denied; the log has all of it.
func oneLine(err error) string {
	var e *host.Error
	text := err.Error()
	if errors.As(err, &e) {
		text = e.Message
	}
	text, _, _ = strings.Cut(text, "\n")
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func (j *judge) remembered(question string) (policy.Decision, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	d, ok := j.now[question]
	if !ok {
		if d, ok = j.before[question]; ok {
			j.keep(question, d)
		}
	}
	return d, ok
}

func (j *judge) remember(question string, d policy.Decision) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.keep(question, d)
}

// keep remembers a decision, and forgets those that were asked for longest ago. The caller holds mu.
func (j *judge) keep(question string, d policy.Decision) {
	if len(j.now) >= keepDecisions {
		j.now, j.before = map[string]policy.Decision{}, j.now
	}
	j.now[question] = d
}

func (j *judge) close() error {
	var err error
	if j.function != nil {
		err = j.function.Close()
	}
	return errors.Join(err, j.engine.Close(context.Background()))
}
