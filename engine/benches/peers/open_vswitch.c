/* The workload of `conntrack.rs`, done by the userspace connection tracking of Open vSwitch: the peer of our ratios.
 *
 * TCP flows are set up by SYN, SYN-ACK and ACK; then come all their packets in random order, half of them answers, ACK
 * without payload, in batches of 32, without commit, as its datapath tracks what is established. Then connections are
 * made by first packets, with commit: one pass, where a datapath makes two; the first table filled is not counted, so
 * that the allocator has its memory already. Frames, their order and the clock are those of `conntrack.rs`. Measured is
 * conntrack_execute(), with windows tracked and checksums verified as it does by default; copying a batch in and
 * flow_extract() are not measured. Every packet must be found in the state that is due to it.
 *
 * Build it in a checkout of Open vSwitch, beside its library (nothing of it is part of this repository):
 *
 *     ./boot.sh && ./configure CFLAGS="-O2 -g -march=x86-64-v2" --disable-ssl
 *     printf 'include Makefile\nbuilt: $(BUILT_SOURCES)\n' | make -f - built && make lib/libopenvswitch.la
 *     ./libtool --mode=link gcc -O2 -g -march=x86-64-v2 -DHAVE_CONFIG_H -I. -Iinclude -Ilib -o open_vswitch \
 *         PATH_OF/open_vswitch.c lib/libopenvswitch.la -latomic -lm -lpthread
 *
 * `./open_vswitch` prints nanoseconds a packet for 1000, 100 000 and 1 000 000 flows, and connections a second. With
 * `./open_vswitch ip-known` IPv4 checksums pass for verified, because Towpath verifies them while it parses. Run it in
 * turns with `cargo bench -p towpath-engine --bench conntrack`: only ratios of one sitting count. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conntrack.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "timeval.h"
#include "util.h"

enum { BATCH = 32, FRAME_LEN = 60, FLOWS_MAX = 1 << 20, CREATED_MAX = 500000, SYN = 0x02, ACK = 0x10 };

/* How long each measurement takes, without what is not measured. */
static const uint64_t WARM_UP_NS = 1000000000, MEASURED_NS = 3000000000;

static struct dp_packet packets[BATCH];
static bool ip_checksum_is_known;

static uint64_t
clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* A number below `bound`: SplitMix64, as `engine/src/random.rs` has it. */
static uint32_t
below(uint64_t *state, uint32_t bound)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return ((z ^ z >> 31) >> 32) * bound >> 32;
}

static void
put(uint8_t *at, uint32_t value, int len)
{
    while (len--) {
        *at++ = value >> 8 * len;
    }
}

/* A segment of flow `n`: the same bytes as segment() of `gateway/mod.rs`. */
static void
segment(uint8_t frame[FRAME_LEN], uint32_t n, bool is_answer, uint8_t flags)
{
    static const uint8_t links[2][14] = {{2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 9, 9, 8, 0},
                                         {2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 9, 9, 8, 0}};
    uint32_t block = n / 16, host = MAX(block & 0xff, 2);
    uint32_t addresses[2] = {10u << 24 | (block & 0xffff00) | host, 198u << 24 | 51 << 16 | 100 << 8 | (n % 250 + 1)};
    uint32_t ports[2] = {1024 + n % 50000, 53};
    uint32_t sequences[2] = {1001, 9001};

    memset(frame, 0, FRAME_LEN);
    memcpy(frame, links[is_answer], 14);
    put(frame + 14, 0x45, 1);
    put(frame + 16, 40, 2);
    put(frame + 22, 64 << 8 | 6, 2);
    put(frame + 26, addresses[is_answer], 4);
    put(frame + 30, addresses[!is_answer], 4);
    put(frame + 34, ports[is_answer], 2);
    put(frame + 36, ports[!is_answer], 2);
    put(frame + 38, sequences[is_answer] - (flags & SYN ? 1 : 0), 4);
    put(frame + 42, flags & ACK ? sequences[!is_answer] : 0, 4);
    put(frame + 46, 0x50 << 8 | flags, 2);
    put(frame + 48, 0xffff, 2);

    ovs_be16 header = csum(frame + 14, 20);
    memcpy(frame + 24, &header, 2);
    uint32_t pseudo = csum_add16(csum_continue(0, frame + 26, 8), htons(6));
    ovs_be16 transport = csum_finish(csum_continue(csum_add16(pseudo, htons(20)), frame + 34, 20));
    memcpy(frame + 50, &transport, 2);
}

/* Tracks a batch and says how long that took. All its packets must come out as `due`. */
static uint64_t
track(struct conntrack *ct, long long now, uint8_t (*frames)[FRAME_LEN], int count, bool commit, uint8_t due)
{
    struct dp_packet_batch batch;
    dp_packet_batch_init(&batch);
    for (int i = 0; i < count; i++) {
        struct dp_packet *packet = &packets[i];
        struct flow flow;
        dp_packet_clear(packet);
        dp_packet_reset_offload(packet);
        dp_packet_put(packet, frames[i], FRAME_LEN);
        pkt_metadata_init(&packet->md, 1);
        flow_extract(packet, &flow);
        if (ip_checksum_is_known) {
            dp_packet_ip_checksum_set_good(packet);
        }
        dp_packet_batch_add(&batch, packet);
    }

    uint64_t start = clock_ns();
    conntrack_execute(ct, &batch, htons(ETH_TYPE_IP), false, commit, 0, NULL, NULL, NULL, NULL, now, 0);
    uint64_t spent = clock_ns() - start;

    for (int i = 0; i < count; i++) {
        uint8_t is = packets[i].md.ct_state & ~CS_REPLY_DIR, is_answer = packets[i].md.ct_state & CS_REPLY_DIR;
        bool comes_from_server = frames[i][26] == 198;
        if (is != due || !is_answer == comes_from_server) {
            ovs_fatal(0, "a packet comes out in state %#x, not %#x", packets[i].md.ct_state, due);
        }
    }
    return spent;
}

/* A table without limits or a sweep that would show: nothing expires in so short a time. */
static struct conntrack *
table(void)
{
    struct conntrack *ct = conntrack_init();
    conntrack_set_maxconns(ct, FLOWS_MAX);
    conntrack_set_sweep_interval(ct, 24 * 3600 * 1000);
    return ct;
}

static void
must_hold(struct conntrack *ct, uint32_t flows)
{
    uint32_t held;
    conntrack_get_nconns(ct, &held);
    if (held != flows) {
        ovs_fatal(0, "%"PRIu32" connections instead of %"PRIu32, held, flows);
    }
}

static void
drop(struct conntrack *ct)
{
    conntrack_destroy(ct);
    ovsrcu_barrier();
}

/* Tracks packets of established flows from `*at` on, round and round, until `ns` are spent: nanoseconds a packet. */
static double
laps(struct conntrack *ct, long long now, uint8_t (*frames)[FRAME_LEN], uint32_t count, uint32_t *at, uint64_t ns)
{
    uint64_t spent = 0, batches = 0;
    while (spent < ns) {
        *at = *at + BATCH > count ? 0 : *at;
        spent += track(ct, now, frames + *at, BATCH, false, CS_TRACKED | CS_ESTABLISHED);
        *at += BATCH;
        if (++batches % 1024 == 0) {
            ovsrcu_quiesce();
        }
    }
    return (double) spent / (batches * BATCH);
}

static void
established(uint32_t flows)
{
    static const struct { bool is_answer; uint8_t flags, due; } steps[] = {
        {false, SYN, CS_TRACKED | CS_NEW},
        {true, SYN | ACK, CS_TRACKED | CS_ESTABLISHED},
        {false, ACK, CS_TRACKED | CS_ESTABLISHED},
    };
    struct conntrack *ct = table();
    uint8_t (*frames)[FRAME_LEN] = xmalloc(2 * (size_t) flows * FRAME_LEN), swapped[FRAME_LEN];
    long long now = time_msec();

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        for (uint32_t n = 0; n < flows; n++) {
            segment(frames[0], n, steps[i].is_answer, steps[i].flags);
            track(ct, now, frames, 1, steps[i].flags == SYN, steps[i].due);
        }
        ovsrcu_quiesce();
    }
    must_hold(ct, flows);

    for (uint32_t n = 0; n < 2 * flows; n++) {
        segment(frames[n], n / 2, n % 2, ACK);
    }
    uint64_t state = 1;
    for (uint32_t last = 2 * flows - 1; last > 0; last--) {
        uint32_t other = below(&state, last + 1);
        memcpy(swapped, frames[last], FRAME_LEN);
        memmove(frames[last], frames[other], FRAME_LEN);
        memcpy(frames[other], swapped, FRAME_LEN);
    }

    uint32_t at = 0;
    laps(ct, now + 1000, frames, 2 * flows, &at, WARM_UP_NS);
    double ns = laps(ct, now + 1000, frames, 2 * flows, &at, MEASURED_NS);
    must_hold(ct, flows);
    printf("%"PRIu32" flows: %.1f ns a packet\n", flows, ns);
    drop(ct);
    free(frames);
}

static void
create(void)
{
    uint8_t frames[BATCH][FRAME_LEN];
    uint64_t spent = 0, made = 0;
    for (bool is_warm = false; spent < MEASURED_NS; is_warm = true) {
        struct conntrack *ct = table();
        long long now = time_msec();
        for (uint32_t n = 0; n < CREATED_MAX; n += BATCH) {
            for (uint32_t i = 0; i < BATCH; i++) {
                segment(frames[i], n + i, false, SYN);
            }
            uint64_t took = track(ct, now, frames, BATCH, true, CS_TRACKED | CS_NEW);
            spent += is_warm ? took : 0;
            made += is_warm ? BATCH : 0;
            if (n / BATCH % 1024 == 0) {
                ovsrcu_quiesce();
            }
        }
        must_hold(ct, CREATED_MAX);
        drop(ct);
    }
    printf("create: %.1f ns a connection, %.3f million a second\n", (double) spent / made, made * 1e3 / spent);
}

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    ip_checksum_is_known = argc > 1 && !strcmp(argv[1], "ip-known");
    if (argc > 2 || (argc > 1 && !ip_checksum_is_known)) {
        ovs_fatal(0, "use: %s [ip-known]", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_ERR);
    for (int i = 0; i < BATCH; i++) {
        dp_packet_init(&packets[i], 128);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    established(1000);
    established(100000);
    established(1000000);
    create();
    return 0;
}
