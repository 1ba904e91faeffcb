/*
 * Runs a program as if on a kernel that refuses bpf(2): `nobpf ERRNO PROGRAM ARGS...`.
 * ENOSYS (38) is a kernel built without BPF; EPERM (1) is one locked down by its administrator,
 * or a container runtime's seccomp profile. A filter survives exec, so the program needs no help.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: nobpf ERRNO PROGRAM ARGS...\n");
		return 2;
	}
	unsigned int error = (unsigned int)atoi(argv[1]) & SECCOMP_RET_DATA;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("nobpf: cannot set the filter");
		return 3;
	}
	execvp(argv[2], &argv[2]);
	perror(argv[2]);
	return 127;
}
