"""Data files, places, faults and configuration of the platform."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from stdnum.cn import ric

from conformance.platform.call import Refusal
from conformance.platform.config import load_config
from conformance.platform.demo import write_demo
from conformance.platform.faults import Fault, FaultBook, FaultKind, parse_fault
from conformance.platform.places import distance, home_region, pool_of
from conformance.platform.store import Store
from conformance.platform.tables import DATA, Catalogue, Policies, level_of, read_rows
from conformance.platform.transactions.visits import WESTERN, check_diagnosis
from gateway.crypto.sm import SigningKey, VerifyKey
from gateway.errors import ConfigurationError


class TestPersons:
    def test_identity_numbers_have_a_right_check_digit_and_no_county(self) -> None:
        """Each number is well formed (GB 11643), of the stated birth date, and belongs to nobody."""
        for _, row in read_rows(DATA / "persons.csv"):
            number = row["certno"]
            assert ric.calc_check_digit(number) == number[-1]
            assert ric.get_birth_date(number).isoformat() == row["brdy"]
            assert number[:6] in {"430199", "430299", "440399"}
            assert int(number[16]) % 2 == int(row["gend"]) % 2

    def test_every_insurance_row_has_its_person(self) -> None:
        """No row hangs in the air, and one person has two active places."""
        persons = {row["psn_no"] for _, row in read_rows(DATA / "persons.csv")}
        rows = [row for _, row in read_rows(DATA / "insurances.csv")]
        assert {row["psn_no"] for row in rows} == persons
        two = [row["insuplc_admdvs"] for row in rows if row["psn_no"].endswith("08")]
        assert two == ["430100", "440300"]

    def test_a_row_that_is_too_short_is_named(self, tmp_path: Path) -> None:
        """File and line tell where to look."""
        path = tmp_path / "rows.csv"
        path.write_text("# note\na,b\n1,2\n3\n", "utf-8")
        with pytest.raises(ConfigurationError, match=r"rows\.csv:4: 1 columns"):
            list(read_rows(path))


class TestCatalogue:
    def test_the_ceiling_depends_on_the_level_of_the_hospital(self) -> None:
        """A consultation: 15 in a level 3 hospital, 8 in a level 1 one."""
        catalogue = Catalogue.load()
        assert catalogue.item("430100", "001102000010000", "3").ceiling == Decimal(15)
        assert catalogue.item("430100", "001102000010000", "1").ceiling == Decimal(8)

    def test_a_row_of_the_region_goes_before_the_general_one(self) -> None:
        """The treatment place's catalogue decides: computed tomography in 440300 and elsewhere."""
        catalogue = Catalogue.load()
        assert catalogue.item("440300", "002103000010000", "3").selfpay_prop == Decimal("0.05")
        assert catalogue.item("430100", "002103000010000", "3").selfpay_prop == Decimal("0.10")

    def test_an_item_that_is_not_listed_is_class_c(self) -> None:
        """What the catalogue does not know, the person pays."""
        assert Catalogue.load().item("430100", "001999999999999", "3").chrgitm_lv == "03"

    @pytest.mark.parametrize(
        ("hosp_lv", "level"), [("2", "3"), ("02", "3"), ("5", "2"), ("10", "1"), ("", "1")]
    )
    def test_the_grade_gives_the_level(self, hosp_lv: str, level: str) -> None:
        """三级甲等 is level 3, 二级甲等 2, 一级丙等 1; an unknown grade counts as 1."""
        assert level_of(hosp_lv) == level


class TestPolicies:
    @pytest.mark.parametrize(("age", "ratio"), [(59, "0.70"), (60, "0.75"), (90, "0.75")])
    def test_the_ratio_rises_with_the_age_band(self, age: int, ratio: str) -> None:
        """Employees of 430100 as outpatients of a level 3 hospital."""
        terms = Policies.load().terms("430100", "310", "outpatient", "3", age=age)
        assert terms.ratio == Decimal(ratio)

    def test_a_policy_that_does_not_exist_is_an_error(self) -> None:
        """No silent default."""
        with pytest.raises(ConfigurationError, match=r"430100\.340\.inpatient"):
            Policies.load().terms("430100", "340", "inpatient", "3", age=50)

    def test_a_wrong_file_is_refused_when_read(self, tmp_path: Path) -> None:
        """An entry without a cap does not wait for its first patient."""
        path = tmp_path / "policies.toml"
        path.write_text("[430100.310.outpatient]\nfund = '310102'\n", "utf-8")
        with pytest.raises(ConfigurationError, match="no policy, or a wrong one"):
            Policies.load(path)


class TestPlaces:
    @pytest.mark.parametrize(
        ("insured", "treated", "expected"),
        [
            ("500153", "500101", "local"),
            ("430181", "430100", "local"),
            ("430199", "430100", "local"),
            ("439900", "430199", "in_province"),
            ("430200", "430100", "in_province"),
            ("440300", "430100", "cross_province"),
            ("660800", "650100", "cross_province"),
        ],
    )
    def test_the_distance_follows_from_the_pools(
        self, insured: str, treated: str, expected: str
    ) -> None:
        """Cases of the reference (pooling, section 7) and the plain ones."""
        assert distance(insured, treated) == expected

    def test_a_county_belongs_to_the_pool_of_its_city(self) -> None:
        """350303 pools with 350300, a district of a municipality with the municipality."""
        assert pool_of("350303") == "350300"
        assert pool_of("310115") == "310000"
        assert pool_of("439900") == "439900"

    def test_the_centre_of_the_pool_goes_before_one_of_the_province(self) -> None:
        """430281 is answered by 430200 where it exists, else by a centre of its province."""
        assert home_region("430281", ["430100", "430200"]) == "430200"
        assert home_region("430281", ["440300", "430100"]) == "430100"
        assert home_region("110105", ["440300", "430100"]) == ""


def _insert_both(store: Store, *rows: dict[str, str]) -> None:
    with store.transaction():
        for row in rows:
            store.insert("sign_ins", row)


class TestStore:
    def test_a_file_keeps_what_was_committed(self, tmp_path: Path) -> None:
        """After a restart the rows are there, and those of a transaction that failed are not."""
        path = str(tmp_path / "platform.db")
        store = Store(path)
        row = {
            "region": "430100",
            "fixmedins_code": "H43010000001",
            "opter_no": "001",
            "sign_time": "2026-03-02 10:00:00",
            "state": "open",
        }
        with store.transaction():
            store.insert("sign_ins", {"sign_no": "1", **row})
        with pytest.raises(sqlite3.IntegrityError):
            _insert_both(store, {"sign_no": "2", **row}, {"sign_no": "1", **row})
        store.close()
        again = Store(path)
        assert [found["sign_no"] for found in again.all("SELECT sign_no FROM sign_ins")] == ["1"]
        again.reset()
        assert again.all("SELECT sign_no FROM sign_ins") == []
        again.close()

    def test_the_file_is_the_owners_only(self, tmp_path: Path) -> None:
        """It names persons."""
        path = tmp_path / "platform.db"
        Store(str(path)).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_file_of_another_version_is_refused(self, tmp_path: Path) -> None:
        """Rather than half understood."""
        path = tmp_path / "platform.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 99")
        with pytest.raises(ConfigurationError, match="another version"):
            Store(str(path))

    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        """With the reason, and without touching it."""
        path, content = tmp_path / "platform.db", b"not a database" * 100
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            Store(str(path))
        assert path.read_bytes() == content

    def test_numbers_are_given_once(self) -> None:
        """Each series counts from 1."""
        store = Store()
        assert [store.next_serial("a"), store.next_serial("a"), store.next_serial("b")] == [1, 2, 1]
        store.close()


def has_the_shape(code: str, kind: str = WESTERN) -> bool:
    """Whether the platform takes the diagnosis code."""
    try:
        check_diagnosis(code, kind)
    except Refusal:
        return False
    return True


class TestDiagnoses:
    @pytest.mark.parametrize(
        "code",
        ["A00.000", "A00.000x001", "I10.x00", "A35.x00x001", "A01.001+K77.0*", "D63.0*", "V01.0"],
    )
    def test_codes_of_both_releases_have_the_shape(self, code: str) -> None:
        """The examples of the code standards."""
        assert has_the_shape(code)

    @pytest.mark.parametrize("code", ["", "感冒", "10.x00", "I10.x00x", "J06.900;A00.000", "j06.9"])
    def test_anything_else_is_refused(self, code: str) -> None:
        """A name, a part of a code, two codes."""
        with pytest.raises(Refusal, match="格式错误"):
            check_diagnosis(code)

    def test_codes_of_chinese_medicine_have_their_own_shape(self) -> None:
        """Cough and a syndrome of the 2019 release."""
        assert has_the_shape("BNF010", "2")
        assert has_the_shape("ZBF000", "3")
        assert not has_the_shape("BNF010")


class TestFaults:
    def test_a_fault_is_written_in_parts(self) -> None:
        """The form of the command line."""
        fault = parse_fault("kind=late, region=430100,infno=2207,count=2,seconds=0.5")
        assert fault == Fault(
            kind=FaultKind.LATE, region="430100", infno="2207", count=2, seconds=0.5
        )

    @pytest.mark.parametrize(
        "text", ["drop-after", "kind=explode", "kind=late,count=0", "kind=late,when=now"]
    )
    def test_a_fault_written_wrongly_is_refused(self, text: str) -> None:
        """Each names the fault."""
        with pytest.raises(ConfigurationError, match="fault "):
            parse_fault(text)

    def test_a_fault_strikes_as_often_as_it_says(self) -> None:
        """And only the transaction and region it is for."""
        book = FaultBook()
        book.add(Fault(kind=FaultKind.REFUSE, region="430100", infno="2207", count=2))
        assert book.take("440300", "2207") is None
        assert book.take("430100", "2206") is None
        assert [book.take("430100", "2207") is not None for _ in range(3)] == [True, True, False]
        assert book.waiting() == []


class TestDemo:
    def test_private_files_are_the_owners_only(self, tmp_path: Path) -> None:
        """Keys, secrets and the configuration with the admin token have mode 0600."""
        path = write_demo(tmp_path)
        secret = [path, *(tmp_path / "keys").iterdir()]
        assert {stat.S_IMODE(file.stat().st_mode) for file in secret} == {0o600}

    def test_what_exists_is_kept(self, tmp_path: Path) -> None:
        """A key given by the hospital is the one the centres verify with."""
        keys = tmp_path / "keys"
        keys.mkdir()
        key = SigningKey.generate()
        (keys / "gateway.pem").write_bytes(key.to_pem())
        write_demo(tmp_path)
        before = {file.name: file.read_bytes() for file in keys.iterdir()}
        write_demo(tmp_path)
        assert {file.name: file.read_bytes() for file in keys.iterdir()} == before
        public = VerifyKey.from_pem((keys / "gateway.pub.pem").read_bytes())
        assert public.to_raw() == key.public_key().to_raw()

    def test_the_configuration_can_be_read(self, tmp_path: Path) -> None:
        """Secrets are taken from their files, key paths are made absolute."""
        config = load_config(write_demo(tmp_path))
        assert [(each.code, each.scheme) for each in config.regions] == [
            ("430100", "csb"),
            ("440300", "x-tif"),
        ]
        assert config.regions[0].secret == (tmp_path / "keys/430100.secret").read_text("utf-8")
        assert Path(config.regions[0].key_file).is_file()
        assert [each.region for each in config.channels] == ["430100", "440300"]
        for channel in config.channels:
            assert Path(channel.signing_key_file).is_file()
            assert Path(channel.platform_public_key_file).is_file()

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"scheme": "rio"}, "scheme 'rio'"),
            ({"edition": "XX"}, "unknown edition 'XX'"),
            ({"colour": "blue"}, "colour"),
            ({"clr_types": {"dental": "11"}}, "unknown clr_types"),
            ({"cainfo": True}, "public_key_file is needed"),
            ({"secret_file": "nowhere"}, "cannot be read"),
        ],
    )
    def test_a_wrong_configuration_is_refused(
        self, tmp_path: Path, change: dict[str, object], reason: str
    ) -> None:
        """With the reason."""
        region = {
            "code": "430100",
            "name": "长沙市",
            "institutions": [{"fixmedins_code": "H43010000001", "fixmedins_name": "长沙示范医院"}],
            **change,
        }
        path = tmp_path / "platform.json"
        path.write_bytes(msgspec.json.encode({"admin_token": "t", "regions": [region]}))
        with pytest.raises(ConfigurationError, match=reason):
            load_config(path)
