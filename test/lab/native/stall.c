/*
 * Holds one thread of another process still until this program's standard input ends: `stall TID`.
 * Says "stalled" once it stands. The other threads go on, which no signal can do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char byte;
	pid_t thread = argc > 1 ? atoi(argv[1]) : 0;

	if (ptrace(PTRACE_SEIZE, thread, 0, 0) || ptrace(PTRACE_INTERRUPT, thread, 0, 0)) {
		perror("ptrace");
		return 1;
	}
	if (waitpid(thread, NULL, __WALL) != thread) {
		perror("waitpid");
		return 1;
	}
	puts("stalled");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
