"""The reference platform: a server that behaves as a regional centre.

It shares with the gateway only the definitions of the interface and the SM2 implementation;
headers, envelope, checks and sums are worked out apart, so that an error of one side shows on the
other.

=================  ===============================================================
`server`           HTTP paths, faults, the log
`centre`           one regional centre: from the body of a request to its reply
`call`             what a transaction may look at; refusals; the form of answers
`transactions/`    what each transaction does
`benefits`         who pays what: pure arithmetic
`tables`, `data/`  catalogue, policies, made-up persons
`places`           pools and distances
`inspection`       the input against the definitions
`wire`             JSON, canonical text, gateway headers
`store`            SQLite
`admin`, `faults`  the admin paths, faults on demand
`config`, `demo`   the configuration file, a folder to play with
`client`           a hospital's side, for trying a platform
=================  ===============================================================
"""
