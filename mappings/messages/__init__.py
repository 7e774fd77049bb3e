"""Message maps: how HL7 v2 and FHIR become records.

The maps are data (`hl7v2/`, `fhir/`); `grammar` says how they are written, `functions` what they
may do to a value, `compiler` turns them into closures once, at start.
"""

from mappings.messages.compiler import MapSet
from mappings.messages.language import Getter, PathLanguage

__all__ = ["Getter", "MapSet", "PathLanguage"]
