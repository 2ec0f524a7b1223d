package sandbox

import (
	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// extismImports are the functions of extism:host/env that the host answers; all others are the kernel's. Strings and values are offsets
// of blocks in the kernel's memory. A bad offset ends the run: there is no status that could tell.
func extismImports() []hostFunc {
	return []hostFunc{
		{"config_get", "i64 -> i64", mapCost, 0, (*Instance).extismConfig},
		{"var_get", "i64 -> i64", mapCost, 0, (*Instance).extismVar},
		{"var_set", "i64 i64 ->", editCost, 0, (*Instance).extismSetVar},
		{"http_request", "i64 i64 -> i64", openCost, mostPages, (*Instance).extismHTTP},
		{"http_status_code", "-> i32", callCost, 0, (*Instance).extismStatus},
		{"http_headers", "-> i64", mapCost, 0, (*Instance).extismHeaders},
		{"get_log_level", "-> i32", callCost, 0, func(_ *Instance, stack []uint64) { stack[0] = extismDebug }},
		{"log_trace", "i64 ->", mapCost, 0, logAt(abi.LogDebug)},
		{"log_debug", "i64 ->", mapCost, 0, logAt(abi.LogDebug)},
		{"log_info", "i64 ->", mapCost, 0, logAt(abi.LogInfo)},
		{"log_warn", "i64 ->", mapCost, 0, logAt(abi.LogWarn)},
		{"log_error", "i64 ->", mapCost, 0, logAt(abi.LogError)},
	}
}

// extismDebug is the level from which a run takes messages, as PDKs count: 0 trace, 1 debug, 2 info, 3 warn, 4 error.
const extismDebug = 1

// InputSetting is the setting that tells a plug-in which input the batch at hand is of.
const InputSetting = "adp.input"

// extismConfig is config_get(key) → value, 0 when there is none.
func (i *Instance) extismConfig(stack []uint64) {
	key := i.name("the name of a setting", stack[0])
	value, ok := i.spec.Product.Config[key]
	if key == InputSetting && i.phase == running && len(i.spec.Product.Inputs) > 0 {
		value, ok = i.spec.Product.Inputs[i.plugin.input].Name, true
	}
	if stack[0] = 0; ok && i.phase == running {
		stack[0] = i.store([]byte(value))
	}
}

// maxVarBytes bounds the variables of a run, names and what each costs beside included. It is that of Extism's own hosts.
const (
	maxVarBytes = 1 << 20
	varCost     = 40
)

// extismVar is var_get(name) → value, 0 when there is none.
func (i *Instance) extismVar(stack []uint64) {
	value, ok := i.plugin.vars[i.name("the name of a variable", stack[0])]
	if stack[0] = 0; ok {
		stack[0] = i.store(value)
	}
}

// extismSetVar is var_set(name, value); value 0 deletes. Variables last as long as the run.
func (i *Instance) extismSetVar(stack []uint64) {
	name := i.name("the name of a variable", stack[0])
	cost := func(value []byte) int64 { return int64(len(name)) + int64(len(value)) + varCost }
	vars := &i.plugin
	if old, ok := vars.vars[name]; ok {
		vars.varBytes -= cost(old)
		delete(vars.vars, name)
	}
	if stack[1] == 0 {
		return
	}
	value := i.block("the value of variable "+name, stack[1], maxVarBytes)
	if vars.varBytes += cost(value); vars.varBytes > maxVarBytes {
		i.kill(host.Errorf(host.CodeGuestCallLimit, "the variables of the plug-in take more than %s", size(maxVarBytes)).
			WithHint("variables live for one run; what it reads or writes belongs into inputs and outputs"))
	}
	if vars.vars == nil {
		vars.vars = map[string][]byte{}
	}
	vars.vars[name] = value
}

// logAt is log_LEVEL(message).
func logAt(level int32) func(*Instance, []uint64) {
	return func(i *Instance, stack []uint64) {
		message := i.block("a message for the log", stack[0], abi.MaxLogMessage)
		if i.failure == nil && !i.log.say(level, string(message)) {
			i.flooded()
		}
	}
}
