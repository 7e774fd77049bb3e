"""FHIR: reading requests, CapabilityStatement, answers and OperationOutcome."""
