from _fastpath.check_decision cimport Decision, Step
from _fastpath.rule cimport DenialRule
from _fastpath.wire cimport TextView

cdef Step deny(
    Decision *decision, const DenialRule *custom, int code, int http_status, TextView reason
) noexcept nogil
cdef Step condition_failed(Decision *decision) noexcept nogil
