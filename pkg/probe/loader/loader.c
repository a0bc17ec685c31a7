//go:build ignore

/*
 * The loader of the embedded probe: the first program of a probe pod that
 * pulls no image of ours.
 *
 * A ConfigMap holds 1 MiB and the probe is larger, so the plugin writes it in
 * parts, and the pod starts this. It joins DIR/part.00, DIR/part.01, ... up to
 * the first that is not there, into OUT, holds the sum against the decimal
 * number in DIR/size, and becomes OUT by execve, with its own arguments and
 * environment, but for argv[0], which becomes OUT. It keeps no descriptor open.
 *
 * Why C, and no libc: a Go program is over 1.2 MB and would itself fit no
 * ConfigMap; this is about 1 KB. Why a file and not a memfd: a program that
 * runs from a memfd is what Falco's fileless-execution rule looks for.
 *
 * It makes six system calls (openat, read, write, close, execve, exit_group),
 * each in every runtime's default seccomp profile; it needs no capability, no
 * writable root, and no page that is both writable and executable.
 *
 * Each step that fails has an exit status of its own, and one line such as
 * "checklist loader: errno 017 /work/checklist-probe" on stderr and in the
 * termination log, which the pod's status brings to the plugin. loader.go names
 * the statuses and reads the line.
 *
 * Rebuild with ./build.sh; TestObjectsAreBuiltFromSource compares the bytes.
 */

#define DIR "/checklist/"
#define OUT "/work/checklist-probe"
#define LOG "/dev/termination-log"

/* Exit statuses: Code* in loader.go. */
enum { SIZE = 90, OPEN, READ, CREATE, WRITE, SUM, EXEC };

/* asm/fcntl.h, linux/fcntl.h and asm-generic/errno-base.h: the same values on
 * both architectures. */
enum { AT_FDCWD = -100, O_RDONLY = 0, O_WRONLY = 01, O_CREAT = 0100, O_EXCL = 0200 };
enum { ENOENT = 2, EINVAL = 22, EFBIG = 27 };

/* asm/unistd.h. An entry gives run() the stack of a new process: argc, argv,
 * a null pointer, the environment, a null pointer. */
#if defined(__x86_64__)
enum { NR_read = 0, NR_write = 1, NR_close = 3, NR_execve = 59, NR_exit_group = 231, NR_openat = 257 };
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
enum { NR_read = 63, NR_write = 64, NR_close = 57, NR_execve = 221, NR_exit_group = 94, NR_openat = 56 };
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

static __attribute__((noinline)) long open(const char *path, long flags) {
	return sys4(NR_openat, AT_FDCWD, (long)path, flags, 0500);
}

static char *append(char *to, const char *from) {
	while (*from)
		*to++ = *from++;
	return to;
}

/* fail tells what went wrong and exits. result is a system call's: minus an
 * errno, which on Linux is below 1000. */
static _Noreturn __attribute__((noinline)) void fail(int status, const char *path, long result) {
	char line[64], *end = append(line, "checklist loader: errno 000 ");
	unsigned err = -result;

	for (int i = 26; err; err /= 10)
		line[i--] += err % 10;
	end = append(end, path);
	*end++ = '\n';
	sys(NR_write, 2, (long)line, end - line);
	sys(NR_write, open(LOG, O_WRONLY), (long)line, end - line);
	for (;;)
		sys(NR_exit_group, status, 0, 0);
}

__attribute__((used)) void run(char **argv) {
	char **envp = argv + (long)argv[0] + 2, buf[65536], part[32];
	char *ones = append(part, DIR "part.00") - 1;
	long in, out, n, size = 0, sum = 0;

	ones[1] = 0;
	in = open(DIR "size", O_RDONLY);
	if (in < 0)
		fail(SIZE, DIR "size", in);
	n = sys(NR_read, in, (long)buf, 16);
	if (n <= 0 || n == 16) /* 15 digits do */
		fail(SIZE, DIR "size", n < 0 ? n : -EINVAL);
	for (long i = 0; i < n; i++) {
		unsigned digit = buf[i] - '0';
		if (digit > 9)
			fail(SIZE, DIR "size", -EINVAL);
		size = size * 10 + digit;
	}
	sys(NR_close, in, 0, 0);

	out = open(OUT, O_WRONLY | O_CREAT | O_EXCL);
	if (out < 0)
		fail(CREATE, OUT, out);
	while ((in = open(part, O_RDONLY)) >= 0) {
		while ((n = sys(NR_read, in, (long)buf, sizeof(buf))) > 0) {
			sum += n;
			for (long done = 0, w; done < n; done += w) {
				w = sys(NR_write, out, (long)buf + done, n - done);
				if (w <= 0)
					fail(WRITE, OUT, w);
			}
		}
		if (n < 0)
			fail(READ, part, n);
		sys(NR_close, in, 0, 0);
		/* After part.99 comes part.:0, which is not there either. */
		if (++*ones > '9') {
			*ones = '0';
			ones[-1]++;
		}
	}
	if (in != -ENOENT)
		fail(OPEN, part, in);
	if (sum != size)
		fail(SUM, part, sum < size ? -ENOENT : -EFBIG);
	/* While it is open for writing it cannot be executed: ETXTBSY. */
	n = sys(NR_close, out, 0, 0);
	if (n < 0)
		fail(WRITE, OUT, n);

	argv[1] = OUT;
	fail(EXEC, OUT, sys(NR_execve, (long)OUT, (long)(argv + 1), (long)envp));
}
