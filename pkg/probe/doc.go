// Package probe is the code that runs on a node: it reads the node and ends. It
// runs in a pod (package launch defines its rights and brings the answer back).
// Before it reads anything it gives up whatever it does not need: see package
// lock. Its order:
//
//	give up the environment, core dumps and large files, open both outputs, close
//	what else is open, start the watchdog, lock, verify the lock, collect, write
//	the frames, write the trailer, exit
//
// Its answer has the format of package wire: frames on standard output, a
// trailer as the container's termination message, and an exit status. It writes
// nothing to standard error, not even when it crashes. It always ends within
// --timeout: collecting must end a little earlier, and what was read by then is
// the answer, with a gap for the rest. A dead file system blocks a thread
// forever. So if collecting hands over nothing, a watchdog answers with a gap
// for each kind and calls exit_group(2).
package probe
