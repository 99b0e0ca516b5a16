// Floor: conmon + runtime by posix_spawn and nothing else. No state files, no fsync, no checks, no cgroup for conmon.
// Commands on stdin, one JSON line per answer: bench/peers/protocol.ts has them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char W[512], EXITS[600], SOCKS[600];
static char *TEMPLATE; // config.json with @ARGS@ and @ID@
static char *PROCESS;  // process spec of exec
static const char *CONMON = "/usr/bin/conmon";
static char *ENVP[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4", NULL};
static char *ENVRT[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
static int made, execs;

static void die(const char *what) { fprintf(stderr, "floor: %s: %s\n", what, strerror(errno)); exit(1); }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e3 + t.tv_nsec / 1e6; }
static char *fmt(const char *f, ...) { va_list a; va_start(a, f); char *s; if (vasprintf(&s, f, a) < 0) die("asprintf"); va_end(a); return s; }
static char *slurp(const char *p) {
  int fd = open(p, O_RDONLY | O_CLOEXEC); if (fd < 0) return NULL;
  char *b = malloc(65536); int n = 0, r; while ((r = read(fd, b + n, 65535 - n)) > 0) n += r; b[n] = 0; close(fd); return b; }
static void spit(const char *p, const char *s) { int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); if (fd < 0) die(p); if (write(fd, s, strlen(s)) < 0) die(p); close(fd); }
static char *replace(const char *s, const char *a, const char *b) {
  const char *p = strstr(s, a); if (!p) return strdup(s);
  return fmt("%.*s%s%s", (int)(p - s), s, b, p + strlen(a)); }

typedef struct { char id[64]; char *bundle, *dir, *root; const char *rt; int pid; } Ctr;
typedef struct { int ino; } Lane;

static const char *runtimePath(const char *h) { return strcmp(h, "crun") == 0 ? "/usr/bin/crun" : "/usr/sbin/runc"; }

static void rmrf(const char *d) { char *c = fmt("rm -rf '%s'", d); if (system(c)) {} free(c); }
static void bundleOf(Ctr *c, const char *h, const char *args) {
  int n = __sync_add_and_fetch(&made, 1);
  snprintf(c->id, sizeof c->id, "fl%d-%d", getpid(), n);
  c->bundle = fmt("%s/b/%s", W, c->id); c->dir = fmt("%s/state", c->bundle); c->root = fmt("%s/rt-%s", W, h); c->rt = runtimePath(h);
  if (mkdir(c->bundle, 0700) || mkdir(c->dir, 0700)) die(c->bundle);
  char *t = replace(TEMPLATE, "\"@ARGS@\"", args), *u = replace(t, "@ID@", c->id), *f = fmt("%s/config.json", c->bundle);
  spit(f, u); free(t); free(u); free(f);
}
static void freeCtr(Ctr *c) { rmrf(c->bundle); free(c->bundle); free(c->dir); free(c->root); }

// Spawns with a null stdin; out/err: fds or -1 for /dev/null.
static int spawn(char **argv, char **env, const char *cwd, int out, int err, int fd3, int fd4) {
  posix_spawn_file_actions_t fa; posix_spawn_file_actions_init(&fa);
  posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
  if (out >= 0) posix_spawn_file_actions_adddup2(&fa, out, 1); else posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
  if (err >= 0) posix_spawn_file_actions_adddup2(&fa, err, 2); else posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
  if (fd3 >= 0) posix_spawn_file_actions_adddup2(&fa, fd3, 3);
  if (fd4 >= 0) posix_spawn_file_actions_adddup2(&fa, fd4, 4);
  if (cwd) posix_spawn_file_actions_addchdir_np(&fa, cwd);
  pid_t pid; int e = posix_spawn(&pid, argv[0], &fa, NULL, argv, env);
  posix_spawn_file_actions_destroy(&fa);
  if (e) { errno = e; die(argv[0]); }
  return pid;
}
static int reap(int pid) { int st; while (waitpid(pid, &st, 0) < 0) if (errno != EINTR) die("waitpid"); return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st); }
// fds >= 10, so that dup2 to 3 and 4 in the child never clashes
static int high(int fd) { int n = fcntl(fd, F_DUPFD_CLOEXEC, 10); close(fd); return n; }
static void pair(int p[2]) { if (pipe2(p, O_CLOEXEC)) die("pipe"); p[0] = high(p[0]); p[1] = high(p[1]); }

static void create(Ctr *c) {
  int sync[2], start[2]; pair(sync); pair(start);
  char *log = fmt("%s/ctr.log", c->bundle), *P = fmt("%s/conmon-pidfile", c->bundle), *p = fmt("%s/pidfile", c->bundle), *root = fmt("--root=%s", c->root);
  char *argv[] = {(char *)CONMON, "-b", c->bundle, "-c", c->id, "--exit-dir", EXITS, "-l", log, "--log-level", "info", "-n", c->id, "-P", P, "-p", p,
    "--persist-dir", c->dir, "-r", (char *)c->rt, "--runtime-arg", root, "--socket-dir-path", SOCKS, "--syslog", "-u", c->id, NULL};
  int pid = spawn(argv, ENVP, c->bundle, -1, -1, sync[1], start[0]);
  close(sync[1]); close(start[0]);
  if (write(start[1], "", 1) != 1) die("start pipe");
  close(start[1]);
  char b[4096]; int n = 0, r;
  while (n < 4095 && (r = read(sync[0], b + n, 4095 - n)) > 0) { n += r; if (memchr(b, '\n', n)) break; }
  b[n] = 0; close(sync[0]);
  int rc = reap(pid);
  char *q = strstr(b, "\"pid\""); c->pid = q ? atoi(strchr(q, ':') + 1) : -1;
  if (rc || c->pid <= 0) { fprintf(stderr, "floor: create: rc %d, %s\n", rc, b); exit(1); }
  free(log); free(P); free(p); free(root);
}
static int faults;
static void verb(Ctr *c, const char *v) {
  char *argv[] = {(char *)c->rt, "--root", c->root, (char *)v, c->id, NULL};
  int rc = reap(spawn(argv, ENVRT, NULL, -1, -1, -1, -1));
  // runc 1.1.5 sometimes gives up ("unable to freeze") on a busy machine: counted, and tried again.
  for (int i = 0; rc && !strcmp(v, "pause") && i < 5; i++) { faults++; rc = reap(spawn(argv, ENVRT, NULL, -1, -1, -1, -1)); }
  if (rc) { fprintf(stderr, "floor: %s %s: rc %d\n", v, c->id, rc); exit(1); }
}
static void state(Ctr *c) {
  int p[2]; pair(p); char *argv[] = {(char *)c->rt, "--root", c->root, "state", c->id, NULL};
  int pid = spawn(argv, ENVRT, NULL, p[1], -1, -1, -1); close(p[1]);
  char b[8192]; int n = 0, r; while ((r = read(p[0], b + n, 8191 - n)) > 0) n += r; b[n] = 0; close(p[0]);
  if (reap(pid) || !strstr(b, "running")) { fprintf(stderr, "floor: state: %s\n", b); exit(1); }
}
static void readBoth(int o, int e) {
  char b[8192]; struct pollfd f[2] = {{o, POLLIN, 0}, {e, POLLIN, 0}}; int left = 2;
  while (left) { poll(f, 2, -1); for (int i = 0; i < 2; i++) if (f[i].fd >= 0 && f[i].revents && read(f[i].fd, b, sizeof b) <= 0) { close(f[i].fd); f[i].fd = -1; left--; } }
}
static void execConmon(Ctr *c) {
  int n = __sync_add_and_fetch(&execs, 1);
  char *d = fmt("%s/e/%d", W, n); if (mkdir(d, 0700)) die(d);
  char *pf = fmt("%s/.pid", d), *ps = fmt("%s/.process", d), *lf = fmt("%s/.log", d), *root = fmt("--root=%s", c->root), *log = fmt("--log=%s", lf), *u = fmt("%032d", n), *ef = fmt("%s/%s", d, c->id);
  spit(ps, PROCESS);
  int o[2], e[2]; pair(o); pair(e);
  char *argv[] = {(char *)CONMON, "-c", c->id, "-n", c->id, "-u", u, "-r", (char *)c->rt, "-p", pf, "--exec-process-spec", ps, "--exit-dir", d, "-l", "passthrough",
    "--log-level", "error", "--runtime-arg", root, "--runtime-arg", log, "--runtime-arg", "--log-format=json", "-e", "--sync", "--syslog", NULL};
  int pid = spawn(argv, ENVRT, NULL, o[1], e[1], -1, -1);
  close(o[1]); close(e[1]); readBoth(o[0], e[0]);
  reap(pid);
  char *code = slurp(ef); if (!code || atoi(code)) { fprintf(stderr, "floor: exec: %s\n", code ? code : "no exit file"); exit(1); }
  unlink(pf); unlink(ps); unlink(lf); unlink(ef); rmdir(d);
  free(code); free(pf); free(ps); free(lf); free(root); free(log); free(u); free(ef); free(d);
}
static void execRuntime(Ctr *c) {
  int n = __sync_add_and_fetch(&execs, 1);
  char *ps = fmt("%s/e/%d.process", W, n); spit(ps, PROCESS);
  int o[2], e[2]; pair(o); pair(e);
  char *argv[] = {(char *)c->rt, "--root", c->root, "exec", "--process", ps, c->id, NULL};
  int pid = spawn(argv, ENVRT, NULL, o[1], e[1], -1, -1);
  close(o[1]); close(e[1]); readBoth(o[0], e[0]);
  if (reap(pid)) { fprintf(stderr, "floor: runtime exec failed\n"); exit(1); }
  unlink(ps); free(ps);
}
static int waitExit(Lane *l, Ctr *c) {
  char *f = fmt("%s/%s", EXITS, c->id), b[8192] __attribute__((aligned(8)));
  for (;;) {
    char *s = slurp(f);
    if (s && *s) { int code = atoi(s); free(s); unlink(f); free(f); return code; }
    free(s);
    int n = read(l->ino, b, sizeof b); (void)n;
  }
}
static Lane lane(void) { Lane l = {inotify_init1(IN_CLOEXEC)}; if (inotify_add_watch(l.ino, EXITS, IN_MOVED_TO | IN_CLOSE_WRITE) < 0) die("inotify"); return l; }

static char *TRAP = "[\"/bin/sh\",\"-c\",\"trap 'exit 0' TERM; sleep 1000 & wait\"]";
#define SLEEP "[\"/bin/sleep\",\"1000\"]"
#define TRUE "[\"/bin/true\"]"

typedef struct { const char *name; double v[4096]; int n; } Series;
static Series S[24]; static int nS;
static void add(const char *name, double v) {
  for (int i = 0; i < nS; i++) if (!strcmp(S[i].name, name)) { if (S[i].n < 4096) S[i].v[S[i].n++] = v; return; }
  S[nS].name = name; S[nS].n = 1; S[nS].v[0] = v; nS++; }
static void answer(const char *more) {
  printf("{\"samples\":{"); for (int i = 0; i < nS; i++) { printf("%s\"%s\":[", i ? "," : "", S[i].name); for (int j = 0; j < S[i].n; j++) printf("%s%.4f", j ? "," : "", S[i].v[j]); printf("]"); }
  printf("}%s", more); if (faults) printf(",\"bad\":%d", faults); printf("}\n"); fflush(stdout); nS = faults = 0; }
#define T(name, x) do { double t_ = now(); x; add(name, now() - t_); } while (0)

static Ctr up[1024]; static int nUp;
typedef struct { const char *h; int *left; pthread_mutex_t *m; } Par;
static void *parLane(void *a) {
  Par *p = a; Lane l = lane();
  for (;;) {
    pthread_mutex_lock(p->m); int go = (*p->left)-- > 0; pthread_mutex_unlock(p->m); if (!go) break;
    Ctr c; bundleOf(&c, p->h, TRUE); create(&c); verb(&c, "start"); if (waitExit(&l, &c)) die("exit code"); verb(&c, "delete");
    free(c.dir); free(c.root); free(c.bundle);
  }
  close(l.ino); return NULL; }

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  snprintf(W, sizeof W, "%s", getenv("PEERS_W")); snprintf(EXITS, sizeof EXITS, "%s/exits", W); snprintf(SOCKS, sizeof SOCKS, "%s/attach", W);
  char *dirs[] = {"", "/exits", "/attach", "/b", "/e", NULL}; for (int i = 0; dirs[i]; i++) { char *d = fmt("%s%s", W, dirs[i]); mkdir(d, 0700); }
  if (getenv("PEERS_TRAP")) TRAP = fmt("[\"/bin/sh\",\"-c\",\"%s\"]", getenv("PEERS_TRAP"));
  TEMPLATE = slurp(getenv("PEERS_TEMPLATE")); PROCESS = slurp(getenv("PEERS_PROCESS")); if (!TEMPLATE || !PROCESS) die("template");
  printf("{\"ready\":true,\"pid\":%d}\n", getpid()); fflush(stdout);
  Lane l = lane(); char line[256], cmd[32], h[32]; int n, k;
  while (fgets(line, sizeof line, stdin)) {
    n = k = 0; *h = 0; if (sscanf(line, "%31s %31s %d %d", cmd, h, &n, &k) < 1) continue;
    if (!strcmp(cmd, "quit")) break;
    char *more = strdup("");
    if (!strcmp(cmd, "life")) for (int i = 0; i < n; i++) {
      Ctr c; bundleOf(&c, h, TRAP); double b = now();
      T("create", create(&c)); T("start", verb(&c, "start")); T("state", state(&c)); T("exec", execConmon(&c)); T("exec", execConmon(&c));
      T("pause", verb(&c, "pause")); T("unpause", verb(&c, "resume"));
      T("stop", { kill(c.pid, SIGTERM); if (waitExit(&l, &c)) die("exit"); }); T("delete", verb(&c, "delete"));
      add("life", now() - b); freeCtr(&c);
    } else if (!strcmp(cmd, "oneshot")) for (int i = 0; i < n; i++) {
      Ctr c; bundleOf(&c, h, TRUE); double b = now();
      create(&c); verb(&c, "start"); if (waitExit(&l, &c)) die("exit"); verb(&c, "delete"); add("oneshot", now() - b); freeCtr(&c);
    } else if (!strcmp(cmd, "par")) {
      pthread_t t[64]; int left = n; pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; Par p = {h, &left, &m}; double b = now();
      for (int i = 0; i < k; i++) pthread_create(&t[i], NULL, parLane, &p);
      for (int i = 0; i < k; i++) pthread_join(t[i], NULL);
      double s = (now() - b) / 1e3; add("rate", n / s);
      char *d = fmt("%s/b", W); rmrf(d); mkdir(d, 0700); free(d);
    } else if (!strcmp(cmd, "death") || !strcmp(cmd, "kill")) {
      free(more); more = strdup(",\"stops\":[");
      for (int i = 0; i < n; i++) {
        Ctr c; bundleOf(&c, h, SLEEP); create(&c); verb(&c, "start"); usleep(20000);
        double b = now(); kill(c.pid, SIGKILL); waitExit(&l, &c); double e = now(); add(cmd[0] == 'd' ? "death" : "killstop", e - b);
        char *m2 = fmt("%s%s[\"%s\",%.4f,%.4f]", more, i ? "," : "", c.id, b, e); free(more); more = m2;
        verb(&c, "delete"); freeCtr(&c);
      }
      char *m2 = fmt("%s]", more); free(more); more = m2;
    } else if (!strcmp(cmd, "exec")) {
      Ctr c; bundleOf(&c, h, SLEEP); create(&c); verb(&c, "start");
      for (int i = 0; i < n; i++) T("execsync", execConmon(&c));
      for (int i = 0; i < n; i++) T("execruntime", execRuntime(&c));
      kill(c.pid, SIGKILL); waitExit(&l, &c); verb(&c, "delete"); freeCtr(&c);
    } else if (!strcmp(cmd, "up")) for (int i = 0; i < n; i++) { Ctr *c = &up[nUp++]; bundleOf(c, h, SLEEP); create(c); verb(c, "start"); }
    else if (!strcmp(cmd, "down")) while (nUp) { Ctr *c = &up[--nUp]; kill(c->pid, SIGKILL); waitExit(&l, c); verb(c, "delete"); freeCtr(c); }
    answer(more); free(more);
  }
  return 0;
}
