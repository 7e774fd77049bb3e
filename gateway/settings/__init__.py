"""Typed settings: one TOML file, overlaid by environment variables; an unknown key is an error.

Environment variables override the file: `GATEWAY__HTTP__PORT=8081` sets `[http] port`. Secrets
are never written into the file: a setting that ends in `_file` names a file that holds one.
Relative paths are taken from the folder of the settings file.
"""

from __future__ import annotations

from gateway.settings.loading import ENVIRONMENT_PREFIX, load_settings
from gateway.settings.model import Settings
from gateway.settings.office import (
    ClearingSettings,
    ReconciliationSettings,
    SettlementListSettings,
)
from gateway.settings.sections import (
    AuditSettings,
    ChannelSettings,
    EHCReply,
    FHIRSettings,
    HL7Dialect,
    HTTPSettings,
    InstitutionSettings,
    JournalSettings,
    LogFormat,
    LogSettings,
    MLLPSettings,
    PeerSettings,
    ReplyMode,
    ResolverSettings,
    SubscriptionSettings,
    UnknownPolicy,
    Validation,
)
from gateway.settings.transport import DeliverySettings, Encoding, FolderSettings, PeerLimits

__all__ = [
    "ENVIRONMENT_PREFIX",
    "AuditSettings",
    "ChannelSettings",
    "ClearingSettings",
    "DeliverySettings",
    "EHCReply",
    "Encoding",
    "FHIRSettings",
    "FolderSettings",
    "HL7Dialect",
    "HTTPSettings",
    "InstitutionSettings",
    "JournalSettings",
    "LogFormat",
    "LogSettings",
    "MLLPSettings",
    "PeerLimits",
    "PeerSettings",
    "ReconciliationSettings",
    "ReplyMode",
    "ResolverSettings",
    "Settings",
    "SettlementListSettings",
    "SubscriptionSettings",
    "UnknownPolicy",
    "Validation",
    "load_settings",
]
