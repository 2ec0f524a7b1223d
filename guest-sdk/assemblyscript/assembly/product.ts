// What a product is.
import { Batch } from "./column";

// One run of a product. It is made when the run begins: outputs belong into its fields. What must survive the run belongs into state.
export abstract class Product {
  // Called for each batch of each input: first those of all snapshot inputs, then those of the incremental ones.
  abstract process(batch: Batch): void;

  // Called once, when all batches are through.
  flush(): void {}
}

let factory: (() => Product) | null = null;

// Makes a class the product of this module: register((): Product => new Greeter()).
export function register(make: () => Product): void {
  factory = make;
}

export function make(): Product {
  const f = factory;
  if (!f) throw new Error("this module has no product: register((): Product => new …())");
  return f();
}
