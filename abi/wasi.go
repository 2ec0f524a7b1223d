package abi

// WASIModule is the import module of the offered subset of WASI preview 1.
const WASIModule = "wasi_snapshot_preview1"

// WASI errno values that the subset answers with.
const (
	WASISuccess  = 0
	WASIBadFD    = 8  // EBADF: every descriptor beyond 0, 1 and 2
	WASIFault    = 21 // EFAULT: pointers that leave memory
	WASIInvalid  = 28 // EINVAL
	WASINotAllow = 76 // ENOTCAPABLE: every path
)

// WASIOffered lists the functions that do something, within one run and without reaching anything outside it.
// SPEC.md says what each answers.
var WASIOffered = [...]string{
	"args_get", "args_sizes_get", "environ_get", "environ_sizes_get", // none
	"clock_time_get", "clock_res_get", "poll_oneoff", "sched_yield", // the virtual clock
	"random_get", // the run's own stream
	"fd_write",   // 1 and 2 go to the log
	"proc_exit",  // ends the run as failed
}

// WASIClosed lists the functions that exist only so that runtimes and libraries link: there are no files, and each of
// these says so.
var WASIClosed = [...]string{
	"fd_close", "fd_read", "fd_seek", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_filestat_get",
	"fd_prestat_get", "fd_prestat_dir_name", "path_open", "path_filestat_get",
}
