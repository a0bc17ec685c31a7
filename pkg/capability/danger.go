package capability

import "math/bits"

// dangers say what an attacker does with each capability in the node's own user
// namespace, in the order of names. Source: capabilities(7), and the checks of the
// kernel's source where the page is vague. Rank orders them: the highest first.
var dangers = [...]struct {
	rank int
	text string
}{
	{5, "gives itself any file that it can reach, by changing its owner"},                                                    // CHOWN
	{5, "reads and writes any file that it can reach, whatever its permissions"},                                             // DAC_OVERRIDE
	{8, "reads any file of the node, also outside its own mounts (open_by_handle_at)"},                                       // DAC_READ_SEARCH
	{4, "changes permissions, ACLs and times of files that it does not own"},                                                 // FOWNER
	{2, "keeps set-user-ID bits on a file that it changes, so that its own code runs as the file's owner"},                   // FSETID
	{2, "kills processes of other users that it can see"},                                                                    // KILL
	{3, "becomes a member of any group, and reads what that group may read"},                                                 // SETGID
	{4, "becomes any user, root too"},                                                                                        // SETUID
	{3, "hands its capabilities on to other programs"},                                                                       // SETPCAP
	{3, "removes the immutable and append-only marks that protect logs and programs"},                                        // LINUX_IMMUTABLE
	{1, "listens on ports below 1024, in place of a service there"},                                                          // NET_BIND_SERVICE
	{1, "sends broadcasts and listens to multicasts"},                                                                        // NET_BROADCAST
	{7, "changes addresses, routes and firewall rules of its network, and turns its interfaces to listening to all traffic"}, // NET_ADMIN
	{5, "forges packets: it answers for other pods' addresses (ARP, DNS) and reads their traffic"},                           // NET_RAW
	{2, "locks memory so that it cannot be swapped, and takes it from the node's other programs"},                            // IPC_LOCK
	{4, "reads and changes other programs' shared memory and message queues in its IPC namespace"},                           // IPC_OWNER
	{10, "loads code of its own into the kernel, which then controls the whole node"},                                        // SYS_MODULE
	{9, "reads and writes the kernel's memory, I/O ports and disks directly"},                                                // SYS_RAWIO
	{3, "changes its root directory, and so shows forged libraries and user lists to set-user-ID programs"},                  // SYS_CHROOT
	{8, "reads and changes the memory of every process that it can see, with their keys and passwords"},                      // SYS_PTRACE
	{1, "turns process accounting on and off, which hides what ran"},                                                         // SYS_PACCT
	{10, "mounts the node's disks and control groups, and leaves the container by them"},                                     // SYS_ADMIN
	{6, "restarts the node, or loads another kernel (kexec)"},                                                                // SYS_BOOT
	{2, "takes processor time and disk time from the node's other programs"},                                                 // SYS_NICE
	{3, "goes beyond quotas and limits, and fills the node's disks and tables"},                                              // SYS_RESOURCE
	{6, "sets the clock of the whole node: expired certificates count again, logs and tokens get false times"},               // SYS_TIME
	{2, "hangs up and reconfigures terminals of others"},                                                                     // SYS_TTY_CONFIG
	{6, "creates device files; where the device rules allow it, one of the node's disk"},                                     // MKNOD
	{1, "takes leases on files, and delays other programs that open them"},                                                   // LEASE
	{2, "writes false records to the node's audit log"},                                                                      // AUDIT_WRITE
	{6, "turns the node's auditing off and changes its rules"},                                                               // AUDIT_CONTROL
	{4, "gives capabilities to files, so that whoever runs them has these"},                                                  // SETFCAP
	{6, "ignores the node's mandatory access control (Smack)"},                                                               // MAC_OVERRIDE
	{7, "changes the node's mandatory access control: loads and removes AppArmor profiles and Smack rules"},                  // MAC_ADMIN
	{4, "reads the kernel's log and its addresses, which helps to attack the kernel, and clears the log"},                    // SYSLOG
	{1, "wakes the node from its sleep"},                                                                                     // WAKE_ALARM
	{1, "keeps the node from its sleep"},                                                                                     // BLOCK_SUSPEND
	{4, "reads the node's audit log"},                                                                                        // AUDIT_READ
	{5, "watches what every process and the kernel do (perf), and learns keys and addresses from it"},                        // PERFMON
	{9, "loads programs into the kernel (BPF) that read its memory and change what other programs see"},                      // BPF
	{5, "chooses process ids and reads the maps of other processes (checkpoint/restore)"},                                    // CHECKPOINT_RESTORE
}

// Danger says in one sentence without a subject what an attacker does with a
// capability ("loads code of its own into the kernel, ..."). It is "" for a number
// without a name.
func (n Number) Danger() string {
	if n < Number(len(dangers)) {
		return dangers[n].text
	}
	return ""
}

// Gravest is the capability of a mask with which an attacker gets furthest; ok is
// false if the mask has none that has a name.
func Gravest(mask uint64) (gravest Number, ok bool) {
	for ; mask != 0; mask &= mask - 1 {
		n := Number(bits.TrailingZeros64(mask))
		if n <= Last && (!ok || dangers[n].rank > dangers[gravest].rank) {
			gravest, ok = n, true
		}
	}
	return gravest, ok
}
