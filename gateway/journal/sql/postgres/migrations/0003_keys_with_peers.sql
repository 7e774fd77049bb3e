-- The key of an HL7 v2 message begins with the peer it came from, as that of a FHIR resource does:
-- two peers with the same MSH-3, MSH-4 and control id never meet. Older rows keep their answers.
UPDATE exchanges SET sender = peer || '|' || sender WHERE protocol = 'hl7v2';
