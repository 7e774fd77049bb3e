"""Settlement lists (4101 to 4105): collected, checked, uploaded, followed, corrected.

============  ==================================================================
`record`      what is kept of a list between the steps
`keeping`     what messages say for the list alone, also after the settlement
`collecting`  the list from what is stored, with what only the records department has
`checking`    everything that is wrong with it, at once
`following`   what became of it, by the journal and by the centre
`parts`       what the steps take and give
`running`     upload, submission, state; an outcome that is not known is read back
============  ==================================================================
"""
