"""From the place of treatment and the insured place to a pooling region and a channel.

A hospital always calls its own platform, which forwards (pooling.md section 5): its institution
names the channel. A hub has channels with regions: the transaction leaves by the one whose region
speaks most closely of the insured place. `insuplc_admdvs` itself is never changed, and an empty
one is never replaced: the platform would take the patient as local.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple, NoReturn

from gateway.errors import (
    ConfigurationError,
    InvalidError,
    Problem,
    ProblemCode,
    ProblemKind,
    Severity,
)
from gateway.settings import ChannelSettings, InstitutionSettings, Settings
from mappings.regions import RegionCause, RegionError, RegionTable, Remark, RouteClass

FIELD = "insuplc_admdvs"


class Route(NamedTuple):
    """Where a transaction goes.

    `pooling_region` is the pool of the insured place, `channel` the name of a channel of the
    settings. `warnings` speak of the insured region and have no place yet.
    """

    pooling_region: str
    route_class: RouteClass
    channel: str
    warnings: tuple[Problem, ...] = ()


class Router:
    """Routes by the region tables and the channels of the settings."""

    def __init__(self, regions: RegionTable, settings: Settings) -> None:
        self._regions = regions
        self._routes = _routes(settings.channels)
        self._forwarding = {channel.name for channel in settings.channels if not channel.regions}
        _check_regions(regions, settings)

    def route(
        self,
        insuplc_admdvs: str,
        institution: InstitutionSettings,
        *,
        insutype: str,
        on: date,
        first_identification: bool = False,
    ) -> Route:
        """The route of one transaction.

        Args:
            insuplc_admdvs: region of the insurance row that 1101 gave, or that the sender states.
            institution: where the patient is treated.
            insutype: insurance type of that row, empty when not known yet.
            on: date of service; pools change.
            first_identification: the transaction is the first 1101 of a person, the only one
                that may leave without a region: it goes the way of a local patient.

        Raises:
            InvalidError: REGION-EMPTY, REGION-UNKNOWN (not six digits of a province), or
                ROUTE-MISSING (a hub has no channel for the region).
        """
        treated = institution.mdtrtarea_admvs
        if not insuplc_admdvs and first_identification:
            pool = self._regions.pool_of(treated, insutype, on)
            return Route(pool, "local", self._channel(treated, pool, institution))
        try:
            pool = self._regions.pool_of(insuplc_admdvs, insutype, on)
        except RegionError as error:
            _refuse(error)
        route_class = self._regions.class_of(
            insuplc_admdvs, treated, institution.home_pools, insutype, on
        )
        return Route(
            pool,
            route_class,
            self._channel(insuplc_admdvs, pool, institution),
            tuple(map(_warning, self._regions.remarks(insuplc_admdvs, on))),
        )

    def _channel(self, insured: str, pool: str, institution: InstitutionSettings) -> str:
        """The closest region first: the place, its pool, its city, its province."""
        if not self._routes:
            return institution.channel
        for region in (insured, pool, f"{pool[:4]}00", f"{pool[:2]}0000"):
            if region in self._routes:
                return self._routes[region]
        if institution.channel in self._forwarding:
            return institution.channel
        raise InvalidError(
            [
                Problem(
                    kind=ProblemKind.NOT_FOUND,
                    code=ProblemCode.ROUTE_MISSING,
                    field=FIELD,
                    zh=f"统筹区 {pool} 没有对应的通道",
                    en=f"no channel leads to the pooling region {pool}",
                    remedy_zh="请在通道配置的 regions 中加入该统筹区或其省份",
                    remedy_en="add the pooling region or its province to the regions of a channel",
                )
            ]
        )


def _routes(channels: list[ChannelSettings]) -> dict[str, str]:
    routes: dict[str, str] = {}
    for channel in channels:
        for region in channel.regions:
            if routes.setdefault(region, channel.name) != channel.name:
                raise ConfigurationError(
                    f"region {region} is routed to the channels {routes[region]} and {channel.name}"
                )
    return routes


def _check_regions(regions: RegionTable, settings: Settings) -> None:
    """Every region of the settings has to be one.

    Raises:
        ConfigurationError: names the setting and the region.
    """
    stated = [
        (f"channel {channel.name}: regions", code)
        for channel in settings.channels
        for code in channel.regions
    ]
    for institution in settings.institutions:
        name = f"institution {institution.fixmedins_code}"
        stated.append((f"{name}: mdtrtarea_admvs", institution.mdtrtarea_admvs))
        stated += [(f"{name}: home_pools", code) for code in institution.home_pools]
    for where, code in stated:
        try:
            regions.check(code)
        except RegionError as error:
            raise ConfigurationError(f"{where}: {error.en}") from error


def _refuse(error: RegionError) -> NoReturn:
    empty = error.cause is RegionCause.EMPTY
    raise InvalidError(
        [
            Problem(
                kind=ProblemKind.REQUIRED if empty else ProblemKind.VALUE,
                code=ProblemCode.REGION_EMPTY if empty else ProblemCode.REGION_UNKNOWN,
                field=FIELD,
                zh="参保地医保区划为空，不能按本地处理" if empty else f"参保地{error.zh}",
                en=(
                    "the insured region is empty and is not taken as local"
                    if empty
                    else f"insured place: {error.en}"
                ),
                remedy_zh="请先做人员信息获取（1101），使用其返回的参保地医保区划",
                remedy_en="identify the person first (1101) and use the region it gives",
            )
        ]
    ) from error


def _warning(remark: Remark) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.REGION_UNKNOWN,
        field=FIELD,
        zh=remark.zh,
        en=remark.en,
        severity=Severity.WARNING,
    )
