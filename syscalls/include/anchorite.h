/*
 * The calls of anchorite, for C. syscalls/src/c.rs defines them; a test keeps both the same.
 *
 * Each takes and returns what the Linux call of that name takes and returns in the
 * kernel's own interface (x86-64): the result, or an error's number below zero, such as
 * -ENOENT, and errno stays as it is. The numbers, the flags and the structures are Linux's:
 * include <fcntl.h>, <sys/stat.h>, <errno.h> and so on beside this file for them.
 *
 * A pointer outside the program's memory is -EFAULT. Until the process is there, which the
 * kernel sees to before the program starts, every call is -ENOSYS.
 *
 * A program that `anchorite build` makes of C has besides, as the host's own headers declare
 * them, with errno where POSIX has it; and no other function of a C library:
 *
 * <assert.h>      assert
 * <dirent.h>      opendir fdopendir readdir rewinddir dirfd closedir
 * <errno.h>       errno
 * <fcntl.h>       open openat creat fcntl fallocate
 * <poll.h>        poll
 * <sched.h>       sched_yield
 * <stdio.h>       puts putchar perror remove rename renameat, and of stdout and stderr, which
 *                 have no buffer: fputs fputc putc fwrite fflush
 * <stdlib.h>      malloc calloc realloc free exit abort getenv strtol atoi
 *                 atol
 * <string.h>      memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strcpy
 *                 stpcpy strncpy strcat strchr strrchr strstr strdup
 * <sys/inotify.h> inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
 * <sys/random.h>  getrandom
 * <sys/select.h>  select
 * <sys/stat.h>    stat lstat fstat fstatat mkdir mkdirat mkfifo chmod fchmod umask utimensat
 *                 futimens
 * <sys/statfs.h>  statfs fstatfs
 * <sys/uio.h>     readv writev
 * <sys/utsname.h> uname
 * <sys/xattr.h>   setxattr getxattr listxattr removexattr
 * <time.h>        clock_gettime time
 * <unistd.h>      read pread write pwrite lseek close dup dup2 dup3 pipe pipe2 truncate
 *                 ftruncate fsync fdatasync sync link symlink readlink unlink unlinkat rmdir
 *                 chdir fchdir getcwd access chown lchown fchown getuid geteuid getgid getegid
 *                 getpid environ _exit
 *
 * There is one thread, there are no thread-local variables, and no functions are called at
 * exit; those of __attribute__((constructor)) are called before main.
 */
#ifndef ANCHORITE_H
#define ANCHORITE_H

#include <stddef.h>
#include <sys/select.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;
struct pollfd;
struct rlimit;
struct stat;
struct statfs;
struct statx;
struct timespec;
struct timeval;
struct utimbuf;
struct utsname;

/* Any call by its number, with as many words as it takes; the others are ignored. */
long anchorite_syscall(long number, long a, long b, long c, long d, long e, long f);

/* Descriptors. */
long anchorite_open(const char *path, int flags, unsigned int mode);
long anchorite_openat(int at, const char *path, int flags, unsigned int mode);
long anchorite_creat(const char *path, unsigned int mode);
long anchorite_close(int fd);
long anchorite_close_range(unsigned int first, unsigned int last, unsigned int flags);
long anchorite_dup(int fd);
long anchorite_dup2(int fd, int copy);
long anchorite_dup3(int fd, int copy, int flags);
long anchorite_pipe(int *fds);
long anchorite_pipe2(int *fds, int flags);
long anchorite_poll(struct pollfd *files, unsigned int count, int timeout_ms);
long anchorite_ppoll(
    struct pollfd *files, unsigned int count, struct timespec *timeout, const void *mask,
    size_t len);
long anchorite_select(
    int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);
long anchorite_pselect6(
    int count, fd_set *read, fd_set *write, fd_set *except, struct timespec *timeout,
    const void *mask);
long anchorite_inotify_init(void);
long anchorite_inotify_init1(int flags);
long anchorite_inotify_add_watch(int fd, const char *path, unsigned int mask);
long anchorite_inotify_rm_watch(int fd, int wd);
long anchorite_ioctl(int fd, unsigned int request, void *argument);
long anchorite_fcntl(int fd, int command, unsigned long argument);
long anchorite_flock(int fd, int operation);

/* Content. */
long anchorite_read(int fd, void *buf, size_t len);
long anchorite_pread64(int fd, void *buf, size_t len, long offset);
long anchorite_readv(int fd, const struct iovec *buffers, unsigned long count);
long anchorite_preadv(
    int fd, const struct iovec *buffers, unsigned long count, long offset);
long anchorite_preadv2(
    int fd, const struct iovec *buffers, unsigned long count, long offset, long unused,
    int flags);
long anchorite_write(int fd, const void *buf, size_t len);
long anchorite_pwrite64(int fd, const void *buf, size_t len, long offset);
long anchorite_writev(int fd, const struct iovec *buffers, unsigned long count);
long anchorite_pwritev(
    int fd, const struct iovec *buffers, unsigned long count, long offset);
long anchorite_pwritev2(
    int fd, const struct iovec *buffers, unsigned long count, long offset, long unused,
    int flags);
long anchorite_lseek(int fd, long offset, int whence);
long anchorite_truncate(const char *path, long length);
long anchorite_ftruncate(int fd, long length);
long anchorite_fsync(int fd);
long anchorite_fdatasync(int fd);
long anchorite_sync(void);
long anchorite_syncfs(int fd);

/* Ranges. */
long anchorite_fallocate(int fd, int mode, long offset, long len);
long anchorite_copy_file_range(
    int input, long *input_at, int output, long *output_at, size_t len,
    unsigned int flags);
long anchorite_sendfile(int output, int input, long *input_at, size_t len);
long anchorite_fadvise64(int fd, long offset, long len, int advice);
long anchorite_readahead(int fd, long offset, size_t len);

/* Names. */
long anchorite_mkdir(const char *path, unsigned int mode);
long anchorite_mkdirat(int at, const char *path, unsigned int mode);
long anchorite_mknod(const char *path, unsigned int mode, unsigned int device);
long anchorite_mknodat(int at, const char *path, unsigned int mode, unsigned int device);
long anchorite_rmdir(const char *path);
long anchorite_unlink(const char *path);
long anchorite_unlinkat(int at, const char *path, int flags);
long anchorite_link(const char *from, const char *to);
long anchorite_linkat(
    int from_at, const char *from, int to_at, const char *to, int flags);
long anchorite_symlink(const char *target, const char *path);
long anchorite_symlinkat(const char *target, int at, const char *path);
long anchorite_readlink(const char *path, char *buf, int len);
long anchorite_readlinkat(int at, const char *path, char *buf, int len);
long anchorite_rename(const char *from, const char *to);
long anchorite_renameat(int from_at, const char *from, int to_at, const char *to);
long anchorite_renameat2(
    int from_at, const char *from, int to_at, const char *to, unsigned int flags);
long anchorite_getdents(int fd, void *records, unsigned int len);
long anchorite_getdents64(int fd, void *records, unsigned int len);
long anchorite_chdir(const char *path);
long anchorite_fchdir(int fd);
long anchorite_chroot(const char *path);
long anchorite_mount(const char *source, const char *target, const char *kind,
                     unsigned long flags, const void *options);
long anchorite_umount2(const char *target, int flags);
long anchorite_getcwd(char *buf, unsigned long len);

/* Attributes. */
long anchorite_stat(const char *path, struct stat *stat);
long anchorite_lstat(const char *path, struct stat *stat);
long anchorite_fstat(int fd, struct stat *stat);
long anchorite_newfstatat(int at, const char *path, struct stat *stat, int flags);
long anchorite_statx(
    int at, const char *path, int flags, unsigned int mask, struct statx *statx);
long anchorite_access(const char *path, int mode);
long anchorite_faccessat(int at, const char *path, int mode);
long anchorite_faccessat2(int at, const char *path, int mode, int flags);
long anchorite_chmod(const char *path, unsigned int mode);
long anchorite_fchmod(int fd, unsigned int mode);
long anchorite_fchmodat(int at, const char *path, unsigned int mode);
long anchorite_fchmodat2(int at, const char *path, unsigned int mode, int flags);
long anchorite_chown(const char *path, unsigned int uid, unsigned int gid);
long anchorite_lchown(const char *path, unsigned int uid, unsigned int gid);
long anchorite_fchown(int fd, unsigned int uid, unsigned int gid);
long anchorite_fchownat(
    int at, const char *path, unsigned int uid, unsigned int gid, int flags);
long anchorite_umask(unsigned int mask);
long anchorite_statfs(const char *path, struct statfs *statfs);
long anchorite_fstatfs(int fd, struct statfs *statfs);
long anchorite_utimensat(
    int at, const char *path, const struct timespec *times, int flags);
long anchorite_futimesat(int at, const char *path, const struct timeval *times);
long anchorite_utimes(const char *path, const struct timeval *times);
long anchorite_utime(const char *path, const struct utimbuf *times);

/* Extended attributes. */
long anchorite_setxattr(
    const char *path, const char *name, const void *value, size_t len, int flags);
long anchorite_lsetxattr(
    const char *path, const char *name, const void *value, size_t len, int flags);
long anchorite_fsetxattr(
    int fd, const char *name, const void *value, size_t len, int flags);
long anchorite_getxattr(const char *path, const char *name, void *value, size_t len);
long anchorite_lgetxattr(const char *path, const char *name, void *value, size_t len);
long anchorite_fgetxattr(int fd, const char *name, void *value, size_t len);
long anchorite_listxattr(const char *path, char *names, size_t len);
long anchorite_llistxattr(const char *path, char *names, size_t len);
long anchorite_flistxattr(int fd, char *names, size_t len);
long anchorite_removexattr(const char *path, const char *name);
long anchorite_lremovexattr(const char *path, const char *name);
long anchorite_fremovexattr(int fd, const char *name);

/* Identity. */
long anchorite_getuid(void);
long anchorite_geteuid(void);
long anchorite_getgid(void);
long anchorite_getegid(void);
long anchorite_getresuid(
    unsigned int *real, unsigned int *effective, unsigned int *saved);
long anchorite_getresgid(
    unsigned int *real, unsigned int *effective, unsigned int *saved);
long anchorite_getgroups(int count, unsigned int *groups);
long anchorite_setuid(unsigned int uid);
long anchorite_setgid(unsigned int gid);
long anchorite_setreuid(unsigned int real, unsigned int effective);
long anchorite_setregid(unsigned int real, unsigned int effective);
long anchorite_setresuid(unsigned int real, unsigned int effective, unsigned int saved);
long anchorite_setresgid(unsigned int real, unsigned int effective, unsigned int saved);
long anchorite_setfsuid(unsigned int uid);
long anchorite_setfsgid(unsigned int gid);
long anchorite_setgroups(int count, const unsigned int *groups);

/* The process. */
long anchorite_getpid(void);
long anchorite_gettid(void);
long anchorite_sched_yield(void);
long anchorite_clock_gettime(int clock, struct timespec *time);
long anchorite_getrandom(void *buf, size_t len, unsigned int flags);
long anchorite_uname(struct utsname *names);
long anchorite_getrlimit(unsigned int resource, struct rlimit *limit);
long anchorite_setrlimit(unsigned int resource, const struct rlimit *limit);
long anchorite_prlimit64(
    int pid, unsigned int resource, const struct rlimit *limit, struct rlimit *former);
long anchorite_exit(int status);
long anchorite_exit_group(int status);

#ifdef __cplusplus
}
#endif

#endif
