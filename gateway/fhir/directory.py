"""Resources that come from the settings and not from an answer: institutions, and our topics."""

from __future__ import annotations

from datetime import datetime

from gateway.fhir.building import instant, kept, stamped
from gateway.fhir.names import Names
from gateway.fhir.stored import tokens_of
from gateway.fhir.subscriptions import TOPICS, topic
from gateway.intents import Resource
from gateway.settings import InstitutionSettings, PeerSettings, Settings

ORGANIZATION_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"


class Directory:
    """What a peer finds there, by type."""

    def __init__(self, names: Names, settings: Settings, started: datetime) -> None:
        self._names = names
        self._started = instant(started)
        self._found = {peer.name: self._of(settings, peer) for peer in settings.peers}

    def of(self, peer: PeerSettings) -> dict[str, list[Resource]]:
        """The resources that a peer may see; the institutions that it may speak for."""
        return self._found.get(peer.name, {})

    def _of(self, settings: Settings, peer: PeerSettings) -> dict[str, list[Resource]]:
        return {
            "Organization": [
                self._organization(one, peer)
                for one in settings.institutions
                if one.fixmedins_code in peer.institutions
            ],
            "SubscriptionTopic": [self._topic(slug, peer) for slug in sorted(TOPICS)],
        }

    def _organization(self, one: InstitutionSettings, peer: PeerSettings) -> Resource:
        names = self._names
        code = one.fixmedins_code
        system = names.identifier("fixmedins")
        identifiers = [{"use": "official", "system": system, "value": code}]
        resource = {
            "resourceType": "Organization",
            "id": code,
            "extension": [
                {"url": names.extension("mdtrtarea-admvs"), "valueCode": one.mdtrtarea_admvs}
            ],
            "identifier": identifiers,
            "active": True,
            "type": [{"coding": [{"system": ORGANIZATION_TYPE, "code": "prov"}]}],
            "name": one.fixmedins_name,
        }
        stamp = stamped(resource, self._started)
        tokens = {"identifier": tokens_of(identifiers), "name": [one.fixmedins_name]}
        return kept(stamp, peer.name, tokens)

    def _topic(self, slug: str, peer: PeerSettings) -> Resource:
        stamp = stamped(topic(self._names, slug), self._started)
        return kept(stamp, peer.name, {"url": [stamp["url"]], "status": ["active"]})
