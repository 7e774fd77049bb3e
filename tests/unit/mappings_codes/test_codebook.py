from datetime import date
from pathlib import Path

import pytest

import mappings.codes
from mappings.codes import Cause, CodeBook, Method, Translation, Unmapped

DAY = date(2026, 11, 22)
DATA = Path(mappings.codes.__file__).with_name("data")
DEMO = DATA / "demo-hospital"
HEADER = (
    "kind,local_code,local_name,national_code,national_name,"
    "valid_from,valid_to,source,reviewer,reviewed_on\n"
)


@pytest.fixture(scope="module")
def built_in() -> CodeBook:
    """The built-in lists alone."""
    return CodeBook.load([], "default")


@pytest.fixture(scope="module")
def demo() -> CodeBook:
    """The tables of the made-up hospital."""
    return CodeBook.load([DEMO], "default")


def site(folder: Path, rows: str, *, name: str = "items.csv") -> CodeBook:
    """The built-in lists and one table of mapping rows."""
    (folder / name).write_text(HEADER + rows, "utf-8")
    return CodeBook.load([folder], "default")


def refused(book: CodeBook, kind: str, code: str, on: date = DAY, system: str = "") -> Unmapped:
    """What is said where there is no translation."""
    with pytest.raises(Unmapped) as caught:
        book.translate(kind, code, on=on, system=system)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "local", "code", "name"),
    [
        ("item", "YP001", "XJ01CAA040A001010405611", "阿莫西林片"),
        ("item", "YP002", "XA01ABD075A002010100594", "地喹氯铵含片"),
        ("item", "SF001", "001102000010000", "普通门诊诊查费"),
        ("item", "SF002", "001204000060000", "静脉输液"),
        ("item", "SF003", "001101000010000", "挂号费"),
        ("item", "JC001", "003107010010000", "常规心电图检查"),
        ("item", "HL001", "001201000030000", "Ⅰ级护理"),
        ("item", "CT001", "002103000010000", "X线计算机体层(CT)平扫"),
        ("item", "HC001", "C01024003300007", "切开刀/无/套装/不带绝缘涂层/弓状刀"),
        ("physician", "1001", "D430100000001", "陈医生"),
        ("physician", "1002", "D430100000002", "刘医生"),
        ("department", "NK", "A03", "内科"),
        ("department", "XN", "A03.01", "呼吸内科"),
        ("department", "WK", "A04", "外科"),
        ("diagnosis", "J06.900", "J06.900", "急性上呼吸道感染"),
        ("diagnosis", "K35.900", "K35.800x001", "急性阑尾炎"),
        ("diagnosis", "I10.x00x002", "I10.x00x002", "高血压"),
    ],
)
def test_the_demo_hospital_has_its_codes(
    demo: CodeBook, kind: str, local: str, code: str, name: str
) -> None:
    """The tables that the demonstration and its messages use."""
    found = demo.translate(kind, local, on=DAY)
    assert (found.code, found.name, found.method) == (code, name, Method.SITE)


def test_a_department_comes_with_its_class(demo: CodeBook) -> None:
    """Code, name and caty are sent together."""
    found = demo.translate("department", "XN", on=DAY)
    assert (found.code, found.name, found.caty) == ("A03.01", "呼吸内科", "A03.01")


def test_a_translation_names_the_row_it_comes_from(demo: CodeBook) -> None:
    """Lines 1 to 3 are source, date and header, so the first item stands in line 4."""
    assert demo.translate("item", "YP001", on=DAY).source_row == "items.csv:4"


def test_the_unmapped_item_of_the_demo_has_no_code(demo: CodeBook) -> None:
    """YP999 is unmapped on purpose."""
    error = refused(demo, "item", "YP999")
    assert error.cause is Cause.NONE
    assert isinstance(error, LookupError)
    assert error.reason_zh
    assert error.reason_en


def test_a_national_code_is_not_taken_for_its_own_mapping(built_in: CodeBook) -> None:
    """Equal strings are no equal codes: a code of the list needs a mapping like any other."""
    assert refused(built_in, "item", "001102000010000").cause is Cause.NONE


def test_the_crosswalk_is_used_where_the_site_has_no_row(built_in: CodeBook) -> None:
    """国临2.0 K35.900 is 医保2.0 K35.800x001, with the name of the insurance list."""
    found = built_in.translate("diagnosis", "K35.900", on=DAY, name="阑尾炎（院内名称）")
    assert found == Translation(
        code="K35.800x001",
        name="急性阑尾炎",
        method=Method.CROSSWALK,
        source_row=found.source_row,
        system="disease",
    )
    assert found.source_row.startswith("crosswalk.csv:")


def test_a_code_of_both_lists_is_translated_and_not_kept(built_in: CodeBook) -> None:
    """N18.900 is chronic renal failure in 国临2.0 and another concept in 医保2.0."""
    clinical = built_in.translate("diagnosis", "N18.900", on=DAY, system="国临2.0")
    national = built_in.translate("diagnosis", "N18.900", on=DAY, system="医保2.0")
    assert (clinical.code, clinical.name) == ("N18.902", "慢性肾衰竭")
    assert (national.code, national.name) == ("N18.900", "慢性肾脏病，未特指")
    assert national.method is Method.NATIONAL


def test_the_sender_may_name_an_earlier_edition(built_in: CodeBook) -> None:
    """医保1.0 I44.301 became 医保2.0 I45.400x001."""
    found = built_in.translate("diagnosis", "I44.301", on=DAY, system="医保1.0")
    assert found.code == "I45.400x001"
    assert refused(built_in, "diagnosis", "I44.301", system="国临2.0").cause is Cause.NONE


def test_editions_of_one_list_are_kept_apart(tmp_path: Path) -> None:
    """A code that only an old edition has is no code of the new one, and no target either."""
    (tmp_path / "old.csv").write_text(
        "# system: disease\n# edition: 医保1.0\ncode,name\nI44.301,室内传导阻滞\nK30.x00x002,旧\n",
        "utf-8",
    )
    book = CodeBook.load([tmp_path], "default")
    old = book.translate("diagnosis", "I44.301", on=DAY, system="医保1.0")
    assert (old.code, old.method) == ("I44.301", Method.NATIONAL)
    stated = refused(book, "diagnosis", "I44.301", system="医保2.0")
    crossed = refused(book, "diagnosis", "P78.300x004")
    assert (stated.cause, crossed.cause) == (Cause.TARGET_MISSING, Cause.TARGET_MISSING)


@pytest.mark.parametrize("spelling", ["i10.X00X002", " I10.x00x002 ", "Ｉ10.x00x002"])
def test_the_spelling_of_a_clinical_code_does_not_matter(built_in: CodeBook, spelling: str) -> None:
    """Capital fillers, spaces and full-width letters are read alike."""
    assert built_in.translate("diagnosis", spelling, on=DAY).code == "I10.x00x002"


def test_an_operation_goes_through_the_crosswalk_of_operations(built_in: CodeBook) -> None:
    """国临3.0 37.8300x002 is 医保2.0 00.5000x004."""
    assert built_in.translate("operation", "37.8300x002", on=DAY).code == "00.5000x004"


def test_a_leading_space_of_the_official_crosswalk_is_trimmed_and_noted(
    built_in: CodeBook,
) -> None:
    """The public crosswalk has one such target; the code itself is in the list."""
    found = built_in.translate("diagnosis", "B06.801+J17.1*", on=DAY)
    assert (found.code, found.name) == ("B06.801+J17.1*", "风疹性肺炎")
    assert any("B06.801+J17.1*" in finding.en for finding in built_in.findings)


def test_a_target_that_is_not_in_the_list_is_refused_and_noted(built_in: CodeBook) -> None:
    """The public crosswalk sends P78.300x004 to K30.x00x002, which is in no list."""
    error = refused(built_in, "diagnosis", "P78.300x004")
    assert error.cause is Cause.TARGET_MISSING
    assert "K30.x00x002" in error.reason_zh
    assert any("K30.x00x002" in finding.zh for finding in built_in.findings)


def test_the_gray_mark_comes_from_the_list(built_in: CodeBook) -> None:
    """I10.x00 is on the list of codes that may not be principal, I10.x00x002 is not."""
    assert built_in.translate("diagnosis", "I10.x00", on=DAY).gray
    assert not built_in.translate("diagnosis", "I10.x00x002", on=DAY).gray


def test_a_diagnosis_without_a_row_is_found_by_its_exact_name(built_in: CodeBook) -> None:
    """Full-width marks and spaces do not count; the method says that the name decided."""
    found = built_in.translate("diagnosis", "LOCAL1", on=DAY, name="急性阑尾炎, 其他未特指")
    assert (found.code, found.method) == ("K35.800", Method.NAME)
    assert found.name == "急性阑尾炎，其他未特指"


def test_a_similar_name_is_no_name(built_in: CodeBook) -> None:
    """A suggestion never settles."""
    with pytest.raises(Unmapped):
        built_in.translate("diagnosis", "LOCAL1", on=DAY, name="急性阑尾炎伴穿孔")


@pytest.mark.parametrize("kind", ["item", "operation", "physician", "department"])
def test_only_diagnoses_are_found_by_name(built_in: CodeBook, kind: str) -> None:
    """Two packs of one drug have one name, so a name does not name an item."""
    for name in ("阿莫西林片", "腹腔镜下阑尾切除术", "静脉输液", "高血压"):
        with pytest.raises(Unmapped):
            built_in.translate(kind, "LOCAL1", on=DAY, name=name)


def test_a_name_of_two_codes_is_no_answer(tmp_path: Path) -> None:
    """Which of the two is meant would be a guess."""
    (tmp_path / "list.csv").write_text(
        "# system: disease\n# edition: X\ncode,name\nA01.100,同名病\nA01.200,同名病\n", "utf-8"
    )
    with pytest.raises(Unmapped):
        CodeBook.load([tmp_path], "default").translate("diagnosis", "Q", on=DAY, name="同名病")


def test_an_unknown_coding_system_gets_no_crosswalk(built_in: CodeBook) -> None:
    """A code of a system that nobody knows is not read as one of 国临2.0."""
    error = refused(built_in, "diagnosis", "K35.900", system="99LOC")
    assert error.cause is Cause.SYSTEM_UNKNOWN
    assert "99LOC" in error.reason_en


@pytest.mark.parametrize("system", ["http://hl7.org/fhir/sid/icd-10", "I10", "ICD-10"])
def test_plain_icd_10_names_no_chinese_edition(built_in: CodeBook, system: str) -> None:
    """Such a code is read like one without a system."""
    assert built_in.translate("diagnosis", "K35.900", on=DAY, system=system).code == "K35.800x001"


def test_a_code_said_to_be_national_needs_at_least_its_form(built_in: CodeBook) -> None:
    """Of the drug list only a sample is loaded, so absence proves nothing, but the form counts."""
    listed = built_in.translate("item", "001204000060000", on=DAY, system="医保")
    assert (listed.name, listed.method) == ("静脉输液", Method.NATIONAL)
    unlisted = built_in.translate(
        "item", "XS02AAY040Q010010100830", on=DAY, name="滴眼液", system="医保"
    )
    assert (unlisted.code, unlisted.name) == ("XS02AAY040Q010010100830", "滴眼液")
    assert unlisted.source_row == ""
    refused(built_in, "item", "XJ01CAA04501010113", system="医保")


def test_a_code_said_to_be_national_has_to_be_in_a_complete_list(tmp_path: Path) -> None:
    """A site that loads the whole list gets its typing errors found."""
    (tmp_path / "drugs.csv").write_text(
        "# system: western_drug\n# edition: 医保西药\n# complete: yes\n"
        "code,name\nXJ01CAA040A001010405611,阿莫西林片\n",
        "utf-8",
    )
    book = CodeBook.load([tmp_path], "default")
    assert book.translate("item", "XJ01CAA040A001010405611", on=DAY, system="医保")
    error = refused(book, "item", "XS02AAY040Q010010100830", system="医保")
    assert error.cause is Cause.TARGET_MISSING


def test_a_row_holds_on_its_first_and_last_day_and_not_beyond(tmp_path: Path) -> None:
    """The date is that of the service; both days are inclusive and the reason names them."""
    book = site(tmp_path, "item,A,,001204000060000,,2026-01-01,2026-06-30,s,r,2025-12-01\n")
    for on in (date(2026, 1, 1), date(2026, 6, 30)):
        assert book.translate("item", "A", on=on).code == "001204000060000"
    early, late = (
        refused(book, "item", "A", on=on) for on in (date(2025, 12, 31), date(2026, 7, 1))
    )
    assert (early.cause, late.cause) == (Cause.NOT_YET_VALID, Cause.EXPIRED)
    assert "2026-01-01" in early.reason_zh
    assert "2026-01-01" in early.reason_en
    assert "2026-06-30" in late.reason_zh
    assert "2026-06-30" in late.reason_en


def test_a_local_code_may_mean_another_item_from_a_day_on(tmp_path: Path) -> None:
    """A reused local code is translated as of the date of service."""
    book = site(
        tmp_path,
        "item,A,,001204000060000,,,2026-06-30,s,r,2025-12-01\n"
        "item,A,,001101000010000,,2026-07-01,,s,r,2025-12-01\n",
    )
    assert book.translate("item", "A", on=date(2026, 6, 30)).name == "静脉输液"
    assert book.translate("item", "A", on=date(2026, 7, 1)).name == "挂号费"


def test_a_row_without_reviewer_is_a_suggestion_and_never_translates(tmp_path: Path) -> None:
    """Somebody has to have looked at it."""
    book = site(tmp_path, "item,A,,001204000060000,,,,matcher,,\n")
    assert refused(book, "item", "A").cause is Cause.UNREVIEWED


def test_a_national_code_that_ended_does_not_settle(tmp_path: Path) -> None:
    """The mapping is open, the national code is not."""
    (tmp_path / "list.csv").write_text(
        "# system: service_item\n# edition: 医保服务项目\n"
        "code,name,valid_to\n001204000060000,静脉输液,2025-12-31\n",
        "utf-8",
    )
    book = site(tmp_path, "item,A,,001204000060000,,,,s,r,2025-01-01\n")
    assert book.translate("item", "A", on=date(2025, 12, 31)).code == "001204000060000"
    assert refused(book, "item", "A").cause is Cause.TARGET_INVALID


def test_the_name_of_the_list_is_sent_and_a_differing_one_is_noted(tmp_path: Path) -> None:
    """The platform refuses a code with another name than its own."""
    book = site(tmp_path, "item,A,输液,001204000060000,静脉滴注,,,s,r,2025-01-01\n")
    assert book.translate("item", "A", on=DAY).name == "静脉输液"
    assert any("静脉滴注" in finding.zh for finding in book.findings)


def test_rows_of_a_later_folder_replace_those_of_an_earlier_one(tmp_path: Path) -> None:
    """A hospital lays its own table over the group's."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    site(tmp_path / "a", "item,A,,001204000060000,,,,s,r,2025-01-01\n")
    site(tmp_path / "b", "item,A,,001101000010000,,,,s,r,2025-01-01\n")
    book = CodeBook.load([tmp_path / "a", tmp_path / "b"], "default")
    assert book.translate("item", "A", on=DAY).code == "001101000010000"


def test_a_catalogue_has_rows_of_its_own(tmp_path: Path) -> None:
    """Two institutions use one local code for two items."""
    (tmp_path / "east").mkdir()
    site(tmp_path, "item,A,,001204000060000,,,,s,r,2025-01-01\n")
    site(tmp_path / "east", "item,A,,001101000010000,,,,s,r,2025-01-01\n")
    shared, east = (CodeBook.load([tmp_path], name) for name in ("default", "east"))
    assert shared.translate("item", "A", on=DAY).name == "静脉输液"
    assert east.translate("item", "A", on=DAY).name == "挂号费"


def test_a_row_may_hold_for_one_coding_system_only(tmp_path: Path) -> None:
    """The same local string in two dictionaries of a hospital."""
    (tmp_path / "dx.csv").write_text(
        HEADER.replace("reviewed_on", "reviewed_on,system")
        + "diagnosis,1,,J06.900,,,,s,r,2025-01-01,99OLD\n"
        + "diagnosis,1,,J18.900,,,,s,r,2025-01-01,\n",
        "utf-8",
    )
    book = CodeBook.load([tmp_path], "default")
    assert book.translate("diagnosis", "1", on=DAY, system="99old").code == "J06.900"
    assert book.translate("diagnosis", "1", on=DAY).code == "J18.900"


def test_a_site_may_say_that_its_plain_codes_are_national(tmp_path: Path) -> None:
    """A row without alias sets what a sender means that names no system."""
    (tmp_path / "systems.csv").write_text("alias,edition,kind\n,医保2.0,diagnosis\n", "utf-8")
    book = CodeBook.load([tmp_path], "default")
    found = book.translate("diagnosis", "N18.900", on=DAY)
    assert (found.code, found.method) == ("N18.900", Method.NATIONAL)


def test_a_national_entry_is_found_by_its_code(built_in: CodeBook) -> None:
    """Lists that no kind translates to (chronic diseases) are read the same way."""
    entry = built_in.entry("chronic", "M03900", on=DAY)
    assert entry is not None
    assert entry.name == "高血压病"
    assert built_in.entry("chronic", "M99999", on=DAY) is None


def test_an_unknown_kind_is_a_mistake_of_the_caller(built_in: CodeBook) -> None:
    """It is no answer about a code."""
    with pytest.raises(ValueError, match="unknown kind"):
        built_in.translate("drug", "A", on=DAY)
