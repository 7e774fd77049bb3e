"""Names of things: identifier systems, code systems and extensions under one canonical base.

Which exist and what they hold is mapping matrix 2.6. The base is a setting, so that an institution
can mint its own. In paths and in code they are written short: `id/psn-no` is an identifier system,
`code/med-type` a code system.
"""

from __future__ import annotations

ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
"""Standard adjudication codes: submitted, copay, eligible, deductible, eligpercent, benefit."""

TASK_CODE = "http://hl7.org/fhir/CodeSystem/task-code"
FINANCIAL_TASK = "http://terminology.hl7.org/CodeSystem/financialtaskcode"
"""Codes of tasks about claims: cancel, poll, release, reprocess, status."""

CURRENCY = "CNY"
"""The only currency of the interface (X-052)."""

CERTIFICATE = "mdtrt-cert"
"""The extension with the certificate that the person presents; it may hold a one-time token."""

ENCOUNTER = "encounter"
"""The extension by which a Claim of R4 names its encounter."""

ERROR_PLACE = "error-expression"
"""The extension with the FHIRPath of an error in an answer, for which R4 has no element."""

VOUCHER = "01"
"""mdtrt_cert_type of the e-voucher: its number is a one-time token, never stored or repeated."""


class Names:
    """The names under one canonical base.

    >>> Names("https://h.example/fhir/").expand("id/psn-no")
    'https://h.example/fhir/id/psn-no'
    >>> Names("https://h.example/fhir").expand("code/med-type")
    'https://h.example/fhir/CodeSystem/med-type'
    >>> Names("https://h.example/fhir").expand("urn:oid:1.2.3")
    'urn:oid:1.2.3'
    """

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    def identifier(self, name: str) -> str:
        """The identifier system of this name (`psn-no`, `setl-id`, ...)."""
        return f"{self.base}/id/{name}"

    def code_system(self, name: str) -> str:
        """The code system of this name (`fsi-amount`, `insutype`, ...)."""
        return f"{self.base}/CodeSystem/{name}"

    def value_set(self, name: str) -> str:
        """The value set of this name (`insutype`, `claim-type`, ...)."""
        return f"{self.base}/ValueSet/{name}"

    def extension(self, name: str) -> str:
        """The URL of the extension of this name (`encounter`, `med-type`, ...)."""
        return f"{self.base}/StructureDefinition/{name}"

    def expand(self, short: str) -> str:
        """The full form of `id/NAME` and `code/NAME`; any other text as it is."""
        kind, slash, name = short.partition("/")
        if slash and kind == "id":
            return self.identifier(name)
        if slash and kind == "code":
            return self.code_system(name)
        return short


def is_extension(url: object, name: str) -> bool:
    """True when an extension URL ends in this name, whatever base the sender minted it under.

    >>> is_extension("https://h.example/fhir/StructureDefinition/med-type", "med-type")
    True
    >>> is_extension("type", "type"), is_extension("https://h.example/no-med-type", "med-type")
    (True, False)
    """
    return isinstance(url, str) and (url == name or url.endswith("/" + name))
