"""Every text of a page can be translated, and is; a catalog is read as its translators mean it."""

from pathlib import Path

import pytest
from jinja2 import nodes

from registry import errors
from registry.pages import catalogs, rendering, wording
from registry.pages.language import LANGUAGES
from registry.pages.wording import phrase
from tests.pages import bare, catalog

TEMPLATES = Path(rendering.__file__).parent / "templates"
# The report of an audit is a document for a file and for the record, not a page: see its ADR.
PAGES = [file for file in sorted(TEMPLATES.glob("*.html")) if file.name != "audit_report.html"]
# What is the same in every language.
NAMES = {
    "deployments.html": ["fraud", "production"],  # an example of what to type
    "entry.html": ["{} UTC"],
    "host.html": ["{} UTC"],
    "log_search.html": ["production/fraud"],  # an example of what to type
    "login.html": ["plm_…"],  # how a token begins
    "models.html": ["tags.team = 'risk' AND name LIKE 'fra%'"],  # an example of a filter
    "page.html": ["{} · Plimsoll", "Plimsoll"],
    "parts.html": ["{} UTC"],
}
REPORT = frozenset({"audit_report.py", "gantt.py"})
# Sentences of views that no page shows as a text of its own: what an error or a count is about, and
# how a form's token is made.
OTHERS = {
    ("explaining.py", "stored evidence"),
    ("guarding.py", "plimsoll form v1"),
    ("policy_pages.py", "version "),
    ("policy_pages.py", " is no number"),
    ("signing_in.py", "wrong tokens from this address"),
}
ZH = LANGUAGES["zh"]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_template_has_no_text_that_nobody_can_translate(file: Path) -> None:
    assert bare.bare(rendering.environment(), file.read_text()) == NAMES.get(file.name, [])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hosts</p>", ["Hosts"]),
        ("<p>{{ _('Hosts') }} 12 {{ name }}</p>", []),
        ("<p>{% trans %}Hosts{% endtrans %}</p>", []),
        ('<p title="Hosts" class="wide"></p>', ["Hosts"]),
        ("{% if a %}<p>{{ 'Hosts' if a else _('none') }}</p>{% endif %}", ["Hosts"]),
        ("<p>{{ a or 'Hosts' }}</p>", ["Hosts"]),
        ("<p class=\"{{ 'wide' if a == 'Hosts' }}\"></p>", []),
        ("{% for one in all %}<p>of {{ one }}</p>{% endfor %}", ["of {}"]),
        ("<code>plimsoll push</code><script>var hosts</script>", []),
        ('<input placeholder="Name" value="fraud">', ["Name"]),
        ("{{ chip({'tone': 'busy', 'word': 'waiting'}) }}", ["waiting"]),
    ],
)
def test_bare_text_is_found_where_it_is_seen_or_heard(source: str, found: list[str]) -> None:
    assert bare.bare(rendering.environment(), source) == found


def test_no_view_makes_a_sentence_that_nobody_can_translate() -> None:
    """Words of documents and the log are in the vocabulary, and so in the catalog."""
    known = catalog.translations(catalog.of("zh_Hans"))
    found = {
        (file.name, one)
        for file in sorted(TEMPLATES.parent.glob("*.py"))
        for one in bare.sentences(file.read_text())
        if file.name not in REPORT and one not in known
    }
    assert found == OTHERS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("word = 'not known'", ["not known"]),
        ("word = f'pinned to version {number}'", ["pinned to version "]),
        ("word = f'{host} waits'", [" waits"]),
        ("word = wording.phrase('not known')", []),
        ("def f():\n    'Says so.'\n    raise errors.NotFound('no such page', fix='go back')", []),
        ("route = 'POST /models/{name}'; kind = 'rolled_back'", []),
    ],
)
def test_a_sentence_of_python_is_found(source: str, found: list[str]) -> None:
    assert bare.sentences(source) == found


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_only_texts_of_ours_are_messages(file: Path) -> None:
    """A message is HTML: what people wrote may stand in one, and never be one."""
    tree = rendering.environment().parse(file.read_text())
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "gettext", "ngettext"}:
            forms = call.args[: 2 if call.node.name == "ngettext" else 1]
            assert all(isinstance(one, nodes.Const) for one in forms)


@pytest.mark.parametrize("locale", catalog.locales())
def test_a_catalog_is_read_as_babel_reads_it(locale: str) -> None:
    known = catalogs.of(locale)
    assert isinstance(known, catalogs.Catalog)
    theirs = {one: said for one, said in catalog.translations(catalog.of(locale)).items() if said}
    assert known.messages == theirs
    assert len(theirs) > 300


@pytest.mark.parametrize("locale", catalog.locales())
def test_a_translation_has_what_is_put_into_its_message(locale: str) -> None:
    for message, said in catalog.translations(catalog.of(locale)).items():
        if said:
            assert catalog.placeholders(said) == catalog.placeholders(message), message
    assert not [one.id for one in catalog.of(locale) if one.id and one.fuzzy]


@pytest.mark.parametrize("locale", catalog.locales())
def test_a_catalog_translates_every_message_and_knows_no_other(locale: str) -> None:
    """Else: `python -m tests.pages.catalog`, and translate what it prints."""
    known, marked = (catalog.translations(one) for one in (catalog.of(locale), catalog.template()))
    assert known.keys() == marked.keys()
    assert [message for message, said in known.items() if not said] == []


def test_every_language_has_its_catalog() -> None:
    assert {one.locale for one in LANGUAGES.values()} == {"en", *catalog.locales()}


def test_a_guess_is_no_translation_and_escapes_are_undone() -> None:
    text = """
# said by nobody
#, fuzzy
msgid "Host"
msgstr "鬼"

msgid ""
"two\\n"
"\\"lines\\" and \\\\"
msgstr "a\\tb"
#~ msgid "gone"
#~ msgstr "去"
msgid "%(count)s file"
msgid_plural "%(count)s files"
msgstr[0] "%(count)s 个文件"
"""
    assert catalogs.read(text) == {
        'two\n"lines" and \\': "a\tb",
        "%(count)s file": "%(count)s 个文件",
    }


@pytest.mark.parametrize(
    "text",
    [
        'msgid "a"\n',
        'msgstr "a"\n',
        '"a"\n',
        'msgid "a\n',
        'msgid a\nmsgstr "b"\n',
        'msgid "a"\nmsgstr "b" "c"\n',
        'msgctxt "x"\nmsgid "a"\nmsgstr "b"\n',
        'msgid "a"\nmsgid_plural "as"\nmsgstr[0] "b"\nmsgstr[1] "bs"\n',
    ],
)
def test_a_broken_catalog_is_refused(text: str) -> None:
    with pytest.raises(errors.IntegrityError):
        catalogs.read(text)


def test_a_phrase_is_english_until_a_page_shows_it() -> None:
    english, chinese = rendering.environment(), rendering.environment(ZH)
    inner = phrase("pinned to version %(number)s", number=7)
    outer = phrase("%(title)s: %(text)s", title=inner, text="<b>100% of it</b>")
    assert outer == "pinned to version 7: <b>100% of it</b>"
    shown = "{{ outer }}"
    expected = "pinned to version 7: &lt;b&gt;100% of it&lt;/b&gt;"
    assert english.from_string(shown).render(outer=outer) == expected
    translated = chinese.from_string(shown).render(outer=outer)
    assert translated == "固定在版本 7：&lt;b&gt;100% of it&lt;/b&gt;"


def test_what_people_wrote_is_never_a_message_and_never_markup() -> None:
    chinese = rendering.environment(ZH)
    template = chinese.from_string("{{ a }} {{ a | word }} {{ b | word }} {{ b }}")
    assert template.render(a="<i>%(x)s</i>", b="serving") == (
        "&lt;i&gt;%(x)s&lt;/i&gt; &lt;i&gt;%(x)s&lt;/i&gt; 正在服务 serving"
    )


def test_words_side_by_side_are_listed_as_the_language_lists_them() -> None:
    both = wording.listed([phrase("Degraded"), "odd", phrase("Missing")])
    assert both == "Degraded, odd, Missing"
    assert wording.shown(both, catalogs.of("zh_Hans")) == "降级、odd、缺失"
    assert wording.listed([]) == ""
