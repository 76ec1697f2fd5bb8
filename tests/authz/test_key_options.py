"""API keys beyond Authorino's: expiry, rotation, hashes, names of one's own, ids beside keys."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from authz.secret import NEVER, read_secret
from tests.authz.lanes import NOW, Lanes, check_request

SECOND = 10**9
SUCCESS = {
    "success": {
        "headers": {"x-who": {"json": {"properties": {"id": {"selector": "auth.identity"}}}}}
    }
}


class Keys:
    """An AuthConfig that lets keys in, and tells by whose Secret."""

    def __init__(self, **options: Any) -> None:
        self.lanes = Lanes()
        self.faults = self._configure(options)

    def _configure(self, options: dict[str, Any]) -> list[str]:
        extensions = json.dumps({"authentication": {"key": options}})
        entry = {
            "apiKey": {"selector": {"matchLabels": {"app": "toys"}}},
            "credentials": {"customHeader": {"name": "x-key"}},
        }
        document = {
            "metadata": {"annotations": {"tollhouse.io/extensions": extensions}},
            "spec": {"hosts": ["toys.com"], "authentication": {"key": entry}, "response": SUCCESS},
        }
        faults = self.lanes.configuration.put_auth_config("shop", "toys", document)
        self.lanes.publish()
        return [str(fault) for fault in faults]

    def secret(self, name: str, data: dict[str, str], **annotations: str) -> str | None:
        """Put a Secret; annotations without their prefix, `_` for `-`. Gives its fault."""
        named = {f"tollhouse.io/{k.replace('_', '-', 1)}": v for k, v in annotations.items()}
        document = {
            "metadata": {"name": name, "labels": {"app": "toys"}, "annotations": named},
            "stringData": data,
        }
        return self.lanes.configuration.put_secret("shop", name, document)

    def identity(self, key: str, **headers: str) -> Any:
        """The identity, or the reason of the refusal; the same in both lanes."""
        answer = self.lanes.ask(check_request(host="toys.com", x_key=key, **headers))
        shown = dict(answer.headers).get("x-who")
        return answer.reason if shown is None else json.loads(shown)["id"]

    def who(self, key: str, **headers: str) -> str:
        found = self.identity(key, **headers)
        return str(found["metadata"]["name"] if isinstance(found, dict) else found)


INVALID = "the API Key provided is invalid"


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def at(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // SECOND, UTC).isoformat()


# ---- expiry


def test_key_ends_with_its_secrets_expiry() -> None:
    keys = Keys()
    keys.secret("alice", {"api_key": "k1"}, expires_at=at(NOW + 10 * SECOND))
    assert keys.who("k1") == "alice"
    keys.lanes.wall_ns = NOW + 10 * SECOND - 1
    assert keys.who("k1") == "alice"
    keys.lanes.wall_ns = NOW + 10 * SECOND
    assert keys.who("k1") == INVALID
    keys.secret("alice", {"api_key": "k1"}, expires_at=at(NOW + 60 * SECOND))
    assert keys.who("k1") == "alice"
    keys.secret("alice", {"api_key": "k1"})
    keys.lanes.wall_ns = NOW + 10**9 * SECOND
    assert keys.who("k1") == "alice"


def test_expiry_is_a_time_with_an_offset() -> None:
    for text in ("2027-01-31T01:00:00+01:00", "2027-01-31T00:00:00Z"):
        metadata = {"name": "a", "annotations": {"tollhouse.io/expires-at": text}}
        found = read_secret("shop", "a", {"metadata": metadata})
        assert found.expires_wall_ns("api_key") == 1_801_353_600 * SECOND
    assert read_secret("shop", "a", {"metadata": {"name": "a"}}).expires_wall_ns("x") == NEVER


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-01-31", "2027-01-31T00:00:00", "99"])
def test_expiry_that_cannot_be_read_leaves_the_secret_as_it_was(text: str) -> None:
    keys = Keys()
    fault = keys.secret("alice", {"api_key": "k1"}, expires_at=text)
    assert fault == (
        "metadata.annotations: tollhouse.io/expires-at:"
        " expected a time such as 2027-01-31T00:00:00Z"
    )
    assert keys.who("k1") == INVALID
    keys.secret("alice", {"api_key": "k1"})
    assert keys.secret("alice", {"api_key": "k2"}, expires_at=text) == fault
    assert (keys.who("k1"), keys.who("k2")) == ("alice", INVALID)


# ---- rotation


def test_several_keys_of_a_secret_count_while_they_last() -> None:
    keys = Keys(keyNames=["current", "previous"])
    data = {"current": "new", "previous": "old", "api_key": "other"}
    keys.secret("alice", data, **{"expires_at.previous": at(NOW + SECOND)})
    assert [keys.who(key) for key in ("new", "old", "other")] == ["alice", "alice", INVALID]
    keys.lanes.wall_ns = NOW + SECOND
    assert [keys.who(key) for key in ("new", "old")] == ["alice", INVALID]
    keys.secret("alice", {"current": "newer", "previous": "new"})
    assert [keys.who(key) for key in ("newer", "new", "old")] == ["alice", "alice", INVALID]
    keys.lanes.configuration.remove_secret("shop", "alice")
    assert [keys.who(key) for key in ("newer", "new")] == [INVALID, INVALID]
    assert len(keys.lanes.identities) == 0


def test_key_in_two_secrets_falls_back_to_the_one_that_stays() -> None:
    keys = Keys(keyNames=["a", "b"])
    keys.secret("alice", {"a": "shared", "b": "own"})
    keys.secret("bob", {"a": "shared"})
    keys.secret("carol", {"a": "own"})
    assert (keys.who("shared"), keys.who("own")) == ("bob", "carol")
    keys.lanes.configuration.remove_secret("shop", "bob")
    assert (keys.who("shared"), keys.who("own")) == ("alice", "carol")


# ---- hashes


def test_hashed_key_is_found_by_the_key() -> None:
    keys = Keys()
    keys.secret("alice", {"api_key_sha256": sha256("k1")})
    keys.secret("bob", {"api_key_sha256": f"{sha256('k2').upper()}\n{sha256('k3')}\n"})
    assert [keys.who(key) for key in ("k1", "k2", "k3", "k4")] == ["alice", "bob", "bob", INVALID]
    assert keys.who(sha256("k1")) == INVALID
    keys.lanes.configuration.remove_secret("shop", "alice")
    assert keys.who("k1") == INVALID


def test_hash_itself_is_no_key() -> None:
    lanes = Lanes()
    digest = hashlib.sha256(b"k1").digest()
    document = read_secret("shop", "a", {"metadata": {"name": "a"}}).identity
    lanes.identities.put(0, digest, document, hashed=True)
    assert lanes.identities.find(0, digest, 0) is None
    assert lanes.identities.find(0, b"k1", 0) is not None


@pytest.mark.parametrize("text", ["", "abc", "z" * 64, sha256("k1")[1:], f"x{sha256('k1')}"])
def test_text_that_is_no_hash_is_left_out(text: str, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys()
    assert keys.secret("alice", {"api_key": "k0", "api_key_sha256": text}) is None
    assert (keys.who("k0"), keys.who("k1")) == ("alice", INVALID)
    assert ("expected 64 hexadecimal digits" in caplog.text) == bool(text)
    assert not text or text not in caplog.text


def test_hashes_have_the_names_of_their_keys_and_expire_like_them() -> None:
    keys = Keys(keyNames=["token"])
    data = {"token_sha256": sha256("k1"), "api_key_sha256": sha256("k2")}
    keys.secret("alice", data, **{"expires_at.token": at(NOW + SECOND)})
    assert (keys.who("k1"), keys.who("k2")) == ("alice", INVALID)
    keys.lanes.wall_ns = NOW + SECOND
    assert keys.who("k1") == INVALID


# ---- an id beside the key


def test_id_and_key_have_to_belong_together() -> None:
    keys = Keys(appId={"customHeader": {"name": "X-App-Id"}})
    keys.secret("alice", {"app_id": "1", "app_key": "ka"})
    keys.secret("bob", {"app_id": "2", "app_key": "kb", "app_key_sha256": sha256("kc")})
    assert keys.who("ka", x_app_id="1") == "alice"
    assert keys.who("kb", x_app_id="2") == keys.who("kc", x_app_id="2") == "bob"
    assert keys.who("kb", x_app_id="1") == INVALID
    assert keys.who("a", x_app_id="1k") == keys.who("1ka", x_app_id="") == INVALID
    assert keys.who("ka") == "credential not found"


def test_id_may_be_anywhere_a_credential_may() -> None:
    keys = Keys(appId={"queryString": {"name": "app_id"}}, keyNames=["api_key"])
    keys.secret("alice", {"app_id": "1", "api_key": "k"})
    request = check_request("/?app_id=1", "toys.com", x_key="k")
    assert keys.lanes.ask(request).code == 0


@pytest.mark.parametrize("app_id", ["", "x" * 1025])
def test_secret_without_a_usable_id_has_no_keys(app_id: str) -> None:
    keys = Keys(appId={"customHeader": {"name": "X-App-Id"}})
    keys.secret("alice", {"app_id": app_id, "app_key": "k"})
    assert keys.who("k", x_app_id=app_id) in (INVALID, "credential not found")


# ---- what the identity shows


def test_values_of_the_secret_can_be_kept_out_of_the_identity() -> None:
    keys = Keys(withoutData=True)
    keys.secret("alice", {"api_key": "k", "other": "x"})
    found = keys.identity("k")
    assert found.keys() == {"metadata", "type"}
    assert Keys().identity("k") == INVALID


def test_native_lane_knows_expiry_rotation_and_hashes() -> None:
    keys = Keys(keyNames=["a", "b"], withoutData=True)
    keys.secret("alice", {"a": "k1", "b_sha256": sha256("k2")}, expires_at=at(NOW + SECOND))
    for key in ("k1", "k2", "k3"):
        assert keys.lanes.ask(check_request(host="toys.com", x_key=key)).native


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"keyNames": "api_key"}, "keyNames: expected a list"),
        ({"appId": {"header": "x"}}, "appId.header: is not a field here"),
        ({"withoutData": 1}, "withoutData: expected true or false"),
        ({"keys": []}, "keys: is not a field here"),
    ],
)
def test_wrong_options_are_faults(options: dict[str, Any], fault: str) -> None:
    [found] = Keys(**options).faults
    prefix = "metadata.annotations['tollhouse.io/extensions'].authentication.key."
    assert found.startswith(prefix + fault)
