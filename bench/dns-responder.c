/* DNS server of the benchmark: UDP only, one thread, answers made up from the name asked.
 *
 *     dns-responder PORT [NAME TEXT]...
 *
 * NAME has one TXT record, TEXT. For others the first label decides, whatever follows it:
 *     d<N>    TXT  "v=spf1 include:_spf.<name> -all"      a domain with one include
 *     c<N>    TXT  "v=spf1 ip4:192.0.2.0/24 -all"         a domain that needs no other query
 *     _spf    TXT  "v=spf1 ip4:192.0.2.0/24 -all"
 *     mail    TXT  "v=spf1 ip4:192.0.2.0/24 -all"; A 192.0.2.1
 *     dead<N> no answer at all: a zone whose servers are down
 * Other names of these exist without data; everything else does not exist.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER = 12, MAX_PACKET = 1232, TTL = 86400, A = 1, SOA = 6, TXT = 16, OPT = 41, NXDOMAIN = 3 };

static const char DIRECT[] = "v=spf1 ip4:192.0.2.0/24 -all";

struct packet {
    unsigned char b[MAX_PACKET];
    size_t n;
};

static void put(struct packet *p, const void *bytes, size_t n)
{
    if (p->n + n <= sizeof p->b)
        memcpy(p->b + p->n, bytes, n);
    p->n += n;
}

static void put16(struct packet *p, unsigned v)
{
    put(p, (unsigned char[]){ (unsigned char)(v >> 8), (unsigned char)v }, 2);
}

static void put_record(struct packet *p, unsigned type, const void *data, size_t n)
{
    put16(p, 0xc000 | HEADER); /* the name asked */
    put16(p, type);
    put16(p, 1);
    put16(p, TTL >> 16);
    put16(p, TTL & 0xffff);
    put16(p, (unsigned)n);
    put(p, data, n);
}

static void put_txt(struct packet *p, const char *text)
{
    unsigned char data[MAX_PACKET];
    size_t n = 0;
    for (size_t left = strlen(text); left > 0 && n + 256 <= sizeof data;) {
        size_t piece = left < 255 ? left : 255;
        data[n] = (unsigned char)piece;
        memcpy(data + n + 1, text, piece);
        n += piece + 1;
        text += piece;
        left -= piece;
    }
    put_record(p, TXT, data, n);
}

static void put_soa(struct packet *p)
{
    static const unsigned char data[22] = { 0, 0, 0, 0, 0, 1, 0, 0, 14, 16, 0, 0, 3, 132, 0, 9, 58, 128, 0, 0, 1, 44 };
    put_record(p, SOA, data, sizeof data);
}

/* The name at HEADER as text; returns where it ends, 0 for a bad one. */
static size_t read_name(const struct packet *q, char *name, size_t room)
{
    size_t at = HEADER, out = 0;
    while (at < q->n && q->b[at]) {
        size_t n = q->b[at++];
        if (n > 63 || at + n >= q->n || out + n + 2 > room)
            return 0;
        memcpy(name + out, q->b + at, n);
        out += n;
        name[out++] = '.';
        at += n;
    }
    if (out)
        out--;
    name[out] = 0;
    return at < q->n ? at + 1 : 0;
}

static int is_numbered(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return !strncasecmp(name, prefix, n) && name[n] >= '0' && name[n] <= '9';
}

static char **given; /* names and texts by turns */
static int given_count;

/* Adds the answer's records and says how many; -1: the name does not exist. */
static int put_answer(struct packet *p, const char *name, unsigned type)
{
    for (int i = 0; i + 1 < given_count; i += 2)
        if (!strcasecmp(name, given[i]))
            return type == TXT ? put_txt(p, given[i + 1]), 1 : 0;
    if (!strncasecmp(name, "_spf.", 5) || is_numbered(name, "c"))
        return type == TXT ? put_txt(p, DIRECT), 1 : 0;
    if (!strncasecmp(name, "mail.", 5)) {
        if (type == A)
            put_record(p, A, (unsigned char[]){ 192, 0, 2, 1 }, 4);
        else if (type == TXT)
            put_txt(p, DIRECT);
        return type == A || type == TXT;
    }
    if (!is_numbered(name, "d"))
        return -1;
    if (type == TXT) {
        char text[256];
        snprintf(text, sizeof text, "v=spf1 include:_spf.%.200s -all", name);
        put_txt(p, text);
    }
    return type == TXT;
}

/* Turns a query into its reply; 0: say nothing. */
static int answer(const struct packet *q, struct packet *r)
{
    char name[256];
    size_t end = q->n > HEADER ? read_name(q, name, sizeof name) : 0;
    if (!end || end + 4 > q->n || q->b[2] & 0x80 || is_numbered(name, "dead"))
        return 0;
    unsigned type = (unsigned)(q->b[end] << 8 | q->b[end + 1]);
    r->n = 0;
    put(r, q->b, end + 4);
    int count = put_answer(r, name, type);
    if (count <= 0)
        put_soa(r);
    r->b[2] = (unsigned char)(0x80 | (q->b[2] & 1));
    r->b[3] = (unsigned char)(0x80 | (count < 0 ? NXDOMAIN : 0));
    memset(r->b + 4, 0, 8);
    r->b[5] = 1;
    r->b[count > 0 ? 7 : 9] = 1;
    if (q->b[11]) { /* the query carried EDNS */
        put(r, (unsigned char[]){ 0, 0, OPT, MAX_PACKET >> 8, MAX_PACKET & 255, 0, 0, 0, 0, 0, 0 }, 11);
        r->b[11] = 1;
    }
    return r->n <= sizeof r->b;
}

int main(int argc, char **argv)
{
    static struct packet query, reply;
    int s = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
    struct sockaddr_in a = { .sin_family = AF_INET };
    if (argc < 2 || argc % 2) {
        fputs("usage: dns-responder PORT [NAME TEXT]...\n", stderr);
        return 2;
    }
    given = argv + 2;
    given_count = argc - 2;
    a.sin_port = htons((unsigned short)atoi(argv[1]));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(s, (void *)&a, sizeof a) < 0) {
        perror("dns-responder: bind");
        return 1;
    }
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(s, query.b, sizeof query.b, 0, (void *)&from, &len);
        if (n <= 0)
            continue;
        query.n = (size_t)n;
        if (answer(&query, &reply))
            sendto(s, reply.b, reply.n, 0, (void *)&from, len);
    }
}
