from datetime import date
from typing import Any

import pytest

from gateway.errors import ConfigurationError, InvalidError, ProblemCode, Severity
from gateway.routing import Route, Router, compare_pay_loc
from gateway.settings import Settings
from mappings.regions import RegionTable

DAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def regions() -> RegionTable:
    """The built-in tables."""
    return RegionTable.load()


def settings(channels: dict[str, list[str]], **institution: Any) -> Settings:
    """Settings with one institution, on the first of the channels (name -> regions)."""
    return Settings.model_validate(
        {
            "institutions": [
                {
                    "fixmedins_code": "H43010000001",
                    "fixmedins_name": "长沙示范医院",
                    "mdtrtarea_admvs": "430100",
                    "channel": next(iter(channels)),
                    **institution,
                }
            ],
            "channels": [
                {"name": name, "url": "http://localhost", "regions": codes}
                for name, codes in channels.items()
            ],
            "peers": [{"name": "his", "institutions": ["H43010000001"]}],
        }
    )


def route(router: Router, config: Settings, region: str, **more: Any) -> Route:
    """The route of an employee treated at the one institution."""
    return router.route(region, config.institutions[0], **{"insutype": "310", "on": DAY, **more})


def test_a_hospital_sends_everything_to_its_own_platform(regions: RegionTable) -> None:
    """The platform forwards; the class and the pool are told for the record."""
    config = settings({"hunan": []})
    router = Router(regions, config)
    assert route(router, config, "430111") == Route("430100", "local", "hunan")
    assert route(router, config, "430300") == Route("430300", "in-province", "hunan")
    assert route(router, config, "440305") == Route("440300", "cross-province", "hunan")


def test_a_home_pool_makes_the_provinces_scheme_local(regions: RegionTable) -> None:
    """The institution's home pools decide what is local."""
    config = settings({"hunan": []}, home_pools=["430100", "439900"])
    assert route(Router(regions, config), config, "439900").route_class == "local"


def test_a_hub_takes_the_channel_whose_region_is_closest(regions: RegionTable) -> None:
    """A pooling region comes before its province."""
    config = settings({"hunan": ["430000"], "guangdong": ["440000"], "shenzhen": ["440300"]})
    router = Router(regions, config)
    assert route(router, config, "430111").channel == "hunan"
    assert route(router, config, "440305").channel == "shenzhen"
    assert route(router, config, "440100").channel == "guangdong"
    assert route(router, config, "439900").channel == "hunan"


def test_a_hub_without_a_channel_for_the_region_says_so(regions: RegionTable) -> None:
    """Nothing is sent to a platform that was not meant."""
    config = settings({"hunan": ["430000"]})
    with pytest.raises(InvalidError) as caught:
        route(Router(regions, config), config, "440300")
    assert caught.value.problems[0].code is ProblemCode.ROUTE_MISSING


def test_a_hub_falls_back_on_a_forwarding_platform(regions: RegionTable) -> None:
    """An institution whose channel names no regions has a platform that forwards the rest."""
    config = settings({"hunan": [], "shenzhen": ["440300"]})
    router = Router(regions, config)
    assert route(router, config, "440300").channel == "shenzhen"
    assert route(router, config, "450100").channel == "hunan"


def test_an_empty_region_is_never_taken_as_local(regions: RegionTable) -> None:
    """The platform would settle an out-of-town patient as local: REGION-EMPTY instead."""
    config = settings({"hunan": []})
    with pytest.raises(InvalidError) as caught:
        route(Router(regions, config), config, "")
    (problem,) = caught.value.problems
    assert (problem.code, problem.field) == (ProblemCode.REGION_EMPTY, "insuplc_admdvs")


def test_a_first_identification_may_leave_without_a_region(regions: RegionTable) -> None:
    """Before 1101 nobody knows where the person is insured."""
    config = settings({"hunan": []})
    found = route(Router(regions, config), config, "", first_identification=True, insutype="")
    assert found == Route("430100", "local", "hunan")


@pytest.mark.parametrize("region", ["4301", "990000", "43010a", "4301000"])
def test_a_wrong_region_is_refused_even_in_a_first_identification(
    regions: RegionTable, region: str
) -> None:
    """Only the absence of a region is excused, never a wrong one."""
    config = settings({"hunan": []})
    for first in (False, True):
        with pytest.raises(InvalidError) as caught:
            route(Router(regions, config), config, region, first_identification=first)
        assert caught.value.problems[0].code is ProblemCode.REGION_UNKNOWN


def test_an_unlisted_region_of_a_known_province_passes_with_a_warning(
    regions: RegionTable,
) -> None:
    """Development zones are not in the public lists."""
    config = settings({"hunan": []})
    found = route(Router(regions, config), config, "430188")
    assert found.pooling_region == "430100"
    (warning,) = found.warnings
    assert (warning.code, warning.severity) == (ProblemCode.REGION_UNKNOWN, Severity.WARNING)


def test_two_channels_for_one_region_are_refused(regions: RegionTable) -> None:
    """The order of the settings must not decide where money goes."""
    with pytest.raises(ConfigurationError, match="440300"):
        Router(regions, settings({"a": ["440300"], "b": ["440300"]}))


def test_a_region_of_the_settings_that_is_none_is_refused(regions: RegionTable) -> None:
    """A typing error in home_pools shows at start, with its place."""
    with pytest.raises(ConfigurationError, match="H43010000001: home_pools"):
        Router(regions, settings({"hunan": []}, home_pools=["990000"]))


@pytest.mark.parametrize(
    ("route_class", "pay_loc"),
    [
        ("local", "1"),
        ("local", "2"),
        ("local", "6"),
        ("in-province", "3"),
        ("in-province", "6"),
        ("cross-province", "4"),
        ("cross-province", ""),
        ("local", "99"),
    ],
)
def test_a_payment_place_that_fits_is_no_problem(route_class: Any, pay_loc: str) -> None:
    """1, 2 and 5 are local, 3 is in the province, 4 across provinces, 6 in the city."""
    assert compare_pay_loc(route_class, pay_loc) is None


@pytest.mark.parametrize(
    ("route_class", "pay_loc"),
    [("local", "3"), ("local", "4"), ("in-province", "4"), ("cross-province", "2")],
)
def test_a_payment_place_that_differs_is_a_warning(route_class: Any, pay_loc: str) -> None:
    """The platform's word counts, and a person is told that the tables disagree."""
    problem = compare_pay_loc(route_class, pay_loc)
    assert problem is not None
    assert problem.severity is Severity.WARNING
    assert problem.field == "pay_loc"
