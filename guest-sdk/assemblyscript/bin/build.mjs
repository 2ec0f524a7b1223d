#!/usr/bin/env node
// adp-asc DIR OUT.wasm [NODE_MODULES]: compiles the product in DIR/assembly/index.ts.
import { writeFileSync } from "node:fs";
import { compile, compiler } from "./compile.mjs";

const [dir, out, modules] = process.argv.slice(2);
if (!out) {
  console.error("usage: adp-asc DIR OUT.wasm [NODE_MODULES]");
  process.exit(2);
}
const asc = await compiler(modules);
const { module, complaints } = await compile(asc, dir, 'import "./assembly/index";\nexport * from "adp/assembly/exports";\n', ["-O3"]);
for (const c of complaints) if (c.error || !c.text.startsWith("~lib/")) console.error(c.text);
if (!module) process.exit(1);
writeFileSync(out, module);
