/* Sends UDP datagrams of 18 bytes, which are frames of 64 on a cable, as fast as a program can: a burst of them with one system call, which the
 * kernel cuts for a device that does not do that itself (UDP_SEGMENT; `tx-udp-segmentation` of the device has to be off).
 *
 *     datagrams ADDRESS FLOWS PER_SECOND SECONDS
 *
 * Each burst is one flow's: flows have ports of their own here, and port 9 there. PER_SECOND 0: without a pause. Prints how many were sent. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* Linux 4.18 and later: include/uapi/linux/udp.h */
#endif

enum { BURST = 64, PAYLOAD = 18, FLOWS_MAX = 512, FIRST_PORT = 20000 };

static uint64_t
clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static int
open_flow(const char *address, size_t flow)
{
    int payload = PAYLOAD, socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(FIRST_PORT + flow)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    if (!inet_aton(address, &to.sin_addr)) {
        errx(2, "%s: no IPv4 address", address);
    }
    if (socket_ < 0 || bind(socket_, (struct sockaddr *) &from, sizeof from) || connect(socket_, (struct sockaddr *) &to, sizeof to)
        || setsockopt(socket_, IPPROTO_UDP, UDP_SEGMENT, &payload, sizeof payload)) {
        err(1, "a socket of UDP");
    }
    return socket_;
}

int
main(int argc, char **argv)
{
    static const char burst[BURST * PAYLOAD];
    int sockets[FLOWS_MAX];
    size_t flows = argc == 5 ? atoi(argv[2]) : 0;
    if (flows < 1 || flows > FLOWS_MAX) {
        errx(2, "usage: datagrams ADDRESS FLOWS PER_SECOND SECONDS, with 1 to %d flows", FLOWS_MAX);
    }
    for (size_t flow = 0; flow < flows; flow++) {
        sockets[flow] = open_flow(argv[1], flow);
    }
    double rate = atof(argv[3]);
    uint64_t start = clock_ns(), now = start, bursts = 0, end = start + (uint64_t) (atof(argv[4]) * 1e9);
    for (; now < end; now = clock_ns()) {
        uint64_t due = rate > 0 ? start + (uint64_t) (bursts * BURST / rate * 1e9) : now;
        if (due > now) {
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec) {due / 1000000000, due % 1000000000}, NULL);
        }
        if (send(sockets[bursts % flows], burst, sizeof burst, 0) < 0) {
            err(1, "send");
        }
        bursts++;
    }
    printf("%llu\n", (unsigned long long) bursts * BURST);
    return 0;
}
