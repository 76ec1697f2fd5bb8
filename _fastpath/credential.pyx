"""Where a request carries its API key or certificate, by the rules of rule_spec.Credential."""

from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcmp

from _fastpath.attributes cimport Facts, request_url
from _fastpath.check_view cimport find_pair
from _fastpath.request_url cimport UrlView, unescape
from _fastpath.wire cimport TextView


cdef bint after_prefix(TextView value, TextView prefix, TextView *credential) noexcept nogil:
    if value.size <= prefix.size or value.text[prefix.size] != c" ":
        return False
    if memcmp(value.text, prefix.text, prefix.size) != 0:
        return False
    credential.text = value.text + prefix.size + 1
    credential.size = value.size - prefix.size - 1
    return True


cdef bint blank(char c) noexcept nogil:
    return c == c" " or c"\t" <= c <= c"\r"


cdef bint in_cookie(TextView value, TextView name, TextView *credential) noexcept nogil:
    cdef uint32_t start = 0, end, stop
    while start < value.size:
        end = start
        while end < value.size and value.text[end] != c";":
            end += 1
        stop = end
        while start < stop and blank(value.text[start]):
            start += 1
        while stop > start and blank(value.text[stop - 1]):
            stop -= 1
        if stop - start > name.size and value.text[start + name.size] == c"=" and memcmp(
                value.text + start, name.text, name.size) == 0:
            credential.text = value.text + start + name.size + 1
            credential.size = stop - start - name.size - 1
            return True
        start = end + 1
    return False


cdef bint in_query(Facts *facts, TextView name, TextView *credential) noexcept nogil:
    """Value of the first well-formed pair of that name, unless it is empty."""
    cdef const UrlView *url = request_url(facts)
    cdef TextView part
    cdef TextView query
    cdef uint32_t start = 0, end, equals, size
    cdef char *decoded
    if url == NULL or url.refused or url.query.size == 0:
        return False
    query = url.query
    decoded = <char *> facts.arena.take(query.size)
    if decoded == NULL:
        return False
    while start < query.size:
        end = start
        while end < query.size and query.text[end] != c"&":
            end += 1
        if memchr(query.text + start, c";", end - start) == NULL:
            equals = start
            while equals < end and query.text[equals] != c"=":
                equals += 1
            part.text = query.text + start
            part.size = equals - start
            if unescape(part, True, decoded, &size) and size == name.size and memcmp(
                    decoded, name.text, size) == 0:
                part.text = query.text + equals + 1
                part.size = end - equals - 1 if equals < end else 0
                if unescape(part, True, decoded, &size):
                    credential.text = decoded
                    credential.size = size
                    return size > 0
        start = end + 1
    return False


cdef bint find_credential(
    Facts *facts, int place, TextView name, TextView *credential
) noexcept nogil:
    """`name` of a custom header is in lower case. False when the request carries none."""
    cdef TextView value
    if place == QUERY_STRING:
        return in_query(facts, name, credential)
    if place == CUSTOM_HEADER:
        return find_pair(&facts.view.headers, name.text, name.size, credential)
    if place == COOKIE:
        return find_pair(&facts.view.headers, b"cookie", 6, &value) and in_cookie(
            value, name, credential)
    if place == PEER_CERTIFICATE:
        credential[0] = facts.view.source.certificate
        return True
    if place == CERTIFICATE_HEADER:
        if not find_pair(&facts.view.headers, name.text, name.size, credential):
            credential.size = 0
        return True
    return find_pair(&facts.view.headers, b"authorization", 13, &value) and after_prefix(
        value, name, credential)
