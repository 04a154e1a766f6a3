/* A disk that is slow in one folder: `slow_disk FOLDER MILLISECONDS PROGRAM [ARGUMENT…]`.
 *
 * Runs the program so that each of its calls of the system that opens, looks at or reads a file below the folder takes
 * so long before it begins (seccomp's notifications, Linux 5.0). Each thread waits by itself, as it would for a disk. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *folder;
static long milliseconds;
static int listener;

static const int calls[] = {SYS_openat, SYS_openat2, SYS_newfstatat, SYS_statx, SYS_pread64};
#define CALLS (sizeof calls / sizeof *calls)

static void fail(const char *what) {
    fprintf(stderr, "slow_disk: %s: %s\n", what, strerror(errno));
    _exit(70);
}

static int link_of(pid_t pid, int descriptor, char *path, size_t room) {
    char name[64];
    if (descriptor == AT_FDCWD)
        snprintf(name, sizeof name, "/proc/%d/cwd", pid);
    else
        snprintf(name, sizeof name, "/proc/%d/fd/%d", pid, descriptor);
    ssize_t length = readlink(name, path, room - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

/* The path that a call is about, as far as it begins with the folder's. */
static int is_slow(const struct seccomp_notif *call) {
    char path[4096] = "", whole[8300];
    int descriptor = (int)call->data.args[0];
    if (call->data.nr != SYS_pread64) {
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/mem", call->pid);
        int memory = open(name, O_RDONLY | O_CLOEXEC);
        if (memory < 0)
            return 0;
        for (size_t at = 0; at < sizeof path - 1; at++)
            if (pread(memory, path + at, 1, (off_t)(call->data.args[1] + at)) != 1 || !path[at]) {
                path[at] = 0;
                break;
            }
        close(memory);
    }
    if (*path == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char base[4096];
        if (!link_of(call->pid, descriptor, base, sizeof base))
            return 0;
        snprintf(whole, sizeof whole, "%s/%s", base, path);
    }
    return !strncmp(whole, folder, strlen(folder));
}

static void let_go(__u64 id) {
    struct seccomp_notif_resp answer = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void *later(void *id) {
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&pause, NULL);
    let_go(*(__u64 *)id);
    free(id);
    return NULL;
}

static void notified(void) {
    for (;;) {
        struct seccomp_notif call;
        /* Only this tells that nobody is left; the call below would wait for ever. */
        struct pollfd waits = {.fd = listener, .events = POLLIN};
        if (poll(&waits, 1, -1) == 1 && waits.revents & POLLHUP)
            _exit(0);
        memset(&call, 0, sizeof call);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) {
            if (errno == EINTR || errno == ENOENT)
                continue;
            _exit(0);
        }
        if (!is_slow(&call)) {
            let_go(call.id);
            continue;
        }
        __u64 *id = malloc(sizeof *id);
        *id = call.id;
        pthread_t thread;
        if (pthread_create(&thread, NULL, later, id))
            fail("thread");
        pthread_detach(thread);
    }
}

static void send_descriptor(int socket, int descriptor) {
    char octet = 0, control[CMSG_SPACE(sizeof descriptor)] = {0};
    struct iovec data = {&octet, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    if (sendmsg(socket, &message, 0) != 1)
        fail("sendmsg");
}

static int receive_descriptor(int socket) {
    int descriptor;
    char octet, control[CMSG_SPACE(sizeof descriptor)];
    struct iovec data = {&octet, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, 0) != 1)
        _exit(0);
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

int main(int count, char **words) {
    if (count < 4) {
        fprintf(stderr, "usage: slow_disk FOLDER MILLISECONDS PROGRAM [ARGUMENT…]\n");
        return 64;
    }
    folder = realpath(words[1], NULL);
    milliseconds = atol(words[2]);
    if (!folder)
        fail(words[1]);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
        fail("socketpair");
    if (!fork()) {
        /* Not the program's child: it does not know of it. What it writes to is the program's alone. */
        if (fork())
            _exit(0);
        close(pair[0]);
        listener = receive_descriptor(pair[1]);
        for (int descriptor = 0; descriptor < 3; descriptor++)
            close(descriptor);
        notified();
    }
    struct sock_filter filter[CALLS + 3];
    size_t at = 0;
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t call = 0; call < CALLS; call++)
        filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[call], CALLS - call, 0);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog program = {.len = at, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        fail("no_new_privs");
    int made = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (made < 0)
        fail("seccomp");
    send_descriptor(pair[0], made);
    close(made);
    execvp(words[3], words + 3);
    fail(words[3]);
}
