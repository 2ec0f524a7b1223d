package host

import "regexp"

// nameForm is what goes unquoted into URLs, file names, keys of etcd and certificates, and what a line can show.
const nameForm = `[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?`

var (
	nodeName = regexp.MustCompile(`^` + nameForm + `$`)
	meshName = regexp.MustCompile(`^` + nameForm + `(:[0-9]{1,5})?$`)
)

// NameRule says in words what ValidNode and ValidMesh take.
const NameRule = "up to 63 letters, digits, dots, underscores and hyphens, with a letter or digit at both ends"

// ValidNode reports whether a text can be the name of a node.
func ValidNode(s string) bool { return nodeName.MatchString(s) }

// ValidMesh reports whether a text can be the name of a mesh, which is the host of its addresses: a port may follow.
func ValidMesh(s string) bool { return meshName.MatchString(s) }
