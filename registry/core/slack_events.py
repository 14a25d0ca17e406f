"""A log entry as a line of chat, in the form that Slack's incoming webhooks take. Pure.

Mattermost, Rocket.Chat, Zulip and Discord (at `…/slack`) take the same. Names and reasons come from
people: what would be a link, a mention or an end of the line there is only text.
"""

from collections.abc import Mapping

from registry.core.canonical import Json

MEDIA_TYPE = "application/json"
_LONGEST = 600


def of_entry(index: int, entry: Mapping[str, Json]) -> dict[str, Json]:
    """What happened to what, where, why and by whom, and the entry to look it up by."""
    words = str(entry.get("kind") or "").replace("_", " ")
    host, reason = _said(entry, "host"), _said(entry, "reason")
    about = _about(entry)
    text = f"*{about}* {words}" if about else words.capitalize()
    text += f" on {host}" if host else ""
    text += f": {reason}" if reason else ""
    return {"text": f"{text} (by {_said(entry, 'actor')}, log entry {index})"}


def of_trial() -> dict[str, Json]:
    """What says that it is only a trial."""
    return {"text": "A test of this webhook: nothing has happened."}


def _about(entry: Mapping[str, Json]) -> str:
    model, version = _said(entry, "model"), _said(entry, "version")
    named = f"{model}@{version}" if model and version else model
    deployment = _said(entry, "deployment")
    return f"{deployment} ({named})" if deployment and named else deployment or named


def _said(entry: Mapping[str, Json], name: str) -> str:
    """In one line, with the characters replaced that mean something there."""
    value = entry.get(name)
    text = "" if value is None else " ".join(str(value).split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    for special, plain in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(special, plain)
    return text.replace("*", "∗").replace("`", "'")
