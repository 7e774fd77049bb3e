"""Clearing of patients insured elsewhere (3260, 3261, 3262), month by month.

============  ==================================================================
`month`       what is kept of a month between the steps
`comparing`   the lines of the centre against our own settlements
`running`     fetch, confirm, roll back; an outcome that is not known stops it
`inputs`      what is sent of the lines, and who decides about them
`following`   what became of what was sent, from the journal
`refusals`    what an operator is told when a step cannot be taken
`reporting`   the report by pooling region
============  ==================================================================
"""
