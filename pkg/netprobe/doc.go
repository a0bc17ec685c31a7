// Package netprobe is the second program that runs on a node. It shakes hands with the
// node's own listeners (package transit) and ends. Its pod has the host's network, uid
// 65534 and no capability (package launch). Its order:
//
//	give up the environment, core dumps and large files, open both outputs, start the
//	watchdog, read the list of listening sockets, lock, verify the lock, connect, write
//	the frames, write the trailer, exit
//
// What it gives up (package lock, InstallNet): from the lock on it can open no file, not
// even for reading. It can make TCP sockets, connect them, and read and write them. It
// cannot listen, execute, trace, signal or mount. A filter of system calls cannot see to
// which address a socket connects: package transit compares it before each connect, with
// loopback and with the addresses of --host-ips.
//
// Package answer describes its outputs and how it keeps its time.
package netprobe
