package build

import "context"

// pythonMain is the file whose statements register a product's functions.
const pythonMain = "main.py"

// python is the engine of products in Python.
func (b *Builder) python() engine {
	return engine{name: "Python", kit: b.PythonSDK, hint: rustHint, flags: []string{`--cfg=getrandom_backend="custom"`}}
}

func (b *Builder) findPython(ctx context.Context) (engineTool, error) {
	return b.findEngine(ctx, b.python())
}

// compilePython makes a module of the .py files of a folder.
func (b *Builder) compilePython(ctx context.Context, dir string) ([]byte, error) {
	return b.compileScripts(ctx, dir, b.python(), pythonMain)
}
