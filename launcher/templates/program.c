/* A program for anchorite: `anchorite run NAME/` starts it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    static const char greeting[] = "Hello from NAME!";
    char text[sizeof greeting];
    if (mkdir("/greetings", 0755) != 0) {
        perror("/greetings");
        return 1;
    }
    int fd = open("/greetings/first", O_RDWR | O_CREAT, 0644);
    if (fd < 0 || write(fd, greeting, sizeof greeting) != sizeof greeting
        || pread(fd, text, sizeof text, 0) != sizeof text) {
        perror("/greetings/first");
        return 1;
    }
    close(fd);
    puts(text);
    return 0;
}
