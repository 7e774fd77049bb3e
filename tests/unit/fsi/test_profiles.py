"""Profiles are data: laid over one another, checked as a whole, wrong ones named by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.fsi.profiles import load_profile, profile_names


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_of_the_gateway_loads(name: str) -> None:
    """What is shipped has no unknown key, transaction or dictionary."""
    assert load_profile(name).name == name


def test_the_profiles_of_the_gateway() -> None:
    """Every deployed form has a profile that shows it (signing, sections 0 to 3 and 6)."""
    shown = {name: load_profile(name) for name in profile_names()}
    forms = {n: (p.scheme, p.timestamp_unit, p.url_form) for n, p in shown.items()}
    assert forms == {
        "apikey": ("apikey", "seconds", "service-path"),
        "generic": ("none", "seconds", "single"),
        "guangdong": ("x-tif", "seconds", "append-infno"),
        "hunan": ("csb", "milliseconds", "single"),
        "inner-mongolia": ("x-tif", "seconds", "service-path"),
        "intranet": ("none", "seconds", "single"),
        "jiangsu": ("csb", "seconds", "single"),
        "shenzhen": ("x-tif", "seconds", "append-infno"),
    }
    assert [n for n, p in shown.items() if p.header_copy] == ["guangdong"]
    assert [n for n, p in shown.items() if p.header_extra] == ["jiangsu"]


def test_a_service_path_stands_for_each_transaction_as_it_is_spelt() -> None:
    """The misspelt path of the registration is the one that works."""
    paths = load_profile("inner-mongolia").service_paths
    assert paths["2201"] == "/fsi/api/outpatientDocInfoService/outpatientRregistration"
    assert paths["2207"] == "/fsi/api/outpatientSettleService/saveSettletmentV2"
    assert load_profile("apikey").service_paths == paths


def test_hunan_counts_milliseconds_and_jiangsu_seconds() -> None:
    """Two provinces with the same kind of gateway disagree about the unit."""
    hunan, jiangsu = load_profile("hunan"), load_profile("jiangsu")
    assert (hunan.scheme, hunan.timestamp_unit) == ("csb", "milliseconds")
    assert (jiangsu.scheme, jiangsu.timestamp_unit) == ("csb", "seconds")


def test_tables_are_merged_and_lists_replaced() -> None:
    """Guangdong takes med_types of the base but for its own stay; Hunan has its own open sets."""
    guangdong, hunan = load_profile("guangdong"), load_profile("hunan")
    assert guangdong.med_types["outpatient"] == "11"
    assert guangdong.med_types["inpatient"] == "2101"
    assert hunan.open_dictionaries == ["dept"]


def test_a_file_of_ones_own_extends_a_shipped_profile(tmp_path: Path) -> None:
    """A city writes only what differs from its province."""
    path = tmp_path / "changsha.toml"
    path.write_text('extends = "hunan"\nrecer_sys_code = "MBS"\n', encoding="utf-8")
    profile = load_profile(str(path))
    assert (profile.name, profile.recer_sys_code, profile.edition) == ("changsha", "MBS", "HN")


def test_a_file_extends_a_file_beside_it(tmp_path: Path) -> None:
    """Paths in `extends` are relative to the file that names them."""
    (tmp_path / "base.toml").write_text('extends = "generic"\ninfver = "V9"\n', encoding="utf-8")
    (tmp_path / "own.toml").write_text('extends = "base.toml"\n', encoding="utf-8")
    assert load_profile(str(tmp_path / "own.toml")).infver == "V9"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("shceme = 'csb'", "unknown key shceme"),
        ("scheme = 'xml'", "scheme"),
        ("edition = 'XX'", "edition"),
        ("money = ['9999']", "no transaction 9999"),
        ("extends = 'generic'\nreversible = ['2204']", "2601 does not reverse 2204"),
        ("open_dictionaries = ['nothing']", "no dictionary"),
        ("url_form = 'service-path'", "service_paths is empty"),
        ("[header_copy]\nrecer = 'nobody'", "no member"),
        ("[[error_patterns]]\npattern = '('\nmeans = 'not-filed'", "missing"),
        ("[[error_patterns]]\npattern = 'x'\nmeans = 'whatever'", "means"),
        ("strict_rules = ['nothing']", "no rule"),
        ("off_rules = ['nothing']", "no rule"),
        ("extends = 'atlantis'", "no profile"),
        ("extends = 1", "extends"),
        ("extends = 'wrong.toml'", "chain"),
        ("scheme = ", "Invalid value"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    """Nothing runs with a profile that says something unknown."""
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=reason):
        load_profile(str(path))


def test_the_file_of_an_unknown_key_is_named(tmp_path: Path) -> None:
    """The reader of the message knows which file to open."""
    path = tmp_path / "wrong.toml"
    path.write_text("shceme = 'csb'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_profile(str(path))
    assert caught.value.file == str(path)


def test_a_missing_file_is_refused() -> None:
    """A path that leads nowhere is a wrong setting."""
    with pytest.raises(ConfigurationError):
        load_profile("nowhere/at-all.toml")


REFUSALS = [
    ("交易签到流水号已失效,请重新签到", "sign-in-expired"),
    ("操作员未签到", "sign-in-expired"),
    ("电子凭证令牌已过期", "token-expired"),
    ("ecToken无效", "token-expired"),
    ("本地查询错误:该参保人的基本信息为空null", "person-not-found"),
    ("未查询到人员信息", "person-not-found"),
    ("该人员当前未参保", "not-insured"),
    ("未查询到有效的参保信息", "not-insured"),
    ("该参保人已暂停参保", "insurance-suspended"),
    ("人员参保状态异常", "insurance-suspended"),
    ("参保人未办理异地就医备案", "not-filed"),
    ("未查询到该就诊信息", "visit-not-found"),
    ("就诊ID不存在", "visit-not-found"),
    ("未查询到结算信息", "settlement-not-found"),
    ("结算ID不存在", "settlement-not-found"),
    ("费用明细不存在", "line-not-found"),
    ("该就诊已结算，不能再次结算", "already-settled"),
    ("该结算已撤销", "already-cancelled"),
    ("报文已冲正，请勿重复冲正", "already-cancelled"),
    ("费用明细流水号重复", "duplicate-line"),
    ("发送方报文ID重复", "duplicate-msgid"),
    ("医疗目录编码XJ01CAA040A001010405611不存在", "item-not-covered"),
    ("费用明细1：开单医师编码未在医保医师库中备案", "physician-not-registered"),
    ("个人账户余额不足", "balance-too-low"),
    ("系统繁忙，请稍后再试", "busy"),
    ("总控校验不通过", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "means"), REFUSALS)
def test_refusals_are_recognised_by_their_text(text: str, means: str) -> None:
    """Platforms refuse in free text; what no pattern knows has no class and stays as it is."""
    assert load_profile("hunan").classify(text) == means


def test_every_class_of_refusals_has_a_text() -> None:
    """A class that nothing means would be unproven."""
    patterns = load_profile("generic").error_patterns
    assert {means for _, means in REFUSALS} - {""} == {entry.means for entry in patterns}


def test_a_region_has_refusals_of_its_own(tmp_path: Path) -> None:
    """Its list replaces the common one; a text that it does not know is not classified."""
    path = tmp_path / "city.toml"
    path.write_text(
        "extends = 'generic'\n[[error_patterns]]\npattern = '^E1001'\nmeans = 'busy'\n",
        encoding="utf-8",
    )
    profile = load_profile(str(path))
    assert profile.classify("E1001: 排队中") == "busy"
    assert profile.classify("系统繁忙，请稍后再试") == ""
