package build

import "context"

// language is what there is to know of one that products are written in. Another one is a line of languages, a folder of templates, a kit.
type language struct {
	name     string
	main     string // the file of a new product that its author goes on with
	packages string // of Debian, by which its compiler comes; "": there are none
	find     func(*Builder, context.Context) (words string, err error)
	compile  func(b *Builder, ctx context.Context, dir string) (module []byte, err error) // nil: Builder.module knows how
}

var languages = []language{
	{"go", "main.go", "golang-go", (*Builder).findGo, (*Builder).compileGo},
	{"rust", "src/lib.rs", "cargo-web rustc-web rust-web-src lld-19", (*Builder).findCargo, (*Builder).compileRust},
	{"c", "product.c", "clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32", wordsOf((*Builder).findC), (*Builder).compileC},
	{"assemblyscript", "assembly/index.ts", "nodejs npm", wordsOf((*Builder).findNode), (*Builder).compileAssemblyScript},
	{"javascript", javaScriptMain, "cargo-web rustc-web rust-web-src lld-19 clang-19", wordsOf((*Builder).findJavaScript), (*Builder).compileJavaScript},
	{"python", pythonMain, "cargo-web rustc-web rust-web-src lld-19", wordsOf((*Builder).findPython), (*Builder).compilePython},
	{sqlLanguage, sqlMain, "", (*Builder).findSQL, nil},
}

// Languages are the names of those that Scaffold writes and Compile compiles.
var Languages = names(languages)

func names(all []language) (names []string) {
	for _, l := range all {
		names = append(names, l.name)
	}
	return names
}

// languageOf is nil when there is no such language.
func languageOf(name string) *language {
	for i := range languages {
		if languages[i].name == name {
			return &languages[i]
		}
	}
	return nil
}

// wordsOf leaves of what a search finds the words for doctor.
func wordsOf[T interface{ says() string }](find func(*Builder, context.Context) (T, error)) func(*Builder, context.Context) (string, error) {
	return func(b *Builder, ctx context.Context) (string, error) {
		t, err := find(b, ctx)
		return t.says(), err
	}
}
