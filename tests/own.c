/* Each function that programs in C have beside the calls, once. Ends with status 42. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "anchorite.h"

static int begun;

__attribute__((constructor)) static void begin(void) { begun = 1; }

static void text(void) {
    char room[32];
    assert(strcmp("a", "b") < 0 && strcmp("\xff", "a") > 0 && strcmp("", "") == 0);
    assert(strncmp("abc", "abd", 2) == 0 && strncmp("abc", "abd", 3) < 0);
    assert(strlen("four") == 4 && strnlen("four", 2) == 2 && strnlen("four", 9) == 4);
    assert(strcmp(strcat(strcpy(room, "one"), "two"), "onetwo") == 0);
    memset(room, 'x', sizeof room);
    strncpy(room, "ab", 4);
    assert(memcmp(room, "ab\0\0x", 5) == 0);
    const char *path = "a/b/c";
    assert(strchr(path, '/') == path + 1 && strrchr(path, '/') == path + 3);
    assert(strchr(path, 0) == path + 5 && !strchr(path, 'z'));
    assert(strstr(path, "b/") == path + 2 && !strstr(path, "cc") && strstr(path, "") == path);
    assert(memchr(path, 'c', 5) == path + 4 && !memchr(path, 'c', 4));
    assert(atoi(" -12x") == -12 && atol("9223372036854775808") == 0x7fffffffffffffff);
    char *end;
    assert(errno == ERANGE && strtol(" 0x1fg", &end, 0) == 31 && *end == 'g');
    assert(strtol("-9223372036854775808", &end, 10) == -0x7fffffffffffffff - 1 && !*end);
    assert(strtol("z", &end, 36) == 35 && strtol("017", NULL, 0) == 15);
    const char *none = " +x";
    assert(strtol(none, &end, 10) == 0 && end == none);
    assert(strtol("0xg", &end, 16) == 0 && *end == 'x');
}

static void memory(void) {
    char *block = malloc(10);
    assert(block && (unsigned long)block % 16 == 0);
    memcpy(block, "123456789", 10);
    block = realloc(block, 100000);
    assert(block && strcmp(block, "123456789") == 0);
    char *copy = strdup(block);
    assert(copy && copy != block && strcmp(copy, block) == 0);
    free(copy);
    free(block);
    free(NULL);
    long *zeros = calloc(1000, sizeof *zeros);
    for (int i = 0; i < 1000; i++) assert(zeros[i] == 0);
    free(zeros);
    /* Volatile, since compilers know that nobody needs what is not used. */
    volatile size_t huge = (size_t)-1;
    void *volatile none = malloc(huge / 2);
    assert(!none && errno == ENOMEM);
    none = malloc(huge);
    assert(!none);
    none = calloc(huge, 2);
    assert(!none);
    for (int i = 0; i < 100000; i++) free(malloc(4096));
}

static void files(void) {
    char buf[64];
    struct stat found;
    assert(open("missing", O_RDONLY) == -1 && errno == ENOENT);
    assert(mkdir("/d", 0755) == 0 && chdir("/d") == 0);
    assert(getcwd(buf, sizeof buf) == buf && strcmp(buf, "/d") == 0);
    assert(!getcwd(buf, 1) && errno == ERANGE);
    char *here = getcwd(NULL, 0);
    assert(here && strcmp(here, "/d") == 0);
    free(here);
    int fd = open("f", O_RDWR | O_CREAT, 0640);
    assert(fd == 3 && write(fd, "content", 7) == 7 && lseek(fd, 3, SEEK_SET) == 3);
    assert(read(fd, buf, sizeof buf) == 4 && memcmp(buf, "tent", 4) == 0);
    assert(pwrite(fd, "C", 1, 0) == 1 && pread(fd, buf, 3, 0) == 3 && memcmp(buf, "Con", 3) == 0);
    struct iovec vectors[2] = {{"ab", 2}, {"cd", 2}};
    assert(writev(fd, vectors, 2) == 4);
    assert(fstat(fd, &found) == 0 && found.st_size == 11 && S_ISREG(found.st_mode));
    assert((found.st_mode & 0777) == 0640);
    assert(ftruncate(fd, 5) == 0 && truncate("f", 4) == 0 && stat("f", &found) == 0);
    assert(found.st_size == 4 && fsync(fd) == 0 && fcntl(fd, F_GETFL) == O_RDWR + 0100000);
    assert(close(fd) == 0 && close(fd) == -1 && errno == EBADF);
    assert(link("f", "g") == 0 && symlink("f", "s") == 0 && rename("g", "h") == 0);
    assert(readlink("s", buf, sizeof buf) == 1 && lstat("s", &found) == 0);
    assert(S_ISLNK(found.st_mode) && access("h", R_OK) == 0 && chmod("h", 0600) == 0);
    assert(setxattr("f", "user.a", "v", 1, 0) == 0 && getxattr("f", "user.a", buf, 9) == 1);
    assert(mkfifo("p", 0600) == 0 && stat("p", &found) == 0 && S_ISFIFO(found.st_mode));

    DIR *dir = opendir("/d");
    int names = 0;
    for (int round = 0; round < 2; round++, rewinddir(dir))
        for (struct dirent *entry; (entry = readdir(dir));) {
            names++;
            if (strcmp(entry->d_name, "s") == 0) assert(entry->d_type == DT_LNK);
        }
    assert(names == 2 * 6 && dirfd(dir) == 3 && closedir(dir) == 0);
    assert(!opendir("/d/f") && errno == ENOTDIR);
    char name[16] = "/d/file-000";
    for (int i = 0; i < 500; i++) {
        name[8] = '0' + i / 100, name[9] = '0' + i / 10 % 10, name[10] = '0' + i % 10;
        assert(close(creat(name, 0600)) == 0);
    }
    dir = opendir(".");
    for (names = 0; readdir(dir); names++) {}
    assert(names == 506 && closedir(dir) == 0);
    assert(mkdir("e", 0700) == 0 && remove("e") == 0 && remove("f") == 0 && unlink("h") == 0);
    assert(rmdir("/d") == -1 && errno == ENOTEMPTY);
    struct statfs system;
    assert(statfs("/", &system) == 0 && system.f_blocks > 0);
    struct timespec times[2] = {{1, 2}, {3, 4}};
    assert(utimensat(AT_FDCWD, "s", times, AT_SYMLINK_NOFOLLOW) == 0);
    assert(lstat("s", &found) == 0 && found.st_mtim.tv_sec == 3);
}

static void rest(void) {
    int ends[2];
    char byte;
    assert(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    struct pollfd ready = {ends[0], POLLIN, 0};
    assert(poll(&ready, 1, 0) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'x');
    assert(dup2(ends[0], 9) == 9 && getpid() == 1 && getuid() == 0);
    struct timespec now;
    assert(clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > 1000000000);
    assert(time(NULL) - now.tv_sec <= 1);
    assert(getrandom(&byte, 1, 0) == 1);
    /* The calls themselves have no errno. */
    errno = 0;
    assert(anchorite_open("missing", O_RDONLY, 0) == -ENOENT && errno == 0);
    char *volatile nowhere = (char *)8;
    assert(write(1, nowhere, 1) == -1 && errno == EFAULT);
}

int main(int argc, char **argv) {
    assert(begun && argc == 3 && !argv[3]);
    const char *name = strrchr(argv[0], '.');
    assert(strcmp(argv[0], "all") == 0 || (name && strcmp(name, ".image") == 0));
    assert(strcmp(argv[1], "one") == 0 && strcmp(argv[2], "two words") == 0);
    assert(strcmp(getenv("WORD"), "here") == 0 && !getenv("WOR") && !getenv("NONE"));
    text();
    memory();
    files();
    rest();
    open("missing", O_RDONLY);
    perror("missing");
    for (const char *at = "all is"; *at; at++) putchar(*at);
    fwrite(" w", 1, 2, stdout);
    fputs("el", stdout);
    puts("l");
    exit(42);
}
