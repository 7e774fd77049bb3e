"""The settings file as a whole, and that its names refer to something."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from gateway.settings.base import Section
from gateway.settings.office import (
    ClearingSettings,
    ReconciliationSettings,
    SettlementListSettings,
)
from gateway.settings.sections import (
    AuditSettings,
    ChannelSettings,
    CodeSettings,
    FHIRSettings,
    HTTPSettings,
    InstitutionSettings,
    JournalSettings,
    LimitSettings,
    LogSettings,
    MLLPSettings,
    OperatorSettings,
    PeerSettings,
    RegionSettings,
    ResolverSettings,
    SubscriptionSettings,
)
from gateway.settings.transport import FolderSettings


class Settings(Section):
    """The whole file."""

    data_dir: Path = Path()
    """Folder of relative paths in the sections; itself relative to the settings file."""
    application: str = "FSI-GATEWAY"
    """Our name in MSH-3 of replies."""
    facility: str = ""
    """Our facility in MSH-4 of replies; the request's MSH-6 when empty."""
    log: LogSettings = LogSettings()
    """Log lines."""
    mllp: MLLPSettings = MLLPSettings()
    """The HL7 v2 port."""
    http: HTTPSettings = HTTPSettings()
    """The HTTP port."""
    fhir: FHIRSettings = FHIRSettings()
    """The FHIR side."""
    subscriptions: SubscriptionSettings = SubscriptionSettings()
    """Notifications."""
    journal: JournalSettings = JournalSettings()
    """The journal."""
    audit: AuditSettings = AuditSettings()
    """The head of the audit."""
    codes: CodeSettings = CodeSettings()
    """Code tables."""
    regions: RegionSettings = RegionSettings()
    """Region tables."""
    resolver: ResolverSettings = ResolverSettings()
    """Unknown outcomes."""
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    """Reconciliation with the centre."""
    clearing: ClearingSettings = ClearingSettings()
    """Clearing of patients insured elsewhere."""
    settlement_list: SettlementListSettings = SettlementListSettings()
    """Settlement lists."""
    operator: OperatorSettings = OperatorSettings()
    """Operators."""
    limits: LimitSettings = LimitSettings()
    """Bounds."""
    institutions: Annotated[list[InstitutionSettings], Field(min_length=1)]
    """Whom the gateway speaks for."""
    channels: Annotated[list[ChannelSettings], Field(min_length=1)]
    """Where transactions go."""
    peers: Annotated[list[PeerSettings], Field(min_length=1)]
    """Who may send."""
    folders: list[FolderSettings] = []
    """Folders that take files of HL7 v2."""

    @model_validator(mode="after")
    def _names_refer_to_something(self) -> Settings:
        channels = {channel.name for channel in self.channels}
        if len(channels) != len(self.channels):
            raise ValueError("two channels have the same name")
        codes = {institution.fixmedins_code for institution in self.institutions}
        if len(codes) != len(self.institutions):
            raise ValueError("two institutions have the same fixmedins_code")
        if len({peer.name for peer in self.peers}) != len(self.peers):
            raise ValueError("two peers have the same name")
        asked = [peer.client_id or peer.name for peer in self.peers if peer.jwks_file is not None]
        if len(set(asked)) != len(asked):
            raise ValueError("two peers have the same client_id")
        authorities = (self.mllp.tls_client_ca_file, self.http.tls_client_ca_file)
        shown = [p.name for p in self.peers if p.certificate_sha256 or p.certificate_names]
        if shown and not any(authorities):
            raise ValueError(f"peer {shown[0]}: a certificate needs tls_client_ca_file of a port")
        for institution in self.institutions:
            if institution.channel not in channels:
                raise ValueError(
                    f"institution {institution.fixmedins_code}: no channel {institution.channel!r}"
                )
        for peer in self.peers:
            for code in peer.institutions:
                if code not in codes:
                    raise ValueError(f"peer {peer.name}: no institution {code!r}")
        names = {peer.name for peer in self.peers}
        for folder in self.folders:
            if folder.peer not in names:
                raise ValueError(f"folder {folder.path}: no peer {folder.peer!r}")
        if len({folder.path for folder in self.folders}) != len(self.folders):
            raise ValueError("two folders have the same path")
        return self

    def institution(self, fixmedins_code: str) -> InstitutionSettings | None:
        """The institution of this national code."""
        for institution in self.institutions:
            if institution.fixmedins_code == fixmedins_code:
                return institution
        return None
