"""Secrets by label, and who is told of their changes."""

from authz.secret_store import SecretStore
from authz.selector_match import EVERYTHING, LabelSelector, Requirement

CA = LabelSelector(frozenset({("ca", "x")}), ())
NO_CA = LabelSelector(frozenset(), (Requirement("ca", "DoesNotExist", frozenset()),))


def names(store: SecretStore, namespace: str | None, selector: LabelSelector) -> list[str]:
    return [secret.name for secret in store.matching(namespace, selector)]


def test_secrets_are_found_by_namespace_and_labels() -> None:
    store = SecretStore()
    store.put("shop", "a", {"ca": "x", "other": "y"}, {})
    store.put("shop", "b", {}, {})
    store.put("else", "c", {"ca": "x"}, {})
    assert names(store, "shop", CA) == ["a"]
    assert names(store, None, CA) == ["a", "c"]
    assert names(store, None, NO_CA) == ["b"]
    assert names(store, "shop", EVERYTHING) == ["a", "b"]
    store.put("shop", "a", {"ca": "z"}, {})
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
    store.put("shop", "a", {"ca": "x"}, {"k": "dg=="})
    assert sorted(told) == ["all", "shop"]
    store.put("shop", "a", {"ca": "x"}, {"k": "dg=="})
    store.put("shop", "b", {"ca": "y"}, {})
    store.remove("shop", "nothing")
    assert len(told) == 2
    store.put("shop", "a", {"ca": "x"}, {"k": "dw=="})
    store.put("shop", "a", {}, {"k": "dw=="})
    assert told[2:].count("shop") == told[2:].count("all") == 2
    assert told.count("without") == 1
    store.remove("shop", "a")
    assert told.count("without") == 2
    for watch in watches:
        store.unwatch(watch)
    told.clear()
    store.put("shop", "a", {"ca": "x"}, {})
    assert told == []


def test_watch_may_end_while_it_is_told() -> None:
    store, told = SecretStore(), list[str]()

    def end() -> None:
        told.append("once")
        store.unwatch(watch)

    watch = store.watch(None, CA, end)
    store.put("shop", "a", {"ca": "x"}, {})
    store.put("shop", "a", {"ca": "x"}, {"k": "dg=="})
    assert told == ["once"]
