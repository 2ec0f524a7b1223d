// The module "adp" outside the sandbox: the same code as in it, over a host for tests.
import "./fake.js";
export * from "./engine/src/adp.js";
