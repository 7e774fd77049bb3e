"""HL7 v2: reading and writing ER7, character sets, acknowledgement rules, answers."""
