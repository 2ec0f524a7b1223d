// Compiles a product with the AssemblyScript compiler, under names that are the same on every machine: the product's files are
// assembly/…, the kit's are ~lib/adp/….
import { readFileSync, readdirSync, statSync, existsSync } from "node:fs";
import { join, dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const own = "node_modules/adp/";
const kit = resolve(dirname(fileURLToPath(import.meta.url)), "..");

// Loads the compiler of a folder that npm filled, or the one beside the kit.
export async function compiler(modules) {
  return import(modules ? pathToFileURL(join(modules, "assemblyscript", "dist", "asc.js")).href : "assemblyscript/asc");
}

// compile gives { module, complaints }; module is undefined where there are errors. main is the text of the entry file, flags are further
// ones of the compiler.
export async function compile(asc, dir, main, flags = []) {
  const complaints = [], said = [];
  let module;
  const sources = { "product.ts": main };
  const place = (name) => (name.startsWith(own) ? join(kit, name.slice(own.length)) : join(dir, name));
  const { error } = await asc.main(
    ["product.ts", "--debug", "--runtime", "incremental", "--exportStart", "_initialize", "--enable", "simd",
      "--use", "abort=~lib/adp/assembly/abort/end", "-o", "product.wasm", ...flags],
    {
      readFile: (name) => sources[name] ?? read(place(name)),
      writeFile: (name, contents) => { if (name.endsWith(".wasm")) module = contents; },
      listFiles: (name) => list(place(name)),
      reportDiagnostic: (d) => complaints.push(complaint(d, (name) => sources[name] ?? read(place(name.replace(/^~lib\/adp\//, own))))),
      stderr: { write: (text) => said.push(String(text)) },
      stdout: { write: () => {} },
    },
  );
  if (error && !complaints.some((c) => c.error)) complaints.push({ error: true, text: said.join("").trim() || error.message });
  return { module: error ? undefined : module, complaints };
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function list(path) {
  return existsSync(path) && statSync(path).isDirectory() ? readdirSync(path).filter((n) => n.endsWith(".ts") && !n.endsWith(".d.ts")) : null;
}

// What the compiler has to say, as FILE:LINE:COLUMN: error: TEXT.
function complaint(d, source) {
  const error = d.category === 3; // after pedantic, info and warning
  const word = error ? "error" : d.category === 2 ? "warning" : "note";
  let at = "";
  if (d.range) {
    const name = d.range.source.normalizedPath;
    const before = (source(name) ?? "").slice(0, d.range.start).split("\n");
    at = `${name}:${before.length}:${before.at(-1).length + 1}: `;
  }
  return { error, text: `${at}${word}: ${d.message} (AS${d.code})` };
}
