package wasm

// EveryInstruction makes Meter charge each instruction by itself: the reference for where segments charge.
func EveryInstruction(o Options) Options {
	o.everyInstruction = true
	return o
}
