//go:build ignore

/*
 * The loader of the embedded probe: the first program of a probe pod that
 * pulls no image of ours.
 *
 * A ConfigMap holds 1 MiB and the probe is larger, so the plugin writes it in
 * parts, and the pod starts this as "DIR/loader DIGEST ARGUMENTS...". It joins
 * DIR/part.00, DIR/part.01, ... up to the first that is not there, into OUT,
 * compares the sum with the decimal number in DIR/size, and the SHA-256 of what
 * it wrote with DIGEST, 64 lower-case hex digits. Only if both are the same it
 * becomes OUT by execve, with ARGUMENTS, "OUT" as argv[0], and no environment:
 * Go reads GODEBUG and GOTRACEBACK before main. It keeps no descriptor open.
 *
 * DIGEST is part of the pod, which the plugin compares with what it sent. So
 * whoever may write ConfigMaps in the namespace, but not pods, gets nothing to
 * run here, unless this file itself is another one: the loader comes in a
 * ConfigMap too, and nothing in the pod can check it (package probe does,
 * afterwards).
 *
 * What is guaranteed: the bytes that are hashed are those that write(2) gets,
 * from the same buffer, and no part is read twice. They go into a new file
 * (O_EXCL, which follows no link either). From then on its name does not
 * matter: what is executed is this very file, through the descriptor that wrote
 * it. While anybody has it open for writing, execve fails, and while it runs,
 * nobody can open it so (ETXTBSY; kernels 6.11 to 6.12.1 lack it). What is left
 * is somebody who opens the file for writing, changes it and closes it again
 * before execve. That takes the file's owner or CAP_DAC_OVERRIDE, and a way to
 * the volume. Other processes of the same user have none: from its first system
 * call on the loader is not dumpable (PR_SET_DUMPABLE), which closes its
 * /proc/PID/root to them, nor is the probe, where its user cannot read the file
 * (mode 0100; execve(2)). There remain root of the node, who needs no such
 * thing, and a container in this very pod that mounts the volume: the pod's
 * spec would then not be what was sent.
 *
 * It ends, whatever the parts are: opening a FIFO does not wait, at most MAX
 * bytes are written and at most PARTS files read.
 *
 * Why C, and no libc: a Go program is over 1.2 MB and would itself fit no
 * ConfigMap; this is about 2.4 KB. Why a file and not a memfd: a program that
 * runs from a memfd is what Falco's fileless-execution rule looks for.
 *
 * It makes seven system calls (openat, read, write, close, prctl, execve,
 * exit_group), each in every runtime's default seccomp profile; it needs no
 * capability, no writable root, and no page that is both writable and
 * executable. It needs /proc, which every runtime mounts.
 *
 * Each step that fails has an exit status of its own, and one line such as
 * "checklist loader: errno 017 /work/checklist-probe" in the termination log,
 * which the pod's status brings to the plugin, and on stderr. The line is all
 * that it writes there, at most LINE bytes. loader.go names the statuses and
 * reads the line.
 *
 * Rebuild with ./build.sh; TestObjectsAreBuiltFromSource compares the bytes.
 */

#define DIR "/checklist/"
#define OUT "/work/checklist-probe"
#define LOG "/dev/termination-log"

/* Exit statuses: Code* in loader.go. */
enum { SIZE = 90, OPEN, READ, CREATE, WRITE, SUM, EXEC, ARGUMENT, DIGEST };

/* Limits: MaxParts, MaxProbe and MaxLine in loader.go. */
enum { PARTS = 100, MAX = 100000000, LINE = 64 };

/* asm/fcntl.h, linux/fcntl.h, asm-generic/errno-base.h and errno.h: the same
 * values on both architectures. */
enum { AT_FDCWD = -100, O_RDONLY = 0, O_WRONLY = 01, O_CREAT = 0100, O_EXCL = 0200, O_NONBLOCK = 04000 };
enum { O_CLOEXEC = 02000000, O_PATH = 010000000 };
enum { PR_SET_DUMPABLE = 4 }; /* linux/prctl.h */
enum { ENOENT = 2, EINVAL = 22, EFBIG = 27, EBADMSG = 74 };

/* asm/unistd.h. An entry gives run() the stack of a new process: argc, argv,
 * a null pointer, the environment, a null pointer. */
#if defined(__x86_64__)
enum { NR_read = 0, NR_write = 1, NR_close = 3, NR_execve = 59, NR_prctl = 157, NR_exit_group = 231, NR_openat = 257 };
__asm__(".globl _start\n_start: mov %rsp, %rdi\n\tcall run");

static long sys4(long nr, long a, long b, long c, long d) {
	register long r10 __asm__("r10") = d;
	__asm__ volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return nr;
}

static long sys(long nr, long a, long b, long c) {
	__asm__ volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return nr;
}
#elif defined(__aarch64__)
enum { NR_read = 63, NR_write = 64, NR_close = 57, NR_execve = 221, NR_exit_group = 94, NR_prctl = 167, NR_openat = 56 };
__asm__(".globl _start\n_start: mov x0, sp\n\tbl run");

static long sys4(long nr, long a, long b, long c, long d) {
	register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c, x3 __asm__("x3") = d;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

static long sys(long nr, long a, long b, long c) {
	register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
#else
#error "linux/amd64 and linux/arm64 only"
#endif

static __attribute__((noinline)) int open(const char *path, int flags) {
	return sys4(NR_openat, AT_FDCWD, (long)path, flags, 0100);
}

static char *append(char *to, const char *from) {
	while (*from)
		*to++ = *from++;
	return to;
}

/* fail says what went wrong and exits. result is a system call's: minus an
 * errno, which on Linux is below 1000. */
static _Noreturn __attribute__((noinline)) void fail(int status, const char *path, int result) {
	char line[LINE], *end = append(line, "checklist loader: errno 000 ");
	unsigned err = -result;

	for (int i = 26; err; err /= 10)
		line[i--] += err % 10;
	end = append(end, path);
	*end++ = '\n';
	/* First the log: it is a file, and stderr may be a pipe that nobody reads. */
	sys(NR_write, open(LOG, O_WRONLY | O_NONBLOCK), (long)line, end - line);
	sys(NR_write, 2, (long)line, end - line);
	for (;;)
		sys(NR_exit_group, status, 0, 0);
}

/* A digest that is being computed: FIPS 180-4, SHA-256. */
struct sha {
	unsigned h[8];
	unsigned size;            /* bytes so far, at most MAX and some */
	unsigned char block[64];  /* the last size % 64 of them */
};

/* FIPS 180-4, 5.3.3 and 4.2.2. */
static const unsigned initial[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const unsigned K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static unsigned rotr(unsigned x, int n) {
	return x >> n | x << (32 - n);
}

/* put adds a byte, and with each 64th a block: 6.2.2. */
static __attribute__((noinline)) void put(struct sha *s, unsigned char byte) {
	unsigned w[64], v[8];

	s->block[s->size++ % 64] = byte;
	if (s->size % 64)
		return;
	for (int i = 0; i < 8; i++)
		v[i] = s->h[i];
	for (int i = 0; i < 64; i++) {
		if (i < 16) {
			const unsigned char *p = s->block + 4 * i;
			w[i] = (unsigned)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
		} else {
			unsigned a = w[i - 15], b = w[i - 2];
			w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] + (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
		}
		unsigned a = v[0], e = v[4];
		unsigned t1 = v[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + K[i] + w[i];
		unsigned t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
		for (int j = 7; j > 0; j--)
			v[j] = v[j - 1];
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		s->h[i] += v[i];
}

/* differs ends the digest (5.1.1) and compares it with hex digits. */
static int differs(struct sha *s, const char *want) {
	unsigned bits = s->size * 8;
	int different = 0;

	put(s, 0x80);
	while (s->size % 64 != 56)
		put(s, 0);
	for (int i = 56; i >= 0; i -= 8)
		put(s, i > 24 ? 0 : bits >> i); /* MAX bytes are below 1 << 32 bits */
	for (int i = 0; i < 64; i++)
		different |= want[i] ^ "0123456789abcdef"[s->h[i / 8] >> (28 - i % 8 * 4) & 15];
	return different;
}

/* self names a descriptor below 100: what opens the name opens its file. */
static __attribute__((noinline)) void self(char *to, int fd) {
	to = append(to, "/proc/self/fd/");
	if (fd > 9)
		*to++ = '0' + fd / 10;
	*to++ = '0' + fd % 10;
	*to = 0;
}

__attribute__((used)) void run(char **argv) {
	long argc = (long)argv[0];
	char *want = argv[2], buf[65536], path[32], *digits = append(path, DIR "part.");
	struct sha sha;
	int in, out, n, size = 0, sum = 0;

	sys(NR_prctl, PR_SET_DUMPABLE, 0, 0);
	for (int i = 0; i < 65; i++) {
		unsigned c = argc < 2 ? 0 : want[i];
		if (i < 64 ? c - '0' > 9 && c - 'a' > 5 : c)
			fail(ARGUMENT, DIR "loader", -EINVAL);
	}
	for (int i = 0; i < 8; i++)
		sha.h[i] = initial[i];
	sha.size = 0;

	in = open(DIR "size", O_RDONLY | O_NONBLOCK);
	if (in < 0)
		fail(SIZE, DIR "size", in);
	n = sys(NR_read, in, (long)buf, 10);
	if (n <= 0 || n == 10) /* 9 digits do */
		fail(SIZE, DIR "size", n < 0 ? n : -EINVAL);
	for (int i = 0; i < n; i++) {
		unsigned digit = buf[i] - '0';
		if (digit > 9)
			fail(SIZE, DIR "size", -EINVAL);
		size = size * 10 + digit;
	}
	if (size > MAX)
		fail(SIZE, DIR "size", -EFBIG);
	sys(NR_close, in, 0, 0);

	out = open(OUT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
	if (out < 0)
		fail(CREATE, OUT, out);
	for (int i = 0;; i++) {
		/* After part.99 comes part.:0, which is not there either. */
		digits[0] = '0' + i / 10;
		digits[1] = '0' + i % 10;
		digits[2] = 0;
		in = i < PARTS ? open(path, O_RDONLY | O_NONBLOCK) : -ENOENT;
		if (in == -ENOENT)
			break;
		if (in < 0)
			fail(OPEN, path, in);
		while ((n = sys(NR_read, in, (long)buf, sizeof(buf))) > 0) {
			sum += n;
			if (sum > size)
				fail(SUM, path, -EFBIG);
			for (int done = 0, w; done < n; done += w) {
				w = sys(NR_write, out, (long)buf + done, n - done);
				if (w <= 0)
					fail(WRITE, OUT, w);
			}
			for (int j = 0; j < n; j++)
				put(&sha, buf[j]);
		}
		if (n < 0)
			fail(READ, path, n);
		sys(NR_close, in, 0, 0);
	}
	if (sum < size)
		fail(SUM, path, -ENOENT);
	if (differs(&sha, want))
		fail(DIGEST, OUT, -EBADMSG);

	self(path, out);
	in = open(path, O_PATH | O_CLOEXEC);
	if (in < 0)
		fail(EXEC, path, in);
	/* While it is open for writing it cannot be executed: ETXTBSY. */
	n = sys(NR_close, out, 0, 0);
	if (n < 0)
		fail(WRITE, OUT, n);

	argv[2] = OUT;
	self(path, in);
	/* The null pointer that ends the arguments is an environment: an empty one. */
	fail(EXEC, OUT, sys(NR_execve, (long)path, (long)(argv + 2), (long)(argv + argc + 1)));
}
