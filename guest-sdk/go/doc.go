// Package adp is the Go SDK for autonomous data products: code that an adp node runs in a WebAssembly sandbox.
//
// A product is a function that ties logic to the ports its documents declare. It is called once for each run:
//
//	func init() { adp.Register(product) }
//	func main() {}
//
//	func product(p *adp.Product) error {
//		cities := map[string]string{}
//		adp.OnRow(p, "airports", func(a *Airport) error { // a snapshot input: the whole table, first
//			cities[a.Code] = a.City
//			return nil
//		})
//		out := adp.Output[Risk](p, "risk")
//		adp.OnRow(p, "strikes", func(s *Strike) error { // an incremental input: what is new
//			out.Emit(Risk{Airport: s.Airport, City: cities[s.Airport], Cost: s.Cost})
//			return nil
//		})
//		return nil
//	}
//
// Rows are structs whose fields name columns; [OnRow], [Rows], [Output] and [Read] move them. Code that wants speed takes
// columns instead: [Product.OnBatch] gives slices that lie on the host's buffers without a copy, [Product.Writer] takes
// columns. State, settings, log, metrics, clock, randomness, drivers and policy are methods of [Product].
//
// Errors need no checking. What the host refuses (a limit, a bad key, a failed driver) is remembered and fails the run, and a run
// publishes everything or nothing. A handler fails the run by returning an error or by panicking.
//
// Build with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o product.wasm .
//
// and test natively with package adptest. Normative for what crosses the sandbox's wall is abi/SPEC.md of the project.
package adp
