package build

import "context"

// javaScriptMain is the file that declares a product's functions.
const javaScriptMain = "product.js"

const javaScriptHint = rustHint + "; and a clang that compiles to Wasm: apt-get install clang-19"

// javaScript is the engine of products in JavaScript.
func (b *Builder) javaScript() engine {
	return engine{name: "JavaScript", kit: b.JavaScriptSDK, c: true, hint: javaScriptHint}
}

func (b *Builder) findJavaScript(ctx context.Context) (engineTool, error) {
	return b.findEngine(ctx, b.javaScript())
}

// compileJavaScript makes a module of the .js files of a folder.
func (b *Builder) compileJavaScript(ctx context.Context, dir string) ([]byte, error) {
	return b.compileScripts(ctx, dir, b.javaScript(), javaScriptMain)
}
