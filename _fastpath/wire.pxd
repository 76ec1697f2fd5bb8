from libc.stdint cimport uint8_t, uint32_t, uint64_t

from _fastpath.arena cimport Arena


cdef extern from "wire.hpp" namespace "tollhouse" nogil:
    cdef enum WireType:
        WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_GROUP, WIRE_GROUP_END, WIRE_FIXED32

    cdef struct TextView:
        const char *text
        uint32_t size

    bint valid_utf8(const uint8_t *at, size_t size)

    cdef cppclass WireReader:
        const uint8_t *at
        const uint8_t *end
        int depth
        uint32_t field
        uint32_t type
        bint bad
        WireReader()
        WireReader(const uint8_t *data, size_t size)
        bint next()
        bint at_field(uint32_t number, uint32_t wire_type)
        uint64_t varint()
        TextView bytes()
        TextView text()
        WireReader message()
        void absorb(const WireReader &inner)
        uint32_t fixed32()
        uint64_t fixed64()
        void skip()

    # Fields go in last first; see wire.hpp.
    cdef cppclass WireWriter:
        WireWriter()
        WireWriter(Arena *arena)
        WireWriter(Arena *arena, size_t capacity)
        bint failed
        const uint8_t *data()
        size_t size()
        void raw(const void *data, size_t size)
        void varint(uint64_t value)
        void tag(uint32_t field, uint32_t type)
        void varint_field(uint32_t field, uint64_t value)
        void double_field(uint32_t field, double value)
        void bytes_field(uint32_t field, const void *data, size_t size)
        void message_field(uint32_t field, size_t mark)
