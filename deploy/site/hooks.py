"""What `mkdocs build` adds: files that pages link to outside docs/, and the list of decisions.

The pages stay as they are read in the repository; a file that is no page comes along as text.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = "adr/README.md"
_LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+)")
_PICTURE = re.compile(
    r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">'
    r'<img alt="(?P<alt>[^"]*)" src="(?P<light>[^"]+)"></picture>'
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds each file outside docs/ that a page links to, under source/."""
    for page in list(files.documentation_pages()):
        for target in _LINK.findall(page.content_string):
            path = _outside(page.src_uri, target, config)
            if path is not None and files.get_file_from_path(_copy_of(path)) is None:
                files.append(File.generated(config, _copy_of(path), content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads those links to the copies, and pictures to the theme that the reader chose."""
    name = page.file.src_uri

    def inside(found: re.Match[str]) -> str:
        path = _outside(name, found[1], config)
        return found[1] if path is None else "../" * name.count("/") + _copy_of(path)

    markdown = _PICTURE.sub(_both, _LINK.sub(inside, markdown))
    return markdown + _decisions(files) if name == DECISIONS else markdown


def _outside(page: str, target: str, config: MkDocsConfig) -> Path | None:
    """The file that `target` on `page` means, if it lies in the repository but not in docs/."""
    docs = Path(config.docs_dir)
    path = (docs / page).parent.joinpath(target).resolve()
    is_ours = path.is_file() and path.is_relative_to(ROOT) and not path.is_relative_to(docs)
    return path if is_ours else None


def _copy_of(path: Path) -> str:
    """Where it lies in the site. As text: a browser shows it, and no page is made of it."""
    return f"source/{path.relative_to(ROOT).as_posix()}.txt"


def _both(found: re.Match[str]) -> str:
    """Both pictures, of which the theme shows one: a media query would ask the system only."""
    return "".join(
        f'<img alt="{found["alt"]}" src="{found[theme]}#only-{theme}" loading="lazy">'
        for theme in ("light", "dark")
    )


def _decisions(files: Files) -> str:
    """One line for each decision, by number."""
    pages = sorted(
        (page for page in files.documentation_pages() if page.src_uri.startswith("adr/0")),
        key=lambda page: page.src_uri,
    )
    lines = (
        f"- [{page.content_string.splitlines()[0].lstrip('# ')}]({Path(page.src_uri).name})"
        for page in pages
    )
    return "\n".join(["", *lines, ""])
