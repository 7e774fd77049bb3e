"""Clearing of patients insured elsewhere (3260, 3261, 3262), month by month.

============  ==================================================================
`month`       what is kept of a month between the steps
`comparing`   the lines of the centre against our own settlements
`running`     fetch, confirm, roll back; an outcome that is not known stops it
`reporting`   the report by pooling region
============  ==================================================================
"""
