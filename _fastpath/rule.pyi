from _fastpath.cells import Series
from _fastpath.host_index import Owner
from _fastpath.rule_spec import RuleSpec

class Rule(Owner):
    """A compiled AuthConfig, or the mark that its requests are decided by the full lane.

    The pipeline that both lanes follow (semantics.md lists the sources):

    1. Top-level `when`. False: answer OK with empty headers and metadata, and count nothing for the
       AuthConfig. Evaluation error: deny with PERMISSION_DENIED, 403, reason CONDITION_FAILED; the
       custom `unauthorized` denial applies.
       Then, where the process has a throttle: an attempt by a source or with a credential that
       failed too often is RESOURCE_EXHAUSTED, 429, Retry-After, reason `throttle.THROTTLED`.
       An attempt is a credential that an entry takes, whether or not it has its turn; those of a
       request that ends with UNAUTHENTICATED have failed.
    2. Authentication, any-of. Groups by ascending priority, inside a group those that do not wait
       come first, then in order of declaration; the first success ends the phase. An entry whose
       `when` is false or fails is skipped. None succeeded: UNAUTHENTICATED, 401; one
       WWW-Authenticate per entry in order of declaration (also of skipped ones), X-Ext-Auth-Reason
       last. Reason: with exactly one entry configured and evaluated its error; otherwise a JSON
       object entry -> error of the entries evaluated, keys sorted by bytes (`{}` when all were
       skipped). Errors: CREDENTIAL_MISSING, KEY_INVALID, IDENTITY_MISSING, IDENTITY_NO_OBJECT.
       Defaults and overrides are resolved with the identity as it is without them.
    3. Metadata. Groups as above; results appear as `auth.metadata[name]` for later groups and
       phases. `when` false or failing: skipped, but a required entry whose `when` fails is left to
       the full lane.
    4. Authorization, all-of. Groups as above; the first failure ends the phase. `when` false:
       skipped. `when` fails or a pattern fails: PERMISSION_DENIED, 403, reason CONDITION_FAILED. A
       pattern is false: reason UNAUTHORIZED. Passed entries appear as `auth.authorization[name]`,
       `true` or the remembered result, for later groups and phases.
    5. Success items. Groups as above. `when` false or failing, or a value that fails or has no
       `json_form.json_form_of`: the item is dropped. Values, in that form, appear as
       `auth.response[name]` for later groups (of equal names the one of the later group wins, then
       the later declared). Headers are written in order of declaration whatever their priority; a
       plain header whose value is null or missing is not written. Dynamic metadata keys are sorted
       by bytes, of equal keys the later declared wins.

    With `skip_failed_conditions` a `when` that fails is one that is false, also the top-level one.

    The full lane decides a request as soon as it comes to a foreign entry that does not wait, to
    a group that ends without a success or a denial while something of it is not remembered, and to
    an identity whose value or extension fails.

    An entry with `metrics` counts ("auth_server_evaluator_total", namespace, name, type, entry),
    `…_ignored` when its `when` is false and `…_denied` when it or its `when` fails, in the lane
    that answers.

    Texts of headers and denials are those of `text.text_of_value`, of a json header those of
    `text.json_of_value(go_escapes=True)`. An expression result that is absent counts as null.
    """

    @property
    def refusal(self) -> str | None:
        """Why the full lane decides; None when this rule is decided natively."""

def rule(spec: RuleSpec, series: Series) -> Rule:
    """Compile. Raises ValueError for a spec that breaks a rule stated in `rule_spec`.

    Series registered per AuthConfig: ("auth_server_authconfig_total", namespace, name) and
    ("auth_server_authconfig_response_status", namespace, name, status) for status in OK,
    UNAUTHENTICATED, PERMISSION_DENIED; ("tollhouse_authz_deferred_total", namespace, name). With
    `throttled` also status RESOURCE_EXHAUSTED, and ("tollhouse_authz_throttled_total", namespace,
    name, by) for by in source, credential.
    """

UNAUTHORIZED: str
CREDENTIAL_MISSING: str
KEY_INVALID: str
IDENTITY_MISSING: str
IDENTITY_NO_OBJECT: str
CONDITION_FAILED: str
