"""The request path taken apart as Go's net/url does it, which the sources of `url_path` use.

What differs is on purpose: a text that net/url refuses ends there in a crash, here `refused` is set
and the text is only cut at "?" and "#". An authority (`//host/path`) is stepped over unchecked.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcpy

from _fastpath.arena cimport Arena
from _fastpath.wire cimport TextView, valid_utf8


cdef inline int hex_digit(char c) noexcept nogil:
    if c"0" <= c <= c"9":
        return c - c"0"
    if c"a" <= c <= c"f":
        return c - c"a" + 10
    if c"A" <= c <= c"F":
        return c - c"A" + 10
    return -1


cdef inline TextView slice_of(TextView text, uint32_t start, uint32_t end) noexcept nogil:
    cdef TextView part
    part.text = text.text + start if text.text != NULL else NULL
    part.size = end - start
    return part


cdef inline uint32_t position(TextView text, char c) noexcept nogil:
    """Of the first `c`; the size of the text when there is none."""
    cdef const char *found
    if text.size == 0:
        return 0
    found = <const char *> memchr(text.text, c, text.size)
    return text.size if found == NULL else <uint32_t> (found - text.text)


cdef bint unescape(TextView escaped, bint plus, char *into, uint32_t *size) noexcept nogil:
    """Percent-decode into a buffer of at least escaped.size; False for a malformed escape.

    With `plus`, "+" is a space, as in a query.
    """
    cdef uint32_t i = 0, n = 0
    cdef int high, low
    while i < escaped.size:
        if escaped.text[i] == c"%":
            if i + 2 >= escaped.size:
                return False
            high = hex_digit(escaped.text[i + 1])
            low = hex_digit(escaped.text[i + 2])
            if high < 0 or low < 0:
                return False
            into[n] = <char> (high << 4 | low)
            i += 3
        else:
            into[n] = c" " if plus and escaped.text[i] == c"+" else escaped.text[i]
            i += 1
        n += 1
    size[0] = n
    return True


cdef bint well_escaped(TextView text) noexcept nogil:
    cdef uint32_t i
    for i in range(text.size):
        if text.text[i] == c"%" and (
                i + 2 >= text.size or hex_digit(text.text[i + 1]) < 0
                or hex_digit(text.text[i + 2]) < 0):
            return False
    return True


cdef inline bint letter(char c) noexcept nogil:
    return c"a" <= c <= c"z" or c"A" <= c <= c"Z"


cdef uint32_t scheme_size(TextView text, bint *refused) noexcept nogil:
    """Length of a leading `scheme:` without its colon, or 0."""
    cdef uint32_t i
    cdef char c
    for i in range(text.size):
        c = text.text[i]
        if letter(c):
            continue
        if c == c":":
            if i == 0:
                refused[0] = True
            return i
        if not (c"0" <= c <= c"9" or c == c"+" or c == c"-" or c == c".") or i == 0:
            return 0
    return 0


cdef bint decode_path(TextView escaped, Arena *arena, UrlView *url) noexcept nogil:
    """False when the arena is exhausted."""
    cdef char *decoded
    cdef char *repaired
    cdef uint32_t size = 0, i = 0, n = 0, step
    if position(escaped, c"%") == escaped.size:
        url.path = escaped
        return True
    decoded = <char *> arena.take(escaped.size)
    if decoded == NULL:
        return False
    if not unescape(escaped, False, decoded, &size):
        url.refused = True
        return True
    url.path.text = decoded
    url.path.size = size
    if valid_utf8(<const uint8_t *> decoded, size):
        return True
    repaired = <char *> arena.take(3 * <size_t> size)
    if repaired == NULL:
        return False
    while i < size:
        step = 1
        while step < 4 and i + step < size and (<uint8_t> decoded[i + step] & 0xC0) == 0x80:
            step += 1
        while step > 1 and not valid_utf8(<const uint8_t *> decoded + i, step):
            step -= 1
        if valid_utf8(<const uint8_t *> decoded + i, step):
            memcpy(repaired + n, decoded + i, step)
            n += step
        else:
            memcpy(repaired + n, b"\xef\xbf\xbd", 3)
            n += 3
        i += step
    url.path.text = repaired
    url.path.size = n
    return True


cdef void cut(TextView raw, UrlView *url) noexcept nogil:
    """The undecoded form of a text that net/url refuses."""
    cdef TextView text = slice_of(raw, 0, position(raw, c"#"))
    cdef uint32_t query = position(text, c"?")
    url.path = slice_of(text, 0, query)
    url.query = slice_of(text, query + 1, text.size) if query < text.size else slice_of(text, 0, 0)


cdef bint split_url(TextView raw, Arena *arena, UrlView *url) noexcept nogil:
    """Fill `url`; False when the arena is exhausted."""
    cdef uint32_t i
    cdef uint32_t hash = position(raw, c"#")
    cdef uint32_t scheme, at, slash
    cdef TextView rest = slice_of(raw, 0, hash)
    url.refused = False
    url.path = slice_of(raw, 0, 0)
    url.query = url.path
    for i in range(raw.size):
        if <uint8_t> raw.text[i] < 0x20 or raw.text[i] == 0x7F:
            url.refused = True
    if hash < raw.size and not well_escaped(slice_of(raw, hash + 1, raw.size)):
        url.refused = True
    scheme = scheme_size(rest, &url.refused)
    if url.refused:
        cut(raw, url)
        return True
    if scheme:
        rest = slice_of(rest, scheme + 1, rest.size)
    at = position(rest, c"?")
    if at < rest.size:
        url.query = slice_of(rest, at + 1, rest.size)
        rest = slice_of(rest, 0, at)
    if rest.size == 0 or rest.text[0] != c"/":
        if scheme:
            return True         # opaque: no path
        if position(slice_of(rest, 0, position(rest, c"/")), c":") < position(rest, c"/"):
            url.refused = True
            cut(raw, url)
            return True
    elif rest.size > 1 and rest.text[1] == c"/" and (
            scheme or rest.size == 2 or rest.text[2] != c"/"):
        rest = slice_of(rest, 2, rest.size)
        slash = position(rest, c"/")
        rest = slice_of(rest, slash, rest.size)
    if not decode_path(rest, arena, url):
        return False
    if url.refused:
        cut(raw, url)
    return True
