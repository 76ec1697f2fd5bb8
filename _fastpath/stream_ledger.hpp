// What a connection remembers of the streams that its peer opened last.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tollhouse {

enum Standing : uint8_t {
    IN_ORDER,
    NEVER_OPENED,  // a later stream was opened, this one was not and may not be any more
    ENDED          // by the peer itself, with END_STREAM or RST_STREAM
};

// nghttp2 forgets a stream once it is closed (keeping it costs a quarter of the CPU of a request) and
// then passes over whatever comes for it, before any callback. The ledger reads the heads of the frames
// first: those that were under way when *we* ended the stream are fine, those that the peer sent
// after ending it itself are not (RFC 9113 5.1).
// A slot holds the newest stream of its residue class, so what it says is certain or nothing.
class StreamLedger {
    static constexpr size_t SLOTS = 64, HEAD = 9, PREFACE = 24;
    struct Entry {
        int32_t id = 0;
        bool ended = false;
    };
    Entry entries[SLOTS];
    int32_t newest = 0;
    size_t skip = PREFACE;  // bytes until the next head
    size_t have = 0;        // bytes of a head that came in parts
    uint8_t head[HEAD];

    Standing take(const uint8_t *frame) {
        enum : uint8_t { DATA = 0, HEADERS = 1, RST_STREAM = 3, END_STREAM = 1 };
        uint8_t kind = frame[3];
        if (kind != DATA && kind != HEADERS && kind != RST_STREAM) return IN_ORDER;
        int32_t id = (frame[5] & 0x7f) << 24 | frame[6] << 16 | frame[7] << 8 | frame[8];
        bool ends = kind == RST_STREAM || frame[4] & END_STREAM;
        Entry &entry = entries[(static_cast<uint32_t>(id) >> 1) % SLOTS];
        if (kind == HEADERS && id > newest) {
            newest = id;
            entry.id = id;
            entry.ended = ends;
            return IN_ORDER;
        }
        if (entry.id != id) return kind == HEADERS && entry.id < id ? NEVER_OPENED : IN_ORDER;
        if (entry.ended && kind != RST_STREAM) return ENDED;
        entry.ended = entry.ended || ends;
        return IN_ORDER;
    }

public:
    Standing standing = IN_ORDER;  // of the frame that ends the connection

    // How many of the bytes come before a frame that is out of order; `standing` tells whether one is.
    size_t scan(const uint8_t *data, size_t size) {
        size_t place = 0;
        while (place < size) {
            if (skip) {
                size_t step = skip < size - place ? skip : size - place;
                place += step;
                skip -= step;
                continue;
            }
            size_t start = place;
            const uint8_t *frame = data + place;
            if (have || size - place < HEAD) {
                size_t step = HEAD - have < size - place ? HEAD - have : size - place;
                std::memcpy(head + have, frame, step);
                have += step;
                place += step;
                if (have < HEAD) break;
                have = 0;
                frame = head;
            } else {
                place += HEAD;
            }
            standing = take(frame);
            if (standing != IN_ORDER) return start;
            skip = static_cast<size_t>(frame[0]) << 16 | frame[1] << 8 | frame[2];
        }
        return size;
    }
};

}  // namespace tollhouse
