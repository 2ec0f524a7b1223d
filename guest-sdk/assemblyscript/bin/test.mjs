#!/usr/bin/env node
// adp-test DIR [NODE_MODULES]: compiles DIR/assembly/*.test.ts, each with the product that it imports, and runs their tests.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { compile, compiler } from "./compile.mjs";

const [dir, modules] = process.argv.slice(2);
if (!dir) {
  console.error("usage: adp-test DIR [NODE_MODULES]");
  process.exit(2);
}
const asc = await compiler(modules);
const levels = ["debug", "info", "warn", "error"];
let passed = 0, failed = 0;
for (const file of readdirSync(join(dir, "assembly")).filter((n) => n.endsWith(".test.ts")).sort()) await testFile(file);
if (passed + failed === 0) console.error(`there is no test in ${join(dir, "assembly")}: NAME.test.ts declares some with test(…)`);
else console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

async function testFile(file) {
  const name = file.slice(0, -3);
  const main = `import "adp";\nimport "./assembly/${name}";\nexport { adp_test } from "adp/assembly/test";\n`;
  const { module, complaints } = await compile(asc, dir, main, ["--use", "ADP_FAKE=1"]);
  for (const c of complaints) if (c.error || !c.text.startsWith("~lib/")) console.error(c.text);
  const compiled = module && (await WebAssembly.compile(module));
  if (!compiled) return result(file, "compiles", "it does not", []);
  const { declared, logs, ended } = run(compiled, -1);
  if (ended) result(file, "begins", ended, logs);
  else declared.forEach((t, i) => check(file, compiled, t, i));
}

// Runs test i of a module in an instance of its own; -1: only what declares the tests.
function run(compiled, i) {
  const declared = [], logs = [];
  let memory, ended = "";
  const text = (at, len) => new TextDecoder().decode(new Uint8Array(memory.buffer, at, len));
  const imports = {
    adp_test: {
      declare: (name, nameLen, why, whyLen) => declared.push({ name: text(name, nameLen), why: text(why, whyLen) }),
      log: (level, at, len) => logs.push({ level, text: text(at, len) }),
    },
  };
  try {
    const { exports } = new WebAssembly.Instance(compiled, imports);
    memory = exports.memory;
    exports._initialize();
    if (i >= 0) exports.adp_test(i);
  } catch (e) {
    const last = logs.findLast((l) => l.level === 3);
    ended = last && e.message === "unreachable" ? last.text : `${e.message}${frame(e)}`;
  }
  return { declared, logs, ended };
}

// The innermost function of the author's in the stack of a trap.
function frame(e) {
  const at = /at (assembly\/\S+)/.exec(e.stack ?? "");
  return at ? ` (in ${at[1]})` : "";
}

function check(file, compiled, t, i) {
  const { logs, ended } = run(compiled, i);
  if (!t.why) result(file, t.name, ended, logs);
  else if (!ended) result(file, t.name, `it did not fail; expected: ${t.why}`, logs);
  else result(file, t.name, ended.includes(t.why) ? "" : `it failed otherwise: ${ended}; expected: ${t.why}`, logs);
}

function result(file, name, wrong, logs) {
  if (!wrong) {
    passed++;
    console.log(`ok    ${file}: ${name}`);
    return;
  }
  failed++;
  console.log(`FAIL  ${file}: ${name}: ${wrong}`);
  for (const l of logs) if (!wrong.includes(l.text)) console.log(`      ${levels[l.level]}: ${l.text}`);
}
