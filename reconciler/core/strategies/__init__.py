"""Strategies as small programs, and the one table by which a rollout goes through them. Pure.

`program` says what the steps of a strategy are, `progress` where a rollout is, `table` what each
event makes of that, `pursuit` which events the facts amount to.
"""
