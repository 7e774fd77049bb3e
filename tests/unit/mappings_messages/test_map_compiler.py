"""Message maps: reading, laying over, running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError, InvalidError, Problem, ProblemCode, ProblemKind
from gateway.intents import Source, Verb, VisitClass
from mappings.messages import Getter, MapSet


class Dictionaries:
    """A language over dictionaries: a path is a key, `A | twice` the text doubled."""

    def value(self, path: str) -> Getter:
        key, _, view = path.partition(" | ")
        if not key[0].isalpha() or view not in {"", "twice"}:
            raise ValueError(f"no such path {path!r}")

        def get(node: Any) -> tuple[str, str] | None:
            if key == "Foreign":
                problem = Problem(
                    kind=ProblemKind.VALUE,
                    code=ProblemCode.CURRENCY,
                    zh="币种",
                    en="currency",
                    place="X-1",
                )
                raise InvalidError([problem])
            text = node.get(key)
            return None if text is None else (text * 2 if view else text, f"at {key}")

        return get

    def each(self, path: str) -> Callable[[Any], list[Any]]:
        return lambda node: list(node.get(path, []))


Load = Callable[..., MapSet]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes the files of a standard folder and of an overlay, and compiles them."""

    def load(files: dict[str, str], overlay: dict[str, str] | None = None, **values: Any) -> MapSet:
        for name, texts in (("std", files), ("peer", overlay or {})):
            for file, text in texts.items():
                path = tmp_path / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
        return MapSet.load(
            tmp_path / "std",
            Dictionaries(),
            overlay=tmp_path / "peer" if overlay is not None else None,
            value_maps=values,
        )

    return load


def test_first_source_that_states_something_wins_and_is_remembered(load: Load) -> None:
    """A rule tries its sources in order; place, raw text and map line are kept with the value."""
    maps = load({"A.map": "event E\nverb register\nperson.certno <- Absent, Number | upper, 'x'\n"})
    intent, problems = maps.understand("E", {"Number": "12x"}, {})
    assert problems == []
    assert intent.person.values == {"certno": "12X"}
    assert intent.person.sources == {"certno": Source("at Number", "12x", "std/A.map:3")}


def test_a_function_belongs_to_its_own_source_only(load: Load) -> None:
    """The comma separates sources together with their functions."""
    maps = load({"A.map": "event E\nverb register\nvisit.dr_name <- A | upper, B\n"})
    assert maps.understand("E", {"B": "b"}, {})[0].visit.values == {"dr_name": "b"}


def test_an_empty_statement_of_the_sender_wins_and_stays_empty(load: Load) -> None:
    """HL7 `""` says that there is none: later sources and functions do not apply."""
    maps = load({"A.map": "event E\nverb register\nperson.brdy <- A | date, B\n"})
    intent, problems = maps.understand("E", {"A": "", "B": "20260101"}, {})
    assert (intent.person.values, problems) == ({"brdy": ""}, [])


def test_constants_and_literals_fill_what_nobody_states(load: Load) -> None:
    """A `$constant` without a value is passed over; a literal always states something."""
    text = "event E\nverb register\nfacility.opter <- $opter, 'nobody'\nperson.tel <- A | default '-'\n"
    maps = load({"A.map": text})
    assert maps.understand("E", {}, {"opter": "7"})[0].facility.get("opter") == "7"
    intent, _ = maps.understand("E", {}, {})
    assert intent.facility.get("opter") == "nobody"
    assert intent.person.get("tel") == "-"


def test_a_function_of_the_language_stays_with_its_path(load: Load) -> None:
    """A function unknown to the compiler goes to the language; known ones after it still apply."""
    maps = load({"A.map": "event E\nverb register\nperson.psn_name <- A | twice | upper\n"})
    assert maps.understand("E", {"A": "ab"}, {})[0].person.get("psn_name") == "ABAB"


def test_blocks_repeat_for_every_node_in_order(load: Load) -> None:
    """`each` makes one record a node."""
    maps = load({"A.map": "event E\nverb charge\neach Lines -> charges\n  cnt <- N | quantity\n"})
    intent, _ = maps.understand("E", {"Lines": [{"N": "1"}, {}, {"N": "3.50"}]}, {})
    assert [line.values for line in intent.charges] == [{"cnt": "1"}, {}, {"cnt": "3.50"}]


def test_every_wrong_value_is_a_problem_with_place_and_field(load: Load) -> None:
    """A value that a function refuses is left out and reported; the other rules still run."""
    text = "event E\nverb register\nperson.brdy <- A | date\nvisit.begntime <- B | datetime\nperson.tel <- C\n"
    intent, problems = load({"A.map": text}).understand(
        "E", {"A": "x", "B": "20260102", "C": "1"}, {}
    )
    assert [(p.code, p.place, p.field) for p in problems] == [
        (ProblemCode.FIELD_TYPE, "at A", "brdy"),
        (ProblemCode.FIELD_TYPE, "at B", "begntime"),
    ]
    assert intent.person.values == {"tel": "1"}


def test_a_problem_never_repeats_the_value(load: Load) -> None:
    """The refused text may identify a patient, so no text of the problem has it."""
    _, problems = load({"A.map": "event E\nverb register\nperson.brdy <- A | date\n"}).understand(
        "E", {"A": "Zhang3"}, {}
    )
    assert "Zhang3" not in repr(problems)


def test_a_problem_raised_by_the_language_keeps_its_own_place(load: Load) -> None:
    """What a getter finds wrong is reported where the getter says."""
    maps = load({"A.map": "event E\nverb charge\nsettlement.medfee_sumamt <- Foreign | amount\n"})
    _, problems = maps.understand("E", {}, {})
    assert [(p.code, p.place, p.field) for p in problems] == [
        (ProblemCode.CURRENCY, "X-1", "medfee_sumamt")
    ]


def test_the_verb_depends_on_the_class_of_the_visit(load: Load) -> None:
    """A verb with a class applies to visits of that class, one without to the rest."""
    text = (
        "event E\nverb unregister outpatient\nverb unadmit inpatient\n"
        "visit.visit_class <- Class | map patient_class\n"
        "values patient_class\n  O = outpatient\n  I = inpatient\n"
    )
    maps = load({"A.map": text})
    assert maps.understand("E", {"Class": "I"}, {})[0].verb is Verb.UNADMIT
    intent, _ = maps.understand("E", {"Class": "O"}, {})
    assert (intent.verb, intent.visit_class) == (Verb.UNREGISTER, VisitClass.OUTPATIENT)


def test_one_file_serves_several_events(load: Load) -> None:
    """All kinds named at the top have the same program."""
    maps = load({"A.map": "event E1\ninteraction create Claim\nverb settle\n"})
    assert maps.events() == {"E1", "create Claim"}
    with pytest.raises(KeyError):
        maps.understand("E2", {}, {})


def test_included_rules_give_way_to_the_rules_of_the_file(load: Load) -> None:
    """An include brings rules once; the including file is more specific."""
    maps = load(
        {
            "A.map": "event E\nverb register\ninclude person\ninclude person\nperson.tel <- Own\n",
            "common/person.map": "person.tel <- Common\nperson.gend <- G | map sex\nvalues sex\n  M = 1\n",
        }
    )
    intent, _ = maps.understand("E", {"Own": "1", "Common": "2", "G": "M"}, {})
    assert intent.person.values == {"tel": "1", "gend": "1"}
    assert intent.person.sources["gend"].rule == "std/common/person.map:2"


def test_an_overlay_replaces_adds_and_removes_single_rules(load: Load) -> None:
    """What the peer's file does not mention stays as the standard has it."""
    maps = load(
        {
            "A.map": "event E\nverb register\ninclude person\nperson.tel <- T\nperson.gend <- G\n"
            "each L -> charges\n  cnt <- N\n  pric <- P\n",
            "common/person.map": "person.brdy <- B\n",
        },
        {
            "anything.map": "event E\nperson.tel <- Phone\nperson.gend <-\nperson.card_sn <- C\n"
            "each L -> charges\n  pric <- Q\n",
            "common/person.map": "person.brdy <- Born\n",
            "own.map": "event Z\nverb ignore\n",
        },
    )
    root = {
        "T": "t",
        "Phone": "p",
        "G": "g",
        "C": "c",
        "Born": "b",
        "L": [{"N": "1", "P": "2", "Q": "3"}],
    }
    intent, _ = maps.understand("E", root, {})
    assert intent.verb is Verb.REGISTER
    assert intent.person.values == {"brdy": "b", "tel": "p", "card_sn": "c"}
    assert intent.person.sources["tel"].rule == "peer/anything.map:2"
    assert intent.charges[0].values == {"cnt": "1", "pric": "3"}
    assert maps.events() == {"E", "Z"}


def test_a_peers_value_map_is_laid_over_entry_by_entry(load: Load) -> None:
    """An entry of the settings wins, the entries of the file stay."""
    text = "event E\nverb register\nperson.gend <- G | map sex\nvalues sex\n  M = 1\n  F = 2\n"
    maps = load({"A.map": text}, sex={"男": "1", "F": "9"})
    genders = [maps.understand("E", {"G": g}, {})[0].person.get("gend") for g in ("M", "F", "男")]
    assert genders == ["1", "9", "1"]


def test_an_entry_for_all_other_values_may_state_nothing(load: Load) -> None:
    """`* =` passes to the next source instead of being a problem."""
    text = "event E\nverb register\nperson.gend <- G | map sex, '9'\nvalues sex\n  M = 1\n  * =\n"
    intent, problems = load({"A.map": text}).understand("E", {"G": "?"}, {})
    assert (intent.person.get("gend"), problems) == ("9", [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "not a statement"),
        ("person.tel", "not a statement"),
        ("nobody.tel <- A", "no record 'nobody'"),
        ("person.Tel <- A", "not a field code"),
        ("person.tel <- 9A", "no such path"),
        ("person.tel <- A | thrice", "no such path"),
        ("person.tel <- A | upper | thrice", "no function 'thrice'"),
        ("person.tel <- A | map nowhere", "no value map 'nowhere'"),
        ("person.tel <- A | map", "map takes the name"),
        ("person.tel <- A | date now", "takes no argument"),
        ("person.tel <- A | datetime noon", "midnight"),
        ("person.tel <- 'x', A", "has to be the last"),
        ("person.tel <- 'x", "not closed"),
        ("person.tel <- A[1", "not closed"),
        ("person.tel <- A,,B", "a source is missing"),
        ("  person.tel <- A", "indented"),
        ("each L -> nothing", "a block is written"),
        ("verb fly", "'fly' is not a valid Verb"),
        ("verb register", "there is a verb"),
        ("include ../secrets", "bare name"),
        ("include absent", "no file common/absent.map"),
        ("event", "has to be named"),
        ("values 1", "has to be named"),
        ("person.tel <- A | 9", "not a function"),
        ("person.tel <- A | matching (", "not closed"),
        ("person.tel <- A | default", "default takes one text"),
        ("each L -> charges\neach M -> charges", "a block for charges already"),
    ],
)
def test_a_bad_line_is_refused_with_file_and_line(load: Load, line: str, reason: str) -> None:
    """Each mistake is found at start, with the reason and where it stands."""
    with pytest.raises(ConfigurationError, match=reason) as caught:
        load({"A.map": f"event E\nverb register\n# comment\n{line}\n"})
    assert caught.value.line == 4 + line.count("\n")
    assert caught.value.file.endswith("std/A.map")


def test_the_same_target_twice_in_one_file_is_refused(load: Load) -> None:
    """A second rule would silently win, so it is an error."""
    with pytest.raises(ConfigurationError, match="has a rule already"):
        load({"A.map": "event E\nverb register\nperson.tel <- A\nperson.tel <- B\n"})


def test_two_files_for_one_event_are_refused(load: Load) -> None:
    """The standard maps name every event once."""
    with pytest.raises(ConfigurationError, match="E has a map already"):
        load({"A.map": "event E\nverb register\n", "B.map": "event E\nverb admit\n"})


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Maps are UTF-8; anything else names the file."""
    (tmp_path / "A.map").write_bytes(b"event E\nverb register\n# \xff\n")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        MapSet.load(tmp_path, Dictionaries())


def test_a_missing_overlay_folder_is_refused(tmp_path: Path) -> None:
    """A misspelt folder must not mean the standard maps."""
    with pytest.raises(ConfigurationError, match="overlay is missing"):
        MapSet.load(tmp_path, Dictionaries(), overlay=tmp_path / "nowhere")


def test_comments_end_a_line_but_not_inside_quotes(load: Load) -> None:
    """`#` opens a comment after a blank; a quoted one is text."""
    maps = load({"A.map": "event E # note\nverb register\nvisit.dr_name <- ' #1' # doctor\n"})
    assert maps.understand("E", {}, {})[0].visit.values == {"dr_name": " #1"}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("values sex\n  M", "RAW = VALUE"),
        ("values sex\n  M = 1\n  M = 2", "has 'M' already"),
        ("values sex\nvalues sex", "a value map sex already"),
        ("each L -> charges\n  cnt <- A\n  cnt <- B", "cnt has a rule already"),
        ("each L -> charges\n  cnt = A", "not a statement"),
    ],
)
def test_blocks_and_value_maps_are_checked_line_by_line(
    load: Load, lines: str, reason: str
) -> None:
    """The complaint names the last line, where the mistake is."""
    with pytest.raises(ConfigurationError, match=reason) as caught:
        load({"A.map": f"event E\nverb register\n{lines}\n"})
    assert caught.value.line == 3 + lines.count("\n")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"A.map": "verb register\n"}, "names no event"),
        ({"A.map": "event E\n"}, "has no verb"),
        (
            {"A.map": "event E\nverb register\ninclude c\n", "common/c.map": "verb admit\n"},
            "rules, blocks",
        ),
    ],
)
def test_a_file_that_lacks_its_head_is_refused(
    load: Load, files: dict[str, str], reason: str
) -> None:
    """A map names its event and verb, an included file neither."""
    with pytest.raises(ConfigurationError, match=reason):
        load(files)
