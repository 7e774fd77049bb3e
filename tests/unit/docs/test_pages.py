"""Pages hold together: links, lists, and what is drawn from the code."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from gateway.intents import VisitClass
from gateway.journal.states import SEND_TRANSITIONS, STAGE_TRANSITIONS
from gateway.settlement.standing import SETTLEMENT_TRANSITIONS, SettlementEvent
from gateway.settlement.visits import TRANSITIONS

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
GENERATED = (
    "docs/reference/commands.md",
    "docs/reference/rules.md",
    "docs/reference/transactions/",
)
"""Pages made from texts that are written for another place: a terminal, a cell of a table."""
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _links(text: str) -> list[str]:
    return [target for target in LINK.findall(FENCE.sub("", text)) if "://" not in target]


def test_every_link_between_pages_leads_somewhere(root: Path, pages: dict[str, str]) -> None:
    """A reader never clicks on a page or file that is not there."""
    dead = [
        f"{page}: {target}"
        for page, text in pages.items()
        for target in _links(text)
        if not ((root / page).parent / target.partition("#")[0]).exists()
    ]
    assert dead == []


def test_every_page_is_reached_from_the_index(root: Path, pages: dict[str, str]) -> None:
    """Following links from docs/index.md shows every page below docs."""
    docs = {page for page in pages if page.startswith("docs/")}
    reached: set[str] = set()
    waiting = {"docs/index.md"}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        folder = (root / page).parent
        targets = [(folder / link.partition("#")[0]).resolve() for link in _links(pages[page])]
        names = {path.relative_to(root).as_posix() for path in targets if root in path.parents}
        waiting |= (names & docs) - reached
    assert docs - reached == set()


def test_every_decision_is_listed_under_its_title(root: Path, pages: dict[str, str]) -> None:
    """The index of decisions names each page by the words of its heading, in order."""
    folder = root / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("0*.md"))
    index = pages["docs/decisions/index.md"]
    for number, name in enumerate(names, start=1):
        heading = pages[f"docs/decisions/{name}"].partition("\n")[0]
        title = heading.removeprefix(f"# {number}. ")
        assert name.startswith(f"{number:04d}-")
        assert f"| {number} | [{title}]({name}) |" in index


def test_every_decision_has_situation_decision_and_consequences(pages: dict[str, str]) -> None:
    """A decision says what was, what was decided, and what follows; it fits on a page."""
    for page, text in pages.items():
        if re.match(r"docs/decisions/0", page):
            headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
            assert headings == ["Situation", "Decision", "Consequences"], page
            assert len(text.splitlines()) <= 60, page


def test_the_drawn_pages_are_those_that_the_tables_draw(root: Path, diagrams: ModuleType) -> None:
    """docs/discussions/states.md and docs/reference/verbs.md are up to date.

    `python docs/diagrams.py` writes them.
    """
    for path, draw in diagrams.PAGES.items():
        assert (root / "docs" / path).read_text("utf-8") == draw(), path


def test_the_diagrams_have_an_arrow_for_every_transition(pages: dict[str, str]) -> None:
    """No transition of the tables is missing in the diagrams, and none is invented."""
    arrows = re.findall(r"^    \w+ --> \w+", pages["docs/discussions/states.md"], re.MULTILINE)
    visits = sum(len(row) for table in TRANSITIONS.values() for row in table.values())
    sends = sum(len(row) for row in SEND_TRANSITIONS.values())
    stages = sum(len(row) for row in STAGE_TRANSITIONS.values())
    settlements = sum(len(row) for row in SETTLEMENT_TRANSITIONS.values())
    assert len(arrows) == visits + settlements + sends + stages


def test_every_event_and_reason_has_its_words(diagrams: ModuleType) -> None:
    """Each arrow of a diagram says by which transaction or for which reason."""
    for visit_class in VisitClass:
        events = {event for row in TRANSITIONS[visit_class].values() for event in row}
        assert events == set(diagrams.TRANSACTIONS[visit_class])
    steps = {(before, after) for before, row in SEND_TRANSITIONS.items() for after in row}
    assert steps == set(diagrams.REASONS)
    stages = {(before, after) for before, row in STAGE_TRANSITIONS.items() for after in row}
    assert stages == set(diagrams.STAGES)
    assert set(SettlementEvent) == set(diagrams.UNDOING)


def test_both_readmes_show_the_same(pages: dict[str, str]) -> None:
    """The Chinese README has the sections, examples and outputs of the English one."""
    english, chinese = pages["README.md"], pages["README.zh-CN.md"]
    assert len(re.findall(r"^## ", english, re.MULTILINE)) == len(
        re.findall(r"^## ", chinese, re.MULTILINE)
    )
    examples = [FENCE.findall(text)[1:] for text in (english, chinese)]
    assert examples[0] == examples[1]
    assert sorted(set(_links(english)) - {"README.zh-CN.md"}) == sorted(
        set(_links(chinese)) - {"README.md"}
    )
    assert english.count("\n| ") == chinese.count("\n| ")


def test_markdown_has_one_sentence_a_line(pages: dict[str, str]) -> None:
    """Running text breaks after each sentence, so that a change shows as one line."""
    second = re.compile(r"[a-z)`*][.!?] [A-Z`*][a-z`]")
    long = [
        f"{page}: {line}"
        for page, text in pages.items()
        if not page.startswith(GENERATED)
        for line in FENCE.sub("", text).splitlines()
        if line[:1] not in {"|", "-", "#", ">", " ", ""}
        and not re.match(r"\d+\. ", line)
        and second.search(line)
    ]
    assert long == []
