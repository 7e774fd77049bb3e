"""Message maps: how HL7 v2 and FHIR become records."""
