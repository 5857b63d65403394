// A conntrack helper in C: the network protocol of SANE, over which scanners are shared.
//
//   client 10.0.0.5:40000 ── START, handle ───────────────────────────► saned 198.51.100.7:6566    the master
//   client 10.0.0.5:40000 ◄─ status, port, byte order, resource ─────── saned 198.51.100.7:6566
//   client 10.0.0.5:any   ────────────────────────────────────────────► saned 198.51.100.7:port    expected, for the image
//
// All that is said are words of 32 bits, the highest byte first, and texts behind their lengths (SANE Standard 1.06, chapter "Network
// Protocol"). What the types and functions named exports_conntrack_… mean stands in wit/helper.wit.

#include "conntrack_helper.h" // Made of wit/helper.wit when this is built.
#include <stdlib.h>

enum { SANED_PORT = 6566, EXPECT_SECONDS = 300, WORD_BYTES = 4 };

// Calls, and how long those are that have a handle and nothing else.
enum { INIT = 0, START = 7, HANDLE_CALL_BYTES = 2 * WORD_BYTES };

// The words of a reply to START. The port of a good one stands in the place that is rewritten when it changes.
enum { STATUS = 0, PORT = 4, BYTE_ORDER = 8, RESOURCE_LENGTH = 12, REPLY_BYTES = 16 };
enum { GOOD = 0, LITTLE_ENDIAN_IMAGE = 0x1234, BIG_ENDIAN_IMAGE = 0x4321 };

// How far a connection has come: the one byte that is remembered of it.
enum stage { UNBEGUN, BEGUN, ASKED };

// What a payload means.
struct meaning {
    enum stage now, next;
    bool is_foreign;
    uint16_t port; // Announced by it; 0: none.
};

static uint32_t word(const conntrack_helper_list_u8_t *payload, size_t at) {
    const uint8_t *bytes = payload->ptr + at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Whether a client begins like this: with INIT, and version 1 of the protocol in the highest byte of its next word.
static bool begins(const conntrack_helper_list_u8_t *call) {
    return call->len >= 2 * WORD_BYTES && word(call, 0) == INIT && call->ptr[WORD_BYTES] == 1;
}

// The port that a reply to START announces, or 0. One that names a resource wants a password first, and announces nothing yet.
static uint16_t announced(const conntrack_helper_list_u8_t *reply) {
    if (reply->len != REPLY_BYTES || word(reply, STATUS) != GOOD || word(reply, RESOURCE_LENGTH) != 0) {
        return 0;
    }
    uint32_t port = word(reply, PORT), order = word(reply, BYTE_ORDER);
    bool is_order = order == LITTLE_ENDIAN_IMAGE || order == BIG_ENDIAN_IMAGE;
    return is_order && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static struct meaning read(const exports_conntrack_context_t *context, const conntrack_helper_list_u8_t *state,
                           const conntrack_helper_list_u8_t *payload) {
    enum stage now = state && state->len == 1 ? (enum stage)state->ptr[0] : UNBEGUN;
    struct meaning meaning = {.now = now, .next = now};
    if (context->direction == EXPORTS_CONNTRACK_DIRECTION_ORIGINAL) {
        meaning.is_foreign = now == UNBEGUN && !begins(payload);
        if (payload->len == HANDLE_CALL_BYTES && word(payload, 0) == START) {
            meaning.next = ASKED;
        } else if (payload->len == HANDLE_CALL_BYTES || now == UNBEGUN) {
            meaning.next = BEGUN;
        }
    } else if (now == ASKED) {
        // Whatever it says: the next payload answers something else.
        meaning.next = BEGUN;
        meaning.port = announced(payload);
    }
    return meaning;
}

void exports_conntrack_manifest(exports_conntrack_helper_manifest_t *ret) {
    static exports_conntrack_attach_point_t attach = {
        .protocol = EXPORTS_CONNTRACK_PROTOCOL_TCP,
        .ports = {.first = SANED_PORT, .last = SANED_PORT},
    };
    static exports_conntrack_expect_class_t image = {
        .protocol = EXPORTS_CONNTRACK_PROTOCOL_TCP,
        .direction = {.is_some = true, .val = EXPORTS_CONNTRACK_DIRECTION_ORIGINAL},
        .opener = EXPORTS_CONNTRACK_OPENER_PEER,
        .ports = {.first = 1024, .last = UINT16_MAX},
        .expected_max = 1,
        .timeout_seconds = EXPECT_SECONDS,
    };
    conntrack_helper_string_set(&image.name, "image");
    *ret = (exports_conntrack_helper_manifest_t){
        .attach = {.ptr = &attach, .len = 1},
        .framing = EXPORTS_CONNTRACK_FRAMING_PACKET, // They are no lines.
        .classes = {.ptr = &image, .len = 1},
        .rewrite_bytes_max = 1, // Some may be rewritten; none becomes longer.
        .state_bytes_max = 1,
        .fuel_per_call = 2000,
        .memory_bytes_max = 192 << 10,
        .on_failure = EXPORTS_CONNTRACK_FAILURE_POLICY_DROP,
    };
    conntrack_helper_string_set(&ret->name, "sane");
}

// Asked of one instance again and again, so it leaves nothing behind.
bool exports_conntrack_concerns(exports_conntrack_context_t *context, conntrack_helper_list_u8_t *maybe_state,
                                conntrack_helper_list_u8_t *payload) {
    struct meaning meaning = read(context, maybe_state, payload);
    forget_all();
    return meaning.is_foreign || meaning.next != meaning.now || meaning.port;
}

// What it gives back stays where it is: free() does nothing, and the instance has seen nothing before.
bool exports_conntrack_inspect(exports_conntrack_context_t *context, conntrack_helper_list_u8_t *maybe_state,
                               conntrack_helper_list_u8_t *payload, exports_conntrack_inspection_t *ret) {
    static uint8_t state;
    static exports_conntrack_wish_t wish;
    struct meaning meaning = read(context, maybe_state, payload);
    state = (uint8_t)meaning.next;
    *ret = (exports_conntrack_inspection_t){
        .verdict = meaning.is_foreign ? EXPORTS_CONNTRACK_VERDICT_FOREIGN : EXPORTS_CONNTRACK_VERDICT_ACCEPT,
        .state = {.is_some = true, .val = {.ptr = &state, .len = 1}},
    };
    if (meaning.port) {
        wish = (exports_conntrack_wish_t){
            .protocol = EXPORTS_CONNTRACK_PROTOCOL_TCP,
            .source.address = {.is_some = true, .val = context->destination.address},
            .destination.address = {.is_some = true, .val = context->source.address},
            .destination.port = {.is_some = true, .val = meaning.port},
            .direction = EXPORTS_CONNTRACK_DIRECTION_ORIGINAL,
            .site = {.is_some = true, .val = {.offset = PORT, .length = WORD_BYTES}},
        };
        ret->wishes.ptr = &wish;
        ret->wishes.len = 1;
    }
    return meaning.is_foreign || meaning.next != meaning.now || meaning.port;
}

// The port as a word; there is only one kind of place.
void exports_conntrack_render(exports_conntrack_context_t *context, conntrack_helper_list_u8_t *maybe_state,
                              exports_conntrack_site_t *site, exports_conntrack_endpoint_t *translated,
                              conntrack_helper_list_u8_t *ret) {
    static uint8_t port[WORD_BYTES];
    (void)context, (void)maybe_state, (void)site;
    port[2] = (uint8_t)(translated->port >> 8);
    port[3] = (uint8_t)translated->port;
    *ret = (conntrack_helper_list_u8_t){.ptr = port, .len = sizeof port};
}
