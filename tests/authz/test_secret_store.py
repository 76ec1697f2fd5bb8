"""Secrets by label, and who is told of their changes."""

from authz.secret import read_secret
from authz.secret_store import SecretStore
from authz.selector_match import EVERYTHING, LabelSelector, Requirement

CA = LabelSelector(frozenset({("ca", "x")}), ())
NO_CA = LabelSelector(frozenset(), (Requirement("ca", "DoesNotExist", frozenset()),))


def put(
    store: SecretStore, name: str, labels: dict[str, str], data: dict[str, str], place: str = "shop"
) -> None:
    document = {"metadata": {"name": name, "labels": labels}, "stringData": data}
    store.put(read_secret(place, name, document))


def names(store: SecretStore, namespace: str | None, selector: LabelSelector) -> list[str]:
    return [secret.name for secret in store.matching(namespace, selector)]


def test_secrets_are_found_by_namespace_and_labels() -> None:
    store = SecretStore()
    put(store, "a", {"ca": "x", "other": "y"}, {})
    put(store, "b", {}, {})
    put(store, "c", {"ca": "x"}, {}, "else")
    assert names(store, "shop", CA) == ["a"]
    assert names(store, None, CA) == ["a", "c"]
    assert names(store, None, NO_CA) == ["b"]
    assert names(store, "shop", EVERYTHING) == ["a", "b"]
    put(store, "a", {"ca": "z"}, {})
    store.remove("else", "c")
    assert names(store, None, CA) == []


def test_watch_is_told_of_secrets_that_match_or_did() -> None:
    store, told = SecretStore(), list[str]()
    watches = [
        store.watch(namespace, selector, lambda name=name: told.append(name))
        for name, namespace, selector in (
            ("shop", "shop", CA), ("all", None, CA), ("without", "shop", NO_CA),
        )
    ]  # fmt: skip
    put(store, "a", {"ca": "x"}, {"k": "v"})
    assert sorted(told) == ["all", "shop"]
    put(store, "a", {"ca": "x"}, {"k": "v"})
    put(store, "b", {"ca": "y"}, {})
    store.remove("shop", "nothing")
    assert len(told) == 2
    put(store, "a", {"ca": "x"}, {"k": "w"})
    put(store, "a", {}, {"k": "w"})
    assert told[2:].count("shop") == told[2:].count("all") == 2
    assert told.count("without") == 1
    store.remove("shop", "a")
    assert told.count("without") == 2
    for watch in watches:
        store.unwatch(watch)
    told.clear()
    put(store, "a", {"ca": "x"}, {})
    assert told == []


def test_watch_may_end_while_it_is_told() -> None:
    store, told = SecretStore(), list[str]()

    def end() -> None:
        told.append("once")
        store.unwatch(watch)

    watch = store.watch(None, CA, end)
    put(store, "a", {"ca": "x"}, {})
    put(store, "a", {"ca": "x"}, {"k": "v"})
    assert told == ["once"]
