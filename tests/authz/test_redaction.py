"""What people look at holds no secret."""

from authz.redaction import redacted


def test_members_with_secret_names_are_hidden_at_any_depth() -> None:
    value = {"sub": "ann", "nested": [{"Access_Token": "t", "n": 1}], "password": {"old": "a"}}
    assert redacted(value) == {
        "sub": "ann",
        "nested": [{"Access_Token": "***", "n": 1}],
        "password": {"old": "***"},
    }


def test_values_of_a_kubernetes_secret_are_hidden() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    value = {
        "metadata": {"name": "alice", "annotations": {last: "{}", "role": "admin"}},
        "data": {"api_key": "YQ==", "other": "Yg=="},
        "stringData": {"other": "b"},
        "type": "Opaque",
    }
    assert redacted(value) == {
        "metadata": {"name": "alice", "annotations": {last: "***", "role": "admin"}},
        "data": {"api_key": "***", "other": "***"},
        "stringData": {"other": "***"},
        "type": "Opaque",
    }


def test_what_tells_nothing_stays() -> None:
    assert redacted({"secret": None, "token": True}) == {"secret": None, "token": True}
    assert redacted([1, "a", None]) == [1, "a", None]
