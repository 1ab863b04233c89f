/* Load generator for milters: speaks protocol 6 as smtpd of Postfix does, with its macros, over TCP.
 *
 *     milterload [options] HOST:PORT MESSAGE
 *
 *     --connections N   (20)           SMTP sessions at a time; each is a connection, as with Postfix
 *     --per-conn N      (1)            messages of a session
 *     --duration SECS   (5)            of measuring: then no message begins any more
 *     --messages N      (no limit)     the same after as many
 *     --warmup SECS     (1)            the same before it, not measured
 *     --client ADDR     (192.0.2.1)    address of the SMTP client
 *     --helo NAME       (mail.example.com)
 *     --sender ADDR     (ann@example.com)
 *     --server-pid PID  (none)         process whose CPU time and memory are told
 *     --expect TEXT     (none)         what the edits of each message must have in them
 *     --reply LETTERS   (ca)           the last replies that count as good
 *     --timeout SECS    (30)           time for a message
 *
 * MESSAGE is a file of one message as the SMTP client sends it, its lines ended by LF or CRLF.
 *
 * It prints one JSON object. Messages that have begun are waited for, so that the CPU time is that of whole messages. It is that
 * of the whole process, ended threads included. One thread, one epoll loop. Linux only. SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { VERSION = 6, ACTIONS = 0x1ff, PROTOCOL = 0x1fffff, CHUNK_BYTES = 65535, BATCH_BYTES = 65536, MAX_EVENTS = 256 };
enum { LEADING_SPACE = 0x100000 };

static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("milterload: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ------------------------------------------------------------ byte strings */

typedef struct {
    char *p;
    size_t n, room;
} str_t;

static void add(str_t *s, const void *p, size_t n)
{
    if (s->n + n > s->room) {
        s->room = (s->n + n) * 2 + 64;
        if (!(s->p = realloc(s->p, s->room)))
            die("out of memory");
    }
    memcpy(s->p + s->n, p, n);
    s->n += n;
}

static void add_string(str_t *s, const char *text)
{
    add(s, text, strlen(text) + 1);
}

static void add_uint32(str_t *s, uint32_t v)
{
    v = htonl(v);
    add(s, &v, 4);
}

/* Begins a packet; returns where it begins. */
static size_t open_packet(str_t *s, char command)
{
    size_t at = s->n;
    add(s, "\0\0\0", 4);
    add(s, &command, 1);
    return at;
}

static void close_packet(str_t *s, size_t at)
{
    uint32_t n = htonl((uint32_t)(s->n - at - 4));
    memcpy(s->p + at, &n, 4);
}

static void add_packet(str_t *s, char command, const void *data, size_t n)
{
    size_t at = open_packet(s, command);
    add(s, data, n);
    close_packet(s, at);
}

/* The macros of a step: names and values, NULL at the end. */
static void add_macros(str_t *s, char step, const char *const *macros)
{
    size_t at = open_packet(s, 'D');
    add(s, &step, 1);
    for (; *macros; macros++)
        add_string(s, *macros);
    close_packet(s, at);
}

/* ----------------------------------------------------------------- options */

static struct {
    int connections, per_conn;
    double duration, warmup, timeout;
    uint64_t messages;
    const char *client, *helo, *sender, *expect, *reply;
    pid_t server_pid;
} opt = {
    .connections = 20, .per_conn = 1, .duration = 5, .warmup = 1, .timeout = 30,
    .client = "192.0.2.1", .helo = "mail.example.com", .sender = "ann@example.com", .reply = "ca",
};

static struct sockaddr_in target;

/* ------------------------------------------------------- the steps of a message */

/* What is sent for a step, and the bit of the agreed protocol that says that no reply comes. */
typedef struct {
    char command;
    uint32_t no_reply, off;
    str_t bytes;
} step_t;

static step_t *steps; /* CONNECT, HELO, then a message from MAIL on */
static int nsteps, first_of_message;
static const char *const ID[] = { "i", "4gXyZw1BcDz9", NULL };

static step_t *new_step(char command, uint32_t no_reply, uint32_t off)
{
    if (!(steps = realloc(steps, ((size_t)nsteps + 1) * sizeof *steps)))
        die("out of memory");
    steps[nsteps] = (step_t){ .command = command, .no_reply = no_reply, .off = off };
    return &steps[nsteps++];
}

static void read_file(const char *name, str_t *into)
{
    char buf[65536];
    size_t n;
    FILE *f = fopen(name, "r");
    if (!f)
        die("%s: %s", name, strerror(errno));
    while ((n = fread(buf, 1, sizeof buf, f)))
        add(into, buf, n);
    fclose(f);
}

static void field_step(const char *p, size_t n)
{
    step_t *s = new_step('L', 0x80, 0x20);
    const char *colon = memchr(p, ':', n);
    if (!colon)
        die("no colon in the field %.*s", (int)(n < 40 ? n : 40), p);
    add_macros(&s->bytes, 'L', ID);
    size_t at = open_packet(&s->bytes, 'L');
    add(&s->bytes, p, (size_t)(colon - p));
    add(&s->bytes, "", 1);
    add(&s->bytes, colon + 1, n - (size_t)(colon + 1 - p));
    add(&s->bytes, "", 1);
    close_packet(&s->bytes, at);
}

/* Fields as Postfix tells them: lines of one are separated by LF. */
static const char *header_steps(const char *p, const char *end)
{
    str_t field = { 0 };
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p)), *after = lf ? lf + 1 : end;
        size_t n = (size_t)((lf ? lf : end) - p);
        if (n && p[n - 1] == '\r')
            n--;
        bool continues = n && (*p == ' ' || *p == '\t') && field.n;
        if (!continues && field.n) {
            field_step(field.p, field.n);
            field.n = 0;
        }
        if (!n)
            return after;
        if (continues)
            add(&field, "\n", 1);
        add(&field, p, n);
        p = after;
    }
    if (field.n)
        field_step(field.p, field.n);
    return end;
}

static void body_steps(const char *p, const char *end)
{
    str_t body = { 0 };
    for (; p < end; p++) {
        if (*p == '\n' && (body.n == 0 || body.p[body.n - 1] != '\r'))
            add(&body, "\r", 1);
        add(&body, p, 1);
    }
    for (size_t at = 0; at < body.n; at += CHUNK_BYTES) {
        step_t *s = new_step('B', 0x80000, 0x10);
        add_macros(&s->bytes, 'B', ID);
        add_packet(&s->bytes, 'B', body.p + at, body.n - at < CHUNK_BYTES ? body.n - at : CHUNK_BYTES);
    }
}

static void address_step(char command, uint32_t no_reply, const char *address, const char *const *macros)
{
    step_t *s = new_step(command, no_reply, 0);
    char text[600];
    add_macros(&s->bytes, command, macros);
    snprintf(text, sizeof text, "<%s>", address);
    add_packet(&s->bytes, command, text, strlen(text) + 1);
}

static void build_steps(const char *file)
{
    char client[300];
    snprintf(client, sizeof client, "%s [%s]", opt.helo, opt.client);
    const char *const connect_macros[] = {
        "j", "mx.example.org", "_", client, "v", "Postfix 3.7.11", "{daemon_name}", "mx.example.org",
        "{daemon_addr}", "192.0.2.25", "{client_addr}", opt.client, "{client_name}", opt.helo,
        "{client_resolve}", "OK", NULL };
    const char *const none[] = { NULL };
    const char *host = strrchr(opt.sender, '@');
    const char *const mail_macros[] = {
        "{mail_addr}", opt.sender, "{mail_host}", host ? host + 1 : "", "{mail_mailer}", "smtp", NULL };
    const char *const rcpt_macros[] = {
        "{rcpt_addr}", "bob@example.org", "{rcpt_host}", "example.org", "{rcpt_mailer}", "virtual", NULL };
    step_t *s = new_step('C', 0x1000, 0x1);
    add_macros(&s->bytes, 'C', connect_macros);
    size_t at = open_packet(&s->bytes, 'C');
    add_string(&s->bytes, opt.helo);
    add(&s->bytes, "4\x9c\x41", 3);
    add_string(&s->bytes, opt.client);
    close_packet(&s->bytes, at);
    s = new_step('H', 0x2000, 0x2);
    add_macros(&s->bytes, 'H', none);
    add_packet(&s->bytes, 'H', opt.helo, strlen(opt.helo) + 1);
    first_of_message = nsteps;
    address_step('M', 0x4000, opt.sender, mail_macros);
    steps[nsteps - 1].off = 0x4;
    address_step('R', 0x8000, "bob@example.org", rcpt_macros);
    steps[nsteps - 1].off = 0x8;
    s = new_step('T', 0x10000, 0x200);
    add_macros(&s->bytes, 'T', ID);
    add_packet(&s->bytes, 'T', "", 0);
    str_t text = { 0 };
    read_file(file, &text);
    const char *body = header_steps(text.p, text.p + text.n);
    s = new_step('N', 0x40000, 0x40);
    add_macros(&s->bytes, 'N', ID);
    add_packet(&s->bytes, 'N', "", 0);
    body_steps(body, text.p + text.n);
    s = new_step('E', 0, 0);
    add_macros(&s->bytes, 'E', ID);
    add_packet(&s->bytes, 'E', "", 0);
}

/* ------------------------------------------------------------- connections */

typedef struct {
    int fd, step, done;
    uint32_t protocol;
    bool want_out, negotiated, skips, met; /* met: the edits had what is expected */
    size_t out_at;
    str_t out, in;
    double began;
} conn_t;

static int ep;
static bool measuring, stopping;
static uint64_t started, limit; /* messages of a phase */
static int active;              /* connections with a message under way */
static uint64_t messages, bad_reply, failed, edits;
static double *times; /* seconds of each message */
static size_t times_room;
static char last_bad[300], last_edit[300];

static void watch(conn_t *c, int op)
{
    struct epoll_event ev = { .events = EPOLLIN | (c->want_out ? EPOLLOUT : 0u), .data.ptr = c };
    if (epoll_ctl(ep, op, c->fd, &ev) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static bool may_start(void)
{
    return !stopping && (!limit || started < limit);
}

static void conn_open(conn_t *c)
{
    int one = 1;
    if (!may_start())
        return;
    started++;
    active++;
    str_t out = c->out, in = c->in;
    *c = (conn_t){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .out = out, .in = in };
    c->out.n = c->in.n = 0;
    c->began = now();
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&target, sizeof target) < 0)
        die("connect: %s", strerror(errno));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD);
    size_t at = open_packet(&c->out, 'O');
    add_uint32(&c->out, VERSION);
    add_uint32(&c->out, ACTIONS);
    add_uint32(&c->out, PROTOCOL);
    close_packet(&c->out, at);
    if (send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL) != (ssize_t)c->out.n)
        die("send: %s", strerror(errno));
    c->out.n = 0;
}

static void conn_close(conn_t *c)
{
    close(c->fd);
    c->fd = -1;
    active--;
}

static bool is_waiting(const conn_t *c, const step_t *s)
{
    return !(c->protocol & s->no_reply);
}

/* A value without its leading blank, for milters that did not ask for it. */
static void add_field(str_t *out, const step_t *s)
{
    const char *p = s->bytes.p, *end = p + s->bytes.n;
    const char *field = p + 4 + ntohl(*(const uint32_t *)(const void *)p);
    const char *value = field + 5 + strlen(field + 5) + 1;
    if (*value != ' ') {
        add(out, p, s->bytes.n);
        return;
    }
    add(out, p, (size_t)(field - p));
    size_t at = open_packet(out, 'L');
    add(out, field + 5, (size_t)(value - field - 5));
    add(out, value + 1, (size_t)(end - value - 1));
    close_packet(out, at);
}

/* Puts steps into the buffer up to the next one with a reply, and writes. As the stream of Postfix does, it fills up first. */
static void conn_send(conn_t *c)
{
    for (;;) {
        while (c->negotiated && c->out.n - c->out_at < BATCH_BYTES && c->step >= 0) {
            const step_t *s = &steps[c->step];
            if (c->protocol & s->off || (s->command == 'B' && c->skips)) {
                c->step++;
                continue;
            }
            if (s->command == 'L' && !(c->protocol & LEADING_SPACE))
                add_field(&c->out, s);
            else
                add(&c->out, s->bytes.p, s->bytes.n);
            if (is_waiting(c, s)) {
                c->step = -1 - c->step; /* waits for the reply to it */
                break;
            }
            c->step++;
        }
        if (c->out_at == c->out.n)
            break;
        ssize_t n = send(c->fd, c->out.p + c->out_at, c->out.n - c->out_at, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN && !c->want_out) {
                c->want_out = true;
                watch(c, EPOLL_CTL_MOD);
            }
            return; /* a broken connection shows up as a readable one */
        }
        c->out_at += (size_t)n;
        if (c->out_at == c->out.n)
            c->out.n = c->out_at = 0;
    }
    if (c->want_out) {
        c->want_out = false;
        watch(c, EPOLL_CTL_MOD);
    }
}

static void note_time(double seconds)
{
    if (messages == times_room) {
        times_room = times_room * 2 + 1024;
        if (!(times = realloc(times, times_room * sizeof *times)))
            die("out of memory");
    }
    times[messages++] = seconds;
}

static void note_bad(const char *what, size_t n)
{
    bad_reply++;
    snprintf(last_bad, sizeof last_bad, "%.*s", (int)(n < sizeof last_bad ? n : sizeof last_bad - 1), what);
    for (char *p = last_bad; *p; p++)
        if (*p < ' ' || *p == '"' || *p == '\\' || *p & 0x80)
            *p = '?';
}

/* Keeps an edit as text, its NULs as blanks, for a message of an error. */
static void note_edit(const char *p, size_t n)
{
    size_t room = sizeof last_edit - 1;
    n = n < room ? n : room;
    for (size_t i = 0; i < n; i++)
        last_edit[i] = p[i] ? p[i] : ' ';
    last_edit[n] = 0;
}

static void message_done(conn_t *c, const char *reply, size_t n)
{
    if (measuring) {
        if (!strchr(opt.reply, *reply))
            note_bad(reply, n);
        else if (opt.expect && !c->met)
            note_bad(last_edit, strlen(last_edit));
        note_time(now() - c->began);
    }
    c->met = c->skips = false;
    if (++c->done < opt.per_conn && may_start()) {
        started++;
        add_packet(&c->out, 'A', "", 0);
        c->step = first_of_message;
        c->began = now();
        return;
    }
    str_t end = { 0 };
    add_packet(&end, 'A', "", 0);
    add_packet(&end, 'A', "", 0);
    add_packet(&end, 'Q', "", 0);
    if (send(c->fd, end.p, end.n, MSG_NOSIGNAL) < 0)
        failed++;
    free(end.p);
    conn_close(c);
    conn_open(c);
}

/* Takes a packet of the milter. False: the connection is of no more use, or another one by now. */
static bool take_packet(conn_t *c, const char *p, size_t n)
{
    if (!c->negotiated) {
        uint32_t protocol;
        if (*p != 'O' || n < 13)
            die("no OPTNEG from the milter");
        memcpy(&protocol, p + 9, 4);
        c->protocol = ntohl(protocol);
        c->negotiated = true;
        return true;
    }
    if (c->step >= 0)
        die("a reply that nobody waits for: %c", *p);
    const step_t *s = &steps[-1 - c->step];
    if (s->command == 'E' && strchr("himqbe+-2p", *p)) {
        edits++;
        note_edit(p, n);
        c->met |= opt.expect && memmem(p, n, opt.expect, strlen(opt.expect));
        return true;
    }
    bool is_end = s->command == 'E' || *p != 'c';
    if (s->command == 'B' && *p == 's') {
        c->skips = true;
        is_end = false;
    }
    if (is_end) {
        message_done(c, p, n);
        return false;
    }
    c->step = -c->step; /* the step after it */
    return true;
}

static void conn_fail(conn_t *c)
{
    if (measuring)
        failed++;
    conn_close(c);
    conn_open(c);
}

static void conn_event(conn_t *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        char buf[65536];
        ssize_t n = recv(c->fd, buf, sizeof buf, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            conn_fail(c);
            return;
        }
        if (n > 0)
            add(&c->in, buf, (size_t)n);
        size_t at = 0;
        while (c->in.n - at >= 5) {
            uint32_t length;
            memcpy(&length, c->in.p + at, 4);
            length = ntohl(length);
            if (length == 0 || length > 1 << 20)
                die("a packet of %u bytes", length);
            if (c->in.n - at < 4 + (size_t)length)
                break;
            int fd = c->fd;
            at += 4 + (size_t)length;
            if (take_packet(c, c->in.p + at - length, length))
                continue;
            if (c->fd != fd || c->in.n == 0)
                return;
        }
        if (at > c->in.n)
            return;
        memmove(c->in.p, c->in.p + at, c->in.n - at);
        c->in.n -= at;
    }
    conn_send(c);
}

/* ------------------------------------------------------------------- report */

static double server_cpu(void)
{
    clockid_t clock;
    struct timespec t;
    if (!opt.server_pid || clock_getcpuclockid(opt.server_pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned long pss_kb(void)
{
    char path[64], line[256];
    unsigned long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)opt.server_pid);
    FILE *f = opt.server_pid ? fopen(path, "r") : NULL;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %lu", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double q)
{
    if (messages == 0)
        return 0;
    size_t at = (size_t)ceil(q * (double)messages);
    return 1e6 * times[at ? at - 1 : 0];
}

static double number(const char *s)
{
    char *e;
    double v = strtod(s, &e);
    if (e == s || *e || v < 0)
        die("bad number: %s", s);
    return v;
}

static void options(int argc, char **argv)
{
    static const struct option names[] = {
        { "connections", 1, 0, 'c' }, { "per-conn", 1, 0, 'C' }, { "duration", 1, 0, 'd' }, { "warmup", 1, 0, 'w' },
        { "messages", 1, 0, 'n' }, { "client", 1, 0, 'a' }, { "helo", 1, 0, 'h' }, { "sender", 1, 0, 's' },
        { "server-pid", 1, 0, 'p' }, { "expect", 1, 0, 'e' }, { "reply", 1, 0, 'r' }, { "timeout", 1, 0, 't' }, { 0 },
    };
    int o;
    while ((o = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (o) {
        case 'c': opt.connections = (int)number(optarg); break;
        case 'C': opt.per_conn = (int)number(optarg); break;
        case 'd': opt.duration = number(optarg); break;
        case 'w': opt.warmup = number(optarg); break;
        case 'n': opt.messages = (uint64_t)number(optarg); opt.duration = 3600; break;
        case 'a': opt.client = optarg; break;
        case 'h': opt.helo = optarg; break;
        case 's': opt.sender = optarg; break;
        case 'p': opt.server_pid = (pid_t)number(optarg); break;
        case 'e': opt.expect = optarg; break;
        case 'r': opt.reply = optarg; break;
        case 't': opt.timeout = number(optarg); break;
        default: exit(2);
        }
    }
    char *colon = optind + 2 == argc ? strchr(argv[optind], ':') : NULL;
    if (!colon)
        die("want HOST:PORT and a message");
    *colon = 0;
    target.sin_family = AF_INET;
    target.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, argv[optind], &target.sin_addr) != 1)
        die("bad address: %s", argv[optind]);
}

/* Runs until all messages that have begun are done. */
static void phase(conn_t *conns, double seconds, uint64_t most)
{
    double start = now();
    started = 0;
    limit = most;
    stopping = false;
    for (int i = 0; i < opt.connections; i++)
        conn_open(&conns[i]);
    while (active > 0) {
        struct epoll_event ev[MAX_EVENTS];
        int n = epoll_wait(ep, ev, MAX_EVENTS, 20);
        for (int i = 0; i < n; i++)
            conn_event(ev[i].data.ptr, ev[i].events);
        double t = now();
        stopping |= t - start >= seconds;
        for (int i = 0; i < opt.connections; i++)
            if (conns[i].fd >= 0 && t - conns[i].began > opt.timeout)
                conn_fail(&conns[i]);
    }
}

int main(int argc, char **argv)
{
    options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    build_steps(argv[optind + 1]);
    ep = epoll_create1(EPOLL_CLOEXEC);
    conn_t *conns = calloc((size_t)opt.connections, sizeof *conns);
    if (ep < 0 || !conns)
        die("cannot begin: %s", strerror(errno));
    for (int i = 0; i < opt.connections; i++)
        conns[i].fd = -1;
    if (opt.warmup > 0)
        phase(conns, opt.warmup, 0);
    measuring = true;
    double cpu = server_cpu(), begin = now();
    phase(conns, opt.duration, opt.messages);
    double seconds = now() - begin;
    usleep(20000); /* what the server does behind its last reply */
    cpu = server_cpu() - cpu;
    unsigned long kb = pss_kb();
    qsort(times, messages, sizeof *times, by_value);
    printf("{\"messages\":%llu,\"per_second\":%.2f,\"errors\":%llu,\"edits\":%llu,\"bad\":\"%s\","
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"cpu_us\":%.3f,\"pss_kb\":%lu}\n",
           (unsigned long long)messages, (double)messages / seconds, (unsigned long long)(bad_reply + failed),
           (unsigned long long)edits, last_bad, quantile(.5), quantile(.99), quantile(1),
           messages ? cpu * 1e6 / (double)messages : 0, kb);
    return 0;
}
