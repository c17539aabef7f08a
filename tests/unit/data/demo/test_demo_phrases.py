import re
from collections.abc import Iterator

import pytest
from support import ROOT

from abstractor.data.cases import codebook
from abstractor.data.demo import phrases
from abstractor.data.demo.dice import Dice
from abstractor.data.demo.phrases import REPORTS, Lines
from abstractor.data.demo.voice import Voice

CODEBOOK = codebook.load(ROOT / "data" / "codebooks" / "nvdrs_youth.yaml")
TABLES = phrases.load()
CASE = dict.fromkeys(("age", "sex", "partner", "place", "means", "told", "untold", "list", "nolist"), "x")


def every_table() -> Iterator[tuple[str, Lines]]:
    for section in ("author", "words", "frames", "places", "means"):
        for key, lines in getattr(TABLES, section).items():
            yield f"{section} {key}", lines
    for name, topic in TABLES.topics.items():
        for state, lines in topic.sentences.items():
            yield f"{name} {state}", lines
    yield "intro", TABLES.intro
    yield "filler", TABLES.filler


def test_topics_tell_every_variable() -> None:
    assert {name for topic in TABLES.topics.values() for name in topic.variables} == set(CODEBOOK.names)


@pytest.mark.parametrize(
    ("name", "lines"), list(every_table()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_both_reports_have_phrasings_whose_slots_can_be_filled(name: str, lines: Lines) -> None:
    for report in REPORTS:
        assert lines[report]
        voice = Voice(Dice(1), TABLES, report, CASE)
        for line in lines[report]:
            text = voice.say(line)
            assert text
            assert not re.search(r"[{}<>]|le>|me>", text), line


@pytest.mark.parametrize("name", TABLES.topics)
def test_a_clause_belongs_to_one_state(name: str) -> None:
    states = TABLES.topics[name].sentences
    told = [line for lines in states.values() for line in {*lines["le"], *lines["me"]}]
    assert len(told) == len(set(told))


def test_every_fact_can_also_be_denied_and_doubted() -> None:
    for name, topic in TABLES.topics.items():
        if name not in ("place", "means"):
            assert all(topic.can(state) for state in ("absent", "doubt", "relative")), name


def test_facts_have_several_phrasings() -> None:
    for name, topic in TABLES.topics.items():
        ways = [*topic.items["le"], *(line for lines in topic.sentences.values() for line in lines["le"])]
        assert len(set(ways)) >= 4, name


def test_nothing_looks_like_a_date_or_a_time() -> None:
    for name, lines in every_table():
        for line in (*lines["le"], *lines["me"]):
            assert not re.search(r"\d[/:.-]\d|\d{3}", line), name
            assert not re.search(r"\b(January|February|March|April|June|July|August|Monday|Friday|Sunday)\b", line), (
                name
            )


def test_a_voice_keeps_its_habits_and_varies_the_rest() -> None:
    voice = Voice(Dice(5), TABLES, "le", CASE)
    assert len({voice["hx"] for _ in range(50)}) == 1
    assert len({voice["kin"] for _ in range(50)}) > 3


def test_slots_of_one_phrasing_do_not_stay() -> None:
    voice = Voice(Dice(5), TABLES, "le", CASE)
    assert voice.say("hx of {list}", list="anxiety") == "hx of anxiety"
    assert voice.say("hx of {list}") == "hx of x"


def test_a_marked_line_stays_with_its_report() -> None:
    filler = TABLES.filler
    assert "toxicology pending" in filler["me"]
    assert "toxicology pending" not in filler["le"]
    assert "detective notified" not in filler["me"]
