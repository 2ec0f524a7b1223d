package host

// Every code the system shows, in one place. A code keeps its meaning for ever; a retired one is not given away again.
// The exit code of the command line follows from the code: see ExitCode.
const (
	// M: manifests (documents of a product).
	CodeManifestSyntax   ErrorCode = "ADP-M001" // not YAML
	CodeManifestField    ErrorCode = "ADP-M002" // a field the document's version forbids
	CodeManifestType     ErrorCode = "ADP-M003" // a value of the wrong type or outside its range
	CodeManifestMissing  ErrorCode = "ADP-M004" // a required field is missing
	CodeManifestContract ErrorCode = "ADP-M005" // a contract cannot be found or does not fit its port
	CodeManifestColumn   ErrorCode = "ADP-M006" // a column outside the type table, or unknown where it is named
	CodeManifestRule     ErrorCode = "ADP-M007" // a quality rule that cannot be checked
	CodeManifestVersion  ErrorCode = "ADP-M008" // apiVersion not supported
	CodeManifestRef      ErrorCode = "ADP-M009" // an address (from:, path) that means nothing

	// B: build.
	CodeBuildToolchain ErrorCode = "ADP-B001" // compiler missing
	CodeBuildCompile   ErrorCode = "ADP-B002" // the compiler said no
	CodeBuildModule    ErrorCode = "ADP-B003" // the module lacks an export or uses what is not offered
	CodeBuildTest      ErrorCode = "ADP-B004" // a fixture that tests nothing, or does not fit

	// S: sandbox.
	CodeModuleInvalid  ErrorCode = "ADP-S001" // not Wasm, or does not validate
	CodeModuleRefused  ErrorCode = "ADP-S002" // admission: limit, import, export, feature
	CodeGuestTrap      ErrorCode = "ADP-S003" // trapped (unreachable, bounds, divide, …)
	CodeGuestDeadline  ErrorCode = "ADP-S004" // ran past its deadline
	CodeGuestFuel      ErrorCode = "ADP-S005" // used up its fuel
	CodeGuestStack     ErrorCode = "ADP-S006" // recursed past its stack budget
	CodeGuestMemory    ErrorCode = "ADP-S007" // grew past its memory limit and gave up
	CodeGuestBatch     ErrorCode = "ADP-S008" // emitted a batch that is not what it claims
	CodeGuestOutput    ErrorCode = "ADP-S009" // emitted more than its output limit
	CodeGuestStatus    ErrorCode = "ADP-S010" // returned a non-zero status
	CodeGuestABI       ErrorCode = "ADP-S011" // speaks another ABI version, or breaks the ABI
	CodeGuestLogs      ErrorCode = "ADP-S012" // logged past its limit
	CodeGuestCallLimit ErrorCode = "ADP-S013" // called the host too often, or out of place
	CodeGuestShare     ErrorCode = "ADP-S014" // asks for more than its tenant or product may have on this node

	// R: runs.
	CodeRunHeld      ErrorCode = "ADP-R001" // a rule held the attempt
	CodeRunInput     ErrorCode = "ADP-R002" // an input could not be read
	CodeRunChanged   ErrorCode = "ADP-R003" // an incremental file changed after it was read
	CodeRunState     ErrorCode = "ADP-R004" // state limit or state file damaged
	CodeRunLostOwner ErrorCode = "ADP-R005" // another node owns the product now
	CodeRunStore     ErrorCode = "ADP-R006" // a file could not be written (disk full, permission)
	CodeRunPaused    ErrorCode = "ADP-R007" // the product is paused
	CodeRunBusy      ErrorCode = "ADP-R008" // a run is under way
	CodeRunNotHeld   ErrorCode = "ADP-R009" // nothing is held that could be released or skipped

	// T: tables.
	CodeTableType     ErrorCode = "ADP-T001" // a type outside the table
	CodeTableSchema   ErrorCode = "ADP-T002" // rows do not fit the port's schema
	CodeTableKey      ErrorCode = "ADP-T003" // a key is null or missing
	CodeTableDamaged  ErrorCode = "ADP-T004" // a file is missing or does not match its hash
	CodeTableSnapshot ErrorCode = "ADP-T005" // no such snapshot, or it has expired

	// N: nodes and cluster.
	CodeNodeUnreachable ErrorCode = "ADP-N001" // no node answers
	CodeNodeCycle       ErrorCode = "ADP-N002" // products would feed each other
	CodeNodeInUse       ErrorCode = "ADP-N003" // the data directory or port is in use
	CodeNodeEtcd        ErrorCode = "ADP-N004" // etcd failed
	CodeNodeSetup       ErrorCode = "ADP-N005" // a setting that cannot work
	CodeNodeConflict    ErrorCode = "ADP-N006" // somebody else changed it meanwhile
	CodeNodeUnknown     ErrorCode = "ADP-N007" // no such node
	CodeNodeVersion     ErrorCode = "ADP-N008" // nodes of versions that do not fit
	CodeNodeFull        ErrorCode = "ADP-N009" // etcd's database has reached its quota
	CodeNodeStore       ErrorCode = "ADP-N010" // a store that is not the mesh's

	// P: policy.
	CodePolicyDenied ErrorCode = "ADP-P001"

	// A: access.
	CodeAccessUnknown ErrorCode = "ADP-A001" // no such product or port
	CodeAccessFormat  ErrorCode = "ADP-A002" // no such representation
	CodeAccessQuery   ErrorCode = "ADP-A003" // a bad query parameter
	CodeAccessEmpty   ErrorCode = "ADP-A004" // the port has published nothing yet
	CodeAccessCursor  ErrorCode = "ADP-A005" // a bad or expired cursor
	CodeAccessRequest ErrorCode = "ADP-A006" // a bad request (host, origin, method, body)
	CodeAccessExpired ErrorCode = "ADP-A007" // a cursor that was good once: what follows it is no longer kept
	CodeAccessAddress ErrorCode = "ADP-A008" // not the address of a product

	// D: drivers.
	CodeDriverUnknown   ErrorCode = "ADP-D001" // no such driver
	CodeDriverOpen      ErrorCode = "ADP-D002" // cannot be opened or listed
	CodeDriverFormat    ErrorCode = "ADP-D003" // data that the format forbids
	CodeDriverSchema    ErrorCode = "ADP-D004" // columns that the contract does not have, or lacks
	CodeDriverChanged   ErrorCode = "ADP-D005" // what was read before is not what is there now
	CodeDriverStatement ErrorCode = "ADP-D006" // a statement that is wrong, reaches beyond the inputs, or fails on their rows

	// G: registry.
	CodeRegistryUnknown ErrorCode = "ADP-G001" // no such artifact
	CodeRegistryDigest  ErrorCode = "ADP-G002" // bytes do not match their digest
	CodeRegistryFormat  ErrorCode = "ADP-G003" // not an artifact of adp
)

// Exit codes of the command line.
const (
	ExitOK        = 0
	ExitFailed    = 1
	ExitUsage     = 2
	ExitViolated  = 3 // contract, document or policy of data
	ExitDenied    = 4
	ExitNotFound  = 5
	ExitInterrupt = 130
)

// ExitCode is the process exit code that an error deserves.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	code := CodeOf(err)
	switch code {
	case CodeAccessFormat, CodeAccessQuery, CodeAccessAddress: // what was asked for means nothing
		return ExitUsage
	case CodeRunHeld, CodeTableSchema, CodeTableKey, CodeNodeCycle:
		return ExitViolated
	case CodePolicyDenied:
		return ExitDenied
	case CodeAccessUnknown, CodeRegistryUnknown, CodeTableSnapshot, CodeAccessEmpty, CodeNodeUnknown:
		return ExitNotFound
	}
	if len(code) > 4 && code[4] == 'M' {
		return ExitViolated
	}
	return ExitFailed
}
