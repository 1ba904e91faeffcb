/*
 * The process that holds the namespaces of a pod: it waits, takes in what its pod leaves behind
 * when they share a process namespace, and ends when told. Every container engine needs such an
 * image; this one is compiled here, so that a lab needs no registry.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
  (void)signal;
  _exit(0);
}

static void reap(int signal) {
  (void)signal;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
