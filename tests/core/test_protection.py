"""Who may move which alias."""

from registry.core.protection import Allowed, Denied, Rule, decide

RULES = (
    Rule("*", "production", ("reconciler:*",)),
    Rule("fraud*", "champion", ("admin:*", "publisher:risk-ci")),
    Rule("fraud*", "frozen", ()),
)


def verdict(model: str, alias: str, actor: str) -> type:
    return type(decide(RULES, model=model, alias=alias, actor=actor))


def test_an_alias_that_no_rule_names_is_free() -> None:
    assert verdict("digits", "champion", "publisher:anybody") is Allowed
    assert verdict("fraud", "challenger", "publisher:anybody") is Allowed


def test_a_protected_alias_is_moved_by_those_named_and_nobody_else() -> None:
    assert verdict("digits", "production", "reconciler:loop") is Allowed
    assert verdict("digits", "production", "admin:root") is Denied
    assert verdict("fraud-eu", "champion", "publisher:risk-ci") is Allowed
    assert verdict("fraud-eu", "champion", "publisher:risk-ci-2") is Denied


def test_a_rule_without_movers_freezes_the_alias() -> None:
    found = decide(RULES, model="fraud", alias="frozen", actor="admin:root")
    assert found == Denied("is frozen: nobody may move it", ())


def test_every_rule_that_names_an_alias_must_agree() -> None:
    rules = (*RULES, Rule("digits", "prod*", ("admin:*",)))
    assert isinstance(
        decide(rules, model="digits", alias="production", actor="reconciler:loop"), Denied
    )
