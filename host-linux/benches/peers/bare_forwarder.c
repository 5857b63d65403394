/* Forwards frames between two devices, both ways, and does nothing else than to give them other Ethernet addresses: the peer of our
 * ratios.
 *
 *     bare_forwarder ring|super DEVICE TO_MAC DEVICE TO_MAC
 *
 * What came by one device leaves by the other to the address beside that. `ring`: frames lie in a ring of blocks (TPACKET_V3) and leave from
 * there by sendmmsg(), 64 at a time. `super`: frames have a vnet header, by which super-packets of 64 KB pass whole, with checksums that are yet
 * to be filled in; they are read by recvmmsg(), 16 at a time. What the other device does not take is lost. Runs until it is killed. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { BATCH = 64, LONG_BATCH = 16, LONG_BYTES = 10 + 14 + 4 + 65536, BLOCK_BYTES = 128 << 10, BLOCKS = 64, VNET_BYTES = 10 };

struct side {
    int socket;
    uint8_t addresses[12]; /* of frames that leave by it */
    uint8_t *blocks;
    unsigned next;
};

static void
set(const struct side *side, int option, const void *value, socklen_t len)
{
    if (setsockopt(side->socket, SOL_PACKET, option, value, len)) {
        err(1, "setsockopt %d", option);
    }
}

static void
open_side(struct side *side, const char *name, const char *to, bool is_super)
{
    int yes = 1, version = TPACKET_V3, ignore_outgoing = 23, memory = 8 << 20;
    uint8_t *mac = side->addresses;
    struct ifreq request = {0};
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    side->socket = socket(AF_PACKET, SOCK_RAW, 0);
    if (side->socket < 0 || ioctl(side->socket, SIOCGIFHWADDR, &request)) {
        err(1, "%s", name);
    }
    if (sscanf(to, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6) {
        errx(2, "%s: no Ethernet address", to);
    }
    memcpy(mac + 6, request.ifr_hwaddr.sa_data, 6);
    set(side, ignore_outgoing, &yes, sizeof yes);
    set(side, PACKET_QDISC_BYPASS, &yes, sizeof yes);
    setsockopt(side->socket, SOL_SOCKET, SO_RCVBUFFORCE, &memory, sizeof memory);
    setsockopt(side->socket, SOL_SOCKET, SO_SNDBUFFORCE, &memory, sizeof memory);
    if (is_super) {
        set(side, PACKET_VNET_HDR, &yes, sizeof yes);
    } else {
        struct tpacket_req3 ring = {.tp_block_size = BLOCK_BYTES, .tp_block_nr = BLOCKS, .tp_frame_size = 2048,
            .tp_frame_nr = BLOCK_BYTES / 2048 * BLOCKS, .tp_retire_blk_tov = 1};
        set(side, PACKET_VERSION, &version, sizeof version);
        set(side, PACKET_RX_RING, &ring, sizeof ring);
        side->blocks = mmap(NULL, (size_t) BLOCK_BYTES * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, side->socket, 0);
        if (side->blocks == MAP_FAILED) {
            err(1, "mmap");
        }
    }
    if (bind(side->socket, (struct sockaddr *) &address, sizeof address)) {
        err(1, "%s", name);
    }
}

/* Sends what the other device takes. */
static void
send_all(int socket_, struct mmsghdr *messages, size_t count)
{
    for (size_t done = 0; done < count;) {
        int sent = sendmmsg(socket_, messages + done, count - done, MSG_DONTWAIT);
        done += sent > 0 ? sent : 1;
    }
}

/* Forwards the frames of all blocks that are full, or that have waited for a millisecond. */
static bool
forward_blocks(struct side *from, const struct side *to)
{
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    bool any = false;
    for (;; any = true) {
        struct tpacket_block_desc *block = (void *) (from->blocks + (size_t) from->next * BLOCK_BYTES);
        if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
            return any;
        }
        struct tpacket3_hdr *header = (void *) ((uint8_t *) block + block->hdr.bh1.offset_to_first_pkt);
        size_t count = 0;
        for (uint32_t left = block->hdr.bh1.num_pkts; left > 0; left--) {
            uint8_t *frame = (uint8_t *) header + header->tp_mac;
            memcpy(frame, to->addresses, sizeof to->addresses);
            parts[count] = (struct iovec) {frame, header->tp_snaplen};
            messages[count].msg_hdr = (struct msghdr) {.msg_iov = &parts[count], .msg_iovlen = 1};
            if (++count == BATCH || left == 1) {
                send_all(to->socket, messages, count);
                count = 0;
            }
            header = (void *) ((uint8_t *) header + header->tp_next_offset);
        }
        __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        from->next = (from->next + 1) % BLOCKS;
    }
}

/* Forwards the frames that wait, LONG_BATCH at most. */
static bool
forward_super_packets(const struct side *from, const struct side *to)
{
    static uint8_t frames[LONG_BATCH][LONG_BYTES];
    static struct iovec parts[LONG_BATCH];
    static struct mmsghdr messages[LONG_BATCH];
    for (size_t n = 0; n < LONG_BATCH; n++) {
        parts[n] = (struct iovec) {frames[n], LONG_BYTES};
        messages[n].msg_hdr = (struct msghdr) {.msg_iov = &parts[n], .msg_iovlen = 1};
    }
    int count = recvmmsg(from->socket, messages, LONG_BATCH, MSG_DONTWAIT, NULL);
    for (int n = 0; n < count; n++) {
        memcpy(frames[n] + VNET_BYTES, to->addresses, sizeof to->addresses);
        parts[n].iov_len = messages[n].msg_len;
    }
    send_all(to->socket, messages, count > 0 ? count : 0);
    return count > 0;
}

int
main(int argc, char **argv)
{
    if (argc != 6 || (strcmp(argv[1], "ring") && strcmp(argv[1], "super"))) {
        errx(2, "usage: bare_forwarder ring|super DEVICE TO_MAC DEVICE TO_MAC");
    }
    bool is_super = !strcmp(argv[1], "super");
    struct side sides[2] = {0};
    for (int n = 0; n < 2; n++) {
        open_side(&sides[n], argv[2 + 2 * n], argv[3 + 2 * n], is_super);
    }
    puts("forwarding");
    fflush(stdout);
    for (;;) {
        bool any = false;
        for (int n = 0; n < 2; n++) {
            any |= is_super ? forward_super_packets(&sides[n], &sides[!n]) : forward_blocks(&sides[n], &sides[!n]);
        }
        if (!any) {
            poll((struct pollfd[2]) {{sides[0].socket, POLLIN, 0}, {sides[1].socket, POLLIN, 0}}, 2, -1);
        }
    }
}
