package adp

import (
	"encoding/binary"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// Short names of what the ABI fixes.
const (
	abiVersion = abi.Version

	portSize, portName, portNameLen, portMode, portSchema         = abi.PortSize, abi.PortName, abi.PortNameLen, abi.PortMode, abi.PortSchema
	schemaSize, schemaFormat, schemaName, schemaDictionary        = abi.SchemaSize, abi.SchemaFormat, abi.SchemaName, abi.SchemaDictionary
	schemaFlags, schemaNChildren, schemaChildren, flagNullable    = abi.SchemaFlags, abi.SchemaNChildren, abi.SchemaChildren, abi.FlagNullable
	statusFailed, statusNotFound, statusNotNow, statusBadArgument = Status(abi.Failed), Status(abi.NotFound), Status(abi.NotNow), Status(abi.BadArgument)

	columnOp = abi.ColumnOp
)

func putU32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
func putI64(b []byte, at int, v int64)  { binary.LittleEndian.PutUint64(b[at:], uint64(v)) }
