/* The floor of a milter: one thread, epoll, agrees on the same steps as postvouch, reads each packet's length and command and
 * keeps nothing; the same answer always, at the end of a message with one field to insert. SPDX-License-Identifier: MIT
 *
 *     milter-echo PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 65536, HEAD = 5 };

/* Version 6; fields are added and changed, messages held; no replies but to the ends of header and body. */
static const char OPTIONS[] = "\0\0\0\x0dO\0\0\0\6\0\0\0\x31\0\x1b\xf1\x80";
static const char CONTINUE[] = "\0\0\0\1c";
static const char FIELD[] =
    "\0\0\0\0Authentication-Results\0 mx.example.org;\n\tspf=pass (192.0.2.1 is permitted) smtp.mailfrom=example.com;\n\t"
    "dkim=pass (2048-bit key) header.d=example.com header.s=sel header.a=rsa-sha256 header.b=abcdefgh;\n\t"
    "dmarc=pass (p=none dis=none) header.from=example.com";

static struct state {
    uint32_t left;
    unsigned char head[HEAD];
    unsigned filled;
} states[MAX_FDS];

static char end[1024];
static size_t end_bytes;

static void build_end(void)
{
    uint32_t n = htonl(sizeof FIELD + 1);
    memcpy(end, &n, 4);
    end[4] = 'i';
    memcpy(end + HEAD, FIELD, sizeof FIELD);
    memcpy(end + HEAD + sizeof FIELD, CONTINUE, sizeof CONTINUE - 1);
    end_bytes = HEAD + sizeof FIELD + sizeof CONTINUE - 1;
}

static int answer(int fd, unsigned char command)
{
    const char *p = command == 'O' ? OPTIONS : command == 'E' ? end : CONTINUE;
    size_t n = command == 'O' ? sizeof OPTIONS - 1 : command == 'E' ? end_bytes : sizeof CONTINUE - 1;
    return !strchr("ONE", command) || send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Returns 0 when the connection is at its end. */
static int take(int fd, const unsigned char *p, size_t n)
{
    struct state *s = &states[fd];
    while (n) {
        if (s->left) {
            size_t skip = n < s->left ? n : s->left;
            s->left -= (uint32_t)skip;
            p += skip;
            n -= skip;
            continue;
        }
        s->head[s->filled++] = *p++;
        n--;
        if (s->filled < HEAD)
            continue;
        s->filled = 0;
        memcpy(&s->left, s->head, 4);
        s->left = ntohl(s->left) - 1;
        if (s->head[4] == 'Q' || !answer(fd, s->head[4]))
            return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    static unsigned char buf[65536];
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event e = { .events = EPOLLIN }, ev[256];
    int one = 1, l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
    if (argc != 2) {
        fputs("usage: milter-echo PORT\n", stderr);
        return 2;
    }
    a.sin_port = htons((unsigned short)atoi(argv[1]));
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(l, (void *)&a, sizeof a) || listen(l, 4096)) {
        perror("milter-echo");
        return 1;
    }
    build_end();
    e.data.fd = l;
    epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
    for (;;) {
        int n = epoll_wait(ep, ev, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = ev[i].data.fd, s;
            if (fd != l) {
                ssize_t k = read(fd, buf, sizeof buf);
                if (k <= 0 || !take(fd, buf, (size_t)k))
                    close(fd);
                continue;
            }
            while ((s = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (s >= MAX_FDS) {
                    close(s);
                    continue;
                }
                setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                states[s] = (struct state){ 0 };
                e.data.fd = s;
                epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
            }
        }
    }
}
