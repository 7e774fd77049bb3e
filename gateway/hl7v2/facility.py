"""Which institution a message is for.

MSH-4 (both of its first components), then PV1-3.4, then the provider of an invoice (IVC-10) and its
payee (PYE-4), is compared with the code, the name and the aliases of the institutions. A peer that
speaks for one institution only and states none means it.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.hl7v2.reader import Document
from gateway.settings import InstitutionSettings, PeerSettings, Settings


class Facility(NamedTuple):
    """The institution and where the message names it; the place is empty when it does not."""

    institution: InstitutionSettings
    place: str


def find_facility(document: Document, peer: PeerSettings, settings: Settings) -> Facility:
    """The institution of a message.

    Raises:
        InvalidError: no institution is known by that name, or the peer may not speak for it.
    """
    stated = [(name, place) for name, place in _names(document) if name]
    for name, place in stated:
        institution = _known(name, settings)
        if institution is None:
            continue
        if institution.fixmedins_code not in peer.institutions:
            raise _refused(
                ProblemKind.FORBIDDEN,
                ProblemCode.PEER_DENIED,
                "发送方无权代表该医疗机构",
                "the sender may not speak for this institution",
                place,
            )
        return Facility(institution, place)
    if not stated and len(peer.institutions) == 1:
        only = settings.institution(peer.institutions[0])
        if only is not None:
            return Facility(only, "")
    raise _refused(
        ProblemKind.NOT_FOUND,
        ProblemCode.INSTITUTION_UNKNOWN,
        "医疗机构未登记",
        "the institution is not known",
        stated[0][1] if stated else "MSH[1]-4",
    )


def _names(document: Document) -> list[tuple[str, str]]:
    names = []
    header = document.segments[0]
    names += [(header.get(4, part), f"MSH[1]-4[1].{part}") for part in (1, 2)]
    visit = document.first("PV1")
    if visit is not None:
        names.append((visit.get(3, 4), f"PV1[{visit.occurrence}]-3[1].4"))
    invoice = document.first("IVC")
    if invoice is not None:
        names += [(invoice.get(10, part), f"IVC[1]-10[1].{part}") for part in (10, 3, 1)]
    payee = document.first("PYE")
    if payee is not None:
        names += [(payee.get(4, part), f"PYE[1]-4[1].{part}") for part in (10, 3, 1)]
    return names


def _known(name: str, settings: Settings) -> InstitutionSettings | None:
    for institution in settings.institutions:
        if name in {institution.fixmedins_code, institution.fixmedins_name, *institution.aliases}:
            return institution
    return None


def _refused(kind: ProblemKind, code: ProblemCode, zh: str, en: str, place: str) -> InvalidError:
    return InvalidError([Problem(kind=kind, code=code, zh=zh, en=en, place=place)])
