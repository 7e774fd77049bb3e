"""The ports: MLLP, FHIR REST, national JSON; who a peer is, limits and deadlines."""
