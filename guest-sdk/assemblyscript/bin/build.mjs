#!/usr/bin/env node
// adp-asc DIR OUT.wasm [NODE_MODULES]: compiles the product in DIR/assembly/index.ts.
// adp-asc --stay [NODE_MODULES]: compiles what the lines of its input ask for, {"dir": DIR, "out": OUT.wasm}, and answers each with a
// line, {"ok": true | false, "said": TEXT}. It does not optimise, and from the second on it is warm: it takes a tenth of the time, for
// a person who waits to see what an edit does.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { compile, compiler } from "./compile.mjs";

const product = 'import "./assembly/index";\nexport * from "adp/assembly/exports";\n';

// build writes OUT.wasm, and gives what the compiler had to say of the author's code.
async function build(asc, dir, out, level) {
  const { module, complaints } = await compile(asc, dir, product, [level]);
  if (module) writeFileSync(out, module);
  return { ok: !!module, said: complaints.filter((c) => c.error || !c.text.startsWith("~lib/")).map((c) => c.text + "\n").join("") };
}

const [dir, out, modules] = process.argv.slice(2);
if (dir === "--stay") {
  const asc = await compiler(out);
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    const answer = await build(asc, asked.dir, asked.out, "-O0").catch((e) => ({ ok: false, said: String(e?.stack ?? e) }));
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
} else if (out) {
  const { ok, said } = await build(await compiler(modules), dir, out, "-O3");
  process.stderr.write(said);
  if (!ok) process.exitCode = 1;
} else {
  console.error("usage: adp-asc DIR OUT.wasm [NODE_MODULES] | adp-asc --stay [NODE_MODULES]");
  process.exitCode = 2;
}
